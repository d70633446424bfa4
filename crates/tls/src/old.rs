//! Certificates of X.509's first version, which `webpki` doesn't take: clients have them from authorities that were made with
//! few words (`openssl x509 -req` without extensions).

use std::time::SystemTime;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use tidegate_sample::x509::Certificate;

use crate::signed::{content, signed_by};

/// Whether a certificate is of the first version.
pub(crate) fn is_old(der: &CertificateDer<'_>) -> bool {
    Certificate::parse(der).is_some_and(|certificate| certificate.version() == 1)
}

/// Whether one of these authorities vouches for it now; else what is wrong, and OpenSSL's number of it.
///
/// # Errors
/// None of them does.
pub(crate) fn verify(
    leaf: &CertificateDer<'_>,
    authorities: &[CertificateDer<'static>],
    now: SystemTime,
) -> Result<(), (CertificateError, u32)> {
    let broken = || (CertificateError::BadEncoding, 1);
    let certificate = Certificate::parse(leaf).ok_or_else(broken)?;
    let (signed, signature, algorithm) = certificate.signed().ok_or_else(broken)?;
    let vouches =
        |other: &Certificate| other.issued(&certificate) && signed_by(other, &algorithm, &signed, &signature);
    let mut parsed = authorities.iter().filter_map(|der| Certificate::parse(der));
    let unknown = || (CertificateError::UnknownIssuer, 20);
    let authority = parsed.find(vouches).ok_or_else(unknown)?;
    for one in [&certificate, &authority] {
        if one.not_before().is_none_or(|start| now < start) {
            return Err((CertificateError::NotValidYet, 9));
        }
        if one.not_after().is_none_or(|end| end < now) {
            return Err((CertificateError::Expired, 10));
        }
    }
    Ok(())
}

/// Whether its owner signed a message of a handshake.
///
/// # Errors
/// It didn't, or by an algorithm that the version of TLS doesn't have.
pub(crate) fn verify_signature(
    message: &[u8],
    der: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    is_tls13: bool,
) -> Result<HandshakeSignatureValid, Error> {
    use SignatureScheme as Scheme;
    let bad = || Error::InvalidCertificate(CertificateError::BadSignature);
    let certificate = Certificate::parse(der).ok_or_else(bad)?;
    let (key, algorithm) = (certificate.key_bytes(), certificate.key_algorithm_der());
    let (key, algorithm) = key.zip(algorithm).ok_or_else(bad)?;
    let of_tls12_only = matches!(
        signed.scheme,
        Scheme::RSA_PKCS1_SHA256 | Scheme::RSA_PKCS1_SHA384 | Scheme::RSA_PKCS1_SHA512
    );
    if is_tls13 && of_tls12_only {
        return Err(bad());
    }
    let known = crate::provider().signature_verification_algorithms.mapping;
    let (_, algorithms) = known
        .iter()
        .find(|(scheme, _)| *scheme == signed.scheme)
        .ok_or_else(bad)?;
    // In TLS 1.3, a scheme means one curve.
    let count = if is_tls13 { 1 } else { algorithms.len() };
    let mut fitting = algorithms
        .iter()
        .take(count)
        .filter(|known| known.public_key_alg_id().as_ref() == content(&algorithm));
    match fitting.any(|known| known.verify_signature(key, message, signed.signature()).is_ok()) {
        true => Ok(HandshakeSignatureValid::assertion()),
        false => Err(bad()),
    }
}

/// What the library says of a signature, or, of one by the owner of a certificate that it doesn't read, what is said here.
///
/// # Errors
/// As the library, if it is right.
pub(crate) fn or_old(
    said: Result<HandshakeSignatureValid, Error>,
    message: &[u8],
    der: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    is_tls13: bool,
) -> Result<HandshakeSignatureValid, Error> {
    match said {
        Err(_) if is_old(der) => verify_signature(message, der, signed, is_tls13),
        said => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::made;
    use std::time::Duration;

    #[test]
    fn an_authority_vouches_for_certificates_of_the_first_version() {
        let old = CertificateDer::from(made::OLD);
        let authorities = [CertificateDer::from(made::AUTHORITY)];
        assert!(is_old(&old) && !is_old(&authorities[0]));
        assert_eq!(verify(&old, &authorities, made::now()), Ok(()));
        assert_eq!(
            verify(&old, &[], made::now()),
            Err((CertificateError::UnknownIssuer, 20))
        );
        let day = Duration::from_secs(86_400);
        let later = verify(&old, &authorities, made::now() + 10_000 * day);
        assert_eq!(later, Err((CertificateError::Expired, 10)));
        let earlier = verify(&old, &authorities, made::now() - 4_000 * day);
        assert_eq!(earlier, Err((CertificateError::NotValidYet, 9)));
        let mut forged = made::OLD.to_vec();
        *forged.last_mut().unwrap() ^= 1;
        let forged = verify(&CertificateDer::from(forged), &authorities, made::now());
        assert_eq!(forged, Err((CertificateError::UnknownIssuer, 20)));
    }
}
