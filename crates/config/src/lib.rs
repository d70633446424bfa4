//! HAProxy's configuration language: text, a lossless tree, a typed model, and diagnostics.
//!
//! Reading goes in two steps, because scripts take part in the language: [`Draft::read`] reads all texts and the
//! `global` section; the program then loads the scripts that it names, and [`Draft::finish`] reads the proxies with
//! the fetches and converters that the scripts registered.
//!
//! ```
//! use tidegate_config::{Draft, MemoryFiles, Options, Style};
//! use tidegate_sample::NoExternals;
//!
//! let files = MemoryFiles::default().with("site.cfg", "\
//! defaults
//!   mode http
//!   timeout client 30s
//!   timeout server 30s
//!   timeout connect 5s
//! listen web
//!   bind :8080
//!   server one 192.0.2.1:80
//! ");
//! let draft = Draft::read(&["site.cfg".into()], &files, Options::default());
//! let loaded = draft.finish(&NoExternals, &files);
//! assert!(loaded.diagnostics.is_empty(), "{}", loaded.diagnostics.render(&loaded.sources, Style::Plain));
//! let config = loaded.config.ok_or("a configuration without errors has a model")?;
//! assert_eq!(config.proxies[0].servers.len(), 1);
//! # Ok::<(), &str>(())
//! ```

mod cond;
mod diag;
pub mod example;
mod format;
pub mod model;
mod parse;
mod resolve;
mod source;
mod text;
mod units;

pub use cond::{CondFault, Facts, PREDICATES, evaluate};
pub use diag::{CODES, Code, Diagnostic, Diagnostics, Label, Page, Severity, Style, closest, code, render};
pub use format::format;
pub use model::Config;
pub use parse::{
    Draft, KeywordDoc, Later, Loaded, Options, Sections, Status, certificate_line, evaluate_flag,
    keyword_docs,
};
pub use resolve::{Registered, unknown_lua_name};
pub use source::{FileId, Position, Source, Sources, Span, Spanned};
pub use text::{
    DiskFiles, Environment, FileReader, Line, MemoryFiles, Token, TokenKind, Tree, Word, read_paths,
};
pub use units::{TIME_MAX, TimeUnit, UnitFault, parse_integer, parse_size, parse_time};
