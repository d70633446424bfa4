//! Messages are sent.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, Method};
use tidegate_sample::head::response;

use super::{Connection, OUTPUT_BYTES_MAX};
use crate::frame::{FRAME_HEAD_BYTES, FrameHead, PAYLOAD_BYTES_MIN, flag, kind};
use crate::head::{self, Outgoing};
use crate::hpack::Block;
use crate::reason::Reason;
use crate::streams::{Broken, Key, Stream, register};

impl Connection {
    /// Sends a request; `ended` if it has no body. Whoever asked holds a part in its stream.
    ///
    /// # Errors
    /// The connection takes no more.
    pub fn request(&mut self, outgoing: Outgoing<'_>, ended: bool) -> Result<Key, Broken> {
        if !self.takes_requests().1 {
            return Err(Broken::Unseen);
        }
        self.last = if self.last == 0 { 1 } else { self.last + 2 };
        let mut stream = Stream::new(self.last, self.settings.window_bytes, self.peer.window_bytes);
        stream.holders = 1;
        stream.awaits_head = true;
        stream.bodyless = outgoing.head.method == Method::HEAD && outgoing.protocol.is_none();
        stream.tunnel = outgoing.protocol.is_some() || outgoing.head.method == Method::CONNECT;
        stream.sent = ended;
        self.promised += u64::from(stream.receive_target);
        let key = self.streams.insert(stream);
        self.active += 1;
        self.write_block(key.id, ended, |block| head::request(block, outgoing));
        Ok(key)
    }

    /// Sends the head of a response; `ended` if it has no body.
    ///
    /// # Errors
    /// The client has let go of the request.
    pub fn respond(&mut self, key: Key, response: &response::Parts, ended: bool) -> Result<(), Broken> {
        self.may_send(key)?;
        self.write_block(key.id, ended, |block| head::response(block, response));
        if ended {
            self.change(key, |stream| stream.sent = true);
        }
        Ok(())
    }

    /// Sends what ends a message.
    ///
    /// # Errors
    /// The peer has let go of the stream.
    pub fn trailers(&mut self, key: Key, trailers: &HeaderMap) -> Result<(), Broken> {
        self.may_send(key)?;
        self.write_block(key.id, true, |block| head::trailers(block, trailers));
        self.change(key, |stream| stream.sent = true);
        Ok(())
    }

    /// Sends as much of `data` as there is room for, at least one byte of it; says how much. With the last of it the message
    /// is over, if it is the `last`.
    ///
    /// # Errors
    /// The peer has let go of the stream.
    pub fn poll_send(
        &mut self,
        key: Key,
        cx: &Context<'_>,
        data: &mut Bytes,
        last: bool,
    ) -> Poll<Result<usize, Broken>> {
        let room = match data.is_empty() {
            true => self.may_send(key).map(|()| 0)?,
            false => ready!(self.poll_room(key, cx, data.len()))?,
        };
        let frame_bytes_max = self.peer.frame_bytes_max as usize;
        let mut left = room;
        while left > 0 {
            let piece = data.split_to(left.min(frame_bytes_max));
            left -= piece.len();
            let ends = last && data.is_empty();
            self.output
                .data(if ends { flag::END_STREAM } else { 0 }, key.id, piece);
        }
        self.send_window -= room as i64;
        if room == 0 && last {
            self.output.frame(kind::DATA, flag::END_STREAM, key.id, &[]);
        }
        let ended = last && data.is_empty();
        self.change(key, |stream| {
            stream.send_window -= room as i64;
            stream.sent |= ended;
        });
        Poll::Ready(Ok(room))
    }

    /// Ready when there is room for at least one of so many bytes; says for how many.
    ///
    /// # Errors
    /// The peer has let go of the stream.
    pub fn poll_room(&mut self, key: Key, cx: &Context<'_>, wanted: usize) -> Poll<Result<usize, Broken>> {
        self.may_send(key)?;
        let of_connection = self.room();
        let Some(stream) = self.streams.get_mut(key) else {
            return Poll::Ready(Err(Broken::Connection));
        };
        let room = stream.send_window.min(of_connection as i64);
        if let Ok(room @ 1..) = usize::try_from(room) {
            return Poll::Ready(Ok(room.min(wanted)));
        }
        register(&mut stream.writer, cx);
        if stream.send_window > 0 && !stream.in_line {
            stream.in_line = true;
            self.line.push_back(key);
        }
        Poll::Pending
    }

    /// Ready when the peer has let go of a stream, or it was reset for an error of the peer's.
    pub fn poll_gone(&mut self, key: Key, cx: &Context<'_>) -> Poll<()> {
        let Some(stream) = self.streams.get_mut(key) else {
            return Poll::Ready(());
        };
        if matches!(
            stream.broken,
            Some(Broken::Peer(_) | Broken::Faulty(_) | Broken::Unseen | Broken::Connection)
        ) {
            return Poll::Ready(());
        }
        register(&mut stream.writer, cx);
        Poll::Pending
    }

    /// What all streams together may send now.
    fn room(&self) -> usize {
        let window = usize::try_from(self.send_window).unwrap_or(0);
        window.min(OUTPUT_BYTES_MAX.saturating_sub(self.output.len()))
    }

    /// There is room: calls as many of those that wait in line as may find some.
    pub(super) fn call(&mut self) {
        let mut room = self.room();
        while room > 0
            && let Some(key) = self.line.pop_front()
        {
            if let Some(stream) = self.streams.get_mut(key) {
                stream.in_line = false;
                stream.wake_writer();
                room = room.saturating_sub(PAYLOAD_BYTES_MIN as usize);
            }
        }
    }

    fn may_send(&self, key: Key) -> Result<(), Broken> {
        let stream = self.streams.get(key).ok_or(Broken::Connection)?;
        match stream.broken {
            Some(broken) => Err(broken),
            None if stream.sent => Err(Broken::Here(Reason::NO_ERROR)),
            None => Ok(()),
        }
    }

    fn write_block(&mut self, id: u32, ended: bool, write: impl FnOnce(&mut Block<'_>)) {
        let buffer = self.output.buffer();
        let from = buffer.len();
        buffer.extend_from_slice(&[0; FRAME_HEAD_BYTES]);
        write(&mut self.encoder.block(buffer));
        let end = if ended { flag::END_STREAM } else { 0 };
        let length = buffer.len() - from - FRAME_HEAD_BYTES;
        let most = self.peer.frame_bytes_max as usize;
        if length <= most {
            let head = FrameHead {
                length: length as u32,
                kind: kind::HEADERS,
                flags: flag::END_HEADERS | end,
                stream: id,
            };
            if let Some(place) = buffer.get_mut(from..from + FRAME_HEAD_BYTES) {
                place.copy_from_slice(&head.bytes());
            }
            return;
        }
        let block = buffer.split_off(from + FRAME_HEAD_BYTES);
        buffer.truncate(from);
        let pieces = block.len().div_ceil(most);
        for (at, piece) in block.chunks(most).enumerate() {
            let (kind, flags) = if at == 0 {
                (kind::HEADERS, end)
            } else {
                (kind::CONTINUATION, 0)
            };
            let last = if at + 1 == pieces { flag::END_HEADERS } else { 0 };
            self.output.frame(kind, flags | last, id, piece);
        }
    }
}
