//! What a script holds of a socket, and whose it is: the run's that made it, at whose end it is closed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mlua::{Error, Result};

use super::Socket;
use super::connection::Connection;
use crate::arg::{Named, Object};
use crate::handle::stale;
use crate::run::{Ends, Run, RunId};

/// How long an operation may wait when the script says nothing, as in HAProxy.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A connection and whose it is.
///
/// A run goes on in one place only, so that nobody else uses the socket while one of its operations waits; and it
/// stays on its worker, whose event loop the connection belongs to.
pub(crate) struct Inner {
    owner: RunId,
    state: Mutex<State>,
}

struct State {
    life: Life,
    timeout: Duration,
}

impl Object<Socket> {
    /// The socket, if it is one of the run that is going on.
    ///
    /// # Errors
    /// It is another's.
    pub(super) fn own(&self) -> Result<Arc<Inner>> {
        let inner = &self.0.0;
        match inner.is_own() {
            true => Ok(Arc::clone(inner)),
            false => Err(stale(Socket::NAME)),
        }
    }
}

impl Ends for Inner {
    fn end(&self) {
        self.replace(Life::Over);
    }
}

/// How far a socket's life is.
enum Life {
    /// It was never connected.
    Fresh,
    Connected(Connection),
    /// The script, or the other side, closed it; or one of its operations has the connection.
    Closed,
    /// Its run has ended.
    Over,
}

/// Why an operation can't have the connection.
pub(super) enum Refused {
    /// There is none to use.
    Closed,
    /// There is one already.
    Connected,
}

impl Inner {
    /// A socket of the run that is going on.
    ///
    /// # Errors
    /// None is.
    pub(super) fn fresh() -> Result<Arc<Inner>> {
        let run = Run::current().ok_or_else(|| Error::runtime("tcp: nothing runs here"))?;
        let inner = Arc::new(Inner {
            owner: run.id(),
            state: Mutex::new(State {
                life: Life::Fresh,
                timeout: TIMEOUT,
            }),
        });
        run.keep(&inner);
        Ok(inner)
    }

    /// Closes it, also again.
    pub(super) fn close(&self) -> Result<()> {
        if matches!(self.state().life, Life::Over) {
            return Ok(());
        }
        if !self.is_own() {
            return Err(stale(Socket::NAME));
        }
        self.replace(Life::Closed);
        Ok(())
    }

    pub(super) fn timeout(&self) -> Duration {
        self.state().timeout
    }

    pub(super) fn set_timeout(&self, timeout: Duration) {
        self.state().timeout = timeout;
    }

    /// Something about the connection, if there is one.
    pub(super) fn look<R>(&self, f: impl FnOnce(&Connection) -> R) -> Option<R> {
        match &self.state().life {
            Life::Connected(connection) => Some(f(connection)),
            _ => None,
        }
    }

    /// Whether a connection may be opened.
    pub(super) fn may_connect(&self) -> std::result::Result<(), Refused> {
        match &self.state().life {
            Life::Fresh => Ok(()),
            Life::Connected(_) => Err(Refused::Connected),
            Life::Closed | Life::Over => Err(Refused::Closed),
        }
    }

    /// Takes the connection out for an operation, which gives it back with [`Inner::put_back`]. An operation that
    /// fails, or is given up, leaves the socket closed.
    pub(super) fn take(&self) -> Option<Connection> {
        let mut state = self.state();
        match std::mem::replace(&mut state.life, Life::Closed) {
            Life::Connected(connection) => Some(connection),
            other => {
                state.life = other;
                None
            }
        }
    }

    /// Makes this the socket's connection.
    pub(super) fn put_back(&self, connection: Connection) {
        self.replace(Life::Connected(connection));
    }

    /// What it was is dropped: the connection is closed.
    fn replace(&self, life: Life) {
        let before = std::mem::replace(&mut self.state().life, life);
        drop(before);
    }

    fn is_own(&self) -> bool {
        Run::current().is_some_and(|run| run.is(self.owner))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
