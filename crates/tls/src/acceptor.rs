//! What a listener shakes hands with.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::Ticketer;
use rustls::pki_types::CertificateRevocationListDer;
use rustls::server::{ClientHello, NoServerSessionStorage, ServerSessionMemoryCache, WebPkiClientVerifier};

use crate::authorities::Authorities;
use crate::identity::{Identity, said};
use crate::notes::Secrets;
use crate::sni::Table;
use crate::suites::{Curves, Suites};
use crate::verify::{ClientVerifier, Ignored};
use crate::versions::Versions;

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

/// What handshakes of a listener, or those with one of its certificates, are made with.
#[derive(Clone, Debug)]
pub struct AcceptSettings {
    /// The versions.
    pub versions: Versions,
    /// The suites of TLS 1.2; all if nobody says.
    pub ciphers: Option<Suites>,
    /// The suites of TLS 1.3.
    pub ciphersuites: Option<Suites>,
    /// The groups for the exchange of keys.
    pub curves: Option<Curves>,
    /// What is offered by ALPN, the preferred one first.
    pub alpn: Vec<Vec<u8>>,
    /// Whether clients are asked for a certificate.
    pub client_auth: ClientAuth,
    /// Who vouches for clients, and is named to them.
    pub authorities: Option<Authorities>,
    /// Who vouches for clients without being named to them.
    pub unnamed_authorities: Option<Authorities>,
    /// Whether no authority is named to clients.
    pub no_names: bool,
    /// What was revoked.
    pub revoked: Vec<CertificateRevocationListDer<'static>>,
    /// What may be wrong with a client's own certificate.
    pub ignored: Ignored,
    /// What may be wrong with those that vouch for it.
    pub ignored_of_authorities: Ignored,
    /// Whether sessions go on by tickets that clients keep.
    pub tickets: bool,
    /// How many sessions are kept for clients that keep none.
    pub sessions_max: usize,
    /// Whether the connections' secrets are noted.
    pub secrets: bool,
}

impl Default for AcceptSettings {
    fn default() -> Self {
        AcceptSettings {
            versions: Versions::default(),
            ciphers: None,
            ciphersuites: None,
            curves: None,
            alpn: Vec::new(),
            client_auth: ClientAuth::None,
            authorities: None,
            unnamed_authorities: None,
            no_names: false,
            revoked: Vec::new(),
            ignored: Ignored::default(),
            ignored_of_authorities: Ignored::default(),
            tickets: true,
            sessions_max: 20_000,
            secrets: false,
        }
    }
}

/// Shakes hands with clients.
pub struct Acceptor {
    table: Arc<Table>,
    configs: Vec<Arc<ServerConfig>>,
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor").finish_non_exhaustive()
    }
}

impl Acceptor {
    /// What to go on with after this first message; `None` if there is no certificate for its client.
    pub fn config(&self, hello: &ClientHello<'_>) -> Option<&Arc<ServerConfig>> {
        if let [only] = &*self.configs {
            return Some(only);
        }
        let entry = self
            .table
            .choose(hello.server_name(), hello.signature_schemes())?;
        self.configs.get(entry.settings)
    }

    /// The identity that has this certificate.
    pub fn identity(&self, leaf: &[u8]) -> Option<&Arc<Identity>> {
        self.table.find(leaf)
    }
}

/// Collects the certificates of a listener.
pub struct AcceptorBuilder {
    table: Table,
    settings: Vec<AcceptSettings>,
}

impl AcceptorBuilder {
    /// Without certificates yet. With `strict`, clients that ask for no name that a certificate is for are refused.
    pub fn new(settings: AcceptSettings, strict: bool) -> AcceptorBuilder {
        AcceptorBuilder {
            table: Table::new(strict),
            settings: vec![settings],
        }
    }

    /// Adds a certificate by its names, or by `filters` if there are any; `settings` if it has some of its own.
    pub fn add(
        &mut self,
        identity: Arc<Identity>,
        filters: &[String],
        settings: Option<AcceptSettings>,
        default: bool,
    ) {
        let at = match settings {
            None => 0,
            Some(settings) => {
                self.settings.push(settings);
                self.settings.len() - 1
            }
        };
        self.table.add(identity, at, filters, default);
    }

    /// Whether there is no certificate.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Completes it.
    ///
    /// # Errors
    /// Settings that contradict each other.
    pub fn build(self) -> Result<Acceptor, String> {
        let table = Arc::new(self.table);
        let configs = self.settings.iter().map(|settings| config(settings, &table));
        let configs = configs.collect::<Result<Vec<_>, _>>()?;
        Ok(Acceptor { table, configs })
    }
}

/// The provider with these suites and groups only.
pub(crate) fn provider(
    ciphers: Option<&Suites>,
    ciphersuites: Option<&Suites>,
    curves: Option<&Curves>,
) -> Arc<CryptoProvider> {
    if ciphers.is_none() && ciphersuites.is_none() && curves.is_none() {
        return crate::provider().clone();
    }
    let mut provider = (**crate::provider()).clone();
    provider.cipher_suites = Suites::list(ciphers, ciphersuites);
    if let Some(curves) = curves {
        provider.kx_groups = curves.list();
    }
    Arc::new(provider)
}

fn config(settings: &AcceptSettings, table: &Arc<Table>) -> Result<Arc<ServerConfig>, String> {
    let provider = provider(
        settings.ciphers.as_ref(),
        settings.ciphersuites.as_ref(),
        settings.curves.as_ref(),
    );
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&settings.versions.list())
        .map_err(|why| said(&why))?;
    let mut config = builder
        .with_client_cert_verifier(verifier(settings)?)
        .with_cert_resolver(table.clone());
    config.alpn_protocols.clone_from(&settings.alpn);
    // The order of the configuration is the one that counts, as with OpenSSL's default of HAProxy.
    config.ignore_client_order = true;
    config.session_storage = if settings.sessions_max == 0 {
        Arc::new(NoServerSessionStorage {})
    } else {
        ServerSessionMemoryCache::new(settings.sessions_max)
    };
    if settings.tickets {
        config.ticketer = Ticketer::new().map_err(|why| said(&why))?;
    }
    if settings.secrets {
        config.key_log = Arc::new(Secrets);
    }
    Ok(Arc::new(config))
}

fn verifier(
    settings: &AcceptSettings,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, String> {
    if settings.client_auth == ClientAuth::None {
        return Ok(WebPkiClientVerifier::no_client_auth());
    }
    let named = settings.authorities.as_ref();
    let roots = match (named, &settings.unnamed_authorities) {
        (Some(named), Some(unnamed)) => named.with(unnamed),
        (Some(only), None) | (None, Some(only)) => only.roots.clone(),
        (None, None) => return Err("clients can't be verified without a `ca-file`".to_owned()),
    };
    let mut builder = WebPkiClientVerifier::builder_with_provider(roots, crate::provider().clone())
        .with_crls(settings.revoked.iter().cloned())
        .clear_root_hint_subjects();
    if let Some(named) = named.filter(|_| !settings.no_names) {
        builder = builder.add_root_hint_subjects(named.roots.subjects());
    }
    if settings.client_auth == ClientAuth::Optional {
        builder = builder.allow_unauthenticated();
    }
    let inner = builder.build().map_err(|why| why.to_string())?;
    Ok(Arc::new(ClientVerifier {
        inner,
        ignored: settings.ignored.clone(),
        ignored_of_authorities: settings.ignored_of_authorities.clone(),
    }))
}
