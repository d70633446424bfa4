//! Servers that answer what is no answer.

use crate::ground::{Ground, says, wait};
use crate::support::Result;
use crate::support::site::rest;

#[test]
fn what_is_no_response_is_a_502() -> Result<()> {
    let ok = "HTTP/1.1 200 OK\r\n";
    for (why, answer) in [
        ("junk", "junk\r\n\r\n".to_owned()),
        ("TLS", "\x15\x03\x01\0\x02\x02\x28".to_owned()),
        (
            "an error of another protocol",
            "-ERR unknown command\r\n".to_owned(),
        ),
        ("a NUL", format!("{ok}a: b\0c\r\n\r\n")),
        ("a control", format!("{ok}a: b\x01c\r\n\r\n")),
        ("a CR alone", format!("{ok}a: b\rc\r\n\r\n")),
        (
            "a field that goes on before it began",
            format!("{ok} a: b\r\n\r\n"),
        ),
        ("a status that is none", "HTTP/1.1 99 x\r\n\r\n".to_owned()),
        (
            "lengths that differ",
            format!("{ok}Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc"),
        ),
        (
            "a length that overflows",
            format!("{ok}Content-Length: 99999999999999999999\r\n\r\n"),
        ),
        (
            "an unknown coding",
            format!("{ok}Transfer-Encoding: xchunked\r\n\r\n"),
        ),
        (
            "a switch that nobody asked for",
            "HTTP/1.1 101 x\r\nUpgrade: y\r\nConnection: upgrade\r\n\r\n".to_owned(),
        ),
        (
            "a switch to nothing",
            "HTTP/1.1 101 x\r\nConnection: upgrade\r\n\r\n".to_owned(),
        ),
        (
            "a length that is negative for some",
            format!("{ok}Content-Length: 9223372036854775808\r\n\r\n"),
        ),
        ("a field too many", format!("{ok}{}\r\n", "a: b\r\n".repeat(101))),
        (
            "a chunk that is none",
            format!("{ok}Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
        ),
        (
            "a size that overflows",
            format!("{ok}Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n"),
        ),
        ("a long field", format!("{ok}a: {}\r\n\r\n", "b".repeat(1 << 20))),
        ("many fields", format!("{ok}{}\r\n", "a: b\r\n".repeat(100_000))),
    ] {
        let mut ground = Ground::start("junk", says(answer, wait)?)?;
        let before = ground.descriptors()?;
        let answer = rest(ground.site.begin("/to")?)?;
        assert!(answer.starts_with("HTTP/1.1 502 "), "{why}: {answer}");
        let told = ground.told()?;
        assert!(
            told.starts_with("502 PH to/s \"GET /to HTTP/1.1\""),
            "{why}: {told}"
        );
        ground.is_well()?;
        ground.until_descriptors(before)?;
    }
    Ok(())
}

#[test]
fn what_goes_wrong_in_a_body_cuts_it_off() -> Result<()> {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n";
    for (why, answer) in [
        ("no number", format!("{chunked}zz\r\n")),
        ("an overflow", format!("{chunked}ffffffffffffffffff\r\n")),
        ("no end of line", format!("{chunked}2\r\nabXX")),
        (
            "an extension without an end",
            format!("{chunked}2;{}", "a".repeat(1 << 20)),
        ),
        (
            "trailers without an end",
            format!("{chunked}0\r\n{}", "a: b\r\n".repeat(100_000)),
        ),
    ] {
        let mut ground = Ground::start("body", says(answer, wait)?)?;
        let before = ground.descriptors()?;
        let answer = rest(ground.site.begin("/to")?)?;
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.contains("ab"),
            "{why}: {answer}"
        );
        assert!(!answer.ends_with("0\r\n\r\n"), "{why}: {answer}");
        let told = ground.told()?;
        assert!(
            told.starts_with("200 SD to/s ") || told.starts_with("200 PD to/s "),
            "{why}: {told}"
        );
        ground.is_well()?;
        ground.until_descriptors(before)?;
    }
    Ok(())
}

#[test]
fn a_flood_of_hints_is_no_answer() -> Result<()> {
    let hints = "HTTP/1.1 103 Hint\r\nlink: </a>\r\n\r\n".repeat(5000);
    let mut ground = Ground::start("hints", says(hints, wait)?)?;
    let answer = rest(ground.site.begin("/to")?)?;
    assert!(answer.matches("HTTP/1.1 103 ").count() <= 100, "{answer}");
    assert!(answer.contains("HTTP/1.1 502 "), "{answer}");
    let told = ground.told()?;
    assert!(told.starts_with("502 PH to/s "), "{told}");
    ground.is_well()
}
