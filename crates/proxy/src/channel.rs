//! One direction of a stream while rules and services look at it: what was received and not yet decided on (`input`),
//! and what is on its way to the other side (`output`).

use std::cell::{Cell, Ref, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::task::Poll;

use bytes::{Bytes, BytesMut};

use crate::event::Event;

/// The bytes of one direction of a TCP stream.
///
/// The session fills `input` from the sending peer, as long as there is room, and empties `output` towards the receiving
/// peer. Rules inspect, change and forward the input in between. Offsets and lengths always count from the start of the
/// input. (HTTP messages don't pass through channels: see [`Txn::request_head`](crate::Txn::request_head).)
pub struct Channel {
    input: RefCell<BytesMut>,
    output: RefCell<BytesMut>,
    capacity: usize,
    ended: Cell<bool>,
    shut: Cell<bool>,
    changed: Event,
}

/// A change that would take a channel over its capacity, or that comes after the peer it would be sent to has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelError {
    /// There is no room: the channel holds `held` bytes of at most `capacity`.
    Full {
        /// Bytes in the channel, input and output together.
        held: usize,
        /// The most it may hold.
        capacity: usize,
    },
    /// Nothing can be sent any more in this direction.
    Shut,
}

impl fmt::Display for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ChannelError::Full { held, capacity } => {
                write!(f, "channel full: it holds {held} of at most {capacity} bytes")
            }
            ChannelError::Shut => f.write_str("channel closed"),
        }
    }
}

impl std::error::Error for ChannelError {}

impl Channel {
    /// An empty channel that holds at most `capacity` bytes (`tune.bufsize`).
    pub fn new(capacity: usize) -> Self {
        Channel {
            input: RefCell::default(),
            output: RefCell::default(),
            capacity,
            ended: Cell::new(false),
            shut: Cell::new(false),
            changed: Event::default(),
        }
    }

    /// Bytes received and not yet forwarded.
    pub fn input_len(&self) -> usize {
        self.input.borrow().len()
    }

    /// Bytes forwarded or sent and not yet written to the receiving peer.
    pub fn output_len(&self) -> usize {
        self.output.borrow().len()
    }

    /// Bytes that still fit.
    pub fn room(&self) -> usize {
        self.capacity.saturating_sub(self.input_len() + self.output_len())
    }

    /// True if nothing more fits, so that nothing more is received until something is taken or forwarded.
    pub fn is_full(&self) -> bool {
        self.room() == 0
    }

    /// True while the sending peer may still send.
    pub fn may_recv(&self) -> bool {
        !self.ended.get()
    }

    /// True while the receiving peer may still be written to.
    pub fn may_send(&self) -> bool {
        !self.shut.get()
    }

