//! One connection, from either end: what comes in becomes messages, and what is to be said becomes bytes.

mod blocks;
mod receive;
mod send;
mod take;

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::BytesMut;

use crate::budget::Budget;
use crate::frame::{ID_MAX, WINDOW_BYTES, WINDOW_BYTES_MAX, kind};
use crate::hpack::{Decoder, Encoder};
use crate::output::Output;
use crate::reason::Reason;
use crate::settings::{Peer, Role, Settings, TABLE_BYTES};
use crate::streams::{Broken, Key, Stream, Streams};

use blocks::Assembling;
pub use receive::Asked;
pub use take::Received;

/// What a client sends first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bodies are taken until so much waits to be written. Nothing more should be read then, either.
const OUTPUT_BYTES_MAX: usize = 128 * 1024;

/// The largest table that is kept for what is sent.
const SENT_TABLE_BYTES_MAX: u32 = 4096;

/// What is in the ping that asks whether the peer has heard that the connection is to end.
const FAREWELL: [u8; 8] = *b"farewell";

/// What is in the ping that asks whether the peer is there.
const THERE: [u8; 8] = *b"there?  ";

/// Streams that are let go of may take their time to be gone: so many more than may be in progress.
const GOING_MAX: usize = 50;

/// A connection of HTTP/2.
///
/// What is received goes into its [buffer](Self::buffer), and is [read](Self::read) out of it; what is to be sent comes out of
/// its [slices](Self::slices).
pub struct Connection {
    role: Role,
    settings: Settings,
    peer: Peer,
    stage: Stage,
    /// Received, and not read.
    held: BytesMut,
    /// A header block that comes in pieces.
    assembling: Option<Assembling>,
    decoder: Decoder,
    encoder: Encoder,
    /// Where fields are decoded into.
    text: Vec<u8>,
    streams: Streams,
    /// Streams on which anything may still pass.
    active: usize,
    /// The highest number of a stream.
    last: u32,
    send_window: i64,
    receive_window: i64,
    receive_target: u32,
    /// Received of all bodies, and not taken.
    receive_held: u32,
    /// The sum of the windows of those streams that may still receive.
    promised: u64,
    output: Output,
    /// Streams that wait for room on the connection, in their order.
    line: VecDeque<Key>,
    budget: Budget,
    /// Streams that were reset for an error, and nobody was told of.
    refused: u32,
    leaving: Leaving,
    /// The peer begins, and takes, no more streams.
    peer_leaves: bool,
    /// The peer has ended its side, and takes what is still to be sent.
    peer_ended: bool,
    /// It did so in the middle of something.
    cut_short: bool,
    /// The peer was asked whether it is there, and hasn't answered.
    asking: bool,
    outcome: Option<Outcome>,
}

/// How far the beginning of a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The client's first words are due.
    Preface,
    /// The peer's settings are due.
    Settings,
    Open,
    /// Nothing more is read.
    Over,
}

/// How far the end of a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    No,
    /// The peer was told, and may have begun more before it heard that.
    Announced,
    /// Nothing more that the peer begins is served.
    Final,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// In order.
    Done,
    /// It was ended here, for this reason.
    Refused(Reason),
    /// The peer ended it while there was something in progress, or for an error.
    Gone,
}

/// What is wrong with what came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Connection(Reason),
    Stream(u32, Reason),
}

impl From<Reason> for Fault {
    fn from(reason: Reason) -> Fault {
        Fault::Connection(reason)
    }
}

impl Connection {
    /// A connection of which nothing has come yet.
    #[must_use]
    pub fn new(role: Role, settings: Settings) -> Connection {
        let mut connection = Connection {
            role,
            settings,
            peer: Peer::default(),
            stage: Stage::Preface,
            held: BytesMut::new(),
            assembling: None,
            // Until the peer knows of our settings, it uses what everybody has.
            decoder: Decoder::new(settings.table_bytes.max(TABLE_BYTES) as usize),
            encoder: Encoder::new(),
            text: Vec::new(),
            streams: Streams::default(),
            active: 0,
            last: 0,
            send_window: WINDOW_BYTES.into(),
            receive_window: WINDOW_BYTES.into(),
            receive_target: WINDOW_BYTES,
            receive_held: 0,
            promised: 0,
            output: Output::default(),
            line: VecDeque::new(),
            budget: Budget::new(settings),
            refused: 0,
            leaving: Leaving::No,
            peer_leaves: false,
            peer_ended: false,
            cut_short: false,
            asking: false,
            outcome: None,
        };
        if role == Role::Client {
            connection.output.buffer().extend_from_slice(PREFACE);
            connection.announce();
            connection.stage = Stage::Settings;
        }
        connection
    }

    fn announce(&mut self) {
        let settings = self.settings.announced(self.role);
        self.output.frame(kind::SETTINGS, 0, 0, &settings);
    }

