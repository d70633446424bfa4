//! Names of servers, resolved again and again while the process runs.
//!
//! What is asked next and what an answer means is decided without a socket: `message` reads and writes DNS, `lookup` goes
//! through types of records and retries, `place` deals addresses out to servers. `ask` waits for name servers, and `drive` has
//! one task for each name of each backend, on one worker, which puts what it finds into the servers' shared state.

pub mod spec;

mod ask;
mod drive;
mod families;
mod lookup;
mod message;
mod once;
mod place;
mod rule;

pub(crate) use drive::{follow, start};
pub use once::addresses;
pub use rule::Resolution;
