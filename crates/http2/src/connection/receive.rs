//! Frames are read.

use bytes::{Buf, BytesMut};

use super::{
    Connection, FAREWELL, Fault, Leaving, Outcome, PREFACE, SENT_TABLE_BYTES_MAX, Stage, THERE, widened,
};
use crate::budget;
use crate::frame::{
    FRAME_HEAD_BYTES, FrameHead, ID_MAX, PAYLOAD_BYTES_MIN, dependency, flag, kind, unpadded,
};
use crate::head::Request;
use crate::reason::Reason;
use crate::settings::Role;
use crate::streams::{Broken, Inbound, Key, Past};

/// Pieces of bodies that are no longer are copied, so that they don't keep all that was read with them.
const COPIED_BYTES_MAX: usize = 8 * 1024;

/// What comes of a frame.
enum Step {
    /// The next one may follow.
    On,
    /// It isn't all here.
    More,
    Request(Key, Box<Request>),
}

/// A request that came, and its stream, in which whoever gets it holds a part.
pub type Asked = (Key, Box<Request>);

impl Connection {
    /// Reads what is in the buffer, as far as to a request that begins there. All else that is in it reaches whoever waits for it.
    /// With none, all was read that is a whole.
    pub fn read(&mut self) -> Option<Asked> {
        let mut held = std::mem::take(&mut self.held);
        let request = loop {
            // What follows the end isn't read, whether or not it is here by now.
            self.settle();
            match self.step(&mut held) {
                Ok(Step::On) => {}
                Ok(Step::More) => break None,
                Ok(Step::Request(key, request)) => break Some((key, request)),
                Err(Fault::Stream(id, reason)) => self.stream_fault(id, reason),
                Err(Fault::Connection(reason)) => {
                    self.end(reason);
                    break None;
                }
            }
        };
        if self.stage != Stage::Over {
            self.held = held;
        }
        request
    }

    fn step(&mut self, held: &mut BytesMut) -> Result<Step, Fault> {
        match self.stage {
            Stage::Over => return Ok(Step::More),
            Stage::Preface => return self.preface(held),
            Stage::Settings | Stage::Open => {}
        }
        let Some(head) = FrameHead::read(held) else {
            return Ok(Step::More);
        };
        if head.length > self.settings.frame_bytes_max.max(PAYLOAD_BYTES_MIN) {
            return Err(Reason::FRAME_SIZE_ERROR.into());
        }
        let whole = FRAME_HEAD_BYTES + head.length as usize;
        let Some(payload) = held.get(FRAME_HEAD_BYTES..whole) else {
            return Ok(Step::More);
        };
        let expected = match &self.assembling {
            Some(assembling) => head.kind == kind::CONTINUATION && head.stream == assembling.stream,
            None => self.stage == Stage::Open || head.kind == kind::SETTINGS && !head.has(flag::ACK),
        };
        if !expected {
            return Err(Reason::PROTOCOL_ERROR.into());
        }
        self.budget.frame(head);
        if self.budget.is_exhausted() {
            return Err(Reason::ENHANCE_YOUR_CALM.into());
        }
        let step = match head.kind {
            kind::DATA => return self.data(head, held).map(|()| Step::On),
            kind::HEADERS => self.headers(head, payload),
            kind::CONTINUATION => self.continuation(head, payload),
            kind::PRIORITY => priority(head, payload).map(|()| None),
            kind::RST_STREAM => self.rst_stream(head, payload).map(|()| None),
            kind::SETTINGS => self.take_settings(head, payload).map(|()| None),
            kind::PUSH_PROMISE => Err(Reason::PROTOCOL_ERROR.into()),
            kind::PING => self.ping(head, payload).map(|()| None),
            kind::GOAWAY => self.goaway(head, payload).map(|()| None),
            kind::WINDOW_UPDATE => self.window_update(head, payload).map(|()| None),
            _ => Ok(None),
        };
        held.advance(whole);
        Ok(match step? {
            Some((key, request)) => Step::Request(key, request),
            None => Step::On,
        })
    }

    fn preface(&mut self, held: &mut BytesMut) -> Result<Step, Fault> {
        let common = held.len().min(PREFACE.len());
        if held.get(..common) != PREFACE.get(..common) {
            return Err(Reason::PROTOCOL_ERROR.into());
        }
        if common < PREFACE.len() {
            return Ok(Step::More);
        }
        held.advance(common);
        self.announce();
        self.stage = Stage::Settings;
        Ok(Step::On)
    }

    /// Ends a stream for an error of the peer's.
    fn stream_fault(&mut self, id: u32, reason: Reason) {
        if reason == Reason::REFUSED_STREAM {
            self.budget.pay(budget::REFUSAL);
        } else {
            self.budget.pay(budget::ERROR);
            self.budget.glitch();
        }
        if self.budget.is_exhausted() {
            return self.end(Reason::ENHANCE_YOUR_CALM);
        }
        match self.streams.find(id) {
            Some(key) if self.streams.get(key).is_some_and(|stream| !stream.is_closed()) => {
                self.say_reset(id, reason);
                self.change(key, |stream| stream.break_off(Broken::Faulty(reason)));
            }
            _ => {
                self.refused += u32::from(reason != Reason::REFUSED_STREAM);
                self.say_reset(id, reason);
            }
        }
    }

