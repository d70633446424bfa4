//! Lua 5.4's pattern language, compiled to items that a matcher with a budget can run.
//!
//! The C matcher reads the pattern's text again at every step; here each single-character item becomes a
//! set of 256 bits, which makes one step a table look-up. What a pattern says wrong becomes an
//! [`Item::Fault`] at its place and not an error at once, because Lua reports a malformed pattern only if
//! matching gets as far as the mistake.

use std::mem::MaybeUninit;

/// Most captures a pattern may have (`LUA_MAXCAPTURES`).
pub(super) const CAPTURES_MAX: usize = 32;

/// Why matching ended without an answer; the texts are Lua's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    EndsWithPercent,
    MissingBracket,
    MissingBalanceArguments,
    MissingFrontierSet,
    InvalidCapture,
    /// A reference to a capture that is not there, or not closed yet.
    CaptureIndex(u8),
    UnfinishedCapture,
    TooManyCaptures,
    TooComplex,
    /// The budget ran out: the host wants this run to end.
    Interrupted,
}

/// How often a single-character item may match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    Once,
    /// `?`
    Optional,
    /// `*`
    Star,
    /// `+`
    Plus,
    /// `-`
    Lazy,
}

/// One step of a compiled pattern.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item {
    Single(Set, Repeat),
    Open,
    OpenPosition,
    Close,
    /// `%0` to `%9`, as written: `%0` is refused when it is reached, as in Lua.
    BackReference(u8),
    Balance(u8, u8),
    Frontier(Set),
    EndAnchor,
    Fault(Fault),
}

/// A set of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Set([u64; 4]);

/// The bytes that have a meaning of their own somewhere in a pattern.
pub(super) const SPECIALS: Set = Set::of(b"^$*+?.([%-");

impl Set {
    const EMPTY: Self = Self([0; 4]);
    const ALL: Self = Self([u64::MAX; 4]);

    #[inline(always)]
    pub(super) fn has(&self, byte: u8) -> bool {
        let word = self.0.get(usize::from(byte >> 6));
        word.is_some_and(|word| word >> (byte & 63) & 1 != 0)
    }

    fn insert(&mut self, byte: u8) {
        if let Some(word) = self.0.get_mut(usize::from(byte >> 6)) {
            *word |= 1 << (byte & 63);
        }
    }

    fn insert_all(&mut self, other: Self) {
        for (word, more) in self.0.iter_mut().zip(other.0) {
            *word |= more;
        }
    }

    const fn inverted(self) -> Self {
        let [a, b, c, d] = self.0;
        Self([!a, !b, !c, !d])
    }

    fn byte(byte: u8) -> Self {
        let mut set = Self::EMPTY;
        set.insert(byte);
        set
    }

    const fn of(mut bytes: &[u8]) -> Self {
        let mut set = Self::EMPTY;
        while let [byte, rest @ ..] = bytes {
            set = set.union(Self::range(*byte, *byte));
            bytes = rest;
        }
        set
    }

    /// The set of `%` and `letter`: a class, or the byte itself.
    #[inline(always)]
    fn class(letter: u8) -> Self {
        // Letters are 64 to 127 and only they are classes.
        match letter
            .checked_sub(64)
            .and_then(|index| LETTERS.get(usize::from(index)))
        {
            Some(set) => *set,
            None => Self::byte(letter),
        }
    }

    const fn of_letter(letter: u8) -> Self {
        let class = match letter.to_ascii_lowercase() {
            b'a' => CLASSES.alpha,
            b'c' => CLASSES.cntrl,
            b'd' => CLASSES.digit,
            b'g' => CLASSES.graph,
            b'l' => CLASSES.lower,
            b'p' => CLASSES.punct,
            b's' => CLASSES.space,
            b'u' => CLASSES.upper,
            b'w' => CLASSES.alnum,
            b'x' => CLASSES.xdigit,
            b'z' => CLASSES.zero,
            _ => return Self::range(letter, letter),
        };
        if letter.is_ascii_lowercase() {
            class
        } else {
            class.inverted()
        }
    }

    const fn range(low: u8, high: u8) -> Self {
        let mut words = [0u64; 4];
        let mut byte = low as usize;
        while byte <= high as usize {
            let bit = 1u64 << (byte & 63);
            match byte >> 6 {
                0 => words[0] |= bit,
                1 => words[1] |= bit,
                2 => words[2] |= bit,
                _ => words[3] |= bit,
            }
            byte += 1;
        }
        Self(words)
    }

