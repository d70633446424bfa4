//! A received line, as a target wants it.

use std::borrow::Cow;
use std::io::Write;
use std::net::IpAddr;
use std::time::SystemTime;

use tidegate_sample::date;

use super::message::{Form, Message};
use super::{ForwardTarget, HostStrategy};
use crate::log::{LogTarget, LogWrap};

/// What is known of a line beside what it says.
#[derive(Clone, Copy)]
pub(super) struct Received {
    pub(super) sender: Option<IpAddr>,
    pub(super) now: SystemTime,
    pub(super) host: HostStrategy,
}

/// Writes a line for a target; nothing if it doesn't take the line's level.
pub(super) fn line(
    into: &mut Vec<u8>,
    message: &Message<'_>,
    to: &ForwardTarget,
    received: Received,
) -> bool {
    into.clear();
    let target = &to.target;
    // What says nothing of its gravity passes for the gravest.
    let (facility, level) = message.priority.unwrap_or((target.facility.into(), 0));
    if level > target.max_level as u8 {
        return false;
    }
    let level = level.max(target.min_level as u8);
    // Writing to memory does not fail.
    let _ = header(
        into,
        message,
        to,
        received,
        (facility << 3) | u32::from(level),
        level,
    );
    into.extend_from_slice(message.text);
    finish(into, target);
    true
}

fn header(
    into: &mut Vec<u8>,
    message: &Message<'_>,
    to: &ForwardTarget,
    received: Received,
    priority: u32,
    level: u8,
) -> std::io::Result<()> {
    let wrap = match (to.keeps_format, message.form) {
        (false, _) => to.target.wrap,
        (true, Form::Rfc3164) => LogWrap::Rfc3164,
        (true, Form::Rfc5424) => LogWrap::Rfc5424,
        (true, Form::Plain) if message.priority.is_some() => LogWrap::Priority,
        (true, Form::Plain) => LogWrap::Raw,
    };
    match wrap {
        LogWrap::Raw => Ok(()),
        LogWrap::Short => write!(into, "<{level}>"),
        LogWrap::Priority => write!(into, "<{priority}>"),
        LogWrap::Timed => {
            write!(into, "<{level}>")?;
            into.write_all(&new_time(message, received))?;
            into.write_all(b" ")
        }
        LogWrap::Iso => {
            into.write_all(&new_time(message, received))?;
            into.write_all(b" ")
        }
        LogWrap::Local | LogWrap::Rfc3164 => {
            write!(into, "<{priority}>")?;
            into.write_all(&old_time(message, received))?;
            into.write_all(b" ")?;
            if wrap == LogWrap::Rfc3164 {
                into.write_all(&host(message, received, b"localhost"))?;
                into.write_all(b" ")?;
            }
            if message.tag.is_empty() {
                return Ok(());
            }
            into.write_all(message.tag)?;
            if !message.pid.is_empty() {
                into.write_all(b"[")?;
                into.write_all(message.pid)?;
                into.write_all(b"]")?;
            }
            into.write_all(b": ")
        }
        LogWrap::Rfc5424 => {
            write!(into, "<{priority}>1 ")?;
            into.write_all(&new_time(message, received))?;
            let host = host(message, received, b"-");
            for part in [&host, message.tag, message.pid, message.id, message.structured] {
                into.write_all(b" ")?;
                into.write_all(if part.is_empty() { b"-" } else { part })?;
            }
            into.write_all(b" ")
        }
    }
}

fn host<'m>(message: &Message<'m>, received: Received, none: &'static [u8]) -> Cow<'m, [u8]> {
    let said = message.host;
    let sender = received
        .sender
        .map(|ip| ip.to_canonical().to_string().into_bytes());
    match (received.host, sender) {
        (HostStrategy::Replace, Some(sender)) => sender.into(),
        (HostStrategy::Fill | HostStrategy::Append, Some(sender)) if said.is_empty() => sender.into(),
        (HostStrategy::Append, Some(sender)) => [said, b",", &sender].concat().into(),
        _ if said.is_empty() => none.into(),
        _ => said.into(),
    }
}

/// The time as RFC 5424 writes it. Lines of the old form know neither a year nor a zone.
fn new_time<'m>(message: &Message<'m>, received: Received) -> Cow<'m, [u8]> {
    let (date, offset) = date::rfc3339(received.now);
    if message.time.is_empty() {
        let micros = received
            .now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .subsec_micros();
        let mut now = date.to_vec();
        // Writing to memory does not fail.
        let _ = write!(now, ".{micros:06}");
        now.extend_from_slice(&offset);
        return now.into();
    }
    if message.form == Form::Rfc5424 {
        return message.time.into();
    }
    let year = date.get(..4).unwrap_or_default();
    let month = message.time.get(..3).unwrap_or_default();
    let month = MONTHS
        .iter()
        .position(|name| name.as_bytes() == month)
        .map_or(1, |at| at + 1);
    let day = String::from_utf8_lossy(message.time.get(4..6).unwrap_or_default()).replace(' ', "0");
    let clock = String::from_utf8_lossy(message.time.get(7..).unwrap_or_default()).into_owned();
    let year = String::from_utf8_lossy(year).into_owned();
    format!("{year}-{month:02}-{day}T{clock}-00:00")
        .into_bytes()
        .into()
}

/// The time as RFC 3164 writes it.
fn old_time<'m>(message: &Message<'m>, received: Received) -> Cow<'m, [u8]> {
    match message.form {
        Form::Rfc3164 => message.time.into(),
        Form::Rfc5424 => match from_new(message.time) {
            Some(time) => time.into_bytes().into(),
            None => date::syslog(received.now).to_vec().into(),
        },
        Form::Plain => date::syslog(received.now).to_vec().into(),
    }
}

