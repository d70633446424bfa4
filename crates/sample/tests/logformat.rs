//! Log-format strings: log lines as haproxy writes them, and what is said of mistakes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "it is a test"
)]

mod common;

use common::Fake;
use tidegate_sample::logformat::{CLF_FORMAT, HTTP_FORMAT, TCP_FORMAT};
use tidegate_sample::{Data, LogFormat, Place, Scope};

fn log_of(fake: &Fake, format: &str) -> String {
    let parsed = LogFormat::parse_log(format, &Scope::new(Place::Log)).unwrap();
    let mut line = Vec::new();
    parsed.eval_into(&mut line, fake);
    String::from_utf8(line).unwrap()
}

/// The session of a request that the proxy answered itself.
fn answered() -> Fake {
    let mut fake = Fake::new();
    let request = http::Request::get("/P?x=1&y=%0a").body(()).unwrap();
    fake.request = Some(std::cell::RefCell::new(request.into_parts().0));
    fake.facts.termination = Some(*b"LR");
    fake.facts.bytes_read = 49;
    fake
}

fn log(format: &str) -> String {
    log_of(&answered(), format)
}

#[test]
fn default_formats() {
    let date = log("%t");
    assert_eq!(
        log(HTTP_FORMAT),
        format!(
            "127.0.0.1:50570 [{date}] f f/<NOSRV> 0/-1/-1/-1/0 200 49 - - LR-- 1/1/0/0/0 0/0 \
             \"GET /P?x=1&y=%0a HTTP/1.1\""
        )
    );
    assert_eq!(
        log(TCP_FORMAT),
        format!("127.0.0.1:50570 [{date}] f f/<NOSRV> -1/-1/0 49 LR 1/1/0/0/0 0/0")
    );
    assert_eq!(
        log(CLF_FORMAT),
        "127.0.0.1 - - [14/Nov/2023:22:13:20 +0000] \"GET /P?x=1&y=%0a HTTP/1.1\" 200 49 \"\" \"\" 50570 253 \
         \"f\" \"f\" \"<NOSRV>\" 0 -1 -1 -1 0 LR-- 1 1 0 0 0 0 0 \"\" \"\" "
    );
}

#[test]
fn spaces_and_absent_values_of_log_lines() {
    for (format, want) in [
        ("a  b   c", "a b c"),
        ("%hr %hs x", "x"),
        (" %{+Q}o %ci %s", "\"127.0.0.1\" \"<NOSRV>\""),
        ("%CC %CS %bi %si %sp %ID|", "- - - - - -|"),
        (
            "[%[str()]|%{+Q}[str()]|%{+Q}[var(txn.nope)]|%[var(txn.nope)]|%{-M}[var(txn.nope)]]",
            "[-|\"\"|\"\"|-|]",
        ),
        ("a%[str( x )] %[str(x )] b", "a x  x  b"),
        ("x %o y", "x y"),
        ("x %{-M}CC y", "x  y"),
        ("%(client)ci %(where)[dst_port]|", "127.0.0.1 18998|"),
        ("%%%ci%%", "%127.0.0.1%"),
    ] {
        assert_eq!(log(format), want, "{format}");
    }
}

#[test]
fn flags() {
    for (format, want) in [
        ("%{+E}[str('a\"b\\\\c]d')]", "a\\\"b\\\\\\\\c\\]d"),
        ("%{+Q,+E}[str('a\"b')]", "\"a\\\"b\""),
        ("%{+Q+E}[str('a\"b')]", "\"a\\\"b\""),
        (
            "%{+X}ci %{+X}fi:%{+X}fp %{+X}ST %{+X}B %{+X}ts %{+X}lc",
            "7F000001 7F000001:4A36 200 31 LR 0000",
        ),
        ("%{+X}ms %{+X}Ts %{+X}pid", "FD 6553F100 1092"),
        ("%Tr%{+X}Tr", "-1-1"),
        (
            "%{+Q}[int(5)] %{+Q}t %{+Q}ST %{+Q}tsc",
            "\"5\" 14/Nov/2023:22:13:20.253 200 LR--",
        ),
        ("%{Q}HM %{+Q,X}HM %{Q,-Q}HM", "GET \"GET\" GET"),
        ("%{+Q}o %HM %{-Q}HM %HM %{-Q}o %HM", "\"GET\" GET \"GET\" GET"),
    ] {
        // The machine may not be in Greenwich.
        let want = want.replace("14/Nov/2023:22:13:20.253", &log("%t"));
        assert_eq!(log(format), want, "{format}");
    }
}

