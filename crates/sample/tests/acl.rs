//! Conditions: parsing, matching, and what is said of mistakes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "it is a test"
)]

mod common;

use common::Fake;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use tidegate_sample::{AclSet, Condition, Files, Place, Scope, Verdict, WordError};

fn scope() -> Scope<'static> {
    Scope::new(Place::FrontendHttpRequest)
}

fn words(text: &str) -> Vec<&str> {
    text.split(' ').collect()
}

fn condition(text: &str) -> Result<Condition, WordError> {
    Condition::parse(&words(text), &AclSet::default(), &scope())
}

fn holds(text: &str) -> bool {
    condition(text).unwrap().eval(&Fake::new())
}

#[test]
fn anonymous_acls_match_the_request() {
    for text in [
        "if { path_beg /Some }",
        "if { path_beg -i /some/ }",
        "if { path /Some/Path.html }",
        "if { path_end .html .js }",
        "if { path_dir Some }",
        "if { path_sub Pa }",
        "if { path_reg ^/[A-Z] }",
        "if { path_len 15 }",
        "if { path,lower -m beg /some }",
        "if { path_beg,lower /some/path.html }",
        "if { hdr(host) Example.com:8080 }",
        "if { hdr_dom(host) -i example }",
        "if { hdr(accept) c/d }",
        "if { req.fhdr(x-two) one }",
        "if { hdr_cnt(accept) 3 }",
        "if { hdr_val(x-num) 12 }",
        "if { hdr_ip(x-ip) 10.0.0.0/8 }",
        "if { hdr_reg(accept) ^[ce] }",
        "if { hdr(x-empty) -m found }",
        "if { cook(foo) bar }",
        "if { cook(dup) 1 }",
        "if { urlp(x) 1 }",
        "if { url_beg /Some }",
        "if { base_dom Example }",
        "if { method POST }",
        "if { src 127.0.0.0/8 }",
        "if { dst_port 18000:19000 }",
        "if { dst_port gt 100 lt 10 }",
        "if { var(txn.text) -m str hello }",
        "if { var(txn.five) -m int 5 }",
        "if { always_true }",
        "if { int(5) -m bool }",
        "if { str(abc) -m bin 616263 }",
        "if { req.len gt 0 }",
        "if { str(-x) -- -x }",
        "unless { path_beg /Other }",
    ] {
        assert!(holds(text), "{text}");
    }
    for text in [
        "if { path_beg /some }",
        "if { path_end html/ }",
        "if { path_dir Pat }",
        "if { hdr(accept) A/B }",
        "if { hdr(nope) -m found }",
        "if { hdr(x-empty) -m len 1: }",
        "if { cook(FOO) bar }",
        "if { src ::1 10.0.0.0/8 }",
        "if { var(txn.nope) -m found }",
        "if { always_false }",
        "if { int(0) -m bool }",
        "unless { always_true }",
    ] {
        assert!(!holds(text), "{text}");
    }
}

#[test]
fn terms_are_combined() {
    for (text, want) in [
        ("if TRUE FALSE", false),
        ("if TRUE or FALSE", true),
        ("if FALSE OR TRUE", true),
        ("if FALSE Or FALSE || TRUE", true),
        ("if FALSE || TRUE", true),
        ("if FALSE TRUE or TRUE", true),
        ("if TRUE FALSE or FALSE TRUE", false),
        ("if !FALSE", true),
        ("if ! FALSE", true),
        ("if !!FALSE", false),
        ("if !{ always_false } TRUE", true),
        ("if ! { always_true }", false),
        ("unless TRUE or FALSE", false),
        ("unless !TRUE", true),
        (
            "if METH_POST !METH_GET LOCALHOST HTTP_1.1 HTTP HTTP_CONTENT HTTP_URL_SLASH",
            true,
        ),
        (
            "if HTTP_1.0 or HTTP_2.0 or HTTP_URL_ABS or HTTP_URL_STAR or METH_GET",
            false,
        ),
        ("if REQ_CONTENT WAIT_END", true),
    ] {
        assert_eq!(holds(text), want, "{text}");
    }
}