    /// Which end this is.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// What was received goes behind what is here.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.held
    }

    /// The client has ended its side: what it asked for whole can still be answered.
    pub fn ended(&mut self) {
        if self.stage == Stage::Over {
            return;
        }
        self.cut_short = self.is_halfway();
        let cut: Vec<Key> = self.streams.unreceived().collect();
        for key in cut {
            self.change(key, |stream| stream.broken = Some(Broken::Connection));
        }
        if self.active == 0 {
            return self.over(Outcome::Done);
        }
        (self.peer_leaves, self.peer_ended) = (true, true);
        self.streams.iter_mut().for_each(Stream::wake);
    }

    /// Whether the peer has ended its side, and takes what is still to be sent.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.peer_ended
    }

    /// The peer can't be read from, or there is nobody to write to.
    pub fn broke(&mut self) {
        self.cut_short |= self.is_halfway();
        let outcome = match self.active {
            0 => Outcome::Done,
            _ => Outcome::Gone,
        };
        self.over(outcome);
    }

    /// How it ended, if it has. What is still to be written should be.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    /// Whether the peer has said hello.
    #[must_use]
    pub fn is_greeted(&self) -> bool {
        !matches!(self.stage, Stage::Preface | Stage::Settings)
    }

    /// Whether the connection ended in the middle of what the peer had to say.
    #[must_use]
    pub fn is_cut_short(&self) -> bool {
        self.cut_short
    }

    /// Whether the peer's hello, a frame or a header block of its has begun and isn't whole.
    #[must_use]
    pub fn is_halfway(&self) -> bool {
        !self.held.is_empty() || self.assembling.is_some()
    }

    /// Whether the peer takes an extended CONNECT (RFC 8441).
    #[must_use]
    pub fn takes_protocols(&self) -> bool {
        self.peer.connect_protocol
    }

    /// Streams on which anything may still pass.
    #[must_use]
    pub fn active(&self) -> usize {
        self.active
    }

    /// Whether another request may be sent now, and whether one may be sent ever.
    #[must_use]
    pub fn takes_requests(&self) -> (bool, bool) {
        let ever = self.role == Role::Client
            && self.stage != Stage::Over
            && !self.peer_leaves
            && self.leaving == Leaving::No
            && self.last < ID_MAX - 2;
        (ever && self.active < self.streams_max(), ever)
    }

    /// How many requests may be in progress at once.
    #[must_use]
    pub fn streams_max(&self) -> usize {
        self.peer.streams_max.min(self.settings.streams_max) as usize
    }

    /// How many oddities of the peer there were.
    #[must_use]
    pub fn glitches(&self) -> u32 {
        self.budget.glitches()
    }

    /// How many streams were reset for errors of the peer since this was last asked.
    pub fn take_refused(&mut self) -> u32 {
        std::mem::take(&mut self.refused)
    }

    /// A request was served to its end.
    pub fn served(&mut self) {
        self.budget.served();
    }

    /// Nothing has been in progress for a while: gives back what only messages need.
    pub fn rest(&mut self) {
        if self.streams.len() == 0 {
            self.streams.rest();
            (self.text, self.line) = (Vec::new(), VecDeque::new());
        }
    }

    /// Whether there is something to write.
    #[must_use]
    pub fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Whether so much waits to be written that nothing more should be read.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.output.len() >= OUTPUT_BYTES_MAX
    }

    /// What is to be written next, as far as there is room for it; how many slices it is.
    pub fn slices<'c>(&'c self, slices: &mut [IoSlice<'c>]) -> usize {
        self.output.slices(slices)
    }

    /// So much was written.
    pub fn wrote(&mut self, bytes: usize) {
        self.output.advance(bytes);
        self.budget.wrote(bytes as u64);
        if !self.line.is_empty() {
            self.call();
        }
    }

    /// Begins no more requests than those that are on their way, and ends when they are served.
    pub fn end_when_served(&mut self) {
        if self.stage == Stage::Over || self.leaving != Leaving::No {
            return;
        }
        if self.role == Role::Client {
            self.leaving = Leaving::Final;
            self.goodbye(0, Reason::NO_ERROR);
            return self.settle();
        }
        if !self.is_greeted() {
            return self.over(Outcome::Done);
        }
        // A client may have begun some before it hears of it: it says when it has.
        self.leaving = Leaving::Announced;
        self.goodbye(ID_MAX, Reason::NO_ERROR);
        self.output.frame(kind::PING, 0, 0, &FAREWELL);
    }

    /// Asks whether the peer is there.
    pub fn ask(&mut self) {
        if self.stage != Stage::Over {
            self.asking = true;
            self.output.frame(kind::PING, 0, 0, &THERE);
        }
    }

    /// Whether the peer was [asked](Self::ask), and hasn't answered.
    #[must_use]
    pub fn is_asking(&self) -> bool {
        self.asking
    }

    /// Ends at once, whatever is in progress.
    pub fn end(&mut self, reason: Reason) {
        if self.stage == Stage::Over {
            return;
        }
        if self.stage != Stage::Preface {
            self.goodbye(self.begun_by_peer(), reason);
        }
        self.over(match reason {
            Reason::NO_ERROR => Outcome::Done,
            _ => Outcome::Refused(reason),
        });
    }

    fn goodbye(&mut self, last: u32, reason: Reason) {
        let [a, b, c, d] = last.to_be_bytes();
        let [e, f, g, h] = reason.code().to_be_bytes();
        self.output.frame(kind::GOAWAY, 0, 0, &[a, b, c, d, e, f, g, h]);
    }

    fn begun_by_peer(&self) -> u32 {
        match self.role {
            Role::Server => self.last,
            Role::Client => 0,
        }
    }

    /// Nothing more is read, and no stream goes on.
    fn over(&mut self, outcome: Outcome) {
        if self.stage == Stage::Over {
            return;
        }
        self.stage = Stage::Over;
        self.outcome = Some(outcome);
        self.held = BytesMut::new();
        self.assembling = None;
        for stream in self.streams.iter_mut() {
            stream.break_off(Broken::Connection);
        }
        self.active = 0;
        self.promised = 0;
    }

    /// Ends it, if there is nothing more to wait for.
    fn settle(&mut self) {
        let leaves = self.leaving == Leaving::Final || self.peer_leaves;
        if leaves && self.active == 0 && self.stage != Stage::Over {
            if self.leaving != Leaving::Final && !self.peer_ended {
                self.goodbye(self.begun_by_peer(), Reason::NO_ERROR);
            }
            self.over(Outcome::Done);
        }
    }

    /// Changes a stream, and counts what that changes.
    fn change<T>(&mut self, key: Key, change: impl FnOnce(&mut Stream) -> T) -> Option<T> {
        let stream = self.streams.get_mut(key)?;
        let (was_closed, received) = (stream.is_closed(), stream.received || stream.broken.is_some());
        let result = change(stream);
        if !received && (stream.received || stream.broken.is_some()) {
            self.promised = self.promised.saturating_sub(stream.receive_target.into());
        }
        if !was_closed && stream.is_closed() {
            self.active = self.active.saturating_sub(1);
            if stream.holders == 0 {
                self.streams.remove(key);
            }
        }
        Some(result)
    }

    /// Another one holds a part in a stream.
    pub fn hold(&mut self, key: Key) {
        if let Some(stream) = self.streams.get_mut(key) {
            stream.holders += 1;
        }
    }

    /// One that held a part in a stream does so no more. When nobody does, the stream ends.
    pub fn let_go(&mut self, key: Key) {
        let Some(stream) = self.streams.get_mut(key) else {
            return;
        };
        stream.holders = stream.holders.saturating_sub(1);
        if stream.holders > 0 {
            return;
        }
        let answered = self.role == Role::Server && stream.sent;
        self.reset(
            key,
            if answered {
                Reason::NO_ERROR
            } else {
                Reason::CANCEL
            },
        );
        if let Some(stream) = self.streams.remove(key) {
            // What nobody will take is taken.
            self.receive_held = self.receive_held.saturating_sub(stream.held);
            self.widen_connection();
            if stream.in_line {
                self.call();
            }
        }
        self.settle();
    }

    /// Lets go of a stream before its end.
    pub fn reset(&mut self, key: Key, reason: Reason) {
        let Some(stream) = self.streams.get(key) else {
            return;
        };
        if stream.is_closed() || self.stage == Stage::Over {
            return;
        }
        self.say_reset(key.id, reason);
        self.change(key, |stream| stream.break_off(Broken::Here(reason)));
    }

    /// Tells the peer of more room on a stream, or on the connection (0).
    fn say_room(&mut self, id: u32, more: u32) {
        self.output.frame(kind::WINDOW_UPDATE, 0, id, &more.to_be_bytes());
    }

    fn say_reset(&mut self, id: u32, reason: Reason) {
        self.output
            .frame(kind::RST_STREAM, 0, id, &reason.code().to_be_bytes());
        self.streams.let_go(id);
    }
}

/// What a window has come to; none if it is larger than one can be.
fn widened(window: i64, by: impl Into<i64>) -> Option<i64> {
    let window = window + by.into();
    (window <= WINDOW_BYTES_MAX).then_some(window)
}

/// The bytes that a peer is told to have room for anew, if they are worth a frame.
fn owed(target: u32, held: u32, window: i64) -> Option<u32> {
    let owed = i64::from(target) - i64::from(held) - window;
    (owed >= i64::from(target / 2).max(1))
        .then(|| u32::try_from(owed).ok())
        .flatten()
}
