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
use tidegate_sample::{Data, LogFormat, LogOrigin, Place, Scope};

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
    fake.request = Some(std::cell::RefCell::new(request.into_parts().0.into()));
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

/// As the manual has it: the word in place of an address, the listener's id in place of a port.
#[test]
fn clients_of_unix_sockets() {
    let mut fake = answered();
    (fake.src, fake.dst) = (None, None);
    assert_eq!(log_of(&fake, "%ci:%cp %fi:%fp"), "unix:1 unix:1");
    assert_eq!(log_of(&fake, "%{+X}ci:%{+X}cp"), "unix:0001");
    assert_eq!(log_of(&fake, "%[src] %[src_port]"), "- -");
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
            "7F000001 7F000001:4A36 200 49 LR 0000",
        ),
        ("%{+X}ms %{+X}Ts %{+X}pid", "FD 6553F100 1092"),
        ("%ms", "253"),
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
    let mut absolute = answered();
    let request = http::Request::get("http://h:8/p?q=4").body(()).unwrap();
    absolute.request = Some(std::cell::RefCell::new(request.into_parts().0.into()));
    assert_eq!(
        log_of(&absolute, "%HPO %HP %HU %HQ"),
        "/p http://h:8/p http://h:8/p?q=4 ?q=4"
    );
    // As haproxy 2.6 writes it: structured data end with a bracket.
    let mut brackets = answered();
    let request = http::Request::get("/a]b?q=]").body(()).unwrap();
    brackets.request = Some(std::cell::RefCell::new(request.into_parts().0.into()));
    assert_eq!(
        log_of(&brackets, "%{+E}r %HP %{+Q,+E}o %HP %HQ %HU"),
        "GET /a\\]b?q=\\] HTTP/1.1 /a]b \"/a\\]b\" \"?q=\\]\" \"/a\\]b?q=\\]\""
    );
    let mut bad = answered();
    bad.request = None;
    assert_eq!(log_of(&bad, "%{+Q}r %HM"), "\"<BADREQ>\" <BADREQ>");
}

/// As haproxy 2.6 writes the same.
#[test]
fn captures() {
    let mut fake = answered();
    assert_eq!(log_of(&fake, "a %hr %hs %hrl %CC b"), "a - b");
    fake.request_captures = vec![Some("a|b{c}\"#\\\u{e9}\t~]".into()), None, Some("c".into())].into();
    fake.response_captures = vec![Some(Data::from("x\r\ny"))].into();
    fake.cookies = [Some("S=q\"w\te#r".into()), Some("S=2".into())];
    for (format, want) in [
        ("%hr %hs", "{a#7Cb#7Bc#7D#22#23\\#C3#A9#09~]||c} {x#0D#0Ay}"),
        ("%{+E}hr", "{a#7Cb#7Bc#7D#22#23\\\\#C3#A9#09~\\]||c}"),
        ("%{+Q}hs|%{+Q}hsl|%hsl", "\"{x#0D#0Ay}\"|\"x#0D#0Ay\"|x#0D#0Ay"),
        ("%hrl", "a#7Cb#7Bc#7D#22#23\\#C3#A9#09~] - c"),
        ("%CC|%{+Q,+E}CC|%CS", "S=q\"w\te#r|\"S=q\\\"w\te#r\"|S=2"),
        (
            "%[capture.req.hdr(2)]|%[capture.req.hdr(1)]|%[capture.req.hdr(7)]|%[capture.res.hdr(0),length]",
            "c|-|-|4",
        ),
    ] {
        assert_eq!(log_of(&fake, format), want, "{format}");
    }
    fake.facts.redispatched = true;
    fake.facts.retries = 3;
    fake.facts.tls = true;
    assert_eq!(log_of(&fake, "%rc %ft %{+Q}ft"), "+3 f~ \"f~\"");
}

#[test]
fn converters_fill_slots_that_are_there() {
    let mut fake = answered();
    fake.request_captures = vec![None].into();
    fake.response_captures = vec![None].into();
    assert_eq!(
        log_of(
            &fake,
            "%[str(a),capture-req(0)]%[str(b),capture-res(0)]%[str(c),capture-req(1)] %hr %hs"
        ),
        "abc {a} {b}"
    );
}

#[test]
fn what_made_the_line_and_whether_it_is_early() {
    let mut fake = answered();
    assert_eq!(log_of(&fake, "%OG %B %Ta %Tt %Tu %U"), "unspec 49 0 0 0 0");
    fake.facts.unfinished = true;
    fake.facts.origin = LogOrigin::Response;
    assert_eq!(
        log_of(&fake, "%OG %B %Ta %Tt %Tu %U"),
        "txn_response +49 +0 +0 +0 0"
    );
    assert_eq!(log_of(&fake, "%{+json}B"), "49");
}

