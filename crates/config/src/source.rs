//! The texts that were read, and places in them.

use std::fmt;

/// One of the files of a configuration, in the order in which they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(u32);

impl FileId {
    /// None of them: what is typed stands in no file.
    pub(crate) const NONE: FileId = FileId(u32::MAX);
}

/// A range of bytes of one file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
}

impl Span {
    /// The smallest span that holds both; `self` when they are of different files.
    pub fn to(self, other: Span) -> Span {
        if self.file != other.file {
            return self;
        }
        Span {
            file: self.file,
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }

    /// The empty span right after this one, where something is missing.
    pub fn after(self) -> Span {
        Span {
            file: self.file,
            start: self.end,
            end: self.end,
        }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}..{}", self.file.0, self.start, self.end)
    }
}

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Ties a value to its place.
    pub fn new(value: T, span: Span) -> Spanned<T> {
        Spanned { value, span }
    }
}

impl<T> std::ops::Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// A place as people count it: both numbers start at 1, columns are characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character within the line.
    pub column: usize,
}

/// One file's name and content.
#[derive(Debug)]
pub struct Source {
    name: String,
    text: Vec<u8>,
    line_starts: Vec<u32>,
}

impl Source {
    /// The name by which the file was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file's bytes.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Line and column of a byte.
    pub fn position(&self, offset: u32) -> Position {
        let line = self.line_of(offset);
        let (start, _) = self.line_bounds(line);
        let before = self.text.get(start as usize..offset as usize).unwrap_or_default();
        Position {
            line: line + 1,
            column: String::from_utf8_lossy(before).chars().count() + 1,
        }
    }

    /// Index of the line that holds a byte.
    pub(crate) fn line_of(&self, offset: u32) -> usize {
        self.line_starts
            .partition_point(|start| *start <= offset)
            .saturating_sub(1)
    }

    /// Where a line begins, and where it ends without its line feed or CRLF.
    pub(crate) fn line_bounds(&self, line: usize) -> (u32, u32) {
        let len = to_u32(self.text.len());
        let start = self.line_starts.get(line).copied().unwrap_or(len);
        let next = self.line_starts.get(line + 1);
        let mut end = next.map_or(len, |next| next.saturating_sub(1));
        let ends_with_return = end > start && self.text.get(end as usize - 1) == Some(&b'\r');
        if next.is_some() && ends_with_return {
            end -= 1;
        }
        (start, end.max(start))
    }
}

/// All the files that were read, kept for as long as something may have to be reported.
#[derive(Debug, Default)]
pub struct Sources {
    files: Vec<Source>,
}

impl Sources {
    /// Adds a file. Its text must be shorter than 4 GiB; what is beyond is dropped (readers refuse such files).
    pub fn add(&mut self, name: impl Into<String>, mut text: Vec<u8>) -> FileId {
        text.truncate(u32::MAX as usize);
        let mut line_starts = vec![0];
        line_starts.extend(
            text.iter()
                .enumerate()
                .filter(|(_, byte)| **byte == b'\n')
                .map(|(at, _)| to_u32(at + 1)),
        );
        let id = FileId(to_u32(self.files.len()));
        self.files.push(Source {
            name: name.into(),
            text,
            line_starts,
        });
        id
    }

    /// The file behind an id.
    pub fn get(&self, file: FileId) -> Option<&Source> {
        self.files.get(file.0 as usize)
    }

    /// The files in the order in which they were read.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &Source)> {
        self.files
            .iter()
            .enumerate()
            .map(|(at, source)| (FileId(to_u32(at)), source))
    }

    /// Where a span begins, as `file:line`.
    pub fn place(&self, span: Span) -> String {
        match self.get(span.file) {
            Some(source) => format!("{}:{}", source.name, source.position(span.start).line),
            None => String::from("?"),
        }
    }

    /// The file of a span, as it was named, and its line, from 1.
    pub fn file_and_line(&self, span: Span) -> Option<(&str, u32)> {
        let source = self.get(span.file)?;
        Some((&source.name, to_u32(source.position(span.start).line)))
    }

    /// The bytes of a span.
    pub fn text(&self, span: Span) -> &[u8] {
        self.get(span.file)
            .and_then(|source| source.text.get(span.start as usize..span.end as usize))
            .unwrap_or_default()
    }
}

/// Offsets are 32 bits wide; files are bounded so that they fit.
pub(crate) fn to_u32(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let mut sources = Sources::default();
        let file = sources.add("a.cfg", "ab\né x\n".as_bytes().to_vec());
        let source = sources.get(file).unwrap();
        assert_eq!(source.position(0), Position { line: 1, column: 1 });
        assert_eq!(source.position(3), Position { line: 2, column: 1 });
        assert_eq!(
            source.position(6),
            Position { line: 2, column: 3 },
            "é is two bytes and one character"
        );
        assert_eq!(source.position(8), Position { line: 3, column: 1 });
        assert_eq!(source.line_bounds(1), (3, 7));
        assert_eq!(
            sources.text(Span {
                file,
                start: 6,
                end: 7
            }),
            b"x"
        );
    }
}
