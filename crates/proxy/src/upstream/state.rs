//! What all workers share of a server: whether it may be used, how much of the load it takes, where it is.
//!
//! Workers read it with plain loads. Whoever changes something (an operator, a health check, a resolver, the clock) does so
//! through the methods here, which also pass it on to the servers that track this one and tell the workers to look again.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use tidegate_sample::Listeners;

use super::admin::{Admin, AdminState};
use super::kept::Kept;
use super::news::{Reason, ServerChange, ServerNews};
use super::shared::BackendState;
use super::standing::{Cause, News, Standing, Teller};
use crate::check::shared::{CheckState, Wanted};
use crate::figures::PerWorker;
use crate::spec::{ServerAddress, ServerSpec};

/// A weight of 1 as it counts in balancing: a ramp has that many steps at least.
pub(crate) const WEIGHT_SCALE: u32 = 16;

/// The largest weight.
pub const WEIGHT_MAX: u32 = 256;

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

/// The algorithm is static: weights other than 0 and the first one don't count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaticWeights;

impl std::fmt::Display for StaticWeights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the backend's algorithm is static and takes no weights but 0% and 100%")
    }
}

impl std::error::Error for StaticWeights {}

/// What the servers of a process share, so that changes come one after the other and everybody hears of them.
#[derive(Clone)]
pub(crate) struct Changes {
    one_at_a_time: Arc<Mutex<()>>,
    started: Instant,
    listeners: Arc<Listeners<ServerNews>>,
    teller: Arc<OnceLock<Teller>>,
    workers: usize,
}

impl Changes {
    pub(crate) fn new(started: Instant, workers: usize) -> Self {
        Changes {
            one_at_a_time: Arc::default(),
            started,
            workers,
            listeners: Arc::default(),
            teller: Arc::default(),
        }
    }

    /// Those who hear of what becomes of servers.
    pub(crate) fn listeners(&self) -> &Arc<Listeners<ServerNews>> {
        &self.listeners
    }

    /// From now on there is somebody to be told.
    pub(crate) fn tell_by(&self, teller: Teller) {
        let _ = self.teller.set(teller);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, ()> {
        self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.started).as_millis()).unwrap_or(u64::MAX)
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
    /// How many servers of its backend had gone when it came.
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
            maxconn: AtomicU32::new(spec.maxconn),
            minconn: spec.minconn,
            maxqueue: spec.maxqueue,
            grown: AtomicU32::new(GROWN),
            load: Load::default(),
            usage: PerWorker::new(changes.workers),
            kept: Kept::default(),
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

    /// One more server follows this one, and takes over what it is now.
    pub(crate) fn track_by(&self, tracker: &Arc<ServerState>) {
        let _guard = self.changes.lock();
        self.add_tracker(tracker);
        self.pass_on_admin(self.changes.started);
    }

    /// The same, for whoever sees to it that changes come one after the other.
    pub(super) fn add_tracker(&self, tracker: &Arc<ServerState>) {
        let mut trackers = self.lock_trackers();
        trackers.retain(|known| known.strong_count() > 0);
        trackers.push(Arc::downgrade(tracker));
    }

    /// Whether other servers follow this one.
    pub(super) fn is_tracked(&self) -> bool {
        self.trackers().any(|tracker| !tracker.is_removed())
    }

