//! Dates as logs and converters write them.

use crate::data::Data;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::cell::RefCell;
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

/// The date in a log line, in the machine's time zone: `23/Nov/2026:09:06:16.253`
pub fn log_millis(time: SystemTime) -> Data {
    let mut text = Vec::new();
    append_log_millis(&mut text, time);
    text.into()
}

/// Appends the same.
pub(crate) fn append_log_millis(into: &mut Vec<u8>, time: SystemTime) {
    into.extend_from_slice(&of_second(time, Zone::Local, "%d/%b/%Y:%H:%M:%S"));
    into.push(b'.');
    append_part(into, since_epoch(time).1 / 1_000_000, 1_000);
}

/// Appends a part of a second of which there are so many, a power of ten: in as many digits as that has zeros.
pub fn append_part(into: &mut Vec<u8>, part: u32, of: u32) {
    let mut buffer = itoa::Buffer::new();
    let (_, digits) = buffer.format(of + part).split_at(1);
    into.extend_from_slice(digits.as_bytes());
}

/// `23/Nov/2026:09:06:16 +0000`
pub(crate) fn log_seconds(time: SystemTime, zone: Zone) -> Data {
    of_second(time, zone, "%d/%b/%Y:%H:%M:%S %z")
}

/// The date in a header of syslog (RFC 3164), in the machine's time zone: `Nov 23 09:06:16`
#[must_use]
pub fn syslog(time: SystemTime) -> Data {
    format(time, Zone::Local, "%b %e %H:%M:%S")
}

/// The date of RFC 3339 in the machine's time zone, in two parts between which a fraction may stand:
/// `2026-11-23T09:06:16` and `+01:00`
#[must_use]
pub fn rfc3339(time: SystemTime) -> (Data, Data) {
    (
        format(time, Zone::Local, "%Y-%m-%dT%H:%M:%S"),
        format(time, Zone::Local, "%:z"),
    )
}

/// A date without a fraction. Log lines come many in a second, and making a date takes longer than all the rest of them.
fn of_second(time: SystemTime, zone: Zone, how: &'static str) -> Data {
    type Last = (i64, Zone, &'static str, Data);
    thread_local! {
        static LAST: RefCell<Vec<Last>> = const { RefCell::new(Vec::new()) };
    }
    let second = since_epoch(time).0;
    LAST.with_borrow_mut(|last| {
        let same = |(_, in_zone, of_form, _): &&mut Last| *in_zone == zone && std::ptr::eq(*of_form, how);
        match last.iter_mut().find(same) {
            Some((at, _, _, date)) if *at == second => date.clone(),
            Some(entry) => {
                entry.0 = second;
                entry.3 = format(time, zone, how);
                entry.3.clone()
            }
            None => {
                let date = format(time, zone, how);
                last.push((second, zone, how, date.clone()));
                date
            }
        }
    })
}

fn format(time: SystemTime, zone: Zone, format: &str) -> Data {
    match Timestamp::try_from(time) {
        Ok(time) => strftime(time, zone, format).unwrap_or_default(),
        Err(_) => Data::EMPTY,
    }
}

/// `time` in the manner of strftime, by a format of the library's.
pub(crate) fn strftime(time: Timestamp, zone: Zone, format: &str) -> Option<Data> {
    let zoned = time.to_zoned(zone.time_zone());
    jiff::fmt::strtime::format(format, &zoned).ok().map(Data::from)
}

/// A format of strftime(3), as C's own locale has it, in the words of the library that writes dates here; a conversion that is
/// not known stays as it is written. `%N`, a fraction of a second, is not C's.
pub(crate) fn c_format(format: &str, zone: Zone, fraction: bool) -> String {
    const KNOWN: &str = "aAbBCdDeFgGhHIjklmMnpPrRsStTuUVwWyYzZ%";
    let mut result = String::with_capacity(format.len() + 8);
    let mut rest = format;
    while let Some((before, conversion)) = rest.split_once('%') {
        result.push_str(before);
        let letters = conversion.trim_start_matches(|c: char| matches!(c, '-' | '_' | '^' | '#' | '0'..='9'));
        let flags = conversion.strip_suffix(letters).unwrap_or_default();
        // The locale has no other forms that `E` and `O` could ask for.
        let letters = letters.strip_prefix(['E', 'O']).unwrap_or(letters);
        let mut after = letters.chars();
        match after.next() {
            Some('c') => result.push_str("%a %b %e %H:%M:%S %Y"),
            Some('x') => result.push_str("%m/%d/%y"),
            Some('X') => result.push_str("%H:%M:%S"),
            // C calls it so.
            Some('Z') if zone == Zone::Utc && flags.contains('#') => result.push_str("gmt"),
            Some('Z') if zone == Zone::Utc => result.push_str("GMT"),
            Some(c) if KNOWN.contains(c) || fraction && c == 'N' => {
                result.extend(["%", flags, c.encode_utf8(&mut [0; 4])])
            }
            _ => {
                let written = conversion.strip_suffix(after.as_str()).unwrap_or(conversion);
                result.extend(["%%", written]);
            }
        }
        rest = after.as_str();
    }
    result.push_str(rest);
    result
}

/// Seconds since 1970 and the nanoseconds after them; before it, nothing is known.
pub(crate) fn since_epoch(time: SystemTime) -> (i64, u32) {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    (
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        since.subsec_nanos(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_one_second_are_made_once_and_those_of_another_anew() {
        let time = |ms| SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(ms);
        let utc = |ms| log_seconds(time(ms), Zone::Utc);
        assert_eq!(utc(951_782_400_000), Data::from("29/Feb/2000:00:00:00 +0000"));
        assert_eq!(utc(951_782_400_999), utc(951_782_400_000));
        assert_eq!(utc(951_782_401_000), Data::from("29/Feb/2000:00:00:01 +0000"));
        let millis = String::from_utf8(log_millis(time(951_782_400_007)).to_vec()).unwrap();
        assert!(millis.ends_with(":00.007"), "{millis}");
        let (date, offset) = rfc3339(time(951_782_400_007));
        assert_eq!((date.len(), offset.len()), (19, 6));
        assert_eq!(syslog(time(1_700_000_000_000)).len(), 15);
    }

    /// What haproxy 2.6 answers to `utime` of a time.
    #[test]
    fn formats_are_those_of_c() {
        let time = Timestamp::from_second(951_782_400).unwrap();
        for (format, wanted) in [
            ("%c", "Tue Feb 29 00:00:00 2000"),
            ("%x %X", "02/29/00 00:00:00"),
            ("%Ey-%Od", "00-29"),
            ("%f%q%Q%N%:z%+", "%f%q%Q%N%:z%+"),
            ("%^a %-d %5Y %#Z", "TUE 29 02000 gmt"),
            ("100%% %Z%", "100% GMT%"),
            ("%E", "%E"),
        ] {
            let text = strftime(time, Zone::Utc, &c_format(format, Zone::Utc, false)).unwrap();
            assert_eq!(text, Data::from(wanted), "{format}");
        }
        let time = Timestamp::from_millisecond(1_690_192_382_196).unwrap();
        let format = c_format("%S.%3N %N", Zone::Utc, true);
        assert_eq!(
            strftime(time, Zone::Utc, &format),
            Some("02.196 196000000".into())
        );
    }
}
