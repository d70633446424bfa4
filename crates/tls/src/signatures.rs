//! Signature algorithms by the names that OpenSSL has for them: `sigalgs` and `client-sigalgs`.

use std::sync::Arc;

use rustls::sign::{Signer, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};

/// Signature algorithms in the order of preference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signatures {
    schemes: Arc<[SignatureScheme]>,
    /// Names that rustls has no algorithm for.
    pub unknown: Vec<String>,
}

/// The names of TLS 1.3, and those of keys with digests.
const NAMES: [(&str, SignatureScheme); 21] = [
    ("ecdsa_secp256r1_sha256", SignatureScheme::ECDSA_NISTP256_SHA256),
    ("ecdsa_secp384r1_sha384", SignatureScheme::ECDSA_NISTP384_SHA384),
    ("ecdsa_secp521r1_sha512", SignatureScheme::ECDSA_NISTP521_SHA512),
    ("ECDSA+SHA256", SignatureScheme::ECDSA_NISTP256_SHA256),
    ("ECDSA+SHA384", SignatureScheme::ECDSA_NISTP384_SHA384),
    ("ECDSA+SHA512", SignatureScheme::ECDSA_NISTP521_SHA512),
    ("rsa_pss_rsae_sha256", SignatureScheme::RSA_PSS_SHA256),
    ("rsa_pss_rsae_sha384", SignatureScheme::RSA_PSS_SHA384),
    ("rsa_pss_rsae_sha512", SignatureScheme::RSA_PSS_SHA512),
    ("RSA-PSS+SHA256", SignatureScheme::RSA_PSS_SHA256),
    ("RSA-PSS+SHA384", SignatureScheme::RSA_PSS_SHA384),
    ("RSA-PSS+SHA512", SignatureScheme::RSA_PSS_SHA512),
    ("PSS+SHA256", SignatureScheme::RSA_PSS_SHA256),
    ("rsa_pkcs1_sha256", SignatureScheme::RSA_PKCS1_SHA256),
    ("rsa_pkcs1_sha384", SignatureScheme::RSA_PKCS1_SHA384),
    ("rsa_pkcs1_sha512", SignatureScheme::RSA_PKCS1_SHA512),
    ("RSA+SHA256", SignatureScheme::RSA_PKCS1_SHA256),
    ("RSA+SHA384", SignatureScheme::RSA_PKCS1_SHA384),
    ("RSA+SHA512", SignatureScheme::RSA_PKCS1_SHA512),
    ("ed25519", SignatureScheme::ED25519),
    ("ED25519", SignatureScheme::ED25519),
];

impl Signatures {
    /// Reads names with colons between them.
    ///
    /// # Errors
    /// The names that are unknown, where no other is left.
    pub fn parse(text: &str) -> Result<Signatures, Vec<String>> {
        let (mut schemes, mut unknown) = (Vec::new(), Vec::new());
        for name in text.split(':').filter(|name| !name.is_empty()) {
            match NAMES.iter().find(|(known, _)| *known == name) {
                Some((_, scheme)) if !schemes.contains(scheme) => schemes.push(*scheme),
                Some(_) => {}
                None => unknown.push(name.to_owned()),
            }
        }
        if schemes.is_empty() {
            return Err(unknown);
        }
        let schemes = schemes.into();
        Ok(Signatures { schemes, unknown })
    }

    /// Those of others that are among these, in the order of these.
    pub(crate) fn of(&self, others: &[SignatureScheme]) -> Vec<SignatureScheme> {
        let both = self.schemes.iter().filter(|scheme| others.contains(scheme));
        both.copied().collect()
    }
}

/// A key that signs by some algorithms only.
#[derive(Debug)]
pub(crate) struct Limited {
    pub(crate) key: Arc<dyn SigningKey>,
    pub(crate) signatures: Signatures,
}

impl SigningKey for Limited {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let both = self.signatures.of(offered);
        // One by one: the key has an order of its own.
        both.iter().find_map(|scheme| self.key.choose_scheme(&[*scheme]))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.key.algorithm()
    }

    fn public_key(&self) -> Option<rustls::pki_types::SubjectPublicKeyInfoDer<'_>> {
        self.key.public_key()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_names_are_known() {
        let chosen = Signatures::parse("RSA-PSS+SHA256:ecdsa_secp256r1_sha256:RSA+SHA1:PSS+SHA256").unwrap();
        assert_eq!(chosen.unknown, ["RSA+SHA1"]);
        let offered = [
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::RSA_PKCS1_SHA256,
        ];
        assert_eq!(
            chosen.of(&offered),
            [
                SignatureScheme::RSA_PSS_SHA256,
                SignatureScheme::ECDSA_NISTP256_SHA256
            ]
        );
        assert_eq!(Signatures::parse("DSA+SHA1"), Err(vec!["DSA+SHA1".to_owned()]));
    }
}
