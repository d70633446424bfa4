//! What goes into converters: edges that were thought of, and random bytes that are the same in every run.

/// A generator of numbers that repeat for a seed (SplitMix64, public domain).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap_or(0)
    }

    /// Up to `length_max` bytes of an alphabet; any bytes if it is empty.
    pub(crate) fn bytes(&mut self, alphabet: &[u8], length_max: usize) -> Vec<u8> {
        let length = self.below(length_max + 1);
        (0..length)
            .map(|_| {
                let any = self.next() as u8;
                alphabet.get(self.below(alphabet.len())).copied().unwrap_or(any)
            })
            .collect()
    }
}

/// Bytes in base64, to bring them through a header.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let block = (0..3).fold(0u32, |block, at| {
            block << 8 | u32::from(chunk.get(at).copied().unwrap_or(0))
        });
        for digit in 0..4u32 {
            let index = (block >> (18 - 6 * digit) & 63) as usize;
            let known = digit as usize <= chunk.len();
            text.push(match DIGITS.get(index) {
                Some(digit) if known => char::from(*digit),
                _ => '=',
            });
        }
    }
    text
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of hexadecimal digits; none if they are something else.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    text.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_as_in_its_standard() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xff, 0xfe]), "//4=");
    }

    #[test]
    fn hexadecimal_is_read_whole_or_not_at_all() {
        assert_eq!(unhex("00fFa1"), Some(vec![0, 255, 161]));
        assert_eq!(unhex(""), Some(vec![]));
        assert_eq!(unhex(&hex(&[1, 254])), Some(vec![1, 254]));
        assert_eq!(unhex("0"), None);
        assert_eq!(unhex("0g"), None);
    }

    #[test]
    fn a_seed_gives_the_same_bytes_and_only_those_asked_for() {
        let run = |seed| {
            let mut random = Random::new(seed);
            (0..20).map(|_| random.bytes(b"xyz", 9)).collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        let all = run(3);
        assert!(all.iter().all(|bytes| bytes.len() <= 9));
        assert!(all.iter().flatten().all(|byte| b"xyz".contains(byte)));
        assert!(all.iter().any(Vec::is_empty) || all.iter().any(|bytes| bytes.len() > 6));
        let any = Random::new(4).bytes(b"", 4000);
        assert!(any.contains(&0) && any.contains(&255));
    }
}
