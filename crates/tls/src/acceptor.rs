//! What a listener shakes hands with.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::{ClientHello, NoServerSessionStorage, WebPkiClientVerifier};

use crate::authorities::Authorities;
use crate::identity::{Identity, said};
use crate::notes::{Secrets, Verdict};
use crate::revocation::Revocations;
use crate::sessions::Sessions;
use crate::signatures::Signatures;
use crate::sni::{Table, usable};
use crate::suites::{Curves, Suites};
use crate::tickets::TicketKeys;
use crate::verify::{ClientVerifier, Ignored};
use crate::versions::{Version, Versions};

/// Whether clients are asked for a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// They are not.
    #[default]
    None,
    /// They are, and may have none.
    Optional,
    /// They are, and have to have one.
    Required,
}

/// What a `bind` line and a line of a `crt-list` may both say. What nobody said is `None` or empty.
#[derive(Clone, Debug, Default)]
pub struct AcceptOptions {
    /// The oldest version.
    pub version_min: Option<Version>,
    /// The newest version.
    pub version_max: Option<Version>,
    /// Versions in between that are not spoken.
    pub versions_without: Vec<Version>,
    /// The suites of TLS 1.2; all if nobody says.
    pub ciphers: Option<Suites>,
    /// The suites of TLS 1.3.
    pub ciphersuites: Option<Suites>,
    /// The groups for the exchange of keys.
    pub curves: Option<Curves>,
    /// What is signed with here.
    pub signatures: Option<Signatures>,
    /// What clients may sign with.
    pub client_signatures: Option<Signatures>,
    /// What is offered by ALPN, the preferred one first.
    pub alpn: Option<Vec<Vec<u8>>>,
    /// Whether clients are asked for a certificate.
    pub client_auth: Option<ClientAuth>,
    /// The file of who vouches for clients, and is named to them.
    pub ca_file: Option<String>,
    /// The file of who vouches for clients without being named to them.
    pub ca_verify_file: Option<String>,
    /// The file of what was revoked.
    pub crl_file: Option<String>,
    /// Whether no authority is named to clients.
    pub no_names: bool,
}

impl AcceptOptions {
    /// These, and what they don't say from others.
    #[must_use]
    pub fn or(mut self, others: &AcceptOptions) -> AcceptOptions {
        self.version_min = self.version_min.or(others.version_min);
        self.version_max = self.version_max.or(others.version_max);
        self.versions_without.extend(&others.versions_without);
        self.ciphers = self.ciphers.or_else(|| others.ciphers.clone());
        self.ciphersuites = self.ciphersuites.or_else(|| others.ciphersuites.clone());
        self.curves = self.curves.or_else(|| others.curves.clone());
        self.signatures = self.signatures.or_else(|| others.signatures.clone());
        self.client_signatures = self
            .client_signatures
            .or_else(|| others.client_signatures.clone());
        self.alpn = self.alpn.or_else(|| others.alpn.clone());
        self.client_auth = self.client_auth.or(others.client_auth);
        self.ca_file = self.ca_file.or_else(|| others.ca_file.clone());
        self.ca_verify_file = self.ca_verify_file.or_else(|| others.ca_verify_file.clone());
        self.crl_file = self.crl_file.or_else(|| others.crl_file.clone());
        self.no_names |= others.no_names;
        self
    }

    /// The files of authorities and of what they revoked.
    pub(crate) fn files(&self) -> impl Iterator<Item = &String> {
        [&self.ca_file, &self.ca_verify_file, &self.crl_file]
            .into_iter()
            .flatten()
    }
}

/// What handshakes of a listener are made with.
#[derive(Clone, Debug)]
pub struct AcceptSettings {
    /// What a single certificate may say otherwise.
    pub options: AcceptOptions,
    /// Whether clients that ask for no name that a certificate is for are refused.
    pub strict: bool,
    /// What may be wrong with a client's own certificate.
    pub ignored: Ignored,
    /// What may be wrong with those that vouch for it.
    pub ignored_of_authorities: Ignored,
    /// Whether sessions go on by tickets that clients keep.
    pub tickets: bool,
    /// What tickets are encrypted with, where that is not left to the listener.
    pub ticket_keys: Option<Arc<TicketKeys>>,
    /// How many sessions are kept for clients that keep none.
    pub sessions_max: usize,
    /// Whether the connections' secrets are noted.
    pub secrets: bool,
}

