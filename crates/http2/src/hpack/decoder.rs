//! Blocks are read.

use super::field::is_fit;
use super::kind::Kind;
use super::reader::Reader;
use super::table::{Stored, Table};
use super::{Field, Then, huffman, standard};

/// Reads the blocks of one direction of a connection.
#[derive(Debug)]
pub struct Decoder {
    table: Table,
    /// What the peer may make of the table.
    table_bytes_max: usize,
}

/// A block is not what RFC 7541 says, or asks for more than was offered. What the peer means by later blocks is unknown: the
/// connection ends, as a COMPRESSION_ERROR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompressionError;

impl Decoder {
    /// A decoder for a peer that was told to keep fields of so many bytes at the most (SETTINGS_HEADER_TABLE_SIZE, which is
    /// 4096 if nothing was said).
    #[must_use]
    pub fn new(table_bytes_max: usize) -> Decoder {
        Decoder {
            table: Table::new(table_bytes_max),
            table_bytes_max,
        }
    }

    /// The peer acknowledged another SETTINGS_HEADER_TABLE_SIZE. If it is less than what the peer uses, the next block has to say so.
    pub fn set_table_bytes_max(&mut self, table_bytes_max: usize) {
        self.table_bytes_max = table_bytes_max;
    }

    /// Reads a whole block. Each field is given to `take`, which says what becomes of its text; what stays of all is behind what `text`
    /// held. While it is read, text takes less than twice the block and some bytes beside what was kept.
    ///
    /// # Errors
    /// The block can't be understood. Fields before the fault have been given away.
    pub fn decode(
        &mut self,
        block: &[u8],
        text: &mut Vec<u8>,
        mut take: impl FnMut(Field<'_>) -> Then,
    ) -> Result<(), CompressionError> {
        let mut block = Reader(block);
        self.begin(&mut block)?;
        let mut text = Text::behind(text, huffman::room_for(block.0.len()));
        let mut is_wanted = true;
        while let Some(first) = block.byte() {
            text.kept = text.len;
            let start = text.len;
            let then = if first & 0x80 != 0 {
                let stored = self.stored(block.integer(first, 7)?)?;
                if !is_wanted {
                    continue;
                }
                let then = take(stored.field(start + stored.name.len()));
                if then == Then::Keep {
                    text.push(stored.name);
                    text.push(stored.value);
                }
                then
            } else {
                let is_stored = first & 0x40 != 0;
                if !is_stored && first & 0x20 != 0 {
                    // A change of the table's size, which has its place before all fields.
                    return Err(CompressionError);
                }
                let index = block.integer(first, if is_stored { 6 } else { 4 })?;
                let kind = self.name(index, &mut block, &mut text)?;
                let value_at = text.len;
                let is_plain = text.string(&mut block)?;
                let (name, value) = text.since(start, value_at);
                let is_fit = is_fit(value, is_plain);
                let stored = Stored {
                    kind,
                    name,
                    value,
                    is_fit,
                };
                if is_stored {
                    self.table.insert(stored);
                }
                let then = if is_wanted {
                    take(stored.field(value_at))
                } else {
                    Then::Stop
                };
                if then != Then::Keep {
                    text.len = start;
                }
                then
            };
            is_wanted &= then != Then::Stop;
        }
        text.kept = text.len;
        Ok(())
    }

    #[inline]
    fn begin(&mut self, block: &mut Reader<'_>) -> Result<(), CompressionError> {
        let is_usual = !matches!(block.0, [0x20..0x40, ..]) && self.table.bytes_max() <= self.table_bytes_max;
        if is_usual {
            Ok(())
        } else {
            self.resize_table(block)
        }
    }

    /// A block may begin with what the peer makes of its table, and has to if that was made smaller.
    fn resize_table(&mut self, block: &mut Reader<'_>) -> Result<(), CompressionError> {
        while let [first @ 0x20..0x40, rest @ ..] = block.0 {
            block.0 = rest;
            let bytes_max = block.integer(*first, 5)?;
            if bytes_max > self.table_bytes_max {
                return Err(CompressionError);
            }
            self.table.resize(bytes_max);
        }
        if self.table.bytes_max() > self.table_bytes_max {
            return Err(CompressionError);
        }
        Ok(())
    }

    /// The field with an index: one of the standard's, or one that was stored.
    fn stored(&self, index: usize) -> Result<Stored<'_>, CompressionError> {
        if let Some(age) = index.checked_sub(standard::LEN + 1) {
            return self.table.entry(age).ok_or(CompressionError);
        }
        let field = standard::field(index).ok_or(CompressionError)?;
        Ok(Stored {
            kind: field.kind,
            name: &[],
            value: field.value.as_bytes(),
            is_fit: true,
        })
    }

