//! TLS for scripts' sockets: certificates are verified unless the script says that they are not to be.

use std::io;
use std::sync::{Arc, OnceLock};

use mlua::{Result, Table};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::address::Address;
use super::connection::Connection;
use super::wrong;

/// Whom scripts trust that don't say it.
#[derive(Clone, Debug)]
pub struct Trust {
    /// Whether certificates of servers are verified.
    pub verify: bool,
    /// Who vouches for servers; the system's authorities without.
    pub authorities: Option<Authorities>,
}

impl Default for Trust {
    fn default() -> Trust {
        Trust {
            verify: true,
            authorities: None,
        }
    }
}

/// The authorities of a file.
#[derive(Clone, Debug)]
pub struct Authorities(Arc<ClientConfig>);

impl Authorities {
    /// Reads a file of certificates.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of_file(file: &str) -> std::result::Result<Authorities, String> {
        verified_by(file).map(Authorities)
    }
}

/// What `connect_ssl` was told.
pub(crate) struct Options {
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
    shown: String,
}

impl Options {
    /// Reads the table of options; without one the system's authorities vouch for the server.
    pub(super) fn of(options: Option<Table>, address: &Address) -> Result<Options> {
        let options = options.as_ref();
        let verify = match options {
            Some(options) => options.get::<Option<bool>>("verify")?.unwrap_or(true),
            None => true,
        };
        let given = options.map_or(Ok(None), |options| options.get::<Option<String>>("sni"))?;
        let name = match (given, address) {
            (Some(name), _) => name,
            (None, Address::Host { name, .. }) => name.clone(),
            // Nobody looks at the name of a server that is not verified.
            (None, _) if !verify => "localhost".to_owned(),
            (None, _) => {
                return Err(wrong(
                    "connect_ssl: the option `sni` is missing for a Unix socket",
                ));
            }
        };
        Options::named(options, &name, "connect_ssl", &Trust::default())
    }

    /// Reads the table of options for a server of this name, unless `sni` gives another.
    pub(crate) fn named(
        options: Option<&Table>,
        name: &str,
        function: &str,
        trust: &Trust,
    ) -> Result<Options> {
        let get = |key: &str| options.map_or(Ok(None), |options| options.get::<Option<String>>(key));
        let verify = options.map_or(Ok(None), |options| options.get::<Option<bool>>("verify"))?;
        let verify = verify.unwrap_or(trust.verify);
        let name = get("sni")?.unwrap_or_else(|| name.to_owned());
        let file = get("ca")?;
        let shown = format!("tls {name} {verify} {}", file.as_deref().unwrap_or_default());
        let name = ServerName::try_from(name.clone())
            .map_err(|_| wrong(&format!("{function}: `{name}` is no name of a server")))?;
        let config = match (verify, file) {
            (false, _) => unverified()?,
            (true, Some(file)) => verified_by(&file).map_err(|why| wrong(&format!("{function}: {why}")))?,
            (true, None) => match &trust.authorities {
                Some(Authorities(config)) => Arc::clone(config),
                None => verified_by_system()?,
            },
        };
        Ok(Options { name, config, shown })
    }

    /// What tells them from others.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }
}

/// Shakes hands.
pub(super) async fn connect(connection: Connection, options: &Options) -> io::Result<Connection> {
    let connector = TlsConnector::from(Arc::clone(&options.config));
    connection
        .through(async |stream| connector.connect(options.name.clone(), stream).await)
        .await
}

fn verified_by_system() -> Result<Arc<ClientConfig>> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(Arc::clone(config));
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = config(roots)?;
    Ok(Arc::clone(CONFIG.get_or_init(|| config)))
}

fn verified_by(file: &str) -> std::result::Result<Arc<ClientConfig>, String> {
    let failed = |why: &dyn std::fmt::Display| format!("`{file}`: {why}");
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|e| failed(&e))? {
        roots
            .add(certificate.map_err(|e| failed(&e))?)
            .map_err(|e| failed(&e))?;
    }
    if roots.is_empty() {
        return Err(failed(&"no certificate in it"));
    }
    config(roots).map_err(|why| failed(&why))
}

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(aws_lc_rs::default_provider())))
}

fn config(roots: RootCertStore) -> Result<Arc<ClientConfig>> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|e| wrong(&format!("connect_ssl: {e}")))?;
    Ok(Arc::new(
        builder.with_root_certificates(roots).with_no_client_auth(),
    ))
}

fn unverified() -> Result<Arc<ClientConfig>> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|e| wrong(&format!("connect_ssl: {e}")))?;
    Ok(Arc::new(
        builder
            .dangerous()
            .with_custom_certificate_verifier(tidegate_tls::anyone())
            .with_no_client_auth(),
    ))
}
