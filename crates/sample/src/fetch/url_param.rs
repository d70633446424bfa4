//! Parameters of the query and of a form in the body.

use super::places::REQUEST;
use super::{FetchRow, row};
use crate::arg::{Arg, ArgError, ArgKind, ArgSpec, at};
use crate::cast::cast;
use crate::data::Data;
use crate::session::{Session, Way};
use crate::value::{Type, Value};
use std::ops::{ControlFlow, Range};

const URLP: ArgSpec = ArgSpec::new(0, &[ArgKind::Str, ArgKind::Str, ArgKind::Str]);
const BODY: ArgSpec = ArgSpec::new(0, &[ArgKind::Str, ArgKind::Str]);

const DOC: &str = "a parameter of the query: its name, the character before the query, `i` to ignore case";

macro_rules! urlp {
    ($name:literal, $type:expr) => {
        row($name, URLP, $type, REQUEST, DOC, |s, args| one(s, args, $type))
            .prepared(prepare)
            .many(|s, args, visit| each(s, args, $type, visit))
    };
}

pub(super) const ROWS: &[FetchRow] = &[
    urlp!("url_param", Type::Str),
    urlp!("urlp", Type::Str),
    urlp!("urlp_val", Type::Int),
    row(
        "req.body_param",
        BODY,
        Type::Bin,
        REQUEST,
        "a parameter of a form in the body",
        |s, args| {
            let body = s.buffered(Way::Request)?;
            let mut found = None;
            let _ = visit(
                &body,
                at(args, 0).text(),
                ignore_case(at(args, 1)),
                &mut |range| {
                    found = Some(Value::bin(body.get(range).unwrap_or_default()));
                    ControlFlow::Break(())
                },
            );
            found
        },
    )
    .prepared(|args| check_case(args, 1))
    .volatile(),
];

fn prepare(args: &mut Vec<Arg>) -> Result<(), ArgError> {
    if at(args, 1).text().len() > 1 {
        return Err(ArgError::new(
            1,
            "the character before the query is one character",
        ));
    }
    check_case(args, 2)
}

fn check_case(args: &[Arg], index: usize) -> Result<(), ArgError> {
    match at(args, index).text() {
        b"" | b"i" => Ok(()),
        _ => Err(ArgError::new(index, "the only option is `i`")),
    }
}

fn ignore_case(arg: &Arg) -> bool {
    arg.text() == b"i"
}

fn one(session: &dyn Session, args: &[Arg], to: Type) -> Option<Value> {
    let mut found = None;
    let _ = each(session, args, to, &mut |value| {
        found = Some(value);
        ControlFlow::Break(())
    });
    found
}

fn each(
    session: &dyn Session,
    args: &[Arg],
    to: Type,
    visitor: &mut dyn FnMut(Value) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let Some(request) = session.request() else {
        return ControlFlow::Continue(());
    };
    let Some(path) = request.uri.path_and_query() else {
        return ControlFlow::Continue(());
    };
    let text = path.as_str().as_bytes();
    let delimiter = at(args, 1).text().first().copied().unwrap_or(b'?');
    let Some(mark) = text.iter().position(|byte| *byte == delimiter) else {
        return ControlFlow::Continue(());
    };
    let query = text.get(mark + 1..).unwrap_or_default();
    visit(
        query,
        at(args, 0).text(),
        ignore_case(at(args, 2)),
        &mut |range| {
            let value = Data::path(path, mark + 1 + range.start..mark + 1 + range.end);
            cast(Value::Str(value), to).map_or(ControlFlow::Continue(()), &mut *visitor)
        },
    )
}

/// Visits where the values of the parameters of a name are, of all parameters if the name is empty.
fn visit(
    query: &[u8],
    name: &[u8],
    ignore_case: bool,
    visitor: &mut dyn FnMut(Range<usize>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut start = 0;
    for part in query.split(|byte| matches!(byte, b'&' | b';' | b'?')) {
        let equals = part.iter().position(|byte| *byte == b'=');
        let known = part.get(..equals.unwrap_or(part.len())).unwrap_or_default();
        let same = if ignore_case {
            known.eq_ignore_ascii_case(name)
        } else {
            known == name
        };
        if (same || name.is_empty())
            && let Some(equals) = equals
        {
            visitor(start + equals + 1..start + part.len())?;
        }
        start += part.len() + 1;
    }
    ControlFlow::Continue(())
}
