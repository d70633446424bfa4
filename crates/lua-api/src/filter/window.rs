//! What a filter sees of what passes: what has come and is not decided on, and what it lets go.

use std::cell::Cell;

use bytes::Bytes;
use mlua::{Error, Result};
use tidegate_proxy::Channel;

use crate::arg::Int;

/// What scripts add to what has come may take as much room as so many times what may come.
const ADDED_BUFFERS: usize = 3;

/// One way of one filter in one transaction.
pub(crate) struct Window {
    pub(super) channel: Channel,
    /// The most that comes at a time.
    pub(super) bytes_max: usize,
    /// The length of what passes was changed.
    pub(super) changed: Cell<bool>,
    /// `unset_eom`: the end is held back.
    pub(super) end_held: Cell<bool>,
    /// `set_eom`: what comes from here on is dropped.
    pub(super) cut: Cell<bool>,
    /// The callbacks for data are called.
    pub(super) open: Cell<bool>,
    /// The head has gone on.
    pub(super) head_gone: Cell<bool>,
    /// What passes is a stream of bytes.
    stream: Cell<bool>,
}

impl Window {
    pub(super) fn new(bytes_max: usize) -> Self {
        Window {
            channel: Channel::new(bytes_max.saturating_mul(1 + ADDED_BUFFERS)),
            bytes_max,
            changed: Cell::new(false),
            end_held: Cell::new(false),
            cut: Cell::new(false),
            open: Cell::new(false),
            head_gone: Cell::new(false),
            stream: Cell::new(false),
        }
    }

    /// Whether what passes is a stream of bytes.
    pub(crate) fn is_stream(&self) -> bool {
        self.stream.get()
    }

    /// Begins anew, for a stream. A message may have passed before.
    pub(super) fn renew(&self) {
        self.stream.set(true);
        self.channel.take(None);
        self.channel.take_output();
        self.channel.reopen();
        for flag in [&self.changed, &self.end_held, &self.cut] {
            flag.set(false);
        }
    }

    /// How much more may come.
    pub(super) fn room(&self) -> usize {
        let held = self.channel.input_len() + self.channel.output_len();
        self.bytes_max.saturating_sub(held)
    }

    /// Whether all of it has come, and its end is not held back.
    pub(crate) fn is_whole(&self) -> bool {
        !self.channel.may_recv() && !self.end_held.get()
    }

    /// `set_eom`
    pub(crate) fn end(&self) {
        self.end_held.set(false);
        if self.channel.may_recv() {
            self.cut.set(true);
            self.channel.end();
        }
    }

    /// `unset_eom`
    pub(crate) fn hold_end(&self) {
        self.end_held.set(true);
    }

    /// Whether the head may still be changed.
    pub(crate) fn head_is_here(&self) -> bool {
        !self.head_gone.get()
    }

    /// Whether the body is passing.
    pub(crate) fn is_open(&self) -> bool {
        self.open.get()
    }

    /// What passes, to be looked at and changed.
    pub(crate) fn passing(&self) -> Passing<'_> {
        Passing {
            channel: &self.channel,
            window: Some(self),
        }
    }
}

/// What passes, as scripts change it: offsets count from the start of what isn't decided on, or from its end if they are
/// negative.
pub(crate) struct Passing<'a> {
    pub(crate) channel: &'a Channel,
    window: Option<&'a Window>,
}

impl<'a> Passing<'a> {
    /// What a rule sees, of which nobody else keeps account.
    pub(crate) fn of(channel: &'a Channel) -> Self {
        Passing {
            channel,
            window: None,
        }
    }

    /// True if nothing more comes for want of room.
    pub(crate) fn is_full(&self) -> bool {
        match self.window {
            Some(window) => window.room() == 0,
            None => self.channel.is_full(),
        }
    }

    /// Whether more is worth waiting for than was found, of a length that was asked for.
    pub(crate) fn falls_short(&self, found: &[u8], length: Option<Int>) -> bool {
        let Some(Int(length)) = length else {
            return false;
        };
        let wanted = usize::try_from(length).unwrap_or(0);
        found.len() < wanted && self.channel.may_recv() && !self.is_full()
    }

    /// Up to `length` bytes from `offset` on; -1 stands for all.
    pub(crate) fn data(&self, offset: Option<Int>, length: Option<Int>) -> Result<Bytes> {
        let offset = self.position(offset)?;
        Ok(self.channel.data(offset, count(length)?))
    }

