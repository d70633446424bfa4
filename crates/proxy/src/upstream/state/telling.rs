//! Who hears of what becomes of a server: its backend, its log, and those who listen.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::SystemTime;

use tidegate_sample::Listeners;
use tokio::sync::oneshot;

use super::{Operational, ServerState};
use crate::upstream::news::{Reason, ServerChange, ServerNews};
use crate::upstream::standing::{Cause, News, Standing, Tidings};

impl ServerState {
    /// Those who hear of what becomes of servers: of all of the process.
    pub(crate) fn listeners(&self) -> &Arc<Listeners<ServerNews>> {
        &self.changes.listeners
    }

    /// Lets those hear who want to.
    pub(crate) fn publish(&self, what: ServerChange) {
        let Some(backend) = self.backend.get().and_then(Weak::upgrade) else {
            return;
        };
        self.changes.listeners.tell(&ServerNews {
            server: self.name().to_owned(),
            server_id: self.id,
            number: self.number,
            revision: self.revision,
            backend: backend.name().to_owned(),
            backend_id: backend.id(),
            at: SystemTime::now(),
            what,
        });
    }

    pub(super) fn publish_state(&self, old: Operational, admin: bool, reason: &Reason) {
        let new = self.seen();
        if old != new {
            self.publish(ServerChange::State {
                old,
                new,
                admin,
                check: reason.check.clone(),
                cause: reason.cause.to_owned(),
                requeued: self.requeued(),
            });
        }
    }

    /// How many who waited for it, or for any server, went on at its last change.
    pub(crate) fn requeued(&self) -> u32 {
        self.requeued.load(Ordering::Relaxed)
    }

    /// Tells whoever wants to know what it was and is.
    pub(super) fn tell_of(&self, before: Standing, cause: Cause, why: &'static str) {
        if let (Some(teller), Some(backend)) = (self.changes.teller.get(), self.backend.get()) {
            let usable = backend.upgrade().map_or((0, 0), |backend| backend.usable());
            // Nobody listens any more when everything ends.
            let _ = teller.send(Tidings::News(News {
                backend: backend.clone(),
                server: self.spec.load_full(),
                before,
                after: self.standing(),
                cause,
                why,
                usable,
                requeued: self.requeued(),
            }));
        }
    }

    /// Waits until what became of servers so far has been attended to: logged, above all.
    pub(crate) async fn attended(&self) {
        if let Some(teller) = self.changes.teller.get() {
            let (mark, seen) = oneshot::channel();
            let _ = teller.send(Tidings::Mark(mark));
            // Nobody attends any more when everything ends.
            let _ = seen.await;
        }
    }

    pub(super) fn standing(&self) -> Standing {
        Standing {
            admin: self.admin(),
            operational: self.operational(),
            usable: self.is_usable(),
        }
    }

    /// Lets the backend look again.
    pub(super) fn tell(&self) {
        self.tell_that(false);
    }

    /// The same of a server that may begin to run dry.
    pub(super) fn tell_that(&self, runs_dry: bool) {
        if let Some(backend) = self.backend.get().and_then(Weak::upgrade) {
            let waiting = || self.queued().saturating_add(backend.queued());
            let before = waiting();
            backend.changed();
            if runs_dry {
                backend.let_go(self);
            }
            let gone = before.saturating_sub(waiting());
            self.requeued.store(gone, Ordering::Relaxed);
        }
    }
}
