//! Converters that take texts apart and put them together.

use super::{ConverterRow, row, with_text};
use crate::arg::{Arg, ArgError, ArgKind, ArgSpec, at};
use crate::byte_set::ByteSet;
use crate::cast;
use crate::data::Data;
use crate::value::{Type, Value};
use crate::vars::VarName;
use std::ops::Range;

const NONE: ArgSpec = ArgSpec::NONE;
const PART: ArgSpec = ArgSpec::new(2, &[ArgKind::Int, ArgKind::Str, ArgKind::Int]);
const CONCAT: ArgSpec = ArgSpec::new(1, &[ArgKind::Str, ArgKind::Str, ArgKind::Str]);
const STR: ArgSpec = ArgSpec::new(1, &[ArgKind::Str]);

pub(super) const ROWS: &[ConverterRow] = &[
    row(
        "lower",
        NONE,
        Type::Str,
        Type::Str,
        "ASCII letters in lower case",
        |_, _, v| with_text(v, |data| Some(data.map_bytes(|b| b.to_ascii_lowercase()))),
    ),
    row(
        "upper",
        NONE,
        Type::Str,
        Type::Str,
        "ASCII letters in upper case",
        |_, _, v| with_text(v, |data| Some(data.map_bytes(|b| b.to_ascii_uppercase()))),
    ),
    row(
        "length",
        NONE,
        Type::Str,
        Type::Int,
        "the number of bytes",
        |_, _, v| {
            Some(Value::Int(
                i64::try_from(cast::text(v)?.len()).unwrap_or(i64::MAX),
            ))
        },
    ),
    row(
        "bytes",
        ArgSpec::new(1, &[ArgKind::Str, ArgKind::Str]),
        Type::Bin,
        Type::Bin,
        "bytes from an offset, all or as many as given; both are integers or variables",
        |s, args, v| {
            let Value::Bin(data) = v else { return None };
            let len = data.len();
            let start = usize::try_from(at(args, 0).int(s)?).unwrap_or(len).min(len);
            let end = match at(args, 1) {
                Arg::None => len,
                // As many as a negative number: none.
                count => start
                    .saturating_add(usize::try_from(count.int(s)?).unwrap_or(0))
                    .min(len),
            };
            Some(Value::Bin(data.slice(start..end)))
        },
    )
    .prepared(|args| {
        if at(args, 0).text().is_empty() {
            return Err(ArgError::new(0, "it takes an offset"));
        }
        operand(args, 0)?;
        if matches!(at(args, 0), Arg::Int(..0)) {
            return Err(ArgError::new(0, "the offset is negative"));
        }
        if at(args, 1).text().is_empty() {
            args.truncate(1);
            return Ok(());
        }
        operand(args, 1)?;
        match at(args, 1) {
            Arg::Int(..1) => Err(ArgError::new(1, "the length is not above zero")),
            _ => Ok(()),
        }
    }),
    row(
        "field",
        PART,
        Type::Str,
        Type::Str,
        "the parts between delimiters, from the end if negative",
        |_, args, v| with_text(v, |data| fields(&data, args).map(|range| data.slice(range))),
    )
    .prepared(not_zero),
    row(
        "word",
        PART,
        Type::Str,
        Type::Str,
        "as `field`, several delimiters in a row being one",
        |_, args, v| {
            with_text(v, |data| words(&data, args).map(|range| data.slice(range)))
        },
    )
    .prepared(not_zero),
    row(
        "param",
        ArgSpec::new(1, &[ArgKind::Str, ArgKind::Str]),
        Type::Str,
        Type::Str,
        "a parameter of the text; the delimiter is `&` if none is given, and `0x` with two digits stands for any byte",
        |_, args, v| with_text(v, |data| param(&data, args).map(|range| data.slice(range))),
    )
    .prepared(|args| {
        let byte = match at(args, 1).text() {
            [] | [_] => return Ok(()),
            [b'0', b'x', high, low] => hex_byte(*high, *low),
            _ => None,
        };
        let message = "the delimiter is one character, or `0x` and two hexadecimal digits";
        let byte = byte.ok_or_else(|| ArgError::new(1, message))?;
        args.truncate(1);
        args.push(Arg::Str(Data::copy(&[byte])));
        Ok(())
    }),
    row(
        "ltrim",
        STR,
        Type::Str,
        Type::Str,
        "without any of the characters at the start",
        |_, args, v| {
            let set = ByteSet::of(at(args, 0).text());
            with_text(v, |data| {
                let skip = data.iter().take_while(|byte| set.contains(**byte)).count();
                Some(data.slice(skip..data.len()))
            })
        },
    ),
    row(
        "rtrim",
        STR,
        Type::Str,
        Type::Str,
        "without any of the characters at the end",
        |_, args, v| {
            let set = ByteSet::of(at(args, 0).text());
            with_text(v, |data| {
                let skip = data.iter().rev().take_while(|byte| set.contains(**byte)).count();
                Some(data.slice(0..data.len() - skip))
            })
        },
    ),
    row(
        "cut_crlf",
        NONE,
        Type::Str,
        Type::Str,
        "up to the first line end",
        |_, _, v| {
            with_text(v, |data| {
                let end = data
                    .iter()
                    .position(|byte| matches!(byte, b'\r' | b'\n'))
                    .unwrap_or(data.len());
                Some(data.slice(0..end))
            })
        },
    ),
    row(
        "reverse",
        NONE,
        Type::Str,
        Type::Str,
        "the bytes in reverse order",
        |_, _, v| {
            with_text(v, |data| {
                Some(data.iter().rev().copied().collect::<Vec<u8>>().into())
            })
        },
    ),
    row(
        "reverse_dom",
        NONE,
        Type::Str,
        Type::Str,
        "the labels of a domain in reverse order, none if one is empty; a dot at the end is dropped",
        |_, _, v| {
            with_text(v, |data| {
                let domain = data.strip_suffix(b".").unwrap_or(&data);
                let mut labels: Vec<&[u8]> = domain.split(|byte| *byte == b'.').collect();
                if labels.iter().any(|label| label.is_empty()) {
                    return None;
                }
                labels.reverse();
                Some(labels.join(&b'.').into())
            })
        },
    ),
    row(
        "host_only",
        NONE,
        Type::Str,
        Type::Str,
        "a Host header without its port, in lower case",
        |_, _, v| {
            with_text(v, |data| {
                let host = data.slice(0..port_at(&data).unwrap_or(data.len()));
                Some(host.map_bytes(|byte| byte.to_ascii_lowercase()))
            })
        },
    ),
    row(
        "port_only",
        NONE,
        Type::Str,
        Type::Int,
        "a Host header's port, 0 if it has none",
        |_, _, v| {
            let data = cast::text(v)?;
            let port = port_at(&data).and_then(|at| data.get(at + 1..));
            let digits = port.filter(|port| port.iter().all(u8::is_ascii_digit));
            Some(Value::Int(digits.map_or(0, |digits| cast::leading_int(digits).0)))
        },
    ),
    row(
        "concat",
        CONCAT,
        Type::Str,
        Type::Str,
        "the text, a text, a variable and a text",
        |s, args, v| {
            with_text(v, |data| {
                let variable = at(args, 1).data(s);
                let (before, after) = (at(args, 0).text(), at(args, 2).text());
                Some(join(&[
                    &data,
                    before,
                    variable.as_deref().unwrap_or_default(),
                    after,
                ]))
            })
        },
    )
    .prepared(|args| optional_variable(args, 1)),
    row(
        "add_item",
        ArgSpec::new(2, &[ArgKind::Str, ArgKind::Str, ArgKind::Str]),
        Type::Str,
        Type::Str,
        "the text and, after a delimiter, a variable and a text",
        |s, args, v| {
            with_text(v, |data| {
                let variable = at(args, 1).data(s);
                if matches!(at(args, 1), Arg::Var(_)) && variable.is_none() {
                    return Some(data);
                }
                let delimiter = if data.is_empty() {
                    &[][..]
                } else {
                    at(args, 0).text()
                };
                Some(join(&[
                    &data,
                    delimiter,
                    variable.as_deref().unwrap_or_default(),
                    at(args, 2).text(),
                ]))
            })
        },
    )
    .prepared(|args| {
        optional_variable(args, 1)?;
        match (at(args, 1), at(args, 2).text()) {
            (Arg::Var(_), _) => Ok(()),
            (_, b"") => Err(ArgError::new(1, "it takes a variable, a text or both")),
            _ => Ok(()),
        }
    }),
    row(
        "strcmp",
        STR,
        Type::Str,
        Type::Int,
        "compares with a variable: below, at or above 0",
        |s, args, v| {
            let (left, right) = (cast::text(v)?, at(args, 0).data(s)?);
            let differ = left.iter().zip(right.iter()).find(|(left, right)| left != right);
            Some(Value::Int(match differ {
                Some((left, right)) => i64::from(*left) - i64::from(*right),
                None => left.len().cmp(&right.len()) as i64,
            }))
        },
    )
    .prepared(variable),
    row(
        "secure_memcmp",
        STR,
        Type::Bin,
        Type::Bool,
        "whether it equals a variable, in constant time",
        {
            |s, args, v| {
                let (Value::Bin(left), right) = (v, at(args, 0).binary(s)?) else {
                    return None;
                };
                let differ = left
                    .iter()
                    .zip(right.iter())
                    .fold(0, |differ, (left, right)| differ | (left ^ right));
                Some(Value::Bool(
                    left.len() == right.len() && std::hint::black_box(differ) == 0,
                ))
            }
        },
    )
    .prepared(variable),
    row(
        "iif",
        ArgSpec::new(2, &[ArgKind::Str, ArgKind::Str]),
        Type::Bool,
        Type::Str,
        "one text if true, the other if false",
        |_, args, v| {
            let Value::Bool(condition) = v else { return None };
            Some(Value::str(at(args, usize::from(!condition)).text()))
        },
    ),
    row(
        "has_ctl",
        ArgSpec::new(0, &[ArgKind::Str]),
        Type::Bin,
        Type::Bool,
        "whether there is a control character: any but a tab, or one of a mask's (`any`, `http` or a number)",
        |_, args, v| {
            let (Value::Bin(data), Arg::Int(mask)) = (v, at(args, 0)) else {
                return None;
            };
            Some(Value::Bool(data.iter().any(|byte| {
                // Bits 0 to 31 are the characters of that number, and bit 32 is DEL.
                let bit = if *byte == 0x7f { 32 } else { *byte };
                bit <= 32 && (byte.is_ascii_control()) && mask >> bit & 1 == 1
            })))
        },
    )
    .prepared(|args| {
        let mask = match at(args, 0).text() {
            b"" => Some(0x1_ffff_fdff),
            b"any" => Some(0x1_ffff_ffff),
            b"http" => Some(0x2401),
            text => std::str::from_utf8(text)
                .ok()
                .and_then(|text| match text.strip_prefix("0x") {
                    Some(digits) => i64::from_str_radix(digits, 16).ok(),
                    None => text.parse().ok(),
                })
                .filter(|mask| (0..=0x1_ffff_ffff).contains(mask)),
        };
        let message = "the mask is `any`, `http` or a number of 33 bits";
        *args = vec![Arg::Int(mask.ok_or_else(|| ArgError::new(0, message))?)];
        Ok(())
    }),
    row(
        "regsub",
        ArgSpec::new(2, &[ArgKind::Regex, ArgKind::Str, ArgKind::Str]),
        Type::Str,
        Type::Str,
        "replaces what a regular expression matches; flags `g` (all) and `i` (ignore case)",
        |_, args, v| {
            let (Arg::Regex(regex), Arg::Int(all)) = (at(args, 0), at(args, 2)) else {
                return None;
            };
            with_text(v, |data| {
                super::regsub::replace(regex, at(args, 1).text(), *all == 1, data)
            })
        },
    )
    .prepared(super::regsub::prepare),
];

