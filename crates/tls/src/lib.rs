//! TLS as a configuration means it: from the files and names of `bind`, `server` and `crt-list` lines to what a handshake
//! is made with. There are no sockets here; [`Acceptor`] and [`Connector`] are given to whoever has one.
//!
//! Names of ciphers, curves and versions are OpenSSL's, since that is what configurations are written in. What rustls does
//! not have is said when the name is read.

/// The rest of a verifier that judges certificates only: signatures are another's matter.
macro_rules! signatures_by {
    ($verifier:ident) => {
        signatures_by!(@verified $verifier);

        fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
            self.$verifier.supported_verify_schemes()
        }
    };
    // Only those are offered that were chosen, if any were.
    ($verifier:ident, $chosen:ident) => {
        signatures_by!(@verified $verifier);

        fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
            let all = self.$verifier.supported_verify_schemes();
            self.$chosen.as_ref().map_or_else(|| all.clone(), |chosen| chosen.of(&all))
        }
    };
    (@verified $verifier:ident) => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            cert: &rustls::pki_types::CertificateDer<'_>,
            signed: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            self.$verifier.verify_tls12_signature(message, cert, signed)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &rustls::pki_types::CertificateDer<'_>,
            signed: &rustls::DigitallySignedStruct,
        ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
            self.$verifier.verify_tls13_signature(message, cert, signed)
        }
    };
}

mod acceptor;
mod anyone;
mod authorities;
mod connector;
mod identity;
mod load;
mod notes;
mod ocsp;
mod old;
mod p521;
mod revocation;
mod sessions;
mod signatures;
mod signed;
mod sni;
mod store;
mod suites;
#[cfg(test)]
mod testing;
mod tickets;
mod verify;
mod versions;

pub use acceptor::{AcceptOptions, AcceptSettings, Acceptor, Chosen, ClientAuth};
pub use anyone::anyone;
pub use authorities::{Authorities, revocation_lists};
pub use connector::{ConnectSettings, Connector};
pub use identity::{Identity, Parts};
pub use load::Extra;
pub use notes::{Notes, Secret, Verdict, noting};
pub use ocsp::Response;
pub use signatures::Signatures;
pub use store::{Entry, Files, Listening, Source, Store};
pub use suites::{Curves, Suites, cipher_name};
pub use tickets::TicketKeys;
pub use verify::Ignored;
pub use versions::{Version, Versions};

/// What authorities have revoked, in DER form.
pub type RevocationList = rustls::pki_types::CertificateRevocationListDer<'static>;

use std::sync::{Arc, OnceLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};

/// What all the cryptography comes from.
pub fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| {
        let mut provider = aws_lc_rs::default_provider();
        provider.kx_groups.push(p521::SECP521R1);
        Arc::new(provider)
    })
}
