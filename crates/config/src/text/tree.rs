//! The lossless tree: lines of tokens that, put together again, are the file byte by byte.
//!
//! What a token stands for (quotes taken away, variables put in) is decided later, because `setenv` lines
//! change the variables of the lines below them.

use crate::source::{FileId, Span, to_u32};

/// What a run of bytes is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// Spaces, tabs and other blanks between words.
    Blank,
    /// A word with its quotes and backslashes.
    Word,
    /// A `#` and what follows up to the end of the line.
    Comment,
    /// The end of the line: `\n` or `\r\n`.
    LineFeed,
}

/// A run of bytes of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it is.
    pub span: Span,
}

/// One line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its tokens, without a gap between them.
    pub tokens: Vec<Token>,
}

impl Line {
    /// The tokens that are words.
    pub fn words(&self) -> impl Iterator<Item = &Token> {
        self.tokens.iter().filter(|token| token.kind == TokenKind::Word)
    }

    /// The comment at the end of the line, if there is one.
    pub fn comment(&self) -> Option<&Token> {
        self.tokens.iter().find(|token| token.kind == TokenKind::Comment)
    }
}

/// A file as lines of tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// The file.
    pub file: FileId,
    /// Its lines.
    pub lines: Vec<Line>,
}

impl Tree {
    /// Cuts a file into tokens. Every text has a tree; faults such as an open quote are found when words
    /// are decoded.
    pub fn parse(file: FileId, text: &[u8]) -> Tree {
        let mut scanner = Scanner { file, text, at: 0 };
        let mut lines = Vec::new();
        while scanner.at < text.len() {
            lines.push(scanner.line());
        }
        Tree { file, lines }
    }

    /// The file's bytes again, taken from the tokens.
    pub fn print(&self, text: &[u8]) -> Vec<u8> {
        let tokens = self.lines.iter().flat_map(|line| &line.tokens);
        tokens
            .flat_map(|token| {
                text.get(token.span.start as usize..token.span.end as usize)
                    .unwrap_or_default()
                    .iter()
                    .copied()
            })
            .collect()
    }

    /// Whether the last line ends with a line feed, or there is no line at all.
    pub fn is_complete(&self) -> bool {
        let last = self.lines.last().and_then(|line| line.tokens.last());
        last.is_none_or(|token| token.kind == TokenKind::LineFeed)
    }
}

struct Scanner<'t> {
    file: FileId,
    text: &'t [u8],
    at: usize,
}

impl Scanner<'_> {
    fn line(&mut self) -> Line {
        let mut tokens = Vec::new();
        while let Some(byte) = self.peek(0) {
            let start = self.at;
            let kind = if self.is_line_feed() {
                self.at += if byte == b'\r' { 2 } else { 1 };
                TokenKind::LineFeed
            } else if byte == b'#' {
                self.skip_while(|scanner| !scanner.is_line_feed());
                TokenKind::Comment
            } else if is_blank(byte) {
                self.skip_while(|scanner| !scanner.is_line_feed() && scanner.peek(0).is_some_and(is_blank));
                TokenKind::Blank
            } else {
                self.word();
                TokenKind::Word
            };
            let span = Span {
                file: self.file,
                start: to_u32(start),
                end: to_u32(self.at),
            };
            tokens.push(Token { kind, span });
            if kind == TokenKind::LineFeed {
                break;
            }
        }
        Line { tokens }
    }

    /// A word ends at a blank, a comment or the end of the line, unless these are quoted or escaped.
    fn word(&mut self) {
        let mut quote = None;
        while let Some(byte) = self.peek(0) {
            if self.is_line_feed() {
                return;
            }
            match (quote, byte) {
                (None, b'#') => return,
                (None, byte) if is_blank(byte) => return,
                (None, b'\'' | b'"') => quote = Some(byte),
                (Some(open), byte) if open == byte => quote = None,
                (None | Some(b'"'), b'\\') => {
                    self.at += 1;
                    if self.peek(0).is_none() || self.is_line_feed() {
                        return;
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    fn skip_while(&mut self, more: impl Fn(&Self) -> bool) {
        while self.at < self.text.len() && more(self) {
            self.at += 1;
        }
    }

    fn is_line_feed(&self) -> bool {
        match self.peek(0) {
            Some(b'\n') => true,
            Some(b'\r') => self.peek(1) == Some(b'\n'),
            _ => false,
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Sources;

    fn kinds(text: &str) -> Vec<(TokenKind, String)> {
        let mut sources = Sources::default();
        let file = sources.add("t", text.as_bytes().to_vec());
        let tree = Tree::parse(file, text.as_bytes());
        assert_eq!(tree.print(text.as_bytes()), text.as_bytes());
        let tokens = tree.lines.iter().flat_map(|line| &line.tokens);
        tokens
            .filter(|token| token.kind != TokenKind::Blank)
            .map(|token| {
                (
                    token.kind,
                    String::from_utf8_lossy(sources.text(token.span)).into_owned(),
                )
            })
            .collect()
    }

    #[test]
    fn words_keep_quotes_and_escapes() {
        use TokenKind::{Comment, LineFeed, Word};
        let word = |text: &str| (Word, text.to_owned());
        let feed = (LineFeed, "\n".to_owned());
        assert_eq!(
            kinds("a b\\ c \"d #e\"'f \"'g"),
            [word("a"), word("b\\ c"), word("\"d #e\"'f \"'g")]
        );
        assert_eq!(
            kinds("a#b c\nd"),
            [word("a"), (Comment, "#b c".to_owned()), feed.clone(), word("d")]
        );
        assert_eq!(
            kinds("'a\\' b"),
            [word("'a\\'"), word("b")],
            "no escapes between single quotes"
        );
        assert_eq!(kinds("\"a\\\" b\" c"), [word("\"a\\\" b\""), word("c")]);
        assert_eq!(
            kinds("a\\\nb"),
            [word("a\\"), feed, word("b")],
            "a backslash doesn't join lines"
        );
        assert_eq!(
            kinds("a\r\nb"),
            [word("a"), (LineFeed, "\r\n".to_owned()), word("b")]
        );
    }

    #[test]
    fn an_open_quote_ends_with_its_line() {
        let tree_of = |text: &[u8]| {
            let mut sources = Sources::default();
            let file = sources.add("t", text.to_vec());
            Tree::parse(file, text)
        };
        let tree = tree_of(b"a \"b\nc\n");
        assert_eq!(tree.lines.len(), 2);
        assert!(tree.is_complete());
        assert!(!tree_of(b"a\nb").is_complete());
        assert!(tree_of(b"").is_complete());
    }
}
