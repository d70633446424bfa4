//! Addresses of `bind` and `server` lines.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use super::args::{Parsed, bad_argument, fault};
use crate::diag::{Diagnostic, code};
use crate::model::{BindAddress, PortRange, ServerAddress, ServerPort, SourceAddress};
use crate::text::Word;

/// One address of a `bind` line.
pub(crate) fn bind_address(word: &Word) -> Parsed<BindAddress> {
    let word = word.as_address();
    let (family, rest) = family(word)?;
    let text = rest.text()?;
    match family {
        Family::Unix => Ok(BindAddress::Unix(path(&rest)?)),
        Family::Abstract => Ok(BindAddress::Abstract(rest.bytes().to_vec())),
        Family::Fd => match text.parse::<i32>() {
            Ok(number) if number >= 0 => Ok(BindAddress::Fd(number)),
            _ => fault(
                code::BAD_ADDRESS,
                &rest,
                format!("`{text}` is not the number of a descriptor"),
            ),
        },
        Family::Any | Family::V4 | Family::V6 => {
            let (host, ports) = split_port(&rest)?;
            let Some(ports) = ports else {
                let message = format!("`{}` has no port", word.lossy());
                return Err(Box::new(
                    Diagnostic::error(code::BAD_ADDRESS, word.span(), message)
                        .help("write `<address>:<port>`, or `:<port>` for all IPv4 addresses"),
                ));
            };
            let ports = port_range(&ports)?;
            let ip = match host.text()? {
                "" | "*" if family == Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
                "" | "*" => Ipv4Addr::UNSPECIFIED.into(),
                text => match (parse_ip(text), family) {
                    (Some(ip @ IpAddr::V4(_)), Family::Any | Family::V4) => ip,
                    (Some(ip @ IpAddr::V6(_)), Family::Any | Family::V6) => ip,
                    (Some(_), _) => {
                        let message = format!("`{text}` is not of the family that is asked for");
                        return fault(code::BAD_ADDRESS, &host, message);
                    }
                    (None, Family::Any | Family::V4) if text == "localhost" => Ipv4Addr::LOCALHOST.into(),
                    (None, _) if is_host_name(text) => {
                        let host = text.to_owned();
                        let v6 = (family != Family::Any).then_some(family == Family::V6);
                        return Ok(BindAddress::Name { host, v6, ports });
                    }
                    (None, _) => return Err(not_an_address(&host)),
                },
            };
            Ok(BindAddress::Tcp { ip, ports })
        }
    }
}

/// The address of a `server` line.
pub(crate) fn server_address(word: &Word) -> Parsed<ServerAddress> {
    let word = word.as_address();
    let (family, rest) = family(word)?;
    match family {
        Family::Unix => return Ok(ServerAddress::Unix(path(&rest)?)),
        Family::Abstract => return Ok(ServerAddress::Abstract(rest.bytes().to_vec())),
        Family::Fd => {
            let message = "a server can't be an inherited descriptor";
            return fault(code::BAD_ADDRESS, word, message);
        }
        Family::Any | Family::V4 | Family::V6 => {}
    }
    let (host, port) = split_port(&rest)?;
    let text = host.text()?;
    if text.starts_with('_') && port.is_none() {
        // The records of a service tell ports too.
        let host = text.to_owned();
        let port = ServerPort::Fixed(0);
        return Ok(ServerAddress::Name { host, port });
    }
    let port = server_port(port)?;
    let ip = match text {
        "" | "*" if family == Family::V6 => Some(Ipv6Addr::UNSPECIFIED.into()),
        "" | "*" => Some(Ipv4Addr::UNSPECIFIED.into()),
        text => parse_ip(text),
    };
    match ip {
        Some(ip) if matches!(family, Family::V4 | Family::V6) && ip.is_ipv6() != (family == Family::V6) => {
            let message = format!("`{text}` is not of the family that is asked for");
            fault(code::BAD_ADDRESS, &host, message)
        }
        Some(ip) => Ok(ServerAddress::Tcp { ip, port }),
        None if is_host_name(text) => Ok(ServerAddress::Name {
            host: text.to_owned(),
            port,
        }),
        None => Err(not_an_address(&host)),
    }
}

