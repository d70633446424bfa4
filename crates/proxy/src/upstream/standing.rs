//! What becomes of servers, told in order to whoever logs it and ends sessions for it.

use std::sync::{Arc, Weak};

use tokio::sync::{mpsc, oneshot};

use super::admin::Admin;
use super::shared::BackendState;
use super::state::Operational;
use crate::spec::ServerSpec;

/// Who has made a server what it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Its checks or its agent, which tell of it themselves.
    #[default]
    Checks,
    /// An operator.
    Operator,
    /// The server that it tracks.
    Tracked,
}

/// What a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) admin: Admin,
    pub(crate) operational: Operational,
    /// It takes sessions that don't belong to it.
    pub(crate) usable: bool,
}

impl Standing {
    /// In service, and not down.
    pub(crate) fn is_up(self) -> bool {
        !self.admin.is_maint() && self.operational != Operational::Stopped
    }
}

/// A server was one thing and is another.
pub(crate) struct News {
    pub(crate) backend: Weak<BackendState>,
    /// The server, which may be gone by the time that this is heard.
    pub(crate) server: Arc<ServerSpec>,
    pub(crate) before: Standing,
    pub(crate) after: Standing,
    pub(crate) cause: Cause,
    /// How an operator did it: `changed from CLI`.
    pub(crate) why: &'static str,
    /// How many servers, and backups, take sessions right behind that; those that track it are what they were.
    pub(crate) usable: (usize, usize),
    /// How many who waited went on then.
    pub(crate) requeued: u32,
}

/// What whoever attends to servers is told.
pub(crate) enum Tidings {
    /// What became of a server.
    News(News),
    /// Somebody waits for what was told before this to have been attended to.
    Mark(oneshot::Sender<()>),
}

/// Where news go.
pub(crate) type Teller = mpsc::UnboundedSender<Tidings>;

/// Where they come from.
pub(crate) type Listener = mpsc::UnboundedReceiver<Tidings>;
