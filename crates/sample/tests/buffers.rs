//! Fetches that read protocols in a TCP buffer: TLS, RDP and distcc. The answers are those of the haproxy package (2.6),
//! but where the manual says otherwise.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "it is a test")]

mod common;

use common::Fake;
use common::hello::{block, extension, full, message, server_name};
use proptest::prelude::*;
use tidegate_sample::{AclSet, Condition, Expr, Place, Scope, Value, Way};

fn tcp(bytes: &[u8]) -> Fake {
    let fake = Fake {
        request: None,
        ..Fake::new()
    };
    *fake.request_bytes.borrow_mut() = bytes.to_vec();
    fake
}

/// What an expression gives on these bytes, as text; `-` for nothing.
fn value(expr: &str, bytes: &[u8]) -> String {
    let expr = Expr::parse(expr, &Scope::new(Place::FrontendTcpContent)).unwrap();
    match expr.eval(&tcp(bytes)) {
        None => "-".to_owned(),
        Some(Value::Int(int)) => int.to_string(),
        Some(Value::Bool(bool)) => bool.to_string(),
        Some(Value::Bin(bytes)) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Some(Value::Str(text)) => text.escape_ascii().to_string(),
        Some(other) => format!("{other:?}"),
    }
}

fn values(exprs: &[&str], bytes: &[u8]) -> String {
    let values: Vec<String> = exprs.iter().map(|expr| value(expr, bytes)).collect();
    values.join("|")
}

const TLS: [&str; 6] = [
    "req.ssl_hello_type",
    "req.ssl_ver",
    "req.ssl_sni",
    "req.ssl_alpn",
    "req.ssl_ec_ext",
    "req.ssl_st_ext",
];

#[test]
fn a_client_hello_says_whom_it_wants_and_what_it_knows() {
    assert_eq!(values(&TLS, &full()), "1|196611|www.Example.com|h2|true|1");
    let lists = [
        "req.ssl_cipherlist",
        "req.ssl_supported_groups",
        "req.ssl_sigalgs",
        "req.ssl_keyshare_groups",
    ];
    assert_eq!(values(&lists, &full()), "1302009f|001d0017|04030805|001d0017");
    let old = ["req_ssl_hello_type", "req_ssl_ver", "req_ssl_sni"];
    assert_eq!(values(&old, &full()), "1|196611|www.Example.com");
    let with_more = [full(), b"and more".to_vec()].concat();
    assert_eq!(values(&TLS, &with_more), "1|196611|www.Example.com|h2|true|1");
}

#[test]
fn what_a_hello_does_not_say_is_absent() {
    for (hello, want) in [
        (message(1, [3, 0], None), "1|196608|-|-|-|-"),
        (
            message(1, [3, 1], Some(&[extension(35, b"abcd")])),
            "1|196609|-|-|-|2",
        ),
        (message(1, [3, 3], Some(&[])), "1|196611|-|-|-|0"),
        (message(1, [3, 3], Some(&[server_name(b"")])), "1|196611|-|-|-|0"),
        (message(1, [3, 3], Some(&[extension(0, b"")])), "1|196611|-|-|-|0"),
        (message(2, [3, 3], Some(&[])), "2|196611|-|-|-|-"),
        (b"GET / HTTP/1.0\r\n\r\n".to_vec(), "-|-|-|-|-|-"),
        (Vec::new(), "-|-|-|-|-|-"),
    ] {
        assert_eq!(values(&TLS, &hello), want, "{}", hello.escape_ascii());
    }
    let two = [&[0][..], &block(2, b"a.b"), &[0], &block(2, b"c.d")].concat();
    let two = message(1, [3, 3], Some(&[extension(0, &block(2, &two))]));
    assert_eq!(value("req.ssl_sni", &two), "a.b");
    let other_kind = [&[1][..], &block(2, b"a.b")].concat();
    let other_kind = message(1, [3, 3], Some(&[extension(0, &block(2, &other_kind))]));
    assert_eq!(value("req.ssl_sni", &other_kind), "-");
    // One that is longer than its record is in pieces.
    let mut pieces = full();
    pieces[4] -= 1;
    assert_eq!(values(&TLS, &pieces), "-|-|-|-|-|-");
    // The first version of SSL that could say more had another form.
    let mut sslv2 = vec![0x80, 46, 1, 3, 1, 0, 21, 0, 0, 0, 16];
    sslv2.extend([9; 37]);
    assert_eq!(values(&TLS, &sslv2), "-|196609|-|-|-|-");
    assert_eq!(value("req.ssl_ver", &sslv2[..40]), "-");
}

