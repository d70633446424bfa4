//! What all workers share of a server: whether it may be used, how much of the load it takes, where it is.
//!
//! Workers read it with plain loads. Whoever changes something (an operator, a health check, a resolver, the clock) does so
//! through the methods here, which also pass it on to the servers that track this one and tell the workers to look again.

mod changes;
mod downs;
mod following;
mod load;
mod telling;
mod weight;

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Instant;

use arc_swap::ArcSwap;

pub(crate) use self::changes::Changes;
use self::load::Load;
pub(crate) use self::weight::{GROWN, WEIGHT_SCALE};
pub use self::weight::{StaticWeights, WEIGHT_MAX};
use super::admin::{Admin, AdminState};
use super::kept::Kept;
use super::news::{Reason, ServerChange};
use super::shared::BackendState;
use super::standing::Cause;
use crate::check::shared::{CheckState, Wanted};
use crate::figures::PerWorker;
use crate::spec::{ServerAddress, ServerSpec};

/// What is known of a server's health, with HAProxy's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Operational {
    /// Down.
    Stopped = 0,
    /// Up since a short while, and growing to its full weight (`slowstart`).
    Starting = 1,
    /// Up.
    Running = 2,
    /// Up for sessions that belong to it only, as it said itself.
    Stopping = 3,
}

impl Operational {
    fn from_number(number: u8) -> Self {
        match number {
            0 => Operational::Stopped,
            1 => Operational::Starting,
            3 => Operational::Stopping,
            _ => Operational::Running,
        }
    }
}

/// How a server comes among those of its backend.
pub(super) struct Arrival {
    pub(super) place: usize,
    pub(super) number: usize,
    pub(super) revision: u32,
}

/// What all workers share of one server.
pub struct ServerState {
    /// What it was made from, with what was changed since.
    spec: ArcSwap<ServerSpec>,
    id: u32,
    /// Its place in its backend, which no other has as long as somebody holds this.
    place: usize,
    /// A number that no other server of its backend has or had; its place, if it was there from the beginning.
    number: usize,
    /// How often servers had gone before others came, until it came.
    revision: u32,
    /// It came while the process ran.
    dynamic: bool,
    removed: AtomicBool,
    static_weights: bool,
    changes: Changes,
    backend: OnceLock<Weak<BackendState>>,
    weight: AtomicU32,
    /// What counts in balancing, in units of 1/[`WEIGHT_SCALE`].
    effective: AtomicU32,
    admin: AtomicU8,
    operational: AtomicU8,
    changed_ms: AtomicU64,
    /// How long it was down before that.
    down_ms: AtomicU64,
    /// How often it went down, or out of service.
    downs: AtomicU64,
    maxconn: AtomicU32,
    minconn: u32,
    maxqueue: u32,
    /// How far its `slowstart` is, of [`GROWN`].
    grown: AtomicU32,
    load: Load,
    /// What each worker counts of it.
    pub(crate) usage: PerWorker,
    /// Its connections.
    pub(super) kept: Kept,
    /// How many who waited for it, or for any, went on at its last change.
    requeued: AtomicU32,
    /// Whether it takes part in balancing.
    pub(super) plays: AtomicBool,
    address: Mutex<ServerAddress>,
    address_version: AtomicU32,
    trackers: Mutex<Vec<Weak<ServerState>>>,
    checks: CheckState,
}

impl ServerState {
    /// One that is there from the beginning.
    pub(crate) fn new(spec: &ServerSpec, place: usize, static_weights: bool, changes: &Changes) -> Self {
        let arrival = Arrival {
            place,
            number: place,
            revision: 0,
        };
        ServerState::arriving(spec, arrival, static_weights, changes)
    }

