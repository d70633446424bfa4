//! Dates as logs and converters write them.

use crate::data::Data;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::sync::LazyLock;
use std::time::SystemTime;

/// The machine's time zone, looked up once: a log line must not read files.
static LOCAL: LazyLock<TimeZone> = LazyLock::new(TimeZone::system);

/// Which time zone a date is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Zone {
    /// Greenwich.
    Utc,
    /// The machine's.
    Local,
}

impl Zone {
    fn time_zone(self) -> TimeZone {
        match self {
            Zone::Utc => TimeZone::UTC,
            Zone::Local => LOCAL.clone(),
        }
    }
}

/// `23/Nov/2026:09:06:16.253`
pub(crate) fn log_millis(time: SystemTime) -> Data {
    format(time, Zone::Local, "%d/%b/%Y:%H:%M:%S.%3f")
}

/// `23/Nov/2026:09:06:16 +0000`
pub(crate) fn log_seconds(time: SystemTime, zone: Zone) -> Data {
    format(time, zone, "%d/%b/%Y:%H:%M:%S %z")
}

fn format(time: SystemTime, zone: Zone, format: &str) -> Data {
    match Timestamp::try_from(time) {
        Ok(time) => strftime(time, zone, format).unwrap_or_default(),
        Err(_) => Data::EMPTY,
    }
}

/// `time` in the manner of strftime; a conversion that is not known stays as it is written.
pub(crate) fn strftime(time: Timestamp, zone: Zone, format: &str) -> Option<Data> {
    let zoned = time.to_zoned(zone.time_zone());
    if let Ok(text) = jiff::fmt::strtime::format(format, &zoned)
        && !format.contains("%Z")
    {
        return Some(text.into());
    }
    let mut text = String::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        let (before, conversion) = rest.split_at_checked(at)?;
        text.push_str(before);
        let len = 1 + conversion.chars().nth(1).map_or(0, char::len_utf8);
        let (conversion, after) = conversion.split_at_checked(len)?;
        match jiff::fmt::strtime::format(conversion, &zoned) {
            // C calls it so.
            Ok(_) if conversion == "%Z" && zone == Zone::Utc => text.push_str("GMT"),
            Ok(formatted) => text.push_str(&formatted),
            Err(_) => text.push_str(conversion),
        }
        rest = after;
    }
    text.push_str(rest);
    Some(text.into())
}

/// Seconds since 1970 and the nanoseconds after them; before it, nothing is known.
pub(crate) fn since_epoch(time: SystemTime) -> (i64, u32) {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    (
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        since.subsec_nanos(),
    )
}