    /// The input as it lies there. Release it before any wait or change.
    pub fn input(&self) -> Ref<'_, [u8]> {
        Ref::map(self.input.borrow(), |input| &input[..])
    }

    /// A copy of up to `length` bytes of input from `offset` (all of the rest without a length). Nothing is consumed.
    /// Empty if there is nothing there.
    pub fn data(&self, offset: usize, length: Option<usize>) -> Bytes {
        let input = self.input.borrow();
        Bytes::copy_from_slice(part(&input, offset, length))
    }

    /// Like [`Channel::data`], but ends after the first line feed. Without one, all there is.
    pub fn line(&self, offset: usize, length: Option<usize>) -> Bytes {
        let input = self.input.borrow();
        let bytes = part(&input, offset, length);
        let end = bytes
            .iter()
            .position(|b| *b == b'\n')
            .map_or(bytes.len(), |at| at + 1);
        Bytes::copy_from_slice(bytes.get(..end).unwrap_or_default())
    }

    /// Takes up to `length` bytes off the start of the input (all of it without a length).
    pub fn take(&self, length: Option<usize>) -> Bytes {
        let taken = {
            let mut input = self.input.borrow_mut();
            let length = length.unwrap_or(usize::MAX).min(input.len());
            input.split_to(length).freeze()
        };
        self.changed.notify();
        taken
    }

    /// Takes one line with its line feed off the start of the input. `None` if no complete line is there; at the end of
    /// the stream or when the channel is full, what is there counts as a line (empty at the very end).
    pub fn take_line(&self) -> Option<Bytes> {
        let end = {
            let input = self.input.borrow();
            match input.iter().position(|b| *b == b'\n') {
                Some(at) => at + 1,
                None if self.ended.get() || self.is_full() => input.len(),
                None => return None,
            }
        };
        Some(self.take(Some(end)))
    }

    /// Removes `length` bytes of input at `offset` (all the rest without a length) and returns how many there were.
    pub fn remove(&self, offset: usize, length: Option<usize>) -> usize {
        let removed = {
            let mut input = self.input.borrow_mut();
            let offset = offset.min(input.len());
            let mut tail = input.split_off(offset);
            let length = length.unwrap_or(usize::MAX).min(tail.len());
            let rest = tail.split_off(length);
            input.unsplit(rest);
            length
        };
        self.changed.notify();
        removed
    }

    /// Inserts bytes into the input at `offset` (clamped to its end).
    ///
    /// # Errors
    /// If they don't fit; nothing is inserted then.
    pub fn insert(&self, offset: usize, bytes: &[u8]) -> Result<(), ChannelError> {
        self.check(bytes.len())?;
        {
            let mut input = self.input.borrow_mut();
            let offset = offset.min(input.len());
            let tail = input.split_off(offset);
            input.extend_from_slice(bytes);
            input.extend_from_slice(&tail);
        }
        self.changed.notify();
        Ok(())
    }

    /// Adds bytes at the end of the input, as if the sending peer had sent them.
    ///
    /// # Errors
    /// If they don't fit; nothing is added then.
    pub fn append(&self, bytes: &[u8]) -> Result<(), ChannelError> {
        self.insert(usize::MAX, bytes)
    }

    /// Replaces `length` bytes of input at `offset` (all the rest without a length).
    ///
    /// # Errors
    /// If the new ones don't fit; nothing is changed then.
    pub fn set(&self, offset: usize, length: Option<usize>, bytes: &[u8]) -> Result<(), ChannelError> {
        let replaced = {
            let input = self.input.borrow();
            part(&input, offset, length).len()
        };
        self.check(bytes.len().saturating_sub(replaced))?;
        self.remove(offset, length);
        self.insert(offset, bytes)
    }

    /// Sends bytes to the receiving peer ahead of the input, which stays where it is.
    ///
    /// # Errors
    /// If they don't fit, or nothing can be sent any more. [`Channel::wait_room`] waits for room.
    pub fn send(&self, bytes: &[u8]) -> Result<(), ChannelError> {
        if self.shut.get() {
            return Err(ChannelError::Shut);
        }
        self.check(bytes.len())?;
        self.output.borrow_mut().extend_from_slice(bytes);
        self.changed.notify();
        Ok(())
    }

    /// Lets up to `length` bytes of input go to the receiving peer and returns how many there were.
    pub fn forward(&self, length: Option<usize>) -> usize {
        let bytes = self.take(length);
        self.output.borrow_mut().extend_from_slice(&bytes);
        self.changed.notify();
        bytes.len()
    }

    /// Waits until more than `seen` bytes of input are there, the sending peer has ended, or the channel is full.
    pub async fn wait_input(&self, seen: usize) {
        poll_fn(|cx| {
            if self.input_len() > seen || self.ended.get() || self.is_full() {
                return Poll::Ready(());
            }
            self.changed.register(cx);
            Poll::Pending
        })
        .await;
    }

    /// Waits until `length` bytes fit, or half of the capacity if that is less.
    ///
    /// # Errors
    /// If nothing can be sent any more.
    pub async fn wait_room(&self, length: usize) -> Result<(), ChannelError> {
        let wanted = length.min(self.capacity / 2).max(1);
        poll_fn(|cx| {
            if self.shut.get() {
                return Poll::Ready(Err(ChannelError::Shut));
            }
            if self.room() >= wanted {
                return Poll::Ready(Ok(()));
            }
            self.changed.register(cx);
            Poll::Pending
        })
        .await
    }

    /// Sends all of `bytes`, waiting for room as often as needed.
    ///
    /// # Errors
    /// If nothing can be sent any more.
    pub async fn send_all(&self, mut bytes: Bytes) -> Result<(), ChannelError> {
        while !bytes.is_empty() {
            self.wait_room(bytes.len()).await?;
            let now = bytes.split_to(self.room().min(bytes.len()));
            self.send(&now)?;
        }
        Ok(())
    }

    /// Says that the sending peer will send no more.
    pub fn end(&self) {
        self.ended.set(true);
        self.changed.notify();
    }

    /// Says that more may come all the same: what came last has yet to pass filters, or another stream begins.
    pub fn reopen(&self) {
        self.ended.set(false);
    }

    /// Says that the receiving peer can't be written to any more.
    pub fn shut(&self) {
        self.shut.set(true);
        self.changed.notify();
    }

    /// Waits until there is something to be written to the receiving peer.
    pub async fn wait_output(&self) {
        poll_fn(|cx| {
            if self.output_len() > 0 {
                return Poll::Ready(());
            }
            self.changed.register(cx);
            Poll::Pending
        })
        .await;
    }

    /// Everything that is to be written now.
    pub fn take_output(&self) -> Bytes {
        let output = self.output.borrow_mut().split().freeze();
        if !output.is_empty() {
            self.changed.notify();
        }
        output
    }

    /// Wakes the task of `cx` at the next change of any kind.
    pub(crate) fn register(&self, cx: &std::task::Context<'_>) {
        self.changed.register(cx);
    }

    fn check(&self, more: usize) -> Result<(), ChannelError> {
        if more > self.room() {
            let held = self.input_len() + self.output_len();
            return Err(ChannelError::Full {
                held,
                capacity: self.capacity,
            });
        }
        Ok(())
    }
}

fn part(bytes: &[u8], offset: usize, length: Option<usize>) -> &[u8] {
    let rest = bytes.get(offset..).unwrap_or_default();
    rest.get(..length.unwrap_or(usize::MAX).min(rest.len()))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_is_edited_in_place() {
        let channel = Channel::new(32);
        channel.append(b"hello world\nmore").unwrap();
        assert_eq!(&channel.line(0, None)[..], b"hello world\n");
        assert_eq!(&channel.data(6, Some(5))[..], b"world");
        channel.set(6, Some(5), b"there").unwrap();
        assert_eq!(channel.remove(0, Some(6)), 6);
        channel.insert(0, b">").unwrap();
        assert_eq!(&channel.take_line().unwrap()[..], b">there\n");
        assert_eq!(channel.take_line(), None);
        channel.end();
        assert_eq!(&channel.take_line().unwrap()[..], b"more");
    }

    #[test]
    fn what_does_not_fit_is_refused_whole() {
        let channel = Channel::new(8);
        channel.append(b"12345").unwrap();
        assert_eq!(
            channel.send(b"6789"),
            Err(ChannelError::Full { held: 5, capacity: 8 })
        );
        assert_eq!(channel.output_len(), 0);
        assert_eq!(channel.forward(Some(2)), 2);
        assert_eq!((&channel.take_output()[..], channel.room()), (&b"12"[..], 5));
    }
}
