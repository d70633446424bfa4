//! How many steps the C matcher may take, at most, before it comes back: seen from the pattern alone.
//!
//! Every quantifier takes some number of bytes, and all of them together no more than the subject has. So
//! `k` quantifiers (the place where the match begins counts as one) can be tried in no more ways than
//! `k` numbers with a sum of at most `n` can be chosen: `binomial(n + k, k)`. Each `?` at most doubles that.
//! Three numbers about the pattern are enough for a first, rough bound that costs a few nanoseconds;
//! only if it is too high, the pattern is looked at item by item.

/// Steps that are left to the C matcher, which nothing can stop: a few milliseconds.
pub(super) const STEPS_MAX: u64 = 1 << 20;

/// Longer patterns are never bounded, only run on the budget.
const PATTERN_BYTES_MAX: usize = 128;

/// Per byte of a pattern, what it may add: quantifiers that repeat, `?`, `%`, and letters after which a `%`
/// item reads on through the subject (`%b`, `%1`), each in eight bits of one number.
#[expect(clippy::indexing_slicing, reason = "checked when it is compiled")]
static WEIGHTS: [u32; 256] = {
    let mut weights = [0; 256];
    weights[b'*' as usize] = 1;
    weights[b'+' as usize] = 1;
    weights[b'-' as usize] = 1;
    weights[b'?' as usize] = 1 << 8;
    weights[b'%' as usize] = 1 << 16;
    weights[b'b' as usize] = 1 << 24;
    let mut digit = b'0';
    while digit <= b'9' {
        weights[digit as usize] = 1 << 24;
        digit += 1;
    }
    weights
};

/// Whether the C matcher surely comes back within [`STEPS_MAX`] from matching `pattern` anywhere in a
/// subject of `subject_bytes`.
#[inline]
pub(super) fn is_small(pattern: &[u8], subject_bytes: usize) -> bool {
    is_small_at_a_glance(pattern, subject_bytes) || steps(pattern, subject_bytes) <= STEPS_MAX as f64
}

#[inline]
fn is_small_at_a_glance(pattern: &[u8], subject_bytes: usize) -> bool {
    if pattern.len() > PATTERN_BYTES_MAX || subject_bytes > 1 << 20 {
        return false;
    }
    let mut weight = 0u32;
    for &byte in pattern {
        weight += WEIGHTS.get(usize::from(byte)).copied().unwrap_or(0);
    }
    let (mut repeats, optionals) = (weight & 0xff, weight >> 8 & 0xff);
    if ends_in_repeat(pattern) {
        repeats -= 1; // it was counted, and nothing behind it can fail
    }
    let readers = if weight >> 16 & 0xff == 0 {
        0
    } else {
        u64::from(weight >> 24)
    };
    let places = subject_bytes as u64 + 1;
    if optionals > 10 {
        return false;
    }
    let mut steps = ((pattern.len() as u64 + 1) + readers * places) << optionals;
    for _ in 0..=repeats {
        steps *= places; // both below 2^21: no overflow before the check
        if steps > STEPS_MAX {
            return false;
        }
    }
    true
}

/// Whether the last item (but for ends of captures) is one that repeats, or at least looks like it: then it was
/// counted as one and is none.
fn ends_in_repeat(pattern: &[u8]) -> bool {
    let last = pattern.iter().rev().find(|&&byte| byte != b')');
    matches!(last, Some(b'*' | b'+' | b'-'))
}

/// The bound itself. Never less than the C matcher's steps; saturates to infinity.
fn steps(pattern: &[u8], subject_bytes: usize) -> f64 {
    if pattern.len() > PATTERN_BYTES_MAX {
        return f64::INFINITY;
    }
    let bytes = subject_bytes as f64;
    let (mut at, mut choices, mut ways) = if pattern.first() == Some(&b'^') {
        (1, 0.0, 1.0)
    } else {
        (0, 1.0, bytes + 1.0)
    };
    let mut steps = ways;
    while at < pattern.len() {
        let (end, reads_on) = item_end(pattern, at);
        let cost = (end - at) as f64;
        steps += ways * if reads_on { cost + bytes } else { cost };
        at = end;
        match pattern.get(end) {
            Some(b'*' | b'+' | b'-') => {
                at += 1;
                let rest = pattern.get(at..).unwrap_or(&[]);
                // All the places where it can stop, over all the ways to get to it.
                let stops = ways * (bytes + choices + 1.0) / (choices + 1.0);
                match tail(rest) {
                    // Nothing behind it can fail: once it is reached, that was the match.
                    Tail::Sure => steps += bytes * cost,
                    Tail::Anchor => steps += stops * (cost + rest.len() as f64 + 1.0),
                    Tail::Open => {
                        steps += stops * (cost + 1.0);
                        choices += 1.0;
                        ways = stops;
                    }
                }
            }
            Some(b'?') => {
                at += 1;
                ways *= 2.0;
            }
            _ => {}
        }
    }
    steps + ways
}

