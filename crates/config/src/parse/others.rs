//! The sections beside `global` and those of proxies.
//!
//! Each has a table of the keywords of its lines, and what is wrong in them is reported at its place. What one that is
//! served says is [`Made`] at its end. One that nothing of the data plane serves is refused by its name. It is never
//! skipped: a configuration that relies on one doesn't start, and whoever brings it learns of all mistakes in one run.

mod acme;
mod cache;
mod certificates;
mod fcgi;
mod forms;
mod health;
mod http_errors;
mod logs;
mod mailers;
mod peers;
mod program;
mod resolvers;
mod userlist;

use std::collections::HashMap;

use tidegate_sample::{AclSet, ExternalId, Externals, Files, Place, Scope, UserList};

use super::args::{Args, Parsed};
use super::check_rules::Checks;
use super::elsewhere;
use super::errors::ErrorSet;
use super::keyword::{Found, Keyword, KeywordDoc, Status, look_up};
use super::server::check_name;
use crate::diag::{Diagnostic, Diagnostics, closest, code};
use crate::model::{Cache, CertificateLoad, CheckProgram, Mailers, Peers, Resolvers};
use crate::source::Span;
use crate::text::Word;

/// Takes the arguments of a line in.
type Parse = fn(&mut OtherCx<'_>, &mut Args<'_>) -> Parsed<()>;

/// A section of HAProxy's.
#[derive(Debug)]
pub(crate) struct Other {
    pub(crate) name: &'static str,
    /// What follows it, in the manual's notation.
    pub(crate) arguments: &'static str,
    pub(crate) doc: &'static str,
    /// What is done with it, once its lines are checked.
    pub(crate) status: Status<()>,
    header: Header,
    rows: &'static [Keyword<Parse>],
    /// What the lines must have told together.
    end: fn(&mut OtherCx<'_>),
}

impl Other {
    /// Whether a word is a keyword of the section's lines.
    pub(crate) fn has(&self, word: &Word) -> bool {
        self.rows.iter().any(|row| word.is(row.name))
    }
}

/// The words after a section's keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Header {
    Nothing,
    Name,
    MaybeName,
}

/// The sections.
pub(crate) const ALL: &[&Other] = &[
    &acme::ACME,
    &cache::CACHE,
    &certificates::CRT_STORE,
    &fcgi::FCGI_APP,
    &health::HEALTHCHECK,
    &http_errors::HTTP_ERRORS,
    &mailers::MAILERS,
    &peers::PEERS,
    &program::PROGRAM,
    &resolvers::RESOLVERS,
    &logs::TRACES,
    &userlist::USERLIST,
];

/// The keywords of the lines of sections that are served, for reference pages.
pub(crate) fn rows() -> impl Iterator<Item = KeywordDoc> {
    let served = ALL.iter().filter(|other| other.status == Status::Served(()));
    served.flat_map(|other| other.rows.iter().map(|row| row.doc(other.name)))
}

/// The names that sections of these kinds have so far.
#[derive(Debug, Default)]
pub(crate) struct Others {
    names: HashMap<(&'static str, Vec<u8>), Span>,
}

impl Others {
    /// Takes the line in that begins a section.
    pub(crate) fn begin(
        &mut self,
        other: &'static Other,
        words: &[Word],
        diagnostics: &mut Diagnostics,
    ) -> Open {
        let Some(keyword) = words.first() else {
            return Open::of(other, None);
        };
        if let Some(refusal) = refusal(other, keyword) {
            diagnostics.push(refusal);
        }
        if let Err(diagnostic) = self.header(other, keyword, words) {
            diagnostics.push(*diagnostic);
        }
        let mut open = Open::of(other, Some(keyword.span()));
        if let Some(Ok(name)) = words.get(1).map(Word::text) {
            name.clone_into(&mut open.state.name);
        }
        open
    }

