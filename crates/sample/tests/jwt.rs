//! Signatures of JSON Web Tokens. The tokens and keys under data/jwt were made with OpenSSL.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "it is a test"
)]

mod common;

use common::Fake;
use std::collections::HashMap;
use tidegate_sample::{Expr, LocalFiles, ParseError, Scope, Value};

const SECRET: &str = "hmac key hmac key hmac key";

fn path(file: &str) -> String {
    format!("{}/tests/data/jwt/{file}", env!("CARGO_MANIFEST_DIR"))
}

fn tokens() -> HashMap<&'static str, &'static str> {
    let lines = include_str!("data/jwt/tokens.tsv").lines();
    lines.map(|line| line.split_once('\t').unwrap()).collect()
}

/// The key that verifies the token of an algorithm.
fn key(algorithm: &str) -> String {
    match algorithm.split_at(2) {
        ("HS", _) => SECRET.to_string(),
        ("RS" | "PS", _) => path("rsa.pub"),
        (_, bits) => path(&format!("ec{bits}.pub")),
    }
}

fn parse(converter: &str) -> Result<Expr, ParseError> {
    let scope = Scope::anywhere().with_files(&LocalFiles);
    Expr::parse(&format!("var(txn.token),{converter}"), &scope)
}

fn error(converter: &str) -> String {
    parse(converter).unwrap_err().to_string()
}

/// What a converter makes of a token, with two more variables.
fn run(token: &str, converter: &str, algorithm: &str, key: &str) -> Option<i64> {
    let fake = Fake::new();
    fake.set("txn.token", Value::str(token));
    fake.set("txn.alg", Value::str(algorithm));
    fake.set("txn.key", Value::str(key));
    match parse(converter)
        .unwrap_or_else(|error| panic!("{converter}: {error}"))
        .eval(&fake)?
    {
        Value::Int(int) => Some(int),
        other => panic!("{other:?}"),
    }
}

fn verify(token: &str, algorithm: &str, key: &str) -> Option<i64> {
    run(token, &format!("jwt_verify({algorithm},'{key}')"), "", "")
}

#[test]
fn each_algorithm_verifies_its_own_tokens_alone() {
    let tokens = tokens();
    for (algorithm, token) in &tokens {
        if *algorithm == "none" {
            continue;
        }
        let key = key(algorithm);
        assert_eq!(verify(token, algorithm, &key), Some(1), "{algorithm}");
        assert_eq!(
            run(token, &format!("jwt_verify(txn.alg,'{key}')"), algorithm, ""),
            Some(1),
            "{algorithm}"
        );
        assert_eq!(
            run(token, "jwt_verify(txn.alg,txn.key)", algorithm, &key),
            Some(1),
            "{algorithm}"
        );

        let (signed, signature) = token.rsplit_once('.').unwrap();
        let changed = format!("{}AAAA", &token[..token.len() - 4]);
        assert_eq!(
            verify(&changed, algorithm, &key),
            Some(0),
            "{algorithm}: another signature"
        );
        let changed = format!("{}x.{signature}", &signed[..signed.len() - 1]);
        assert_eq!(
            verify(&changed, algorithm, &key),
            Some(0),
            "{algorithm}: another payload"
        );
        assert_eq!(
            verify(&format!("{signed}."), algorithm, &key),
            Some(-3),
            "{algorithm}: no signature"
        );
        for (other, token) in &tokens {
            if other != algorithm && *other != "none" {
                // Signatures of a curve have its length.
                let (_, signature) = token.rsplit_once('.').unwrap();
                let wanted = match *algorithm {
                    "ES256" => Some(86),
                    "ES384" => Some(128),
                    "ES512" => Some(176),
                    _ => None,
                };
                let fits = wanted.is_none_or(|length| length == signature.len());
                let want = if fits { 0 } else { -3 };
                assert_eq!(
                    verify(token, algorithm, &key),
                    Some(want),
                    "{other} by {algorithm}"
                );
            }
        }
    }
}

#[test]
fn what_is_not_signed_needs_an_empty_signature() {
    let (none, signed) = (tokens()["none"], tokens()["HS256"]);
    assert_eq!(verify(none, "none", "x"), Some(1));
    assert_eq!(verify(&format!("{none}AAAA"), "none", "x"), Some(0));
    assert_eq!(verify(signed, "none", "x"), Some(0));
}

#[test]
fn keys_and_algorithms_that_are_not_known() {
    let (rs, hs, es) = (tokens()["RS256"], tokens()["HS256"], tokens()["ES512"]);
    verify(rs, "RS256", &key("RS256"));
    for (token, converter, algorithm, key, want) in [
        (
            rs,
            "jwt_verify(txn.alg,txn.key)",
            "FOO",
            path("rsa.pub"),
            Some(-1),
        ),
        (
            rs,
            "jwt_verify(txn.alg,txn.key)",
            "rs256",
            path("rsa.pub"),
            Some(-1),
        ),
        (
            es,
            "jwt_verify(txn.alg,txn.key)",
            "ES512",
            path("ec256k.pub"),
            Some(-5),
        ),
        (
            rs,
            "jwt_verify(txn.alg,txn.key)",
            "RS256",
            path("rsa.pub"),
            Some(1),
        ),
        (rs, "jwt_verify(RS256,txn.key)", "", path("rsa.pub"), Some(1)),
        (
            rs,
            "jwt_verify(RS256,txn.key)",
            "",
            path("never-named.pub"),
            Some(-5),
        ),
        (
            rs,
            "jwt_verify(txn.alg,'a secret')",
            "RS256",
            String::new(),
            Some(-5),
        ),
        (hs, "jwt_verify(HS256,txn.key)", "", SECRET.into(), Some(1)),
        (hs, "jwt_verify(HS256,txn.key)", "", "wrong".into(), Some(0)),
        (hs, "jwt_verify(HS256,txn.key)", "", String::new(), Some(-5)),
        (hs, "jwt_verify(HS256,txn.nope)", "", String::new(), None),
        (hs, "jwt_verify(txn.nope,x)", "", String::new(), None),
    ] {
        assert_eq!(
            run(token, converter, algorithm, &key),
            want,
            "{converter} {algorithm} {key}"
        );
    }
}