fn not_zero(args: &mut Vec<Arg>) -> Result<(), ArgError> {
    match at(args, 0) {
        Arg::Int(0) => Err(ArgError::new(
            0,
            "parts are counted from 1, or from the end from -1",
        )),
        _ if at(args, 1).text().is_empty() => Err(ArgError::new(1, "there must be a delimiter")),
        _ => Ok(()),
    }
}

/// Turns the first argument into the variable that it names.
fn variable(args: &mut Vec<Arg>) -> Result<(), ArgError> {
    if at(args, 0).text().is_empty() {
        return Err(ArgError::new(0, "it takes a variable"));
    }
    optional_variable(args, 0)
}

/// Turns an argument into the variable that it names, if it is not empty.
fn optional_variable(args: &mut [Arg], index: usize) -> Result<(), ArgError> {
    if let Some(arg) = args.get_mut(index)
        && !arg.text().is_empty()
    {
        *arg = Arg::Var(variable_name(arg).map_err(|message| ArgError::new(index, message))?);
    }
    Ok(())
}

/// Turns an argument into an integer or the variable that it names.
pub(super) fn operand(args: &mut [Arg], index: usize) -> Result<(), ArgError> {
    let Some(arg) = args.get_mut(index) else {
        return Ok(());
    };
    let text = String::from_utf8_lossy(arg.text()).into_owned();
    // A number that is too large is the largest.
    *arg = match cast::leading_int(text.as_bytes()) {
        (int, used) if used == text.len() && text.ends_with(|c: char| c.is_ascii_digit()) => Arg::Int(int),
        _ if text.is_empty() => Arg::Int(0),
        _ if text.contains('.') => {
            Arg::Var(variable_name(arg).map_err(|message| ArgError::new(index, message))?)
        }
        _ => {
            return Err(ArgError::new(
                index,
                format!("`{text}` is neither an integer nor a variable"),
            ));
        }
    };
    Ok(())
}

