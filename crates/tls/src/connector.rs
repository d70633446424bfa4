//! What a server is shaken hands with.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, Tls12Resumption, WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::SingleCertAndKey;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

use tidegate_sample::x509::Certificate;

use crate::acceptor::{Trust, provider};
use crate::anyone::anyone;
use crate::identity::{Identity, said};
use crate::notes::Secrets;
use crate::old;
use crate::revocation::{Revocations, fault as revocation_fault};
use crate::signatures::Signatures;
use crate::suites::{Curves, Suites};
use crate::verify::time_of;
use crate::versions::Versions;

/// What handshakes with a server are made with.
#[derive(Clone, Debug, Default)]
pub struct ConnectSettings {
    /// The versions.
    pub versions: Versions,
    /// The suites of TLS 1.2; all if nobody says.
    pub ciphers: Option<Suites>,
    /// The suites of TLS 1.3.
    pub ciphersuites: Option<Suites>,
    /// The groups for the exchange of keys.
    pub curves: Option<Curves>,
    /// What servers may sign with.
    pub signatures: Option<Signatures>,
    /// What is signed with here.
    pub own_signatures: Option<Signatures>,
    /// What is offered by ALPN, the preferred one first.
    pub alpn: Vec<Vec<u8>>,
    /// The file of who vouches for the server; it is not verified, if nobody.
    pub ca_file: Option<String>,
    /// The file of what was revoked.
    pub crl_file: Option<String>,
    /// The name that its certificate has to have where it is asked for none.
    pub host: Option<String>,
    /// What the server is shown if it asks: a certificate by its name.
    pub certificate: Option<String>,
    /// Whether sessions go on.
    pub resume: bool,
    /// Whether those of TLS 1.2 go on by tickets.
    pub tickets: bool,
    /// Whether the connections' secrets are noted.
    pub secrets: bool,
}

/// Shakes hands with a server. What with may be changed while it runs: each handshake takes what there is when it begins.
#[derive(Clone)]
pub struct Connector {
    current: Arc<ArcSwap<Pair>>,
}

pub(crate) struct Pair {
    /// For servers that are asked for a name, which their certificates have to have.
    named: Arc<ClientConfig>,
    /// For others.
    nameless: Arc<ClientConfig>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

impl Pair {
    /// Makes it.
    ///
    /// # Errors
    /// Settings that contradict each other, or name what isn't there.
    pub(crate) fn new(
        settings: &ConnectSettings,
        identity: Option<&Identity>,
        trust: &dyn Trust,
    ) -> Result<Pair, String> {
        Ok(Pair {
            named: config(settings, identity, trust, true)?,
            nameless: config(settings, identity, trust, false)?,
        })
    }
}

impl Connector {
    pub(crate) fn new(pair: Pair) -> Connector {
        Connector {
            current: Arc::new(ArcSwap::from_pointee(pair)),
        }
    }

    /// Lets handshakes be made with others from now on.
    pub(crate) fn replace(&self, pair: Pair) {
        self.current.store(Arc::new(pair));
    }

    /// What a handshake is made with, and the name that the server is asked for.
    ///
    /// # Errors
    /// A name that no server can have.
    pub fn config(&self, name: Option<&str>) -> Result<(Arc<ClientConfig>, ServerName<'static>), String> {
        let current = self.current.load();
        match name {
            Some(name) => {
                let asked = ServerName::try_from(name.to_owned());
                let asked = asked.map_err(|_| format!("`{name}` is no name of a server"))?;
                Ok((current.named.clone(), asked))
            }
            // An address is never asked for.
            None => Ok((
                current.nameless.clone(),
                ServerName::from(std::net::IpAddr::from([127, 0, 0, 1])),
            )),
        }
    }
}

fn config(
    settings: &ConnectSettings,
    identity: Option<&Identity>,
    trust: &dyn Trust,
    named: bool,
) -> Result<Arc<ClientConfig>, String> {
    let provider = provider(
        settings.ciphers.as_ref(),
        settings.ciphersuites.as_ref(),
        settings.curves.as_ref(),
        settings.versions,
    );
    let verifier: Arc<dyn ServerCertVerifier> = match &settings.ca_file {
        None => anyone(),
        Some(file) => {
            let authorities = trust.authorities(file)?;
            let revoked = match &settings.crl_file {
                Some(file) => Revocations::new(&trust.revoked(file)?, &authorities)?,
                None => None,
            };
            let roots = authorities.roots.clone();
            let chains = WebPkiServerVerifier::builder_with_provider(roots, crate::provider().clone())
                .build()
                .map_err(|why| why.to_string())?;
            let inner = Arc::new(Vouched {
                chains,
                certificates: authorities.certificates.clone(),
                revoked,
            });
            let host = match &settings.host {
                Some(host) => {
                    let host = ServerName::try_from(host.clone());
                    Some(host.map_err(|_| "`verifyhost` is no name of a server".to_owned())?)
                }
                None => None,
            };
            match named {
                true => inner,
                false => Arc::new(Nameless { inner, host }),
            }
        }
    };
    let verifier: Arc<dyn ServerCertVerifier> = match &settings.signatures {
        None => verifier,
        Some(_) => Arc::new(Choosy {
            inner: verifier,
            signatures: settings.signatures.clone(),
        }),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&settings.versions.list())
        .map_err(|why| said(&why))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match (identity, &settings.own_signatures) {
        (Some(identity), None) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.key.clone())))
        }
        (Some(identity), Some(signatures)) => {
            let key = identity.limited(signatures).key;
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key)))
        }
        (None, _) => builder.with_no_client_auth(),
    };
    config.alpn_protocols.clone_from(&settings.alpn);
    config.enable_sni = named;
    config.resumption = match (settings.resume, settings.tickets) {
        (false, _) => Resumption::disabled(),
        (true, true) => Resumption::in_memory_sessions(256),
        (true, false) => Resumption::in_memory_sessions(256).tls12_resumption(Tls12Resumption::SessionIdOnly),
    };
    if settings.secrets {
        config.key_log = Arc::new(Secrets);
    }
    Ok(Arc::new(config))
}

