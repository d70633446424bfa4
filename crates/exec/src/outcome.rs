//! How a run ends, and what is kept of one that failed.

use std::fmt;
use std::sync::Arc;

/// What a step of a [`Context`](crate::Context) led to.
#[derive(Debug)]
#[must_use = "a failure that nobody reads is lost"]
pub enum Outcome {
    /// The run ended without error; [`Context::take`](crate::Context::take) has its results.
    Ok,
    /// The run goes on later, at the place where it stopped.
    Again(Again),
    /// The run is over. The context was renewed and can run new code.
    Failed(Box<Failure>),
}

/// Why a context has to be stepped again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// It waits for a host operation; the waker given to the step tells when.
    Waiting,
    /// The script yielded by itself: step it at the next turn of the event loop.
    Turn,
    /// It was past its slice: step it once others had their turn.
    Slice,
}

/// A run that ended in an error, with everything a person needs to find out why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure it was.
    pub kind: FailureKind,
    /// The error's text; `None` only for [`FailureKind::NoMessage`].
    pub message: Option<String>,
    /// The stack at the place of the failure, from the innermost call outward, across the script's own
    /// coroutines; empty when no Lua code was on it.
    pub traceback: String,
    /// The script (chunk name) of the innermost Lua function on the stack.
    pub script: Option<String>,
    /// The line in that script.
    pub line: Option<u32>,
    /// The name under which the host had registered the function that ran.
    pub entry: Arc<str>,
}

/// The ways to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// The script raised an error, or a host function did.
    Runtime,
    /// The state's memory limit was reached.
    OutOfMemory,
    /// An error while the handler of another error ran.
    MessageHandler,
    /// The script yielded or waited where the host had not allowed it.
    YieldNotAllowed,
    /// More time than [`Limits::burst`](crate::Limits::burst) without a yield.
    BurstTimeout,
    /// More Lua time than [`Limits::total`](crate::Limits::total).
    TotalTimeout,
    /// A host function or a host operation panicked.
    HostPanic,
    /// There was no room even for the message.
    NoMessage,
    /// Lua ended the run with a status that this crate doesn't know.
    Unknown(i32),
}

impl FailureKind {
    /// All kinds that are counted, in the order of [`Stats::failures`](crate::Stats::failures).
    pub const COUNTED: [FailureKind; 9] = [
        FailureKind::Runtime,
        FailureKind::OutOfMemory,
        FailureKind::MessageHandler,
        FailureKind::YieldNotAllowed,
        FailureKind::BurstTimeout,
        FailureKind::TotalTimeout,
        FailureKind::HostPanic,
        FailureKind::NoMessage,
        FailureKind::Unknown(0),
    ];

    pub(crate) fn index(self) -> usize {
        match self {
            FailureKind::Runtime => 0,
            FailureKind::OutOfMemory => 1,
            FailureKind::MessageHandler => 2,
            FailureKind::YieldNotAllowed => 3,
            FailureKind::BurstTimeout => 4,
            FailureKind::TotalTimeout => 5,
            FailureKind::HostPanic => 6,
            FailureKind::NoMessage => 7,
            FailureKind::Unknown(_) => 8,
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FailureKind::Runtime => "runtime error",
            FailureKind::OutOfMemory => "out of memory",
            FailureKind::MessageHandler => "error in the message handler",
            FailureKind::YieldNotAllowed => "yield not allowed",
            FailureKind::BurstTimeout => "burst timeout",
            FailureKind::TotalTimeout => "execution timeout",
            FailureKind::HostPanic => "host function panicked",
            FailureKind::NoMessage => "error without message",
            FailureKind::Unknown(status) => return write!(f, "unknown status {status}"),
        })
    }
}

impl fmt::Display for Failure {
    /// One line: the kind, and the message where it says more.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message {
            Some(message) if *message != self.kind.to_string() => write!(f, "{}: {message}", self.kind),
            _ => self.kind.fmt(f),
        }
    }
}

impl std::error::Error for Failure {}

/// The host used a context or a state in a way that cannot work. No script sees it or can catch it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misuse {
    /// A per-thread state, or a context of it, was used from another thread than the one that made it.
    WrongThread,
    /// A step without a start.
    NotStarted,
    /// A start while a run is not over.
    NotOver,
    /// The function belongs to another state.
    OtherState,
    /// There is no memory for a coroutine, for the arguments, or for the results.
    OutOfMemory,
    /// The arguments or results could not be turned into or from Lua values.
    Conversion,
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Misuse::WrongThread => "a per-thread state was used from another thread",
            Misuse::NotStarted => "the context has nothing to run",
            Misuse::NotOver => "the context's run is not over",
            Misuse::OtherState => "the function belongs to another state",
            Misuse::OutOfMemory => "the state has no memory left",
            Misuse::Conversion => "a value could not be converted",
        })
    }
}

impl std::error::Error for Misuse {}
