//! A certificate chain with its private key.

use std::sync::Arc;
use std::time::SystemTime;

use rustls::pki_types::pem::{PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, SignatureAlgorithm};
use tidegate_sample::x509::Certificate;

use crate::ocsp::Response;
use crate::signatures::{Limited, Signatures};

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
    /// The same without its response of OCSP, and when that is no longer good.
    stale: Option<(Arc<CertifiedKey>, SystemTime)>,
}

/// What the files of an identity hold.
#[derive(Debug, Default)]
pub struct Parts {
    /// The certificate and those that lead to a root.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key, if it was there.
    pub key: Option<PrivateKeyDer<'static>>,
    /// A response of OCSP to be stapled.
    pub ocsp: Option<Vec<u8>>,
    /// The certificate of who issued it, where the chain doesn't have it.
    pub issuer: Option<CertificateDer<'static>>,
}

impl Clone for Parts {
    fn clone(&self) -> Parts {
        Parts {
            chain: self.chain.clone(),
            key: self.key.as_ref().map(PrivateKeyDer::clone_key),
            ocsp: self.ocsp.clone(),
            issuer: self.issuer.clone(),
        }
    }
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

    /// The certificate that peers are shown first.
    pub fn leaf(&self) -> Option<Certificate> {
        Certificate::parse(self.chain.first()?)
    }

    /// The certificate of who issued it, if it is known.
    pub fn issuer(&self) -> Option<&CertificateDer<'static>> {
        let leaf = self.leaf()?;
        let issued =
            |der: &&CertificateDer<'static>| Certificate::parse(der).is_some_and(|other| other.issued(&leaf));
        let in_chain = self.chain.iter().skip(1).find(issued);
        in_chain.or_else(|| self.issuer.as_ref().filter(issued))
    }

    /// The response of OCSP, if it is one for this certificate.
    ///
    /// # Errors
    /// Why it is of no use.
    pub fn response(&self, now: SystemTime) -> Result<Option<Response>, String> {
        let Some(der) = &self.ocsp else { return Ok(None) };
        let leaf = self
            .leaf()
            .ok_or("there is no certificate that it could be for")?;
        let issuer = self.issuer().ok_or(
            "the certificate of who issued it is neither in its chain nor in a file `.issuer` beside it",
        )?;
        let response = Response::parse(der)?;
        response.check(&leaf, issuer, now)?;
        Ok(Some(response))
    }

    /// Makes an identity of them. Settings of the process may leave out authorities that vouch for themselves.
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
        // What is wrong with it was said when it was read.
        let response = self.response(SystemTime::now()).ok().flatten();
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
            // The library doesn't read those of X.509's first version.
            Err(_) if certificate.version() == 1 => {
                let info = certificate.key_info_der().unwrap_or_default();
                let own = key.key.public_key();
                if own.is_some_and(|own| own.as_ref() != info.as_slice()) {
                    return Err("its private key is not that of its certificate".to_owned());
                }
            }
            Err(Error::InconsistentKeys(_)) => {
                return Err("its private key is not that of its certificate".to_owned());
            }
            Err(why) => return Err(format!("its certificate can't be used: {}", said(&why))),
        }
        let stale = response
            .as_ref()
            .and_then(|response| Some((Arc::new(key.clone()), response.next_update()?)));
        key.ocsp = response.map(Response::into_der);
        Ok(Identity {
            name: name.into(),
            names,
            expires,
            key: Arc::new(key),
            stale,
        })
    }
}

impl Identity {
    /// The certificate that peers are shown first.
    pub fn certificate(&self) -> &[u8] {
        self.key.cert.first().map_or(&[], |der| der)
    }

    /// The same, signing by some algorithms only.
    pub(crate) fn limited(&self, signatures: &Signatures) -> Identity {
        let limited = |key: &CertifiedKey| {
            Arc::new(CertifiedKey {
                key: Arc::new(Limited {
                    key: key.key.clone(),
                    signatures: signatures.clone(),
                }),
                ..key.clone()
            })
        };
        Identity {
            name: self.name.clone(),
            names: self.names.clone(),
            expires: self.expires,
            key: limited(&self.key),
            stale: self.stale.as_ref().map(|(key, end)| (limited(key), *end)),
        }
    }

    pub(crate) fn algorithm(&self) -> SignatureAlgorithm {
        self.key.key.algorithm()
    }

    /// What hands are shaken with now.
    pub(crate) fn current(&self) -> &Arc<CertifiedKey> {
        match &self.stale {
            Some((without, end)) if *end < SystemTime::now() => without,
            _ => &self.key,
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::made;

    #[test]
    fn a_certificate_of_the_first_version_is_held_to_its_key() {
        let identity = |key: &'static [u8]| {
            let parts = Parts {
                chain: vec![CertificateDer::from(made::OLD)],
                key: Some(PrivateKeyDer::Sec1(key.into())),
                ..Parts::default()
            };
            parts.into_identity("old").map(drop)
        };
        assert_eq!(identity(made::OLD_KEY), Ok(()));
        assert!(
            identity(made::REVOKED_KEY)
                .unwrap_err()
                .contains("not that of its certificate")
        );
    }
}
