//! What becomes of servers, for whoever wants to hear of it.

use std::time::{Duration, SystemTime};

use super::admin::Admin;
use super::standing::Cause;
use super::state::Operational;
use crate::check::Finding;

/// Something that happened to a server.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerNews {
    /// Its name.
    pub server: String,
    /// Its number in its backend.
    pub server_id: u32,
    /// The number that no other server of its backend has or had.
    pub number: usize,
    /// How many servers of its backend had gone when it came.
    pub revision: u32,
    /// Its backend's name.
    pub backend: String,
    /// Its backend's number.
    pub backend_id: u32,
    /// When it happened.
    pub at: SystemTime,
    /// What it was.
    pub what: ServerChange,
}

/// What may happen to a server.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerChange {
    /// It is seen in another state than before.
    State {
        /// The state before.
        old: Operational,
        /// The state now.
        new: Operational,
        /// An operator did it.
        admin: bool,
        /// The check that showed it.
        check: Option<CheckNews>,
        /// Why, in words; may be empty.
        cause: String,
        /// How many wait that may go elsewhere now, or here.
        requeued: u32,
    },
    /// It is in or out of service for other reasons than before.
    Admin {
        /// The reasons before.
        old: Admin,
        /// The reasons now.
        new: Admin,
        /// How many wait that may go elsewhere now, or here.
        requeued: u32,
    },
    /// A check showed something new.
    Check(CheckNews),
    /// It has come.
    Added,
    /// It is gone.
    Removed,
}

/// What a check showed.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckNews {
    /// It was an agent's answer.
    pub agent: bool,
    /// How it ended.
    pub finding: Finding,
    /// How long it took.
    pub took: Duration,
    /// How far the server is, as HAProxy counts: below `rise` it is down.
    pub health: u32,
    /// Good checks in a row until a server is up.
    pub rise: u32,
    /// Bad checks in a row until a server is down.
    pub fall: u32,
}

/// Why a server's state changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reason {
    pub(crate) check: Option<CheckNews>,
    pub(crate) cause: &'static str,
    /// Who brought it about.
    pub(crate) by: Cause,
}