fn from_new(time: &[u8]) -> Option<String> {
    let time = std::str::from_utf8(time).ok()?;
    let month: usize = time.get(5..7)?.parse().ok()?;
    let day: u8 = time.get(8..10)?.parse().ok()?;
    let name = MONTHS.get(month.checked_sub(1)?)?;
    Some(format!("{name} {day:2} {}", time.get(11..19)?))
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

fn finish(into: &mut Vec<u8>, target: &LogTarget) {
    into.truncate(target.length_max.max(80) - 1);
    into.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Level, LogTo};
    use std::time::Duration;

    fn rendered(text: &str, wrap: Option<LogWrap>, host: HostStrategy) -> String {
        let mut target = LogTarget::new(LogTo::Stdout).wrapped(wrap.unwrap_or_default());
        target.facility = 21;
        let to = ForwardTarget {
            target,
            keeps_format: wrap.is_none(),
        };
        let received = Received {
            sender: Some([192, 0, 2, 7].into()),
            now: SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_250),
            host,
        };
        let mut into = Vec::new();
        assert!(line(&mut into, &Message::read(text.as_bytes()), &to, received));
        String::from_utf8(into).unwrap()
    }

    const OLD: &str = "<34>Oct  1 22:14:15 box su[123]: hello";
    const NEW: &str = "<165>1 2003-10-11T22:14:15.003Z box su 77 ID47 [e@1 a=\"3\"] hi";

    /// The bytes that haproxy 2.6 writes.
    #[test]
    fn lines_are_written_in_each_form() {
        let keep = HostStrategy::Keep;
        for (text, wrap, wanted) in [
            (OLD, None, "<34>Oct  1 22:14:15 box su[123]: hello\n"),
            (
                OLD,
                Some(LogWrap::Rfc3164),
                "<34>Oct  1 22:14:15 box su[123]: hello\n",
            ),
            (OLD, Some(LogWrap::Local), "<34>Oct  1 22:14:15 su[123]: hello\n"),
            (
                OLD,
                Some(LogWrap::Rfc5424),
                "<34>1 2023-10-01T22:14:15-00:00 box su 123 - - hello\n",
            ),
            (OLD, Some(LogWrap::Timed), "<2>2023-10-01T22:14:15-00:00 hello\n"),
            (OLD, Some(LogWrap::Short), "<2>hello\n"),
            (OLD, Some(LogWrap::Priority), "<34>hello\n"),
            (OLD, Some(LogWrap::Raw), "hello\n"),
            (
                NEW,
                None,
                "<165>1 2003-10-11T22:14:15.003Z box su 77 ID47 [e@1 a=\"3\"] hi\n",
            ),
            (
                NEW,
                Some(LogWrap::Rfc3164),
                "<165>Oct 11 22:14:15 box su[77]: hi\n",
            ),
            (NEW, Some(LogWrap::Iso), "2003-10-11T22:14:15.003Z hi\n"),
            ("<13>x", None, "<13>x\n"),
            ("x", None, "x\n"),
            ("x", Some(LogWrap::Short), "<0>x\n"),
            ("x", Some(LogWrap::Priority), "<168>x\n"),
        ] {
            assert_eq!(rendered(text, wrap, keep), wanted, "{text} {wrap:?}");
        }
        let now = rendered("<13>x", Some(LogWrap::Rfc3164), keep);
        assert!(
            now.starts_with("<13>Nov 1") && now.ends_with(" localhost x\n"),
            "{now}"
        );
        let now = rendered("<13>x", Some(LogWrap::Rfc5424), keep);
        assert!(
            now.contains(".250000") && now.ends_with(" - - - - - x\n"),
            "{now}"
        );
    }

    #[test]
    fn the_host_is_told_as_the_option_says() {
        for (strategy, said, unsaid) in [
            (HostStrategy::Replace, "192.0.2.7", "192.0.2.7"),
            (HostStrategy::Fill, "box", "192.0.2.7"),
            (HostStrategy::Keep, "box", "localhost"),
            (HostStrategy::Append, "box,192.0.2.7", "192.0.2.7"),
        ] {
            let told = rendered(OLD, Some(LogWrap::Rfc3164), strategy);
            assert_eq!(told.split(' ').nth(4), Some(said), "{strategy:?}");
            let told = rendered("<1>x", Some(LogWrap::Rfc3164), strategy);
            assert!(told.ends_with(&format!(" {unsaid} x\n")), "{strategy:?}: {told}");
        }
    }

    #[test]
    fn levels_and_lengths_are_the_targets() {
        let mut target = LogTarget::new(LogTo::Stdout).wrapped(LogWrap::Priority);
        target.max_level = Level::Error;
        target.min_level = Level::Critical;
        target.length_max = 80;
        let to = ForwardTarget {
            target,
            keeps_format: false,
        };
        let received = Received {
            sender: None,
            now: SystemTime::UNIX_EPOCH,
            host: HostStrategy::Fill,
        };
        let mut into = Vec::new();
        assert!(!line(&mut into, &Message::read(b"<12>a warning"), &to, received));
        assert!(line(&mut into, &Message::read(b"<8>an emergency"), &to, received));
        assert_eq!(into, b"<10>an emergency\n");
        let long = ["<11>", &"x".repeat(200)].concat();
        assert!(line(&mut into, &Message::read(long.as_bytes()), &to, received));
        assert_eq!((into.len(), into.last()), (80, Some(&b'\n')));
    }
}