    fn header(&mut self, other: &Other, keyword: &Word, words: &[Word]) -> Parsed<()> {
        let mut args = Args::of_statement(keyword, words);
        let name = match other.header {
            Header::Nothing => None,
            Header::Name => Some(args.expect("a name")?),
            Header::MaybeName => args.next(),
        };
        let (key, place) = match name {
            Some(name) => {
                check_name(name)?;
                (name.bytes().to_vec(), name.span())
            }
            None => (Vec::new(), keyword.span()),
        };
        let named = other.header == Header::Name || name.is_some();
        if named && let Some(first) = self.names.insert((other.name, key), place) {
            let written = name.map(Word::lossy).unwrap_or_default();
            let message = format!(
                "there is another section `{}` of the name `{written}`",
                other.name
            );
            return Err(Box::new(
                Diagnostic::error(code::DUPLICATE_NAME, place, message).related(first, "the first one"),
            ));
        }
        args.end()
    }
}

fn refusal(other: &Other, keyword: &Word) -> Option<Diagnostic> {
    let span = keyword.span();
    match other.status {
        Status::Served(()) => None,
        Status::NoEffect(reason) => {
            let message = format!("section `{}` has no effect", other.name);
            Some(Diagnostic::notice(code::NO_EFFECT, span, message).note(reason))
        }
        Status::LeftOut(reason) => {
            let message = format!("section `{}` is not supported", other.name);
            Some(Diagnostic::error(code::LEFT_OUT, span, message).note(reason))
        }
        Status::NotYet => {
            let message = format!("section `{}` is not supported yet", other.name);
            Some(Diagnostic::error(code::NOT_YET, span, message))
        }
    }
}

/// What a section that is served says.
#[derive(Debug)]
pub(crate) enum Made {
    /// `userlist`.
    UserList(UserList),
    /// `http-errors`.
    HttpErrors(String, ErrorSet),
    /// `healthcheck`, with its name.
    Check(String, CheckProgram),
    /// `resolvers`, with its name.
    Resolvers(String, Resolvers),
    /// `cache`, with its name.
    Cache(String, Cache),
    /// `peers`.
    Peers(Peers),
    /// `mailers`, with its name.
    Mailers(String, Mailers),
    /// `crt-store`.
    Certificates(Vec<CertificateLoad>),
}

/// A section of which lines are being read.
#[derive(Debug)]
pub(crate) struct Open {
    other: &'static Other,
    state: State,
}

/// What the lines of a section told so far.
#[derive(Debug, Default)]
struct State {
    /// The section's keyword.
    keyword: Option<Span>,
    /// The section's name; empty if it has none.
    name: String,
    /// The keywords of lines, also of those with mistakes.
    said: Vec<&'static str>,
    /// Names by what they name: a user, a server.
    names: HashMap<(&'static str, Vec<u8>), Span>,
    /// Names that have to be known at the section's end.
    wanted: Vec<(&'static str, Word)>,
    /// Values that have to fit together.
    numbers: HashMap<&'static str, (u64, Span)>,
    acls: AclSet,
    accounts: userlist::Accounts,
    pages: ErrorSet,
    checks: Checks,
    resolvers: Resolvers,
    cache: cache::Settings,
    mailers: Mailers,
    peers: peers::Told,
    certificates: certificates::Loads,
    /// What the section says, known at its end.
    made: Option<Made>,
}

impl Open {
    fn of(other: &'static Other, keyword: Option<Span>) -> Open {
        let state = State {
            keyword,
            ..State::default()
        };
        Open { other, state }
    }

    /// Whether a word is a keyword of the section's lines.
    pub(crate) fn has(&self, word: &Word) -> bool {
        self.other.has(word)
    }

    /// Takes one line in.
    pub(crate) fn statement(&mut self, words: &[Word], files: &dyn Files, diagnostics: &mut Diagnostics) {
        let Some(keyword) = words.first() else { return };
        let mut args = Args::of_statement(keyword, words);
        let place = format!("in section `{}`", self.other.name);
        self.with(files, diagnostics, |rows, cx| {
            // what is misspelt was said too, so that it isn't also reported as missing
            let names = || rows.iter().map(|row| row.name);
            let exact = names().find(|name| keyword.is(name));
            cx.state
                .said
                .extend(exact.or_else(|| closest(&keyword.lossy(), names())));
            let result = look_up(&[rows], keyword, "", &place)
                .map_err(|diagnostic| elsewhere::known(diagnostic, keyword))
                .and_then(|found| match found {
                    Found::Served(_, parse) => {
                        parse(cx, &mut args)?;
                        args.end()
                    }
                    Found::Nothing(_) => Ok(()),
                });
            if let Err(diagnostic) = result {
                cx.diagnostics.push(*diagnostic);
            }
        });
    }

    /// Checks what can only be checked when all lines are known, and gives what they say.
    pub(crate) fn end(&mut self, files: &dyn Files, diagnostics: &mut Diagnostics) -> Option<Made> {
        let end = self.other.end;
        self.with(files, diagnostics, |_, cx| {
            for (what, word) in std::mem::take(&mut cx.state.wanted) {
                let known = |(kind, name): &(&str, Vec<u8>)| *kind == what && word.bytes() == name;
                if !cx.state.names.keys().any(known) {
                    cx.diagnostics.push(cx.unknown_name(what, &word));
                }
            }
            end(cx);
        });
        self.state.made.take()
    }

    /// What a section that is refused may refuse that isn't wrong is left out.
    fn with(
        &mut self,
        files: &dyn Files,
        diagnostics: &mut Diagnostics,
        work: impl FnOnce(&'static [Keyword<Parse>], &mut OtherCx<'_>),
    ) {
        let mut found = Diagnostics::default();
        let mut cx = OtherCx {
            state: &mut self.state,
            files,
            diagnostics: &mut found,
        };
        work(self.other.rows, &mut cx);
        if !matches!(self.other.status, Status::Served(())) {
            found.retain(|item| !matches!(item.code, code::NOT_YET | code::LEFT_OUT | code::NO_EFFECT));
        }
        diagnostics.append(found);
    }
}

/// What lines of these sections act on.
struct OtherCx<'c> {
    state: &'c mut State,
    files: &'c dyn Files,
    diagnostics: &'c mut Diagnostics,
}

impl<'c> OtherCx<'c> {
    /// Gives a thing of the section a name that no other of its kind may have.
    fn declare(&mut self, what: &'static str, word: &Word) -> Parsed<()> {
        let key = (what, word.bytes().to_vec());
        match self.state.names.get(&key) {
            Some(first) => {
                let message = format!("there is another {what} of the name `{}`", word.lossy());
                Err(Box::new(
                    Diagnostic::error(code::DUPLICATE_NAME, word.span(), message)
                        .related(*first, "the first one"),
                ))
            }
            None => {
                self.state.names.insert(key, word.span());
                Ok(())
            }
        }
    }

