//! Blocks are written.

use tidegate_sample::head::FieldName;

use super::Pseudo;

/// Writes the blocks of one direction of a connection.
#[derive(Debug, Default)]
pub struct Encoder {}

/// A block that is being written.
#[derive(Debug)]
pub struct Block<'e> {
    encoder: &'e mut Encoder,
    out: &'e mut Vec<u8>,
}

impl Encoder {
    /// An encoder for a peer that keeps 4096 bytes of fields, as each does that hasn't said anything.
    #[must_use]
    pub fn new() -> Encoder {
        Encoder::default()
    }

    /// The peer keeps no more than this (its SETTINGS_HEADER_TABLE_SIZE). The next block says what we make of it.
    pub fn set_table_bytes_max(&mut self, table_bytes_max: usize) {
        _ = table_bytes_max;
        todo!()
    }

    /// Begins a block behind what `out` holds. Blocks have to reach the peer in the order in which they were begun, each whole.
    pub fn block<'e>(&'e mut self, out: &'e mut Vec<u8>) -> Block<'e> {
        Block { encoder: self, out }
    }
}

impl Block<'_> {
    /// Writes a pseudo-header field.
    pub fn pseudo(&mut self, name: Pseudo, value: &[u8]) {
        _ = (&self.encoder, &self.out, name, value);
        todo!()
    }

    /// Writes a field.
    pub fn field(&mut self, name: FieldName<'_>, value: &[u8]) {
        _ = (name, value);
        todo!()
    }
}
