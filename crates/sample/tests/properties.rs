//! Whatever they are given, parsers do not panic, their spans lie inside the text, and evaluation ends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "it is a test"
)]

mod common;

use common::Fake;
use proptest::prelude::*;
use tidegate_sample::vars::VarName;
use tidegate_sample::{AclSet, Condition, Converter, Expr, LogFormat, Scope, Value, convert, fetch};

/// Text made of the pieces that the languages are made of, so that much of it nearly parses.
fn text() -> impl Strategy<Value = String> {
    let names = fetch::all()
        .map(|row| row.name)
        .chain(convert::all().map(|row| row.name))
        .collect::<Vec<_>>();
    let piece = prop_oneof![
        6 => proptest::sample::select(names).prop_map(String::from),
        8 => proptest::sample::select(vec![
            "(", ")", ",", "'", "\"", "\\", "%", "%[", "]", "%{", "}", "+Q", "-E", "%%", " ", "%ci", "%HU",
            "txn.five", "1", "-1", "0", ".", "é", "\u{0}", "\n", "host", "a", "x",
        ]).prop_map(String::from),
        1 => ".{0,6}",
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// A value of any type.
fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<std::net::Ipv4Addr>().prop_map(Value::Ipv4),
        any::<std::net::Ipv6Addr>().prop_map(Value::Ipv6),
        proptest::collection::vec(any::<u8>(), 0..80).prop_map(Value::str),
        proptest::collection::vec(any::<u8>(), 0..80).prop_map(Value::bin),
    ]
}

fn argument() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => (-20i64..600).prop_map(Value::Int),
        1 => any::<i64>().prop_map(Value::Int),
        3 => proptest::sample::select(vec!["", "a", ",", "txn.five", "txn.text", "txn.nope", "i", "g", "(.)", "\\1", "%s", "ms"])
            .prop_map(Value::str),
        1 => ".{0,6}".prop_map(Value::str),
    ]
}

fn inside(span: &std::ops::Range<usize>, text: &str) {
    assert!(
        span.start <= span.end && text.get(span.clone()).is_some(),
        "{span:?} is not in {text:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn expressions(text in text()) {
        match text.parse::<Expr>() {
            Ok(expr) => {
                prop_assert_eq!(expr.text(), &text);
                let again: Expr = expr.to_string().parse().unwrap();
                prop_assert_eq!(format!("{expr:?}"), format!("{again:?}"));
                expr.eval(&Fake::new());
            }
            Err(error) => inside(&error.span, &text),
        }
    }

    #[test]
    fn log_formats(text in text()) {
        for parsed in [LogFormat::parse(&text, &Scope::anywhere()), LogFormat::parse_log(&text, &Scope::anywhere())] {
            match parsed {
                Ok(format) => {
                    let mut line = Vec::new();
                    format.eval_into(&mut line, &Fake::new());
                }
                Err(error) => inside(&error.span, &text),
            }
        }
    }

    #[test]
    fn conditions(pieces in proptest::collection::vec(prop_oneof![
        3 => proptest::sample::select(vec![
            "if", "unless", "{", "}", "!", "or", "||", "TRUE", "!FALSE", "path_beg", "hdr(host)", "src", "-m",
            "str", "reg", "ip", "-i", "--", "/x", "5:7", "gt", "10.0.0.0/8", "dst_port", "var(txn.five)",
        ]).prop_map(String::from),
        1 => text(),
    ], 0..9)) {
        let words: Vec<&str> = std::iter::once("if").chain(pieces.iter().map(String::as_str)).collect();
        match Condition::parse(&words, &AclSet::default(), &Scope::anywhere()) {
            Ok(condition) => {
                condition.eval(&Fake::new());
            }
            Err(error) => inside(&error.error.span, words.get(error.word).copied().unwrap_or_default()),
        }
    }

    #[test]
    fn variable_names(text in "(proc|sess|txn|req|res|check|x)?\\.?.{0,8}") {
        match VarName::parse(&text) {
            Ok(name) => prop_assert_eq!(name.to_string(), text),
            Err(error) => inside(&error.span, &text),
        }
    }

    #[test]
    fn converters(
        index in 0..convert::all().count(),
        args in proptest::collection::vec(argument(), 0..4),
        input in value(),
    ) {
        let row = convert::all().nth(index).unwrap();
        if let Ok(converter) = Converter::new(row.name, &args, &Scope::anywhere()) {
            converter.apply(&Fake::new(), input);
        }
    }

    #[test]
    fn what_encoding_converters_do_others_undo(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let run = |text: &str, input: Value| {
            let mut value = Some(input);
            for name in text.split(',') {
                let converter = Converter::new(name, &[], &Scope::anywhere()).unwrap();
                value = value.and_then(|value| converter.apply(&Fake::new(), value));
            }
            value
        };
        let input = Value::bin(bytes.clone());
        prop_assert_eq!(run("base64,b64dec", input.clone()), Some(input.clone()));
        prop_assert_eq!(run("ub64enc,ub64dec", input.clone()), Some(input.clone()));
        prop_assert_eq!(run("reverse,reverse", Value::str(bytes.clone())), Some(Value::str(bytes.clone())));
        prop_assert_eq!(run("url_enc,url_dec", Value::str(bytes.clone())), Some(Value::str(bytes)));
    }
}
