//! Converters that put a text into a slot that the frontend declares.

use super::{ConverterRow, row};
use crate::arg::{Arg, ArgKind, ArgSpec, at};
use crate::session::{Session, Way};
use crate::value::{Type, Value};

const SLOT: ArgSpec = ArgSpec::new(1, &[ArgKind::Int]);

pub(super) const ROWS: &[ConverterRow] = &[
    row(
        "capture-req",
        SLOT,
        Type::Str,
        Type::Str,
        "puts the text into a slot for requests, by its number from 0, and lets it through",
        |s, args, v| capture(s, Way::Request, args, v),
    ),
    row(
        "capture-res",
        SLOT,
        Type::Str,
        Type::Str,
        "puts the text into a slot for responses, by its number from 0, and lets it through",
        |s, args, v| capture(s, Way::Response, args, v),
    ),
];

fn capture(session: &dyn Session, way: Way, args: &[Arg], value: Value) -> Option<Value> {
    if let (Value::Str(text), Ok(slot)) = (&value, usize::try_from(at(args, 0).int_or(-1))) {
        session.capture(way, slot, text);
    }
    Some(value)
}
