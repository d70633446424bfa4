//! The time, and dates of HTTP.

use std::time::{SystemTime, UNIX_EPOCH};

use mlua::{Function, Lua, LuaString, Result};
use tidegate_exec::function;

use crate::row::{Row, row};

pub(super) const ROWS: &[Row] = &[
    row(
        "now()",
        "the time, as a table with `sec` and `usec`",
        |lua, name, _| {
            function(lua, name, |lua, ()| {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let table = lua.create_table_with_capacity(0, 2)?;
                table.raw_set("sec", now.as_secs())?;
                table.raw_set("usec", now.subsec_micros())?;
                Ok(table)
            })
        },
    ),
    row(
        "http_date(date)",
        "the seconds since 1970 of a date in any of HTTP's three forms, or nil",
        |lua, name, _| {
            reader(lua, name, |text| {
                imf(text).or_else(|| rfc850(text)).or_else(|| asctime(text))
            })
        },
    ),
    row(
        "imf_date(date)",
        "the seconds since 1970 of a date like `Sun, 06 Nov 1994 08:49:37 GMT`, or nil",
        |lua, name, _| reader(lua, name, imf),
    ),
    row(
        "rfc850_date(date)",
        "the seconds since 1970 of a date like `Sunday, 06-Nov-94 08:49:37 GMT`, or nil",
        |lua, name, _| reader(lua, name, rfc850),
    ),
    row(
        "asctime_date(date)",
        "the seconds since 1970 of a date like `Sun Nov  6 08:49:37 1994`, or nil",
        |lua, name, _| reader(lua, name, asctime),
    ),
];

fn reader(lua: &Lua, name: &str, read: fn(&str) -> Option<i64>) -> Result<Function> {
    function(lua, name, move |_, text: LuaString| {
        Ok(std::str::from_utf8(&text.as_bytes()).ok().and_then(read))
    })
}

fn imf(text: &str) -> Option<i64> {
    let (day, rest) = text.split_once(", ")?;
    DAYS.iter().position(|known| known.get(..3) == Some(day))?;
    let [date, month, year, time, "GMT"] = words(rest)? else {
        return None;
    };
    epoch(number(year, 4)?, month_of(month)?, number(date, 2)?, time)
}

fn rfc850(text: &str) -> Option<i64> {
    let (day, rest) = text.split_once(", ")?;
    DAYS.iter().position(|known| *known == day)?;
    let [date, time, "GMT"] = words(rest)? else {
        return None;
    };
    let mut parts = date.split('-');
    let (date, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    // Two digits: the century is the one that makes it no more than 50 years from now, as RFC 9110 has it.
    let year = number(year, 2)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    let this_year = 1970 + i64::try_from(now / 31_556_952).ok()?;
    let guess = this_year - this_year.rem_euclid(100) + year;
    let year = if guess > this_year + 50 {
        guess - 100
    } else {
        guess
    };
    epoch(year, month_of(month)?, number(date, 2)?, time)
}

fn asctime(text: &str) -> Option<i64> {
    let [day, month, date, time, year] = words(text)?;
    DAYS.iter().position(|known| known.get(..3) == Some(day))?;
    epoch(
        number(year, 4)?,
        month_of(month)?,
        number(date, date.len())?,
        time,
    )
}

const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Exactly so many words.
fn words<const N: usize>(text: &str) -> Option<[&str; N]> {
    let mut words = text.split_ascii_whitespace();
    let mut found = [""; N];
    for slot in &mut found {
        *slot = words.next()?;
    }
    words.next().is_none().then_some(found)
}

/// A number of exactly so many digits.
fn number(text: &str, digits: usize) -> Option<i64> {
    let right = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    right.then(|| text.parse().ok()).flatten()
}

fn month_of(name: &str) -> Option<i64> {
    let at = MONTHS.iter().position(|known| *known == name)?;
    i64::try_from(at + 1).ok()
}

fn epoch(year: i64, month: i64, day: i64, time: &str) -> Option<i64> {
    let mut parts = time.split(':');
    let (hour, minute, second) = (
        number(parts.next()?, 2)?,
        number(parts.next()?, 2)?,
        number(parts.next()?, 2)?,
    );
    let in_range = (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if parts.next().is_some() || !in_range {
        return None;
    }
    // Days of the civil calendar: years begin in March, so that the leap day is their last.
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let day_of_year = (153 * m + 2) / 5 + day - 1;
    let days = 365 * y + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + day_of_year - 719_468;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_of_one_date_are_one_moment() {
        assert_eq!(imf("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(rfc850("Sunday, 06-Nov-94 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(asctime("Sun Nov  6 08:49:37 1994"), Some(784_111_777));
        assert_eq!(imf("Thu, 29 Feb 2024 00:00:00 GMT"), Some(1_709_164_800));
        assert_eq!(imf("Thu, 01 Jan 1970 00:00:01 GMT"), Some(1));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Son, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
        ] {
            assert_eq!(imf(text), None, "{text}");
        }
    }
}
