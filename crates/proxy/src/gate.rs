//! Whether a frontend takes connections.

use tokio::sync::watch;

/// Whether a frontend takes connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FrontendState {
    /// It does.
    #[default]
    Open,
    /// Its ports are released until it is opened again.
    Paused,
    /// Its sockets are closed for good.
    Stopped,
}

/// What tells the workers of a frontend.
#[derive(Debug)]
pub(crate) struct Gate(watch::Sender<FrontendState>);

impl Gate {
    /// That of a frontend which begins, or is `disabled`.
    pub(crate) fn of(disabled: bool) -> Gate {
        let state = if disabled {
            FrontendState::Stopped
        } else {
            FrontendState::Open
        };
        Gate(watch::Sender::new(state))
    }

    pub(crate) fn state(&self) -> FrontendState {
        *self.0.borrow()
    }

    /// Says how it is to be. False if it is so already, or was stopped.
    pub(crate) fn set(&self, state: FrontendState) -> bool {
        self.0.send_if_modified(|now| {
            let changes = *now != state && *now != FrontendState::Stopped;
            if changes {
                *now = state;
            }
            changes
        })
    }

    pub(crate) fn watch(&self) -> watch::Receiver<FrontendState> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stopped_stays_so() {
        let gate = Gate::of(false);
        assert!(gate.set(FrontendState::Paused) && !gate.set(FrontendState::Paused));
        assert!(gate.set(FrontendState::Open) && gate.set(FrontendState::Stopped));
        assert!(!gate.set(FrontendState::Open));
        assert_eq!(gate.state(), FrontendState::Stopped);
    }
}
