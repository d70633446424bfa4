//! Replacing what a regular expression matches.

use super::MADE_BYTES_MAX;
use crate::arg::{self, Arg, ArgError, at};
use crate::data::Data;
use pcre2::bytes::Regex;

/// Compiles the expression with its flags; the third argument becomes 1 if all matches are replaced.
pub(super) fn prepare(args: &mut Vec<Arg>) -> Result<(), ArgError> {
    let (mut all, mut ignore_case) = (false, false);
    for flag in at(args, 2).text() {
        match flag {
            b'g' => all = true,
            b'i' => ignore_case = true,
            other => {
                let message = format!(
                    "unknown flag `{}`: the flags are `g` and `i`",
                    other.escape_ascii()
                );
                return Err(ArgError::new(2, message));
            }
        }
    }
    let text = String::from_utf8_lossy(at(args, 0).text()).into_owned();
    if text.is_empty() {
        return Err(ArgError::new(0, "the regular expression is empty"));
    }
    let regex = arg::regex(&text, ignore_case).map_err(|why| ArgError::new(0, why))?;
    let replacement = at(args, 1).clone();
    if replacement
        .text()
        .iter()
        .rev()
        .take_while(|byte| **byte == b'\\')
        .count()
        % 2
        == 1
    {
        return Err(ArgError::new(
            1,
            "the replacement ends in a backslash that escapes nothing",
        ));
    }
    *args = vec![Arg::Regex(regex), replacement, Arg::Int(all.into())];
    Ok(())
}

/// Replaces the first or all matches; none if matching hits a limit of the regex engine.
pub(super) fn replace(regex: &Regex, replacement: &[u8], all: bool, data: Data) -> Option<Data> {
    let mut locations = regex.capture_locations();
    let mut result = Vec::new();
    let mut copied = 0;
    let mut at = 0;
    while at <= data.len() {
        let Some(found) = regex.captures_read_at(&mut locations, &data, at).ok()? else {
            break;
        };
        let (start, end) = (found.start(), found.end());
        result.extend_from_slice(data.get(copied..start).unwrap_or_default());
        expand(replacement, &mut result, |group| {
            locations.get(group).and_then(|(start, end)| data.get(start..end))
        });
        if result.len() > MADE_BYTES_MAX {
            return None;
        }
        copied = end;
        if !all {
            break;
        }
        // After an empty match the search goes on one byte further, which is kept.
        at = if start == end { end + 1 } else { end };
    }
    if copied == 0 && result.is_empty() && at == 0 {
        return Some(data);
    }
    result.extend_from_slice(data.get(copied..).unwrap_or_default());
    Some(result.into())
}

/// Writes a replacement, or as much of it as there may be: `\0` to `\9` are groups, `\xNN` is a byte, `\` before anything else is dropped.
pub(crate) fn expand<'a>(
    replacement: &[u8],
    result: &mut Vec<u8>,
    group: impl Fn(usize) -> Option<&'a [u8]>,
) {
    let mut rest = replacement;
    while result.len() <= MADE_BYTES_MAX {
        rest = match rest {
            [] => return,
            [b'\\', b'x', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digit = |byte: u8| (byte as char).to_digit(16).unwrap_or(0) as u8;
                result.push(digit(*high) << 4 | digit(*low));
                rest
            }
            [b'\\', digit @ b'0'..=b'9', rest @ ..] => {
                result.extend_from_slice(group(usize::from(digit - b'0')).unwrap_or_default());
                rest
            }
            [b'\\', byte, rest @ ..] | [byte, rest @ ..] => {
                result.push(*byte);
                rest
            }
        };
    }
}
