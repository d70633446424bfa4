//! Regular expressions of scripts, and replacing by them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use pcre2::bytes::{Captures, Regex, RegexBuilder};

/// Compiled patterns that a thread keeps for the next call.
const KEPT_MAX: usize = 64;

/// What is made of a value, at most, which is more than there is room for in any head: scripts choose the value and what comes in its
/// place, and lengths are multiplied.
const MADE_BYTES_MAX: usize = 1 << 24;

/// A compiled pattern.
#[derive(Clone)]
pub(crate) struct Pattern(Rc<Regex>);

struct Kept {
    text: Vec<u8>,
    case_sensitive: bool,
    pattern: Pattern,
}

thread_local! {
    static KEPT: RefCell<VecDeque<Kept>> = const { RefCell::new(VecDeque::new()) };
}

impl Pattern {
    /// The pattern of this text: compiled once as long as it is in use.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub(crate) fn compiled(text: &[u8], case_sensitive: bool) -> Result<Pattern, String> {
        KEPT.with_borrow_mut(|kept| {
            let known = kept
                .iter()
                .find(|k| k.case_sensitive == case_sensitive && k.text == text);
            if let Some(known) = known {
                return Ok(known.pattern.clone());
            }
            let pattern = Pattern(Rc::new(compile(text, case_sensitive)?));
            if kept.len() == KEPT_MAX {
                kept.pop_front();
            }
            kept.push_back(Kept {
                text: text.to_vec(),
                case_sensitive,
                pattern: pattern.clone(),
            });
            Ok(pattern)
        })
    }
}

/// Compiles a pattern.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn compile(text: &[u8], case_sensitive: bool) -> Result<Regex, String> {
    let text = std::str::from_utf8(text).map_err(|_| "the regex is not UTF-8".to_owned())?;
    RegexBuilder::new()
        .caseless(!case_sensitive)
        .jit_if_available(true)
        .build(text)
        .map_err(|error| format!("invalid regex `{text}`: {error}"))
}

/// What comes in place of `value` if it matches.
pub(crate) fn whole(pattern: &Pattern, value: &[u8], with: &[u8]) -> Option<Vec<u8>> {
    let found = pattern.0.captures(value).ok().flatten()?;
    let mut new = Vec::new();
    expand(&found, with, &mut new);
    Some(new)
}

/// `value` with those of its parts, as separated by commas, replaced that match; none if no part does.
pub(crate) fn each_part(pattern: &Pattern, value: &[u8], with: &[u8]) -> Option<Vec<u8>> {
    let mut new = Vec::new();
    let mut matched = false;
    for (at, part) in value.split(|byte| *byte == b',').enumerate() {
        if new.len() > MADE_BYTES_MAX {
            break;
        }
        if at > 0 {
            new.push(b',');
        }
        let text = part.trim_ascii_start();
        let blank = part.len() - text.len();
        new.extend_from_slice(part.get(..blank).unwrap_or_default());
        match whole(pattern, text, with) {
            Some(replaced) => {
                matched = true;
                new.extend_from_slice(&replaced);
            }
            None => new.extend_from_slice(text),
        }
    }
    matched.then_some(new)
}

/// Appends `with`, in which `\N` is a group, `\xHH` a byte, and a backslash quotes what else follows it.
fn expand(found: &Captures<'_>, with: &[u8], new: &mut Vec<u8>) {
    let mut rest = with;
    while let [first, tail @ ..] = rest
        && new.len() <= MADE_BYTES_MAX
    {
        rest = match (first, tail) {
            (b'\\', [digit @ b'0'..=b'9', tail @ ..]) => {
                let group = found.get(usize::from(digit - b'0'));
                new.extend_from_slice(group.map_or(b"", |group| group.as_bytes()));
                tail
            }
            (b'\\', [b'x', high, low, tail @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or(0);
                new.push((digit(*high) * 16 + digit(*low)) as u8);
                tail
            }
            (b'\\', [quoted, tail @ ..]) => {
                new.push(*quoted);
                tail
            }
            (byte, tail) => {
                new.push(*byte);
                tail
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::compiled(text.as_bytes(), true).unwrap()
    }

    #[test]
    fn a_value_that_matches_is_replaced_whole() {
        assert_eq!(
            whole(&pattern("(b)(c)?"), b"abz", br"\1-\2-\0\\\x41").unwrap(),
            br"b--b\A"
        );
        assert_eq!(whole(&pattern("q"), b"abz", b"x"), None);
    }

    #[test]
    fn parts_are_replaced_one_by_one() {
        let new = each_part(&pattern("^b$"), b"a, b,c ,b", b"X").unwrap();
        assert_eq!(new, b"a, X,c ,X");
        assert_eq!(each_part(&pattern("q"), b"a,b", b"X"), None);
    }

    #[test]
    fn what_is_made_of_a_value_has_an_end() {
        let long = vec![b'a'; 1 << 14];
        let new = whole(&pattern("(.*)"), &long, &br"\1".repeat(1 << 14)).unwrap();
        assert!(new.len() <= MADE_BYTES_MAX + long.len(), "{}", new.len());
        let parts = each_part(&pattern("a"), &b"a,".repeat(1 << 10), &[b'b'; 1 << 20]).unwrap();
        assert!(parts.len() <= 2 * MADE_BYTES_MAX, "{}", parts.len());
    }

    #[test]
    fn a_bad_regex_says_so() {
        assert!(compile(b"(", true).unwrap_err().contains("invalid regex `(`"));
    }
}
