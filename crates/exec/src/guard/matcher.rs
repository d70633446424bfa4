//! Runs a compiled pattern on a subject, against a budget.

use std::mem::MaybeUninit;

use super::pattern::{CAPTURES_MAX, Fault, Item, Repeat, Set};

/// Deepest nesting of backtracking points (`MAXCCALLS`), so that a pattern cannot use up the native stack.
const DEPTH_MAX: u32 = 200;

/// Steps between two looks at the interrupt: some tens of microseconds.
const STEPS_PER_CHECK: usize = 16_384;

/// Bytes scanned in one go between two counts of steps.
const SCAN_BYTES: usize = 4096;

/// Counts steps, and asks from time to time whether to stop.
#[derive(Clone, Copy)]
pub(super) struct Budget<I> {
    steps_left: usize,
    steps_per_check: usize,
    interrupt: I,
}

impl<I: Fn() -> bool> Budget<I> {
    pub(super) const fn new(interrupt: I) -> Self {
        Self {
            steps_left: STEPS_PER_CHECK,
            steps_per_check: STEPS_PER_CHECK,
            interrupt,
        }
    }

    #[cfg(test)]
    pub(super) const fn counting_every_step(interrupt: I) -> Self {
        Self {
            steps_left: 1,
            steps_per_check: 1,
            interrupt,
        }
    }

    #[inline(always)]
    pub(super) fn spend(&mut self, steps: usize) -> Result<(), Fault> {
        if steps < self.steps_left {
            self.steps_left -= steps;
            return Ok(());
        }
        self.check()
    }

    #[cold]
    pub(super) fn check(&mut self) -> Result<(), Fault> {
        self.steps_left = self.steps_per_check;
        if (self.interrupt)() {
            Err(Fault::Interrupted)
        } else {
            Ok(())
        }
    }
}

/// What a capture holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    Unfinished,
    Position,
    /// As many bytes from the capture's start.
    Bytes(usize),
}

#[derive(Clone, Copy)]
struct Capture {
    start: usize,
    extent: Extent,
}

/// One compiled pattern on one subject. Holds nothing that needs dropping: a Lua error may jump over it.
#[derive(Clone, Copy)]
pub(super) struct Matcher<'a, I> {
    subject: &'a [u8],
    items: &'a [Item],
    /// What a match must begin with, where that is one set.
    lead: Option<&'a Set>,
    budget: Budget<I>,
    depth_left: u32,
    level: usize,
    /// The first `level` of them are written.
    captures: [MaybeUninit<Capture>; CAPTURES_MAX],
}

impl<'a, I: Fn() -> bool> Matcher<'a, I> {
    #[inline(always)]
    pub(super) fn new(subject: &'a [u8], items: &'a [Item], budget: Budget<I>) -> Self {
        Self {
            subject,
            items,
            lead: lead(items),
            budget,
            depth_left: DEPTH_MAX,
            level: 0,
            captures: [const { MaybeUninit::uninit() }; CAPTURES_MAX],
        }
    }

    /// Matches exactly at `at`: where the match ends.
    pub(super) fn match_at(&mut self, at: usize) -> Result<Option<usize>, Fault> {
        self.depth_left = DEPTH_MAX;
        self.level = 0;
        self.run(at, 0)
    }

    /// The first place from `at` on where a match is not already ruled out by its first byte; the
    /// subject's end if there is none.
    pub(super) fn candidate(&mut self, at: usize) -> Result<usize, Fault> {
        let Some(lead) = self.lead else { return Ok(at) };
        let mut at = at;
        loop {
            let rest = self.subject.get(at..).unwrap_or(&[]);
            let window = rest.get(..SCAN_BYTES).unwrap_or(rest);
            match window.iter().position(|&byte| lead.has(byte)) {
                Some(skipped) => {
                    self.budget.spend(skipped / 4)?;
                    return Ok(at + skipped);
                }
                None if window.len() < SCAN_BYTES => return Ok(self.subject.len()),
                None => {
                    self.budget.spend(SCAN_BYTES / 4)?;
                    at += SCAN_BYTES;
                }
            }
        }
    }

    /// Searches from `at` on: the match's start and end.
    pub(super) fn search(&mut self, mut at: usize) -> Result<Option<(usize, usize)>, Fault> {
        loop {
            at = self.candidate(at)?;
            if let Some(end) = self.match_at(at)? {
                return Ok(Some((at, end)));
            }
            if at >= self.subject.len() {
                return Ok(None);
            }
            at += 1;
        }
    }

    pub(super) fn budget(&mut self) -> &mut Budget<I> {
        &mut self.budget
    }

