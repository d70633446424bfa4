//! Lists of certificates as the runtime API changes them.

use super::build::Touched;
use super::{Changed, Entry, Inner, Source, Store};

impl Store {
    /// `add ssl crt-list`: the entry comes last.
    ///
    /// # Errors
    /// There is no such list or certificate, or a listener that uses the list could not go on.
    pub fn add_entry(&self, list: &str, mut entry: Entry) -> Changed {
        let mut inner = self.inner();
        let list = list_name(list);
        let failed = |why: String| format!("Can't edit the crt-list: {why}");
        let base = match inner.lists.get(list) {
            Some(known) => known.base.clone(),
            None => return Err(failed(format!("crt-list '{list}' does not exist!"))),
        };
        entry.certificate = inner.named(&entry.certificate, base.as_deref());
        let certificate = inner.certificates.get(&entry.certificate);
        match certificate.map(|certificate| certificate.identity.is_some()) {
            Some(true) => {}
            Some(false) => {
                return Err(failed(format!("certificate '{}' is empty!", entry.certificate)));
            }
            None => {
                return Err(failed(format!(
                    "certificate '{}' does not exist!",
                    entry.certificate
                )));
            }
        }
        // Nothing is read from files while the program runs.
        let known = |file: &String| inner.authorities.contains_key(file) || inner.revoked.contains_key(file);
        let mut files = entry.options.iter().flat_map(|options| options.files());
        let unknown = files.find(|file| !known(file)).cloned();
        drop(files);
        if let Some(file) = unknown {
            return Err(failed(format!("unable to load {file}")));
        }
        let name = entry.certificate.clone();
        if let Some(known) = inner.lists.get_mut(list) {
            let last = known.entries.iter().map(|entry| entry.line).max();
            entry.line = last.unwrap_or(0) + 1;
            known.entries.push(entry);
        }
        if let Err(why) = inner.rebuild(Touched::List(list)) {
            if let Some(known) = inner.lists.get_mut(list) {
                known.entries.pop();
            }
            return Err(failed(why));
        }
        Ok(format!(
            "Inserting certificate '{name}' in crt-list '{list}'.\nSuccess!"
        ))
    }

    /// `del ssl crt-list`: the entry of a certificate, with its line where there are several.
    ///
    /// # Errors
    /// There is no such entry, or a listener that uses the list could not go on.
    pub fn delete_entry(&self, list: &str, entry: &str) -> Changed {
        let mut inner = self.inner();
        let list = list_name(list);
        let failed = |why: String| format!("Can't delete the entry: {why}");
        let Some(known) = inner.lists.get(list) else {
            return Err(failed(format!("crt-list '{list}' does not exist!")));
        };
        let whole = inner.named(entry, known.base.as_deref());
        let (name, line) = match entry.rsplit_once(':') {
            Some((name, line)) if !inner.certificates.contains_key(&whole) => {
                let number = line.parse::<u32>();
                let line = number.map_err(|_| failed(format!("`{line}` is no number of a line")))?;
                (inner.named(name, known.base.as_deref()), Some(line))
            }
            _ => (whole, None),
        };
        if !inner.certificates.contains_key(&name) {
            return Err(failed(format!("certificate '{name}' does not exist!")));
        }
        let places: Vec<usize> = (0..)
            .zip(&known.entries)
            .filter(|(_, entry)| entry.certificate == name && line.is_none_or(|line| line == entry.line))
            .map(|(at, _)| at)
            .collect();
        let at = match places.as_slice() {
            [] => {
                return Err(failed(format!(
                    "certificate '{name}' is not in the list, or not on this line"
                )));
            }
            [at] => *at,
            several => {
                let lines = several.iter().filter_map(|at| known.entries.get(*at));
                let lines: Vec<String> = lines.map(|entry| entry.line.to_string()).collect();
                return Err(failed(format!(
                    "found the certificate '{name}' in several entries, please specify a line number preceded by colons ({})!",
                    lines.join(", ")
                )));
            }
        };
        let users = inner.users_of_default(list);
        let Some(known) = inner.lists.get_mut(list) else {
            return Err(failed(format!("crt-list '{list}' does not exist!")));
        };
        if at == 0 && !users.is_empty() {
            let users = users.join("\n\t- ");
            return Err(failed(format!(
                "certificate '{name}' cannot be deleted, it is used as default certificate by the following frontends:\n\t- {users}"
            )));
        }
        let removed = known.entries.remove(at);
        if let Err(why) = inner.rebuild(Touched::List(list)) {
            if let Some(known) = inner.lists.get_mut(list) {
                known.entries.insert(at, removed);
            }
            return Err(failed(why));
        }
        Ok(format!("Entry '{name}' deleted in crtlist '{list}'!"))
    }
}

impl Inner {
    /// A certificate as a list names it: below the directory of the process, unless it has a place of its own.
    fn named(&self, name: &str, base: Option<&str>) -> String {
        match base {
            Some(base) if !name.starts_with(['/', '@']) && !self.certificates.contains_key(name) => {
                format!("{}/{name}", base.trim_end_matches('/'))
            }
            _ => name.to_owned(),
        }
    }
}

/// Lists are directories sometimes, whose names may end in `/`.
pub(super) fn list_name(name: &str) -> &str {
    let trimmed = name.trim_end_matches('/');
    if trimmed.is_empty() { name } else { trimmed }
}

impl Inner {
    /// The places of the listeners whose default certificate is the first of a list.
    fn users_of_default(&self, list: &str) -> Vec<String> {
        let listeners = self.listeners.iter().map(|listener| &listener.about);
        listeners
            .filter(|about| !about.settings.strict)
            .filter(|about| matches!(about.sources.first(), Some(Source::List(first)) if first == list))
            .map(|about| format!("{}:{}", about.frontend, about.place))
            .collect()
    }
}
