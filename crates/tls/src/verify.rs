//! What is wrong with a client's certificate, and what of it is to be ignored.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use tidegate_sample::x509::{self, Certificate};

use crate::notes::{self, Verdict};
use crate::old;
use crate::revocation::{self, Revocations};
use crate::signatures::Signatures;

/// Faults of certificates that are to be ignored, by OpenSSL's numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ignored {
    /// None.
    #[default]
    None,
    /// All.
    All,
    /// These.
    These(Vec<u32>),
}

impl Ignored {
    /// Reads `all`, or numbers and names of OpenSSL's (`X509_V_ERR_CERT_HAS_EXPIRED`) with commas between them.
    ///
    /// # Errors
    /// What is neither.
    pub fn parse(text: &str) -> Result<Ignored, String> {
        if text == "all" {
            return Ok(Ignored::All);
        }
        let mut numbers = Vec::new();
        for word in text.split(',') {
            match word.parse().ok().or_else(|| x509::verify_error(word)) {
                Some(number) => numbers.push(number),
                None => {
                    return Err(format!(
                        "`{word}` is neither `all` nor the number or name of an error of X.509"
                    ));
                }
            }
        }
        Ok(Ignored::These(numbers))
    }

    fn has(&self, error: u32) -> bool {
        match self {
            Ignored::None => false,
            Ignored::All => true,
            Ignored::These(errors) => errors.contains(&error),
        }
    }
}

/// Verifies clients, notes what is wrong, and lets pass what is to be ignored.
#[derive(Debug)]
pub(crate) struct ClientVerifier {
    pub(crate) inner: Arc<dyn ClientCertVerifier>,
    /// Who vouches for clients.
    pub(crate) authorities: Arc<[CertificateDer<'static>]>,
    /// What they revoked.
    pub(crate) revoked: Option<Revocations>,
    /// Of the client's own certificate.
    pub(crate) ignored: Ignored,
    /// Of those that vouch for it.
    pub(crate) ignored_of_authorities: Ignored,
    /// What clients may sign with; all there is if nobody says.
    pub(crate) signatures: Option<Signatures>,
}

impl ClientCertVerifier for ClientVerifier {
    fn offer_client_auth(&self) -> bool {
        self.inner.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let Err((why, fault)) = self.verified(leaf, others, now) else {
            return Ok(ClientCertVerified::assertion());
        };
        let verdict = self.judged(fault);
        notes::verdict(verdict);
        if verdict.ignored {
            Ok(ClientCertVerified::assertion())
        } else {
            Err(why)
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match old::is_old(cert) {
            true => old::verify_signature(message, cert, signed, false),
            false => self.inner.verify_tls12_signature(message, cert, signed),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match old::is_old(cert) {
            true => old::verify_signature(message, cert, signed, true),
            false => self.inner.verify_tls13_signature(message, cert, signed),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let all = self.inner.supported_verify_schemes();
        match &self.signatures {
            Some(chosen) => chosen.of(&all),
            None => all,
        }
    }
}

impl ClientVerifier {
    /// Whether some faults are ignored.
    pub(crate) fn ignores(&self) -> bool {
        self.ignored != Ignored::None || self.ignored_of_authorities != Ignored::None
    }

    /// What is wrong with a certificate.
    pub(crate) fn verdict(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Option<Verdict> {
        let (_, fault) = self.verified(leaf, others, now).err()?;
        Some(self.judged(fault))
    }

    fn judged(&self, (error, depth): (u32, u32)) -> Verdict {
        let ignored = match depth {
            0 => self.ignored.has(error),
            _ => self.ignored_of_authorities.has(error),
        };
        Verdict {
            error,
            depth,
            ignored,
        }
    }

    /// Who vouches for a certificate, and whether it was revoked; else the fault, by OpenSSL's number and how far from the
    /// client's own.
    fn verified(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), (Error, (u32, u32))> {
        let at = time_of(now);
        if old::is_old(leaf) {
            let vouched = old::verify(leaf, &self.authorities, at);
            vouched.map_err(|(why, number)| (Error::InvalidCertificate(why), (number, 0)))?;
        } else {
            let verified = self.inner.verify_client_cert(leaf, others, now);
            verified.map_err(|why| {
                let judged = judge(&why, leaf, others, now);
                (why, judged)
            })?;
        }
        let Some(revoked) = &self.revoked else {
            return Ok(());
        };
        let checked = revoked.check(leaf, others, at);
        checked.map_err(|(number, depth)| {
            (
                Error::InvalidCertificate(revocation::fault(number)),
                (number, depth),
            )
        })
    }
}

/// The number that OpenSSL has for a fault, and how far from the peer's own certificate it is.
pub(crate) fn judge(
    why: &Error,
    leaf: &CertificateDer<'_>,
    others: &[CertificateDer<'_>],
    now: UnixTime,
) -> (u32, u32) {
    let Error::InvalidCertificate(why) = why else {
        return (1, 0);
    };
    // The way from the peer's own certificate up, as far as it sent it.
    let chain = chain(leaf, others);
    let at = |wrong: &dyn Fn(&Certificate) -> bool| {
        let found = chain.iter().position(wrong).unwrap_or_default();
        u32::try_from(found).unwrap_or_default()
    };
    let now = time_of(now);
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            (10, at(&|one| one.not_after().is_some_and(|end| end < now)))
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            (9, at(&|one| one.not_before().is_some_and(|start| start > now)))
        }
        CertificateError::UnknownIssuer => {
            let top = u32::try_from(chain.len().saturating_sub(1)).unwrap_or_default();
            match (chain.last().is_some_and(Certificate::is_self_issued), top) {
                (true, 0) => (18, 0),
                (true, depth) => (19, depth),
                (false, depth) => (20, depth),
            }
        }
        CertificateError::Revoked => (23, 0),
        CertificateError::UnknownRevocationStatus => (3, 0),
        CertificateError::ExpiredRevocationList | CertificateError::ExpiredRevocationListContext { .. } => {
            (12, 0)
        }
        CertificateError::BadSignature => (7, 0),
        CertificateError::UnhandledCriticalExtension => (34, 0),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => (26, 0),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (62, 0),
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => (76, 0),
        CertificateError::ApplicationVerificationFailure => (50, 0),
        _ => (1, 0),
    }
}

fn chain(leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Vec<Certificate> {
    let mut left: Vec<Certificate> = others.iter().filter_map(|der| Certificate::parse(der)).collect();
    let mut chain: Vec<Certificate> = Certificate::parse(leaf).into_iter().collect();
    while let Some(last) = chain.last()
        && !last.is_self_issued()
        && let Some(next) = left.iter().position(|other| other.issued(last))
    {
        chain.push(left.swap_remove(next));
    }
    chain
}

/// A moment of rustls's on the system's clock.
pub(crate) fn time_of(now: UnixTime) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_named_or_numbered() {
        assert_eq!(Ignored::parse("all"), Ok(Ignored::All));
        let some = Ignored::parse("10,X509_V_ERR_CERT_REVOKED").unwrap();
        assert!(some.has(10) && some.has(23) && !some.has(20));
        assert!(Ignored::parse("10,nonsense").unwrap_err().contains("nonsense"));
    }
}
