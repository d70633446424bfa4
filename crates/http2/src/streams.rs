//! The streams of a connection.

use std::collections::VecDeque;
use std::task::{Context, Waker};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use slab::Slab;
use tidegate_sample::head::response;

use crate::reason::Reason;

/// A stream of a connection, for whoever holds a part in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    pub(crate) slot: u32,
    pub(crate) id: u32,
}

impl Key {
    /// The number of the stream.
    #[must_use]
    pub fn id(self) -> u32 {
        self.id
    }
}

/// What came on a stream and nobody has taken yet.
pub(crate) enum Inbound {
    /// The head of a response, which may be an informational one.
    Head(response::Parts),
    Data(Bytes),
    /// Small pieces that came while there was one already.
    Gathered(BytesMut),
    Trailers(Box<HeaderMap>),
}

/// Why nothing more comes on a stream, or can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The peer let go of it.
    Peer(Reason),
    /// It was let go of here, as nobody needed it any more.
    Here(Reason),
    /// It was reset here, for an error of the peer's.
    Faulty(Reason),
    /// The peer said that it won't look at it, nor at any that began after it.
    Unseen,
    /// The connection is gone.
    Connection,
}

/// As much as this is gathered of small pieces.
const GATHERED_BYTES_MAX: usize = 16 * 1024;

/// One stream.
pub(crate) struct Stream {
    pub(crate) id: u32,
    /// Nothing more comes.
    pub(crate) received: bool,
    /// Nothing more is to be sent.
    pub(crate) sent: bool,
    pub(crate) broken: Option<Broken>,
    /// Who holds a part in it.
    pub(crate) holders: u8,
    /// Of a request that was sent, the head of its response is still to come.
    pub(crate) awaits_head: bool,
    /// What is asked has no body in its response, whatever its head says.
    pub(crate) bodyless: bool,
    /// It carries bytes both ways, be there what may in its head.
    pub(crate) tunnel: bool,
    pub(crate) inbound: VecDeque<Inbound>,
    /// Bytes of that.
    pub(crate) held: u32,
    /// Bytes that the peer may still send, and what is made of that when everything was taken.
    pub(crate) receive_window: i64,
    pub(crate) receive_target: u32,
    /// Of a declared length, so much is still to come.
    pub(crate) remaining: Option<u64>,
    /// Bytes that the peer has room for.
    pub(crate) send_window: i64,
    /// It is among those that wait for room on the connection.
    pub(crate) in_line: bool,
    pub(crate) reader: Option<Waker>,
    pub(crate) writer: Option<Waker>,
}

impl Stream {
    pub(crate) fn new(id: u32, receive_window: u32, send_window: u32) -> Stream {
        Stream {
            id,
            received: false,
            sent: false,
            broken: None,
            holders: 0,
            awaits_head: false,
            bodyless: false,
            tunnel: false,
            inbound: VecDeque::new(),
            held: 0,
            receive_window: receive_window.into(),
            receive_target: receive_window,
            remaining: None,
            send_window: send_window.into(),
            in_line: false,
            reader: None,
            writer: None,
        }
    }

    /// Whether nothing passes on it any more, in either direction.
    pub(crate) fn is_closed(&self) -> bool {
        self.broken.is_some() || self.received && self.sent
    }

    /// A small piece of a body came. Those that nobody takes yet are gathered: what is kept for each piece alone would be a multiple
    /// of what was sent.
    pub(crate) fn take_in(&mut self, piece: &[u8]) {
        match self.inbound.back_mut() {
            Some(Inbound::Gathered(gathered)) if gathered.len() + piece.len() <= GATHERED_BYTES_MAX => {
                gathered.extend_from_slice(piece);
            }
            Some(Inbound::Data(_) | Inbound::Gathered(_)) => {
                self.inbound.push_back(Inbound::Gathered(piece.into()));
            }
            _ => self
                .inbound
                .push_back(Inbound::Data(Bytes::copy_from_slice(piece))),
        }
    }

    /// Nothing passes on it any more, for this reason if there is no other already.
    pub(crate) fn break_off(&mut self, why: Broken) {
        if !self.is_closed() {
            self.broken = Some(why);
        }
        self.wake();
    }

    /// Wakes whoever waits for anything on it.
    pub(crate) fn wake(&mut self) {
        self.wake_reader();
        self.wake_writer();
    }

    pub(crate) fn wake_reader(&mut self) {
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }

    pub(crate) fn wake_writer(&mut self) {
        if let Some(waker) = self.writer.take() {
            waker.wake();
        }
    }
}

/// Has `waker` be woken next.
pub(crate) fn register(place: &mut Option<Waker>, cx: &Context<'_>) {
    match place {
        Some(waker) if waker.will_wake(cx.waker()) => {}
        _ => *place = Some(cx.waker().clone()),
    }
}

/// Streams that were let go of here: what the peer sent before it knew that is no error. So many are remembered.
const LET_GO_MAX: usize = 256;

/// Numbers that a peer passed over. So many ranges are remembered.
const PASSED_OVER_MAX: usize = 16;

/// What became of a stream that is no longer there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Past {
    /// It was let go of here.
    LetGo,
    /// It came to its end.
    Closed,
    /// It never was: its number was passed over.
    PassedOver,
}

