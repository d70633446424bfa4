//! Lua execution contexts for event-driven Rust programs.
//!
//! One main Lua state ([`Vm`]), one coroutine per session or task ([`Context`]), resumed by the host's event
//! loop and ending in one of a few outcomes ([`Outcome`]); limits on time and memory that cost nothing until
//! they are reached ([`Limits`]); host functions that wait by giving a future ([`operation`]); failures that
//! keep kind, message, traceback and place ([`Failure`]).
//!
//! A context can be stepped by hand ([`Context::step`]) or awaited on any executor ([`Context::call`]).
//!
//! This crate knows nothing of networks or proxies, and no executor.

mod account;
mod anchors;
mod clock;
mod context;
mod core;
mod coroutine;
mod current;
mod entry;
mod failure;
mod guard;
mod heap;
mod held;
mod hook;
mod host;
mod kept;
mod left;
mod limits;
mod lists;
mod monitor;
mod object;
#[cfg(test)]
mod original_tests;
mod outcome;
mod pieces;
mod plain;
mod protect;
mod scalar;
mod slot;
mod traceback;
mod vm;

pub use account::Stats;
pub use context::{CallError, Context, Yielding};
pub use current::{Current, current};
pub use entry::Entry;
pub use heap::{Heap, give_back, heap};
pub use host::{Begun, HOST_CHUNK, function, operation, parting, plain, plain_operation, turn};
pub use kept::Kept;
pub use limits::Limits;
pub use lists::Lists;
pub use mlua;
pub use object::{Member, NewObject, ObjectClass, PlainMember, Standing, This};
pub use outcome::{Again, Failure, FailureKind, Misuse, Outcome};
pub use plain::{PlainArg, PlainArgs, PlainResults};
pub use scalar::{Chars, Said, Scalar, Scalars};
pub use vm::{Usage, Vm, VmOptions};
