//! Where a script connects to, in the forms of HAProxy's addresses.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

/// An address that was understood; names are resolved when it is connected to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// A host and a port.
    Host {
        /// A name, or an address.
        name: String,
        port: u16,
        /// Which of a name's addresses will do.
        family: Family,
    },
    /// A Unix socket.
    Unix(PathBuf),
    /// A Unix socket in the abstract namespace.
    Abstract(Vec<u8>),
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Any,
    V4,
    V6,
}

/// What may stand before a host.
const PREFIXES: [(&str, Family); 3] = [("ip@", Family::Any), ("ipv4@", Family::V4), ("ipv6@", Family::V6)];

impl Family {
    /// Whether the address is one of it.
    pub(super) fn has(self, address: &IpAddr) -> bool {
        match self {
            Family::Any => true,
            Family::V4 => address.is_ipv4(),
            Family::V6 => address.is_ipv6(),
        }
    }
}

/// Why a text is no address.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoAddress {
    /// It needs a port, and the script gave none.
    PortMissing,
    /// Nothing can be connected to by it.
    Unreadable(String),
}

impl fmt::Display for NoAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoAddress::PortMissing => f.write_str("port missing"),
            NoAddress::Unreadable(why) => f.write_str(why),
        }
    }
}

impl Address {
    /// Reads what a script gave.
    ///
    /// # Errors
    /// It is no address.
    pub(crate) fn parse(text: &str, port: Option<i64>) -> Result<Address, NoAddress> {
        if let Some(path) = text
            .strip_prefix("unix@")
            .or_else(|| text.starts_with('/').then_some(text))
        {
            return Ok(Address::Unix(path.into()));
        }
        if let Some(abstract_name) = text.strip_prefix("abns@") {
            return Ok(Address::Abstract(abstract_name.into()));
        }
        if text.starts_with("fd@") {
            let why = "descriptors (`fd@`) are not connected to: they could be another session's";
            return Err(NoAddress::Unreadable(why.to_owned()));
        }
        let (host, family) = PREFIXES
            .into_iter()
            .find_map(|(prefix, family)| Some((text.strip_prefix(prefix)?, family)))
            .unwrap_or((text, Family::Any));
        let (host, port) = match port {
            Some(port) => (host, Some(port)),
            // `::1` alone has no port, `::1:80` has.
            None => match host.rsplit_once(':') {
                Some((host, port)) => (host, port.parse().ok()),
                None => (host, None),
            },
        };
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let port = port.ok_or(NoAddress::PortMissing)?;
        let port = u16::try_from(port)
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(|| NoAddress::Unreadable(format!("port {port} is not between 1 and 65535")))?;
        if is_host(name, family) {
            let name = name.to_owned();
            Ok(Address::Host { name, port, family })
        } else {
            let why = format!("cannot parse destination address '{text}'");
            Err(NoAddress::Unreadable(why))
        }
    }
}

/// An address of the family, or what may be a name.
fn is_host(name: &str, family: Family) -> bool {
    match name.parse() {
        Ok(address) => family.has(&address),
        // With a colon it would have to be an address; perhaps a port is given twice. A zone may follow.
        Err(_) if name.contains(':') => {
            let address = name.split_once('%').map_or("", |(address, _)| address);
            family != Family::V4 && address.parse::<Ipv6Addr>().is_ok()
        }
        Err(_) => !name.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str, port: u16) -> Address {
        of(Family::Any, name, port)
    }

    fn of(family: Family, name: &str, port: u16) -> Address {
        let name = name.to_owned();
        Address::Host { name, port, family }
    }

    #[test]
    fn every_form_is_understood() {
        for (text, port, wanted) in [
            ("127.0.0.1", Some(80), host("127.0.0.1", 80)),
            ("127.0.0.1:8080", None, host("127.0.0.1", 8080)),
            ("ipv4@10.0.0.1:81", None, of(Family::V4, "10.0.0.1", 81)),
            ("ip@10.0.0.1:81", None, host("10.0.0.1", 81)),
            ("ipv6@example.org", Some(80), of(Family::V6, "example.org", 80)),
            ("::1", Some(80), host("::1", 80)),
            ("[::1]:80", None, host("::1", 80)),
            ("ipv6@::1:80", None, of(Family::V6, "::1", 80)),
            ("fe80::1%lo", Some(80), host("fe80::1%lo", 80)),
            ("example.org", Some(443), host("example.org", 443)),
            ("/run/x.sock", None, Address::Unix("/run/x.sock".into())),
            ("unix@/run/x.sock", None, Address::Unix("/run/x.sock".into())),
            ("abns@name", None, Address::Abstract(b"name".to_vec())),
        ] {
            assert_eq!(Address::parse(text, port).unwrap(), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_told() {
        for (text, port, wanted) in [
            ("127.0.0.1", None, "port missing"),
            ("127.0.0.1", Some(0), "port 0 is not between 1 and 65535"),
            ("127.0.0.1", Some(70_000), "port 70000 is not between 1 and 65535"),
            ("", Some(80), "cannot parse destination address ''"),
            (
                "ipv4@::1",
                Some(80),
                "cannot parse destination address 'ipv4@::1'",
            ),
            (
                "ipv6@127.0.0.1",
                Some(80),
                "cannot parse destination address 'ipv6@127.0.0.1'",
            ),
            (
                "127.0.0.1:80",
                Some(80),
                "cannot parse destination address '127.0.0.1:80'",
            ),
            (
                "fd@3",
                None,
                "descriptors (`fd@`) are not connected to: they could be another session's",
            ),
        ] {
            let error = Address::parse(text, port).unwrap_err().to_string();
            assert_eq!(error, wanted, "{text}");
        }
    }
}