    /// One that may come later.
    pub(super) fn arriving(
        spec: &ServerSpec,
        arrival: Arrival,
        static_weights: bool,
        changes: &Changes,
    ) -> Self {
        let mut admin = match (spec.disabled, spec.dynamic) {
            (true, _) => Admin::FORCED_MAINT.0 | Admin::CONFIG_MAINT.0,
            // Who adds a server puts it into service too.
            (false, true) => Admin::FORCED_MAINT.0,
            (false, false) => 0,
        };
        if spec.unresolved {
            admin |= Admin::RESOLUTION_MAINT.0;
        }
        let saved = spec.saved.as_ref();
        if saved.is_some_and(|saved| saved.maint) {
            admin |= Admin::FORCED_MAINT.0;
        }
        if saved.is_some_and(|saved| saved.drain) {
            admin |= Admin::FORCED_DRAIN.0;
        }
        let weight = saved.and_then(|saved| saved.weight).unwrap_or(spec.weight);
        let operational = saved.map_or(Operational::Running, |saved| saved.operational);
        ServerState {
            id: spec.id,
            place: arrival.place,
            number: arrival.number,
            revision: arrival.revision,
            dynamic: spec.dynamic,
            removed: AtomicBool::new(false),
            static_weights,
            changes: changes.clone(),
            backend: OnceLock::new(),
            weight: AtomicU32::new(weight),
            effective: AtomicU32::new(weight.saturating_mul(WEIGHT_SCALE)),
            admin: AtomicU8::new(admin),
            operational: AtomicU8::new(operational as u8),
            changed_ms: AtomicU64::new(0),
            down_ms: AtomicU64::new(0),
            downs: AtomicU64::new(0),
            maxconn: AtomicU32::new(spec.maxconn),
            minconn: spec.minconn,
            maxqueue: spec.maxqueue,
            grown: AtomicU32::new(GROWN),
            load: Load::default(),
            usage: PerWorker::new(changes.workers),
            kept: Kept::default(),
            requeued: AtomicU32::new(0),
            plays: AtomicBool::new(false),
            address: Mutex::new(spec.address.clone()),
            address_version: AtomicU32::new(0),
            trackers: Mutex::default(),
            checks: CheckState::new(!spec.dynamic),
            spec: ArcSwap::from_pointee(spec.clone()),
        }
    }

    /// Its backend, which hears of its changes.
    pub(super) fn belongs_to(&self, backend: Weak<BackendState>) {
        let _ = self.backend.set(backend);
    }

    /// Its checks.
    pub fn checks(&self) -> &CheckState {
        &self.checks
    }

    /// What it is by the configuration, with what was changed since.
    pub fn spec(&self) -> Arc<ServerSpec> {
        self.spec.load_full()
    }

    /// It is something else from now on. The caller sees to it that changes come one after the other.
    pub(super) fn store_spec(&self, spec: ServerSpec) {
        self.spec.store(Arc::new(spec));
        self.tell();
    }

    /// Its name.
    pub fn name(&self) -> ServerName {
        ServerName(self.spec())
    }

    /// Its number in its backend.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Its place in its backend.
    pub fn place(&self) -> usize {
        self.place
    }

    /// A number that no other server of its backend has or had.
    pub fn number(&self) -> usize {
        self.number
    }

    /// How often servers had gone before others came, until it came.
    pub fn revision(&self) -> u32 {
        self.revision
    }

    /// Whether it came while the process ran.
    pub fn is_dynamic(&self) -> bool {
        self.dynamic
    }

    /// Whether it was taken away: nobody may use it any more.
    pub fn is_removed(&self) -> bool {
        self.removed.load(Ordering::SeqCst)
    }

    /// Lets nobody use it any more, unless somebody does.
    pub(super) fn retire(&self) -> bool {
        self.removed.store(true, Ordering::SeqCst);
        let free = !self.is_used();
        if !free {
            self.removed.store(false, Ordering::SeqCst);
        }
        free
    }

    /// Whether it has requests, streams or connections, idle ones counted, or somebody waits for it.
    pub fn is_used(&self) -> bool {
        self.busy() > 0 || self.kept.is_any_open()
    }

    /// Whether it is used only when no other can be.
    pub fn is_backup(&self) -> bool {
        self.spec.load().backup
    }

