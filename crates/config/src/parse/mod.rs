//! From text to the model.

mod address;
mod args;
mod assemble;
mod bind;
mod blocks;
mod capture;
mod certificates;
mod check;
mod check_rules;
mod elsewhere;
mod errors;
mod global;
mod hints;
mod http;
mod keyword;
mod later;
mod log;
mod log_forward;
mod log_sections;
mod mails;
mod names;
mod naming;
mod order;
mod others;
mod pattern_files;
mod plan;
mod proxy;
mod reader;
mod rules;
mod sampled;
mod sections;
mod server;
mod server_origins;
mod server_outgoing;
mod shared_rules;
mod stick;
mod tls;

pub use assemble::Loaded;
pub use blocks::evaluate_flag;
pub use certificates::certificate_line;
pub use keyword::{KeywordDoc, Sections, Status};
pub use later::Later;
pub use reader::{Draft, Options};

use crate::text::Word;

/// All keywords with their documentation: for reference pages, listings and editors.
pub fn keyword_docs() -> Vec<KeywordDoc> {
    keyword_rows().collect()
}

/// The same, one after the other.
fn keyword_rows() -> impl Iterator<Item = KeywordDoc> {
    sections::docs()
        .chain(global::rows())
        .chain(proxy::rows())
        .chain(bind::rows())
        .chain(server::rows())
        .chain(rules::rows())
        .chain(log_sections::rows())
        .chain(others::rows())
}

/// Whether a word begins a section.
pub(crate) fn is_section(word: &Word) -> bool {
    sections::find(word).is_some()
}

/// Whether a word is probably a section that is misspelt.
pub(crate) fn meant_section(written: &str) -> bool {
    sections::meant(written).is_some()
}

/// Whether a word is a keyword of the lines of some section.
pub(crate) fn is_any_keyword(word: &Word) -> bool {
    let known = |row: KeywordDoc| row.after.is_empty() && word.is(row.name);
    global::rows().any(known)
        || proxy::rows().any(known)
        || log_sections::has(word)
        || others::ALL.iter().any(|other| other.has(word))
}