    pub(super) const fn captures(&self) -> usize {
        self.level
    }

    /// Start and extent of capture `index`; the whole match `start..end` for index 0 of a pattern without.
    pub(super) fn capture(&self, index: usize, start: usize, end: usize) -> Result<(usize, Extent), Fault> {
        match self.opened().get(index) {
            Some(capture) => match capture.extent {
                Extent::Unfinished => Err(Fault::UnfinishedCapture),
                extent => Ok((capture.start, extent)),
            },
            _ if index == 0 => Ok((start, Extent::Bytes(end - start))),
            _ => Err(Fault::CaptureIndex(u8::try_from(index + 1).unwrap_or(u8::MAX))),
        }
    }

    /// The captures that were opened.
    #[inline(always)]
    fn opened(&self) -> &[Capture] {
        let opened = self.captures.get(..self.level).unwrap_or(&[]);
        // SAFETY: `open` writes a capture before it raises `level` past it, and nothing else raises it.
        unsafe { &*(std::ptr::from_ref(opened) as *const [Capture]) }
    }

    #[inline(always)]
    fn at(&self, at: usize) -> Option<u8> {
        self.subject.get(at).copied()
    }

    fn run(&mut self, at: usize, item: usize) -> Result<Option<usize>, Fault> {
        if self.depth_left == 0 {
            return Err(Fault::TooComplex);
        }
        self.depth_left -= 1;
        let end = self.run_items(at, item)?;
        self.depth_left += 1;
        Ok(end)
    }

    fn run_items(&mut self, mut at: usize, mut item: usize) -> Result<Option<usize>, Fault> {
        let items = self.items;
        loop {
            self.budget.spend(1)?;
            let Some(step) = items.get(item) else {
                return Ok(Some(at));
            };
            item += 1;
            match step {
                Item::Single(set, repeat) => {
                    let first = self.at(at).is_some_and(|byte| set.has(byte));
                    match (repeat, first) {
                        (Repeat::Once, true) => at += 1,
                        (Repeat::Once | Repeat::Plus, false) => return Ok(None),
                        (_, false) => {}
                        (Repeat::Optional, true) => {
                            if let Some(end) = self.run(at + 1, item)? {
                                return Ok(Some(end));
                            }
                        }
                        (Repeat::Star, true) => return self.expand(set, at, 0, item),
                        (Repeat::Plus, true) => return self.expand(set, at, 1, item),
                        (Repeat::Lazy, true) => return self.expand_lazily(set, at, item),
                    }
                }
                Item::Open => return self.open(Extent::Unfinished, at, item),
                Item::OpenPosition => return self.open(Extent::Position, at, item),
                Item::Close => return self.close(at, item),
                Item::BackReference(digit) => match self.repeated_capture(*digit, at)? {
                    Some(end) => at = end,
                    None => return Ok(None),
                },
                Item::Balance(open, close) => match self.balance(*open, *close, at)? {
                    Some(end) => at = end,
                    None => return Ok(None),
                },
                Item::Frontier(set) => {
                    let before = at.checked_sub(1).and_then(|before| self.at(before)).unwrap_or(0);
                    if set.has(before) || !set.has(self.at(at).unwrap_or(0)) {
                        return Ok(None);
                    }
                }
                Item::EndAnchor => return Ok((at == self.subject.len()).then_some(at)),
                Item::Fault(fault) => return Err(*fault),
            }
        }
    }

    /// As many bytes of `set` as there are, given back one by one down to `least` until the rest matches.
    fn expand(&mut self, set: &Set, at: usize, least: usize, item: usize) -> Result<Option<usize>, Fault> {
        let rest = self.subject.get(at..).unwrap_or(&[]);
        let mut count = 0;
        loop {
            let window = rest.get(count..).unwrap_or(&[]);
            let window = window.get(..SCAN_BYTES).unwrap_or(window);
            let run = window
                .iter()
                .position(|&byte| !set.has(byte))
                .unwrap_or(window.len());
            count += run;
            self.budget.spend(run / 2)?;
            if run < SCAN_BYTES {
                break;
            }
        }
        let next = self.next_set(item);
        loop {
            let end = at + count;
            if next.is_some_and(|next| !self.at(end).is_some_and(|byte| next.has(byte))) {
                self.budget.spend(1)?;
            } else if let Some(end) = self.run(end, item)? {
                return Ok(Some(end));
            }
            if count <= least {
                return Ok(None);
            }
            count -= 1;
        }
    }