#[test]
fn every_predefined_acl_can_be_used() {
    for name in "FALSE HTTP HTTP_1.0 HTTP_1.1 HTTP_2.0 HTTP_3.0 HTTP_CONTENT HTTP_URL_ABS HTTP_URL_SLASH \
                 HTTP_URL_STAR LOCALHOST METH_CONNECT METH_DELETE METH_GET METH_HEAD METH_OPTIONS METH_POST \
                 METH_PUT METH_TRACE REQ_CONTENT TRUE WAIT_END"
        .split_ascii_whitespace()
    {
        condition(&format!("if {name}")).unwrap();
    }
}

#[test]
fn lines_of_one_name_add_up() {
    let mut acls = AclSet::default();
    for line in [
        "static path_beg /img /css",
        "static path_end .html",
        "local src 127.0.0.0/8",
    ] {
        assert_eq!(acls.declare(&words(line), &scope()), Ok(vec![]));
    }
    let holds = |text: &str| {
        Condition::parse(&words(text), &acls, &scope())
            .unwrap()
            .eval(&Fake::new())
    };
    assert!(holds("if static local"));
    assert!(!holds("if static !local"));
}

#[test]
fn a_declared_acl_stands_before_a_predefined_one() {
    let mut acls = AclSet::default();
    acls.declare(&["TRUE", "always_false"], &scope()).unwrap();
    assert!(
        !Condition::parse(&["if", "TRUE"], &acls, &scope())
            .unwrap()
            .eval(&Fake::new())
    );
}

struct Disk(HashMap<&'static str, &'static str>);