/// What can still fail behind a quantifier.
enum Tail {
    Sure,
    Anchor,
    Open,
}

fn tail(rest: &[u8]) -> Tail {
    match rest {
        [captures @ .., b'$'] if captures.iter().all(|&byte| byte == b')') => Tail::Anchor,
        captures if captures.iter().all(|&byte| byte == b')') => Tail::Sure,
        _ => Tail::Open,
    }
}

/// Where the item at `at` ends, and whether it reads through the subject by itself. Need not be right about
/// malformed patterns: those cost less.
fn item_end(pattern: &[u8], at: usize) -> (usize, bool) {
    match (pattern.get(at), pattern.get(at + 1)) {
        (Some(b'%'), Some(b'b')) => ((at + 4).min(pattern.len()), true),
        (Some(b'%'), Some(b'0'..=b'9')) => (at + 2, true),
        (Some(b'%'), Some(b'f')) => (set_end(pattern, at + 2), false),
        (Some(b'%'), Some(_)) => (at + 2, false),
        (Some(b'['), _) => (set_end(pattern, at), false),
        _ => (at + 1, false),
    }
}

fn set_end(pattern: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    if pattern.get(end) == Some(&b'^') {
        end += 1;
    }
    loop {
        end += if pattern.get(end) == Some(&b'%') { 2 } else { 1 };
        match pattern.get(end) {
            Some(b']') => return end + 1,
            Some(_) => {}
            None => return pattern.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::matcher::{Budget, Matcher};
    use super::super::pattern::{Item, compile};
    use super::*;
    use proptest::prelude::*;
    use std::cell::Cell;
    use std::mem::MaybeUninit;

    #[test]
    fn ordinary_patterns_stay_with_the_c_matcher() {
        for (pattern, bytes) in [
            ("(%w+)=(%w+)", 100),
            ("^%s*(.-)%s*$", 100),
            ("[^,]+", 700),
            ("needle", 100_000),
            ("^/api/v%d+/", 10_000),
        ] {
            assert!(is_small(pattern.as_bytes(), bytes), "{pattern} on {bytes}");
        }
    }

    #[test]
    fn patterns_that_explode_do_not() {
        for (pattern, bytes) in [
            (".-.-.-.-x", 200),
            ("%w*%w*%w*%w*!", 100),
            ("a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?aaaaaaaaaaaaaaaaaa", 30),
            (".-b", 10_000),
            ("%b()", 10_000),
            ("x", 10_000_000),
        ] {
            assert!(!is_small(pattern.as_bytes(), bytes), "{pattern} on {bytes}");
        }
    }

    proptest! {
        /// The glance may only let through what the bound lets through, or what is within the limit anyway.
        #[test]
        fn the_bound_is_above_the_steps_taken(
            pattern in "[ab.?*+()%$^-]{0,12}", subject in "[ab]{0,24}"
        ) {
            let anchored = pattern.starts_with('^');
            let body = pattern.strip_prefix('^').unwrap_or(&pattern).as_bytes();
            let mut room = vec![MaybeUninit::<Item>::uninit(); body.len()];
            let items = compile(body, &mut room);
            let calls = Cell::new(0u64);
            // One step a check: the count of checks is the count of steps.
            let budget = Budget::counting_every_step(|| {
                calls.set(calls.get() + 1);
                calls.get() > 2_000_000
            });
            let mut matcher = Matcher::new(subject.as_bytes(), items, budget);
            let _ = if anchored { matcher.match_at(0).map(drop) } else { matcher.search(0).map(drop) };
            let bound = steps(pattern.as_bytes(), subject.len());
            prop_assert!(calls.get() as f64 <= bound * 2.0 + 4.0, "{} steps, bound {bound}", calls.get());
            // What is let through at a glance must not even come near the limit.
            if calls.get() > STEPS_MAX {
                prop_assert!(!is_small(pattern.as_bytes(), subject.len()));
            }
        }
    }
}