    fn lock_trackers(&self) -> MutexGuard<'_, Vec<Weak<ServerState>>> {
        self.trackers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those who hear of what becomes of servers: of all of the process.
    pub(crate) fn listeners(&self) -> &Arc<Listeners<ServerNews>> {
        &self.changes.listeners
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

    /// How many servers of its backend had gone when it came.
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

    /// The weight as it was set last.
    pub fn weight(&self) -> u32 {
        self.weight.load(Ordering::Relaxed)
    }

    /// The weight of the configuration.
    pub fn initial_weight(&self) -> u32 {
        self.spec.load().weight
    }

    /// The weight as it counts now, `slowstart` applied; rounded up.
    pub fn effective_weight(&self) -> u32 {
        self.scaled_weight().div_ceil(WEIGHT_SCALE)
    }

    /// The same in units of 1/[`WEIGHT_SCALE`].
    pub(crate) fn scaled_weight(&self) -> u32 {
        self.effective.load(Ordering::Relaxed)
    }

    /// Sets the weight, cut to 256; 0 takes no new sessions.
    ///
    /// # Errors
    /// If the backend's algorithm is static, any weight but 0 and the one of the configuration.
    pub fn set_weight(&self, weight: u32, now: Instant) -> Result<(), StaticWeights> {
        let weight = weight.min(WEIGHT_MAX);
        if self.static_weights && weight != 0 && weight != self.initial_weight() {
            return Err(StaticWeights);
        }
        let _guard = self.changes.lock();
        self.weight.store(weight, Ordering::Relaxed);
        self.weigh(now);
        Ok(())
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
                AdminState::Maint => before | Admin::FORCED_MAINT.0,
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

    /// How long ago it last changed between up and down.
    pub fn since_change(&self, now: Instant) -> Duration {
        let (ms, changed_ms) = (self.changes.ms(now), self.changed_ms.load(Ordering::Relaxed));
        let here = Duration::from_millis(ms.saturating_sub(changed_ms));
        match self.spec.load().saved {
            // Nothing has changed since the process before this one.
            Some(saved) if changed_ms == 0 => here + saved.since,
            _ => here,
        }
    }

    /// Most requests or streams that it serves at a time; 0 for no limit.
    pub fn maxconn(&self) -> u32 {
        self.maxconn.load(Ordering::Relaxed)
    }

    /// Sets that limit.
    pub fn set_maxconn(&self, limit: u32) {
        let _guard = self.changes.lock();
        self.maxconn.store(limit, Ordering::Relaxed);
        self.tell();
    }

    /// `minconn`: what the limit is without load; 0 for no ramp.
    pub(crate) fn minconn(&self) -> u32 {
        self.minconn
    }

    /// `maxqueue`: most that wait for it; 0 for no limit.
    pub fn maxqueue(&self) -> u32 {
        self.maxqueue
    }

    /// How far its `slowstart` is, of [`GROWN`].
    pub(crate) fn grown(&self) -> u32 {
        self.grown.load(Ordering::Relaxed)
    }

    /// How far its `slowstart` is, in percent; none once it is over.
    pub fn throttle(&self) -> Option<u32> {
        let grown = self.grown();
        (grown < GROWN).then(|| grown.saturating_mul(100) / GROWN)
    }

    /// Requests or streams that it serves, of all workers.
    pub fn connections(&self) -> u32 {
        self.load.connections.load(Ordering::SeqCst)
    }

    /// How many wait for it.
    pub fn queued(&self) -> u32 {
        self.load.queued.load(Ordering::SeqCst)
    }

    /// Most that waited for it at a time.
    pub fn queued_max(&self) -> u32 {
        self.load.queued_max.load(Ordering::Relaxed)
    }

    /// For how long it was down or out of service.
    pub fn downtime(&self, now: Instant) -> Duration {
        let before = Duration::from_millis(self.down_ms.load(Ordering::Relaxed));
        match self.seen() {
            Operational::Stopped => before + self.since_change(now),
            _ => before,
        }
    }

    /// Notes that it goes down or comes up now.
    fn change_at(&self, was: Operational, now: Instant) {
        let ms = self.changes.ms(now);
        let since = self.changed_ms.swap(ms, Ordering::Relaxed);
        if was == Operational::Stopped {
            self.down_ms
                .fetch_add(ms.saturating_sub(since), Ordering::Relaxed);
        }
    }

    /// Both together.
    pub(crate) fn busy(&self) -> u32 {
        self.connections().saturating_add(self.queued())
    }

    /// One more waits for it, or one less.
    pub(super) fn count_queued(&self, more: bool) {
        if more {
            let now = self.load.queued.fetch_add(1, Ordering::SeqCst) + 1;
            self.load.queued_max.fetch_max(now, Ordering::Relaxed);
        } else {
            self.load.queued.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Counts one more that it serves, unless there are that many.
    pub(super) fn enter(&self, limit: Option<u32>) -> bool {
        let connections = &self.load.connections;
        let entered = match limit {
            None => {
                connections.fetch_add(1, Ordering::SeqCst);
                true
            }
            Some(limit) => {
                let more = |now: u32| (now < limit).then_some(now + 1);
                connections
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, more)
                    .is_ok()
            }
        };
        // Whoever takes it away looks for who is there after saying so, and who enters looks after that.
        if entered && self.is_removed() {
            self.leave();
            return false;
        }
        entered
    }

    /// One of them is gone.
    pub(super) fn leave(&self) {
        self.load.connections.fetch_sub(1, Ordering::SeqCst);
    }

    /// The number of the turn that it had last.
    pub(crate) fn last_turn(&self) -> u64 {
        self.load.last_turn.load(Ordering::Relaxed)
    }

    /// It has its turn.
    pub(crate) fn take_turn(&self, number: u64) {
        self.load.last_turn.store(number, Ordering::Relaxed);
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

    /// Takes a further step of its `slowstart`, if it is on one.
    pub(crate) fn grow(&self, now: Instant) {
        if self.operational() != Operational::Starting {
            return;
        }
        let _guard = self.changes.lock();
        if self.growth(now) == GROWN {
            self.operational
                .store(Operational::Running as u8, Ordering::Relaxed);
        }
        self.weigh(now);
    }

    fn slowstart(&self) -> Option<Duration> {
        self.spec.load().slowstart.filter(|time| !time.is_zero())
    }

    fn growth(&self, now: Instant) -> u32 {
        match self.slowstart() {
            Some(ramp) if self.operational() == Operational::Starting => {
                let ramp = ramp.as_millis().max(1);
                let part = self.since_change(now).as_millis() * u128::from(GROWN) / ramp;
                u32::try_from(part).unwrap_or(GROWN).min(GROWN)
            }
            _ => GROWN,
        }
    }

    /// What weight and ramp come to now: never nothing of something.
    fn weigh(&self, now: Instant) {
        let grown = self.growth(now);
        let before = self.grown.swap(grown, Ordering::Relaxed);
        let full = self.weight().saturating_mul(WEIGHT_SCALE);
        let counts = match full {
            0 => 0,
            full if self.static_weights => full,
            full => (u64::from(full) * u64::from(grown) / u64::from(GROWN)).max(1) as u32,
        };
        if self.effective.swap(counts, Ordering::Relaxed) != counts || before != grown {
            self.tell();
        }
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
        self.tell();
        if self.changes.listeners.any() {
            self.publish(ServerChange::Admin {
                old: before,
                new: after,
                requeued: self.requeued(),
            });
            self.publish_state(seen, true, &Reason::default());
        }
        self.tell_of(standing, Cause::Operator);
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

    fn requeued(&self) -> u32 {
        match self.seen() {
            Operational::Stopped => self.queued(),
            _ => self
                .backend
                .get()
                .and_then(Weak::upgrade)
                .map_or(0, |backend| backend.queued()),
        }
    }

    fn publish_state(&self, old: Operational, admin: bool, reason: &Reason) {
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
        self.tell();
        if self.changes.listeners.any() {
            self.publish_state(seen, false, reason);
        }
        self.tell_of(standing, reason.by);
        let tracked = Reason {
            by: Cause::Tracked,
            ..Reason::default()
        };
        for tracker in self.trackers() {
            tracker.store_operational(state, now, &tracked);
        }
    }

    /// It has just come up.
    fn begin(&self, now: Instant) {
        if self.slowstart().is_some() {
            self.operational
                .store(Operational::Starting as u8, Ordering::Relaxed);
        }
        self.weigh(now);
    }

    /// Those that track it take over all that it is.
    pub(super) fn pass_on_all(&self, now: Instant) {
        self.pass_on_admin(now);
        let tracked = Reason {
            by: Cause::Tracked,
            ..Reason::default()
        };
        for tracker in self.trackers() {
            tracker.store_operational(self.operational(), now, &tracked);
        }
    }

    fn pass_on_admin(&self, now: Instant) {
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

    fn trackers(&self) -> impl Iterator<Item = Arc<ServerState>> {
        let trackers = self.lock_trackers();
        let trackers: Vec<_> = trackers.iter().filter_map(Weak::upgrade).collect();
        trackers.into_iter()
    }

    fn standing(&self) -> Standing {
        Standing {
            admin: self.admin(),
            operational: self.operational(),
            usable: self.is_usable(),
        }
    }

    /// Tells whoever wants to know what it was and is.
    fn tell_of(&self, before: Standing, cause: Cause) {
        if let (Some(teller), Some(backend)) = (self.changes.teller.get(), self.backend.get()) {
            // Nobody listens any more when everything ends.
            let _ = teller.send(News {
                backend: backend.clone(),
                server: self.spec.load_full(),
                before,
                after: self.standing(),
                cause,
            });
        }
    }

    /// Lets the backend look again.
    fn tell(&self) {
        if let Some(backend) = self.backend.get().and_then(Weak::upgrade) {
            backend.changed();
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

/// All of a ramp.
pub(crate) const GROWN: u32 = 1000;

/// What changes with every request, on a line of the cache of its own.
#[derive(Default)]
#[repr(align(128))]
struct Load {
    connections: AtomicU32,
    queued: AtomicU32,
    queued_max: AtomicU32,
    last_turn: AtomicU64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(started: Instant, ms: u64) -> Instant {
        started + Duration::from_millis(ms)
    }

    fn state(change: impl FnOnce(&mut ServerSpec)) -> (Instant, ServerState) {
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
        assert_eq!(s.admin().bits(), 0x09);
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
    fn a_server_that_comes_up_grows_to_its_weight() {
        let (t, s) = state(|s| {
            s.weight = 100;
            s.slowstart = Some(Duration::from_secs(10));
        });
        assert_eq!(s.effective_weight(), 100, "not at the start of the process");
        s.set_operational(Operational::Stopped, t);
        assert!(!s.is_up());
        s.set_operational(Operational::Running, at(t, 1000));
        assert_eq!(s.operational(), Operational::Starting);
        assert_eq!((s.scaled_weight(), s.is_usable()), (1, true));
        s.grow(at(t, 6000));
        assert_eq!((s.effective_weight(), s.weight()), (50, 100));
        assert_eq!(s.grown(), 500);
        s.grow(at(t, 11_000));
        assert_eq!(
            (s.effective_weight(), s.operational()),
            (100, Operational::Running)
        );
        s.set_admin(AdminState::Maint, at(t, 12_000));
        s.set_admin(AdminState::Ready, at(t, 13_000));
        s.grow(at(t, 14_000));
        assert_eq!(s.effective_weight(), 10);
        assert_eq!(s.since_change(at(t, 14_000)), Duration::from_secs(1));
    }

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

    #[test]
    fn static_weights_are_on_or_off() {
        let started = Instant::now();
        let mut spec = ServerSpec::tcp("s", "127.0.0.1:1".parse().unwrap());
        spec.weight = 20;
        let s = ServerState::new(&spec, 0, true, &Changes::new(started, 1));
        assert_eq!(s.set_weight(10, started), Err(StaticWeights));
        assert_eq!(s.set_weight(0, started), Ok(()));
        assert!(!s.is_usable() && s.is_up());
        assert_eq!(s.set_weight(20, started), Ok(()));
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
