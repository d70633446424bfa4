//! Dates.

use super::{ConverterRow, row};
use crate::arg::{Arg, ArgError, ArgKind, ArgSpec, at};
use crate::cast;
use crate::date::{Zone, c_format, strftime};
use crate::value::{Type, Value};
use jiff::Timestamp;
use std::time::SystemTime;

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
    row(
        "date",
        ArgSpec::NONE,
        Type::Str,
        Type::Int,
        "the seconds since 1970 of a date as headers have them, in any of HTTP's three forms: \
         `res.hdr(last-modified),date` (7.3.1)",
        |_, _, v| {
            let text = cast::text(v)?;
            let date = httpdate::parse_http_date(std::str::from_utf8(&text).ok()?).ok()?;
            let since = date.duration_since(SystemTime::UNIX_EPOCH).ok()?;
            i64::try_from(since.as_secs()).ok().map(Value::Int)
        },
    ),
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

#[cfg(test)]
mod tests {
    use crate::{Converter, NoSession, Scope, Value};
    use proptest::prelude::*;

    fn date(text: &str) -> Option<Value> {
        Converter::new("date", &[], &Scope::anywhere())
            .unwrap()
            .apply(&NoSession, Value::str(text))
    }

    #[test]
    fn the_three_forms_of_http_dates() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(date(text), Some(Value::Int(784_111_777)), "{text}");
        }
        assert_eq!(date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(Value::Int(0)));
        assert_eq!(
            date("Fri, 31 Dec 9999 23:59:59 GMT"),
            Some(Value::Int(253_402_300_799))
        );
        for text in [
            "",
            "x",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 31 Feb 2024 00:00:00 GMT",
            "784111777",
        ] {
            assert_eq!(date(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn dates_come_back(seconds in 0i64..253_402_300_800) {
            let converter = Converter::new("http_date", &[], &Scope::anywhere()).unwrap();
            match converter.apply(&NoSession, Value::Int(seconds)) {
                Some(Value::Str(text)) => prop_assert_eq!(date(std::str::from_utf8(&text).unwrap()), Some(Value::Int(seconds))),
                other => panic!("{other:?}"),
            }
        }

        #[test]
        fn any_text_ends_well(text in "(Sun|Sunday|Feb|[0-9]{1,4}|[ ,:-]|GMT|.){0,12}") {
            date(&text);
        }
    }
}
