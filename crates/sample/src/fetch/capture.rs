//! What the frontend captured.

use super::places::{REQUEST_KEPT, SERVER_SIDE};
use super::{FetchRow, row};
use crate::arg::{Arg, ArgKind, ArgSpec, at};
use crate::session::{Session, Way};
use crate::value::{Type, Value};

const SLOT: ArgSpec = ArgSpec::new(1, &[ArgKind::Int]);

pub(super) const ROWS: &[FetchRow] = &[
    row(
        "capture.req.hdr",
        SLOT,
        Type::Str,
        REQUEST_KEPT,
        "what a slot for requests holds, by its number from 0",
        |s, args| captured(s, Way::Request, args),
    ),
    row(
        "capture.res.hdr",
        SLOT,
        Type::Str,
        SERVER_SIDE,
        "what a slot for responses holds, by its number from 0",
        |s, args| captured(s, Way::Response, args),
    ),
];

fn captured(session: &dyn Session, way: Way, args: &[Arg]) -> Option<Value> {
    let slot = usize::try_from(at(args, 0).int_or(0)).ok()?;
    let captures = session.captures(way)?;
    captures.get(slot)?.clone().map(Value::Str)
}