#[test]
fn a_server_hello_is_looked_for_in_the_response() {
    let fake = tcp(b"");
    fake.way.set(Way::Response);
    *fake.response_bytes.borrow_mut() = message(2, [3, 3], Some(&[]));
    for name in ["res.ssl_hello_type", "rep_ssl_hello_type"] {
        let expr = Expr::parse(name, &Scope::new(Place::BackendTcpResponse)).unwrap();
        assert_eq!(expr.eval(&fake), Some(Value::Int(2)));
    }
}

#[test]
fn bodies_of_http_are_no_tls() {
    let fake = Fake::new();
    *fake.request_bytes.borrow_mut() = full();
    let expr: Expr = "req.ssl_sni".parse().unwrap();
    assert_eq!(expr.eval(&fake), None);
}

/// Whether a condition waits for more while more may come.
fn waits(condition: &str, bytes: &[u8]) -> bool {
    let fake = tcp(bytes);
    fake.may_change.set(true);
    let words: Vec<&str> = condition.split(' ').collect();
    let scope = Scope::new(Place::FrontendTcpContent);
    let condition = Condition::parse(&words, &AclSet::default(), &scope).unwrap();
    condition.test(&fake) == tidegate_sample::Verdict::Miss
}

#[test]
fn only_a_beginning_is_waited_for() {
    let hello = full();
    for len in [0, 1, 5, 8, 44, hello.len() - 1] {
        assert!(waits("if { req.ssl_sni x }", &hello[..len]), "{len}");
    }
    assert!(!waits("if { req.ssl_sni x }", &hello));
    assert!(!waits("if { req.ssl_hello_type 1 }", b"GET / HTTP/1.0\r\n\r\n"));
    assert!(waits("if { req.rdp_cookie x }", b"\x03\x00"));
    assert!(!waits("if { req.rdp_cookie x }", b"\x02\x00"));
}

#[test]
fn versions_are_compared_as_they_are_written() {
    let holds = |patterns: &str| {
        let text = format!("if {{ req.ssl_ver {patterns} }}");
        let words: Vec<&str> = text.split(' ').collect();
        let scope = Scope::new(Place::FrontendTcpContent);
        let condition = Condition::parse(&words, &AclSet::default(), &scope).map_err(|e| e.to_string());
        condition.map(|condition| condition.eval(&tcp(&full())))
    };
    for patterns in [
        "3.3",
        "3.1:3.4",
        "gt 3.1",
        "ge 3.3",
        "3:4",
        ":3.3",
        "3.1:",
        "eq 3.3",
        "-m int 196611",
    ] {
        assert_eq!(holds(patterns), Ok(true), "{patterns}");
    }
    for patterns in ["3.1", "3", "lt 3.3", "3.4:", "-m int 3"] {
        assert_eq!(holds(patterns), Ok(false), "{patterns}");
    }
    assert!(holds("3.x").unwrap_err().contains("is not a version"));
}

fn rdp(start: [u8; 2], kind: u8, payload: &[u8]) -> Vec<u8> {
    let len = u8::try_from(4 + 7 + payload.len()).unwrap();
    [&start[..], &[0, len, len - 5, kind, 0, 0, 0, 0, 0], payload].concat()
}

