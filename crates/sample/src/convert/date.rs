//! Dates.

use super::{ConverterRow, row};
use crate::arg::{Arg, ArgError, ArgKind, ArgSpec, at};
use crate::date::{Zone, c_format, strftime};
use crate::value::{Type, Value};
use jiff::Timestamp;

const FORMAT: ArgSpec = ArgSpec::new(1, &[ArgKind::Str, ArgKind::Int]);

const SECOND: i64 = 1;
const MILLISECOND: i64 = 1_000;
const MICROSECOND: i64 = 1_000_000;

macro_rules! time {
    ($name:literal, $unit:expr, $zone:expr, $doc:literal) => {
        row($name, FORMAT, Type::Int, Type::Str, $doc, |_, args, v| {
            formatted(args, v, $unit, $zone)
        })
        .prepared(|args| prepare(args, $unit, $zone))
    };
}

pub(super) const ROWS: &[ConverterRow] = &[
    time!(
        "ltime",
        SECOND,
        Zone::Local,
        "seconds since 1970 as local time, after strftime"
    ),
    time!(
        "ms_ltime",
        MILLISECOND,
        Zone::Local,
        "milliseconds since 1970 as local time"
    ),
    time!(
        "us_ltime",
        MICROSECOND,
        Zone::Local,
        "microseconds since 1970 as local time"
    ),
    time!(
        "utime",
        SECOND,
        Zone::Utc,
        "seconds since 1970 as UTC, after strftime"
    ),
    time!(
        "ms_utime",
        MILLISECOND,
        Zone::Utc,
        "milliseconds since 1970 as UTC"
    ),
    time!(
        "us_utime",
        MICROSECOND,
        Zone::Utc,
        "microseconds since 1970 as UTC"
    ),
    row(
        "http_date",
        ArgSpec::new(0, &[ArgKind::Int, ArgKind::Str]),
        Type::Int,
        Type::Str,
        "the date of HTTP headers: an offset, and the unit of it and the input, `s`, `ms` or `us`",
        |_, args, v| {
            let (unit, format) = match at(args, 1).text() {
                b"ms" => (MILLISECOND, "%a, %d %b %Y %H:%M:%S.%3f GMT"),
                b"us" => (MICROSECOND, "%a, %d %b %Y %H:%M:%S.%6f GMT"),
                _ => (SECOND, "%a, %d %b %Y %H:%M:%S GMT"),
            };
            let time = timestamp(v, unit, at(args, 0).int_or(0))?;
            strftime(time, Zone::Utc, format).map(Value::Str)
        },
    )
    .prepared(|args| match at(args, 1) {
        Arg::None => Ok(()),
        Arg::Str(unit) if matches!(unit.as_slice(), b"" | b"s" | b"ms" | b"us") => Ok(()),
        _ => Err(ArgError::new(1, "the unit is `s`, `ms` or `us`")),
    }),
];

/// Turns the format into one of the library's.
fn prepare(args: &mut [Arg], unit: i64, zone: Zone) -> Result<(), ArgError> {
    if let Some(format) = args.first_mut() {
        let text = String::from_utf8_lossy(format.text()).into_owned();
        *format = Arg::Str(c_format(&text, zone, unit > SECOND).into());
    }
    Ok(())
}

fn formatted(args: &[Arg], value: Value, unit: i64, zone: Zone) -> Option<Value> {
    let time = timestamp(value, unit, at(args, 1).int_or(0))?;
    strftime(time, zone, std::str::from_utf8(at(args, 0).text()).ok()?).map(Value::Str)
}

/// The time of an integer of so many units a second, and an offset of as many.
fn timestamp(value: Value, per_second: i64, offset: i64) -> Option<Timestamp> {
    let Value::Int(int) = value else { return None };
    let int = int.checked_add(offset)?;
    let nanos = int.rem_euclid(per_second) * (1_000_000_000 / per_second);
    Timestamp::new(int.div_euclid(per_second), i32::try_from(nanos).ok()?).ok()
}
