//! Certificates as the runtime API changes them.

use std::time::SystemTime;

use rustls::pki_types::PrivateKeyDer;

use super::build::Touched;
use super::{Certificate, Changed, Inner, Store};
use crate::identity::Parts;
use crate::load;

/// What of a certificate a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The certificate, its chain, and maybe the key.
    Pem,
    Key,
    Ocsp,
    Issuer,
    Timestamps,
}

/// What the names of files beside a certificate end in.
const ENDS: [(&str, Part); 4] = [
    (".key", Part::Key),
    (".ocsp", Part::Ocsp),
    (".issuer", Part::Issuer),
    (".sctl", Part::Timestamps),
];

impl Store {
    /// `new ssl cert`
    ///
    /// # Errors
    /// There is one already.
    pub fn new_certificate(&self, name: &str) -> Changed {
        let mut inner = self.inner();
        if inner.certificates.contains_key(name) {
            return Err(format!("Certificate '{name}' already exists!"));
        }
        inner.certificates.insert(name.to_owned(), Certificate::default());
        Ok(format!("New empty certificate store '{name}'!"))
    }

    /// `set ssl cert`: `name` may be that of a file beside the certificate.
    ///
    /// # Errors
    /// There is no such certificate, the payload is of no use, or another change is under way.
    pub fn set_certificate(&self, name: &str, payload: &[u8]) -> Changed {
        let mut inner = self.inner();
        let failed = |why: String| format!("{why}\nCan't update {name}!");
        let (of, part) = inner.part(name).ok_or_else(|| {
            failed("Can't replace a certificate which is not referenced by the configuration!".to_owned())
        })?;
        let begun = inner.pending_certificate.as_ref();
        let (mut parts, verb) = match begun {
            Some((pending, parts)) if *pending == of => (parts.clone(), "updated"),
            Some((pending, _)) => {
                return Err(failed(format!(
                    "The ongoing transaction is about '{pending}' but you are trying to set '{of}'"
                )));
            }
            None => {
                let known = inner.certificates.get(&of).map(|known| known.parts.clone());
                (known.unwrap_or_default(), "created")
            }
        };
        inner.put(&mut parts, part, payload).map_err(failed)?;
        let message = format!("Transaction {verb} for certificate {of}!");
        inner.pending_certificate = Some((of, parts));
        Ok(message)
    }

    /// `commit ssl cert`: from now on, handshakes are made with it.
    ///
    /// # Errors
    /// No such change is under way, its parts don't fit together, or something that uses it could not go on.
    pub fn commit_certificate(&self, name: &str) -> Changed {
        let mut inner = self.inner();
        let failed = |why: String| format!("{why}\nCan't commit {name}!");
        let mut parts = match &inner.pending_certificate {
            Some((of, parts)) if of == name => parts.clone(),
            Some((of, _)) => {
                return Err(failed(format!(
                    "The ongoing transaction is about '{of}' but you are trying to set '{name}'"
                )));
            }
            None => return Err(failed("No ongoing transaction!".to_owned())),
        };
        let bad = load::drop_bad_response(&mut parts, SystemTime::now());
        let before = inner.certificates.get(name).cloned();
        // Without a private key it is good for tokens, and nothing that shakes hands will take it.
        let needs_no_key = before.as_ref().is_none_or(|before| before.identity.is_none());
        let identity = match parts.key.is_none() && needs_no_key {
            true => None,
            false => {
                let identity = inner.identity(name, &parts);
                Some(identity.map_err(|why| failed(format!("'{name}': {why}.")))?)
            }
        };
        let certificate = Certificate {
            parts,
            identity,
            tokens: before.as_ref().is_some_and(|before| before.tokens),
        };
        inner.certificates.insert(name.to_owned(), certificate);
        if let Err(why) = inner.rebuild(Touched::Certificate(name)) {
            if let Some(before) = before {
                inner.certificates.insert(name.to_owned(), before);
            }
            return Err(failed(why));
        }
        inner.pending_certificate = None;
        let warning = bad.map(|why| format!("\nThe response of OCSP is not used: {why}."));
        Ok(format!(
            "Committing {name}.{}\nSuccess!",
            warning.unwrap_or_default()
        ))
    }