impl Files for Disk {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.0
            .get(path)
            .map(|text| text.as_bytes().to_vec())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn address_of(&self, host: &str) -> io::Result<IpAddr> {
        match host {
            "localhost" => Ok(Ipv4Addr::LOCALHOST.into()),
            "six" => Ok(Ipv6Addr::LOCALHOST.into()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

#[test]
fn hosts_stand_for_their_addresses() {
    let disk = Disk(HashMap::new());
    let scope = scope().with_files(&disk);
    let parse = |text: &str| Condition::parse(&words(text), &AclSet::default(), &scope);
    let holds = |text: &str| parse(text).unwrap().eval(&Fake::new());
    // The client is 127.0.0.1.
    assert!(holds("if { src localhost }"));
    assert!(holds("if { src 10.0.0.1 localhost/24 }"));
    assert!(holds("if { str(127.0.0.9) -m ip localhost/24 }"));
    assert!(!holds("if { str(127.0.0.9) -m ip localhost }"));
    assert!(holds("if { str(::1) -m ip six }"));
    assert!(!holds("if { str(127.0.0.1) -m str localhost }"));
    for (text, word, host) in [
        ("if { src -n localhost }", 4, "localhost"),
        ("if { src 10.0.0.1 nowhere }", 4, "nowhere"),
        ("if { src localhost/99 }", 3, "127.0.0.1/99"),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(error.word, word, "{text}");
        assert!(
            error
                .to_string()
                .starts_with(&format!("`{host}` is not a valid IPv4")),
            "{error}"
        );
    }
}

#[test]
fn patterns_come_from_files() {
    let disk = Disk(HashMap::from([
        ("hosts", "# ours\n\n  other.org\nexample.com:8080\r\n"),
        ("map", "/Some/Path.html one\n/other two\n"),
        ("nets", "10.0.0.0/8\n127.0.0.0/8\n"),
        ("broken", "10.0.0.0/8\n10.0.0.0/99\n"),
    ]));
    let scope = scope().with_files(&disk);
    let parse = |text: &str| Condition::parse(&words(text), &AclSet::default(), &scope);
    assert!(parse("if { hdr(host) -i -f hosts }").unwrap().eval(&Fake::new()));
    assert!(!parse("if { hdr(host) -f hosts }").unwrap().eval(&Fake::new()));
    assert!(parse("if { path -M -f map }").unwrap().eval(&Fake::new()));
    assert!(!parse("if { path -f map }").unwrap().eval(&Fake::new()));
    assert!(
        parse("if { src -f nets -f nets 1.1.1.1 }")
            .unwrap()
            .eval(&Fake::new())
    );
    let error = parse("if { src -f broken }").unwrap_err();
    assert_eq!(error.word, 4);
    assert!(
        error
            .to_string()
            .starts_with("line 2 of `broken`: `10.0.0.0/99` is not"),
        "{error}"
    );
    let error = parse("if { src -f gone }").unwrap_err();
    assert_eq!((error.word, error.error.span.clone()), (4, 0..4));
    assert!(
        error.to_string().starts_with("cannot read pattern file `gone`"),
        "{error}"
    );
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (text, word, span, message) in [
        ("if", 0, 0..2, "there is no ACL after `if`"),
        (
            "iff TRUE",
            0,
            0..3,
            "expected a condition, found `iff`; a condition begins with `if` or `unless`; did you mean `if`?",
        ),
        ("if TRUE or", 2, 0..2, "there is no ACL after `or`"),
        ("if or TRUE", 1, 0..2, "there is nothing before `or`"),
        ("if TREU", 1, 0..4, "no such ACL: `TREU`; did you mean `TRUE`?"),
        ("if !TREU", 1, 1..5, "no such ACL: `TREU`; did you mean `TRUE`?"),
        (
            "if TRUE and FALSE",
            2,
            0..3,
            "no such ACL: `and`; ACLs side by side are joined by and: leave it out",
        ),
        (
            "if {path /}",
            1,
            0..5,
            "no such ACL: `{path`; put a space after the brace",
        ),
        ("if { path /", 1, 0..1, "missing closing `}` in the condition"),
        ("if { }", 2, 0..0, "missing a fetch in the ACL"),
        (
            "if { path_bge /x }",
            2,
            0..8,
            "unknown fetch `path_bge`; did you mean `path_beg`?",
        ),
        (
            "if { path_beg,lowr /x }",
            2,
            9..13,
            "unknown converter `lowr`; did you mean `lower`?",
        ),
        (
            "if { cook_beg,lowr /x }",
            2,
            9..13,
            "unknown converter `lowr`; did you mean `lower`?",
        ),
        (
            "if { path -m begg /x }",
            4,
            0..4,
            "unknown match method `begg`; the methods are found, bool, int, ip, bin, len, str, sub, reg, beg, end, dir, dom; did you mean `beg`?",
        ),
        (
            "if { path -x /x }",
            3,
            0..2,
            "unknown ACL flag `-x`; put `--` before patterns that begin with a dash",
        ),
        (
            "if { int(5) -5 }",
            3,
            0..2,
            "unknown ACL flag `-5`; put `--` before patterns that begin with a dash",
        ),
        ("if { path -m }", 3, 0..2, "`-m` misses a match method"),
        (
            "if { path -u x y }",
            4,
            0..1,
            "`x` is not a number, which `-u` takes",
        ),
        (
            "if { var(txn.x) foo }",
            2,
            0..10,
            "`var(txn.x)` gives any, for which there is no usual match method; name one with `-m`, such as `-m str` or `-m found`",
        ),
        ("if { dst_port 80 eighty }", 4, 0..6, "`eighty` is not a number"),
        (
            "if { dst_port 9:1 }",
            3,
            0..3,
            "`9:1` is not a valid range of numbers",
        ),
        (
            "if { src 10.0.0.0/33 }",
            3,
            0..11,
            "`10.0.0.0/33` is not a valid IPv4 or IPv6 address or network",
        ),
        (
            "if { bin(61) -m int 5 }",
            2,
            0..7,
            "`bin(61)` gives bin, which `-m int` cannot match",
        ),
    ] {
        let error = condition(text).map(|_| ()).expect_err(text);
        assert_eq!(
            (error.word, error.error.span.clone(), error.to_string()),
            (word, span, message.to_string()),
            "{text}"
        );
    }
}

#[test]
fn an_acl_is_refused_where_its_data_cannot_be() {
    let error = condition("if TRUE { status 200 }").unwrap_err();
    assert_eq!(error.word, 2);
    assert_eq!(
        error.to_string(),
        "`status` cannot be used in a frontend's `http-request` rule; it can be used in `tcp-response content`, \
         `http-response`, `stick store-response`, `log-format`, `tcp-check` and `http-check`"
    );
    let mut acls = AclSet::default();
    acls.declare(&["late", "status", "200"], &scope()).unwrap();
    assert_eq!(
        Condition::parse(&["if", "late"], &acls, &scope())
            .unwrap_err()
            .word,
        1
    );
    let response = Scope::new(Place::FrontendHttpResponse);
    let late = Condition::parse(&["if", "late"], &acls, &response).unwrap();
    assert!(!late.eval(&Fake::new().with_response()));
}

#[test]
fn an_acl_without_patterns_is_warned_of() {
    let parsed = condition("if { path_beg }").unwrap();
    assert_eq!(parsed.warnings().len(), 1);
    assert_eq!(parsed.warnings()[0].word, 2);
    assert!(!parsed.eval(&Fake::new()));
    for fine in [
        "if { path_beg -- }",
        "if { path -m found }",
        "if { always_true }",
        "if { path / }",
    ] {
        assert_eq!(condition(fine).unwrap().warnings(), [], "{fine}");
    }
}

#[test]
fn a_converter_takes_the_keywords_method_away_which_is_warned_of() {
    let parsed = condition("if { path_beg,lower /some }").unwrap();
    assert!(!parsed.eval(&Fake::new()));
    let [warning] = parsed.warnings() else {
        panic!("{:?}", parsed.warnings())
    };
    assert_eq!(
        (warning.word, warning.to_string().as_str()),
        (
            2,
            "after a converter `path_beg,lower` is matched as `-m str`; add `-m beg` if that is meant, or `-m str` to \
             say so"
        )
    );
    for fine in ["if { path_beg,lower -m beg /some }", "if { path,lower /some }"] {
        assert_eq!(condition(fine).unwrap().warnings(), [], "{fine}");
    }
}

#[test]
fn names_are_checked() {
    let mut acls = AclSet::default();
    for name in ["or", "||", "a!b", "{", "a b", "é"] {
        assert_eq!(
            acls.declare(&[name, "always_true"], &scope()).unwrap_err().word,
            0,
            "{name}"
        );
    }
    for name in ["1a", "a-b.c_d:e"] {
        assert!(acls.declare(&[name, "always_true"], &scope()).is_ok(), "{name}");
    }
}

#[test]
fn what_may_still_come_is_a_miss() {
    let fake = Fake::new();
    let test = |text: &str| condition(text).unwrap().test(&fake);
    fake.may_change.set(true);
    assert_eq!(test("if { req.len gt 100 }"), Verdict::Miss);
    assert_eq!(test("if { req.len gt 1 }"), Verdict::Pass);
    assert_eq!(test("if !{ req.len gt 100 }"), Verdict::Miss);
    assert_eq!(test("unless { req.len gt 100 }"), Verdict::Miss);
    assert_eq!(test("if { req.len gt 100 } FALSE"), Verdict::Fail);
    assert_eq!(test("if { req.len gt 100 } or TRUE"), Verdict::Pass);
    assert_eq!(test("if { path_beg /no }"), Verdict::Fail);
    assert_eq!(test("if WAIT_END"), Verdict::Miss);
    // The body is `a=1&b=2`: bytes that are there are decided on at once, those that are not may come.
    assert_eq!(test("if { req.payload(0,3) -m str x=1 }"), Verdict::Fail);
    assert_eq!(test("if { req.payload(0,3),upper -m str x=1 }"), Verdict::Fail);
    assert_eq!(test("if { req.payload(0,8) -m str x=1 }"), Verdict::Miss);
    assert_eq!(test("if { req.payload(0,0) -m beg x }"), Verdict::Miss);
    fake.request_bytes.replace(b"\x02ab".to_vec());
    assert_eq!(test("if { req.payload_lv(0,1) -m str x }"), Verdict::Fail);
    fake.request_bytes.replace(b"\x03ab".to_vec());
    assert_eq!(test("if { req.payload_lv(0,1) -m str x }"), Verdict::Miss);
    fake.may_change.set(false);
    assert_eq!(test("if { req.len gt 100 }"), Verdict::Fail);
    assert_eq!(test("if WAIT_END"), Verdict::Pass);
}
