//! Signatures of what `webpki` doesn't read.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, UnparsedPublicKey};
use tidegate_sample::x509::Certificate;

/// AlgorithmIdentifier of sha1WithRSAEncryption, which lists of revoked certificates still have.
const SHA1_RSA: &[u8] = &[
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05, 0x05, 0x00,
];

/// Whether the owner of a certificate signed a message, by an algorithm that is given in DER form.
pub(crate) fn signed_by(signer: &Certificate, algorithm: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let (Some(key), Some(key_algorithm)) = (signer.key_bytes(), signer.key_algorithm_der()) else {
        return false;
    };
    if algorithm == SHA1_RSA {
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, key);
        return key.verify(message, signature).is_ok();
    }
    // What stands in the sequence is what the library compares.
    let (algorithm, key_algorithm) = (content(algorithm), content(&key_algorithm));
    let known = crate::provider().signature_verification_algorithms.all;
    let fitting = known.iter().filter(|known| {
        known.signature_alg_id().as_ref() == algorithm && known.public_key_alg_id().as_ref() == key_algorithm
    });
    fitting
        .into_iter()
        .any(|known| known.verify_signature(key, message, signature).is_ok())
}

/// What stands in a short sequence.
pub(crate) fn content(der: &[u8]) -> &[u8] {
    match der {
        [0x30, length, rest @ ..] if *length < 0x80 => rest.get(..usize::from(*length)).unwrap_or_default(),
        _ => &[],
    }
}
