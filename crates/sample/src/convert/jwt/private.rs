//! Private keys of RSA and of elliptic curves, by which the keys of tokens' contents are found.

use super::super::json_query::member;
use super::BASE64;
use super::algorithms::Padding;
use super::der::{self, INTEGER, NULL, OBJECT_ID, OCTET_STRING, SEQUENCE};
use crate::data::Data;
use aws_lc_rs::agreement::{self, ECDH_P256, ECDH_P384, ECDH_P521, UnparsedPublicKey, agree};
use aws_lc_rs::kdf::{SskdfDigestAlgorithmId, get_sskdf_digest_algorithm, sskdf_digest};
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, Pkcs1PrivateDecryptingKey,
    PrivateDecryptingKey,
};
use base64::Engine;
use std::fmt;

/// A private key.
pub(crate) enum PrivateKey {
    Rsa {
        oaep: OaepPrivateDecryptingKey,
        pkcs1: Pkcs1PrivateDecryptingKey,
    },
    Curve(&'static Curve, agreement::PrivateKey),
}

impl fmt::Debug for PrivateKey {
    /// Without anything of the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PrivateKey::Rsa { .. } => "Rsa",
            PrivateKey::Curve(curve, _) => curve.name,
        })
    }
}

/// A curve that keys are agreed upon with.
pub(crate) struct Curve {
    name: &'static str,
    algorithm: &'static agreement::Algorithm,
    coordinate_bytes: usize,
}

static CURVES: [Curve; 3] = [
    Curve {
        name: "P-256",
        algorithm: &ECDH_P256,
        coordinate_bytes: 32,
    },
    Curve {
        name: "P-384",
        algorithm: &ECDH_P384,
        coordinate_bytes: 48,
    },
    Curve {
        name: "P-521",
        algorithm: &ECDH_P521,
        coordinate_bytes: 66,
    },
];

impl Curve {
    fn named(name: &[u8]) -> Option<&'static Curve> {
        CURVES.iter().find(|curve| curve.name.as_bytes() == name)
    }
}

/// What a key is derived for (RFC 7518, section 4.6.2).
pub(super) struct Purpose<'a> {
    /// The algorithm that will use it.
    pub(super) algorithm: &'a [u8],
    /// Who made the token (`apu`).
    pub(super) producer: &'a [u8],
    /// Whom it is for (`apv`).
    pub(super) recipient: &'a [u8],
    pub(super) key_bytes: usize,
}

impl PrivateKey {
    /// Reads a key in DER form, be it of PKCS#8, PKCS#1 or SEC 1. RSA has to have 2048 bits or more.
    pub(super) fn from_der(der: &[u8]) -> Option<PrivateKey> {
        let curve = || {
            CURVES.iter().find_map(|curve| {
                let key = agreement::PrivateKey::from_private_key_der(curve.algorithm, der).ok()?;
                Some(PrivateKey::Curve(curve, key))
            })
        };
        rsa(der).or_else(|| rsa(&pkcs8_of(der))).or_else(curve)
    }

    /// Reads a JSON Web Key of kind RSA or EC (RFC 7518, sections 6.2 and 6.3).
    pub(super) fn from_jwk(json: &Data) -> Result<PrivateKey, String> {
        let number = |name: &str| {
            let number = member(json, name).and_then(|text| BASE64.decode(text).ok());
            number.ok_or_else(|| format!("the key has no `{name}` in base64url"))
        };
        match member(json, "kty").as_deref() {
            Some(b"RSA") => {
                let mut numbers = der::element(INTEGER, &[0]);
                for name in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
                    numbers.extend(der::unsigned(&number(name)?));
                }
                let key = der::element(SEQUENCE, &numbers);
                rsa(&pkcs8_of(&key))
                    .ok_or_else(|| "the key is no private key of RSA with 2048 to 8192 bits".to_owned())
            }
            Some(b"EC") => {
                let curve = member(json, "crv").and_then(|name| Curve::named(&name));
                let curve = curve.ok_or("the key's `crv` is none of `P-256`, `P-384` and `P-521`")?;
                let key = agreement::PrivateKey::from_private_key(curve.algorithm, &number("d")?);
                key.map(|key| PrivateKey::Curve(curve, key))
                    .map_err(|_| format!("the key's `d` is no private key of the curve {}", curve.name))
            }
            _ => Err("the key is neither a variable nor a JSON Web Key with a `kty`".to_owned()),
        }
    }

    /// What was encrypted for it with RSA.
    pub(super) fn decrypt(&self, padding: Padding, encrypted: &[u8]) -> Option<Vec<u8>> {
        let PrivateKey::Rsa { oaep, pkcs1 } = self else {
            return None;
        };
        let mut plain = vec![0; oaep.min_output_size().max(pkcs1.min_output_size())];
        let found = match padding {
            Padding::Pkcs1 => pkcs1.decrypt(encrypted, &mut plain),
            Padding::OaepSha1 => oaep.decrypt(&OAEP_SHA1_MGF1SHA1, encrypted, &mut plain, None),
            Padding::OaepSha256 => oaep.decrypt(&OAEP_SHA256_MGF1SHA256, encrypted, &mut plain, None),
        };
        found.ok().map(|found| found.to_vec())
    }

    /// The key that it agrees upon with the one in a token's header, a point of the same curve.
    pub(super) fn agree(&self, curve: &[u8], x: &[u8], y: &[u8], purpose: &Purpose<'_>) -> Option<Vec<u8>> {
        let PrivateKey::Curve(own, key) = self else {
            return None;
        };
        let whole = |coordinate: &[u8]| coordinate.len() == own.coordinate_bytes;
        if own.name.as_bytes() != curve || !whole(x) || !whole(y) {
            return None;
        }
        let uncompressed = [&[4], x, y].concat();
        let point = UnparsedPublicKey::new(own.algorithm, uncompressed);
        agree(key, point, (), |secret| purpose.derive(secret).ok_or(())).ok()
    }
}

