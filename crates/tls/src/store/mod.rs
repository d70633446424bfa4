//! All that handshakes are made with, by the names that configurations and the runtime API have for it: certificates,
//! authorities, what those revoked, and lists of certificates.
//!
//! It is locked by whoever loads or changes something, never by a handshake: listeners and servers have what they need
//! prepared, and get it anew when something of it changes.

mod build;
mod certificates;
mod lists;
mod responses;
mod show;
mod trust;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};

use crate::acceptor::{AcceptOptions, AcceptSettings, Acceptor};
use crate::authorities::Authorities;
use crate::connector::{ConnectSettings, Connector};
use crate::identity::{Identity, Parts};
use crate::load::{self, Extra, Issuers, Named};
use crate::tickets::TicketKeys;

/// What a change came to, in words; or why it came to nothing.
type Changed = Result<String, String>;

/// Everything, by its names.
#[derive(Default)]
pub struct Store(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    extra: Extra,
    issuers: Issuers,
    skip_self_issued: bool,
    certificates: BTreeMap<String, Certificate>,
    authorities: BTreeMap<String, Trusted<CertificateDer<'static>>>,
    revoked: BTreeMap<String, Trusted<CertificateRevocationListDer<'static>>>,
    lists: BTreeMap<String, List>,
    tickets: Vec<Arc<TicketKeys>>,
    listeners: Vec<Listener>,
    servers: Vec<Server>,
    /// The change of each kind that is not committed yet.
    pending_certificate: Option<(String, Parts)>,
    pending_authorities: Option<(String, Vec<CertificateDer<'static>>)>,
    pending_revoked: Option<(String, Vec<CertificateRevocationListDer<'static>>)>,
}

/// A certificate with what belongs to it.
#[derive(Clone, Default)]
struct Certificate {
    parts: Parts,
    /// What hands are shaken with; there is none while parts are missing.
    identity: Option<Arc<Identity>>,
    /// Whether it may be used for tokens.
    tokens: bool,
}

/// What a file of authorities, or of what they revoked, holds.
#[derive(Clone)]
struct Trusted<T> {
    items: Vec<T>,
    /// The authorities of the system are not kept one by one.
    system: Option<Authorities>,
}

/// A `crt-list`, a directory, or the certificates of a frontend.
#[derive(Clone, Default)]
struct List {
    entries: Vec<Entry>,
    /// Whether certificates that are added are found below the directory of the process.
    base: Option<String>,
}

/// A line of a `crt-list`.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its line, from 1.
    pub line: u32,
    /// The certificate's name.
    pub certificate: String,
    /// Its options as they were written.
    pub written: String,
    /// What they say.
    pub options: Option<AcceptOptions>,
    /// The names that it is for, in place of its own.
    pub filters: Vec<String>,
}

/// Where certificates of a listener come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// Certificates by their names; several where they are those of a bundle.
    Certificates {
        /// Them.
        names: Vec<String>,
        /// Whether they are for clients that ask for no other.
        default: bool,
    },
    /// The entries of a list.
    List(String),
}

/// What a `bind` line says.
#[derive(Clone, Debug)]
pub struct Listening {
    /// Its frontend.
    pub frontend: String,
    /// Where it stands: `file:line`.
    pub place: String,
    /// What hands are shaken with.
    pub settings: AcceptSettings,
    /// Which certificates there are, in their order.
    pub sources: Vec<Source>,
}

struct Listener {
    about: Listening,
    acceptor: Acceptor,
}

struct Server {
    settings: ConnectSettings,
    connector: Connector,
}

/// The files of a certificate, where they are all named.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// The certificate, and maybe its key.
    pub certificate: String,
    /// The private key.
    pub key: Option<String>,
    /// A response of OCSP.
    pub ocsp: Option<String>,
    /// The certificate of who issued it.
    pub issuer: Option<String>,
    /// Whether it may be used for tokens.
    pub tokens: bool,
}