    /// The name of a field that isn't stored as a whole, with its text if it has one.
    fn name(
        &self,
        index: usize,
        block: &mut Reader<'_>,
        text: &mut Text<'_>,
    ) -> Result<Kind, CompressionError> {
        if index > 0 {
            let stored = self.stored(index)?;
            text.push(stored.name);
            return Ok(stored.kind);
        }
        let start = text.len;
        text.string(block)?;
        let kind = Kind::of(text.since(start, start).1);
        if !kind.has_text() {
            text.len = start;
        }
        Ok(kind)
    }
}

impl Stored<'_> {
    fn field(&self, value_at: usize) -> Field<'_> {
        Field {
            name: self.kind.name(self.name),
            value: self.value,
            is_fit: self.is_fit,
            value_at,
        }
    }
}

/// Text, and room for more of it.
struct Text<'t> {
    bytes: &'t mut Vec<u8>,
    len: usize,
    /// What stays, whatever comes next.
    kept: usize,
}

impl<'t> Text<'t> {
    /// Behind what is there, with so much room at first.
    fn behind(bytes: &'t mut Vec<u8>, room: usize) -> Text<'t> {
        let len = bytes.len();
        bytes.resize(len + room, 0);
        Text {
            bytes,
            len,
            kept: len,
        }
    }

    /// Room for so many bytes.
    fn room(&mut self, bytes: usize) -> &mut [u8] {
        let end = self.len + bytes;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes.get_mut(self.len..end).unwrap_or_default()
    }

    fn push(&mut self, text: &[u8]) {
        if !text.is_empty() {
            self.room(text.len()).copy_from_slice(text);
            self.len += text.len();
        }
    }

    /// Adds a string. Returns whether it is known to have no control characters.
    fn string(&mut self, block: &mut Reader<'_>) -> Result<bool, CompressionError> {
        let (string, is_coded) = block.string()?;
        if !is_coded {
            self.push(string);
            return Ok(false);
        }
        let decoded = huffman::decode(string, self.room(huffman::room_for(string.len())))?;
        self.len += decoded.len;
        Ok(decoded.is_plain)
    }

    /// What was added since a place, in two parts.
    fn since(&self, start: usize, middle: usize) -> (&[u8], &[u8]) {
        let text = self.bytes.get(start..self.len).unwrap_or_default();
        text.split_at_checked(middle - start).unwrap_or_default()
    }
}

impl Drop for Text<'_> {
    fn drop(&mut self) {
        self.bytes.truncate(self.kept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hpack::Name;

    /// What a block comes to: names and values, and the text that is kept.
    fn decoded(
        decoder: &mut Decoder,
        block: &[u8],
        then: impl Fn(usize) -> Then,
    ) -> Result<(Vec<String>, String), CompressionError> {
        let mut text = b"before:".to_vec();
        let mut fields = Vec::new();
        decoder.decode(block, &mut text, |field| {
            let name = field.name.as_bytes().escape_ascii();
            fields.push(format!("{name}={}", field.value.escape_ascii()));
            then(fields.len())
        })?;
        Ok((fields, String::from_utf8(text).unwrap()))
    }

    fn kept(decoder: &mut Decoder, block: &[u8]) -> Result<(Vec<String>, String), CompressionError> {
        decoded(decoder, block, |_| Then::Keep)
    }

    /// `x: abc` stored, `host: h` not, the whole of `:path: /`, and the stored one again.
    const BLOCK: &[u8] = b"\x40\x01x\x03abc\x0f\x17\x01h\x84\xbe";

    #[test]
    fn text_is_where_fields_say() {
        let mut decoder = Decoder::new(4096);
        let mut text = b"before:".to_vec();
        let mut places = Vec::new();
        { decoder }
            .decode(BLOCK, &mut text, |field| {
                let has_text = matches!(field.name, Name::Field(name) if name.known().is_none());
                let name_at = field.value_at - if has_text { field.name.as_bytes().len() } else { 0 };
                places.push((name_at, field.value_at, field.value_at + field.value.len()));
                assert!(field.is_fit);
                Then::Keep
            })
            .unwrap();
        let [x, host, path, again] = places[..] else {
            panic!("{places:?}")
        };
        let part = |from, to| std::str::from_utf8(&text[from..to]).unwrap();
        assert_eq!((part(x.0, x.1), part(x.1, x.2)), ("x", "abc"));
        assert_eq!((part(host.0, host.1), part(host.1, host.2)), ("", "h"));
        assert_eq!((part(path.0, path.1), part(path.1, path.2)), ("", "/"));
        assert_eq!((part(again.0, again.1), part(again.1, again.2)), ("x", "abc"));
        assert_eq!(text, b"before:xabch/xabc");
    }

    #[test]
    fn text_that_is_not_wanted_goes_and_the_table_stays() {
        let all = ["x=abc", "host=h", ":path=/", "x=abc"];
        let mut decoder = Decoder::new(4096);
        let (fields, text) = decoded(&mut decoder, BLOCK, |_| Then::Forget).unwrap();
        assert_eq!((&fields[..], &*text), (&all.map(String::from)[..], "before:"));
        let mut decoder = Decoder::new(4096);
        for stop in [1, 2] {
            let then = |n| if n < stop { Then::Keep } else { Then::Stop };
            let (fields, text) = decoded(&mut decoder, BLOCK, then).unwrap();
            assert_eq!(fields, all[..stop]);
            assert_eq!(text, ["before:", "before:xabc"][stop - 1]);
        }
        assert_eq!(kept(&mut decoder, b"\xbf").unwrap().1, "before:xabc");
    }

    #[test]
    fn what_is_no_block_is_an_error() {
        for bad in [
            // an index of nothing, of no one's, of one that isn't stored
            &b"\x80"[..],
            b"\xbe",
            b"\xff\xff\xff\xff\x7f",
            b"\x7f\x00\x01a",
            // lengths beyond the block and beyond all bounds
            b"\x00\x01a\x02b",
            b"\x00\x01",
            b"\x00",
            b"\x00\x7f\xff\xff\xff\xff\xff\x0f",
            b"\xff\x80\x80\x80\x80\x80\x00",
            // a code that doesn't end as codes do, and one that isn't allowed
            b"\x00\x81\x18\x01a",
            b"\x00\x01a\x84\xff\xff\xff\xff",
        ] {
            assert_eq!(
                kept(&mut Decoder::new(4096), bad),
                Err(CompressionError),
                "{bad:x?}"
            );
            let stopped = decoded(&mut Decoder::new(4096), &[b"\x82", bad].concat(), |_| Then::Stop);
            assert_eq!(stopped, Err(CompressionError), "{bad:x?}");
            // Nothing stays of what isn't a whole field.
            let mut text = b"before:".to_vec();
            _ = Decoder::new(4096).decode(&[b"\x00\x01x\x01y", bad].concat(), &mut text, |_| Then::Keep);
            assert_eq!(text, b"before:xy");
        }
    }

    #[test]
    fn the_size_of_the_table_changes_before_all_fields_and_within_bounds() {
        let mut decoder = Decoder::new(100);
        kept(&mut decoder, b"\x40\x01x\x03abc").unwrap();
        assert_eq!(kept(&mut decoder, b"\xbe").unwrap().0, ["x=abc"]);
        assert_eq!(
            kept(&mut decoder, b"\x20\x3f\x45\x82").unwrap().0,
            [":method=GET"]
        );
        assert_eq!(kept(&mut decoder, b"\xbe"), Err(CompressionError));
        assert_eq!(kept(&mut decoder, b"\x82\x20"), Err(CompressionError));
        assert_eq!(kept(&mut decoder, b"\x3f\x46"), Err(CompressionError));
        assert!(kept(&mut decoder, b"").is_ok());
        // Less was offered: the peer has to say that it knows.
        decoder.set_table_bytes_max(50);
        assert_eq!(kept(&mut decoder, b"\x82"), Err(CompressionError));
        assert_eq!(kept(&mut decoder, b"\x3f\x14\x82"), Err(CompressionError));
        assert_eq!(kept(&mut decoder, b"\x3f\x13\x82").unwrap().0, [":method=GET"]);
        // More was offered, which the peer may leave unused.
        decoder.set_table_bytes_max(200);
        assert!(kept(&mut decoder, b"\x82").is_ok());
        assert_eq!(
            kept(&mut decoder, b"\x3f\xa9\x01\x82").unwrap().0,
            [":method=GET"]
        );
        assert_eq!(kept(&mut decoder, b"\x3f\xaa\x01\x82"), Err(CompressionError));
    }

    #[test]
    fn a_field_may_be_named_by_the_entry_that_goes_for_it() {
        let mut decoder = Decoder::new(40);
        kept(&mut decoder, b"\x40\x01x\x03abc").unwrap();
        let (fields, text) = kept(&mut decoder, b"\x7e\x04defg\xbe").unwrap();
        assert_eq!(
            (fields, &*text),
            (vec!["x=defg".to_owned(); 2], "before:xdefgxdefg")
        );
    }

    #[test]
    fn what_is_no_name_or_no_value_is_told_and_remembered() {
        let block = b"\x40\x01X\x01a\x40\x01x\x02b\n\x40\x02:x\x01a\xbe\xbf\xc0";
        let mut told = Vec::new();
        let result = Decoder::new(4096).decode(block, &mut Vec::new(), |field| {
            told.push((matches!(field.name, Name::Invalid(_)), field.is_fit));
            Then::Keep
        });
        assert_eq!(result, Ok(()));
        let once = [(true, true), (false, false), (true, true)];
        assert_eq!(told[..3], once);
        assert_eq!(told[3..], [once[2], once[1], once[0]]);
    }
}
