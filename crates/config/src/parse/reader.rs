//! Reading files: words, conditional blocks, sections, and the `global` section at once.
//!
//! The `global` section is read first because scripts are loaded by it, and what scripts register (fetches,
//! converters) is part of the language in which the proxies are written.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use tidegate_sample::vars::{VarName, VarScope};
use tidegate_sample::{Files, Lists, UserLists, logformat};

use super::args::Args;
use super::blocks::Blocks;
use super::errors::ErrorSets;
use super::global::{self, GlobalCx};
use super::keyword::KeywordDoc;
use super::others::{Made, Open, Others};
use super::sections::{self, SectionKind, SectionRow};
use crate::cond::Facts;
use crate::diag::{Diagnostic, Diagnostics, code};
use crate::model::{Cache, CertificateLoad, CheckProgram, DefaultPath, Global, Mailers, Peers, Resolvers};
use crate::resolve;
use crate::source::{FileId, Source, Sources, Spanned};
use crate::text::{Environment, FileReader, Surroundings, TokenKind, Tree, Word, decode_line, read_paths};

/// What the configuration is read with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The environment variables.
    pub environment: Environment,
    /// The version of HAProxy's language that is spoken, for `version_atleast` and `version_before`.
    pub version: String,
    /// Names for `feature(NAME)`.
    pub features: Vec<String>,
    /// The name of this machine among its peers, for `HAPROXY_LOCALPEER`.
    pub local_name: String,
    /// Whether the command line gave it (`-L`), so that `localpeer` does not.
    pub local_name_is_given: bool,
    /// Whether `.diag` messages are shown, as with `-dD`.
    pub diagnostic: bool,
    /// Lines of a `global` section that come after those of all files: what flags of the command line stand for.
    pub last_lines: Vec<&'static str>,
}

/// Where those lines are said to be.
const COMMAND_LINE: &str = "<command line>";

impl Default for Options {
    /// No variables, the language of HAProxy 3.4, and the features that this project has.
    fn default() -> Options {
        Options {
            environment: Environment::new(),
            version: String::from("3.4.0"),
            features: [
                "LINUX_SPLICE",
                "LUA",
                "OPENSSL",
                "PCRE2",
                "PROMEX",
                "THREAD",
                "TPROXY",
                "ZLIB",
            ]
            .map(String::from)
            .to_vec(),
            local_name: String::from("localhost"),
            local_name_is_given: false,
            diagnostic: false,
            last_lines: Vec::new(),
        }
    }
}

/// A configuration whose texts have been read and whose `global` section is known.
#[derive(Debug)]
pub struct Draft {
    pub(crate) sources: Sources,
    pub(crate) trees: Vec<Tree>,
    pub(crate) diagnostics: Diagnostics,
    pub(crate) global: Global,
    pub(crate) environment: Environment,
    pub(crate) sections: Vec<Section>,
    pub(crate) others: Others,
    pub(crate) lists: Arc<Lists>,
    pub(crate) userlists: UserLists,
    pub(crate) http_errors: ErrorSets,
    pub(crate) checks: BTreeMap<String, CheckProgram>,
    pub(crate) resolvers: BTreeMap<String, Resolvers>,
    /// The `cache` sections, by their names.
    pub(crate) caches: BTreeMap<String, Cache>,
    pub(crate) mailers: BTreeMap<String, Mailers>,
    pub(crate) peers: Vec<Peers>,
    /// The command line gave the name of this process among its peers.
    local_name_is_given: bool,
    pub(crate) certificates: Vec<CertificateLoad>,
    pub(crate) noted: Rc<RefCell<Noted>>,
    /// Where relative paths began, if `default-path` has them begin elsewhere.
    started_in: Option<PathBuf>,
}

