//! What a peer may ask for without doing anything useful, counted before the codec sees it.
//!
//! Flow control bounds what a peer can send as data; nothing in HTTP/2 bounds pings, settings, priorities, resets and
//! frames without content, each of which makes its receiver work. Here each costs something of a budget. It grows back
//! with time, with requests that were served, and with bytes that were sent, so that an honest peer never notices it. Who
//! uses it up is told to calm down, and the connection ends.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::{Buf, Bytes};
use tidegate_sample::figures::HttpStreamFigures;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::PREFACE;
use crate::stream::Counted;
use crate::tally;

/// What a peer has at first, and at the most.
const BUDGET_MAX: u64 = 2_000;

/// What it gets back in a second, for a request that was served to its end, and for so many bytes that it was sent.
const PER_SECOND: u64 = 200;
const PER_REQUEST: u64 = 10;
const BYTES_PER_UNIT: u64 = 1024;

/// The bytes of a frame before its payload.
const FRAME_HEAD_BYTES: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

/// The reason of a reset for an error of the protocol; no other has the same last byte.
const PROTOCOL_ERROR: u8 = 1;

/// `END_STREAM`, and `ACK` of settings and pings.
const FLAG_END: u8 = 1;

/// What a peer still has of its budget, and what was odd about it.
pub(crate) struct Meter {
    left: Cell<u64>,
    refilled: Cell<Instant>,
    written: Cell<u64>,
    exhausted: Cell<bool>,
    /// Streams that were reset for an error of the protocol, and nobody was told of yet.
    refused: Cell<u32>,
    glitches: Cell<u32>,
    /// Requests in progress.
    streams: Cell<u32>,
    streams_max: u32,
    /// `tune.h2.fe.glitches-threshold`, `tune.h2.be.glitches-threshold`: 0 for none.
    glitches_max: u32,
    /// `tune.glitches.kill.cpu-usage`: they end it only where the thread is as busy, in percent.
    busy_min: u32,
}

impl Meter {
    pub(crate) fn new(streams_max: u32, (glitches_max, busy_min): (u32, u32)) -> Rc<Self> {
        Rc::new(Meter {
            left: Cell::new(BUDGET_MAX),
            refilled: Cell::new(Instant::now()),
            written: Cell::new(0),
            exhausted: Cell::new(false),
            refused: Cell::new(0),
            glitches: Cell::new(0),
            streams: Cell::new(0),
            streams_max,
            glitches_max,
            busy_min,
        })
    }

    /// What is known of the connection, for the stream of this number.
    pub(crate) fn figures(&self, stream_id: u32) -> HttpStreamFigures {
        HttpStreamFigures {
            major: 2,
            stream_id,
            glitches: self.glitches.get(),
            streams: self.streams.get(),
            streams_max: self.streams_max,
        }
    }

    /// So many requests are in progress.
    pub(crate) fn carries(&self, streams: usize) {
        self.streams.set(u32::try_from(streams).unwrap_or(u32::MAX));
    }

    /// The peer did something odd that is no error.
    pub(crate) fn glitch(&self) {
        self.glitches.set(self.glitches.get().saturating_add(1));
        if self.glitches_max > 0
            && self.glitches.get() >= self.glitches_max
            && (self.busy_min == 0 || tally::busy_percent() >= self.busy_min)
        {
            self.exhausted.set(true);
        }
    }

