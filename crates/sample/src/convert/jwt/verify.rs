//! Signatures of JSON Web Tokens.

use super::super::string::variable_name;
use super::BASE64;
use super::key::{self, Kind, PublicKey, Source};
use super::store;
use crate::arg::{Arg, ArgError, at};
use crate::scope::Scope;
use crate::session::Session;
use crate::value::Value;
use aws_lc_rs::{hmac, signature};
use base64::Engine;
use std::sync::Arc;

/// What HAProxy's manual has for what can go wrong.
const VERIFIED: i64 = 1;
const FAILED: i64 = 0;
const UNKNOWN_ALGORITHM: i64 = -1;
const INVALID_TOKEN: i64 = -3;
const UNKNOWN_KEY: i64 = -5;
const UNAVAILABLE_CERTIFICATE: i64 = -7;

#[derive(Clone, Copy)]
enum Algorithm {
    Hmac(&'static hmac::Algorithm),
    Signature(Kind, &'static dyn signature::VerificationAlgorithm),
    /// `none`: not signed at all.
    Unsigned,
}

/// The algorithms of RFC 7518, section 3.1.
const ALGORITHMS: [(&str, Algorithm); 13] = [
    ("HS256", Algorithm::Hmac(&hmac::HMAC_SHA256)),
    ("HS384", Algorithm::Hmac(&hmac::HMAC_SHA384)),
    ("HS512", Algorithm::Hmac(&hmac::HMAC_SHA512)),
    (
        "RS256",
        Algorithm::Signature(Kind::Rsa, &signature::RSA_PKCS1_2048_8192_SHA256),
    ),
    (
        "RS384",
        Algorithm::Signature(Kind::Rsa, &signature::RSA_PKCS1_2048_8192_SHA384),
    ),
    (
        "RS512",
        Algorithm::Signature(Kind::Rsa, &signature::RSA_PKCS1_2048_8192_SHA512),
    ),
    (
        "ES256",
        Algorithm::Signature(Kind::P256, &signature::ECDSA_P256_SHA256_FIXED),
    ),
    (
        "ES384",
        Algorithm::Signature(Kind::P384, &signature::ECDSA_P384_SHA384_FIXED),
    ),
    (
        "ES512",
        Algorithm::Signature(Kind::P521, &signature::ECDSA_P521_SHA512_FIXED),
    ),
    (
        "PS256",
        Algorithm::Signature(Kind::Rsa, &signature::RSA_PSS_2048_8192_SHA256),
    ),
    (
        "PS384",
        Algorithm::Signature(Kind::Rsa, &signature::RSA_PSS_2048_8192_SHA384),
    ),
    (
        "PS512",
        Algorithm::Signature(Kind::Rsa, &signature::RSA_PSS_2048_8192_SHA512),
    ),
    ("none", Algorithm::Unsigned),
];

impl Algorithm {
    /// By its name or by the index that stands for it in prepared arguments.
    fn of(session: &dyn Session, arg: &Arg) -> Option<Option<Algorithm>> {
        let named = |name: &[u8]| ALGORITHMS.iter().find(|(known, _)| known.as_bytes() == name);
        let found = match arg {
            Arg::Int(index) => usize::try_from(*index)
                .ok()
                .and_then(|index| ALGORITHMS.get(index)),
            variable => named(&variable.data(session)?),
        };
        Some(found.map(|(_, algorithm)| *algorithm))
    }
}

pub(super) fn bind(args: &mut Vec<Arg>, scope: &Scope<'_>) -> Result<(), ArgError> {
    let algorithm = bind_algorithm(args)?;
    let Some(arg) = args.get_mut(1) else { return Ok(()) };
    if let Ok(name) = variable_name(arg) {
        *arg = Arg::Var(name);
        return Ok(());
    }
    let key = || load(arg.text(), Source::PublicKey, scope);
    match algorithm {
        Some(Algorithm::Signature(kind, _)) => *arg = Arg::PublicKey(suited(key()?, kind)?),
        // What the algorithm will be is not known: where there is no such file, the text is a secret.
        None => {
            let path = String::from_utf8_lossy(arg.text());
            if scope.files.read(&path).is_ok() {
                *arg = Arg::PublicKey(key()?);
            }
        }
        Some(Algorithm::Hmac(_)) if arg.text().is_empty() => {
            return Err(ArgError::new(1, "an empty secret verifies what anybody signs"));
        }
        Some(_) => {}
    }
    Ok(())
}

pub(super) fn bind_certificate(args: &mut Vec<Arg>, scope: &Scope<'_>) -> Result<(), ArgError> {
    let algorithm = bind_algorithm(args)?;
    if let Some(Algorithm::Hmac(_)) = algorithm {
        return Err(ArgError::new(
            0,
            "a certificate has no secret, which this algorithm needs",
        ));
    }
    let Some(arg) = args.get_mut(1) else { return Ok(()) };
    // Those of stores are loaded later, and looked up by their names.
    if scope.files.has_certificate(&String::from_utf8_lossy(arg.text())) {
        return Ok(());
    }
    if let Ok(name) = variable_name(arg) {
        *arg = Arg::Certificate(name);
        return Ok(());
    }
    let key = load(arg.text(), Source::Certificate, scope)?;
    let key = match algorithm {
        Some(Algorithm::Signature(kind, _)) => suited(key, kind)?,
        _ => key,
    };
    // One that is offered may change, so that it is looked up by its name.
    if !scope.files.want_certificate(&String::from_utf8_lossy(arg.text())) {
        *arg = Arg::PublicKey(key);
    }
    Ok(())
}

/// Turns the algorithm's name into its index, or into a variable; that has no algorithm yet.
fn bind_algorithm(args: &mut [Arg]) -> Result<Option<Algorithm>, ArgError> {
    let Some(arg) = args.first_mut() else {
        return Ok(None);
    };
    if let Ok(name) = variable_name(arg) {
        *arg = Arg::Var(name);
        return Ok(None);
    }
    let index = ALGORITHMS
        .iter()
        .position(|(name, _)| name.as_bytes() == arg.text());
    match index.and_then(|index| ALGORITHMS.get(index)) {
        Some((_, algorithm)) => {
            *arg = Arg::Int(index.unwrap_or_default() as i64);
            Ok(Some(*algorithm))
        }
        None => {
            let names = ALGORITHMS.map(|(name, _)| name).join(", ");
            Err(ArgError::new(
                0,
                format!("the algorithm is a variable or one of {names}"),
            ))
        }
    }
}

fn load(path: &[u8], source: Source, scope: &Scope<'_>) -> Result<Arc<PublicKey>, ArgError> {
    let shown = String::from_utf8_lossy(path);
    let fault = |why: String| ArgError::new(1, format!("`{shown}` can't be used as a key: {why}"));
    let text = scope
        .files
        .read(&shown)
        .map_err(|error| fault(error.to_string()))?;
    let key = Arc::new(PublicKey::read(&text, source).map_err(fault)?);
    key::remember(source, path, &key);
    Ok(key)
}

fn suited(key: Arc<PublicKey>, kind: Kind) -> Result<Arc<PublicKey>, ArgError> {
    if key.kind == kind {
        return Ok(key);
    }
    let name = |kind| match kind {
        Kind::Rsa => "RSA",
        Kind::P256 => "the curve P-256",
        Kind::P384 => "the curve P-384",
        Kind::P521 => "the curve P-521",
    };
    let message = format!(
        "the key is one of {}, and the algorithm needs one of {}",
        name(key.kind),
        name(kind)
    );
    Err(ArgError::new(1, message))
}

/// As [`run`], by a certificate.
pub(super) fn run_certificate(session: &dyn Session, args: &[Arg], token: Value) -> Option<Value> {
    let name = match at(args, 1) {
        Arg::Certificate(name) => Arg::Var(name.clone()).data(session)?,
        arg @ Arg::Str(_) => arg.data(session)?,
        _ => return run(session, args, token),
    };
    let Some(known) = store::find(&name) else {
        return run(session, args, token);
    };
    let Value::Bin(token) = token else { return None };
    let algorithm = Algorithm::of(session, at(args, 0))?;
    Some(Value::Int(match algorithm {
        None => UNKNOWN_ALGORITHM,
        Some(_) if !known.allowed => UNAVAILABLE_CERTIFICATE,
        Some(algorithm) => verdict(algorithm, &token, known.public.as_deref(), None),
    }))
}

/// What the manual returns; none if a variable is not set.
pub(super) fn run(session: &dyn Session, args: &[Arg], token: Value) -> Option<Value> {
    let Value::Bin(token) = token else { return None };
    let algorithm = Algorithm::of(session, at(args, 0))?;
    let (public, secret) = match at(args, 1) {
        Arg::PublicKey(key) => (Some(key.clone()), None),
        Arg::Certificate(name) => {
            let path = Arg::Var(name.clone()).data(session)?;
            (key::known(Source::Certificate, &path), None)
        }
        variable @ Arg::Var(_) => {
            let value = variable.data(session)?;
            (key::known(Source::PublicKey, &value), Some(value))
        }
        text => (None, text.data(session)),
    };
    Some(Value::Int(match algorithm {
        None => UNKNOWN_ALGORITHM,
        Some(algorithm) => verdict(algorithm, &token, public.as_deref(), secret.as_deref()),
    }))
}

fn verdict(algorithm: Algorithm, token: &[u8], public: Option<&PublicKey>, secret: Option<&[u8]>) -> i64 {
    let Some((signed, signature)) = split(token) else {
        return INVALID_TOKEN;
    };
    let Ok(signature) = BASE64.decode(signature) else {
        return INVALID_TOKEN;
    };
    let verified = match algorithm {
        Algorithm::Unsigned => signature.is_empty(),
        _ if signature.is_empty() => return INVALID_TOKEN,
        // The path of a public key is no secret: a token that says it is signed with it would be believed.
        Algorithm::Hmac(algorithm) => match secret.filter(|secret| !secret.is_empty() && public.is_none()) {
            Some(secret) => hmac::verify(&hmac::Key::new(*algorithm, secret), signed, &signature).is_ok(),
            None => return UNKNOWN_KEY,
        },
        Algorithm::Signature(kind, algorithm) => match public {
            // What is too short or too long to be two numbers of the curve is no signature at all.
            Some(key)
                if key.kind == kind && kind.signature_bytes().is_some_and(|len| len != signature.len()) =>
            {
                return INVALID_TOKEN;
            }
            Some(key) if key.kind == kind => signature::UnparsedPublicKey::new(algorithm, &key.bytes)
                .verify(signed, &signature)
                .is_ok(),
            Some(_) => false,
            None => return UNKNOWN_KEY,
        },
    };
    if verified { VERIFIED } else { FAILED }
}

/// What is signed and the signature, of a token of three parts.
fn split(token: &[u8]) -> Option<(&[u8], &[u8])> {
    let dots = token.iter().filter(|byte| **byte == b'.').count();
    let last = token.iter().rposition(|byte| *byte == b'.')?;
    let (signed, signature) = token.split_at_checked(last)?;
    (dots == 2).then_some((signed, signature.strip_prefix(b".")?))
}