    /// Why it is out of service or runs dry.
    pub fn admin(&self) -> Admin {
        Admin(self.admin.load(Ordering::Relaxed))
    }

    /// Takes it out of service, into it, or lets it run dry, as an operator asked. Those that track it follow.
    pub fn set_admin(&self, state: AdminState, now: Instant) {
        let _guard = self.changes.lock();
        let before = self.admin().0;
        let forced = Admin::FORCED_MAINT.0 | Admin::FORCED_DRAIN.0;
        let kept = before & !forced & !Admin::CONFIG_MAINT.0;
        self.store_admin(
            match state {
                AdminState::Ready => kept,
                AdminState::Drain => kept | Admin::FORCED_DRAIN.0,
                AdminState::Maint => before & !Admin::FORCED_DRAIN.0 | Admin::FORCED_MAINT.0,
            },
            now,
        );
    }

    /// Notes whether its name has an address. Without one it is out of service.
    pub fn set_resolved(&self, resolved: bool, now: Instant) {
        let _guard = self.changes.lock();
        let flag = Admin::RESOLUTION_MAINT.0;
        let before = self.admin().0;
        self.store_admin(if resolved { before & !flag } else { before | flag }, now);
    }

    /// What is known of its health.
    pub fn operational(&self) -> Operational {
        Operational::from_number(self.operational.load(Ordering::Relaxed))
    }

    /// Notes what is known of its health. One that comes up grows to its full weight if it has a `slowstart`. Those that
    /// track it follow.
    pub fn set_operational(&self, state: Operational, now: Instant) {
        self.set_operational_because(state, now, Reason::default());
    }

    /// The same, for a reason.
    pub(crate) fn set_operational_because(&self, state: Operational, now: Instant, reason: Reason) {
        let _guard = self.changes.lock();
        self.store_operational(state, now, &reason);
    }

    /// Whether it serves: in service, and not down.
    pub fn is_up(&self) -> bool {
        !self.admin().is_maint() && self.operational() != Operational::Stopped && !self.is_removed()
    }

    /// Whether it takes new sessions that don't belong to it yet.
    pub fn is_usable(&self) -> bool {
        self.admin().0 == 0
            && !self.is_removed()
            && matches!(self.operational(), Operational::Starting | Operational::Running)
            && self.scaled_weight() > 0
    }

