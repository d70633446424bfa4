//! Whom to trust: certificates of authorities, and what they have revoked.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};

/// Authorities, with what rustls needs of them.
#[derive(Clone, Debug)]
pub struct Authorities {
    pub(crate) roots: Arc<RootCertStore>,
    /// Their certificates; those of the system are not kept.
    pub(crate) certificates: Arc<[CertificateDer<'static>]>,
}

/// The name of the system's authorities.
pub(crate) const SYSTEM: &str = "@system-ca";

impl Authorities {
    /// Reads a PEM file, a directory of such files, or `@system-ca`.
    ///
    /// # Errors
    /// What is wrong, with the file's name.
    pub fn load(path: &str) -> Result<Authorities, String> {
        let mut roots = RootCertStore::empty();
        let mut certificates = Vec::new();
        if path == SYSTEM {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                return Err("the system has no certificates of authorities".to_owned());
            }
            return Ok(Authorities {
                roots: roots.into(),
                certificates: certificates.into(),
            });
        }
        let directory = Path::new(path);
        if directory.is_dir() {
            let names = sorted(directory).map_err(|why| format!("`{path}` can't be read: {why}"))?;
            let wanted = |name: &String| {
                [".pem", ".crt", ".cer", ".crl"]
                    .iter()
                    .any(|end| name.ends_with(end))
            };
            for name in names.into_iter().filter(wanted) {
                let file = directory.join(name);
                add(&mut roots, &mut certificates, &file.to_string_lossy(), false)?;
            }
        } else {
            add(&mut roots, &mut certificates, path, true)?;
        }
        if roots.is_empty() {
            return Err(format!("`{path}` holds no certificate"));
        }
        Ok(Authorities {
            roots: roots.into(),
            certificates: certificates.into(),
        })
    }

    /// These certificates.
    ///
    /// # Errors
    /// There is none, or one can't be used.
    pub(crate) fn of(certificates: Vec<CertificateDer<'static>>) -> Result<Authorities, String> {
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            let added = roots.add(certificate.clone());
            added.map_err(|why| format!("a certificate can't be used: {}", crate::identity::said(&why)))?;
        }
        if roots.is_empty() {
            return Err("there is no certificate".to_owned());
        }
        Ok(Authorities {
            roots: roots.into(),
            certificates: certificates.into(),
        })
    }

    /// These and others together.
    pub(crate) fn with(&self, others: &Authorities) -> Authorities {
        let mut roots = (*self.roots).clone();
        roots.extend(others.roots.roots.iter().cloned());
        let certificates = self.certificates.iter().chain(others.certificates.iter());
        Authorities {
            roots: roots.into(),
            certificates: certificates.cloned().collect(),
        }
    }
}

fn add(
    roots: &mut RootCertStore,
    certificates: &mut Vec<CertificateDer<'static>>,
    path: &str,
    strict: bool,
) -> Result<(), String> {
    let text = std::fs::read(path).map_err(|why| format!("`{path}` can't be read: {why}"))?;
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let added = certificate.map_err(|why| why.to_string()).and_then(|der| {
            certificates.push(der.clone());
            roots.add(der).map_err(|why| crate::identity::said(&why))
        });
        if let Err(why) = added
            && strict
        {
            return Err(format!("`{path}` holds a certificate that can't be used: {why}"));
        }
    }
    Ok(())
}

/// The names of a directory's files, in order and without hidden ones.
pub(crate) fn sorted(directory: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Reads the revocation lists of a PEM file.
///
/// # Errors
/// What is wrong, with the file's name.
pub fn revocation_lists(path: &str) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    let text = std::fs::read(path).map_err(|why| format!("`{path}` can't be read: {why}"))?;
    let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&text).collect();
    let lists = lists.map_err(|why| format!("`{path}` is no valid PEM text: {why}"))?;
    if lists.is_empty() {
        return Err(format!("`{path}` holds no revocation list"));
    }
    Ok(lists)
}
