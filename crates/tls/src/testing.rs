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
        // ring makes no such keys.
        Kind::Rsa => KeyPair::try_from(RSA).unwrap(),
    };
    let certificate = params.self_signed(&key).unwrap();
    let parts = Parts {
        chain: vec![certificate.der().clone()],
        key: Some(PrivateKeyDer::Pkcs8(key.serialize_der().into())),
        ocsp: None,
    };
    Arc::new(parts.into_identity(name).unwrap())
}

/// A private key of 2048 bits in PKCS#8, good for tests only.
static RSA: &[u8] = include_bytes!("testing/rsa.der");
