//! What is no TLS, where TLS is spoken.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::process::{Command, Stdio};

use crate::ground::{Ground, PLAIN, SECURE, reset, silent};
use crate::support::Result;
use crate::support::site::rest;

const HELLO: &[u8] = b"\x16\x03\x01\x01\0\x01\0\0\xfc\x03\x03";

#[test]
fn what_is_no_handshake_is_told_of() -> Result<()> {
    let mut ground = Ground::start("no-tls", silent()?)?;
    let before = ground.descriptors()?;
    let large = [&b"\x16\x03\x01\xff\xff"[..], &[b'a'; 70_000]].concat();
    let lie = [HELLO, &[b'a'; 300]].concat();
    for (why, bytes) in [
        ("noise", &b"\xff\xfe what is this? \x01\x02\x03\x04\x05"[..]),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
        ("a hello whose length lies", &lie),
        ("a record that is too large", &large),
        ("an alert", b"\x15\x03\x01\0\x02\x02\x28"),
        ("data before a hello", b"\x17\x03\x03\0\x05hello"),
    ] {
        let answer = ground.ask(SECURE, bytes)?;
        assert!(!answer.contains("HTTP"), "{why}: {answer}");
        let told = ground.told()?;
        assert!(told.ends_with("secure/1: SSL handshake failure"), "{why}: {told}");
        ground.is_well()?;
    }
    for resets in [false, true] {
        let mut stream = ground.site.connect(SECURE)?;
        stream.write_all(HELLO)?;
        if resets {
            reset(stream)?;
        } else {
            stream.shutdown(Shutdown::Write)?;
            rest(stream)?;
        }
        let told = ground.told()?;
        assert!(
            told.ends_with("secure/1: Connection error during SSL handshake"),
            "{told}"
        );
        ground.is_well()?;
    }
    ground.until_descriptors(before)
}

/// Noise in a session that was agreed on, in place of a record.
#[test]
fn noise_within_a_session_ends_it() -> Result<()> {
    let mut ground = Ground::start("tls-noise", silent()?)?;
    let before = ground.descriptors()?;
    let config = ground.authority.client()?;
    let stream = ground.site.connect(SECURE)?;
    let mut client = crate::support::tls::connect(&config, stream, "localhost")?;
    client.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")?;
    let mut answer = [0; 15];
    client.read_exact(&mut answer)?;
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    assert!(ground.told()?.starts_with("200 LR secure/<NOSRV>"));
    client.sock.write_all(&[0x17, 3, 3, 0, 40])?;
    client.sock.write_all(&[0xaa; 40])?;
    // It gets no more than an alert.
    let mut rest = Vec::new();
    let _ = client.sock.read_to_end(&mut rest);
    ground.is_well()?;
    drop(client);
    ground.until_descriptors(before)
}

/// A client that wants to agree on everything anew, which TLS 1.2 knew.
#[test]
fn nobody_renegotiates() -> Result<()> {
    let mut ground = Ground::start("renegotiation", silent()?)?;
    let before = ground.descriptors()?;
    let port = ground.site.address(SECURE)?;
    let mut openssl = Command::new("openssl")
        .args(["s_client", "-tls1_2", "-connect", &port.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut told = String::new();
    let mut words = openssl.stdin.take().ok_or("no input")?;
    // A line that begins with R asks for it.
    words.write_all(b"R\n")?;
    words.flush()?;
    let output = openssl.stderr.take().ok_or("no output")?;
    // It ends once the program has let go of it.
    std::io::BufReader::new(output).read_to_string(&mut told)?;
    drop(words);
    openssl.wait()?;
    assert!(told.contains("RENEGOTIATING"), "{told}");
    assert!(
        told.contains("no renegotiation") || told.contains("error"),
        "{told}"
    );
    let line = ground.told()?;
    assert!(line.contains(" secure/<NOSRV> \"<BADREQ>\""), "{line}");
    ground.is_well()?;
    assert!(ground.ask(PLAIN, b"GET / HTTP/1.0\r\n\r\n")?.ends_with("served"));
    ground.until_descriptors(before)
}