/// Lets servers sign by some algorithms only.
#[derive(Debug)]
struct Choosy {
    inner: Arc<dyn ServerCertVerifier>,
    signatures: Option<Signatures>,
}

impl ServerCertVerifier for Choosy {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        asked: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.inner.verify_server_cert(leaf, others, asked, ocsp, now)
    }

    signatures_by!(inner, signatures);
}

/// Verifies who vouches for a server, and its name. A certificate that is itself among those of the authorities vouches for
/// itself, also where it is one of an authority: that is how a server's self-signed certificate is trusted.
#[derive(Debug)]
struct Vouched {
    chains: Arc<WebPkiServerVerifier>,
    certificates: Arc<[CertificateDer<'static>]>,
    revoked: Option<Revocations>,
}

impl Vouched {
    /// Of the first version of X.509, which has nowhere to write a name that is good for a server.
    fn old(&self, leaf: &CertificateDer<'_>, now: UnixTime) -> Result<ServerCertVerified, Error> {
        let vouched = old::verify(leaf, &self.certificates, time_of(now));
        vouched.map_err(|(why, _)| Error::InvalidCertificate(why))?;
        Err(Error::InvalidCertificate(CertificateError::NotValidForName))
    }

    fn by_itself(
        &self,
        leaf: &CertificateDer<'_>,
        asked: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let unreadable = Error::InvalidCertificate(CertificateError::BadEncoding);
        let certificate = Certificate::parse(leaf).ok_or_else(|| unreadable.clone())?;
        let (Some(from), Some(until)) = (certificate.not_before(), certificate.not_after()) else {
            return Err(unreadable);
        };
        let now = time_of(now);
        if now < from {
            return Err(Error::InvalidCertificate(CertificateError::NotValidYet));
        }
        if now > until {
            return Err(Error::InvalidCertificate(CertificateError::Expired));
        }
        verify_server_name(&ParsedCertificate::try_from(leaf)?, asked)
    }
}

impl ServerCertVerifier for Vouched {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        asked: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.certificates.iter().any(|known| **known == **leaf) {
            return self
                .by_itself(leaf, asked, now)
                .map(|()| ServerCertVerified::assertion());
        }
        let verified = match old::is_old(leaf) {
            true => self.old(leaf, now),
            false => self.chains.verify_server_cert(leaf, others, asked, ocsp, now),
        };
        // Names are looked at last, and not everybody minds them.
        let is_vouched_for = verified.as_ref().map_or_else(of_another_name, |_| true);
        let revoked = self.revoked.as_ref().filter(|_| is_vouched_for);
        if let Some(revoked) = revoked {
            let now = time_of(now);
            let checked = revoked.check(leaf, others, now);
            checked.map_err(|(number, _)| Error::InvalidCertificate(revocation_fault(number)))?;
        }
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let said = self.chains.verify_tls12_signature(message, cert, signed);
        old::or_old(said, message, cert, signed, false)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let said = self.chains.verify_tls13_signature(message, cert, signed);
        old::or_old(said, message, cert, signed, true)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// Whether a certificate is sound but for the name that was asked for.
fn of_another_name(why: &Error) -> bool {
    use CertificateError::{NotValidForName, NotValidForNameContext};
    matches!(
        why,
        Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. })
    )
}

/// Verifies who vouches for a server that was asked for no name, and the name that was configured, if any.
#[derive(Debug)]
struct Nameless {
    inner: Arc<Vouched>,
    host: Option<ServerName<'static>>,
}

impl ServerCertVerifier for Nameless {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        asked: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(host) = &self.host else {
            // Names are looked at last: whoever gets that far is vouched for.
            return match self.inner.verify_server_cert(leaf, others, asked, ocsp, now) {
                Err(why) if of_another_name(&why) => Ok(ServerCertVerified::assertion()),
                result => result,
            };
        };
        self.inner.verify_server_cert(leaf, others, host, ocsp, now)
    }

    signatures_by!(inner);
}
