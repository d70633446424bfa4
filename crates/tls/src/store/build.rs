//! What listeners and servers shake hands with, made of what the store holds.

use rustls::pki_types::CertificateRevocationListDer;

use super::{Inner, Listener, Listening, Server, Source, Store};
use crate::acceptor::{Acceptor, Builder, Current, Trust};
use crate::authorities::Authorities;
use crate::connector::{ConnectSettings, Connector, Pair};

/// What a change may have touched.
#[derive(Clone, Copy)]
pub(super) enum Touched<'a> {
    Certificate(&'a str),
    /// Of authorities, or of what they revoked.
    File(&'a str),
    List(&'a str),
}

impl Store {
    /// Prepares a listener, for as long as the process lives.
    ///
    /// # Errors
    /// Settings that contradict each other, or that there is no certificate.
    pub fn listen(&self, about: Listening) -> Result<Acceptor, String> {
        let mut inner = self.inner();
        let acceptor = Acceptor::new(inner.current(&about)?);
        inner.listeners.push(Listener {
            about,
            acceptor: acceptor.clone(),
        });
        Ok(acceptor)
    }

    /// Prepares the connections to a server, likewise.
    ///
    /// # Errors
    /// Settings that contradict each other.
    pub fn connect(&self, settings: ConnectSettings) -> Result<Connector, String> {
        let mut inner = self.inner();
        let connector = Connector::new(inner.pair(&settings)?);
        inner.servers.push(Server {
            settings,
            connector: connector.clone(),
        });
        Ok(connector)
    }
}

impl Inner {
    fn current(&self, about: &Listening) -> Result<Current, String> {
        let mut builder = Builder::new(&about.settings);
        for source in &about.sources {
            match source {
                Source::Certificates { names, default } => {
                    // All certificates of a bundle stand in where nobody was named for that.
                    let default = *default || builder.is_empty();
                    for name in names {
                        if let Some(identity) = self.shown(name) {
                            builder.add(identity, &[], None, default);
                        }
                    }
                }
                Source::List(name) => {
                    let entries = self.lists.get(name).map(|list| list.entries.as_slice());
                    for entry in entries.unwrap_or_default() {
                        if let Some(identity) = self.shown(&entry.certificate) {
                            builder.add(identity, &entry.filters, entry.options.clone(), false);
                        }
                    }
                }
            }
        }
        if builder.is_empty() && !about.settings.strict {
            return Err("`ssl` needs a certificate, and there is none".to_owned());
        }
        builder.build(self)
    }

    fn shown(&self, name: &str) -> Option<std::sync::Arc<crate::Identity>> {
        self.certificates.get(name)?.identity.clone()
    }

    fn pair(&self, settings: &ConnectSettings) -> Result<Pair, String> {
        let identity = settings.certificate.as_deref().and_then(|name| self.shown(name));
        Pair::new(settings, identity.as_deref(), self)
    }

    /// Prepares everything anew that uses what was touched. If that can't be done, nothing is changed.
    pub(super) fn rebuild(&self, touched: Touched<'_>) -> Result<(), String> {
        let mut listeners = Vec::new();
        for listener in self
            .listeners
            .iter()
            .filter(|listener| self.listens_with(&listener.about, touched))
        {
            let current = self.current(&listener.about);
            let place = |why| format!("{} ({}): {why}", listener.about.frontend, listener.about.place);
            listeners.push((&listener.acceptor, current.map_err(place)?));
        }
        let mut servers = Vec::new();
        for server in self
            .servers
            .iter()
            .filter(|server| connects_with(&server.settings, touched))
        {
            servers.push((&server.connector, self.pair(&server.settings)?));
        }
        for (acceptor, current) in listeners {
            acceptor.replace(current);
        }
        for (connector, pair) in servers {
            connector.replace(pair);
        }
        Ok(())
    }

    /// Whether anything uses it.
    pub(super) fn uses(&self, touched: Touched<'_>) -> bool {
        let in_lists = match touched {
            Touched::Certificate(name) => {
                let mut entries = self.lists.values().flat_map(|list| &list.entries);
                entries.any(|entry| entry.certificate == name)
            }
            Touched::File(name) => {
                let mut entries = self.lists.values().flat_map(|list| &list.entries);
                entries.any(|entry| {
                    entry
                        .options
                        .iter()
                        .any(|options| options.files().any(|file| file == name))
                })
            }
            Touched::List(_) => false,
        };
        in_lists
            || self
                .listeners
                .iter()
                .any(|listener| self.listens_with(&listener.about, touched))
            || self
                .servers
                .iter()
                .any(|server| connects_with(&server.settings, touched))
    }

    fn listens_with(&self, about: &Listening, touched: Touched<'_>) -> bool {
        let of_line = match touched {
            Touched::File(name) => about.settings.options.files().any(|file| file == name),
            Touched::Certificate(_) | Touched::List(_) => false,
        };
        let of_source = |source: &Source| match (source, touched) {
            (Source::Certificates { names, .. }, Touched::Certificate(name)) => {
                names.iter().any(|own| own == name)
            }
            (Source::List(own), Touched::List(name)) => own == name,
            (Source::List(own), Touched::Certificate(_) | Touched::File(_)) => {
                let entries = self.lists.get(own).map(|list| list.entries.as_slice());
                entries.unwrap_or_default().iter().any(|entry| match touched {
                    Touched::Certificate(name) => entry.certificate == name,
                    Touched::File(name) => {
                        let mut files = entry.options.iter().flat_map(|options| options.files());
                        files.any(|file| file == name)
                    }
                    Touched::List(_) => false,
                })
            }
            (Source::Certificates { .. }, Touched::File(_) | Touched::List(_)) => false,
        };
        of_line || about.sources.iter().any(of_source)
    }
}

fn connects_with(settings: &ConnectSettings, touched: Touched<'_>) -> bool {
    let is = |own: &Option<String>, name: &str| own.as_deref() == Some(name);
    match touched {
        Touched::Certificate(name) => is(&settings.certificate, name),
        Touched::File(name) => is(&settings.ca_file, name) || is(&settings.crl_file, name),
        Touched::List(_) => false,
    }
}

impl Trust for Inner {
    fn authorities(&self, file: &str) -> Result<Authorities, String> {
        let known = self
            .authorities
            .get(file)
            .ok_or_else(|| format!("unable to load {file}"))?;
        known.authorities().map_err(|why| format!("`{file}`: {why}"))
    }

    fn revoked(&self, file: &str) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
        let known = self
            .revoked
            .get(file)
            .ok_or_else(|| format!("unable to load {file}"))?;
        Ok(known.items.clone())
    }
}
