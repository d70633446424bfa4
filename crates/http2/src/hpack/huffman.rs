//! Strings in the code of RFC 7541, appendix B.
//!
//! The code is canonical: codes of one length follow each other in the order of what they stand for, those of the next length come behind
//! them. So the lengths are all there is to know.

use super::CompressionError;

/// The last symbol, which ends nothing: it isn't allowed to occur.
const EOS: usize = 256;

/// How many bits each byte takes, and the last symbol.
#[rustfmt::skip]
static BITS: [u8; EOS + 1] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// The shortest code, and the longest.
const BITS_MIN: u32 = 5;
const BITS_MAX: u32 = 30;

/// Codes of so many bits are looked up in one step. They are those of what names and values usually have, and of no control character.
const SHORT_BITS_MAX: u32 = 8;

/// Codes of more bits begin with seven ones. Up to this length, which nearly all of ASCII has, the next eight bits tell them.
const MIDDLE_BITS_MAX: u32 = 15;

/// So many short codes are there for sure when there are eight more bytes.
const AT_ONCE: usize = 7;

/// How much room the bytes of a string need, at the most.
pub(super) fn room_for(coded: usize) -> usize {
    coded * 8 / BITS_MIN as usize + AT_ONCE
}

/// What a string came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    pub(super) len: usize,
    /// It is known that there are no control characters: there is no code of those that have them.
    pub(super) is_plain: bool,
}

/// Decodes a string into a place that has [`room_for`] it.
///
/// # Errors
/// The last symbol's code is there, or something behind the last code that isn't the beginning of it or is longer than seven bits.
pub(super) fn decode(coded: &[u8], into: &mut [u8]) -> Result<Decoded, CompressionError> {
    let mut bits = Bits { word: 0, len: 0 };
    let mut rest = coded;
    let mut len = 0;
    let mut is_plain = true;
    while let Some(next) = rest.first_chunk() {
        let taken = bits.fill(u64::from_be_bytes(*next));
        rest = rest.get(taken..).unwrap_or_default();
        let places = into
            .get_mut(len..)
            .and_then(|into| into.first_chunk_mut::<AT_ONCE>());
        for place in places.ok_or(CompressionError)? {
            let code = bits.short();
            if code.bits > 0 {
                *place = code.byte;
                bits.skip(code.bits);
                len += 1;
                continue;
            }
            if bits.len >= BITS_MAX {
                let code = bits.longer()?;
                *place = code.byte;
                bits.skip(code.bits);
                len += 1;
                is_plain &= code.is_plain();
            }
            break;
        }
    }
    let mut more = rest.len() as u32 * 8;
    let mut next = last_word(coded, rest);
    let mut places = into.get_mut(len..).unwrap_or_default().iter_mut();
    let room = places.len();
    loop {
        bits.word |= next.unbounded_shr(bits.len);
        let taken = more.min(u64::BITS - bits.len);
        next = next.unbounded_shl(taken);
        more -= taken;
        bits.len += taken;
        while bits.len >= SHORT_BITS_MAX {
            let mut code = bits.short();
            if code.bits == 0 {
                if bits.len < BITS_MAX && more > 0 {
                    break;
                }
                code = bits.longer()?;
                if code.bits > bits.len {
                    return Err(CompressionError);
                }
                is_plain &= code.is_plain();
            }
            *places.next().ok_or(CompressionError)? = code.byte;
            bits.skip(code.bits);
        }
        if more == 0 {
            break;
        }
    }
    // Less than a byte is left.
    while !bits.is_end() {
        let code = bits.short();
        if code.bits == 0 || code.bits > bits.len {
            return Err(CompressionError);
        }
        *places.next().ok_or(CompressionError)? = code.byte;
        bits.skip(code.bits);
    }
    len += room - places.len();
    Ok(Decoded { len, is_plain })
}