/// The family that an address says it is of: IPv6 or, if false, IPv4.
pub(crate) fn family_said(word: &Word) -> Option<bool> {
    match family(word.as_address()) {
        Ok((Family::V4, _)) => Some(false),
        Ok((Family::V6, _)) => Some(true),
        _ => None,
    }
}

/// The address of a `source` line, with a port or some of them to choose from.
pub(crate) fn source_address(word: &Word) -> Parsed<SourceAddress> {
    let word = word.as_address();
    let (family, rest) = family(word)?;
    if !matches!(family, Family::Any | Family::V4 | Family::V6) {
        return fault(code::BAD_ADDRESS, word, "connections are made from an IP address");
    }
    let (host, ports) = match parse_ip(rest.text()?) {
        Some(IpAddr::V6(_)) => (rest, None),
        _ => split_port(&rest)?,
    };
    let ip = match host.text()? {
        "" | "*" if family == Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
        "" | "*" => Ipv4Addr::UNSPECIFIED.into(),
        text => known_ip(text).ok_or_else(|| not_an_address(&host))?,
    };
    let ports = match ports {
        Some(word) if !word.bytes().is_empty() && !word.is("0") => port_range(&word)?,
        _ => PortRange { first: 0, last: 0 },
    };
    Ok(SourceAddress {
        ip,
        first_port: ports.first,
        last_port: ports.last,
        interface: None,
        presented_as: None,
        presented_written: None,
    })
}

/// Where checks go in place of a server: an address, maybe with a port.
pub(crate) fn check_address(word: &Word) -> Parsed<(IpAddr, Option<u16>)> {
    let word = word.as_address();
    let (family, rest) = family(word)?;
    if !matches!(family, Family::Any | Family::V4 | Family::V6) {
        return fault(code::BAD_ADDRESS, word, "checks go to an IP address");
    }
    let (host, port_word) = match parse_ip(rest.text()?) {
        Some(IpAddr::V6(_)) => (rest, None),
        _ => split_port(&rest)?,
    };
    let text = host.text()?;
    let Some(ip) = known_ip(text) else {
        return bad_argument(&host, format!("`{text}` is not an IP address"));
    };
    Ok((ip, port_word.map(|word| port(&word)).transpose()?))
}

/// The address of a proxy of SOCKS.
pub(crate) fn socket_address(word: &Word) -> Parsed<SocketAddr> {
    match check_address(word)? {
        (ip, Some(port)) => Ok((ip, port).into()),
        (_, None) => Err(Box::new(
            Diagnostic::error(
                code::BAD_ADDRESS,
                word.span(),
                format!("`{}` has no port", word.lossy()),
            )
            .help("write `<address>:<port>`"),
        )),
    }
}

/// A network, `192.0.2.0/24`; a mere address is one of its own.
pub(crate) fn network(word: &Word) -> Parsed<(IpAddr, u8)> {
    let text = word.text()?;
    let (address, length) = text
        .split_once('/')
        .map_or((text, None), |(ip, length)| (ip, Some(length)));
    let Ok(ip) = address.parse::<IpAddr>() else {
        return bad_argument(word, format!("`{text}` is not a network"));
    };
    let longest = if ip.is_ipv4() { 32 } else { 128 };
    match length.map(str::parse::<u8>) {
        None => Ok((ip, longest)),
        Some(Ok(length)) if length <= longest => Ok((ip, length)),
        Some(_) => bad_argument(
            word,
            format!("the length of the network `{text}` isn't from 0 to {longest}"),
        ),
    }
}

/// Where a name server is, and whether it is asked over TCP. The port is 53 if none is given.
pub(crate) fn name_server(word: &Word) -> Parsed<(SocketAddr, bool)> {
    let word = word.as_address();
    let text = word.text()?;
    const PREFIXES: [(&str, bool); 6] = [
        ("tcp@", true),
        ("tcp4@", true),
        ("tcp6@", true),
        ("udp@", false),
        ("udp4@", false),
        ("udp6@", false),
    ];
    let found = PREFIXES.iter().find(|(prefix, _)| text.starts_with(prefix));
    let (rest, tcp) = match found {
        Some((prefix, tcp)) => (word.tail(prefix.len()), *tcp),
        None => (word.clone(), false),
    };
    let (family, rest) = family(&rest)?;
    if !matches!(family, Family::Any | Family::V4 | Family::V6) {
        return fault(code::BAD_ADDRESS, word, "a name server is asked over UDP or TCP");
    }
    let (host, port_word) = split_port(&rest)?;
    let port = match port_word {
        Some(word) => port(&word)?,
        None => 53,
    };
    let host_text = host.text()?;
    match known_ip(host_text) {
        Some(ip) => Ok(((ip, port).into(), tcp)),
        None if is_host_name(host_text) => {
            let message = format!("a name server has no name of its own: `{host_text}`");
            Err(Box::new(
                Diagnostic::error(code::BAD_ADDRESS, host.span(), message).help("give its IP address"),
            ))
        }
        None => Err(not_an_address(&host)),
    }
}

