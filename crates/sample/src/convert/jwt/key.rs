//! Public keys, and the ones that are known.

use super::der::{CONTEXT_0, INTEGER, OBJECT_ID, RSA, Reader, SEQUENCE, pem};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

/// Shorter keys must not sign tokens (RFC 7518, section 3.3).
const RSA_BITS_MIN: usize = 2048;

/// A key that verifies signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    pub(super) kind: Kind,
    /// What `aws-lc-rs` takes: RSAPublicKey of PKCS#1, or the point of an elliptic curve.
    pub(super) bytes: Box<[u8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Rsa,
    P256,
    P384,
    P521,
}

impl Kind {
    /// The length of a signature, where all keys of the kind have the same.
    pub(super) fn signature_bytes(self) -> Option<usize> {
        match self {
            Kind::Rsa => None,
            Kind::P256 => Some(64),
            Kind::P384 => Some(96),
            Kind::P521 => Some(132),
        }
    }
}

/// What a file has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    PublicKey,
    Certificate,
}

impl PublicKey {
    /// Reads the PEM text of a public key (PKCS#1 or SPKI) or of a certificate.
    pub(super) fn read(text: &[u8], source: Source) -> Result<PublicKey, String> {
        let broken = || "what it holds is broken".to_string();
        let wanted = match source {
            Source::PublicKey => "`BEGIN PUBLIC KEY` or `BEGIN RSA PUBLIC KEY`",
            Source::Certificate => "`BEGIN CERTIFICATE`",
        };
        let (label, der) = pem(text).ok_or_else(|| format!("it is no PEM file with {wanted}"))?;
        match (label.as_str(), source) {
            ("RSA PUBLIC KEY", Source::PublicKey) => PublicKey::rsa(&der),
            ("PUBLIC KEY", Source::PublicKey) => PublicKey::spki(&der),
            ("CERTIFICATE", Source::Certificate) => PublicKey::spki(of_certificate(&der).ok_or_else(broken)?),
            _ => Err(format!("it begins with `BEGIN {label}` and should with {wanted}")),
        }
    }

    /// The key of a certificate in DER form.
    pub(super) fn of_certificate(der: &[u8]) -> Result<PublicKey, String> {
        PublicKey::spki(of_certificate(der).ok_or("what it holds is broken")?)
    }

    /// A SubjectPublicKeyInfo (RFC 5280).
    fn spki(der: &[u8]) -> Result<PublicKey, String> {
        const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
        const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
        const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
        const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];

        let fields = || {
            let mut spki = Reader(Reader(der).take(SEQUENCE)?);
            let mut algorithm = Reader(spki.take(SEQUENCE)?);
            let id = algorithm.take(OBJECT_ID)?;
            Some((id, algorithm.take(OBJECT_ID), spki.bits()?))
        };
        let (id, curve, key) = fields().ok_or("what it holds is broken")?;
        let kind = match (id, curve) {
            (RSA, _) => return PublicKey::rsa(key),
            (EC, Some(P256)) => Kind::P256,
            (EC, Some(P384)) => Kind::P384,
            (EC, Some(P521)) => Kind::P521,
            _ => {
                return Err("its key is neither of RSA nor of the curves P-256, P-384 and P-521".to_string());
            }
        };
        Ok(PublicKey {
            kind,
            bytes: key.into(),
        })
    }

    fn rsa(der: &[u8]) -> Result<PublicKey, String> {
        let modulus = Reader(der)
            .take(SEQUENCE)
            .and_then(|key| Reader(key).take(INTEGER));
        let modulus = modulus.ok_or("what it holds is broken")?;
        let modulus = modulus.strip_prefix(&[0]).unwrap_or(modulus);
        if modulus.len() * 8 < RSA_BITS_MIN {
            let bits = modulus.len() * 8;
            return Err(format!(
                "its key of {bits} bits is too short: {RSA_BITS_MIN} are the least for tokens"
            ));
        }
        Ok(PublicKey {
            kind: Kind::Rsa,
            bytes: der.into(),
        })
    }
}

/// The SubjectPublicKeyInfo in a certificate, with its tag.
fn of_certificate(der: &[u8]) -> Option<&[u8]> {
    let mut certificate = Reader(Reader(der).take(SEQUENCE)?);
    let mut signed = Reader(certificate.take(SEQUENCE)?);
    signed.take(CONTEXT_0);
    // The serial number, the signature's algorithm, the issuer, the validity and the subject.
    for _ in 0..5 {
        signed.skip()?;
    }
    let before = signed.0;
    signed.skip()?;
    before.get(..before.len() - signed.0.len())
}

/// The keys that the configuration named, by their path: a variable may choose among them, and no file is read then.
static KNOWN: LazyLock<RwLock<Known>> = LazyLock::new(RwLock::default);

type Known = HashMap<(Source, Box<[u8]>), Arc<PublicKey>>;

pub(super) fn remember(source: Source, path: &[u8], key: &Arc<PublicKey>) {
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    known.insert((source, path.into()), key.clone());
}

pub(super) fn known(source: Source, path: &[u8]) -> Option<Arc<PublicKey>> {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    known.get(&(source, path.into())).cloned()
}
