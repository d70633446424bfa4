//! Patterns and maps: what values are compared with, and what they then stand for.
//!
//! A [`List`] holds the entries of a file, or of no file at all. It is loaded once, whoever names it, and matched in
//! as many ways as there are users of it, each through a [`View`]. Exact texts and parts of texts are hashed, prefixes
//! and addresses are in a trie, substrings in an automaton, regular expressions are tried in turn.
//!
//! A list can be changed while threads match with it. Matching takes no lock: it sees the list as it was before a change
//! or as it is after it, and a version that was prepared with [`List::prepare`] appears whole.

mod entries;
mod file;
mod index;
mod list;
mod listed;
mod lists;
mod method;
mod name;
mod output;
mod parse;
mod view;
mod writer;

pub use file::FileFaults;
pub use list::{List, ListChange, ListKind};
pub use listed::{Found, Listed, Target, UpdateError};
pub use lists::Lists;
pub use method::MatchMethod;
pub use name::{ListName, Origin};
pub use output::Output;
pub use view::View;

pub(crate) use lists::{LoadError, inline, view};
pub(crate) use parse::{number, range};