    /// Likewise, up to the end of the first line.
    pub(crate) fn line(&self, offset: Option<Int>, length: Option<Int>) -> Result<Bytes> {
        let offset = self.position(offset)?;
        Ok(self.channel.line(offset, count(length)?))
    }

    /// Adds bytes at `offset`, at the start without one. How many, or -1 if there is no room.
    pub(crate) fn insert(&self, bytes: &[u8], offset: Option<Int>) -> Result<i64> {
        let offset = self.position(offset)?;
        Ok(self.done(
            self.channel.insert(offset, bytes).is_ok(),
            bytes,
            !bytes.is_empty(),
        ))
    }

    /// Adds bytes at the end.
    pub(crate) fn append(&self, bytes: &[u8]) -> i64 {
        self.done(self.channel.append(bytes).is_ok(), bytes, !bytes.is_empty())
    }

    /// Puts bytes in the place of `length` others from `offset` on, of all the rest without a length.
    pub(crate) fn set(&self, bytes: &[u8], offset: Option<Int>, length: Option<Int>) -> Result<i64> {
        let (offset, length) = self.part(offset, length)?;
        let is_set = self.channel.set(offset, Some(length), bytes).is_ok();
        Ok(self.done(is_set, bytes, bytes.len() != length))
    }

    /// Removes bytes, and says how many.
    pub(crate) fn remove(&self, offset: Option<Int>, length: Option<Int>) -> Result<usize> {
        let (offset, length) = self.part(offset, length)?;
        let removed = self.channel.remove(offset, Some(length));
        self.note(removed > 0);
        Ok(removed)
    }

    /// Takes bytes off the start.
    pub(crate) fn take(&self, length: Option<usize>) -> Bytes {
        let taken = self.channel.take(length);
        self.note(!taken.is_empty());
        taken
    }

    /// Takes the first line, if it is whole, or nothing more comes.
    pub(crate) fn take_line(&self) -> Option<Bytes> {
        let taken = self.channel.take_line();
        self.note(taken.as_ref().is_some_and(|taken| !taken.is_empty()));
        taken
    }

    /// Lets bytes go, all if there are so many or the number is negative.
    pub(crate) fn forward(&self, length: i64) -> usize {
        self.channel.forward(usize::try_from(length).ok())
    }

    /// Sends bytes ahead of what isn't decided on.
    pub(crate) fn send(&self, bytes: &[u8]) -> i64 {
        self.done(self.channel.send(bytes).is_ok(), bytes, !bytes.is_empty())
    }

    fn done(&self, done: bool, bytes: &[u8], changed: bool) -> i64 {
        self.note(done && changed);
        match done {
            true => i64::try_from(bytes.len()).unwrap_or(i64::MAX),
            false => -1,
        }
    }

    fn note(&self, changed: bool) {
        if let (Some(window), true) = (self.window, changed) {
            window.changed.set(true);
        }
    }

    /// An offset; one that is before the start is the start.
    fn position(&self, offset: Option<Int>) -> Result<usize> {
        let held = self.channel.input_len();
        let Some(Int(offset)) = offset else {
            return Ok(0);
        };
        let at = match offset < 0 {
            true => i64::try_from(held)
                .unwrap_or(i64::MAX)
                .saturating_add(offset)
                .max(0),
            false => offset,
        };
        let at = usize::try_from(at).ok().filter(|at| *at <= held);
        at.ok_or_else(|| Error::runtime("offset out of range."))
    }

    /// A part that has to be there.
    fn part(&self, offset: Option<Int>, length: Option<Int>) -> Result<(usize, usize)> {
        let offset = self.position(offset)?;
        let rest = self.channel.input_len() - offset;
        match count(length)? {
            None => Ok((offset, rest)),
            Some(length) if length <= rest => Ok((offset, length)),
            Some(_) => Err(Error::runtime("length out of range.")),
        }
    }
}

/// A number of bytes; -1 stands for all.
fn count(length: Option<Int>) -> Result<Option<usize>> {
    match length {
        None | Some(Int(-1)) => Ok(None),
        Some(Int(length)) => usize::try_from(length)
            .map(Some)
            .map_err(|_| Error::runtime("length out of range.")),
    }
}
