//! Health checks: whether servers are well, asked by connecting to them, of their agents, and by watching their traffic.
//!
//! Each server is checked by one task on one worker; what it finds goes to the server's shared state
//! ([`ServerState`](crate::ServerState)), where all workers see it. The logic needs no clock and no socket: [`health`] adds
//! results up, `expect` and `message` look at bytes, `agent` reads what agents say, `report` makes the lines for logs. Only
//! `run` and `drive` wait for anything.

pub mod agent;
pub mod health;
pub mod shared;
pub mod spec;
pub mod status;
pub mod step;

mod ask;
mod drive;
mod exchange;
mod expect;
mod external;
mod message;
mod opener;
pub(crate) mod report;
mod run;
mod session;

pub(crate) use drive::{attend, start};
pub use run::Finding;
pub(crate) use shared::Traffic;