    /// `abort ssl cert`
    ///
    /// # Errors
    /// No such change is under way.
    pub fn abort_certificate(&self, name: &str) -> Changed {
        let mut inner = self.inner();
        match &inner.pending_certificate {
            Some((of, _)) if of == name => {}
            Some((of, _)) => {
                return Err(format!(
                    "The ongoing transaction is about '{of}' but you are trying to abort a transaction for '{name}'"
                ));
            }
            None => return Err("No ongoing transaction!".to_owned()),
        }
        inner.pending_certificate = None;
        Ok(format!("Transaction aborted for certificate '{name}'!"))
    }

    /// `del ssl cert`
    ///
    /// # Errors
    /// There is none, or it is used.
    pub fn delete_certificate(&self, name: &str) -> Changed {
        let mut inner = self.inner();
        let failed = |why: &str| {
            Err(format!(
                "Can't remove the certificate: certificate '{name}' {why}!"
            ))
        };
        match inner.certificates.get(name) {
            None => return failed("doesn't exist"),
            Some(certificate) if certificate.tokens || inner.uses_certificate(name) => {
                return failed("in use, can't be deleted");
            }
            Some(_) => {}
        }
        inner.certificates.remove(name);
        Ok(format!("Certificate '{name}' deleted!"))
    }

    /// `add ssl jwt`, `del ssl jwt`
    ///
    /// # Errors
    /// There is no such certificate.
    pub fn use_for_tokens(&self, name: &str, allowed: bool) -> Result<(), String> {
        let mut inner = self.inner();
        let certificate = inner.certificates.get_mut(name);
        let certificate = certificate.filter(|certificate| !certificate.parts.chain.is_empty());
        let certificate = certificate.ok_or_else(|| format!("No certificate '{name}' is loaded."))?;
        certificate.tokens = allowed;
        Ok(())
    }
}

impl Inner {
    pub(super) fn uses_certificate(&self, name: &str) -> bool {
        self.uses(Touched::Certificate(name))
    }

    /// The certificate that a name is about, and what of it.
    fn part(&self, name: &str) -> Option<(String, Part)> {
        let known = |name: &str| {
            let pending = self.pending_certificate.as_ref();
            self.certificates.contains_key(name) || pending.is_some_and(|(pending, _)| pending == name)
        };
        if known(name) {
            return Some((name.to_owned(), Part::Pem));
        }
        let (stem, part) = ENDS
            .iter()
            .find_map(|(end, part)| Some((name.strip_suffix(end)?, *part)))?;
        // With `ssl-load-extra-del-ext`, what is beside `site.crt` is `site.key`.
        let replaced = format!("{stem}.crt");
        if self.extra.replaces_extension && known(&replaced) {
            return Some((replaced, part));
        }
        known(stem).then(|| (stem.to_owned(), part))
    }

    fn put(&self, parts: &mut Parts, part: Part, payload: &[u8]) -> Result<(), String> {
        let read = || Parts::read(payload).map_err(|why| format!("Can't load the payload: {why}"));
        match part {
            Part::Pem => {
                let read = read()?;
                if read.chain.is_empty() {
                    return Err("Can't load the payload: there is no certificate in it".to_owned());
                }
                parts.chain = read.chain;
                self.issuers.complete(&mut parts.chain);
                parts.key = read
                    .key
                    .or_else(|| parts.key.as_ref().map(PrivateKeyDer::clone_key));
            }
            Part::Key => {
                let key = read()?.key;
                parts.key = Some(key.ok_or("Can't load the payload: there is no private key in it")?);
            }
            Part::Issuer => {
                let issuer = read()?.chain.into_iter().next();
                parts.issuer = Some(issuer.ok_or("Can't load the payload: there is no certificate in it")?);
            }
            Part::Ocsp => {
                let text: Vec<u8> = payload
                    .iter()
                    .copied()
                    .filter(|byte| !byte.is_ascii_whitespace())
                    .collect();
                let der = base64(&text).ok_or("Can't load the payload: it is no base64")?;
                parts.ocsp = Some(der);
                parts
                    .response(SystemTime::now())
                    .map_err(|why| format!("Can't load the payload: {why}"))?;
            }
            Part::Timestamps => {
                return Err("Timestamps of certificates are not sent: the TLS library can't.".to_owned());
            }
        }
        Ok(())
    }
}

pub(super) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    use ::base64::Engine;
    ::base64::engine::general_purpose::STANDARD.decode(text).ok()
}
