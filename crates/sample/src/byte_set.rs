//! Sets of bytes, which are asked about each byte of a text: in the same time whatever is in them, since scripts choose both.

/// A set of bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByteSet([u64; 4]);

impl ByteSet {
    /// Those that are somewhere in `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut set = Self::default();
        for byte in bytes {
            if let Some(word) = set.0.get_mut(usize::from(byte / 64)) {
                *word |= 1 << (byte % 64);
            }
        }
        set
    }

    /// Whether `byte` is in it.
    #[must_use]
    pub fn contains(&self, byte: u8) -> bool {
        let word = self.0.get(usize::from(byte / 64)).copied().unwrap_or_default();
        word >> (byte % 64) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_put_in_and_nothing_else() {
        let bytes = [0, 1, 63, 64, b',', 127, 128, 255, b','];
        let set = ByteSet::of(&bytes);
        for byte in 0..=255 {
            assert_eq!(set.contains(byte), bytes.contains(&byte), "{byte}");
        }
    }
}
