//! The bytes of a sample: short ones inline, long ones shared, never copied without need.

use crate::head::FieldValue;
use bytes::Bytes;
use http::uri::PathAndQuery;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Deref, Range};

/// Bytes up to this length live inside the value.
const INLINE_MAX: usize = 46;

/// Immutable bytes that are cheap to clone and to slice.
///
/// Short contents are stored inline. Long ones share the buffer that they came from: a head as it
/// was received or a request's path, so that fetching a header allocates nothing whatever its length.
#[derive(Clone)]
pub struct Data(Repr);

#[derive(Clone)]
enum Repr {
    Inline {
        len: u8,
        buf: [u8; INLINE_MAX],
    },
    Shared(Bytes),
    Path {
        value: PathAndQuery,
        start: u32,
        end: u32,
    },
}

impl Data {
    /// No bytes at all.
    pub const EMPTY: Data = Data(Repr::Inline {
        len: 0,
        buf: [0; INLINE_MAX],
    });

    /// Copies `bytes`; allocates only past the inline length.
    #[must_use]
    pub fn copy(bytes: &[u8]) -> Data {
        Data::inline(bytes).unwrap_or_else(|| Data(Repr::Shared(Bytes::copy_from_slice(bytes))))
    }

    /// The part `range` of bytes that others share too. Out of bounds gives what there is.
    #[must_use]
    pub fn shared(bytes: &Bytes, range: Range<usize>) -> Data {
        let part = slice_of(bytes, &range);
        Data::inline(part).unwrap_or_else(|| Data(Repr::Shared(bytes.slice_ref(part))))
    }

    /// What `text` displays; does not allocate if that is short.
    #[must_use]
    pub fn format(text: fmt::Arguments<'_>) -> Data {
        let mut writer = Writer {
            len: 0,
            buf: [0; INLINE_MAX],
            spilled: None,
        };
        // Writing to memory does not fail.
        let _ = fmt::write(&mut writer, text);
        match writer.spilled {
            Some(text) => text.into(),
            None => Data(Repr::Inline {
                len: writer.len,
                buf: writer.buf,
            }),
        }
    }

    /// The part `range` of a field's value. Out of bounds gives what there is.
    #[must_use]
    pub fn field(value: FieldValue<'_>, range: Range<usize>) -> Data {
        let part = slice_of(value.as_bytes(), &range);
        match value.part_of() {
            Some(bytes) if part.len() > INLINE_MAX => Data(Repr::Shared(bytes.slice_ref(part))),
            _ => Data::copy(part),
        }
    }

