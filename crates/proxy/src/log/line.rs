//! What is written around a message.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Level, LogTarget, LogWrap};

/// What the lines of a proxy have in common.
pub(crate) struct Context<'a> {
    pub(crate) tag: &'a str,
    pub(crate) host: &'a str,
    pub(crate) pid: u32,
    pub(crate) now: SystemTime,
}

/// The bytes to write for a message, a line feed at the end. Control characters of the message are made visible, so that
/// no session can forge another one's line.
pub(crate) fn render(target: &LogTarget, level: Level, text: &[u8], context: &Context<'_>) -> Vec<u8> {
    let mut line = Vec::with_capacity(text.len() + 80);
    let priority = u32::from(target.facility) * 8 + level as u32;
    let Context { tag, host, pid, now } = context;
    // Writing to a Vec can't fail.
    let _ = match target.wrap {
        LogWrap::Raw => Ok(()),
        LogWrap::Short => write!(line, "<{}>", level as u32),
        LogWrap::Priority => write!(line, "<{priority}>"),
        LogWrap::Timed => write!(line, "<{}>{} ", level as u32, Utc::of(*now).iso()),
        LogWrap::Iso => write!(line, "{} {tag}[{pid}]: ", Utc::of(*now).iso()),
        LogWrap::Local => write!(line, "<{priority}>{} {tag}[{pid}]: ", Utc::of(*now).bsd()),
        LogWrap::Rfc3164 => {
            let host = if host.is_empty() { "localhost" } else { host };
            write!(line, "<{priority}>{} {host} {tag}[{pid}]: ", Utc::of(*now).bsd())
        }
        LogWrap::Rfc5424 => {
            let host = if host.is_empty() { "-" } else { host };
            write!(
                line,
                "<{priority}>1 {} {host} {tag} {pid} - - ",
                Utc::of(*now).iso()
            )
        }
    };
    for byte in text {
        match byte {
            0..=0x1f | 0x7f => {
                let _ = write!(line, "#{byte:02X}");
            }
            _ => line.push(*byte),
        }
    }
    line.truncate(target.length_max.max(80) - 1);
    line.push(b'\n');
    line
}

/// A moment in UTC.
struct Utc {
    year: i64,
    month: usize,
    day: i64,
    second_of_day: i64,
    micros: u32,
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

impl Utc {
    fn of(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(since.as_secs()).unwrap_or(0);
        let (days, second_of_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        // Days to a date, counting years from March so that a leap day is the last of its year.
        let z = days + 719_468;
        let era = z.div_euclid(146_097);
        let day_of_era = z.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let month = usize::try_from(month).unwrap_or(1);
        Utc {
            year,
            month,
            day,
            second_of_day,
            micros: since.subsec_micros(),
        }
    }

    fn clock(&self) -> (i64, i64, i64) {
        (
            self.second_of_day / 3600,
            self.second_of_day / 60 % 60,
            self.second_of_day % 60,
        )
    }

    fn iso(&self) -> String {
        let (h, m, s) = self.clock();
        let Utc {
            year,
            month,
            day,
            micros,
            ..
        } = self;
        format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{micros:06}+00:00")
    }

    fn bsd(&self) -> String {
        let (h, m, s) = self.clock();
        let month = MONTHS.get(self.month - 1).copied().unwrap_or("Jan");
        format!("{month} {:2} {h:02}:{m:02}:{s:02}", self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::LogTo;
    use std::time::Duration;

    fn rendered(wrap: LogWrap, text: &str) -> String {
        let now = UNIX_EPOCH + Duration::from_micros(1_709_210_096_000_789);
        let context = Context {
            tag: "tidegate",
            host: "box",
            pid: 7,
            now,
        };
        let target = LogTarget::new(LogTo::Stdout).wrapped(wrap);
        String::from_utf8(render(&target, Level::Notice, text.as_bytes(), &context)).unwrap()
    }

    #[test]
    fn every_wrap_writes_what_its_name_says() {
        assert_eq!(rendered(LogWrap::Raw, "hi"), "hi\n");
        assert_eq!(rendered(LogWrap::Short, "hi"), "<5>hi\n");
        assert_eq!(rendered(LogWrap::Priority, "hi"), "<29>hi\n");
        assert_eq!(
            rendered(LogWrap::Timed, "hi"),
            "<5>2024-02-29T12:34:56.000789+00:00 hi\n"
        );
        assert_eq!(
            rendered(LogWrap::Iso, "hi"),
            "2024-02-29T12:34:56.000789+00:00 tidegate[7]: hi\n"
        );
        assert_eq!(
            rendered(LogWrap::Local, "hi"),
            "<29>Feb 29 12:34:56 tidegate[7]: hi\n"
        );
        assert_eq!(
            rendered(LogWrap::Rfc3164, "hi"),
            "<29>Feb 29 12:34:56 box tidegate[7]: hi\n"
        );
        assert_eq!(
            rendered(LogWrap::Rfc5424, "hi"),
            "<29>1 2024-02-29T12:34:56.000789+00:00 box tidegate 7 - - hi\n"
        );
    }

    #[test]
    fn a_message_can_not_forge_a_line_and_is_cut_to_its_length() {
        assert_eq!(rendered(LogWrap::Raw, "a\nb\u{1b}"), "a#0Ab#1B\n");
        assert_eq!(rendered(LogWrap::Raw, &"x".repeat(5000)).len(), 1024);
    }
}
