//! Requests that are none, or that others might read otherwise.

use crate::ground::{Ground, silent};
use crate::support::Result;

/// The line for what can't be read.
fn bad(status: u16) -> String {
    format!("{status} PR site/<NOSRV> \"<BADREQ>\"")
}

#[test]
fn what_two_might_read_otherwise_is_refused() -> Result<()> {
    let mut ground = Ground::start("smuggling", silent()?)?;
    let post = |fields: &str| format!("POST / HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
    let get = |fields: &str| format!("GET / HTTP/1.1\r\n{fields}\r\n");
    let coding = |coding: &str| post(&format!("Transfer-Encoding: {coding}\r\n")) + "0\r\n\r\n";
    for (why, request) in [
        (
            "lengths that differ",
            post("Content-Length: 3\r\nContent-Length: 4\r\n") + "abcd",
        ),
        ("a list of them", post("Content-Length: 3, 4\r\n") + "abcd"),
        ("a sign", post("Content-Length: +3\r\n") + "abc"),
        ("another", post("Content-Length: -3\r\n") + "abc"),
        (
            "a length that overflows",
            post("Content-Length: 18446744073709551617\r\n") + "a",
        ),
        (
            "a length that is negative for some",
            post("Content-Length: 9223372036854775808\r\n") + "a",
        ),
        ("an unknown coding", coding("xchunked")),
        ("a coding behind a control", coding("\x0bchunked")),
        ("chunks that aren't the last", coding("chunked, identity")),
        ("chunks in chunks", coding("chunked, chunked")),
        (
            "a blank before the colon",
            post("Transfer-Encoding : chunked\r\n") + "0\r\n\r\n",
        ),
        (
            "a field that goes on before it began",
            get(" a: b\r\nHost: h\r\n"),
        ),
        ("a NUL", get("Host: h\r\na: b\0c\r\n")),
        ("a NUL in a name", get("Host: h\r\na\0b: c\r\n")),
        ("a control", get("Host: h\r\na: b\x01c\r\n")),
        ("a CR alone", get("Host: h\r\na: b\rc\r\n")),
        (
            "a CR before it all",
            "\rGET / HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        ),
        ("a field without a colon", get("Host: h\r\nabc\r\n")),
        ("a field without a name", get("Host: h\r\n: c\r\n")),
        (
            "an authority for GET",
            "GET h:80 HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        ),
        (
            "a path for CONNECT",
            "CONNECT /x HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        ),
        (
            "no port for CONNECT",
            "CONNECT h HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        ),
        (
            "all of the server for GET",
            "GET * HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        ),
        (
            "a scheme that begins with a digit",
            "GET 1a://h/ HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        ),
        ("a fragment", "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n".to_owned()),
        ("HTTP/0.9", "GET /\r\n".to_owned()),
        ("TLS", "\x16\x03\x01\x02\0\x01\0\x01".to_owned()),
        ("noise", "\u{ff}\u{fe}\x01\x02 noise\r\n\r\n".to_owned()),
    ] {
        ground.expect(why, request.as_bytes(), &bad(400))?;
    }
    for (why, request) in [
        (
            "another host in the target",
            "GET http://x/ HTTP/1.1\r\nHost: h\r\n\r\n",
        ),
        (
            "another one for CONNECT",
            "CONNECT a:1 HTTP/1.1\r\nHost: b:1\r\n\r\n",
        ),
        ("two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    ] {
        ground.expect(why, request.as_bytes(), &bad(400))?;
    }
    Ok(())
}

#[test]
fn what_has_one_meaning_is_read_by_that() -> Result<()> {
    let mut ground = Ground::start("meaning", silent()?)?;
    let close = "Connection: close\r\n";
    for (why, request) in [
        (
            "lines that end with LF alone",
            "GET / HTTP/1.1\nHost: h\nConnection: close\n\n".to_owned(),
        ),
        (
            "a field of several lines",
            format!("GET / HTTP/1.1\r\nHost: h\r\na: b\r\n c\r\n{close}\r\n"),
        ),
        (
            "lengths that agree",
            format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3, 3\r\n{close}\r\nabc"),
        ),
        (
            "a whole address",
            format!("GET http://h/ HTTP/1.1\r\nHost: h\r\n{close}\r\n"),
        ),
        (
            "an extension",
            format!(
                "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n{close}\r\n2;a=\"b\"\r\nab\r\n0\r\n\r\n"
            ),
        ),
        (
            "a coding on two lines",
            format!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n chunked\r\n{close}\r\n0\r\n\r\n"),
        ),
    ] {
        ground.expect(why, request.as_bytes(), "200 LR site/<NOSRV>")?;
    }
    // Chunks hold, whatever length stands beside them, and nothing that follows is a request.
    for version in ["1.1", "1.0"] {
        let request = format!(
            "POST /ok HTTP/{version}\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\
             GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
        );
        let answer = ground.expect(
            "a length beside chunks",
            request.as_bytes(),
            "200 -- ok/s \"POST /ok",
        )?;
        assert!(answer.ends_with("fine"), "{answer}");
    }
    assert_eq!(ground.untold(), Vec::<String>::new());
    Ok(())
}

#[test]
fn chunks_that_are_none_end_in_an_error() -> Result<()> {
    let mut ground = Ground::start("chunks", silent()?)?;
    let head = "POST /to HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (why, body) in [
        ("a size that overflows", "ffffffffffffffff1\r\n".to_owned()),
        (
            "a size that overflows for some",
            "1000000000000000\r\n".to_owned(),
        ),
        ("a sign", "-1\r\n".to_owned()),
        ("no number", "xyz\r\n".to_owned()),
        (
            "an extension that ends with LF alone",
            "2;a\nab\r\n0\r\n\r\n".to_owned(),
        ),
        (
            "an extension without an end",
            format!("2;{}", "a".repeat(200_000)),
        ),
        ("a size without an end", "0".repeat(200_000)),
        ("data without an end of line", "2\r\nabXX0\r\n\r\n".to_owned()),
        (
            "trailers without an end",
            format!("0\r\n{}", "a: b\r\n".repeat(40_000)),
        ),
        ("a trailer that is none", "0\r\na b\r\n\r\n".to_owned()),
    ] {
        let answer = ground.expect(
            why,
            [head, &body].concat().as_bytes(),
            "400 PH to/s \"POST /to HTTP/1.1\"",
        )?;
        // Nobody knows where another request would begin.
        assert!(answer.contains("\r\nconnection: close\r\n"), "{why}: {answer}");
    }
    Ok(())
}

#[test]
fn heads_past_the_limits_are_refused() -> Result<()> {
    let mut ground = Ground::start("large-heads", silent()?)?;
    let head = "GET / HTTP/1.1\r\nHost: h\r\n";
    // The first line counts among the 101 that `tune.http.maxhdr` lets be.
    let fields = |more: usize| format!("{head}Connection: close\r\n{}\r\n", "a: b\r\n".repeat(more));
    ground.expect("as many fields as may be", fields(98).as_bytes(), "200 LR site/")?;
    ground.expect("one more", fields(99).as_bytes(), &bad(400))?;
    ground.expect("very many", fields(200_000).as_bytes(), &bad(400))?;
    ground.expect(
        "a long field",
        format!("{head}a: {}\r\n\r\n", "b".repeat(1 << 20)).as_bytes(),
        &bad(431),
    )?;
    ground.expect(
        "a long name",
        format!("{head}{}: b\r\n\r\n", "a".repeat(1 << 20)).as_bytes(),
        &bad(431),
    )?;
    ground.expect(
        "a long target",
        format!("GET /{}", "a".repeat(1 << 20)).as_bytes(),
        &bad(414),
    )?;
    // A method has no end either.
    let answer = ground.ask(crate::ground::PLAIN, "A".repeat(1 << 20).as_bytes())?;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    assert!(ground.told()?.contains(" PR site/<NOSRV> \"<BADREQ>\""));
    ground.is_well()
}
