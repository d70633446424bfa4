//! A configuration in its usual layout: what `tidegate fmt` prints.
//!
//! Words stay as they are written, quotes and backslashes included; only what is between them changes. Sections
//! stand at the beginning of a line, their lines four spaces further right, and one empty line stands between two
//! sections. What the configuration means doesn't change.

mod layout;

use crate::diag::{Diagnostic, code};
use crate::source::{FileId, Sources, Span, to_u32};
use crate::text::{TokenKind, Tree};
use layout::{Placed, place};

/// What a step to the right is.
const STEP: &[u8] = b"    ";

/// A file in its usual layout. Faults in what the lines say don't matter. Line feeds are those of the first line,
/// also at the end of the file.
///
/// # Errors
/// The text holds a NUL byte: it is no configuration, and its lines aren't lines.
pub fn format(file: FileId, sources: &Sources) -> Result<Vec<u8>, Box<Diagnostic>> {
    let Some(source) = sources.get(file) else {
        return Ok(Vec::new());
    };
    if let Some(at) = source.text().iter().position(|byte| *byte == 0) {
        let span = Span {
            file,
            start: to_u32(at),
            end: to_u32(at + 1),
        };
        let message = "a NUL byte: this is no configuration";
        return Err(Box::new(Diagnostic::error(code::CONTROL_BYTE, span, message)));
    }
    // A last line that isn't ended is read as if it were, so that what is printed reads the same.
    let mut whole = Sources::default();
    let mut text = source.text().to_vec();
    if text.last().is_some_and(|byte| *byte != b'\n') {
        text.push(b'\n');
    }
    let feed: &[u8] = match text.iter().position(|byte| *byte == b'\n') {
        Some(at) if at.checked_sub(1).and_then(|before| text.get(before)) == Some(&b'\r') => b"\r\n",
        _ => b"\n",
    };
    let file = whole.add(source.name(), text);
    let tree = Tree::parse(
        file,
        whole.get(file).map(|source| source.text()).unwrap_or_default(),
    );
    let lines: Vec<(bool, Vec<u8>)> = place(&tree, &whole)
        .into_iter()
        .map(|placed| (placed.after_blank, printed(&placed, &whole)))
        .collect();
    // a carriage return that belongs to the last word of a line mustn't become part of a line feed
    let feed = if lines.iter().any(|(_, line)| line.ends_with(b"\r")) {
        b"\r\n"
    } else {
        feed
    };
    let mut out = Vec::new();
    for (after_blank, line) in lines {
        if after_blank {
            out.extend_from_slice(feed);
        }
        out.extend_from_slice(&line);
        out.extend_from_slice(feed);
    }
    Ok(out)
}