    /// Where it is.
    pub fn address(&self) -> ServerAddress {
        self.address
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Moves it. New connections go there; idle ones to the old place are closed. False if it is there already.
    pub fn set_address(&self, address: ServerAddress) -> bool {
        let _guard = self.changes.lock();
        let mut held = self.address.lock().unwrap_or_else(PoisonError::into_inner);
        if *held == address {
            return false;
        }
        *held = address;
        drop(held);
        self.address_version.fetch_add(1, Ordering::Release);
        self.tell();
        true
    }

    /// Changes whenever the address does.
    pub(crate) fn address_version(&self) -> u32 {
        self.address_version.load(Ordering::Acquire)
    }

    fn store_admin(&self, bits: u8, now: Instant) {
        let seen = self.seen();
        let standing = self.standing();
        let before = Admin(self.admin.swap(bits, Ordering::Relaxed));
        if before.0 == bits {
            return;
        }
        let after = Admin(bits);
        if before.is_maint() != after.is_maint() {
            self.change_at(seen, now);
            if before.is_maint() {
                self.return_to_service();
            }
            if before.is_maint() && self.operational() == Operational::Running {
                self.begin(now);
            }
        }
        let is_dry = |admin: Admin| admin.0 & Admin::DRAIN != 0;
        self.tell_that(is_dry(after) && !is_dry(before));
        if self.changes.listeners.any() {
            self.publish(ServerChange::Admin {
                old: before,
                new: after,
                requeued: self.requeued(),
            });
            self.publish_state(seen, true, &Reason::default());
        }
        self.count_down(seen);
        self.tell_of(standing, Cause::Operator, "");
        self.pass_on_admin(now);
    }

    /// It is as `init-state` says, whatever it was before it went out of service, until its checks say otherwise. Those
    /// that track it are so too.
    fn return_to_service(&self) {
        let spec = self.spec.load();
        let Some(check) = spec.check.as_ref().filter(|_| spec.track.is_none()) else {
            return;
        };
        self.become_quietly(match check.initial.is_up() {
            true => Operational::Running,
            false => Operational::Stopped,
        });
        self.checks.want(Wanted::Anew);
    }

    fn become_quietly(&self, state: Operational) {
        self.operational.store(state as u8, Ordering::Relaxed);
        for tracker in self.trackers() {
            tracker.become_quietly(state);
        }
    }

    /// The state as it is seen from outside: what is out of service is down.
    fn seen(&self) -> Operational {
        match self.admin().is_maint() {
            true => Operational::Stopped,
            false => self.operational(),
        }
    }

    fn store_operational(&self, state: Operational, now: Instant, reason: &Reason) {
        let seen = self.seen();
        let standing = self.standing();
        let before = self.operational();
        if before == state || (before, state) == (Operational::Starting, Operational::Running) {
            return;
        }
        self.operational.store(state as u8, Ordering::Relaxed);
        let down = Operational::Stopped;
        if (before == down) != (state == down) {
            self.change_at(seen, now);
        }
        if before == down && state == Operational::Running {
            self.begin(now);
        } else {
            self.weigh(now);
        }
        self.tell_that(state == Operational::Stopping);
        if self.changes.listeners.any() {
            self.publish_state(seen, false, reason);
        }
        self.count_down(seen);
        self.tell_of(standing, reason.by, reason.cause);
        let tracked = Reason {
            by: Cause::Tracked,
            ..Reason::default()
        };
        for tracker in self.trackers() {
            tracker.store_operational(state, now, &tracked);
        }
    }
}

/// The name that a server has now.
pub struct ServerName(Arc<ServerSpec>);

impl std::ops::Deref for ServerName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0.name
    }
}

impl std::fmt::Display for ServerName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    pub(super) fn at(started: Instant, ms: u64) -> Instant {
        started + Duration::from_millis(ms)
    }

    pub(super) fn state(change: impl FnOnce(&mut ServerSpec)) -> (Instant, ServerState) {
        let started = Instant::now();
        let mut spec = ServerSpec::tcp("s", "127.0.0.1:1".parse().unwrap());
        change(&mut spec);
        let state = ServerState::new(&spec, 0, false, &Changes::new(started, 1));
        (started, state)
    }

    #[test]
    fn an_operator_takes_a_server_out_and_lets_it_run_dry() {
        let (t, s) = state(|_| {});
        assert!(s.is_up() && s.is_usable());
        s.set_admin(AdminState::Drain, t);
        assert!(s.is_up() && !s.is_usable() && s.admin().is_drain());
        s.set_admin(AdminState::Maint, t);
        assert!(!s.is_up() && s.admin().is_maint() && !s.admin().is_drain());
        assert_eq!(s.admin().bits(), 0x01);
        s.set_admin(AdminState::Ready, t);
        assert!(s.is_usable());
        assert_eq!(s.admin().bits(), 0);
    }

    #[test]
    fn what_began_disabled_is_ready_once_an_operator_says_so() {
        let (t, s) = state(|s| s.disabled = true);
        assert_eq!((s.is_up(), s.admin().bits()), (false, 0x05));
        s.set_admin(AdminState::Ready, t);
        assert!(s.is_usable());
    }

    #[test]
    fn a_server_moves() {
        let (_, s) = state(|_| {});
        let there = ServerAddress::Tcp("127.0.0.2:2".parse().unwrap());
        let before = s.address_version();
        assert!(s.set_address(there.clone()) && !s.set_address(there.clone()));
        assert_eq!(s.address(), there);
        assert_ne!(s.address_version(), before);
    }
}