impl Purpose<'_> {
    /// The key out of a secret, by the Concat KDF.
    fn derive(&self, secret: &[u8]) -> Option<Vec<u8>> {
        let mut about = Vec::new();
        for part in [self.algorithm, self.producer, self.recipient] {
            about.extend(u32::try_from(part.len()).ok()?.to_be_bytes());
            about.extend(part);
        }
        about.extend(u32::try_from(self.key_bytes * 8).ok()?.to_be_bytes());
        let mut key = vec![0; self.key_bytes];
        let sha256 = get_sskdf_digest_algorithm(SskdfDigestAlgorithmId::Sha256)?;
        sskdf_digest(sha256, secret, &about, &mut key).ok()?;
        Some(key)
    }
}

fn rsa(pkcs8: &[u8]) -> Option<PrivateKey> {
    let key = PrivateDecryptingKey::from_pkcs8(pkcs8).ok()?;
    Some(PrivateKey::Rsa {
        oaep: OaepPrivateDecryptingKey::new(key.clone()).ok()?,
        pkcs1: Pkcs1PrivateDecryptingKey::new(key).ok()?,
    })
}

/// A key of PKCS#1 as one of PKCS#8.
fn pkcs8_of(pkcs1: &[u8]) -> Vec<u8> {
    let algorithm = [der::element(OBJECT_ID, der::RSA), der::element(NULL, &[])].concat();
    let parts = [
        der::element(INTEGER, &[0]),
        der::element(SEQUENCE, &algorithm),
        der::element(OCTET_STRING, pkcs1),
    ];
    der::element(SEQUENCE, &parts.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7518, appendix C.
    #[test]
    fn a_key_is_agreed_upon_as_the_rfc_shows() {
        let bob = r#"{"kty":"EC","crv":"P-256","x":"weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
            "y":"e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck","d":"VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw"}"#;
        let key = PrivateKey::from_jwk(&Data::copy(bob.as_bytes())).unwrap();
        let x = BASE64
            .decode("gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0")
            .unwrap();
        let y = BASE64
            .decode("SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps")
            .unwrap();
        let purpose = Purpose {
            algorithm: b"A128GCM",
            producer: b"Alice",
            recipient: b"Bob",
            key_bytes: 16,
        };
        let agreed = |curve: &[u8], x: &[u8]| key.agree(curve, x, &y, &purpose);
        assert_eq!(
            agreed(b"P-256", &x).map(|key| BASE64.encode(key)).as_deref(),
            Some("VqqN6vgjbSBcIijNcacQGg")
        );
        assert_eq!(agreed(b"P-384", &x), None, "another curve");
        assert_eq!(agreed(b"P-256", &x[1..]), None, "a coordinate is too short");
        assert_eq!(agreed(b"P-256", &y), None, "no point of the curve");
        assert_eq!(key.decrypt(Padding::OaepSha1, &[0; 256]), None);
    }

    #[test]
    fn keys_that_can_not_be() {
        let fault = |json: &str| PrivateKey::from_jwk(&Data::copy(json.as_bytes())).unwrap_err();
        for (json, part) in [
            (r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#, "no `d`"),
            (r#"{"kty":"EC","crv":"secp256k1","d":"AQAB"}"#, "`crv` is none of"),
            (r#"{"kty":"EC","crv":"P-256"}"#, "no `d`"),
            (
                r#"{"kty":"EC","crv":"P-256","d":"AQAB"}"#,
                "no private key of the curve P-256",
            ),
            (r#"{"kty":"OKP","crv":"X25519"}"#, "a JSON Web Key with a `kty`"),
            (
                r#"{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQAB","p":"AQAB","q":"AQAB","dp":"AQAB","dq":"AQAB","qi":"AQAB"}"#,
                "no private key of RSA",
            ),
        ] {
            assert!(fault(json).contains(part), "{json}: {}", fault(json));
        }
        assert!(PrivateKey::from_der(&[]).is_none());
        assert!(PrivateKey::from_der(&[0x30, 0]).is_none());
    }
}