    /// Whether no stream of this number has ever been.
    pub(super) fn is_idle(&self, id: u32) -> bool {
        id.is_multiple_of(2) || id > self.last
    }

    /// A frame came for a stream that isn't there, and that wants one.
    pub(super) fn missing(&self, id: u32) -> Result<(), Fault> {
        if self.is_idle(id) {
            return Err(Reason::PROTOCOL_ERROR.into());
        }
        match self.streams.past(id) {
            Past::LetGo => Ok(()),
            Past::Closed => Err(Reason::STREAM_CLOSED.into()),
            Past::PassedOver => Err(Reason::PROTOCOL_ERROR.into()),
        }
    }

    fn data(&mut self, head: FrameHead, held: &mut BytesMut) -> Result<(), Fault> {
        let whole = FRAME_HEAD_BYTES + head.length as usize;
        let payload = held.get(FRAME_HEAD_BYTES..whole).unwrap_or_default();
        let content = unpadded(head, payload)?;
        let (length, from) = (content.len(), usize::from(head.has(flag::PADDED)));
        let counted = self.count_data(head, length as u32);
        held.advance(FRAME_HEAD_BYTES + from);
        let key = match counted {
            Ok(Some(key)) => key,
            other => {
                held.advance(head.length as usize - from);
                return other.map(drop);
            }
        };
        if length > 0
            && let Some(stream) = self.streams.get_mut(key)
        {
            if length <= COPIED_BYTES_MAX {
                stream.take_in(held.get(..length).unwrap_or_default());
                held.advance(length);
            } else {
                let data = held.split_to(length).freeze();
                stream.inbound.push_back(Inbound::Data(data));
            }
        }
        held.advance(head.length as usize - from - length);
        let ended = head.has(flag::END_STREAM);
        self.change(key, |stream| {
            stream.received |= ended;
            stream.wake_reader();
        });
        Ok(())
    }

    /// Takes account of a piece of a body. None if nobody is to get it.
    fn count_data(&mut self, head: FrameHead, length: u32) -> Result<Option<Key>, Fault> {
        let id = head.stream;
        self.receive_window -= i64::from(head.length);
        if self.receive_window < 0 {
            return Err(Reason::FLOW_CONTROL_ERROR.into());
        }
        let Some(key) = self.streams.find(id) else {
            self.widen_connection();
            self.budget.pay(budget::UNWANTED);
            return self.missing(id).map(|()| None);
        };
        let Some(stream) = self.streams.get_mut(key) else {
            return Ok(None);
        };
        stream.receive_window -= i64::from(head.length);
        let fault = match stream.broken {
            // What comes behind a reset of ours was sent before the peer knew of it.
            Some(Broken::Here(_) | Broken::Faulty(_)) => {
                self.widen_connection();
                self.budget.pay(budget::UNWANTED);
                return Ok(None);
            }
            Some(_) => Some(Reason::STREAM_CLOSED),
            None if stream.received => Some(Reason::STREAM_CLOSED),
            None if stream.awaits_head => Some(Reason::PROTOCOL_ERROR),
            None if stream.receive_window < 0 => Some(Reason::FLOW_CONTROL_ERROR),
            None => {
                let rest = stream.remaining.map(|rest| rest.checked_sub(length.into()));
                stream.remaining = rest.flatten();
                let ended = head.has(flag::END_STREAM);
                let wrong = match rest {
                    Some(Some(rest)) => ended && rest > 0,
                    Some(None) => true,
                    None => false,
                };
                wrong.then_some(Reason::PROTOCOL_ERROR)
            }
        };
        if let Some(reason) = fault {
            self.widen_connection();
            return Err(Fault::Stream(id, reason));
        }
        stream.held += length;
        self.receive_held += length;
        if length < head.length {
            // Padding is taken as soon as it is here.
            self.widen_connection();
            if length == 0 && !head.has(flag::END_STREAM) {
                self.budget.pay(budget::EMPTY);
            }
        }
        Ok(Some(key))
    }

    fn rst_stream(&mut self, head: FrameHead, payload: &[u8]) -> Result<(), Fault> {
        let code = exactly(payload).ok_or(Reason::FRAME_SIZE_ERROR)?;
        if self.is_idle(head.stream) {
            return Err(Reason::PROTOCOL_ERROR.into());
        }
        let reason = Reason::from(u32::from_be_bytes(code));
        if let Some(key) = self.streams.find(head.stream) {
            let why = match reason {
                // Of a request, it says that nothing was done.
                Reason::REFUSED_STREAM => Broken::Unseen,
                reason => Broken::Peer(reason),
            };
            self.change(key, |stream| stream.break_off(why));
        }
        Ok(())
    }

