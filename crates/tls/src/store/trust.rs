//! Authorities, and what they revoked: loaded from files, changed over the runtime API.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};

use super::build::Touched;
use super::{Changed, Inner, Store, Trusted};
use crate::authorities::{self, Authorities};

impl Trusted<CertificateDer<'static>> {
    pub(super) fn authorities(&self) -> Result<Authorities, String> {
        match &self.system {
            Some(system) => Ok(system.clone()),
            None => Authorities::of(self.items.clone()),
        }
    }
}

impl Store {
    /// Loads authorities, once for each file.
    ///
    /// # Errors
    /// What is wrong, with the file's name.
    pub fn trust(&self, path: &str) -> Result<(), String> {
        let mut inner = self.inner();
        if inner.authorities.contains_key(path) {
            return Ok(());
        }
        let loaded = Authorities::load(path)?;
        let items = loaded.certificates.to_vec();
        let system = (path == authorities::SYSTEM).then_some(loaded);
        inner
            .authorities
            .insert(path.to_owned(), Trusted { items, system });
        Ok(())
    }

    /// Loads what was revoked, likewise.
    ///
    /// # Errors
    /// What is wrong, with the file's name.
    pub fn distrust(&self, path: &str) -> Result<(), String> {
        let mut inner = self.inner();
        if inner.revoked.contains_key(path) {
            return Ok(());
        }
        let items = authorities::revocation_lists(path)?;
        inner
            .revoked
            .insert(path.to_owned(), Trusted { items, system: None });
        Ok(())
    }

    /// `new ssl ca-file`
    ///
    /// # Errors
    /// There is one already.
    pub fn new_authorities(&self, name: &str) -> Changed {
        let mut inner = self.inner();
        if inner.authorities.contains_key(name) {
            return Err(format!("CA file '{name}' already exists!"));
        }
        inner.authorities.insert(name.to_owned(), Trusted::none());
        Ok(format!("New CA file created '{name}'!"))
    }

    /// `set ssl ca-file`, and `add ssl ca-file`, which keeps what the change has so far.
    ///
    /// # Errors
    /// The payload is of no use, or another change is under way.
    pub fn set_authorities(&self, name: &str, payload: &[u8], add: bool) -> Changed {
        let mut inner = self.inner();
        let items: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(payload).collect();
        let items = items.ok().filter(|items| !items.is_empty());
        let items = items
            .ok_or_else(|| format!("unable to load certificates of authorities.\nCan't update {name}!"))?;
        Authorities::of(items.clone()).map_err(|why| format!("{why}\nCan't update {name}!"))?;
        let known = inner.authorities.get(name).map(|known| known.items.clone());
        let begun = inner.pending_authorities.clone();
        let (pending, message) = pending(begun, name, known, items, add, "CA")?;
        inner.pending_authorities = Some(pending);
        Ok(message)
    }

    /// `commit ssl ca-file`
    ///
    /// # Errors
    /// No such change is under way, or something that uses the file could not go on.
    pub fn commit_authorities(&self, name: &str) -> Changed {
        let mut inner = self.inner();
        let items = committed(&inner.pending_authorities, name)?;
        let before = inner
            .authorities
            .insert(name.to_owned(), Trusted { items, system: None });
        if let Err(why) = inner.rebuild(Touched::File(name)) {
            if let Some(before) = before {
                inner.authorities.insert(name.to_owned(), before);
            }
            return Err(format!("{why}\nCan't commit {name}!"));
        }
        inner.pending_authorities = None;
        Ok(format!("Committing {name}.\nSuccess!"))
    }

    /// `abort ssl ca-file`
    ///
    /// # Errors
    /// No such change is under way.
    pub fn abort_authorities(&self, name: &str) -> Changed {
        let mut inner = self.inner();
        aborted(&inner.pending_authorities, name)?;
        inner.pending_authorities = None;
        Ok(format!("Transaction aborted for certificate '{name}'!"))
    }

    /// `del ssl ca-file`
    ///
    /// # Errors
    /// There is none, or it is used.
    pub fn delete_authorities(&self, name: &str) -> Changed {
        let mut inner = self.inner();
        if !inner.authorities.contains_key(name) {
            return Err(format!(
                "Can't remove the CA file: CA file '{name}' doesn't exist!"
            ));
        }
        if inner.uses(Touched::File(name)) {
            return Err(format!(
                "Can't remove the CA file: CA file '{name}' in use, can't be deleted!"
            ));
        }
        inner.authorities.remove(name);
        Ok(format!("CA file '{name}' deleted!"))
    }

    /// `new ssl crl-file`
    ///
    /// # Errors
    /// There is one already.
    pub fn new_revoked(&self, name: &str) -> Changed {
        let mut inner = self.inner();
        if inner.revoked.contains_key(name) {
            return Err(format!("CRL file '{name}' already exists!"));
        }
        inner.revoked.insert(name.to_owned(), Trusted::none());
        Ok(format!("New CRL file created '{name}'!"))
    }

