//! Addresses and networks.

use std::net::IpAddr;

use mlua::{FromLua as _, IntoLua, LuaString, UserData, UserDataFields, Value};
use tidegate_exec::function;
use tidegate_sample::arg::{mask4, mask6};

use crate::arg::{Named, Object};
use crate::row::{Row, row};

pub(super) const ROWS: &[Row] = &[
    row(
        "parse_addr(address)",
        "an address or network (`10.0.0.0/8`, `10.0.0.0/255.0.0.0`) for `core.match_addr`, or nil",
        |lua, name, _| {
            function(lua, name, |lua, text: LuaString| {
                let text = text.as_bytes();
                match std::str::from_utf8(&text).ok().and_then(Network::parse) {
                    Some(network) => lua.create_userdata(network)?.into_lua(lua),
                    None => Ok(Value::Nil),
                }
            })
        },
    ),
    row(
        "match_addr(addr1, addr2)",
        "true if one of the two networks holds the other; what is no address holds nothing",
        |lua, name, _| {
            // What `parse_addr` could not read is no address of any network.
            function(lua, name, |lua, (a, b): (Value, Value)| {
                let network = |value| Object::<Network>::from_lua(value, lua).ok();
                Ok(network(a).zip(network(b)).is_some_and(|(a, b)| a.0.matches(&b.0)))
            })
        },
    ),
];

/// An address with the length of its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    bits: u128,
    mask: u128,
    is_v4: bool,
}

impl Network {
    fn parse(text: &str) -> Option<Network> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let mask = match (address, length) {
            (_, None) => u128::MAX,
            (IpAddr::V4(_), Some(length)) => !u128::from(!mask4(length)?),
            (IpAddr::V6(_), Some(length)) => mask6(length)?,
        };
        let bits = match address {
            IpAddr::V4(v4) => u32::from(v4).into(),
            IpAddr::V6(v6) => v6.into(),
        };
        Some(Network {
            bits,
            mask,
            is_v4: address.is_ipv4(),
        })
    }

    /// Whether one is in the other, whatever bits stand behind the length of either.
    fn matches(&self, other: &Network) -> bool {
        let both = self.mask & other.mask;
        self.is_v4 == other.is_v4 && self.bits & both == other.bits & both
    }
}

impl Named for Network {
    const NAME: &'static str = "address";
}

impl UserData for Network {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_meta_field("__name", "address");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(a: &str, b: &str) -> bool {
        Network::parse(a).unwrap().matches(&Network::parse(b).unwrap())
    }

    #[test]
    fn a_network_matches_what_it_holds_in_either_order() {
        assert!(matches("127.0.0.0/8", "127.0.0.1"));
        assert!(matches("127.0.0.1", "127.0.0.0/8"));
        assert!(matches("::/0", "2001:db8::1"));
        assert!(matches("127.0.0.1/8", "127.1.1.1"));
        assert!(matches("10.1.2.3/255.255.0.0", "10.1.0.0/24"));
        assert!(!matches("10.1.2.3/255.255.0.0", "10.2.0.0/24"));
        assert!(matches("2001:db8::1/ffff:ffff::", "2001:db8:5::"));
        assert!(!matches("127.0.0.0/8", "128.0.0.1"));
        assert!(!matches("0.0.0.0/0", "::1"));
    }

    #[test]
    fn what_is_no_network_is_none() {
        for text in [
            "",
            "zz",
            "127.0.0.1/33",
            "::/129",
            "1.2.3.4/x",
            "1.2.3.4/ffff::",
            "::/255.0.0.0",
        ] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