/// The variable that an argument names.
pub(super) fn variable_name(arg: &Arg) -> Result<VarName, String> {
    VarName::parse(&String::from_utf8_lossy(arg.text())).map_err(|error| error.to_string())
}

fn join(parts: &[&[u8]]) -> Data {
    parts.concat().into()
}

/// Where the colon before a host's port is.
fn port_at(host: &[u8]) -> Option<usize> {
    let after = host.iter().rposition(|byte| *byte == b']').unwrap_or(0);
    host.iter()
        .rposition(|byte| *byte == b':')
        .filter(|colon| *colon >= after)
}

/// The byte of two hexadecimal digits.
fn hex_byte(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    Some(digit(high)? << 4 | digit(low)?)
}

/// The range that begins with part `index` and has `count` parts, all that follow if that is not above 0.
/// Parts from the end are counted backwards, so the range ends with part `index` then.
fn select(parts: &[Range<usize>], args: &[Arg]) -> Option<Range<usize>> {
    let index = at(args, 0).int_or(1);
    let count = at(args, 2).int_or(1);
    let nth = usize::try_from(index.unsigned_abs()).ok()?.checked_sub(1)?;
    let more = if count > 0 {
        usize::try_from(count - 1).unwrap_or(usize::MAX)
    } else {
        usize::MAX
    };
    if index > 0 {
        let last = nth.saturating_add(more).min(parts.len().checked_sub(1)?);
        Some(parts.get(nth)?.start..parts.get(last)?.end)
    } else {
        let last = parts.len().checked_sub(nth + 1)?;
        Some(parts.get(last.saturating_sub(more))?.start..parts.get(last)?.end)
    }
}