/// What is left at the end of a string, less than eight bytes.
fn last_word(coded: &[u8], rest: &[u8]) -> u64 {
    let behind = 64 - 8 * rest.len() as u32;
    match coded.last_chunk() {
        Some(last) => u64::from_be_bytes(*last).unbounded_shl(behind),
        None => { rest.iter() }
            .fold(0_u64, |word, byte| (word << 8) | u64::from(*byte))
            .unbounded_shl(behind),
    }
}

/// Bits that were taken from a string and not yet read: the first of a word.
#[derive(Clone, Copy)]
struct Bits {
    word: u64,
    len: u32,
}

/// A code, and the byte that it stands for.
#[derive(Clone, Copy)]
struct Code {
    byte: u8,
    /// 0 where it isn't known.
    bits: u32,
}

impl Code {
    /// Whether it is no control character. Of those that nobody should have, all are taken for one.
    fn is_plain(self) -> bool {
        self.bits <= MIDDLE_BITS_MAX && self.byte >= b' '
    }
}

impl Bits {
    /// Puts as many bytes as fit behind the bits that are there. Returns how many those are.
    fn fill(&mut self, next: u64) -> usize {
        self.word |= next >> self.len;
        let bytes = (u64::BITS - 1 - self.len) / 8;
        // the same as adding to it
        self.len |= 56;
        bytes as usize
    }

    fn skip(&mut self, bits: u32) {
        self.word <<= bits;
        self.len -= bits;
    }

    /// The first code, if it is a short one.
    fn short(self) -> Code {
        let entry = SHORT.get((self.word >> (u64::BITS - SHORT_BITS_MAX)) as usize);
        let [bits, byte] = entry.copied().unwrap_or_default().to_be_bytes();
        let bits = bits.into();
        Code { byte, bits }
    }

    /// The first code, if it isn't a short one.
    fn longer(self) -> Result<Code, CompressionError> {
        let entry = MIDDLE.get(usize::from((self.word >> (u64::BITS - MIDDLE_BITS_MAX)) as u8));
        let [bits, byte] = entry.copied().unwrap_or_default().to_be_bytes();
        let bits = bits.into();
        if bits > 0 {
            Ok(Code { byte, bits })
        } else {
            self.long()
        }
    }

    #[inline(never)]
    fn long(self) -> Result<Code, CompressionError> {
        let word = (self.word >> 32) as u32;
        let length = LONG
            .iter()
            .find(|length| word <= length.last)
            .ok_or(CompressionError)?;
        let place = ((word - length.first) >> (u32::BITS - length.bits)) + length.place;
        let byte = *BYTES.get(place as usize).ok_or(CompressionError)?;
        let bits = length.bits;
        Ok(Code { byte, bits })
    }

    fn followed_by_ones(self) -> u64 {
        self.word | u64::MAX.unbounded_shr(self.len)
    }

    /// Whether these bits fill the last byte of a string.
    fn is_end(self) -> bool {
        self.len < 8 && self.followed_by_ones() == u64::MAX
    }
}

/// The codes of one length.
#[derive(Clone, Copy)]
struct Length {
    bits: u32,
    /// The first of them and what the last can be followed by, as the first bits of a word.
    first: u32,
    last: u32,
    /// Where in [`BYTES`] the first one's byte is.
    place: u32,
}

/// Lengths of more than eight bits.
const LONG_LENGTHS: usize = 17;

struct Tables {
    /// The code of each byte.
    codes: [u32; EOS],
    /// By the first eight bits of a word: how many the code there has, and its byte.
    short: [u16; 1 << SHORT_BITS_MAX],
    /// The same for the eight bits behind seven ones.
    middle: [u16; 1 << 8],
    long: [Length; LONG_LENGTHS],
    /// The bytes, in the order of their codes.
    bytes: [u8; EOS],
}

