//! Blocks are read.

use super::{Field, Then};

/// Reads the blocks of one direction of a connection.
#[derive(Debug)]
pub struct Decoder {}

/// A block is not what RFC 7541 says, or asks for more than was offered. What the peer means by later blocks is unknown: the
/// connection ends, as a COMPRESSION_ERROR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompressionError;

impl Decoder {
    /// A decoder for a peer that was told to keep fields of so many bytes at the most (SETTINGS_HEADER_TABLE_SIZE, which is
    /// 4096 if nothing was said).
    #[must_use]
    pub fn new(table_bytes_max: usize) -> Decoder {
        _ = table_bytes_max;
        todo!()
    }

    /// The peer acknowledged another SETTINGS_HEADER_TABLE_SIZE.
    pub fn set_table_bytes_max(&mut self, table_bytes_max: usize) {
        _ = table_bytes_max;
        todo!()
    }

    /// Reads a whole block. Each field is given to `take` once its text is written behind what `text` holds; a field has two
    /// bytes of text for each of the block at the most, or what the table has of it.
    ///
    /// # Errors
    /// The block can't be understood. Fields before the fault have been given away.
    pub fn decode(
        &mut self,
        block: &[u8],
        text: &mut Vec<u8>,
        take: impl FnMut(Field<'_>) -> Then,
    ) -> Result<(), CompressionError> {
        _ = (block, text, take);
        todo!()
    }
}
