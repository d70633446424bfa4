//! From the names of files to what is in them: keys and responses of OCSP beside certificates, bundles, directories.

use std::path::Path;
use std::time::SystemTime;

use rustls::pki_types::CertificateDer;
use tidegate_sample::x509::Certificate;

use crate::authorities::sorted;
use crate::identity::Parts;

/// Files beside a certificate that are looked for without being named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extra {
    /// The private key: `.key`.
    pub key: bool,
    /// A response of OCSP: `.ocsp`.
    pub ocsp: bool,
    /// The certificate of who issued it: `.issuer`.
    pub issuer: bool,
    /// Certificates of the same name with keys of different kinds: `.rsa`, `.ecdsa`.
    pub bundle: bool,
    /// Whether they are named without the certificate's own `.crt`.
    pub replaces_extension: bool,
}

impl Default for Extra {
    fn default() -> Self {
        Extra {
            key: true,
            ocsp: true,
            issuer: true,
            bundle: true,
            replaces_extension: false,
        }
    }
}

/// The kinds of keys that bundles have.
pub(crate) const BUNDLED: [&str; 3] = [".ecdsa", ".rsa", ".dsa"];

/// What a `crt` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// Files that belong together: one, or those of a bundle.
    Files(Vec<String>),
    /// The files of a directory.
    Directory(Vec<String>),
}

impl Extra {
    /// What a path stands for.
    ///
    /// # Errors
    /// The directory can't be read.
    pub(crate) fn named(self, path: &str) -> Result<Named, String> {
        if Path::new(path).is_dir() {
            let names = sorted(Path::new(path)).map_err(|why| format!("`{path}` can't be read: {why}"))?;
            let files = names.iter().filter(|name| is_certificate(name));
            let files = files.map(|name| join(path, name));
            return Ok(Named::Directory(
                files.filter(|file| !Path::new(file).is_dir()).collect(),
            ));
        }
        if self.bundle && !Path::new(path).exists() {
            let bundle = BUNDLED.iter().map(|kind| format!("{path}{kind}"));
            let bundle: Vec<String> = bundle.filter(|file| Path::new(file).exists()).collect();
            if !bundle.is_empty() {
                return Ok(Named::Files(bundle));
            }
        }
        Ok(Named::Files(vec![path.to_owned()]))
    }

    /// The file beside another that has this end.
    fn beside(self, path: &str, end: &str) -> String {
        match path.strip_suffix(".crt").filter(|_| self.replaces_extension) {
            Some(stem) => format!("{stem}{end}"),
            None => format!("{path}{end}"),
        }
    }

    /// What a file holds, with what is beside it.
    ///
    /// # Errors
    /// What is wrong, with the file's name.
    pub(crate) fn file(self, path: &str) -> Result<Parts, String> {
        let mut parts = read(path)?;
        if parts.key.is_none() && self.key {
            let beside = self.beside(path, ".key");
            if Path::new(&beside).exists() {
                parts.key = read(&beside)?.key;
            }
        }
        if self.ocsp {
            // Without content it only says that a response may come later.
            parts.ocsp = std::fs::read(self.beside(path, ".ocsp"))
                .ok()
                .filter(|response| !response.is_empty());
        }
        if self.issuer && parts.issuer().is_none() {
            let beside = self.beside(path, ".issuer");
            if Path::new(&beside).exists() {
                parts.issuer = read(&beside)?.chain.into_iter().next();
            }
        }
        Ok(parts)
    }
}

/// Reads a PEM file.
///
/// # Errors
/// What is wrong, with the file's name.
pub(crate) fn read(path: &str) -> Result<Parts, String> {
    let text = std::fs::read(path).map_err(|why| format!("`{path}` can't be read: {why}"))?;
    Parts::read(&text).map_err(|why| format!("`{path}` can't be used: {why}"))
}

/// Drops a response of OCSP that is of no use, and says why.
pub(crate) fn drop_bad_response(parts: &mut Parts, now: SystemTime) -> Option<String> {
    let why = parts.response(now).err()?;
    parts.ocsp = None;
    Some(why)
}

/// Chains that complete those of certificates that come without one, by who vouches for them.
#[derive(Debug, Default)]
pub(crate) struct Issuers(Vec<Vec<CertificateDer<'static>>>);

impl Issuers {
    /// Reads the files of a directory.
    ///
    /// # Errors
    /// What is wrong, with the file's name.
    pub(crate) fn read(path: &str) -> Result<Issuers, String> {
        let names = sorted(Path::new(path)).map_err(|why| format!("`{path}` can't be read: {why}"))?;
        let mut chains = Vec::new();
        for name in names {
            let file = join(path, &name);
            if Path::new(&file).is_dir() {
                continue;
            }
            let chain = read(&file)?.chain;
            if !chain.is_empty() {
                chains.push(chain);
            }
        }
        Ok(Issuers(chains))
    }

    /// Completes a chain that is a certificate alone.
    pub(crate) fn complete(&self, chain: &mut Vec<CertificateDer<'static>>) {
        let [only] = chain.as_slice() else { return };
        let Some(leaf) = Certificate::parse(only) else {
            return;
        };
        let issued = |other: &&Vec<CertificateDer<'static>>| {
            let first = other.first().and_then(|der| Certificate::parse(der));
            first.is_some_and(|first| first.issued(&leaf))
        };
        if let Some(found) = self.0.iter().find(issued) {
            chain.extend(found.iter().cloned());
        }
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
