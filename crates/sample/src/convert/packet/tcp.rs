//! TCP headers.

use super::super::{ConverterRow, row};
use super::{byte, int, long, packet, word};
use crate::arg::ArgSpec;
use crate::value::{Type, Value};

const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const SEGMENT_MAX: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const TIMESTAMP: u8 = 8;

macro_rules! of_header {
    ($name:literal, $doc:literal, $read:expr) => {
        row($name, ArgSpec::NONE, Type::Bin, Type::Int, $doc, |_, _, v| {
            let data = packet(v)?;
            let header = Header::read(&data)?;
            let read: fn(&Header) -> Option<Value> = $read;
            read(&header)
        })
    };
}

pub(crate) const ROWS: &[ConverterRow] = &[
    of_header!(
        "tcp.dst",
        "the destination port of a TCP header, as `ip.data` gives it (7.3.1)",
        |header| int(word(header.data, 2)?)
    ),
    of_header!(
        "tcp.flags",
        "the 8 flags of a TCP header, from FIN (1) to CWR (128): `tcp.flags,and(2)` (7.3.1)",
        |header| int(header.flags)
    ),
    of_header!(
        "tcp.options.mss",
        "the maximum segment size that a TCP header offers; 0 if it offers none (7.3.1)",
        |header| int(header.segment_max().unwrap_or(0))
    ),
    of_header!(
        "tcp.options.sack",
        "1 if a TCP header permits selective acknowledgements, else 0 (7.3.1)",
        |header| int(header.option(SACK_PERMITTED).is_some())
    ),
    of_header!(
        "tcp.options.tsopt",
        "1 if a TCP header has a timestamp, else 0 (7.3.1)",
        |header| int(header.option(TIMESTAMP).is_some())
    ),
    of_header!(
        "tcp.options.tsval",
        "the sender's timestamp in a TCP header; nothing if it has none (7.3.1)",
        |header| int(long(header.option(TIMESTAMP)?, 0)?)
    ),
    of_header!(
        "tcp.options.wscale",
        "the window scale that a TCP header offers; 0 if it offers none (7.3.1)",
        |header| int(header.window_scale().unwrap_or(0))
    ),
    of_header!(
        "tcp.options.wsopt",
        "1 if a TCP header offers a window scale, else 0 (7.3.1)",
        |header| int(header.option(WINDOW_SCALE).is_some())
    ),
    row(
        "tcp.options_list",
        ArgSpec::NONE,
        Type::Bin,
        Type::Bin,
        "the kinds of a TCP header's options, in their order, without the end: `tcp.options_list,hex` (7.3.1)",
        |_, _, v| {
            let data = packet(v)?;
            let kinds: Vec<u8> = Header::read(&data)?.options().map(|(kind, _)| kind).collect();
            Some(Value::bin(kinds))
        },
    ),
    of_header!(
        "tcp.seq",
        "the sequence number of a TCP header (7.3.1)",
        |header| int(long(header.data, 4)?)
    ),
    of_header!(
        "tcp.src",
        "the source port of a TCP header (7.3.1)",
        |header| int(word(header.data, 0)?)
    ),
    of_header!(
        "tcp.win",
        "the window of a TCP header, not scaled (7.3.1)",
        |header| int(header.window)
    ),
];

pub(super) struct Header<'a> {
    /// The header alone, with its options.
    data: &'a [u8],
    pub(super) len: usize,
    pub(super) flags: u8,
    pub(super) window: u16,
}

impl<'a> Header<'a> {
    /// None if the header has no valid length or ends before that.
    pub(super) fn read(data: &'a [u8]) -> Option<Header<'a>> {
        let len = usize::from(byte(data, 12)? >> 4) * 4;
        let data = data.get(..len).filter(|_| len >= 20)?;
        Some(Header {
            data,
            len,
            flags: byte(data, 13)?,
            window: word(data, 14)?,
        })
    }

    /// The kinds and contents of the options, up to the end or to a broken one.
    pub(super) fn options(&self) -> impl Iterator<Item = (u8, &'a [u8])> {
        let mut rest = self.data.get(20..).unwrap_or_default();
        std::iter::from_fn(move || match rest {
            [] | [END, ..] => None,
            [NO_OPERATION, after @ ..] => {
                rest = after;
                Some((NO_OPERATION, &[][..]))
            }
            [kind, len, after @ ..] => {
                let (content, after) = after.split_at_checked(usize::from(*len).checked_sub(2)?)?;
                rest = after;
                Some((*kind, content))
            }
            [_] => None,
        })
    }

    fn option(&self, wanted: u8) -> Option<&'a [u8]> {
        self.options()
            .find(|(kind, _)| *kind == wanted)
            .map(|(_, content)| content)
    }

    pub(super) fn segment_max(&self) -> Option<u16> {
        word(self.option(SEGMENT_MAX)?, 0)
    }

    pub(super) fn window_scale(&self) -> Option<u8> {
        byte(self.option(WINDOW_SCALE)?, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::run;

    const SYN: &str =
        "d431 01bb f1223344 00000000 a0c2 faf0 0000 0000 020405b4 0402 080a f1020304 00000000 01 030307";
    const BARE: &str = "d431 01bb 11223344 00000000 5010 faf0 0000 0000 aabb";

    #[test]
    fn headers_are_taken_apart() {
        for (converter, syn, bare) in [
            ("tcp.src", "54321", "54321"),
            ("tcp.dst", "443", "443"),
            ("tcp.seq", "4045550404", "287454020"),
            ("tcp.flags", "194", "16"),
            ("tcp.win", "64240", "64240"),
            ("tcp.options.mss", "1460", "0"),
            ("tcp.options.sack", "1", "0"),
            ("tcp.options.tsopt", "1", "0"),
            ("tcp.options.tsval", "4043440900", "-"),
            ("tcp.options.wscale", "7", "0"),
            ("tcp.options.wsopt", "1", "0"),
            ("tcp.options_list", "0204080103", ""),
        ] {
            assert_eq!(run(SYN, converter), syn, "{converter}");
            assert_eq!(run(BARE, converter), bare, "{converter}");
        }
    }

    #[test]
    fn options_end_where_they_are_broken() {
        let with = |options: &str| format!("d431 01bb 11223344 00000000 7002 faf0 0000 0000 {options}");
        for (options, want) in [
            ("0101010101010101", "0101010101010101"),
            ("0402 00 030307 0101", "04"),
            ("0402 0200 01010101", "04"),
            ("0402 0201 01010101", "04"),
            ("0402 0209 01010101", "04"),
            ("01010101010101 04", "01010101010101"),
        ] {
            assert_eq!(run(&with(options), "tcp.options_list"), want, "{options}");
        }
        assert_eq!(run(&with("0203ff 01 030203 01"), "tcp.options.mss"), "0");
    }

    #[test]
    fn a_header_that_ends_early_gives_nothing() {
        assert_eq!(run("", "tcp.src"), "-");
        assert_eq!(
            run("d431 01bb 11223344 00000000 5010 faf0 0000 00", "tcp.src"),
            "-"
        );
        assert_eq!(
            run("d431 01bb 11223344 00000000 4010 faf0 0000 0000", "tcp.src"),
            "-"
        );
        assert_eq!(
            run(
                "d431 01bb 11223344 00000000 6010 faf0 0000 0000 0101",
                "tcp.options_list"
            ),
            "-"
        );
    }
}
