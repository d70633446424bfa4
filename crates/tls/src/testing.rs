//! Certificates for tests.

use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::PrivateKeyDer;

use crate::identity::{Identity, Parts};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Ec,
    Rsa,
}

/// A certificate that vouches for itself.
pub(crate) fn identity(name: &str, hosts: &[&str], kind: Kind) -> Arc<Identity> {
    let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    let params = CertificateParams::new(hosts).unwrap();
    let key = match kind {
        Kind::Ec => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(),
        // To make one takes long.
        Kind::Rsa => KeyPair::try_from(RSA).unwrap(),
    };
    let certificate = params.self_signed(&key).unwrap();
    let parts = Parts {
        chain: vec![certificate.der().clone()],
        key: Some(PrivateKeyDer::Pkcs8(key.serialize_der().into())),
        ocsp: None,
        issuer: None,
    };
    Arc::new(parts.into_identity(name).unwrap())
}

/// A private key of 2048 bits in PKCS#8, good for tests only.
static RSA: &[u8] = include_bytes!("testing/rsa.der");

/// Made with OpenSSL, valid until 2049: an authority, certificates of X.509's first version that it vouches for, the second of
/// which is in its revocation list of the first version, and one with a response of OCSP.
pub(crate) mod made {
    pub(crate) static AUTHORITY: &[u8] = include_bytes!("testing/ca.der");
    pub(crate) static OLD: &[u8] = include_bytes!("testing/old.der");
    pub(crate) static OLD_KEY: &[u8] = include_bytes!("testing/old_key.der");
    pub(crate) static REVOKED_KEY: &[u8] = include_bytes!("testing/revoked_key.der");
    pub(crate) static REVOKED: &[u8] = include_bytes!("testing/revoked.der");
    pub(crate) static LIST: &[u8] = include_bytes!("testing/crl.der");
    pub(crate) static STAPLED: &[u8] = include_bytes!("testing/stapled.der");
    pub(crate) static RESPONSE: &[u8] = include_bytes!("testing/response.der");

    /// A moment at which they are valid.
    pub(crate) fn now() -> std::time::SystemTime {
        std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_900_000_000)
    }
}
