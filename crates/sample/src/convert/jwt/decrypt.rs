//! Encrypted JSON Web Tokens (RFC 7516).

use super::super::aes::cipher;
use super::super::json_query::{has_member, member, member_of_member};
use super::super::string::variable_name;
use super::algorithms::{self, Encryption, Management, Padding};
use super::private::{PrivateKey, Purpose};
use super::{BASE64, store};
use crate::arg::{Arg, ArgError, at};
use crate::data::Data;
use crate::scope::Scope;
use crate::session::Session;
use crate::value::Value;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::{Sha256, Sha384, Sha512};
use std::fmt;
use std::sync::Arc;

/// A key that decrypts tokens.
pub struct TokenKey(Key);

enum Key {
    Secret(Data),
    Private(Arc<PrivateKey>),
}

impl fmt::Debug for TokenKey {
    /// Without anything of the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Key::Secret(_) => f.write_str("Secret"),
            Key::Private(key) => key.fmt(f),
        }
    }
}

/// Reads a secret in base64, of either alphabet, or the variable that will hold one.
pub(super) fn prepare_secret(args: &mut Vec<Arg>) -> Result<(), ArgError> {
    prepare(args, secret)
}

/// Reads a JSON Web Key, or the variable that will hold one.
pub(super) fn prepare_key(args: &mut Vec<Arg>) -> Result<(), ArgError> {
    prepare(args, jwk)
}

fn prepare(args: &mut [Arg], read: fn(&[u8]) -> Result<Key, String>) -> Result<(), ArgError> {
    let Some(arg) = args.first_mut() else {
        return Ok(());
    };
    *arg = match variable_name(arg) {
        Ok(name) => Arg::Var(name),
        Err(_) => {
            let key = read(arg.text()).map_err(|why| ArgError::new(0, why))?;
            Arg::TokenKey(Arc::new(TokenKey(key)))
        }
    };
    Ok(())
}

/// Checks the name of a certificate, or takes the variable that will hold one.
pub(super) fn bind_certificate(args: &mut Vec<Arg>, scope: &Scope<'_>) -> Result<(), ArgError> {
    let Some(arg) = args.first_mut() else {
        return Ok(());
    };
    let name = String::from_utf8_lossy(arg.text()).into_owned();
    if scope.files.has_certificate(&name) {
        return Ok(());
    }
    let unknown = || format!("no `crt-store` loads a certificate `{name}`");
    *arg = Arg::Var(variable_name(arg).map_err(|_| ArgError::new(0, unknown()))?);
    Ok(())
}

pub(super) fn with_secret(session: &dyn Session, args: &[Arg], token: Value) -> Option<Value> {
    run(session, args, token, |text| secret(text).ok())
}

pub(super) fn with_key(session: &dyn Session, args: &[Arg], token: Value) -> Option<Value> {
    run(session, args, token, |text| jwk(text).ok())
}

pub(super) fn with_certificate(session: &dyn Session, args: &[Arg], token: Value) -> Option<Value> {
    run(session, args, token, |name| {
        let known = store::find(name)?;
        known.private.clone().map(Key::Private)
    })
}

/// What the token holds; empty if it can't be decrypted, whatever the reason, as the manual has it.
fn run(session: &dyn Session, args: &[Arg], token: Value, read: fn(&[u8]) -> Option<Key>) -> Option<Value> {
    let Value::Bin(token) = token else { return None };
    let content = match at(args, 0) {
        Arg::TokenKey(key) => decrypted(&token, &key.0),
        argument => {
            let key = argument.data(session).and_then(|text| read(&text));
            key.and_then(|key| decrypted(&token, &key))
        }
    };
    Some(Value::bin(content.unwrap_or_default()))
}

fn secret(text: &[u8]) -> Result<Key, String> {
    let decoded = BASE64.decode(text).or_else(|_| STANDARD.decode(text));
    let decoded = decoded.ok().filter(|key| !key.is_empty());
    decoded
        .map(|key| Key::Secret(Data::from(key)))
        .ok_or_else(|| "the secret is neither a variable nor base64".to_owned())
}

fn jwk(text: &[u8]) -> Result<Key, String> {
    let json = Data::copy(text);
    if member(&json, "kty").as_deref() != Some(b"oct") {
        return PrivateKey::from_jwk(&json).map(|key| Key::Private(Arc::new(key)));
    }
    let key = member(&json, "k").and_then(|key| BASE64.decode(key).ok());
    key.filter(|key| !key.is_empty())
        .map(|key| Key::Secret(Data::from(key)))
        .ok_or_else(|| "the key has no `k` in base64url".to_owned())
}