#[test]
fn the_path_of_a_public_key_is_no_secret() {
    let path = path("rsa.pub");
    // Signed with the path, as whoever guesses it could.
    let forged = |key: &str| {
        let signed = "eyJhbGciOiJIUzI1NiJ9.e30";
        let hmac = format!("str({signed}),hmac(sha256,{}),ub64enc", base64(key))
            .parse::<Expr>()
            .unwrap();
        match hmac.eval(&Fake::new()) {
            Some(Value::Str(signature)) => format!("{signed}.{}", String::from_utf8_lossy(&signature)),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(verify(&forged("secret"), "HS256", "secret"), Some(1));
    verify(tokens()["RS256"], "RS256", &path);
    for converter in [
        format!("jwt_verify(txn.alg,'{path}')"),
        "jwt_verify(txn.alg,txn.key)".to_string(),
    ] {
        assert_eq!(
            run(&forged(&path), &converter, "HS256", &path),
            Some(-5),
            "{converter}"
        );
    }
}

fn base64(text: &str) -> String {
    match format!("str({text}),base64")
        .parse::<Expr>()
        .unwrap()
        .eval(&Fake::new())
    {
        Some(Value::Str(text)) => String::from_utf8_lossy(&text).into_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn tokens_that_are_broken() {
    let token = tokens()["HS256"];
    for broken in ["a", "a.b", "a.b.c", "a.b.cc.dd", "..", "...", "", ".b.c"] {
        assert_eq!(verify(broken, "HS256", SECRET), Some(-3), "{broken}");
    }
    for end in ["!", "=", ".x"] {
        assert_eq!(
            verify(&format!("{token}{end}"), "HS256", SECRET),
            Some(-3),
            "{end}"
        );
    }
    assert_eq!(verify(&format!(" {token}"), "HS256", SECRET), Some(0));
}

#[test]
fn keys_of_every_form() {
    let (rs, es) = (tokens()["RS256"], tokens()["ES256"]);
    assert_eq!(verify(rs, "RS256", &path("rsa1.pub")), Some(1));
    for (token, converter, want) in [
        (rs, format!("jwt_verify_cert(RS256,'{}')", path("rsa.crt")), 1),
        (es, format!("jwt_verify_cert(ES256,'{}')", path("ec256.crt")), 1),
        (es, format!("jwt_verify_cert(txn.alg,'{}')", path("ec256.crt")), 1),
        (rs, format!("jwt_verify_cert(txn.alg,'{}')", path("rsa.crt")), 0),
        (es, "jwt_verify_cert(txn.alg,txn.key)".to_string(), 1),
        (es, "jwt_verify(txn.alg,txn.key)".to_string(), -5),
    ] {
        assert_eq!(
            run(token, &converter, "ES256", &path("ec256.crt")),
            Some(want),
            "{converter}"
        );
    }
}

#[test]
fn arguments_that_can_not_be() {
    let (rsa, ec) = (path("rsa.pub"), path("ec256.pub"));
    for (converter, part) in [
        (
            format!("jwt_verify(FOO,'{rsa}')"),
            "a variable or one of HS256, HS384,",
        ),
        (format!("jwt_verify(,'{rsa}')"), "a variable or one of"),
        (
            format!("jwt_verify(ES256,'{}')", path("ec512.pub")),
            "the key is one of the curve P-521, and the algorithm needs one of the curve P-256",
        ),
        (
            format!("jwt_verify(ES256,'{rsa}')"),
            "the key is one of RSA, and the algorithm needs one of the curve P-256",
        ),
        (format!("jwt_verify(RS256,'{ec}')"), "needs one of RSA"),
        (
            "jwt_verify(RS256,/nope)".to_string(),
            "`/nope` can't be used as a key: No such file",
        ),
        ("jwt_verify(HS256,)".to_string(), "an empty secret"),
        ("jwt_verify(RS256)".to_string(), "misses argument 2"),
        (
            format!("jwt_verify(RS256,'{}')", path("rsa.crt")),
            "begins with `BEGIN CERTIFICATE` and should",
        ),
        (
            format!("jwt_verify(RS256,'{}')", path("tokens.tsv")),
            "it is no PEM file",
        ),
        (
            format!("jwt_verify(RS256,'{}')", path("rsa1024.pub")),
            "its key of 1024 bits is too short",
        ),
        (
            format!("jwt_verify(txn.alg,'{}')", path("ec256k.pub")),
            "neither of RSA nor of the curves",
        ),
        (
            format!("jwt_verify_cert(RS256,'{rsa}')"),
            "should with `BEGIN CERTIFICATE`",
        ),
        (
            format!("jwt_verify_cert(HS256,'{}')", path("rsa.crt")),
            "a certificate has no secret",
        ),
        (
            format!("jwt_verify_cert(ES256,'{}')", path("rsa.crt")),
            "needs one of the curve P-256",
        ),
    ] {
        let error = error(&converter);
        assert!(error.contains(part), "{converter}: {error}");
    }
}