/// An address of any kind, also of those that nothing here connects to: only its form is checked.
pub(crate) fn endpoint(word: &Word, needs_port: bool) -> Parsed<()> {
    let word = word.as_address();
    let text = word.text()?;
    let rest = match FAMILIES_PENDING.iter().find(|prefix| text.starts_with(*prefix)) {
        Some(prefix) => word.tail(prefix.len()),
        None => match family(word)? {
            (Family::Any | Family::V4 | Family::V6, rest) => rest,
            (_, rest) => return path(&rest).map(|_| ()),
        },
    };
    let (host, port_word) = split_port(&rest)?;
    match port_word {
        Some(word) => drop(port(&word)?),
        None if needs_port => {
            let message = format!("`{}` has no port", word.lossy());
            return Err(Box::new(
                Diagnostic::error(code::BAD_ADDRESS, word.span(), message).help("write `<address>:<port>`"),
            ));
        }
        None => {}
    }
    let host_text = host.text()?;
    let is_host = matches!(host_text, "" | "*") || parse_ip(host_text).is_some() || is_host_name(host_text);
    if is_host {
        Ok(())
    } else {
        Err(not_an_address(&host))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Any,
    V4,
    V6,
    Unix,
    Abstract,
    Fd,
}

/// What says that a socket is of streams, as all are here.
const STREAM: &str = "stream+";

const FAMILIES: [(&str, Family); 12] = [
    ("ip@", Family::Any),
    ("ipv4@", Family::V4),
    ("ipv6@", Family::V6),
    ("tcp@", Family::Any),
    ("tcp4@", Family::V4),
    ("tcp6@", Family::V6),
    ("unix@", Family::Unix),
    ("uxst@", Family::Unix),
    ("abns@", Family::Abstract),
    ("abnsz@", Family::Abstract),
    ("fd@", Family::Fd),
    ("/", Family::Unix),
];

fn left_out(prefix: &str) -> &'static str {
    match prefix {
        "rhttp@" => "connections that servers open are not turned round (reverse HTTP)",
        prefix if prefix.starts_with("quic") => "QUIC is not served",
        prefix if prefix.starts_with("mptcp") => "MPTCP is not spoken; the same address without it works",
        _ => "sockets of this kind are not served",
    }
}

const FAMILIES_PENDING: [&str; 13] = [
    "mptcp@",
    "mptcp4@",
    "mptcp6@",
    "quic@",
    "quic4@",
    "quic6@",
    "rhttp@",
    "sockpair@",
    "dgram+",
    "quic+",
    "udp@",
    "udp4@",
    "udp6@",
];

fn family(word: &Word) -> Parsed<(Family, Word)> {
    let text = word.text()?;
    if text.is_empty() {
        return fault(code::BAD_ADDRESS, word, "an address is empty");
    }
    if let Some(rest) = text.strip_prefix(STREAM).filter(|rest| !rest.starts_with(STREAM)) {
        return family(&word.tail(text.len() - rest.len()));
    }
    for (prefix, family) in FAMILIES {
        if text.starts_with(prefix) {
            let skip = if prefix == "/" { 0 } else { prefix.len() };
            return Ok((family, word.tail(skip)));
        }
    }
    if let Some(prefix) = FAMILIES_PENDING.iter().find(|prefix| text.starts_with(*prefix)) {
        let message = format!("`{prefix}` is not supported");
        let diagnostic = Diagnostic::error(code::LEFT_OUT, word.part(0, prefix.len()).span(), message);
        return Err(Box::new(diagnostic.note(left_out(prefix))));
    }
    if let Some(at) = text.find('@') {
        let message = format!("unknown kind of address `{}`", text.get(..=at).unwrap_or(text));
        let diagnostic = Diagnostic::error(code::BAD_ADDRESS, word.part(0, at + 1).span(), message);
        let known = FAMILIES.iter().map(|(name, _)| *name);
        return Err(Box::new(
            diagnostic.suggest(text.get(..=at).unwrap_or(text), known),
        ));
    }
    Ok((Family::Any, word.clone()))
}