#[test]
fn the_cookie_of_an_rdp_client() {
    let all = [
        "req.rdp_cookie",
        "rdp_cookie(MSTSHash)",
        "req.rdp_cookie_cnt",
        "rdp_cookie_cnt(mstshash)",
        "req.rdp_cookie(msts)",
    ];
    for (payload, want) in [
        (&b"Cookie: mstshash=alice\r\n"[..], "alice|alice|1|1|-"),
        (b"cookie: MSTSHASH=bob\r\n\x01\x00\x08\x00", "bob|bob|1|1|-"),
        (
            b"Cookie:msts=3640205228.15629.0000\r\n",
            "3640205228.15629.0000|-|1|0|3640205228.15629.0000",
        ),
        (b"Cookie: mstshash=alice", "-|-|-|-|-"),
        (b"Cookie: mstshash=alice\r", "-|-|-|-|-"),
        (b"Cookie: mstshash=\r\n", "-|-|1|1|-"),
        (b"Cookie: alone\r\n", "-|-|0|0|-"),
        (b"Token: x=1\r\n", "-|-|0|0|-"),
        (b"", "-|-|-|-|-"),
    ] {
        assert_eq!(
            values(&all, &rdp([3, 0], 0xe0, payload)),
            want,
            "{}",
            payload.escape_ascii()
        );
    }
    assert_eq!(values(&all, &rdp([3, 0], 0xd0, b"Cookie: a=1\r\n")), "-|-|0|0|-");
}

#[test]
fn tokens_of_distcc() {
    let message = b"DIST00000001ARGC00000002ARGV00000002ccARGV00000003x.cDOTI00000005int m";
    let all = [
        "distcc_param(DIST)",
        "distcc_param(ARGC)",
        "distcc_param(ARGV,2)",
        "distcc_body(ARGV)",
        "distcc_body(ARGV,0)",
        "distcc_body(ARGV,2)",
        "distcc_param(ARGV,3)",
        "distcc_param(DOTI)",
        "distcc_body(DOTI)",
        "distcc_body(DIST)",
    ];
    assert_eq!(values(&all, message), "1|2|3|6363|6363|782e63|-|5|696e74206d|-");
    // What has come of the last one is there.
    assert_eq!(
        value("distcc_body(DOTI)", &message[..message.len() - 2]),
        "696e74"
    );
    assert_eq!(value("distcc_param(DOTI)", &message[..54]), "-");
    assert_eq!(value("distcc_param(DIST)", b"DIST+0000001"), "-");
    assert_eq!(value("distcc_param(ARGV,2)", b"ARGVffffffffcc"), "-");
    for wrong in [
        "distcc_param(DIS)",
        "distcc_body(ARGV,-1)",
        "distcc_body",
        "distcc_param(ARGV,x)",
    ] {
        assert!(wrong.parse::<Expr>().is_err(), "{wrong}");
    }
}

proptest! {
    /// Bytes of any kind, and hellos with bytes changed or cut off: there is an answer, and no panic.
    #[test]
    fn any_bytes_have_an_answer(
        noise in proptest::collection::vec(any::<u8>(), 0..300),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        end in any::<prop::sample::Index>(),
        protocol in 0..4,
    ) {
        let mut bytes = match protocol {
            0 => full(),
            1 => rdp([3, 0], 0xe0, b"Cookie: mstshash=alice\r\n"),
            2 => b"DIST00000001ARGV00000002ccDOTI00000005int m".to_vec(),
            _ => noise.clone(),
        };
        for (at, byte) in changes {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        bytes.truncate(end.index(bytes.len() + 1));
        let fake = tcp(&bytes);
        *fake.response_bytes.borrow_mut() = bytes.clone();
        fake.may_change.set(true);
        for name in tidegate_sample::fetch::all().map(|row| row.name) {
            let args = match name {
                "distcc_param" | "distcc_body" => "(ARGV)",
                _ if name.contains("ssl_") || name.contains("rdp") => "",
                _ => continue,
            };
            let text = format!("{name}{args}");
            let _ = text.parse::<Expr>().unwrap().eval(&fake);
            if name.starts_with("req") {
                waits(&format!("if {{ {text} -m found }}"), &bytes);
            }
        }
    }

    /// A hello that was cut off says nothing, wherever it was cut.
    #[test]
    fn a_part_of_a_hello_says_nothing(end in 0..full().len()) {
        let hello = full();
        for fetch in TLS {
            prop_assert_eq!(value(fetch, &hello[..end]), "-");
        }
    }
}