impl Default for AcceptSettings {
    fn default() -> Self {
        AcceptSettings {
            options: AcceptOptions::default(),
            strict: false,
            ignored: Ignored::default(),
            ignored_of_authorities: Ignored::default(),
            tickets: true,
            ticket_keys: None,
            sessions_max: 20_000,
            secrets: false,
        }
    }
}

/// Shakes hands with clients. What with may be changed while it runs: each handshake takes what there is when it begins.
#[derive(Clone)]
pub struct Acceptor {
    current: Arc<ArcSwap<Current>>,
}

/// The certificates of some moment, and what hands are shaken with.
pub(crate) struct Current {
    table: Arc<Table>,
    configs: Vec<Chosen>,
}

/// What a client's first message led to.
#[derive(Clone)]
pub struct Chosen {
    /// What hands are shaken with.
    pub config: Arc<ServerConfig>,
    /// Who verifies clients, where some faults are ignored.
    forgiving: Option<Arc<ClientVerifier>>,
}

impl Chosen {
    /// What is wrong with a client's certificate in a session that goes on: an earlier handshake let it pass, though
    /// what it ignored is still wrong.
    pub fn verdict_again(&self, chain: &[CertificateDer<'_>]) -> Option<Verdict> {
        let (leaf, others) = chain.split_first()?;
        self.forgiving.as_ref()?.verdict(leaf, others, UnixTime::now())
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").finish_non_exhaustive()
    }
}

impl Acceptor {
    pub(crate) fn new(current: Current) -> Acceptor {
        Acceptor {
            current: Arc::new(ArcSwap::from_pointee(current)),
        }
    }

    /// Puts other certificates in the place of those that there are. Handshakes that began go on with the old ones.
    pub(crate) fn replace(&self, current: Current) {
        self.current.store(Arc::new(current));
    }

    /// What to go on with after this first message; `None` if there is no certificate for its client.
    pub fn config(&self, hello: &ClientHello<'_>) -> Option<Chosen> {
        let current = self.current.load();
        if let [only] = &*current.configs {
            return Some(only.clone());
        }
        let entry = current.table.choose(
            hello.server_name(),
            &usable(hello.signature_schemes(), hello.cipher_suites()),
        )?;
        current.configs.get(entry.settings).cloned()
    }
}

/// Collects the certificates of a listener.
pub(crate) struct Builder<'a> {
    table: Table,
    settings: &'a AcceptSettings,
    /// The options of the listener, and of certificates that have some of their own.
    options: Vec<AcceptOptions>,
}

impl<'a> Builder<'a> {
    /// Without certificates yet.
    pub(crate) fn new(settings: &'a AcceptSettings) -> Builder<'a> {
        Builder {
            table: Table::new(settings.strict),
            settings,
            options: vec![settings.options.clone()],
        }
    }

    /// Adds a certificate by its names, or by `filters` if there are any; `options` if it has some of its own.
    pub(crate) fn add(
        &mut self,
        identity: Arc<Identity>,
        filters: &[String],
        options: Option<AcceptOptions>,
        default: bool,
    ) {
        let at = match options {
            None => 0,
            Some(options) => {
                self.options.push(options.or(&self.settings.options));
                self.options.len() - 1
            }
        };
        let signatures = self
            .options
            .get(at)
            .and_then(|options| options.signatures.as_ref());
        let identity = match signatures {
            Some(signatures) => Arc::new(identity.limited(signatures)),
            None => identity,
        };
        self.table.add(identity, at, filters, default);
    }

    /// Whether there is no certificate.
    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Completes it.
    ///
    /// # Errors
    /// Options that contradict each other, or name what isn't there.
    pub(crate) fn build(self, trust: &dyn Trust) -> Result<Current, String> {
        let table = Arc::new(self.table);
        let configs = self.options.iter();
        let configs = configs.map(|options| config(self.settings, options, trust, &table));
        let configs = configs.collect::<Result<Vec<_>, _>>()?;
        Ok(Current { table, configs })
    }
}

/// Whom to trust, by the names of files.
pub(crate) trait Trust {
    /// The authorities of a file.
    fn authorities(&self, file: &str) -> Result<Authorities, String>;

