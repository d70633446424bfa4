//! The keywords that begin sections.

use super::keyword::{KeywordDoc, Sections, Status};
use super::log_sections::LogSection;
use super::others::{self, Other};
use crate::diag::closest;
use crate::model::ProxyKind;
use crate::text::Word;

/// A kind of section.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SectionKind {
    Global,
    Defaults,
    Proxy(ProxyKind),
    /// What belongs to log lines.
    Log(LogSection),
    /// One with lines of its own kind.
    Other(&'static Other),
}

/// A keyword that begins a section.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SectionRow {
    pub(crate) name: &'static str,
    pub(crate) kind: SectionKind,
    arguments: &'static str,
    doc: &'static str,
}

const SERVED: [SectionRow; 8] = [
    row(
        "global",
        SectionKind::Global,
        "",
        "what concerns the whole process",
    ),
    row(
        "defaults",
        SectionKind::Defaults,
        "[<name>] [from <defaults>]",
        "settings of the proxies that follow",
    ),
    row(
        "frontend",
        SectionKind::Proxy(ProxyKind::Frontend),
        "<name> [from <defaults>]",
        "accepts connections",
    ),
    row(
        "backend",
        SectionKind::Proxy(ProxyKind::Backend),
        "<name> [from <defaults>]",
        "has servers",
    ),
    row(
        "listen",
        SectionKind::Proxy(ProxyKind::Listen),
        "<name> [from <defaults>]",
        "a frontend and a backend in one",
    ),
    row(
        "ring",
        SectionKind::Log(LogSection::Ring),
        "<name>",
        "keeps the last log lines, and sends them on",
    ),
    row(
        "log-profile",
        SectionKind::Log(LogSection::Profile),
        "<name>",
        "formats of log lines by step",
    ),
    row(
        "log-forward",
        SectionKind::Log(LogSection::Forward),
        "<name>",
        "a relay of others' log lines",
    ),
];

const fn row(
    name: &'static str,
    kind: SectionKind,
    arguments: &'static str,
    doc: &'static str,
) -> SectionRow {
    SectionRow {
        name,
        kind,
        arguments,
        doc,
    }
}

/// All keywords that begin a section.
pub(crate) fn all() -> impl Iterator<Item = SectionRow> {
    let others = others::ALL
        .iter()
        .map(|other| row(other.name, SectionKind::Other(other), other.arguments, other.doc));
    SERVED.into_iter().chain(others)
}

/// The section that a word begins.
pub(crate) fn find(word: &Word) -> Option<SectionRow> {
    all().find(|row| word.is(row.name))
}

/// The section that was probably meant.
pub(crate) fn meant(written: &str) -> Option<SectionRow> {
    let name = closest(written, all().map(|row| row.name))?;
    all().find(|row| row.name == name)
}

/// The sections for reference pages.
pub(crate) fn docs() -> impl Iterator<Item = KeywordDoc> {
    all().map(|row| KeywordDoc {
        after: "section",
        name: row.name,
        sections: Sections::NONE,
        arguments: row.arguments,
        doc: row.doc,
        status: match row.kind {
            SectionKind::Other(other) => other.status,
            _ => Status::Served(()),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_section_of_the_manual_has_a_row() {
        let names: Vec<&str> = all().map(|row| row.name).collect();
        for name in
            "global defaults frontend backend listen userlist resolvers http-errors peers mailers cache ring \
                     log-forward log-profile crt-store program traces fcgi-app acme healthcheck"
                .split_whitespace()
        {
            assert!(names.contains(&name), "{name}");
        }
        assert_eq!(names.len(), 20);
    }
}