    fn take_settings(&mut self, head: FrameHead, payload: &[u8]) -> Result<(), Fault> {
        if head.stream != 0 {
            return Err(Reason::PROTOCOL_ERROR.into());
        }
        if head.has(flag::ACK) {
            if !payload.is_empty() {
                return Err(Reason::FRAME_SIZE_ERROR.into());
            }
            let table_bytes = self.settings.table_bytes as usize;
            self.decoder.set_table_bytes_max(table_bytes);
            return Ok(());
        }
        let before = self.peer;
        self.peer.take_in(payload, self.role)?;
        if self.peer.table_bytes != before.table_bytes {
            let table_bytes = self.peer.table_bytes.min(SENT_TABLE_BYTES_MAX);
            self.encoder.set_table_bytes_max(table_bytes as usize);
        }
        let more = i64::from(self.peer.window_bytes) - i64::from(before.window_bytes);
        if more != 0 {
            for stream in self.streams.iter_mut() {
                stream.send_window = widened(stream.send_window, more).ok_or(Reason::FLOW_CONTROL_ERROR)?;
                stream.wake_writer();
            }
        }
        self.output.frame(kind::SETTINGS, flag::ACK, 0, &[]);
        // A server that takes no frame for another one expects this behind the acknowledgement.
        if self.stage == Stage::Settings && self.role == Role::Client {
            self.open_connection();
        }
        self.stage = Stage::Open;
        Ok(())
    }

    fn ping(&mut self, head: FrameHead, payload: &[u8]) -> Result<(), Fault> {
        if payload.len() != 8 {
            return Err(Reason::FRAME_SIZE_ERROR.into());
        }
        if head.stream != 0 {
            return Err(Reason::PROTOCOL_ERROR.into());
        }
        if !head.has(flag::ACK) {
            self.output.frame(kind::PING, flag::ACK, 0, payload);
        } else if payload == THERE {
            self.asking = false;
        } else if payload == FAREWELL && self.leaving == Leaving::Announced {
            self.leaving = Leaving::Final;
            self.goodbye(self.begun_by_peer(), Reason::NO_ERROR);
        }
        Ok(())
    }

    fn goaway(&mut self, head: FrameHead, payload: &[u8]) -> Result<(), Fault> {
        let (said, _) = payload.split_first_chunk::<8>().ok_or(Reason::FRAME_SIZE_ERROR)?;
        if head.stream != 0 {
            return Err(Reason::PROTOCOL_ERROR.into());
        }
        let [a, b, c, d, e, f, g, h] = *said;
        let last = u32::from_be_bytes([a, b, c, d]) & ID_MAX;
        let reason = Reason::from(u32::from_be_bytes([e, f, g, h]));
        self.peer_leaves = true;
        match self.role {
            Role::Server if reason != Reason::NO_ERROR => self.over(Outcome::Gone),
            Role::Server => {}
            Role::Client => {
                let unseen: Vec<Key> = self.streams.after(last).collect();
                for key in unseen {
                    self.change(key, |stream| stream.break_off(Broken::Unseen));
                }
            }
        }
        Ok(())
    }

    fn window_update(&mut self, head: FrameHead, payload: &[u8]) -> Result<(), Fault> {
        let more = exactly(payload).ok_or(Reason::FRAME_SIZE_ERROR)?;
        let more = u32::from_be_bytes(more) & ID_MAX;
        let id = head.stream;
        if id == 0 {
            let window = widened(self.send_window, more).filter(|_| more > 0);
            self.send_window = window.ok_or(match more {
                0 => Reason::PROTOCOL_ERROR,
                _ => Reason::FLOW_CONTROL_ERROR,
            })?;
            self.call();
            return Ok(());
        }
        if self.is_idle(id) {
            return Err(Reason::PROTOCOL_ERROR.into());
        }
        if more == 0 {
            return Err(Fault::Stream(id, Reason::PROTOCOL_ERROR));
        }
        let key = self.streams.find(id);
        if let Some(stream) = key.and_then(|key| self.streams.get_mut(key))
            && !stream.is_closed()
        {
            stream.send_window =
                widened(stream.send_window, more).ok_or(Fault::Stream(id, Reason::FLOW_CONTROL_ERROR))?;
            stream.wake_writer();
        }
        Ok(())
    }
}

/// A payload of which the length is known.
fn exactly<const N: usize>(payload: &[u8]) -> Option<[u8; N]> {
    payload.try_into().ok()
}

/// What is said of priorities means nothing here, and is looked at all the same.
fn priority(head: FrameHead, payload: &[u8]) -> Result<(), Fault> {
    if head.stream == 0 {
        return Err(Reason::PROTOCOL_ERROR.into());
    }
    let payload = exactly(payload).ok_or(Fault::Stream(head.stream, Reason::FRAME_SIZE_ERROR))?;
    if dependency(&payload) == head.stream {
        return Err(Fault::Stream(head.stream, Reason::PROTOCOL_ERROR));
    }
    Ok(())
}