/// The expectations were computed by hand from RFC 8259.
#[test]
fn json() {
    let mut fake = answered();
    fake.facts.redispatched = true;
    fake.facts.retries = 2;
    for (format, want) in [
        (
            "%{+json}o %(request)r %(custom_expr)[str(custom)]",
            "{\"request\": \"GET /P?x=1&y=%0a HTTP/1.1\", \"custom_expr\": \"custom\"}",
        ),
        (
            "%{+json}o text %ci %(st)ST %(cp)cp %(rc)rc %(tr)Tr %(b)[bool(true)] %(n)[int(-3)] %(no)[var(txn.no)] %(e)[str()] \
             %(cc)CC %(ts)ts %(ip)ci %(hr)hr",
            "{\"st\": 200, \"cp\": 50570, \"rc\": 2, \"tr\": -1, \"b\": true, \"n\": -3, \"no\": null, \"e\": \"\", \
             \"cc\": null, \"ts\": \"LR\", \"ip\": \"127.0.0.1\", \"hr\": null}",
        ),
        (
            "%{+json}o %(a:str)ST %(b:sint)[str(12)] %(c:bool)[int(1)] %(d:bool)[str(false)] %(e:sint)[str(x)] %(f:str)[bool(true)] \
             %(g:sint)[bool(true)] %(h:bool)CC",
            "{\"a\": \"200\", \"b\": 12, \"c\": true, \"d\": false, \"e\": null, \"f\": \"true\", \"g\": 1, \"h\": null}",
        ),
        (
            "%{+json,+E,+Q}o %(a\"b)[str('x\"y\\\\z]')] %(c)[bin(010a0d097fe9)] %(d)[bin(f09f9880)] %(x){+X}cp",
            "{\"a\\\"b\": \"x\\\"y\\\\\\\\z]\", \"c\": \"\\u0001\\n\\r\\t\\u007f\\u00e9\", \"d\": \"\\ud83d\\ude00\", \
             \"x\": \"C58A\"}",
        ),
        ("%{+json}o no names %ci", "{}"),
        (
            "{\"path\": %{+json}[capture.req.method], \"status\": %{+json}ST, \"as\": %(:str){+json}ST}",
            "{\"path\": \"GET\", \"status\": 200, \"as\": \"200\"}",
        ),
        ("x %{+json}o %HM %{-json}HM", "x \"GET\" GET"),
    ] {
        assert_eq!(log_of(&fake, format), want, "{format}");
    }
    fake.set(
        "txn.text",
        tidegate_sample::Value::str("\u{1}\n\r\t\u{7f}\u{e9}\u{1f600}"),
    );
    assert_eq!(
        log_of(&fake, "%{+json}[var(txn.text)]"),
        "\"\\u0001\\n\\r\\t\\u007f\\u00e9\\ud83d\\ude00\""
    );
    fake.set("txn.text", tidegate_sample::Value::str(&b"\xff"[..]));
    assert_eq!(log_of(&fake, "%{+json}[var(txn.text)]"), "\"\\u00ff\"");
}

/// The expectations were computed by hand from RFC 8949.
#[test]
fn cbor() {
    let fake = answered();
    for (format, want) in [
        (
            "%{+cbor}o %(a)HM %(b)[int(10)]",
            "BF616163474554".to_owned() + "61620AFF",
        ),
        (
            "%{+cbor}o %(a)[int(23)]%(b)[int(24)]%(c)[int(256)]%(d)[int(65536)]%(e)[int(4294967296)]%(f)[int(-1)]%(g)[int(-500)]",
            "BF616117".to_owned()
                + "61621818"
                + "6163190100"
                + "61641A00010000"
                + "61651B0000000100000000"
                + "616620"
                + "61673901F3FF",
        ),
        (
            "%{+cbor}o %(t)[bool(true)]%(f)[bool(false)]%(n)CC%(s:str)ST",
            "BF6174F5".to_owned() + "6166F4" + "616EF6" + "61736332" + "3030FF",
        ),
        ("[%{+cbor}[str(hi)]]", "[626869]".to_owned()),
        ("%{+cbor}[bin(ff00)]", "41FF".to_owned()),
    ] {
        assert_eq!(log_of(&fake, format), want, "{format}");
    }
    let raw = |format: &str| {
        let mut line = Vec::new();
        LogFormat::parse_log(format, &Scope::new(Place::Log))
            .unwrap()
            .eval_into(&mut line, &fake);
        line
    };
    assert_eq!(
        raw("%{+cbor,+bin}o %(a)[bin(ff00)]"),
        b"\xbf\x61a\x42\xff\x00\xff"
    );
    assert_eq!(raw("%{+bin}o a%[bin(ff000a)]b%[str(c)]"), b"a\xff\x00\x0abc");
    assert_eq!(raw("%{+bin}[bin(41)]"), b"A");
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
            4..7,
            "unknown type `int` of a log-format item; the types are str, sint and bool",
        ),
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
            "unknown log-format flag `Z`; the flags are E, M, Q, X, bin, cbor and json",
        ),
        (
            "%{+Q,Z}ci",
            5..6,
            "unknown log-format flag `Z`; the flags are E, M, Q, X, bin, cbor and json",
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
