//! What the store holds, as the runtime API shows it.

use std::fmt::Write as _;
use std::time::SystemTime;

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use sha1::{Digest, Sha1};
use tidegate_sample::x509::{Certificate as X509, DistinguishedName, time_text};

use super::lists::list_name;
use super::{Certificate, Entry, Source, Store};
use crate::identity::Parts;
use crate::ocsp::{Response, hex};
use crate::revocation::List;

/// What precedes the name of what is not committed.
const PENDING: char = '*';

impl Store {
    /// `show ssl cert`: all names.
    pub fn certificates(&self) -> String {
        let inner = self.inner();
        let mut text = String::new();
        if let Some((name, _)) = &inner.pending_certificate {
            let _ = writeln!(text, "# transaction\n{PENDING}{name}");
        }
        text.push_str("# filename\n");
        for name in inner.certificates.keys() {
            let _ = writeln!(text, "{name}");
        }
        text
    }

    /// `show ssl cert <name>`; `*` before it for what is not committed, `.ocsp` behind it for its response.
    pub fn certificate(&self, wanted: &str) -> Option<String> {
        let inner = self.inner();
        let (name, is_pending) = asked(wanted);
        let find = |name: &str| -> Option<Certificate> {
            if !is_pending {
                return inner.certificates.get(name).cloned();
            }
            let (of, parts) = inner.pending_certificate.as_ref()?;
            (of == name).then(|| Certificate {
                parts: parts.clone(),
                ..Certificate::default()
            })
        };
        let Some(certificate) = find(name) else {
            let of = find(name.strip_suffix(".ocsp")?)?;
            return Some(Response::parse(of.parts.ocsp.as_deref()?).ok()?.text());
        };
        let is_used = !is_pending && (certificate.tokens || inner.uses_certificate(name));
        let status = match (certificate.parts.chain.is_empty(), is_used) {
            (true, _) => "Empty",
            (false, true) => "Used",
            (false, false) => "Unused",
        };
        let shown = if is_pending { "*" } else { "" };
        let mut text = format!("Filename: {shown}{name}\nStatus: {status}\n");
        text.push_str(&described(&certificate.parts));
        Some(text)
    }

    /// `dump ssl cert`: key, certificate and chain in PEM.
    pub fn dump(&self, wanted: &str) -> Option<String> {
        let inner = self.inner();
        let (name, is_pending) = asked(wanted);
        let parts = match (is_pending, &inner.pending_certificate) {
            (true, Some((of, parts))) if of == name => parts,
            (true, _) => return None,
            (false, _) => &inner.certificates.get(name)?.parts,
        };
        let mut text = String::new();
        if let Some(key) = &parts.key {
            let label = match key {
                rustls::pki_types::PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
                rustls::pki_types::PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
                _ => "PRIVATE KEY",
            };
            text.push_str(&pem(label, key.secret_der()));
        }
        for der in &parts.chain {
            text.push_str(&pem("CERTIFICATE", der));
        }
        Some(text)
    }

    /// `show ssl jwt`
    pub fn tokens(&self) -> String {
        let inner = self.inner();
        let mut text = String::from("#filename\n");
        for (name, _) in inner
            .certificates
            .iter()
            .filter(|(_, certificate)| certificate.tokens)
        {
            let _ = writeln!(text, "{name}");
        }
        text
    }

    /// `show ssl ca-file`: all names.
    pub fn authorities(&self) -> String {
        let inner = self.inner();
        let line = |text: &mut String, mark: &str, name: &str, count: usize| {
            let _ = writeln!(text, "{mark}{name} - {count} certificate(s)");
        };
        let mut text = String::new();
        if let Some((name, items)) = &inner.pending_authorities {
            text.push_str("# transaction\n");
            line(&mut text, "*", name, items.len());
        }
        text.push_str("# filename\n");
        for (name, known) in &inner.authorities {
            let of_system = known.system.as_ref().map(|system| system.roots.len());
            line(&mut text, "", name, of_system.unwrap_or(known.items.len()));
        }
        text
    }

    /// `show ssl ca-file <name>[:<index>]`
    pub fn authority(&self, wanted: &str) -> Option<String> {
        let inner = self.inner();
        let known = |name: &str| inner.authorities.get(name).map(|known| known.items.clone());
        let shown = Shown::of(wanted, &inner.pending_authorities, known)?;
        let mut text = shown.head(inner.uses_file(&shown.name));
        for (at, der) in shown.items() {
            let _ = writeln!(text, " \nCertificate #{at}:");
            text.push_str(&certificate(der));
        }
        Some(text)
    }

    /// `show ssl crl-file`: all names.
    pub fn revocations(&self) -> String {
        let inner = self.inner();
        let mut text = String::new();
        if let Some((name, _)) = &inner.pending_revoked {
            let _ = writeln!(text, "# transaction\n{PENDING}{name}");
        }
        text.push_str("# filename\n");
        for name in inner.revoked.keys() {
            let _ = writeln!(text, "{name}");
        }
        text
    }