    /// Whether the connection is to end.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.exhausted.get()
    }

    /// How many streams were reset for an error of the protocol since this was last asked.
    pub(crate) fn take_refused(&self) -> u32 {
        self.refused.take()
    }

    /// A request was served to its end.
    pub(crate) fn served(&self) {
        self.gain(PER_REQUEST);
    }

    fn wrote(&self, bytes: u64) {
        let written = self.written.get() + bytes;
        self.gain(written / BYTES_PER_UNIT);
        self.written.set(written % BYTES_PER_UNIT);
    }

    fn gain(&self, units: u64) {
        self.left
            .set(self.left.get().saturating_add(units).min(BUDGET_MAX));
    }

    /// The peer sent a frame.
    fn frame(&self, kind: u8, flags: u8, length: usize) {
        let empty = length == 0;
        let odd = match kind {
            DATA => empty && flags & FLAG_END == 0,
            CONTINUATION => empty,
            _ => false,
        };
        if odd {
            self.glitch();
        }
        let cost = match kind {
            DATA if odd => 4,
            DATA => 0,
            HEADERS => 0,
            CONTINUATION if odd => 20,
            CONTINUATION => 2,
            SETTINGS | PING if flags & FLAG_END != 0 => 1,
            SETTINGS => 10,
            RST_STREAM => 10,
            PRIORITY | PING => 2,
            WINDOW_UPDATE => 1,
            GOAWAY => 10,
            // Unknown ones are to be ignored; not too many of them.
            _ => 2,
        };
        if cost > 0 {
            self.pay(cost);
        }
    }

    fn pay(&self, cost: u64) {
        if self.left.get() < cost {
            let now = Instant::now();
            let elapsed = now.saturating_duration_since(self.refilled.get());
            let units = u64::try_from(elapsed.as_millis())
                .unwrap_or(u64::MAX)
                .saturating_mul(PER_SECOND)
                / 1000;
            if units > 0 {
                self.refilled.set(now);
                self.gain(units);
            }
        }
        match self.left.get().checked_sub(cost) {
            Some(left) => self.left.set(left),
            None => {
                if !self.exhausted.replace(true) {
                    self.glitch();
                }
            }
        }
    }
}

/// The frames of what is read, as far as their heads go.
#[derive(Default)]
struct Frames {
    /// Bytes that are no head: the preface, payloads.
    skip: usize,
    head: [u8; FRAME_HEAD_BYTES],
    have: usize,
}

impl Frames {
    fn see(&mut self, mut bytes: &[u8], meter: &Meter) {
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes.advance(skipped);
            let free = self.head.get_mut(self.have..).unwrap_or_default();
            let taken = free.len().min(bytes.len());
            if let (Some(free), Some(new)) = (free.get_mut(..taken), bytes.get(..taken)) {
                free.copy_from_slice(new);
            }
            bytes.advance(taken);
            self.have += taken;
            if self.have == FRAME_HEAD_BYTES {
                self.have = 0;
                let [a, b, c, kind, flags, ..] = self.head;
                self.skip = u32::from_be_bytes([0, a, b, c]) as usize;
                meter.frame(kind, flags, self.skip);
            }
        }
    }
}

/// The frames of what is written, as far as streams are reset by them.
#[derive(Default)]
struct Sent {
    skip: usize,
    head: [u8; FRAME_HEAD_BYTES + 4],
    have: usize,
}

impl Sent {
    fn see(&mut self, mut bytes: &[u8], meter: &Meter) {
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes.advance(skipped);
            // Of a reset its reason belongs to the head.
            let is_reset = self.have >= FRAME_HEAD_BYTES;
            let wanted = if is_reset {
                self.head.len()
            } else {
                FRAME_HEAD_BYTES
            };
            let free = self.head.get_mut(self.have..wanted).unwrap_or_default();
            let taken = free.len().min(bytes.len());
            if let (Some(free), Some(new)) = (free.get_mut(..taken), bytes.get(..taken)) {
                free.copy_from_slice(new);
            }
            bytes.advance(taken);
            self.have += taken;
            if self.have < wanted {
                continue;
            }
            let [a, b, c, kind, .., reason] = self.head;
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            if is_reset {
                if reason == PROTOCOL_ERROR {
                    meter.refused.set(meter.refused.get() + 1);
                    meter.glitch();
                }
                self.have = 0;
            } else if kind != RST_STREAM || length != 4 {
                self.skip = length;
                self.have = 0;
            }
        }
    }
}

/// A stream whose frames are counted. What was read before comes first.
pub(crate) struct Guarded {
    io: Counted,
    ahead: Bytes,
    frames: Frames,
    /// Of what a client is sent.
    sent: Option<Sent>,
    meter: Rc<Meter>,
}

impl Guarded {
    /// What a client sends, which begins with the preface.
    pub(super) fn client(io: Counted, ahead: Bytes, meter: Rc<Meter>) -> Self {
        let frames = Frames {
            skip: PREFACE.len(),
            ..Frames::default()
        };
        Guarded {
            io,
            ahead,
            frames,
            sent: Some(Sent::default()),
            meter,
        }
    }
}

impl Guarded {
    /// What a server sends.
    pub(super) fn server(io: Counted, meter: Rc<Meter>) -> Self {
        Guarded {
            io,
            ahead: Bytes::new(),
            frames: Frames::default(),
            sent: None,
            meter,
        }
    }
}