const TABLES: Tables = tables();
static SHORT: [u16; 1 << SHORT_BITS_MAX] = TABLES.short;
static MIDDLE: [u16; 1 << 8] = TABLES.middle;
static LONG: [Length; LONG_LENGTHS] = TABLES.long;
static BYTES: [u8; EOS] = TABLES.bytes;

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn tables() -> Tables {
    let none = Length {
        bits: 0,
        first: 0,
        last: 0,
        place: 0,
    };
    let mut tables = Tables {
        codes: [0; EOS],
        short: [0; 1 << SHORT_BITS_MAX],
        middle: [0; 1 << 8],
        long: [none; LONG_LENGTHS],
        bytes: [0; EOS],
    };
    let (mut code, mut place, mut longs) = (0_u32, 0, 0);
    let mut bits = BITS_MIN;
    while bits <= BITS_MAX {
        let (first, first_place) = (code, place);
        let mut symbol = 0;
        while symbol <= EOS {
            if BITS[symbol] as u32 == bits {
                if symbol < EOS {
                    tables.codes[symbol] = code;
                    tables.bytes[place] = symbol as u8;
                    place += 1;
                }
                if bits <= SHORT_BITS_MAX {
                    let behind = SHORT_BITS_MAX - bits;
                    let mut any = 0;
                    while any < 1 << behind {
                        tables.short[((code << behind) | any) as usize] =
                            ((bits << 8) as u16) | symbol as u16;
                        any += 1;
                    }
                }
                code += 1;
            }
            symbol += 1;
        }
        if bits > SHORT_BITS_MAX && code > first {
            let behind = u32::BITS - bits;
            tables.long[longs] = Length {
                bits,
                first: first << behind,
                last: ((code - 1) << behind) | ((1 << behind) - 1),
                place: first_place as u32,
            };
            longs += 1;
        }
        code <<= 1;
        bits += 1;
    }
    assert!(longs == LONG_LENGTHS && place == EOS);
    tables
}

#[cfg(test)]
static CODES: [u32; EOS] = TABLES.codes;

/// The bytes that a string takes.
#[cfg(test)]
pub(super) fn coded_len(string: &[u8]) -> usize {
    let bits = |byte: &u8| usize::from(BITS.get(usize::from(*byte)).copied().unwrap_or_default());
    string.iter().map(bits).sum::<usize>().div_ceil(8)
}

