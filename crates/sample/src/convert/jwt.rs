//! JSON Web Tokens: what is in them, and whether they are signed.

pub(crate) mod algorithms;
pub(crate) mod decrypt;
mod der;
pub(crate) mod key;
mod private;
pub(crate) mod store;
mod verify;

use super::{ConverterRow, json_query, row};
use crate::arg::{Arg, ArgError, ArgKind, ArgSpec, at};
use crate::data::Data;
use crate::value::{Type, Value};
use base64::Engine;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

const QUERY: ArgSpec = ArgSpec::new(0, &[ArgKind::Str, ArgKind::Str]);

/// Base64 as tokens have it; the last character may have bits that are not used.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

pub(super) const ROWS: &[ConverterRow] = &[
    row(
        "jwt_header_query",
        QUERY,
        Type::Bin,
        Type::Any,
        "the header of a JSON Web Token, or what `json_query` finds in it: `http_auth_bearer,jwt_header_query('$.alg')` \
         (7.3.1)",
        |_, args, v| part(v, 0, args),
    )
    .prepared(prepare),
    row(
        "jwt_payload_query",
        QUERY,
        Type::Bin,
        Type::Any,
        "the payload of a signed JSON Web Token, or what `json_query` finds in it: \
         `http_auth_bearer,jwt_payload_query('$.iss')` (7.3.1)",
        |_, args, v| part(v, 1, args),
    )
    .prepared(prepare),
    row(
        "jwt_verify",
        ArgSpec::new(2, &[ArgKind::Str, ArgKind::Str]),
        Type::Bin,
        Type::Int,
        "whether a JSON Web Token is signed by an algorithm (HS, RS, ES or PS with 256, 384 or 512; none) with \
         a key, which is a secret for HS and else the path of a public key; both may be variables: \
         `jwt_verify(txn.alg,\"/path/to/pubkey.pem\")`; 1 if it is, 0 if not, -1 for an unknown algorithm, \
         -3 for a broken token, -5 for an unknown key (7.3.1)",
        |s, args, v| verify::run(s, args, v),
    )
    .bound(verify::bind),
    row(
        "jwt_verify_cert",
        ArgSpec::new(2, &[ArgKind::Str, ArgKind::Str]),
        Type::Bin,
        Type::Int,
        "as `jwt_verify`, with the path or name of a certificate for a key and without HS: \
         `jwt_verify_cert(RS256,\"/path/to/cert.pem\")`; -7 for a certificate that is loaded without `jwt on` (7.3.1)",
        |s, args, v| verify::run_certificate(s, args, v),
    )
    .bound(verify::bind_certificate),
    row(
        "jwt_decrypt_secret",
        ArgSpec::new(1, &[ArgKind::Str]),
        Type::Bin,
        Type::Bin,
        "what an encrypted JSON Web Token holds, by a secret in base64 or a variable that holds one: \
         `jwt_decrypt_secret(\"GawgguFyGrWKav7AX4VKUg\")`; the token's `alg` is A128KW, A192KW, A256KW, A128GCMKW, A192GCMKW, \
         A256GCMKW or dir; empty if that fails (7.3.1)",
        |s, args, v| decrypt::with_secret(s, args, v),
    )
    .prepared(decrypt::prepare_secret),
    row(
        "jwt_decrypt_jwk",
        ArgSpec::new(1, &[ArgKind::Str]),
        Type::Bin,
        Type::Bin,
        "as `jwt_decrypt_secret`, by a JSON Web Key of kind `oct`, or as `jwt_decrypt_cert`, by one of kind `RSA` (with `p`, `q`, \
         `dp`, `dq` and `qi`) or `EC`, or by a variable that holds one: `jwt_decrypt_jwk(txn.jwk)` (7.3.1)",
        |s, args, v| decrypt::with_key(s, args, v),
    )
    .prepared(decrypt::prepare_key),
    row(
        "jwt_decrypt_cert",
        ArgSpec::new(1, &[ArgKind::Str]),
        Type::Bin,
        Type::Bin,
        "what an encrypted JSON Web Token holds, by the private key of a certificate that a `crt-store` loads with `jwt on`: its \
         name, or a variable that holds it: `jwt_decrypt_cert(\"/path/to/cert.pem\")`; the token's `alg` is RSA-OAEP, RSA-OAEP-256, \
         ECDH-ES, ECDH-ES+A128KW, ECDH-ES+A192KW or ECDH-ES+A256KW, or RSA1_5 if `jwt.decrypt_alg_list` allows it; empty if that \
         fails (7.3.1)",
        |s, args, v| decrypt::with_certificate(s, args, v),
    )
    .bound(decrypt::bind_certificate),
];

