//! The text of a configuration: a tree that loses nothing, and the words it stands for.

mod decode;
mod environment;
mod files;
mod tree;
mod word;

pub use environment::Environment;
pub(crate) use environment::Surroundings;
pub use files::{DiskFiles, FileReader, MemoryFiles, read_paths};
pub use tree::{Line, Token, TokenKind, Tree};
pub use word::Word;

pub(crate) use decode::decode_line;
pub(crate) use decode::decode_text;
