//! The names of proxies, known before any of their lines is read.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tidegate_sample::stick::Tables;
use tidegate_sample::{Proxies, Side};

use super::args::Parsed;
use crate::diag::{Diagnostic, code};
use crate::model::{ProxyId, ProxyKind};
use crate::source::{Span, Spanned};
use crate::text::Word;

/// The names of proxies.
#[derive(Debug, Default)]
pub(crate) struct ProxyNames {
    frontends: HashMap<String, (ProxyId, Span)>,
    backends: HashMap<String, (ProxyId, Span)>,
    /// The servers of each backend.
    servers: HashMap<String, Vec<String>>,
    /// The servers that expressions name, with their backends.
    needed_servers: Mutex<BTreeSet<(String, String)>>,
    /// The backends that expressions name.
    needed_backends: Mutex<BTreeSet<String>>,
    pub(crate) tables: Tables,
    /// Where each table is declared.
    pub(crate) table_spans: HashMap<String, Span>,
    /// The tables that others are written to.
    pub(crate) write_to: Vec<(String, Spanned<String>)>,
    /// The `peers` sections that tables are shared with.
    pub(crate) shared_with: Vec<Spanned<String>>,
}

/// The names as expressions in the section of one proxy see them.
pub(crate) struct Here<'n> {
    names: &'n ProxyNames,
    current: &'n str,
    /// It came while the process runs: it isn't among the names.
    is_new: bool,
}

impl Proxies for Here<'_> {
    fn current(&self) -> Option<&str> {
        Some(self.current)
    }

    fn names(&self, side: Side) -> Vec<&str> {
        let names = match side {
            Side::Frontend => &self.names.frontends,
            Side::Backend => &self.names.backends,
        };
        let new = (self.is_new && matches!(side, Side::Backend)).then_some(self.current);
        names.keys().map(String::as_str).chain(new).collect()
    }

    fn servers(&self, backend: &str) -> Vec<String> {
        self.names.servers.get(backend).cloned().unwrap_or_default()
    }

    fn needs_server(&self, backend: &str, name: &str) {
        let needed = (backend.to_owned(), name.to_owned());
        lock(&self.names.needed_servers).insert(needed);
    }

    fn needs_backend(&self, name: &str) {
        lock(&self.names.needed_backends).insert(name.to_owned());
    }

    fn tables(&self) -> Option<&Tables> {
        Some(&self.names.tables)
    }
}

impl ProxyNames {
    /// What expressions in the section of this proxy may name.
    pub(crate) fn seen_from<'n>(&'n self, current: &'n str) -> Here<'n> {
        Here {
            names: self,
            current,
            is_new: false,
        }
    }

    /// The same for a backend that comes while the process runs.
    pub(crate) fn seen_from_new<'n>(&'n self, current: &'n str) -> Here<'n> {
        Here {
            is_new: true,
            ..self.seen_from(current)
        }
    }

    /// Whether an expression names a server.
    pub(crate) fn is_server_needed(&self, backend: &str, name: &str) -> bool {
        let needed = lock(&self.needed_servers);
        needed.iter().any(|(of, own)| of == backend && own == name)
    }

    /// Whether an expression names a backend.
    pub(crate) fn is_backend_needed(&self, name: &str) -> bool {
        lock(&self.needed_backends).contains(name)
    }

    /// Adds the server of a `server` line.
    pub(crate) fn add_server(&mut self, backend: &str, line: &[Word]) {
        if let [keyword, name, ..] = line
            && keyword.is("server")
            && let Ok(name) = name.text()
        {
            let servers = self.servers.entry(backend.to_owned()).or_default();
            servers.push(name.to_owned());
        }
    }

    /// Adds a proxy; gives the place of one of the same name on the same side.
    pub(crate) fn add(&mut self, kind: ProxyKind, name: &str, id: ProxyId, span: Span) -> Option<Span> {
        let mut taken = None;
        for (applies, side) in [
            (kind.is_frontend(), &mut self.frontends),
            (kind.is_backend(), &mut self.backends),
        ] {
            if applies {
                match side.get(name) {
                    Some((_, first)) => taken = Some(*first),
                    None => drop(side.insert(name.to_owned(), (id, span))),
                }
            }
        }
        taken
    }

    /// The backend that a word names.
    pub(crate) fn backend(&self, word: &Word) -> Parsed<ProxyId> {
        let name = word.text()?;
        if let Some((id, _)) = self.backends.get(name) {
            return Ok(*id);
        }
        let mut diagnostic = Diagnostic::error(
            code::UNKNOWN_BACKEND,
            word.span(),
            format!("there is no backend `{name}`"),
        );
        if let Some((_, span)) = self.frontends.get(name) {
            diagnostic = diagnostic.related(*span, "this is a frontend");
        }
        let mut names: Vec<&str> = self.backends.keys().map(String::as_str).collect();
        names.sort_unstable();
        Err(Box::new(diagnostic.suggest(name, names)))
    }
}

fn lock<T>(set: &Mutex<T>) -> MutexGuard<'_, T> {
    set.lock().unwrap_or_else(PoisonError::into_inner)
}
