//! Ethernet frames.

use super::super::{ConverterRow, row};
use super::{int, packet, word};
use crate::arg::ArgSpec;
use crate::value::{Type, Value};

const NONE: ArgSpec = ArgSpec::NONE;

pub(crate) const ROWS: &[ConverterRow] = &[
    row(
        "eth.data",
        NONE,
        Type::Bin,
        Type::Bin,
        "what an Ethernet frame carries, behind its header and VLANs: `fc_saved_syn,eth.data,ip.src` (7.3.1)",
        |_, _, v| {
            let frame = packet(v)?;
            let header = Header::read(&frame)?;
            Some(Value::Bin(frame.slice(header.len..frame.len())))
        },
    ),
    row(
        "eth.dst",
        NONE,
        Type::Bin,
        Type::Bin,
        "the 6 bytes of an Ethernet frame's destination: `fc_saved_syn,eth.dst,be2hex(:,1)` (7.3.1)",
        |_, _, v| {
            let frame = packet(v)?;
            (frame.len() >= 6).then(|| Value::Bin(frame.slice(0..6)))
        },
    ),
    row(
        "eth.hdr",
        NONE,
        Type::Bin,
        Type::Bin,
        "the header of an Ethernet frame with its VLANs: `fc_saved_syn,eth.hdr,hex` (7.3.1)",
        |_, _, v| {
            let frame = packet(v)?;
            let header = Header::read(&frame)?;
            Some(Value::Bin(frame.slice(0..header.len)))
        },
    ),
    row(
        "eth.proto",
        NONE,
        Type::Bin,
        Type::Int,
        "the protocol that an Ethernet frame carries: 2048 is IPv4, 34525 is IPv6 (7.3.1)",
        |_, _, v| int(Header::read(&packet(v)?)?.protocol),
    ),
    row(
        "eth.src",
        NONE,
        Type::Bin,
        Type::Bin,
        "the 6 bytes of an Ethernet frame's source: `fc_saved_syn,eth.src,be2hex(:,1)` (7.3.1)",
        |_, _, v| {
            let frame = packet(v)?;
            (frame.len() >= 12).then(|| Value::Bin(frame.slice(6..12)))
        },
    ),
    row(
        "eth.vlan",
        NONE,
        Type::Bin,
        Type::Int,
        "the last VLAN of an Ethernet frame; nothing if it has none (7.3.1)",
        |_, _, v| int(Header::read(&packet(v)?)?.vlan?),
    ),
];

/// Tags of VLANs: IEEE 802.1Q and 802.1ad.
const VLAN_TAGS: [u16; 2] = [0x8100, 0x88a8];

struct Header {
    len: usize,
    protocol: u16,
    vlan: Option<u16>,
}

impl Header {
    /// None if the frame ends inside its header.
    fn read(frame: &[u8]) -> Option<Header> {
        let mut header = Header {
            len: 14,
            protocol: word(frame, 12)?,
            vlan: None,
        };
        while VLAN_TAGS.contains(&header.protocol) {
            header.vlan = Some(word(frame, header.len)? & 0xfff);
            header.protocol = word(frame, header.len + 2)?;
            header.len += 4;
        }
        Some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::run;

    const PLAIN: &str = "0a0b0c0d0e0f 010203040506 0800 45aabb";
    const VLANS: &str = "0a0b0c0d0e0f 010203040506 88a8 6064 8100 f00a 86dd 60";

    #[test]
    fn frames_are_taken_apart() {
        for (frame, converter, want) in [
            (PLAIN, "eth.dst", "0a0b0c0d0e0f"),
            (PLAIN, "eth.src", "010203040506"),
            (PLAIN, "eth.proto", "2048"),
            (PLAIN, "eth.vlan", "-"),
            (PLAIN, "eth.hdr", "0a0b0c0d0e0f0102030405060800"),
            (PLAIN, "eth.data", "45aabb"),
            (VLANS, "eth.proto", "34525"),
            (VLANS, "eth.vlan", "10"),
            (VLANS, "eth.data", "60"),
            (VLANS, "eth.hdr,bytes(12)", "88a860648100f00a86dd"),
        ] {
            assert_eq!(run(frame, converter), want, "{converter}");
        }
    }

    #[test]
    fn a_frame_that_ends_early_gives_nothing() {
        assert_eq!(run("0a0b0c0d0e", "eth.dst"), "-");
        assert_eq!(run("0a0b0c0d0e0f 0102030405", "eth.src"), "-");
        assert_eq!(run("0a0b0c0d0e0f 010203040506 08", "eth.data"), "-");
        assert_eq!(run("0a0b0c0d0e0f 010203040506 8100 0001", "eth.vlan"), "-");
        assert_eq!(run("0a0b0c0d0e0f 010203040506 8100 0001 08", "eth.proto"), "-");
    }
}
