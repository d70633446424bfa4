//! The certificates that JSON Web Tokens may be verified with, from where they are loaded to where expressions look.

use tidegate_sample::{TokenCertificate, offer_certificates};
use tidegate_tls::Store;

/// Lets expressions know all that are loaded, and which of them may be used.
pub(crate) fn offer(store: &Store) {
    offer_certificates(
        store
            .for_tokens()
            .into_iter()
            .map(|(name, parts, allowed)| TokenCertificate {
                name,
                certificate: parts.chain.first().map(|der| der.to_vec()).unwrap_or_default(),
                key: parts.key.filter(|_| allowed).map(|key| key.secret_der().to_vec()),
                allowed,
            }),
    );
}
