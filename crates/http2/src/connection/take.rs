//! What came on a stream is taken by whoever it is for.

use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use tidegate_sample::head::response;

use super::{Connection, owed};
use crate::streams::{Broken, Inbound, Key, register};

/// What comes next on a stream.
#[derive(Debug)]
pub enum Received {
    /// A piece of the body.
    Data(Bytes),
    /// What follows the body.
    Trailers(Box<HeaderMap>),
    /// The message is over.
    End,
    /// It will never be.
    Broken(Broken),
}

impl Connection {
    /// The next piece of the message that comes on a stream, behind its head.
    pub fn poll_received(&mut self, key: Key, cx: &Context<'_>) -> Poll<Received> {
        let Some(stream) = self.streams.get_mut(key) else {
            return Poll::Ready(Received::Broken(Broken::Connection));
        };
        match stream.inbound.pop_front() {
            Some(Inbound::Data(data)) => {
                self.taken(key, data.len() as u32);
                Poll::Ready(Received::Data(data))
            }
            Some(Inbound::Gathered(data)) => {
                self.taken(key, data.len() as u32);
                Poll::Ready(Received::Data(data.freeze()))
            }
            Some(Inbound::Trailers(trailers)) => Poll::Ready(Received::Trailers(trailers)),
            // No head comes behind another one.
            Some(Inbound::Head(_)) => Poll::Ready(Received::End),
            None if stream.received => Poll::Ready(Received::End),
            None => match stream.broken {
                Some(broken) => Poll::Ready(Received::Broken(broken)),
                None => {
                    register(&mut stream.reader, cx);
                    Poll::Pending
                }
            },
        }
    }

    /// The next head of a response: an informational one, or the final one.
    ///
    /// # Errors
    /// None will come.
    pub fn poll_head(&mut self, key: Key, cx: &Context<'_>) -> Poll<Result<response::Parts, Broken>> {
        let Some(stream) = self.streams.get_mut(key) else {
            return Poll::Ready(Err(Broken::Connection));
        };
        match stream.inbound.pop_front() {
            Some(Inbound::Head(head)) => return Poll::Ready(Ok(head)),
            Some(other) => stream.inbound.push_front(other),
            None => {}
        }
        match stream.broken {
            Some(broken) => Poll::Ready(Err(broken)),
            None => {
                register(&mut stream.reader, cx);
                Poll::Pending
            }
        }
    }

    /// Whether all of the message that comes on a stream has been taken.
    #[must_use]
    pub fn is_taken(&self, key: Key) -> bool {
        let stream = self.streams.get(key);
        stream.is_none_or(|stream| stream.received && stream.inbound.is_empty())
    }

    /// Somebody took so much of what came on a stream: then the peer may send as much again.
    fn taken(&mut self, key: Key, bytes: u32) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        stream.held = stream.held.saturating_sub(bytes);
        if !stream.received
            && stream.broken.is_none()
            && let Some(owed) = owed(stream.receive_target, stream.held, stream.receive_window)
        {
            stream.receive_window += i64::from(owed);
            self.say_room(key.id, owed);
        }
        self.receive_held = self.receive_held.saturating_sub(bytes);
        self.widen_connection();
    }

    /// Tells the peer of the room that there is for all streams, if that is worth it.
    pub(super) fn widen_connection(&mut self) {
        if let Some(owed) = owed(self.receive_target, self.receive_held, self.receive_window)
            && self.outcome.is_none()
        {
            self.receive_window += i64::from(owed);
            self.say_room(0, owed);
        }
    }

    /// Room for all streams is as large as it is to be from now on.
    pub(super) fn open_connection(&mut self) {
        let target = self
            .settings
            .buffer_bytes
            .clamp(self.receive_target, i32::MAX as u32);
        let more = target - self.receive_target;
        self.receive_target = target;
        if more > 0 {
            self.receive_window += i64::from(more);
            self.say_room(0, more);
        }
    }

    /// A stream on which a long body comes, or one of unknown length, gets the most of the room that no other was promised.
    pub(super) fn open_stream(&mut self, key: Key) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        let before = stream.receive_target;
        if stream.received || stream.remaining.is_some_and(|rest| rest <= before.into()) {
            return;
        }
        let others = self.promised.saturating_sub(before.into());
        let free = u64::from(self.receive_target).saturating_sub(others);
        let share = u32::try_from(free / 8 * 7).unwrap_or(0);
        if let Some(more @ 1..) = share.checked_sub(before) {
            stream.receive_target += more;
            stream.receive_window += i64::from(more);
            self.promised += u64::from(more);
            self.say_room(key.id, more);
        }
    }
}