/// Prepares a query; without a path there is none.
fn prepare(args: &mut Vec<Arg>) -> Result<(), ArgError> {
    match args.as_mut_slice() {
        [Arg::None, ..] => Ok(()),
        [path @ Arg::Str(_), kind] if path.text().is_empty() => {
            *path = Arg::None;
            match kind {
                Arg::None => Ok(()),
                _ => Err(ArgError::new(1, "there is no type without a path")),
            }
        }
        _ => json_query::prepare(args),
    }
}

/// One decoded part of a token, or what a query finds in it.
fn part(token: Value, index: usize, args: &[Arg]) -> Option<Value> {
    let Value::Bin(token) = token else { return None };
    let mut parts = token.split(|byte| *byte == b'.');
    let encoded = parts.nth(index)?;
    // One part alone is no token.
    if index == 0 {
        parts.next()?;
    }
    let decoded = Data::from(BASE64.decode(encoded).ok()?);
    match at(args, 0) {
        Arg::None => Some(Value::Str(decoded)),
        _ => json_query::query(&decoded, args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Expr, NoSession};
    use proptest::prelude::*;

    const TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJqb2UiLCJuIjo1fQ.c2ln";

    fn run(token: &str, converter: &str) -> Option<Value> {
        format!("str({token}),{converter}")
            .parse::<Expr>()
            .unwrap()
            .eval(&NoSession)
    }

    #[test]
    fn headers_and_payloads() {
        for (converter, want) in [
            ("jwt_header_query('$.alg')", Some(Value::str("HS256"))),
            ("jwt_header_query('$.nope')", None),
            (
                "jwt_header_query",
                Some(Value::str(r#"{"alg":"HS256","typ":"JWT"}"#)),
            ),
            (
                "jwt_header_query()",
                Some(Value::str(r#"{"alg":"HS256","typ":"JWT"}"#)),
            ),
            ("jwt_payload_query", Some(Value::str(r#"{"iss":"joe","n":5}"#))),
            ("jwt_payload_query('$.iss')", Some(Value::str("joe"))),
            ("jwt_payload_query('$.n')", Some(Value::str("5"))),
            ("jwt_payload_query('$.n','int')", Some(Value::Int(5))),
        ] {
            assert_eq!(run(TOKEN, converter), want, "{converter}");
        }
        assert_eq!(
            run("eyJhIjoxfQ.x", "jwt_header_query('$.a')"),
            Some(Value::str("1"))
        );
        assert_eq!(
            run("eyJhIjoxfQ.b.c.d.e", "jwt_header_query('$.a')"),
            Some(Value::str("1"))
        );
        for token in ["", "a", "eyJhIjoxfQ", "a.b.c", "!.!.!", "eyJhIjoxfQ==.x", ".."] {
            assert_eq!(run(token, "jwt_header_query('$.a')"), None, "{token}");
            assert_eq!(run(token, "jwt_payload_query('$.a')"), None, "{token}");
        }
    }

    #[test]
    fn a_query_is_checked() {
        for (converter, part) in [
            ("jwt_payload_query(n)", "begins with `$`"),
            ("jwt_payload_query('$.n','x')", "the only type is `int`"),
            ("jwt_header_query('','int')", "no type without a path"),
        ] {
            let error = format!("str(x),{converter}").parse::<Expr>().unwrap_err();
            assert!(error.message.contains(part), "{converter}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end_well(token in proptest::collection::vec(prop_oneof![Just(b'.'), b'A'..b'g', any::<u8>()], 0..60)) {
            for converter in ["jwt_header_query", "jwt_payload_query", "jwt_verify(HS256,x)"] {
                let hex: String = token.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("bin(2e{hex}),{converter}").parse::<Expr>().unwrap().eval(&NoSession);
            }
        }
    }
}