    fn expand_lazily(&mut self, set: &Set, mut at: usize, item: usize) -> Result<Option<usize>, Fault> {
        let next = self.next_set(item);
        loop {
            let byte = self.at(at);
            if next.is_some_and(|next| !byte.is_some_and(|byte| next.has(byte))) {
                self.budget.spend(1)?;
            } else if let Some(end) = self.run(at, item)? {
                return Ok(Some(end));
            }
            if !byte.is_some_and(|byte| set.has(byte)) {
                return Ok(None);
            }
            at += 1;
        }
    }

    /// What the byte where `item` goes on must be in, when that is sure: most tries of a quantifier end
    /// there, at less than the cost of trying. Never where trying would end in a fault.
    fn next_set(&self, item: usize) -> Option<&'a Set> {
        if self.depth_left < 2 {
            return None;
        }
        let follows = match self.items.get(item) {
            Some(Item::Close) if self.is_open() => self.items.get(item + 1),
            follows => follows,
        };
        match follows {
            Some(Item::Single(set, Repeat::Once | Repeat::Plus)) => Some(set),
            _ => None,
        }
    }

    fn is_open(&self) -> bool {
        self.opened()
            .iter()
            .any(|capture| capture.extent == Extent::Unfinished)
    }

    fn open(&mut self, extent: Extent, at: usize, item: usize) -> Result<Option<usize>, Fault> {
        let Some(slot) = self.captures.get_mut(self.level) else {
            return Err(Fault::TooManyCaptures);
        };
        slot.write(Capture { start: at, extent });
        self.level += 1;
        let end = self.run(at, item)?;
        if end.is_none() {
            self.level -= 1;
        }
        Ok(end)
    }

    fn close(&mut self, at: usize, item: usize) -> Result<Option<usize>, Fault> {
        let opened = self.opened();
        let Some(index) = opened
            .iter()
            .rposition(|capture| capture.extent == Extent::Unfinished)
        else {
            return Err(Fault::InvalidCapture);
        };
        self.set_extent(index, |start| Extent::Bytes(at - start));
        let end = self.run(at, item)?;
        if end.is_none() {
            self.set_extent(index, |_| Extent::Unfinished);
        }
        Ok(end)
    }

    fn set_extent(&mut self, index: usize, extent: impl FnOnce(usize) -> Extent) {
        let start = self.opened().get(index).map(|capture| capture.start);
        if let (Some(start), Some(slot)) = (start, self.captures.get_mut(index)) {
            let extent = extent(start);
            slot.write(Capture { start, extent });
        }
    }

    /// What capture `%digit` holds, once more at `at`.
    fn repeated_capture(&mut self, digit: u8, at: usize) -> Result<Option<usize>, Fault> {
        let capture = usize::from(digit)
            .checked_sub(1)
            .and_then(|index| self.opened().get(index).copied());
        match capture {
            None
            | Some(Capture {
                extent: Extent::Unfinished,
                ..
            }) => Err(Fault::CaptureIndex(digit)),
            // A position is no text that could come again.
            Some(Capture {
                extent: Extent::Position,
                ..
            }) => Ok(None),
            Some(Capture {
                start,
                extent: Extent::Bytes(length),
            }) => {
                self.budget.spend(length / 16)?;
                let captured = self.subject.get(start..start + length);
                let here = self.subject.get(at..at.saturating_add(length));
                Ok((here.is_some() && captured == here).then_some(at + length))
            }
        }
    }

    fn balance(&mut self, open: u8, close: u8, at: usize) -> Result<Option<usize>, Fault> {
        if self.at(at) != Some(open) {
            return Ok(None);
        }
        let mut depth = 1usize;
        let mut at = at + 1;
        loop {
            let rest = self.subject.get(at..).unwrap_or(&[]);
            let window = rest.get(..SCAN_BYTES).unwrap_or(rest);
            for (offset, &byte) in window.iter().enumerate() {
                // The closing byte is looked for first: with `%bxx` the next `x` ends it.
                if byte == close {
                    depth -= 1;
                    if depth == 0 {
                        return Ok(Some(at + offset + 1));
                    }
                } else if byte == open {
                    depth += 1;
                }
            }
            self.budget.spend(window.len())?;
            at += window.len();
            if window.len() < SCAN_BYTES {
                return Ok(None);
            }
        }
    }
}

/// The set that the first byte of every match is in, if the items begin with a byte that must be there.
fn lead(items: &[Item]) -> Option<&Set> {
    // A few captures opened before it change nothing; very many would be a fault, which must be reached.
    for item in items.iter().take(8) {
        match item {
            Item::Open | Item::OpenPosition => {}
            Item::Single(set, Repeat::Once | Repeat::Plus) => return Some(set),
            _ => return None,
        }
    }
    None
}