    /// `show ssl crl-file <name>[:<index>]`
    pub fn revocation(&self, wanted: &str) -> Option<String> {
        let inner = self.inner();
        let known = |name: &str| inner.revoked.get(name).map(|known| known.items.clone());
        let shown = Shown::of(wanted, &inner.pending_revoked, known)?;
        let mut text = shown.head(inner.uses_file(&shown.name));
        for (at, der) in shown.items() {
            let _ = writeln!(text, " \nCertificate Revocation List #{at}:");
            text.push_str(&revocation_list(der));
        }
        Some(text)
    }

    /// `show ssl crt-list`: all names.
    pub fn lists(&self) -> String {
        let inner = self.inner();
        inner.lists.keys().map(|name| format!("{name}\n")).collect()
    }

    /// `show ssl crt-list [-n] <name>`
    pub fn list(&self, name: &str, numbered: bool) -> Option<String> {
        let inner = self.inner();
        let name = list_name(name);
        let list = inner.lists.get(name)?;
        let mut text = format!("# {name}\n");
        for entry in &list.entries {
            text.push_str(&entry.certificate);
            if numbered {
                let _ = write!(text, ":{}", entry.line);
            }
            if !entry.written.is_empty() {
                let _ = write!(text, " [{}]", entry.written);
            }
            for filter in &entry.filters {
                let _ = write!(text, " {filter}");
            }
            text.push('\n');
        }
        Some(text)
    }

    /// `show ssl sni`: of one frontend or of all; only what has expired by a time, if one is given.
    pub fn names(&self, frontend: Option<&str>, expired_by: Option<SystemTime>) -> String {
        let inner = self.inner();
        let mut text =
            String::from("# Frontend/Bind\tSNI\tNegative Filter\tType\tFilename\tNotAfter\tNotBefore\n");
        for listener in &inner.listeners {
            let about = &listener.about;
            if frontend.is_some_and(|wanted| wanted != about.frontend) {
                continue;
            }
            let place = format!("{}/{}", about.frontend, about.place);
            let mut first = true;
            for source in &about.sources {
                let (entries, default) = match source {
                    Source::List(name) => {
                        let list = inner.lists.get(name);
                        (list.map(|list| list.entries.clone()).unwrap_or_default(), false)
                    }
                    Source::Certificates { names, default } => {
                        let entries = names.iter().map(|name| Entry::plain(0, name.clone()));
                        (entries.collect(), *default)
                    }
                };
                let of_bundle = matches!(source, Source::Certificates { .. });
                let mut is_first = first;
                for entry in entries {
                    let Some(certificate) = inner.certificates.get(&entry.certificate) else {
                        continue;
                    };
                    let stands_in = default || (is_first && !about.settings.strict);
                    text.push_str(&rows(&place, &entry, certificate, stands_in, expired_by));
                    first = false;
                    is_first = is_first && of_bundle;
                }
            }
        }
        text
    }
}

/// The rows of one entry: a name each.
fn rows(
    place: &str,
    entry: &Entry,
    certificate: &Certificate,
    stands_in: bool,
    expired_by: Option<SystemTime>,
) -> String {
    let mut text = String::new();
    let (Some(leaf), Some(identity)) = (certificate.parts.leaf(), &certificate.identity) else {
        return text;
    };
    if expired_by.is_some_and(|by| leaf.not_after().is_some_and(|end| end > by)) {
        return text;
    }
    let names = if entry.filters.is_empty() {
        &identity.names
    } else {
        &entry.filters
    };
    let negative: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| name.starts_with('!'))
        .collect();
    let kind = match leaf.key_text() {
        key if key.starts_with("RSA") => "rsa",
        key if key.starts_with("DSA") => "dsa",
        _ => "ecdsa",
    };
    let time = |at: Option<SystemTime>| at.map(time_text).unwrap_or_default();
    let (after, before) = (time(leaf.not_after()), time(leaf.not_before()));
    let mut row = |name: &str| {
        let negative = match name.starts_with("*.") && !negative.is_empty() {
            true => negative.join(" "),
            false => "-".to_owned(),
        };
        let _ = writeln!(
            text,
            "{place}\t{name}\t{negative}\t{kind}\t{}\t{after}\t{before}",
            entry.certificate
        );
    };
    let positive = || names.iter().filter(|name| !name.starts_with('!'));
    for name in positive() {
        row(name);
    }
    if stands_in && !positive().any(|name| name == "*") {
        row("*");
    }
    text
}

/// What of a file is asked for.
struct Shown<T> {
    name: String,
    is_pending: bool,
    items: Vec<T>,
    index: Option<usize>,
}