impl Draft {
    /// Reads files and directories in their order.
    pub fn read(paths: &[PathBuf], reader: &dyn FileReader, options: Options) -> Draft {
        let mut sources = Sources::default();
        let mut diagnostics = Diagnostics::default();
        let files = read_paths(paths, reader, &mut sources, &mut diagnostics);
        let mut environment = options.environment.clone();
        predefined(&mut environment, &options, &sources);
        let mut draft = Draft {
            sources,
            trees: Vec::new(),
            diagnostics,
            global: Global::default(),
            environment,
            sections: Vec::new(),
            others: Others::default(),
            lists: Arc::default(),
            userlists: UserLists::default(),
            http_errors: ErrorSets::default(),
            checks: BTreeMap::new(),
            resolvers: BTreeMap::new(),
            caches: BTreeMap::new(),
            mailers: BTreeMap::new(),
            peers: Vec::new(),
            local_name_is_given: options.local_name_is_given,
            certificates: Vec::new(),
            noted: Rc::default(),
            started_in: None,
        };
        let lists = Arc::clone(&draft.lists);
        let noted = Rc::clone(&draft.noted);
        let files_for_samples = ReaderFiles {
            reader,
            lists: &lists,
            certificates: &[],
            noted: &noted,
        };
        for file in files {
            draft.file(file, &options, &files_for_samples);
        }
        if !options.last_lines.is_empty() {
            let text = format!("global\n    {}\n", options.last_lines.join("\n    "));
            let file = draft.sources.add(COMMAND_LINE, text.into_bytes());
            draft.file(file, &options, &files_for_samples);
        }
        draft
    }

    /// The `global` sections, put together. Faults may have left things out: see [`Draft::diagnostics`].
    pub fn global(&self) -> &Global {
        &self.global
    }

    /// The faults so far.
    pub fn diagnostics(&self) -> &Diagnostics {
        &self.diagnostics
    }

    /// Adds a fault, such as that of a script that can't be loaded.
    pub fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Adds the fault of a script that can't be loaded; `load` is where the configuration names it.
    pub fn report_script(
        &mut self,
        load: Option<&Spanned<PathBuf>>,
        message: &str,
        detail: Option<&str>,
        reader: &dyn FileReader,
    ) {
        let fault = resolve::script_fault(load, message, detail, &mut self.sources, reader);
        self.diagnostics.push(fault);
    }

    /// The lists of patterns and maps that are read so far; reading the proxies adds theirs.
    pub fn lists(&self) -> &Arc<Lists> {
        &self.lists
    }

    /// The `resolvers` sections, by their names.
    pub fn resolvers(&self) -> &BTreeMap<String, Resolvers> {
        &self.resolvers
    }

    /// The `userlist` sections.
    pub fn userlists(&self) -> &UserLists {
        &self.userlists
    }

    /// The texts.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The environment after the lines of the `global` section.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The files as trees of tokens that lose nothing.
    pub fn trees(&self) -> &[Tree] {
        &self.trees
    }

    fn file(&mut self, file: FileId, options: &Options, files: &ReaderFiles<'_>) {
        let text = self
            .sources
            .get(file)
            .map(|source| source.text())
            .unwrap_or_default();
        let tree = Tree::parse(file, text);
        let mut blocks = Blocks::default();
        let mut current = Current::None;
        for (at, line) in tree.lines.iter().enumerate() {
            let around = Surroundings {
                environment: &self.environment,
                file: self
                    .sources
                    .get(file)
                    .map(|source| source.name())
                    .unwrap_or_default(),
                line: at + 1,
                section: current.name(),
            };
            let words = decode_line(line, &self.sources, &around, &mut self.diagnostics);
            let Some(words) = words else { continue };
            let Some(first) = words.first() else { continue };
            if first.bytes().starts_with(b".") {
                let facts = Facts {
                    environment: &self.environment,
                    version: &options.version,
                    features: &options.features,
                    diagnostic: options.diagnostic,
                };
                blocks.directive(&words, &facts, &mut self.diagnostics);
            } else if blocks.active() {
                self.line(words, &mut current, files);
            }
        }
        self.end(&mut current, files);
        blocks.end_of_file(&mut self.diagnostics);
        let cut_off = tree.lines.last().and_then(|line| line.tokens.last());
        if let Some(last) =
            cut_off.filter(|token| !matches!(token.kind, TokenKind::LineFeed | TokenKind::Blank))
        {
            // HAProxy refuses such a file too
            let message = "the last line has no line feed; the file may be cut off";
            self.diagnostics
                .push(Diagnostic::error(code::TRUNCATED, last.span.after(), message));
        }
        self.trees.push(tree);
    }

