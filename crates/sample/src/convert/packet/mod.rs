//! Headers of packets, as `fc_saved_syn` keeps them: Ethernet, IP and TCP.

mod ethernet;
mod ip;
mod tcp;

pub(super) use ethernet::ROWS as ETHERNET;
pub(super) use ip::ROWS as IP;
pub(super) use tcp::ROWS as TCP;

use crate::data::Data;
use crate::value::Value;

/// The bytes of a packet.
fn packet(value: Value) -> Option<Data> {
    match value {
        Value::Bin(data) => Some(data),
        _ => None,
    }
}

fn byte(data: &[u8], at: usize) -> Option<u8> {
    data.get(at).copied()
}

/// The 16-bit number at an offset, as it goes over the network.
fn word(data: &[u8], at: usize) -> Option<u16> {
    data.get(at..)?
        .first_chunk()
        .map(|bytes| u16::from_be_bytes(*bytes))
}

/// The 32-bit number at an offset.
fn long(data: &[u8], at: usize) -> Option<u32> {
    data.get(at..)?
        .first_chunk()
        .map(|bytes| u32::from_be_bytes(*bytes))
}

fn int(number: impl Into<i64>) -> Option<Value> {
    Some(Value::Int(number.into()))
}

#[cfg(test)]
mod tests {
    use crate::{Converter, NoSession, Scope, Value};
    use proptest::prelude::*;

    const ALL: [&str; 26] = [
        "eth.data",
        "eth.dst",
        "eth.hdr",
        "eth.proto",
        "eth.src",
        "eth.vlan",
        "ip.data",
        "ip.df",
        "ip.dst",
        "ip.fp",
        "ip.hdr",
        "ip.proto",
        "ip.src",
        "ip.tos",
        "ip.ttl",
        "ip.ver",
        "tcp.dst",
        "tcp.flags",
        "tcp.options.mss",
        "tcp.options.sack",
        "tcp.options.tsopt",
        "tcp.options.tsval",
        "tcp.options.wscale",
        "tcp.options.wsopt",
        "tcp.options_list",
        "tcp.seq",
    ];

    /// What a chain of converters makes of bytes in hexadecimal; bytes are shown in hexadecimal too.
    pub(super) fn run(hex: &str, chain: &str) -> String {
        // `bin` takes a digit at least.
        let text = match hex {
            "" => format!("str(),{chain}"),
            hex => format!("bin({}),{chain}", hex.replace(' ', "")),
        };
        match text.parse::<crate::Expr>().unwrap().eval(&NoSession) {
            Some(Value::Bin(data)) => data.iter().map(|byte| format!("{byte:02x}")).collect(),
            Some(value) => String::from_utf8(crate::cast::text(value).unwrap().to_vec()).unwrap(),
            None => "-".to_string(),
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end_well(
            name in proptest::sample::select(&ALL[..]),
            start in proptest::sample::select(vec![&b""[..], b"\x45", b"\x60", b"\x4f", b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x81\x00"]),
            rest in proptest::collection::vec(prop_oneof![0u8..9, any::<u8>()], 0..120),
        ) {
            let packet = [start, &rest].concat();
            Converter::new(name, &[], &Scope::anywhere()).unwrap().apply(&NoSession, Value::bin(packet));
        }
    }
}
