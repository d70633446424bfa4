//! From text to the model.

mod address;
mod args;
mod assemble;
mod bind;
mod blocks;
mod check;
mod global;
mod http;
mod keyword;
mod log;
mod names;
mod order;
mod others;
mod proxy;
mod reader;
mod rules;
mod sampled;
mod sections;
mod server;

pub use assemble::Loaded;
pub use blocks::evaluate_flag;
pub use keyword::{KeywordDoc, Sections, Status};
pub use reader::{Draft, Options};

/// All keywords with their documentation: for reference pages, listings and editors.
pub fn keyword_docs() -> Vec<KeywordDoc> {
    sections::docs()
        .chain(global::rows())
        .chain(proxy::rows())
        .chain(bind::rows())
        .chain(server::rows())
        .chain(rules::rows())
        .collect()
}
