//! PROXY headers that are cut off, or wrong, at every byte.

use std::io::Write;
use std::net::Shutdown;

use crate::ground::{Ground, PROXIED, silent};
use crate::support::Result;
use crate::support::site::rest;

const V1: &[u8] = b"PROXY TCP4 10.0.0.1 10.0.0.2 1000 80\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x0a\0\0\x01\x0a\0\0\x02\x03\xe8\0\x50";

/// What is asked behind a header.
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

#[test]
fn headers_that_are_cut_off_at_any_byte_are_told_of() -> Result<()> {
    let mut ground = Ground::start("proxy-cut", silent()?)?;
    let before = ground.descriptors()?;
    for header in [V1, V2] {
        for length in 0..header.len() {
            let mut stream = ground.site.connect(PROXIED)?;
            stream.write_all(header.get(..length).unwrap_or_default())?;
            stream.shutdown(Shutdown::Write)?;
            assert_eq!(rest(stream)?, "", "{length}");
            let told = ground.told()?;
            let why = match length {
                0 => "Connection closed while waiting for PROXY protocol header",
                _ => "Truncated PROXY protocol header received",
            };
            assert!(told.ends_with(why), "{length}: {told}");
        }
        ground.is_well()?;
    }
    // Whole, they are none of it.
    for header in [V1, V2] {
        assert!(ground.ask(PROXIED, &[header, GET].concat())?.ends_with("served"));
        assert!(ground.told()?.starts_with("200 LR proxied/<NOSRV>"));
    }
    ground.until_descriptors(before)
}

#[test]
fn headers_with_any_byte_wrong_are_told_of_or_mean_other_addresses() -> Result<()> {
    // Behind these bytes of the second version come the addresses, of which each means something.
    const ADDRESSES: usize = 16;
    let mut ground = Ground::start("proxy-wrong", silent()?)?;
    for (header, all) in [(V1, V1.len()), (V2, ADDRESSES)] {
        for at in 0..header.len() {
            let spoilt = |(nth, byte): (usize, &u8)| if nth == at { byte ^ 0x55 } else { *byte };
            let wrong: Vec<u8> = header.iter().enumerate().map(spoilt).collect();
            let answer = ground.ask(PROXIED, &[&wrong, GET].concat())?;
            let told = ground.told()?;
            if at < all {
                assert_eq!(answer, "", "{at}");
                assert!(told.contains("PROXY protocol header"), "{at}: {told}");
            } else {
                assert!(answer.ends_with("served"), "{at}: {answer}");
            }
        }
        ground.is_well()?;
    }
    assert_eq!(ground.untold(), Vec::<String>::new());
    Ok(())
}