/// A line at its place: its words and its comment, with one space between them.
fn printed(placed: &Placed<'_>, sources: &Sources) -> Vec<u8> {
    let mut out = STEP.repeat(placed.steps);
    let mut is_first = true;
    for token in &placed.line.tokens {
        let text = sources.text(token.span);
        let text = match token.kind {
            TokenKind::Blank | TokenKind::LineFeed => continue,
            TokenKind::Word => text,
            TokenKind::Comment => text.trim_ascii_end(),
        };
        if !is_first {
            out.push(b' ');
        }
        out.extend_from_slice(text);
        is_first = false;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formatted(text: &str) -> String {
        let once = |text: &str| {
            let mut sources = Sources::default();
            let file = sources.add("t", text.as_bytes().to_vec());
            String::from_utf8(format(file, &sources).unwrap()).unwrap()
        };
        let first = once(text);
        assert_eq!(once(&first), first, "formatted once more it is the same");
        first
    }

    #[test]
    fn sections_begin_lines_and_their_lines_are_indented() {
        assert_eq!(
            formatted("global#this\n daemon#go\n     frontend         foo\n mode\t  http   # or tcp"),
            "global #this\n    daemon #go\n\nfrontend foo\n    mode http # or tcp\n"
        );
    }

    #[test]
    fn quotes_and_backslashes_stay_as_written() {
        let line = "    http-request set-header x \"a  b\\\" #c\"'  d'\\  \"${X}\" \\#\n";
        assert_eq!(
            formatted(&format!("backend b\n{line}")),
            format!("backend b\n{line}")
        );
        assert_eq!(
            formatted("backend b\n  x \"open  quote  \n  y\n"),
            "backend b\n    x \"open  quote  \n    y\n"
        );
    }

    #[test]
    fn empty_lines_are_one_and_stand_between_sections() {
        assert_eq!(
            formatted("\n\nglobal\n\n\n  daemon\n\n\n\n  quiet\ndefaults\n  mode http\n\n\n"),
            "global\n\n    daemon\n\n    quiet\n\ndefaults\n    mode http\n"
        );
        assert_eq!(formatted(""), "");
        assert_eq!(formatted(" \n\t\n"), "");
    }

    #[test]
    fn comments_stay_with_what_they_are_about() {
        assert_eq!(
            formatted(
                "# top  \nglobal\n# inside\n  daemon\n  # last of global\n# first of web\n#second\nfrontend web\n bind :80\n\n# apart\n\nbackend b\n# end\n"
            ),
            "# top\nglobal\n    # inside\n    daemon\n    # last of global\n\n# first of web\n#second\nfrontend web\n    bind :80\n\n# apart\n\nbackend b\n# end\n"
        );
    }

    #[test]
    fn blocks_within_a_section_are_indented_like_its_lines() {
        assert_eq!(
            formatted(
                "frontend f\n.if defined(A)\n.if defined(B)\nbind :1\n.else\n# none\nbind :2\n.endif\n.elif 1\nbind :3\n.endif\nmode http\n"
            ),
            "frontend f\n    .if defined(A)\n        .if defined(B)\n            bind :1\n        .else\n            # none\n            bind :2\n        .endif\n    .elif 1\n        bind :3\n    .endif\n    mode http\n"
        );
    }

    #[test]
    fn blocks_around_sections_stay_at_the_beginning_of_the_line() {
        assert_eq!(
            formatted(
                "global\n daemon\n# only then\n  .if 1\n listen a\n bind :1\n .if 1\n bind :2\n .endif\n .else\n\n listen b\n .endif\nbackend c\n"
            ),
            "global\n    daemon\n\n# only then\n.if 1\nlisten a\n    bind :1\n    .if 1\n        bind :2\n    .endif\n.else\n\nlisten b\n.endif\n\nbackend c\n"
        );
    }

    #[test]
    fn messages_outside_of_lines_may_stand_at_the_beginning() {
        assert_eq!(
            formatted(
                "global\n daemon\n\n.if !feature(LUA)\n.alert \"no\"\n.endif\n.notice x\n  .notice y\nlisten a\n"
            ),
            "global\n    daemon\n\n.if !feature(LUA)\n    .alert \"no\"\n.endif\n.notice x\n    .notice y\n\nlisten a\n"
        );
    }

    #[test]
    fn messages_within_a_block_or_a_section_are_indented_like_its_lines() {
        assert_eq!(
            formatted(
                "global\n.if 1\n daemon\n.if 1\n.notice x\n.endif\n.endif\n  .if 0\n.alert y\n  .endif\n"
            ),
            "global\n    .if 1\n        daemon\n        .if 1\n            .notice x\n        .endif\n    .endif\n    .if 0\n        .alert y\n    .endif\n"
        );
    }

    #[test]
    fn what_was_probably_a_section_is_one() {
        assert_eq!(
            formatted("globl\n daemon\nmode http\n"),
            "globl\n    daemon\n    mode http\n"
        );
        assert_eq!(
            formatted("backend b\nservr x\n.endif\n"),
            "backend b\n    servr x\n    .endif\n"
        );
        assert_eq!(formatted("\"global\"\ndaemon\n"), "\"global\"\n    daemon\n");
    }

    #[test]
    fn line_feeds_are_those_of_the_first_line() {
        assert_eq!(
            formatted("global\r\n daemon\n quiet"),
            "global\r\n    daemon\r\n    quiet\r\n"
        );
        assert_eq!(formatted("global\n daemon \r\n"), "global\n    daemon\n");
        assert_eq!(
            formatted("global\n a\\\r\r\n"),
            "global\r\n    a\\\r\r\n",
            "an escaped carriage return is part of its word"
        );
    }

    #[test]
    fn a_file_that_is_no_text_is_refused_with_the_place() {
        let mut sources = Sources::default();
        let file = sources.add("t", b"global\n  x\0y\n".to_vec());
        let fault = format(file, &sources).unwrap_err();
        assert_eq!(fault.code, code::CONTROL_BYTE);
        let span = fault.primary.unwrap().span;
        assert_eq!((span.start, span.end), (10, 11));
    }
}