/// Writes a string.
#[cfg(test)]
pub(super) fn encode(string: &[u8], out: &mut Vec<u8>) {
    let (mut word, mut len) = (0_u64, 0);
    for byte in string {
        let at = usize::from(*byte);
        let code = CODES.get(at).copied().unwrap_or_default();
        let bits = u32::from(BITS.get(at).copied().unwrap_or_default());
        word = (word << bits) | u64::from(code);
        len += bits;
        if len >= 32 {
            len -= 32;
            out.extend_from_slice(&((word >> len) as u32).to_be_bytes());
        }
    }
    // filled with the beginning of the last symbol's code
    let filled = len.next_multiple_of(8);
    let word = ((word << (filled - len)) | ((1 << (filled - len)) - 1)) as u32;
    let last = word.unbounded_shl(32 - filled).to_be_bytes();
    out.extend_from_slice(last.get(..filled as usize / 8).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decoded(coded: &[u8]) -> Result<Vec<u8>, CompressionError> {
        let mut into = vec![0; room_for(coded.len())];
        let decoded = decode(coded, &mut into)?;
        into.truncate(decoded.len);
        let has_controls = into.iter().any(|b| *b < 0x20 || *b == 0x7f);
        assert!(!(decoded.is_plain && has_controls));
        Ok(into)
    }

    fn encoded(string: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        encode(string, &mut out);
        assert_eq!(out.len(), coded_len(string));
        out
    }

    /// One bit at a time, as the standard says.
    fn decoded_slowly(coded: &[u8]) -> Result<Vec<u8>, CompressionError> {
        let (mut out, mut code, mut bits) = (Vec::new(), 0_u32, 0_u8);
        for bit in coded
            .iter()
            .flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1))
        {
            (code, bits) = (code << 1 | u32::from(bit), bits + 1);
            if let Some(byte) = (0..EOS).find(|byte| (CODES[*byte], BITS[*byte]) == (code, bits)) {
                out.push(byte as u8);
                (code, bits) = (0, 0);
            }
            if bits == 30 {
                return Err(CompressionError);
            }
        }
        let is_padding = bits < 8 && code == (1 << bits) - 1;
        if is_padding {
            Ok(out)
        } else {
            Err(CompressionError)
        }
    }

    #[test]
    fn codes_are_those_of_the_standard() {
        for (byte, code, bits) in [
            (b'0', 0x0, 5),
            (b'a', 0x3, 5),
            (b' ', 0x14, 6),
            (b'Z', 0xfd, 8),
            (b'!', 0x3f8, 10),
            (b'\\', 0x7fff0, 19),
            (0x00, 0x1ff8, 13),
            (0x7f, 0xfff_fffc, 28),
            (0xff, 0x3ff_ffee, 26),
            (0x16, 0x3fff_fffe, 30),
        ] {
            assert_eq!(
                (CODES[usize::from(byte)], BITS[usize::from(byte)]),
                (code, bits),
                "{byte}"
            );
        }
    }

    #[test]
    fn strings_are_those_of_the_standard() {
        // RFC 7541, appendices C.4 and C.6
        for (string, coded) in [
            ("www.example.com", "f1e3c2e5f23a6ba0ab90f4ff"),
            ("no-cache", "a8eb10649cbf"),
            ("custom-key", "25a849e95ba97d7f"),
            ("custom-value", "25a849e95bb8e8b4bf"),
            ("302", "6402"),
            ("private", "aec3771a4b"),
            (
                "Mon, 21 Oct 2013 20:13:21 GMT",
                "d07abe941054d444a8200595040b8166e082a62d1bff",
            ),
            ("https://www.example.com", "9d29ad171863c78f0b97c8e9ae82ae43d3"),
            ("gzip", "9bd9ab"),
            (
                "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
                "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
            ),
        ] {
            let hex: String = encoded(string.as_bytes())
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect();
            assert_eq!(hex, coded);
            assert_eq!(decoded(&encoded(string.as_bytes())), Ok(string.into()));
        }
    }

    #[test]
    fn every_byte_comes_back_at_every_place() {
        for byte in 0..=255_u8 {
            for before in 0..20 {
                for behind in 0..12 {
                    let string = [&vec![b'a'; before][..], &[byte], &vec![b'0'; behind]].concat();
                    assert_eq!(decoded(&encoded(&string)), Ok(string));
                }
            }
        }
    }

    #[test]
    fn what_fills_the_last_byte_is_less_than_a_byte_of_ones() {
        assert_eq!(decoded(b""), Ok(vec![]));
        assert_eq!(decoded(&[0b0001_1111]), Ok(b"a".to_vec()));
        for bad in [
            &[0b0001_1110][..],
            &[0b0001_1000],
            // a whole byte of them, at the end of different lengths
            &[0xff],
            &[0b0001_1111, 0xff],
            &[
                0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff, 0xff,
            ],
            // the last symbol
            &[0xff, 0xff, 0xff, 0xfc],
            &[0xff, 0xff, 0xff, 0xff],
            &[0x00, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0x00],
        ] {
            assert_eq!(decoded(bad), Err(CompressionError), "{bad:x?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_was_written_is_read(string: Vec<u8>, text in "[ -~]{0,80}") {
            prop_assert_eq!(decoded(&encoded(&string)), Ok(string));
            prop_assert_eq!(decoded(&encoded(text.as_bytes())), Ok(text.into_bytes()));
        }

        #[test]
        fn whatever_comes_is_what_it_is_bit_by_bit(coded in prop::collection::vec(
            prop_oneof![any::<u8>(), Just(0xff), Just(0xfe)], 0..40,
        )) {
            prop_assert_eq!(decoded(&coded), decoded_slowly(&coded));
        }
    }
}
