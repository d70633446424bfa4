//! Expressions give what the haproxy package gave for them.
#![allow(clippy::unwrap_used, reason = "it is a test")]

mod common;

use common::Fake;
use tidegate_sample::{AclSet, Condition, LogFormat, Place, Scope};

/// Where we differ, and why.
const DIFFERENCES: &[(&str, &str)] = &[
    (
        "%[req.cook(empty),length]",
        "a cookie may be empty, wherever it stands",
    ),
    (
        "%[req.hdr_names]",
        "headers of one name stand together in our map of them",
    ),
    (
        "%[req.hdr_names(:)]",
        "headers of one name stand together in our map of them",
    ),
    (
        "%[str(abc),regsub($,x,g)]",
        "an empty match at the end is replaced once",
    ),
    ("%[str(aGVsbG8=),ub64dec]", "padding is not decoded"),
    ("%[int(-5),utime(%s)]", "times before 1970 are not wrapped"),
    ("%[str(10.1.2.3/8),ipmask(24)]", "a network is no address"),
    (
        "%{+Q}[path]",
        "a flag that is given is honoured, in headers as in logs",
    ),
    (
        "%{+Q}[hdr(nope)]",
        "a flag that is given is honoured, in headers as in logs",
    ),
    (
        "%{+Q}o %ci %[path] %{-Q}o %ci",
        "a flag that is given is honoured, in headers as in logs",
    ),
    (
        "%{+Q}[bin(00ff41)]",
        "a flag that is given is honoured, in headers as in logs",
    ),
    (
        "%{+Q}[int(5)]",
        "a flag that is given is honoured, in headers as in logs",
    ),
    (
        "%{+Q}[src]",
        "a flag that is given is honoured, in headers as in logs",
    ),
    (
        "%{+Q}[always_true]",
        "a flag that is given is honoured, in headers as in logs",
    ),
    (
        "%{+Q}[str(x)]%{+Q}b%{+E}b%{+X}b",
        "a flag that is given is honoured, in headers as in logs",
    ),
];

#[test]
fn expressions_give_what_haproxy_gives() {
    let mut wrong = Vec::new();
    for line in include_str!("data/haproxy-2.6.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
    {
        let (format, want) = line.split_once('\t').unwrap();
        let fake = Fake::new();
        let got = match LogFormat::parse(format, &Scope::new(Place::FrontendHttpRequest)) {
            Err(_) => "!".to_string(),
            Ok(parsed) => {
                let mut bytes = Vec::new();
                parsed.eval_into(&mut bytes, &fake);
                let escape = |byte: &u8| match byte {
                    b' '..=b'~' if *byte != b'\\' => (*byte as char).to_string(),
                    byte => format!("\\x{byte:02x}"),
                };
                format!("={}", bytes.iter().map(escape).collect::<String>())
            }
        };
        let differs = DIFFERENCES.iter().any(|(known, _)| *known == format);
        if (got != want) != differs {
            wrong.push(format!("{format}\n  haproxy  {want}\n  tidegate {got}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ, or no longer do:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Conditions that we see otherwise, and why.
const OTHER_CONDITIONS: &[(&str, &str)] = &[
    ("if { str(a//b) -m dir '' }", "a word in quotes may be empty"),
    ("if { str(abc) -m sub '' }", "a word in quotes may be empty"),
    ("if { str(abc) -m beg '' }", "a word in quotes may be empty"),
    ("if { str(abc) -m end '' }", "a word in quotes may be empty"),
    ("if { str(abc) -m str '' }", "a word in quotes may be empty"),
    ("if { str('') -m str '' }", "a word in quotes may be empty"),
    ("if { str('') -m beg '' }", "a word in quotes may be empty"),
    ("if { cook(empty) '' }", "a word in quotes may be empty"),
    ("if { hdr(x-empty) '' }", "a word in quotes may be empty"),
    ("if { hdr(nope) '' }", "a word in quotes may be empty"),
    ("if { urlp(empty) '' }", "a word in quotes may be empty"),
    (
        "if { cook(empty) -m found }",
        "a cookie may be empty, wherever it stands",
    ),
    ("if { int(-5) -- -10:-1 }", "ranges may be negative"),
    ("if { method -i post }", "ignoring case is honoured for methods"),
    (
        "if { status 200 }",
        "it can never match there, which HAProxy only warns of",
    ),
];

/// The words of a condition, without the single quotes around some of them.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words
}

#[test]
fn conditions_are_what_haproxy_finds() {
    let mut wrong = Vec::new();
    for line in include_str!("data/haproxy-2.6-conditions.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
    {
        let (text, want) = line.split_once('\t').unwrap();
        let words = words(text);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let scope = Scope::new(Place::FrontendHttpRequest);
        let got = match Condition::parse(&words, &AclSet::default(), &scope) {
            Err(error) => format!("! {error}"),
            Ok(condition) if condition.eval(&Fake::new()) => "yes".to_string(),
            Ok(_) => "no".to_string(),
        };
        let same = got == want || want == "!" && got.starts_with('!');
        if same == OTHER_CONDITIONS.iter().any(|(known, _)| *known == text) {
            wrong.push(format!("{text}: haproxy {want}, tidegate {got}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} differ, or no longer do:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