fn decrypted(token: &[u8], key: &Key) -> Option<Vec<u8>> {
    let parts: Vec<&[u8]> = token.split(|byte| *byte == b'.').collect();
    let [header, wrapped, iv, content, tag] = parts.as_slice() else {
        return None;
    };
    let fields = Data::from(decode(header)?);
    // What these ask for is not supported, and must not be ignored.
    if has_member(&fields, "zip") || has_member(&fields, "crit") {
        return None;
    }
    let (alg, enc) = (member(&fields, "alg")?, member(&fields, "enc")?);
    let allowed = algorithms::allowed();
    let (management, encryption) = (allowed.management(&alg)?, allowed.encryption(&enc)?);
    let wrapped = decode(wrapped)?;
    let key_bytes = encryption.key_bytes();
    let content_key = match (management, key) {
        (Management::Rsa(padding), Key::Private(key)) => of_rsa(key, padding, &wrapped, key_bytes)?,
        (Management::Agreed(bits), Key::Private(key)) => {
            let (algorithm, agreed_bytes) = bits.map_or((&enc, key_bytes), |bits| (&alg, bits / 8));
            let agreed = agreed(key, &fields, algorithm, agreed_bytes)?;
            match bits {
                Some(_) => cipher::unwrap_key(&agreed, &wrapped)?,
                None if wrapped.is_empty() => agreed,
                None => return None,
            }
        }
        (_, Key::Secret(secret)) => of_secret(secret, management, &fields, &wrapped)?,
        (_, Key::Private(_)) => return None,
    };
    if content_key.len() != key_bytes {
        return None;
    }
    let (iv, content, tag) = (decode(iv)?, decode(content)?, decode(tag)?);
    match encryption {
        Encryption::Gcm(_) => cipher::gcm_decrypt(&content_key, iv12(&iv)?, header, &tag, &content),
        Encryption::Cbc(256) => cbc_hmac::<Hmac<Sha256>>(&content_key, header, &iv, &content, &tag),
        Encryption::Cbc(384) => cbc_hmac::<Hmac<Sha384>>(&content_key, header, &iv, &content, &tag),
        Encryption::Cbc(_) => cbc_hmac::<Hmac<Sha512>>(&content_key, header, &iv, &content, &tag),
    }
}

fn decode(text: &[u8]) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}

/// The content's key by a secret that both sides have.
fn of_secret(secret: &Data, management: Management, fields: &Data, wrapped: &[u8]) -> Option<Vec<u8>> {
    let of_kek = |bits: usize| (secret.len() * 8 == bits).then_some(&**secret);
    match management {
        Management::Direct => wrapped.is_empty().then(|| secret.to_vec()),
        Management::Wrapped(bits) => cipher::unwrap_key(of_kek(bits)?, wrapped),
        Management::GcmWrapped(bits) => {
            let field = |name| member(fields, name).and_then(|text| decode(&text));
            let (iv, tag) = (field("iv")?, field("tag")?);
            cipher::gcm_decrypt(of_kek(bits)?, iv12(&iv)?, &[], &tag, wrapped)
        }
        Management::Rsa(_) | Management::Agreed(_) => None,
    }
}

/// The content's key by a private key of RSA. Nobody may learn whether it was what the padding or the content was wrong
/// with: where nothing comes out, or nothing of the right length, a random key takes its place, and the content doesn't
/// fit that (RFC 7516, section 11.5).
fn of_rsa(key: &PrivateKey, padding: Padding, wrapped: &[u8], key_bytes: usize) -> Option<Vec<u8>> {
    let mut random = vec![0; key_bytes];
    aws_lc_rs::rand::fill(&mut random).ok()?;
    let found = key.decrypt(padding, wrapped);
    Some(found.filter(|found| found.len() == key_bytes).unwrap_or(random))
}

/// The key that a private key and the one in the header agree upon.
fn agreed(key: &PrivateKey, fields: &Data, algorithm: &[u8], key_bytes: usize) -> Option<Vec<u8>> {
    let of_point = |name| member_of_member(fields, "epk", name);
    if of_point("kty").as_deref() != Some(b"EC") {
        return None;
    }
    let coordinate = |name| of_point(name).and_then(|text| decode(&text));
    let party = |name| match has_member(fields, name) {
        true => member(fields, name).and_then(|text| decode(&text)),
        false => Some(Vec::new()),
    };
    let (producer, recipient) = (party("apu")?, party("apv")?);
    let purpose = Purpose {
        algorithm,
        producer: &producer,
        recipient: &recipient,
        key_bytes,
    };
    key.agree(&of_point("crv")?, &coordinate("x")?, &coordinate("y")?, &purpose)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rsa_can_not_decrypt_has_a_key_like_any_other() {
        let line = include_str!("../../../tests/data/jwt/private_keys.tsv")
            .lines()
            .next()
            .unwrap();
        let jwk = Data::copy(line.split('\t').nth(1).unwrap().as_bytes());
        let key = PrivateKey::from_jwk(&jwk).unwrap();
        for padding in [Padding::Pkcs1, Padding::OaepSha1, Padding::OaepSha256] {
            for wrapped in [&[][..], &[1; 256], &[0xff; 256], &[1; 300]] {
                let found = of_rsa(&key, padding, wrapped, 48).unwrap();
                assert_eq!(found.len(), 48);
                assert_ne!(
                    of_rsa(&key, padding, wrapped, 48).unwrap(),
                    found,
                    "each time another"
                );
            }
        }
    }
}
