//! The target of a `log` line.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::args::{Args, Parsed, bad_argument, pick};
use crate::diag::{Diagnostic, code};
use crate::model::{LogFacility, LogFormatKind, LogLevel, LogSink, LogTarget};
use crate::text::Word;

const SYSLOG_PORT: u16 = 514;

/// Reads a `log` line from its target on.
pub(crate) fn log_target(args: &mut Args<'_>) -> Parsed<LogTarget> {
    let word = args.expect("a target such as `stdout` or an address")?;
    let sink = sink(word)?;
    let mut target = LogTarget {
        sink,
        span: word.span(),
        line_bytes_max: 1024,
        format: LogFormatKind::Default,
        facility: LogFacility(16),
        level: LogLevel::Debug,
        level_min: LogLevel::Emerg,
    };
    loop {
        if args.take("len") {
            target.line_bytes_max = args.integer(80, 65_535)?;
        } else if args.take("format") {
            target.format = args.one_of("a log format", &LogFormatKind::NAMES)?;
        } else if let Some(word) = args.peek().filter(|word| word.is("profile") || word.is("sample")) {
            return Err(Box::new(super::keyword::unsupported(word, "log ")));
        } else {
            break;
        }
    }
    let facilities: Vec<(&'static str, LogFacility)> = (0..)
        .zip(LogFacility::NAMES)
        .map(|(number, name)| (name, LogFacility(number)))
        .collect();
    target.facility = args.one_of("a syslog facility", &facilities)?;
    if let Some(word) = args.next() {
        target.level = level(word)?;
    }
    if let Some(word) = args.next() {
        target.level_min = level(word)?;
    }
    Ok(target)
}

/// A syslog level by its name.
pub(crate) fn level(word: &Word) -> Parsed<LogLevel> {
    pick(word, "a syslog level", &LogLevel::NAMES)
}

fn sink(word: &Word) -> Parsed<LogSink> {
    let text = word.text()?;
    if text == "stdout" {
        return Ok(LogSink::Stdout);
    }
    if text == "stderr" {
        return Ok(LogSink::Stderr);
    }
    if let Some(number) = text.strip_prefix("fd@") {
        return match number.parse::<i32>() {
            Ok(number) if number >= 0 => Ok(LogSink::Fd(number)),
            _ => bad_argument(word, format!("`{number}` is not the number of a descriptor")),
        };
    }
    if text.starts_with('/') {
        return Ok(LogSink::Unix(PathBuf::from(text)));
    }
    if let Some(path) = text.strip_prefix("unix@") {
        return Ok(LogSink::Unix(PathBuf::from(path)));
    }
    if text.starts_with("ring@") || text.starts_with("backend@") || text.starts_with("tcp@") {
        return Err(Box::new(super::keyword::unsupported(word, "log ")));
    }
    let address = text
        .strip_prefix("udp@")
        .or_else(|| text.strip_prefix("ipv4@"))
        .unwrap_or(text);
    let address = address.strip_prefix("ipv6@").unwrap_or(address);
    udp(address).ok_or_else(|| {
        let message = format!("`{text}` is not a target of log lines");
        let diagnostic = Diagnostic::error(code::BAD_ADDRESS, word.span(), message);
        Box::new(
            diagnostic
                .suggest(text, ["stdout", "stderr", "global"])
                .help("a target is `stdout`, `stderr`, `fd@<number>`, the path of a socket, or an address"),
        )
    })
}

fn udp(text: &str) -> Option<LogSink> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Some(LogSink::Udp(SocketAddr::new(ip, SYSLOG_PORT)));
    }
    let (host, port) = text.rsplit_once(':')?;
    let host = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    let ip = if host.is_empty() || host == "*" {
        Ipv4Addr::LOCALHOST.into()
    } else {
        host.parse().ok()?
    };
    let port = if port.is_empty() {
        SYSLOG_PORT
    } else {
        port.parse().ok()?
    };
    Some(LogSink::Udp(SocketAddr::new(ip, port)))
}