    /// The part `range` of a request's path and query. Out of bounds gives what there is.
    #[must_use]
    pub fn path(value: &PathAndQuery, range: Range<usize>) -> Data {
        let bytes = slice_of(value.as_str().as_bytes(), &range);
        if let Some(data) = Data::inline(bytes) {
            return data;
        }
        match (u32::try_from(range.start), u32::try_from(range.end)) {
            (Ok(start), Ok(end)) => Data(Repr::Path {
                value: value.clone(),
                start,
                end,
            }),
            _ => Data::copy(bytes),
        }
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, buf } => slice_of(buf, &(0..usize::from(*len))),
            Repr::Shared(bytes) => bytes,
            Repr::Path { value, start, end } => {
                slice_of(value.as_str().as_bytes(), &(*start as usize..*end as usize))
            }
        }
    }

    /// The part `range` of these bytes, sharing them. Out of bounds gives what there is.
    #[must_use]
    pub fn slice(&self, range: Range<usize>) -> Data {
        let len = self.len();
        let end = range.end.min(len);
        let start = range.start.min(end);
        if start == 0 && end == len {
            return self.clone();
        }
        if let Some(data) = Data::inline(slice_of(self, &(start..end))) {
            return data;
        }
        match &self.0 {
            Repr::Inline { .. } => Data::copy(slice_of(self, &(start..end))),
            Repr::Shared(bytes) => Data(Repr::Shared(bytes.slice(start..end))),
            Repr::Path {
                value, start: base, ..
            } => Data::path(value, *base as usize + start..*base as usize + end),
        }
    }

    /// These bytes, shared if they are a part of this data and copied if not: what a parser that works on slices found.
    #[must_use]
    pub(crate) fn part(&self, bytes: &[u8]) -> Data {
        let start = bytes.as_ptr().addr().wrapping_sub(self.as_ptr().addr());
        let end = start.wrapping_add(bytes.len());
        match self.get(start..end) {
            Some(same) if std::ptr::eq(same, bytes) => self.slice(start..end),
            _ => Data::copy(bytes),
        }
    }

    /// The bytes as [`Bytes`], for whoever needs that type; copies unless they are one already.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Repr::Shared(bytes) => bytes,
            _ => Bytes::copy_from_slice(&self),
        }
    }

    /// The same bytes in a buffer of their own, for whoever keeps them longer than the request lives: a slice
    /// of a header keeps the whole buffer that was read.
    #[must_use]
    pub fn detached(self) -> Data {
        match self.0 {
            Repr::Inline { .. } => self,
            _ => Data(Repr::Shared(Bytes::copy_from_slice(&self))),
        }
    }

    /// Applies `change` to each byte, in place where nobody else holds the bytes.
    #[must_use]
    pub(crate) fn map_bytes(mut self, change: impl Fn(u8) -> u8) -> Data {
        if let Repr::Inline { len, buf } = &mut self.0 {
            buf.iter_mut()
                .take(usize::from(*len))
                .for_each(|byte| *byte = change(*byte));
            return self;
        }
        if self.iter().all(|byte| change(*byte) == *byte) {
            return self;
        }
        let owned: Vec<u8> = match self.0 {
            Repr::Shared(bytes) => match bytes.try_into_mut() {
                Ok(mut unique) => {
                    unique.iter_mut().for_each(|byte| *byte = change(*byte));
                    return Data(Repr::Shared(unique.freeze()));
                }
                Err(bytes) => bytes.iter().map(|byte| change(*byte)).collect(),
            },
            _ => self.iter().map(|byte| change(*byte)).collect(),
        };
        Data::from(owned)
    }

    fn inline(bytes: &[u8]) -> Option<Data> {
        let mut buf = [0; INLINE_MAX];
        buf.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Data(Repr::Inline {
            len: bytes.len() as u8,
            buf,
        }))
    }
}

/// Collects formatted text, on the heap only once it is too long to be inline.
struct Writer {
    len: u8,
    buf: [u8; INLINE_MAX],
    spilled: Option<String>,
}

impl fmt::Write for Writer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if let Some(spilled) = &mut self.spilled {
            spilled.push_str(text);
            return Ok(());
        }
        let start = usize::from(self.len);
        match self.buf.get_mut(start..start + text.len()) {
            Some(room) => {
                room.copy_from_slice(text.as_bytes());
                self.len += text.len() as u8;
            }
            None => {
                let so_far = self.buf.get(..start).unwrap_or_default();
                let mut spilled = String::from_utf8_lossy(so_far).into_owned();
                spilled.push_str(text);
                self.spilled = Some(spilled);
            }
        }
        Ok(())
    }
}

fn slice_of<'a>(bytes: &'a [u8], range: &Range<usize>) -> &'a [u8] {
    bytes
        .get(range.start..range.end.min(bytes.len()))
        .unwrap_or_default()
}