/// What was found by a name.
#[derive(Debug, Default)]
pub struct Found {
    /// The certificates, or the list that a directory is.
    pub source: Option<Source>,
    /// What is wrong, each fault with its file's name. Certificates that are sound are there all the same.
    pub faults: Vec<String>,
    /// What is worth a warning.
    pub warnings: Vec<String>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// An empty one, which looks for these files beside certificates, and completes chains by what a directory holds.
    ///
    /// # Errors
    /// The directory, or a file in it, can't be read.
    pub fn new(extra: Extra, issuers: Option<&str>, skip_self_issued: bool) -> Result<Store, String> {
        let issuers = issuers.map(Issuers::read).transpose()?.unwrap_or_default();
        Ok(Store(Mutex::new(Inner {
            extra,
            issuers,
            skip_self_issued,
            ..Inner::default()
        })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Loads a certificate whose files are all named, under a name of its own. What is worth a warning is returned.
    ///
    /// # Errors
    /// What is wrong, with the file's name.
    pub fn define(&self, name: &str, files: &Files) -> Result<Vec<String>, String> {
        let mut parts = load::read(&files.certificate)?;
        if let Some(key) = &files.key {
            let found = load::read(key)?.key;
            parts.key = Some(found.ok_or_else(|| format!("`{key}` holds no private key"))?);
        }
        if let Some(ocsp) = &files.ocsp {
            let response = std::fs::read(ocsp).map_err(|why| format!("`{ocsp}` can't be read: {why}"))?;
            parts.ocsp = Some(response).filter(|response| !response.is_empty());
        }
        if let Some(issuer) = &files.issuer {
            let found = load::read(issuer)?.chain.into_iter().next();
            parts.issuer = Some(found.ok_or_else(|| format!("`{issuer}` holds no certificate"))?);
        }
        if files.tokens && parts.key.is_none() {
            self.inner().keep_without_key(name, parts);
            return Ok(Vec::new());
        }
        let warnings = self.inner().keep(name, &files.certificate, parts)?;
        if let Some(certificate) = self.inner().certificates.get_mut(name) {
            certificate.tokens = files.tokens;
        }
        Ok(warnings)
    }

    /// Loads a file for tokens alone, unless it is known: it needs no private key then.
    ///
    /// # Errors
    /// What is wrong, with the file's name.
    pub fn define_for_tokens(&self, file: &str) -> Result<(), String> {
        let mut inner = self.inner();
        if !inner.certificates.contains_key(file) {
            let parts = inner.extra.file(file)?;
            // With a key that doesn't fit, or none, signatures can still be verified.
            if inner.keep(file, file, parts.clone()).is_err() {
                let parts = Parts { key: None, ..parts };
                inner.keep_without_key(file, parts);
            }
        }
        if let Some(certificate) = inner.certificates.get_mut(file) {
            certificate.tokens = true;
        }
        Ok(())
    }

    /// What a `crt` names: one in a store, a file, the files of a bundle, or a directory, which becomes a list.
    pub fn find(&self, name: &str) -> Found {
        let mut inner = self.inner();
        let mut found = Found::default();
        let only = |name: &str| Source::Certificates {
            names: vec![name.to_owned()],
            default: false,
        };
        if inner.certificates.contains_key(name) {
            found.source = Some(only(name));
            return found;
        }
        if inner.lists.contains_key(name) {
            found.source = Some(Source::List(name.to_owned()));
            return found;
        }
        if name.starts_with('@') {
            found
                .faults
                .push(format!("no `crt-store` section has a certificate `{name}`"));
            return found;
        }
        match inner.extra.named(name) {
            Err(fault) => found.faults.push(fault),
            Ok(Named::Files(files)) => {
                let names = inner.load(files, &mut found);
                let default = false;
                found.source = Some(Source::Certificates { names, default });
            }
            Ok(Named::Directory(files)) => {
                let names = inner.load(files, &mut found);
                let entries = (1..)
                    .zip(names)
                    .map(|(line, certificate)| Entry::plain(line, certificate));
                let entries = entries.collect();
                let name = name.trim_end_matches('/');
                inner.lists.insert(name.to_owned(), List { entries, base: None });
                found.source = Some(Source::List(name.to_owned()));
            }
        }
        found
    }

    /// Adds a list. Certificates that are added to it later are searched below `base`.
    pub fn add_list(&self, name: &str, entries: Vec<Entry>, base: Option<&str>) {
        let list = List {
            entries,
            base: base.map(str::to_owned),
        };
        self.inner().lists.insert(name.to_owned(), list);
    }

    /// Whether there is a list of this name.
    pub fn has_list(&self, name: &str) -> bool {
        self.inner().lists.contains_key(name)
    }

    /// When a certificate expires.
    pub fn expires(&self, name: &str) -> Option<SystemTime> {
        self.inner().certificates.get(name)?.identity.as_ref()?.expires
    }

    /// Keys of tickets, once for each file.
    ///
    /// # Errors
    /// What is wrong, with the file's name.
    pub fn ticket_keys(&self, path: &str) -> Result<Arc<TicketKeys>, String> {
        let mut inner = self.inner();
        let known = inner
            .tickets
            .iter()
            .find(|keys| keys.name.as_deref() == Some(path));
        if let Some(keys) = known {
            return Ok(keys.clone());
        }
        let text = std::fs::read(path).map_err(|why| format!("`{path}` can't be read: {why}"))?;
        let keys = TicketKeys::read(path, &text)
            .map_err(|why| format!("`{path}` holds no keys of tickets: {why}"))?;
        let keys = Arc::new(keys);
        inner.tickets.push(keys.clone());
        Ok(keys)
    }

    /// All keys of tickets that are from files.
    pub fn all_ticket_keys(&self) -> Vec<Arc<TicketKeys>> {
        self.inner().tickets.clone()
    }

    /// All certificates with their parts, and whether they may be used for tokens.
    pub fn for_tokens(&self) -> Vec<(String, Parts, bool)> {
        let inner = self.inner();
        let all = inner.certificates.iter();
        all.map(|(name, certificate)| (name.clone(), certificate.parts.clone(), certificate.tokens))
            .collect()
    }
}

impl Inner {
    /// Loads files that are not known yet; gives the names of all that are sound.
    fn load(&mut self, files: Vec<String>, found: &mut Found) -> Vec<String> {
        let mut names = Vec::new();
        for file in files {
            if self.certificates.contains_key(&file) {
                names.push(file);
                continue;
            }
            let kept = self
                .extra
                .file(&file)
                .and_then(|parts| self.keep(&file, &file, parts));
            match kept {
                Ok(warnings) => {
                    found.warnings.extend(warnings);
                    names.push(file);
                }
                Err(fault) => found.faults.push(fault),
            }
        }
        names
    }

    /// Makes an identity of parts and keeps it; `file` is what faults are told of.
    fn keep(&mut self, name: &str, file: &str, mut parts: Parts) -> Result<Vec<String>, String> {
        self.issuers.complete(&mut parts.chain);
        let bad = load::drop_bad_response(&mut parts, SystemTime::now());
        let warnings = bad.map(|why| format!("the response of OCSP for `{file}` is not used: {why}"));
        let identity = self
            .identity(name, &parts)
            .map_err(|why| format!("`{file}` can't be used: {why}"))?;
        let certificate = Certificate {
            parts,
            identity: Some(identity),
            tokens: false,
        };
        self.certificates.insert(name.to_owned(), certificate);
        Ok(warnings.into_iter().collect())
    }

    fn keep_without_key(&mut self, name: &str, parts: Parts) {
        let certificate = Certificate {
            parts,
            identity: None,
            tokens: true,
        };
        self.certificates.insert(name.to_owned(), certificate);
    }

    fn identity(&self, name: &str, parts: &Parts) -> Result<Arc<Identity>, String> {
        let mut parts = parts.clone();
        if self.skip_self_issued {
            let mut at = 0;
            parts.chain.retain(|der| {
                at += 1;
                let parsed = || tidegate_sample::x509::Certificate::parse(der);
                at == 1 || !parsed().is_some_and(|certificate| certificate.is_self_issued())
            });
        }
        parts.into_identity(name).map(Arc::new)
    }
}

impl Entry {
    /// A certificate by its own names.
    pub fn plain(line: u32, certificate: String) -> Entry {
        Entry {
            line,
            certificate,
            written: String::new(),
            options: None,
            filters: Vec::new(),
        }
    }
}