impl AsyncRead for Guarded {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.meter.is_exhausted() {
            // The connection is about to end; nothing more of it is looked at.
            return Poll::Pending;
        }
        let before = buf.filled().len();
        let result = if this.ahead.is_empty() {
            Pin::new(&mut this.io).poll_read(cx, buf)
        } else {
            let taken = this.ahead.len().min(buf.remaining());
            buf.put_slice(&this.ahead.split_to(taken));
            Poll::Ready(Ok(()))
        };
        let new = buf.filled().get(before..).unwrap_or_default();
        this.frames.see(new, &this.meter);
        result
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.io).poll_write(cx, buf);
        if let Poll::Ready(Ok(n)) = result {
            this.meter.wrote(n as u64);
            if let Some(sent) = &mut this.sent {
                sent.see(buf.get(..n).unwrap_or_default(), &this.meter);
            }
        }
        result
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.io).poll_write_vectored(cx, bufs);
        if let Poll::Ready(Ok(n)) = result {
            this.meter.wrote(n as u64);
            if let Some(sent) = &mut this.sent {
                let mut left = n;
                for buf in bufs {
                    let written = buf.len().min(left);
                    left -= written;
                    sent.see(buf.get(..written).unwrap_or_default(), &this.meter);
                }
            }
        }
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags, 0, 0, 0, 1]);
        frame.extend(payload);
        frame
    }

    fn seen(bytes: &[u8], step: usize) -> Rc<Meter> {
        let meter = Meter::new(1, (0, 0));
        let mut frames = Frames::default();
        bytes.chunks(step).for_each(|chunk| frames.see(chunk, &meter));
        meter
    }

    #[test]
    fn frames_are_counted_however_they_are_cut() {
        let bytes = [
            frame(DATA, 0, b"some data"),
            frame(DATA, 0, b""),
            frame(DATA, FLAG_END, b""),
            frame(PING, 0, &[0; 8]),
            frame(CONTINUATION, 0, b""),
        ]
        .concat();
        for step in 1..=bytes.len() {
            let meter = seen(&bytes, step);
            assert_eq!(meter.glitches.get(), 2, "{step}");
            assert_eq!(meter.left.get(), BUDGET_MAX - 4 - 2 - 20, "{step}");
        }
    }

    #[test]
    fn resets_for_errors_are_noticed_however_they_are_cut() {
        let bytes = [
            frame(SETTINGS, 0, &[0; 6]),
            frame(RST_STREAM, 0, &[0, 0, 0, PROTOCOL_ERROR]),
            frame(DATA, 0, b"some data"),
            frame(RST_STREAM, 0, &[0, 0, 0, 8]),
            frame(RST_STREAM, 0, &[0, 0, 0, PROTOCOL_ERROR]),
        ]
        .concat();
        for step in 1..=bytes.len() {
            let meter = Meter::new(1, (0, 0));
            let mut sent = Sent::default();
            bytes.chunks(step).for_each(|chunk| sent.see(chunk, &meter));
            assert_eq!((meter.take_refused(), meter.glitches.get()), (2, 2), "{step}");
        }
    }

    #[test]
    fn floods_use_the_budget_up_and_useful_work_does_not() {
        for (kind, payload) in [
            (PING, &[0; 8][..]),
            (SETTINGS, &[]),
            (PRIORITY, &[0; 5]),
            (DATA, &[]),
            (RST_STREAM, &[0; 4]),
        ] {
            let flood = frame(kind, 0, payload).repeat(5_000);
            assert!(seen(&flood, 4096).is_exhausted(), "{kind}");
        }
        assert!(!seen(&frame(DATA, 0, b"data").repeat(100_000), 4096).is_exhausted());
        let meter = Meter::new(1, (0, 0));
        for _ in 0..10_000 {
            meter.frame(RST_STREAM, 0, 4);
            meter.served();
            meter.frame(WINDOW_UPDATE, 0, 4);
            meter.wrote(BYTES_PER_UNIT);
        }
        assert!(!meter.is_exhausted());
    }

    #[test]
    fn a_thread_that_is_idle_bears_glitches() {
        let meter = Meter::new(1, (3, 1));
        (0..10).for_each(|_| meter.glitch());
        assert!(!meter.is_exhausted());
    }

    #[test]
    fn a_threshold_of_glitches_ends_a_connection_too() {
        let meter = Meter::new(1, (3, 0));
        meter.glitch();
        meter.glitch();
        assert!(!meter.is_exhausted());
        meter.glitch();
        assert!(meter.is_exhausted());
    }
}