impl Deref for Data {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl AsRef<[u8]> for Data {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl From<Bytes> for Data {
    fn from(bytes: Bytes) -> Data {
        Data::inline(&bytes).unwrap_or(Data(Repr::Shared(bytes)))
    }
}

impl From<Vec<u8>> for Data {
    fn from(bytes: Vec<u8>) -> Data {
        Data::inline(&bytes).unwrap_or_else(|| Data(Repr::Shared(bytes.into())))
    }
}

impl From<String> for Data {
    fn from(text: String) -> Data {
        text.into_bytes().into()
    }
}

impl From<&[u8]> for Data {
    fn from(bytes: &[u8]) -> Data {
        Data::copy(bytes)
    }
}

impl From<&str> for Data {
    fn from(text: &str) -> Data {
        Data::copy(text.as_bytes())
    }
}

impl From<FieldValue<'_>> for Data {
    fn from(value: FieldValue<'_>) -> Data {
        Data::field(value, 0..value.len())
    }
}

impl Default for Data {
    fn default() -> Data {
        Data::EMPTY
    }
}

impl PartialEq for Data {
    fn eq(&self, other: &Data) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Data {}

impl Hash for Data {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_slice().escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::{AsName, Headers};

    const LONG: &str = "/a/path/that/is/clearly/longer/than/what/fits/inline?and=a&query=too";

    fn received() -> Headers {
        let bytes = Bytes::from_static(LONG.as_bytes());
        let mut headers = Headers::within(bytes.clone(), 1);
        headers.found("x".as_name(), &bytes);
        headers
    }

    #[test]
    fn every_representation_reads_and_slices_the_same() {
        let head = received();
        let path = PathAndQuery::from_static(LONG);
        let forms = [
            Data::copy(LONG.as_bytes()),
            Data::from(LONG.to_string()),
            Data::from(head.get("x").unwrap()),
            Data::path(&path, 0..LONG.len()),
        ];
        for data in &forms {
            assert_eq!(data.as_slice(), LONG.as_bytes());
            for (start, end) in [(0, 5), (3, 66), (1, LONG.len()), (2, 999), (900, 999), (7, 3)] {
                let want = LONG
                    .as_bytes()
                    .get(start..end.min(LONG.len()))
                    .unwrap_or_default();
                assert_eq!(data.slice(start..end).as_slice(), want, "{start}..{end}");
                let again = data.slice(1..60).slice(start..end);
                let want = LONG.as_bytes()[1..60].get(start..end.min(59)).unwrap_or_default();
                assert_eq!(again.as_slice(), want, "1..60 then {start}..{end}");
            }
        }
    }

    #[test]
    fn a_long_header_value_is_shared_and_not_copied() {
        let head = received();
        let value = head.get("x").unwrap();
        let data = Data::from(value);
        assert!(std::ptr::eq(data.as_slice().as_ptr(), value.as_bytes().as_ptr()));
        assert!(std::ptr::eq(data.slice(1..60).as_ptr(), &value.as_bytes()[1]));
    }

    #[test]
    fn a_part_is_shared_and_anything_else_is_copied() {
        let data = Data::from(LONG.to_string());
        let part = data.part(&data[2..60]);
        assert_eq!(part, data.slice(2..60));
        assert!(std::ptr::eq(part.as_ptr(), &data[2]));
        let other = LONG.to_string();
        assert_eq!(data.part(other.as_bytes()), data);
        assert_eq!(data.part(&[]), Data::EMPTY);
    }

    #[test]
    fn detached_bytes_leave_the_buffer_that_they_came_from() {
        let head = received();
        let data = Data::from(head.get("x").unwrap()).slice(1..60);
        let detached = data.clone().detached();
        assert_eq!(detached, data);
        assert!(!std::ptr::eq(detached.as_ptr(), data.as_ptr()));
    }

    #[test]
    fn a_value_is_a_cache_line_at_most() {
        assert!(size_of::<crate::Value>() <= 64, "{}", size_of::<crate::Value>());
    }

    #[test]
    fn mapping_leaves_other_holders_alone() {
        let first = Data::from(LONG.to_uppercase());
        let second = first.clone();
        assert_eq!(first.map_bytes(|b| b.to_ascii_lowercase()), Data::from(LONG));
        assert_eq!(second, Data::from(LONG.to_uppercase()));
    }
}
