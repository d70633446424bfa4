//! What a person reads on a terminal.

use std::borrow::Cow;

/// A text without what a terminal would obey: control characters but line feeds and tabs, which tracebacks have,
/// are written as escapes.
pub fn harmless(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !text.contains(obeyed) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if obeyed(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_told_nothing() {
        assert_eq!(harmless("a\n\tb é"), "a\n\tb é");
        assert_eq!(
            harmless("\u{1b}[31mred\u{7}\r\u{9b}"),
            "\\u{1b}[31mred\\u{7}\\r\\u{9b}"
        );
    }
}
