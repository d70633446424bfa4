//! Random numbers and UUIDs.

use crate::data::Data;
use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::time::SystemTime;

thread_local! {
    /// The keys come from the system's randomness; hashing a counter with them gives numbers that nobody
    /// without the keys can foresee.
    static KEYS: RandomState = RandomState::new();
    static COUNTER: Cell<u64> = const { Cell::new(0) };
}

/// A random number.
pub(crate) fn u64() -> u64 {
    let count = COUNTER.replace(COUNTER.get().wrapping_add(1));
    KEYS.with(|keys| keys.hash_one(count))
}

/// A UUID of version 4, or of version 7, which begins with the time.
pub(crate) fn uuid(by_time: bool, now: SystemTime) -> Data {
    let (mut high, mut low) = (u64(), u64());
    if by_time {
        let ms = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis() as u64;
        high = ms << 16 | high & 0xffff;
    }
    high = high & !0xf000 | if by_time { 0x7000 } else { 0x4000 };
    low = low & !(3 << 62) | 2 << 62;
    Data::format(format_args!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn uuids_have_their_version_variant_and_time() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(0x0123_4567_89ab);
        let text = |by_time| String::from_utf8(uuid(by_time, now).to_vec()).unwrap();
        let (random, timed) = (text(false), text(true));
        assert_eq!((random.len(), &random[14..15]), (36, "4"));
        assert!("89ab".contains(&random[19..20]));
        assert!(timed.starts_with("01234567-89ab-7"), "{timed}");
        assert_ne!(text(false), random);
    }
}
