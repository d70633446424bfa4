//! Servers that track another: what becomes of that one becomes of them.

use std::sync::{Arc, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use super::{Admin, Reason, ServerState};
use crate::upstream::standing::Cause;

impl ServerState {
    /// One more server follows this one, and takes over what it is now.
    pub(crate) fn track_by(&self, tracker: &Arc<ServerState>) {
        let _guard = self.changes.lock();
        self.add_tracker(tracker);
        self.pass_on_admin(self.changes.started);
    }

    /// The same, for whoever sees to it that changes come one after the other.
    pub(in crate::upstream) fn add_tracker(&self, tracker: &Arc<ServerState>) {
        let mut trackers = self.lock_trackers();
        trackers.retain(|known| known.strong_count() > 0);
        trackers.push(Arc::downgrade(tracker));
    }

    /// Whether other servers follow this one.
    pub(in crate::upstream) fn is_tracked(&self) -> bool {
        self.trackers().any(|tracker| !tracker.is_removed())
    }

    /// Those that track it take over all that it is.
    pub(in crate::upstream) fn pass_on_all(&self, now: Instant) {
        self.pass_on_admin(now);
        let tracked = Reason {
            by: Cause::Tracked,
            ..Reason::default()
        };
        for tracker in self.trackers() {
            tracker.store_operational(self.operational(), now, &tracked);
        }
    }

    pub(super) fn pass_on_admin(&self, now: Instant) {
        let own = self.admin();
        let inherited = Admin::INHERITED_MAINT.0 | Admin::INHERITED_DRAIN.0;
        let mut passed = 0;
        if own.is_maint() {
            passed |= Admin::INHERITED_MAINT.0;
        }
        if own.0 & Admin::DRAIN != 0 {
            passed |= Admin::INHERITED_DRAIN.0;
        }
        for tracker in self.trackers() {
            tracker.store_admin(tracker.admin().0 & !inherited | passed, now);
        }
    }

    pub(super) fn trackers(&self) -> impl Iterator<Item = Arc<ServerState>> {
        let trackers = self.lock_trackers();
        let trackers: Vec<_> = trackers.iter().filter_map(Weak::upgrade).collect();
        trackers.into_iter()
    }

    fn lock_trackers(&self) -> MutexGuard<'_, Vec<Weak<ServerState>>> {
        self.trackers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AdminState, Changes, Operational};
    use super::*;
    use crate::spec::ServerSpec;

    #[test]
    fn those_that_track_a_server_follow_it() {
        let t = Instant::now();
        let changes = Changes::new(t, 1);
        let spec = |name: &str| ServerSpec::tcp(name, "127.0.0.1:1".parse().unwrap());
        let new = |name: &str| Arc::new(ServerState::new(&spec(name), 0, false, &changes));
        let (a, b, c) = (new("a"), new("b"), new("c"));
        a.track_by(&b);
        b.track_by(&c);
        a.set_admin(AdminState::Maint, t);
        assert_eq!([a.admin().bits(), b.admin().bits(), c.admin().bits()], [1, 2, 2]);
        c.set_admin(AdminState::Maint, t);
        a.set_admin(AdminState::Drain, t);
        assert_eq!(
            [a.admin().bits(), b.admin().bits(), c.admin().bits()],
            [8, 16, 17]
        );
        a.set_admin(AdminState::Ready, t);
        assert_eq!([a.admin().bits(), b.admin().bits(), c.admin().bits()], [0, 0, 1]);
        a.set_operational(Operational::Stopped, t);
        assert!(!b.is_up() && c.operational() == Operational::Stopped);
        a.set_operational(Operational::Running, t);
        assert!(b.is_up());
    }
}
