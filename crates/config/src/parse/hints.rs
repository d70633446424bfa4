//! What environment variables have to do with a fault: one that isn't set, or that was written where none is replaced.

use crate::diag::{Diagnostics, Severity, code};
use crate::source::{Sources, Span};
use crate::text::{Environment, TokenKind, Tree};

/// Adds to errors in words that refer to variables.
pub(crate) fn variables(
    diagnostics: &mut Diagnostics,
    sources: &Sources,
    trees: &[Tree],
    environment: &Environment,
) {
    let may_depend = [
        code::FILE_UNREADABLE,
        code::UNKNOWN_KEYWORD,
        code::BAD_ARGUMENT,
        code::BAD_NUMBER,
        code::BAD_ADDRESS,
        code::BAD_NAME,
        code::UNKNOWN_BACKEND,
        code::UNKNOWN_DEFAULTS,
    ];
    for item in diagnostics.iter_mut() {
        let Some(label) = &item.primary else { continue };
        if item.severity != Severity::Error || !may_depend.contains(&item.code) {
            continue;
        }
        let word = word_at(label.span, trees).map(|span| sources.text(span));
        for reference in word.map(references).unwrap_or_default() {
            let name = &reference.name;
            // Addresses refer to them with and without quotes.
            if !reference.is_replaced && item.code != code::BAD_ADDRESS {
                item.help.push(format!(
                    "variables are replaced between double quotes only: `\"${{{name}}}\"`"
                ));
            } else if !reference.has_default && environment.get(name.as_bytes()).is_none() {
                item.notes
                    .push(format!("the environment variable `{name}` is not set"));
            }
        }
    }
}

fn word_at(span: Span, trees: &[Tree]) -> Option<Span> {
    let tree = trees.iter().find(|tree| tree.file == span.file)?;
    let tokens = tree.lines.iter().flat_map(|line| &line.tokens);
    let mut words = tokens
        .filter(|token| token.kind == TokenKind::Word)
        .map(|token| token.span);
    words.find(|word| word.start <= span.start && span.end <= word.end)
}

struct Reference {
    name: String,
    /// Between double quotes.
    is_replaced: bool,
    has_default: bool,
}

/// The variables that a word names, as it is written.
fn references(word: &[u8]) -> Vec<Reference> {
    let text = String::from_utf8_lossy(word);
    let mut found = Vec::new();
    if is_hash(&text) {
        return found;
    }
    let mut quote = None;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None | Some('"'), '\\') => drop(rest.next()),
            (_, '$') => found.extend(reference(rest.as_str(), quote == Some('"'))),
            _ => {}
        }
    }
    found
}

/// Whether a word is a hash of a password, which has dollar signs of its own.
fn is_hash(text: &str) -> bool {
    let kind = text.trim_start_matches('\'').strip_prefix('$');
    kind.and_then(|kind| kind.split_once('$'))
        .is_some_and(|(kind, _)| (1..=2).contains(&kind.len()))
}

/// What stands behind a dollar sign.
fn reference(text: &str, is_replaced: bool) -> Option<Reference> {
    let braced = text.strip_prefix('{');
    let text = braced.unwrap_or(text);
    let end = text
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    let (name, behind) = text.split_at_checked(end)?;
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    Some(Reference {
        name: name.to_owned(),
        is_replaced,
        has_default: braced.is_some() && behind.trim_start_matches("[*]").starts_with('-'),
    })
}
