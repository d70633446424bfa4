//! What is written before a message.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use tidegate_sample::{Data, date};

use super::{Level, LogTarget, LogWrap};

/// What the headers of one line have in common.
pub(crate) struct Context<'a> {
    pub(crate) level: Level,
    pub(crate) tag: &'a str,
    /// The host's name, if it is to be told.
    pub(crate) host: Option<&'a str>,
    pub(crate) pid: u32,
    /// Structured data of RFC 5424.
    pub(crate) structured: &'a [u8],
}

/// Appends what stands before the message.
pub(crate) fn write(into: &mut Vec<u8>, target: &LogTarget, clock: &Clock, context: &Context<'_>) {
    let Context {
        level,
        tag,
        host,
        pid,
        structured,
    } = context;
    let level = *level as u32;
    let priority = u32::from(target.facility) * 8 + level;
    match target.wrap {
        LogWrap::Raw => {}
        LogWrap::Short => number(into, "<", level, ">"),
        LogWrap::Priority => number(into, "<", priority, ">"),
        LogWrap::Timed => {
            number(into, "<", level, ">");
            clock.iso(into);
            into.push(b' ');
        }
        LogWrap::Iso => {
            clock.iso(into);
            into.push(b' ');
        }
        LogWrap::Local | LogWrap::Rfc3164 => {
            number(into, "<", priority, ">");
            into.extend_from_slice(&clock.syslog);
            if target.wrap == LogWrap::Rfc3164 {
                word(into, host.unwrap_or("localhost"));
            }
            word(into, tag);
            number(into, "[", *pid, "]: ");
        }
        LogWrap::Rfc5424 => {
            number(into, "<", priority, ">1 ");
            clock.iso(into);
            word(into, host.unwrap_or("-"));
            word(into, tag);
            number(into, " ", *pid, " - ");
            into.extend_from_slice(if structured.is_empty() { b"-" } else { structured });
            into.push(b' ');
        }
    }
}

// By hand, since a line has one of these each and the formatter takes longer for them than for all its fields.
fn number(into: &mut Vec<u8>, before: &str, number: u32, behind: &str) {
    into.extend_from_slice(before.as_bytes());
    into.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    into.extend_from_slice(behind.as_bytes());
}

fn word(into: &mut Vec<u8>, word: &str) {
    into.push(b' ');
    into.extend_from_slice(word.as_bytes());
}

/// Appends a message whose control characters are made visible, so that nobody can forge another one's line.
pub(crate) fn visible(into: &mut Vec<u8>, text: &[u8]) {
    for byte in text {
        match byte {
            0..=0x1f | 0x7f => {
                let _ = write!(into, "#{byte:02X}");
            }
            _ => into.push(*byte),
        }
    }
}

/// Cuts a line to its length and ends it; the end doesn't count.
pub(crate) fn finish(line: &mut Vec<u8>, target: &LogTarget) {
    line.truncate(target.length_max.max(80));
    line.push(b'\n');
}

/// The time as headers write it. A second's dates are made once.
pub(crate) struct Clock {
    second: Option<u64>,
    micros: u32,
    syslog: Data,
    date: Data,
    offset: Data,
}

impl Default for Clock {
    fn default() -> Self {
        Clock {
            second: None,
            micros: 0,
            syslog: Data::EMPTY,
            date: Data::EMPTY,
            offset: Data::EMPTY,
        }
    }
}

impl Clock {
    /// The time is this.
    pub(crate) fn set(&mut self, now: SystemTime) {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.micros = since.subsec_micros();
        if self.second != Some(since.as_secs()) {
            self.second = Some(since.as_secs());
            self.syslog = date::syslog(now);
            (self.date, self.offset) = date::rfc3339(now);
        }
    }

    fn iso(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(&self.date);
        into.push(b'.');
        date::append_part(into, self.micros, 1_000_000);
        into.extend_from_slice(&self.offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::LogTo;

    fn rendered(wrap: LogWrap, host: Option<&str>, structured: &str) -> String {
        let clock = Clock {
            second: Some(1_709_210_096),
            micros: 789,
            syslog: "Feb 29 12:34:56".into(),
            date: "2024-02-29T12:34:56".into(),
            offset: "+01:00".into(),
        };
        let context = Context {
            level: Level::Notice,
            tag: "tidegate",
            host,
            pid: 7,
            structured: structured.as_bytes(),
        };
        let target = LogTarget::new(LogTo::Stdout).wrapped(wrap);
        let mut line = Vec::new();
        write(&mut line, &target, &clock, &context);
        line.extend_from_slice(b"hi");
        finish(&mut line, &target);
        String::from_utf8(line).unwrap()
    }

    /// The bytes that haproxy 2.6 writes, with our name.
    #[test]
    fn every_wrap_writes_what_its_name_says() {
        for (wrap, want) in [
            (LogWrap::Raw, "hi\n"),
            (LogWrap::Short, "<5>hi\n"),
            (LogWrap::Priority, "<29>hi\n"),
            (LogWrap::Timed, "<5>2024-02-29T12:34:56.000789+01:00 hi\n"),
            (LogWrap::Iso, "2024-02-29T12:34:56.000789+01:00 hi\n"),
            (LogWrap::Local, "<29>Feb 29 12:34:56 tidegate[7]: hi\n"),
            (
                LogWrap::Rfc3164,
                "<29>Feb 29 12:34:56 localhost tidegate[7]: hi\n",
            ),
            (
                LogWrap::Rfc5424,
                "<29>1 2024-02-29T12:34:56.000789+01:00 - tidegate 7 - - hi\n",
            ),
        ] {
            assert_eq!(rendered(wrap, None, ""), want, "{wrap:?}");
        }
        assert_eq!(
            rendered(LogWrap::Rfc3164, Some("box"), "[a b=\"1\"]"),
            "<29>Feb 29 12:34:56 box tidegate[7]: hi\n"
        );
        assert_eq!(
            rendered(LogWrap::Rfc5424, Some("box"), "[a@1 b=\"1\"]"),
            "<29>1 2024-02-29T12:34:56.000789+01:00 box tidegate 7 - [a@1 b=\"1\"] hi\n"
        );
        assert_eq!(
            rendered(LogWrap::Local, Some("box"), ""),
            "<29>Feb 29 12:34:56 tidegate[7]: hi\n"
        );
    }

    #[test]
    fn a_message_can_not_forge_a_line_and_is_cut_to_its_length() {
        let mut line = Vec::new();
        visible(&mut line, b"a\nb\x1b\xc3\xa9");
        assert_eq!(line, b"a#0Ab#1B\xc3\xa9");
        let mut line = vec![b'x'; 5000];
        finish(&mut line, &LogTarget::new(LogTo::Stdout));
        assert_eq!((line.len(), line.last()), (1025, Some(&b'\n')));
    }

    #[test]
    fn a_clock_makes_new_dates_for_each_second() {
        let mut clock = Clock::default();
        let at = |micros| UNIX_EPOCH + std::time::Duration::from_micros(micros);
        clock.set(at(1_700_000_000_000_005));
        let first = clock.date.clone();
        assert_eq!(clock.micros, 5);
        clock.set(at(1_700_000_001_000_000));
        assert_ne!(clock.date, first);
    }
}
