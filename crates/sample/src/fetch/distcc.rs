//! Tokens of a distcc message: each is four letters and a number, and some are followed by as many bytes.

use super::places::EITHER;
use super::reader::{Reader, raw};
use super::{FetchRow, row};
use crate::arg::{Arg, ArgError, ArgKind, ArgSpec, at};
use crate::session::Session;
use crate::value::{Type, Value};

const TOKEN: ArgSpec = ArgSpec::new(1, &[ArgKind::Str, ArgKind::Int]);

/// Tokens whose number does not count the bytes after them.
const BARE: [&[u8]; 5] = [b"DIST", b"NFIL", b"ARGC", b"STAT", b"DONE"];

pub(super) const ROWS: &[FetchRow] = &[
    row(
        "distcc_param",
        TOKEN,
        Type::Int,
        EITHER,
        "the number of a token in a distcc message: the token, and which of its occurrences, from 1",
        |s, args| find(s, args, |token| i64::try_from(token.number).ok().map(Value::Int)),
    )
    .prepared(check)
    .volatile(),
    row(
        "distcc_body",
        TOKEN,
        Type::Bin,
        EITHER,
        "the bytes of a token in a distcc message: the token, and which of its occurrences, from 1",
        |s, args| find(s, args, |token| token.body.map(Value::bin)),
    )
    .prepared(check)
    .volatile(),
];

fn check(args: &mut Vec<Arg>) -> Result<(), ArgError> {
    if at(args, 0).text().len() != 4 {
        return Err(ArgError::new(0, "a token of distcc has four letters"));
    }
    if at(args, 1).int_or(0) < 0 {
        return Err(ArgError::new(1, "occurrences are counted from 1"));
    }
    Ok(())
}

/// A token as far as it came.
struct Token<'a> {
    name: &'a [u8],
    number: usize,
    body: Option<&'a [u8]>,
}

fn find(
    session: &dyn Session,
    args: &[Arg],
    wanted: impl FnOnce(Token<'_>) -> Option<Value>,
) -> Option<Value> {
    let bytes = raw(session, session.way())?;
    let mut rest = Reader(&bytes);
    // Without an occurrence the first one will do.
    let mut left = at(args, 1).int_or(1).max(1);
    loop {
        let token = next(&mut rest)?;
        if token.name == at(args, 0).text() {
            left -= 1;
            if left == 0 {
                return wanted(token);
            }
        }
    }
}

fn next<'a>(rest: &mut Reader<'a>) -> Option<Token<'a>> {
    let name = rest.take(4)?;
    let number = std::str::from_utf8(rest.take(8)?)
        .ok()
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    let number = usize::from_str_radix(number, 16).ok()?;
    let body = if BARE.contains(&name) {
        None
    } else {
        // What has come of it, which may be less than what was announced.
        rest.take(number.min(rest.0.len()))
    };
    Some(Token { name, number, body })
}