    /// What the lists of a file revoke.
    fn revoked(&self, file: &str) -> Result<Vec<CertificateRevocationListDer<'static>>, String>;
}

/// The provider with these suites and groups only, and without suites of versions that aren't spoken: whoever is offered one takes it
/// for a sign that its version is.
pub(crate) fn provider(
    ciphers: Option<&Suites>,
    ciphersuites: Option<&Suites>,
    curves: Option<&Curves>,
    versions: Versions,
) -> Arc<CryptoProvider> {
    let whole = versions == Versions::default();
    if ciphers.is_none() && ciphersuites.is_none() && curves.is_none() && whole {
        return crate::provider().clone();
    }
    let mut provider = (**crate::provider()).clone();
    provider.cipher_suites = Suites::list(ciphers, ciphersuites);
    let spoken = versions.list();
    provider
        .cipher_suites
        .retain(|suite| spoken.contains(&suite.version()));
    if let Some(curves) = curves {
        provider.kx_groups = curves.list();
    }
    Arc::new(provider)
}

fn config(
    settings: &AcceptSettings,
    options: &AcceptOptions,
    trust: &dyn Trust,
    table: &Arc<Table>,
) -> Result<Chosen, String> {
    let versions = Versions::new(
        options.version_min,
        options.version_max,
        &options.versions_without,
    )
    .ok_or("no version of TLS is left: 1.2 and 1.3 can be spoken")?;
    let provider = provider(
        options.ciphers.as_ref(),
        options.ciphersuites.as_ref(),
        options.curves.as_ref(),
        versions,
    );
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions.list())
        .map_err(|why| said(&why))?;
    let verifier = verifier(settings, options, trust)?;
    let forgiving = verifier.clone().filter(|verifier| verifier.ignores());
    let mut config = builder
        .with_client_cert_verifier(match verifier {
            Some(verifier) => verifier,
            None => WebPkiClientVerifier::no_client_auth(),
        })
        .with_cert_resolver(table.clone());
    config.alpn_protocols = options.alpn.clone().unwrap_or_default();
    // The order of the configuration is the one that counts, as with OpenSSL's default of HAProxy.
    config.ignore_client_order = true;
    config.session_storage = if settings.sessions_max == 0 {
        Arc::new(NoServerSessionStorage {})
    } else {
        Arc::new(Sessions::new(settings.sessions_max))
    };
    if settings.tickets {
        config.ticketer = match &settings.ticket_keys {
            Some(keys) => keys.clone(),
            None => Arc::new(TicketKeys::random(Instant::now())?),
        };
    }
    if settings.secrets {
        config.key_log = Arc::new(Secrets);
    }
    let config = Arc::new(config);
    Ok(Chosen { config, forgiving })
}

/// Who verifies clients; none where nobody does.
fn verifier(
    settings: &AcceptSettings,
    options: &AcceptOptions,
    trust: &dyn Trust,
) -> Result<Option<Arc<ClientVerifier>>, String> {
    let client_auth = options.client_auth.unwrap_or_default();
    if client_auth == ClientAuth::None {
        return Ok(None);
    }
    let load = |file: &Option<String>| file.as_ref().map(|file| trust.authorities(file)).transpose();
    let (named, unnamed) = (load(&options.ca_file)?, load(&options.ca_verify_file)?);
    let all = match (&named, &unnamed) {
        (Some(named), Some(unnamed)) => named.with(unnamed),
        (Some(only), None) | (None, Some(only)) => only.clone(),
        (None, None) => return Err("clients can't be verified without a `ca-file`".to_owned()),
    };
    let revoked = match &options.crl_file {
        Some(file) => Revocations::new(&trust.revoked(file)?, &all)?,
        None => None,
    };
    let mut builder =
        WebPkiClientVerifier::builder_with_provider(all.roots.clone(), crate::provider().clone())
            .clear_root_hint_subjects();
    if let Some(named) = named.filter(|_| !options.no_names) {
        builder = builder.add_root_hint_subjects(named.roots.subjects());
    }
    if client_auth == ClientAuth::Optional {
        builder = builder.allow_unauthenticated();
    }
    let inner = builder.build().map_err(|why| why.to_string())?;
    Ok(Some(Arc::new(ClientVerifier {
        inner,
        authorities: all.certificates,
        revoked,
        ignored: settings.ignored.clone(),
        ignored_of_authorities: settings.ignored_of_authorities.clone(),
        signatures: options.client_signatures.clone(),
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_of_versions_that_are_not_spoken_are_not_offered() {
        let offered = |max| {
            let versions = Versions::new(None, max, &[]).unwrap();
            let provider = provider(
                Suites::tls12("ECDHE-RSA-AES128-GCM-SHA256").ok().as_ref(),
                None,
                None,
                versions,
            );
            provider
                .cipher_suites
                .iter()
                .map(|suite| suite.suite())
                .collect::<Vec<_>>()
        };
        let only = rustls::CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256;
        assert_eq!(offered(Some(Version::Tls12)), [only]);
        assert_eq!(offered(None).len(), 4);
    }
}