/// Those that are there, by their place and by their number.
#[derive(Default)]
pub(crate) struct Streams {
    slots: Slab<Stream>,
    /// Numbers in order, each with its place.
    index: Vec<(u32, u32)>,
    let_go: VecDeque<u32>,
    passed_over: VecDeque<(u32, u32)>,
}

impl Streams {
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    pub(crate) fn insert(&mut self, stream: Stream) -> Key {
        let id = stream.id;
        let slot = self.slots.insert(stream) as u32;
        // Numbers grow, so this is the end but for streams that a client has chosen the number of late.
        let place = self.index.partition_point(|(other, _)| *other < id);
        self.index.insert(place, (id, slot));
        Key { slot, id }
    }

    pub(crate) fn find(&self, id: u32) -> Option<Key> {
        let place = self.index.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        let (id, slot) = *self.index.get(place)?;
        Some(Key { slot, id })
    }

    pub(crate) fn get(&self, key: Key) -> Option<&Stream> {
        self.slots.get(key.slot as usize).filter(|s| s.id == key.id)
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut Stream> {
        self.slots.get_mut(key.slot as usize).filter(|s| s.id == key.id)
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<Stream> {
        self.get(key)?;
        if let Ok(place) = self.index.binary_search_by_key(&key.id, |(id, _)| *id) {
            self.index.remove(place);
        }
        self.slots.try_remove(key.slot as usize)
    }

    /// Gives back the room that those had which are gone, if all are.
    pub(crate) fn rest(&mut self) {
        if self.index.is_empty() {
            (self.slots, self.index) = (Slab::new(), Vec::new());
            self.let_go.shrink_to_fit();
        }
    }

    /// Those with higher numbers than this.
    pub(crate) fn after(&self, id: u32) -> impl Iterator<Item = Key> {
        let from = self.index.partition_point(|(other, _)| *other <= id);
        let after = self.index.get(from..).unwrap_or_default();
        after.iter().map(|(id, slot)| Key { slot: *slot, id: *id })
    }

    /// Those on which more was to come.
    pub(crate) fn unreceived(&self) -> impl Iterator<Item = Key> {
        let more = |(_, stream): &(usize, &Stream)| !stream.received && !stream.is_closed();
        self.slots.iter().filter(more).map(|(slot, stream)| Key {
            slot: slot as u32,
            id: stream.id,
        })
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.slots.iter_mut().map(|(_, stream)| stream)
    }

    /// Notes that a stream was let go of here.
    pub(crate) fn let_go(&mut self, id: u32) {
        if self.let_go.len() >= LET_GO_MAX {
            self.let_go.pop_front();
        }
        self.let_go.push_back(id);
    }

    /// Notes that the peer began a stream of this number after the one of that.
    pub(crate) fn began(&mut self, id: u32, last: u32) {
        let next = if last == 0 { 1 } else { last + 2 };
        if id > next {
            if self.passed_over.len() >= PASSED_OVER_MAX {
                self.passed_over.pop_front();
            }
            self.passed_over.push_back((next, id));
        }
    }

    /// What became of a stream that isn't there.
    pub(crate) fn past(&self, id: u32) -> Past {
        if self.let_go.contains(&id) {
            Past::LetGo
        } else if self
            .passed_over
            .iter()
            .any(|(from, to)| (*from..*to).contains(&id))
        {
            Past::PassedOver
        } else {
            Past::Closed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_found_by_number_and_by_place() {
        let mut streams = Streams::default();
        let keys: Vec<_> = [1, 5, 7, 3]
            .map(|id| streams.insert(Stream::new(id, 1, 1)))
            .into();
        assert_eq!(streams.find(3), Some(keys[3]));
        assert_eq!(streams.get(keys[1]).unwrap().id, 5);
        assert!(streams.remove(keys[1]).is_some() && streams.remove(keys[1]).is_none());
        let new = streams.insert(Stream::new(9, 1, 1));
        // It has the place of one that is gone, which doesn't make it that one.
        assert_eq!((new.slot, streams.get(keys[1]).is_none()), (keys[1].slot, true));
        assert_eq!((streams.len(), streams.find(5)), (4, None));
    }

    #[test]
    fn streams_that_are_gone_leave_no_room_at_rest() {
        let mut streams = Streams::default();
        let keys = [1, 3].map(|id| streams.insert(Stream::new(id, 1, 1)));
        streams.let_go(1);
        streams.remove(keys[0]);
        streams.rest();
        assert!(streams.get(keys[1]).is_some(), "one is still there");
        streams.remove(keys[1]);
        streams.rest();
        assert_eq!((streams.slots.capacity(), streams.index.capacity()), (0, 0));
        assert_eq!((streams.past(1), streams.past(3)), (Past::LetGo, Past::Closed));
        let key = streams.insert(Stream::new(5, 1, 1));
        assert_eq!(streams.find(5), Some(key));
    }

    #[test]
    fn the_past_of_streams_is_known() {
        let mut streams = Streams::default();
        streams.began(5, 0);
        streams.began(7, 5);
        streams.let_go(7);
        assert_eq!([1, 3, 5, 7].map(|id| streams.past(id)), {
            [Past::PassedOver, Past::PassedOver, Past::Closed, Past::LetGo]
        });
        (0..1000).for_each(|n| streams.let_go(9 + 2 * n));
        assert_eq!(streams.past(7), Past::Closed);
    }
}
