//! Converters of text to text.

use super::{ConverterRow, row};
use crate::arg::ArgSpec;
use crate::data::Data;
use crate::value::{Type, Value};

pub(super) const ROWS: &[ConverterRow] = &[
    row(
        "lower",
        ArgSpec::NONE,
        Type::Str,
        Type::Str,
        "ASCII letters in lower case",
        |_, _, v| text(v, |data| Some(data.map_bytes(|b| b.to_ascii_lowercase()))),
    ),
    row(
        "upper",
        ArgSpec::NONE,
        Type::Str,
        Type::Str,
        "ASCII letters in upper case",
        |_, _, v| text(v, |data| Some(data.map_bytes(|b| b.to_ascii_uppercase()))),
    ),
];

/// The text that `change` makes of a text.
fn text(value: Value, change: impl FnOnce(Data) -> Option<Data>) -> Option<Value> {
    match value {
        Value::Str(data) | Value::Bin(data) => change(data).map(Value::Str),
        _ => None,
    }
}