    /// `set ssl crl-file`
    ///
    /// # Errors
    /// The payload is of no use, or another change is under way.
    pub fn set_revoked(&self, name: &str, payload: &[u8]) -> Changed {
        let mut inner = self.inner();
        let items: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(payload).collect();
        let items = items.ok().filter(|items| !items.is_empty());
        let items = items.ok_or_else(|| format!("unable to load revocation lists.\nCan't update {name}!"))?;
        let known = inner.revoked.get(name).map(|known| known.items.clone());
        let begun = inner.pending_revoked.clone();
        let (pending, message) = pending(begun, name, known, items, false, "CRL")?;
        inner.pending_revoked = Some(pending);
        Ok(message)
    }

    /// `commit ssl crl-file`
    ///
    /// # Errors
    /// No such change is under way, or something that uses the file could not go on.
    pub fn commit_revoked(&self, name: &str) -> Changed {
        let mut inner = self.inner();
        let items = committed(&inner.pending_revoked, name)?;
        let before = inner
            .revoked
            .insert(name.to_owned(), Trusted { items, system: None });
        if let Err(why) = inner.rebuild(Touched::File(name)) {
            if let Some(before) = before {
                inner.revoked.insert(name.to_owned(), before);
            }
            return Err(format!("{why}\nCan't commit {name}!"));
        }
        inner.pending_revoked = None;
        Ok(format!("Committing {name}.\nSuccess!"))
    }

    /// `abort ssl crl-file`
    ///
    /// # Errors
    /// No such change is under way.
    pub fn abort_revoked(&self, name: &str) -> Changed {
        let mut inner = self.inner();
        aborted(&inner.pending_revoked, name)?;
        inner.pending_revoked = None;
        Ok(format!("Transaction aborted for certificate '{name}'!"))
    }

    /// `del ssl crl-file`
    ///
    /// # Errors
    /// There is none, or it is used.
    pub fn delete_revoked(&self, name: &str) -> Changed {
        let mut inner = self.inner();
        if !inner.revoked.contains_key(name) {
            return Err(format!(
                "Can't remove the CRL file: CRL file '{name}' doesn't exist!"
            ));
        }
        if inner.uses(Touched::File(name)) {
            return Err(format!(
                "Can't remove the CRL file: CRL file '{name}' in use, can't be deleted!"
            ));
        }
        inner.revoked.remove(name);
        Ok(format!("CRL file '{name}' deleted!"))
    }
}

impl<T> Trusted<T> {
    fn none() -> Trusted<T> {
        Trusted {
            items: Vec::new(),
            system: None,
        }
    }
}

impl Inner {
    /// Whether something uses a file of authorities or of what they revoked.
    pub(super) fn uses_file(&self, name: &str) -> bool {
        self.uses(Touched::File(name))
    }
}

/// The change that a `set` or `add` begins or goes on with.
fn pending<T>(
    begun: Option<(String, Vec<T>)>,
    name: &str,
    known: Option<Vec<T>>,
    items: Vec<T>,
    add: bool,
    kind: &str,
) -> Result<((String, Vec<T>), String), String> {
    match begun {
        Some((of, before)) if of == name => {
            let mut all = if add { before } else { Vec::new() };
            all.extend(items);
            Ok(((of, all), format!("transaction updated for {kind} {name}!")))
        }
        // One change at a time: whoever begins another has to end this one first.
        Some((of, _)) => Err(format!(
            "The ongoing transaction is about '{of}' but you are trying to set '{name}'\nCan't update {name}!"
        )),
        None => {
            let known = known.ok_or_else(|| {
                format!("Can't replace a {kind} file which is not referenced by the configuration!\nCan't update {name}!")
            })?;
            let mut all = if add { known } else { Vec::new() };
            all.extend(items);
            Ok((
                (name.to_owned(), all),
                format!("transaction created for {kind} {name}!"),
            ))
        }
    }
}

fn committed<T: Clone>(pending: &Option<(String, Vec<T>)>, name: &str) -> Result<Vec<T>, String> {
    match pending {
        Some((of, items)) if of == name => Ok(items.clone()),
        Some((of, _)) => Err(format!(
            "The ongoing transaction is about '{of}' but you are trying to set '{name}'\nCan't commit {name}!"
        )),
        None => Err(format!("No ongoing transaction!\nCan't commit {name}!")),
    }
}

fn aborted<T>(pending: &Option<(String, Vec<T>)>, name: &str) -> Result<(), String> {
    match pending {
        Some((of, _)) if of == name => Ok(()),
        Some((of, _)) => Err(format!(
            "The ongoing transaction is about '{of}' but you are trying to abort a transaction for '{name}'"
        )),
        None => Err("No ongoing transaction!".to_owned()),
    }
}
