//! A certificate chain with its private key.

use std::sync::Arc;
use std::time::SystemTime;

use rustls::pki_types::pem::{PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, SignatureAlgorithm};
use tidegate_sample::x509::Certificate;

/// Who one claims to be, with the proof.
#[derive(Debug)]
pub struct Identity {
    /// What the configuration calls it: the path of its file, or its name in a store.
    pub name: Arc<str>,
    /// The names that the certificate is for, in lower case: its subject's common name and its DNS names.
    pub names: Vec<String>,
    /// When the certificate expires.
    pub expires: Option<SystemTime>,
    pub(crate) key: Arc<CertifiedKey>,
}

/// What the files of an identity hold, before it is one.
#[derive(Debug, Default)]
pub struct Parts {
    /// The certificate and those that lead to a root.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key, if it was there.
    pub key: Option<PrivateKeyDer<'static>>,
    /// A response of OCSP to be stapled.
    pub ocsp: Option<Vec<u8>>,
}

impl Parts {
    /// Reads certificates and a key from PEM text.
    ///
    /// # Errors
    /// What is wrong, without the name of the file.
    pub fn read(text: &[u8]) -> Result<Parts, String> {
        let mut parts = Parts::default();
        if is_encrypted(text) {
            return Err(
                "its private key is encrypted, and there is nobody to ask for the passphrase: \
                        store the key without one (`openssl pkey -in <file>`)"
                    .to_owned(),
            );
        }
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(text) {
            let (kind, der) = section.map_err(|why| format!("it is no valid PEM text: {why}"))?;
            let key = match kind {
                SectionKind::Certificate => {
                    parts.chain.push(der.into());
                    continue;
                }
                SectionKind::RsaPrivateKey => PrivateKeyDer::Pkcs1(der.into()),
                SectionKind::EcPrivateKey => PrivateKeyDer::Sec1(der.into()),
                SectionKind::PrivateKey => PrivateKeyDer::Pkcs8(der.into()),
                _ => continue,
            };
            parts.key.get_or_insert(key);
        }
        Ok(parts)
    }

    /// Makes an identity of them.
    ///
    /// # Errors
    /// What is missing, or doesn't fit together.
    pub fn into_identity(self, name: &str) -> Result<Identity, String> {
        let Some(leaf) = self.chain.first() else {
            return Err("there is no certificate in it".to_owned());
        };
        let certificate = Certificate::parse(leaf)
            .ok_or_else(|| "its certificate is broken, or none of X.509".to_owned())?;
        let names = certificate.host_names();
        let expires = certificate.not_after();
        let key = self
            .key
            .ok_or_else(|| "there is no private key, neither in it nor in a file of its own".to_owned())?;
        let signing = crate::provider()
            .key_provider
            .load_private_key(key)
            .map_err(|why| format!("its private key can't be used: {}", said(&why)))?;
        let mut key = CertifiedKey::new(self.chain, signing);
        match key.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(Error::InconsistentKeys(_)) => {
                return Err("its private key is not that of its certificate".to_owned());
            }
            Err(why) => return Err(format!("its certificate can't be used: {}", said(&why))),
        }
        key.ocsp = self.ocsp;
        Ok(Identity {
            name: name.into(),
            names,
            expires,
            key: Arc::new(key),
        })
    }
}

impl Identity {
    /// The certificate that peers are shown first.
    pub fn certificate(&self) -> &[u8] {
        self.key.cert.first().map_or(&[], |der| der)
    }

    pub(crate) fn algorithm(&self) -> SignatureAlgorithm {
        self.key.key.algorithm()
    }
}

fn is_encrypted(text: &[u8]) -> bool {
    let has = |words: &[u8]| text.windows(words.len()).any(|window| window == words);
    has(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || has(b"Proc-Type: 4,ENCRYPTED")
}

/// What rustls says, without its name for the kind of fault.
pub(crate) fn said(why: &Error) -> String {
    match why {
        Error::General(text) => text.clone(),
        other => other.to_string(),
    }
}
