//! Tables of keywords: each row is a keyword's name, place, arguments, documentation, and what is done with it.

use super::args::Parsed;
use crate::diag::{Diagnostic, code};
use crate::text::Word;

/// Which sections a keyword may be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sections(u8);

impl Sections {
    /// Not in the sections that this type counts: a section's own keyword, or a line of a section that is refused.
    pub const NONE: Sections = Sections(0);
    /// `global`.
    pub const GLOBAL: Sections = Sections(1);
    /// `defaults`.
    pub const DEFAULTS: Sections = Sections(2);
    /// `frontend`.
    pub const FRONTEND: Sections = Sections(4);
    /// `listen`.
    pub const LISTEN: Sections = Sections(8);
    /// `backend`.
    pub const BACKEND: Sections = Sections(16);
    /// All proxies and `defaults`.
    pub const PROXIES: Sections = Sections(2 | 4 | 8 | 16);
    /// What accepts connections, and `defaults`.
    pub const FRONTENDS: Sections = Sections(2 | 4 | 8);
    /// What has servers, and `defaults`.
    pub const BACKENDS: Sections = Sections(2 | 8 | 16);

    /// Those of either.
    pub const fn or(self, other: Sections) -> Sections {
        Sections(self.0 | other.0)
    }

    /// Those of both.
    pub const fn and(self, other: Sections) -> Sections {
        Sections(self.0 & other.0)
    }

    /// Those of this one that aren't of the other.
    pub const fn without(self, other: Sections) -> Sections {
        Sections(self.0 & !other.0)
    }

    /// Whether a section is among them.
    pub const fn has(self, other: Sections) -> bool {
        self.0 & other.0 == other.0
    }

    /// The sections' keywords.
    pub fn names(self) -> Vec<&'static str> {
        [
            (Sections::GLOBAL, "global"),
            (Sections::DEFAULTS, "defaults"),
            (Sections::FRONTEND, "frontend"),
            (Sections::LISTEN, "listen"),
            (Sections::BACKEND, "backend"),
        ]
        .into_iter()
        .filter(|(section, _)| self.has(*section))
        .map(|(_, name)| name)
        .collect()
    }
}

/// What is done with a keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status<F> {
    /// It works.
    Served(F),
    /// It is HAProxy's, and will work in a later version. Until then it is refused.
    NotYet,
    /// It is HAProxy's, and is left out on purpose, for this reason. It is refused.
    LeftOut(&'static str),
    /// It is HAProxy's and there is nothing for it to do here; accepted, with a notice that says why.
    NoEffect(&'static str),
}

/// One keyword.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keyword<F> {
    /// The word.
    pub name: &'static str,
    /// Where it may be used.
    pub sections: Sections,
    /// What follows it, in the manual's notation.
    pub arguments: &'static str,
    /// What it does, in a line.
    pub doc: &'static str,
    /// What is done with it.
    pub status: Status<F>,
}

/// A keyword as reference pages need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeywordDoc {
    /// What it follows: nothing for a statement's first word, `bind`, `server`, `option`, `timeout`,
    /// or the name of a set of rules.
    pub after: &'static str,
    /// The word.
    pub name: &'static str,
    /// Where it may be used.
    pub sections: Sections,
    /// What follows it, in the manual's notation.
    pub arguments: &'static str,
    /// What it does, in a line.
    pub doc: &'static str,
    /// What is done with it.
    pub status: Status<()>,
}

impl<F> Keyword<F> {
    /// The row without what only the parser needs.
    pub(crate) fn doc(&self, after: &'static str) -> KeywordDoc {
        let status = match self.status {
            Status::Served(_) => Status::Served(()),
            Status::NotYet => Status::NotYet,
            Status::LeftOut(reason) => Status::LeftOut(reason),
            Status::NoEffect(reason) => Status::NoEffect(reason),
        };
        let Keyword {
            name,
            sections,
            arguments,
            doc,
            ..
        } = *self;
        KeywordDoc {
            after,
            name,
            sections,
            arguments,
            doc,
            status,
        }
    }
}

/// A row of a keyword that works.
pub(crate) const fn served<F>(
    name: &'static str,
    sections: Sections,
    arguments: &'static str,
    doc: &'static str,
    parse: F,
) -> Keyword<F> {
    Keyword {
        name,
        sections,
        arguments,
        doc,
        status: Status::Served(parse),
    }
}

/// A row of a keyword that is left out on purpose.
pub(crate) const fn left_out<F>(name: &'static str, sections: Sections, reason: &'static str) -> Keyword<F> {
    Keyword {
        name,
        sections,
        arguments: "",
        doc: "",
        status: Status::LeftOut(reason),
    }
}

/// A row of a keyword that has nothing to do here.
pub(crate) const fn no_effect<F>(name: &'static str, sections: Sections, reason: &'static str) -> Keyword<F> {
    Keyword {
        name,
        sections,
        arguments: "",
        doc: "",
        status: Status::NoEffect(reason),
    }
}

/// What looking a word up gives.
pub(crate) enum Found<'t, F> {
    /// A keyword that works.
    Served(&'t Keyword<F>, &'t F),
    /// A keyword without effect; the notice says why.
    Nothing(Box<Diagnostic>),
}

/// Looks a word up. `prefix` is what it follows (`option `), `place` the end of "unknown keyword `x` …".
pub(crate) fn look_up<'t, F>(
    tables: &[&'t [Keyword<F>]],
    word: &Word,
    prefix: &str,
    place: &str,
) -> Parsed<Found<'t, F>> {
    let rows = || tables.iter().flat_map(|table| table.iter());
    let Some(row) = rows().find(|row| word.is(row.name)) else {
        return Err(Box::new(unknown(word, prefix, place, rows().map(|row| row.name))));
    };
    match &row.status {
        Status::Served(parse) => Ok(Found::Served(row, parse)),
        Status::NoEffect(reason) => {
            let message = format!("`{prefix}{}` has no effect", row.name);
            Ok(Found::Nothing(Box::new(
                Diagnostic::notice(code::NO_EFFECT, word.span(), message).note(*reason),
            )))
        }
        Status::NotYet => Err(Box::new(unsupported(word, prefix))),
        Status::LeftOut(reason) => {
            let message = format!("`{prefix}{}` is not supported", row.name);
            Err(Box::new(
                Diagnostic::error(code::LEFT_OUT, word.span(), message).note(*reason),
            ))
        }
    }
}

/// "Unknown keyword", with the nearest known one.
pub(crate) fn unknown<'n>(
    word: &Word,
    prefix: &str,
    place: &str,
    names: impl IntoIterator<Item = &'n str>,
) -> Diagnostic {
    let written = word.lossy();
    let what = if prefix.is_empty() {
        "keyword"
    } else {
        prefix.trim_end()
    };
    let message = if prefix.is_empty() {
        format!("unknown keyword `{written}` {place}")
    } else {
        format!("unknown keyword `{written}` after `{what}` {place}")
    };
    Diagnostic::error(code::UNKNOWN_KEYWORD, word.span(), message.trim_end().to_owned())
        .suggest(&written, names)
}

/// "Not supported yet".
pub(crate) fn unsupported(word: &Word, prefix: &str) -> Diagnostic {
    let message = format!("`{prefix}{}` is not supported yet", word.lossy());
    Diagnostic::error(code::NOT_YET, word.span(), message)
}
