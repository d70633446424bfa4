//! Where a script connects to, in the forms of HAProxy's addresses.

use std::path::PathBuf;

use mlua::Result;

use super::wrong;

/// An address that was understood; names are resolved when it is connected to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// A host, by name or address, and a port.
    Host(String, u16),
    /// A Unix socket.
    Unix(PathBuf),
    /// A Unix socket in the abstract namespace.
    Abstract(Vec<u8>),
}

impl Address {
    /// Reads what a script gave to the function `name`.
    pub(super) fn parse(text: &str, port: Option<i64>, name: &str) -> Result<Address> {
        if let Some(path) = text
            .strip_prefix("unix@")
            .or_else(|| text.starts_with('/').then_some(text))
        {
            return Ok(Address::Unix(path.into()));
        }
        if let Some(abstract_name) = text.strip_prefix("abns@") {
            return Ok(Address::Abstract(abstract_name.into()));
        }
        let text = ["ipv4@", "ipv6@"]
            .iter()
            .find_map(|prefix| text.strip_prefix(prefix))
            .unwrap_or(text);
        let (host, port) = match port {
            Some(port) => (text, Some(port)),
            // `::1` alone has no port, `::1:80` has.
            None => match text.rsplit_once(':') {
                Some((host, port)) => (host, port.parse().ok()),
                None => (text, None),
            },
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = port.ok_or_else(|| wrong(&format!("{name}: port missing")))?;
        match u16::try_from(port) {
            Ok(port) if port > 0 && !host.is_empty() => Ok(Address::Host(host.to_owned(), port)),
            _ => Err(wrong(&format!(
                "{name}: cannot parse destination address '{text}'"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(host: &str, port: u16) -> Address {
        Address::Host(host.to_owned(), port)
    }

    #[test]
    fn every_form_is_understood() {
        for (text, port, wanted) in [
            ("127.0.0.1", Some(80), host("127.0.0.1", 80)),
            ("127.0.0.1:8080", None, host("127.0.0.1", 8080)),
            ("ipv4@10.0.0.1:81", None, host("10.0.0.1", 81)),
            ("::1", Some(80), host("::1", 80)),
            ("[::1]:80", None, host("::1", 80)),
            ("ipv6@::1:80", None, host("::1", 80)),
            ("example.org", Some(443), host("example.org", 443)),
            ("/run/x.sock", None, Address::Unix("/run/x.sock".into())),
            ("unix@/run/x.sock", None, Address::Unix("/run/x.sock".into())),
            ("abns@name", None, Address::Abstract(b"name".to_vec())),
        ] {
            assert_eq!(Address::parse(text, port, "connect").unwrap(), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_told() {
        for (text, port, wanted) in [
            ("127.0.0.1", None, "connect: port missing"),
            (
                "127.0.0.1",
                Some(0),
                "connect: cannot parse destination address '127.0.0.1'",
            ),
            (
                "127.0.0.1",
                Some(70_000),
                "connect: cannot parse destination address '127.0.0.1'",
            ),
            ("", Some(80), "connect: cannot parse destination address ''"),
        ] {
            let error = Address::parse(text, port, "connect").unwrap_err().to_string();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }
}
