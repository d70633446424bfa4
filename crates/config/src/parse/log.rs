//! The target of a `log` line.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::address::is_host_name;
use super::args::{Args, Parsed, bad_argument, pick};
use crate::diag::{Diagnostic, closest, code};
use crate::model::{
    LogFacility, LogFormatKind, LogLevel, LogSample, LogSink, LogTarget, ServerAddress, ServerPort,
};
use crate::source::Spanned;
use crate::text::Word;

/// The port of servers that name none.
pub(super) const SYSLOG_PORT: u16 = 514;

/// `log global`: lines go where those of the process do. It may stand in `defaults` too: it says where lines go, and not how often.
pub(crate) fn add_global(targets: &mut Vec<LogTarget>, global: &[LogTarget]) {
    for target in global {
        if !targets.contains(target) {
            targets.push(target.clone());
        }
    }
}

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
        sample: None,
        profile: None,
    };
    loop {
        if args.take("len") {
            target.line_bytes_max = args.integer(80, 65_535)?;
        } else if args.take("format") {
            target.format = args.one_of("a log format", &LogFormatKind::NAMES)?;
        } else if args.take("sample") {
            target.sample = Some(sample(args.expect("ranges and a size such as `1,3-4:5`")?)?);
        } else if args.take("profile") {
            target.profile = Some(args.spanned("the name of a `log-profile` section")?);
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

/// `<ranges>:<size>`
fn sample(word: &Word) -> Parsed<LogSample> {
    let text = word.text()?;
    let wrong = |why: &str| {
        let message = format!("`{text}` is not a sample: {why}");
        Box::new(
            Diagnostic::error(code::BAD_ARGUMENT, word.span(), message)
                .help("write ranges of numbers from 1, a colon, and how many lines make a sample: `1,3-4:5`"),
        )
    };
    let (ranges, size) = text.split_once(':').ok_or_else(|| wrong("there is no colon"))?;
    let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number > 0);
    let size = number(size).ok_or_else(|| wrong("the size is no number"))?;
    let range = |text: &str| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        number(first)
            .zip(number(last))
            .filter(|(first, last)| first <= last)
    };
    let ranges: Option<Vec<(u32, u32)>> = ranges.split(',').map(range).collect();
    let mut ranges = ranges.ok_or_else(|| wrong("a range has two numbers, the lower one first"))?;
    ranges.sort_unstable();
    if ranges.iter().any(|(_, last)| *last > size) {
        return Err(wrong("a range goes beyond the size"));
    }
    if ranges
        .windows(2)
        .any(|two| matches!(two, [(_, last), (first, _)] if first <= last))
    {
        return Err(wrong("two ranges overlap"));
    }
    Ok(LogSample { ranges, size })
}

fn sink(word: &Word) -> Parsed<LogSink> {
    let word = word.as_address();
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
    for prefix in ["unix@", "uxdg@"] {
        if let Some(path) = text.strip_prefix(prefix) {
            return Ok(LogSink::Unix(PathBuf::from(path)));
        }
    }
    if let Some(name) = text.strip_prefix("abns@") {
        return Ok(LogSink::Abstract(name.as_bytes().to_vec()));
    }
    if text.starts_with("ring@") {
        let name = word.tail("ring@".len());
        return Ok(LogSink::Ring(Spanned::new(name.text()?.to_owned(), name.span())));
    }
    if text.starts_with("backend@") {
        let name = word.tail("backend@".len());
        return Ok(LogSink::Backend(Spanned::new(
            name.text()?.to_owned(),
            name.span(),
        )));
    }
    for prefix in ["tcp@", "tcp4@", "tcp6@", "uxst@"] {
        if text.starts_with(prefix) {
            let address = super::address::server_address(&word.tail(prefix.len()))?;
            return Ok(LogSink::Stream(with_syslog_port(address)));
        }
    }
    const PREFIXES: [(&str, Option<bool>); 5] = [
        ("udp@", None),
        ("udp4@", Some(false)),
        ("udp6@", Some(true)),
        ("ipv4@", Some(false)),
        ("ipv6@", Some(true)),
    ];
    let family = |(prefix, v6): (&str, Option<bool>)| Some((text.strip_prefix(prefix)?, v6));
    let (address, v6) = PREFIXES.into_iter().find_map(family).unwrap_or((text, None));
    udp(address).or_else(|| by_name(address, v6)).ok_or_else(|| {
        let message = format!("`{text}` is not a target of log lines");
        let diagnostic = Diagnostic::error(code::BAD_ADDRESS, word.span(), message);
        Box::new(
            diagnostic
                .suggest(text, ["stdout", "stderr", "global"])
                .help("a target is `stdout`, `stderr`, `fd@<number>`, the path of a socket, or an address"),
        )
    })
}

fn with_syslog_port(address: ServerAddress) -> ServerAddress {
    let known = |port| match port {
        ServerPort::Mapped(_) | ServerPort::Fixed(0) => ServerPort::Fixed(SYSLOG_PORT),
        fixed => fixed,
    };
    match address {
        ServerAddress::Tcp { ip, port } => ServerAddress::Tcp {
            ip,
            port: known(port),
        },
        ServerAddress::Name { host, port } => ServerAddress::Name {
            host,
            port: known(port),
        },
        other => other,
    }
}

/// A host by its name. What is nearly the name of something else is no host.
fn by_name(text: &str, v6: Option<bool>) -> Option<LogSink> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, "")) => (host, SYSLOG_PORT),
        Some((host, port)) => (host, port.parse().ok()?),
        None if closest(text, ["stdout", "stderr", "global"]).is_some() => return None,
        None => (text, SYSLOG_PORT),
    };
    if host == "localhost" && v6 != Some(true) {
        return Some(LogSink::Udp((Ipv4Addr::LOCALHOST, port).into()));
    }
    is_host_name(host).then(|| LogSink::UdpName {
        host: host.to_owned(),
        v6,
        port,
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