    /// The section has to have a line with this keyword.
    fn require(&mut self, line: &str, why: &str) {
        if self.state.said.contains(&line) {
            return;
        }
        let Some(keyword) = self.state.keyword else { return };
        let message = format!("this section has no `{line}` line");
        self.diagnostics
            .push(Diagnostic::error(code::MISSING_ARGUMENT, keyword, message).help(why));
    }

    /// What expressions are parsed against: names of scripts' are known when the proxies are read only.
    fn scope(&self, place: Place) -> Scope<'c> {
        Scope::new(place)
            .with_externals(&AnyScript)
            .with_files(self.files)
    }

    fn unknown_name(&self, what: &str, word: &Word) -> Diagnostic {
        let mut known: Vec<String> = self
            .state
            .names
            .keys()
            .filter(|(kind, _)| *kind == what)
            .map(|(_, name)| String::from_utf8_lossy(name).into_owned())
            .collect();
        known.sort();
        let written = word.lossy();
        let message = format!("there is no {what} `{written}` in this section");
        Diagnostic::error(code::BAD_ARGUMENT, word.span(), message)
            .suggest(&written, known.iter().map(String::as_str))
    }
}

/// Takes every name that begins with `lua.` for one that a script will register.
struct AnyScript;

impl Externals for AnyScript {
    fn fetch(&self, name: &str) -> Option<ExternalId> {
        name.starts_with("lua.").then_some(ExternalId(0))
    }

    fn converter(&self, name: &str) -> Option<ExternalId> {
        self.fetch(name)
    }

    fn fetch_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn converter_names(&self) -> Vec<String> {
        Vec::new()
    }
}