    const fn union(self, other: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        Self([a | e, b | f, c | g, d | h])
    }
}

struct Classes {
    alpha: Set,
    cntrl: Set,
    digit: Set,
    graph: Set,
    lower: Set,
    punct: Set,
    space: Set,
    upper: Set,
    alnum: Set,
    xdigit: Set,
    zero: Set,
}

/// The classes in the "C" locale, which is the process's: `os.setlocale` does not change it.
static CLASSES: Classes = {
    let digit = Set::range(b'0', b'9');
    let lower = Set::range(b'a', b'z');
    let upper = Set::range(b'A', b'Z');
    let alpha = lower.union(upper);
    Classes {
        alpha,
        cntrl: Set::range(0, 31).union(Set::range(127, 127)),
        digit,
        graph: Set::range(33, 126),
        lower,
        punct: Set::range(33, 47)
            .union(Set::range(58, 64))
            .union(Set::range(91, 96))
            .union(Set::range(123, 126)),
        space: Set::range(9, 13).union(Set::range(32, 32)),
        upper,
        alnum: alpha.union(digit),
        xdigit: digit.union(Set::range(b'a', b'f')).union(Set::range(b'A', b'F')),
        zero: Set::range(0, 0),
    }
};

/// What `%` makes of the bytes from 64 on.
#[expect(clippy::indexing_slicing, reason = "checked when it is compiled")]
static LETTERS: [Set; 64] = {
    let mut letters = [Set::EMPTY; 64];
    let mut index = 0;
    while index < letters.len() {
        letters[index] = Set::of_letter(64 + index as u8);
        index += 1;
    }
    letters
};

/// Compiles `pattern` (its leading `^` already taken off where that is an anchor) into `out`, which has
/// room for as many items as the pattern has bytes. Gives the items written.
#[inline(always)]
pub(super) fn compile<'o>(pattern: &[u8], out: &'o mut [MaybeUninit<Item>]) -> &'o [Item] {
    let mut at = 0;
    let mut written = 0;
    for slot in out.iter_mut() {
        if at >= pattern.len() {
            break;
        }
        written += 1;
        match write_item(pattern, at, slot) {
            Some(next) => at = next,
            None => break, // matching never gets past a fault
        }
    }
    let written = out.get(..written).unwrap_or(&[]);
    // SAFETY: each of the first `written` slots was initialised by the loop above, in order.
    unsafe { &*(std::ptr::from_ref(written) as *const [Item]) }
}

/// The set of a pattern that is one `+` item and nothing else.
#[inline(always)]
pub(super) fn repeated_set(pattern: &[u8]) -> Option<Set> {
    let single = pattern.strip_suffix(b"+")?;
    match single {
        [b'%', letter] if letter.is_ascii_alphabetic() && !matches!(letter, b'b' | b'f') => {
            Some(Set::class(*letter))
        }
        [b'[', ..] => match parse_set(pattern, 1) {
            Ok((set, end)) if end == single.len() => Some(set),
            _ => None,
        },
        _ => None,
    }
}

/// Writes the item that begins at `at`; where the next one begins, or `None` behind a fault.
#[inline(always)]
fn write_item(pattern: &[u8], at: usize, slot: &mut MaybeUninit<Item>) -> Option<usize> {
    let byte = |offset: usize| pattern.get(at + offset).copied();
    let (item, next) = match byte(0) {
        Some(b'(') if byte(1) == Some(b')') => (Item::OpenPosition, at + 2),
        Some(b'(') => (Item::Open, at + 1),
        Some(b')') => (Item::Close, at + 1),
        Some(b'$') if at + 1 == pattern.len() => (Item::EndAnchor, at + 1),
        Some(b'%') => match byte(1) {
            Some(b'b' | b'f' | b'0'..=b'9') => match escape(pattern, at) {
                Ok(escape) => escape,
                Err(fault) => return write_fault(slot, fault),
            },
            Some(letter) => return Some(write_single(pattern, Set::class(letter), at + 2, slot)),
            None => return write_fault(slot, Fault::EndsWithPercent),
        },
        Some(b'[') => match parse_set(pattern, at + 1) {
            Ok((set, next)) => return Some(write_single(pattern, set, next, slot)),
            Err(fault) => return write_fault(slot, fault),
        },
        Some(b'.') | None => return Some(write_single(pattern, Set::ALL, at + 1, slot)),
        Some(byte) => return Some(write_single(pattern, Set::byte(byte), at + 1, slot)),
    };
    slot.write(item);
    Some(next)
}

