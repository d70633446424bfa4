//! Header blocks: heads and trailers.

use http::StatusCode;

use super::receive::Asked;
use super::{Connection, Fault, GOING_MAX, Leaving};
use crate::budget;
use crate::frame::{FrameHead, flag, unpadded, without_priority};
use crate::head::{Malformed, RequestReader, ResponseReader, TrailersReader};
use crate::hpack::{CompressionError, Field, Then};
use crate::reason::Reason;
use crate::settings::Role;
use crate::streams::{Broken, Inbound, Key, Stream};

/// A block of which there are only pieces as yet.
pub(super) struct Assembling {
    pub(super) stream: u32,
    ended: bool,
    misled: bool,
    block: Vec<u8>,
}

impl From<CompressionError> for Fault {
    fn from(_: CompressionError) -> Fault {
        Fault::Connection(Reason::COMPRESSION_ERROR)
    }
}

impl Connection {
    pub(super) fn headers(&mut self, head: FrameHead, payload: &[u8]) -> Result<Option<Asked>, Fault> {
        if head.stream == 0 {
            return Err(Reason::PROTOCOL_ERROR.into());
        }
        let (fragment, dependency) = without_priority(head, unpadded(head, payload)?)?;
        let ended = head.has(flag::END_STREAM);
        let misled = dependency == Some(head.stream);
        if head.has(flag::END_HEADERS) {
            return self.block(head.stream, ended, misled, fragment);
        }
        self.assembling = Some(Assembling {
            stream: head.stream,
            ended,
            misled,
            block: fragment.to_vec(),
        });
        Ok(None)
    }

    pub(super) fn continuation(&mut self, head: FrameHead, payload: &[u8]) -> Result<Option<Asked>, Fault> {
        let Some(mut assembling) = self.assembling.take() else {
            return Err(Reason::PROTOCOL_ERROR.into());
        };
        // What is written in so many bytes is more than a head may have, or written to waste ours.
        let most = 2 * self.settings.head_bytes_max.max(self.settings.frame_bytes_max) as usize;
        if assembling.block.len() + payload.len() > most {
            return Err(Reason::ENHANCE_YOUR_CALM.into());
        }
        assembling.block.extend_from_slice(payload);
        if head.has(flag::END_HEADERS) {
            let Assembling {
                stream,
                ended,
                misled,
                block,
            } = assembling;
            return self.block(stream, ended, misled, &block);
        }
        self.assembling = Some(assembling);
        Ok(None)
    }

    fn block(&mut self, id: u32, ended: bool, misled: bool, block: &[u8]) -> Result<Option<Asked>, Fault> {
        if let Some(key) = self.streams.find(id) {
            return self.more(key, ended, block).map(|()| None);
        }
        if self.role == Role::Server && id > self.last && !id.is_multiple_of(2) {
            return self.begun(id, ended, misled, block);
        }
        self.decode(block, |_| Then::Stop)?;
        self.missing(id)?;
        Ok(None)
    }