    fn line(&mut self, words: Vec<Word>, current: &mut Current, files: &ReaderFiles<'_>) {
        let Some(first) = words.first() else { return };
        if let Some(row) = self.section_start(first, current) {
            self.end(current, files);
            *current = self.begin(row, words);
            return;
        }
        match current {
            Current::None => {
                let message = format!("`{}` stands outside any section", first.lossy());
                let names = sections::all().map(|row| row.name);
                self.diagnostics.push(
                    Diagnostic::error(code::UNKNOWN_SECTION, first.span(), message)
                        .suggest(&first.lossy(), names)
                        .help("begin a section first, such as `global`, `defaults` or `frontend <name>`"),
                );
                // once is enough for all the lines up to the next section
                *current = Current::Nowhere;
            }
            Current::Nowhere => {}
            Current::Global => {
                let mut cx = GlobalCx {
                    global: &mut self.global,
                    environment: &mut self.environment,
                    files,
                    local_name_is_given: self.local_name_is_given,
                    after_peers: !self.peers.is_empty(),
                    diagnostics: &mut self.diagnostics,
                };
                global::statement(&mut cx, &words);
                if let Some(policy) = self.global.process.default_path.take()
                    && let Err(fault) = self.begin_paths(&policy, files.reader)
                {
                    self.diagnostics.push(*fault);
                }
            }
            Current::Proxies(_) => {
                if let Some(section) = self.sections.last_mut() {
                    section.statements.push(words);
                }
            }
            Current::Other(open, _) => open.statement(&words, files, &mut self.diagnostics),
        }
    }

    /// `default-path`: relative paths begin elsewhere from now on.
    fn begin_paths(
        &mut self,
        policy: &Spanned<DefaultPath>,
        reader: &dyn FileReader,
    ) -> Result<(), Box<Diagnostic>> {
        let of_file = |source: &Source| {
            let parent = Path::new(source.name()).parent();
            parent.map_or_else(PathBuf::new, Path::to_path_buf)
        };
        let own = self
            .sources
            .get(policy.span.file)
            .map(of_file)
            .unwrap_or_default();
        let others = self.sources.iter().any(|(_, source)| of_file(source) != own);
        let fault = |message: String| Diagnostic::error(code::BAD_ARGUMENT, policy.span, message);
        let wanted = match &policy.value {
            DefaultPath::Current => PathBuf::new(),
            DefaultPath::Config | DefaultPath::Parent if others => {
                let message = "the files of the configuration are in several directories".to_owned();
                return Err(Box::new(
                    fault(message)
                        .note("relative paths begin in one place for all of them")
                        .help("name it: `default-path origin <path>`"),
                ));
            }
            DefaultPath::Config => own,
            DefaultPath::Parent => own.join(".."),
            DefaultPath::Origin(path) => path.clone(),
        };
        let entered = match &self.started_in {
            Some(start) => Ok(start.clone()),
            None => reader.here(),
        }
        .and_then(|start| {
            let whole = start.join(&wanted);
            self.started_in = Some(start);
            reader.enter(&whole)
        });
        entered.map_err(|why| Box::new(fault(format!("cannot go to `{}`: {why}", wanted.display()))))
    }

    /// Which section a word begins, if it begins one. A misspelt one at the very beginning of a line is reported and
    /// taken for what was meant, so that its lines are checked too.
    fn section_start(&mut self, word: &Word, current: &Current) -> Option<SectionRow> {
        if let Some(row) = sections::find(word) {
            return Some(row);
        }
        let source = self.sources.get(word.span().file)?;
        let indented = source.position(word.span().start).column > 1;
        if indented || is_keyword(word, current) {
            return None;
        }
        let meant = sections::meant(&word.lossy())?;
        let message = format!("unknown section `{}`", word.lossy());
        self.diagnostics.push(
            Diagnostic::error(code::UNKNOWN_SECTION, word.span(), message)
                .help(format!("did you mean `{}`?", meant.name)),
        );
        Some(meant)
    }

    fn begin(&mut self, row: SectionRow, words: Vec<Word>) -> Current {
        let Some(keyword) = words.first() else {
            return Current::None;
        };
        // the name of the section, or else its keyword
        let name = words.get(1).unwrap_or(keyword).lossy().into_owned();
        match row.kind {
            SectionKind::Global => {
                let args = Args::of_statement(keyword, &words);
                if let Err(diagnostic) = args.end() {
                    self.diagnostics.push(*diagnostic);
                }
                Current::Global
            }
            SectionKind::Other(other) => {
                let open = self.others.begin(other, &words, &mut self.diagnostics);
                Current::Other(Box::new(open), name)
            }
            SectionKind::Defaults | SectionKind::Proxy(_) | SectionKind::Log(_) => {
                self.sections.push(Section {
                    kind: row.kind,
                    header: words,
                    statements: Vec::new(),
                });
                Current::Proxies(name)
            }
        }
    }

