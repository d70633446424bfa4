//! JSON Web Tokens that are encrypted for private keys. Those under data/jwt/private.tsv are RFC 7516's (appendices A.1 and
//! A.2) and RFC 7520's (sections 5.1, 5.2, 5.4 and 5.5), and then one for each pair of algorithms, which Python's
//! `cryptography` made for the keys of these RFCs.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "it is a test"
)]

mod common;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::Fake;
use tidegate_sample::{
    Expr, LocalFiles, Scope, TokenAlgorithms, TokenCertificate, Value, offer_certificates,
};

struct Token {
    algorithm: &'static str,
    encryption: &'static str,
    key: &'static str,
    token: &'static str,
    content: &'static str,
}

impl Token {
    fn name(&self) -> String {
        format!("{} {} {}", self.algorithm, self.encryption, self.key)
    }
}

fn tokens() -> Vec<Token> {
    let lines = include_str!("data/jwt/private.tsv").lines();
    let tokens = lines.map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        let [algorithm, encryption, key, token, content] = columns.as_slice() else {
            panic!("{line}");
        };
        Token {
            algorithm,
            encryption,
            key,
            token,
            content,
        }
    });
    tokens.collect()
}

/// A key's name, itself as a JSON Web Key, and in the DER forms PKCS#8 and PKCS#1 or SEC 1.
fn keys() -> Vec<(&'static str, &'static str, [Vec<u8>; 2])> {
    let lines = include_str!("data/jwt/private_keys.tsv").lines();
    let keys = lines.map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        let der = [columns[2], columns[3]].map(|text| URL_SAFE_NO_PAD.decode(text).unwrap());
        (columns[0], columns[1], der)
    });
    keys.collect()
}

/// What a converter makes of a token, with two more variables.
fn run(token: &str, converter: &str, cert: &str, jwk: &str) -> String {
    let fake = Fake::new();
    fake.set("txn.token", Value::str(token));
    fake.set("txn.cert", Value::str(cert));
    fake.set("txn.jwk", Value::str(jwk));
    let scope = Scope::anywhere().with_files(&LocalFiles);
    let expr = Expr::parse(&format!("var(txn.token),{converter}"), &scope);
    match expr
        .unwrap_or_else(|error| panic!("{converter}: {error}"))
        .eval(&fake)
    {
        Some(Value::Bin(content)) => String::from_utf8(content.to_vec()).unwrap(),
        other => panic!("{converter}: {other:?}"),
    }
}

fn offer(allowed: bool) {
    let offered = keys().into_iter().flat_map(|(name, _, der)| {
        let forms = ["", ".old"].into_iter().zip(der);
        forms.map(move |(end, der)| TokenCertificate {
            name: format!("{name}{end}"),
            certificate: Vec::new(),
            key: Some(der),
            allowed,
        })
    });
    offer_certificates(offered);
}

/// All that changes what the process knows is in this one.
#[test]
fn tokens_of_every_algorithm_are_decrypted_by_every_form_of_their_key() {
    let tokens = tokens();
    assert_eq!(tokens.len(), 6 + 7 * 6);
    let mut all = TokenAlgorithms::default();
    offer(true);
    let rsa1_5 = tokens.iter().find(|token| token.algorithm == "RSA1_5").unwrap();
    assert_eq!(
        run(rsa1_5.token, "jwt_decrypt_cert(txn.cert)", rsa1_5.key, ""),
        ""
    );
    all.allow_algorithms("ALL").unwrap();
    all.clone().apply();
    for token in &tokens {
        let (_, jwk, _) = keys().into_iter().find(|(name, ..)| *name == token.key).unwrap();
        let old = format!("{}.old", token.key);
        for (converter, cert) in [
            ("jwt_decrypt_cert(txn.cert)", token.key),
            ("jwt_decrypt_cert(txn.cert)", &old),
            ("jwt_decrypt_jwk(txn.jwk)", ""),
            (&format!("jwt_decrypt_jwk('{jwk}')"), ""),
        ] {
            let content = run(token.token, converter, cert, jwk);
            assert_eq!(content, token.content, "{}: {converter}", token.name());
        }
        // By no other key, and with no part of it changed.
        for (name, jwk, _) in keys() {
            let content = run(token.token, "jwt_decrypt_jwk(txn.jwk)", "", jwk);
            assert_eq!(
                content.is_empty(),
                name != token.key,
                "{} by {name}",
                token.name()
            );
        }
        let parts: Vec<&str> = token.token.split('.').collect();
        for index in 0..5 {
            let mut changed: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
            let flip = |c| if c == 'A' { 'B' } else { 'A' };
            changed[index] = match parts[index].split_at_checked(20) {
                Some((start, rest)) => format!(
                    "{start}{}{}",
                    flip(rest.chars().next().unwrap_or('B')),
                    &rest[rest.len().min(1)..]
                ),
                None if parts[index].is_empty() => "AAAA".to_owned(),
                None => parts[index].chars().map(flip).collect(),
            };
            let content = run(&changed.join("."), "jwt_decrypt_cert(txn.cert)", token.key, "");
            assert_eq!(content, "", "{}: part {index}", token.name());
        }
    }

    let oaep = tokens.iter().find(|token| token.algorithm == "RSA-OAEP").unwrap();
    let secret = format!("jwt_decrypt_secret({})", URL_SAFE_NO_PAD.encode([1; 32]));
    assert_eq!(run(oaep.token, &secret, "", ""), "", "a secret is no private key");
    assert_eq!(run(oaep.token, "jwt_decrypt_cert(txn.cert)", "unknown", ""), "");
    assert_eq!(run(oaep.token, "jwt_decrypt_jwk(txn.jwk)", "", "no key"), "");
    all.allow_algorithms("ALL:!RSA-OAEP").unwrap();
    all.clone().apply();
    assert_eq!(run(oaep.token, "jwt_decrypt_cert(txn.cert)", oaep.key, ""), "");
    all.allow_algorithms("RSA-OAEP").unwrap();
    all.allow_encryptions("ALL:!A256GCM").unwrap();
    all.apply();
    assert_eq!(run(oaep.token, "jwt_decrypt_cert(txn.cert)", oaep.key, ""), "");
    TokenAlgorithms::default().apply();
    assert_eq!(
        run(oaep.token, "jwt_decrypt_cert(txn.cert)", oaep.key, ""),
        oaep.content
    );
    offer(false);
    assert_eq!(run(oaep.token, "jwt_decrypt_cert(txn.cert)", oaep.key, ""), "");
}

#[test]
fn a_certificate_that_nobody_loads_is_an_error() {
    let expr = Expr::parse("str(x),jwt_decrypt_cert(/a/b.pem)", &Scope::anywhere());
    let error = expr.unwrap_err().to_string();
    assert!(
        error.contains("no `crt-store` loads a certificate `/a/b.pem`"),
        "{error}"
    );
}