impl<T> Shown<T> {
    fn of(
        wanted: &str,
        pending: &Option<(String, Vec<T>)>,
        known: impl Fn(&str) -> Option<Vec<T>>,
    ) -> Option<Shown<T>>
    where
        T: Clone,
    {
        let (asked_for, is_pending) = asked(wanted);
        let find = |name: &str| match (is_pending, pending) {
            (true, Some((of, items))) if of == name => Some(items.clone()),
            (true, _) => None,
            (false, _) => known(name),
        };
        let shown = |name: &str, items: Vec<T>, index: Option<usize>| Shown {
            name: name.to_owned(),
            is_pending,
            items,
            index,
        };
        if let Some(items) = find(asked_for) {
            return Some(shown(asked_for, items, None));
        }
        let (name, index) = asked_for.rsplit_once(':')?;
        Some(shown(name, find(name)?, Some(index.parse().ok()?)))
    }

    fn head(&self, is_used: bool) -> String {
        let mark = if self.is_pending { "*" } else { "" };
        let status = if is_used && !self.is_pending {
            "Used"
        } else {
            "Unused"
        };
        format!("Filename: {mark}{}\nStatus: {status}\n", self.name)
    }

    /// What is asked for, each with its number from 1.
    fn items(&self) -> impl Iterator<Item = (usize, &T)> {
        let numbered = self.items.iter().enumerate().map(|(at, item)| (at + 1, item));
        numbered.filter(|(at, _)| self.index.is_none_or(|index| index == *at))
    }
}

/// A name without the sign before what is not committed, and whether it was there. `\*` is a `*` of the name.
fn asked(wanted: &str) -> (&str, bool) {
    match wanted.strip_prefix(PENDING) {
        Some(name) => (name, true),
        None => (
            wanted
                .strip_prefix('\\')
                .filter(|name| name.starts_with(PENDING))
                .unwrap_or(wanted),
            false,
        ),
    }
}

fn described(parts: &Parts) -> String {
    let Some(leaf) = parts.chain.first() else {
        return String::new();
    };
    let mut text = certificate(leaf);
    for der in parts.chain.iter().skip(1) {
        if let Some(other) = X509::parse(der) {
            let _ = writeln!(text, "Chain Subject: {}", oneline(other.subject()));
            let _ = writeln!(text, "Chain Issuer: {}", oneline(other.issuer()));
        }
    }
    let key = parts.ocsp.as_deref().and_then(|der| Response::parse(der).ok());
    let key = key
        .map(|response| hex(&response.key()).to_lowercase())
        .unwrap_or_default();
    let _ = writeln!(text, "OCSP Response Key: {key}");
    text
}

fn certificate(der: &CertificateDer<'_>) -> String {
    let Some(parsed) = X509::parse(der) else {
        return "(a certificate that can't be read)\n".to_owned();
    };
    let time = |at: Option<SystemTime>| at.map(time_text).unwrap_or_default();
    format!(
        "Serial: {}\nnotBefore: {}\nnotAfter: {}\nSubject Alternative Name: {}\nAlgorithm: {}\nSHA1 FingerPrint: {}\nSubject: {}\nIssuer: {}\n",
        hex(parsed.serial()),
        time(parsed.not_before()),
        time(parsed.not_after()),
        parsed.alternative_names().join(", "),
        parsed.key_text(),
        hex(&Sha1::digest(der)),
        oneline(parsed.subject()),
        oneline(parsed.issuer()),
    )
}

fn oneline(name: DistinguishedName<'_>) -> String {
    let line = name.oneline().unwrap_or_default();
    String::from_utf8_lossy(&line).into_owned()
}

fn revocation_list(der: &CertificateRevocationListDer<'_>) -> String {
    let Some(list) = List::parse(der) else {
        return "(a list that can't be read)\n".to_owned();
    };
    let mut text = format!(
        "Version {}\nSignature Algorithm: {}\nIssuer: {}\nLast Update: {}\n",
        list.version,
        tidegate_sample::x509::algorithm_name(&list.algorithm),
        tidegate_sample::x509::name_text(&list.issuer),
        time_text(list.this_update),
    );
    if let Some(next) = list.next_update {
        let _ = writeln!(text, "Next Update: {}", time_text(next));
    }
    if list.revoked.is_empty() {
        text.push_str("No Revoked Certificates.\n");
        return text;
    }
    text.push_str("Revoked Certificates:\n");
    for (serial, at) in &list.revoked {
        let _ = writeln!(text, "    Serial Number: {}", hex(serial));
        let _ = writeln!(text, "        Revocation Date: {}", time_text(*at));
    }
    text
}

/// DER as PEM.
fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut lines = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at_checked(64).unwrap_or((rest, ""));
        lines.push_str(line);
        lines.push('\n');
        rest = more;
    }
    lines + &format!("-----END {label}-----\n")
}
