//! HPACK (RFC 7541): how fields are written in heads and trailers.
//!
//! A [`Decoder`] belongs to one direction of a connection, and so does an [`Encoder`]; both have to see every block of it, in
//! order, since each remembers fields that later blocks refer to.
//!
//! Names come out as what they are known as, and are known from then on: of a field that a block refers to, neither the name is looked for
//! again nor is it looked at again whether name and value may be what they are.

mod decoder;
mod encoder;
mod field;
mod huffman;
mod kind;
mod reader;
mod seen;
mod standard;
mod table;

/// What an entry takes beside its name and its value (RFC 7541, section 4.1).
const ENTRY_BYTES: usize = 32;

/// What each side keeps until it was told otherwise (RFC 9113, section 6.5.2).
const TABLE_BYTES: usize = 4096;

pub use decoder::{CompressionError, Decoder};
pub use encoder::{Block, Encoder};
pub(crate) use field::is_without_controls;
pub use field::{Field, Name, Pseudo, Then};