    /// A section ends where another begins, and at the end of a file.
    fn end(&mut self, current: &mut Current, files: &dyn Files) {
        if let Current::Other(open, _) = current {
            match open.end(files, &mut self.diagnostics) {
                Some(Made::UserList(list)) => self.userlists.add(list),
                Some(Made::HttpErrors(name, pages)) => {
                    self.http_errors.insert(name, pages);
                }
                Some(Made::Resolvers(name, section)) => {
                    self.resolvers.insert(name, section);
                }
                Some(Made::Cache(name, cache)) => {
                    self.caches.insert(name, cache);
                }
                Some(Made::Peers(peers)) => self.peers.push(peers),
                Some(Made::Mailers(name, mailers)) => {
                    self.mailers.insert(name, mailers);
                }
                Some(Made::Certificates(loads)) => self.certificates.extend(loads),
                Some(Made::Check(name, program)) => {
                    self.checks.insert(name, program);
                }
                None => {}
            }
        }
    }
}

/// The variables that every configuration has.
fn predefined(environment: &mut Environment, options: &Options, sources: &Sources) {
    let files: Vec<&str> = sources.iter().map(|(_, source)| source.name()).collect();
    let branch: Vec<&str> = options.version.split('.').take(2).collect();
    environment.set("HAPROXY_BRANCH", branch.join("."));
    environment.set("HAPROXY_CFGFILES", files.join(";"));
    environment.set("HAPROXY_LOCALPEER", options.local_name.as_str());
    environment.set("HAPROXY_STARTUP_VERSION", options.version.as_str());
    for (name, format) in logformat::PREDEFINED {
        environment.set(name, format);
    }
}

fn is_keyword(word: &Word, current: &Current) -> bool {
    let known = |row: KeywordDoc| row.after.is_empty() && word.is(row.name);
    match current {
        Current::Global => global::rows().any(known),
        Current::Proxies(_) => super::proxy::rows().any(known) || super::log_sections::has(word),
        Current::Other(open, _) => open.has(word),
        Current::None | Current::Nowhere => false,
    }
}

/// The section that lines belong to, with its name.
#[derive(Debug)]
enum Current {
    None,
    Global,
    /// The last of the sections that are kept.
    Proxies(String),
    /// One whose lines are checked at once.
    Other(Box<Open>, String),
    /// No section, which was said already.
    Nowhere,
}

impl Current {
    /// What `.SECTION` stands for.
    fn name(&self) -> &str {
        match self {
            Current::Global => "global",
            Current::Proxies(name) | Current::Other(_, name) => name,
            Current::None | Current::Nowhere => "",
        }
    }
}

/// A section's words.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) kind: SectionKind,
    /// The line that begins it.
    pub(crate) header: Vec<Word>,
    /// The lines in it.
    pub(crate) statements: Vec<Vec<Word>>,
}

/// Lets expressions read files by way of the configuration's reader.
#[derive(Clone, Copy)]
pub(crate) struct ReaderFiles<'r> {
    pub(crate) reader: &'r dyn FileReader,
    pub(crate) lists: &'r Lists,
    /// The names of what `crt-store` sections load.
    pub(crate) certificates: &'r [CertificateLoad],
    /// What expressions turn out to need.
    pub(crate) noted: &'r RefCell<Noted>,
}

/// What is known only when all expressions are read.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    /// The files of certificates that they name, and no section loads.
    pub(crate) token_certificates: BTreeSet<String>,
    /// The variables of the process.
    pub(crate) variables: HashSet<VarName>,
}

impl Files for ReaderFiles<'_> {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.reader.read(Path::new(path))
    }

    fn address_of(&self, host: &str) -> io::Result<IpAddr> {
        self.reader.address_of(host)
    }

    fn has_certificate(&self, name: &str) -> bool {
        self.certificates.iter().any(|load| load.name.value == name)
    }

    fn want_certificate(&self, path: &str) -> bool {
        self.noted.borrow_mut().token_certificates.insert(path.to_owned());
        true
    }

    fn names_variable(&self, name: &VarName) {
        if name.scope() == VarScope::Proc {
            self.noted.borrow_mut().variables.insert(name.clone());
        }
    }

    fn lists(&self) -> Option<&Lists> {
        Some(self.lists)
    }
}