#[cold]
fn write_fault(slot: &mut MaybeUninit<Item>, fault: Fault) -> Option<usize> {
    slot.write(Item::Fault(fault));
    None
}

/// Writes the item of a set that ends before `next`, with what repeats it; where the next item begins.
#[inline(always)]
fn write_single(pattern: &[u8], set: Set, next: usize, slot: &mut MaybeUninit<Item>) -> usize {
    let repeat = match pattern.get(next) {
        Some(b'?') => Repeat::Optional,
        Some(b'*') => Repeat::Star,
        Some(b'+') => Repeat::Plus,
        Some(b'-') => Repeat::Lazy,
        _ => Repeat::Once,
    };
    slot.write(Item::Single(set, repeat));
    next + usize::from(repeat != Repeat::Once)
}

/// `%b`, `%f` or a back reference at `at`, and where the next item begins.
fn escape(pattern: &[u8], at: usize) -> Result<(Item, usize), Fault> {
    let byte = |offset: usize| pattern.get(at + offset).copied();
    match byte(1) {
        Some(b'b') => match (byte(2), byte(3)) {
            (Some(open), Some(close)) => Ok((Item::Balance(open, close), at + 4)),
            _ => Err(Fault::MissingBalanceArguments),
        },
        Some(b'f') if byte(2) == Some(b'[') => {
            let (set, next) = parse_set(pattern, at + 3)?;
            Ok((Item::Frontier(set), next))
        }
        Some(b'f') => Err(Fault::MissingFrontierSet),
        digit => Ok((
            Item::BackReference(digit.unwrap_or(b'0').wrapping_sub(b'0')),
            at + 2,
        )),
    }
}

/// A set whose `[` is before `at`.
fn parse_set(pattern: &[u8], at: usize) -> Result<(Set, usize), Fault> {
    let inverted = pattern.get(at) == Some(&b'^');
    let begin = at + usize::from(inverted);
    let end = set_end(pattern, begin)?;
    let mut set = Set::EMPTY;
    let mut at = begin;
    while at < end {
        let Some(&byte) = pattern.get(at) else { break };
        let after = pattern.get(at + 2).copied();
        if byte == b'%' {
            // An escape never ends the set, so its letter is before `end`.
            set.insert_all(Set::class(pattern.get(at + 1).copied().unwrap_or(0)));
            at += 2;
        } else if let (Some(b'-'), Some(high), true) = (pattern.get(at + 1), after, at + 2 < end) {
            if byte <= high {
                set.insert_all(Set::range(byte, high));
            }
            at += 3;
        } else {
            set.insert(byte);
            at += 1;
        }
    }
    Ok((if inverted { set.inverted() } else { set }, end + 1))
}

/// Where the `]` is that ends the set with first member at `at`; a `]` there is a member.
fn set_end(pattern: &[u8], mut at: usize) -> Result<usize, Fault> {
    loop {
        match pattern.get(at) {
            None => return Err(Fault::MissingBracket),
            Some(b'%') => at += 2,
            Some(_) => at += 1,
        }
        if pattern.get(at) == Some(&b']') {
            return Ok(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(pattern: &str) -> Vec<Item> {
        let mut room = vec![MaybeUninit::uninit(); pattern.len()];
        compile(pattern.as_bytes(), &mut room).to_vec()
    }

    #[test]
    fn a_dollar_is_an_anchor_only_at_the_end() {
        assert!(matches!(
            items("$a$")[..],
            [Item::Single(..), Item::Single(..), Item::EndAnchor]
        ));
    }

    #[test]
    fn sets_read_ranges_classes_and_a_leading_bracket() {
        let [Item::Single(set, Repeat::Plus)] = items("[]a-c%d-]+")[..] else {
            unreachable!("one repeated set expected")
        };
        let members: Vec<u8> = (0..=255).filter(|&byte| set.has(byte)).collect();
        assert_eq!(members, b"-0123456789]abc");
    }

    #[test]
    fn a_mistake_is_kept_for_when_it_is_reached() {
        assert!(matches!(
            items("a[b")[..],
            [Item::Single(..), Item::Fault(Fault::MissingBracket)]
        ));
        assert!(matches!(items("%")[..], [Item::Fault(Fault::EndsWithPercent)]));
        assert!(matches!(
            items("%bx")[..],
            [Item::Fault(Fault::MissingBalanceArguments)]
        ));
        assert!(matches!(
            items("%fa")[..],
            [Item::Fault(Fault::MissingFrontierSet)]
        ));
    }
}
