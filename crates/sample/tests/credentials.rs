//! What a client says to authenticate itself. The answers are those of the haproxy package (2.6).
#![allow(clippy::unwrap_used, reason = "it is a test")]

mod common;

use common::Fake;
use std::cell::RefCell;
use tidegate_sample::{Expr, Value};

/// Type, user, password, token, and token in the header `x-tok`; `-` for nothing.
fn answers(headers: &[(&str, &str)]) -> String {
    let mut request = http::Request::get("/");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let fake = Fake {
        request: Some(RefCell::new(request.body(()).unwrap().into_parts().0.into())),
        ..Fake::new()
    };
    let answer = |expr: &str| match expr.parse::<Expr>().unwrap().eval(&fake) {
        Some(Value::Str(text)) => text.escape_ascii().to_string(),
        other => {
            assert_eq!(other, None);
            "-".to_owned()
        }
    };
    let all = [
        "http_auth_type",
        "http_auth_user",
        "http_auth_pass",
        "http_auth_bearer",
        "http_auth_bearer(X-Tok)",
    ];
    all.map(answer).join("|")
}

#[test]
fn credentials_are_read_by_their_scheme() {
    for (value, want) in [
        ("Basic YWw6c2U6Y3JldA==", "Basic|al|se:cret|-|-"),
        ("basic YWw6", "Basic|al||-|-"),
        ("Basic Ong=", "Basic||x|-|-"),
        ("Basic   YTpi ", "Basic|a|b|-|-"),
        ("Basic YTpi,c", "Basic|a|b|-|-"),
        ("Basic YWxvbmU=", "-|-|-|-|-"),
        ("Basic", "-|-|-|-|-"),
        ("Basic !!!", "-|-|-|-|-"),
        ("Basic YTpi\tx", "-|-|-|-|-"),
        ("Bearer tok.en", "Bearer|-|-|tok.en|-"),
        ("bearer   tok en ", "Bearer|-|-|tok en|-"),
        ("Bearer a, Bearer b", "Bearer|-|-|a|-"),
        ("Bearer", "-|-|-|-|-"),
        ("Digest username=\"x\"", "-|-|-|-|-"),
    ] {
        assert_eq!(answers(&[("authorization", value)]), want, "{value}");
    }
    assert_eq!(answers(&[]), "-|-|-|-|-");
}

#[test]
fn the_first_header_of_the_name_counts() {
    let (basic, bearer) = ("Basic YTpi", "Bearer two");
    assert_eq!(
        answers(&[("authorization", basic), ("authorization", bearer)]),
        "Basic|a|b|-|-"
    );
    assert_eq!(
        answers(&[("authorization", bearer), ("authorization", basic)]),
        "Bearer|-|-|two|-"
    );
    assert_eq!(answers(&[("x-tok", "Bearer zzz")]), "-|-|-|-|zzz");
    assert_eq!(answers(&[("x-tok", "zzz")]), "-|-|-|-|-");
    let long = "x".repeat(3000);
    assert_eq!(
        answers(&[("x-tok", &format!("Bearer {long}"))]),
        format!("-|-|-|-|{long}")
    );
    assert!("http_auth_bearer(a b)".parse::<Expr>().is_err());
}
