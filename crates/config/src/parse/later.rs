//! What of a configuration is kept, so that servers and backends can be read while the process runs.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidegate_sample::{Externals, Lists, UserLists};

use super::args::Args;
use super::assemble::Parts;
use super::errors::ErrorSets;
use super::plan::Plan;
use super::proxy::{dynamic_server, section_of};
use super::reader::{Noted, ReaderFiles, Section};
use super::server::check_name;
use super::server_origins::Above;
use crate::diag::{Diagnostic, Diagnostics, Severity};
use crate::model::{CertificateLoad, Global, HttpProto, Mode, Proxy, ProxyKind, Server};
use crate::source::{FileId, Span, Spanned};
use crate::text::{FileReader, Word};

/// What of a configuration is kept, so that servers and backends can be read while the process runs.
#[derive(Debug)]
pub struct Later {
    pub(super) sections: Vec<Section>,
    pub(super) plan: Plan,
    pub(super) global: Global,
    pub(super) userlists: UserLists,
    pub(super) http_errors: ErrorSets,
    pub(super) lists: Arc<Lists>,
    pub(super) certificates: Vec<CertificateLoad>,
    pub(super) origins: Mutex<Above>,
}

impl Later {
    /// Reads the words behind `add server <backend>/<server>`.
    ///
    /// # Errors
    /// What is wrong with them, in a sentence each.
    pub fn server(
        &self,
        (backend, mode): (&str, Mode),
        name: &str,
        words: &[Vec<u8>],
        externals: &dyn Externals,
        reader: &dyn FileReader,
    ) -> Result<Server, Vec<String>> {
        let noted = RefCell::default();
        let parts = self.parts(externals, reader, &noted);
        let mut diagnostics = Diagnostics::default();
        let here = self.plan.names.seen_from(backend);
        let title = Spanned::new(backend.to_owned(), NOWHERE);
        let words: Vec<Word> = [b"server".to_vec(), name.as_bytes().to_vec()]
            .iter()
            .chain(words)
            .map(|bytes| Word::unwritten(bytes, NOWHERE))
            .collect();
        let [keyword, name_word, ..] = words.as_slice() else {
            return Err(Vec::new());
        };
        if words.len() < 3 {
            return Err(vec![String::from(
                "'server' expects <name> and <addr>[:<port>] as arguments.",
            )]);
        }
        let mut args = Args::of_statement(keyword, &words);
        args.next();
        let kind = ProxyKind::Backend;
        let origins = self.lock();
        let mut cx = parts.cx(kind, title, (Some(&here), &origins), &mut diagnostics);
        cx.section = section_of(kind);
        cx.proxy.mode = mode;
        cx.origins = origins.get(backend).cloned().unwrap_or_default();
        if let Err(diagnostic) = dynamic_server(&mut cx, name_word, &mut args) {
            cx.diagnostics.push(*diagnostic);
        }
        let server = cx.proxy.servers.pop();
        let faults = sentences(&diagnostics);
        let unspoken = |server: &Server| mode != Mode::Http && server.proto == Some(HttpProto::Http2);
        match server {
            _ if !faults.is_empty() => Err(faults),
            Some(server) if unspoken(&server) => Err(vec!["MUX protocol is not usable for server.".into()]),
            Some(server) => Ok(server),
            None => Err(vec!["There is no server on the line.".into()]),
        }
    }

    /// A backend that has nothing but what the `defaults` section of a name says, with this mode unless that says one.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence each.
    pub fn backend(
        &self,
        name: &str,
        (from, mode): (&str, Option<Mode>),
        externals: &dyn Externals,
        reader: &dyn FileReader,
    ) -> Result<Proxy, Vec<String>> {
        let word = Word::unwritten(name.as_bytes(), NOWHERE);
        check_name(&word).map_err(|fault| vec![sentence(&fault)])?;
        let mut defaults = self.plan.defaults.iter();
        let defaults = defaults
            .position(|defaults| defaults.name.as_deref() == Some(from))
            .ok_or_else(|| vec![format!("Cannot find default proxy '{from}'.")])?;
        let noted = RefCell::default();
        let parts = self.parts(externals, reader, &noted);
        let mut diagnostics = Diagnostics::default();
        let here = self.plan.names.seen_from_new(name);
        let title = Spanned::new(name.to_owned(), NOWHERE);
        let mut origins = self.lock();
        let made = parts.new_backend(title, (defaults, mode), &here, &origins, &mut diagnostics);
        let faults = sentences(&diagnostics);
        match made {
            _ if !faults.is_empty() => Err(faults),
            None => Err(vec![String::from("Mode is required as an argument.")]),
            Some((proxy, _)) if proxy.mode == Mode::Log => Err(vec![String::from(
                "Dynamic backends only support TCP or HTTP mode.",
            )]),
            Some((proxy, own)) => {
                origins.insert(name.to_owned(), own);
                Ok(proxy)
            }
        }
    }

    /// The `default-server` lines that servers may begin with: the backends, and the names that lines have there.
    pub fn default_servers(&self) -> Vec<(String, bool, Vec<String>)> {
        let origins = self.lock();
        let listed = origins.iter().filter_map(|(backend, origins)| {
            let named: Vec<String> = origins.named.keys().cloned().collect();
            (origins.is_set || !named.is_empty()).then(|| (backend.clone(), origins.is_set, named))
        });
        listed.collect()
    }

    fn lock(&self) -> MutexGuard<'_, Above> {
        self.origins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn parts<'p>(
        &'p self,
        externals: &'p dyn Externals,
        reader: &'p dyn FileReader,
        noted: &'p RefCell<Noted>,
    ) -> Parts<'p> {
        Parts {
            sections: &self.sections,
            plan: &self.plan,
            global: &self.global,
            externals,
            userlists: &self.userlists,
            http_errors: &self.http_errors,
            files: ReaderFiles {
                reader,
                lists: &self.lists,
                certificates: &self.certificates,
                noted,
            },
        }
    }
}

/// What is typed on a socket stands in no file.
const NOWHERE: Span = Span {
    file: FileId::NONE,
    start: 0,
    end: 0,
};

/// Errors as they are told where there is no text to underline.
fn sentences(diagnostics: &Diagnostics) -> Vec<String> {
    let errors = diagnostics
        .iter()
        .filter(|fault| fault.severity == Severity::Error);
    errors.map(sentence).collect()
}

fn sentence(fault: &Diagnostic) -> String {
    let help = fault.help.iter().map(|help| format!("; {help}"));
    let sentence = format!("{}{}", fault.message, help.collect::<String>());
    match sentence.ends_with(['?', '.']) {
        true => sentence,
        false => sentence + ".",
    }
}
