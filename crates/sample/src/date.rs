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

/// `time` in the manner of strftime; none if the format has a conversion that is not known.
pub(crate) fn strftime(time: Timestamp, zone: Zone, format: &str) -> Option<Data> {
    let zoned = time.to_zoned(zone.time_zone());
    jiff::fmt::strtime::format(format, &zoned).ok().map(Data::from)
}

/// Seconds since 1970 and the nanoseconds after them; before it, nothing is known.
pub(crate) fn since_epoch(time: SystemTime) -> (i64, u32) {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    (
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        since.subsec_nanos(),
    )
}
