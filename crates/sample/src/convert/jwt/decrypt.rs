//! Encrypted JSON Web Tokens (RFC 7516) with symmetric keys.

use super::super::aes::cipher;
use super::super::json_query::{has_member, member};
use super::super::string::variable_name;
use super::BASE64;
use crate::arg::{Arg, ArgError, at};
use crate::data::Data;
use crate::session::Session;
use crate::value::Value;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::{Sha256, Sha384, Sha512};

/// Reads a secret in base64, of either alphabet, or the variable that will hold one.
pub(super) fn prepare_secret(args: &mut Vec<Arg>) -> Result<(), ArgError> {
    prepare(args, |text| {
        secret(text).ok_or("the secret is neither a variable nor base64")
    })
}

/// Reads a JSON Web Key, or the variable that will hold one.
pub(super) fn prepare_key(args: &mut Vec<Arg>) -> Result<(), ArgError> {
    prepare(args, jwk)
}

fn prepare(args: &mut [Arg], read: fn(&[u8]) -> Result<Data, &'static str>) -> Result<(), ArgError> {
    let Some(arg) = args.first_mut() else {
        return Ok(());
    };
    *arg = match variable_name(arg) {
        Ok(name) => Arg::Var(name),
        Err(_) => Arg::Value(Value::Bin(read(arg.text()).map_err(|why| ArgError::new(0, why))?)),
    };
    Ok(())
}

pub(super) fn with_secret(session: &dyn Session, args: &[Arg], token: Value) -> Option<Value> {
    run(session, args, token, secret)
}

pub(super) fn with_key(session: &dyn Session, args: &[Arg], token: Value) -> Option<Value> {
    run(session, args, token, |text| jwk(text).ok())
}

/// What the token holds; empty if it can't be decrypted, as the manual has it.
fn run(session: &dyn Session, args: &[Arg], token: Value, read: fn(&[u8]) -> Option<Data>) -> Option<Value> {
    let Value::Bin(token) = token else { return None };
    let key = match at(args, 0) {
        Arg::Value(Value::Bin(key)) => Some(key.clone()),
        variable => variable.data(session).and_then(|text| read(&text)),
    };
    let content = key.and_then(|key| decrypted(&token, &key));
    Some(Value::bin(content.unwrap_or_default()))
}

fn secret(text: &[u8]) -> Option<Data> {
    let decoded = BASE64.decode(text).or_else(|_| STANDARD.decode(text));
    decoded.ok().filter(|key| !key.is_empty()).map(Data::from)
}

fn jwk(text: &[u8]) -> Result<Data, &'static str> {
    let json = Data::copy(text);
    match member(&json, "kty").as_deref() {
        Some(b"oct") => {
            let key = member(&json, "k").and_then(|key| BASE64.decode(key).ok());
            key.filter(|key| !key.is_empty())
                .map(Data::from)
                .ok_or("the key has no `k` in base64url")
        }
        Some(b"RSA" | b"EC") => {
            Err("private keys of RSA and of elliptic curves are not supported, only those of kind `oct`")
        }
        _ => Err("the key is neither a variable nor a JSON Web Key with a `kty`"),
    }
}

fn decrypted(token: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    let parts: Vec<&[u8]> = token.split(|byte| *byte == b'.').collect();
    let [header, wrapped, iv, content, tag] = parts.as_slice() else {
        return None;
    };
    let decode = |text: &[u8]| BASE64.decode(text).ok();
    let fields = Data::from(decode(header)?);
    // What these ask for is not supported, and must not be ignored.
    if has_member(&fields, "zip") || has_member(&fields, "crit") {
        return None;
    }
    let wrapped = decode(wrapped)?;
    let field = |name| member(&fields, name);
    let of_kek = |bits: usize| (key.len() * 8 == bits).then_some(key);
    let content_key = match &*field("alg")? {
        b"dir" if wrapped.is_empty() => key.to_vec(),
        b"A128KW" => cipher::unwrap_key(of_kek(128)?, &wrapped)?,
        b"A192KW" => cipher::unwrap_key(of_kek(192)?, &wrapped)?,
        b"A256KW" => cipher::unwrap_key(of_kek(256)?, &wrapped)?,
        name @ (b"A128GCMKW" | b"A192GCMKW" | b"A256GCMKW") => {
            let kek = of_kek(std::str::from_utf8(name.get(1..4)?).ok()?.parse().ok()?)?;
            let (iv, tag) = (decode(&field("iv")?)?, decode(&field("tag")?)?);
            cipher::gcm_decrypt(kek, iv12(&iv)?, &[], &tag, &wrapped)?
        }
        _ => return None,
    };
    let (iv, content, tag) = (decode(iv)?, decode(content)?, decode(tag)?);
    let of_bits = |bits: usize| (content_key.len() * 8 == bits).then_some(&*content_key);
    match &*field("enc")? {
        b"A128GCM" => cipher::gcm_decrypt(of_bits(128)?, iv12(&iv)?, header, &tag, &content),
        b"A192GCM" => cipher::gcm_decrypt(of_bits(192)?, iv12(&iv)?, header, &tag, &content),
        b"A256GCM" => cipher::gcm_decrypt(of_bits(256)?, iv12(&iv)?, header, &tag, &content),
        b"A128CBC-HS256" => cbc_hmac::<Hmac<Sha256>>(of_bits(256)?, header, &iv, &content, &tag),
        b"A192CBC-HS384" => cbc_hmac::<Hmac<Sha384>>(of_bits(384)?, header, &iv, &content, &tag),
        b"A256CBC-HS512" => cbc_hmac::<Hmac<Sha512>>(of_bits(512)?, header, &iv, &content, &tag),
        _ => None,
    }
}

/// Tokens have nonces of 96 bits.
fn iv12(iv: &[u8]) -> Option<&[u8]> {
    (iv.len() == 12).then_some(iv)
}

/// AES-CBC with HMAC (RFC 7518, section 5.2): half of the key is for either, and half of the sum is the tag.
fn cbc_hmac<M: Mac + hmac::digest::KeyInit>(
    key: &[u8],
    aad: &[u8],
    iv: &[u8],
    content: &[u8],
    tag: &[u8],
) -> Option<Vec<u8>> {
    let (mac_key, content_key) = key.split_at_checked(key.len() / 2)?;
    let bits = (aad.len() as u64).checked_mul(8)?.to_be_bytes();
    let mac = <M as Mac>::new_from_slice(mac_key).ok()?;
    let mac = mac
        .chain_update(aad)
        .chain_update(iv)
        .chain_update(content)
        .chain_update(bits);
    if tag.len() != mac_key.len() {
        return None;
    }
    mac.verify_truncated_left(tag).ok()?;
    cipher::cbc_decrypt(content_key, iv, content)
}
