//! How many there were in a second and in the one before it, and which second that is, in one word: what it takes to tell how
//! often something happens per second.

/// Bits of a count; more than they hold in a second is as much as they hold.
const COUNT_BITS: u32 = 20;
pub(crate) const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;
/// Bits of the second's number, which wraps after half a year.
const SECOND_MAX: u64 = (1 << 24) - 1;

/// The counts of this second and of the one before it.
pub(crate) fn counts(word: u64, second: u64) -> (u64, u64) {
    let (last, before, now) = (
        word >> (2 * COUNT_BITS),
        word >> COUNT_BITS & COUNT_MAX,
        word & COUNT_MAX,
    );
    match second.wrapping_sub(last) & SECOND_MAX {
        0 => (now, before),
        1 => (0, now),
        _ => (0, 0),
    }
}

/// The word once there was one more in this second.
pub(crate) fn one_more(word: u64, second: u64) -> u64 {
    let (now, before) = counts(word, second);
    (second & SECOND_MAX) << (2 * COUNT_BITS) | before << COUNT_BITS | (now + 1).min(COUNT_MAX)
}

/// How many there were in the second that ends now: those of the current one, and of the one before it the part that is not
/// too long ago.
pub(crate) fn per_second(word: u64, second: u64, millisecond: u64) -> u64 {
    let (now, before) = counts(word, second);
    now + before * (1000 - millisecond.min(1000)) / 1000
}