fn fields(data: &[u8], args: &[Arg]) -> Option<Range<usize>> {
    select(&parts(data, at(args, 1).text()), args)
}

fn words(data: &[u8], args: &[Arg]) -> Option<Range<usize>> {
    let mut parts = parts(data, at(args, 1).text());
    parts.retain(|part| part.start < part.end);
    let selected = select(&parts, args)?;
    // A range that reaches past the last word takes the delimiters beyond it along.
    let (index, count) = (at(args, 0).int_or(1), at(args, 2).int_or(1));
    let reach = index.unsigned_abs().saturating_add(count.unsigned_abs()) - 1;
    let past = count <= 0 || reach > parts.len() as u64;
    Some(match (past, index > 0) {
        (true, true) => selected.start..data.len(),
        (true, false) => 0..selected.end,
        (false, _) => selected,
    })
}

fn parts(data: &[u8], delimiters: &[u8]) -> smallvec::SmallVec<[Range<usize>; 8]> {
    let delimiters = ByteSet::of(delimiters);
    let mut parts = smallvec::SmallVec::new();
    let mut start = 0;
    for (at, byte) in data.iter().enumerate() {
        if delimiters.contains(*byte) {
            parts.push(start..at);
            start = at + 1;
        }
    }
    parts.push(start..data.len());
    parts
}

fn param(data: &[u8], args: &[Arg]) -> Option<Range<usize>> {
    let name = at(args, 0).text();
    let delimiter = at(args, 1).text().first().copied().unwrap_or(b'&');
    let mut start = 0;
    for part in data.split(|byte| *byte == delimiter) {
        match part.strip_prefix(name) {
            Some([]) => return Some(start + part.len()..start + part.len()),
            Some([b'=', ..]) => return Some(start + name.len() + 1..start + part.len()),
            _ => start += part.len() + 1,
        }
    }
    None
}