    fn decode(&mut self, block: &[u8], take: impl FnMut(Field<'_>) -> Then) -> Result<(), CompressionError> {
        self.text.clear();
        self.decoder.decode(block, &mut self.text, take)
    }

    /// A request begins.
    fn begun(&mut self, id: u32, ended: bool, misled: bool, block: &[u8]) -> Result<Option<Asked>, Fault> {
        let is_first = self.last == 0;
        let refused = self.active >= self.settings.streams_max as usize
            || self.streams.len() >= self.settings.streams_max as usize + GOING_MAX;
        if self.leaving == Leaving::Final || misled || refused {
            self.decode(block, |_| Then::Stop)?;
            self.begin(id);
            return match self.leaving {
                // It was told that nobody would look at it.
                Leaving::Final => {
                    self.streams.let_go(id);
                    Ok(None)
                }
                _ if misled => Err(Fault::Stream(id, Reason::PROTOCOL_ERROR)),
                _ => Err(Fault::Stream(id, Reason::REFUSED_STREAM)),
            };
        }
        let mut reader = RequestReader::new(&self.settings);
        self.decode(block, |field| {
            reader.take(&field);
            Then::Forget
        })?;
        self.begin(id);
        let malformed = Fault::Stream(id, Reason::PROTOCOL_ERROR);
        let request = reader.finish().map_err(|Malformed| malformed)?;
        if ended && request.length.is_some_and(|length| length > 0) {
            return Err(malformed);
        }
        let mut stream = Stream::new(id, self.settings.window_bytes, self.peer.window_bytes);
        stream.holders = 1;
        stream.received = ended;
        stream.tunnel = request.protocol.is_some() || request.head.method == http::Method::CONNECT;
        stream.remaining = request.length.filter(|_| !stream.tunnel);
        let key = self.streams.insert(stream);
        self.active += 1;
        if is_first {
            self.open_connection();
        }
        if !ended {
            self.promised += u64::from(self.settings.window_bytes);
            self.open_stream(key);
        }
        Ok(Some((key, Box::new(request))))
    }

    fn begin(&mut self, id: u32) {
        self.streams.began(id, self.last);
        self.last = id;
    }

    /// A block came on a stream that is there: a response, or trailers.
    fn more(&mut self, key: Key, ended: bool, block: &[u8]) -> Result<(), Fault> {
        let Some(stream) = self.streams.get(key) else {
            return Ok(());
        };
        let fault = match stream.broken {
            Some(Broken::Here(_) | Broken::Faulty(_)) => {
                self.decode(block, |_| Then::Stop)?;
                return Ok(());
            }
            Some(_) => Some(Reason::STREAM_CLOSED),
            None if stream.received => Some(Reason::STREAM_CLOSED),
            None if stream.awaits_head => return self.response(key, ended, block),
            None if !ended => Some(Reason::PROTOCOL_ERROR),
            None if stream.remaining.is_some_and(|rest| rest > 0) => Some(Reason::PROTOCOL_ERROR),
            None => None,
        };
        if let Some(reason) = fault {
            self.decode(block, |_| Then::Stop)?;
            return Err(Fault::Stream(key.id, reason));
        }
        let mut reader = TrailersReader::new(&self.settings);
        self.decode(block, |field| {
            reader.take(&field);
            Then::Forget
        })?;
        let trailers = reader.finish();
        let trailers = trailers.map_err(|Malformed| Fault::Stream(key.id, Reason::PROTOCOL_ERROR))?;
        self.change(key, |stream| {
            if !trailers.is_empty() {
                stream.inbound.push_back(Inbound::Trailers(Box::new(trailers)));
            }
            stream.received = true;
            stream.wake_reader();
        });
        Ok(())
    }

    fn response(&mut self, key: Key, ended: bool, block: &[u8]) -> Result<(), Fault> {
        let mut reader = ResponseReader::new(&self.settings);
        self.decode(block, |field| {
            reader.take(&field);
            Then::Forget
        })?;
        let malformed = Fault::Stream(key.id, Reason::PROTOCOL_ERROR);
        let response = reader.finish().map_err(|Malformed| malformed)?;
        let status = response.head.status;
        if status.is_informational() {
            if ended {
                return Err(malformed);
            }
            self.budget.pay(budget::INFORMATIONAL);
            if let Some(stream) = self.streams.get_mut(key) {
                stream.inbound.push_back(Inbound::Head(response.head));
                stream.wake_reader();
            }
            return Ok(());
        }
        let wrong = self.change(key, |stream| {
            let bodyless =
                stream.bodyless || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
            stream.remaining = match bodyless {
                true => Some(0),
                false if stream.tunnel && status.is_success() => None,
                false => response.length,
            };
            stream.awaits_head = false;
            let wrong = ended && stream.remaining.is_some_and(|rest| rest > 0);
            if !wrong {
                stream.inbound.push_back(Inbound::Head(response.head));
                stream.received = ended;
                stream.wake_reader();
            }
            wrong
        });
        if wrong == Some(true) {
            return Err(malformed);
        }
        self.open_stream(key);
        Ok(())
    }
}