/// The longest path that the system's socket addresses hold.
const PATH_BYTES_MAX: usize = 107;

fn path(word: &Word) -> Parsed<PathBuf> {
    let text = word.text()?;
    if text.is_empty() {
        return fault(code::BAD_ADDRESS, word, "the path of a socket is empty");
    }
    if text.len() > PATH_BYTES_MAX {
        let message = format!("the path of a socket can't be longer than {PATH_BYTES_MAX} bytes");
        return fault(code::BAD_ADDRESS, word, message);
    }
    Ok(PathBuf::from(text))
}

/// Host and port. HAProxy takes what follows the last colon for the port; an address in brackets may have none.
fn split_port(word: &Word) -> Parsed<(Word, Option<Word>)> {
    let text = word.text()?;
    let host_end = if text.ends_with(']') {
        None
    } else {
        text.rfind(':')
    };
    Ok(match host_end {
        Some(at) => (word.part(0, at), Some(word.tail(at + 1))),
        None => (word.clone(), None),
    })
}

fn parse_ip(text: &str) -> Option<IpAddr> {
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match bracketed {
        Some(inner) => inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => text.parse().ok(),
    }
}

/// An address, or the name that everybody has for one.
fn known_ip(text: &str) -> Option<IpAddr> {
    let own = || (text == "localhost").then_some(Ipv4Addr::LOCALHOST.into());
    parse_ip(text).or_else(own)
}

fn not_an_address(host: &Word) -> Box<Diagnostic> {
    let text = host.lossy();
    let message = format!("`{text}` is not an address");
    let diagnostic = Diagnostic::error(code::BAD_ADDRESS, host.span(), message);
    Box::new(match text.find("://") {
        Some(at) => {
            let scheme = text.get(..at + 3).unwrap_or_default();
            diagnostic.help(format!("write the address alone, without `{scheme}`"))
        }
        None if is_host_name(&text) => {
            diagnostic.help("names aren't looked up here: write an address, or `*`")
        }
        None => diagnostic,
    })
}

fn port_range(word: &Word) -> Parsed<PortRange> {
    let text = word.text()?;
    let Some(dash) = text.find('-') else {
        let port = port(word)?;
        return Ok(PortRange {
            first: port,
            last: port,
        });
    };
    let (first, last) = (port(&word.part(0, dash))?, port(&word.tail(dash + 1))?);
    if last < first {
        return fault(
            code::BAD_ADDRESS,
            word,
            format!("the range of ports `{text}` ends before it begins"),
        );
    }
    Ok(PortRange { first, last })
}

fn port(word: &Word) -> Parsed<u16> {
    let text = word.text()?;
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u16>() {
        Ok(port) if is_number && port > 0 => Ok(port),
        _ => Err(Box::new(
            Diagnostic::error(code::BAD_ADDRESS, word.span(), format!("`{text}` is not a port"))
                .help("a port is a number from 1 to 65535"),
        )),
    }
}

/// A server's port: without one, or with a sign before it, it depends on the port that the client connected to.
fn server_port(port_word: Option<Word>) -> Parsed<ServerPort> {
    let Some(word) = port_word else {
        return Ok(ServerPort::Mapped(0));
    };
    match word.text()? {
        "" | "0" => Ok(ServerPort::Mapped(0)),
        text if text.starts_with(['+', '-']) => match text.parse::<i32>() {
            Ok(offset) if offset.unsigned_abs() <= u32::from(u16::MAX) => Ok(ServerPort::Mapped(offset)),
            _ => fault(
                code::BAD_ADDRESS,
                &word,
                format!("`{text}` is not a port relative to the client's, such as `+1000`"),
            ),
        },
        text if text.contains('-') => fault(code::BAD_ADDRESS, &word, "a server has one port, not a range"),
        _ => port(&word).map(ServerPort::Fixed),
    }
}

pub(crate) fn is_host_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    // what looks like a number is an address that isn't valid
    let numeric = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    !text.is_empty() && text.len() <= 253 && text.bytes().all(allowed) && !numeric
}