#[test]
fn fields_of_the_request() {
    for (format, want) in [
        (
            "%HM|%HP|%HPO|%HQ|%HU|%HV",
            "GET|/P|/P|?x=1&y=%0a|/P?x=1&y=%0a|HTTP/1.1",
        ),
        ("%r", "GET /P?x=1&y=%0a HTTP/1.1"),
        ("%{+Q}HQ", "\"?x=1&y=%0a\""),
    ] {
        assert_eq!(log(format), want, "{format}");
    }
    let mut bad = answered();
    bad.request = None;
    assert_eq!(log_of(&bad, "%{+Q}r %HM"), "\"<BADREQ>\" <BADREQ>");
}

#[test]
fn captures() {
    let mut fake = answered();
    fake.facts.captured_request_headers = vec![Some("a\"b".into()), None, Some("c".into())];
    fake.facts.captured_response_headers = vec![Some(Data::from("x\r\ny"))];
    assert_eq!(log_of(&fake, "%hr %hs|%hrl"), "{a#22b||c} {x#0D#0Ay}|a\"b - c");
    fake.facts.redispatched = true;
    fake.facts.retries = 3;
    fake.facts.tls = true;
    assert_eq!(log_of(&fake, "%rc %ft %{+Q}ft"), "+3 f~ \"f~\"");
}

#[test]
fn what_a_client_sent_cannot_end_a_line() {
    assert_eq!(
        log("%[str('a')]%[bin(0a0d7f41)]%[str(\"b\tc\")]"),
        "a#0A#0D#7FAb\tc"
    );
    let parsed = LogFormat::parse("%[bin(0a0d7f4100)]", &Scope::new(Place::FrontendHttpRequest)).unwrap();
    assert_eq!(
        parsed.eval(&answered()),
        tidegate_sample::Value::str("%0A%0D%7FA")
    );
}

#[test]
fn constants_are_known() {
    let constant = |text: &str| {
        let parsed: LogFormat = text.parse().unwrap();
        parsed.constant().map(<[u8]>::to_vec)
    };
    assert_eq!(constant("a b%%").as_deref(), Some(&b"a b%"[..]));
    assert_eq!(constant("").as_deref(), Some(&b""[..]));
    assert_eq!(constant("%ci"), None);
}

#[test]
fn aliases_of_http_are_known() {
    let alias = |text: &str| {
        text.parse::<LogFormat>()
            .unwrap()
            .http_alias()
            .map(|alias| alias.name)
    };
    assert_eq!(alias("%ci %[path] %ST %HM %r"), Some("HM"));
    assert_eq!(alias(TCP_FORMAT), None);
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (format, span, message) in [
        (
            "a %zz b",
            3..5,
            "unknown log-format alias `zz`; write `%%` for a percent sign",
        ),
        (
            "%(a:int)ci",
            3..7,
            "the type of a log-format item is not supported yet",
        ),
        ("%sslv", 1..5, "log-format alias `sslv` is not supported yet"),
        (
            "%CI",
            1..3,
            "unknown log-format alias `CI`; write `%%` for a percent sign; did you mean `ci`?",
        ),
        (
            "x%",
            1..2,
            "there is no alias after `%`; write `%%` for a percent sign",
        ),
        (
            "100% sure",
            3..5,
            "there is no alias after `%`; write `%%` for a percent sign",
        ),
        ("%{+Q", 1..4, "missing `}` after the flags"),
        (
            "%{+Z}ci",
            2..4,
            "unknown log-format flag `Z`; the flags are E, M, Q and X",
        ),
        (
            "%{+Q,Z}ci",
            5..6,
            "unknown log-format flag `Z`; the flags are E, M, Q and X",
        ),
        (
            "%{+json}o",
            2..7,
            "log-format encoding `json` is not supported yet",
        ),
        ("é%[path", 2..8, "missing `]` after `path`"),
        ("é%[path ]", 8..9, "expected `]` after `path`, found ` `"),
        ("é%[pth]", 4..7, "unknown fetch `pth`; did you mean `path`?"),
        (
            "%[path,lowr]",
            7..11,
            "unknown converter `lowr`; did you mean `lower`?",
        ),
        (
            "%[path,field(x,/)]",
            13..14,
            "`x` is not a valid integer for `field`",
        ),
        ("%(name", 1..6, "missing `)` after the item's name"),
    ] {
        let error = format.parse::<LogFormat>().map(|_| ()).expect_err(format);
        assert_eq!(
            (error.span.clone(), error.to_string()),
            (span, message.to_string()),
            "{format}"
        );
    }
}
