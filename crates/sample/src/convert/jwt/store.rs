//! The certificates that tokens may be verified and decrypted with, by their names. Whoever loads certificates offers
//! them here, and again when one changes.

use super::key::PublicKey;
use super::private::PrivateKey;
use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// A certificate as it is offered.
#[derive(Debug)]
pub struct TokenCertificate {
    /// What expressions call it.
    pub name: String,
    /// It, in DER form.
    pub certificate: Vec<u8>,
    /// Its private key in DER form, be it of PKCS#8, PKCS#1 or SEC 1.
    pub key: Option<Vec<u8>>,
    /// Whether it may be used for tokens (`jwt on`).
    pub allowed: bool,
}

/// One of those that are known.
pub(super) struct Known {
    /// What signatures are verified with; none for a kind of key that tokens don't have.
    pub(super) public: Option<Arc<PublicKey>>,
    /// What contents are decrypted with; none likewise, or if it may not be used.
    pub(super) private: Option<Arc<PrivateKey>>,
    pub(super) allowed: bool,
}

type All = HashMap<Box<[u8]>, Arc<Known>>;

static ALL: LazyLock<ArcSwap<All>> = LazyLock::new(ArcSwap::default);

/// Puts these certificates in the place of those that were offered before.
pub fn offer_certificates(certificates: impl IntoIterator<Item = TokenCertificate>) {
    let known = certificates.into_iter().map(|offered| {
        let known = Known {
            public: PublicKey::of_certificate(&offered.certificate).ok().map(Arc::new),
            private: offered
                .key
                .filter(|_| offered.allowed)
                .and_then(|key| PrivateKey::from_der(&key))
                .map(Arc::new),
            allowed: offered.allowed,
        };
        (offered.name.into_bytes().into_boxed_slice(), Arc::new(known))
    });
    ALL.store(Arc::new(known.collect()));
}

pub(super) fn find(name: &[u8]) -> Option<Arc<Known>> {
    ALL.load().get(name).cloned()
}
