//! From the names of files to identities: keys and stapled responses beside certificates, bundles, directories.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::authorities::sorted;
use crate::identity::{Identity, Parts};

/// Files beside a certificate that are looked for without being named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extra {
    /// The private key: `.key`.
    pub key: bool,
    /// A response of OCSP: `.ocsp`.
    pub ocsp: bool,
    /// Certificates of the same name with keys of different kinds: `.rsa`, `.ecdsa`.
    pub bundle: bool,
}

impl Default for Extra {
    fn default() -> Self {
        Extra {
            key: true,
            ocsp: true,
            bundle: true,
        }
    }
}

const BUNDLED: [&str; 3] = [".ecdsa", ".rsa", ".dsa"];

/// Loads identities, each of them once.
#[derive(Debug, Default)]
pub struct Loader {
    extra: Extra,
    known: HashMap<String, Arc<Identity>>,
}

impl Loader {
    /// One that looks for these files.
    pub fn new(extra: Extra) -> Loader {
        Loader {
            extra,
            known: HashMap::new(),
        }
    }

    /// Keeps an identity under a name of its own.
    pub fn keep(&mut self, name: &str, identity: Arc<Identity>) {
        self.known.insert(name.to_owned(), identity);
    }

    /// Loads what a `crt` names: a file, a directory, or the files of a bundle. Those that are sound are given even if
    /// others are not.
    ///
    /// # Errors
    /// What is wrong, each fault with its file's name.
    pub fn load(&mut self, path: &str) -> (Vec<Arc<Identity>>, Vec<String>) {
        if let Some(identity) = self.known.get(path) {
            return (vec![identity.clone()], Vec::new());
        }
        let mut faults = Vec::new();
        let mut found = Vec::new();
        let mut paths = vec![path.to_owned()];
        if Path::new(path).is_dir() {
            match sorted(Path::new(path)) {
                Ok(names) => {
                    paths = names
                        .iter()
                        .filter(|name| is_certificate(name))
                        .map(|n| join(path, n))
                        .collect()
                }
                Err(why) => faults.push(format!("`{path}` can't be read: {why}")),
            }
        } else if self.extra.bundle && !Path::new(path).exists() {
            let bundle = BUNDLED.map(|kind| format!("{path}{kind}"));
            let bundle: Vec<String> = bundle
                .into_iter()
                .filter(|file| Path::new(file).exists())
                .collect();
            if !bundle.is_empty() {
                paths = bundle;
            }
        }
        for path in paths {
            match self.file(&path) {
                Ok(identity) => found.push(identity),
                Err(fault) => faults.push(fault),
            }
        }
        (found, faults)
    }

    /// Loads one file, with what is beside it.
    ///
    /// # Errors
    /// What is wrong, with the file's name.
    pub fn file(&mut self, path: &str) -> Result<Arc<Identity>, String> {
        if let Some(identity) = self.known.get(path) {
            return Ok(identity.clone());
        }
        let mut parts = self.parts(path)?;
        if parts.key.is_none() && self.extra.key {
            let beside = format!("{path}.key");
            if Path::new(&beside).exists() {
                parts.key = self.parts(&beside)?.key;
            }
        }
        if self.extra.ocsp {
            // Without content it only says that a response may come later.
            parts.ocsp = std::fs::read(format!("{path}.ocsp"))
                .ok()
                .filter(|response| !response.is_empty());
        }
        self.identity(path, parts)
    }

    /// Loads the parts of an identity from files that are all named.
    ///
    /// # Errors
    /// What is wrong, with the file's name.
    pub fn named(
        &mut self,
        name: &str,
        certificate: &str,
        key: Option<&str>,
        ocsp: Option<&str>,
    ) -> Result<Arc<Identity>, String> {
        let mut parts = self.parts(certificate)?;
        if let Some(key) = key {
            let found = self.parts(key)?.key;
            parts.key = Some(found.ok_or_else(|| format!("`{key}` holds no private key"))?);
        }
        if let Some(ocsp) = ocsp {
            let response = std::fs::read(ocsp).map_err(|why| format!("`{ocsp}` can't be read: {why}"))?;
            parts.ocsp = Some(response).filter(|response| !response.is_empty());
        }
        let identity = parts
            .into_identity(name)
            .map_err(|why| format!("`{certificate}` can't be used: {why}"))?;
        let identity = Arc::new(identity);
        self.keep(name, identity.clone());
        Ok(identity)
    }

    fn parts(&self, path: &str) -> Result<Parts, String> {
        let text = std::fs::read(path).map_err(|why| format!("`{path}` can't be read: {why}"))?;
        Parts::read(&text).map_err(|why| format!("`{path}` can't be used: {why}"))
    }

    fn identity(&mut self, path: &str, parts: Parts) -> Result<Arc<Identity>, String> {
        let identity = parts
            .into_identity(path)
            .map_err(|why| format!("`{path}` can't be used: {why}"))?;
        let identity = Arc::new(identity);
        self.keep(path, identity.clone());
        Ok(identity)
    }
}

fn is_certificate(name: &str) -> bool {
    ![".key", ".issuer", ".ocsp", ".sctl"]
        .iter()
        .any(|end| name.ends_with(end))
}

fn join(directory: &str, name: &str) -> String {
    format!("{}/{name}", directory.trim_end_matches('/'))
}
