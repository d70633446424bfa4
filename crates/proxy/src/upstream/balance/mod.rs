//! Choosing a server.
//!
//! Everything that a choice needs is prepared in a [`Plan`], which all workers share and which is made anew when a server's
//! state changes. Picking from it is a look at a table or a search on a ring.

mod key;
mod lines;
pub(crate) mod plan;
mod ring;
pub(crate) mod tournament;
mod turns;

use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use self::plan::Plan;
use super::Server;
use super::open::Descriptors;
use super::shared::{BackendState, less_loaded};
use super::state::ServerState;
use crate::spec::{Affinity, BackendSpec, Balance, HashMethod};
use crate::txn::{Hurry, Txn};

/// The servers of a backend, as one worker chooses among them.
pub(crate) struct Balancer {
    spec: Arc<BackendSpec>,
    shared: Arc<BackendState>,
    worker: usize,
    descriptors: Arc<Descriptors>,
    view: RefCell<Rc<View>>,
    /// The state of the lots that are drawn.
    lots: Cell<u64>,
}

/// The servers of one time, as one worker has them.
#[derive(Default)]
pub(crate) struct View {
    plan: Arc<Plan>,
    /// In their order.
    listed: Vec<Rc<Server>>,
    /// By their places.
    places: Vec<Option<Rc<Server>>>,
}

impl View {
    /// The server at a place.
    pub(crate) fn at(&self, place: usize) -> Option<&Rc<Server>> {
        self.places.get(place)?.as_ref()
    }

    fn choice(&self, place: usize) -> Choice {
        self.at(place)
            .map_or(Choice::Nobody, |server| Choice::Server(server.clone()))
    }
}

impl Deref for View {
    type Target = [Rc<Server>];

    fn deref(&self) -> &[Rc<Server>] {
        &self.listed
    }
}

/// What a choice depends on.
#[derive(Clone, Copy, Default)]
pub(crate) struct Query<'q> {
    /// The request's hash, if the backend balances by one and the request has it.
    pub(crate) hash: Option<u32>,
    /// Taken only if there is no other.
    pub(crate) avoid: Option<&'q Rc<Server>>,
    /// The second in which this happens.
    pub(crate) second: u32,
}

/// What a choice came to.
pub(crate) enum Choice {
    /// This server. Chosen by a hash it may be full: then it is waited for.
    Server(Rc<Server>),
    /// All are full: any of them is waited for.
    Full,
    /// No server takes new sessions.
    Nobody,
}

impl Balancer {
    pub(crate) fn new(
        spec: &Arc<BackendSpec>,
        shared: Arc<BackendState>,
        worker: usize,
        descriptors: Arc<Descriptors>,
        seed: u64,
    ) -> Self {
        let balancer = Balancer {
            spec: spec.clone(),
            shared,
            worker,
            descriptors,
            view: RefCell::default(),
            lots: Cell::new(seed),
        };
        balancer.look_again();
        balancer
    }

    /// The servers that there are now.
    pub(crate) fn servers(&self) -> Rc<View> {
        if self.view.borrow().plan.version != self.shared.version() {
            self.look_again();
        }
        self.view.borrow().clone()
    }

    /// Takes in what has changed: servers that came, went, or are something else than before.
    fn look_again(&self) {
        let plan = self.shared.plan();
        let before = self.view.borrow().clone();
        let make = |state: &Arc<ServerState>| match before.at(state.place()) {
            Some(known) if known.is_current(state) => known.clone(),
            _ => Server::new(state, &self.shared, self.worker, self.descriptors.clone()),
        };
        let listed: Vec<Rc<Server>> = plan.servers.iter().map(make).collect();
        let mut places = vec![None; plan.servers.places()];
        for server in &listed {
            if let Some(place) = places.get_mut(server.place) {
                *place = Some(server.clone());
            }
            if server.state.admin().is_maint() {
                // Nobody may be sent there: what is idle only holds up whoever takes the server away.
                server.pool.clear();
            }
        }
        for gone in before.iter() {
            let stays = |place: &Rc<Server>| Rc::ptr_eq(place, gone);
            if !listed.iter().any(stays) {
                gone.pool.retire();
            }
        }
        *self.view.borrow_mut() = Rc::new(View { plan, listed, places });
    }

    /// What all workers share of the backend.
    pub(crate) fn shared(&self) -> &Arc<BackendState> {
        &self.shared
    }

    /// The hash of a request, if the backend balances by one.
    pub(crate) fn hash(&self, txn: &Txn) -> Option<u32> {
        match &self.spec.balance {
            Balance::Hash(by) => txn.hurried(Hurry::Balance, || key::hash(by, self.spec.hash_type, txn)),
            _ => None,
        }
    }

    /// The server that comes next.
    pub(crate) fn pick(&self, query: Query<'_>) -> Choice {
        let view = self.servers();
        let plan = &*view.plan;
        let (Some(first), avoided) = (plan.usable.first(), query.avoid.map(|s| s.place)) else {
            return Choice::Nobody;
        };
        if let [only] = *plan.usable {
            // Nothing to choose, unless there is no room and it was chosen by nothing of the request.
            return self.room_at(&view, only as usize, query.hash.is_some());
        }
        let place = match (&self.spec.balance, query.hash) {
            (Balance::Hash(_), Some(hash)) => match self.spec.hash_type.method {
                HashMethod::MapBased => self.by_map(&view, hash, avoided),
                HashMethod::Consistent => Some(self.on_ring(&view, hash, avoided)),
            },
            (
                Balance::RoundRobin
                | Balance::StaticRr
                | Balance::Hash(_)
                // For log lines, which are no sessions.
                | Balance::LogHash(_)
                | Balance::Sticky,
                _,
            ) => self.in_turn(&view, avoided),
            (Balance::LeastConn, _) => self.least_loaded(&view, avoided),
            (Balance::First, _) => self.first(&view, avoided),
            (Balance::Random { draws }, _) => self.by_lot(&view, *draws, avoided, query.second),
        };
        match place {
            Some(place) => view.choice(place),
            // Even the one that was to be avoided is better than none.
            None if avoided
                .is_some_and(|at| plan.usable.contains(&(at as u32)) && self.has_room(&view, at)) =>
            {
                view.choice(avoided.unwrap_or(*first as usize))
            }
            None => Choice::Full,
        }
    }

    fn room_at(&self, view: &View, place: usize, is_bound: bool) -> Choice {
        if is_bound || self.has_room(view, place) {
            view.choice(place)
        } else {
            Choice::Full
        }
    }

    fn has_room(&self, view: &View, place: usize) -> bool {
        view.at(place)
            .is_some_and(|server| self.shared.has_room(&server.state))
    }

    /// Whose turn it is, over all workers; if that one has no room, whoever comes next.
    fn in_turn(&self, view: &View, avoid: Option<usize>) -> Option<usize> {
        let (plan, turn) = (&view.plan, self.shared.next_turn());
        let fits = |place: u32| Some(place as usize) != avoid && self.has_room(view, place as usize);
        let at = usize::try_from(turn % plan.turns.len().max(1) as u64).unwrap_or(0);
        let first = *plan.turns.get(at)?;
        if fits(first) {
            return Some(first as usize);
        }
        // Rare: each server is looked at once.
        let from = plan.usable.iter().position(|place| *place == first).unwrap_or(0);
        let mut others = plan.usable.iter().cycle().skip(from + 1).take(plan.usable.len());
        others.find(|place| fits(**place)).map(|place| *place as usize)
    }

    fn by_map(&self, view: &View, hash: u32, avoid: Option<usize>) -> Option<usize> {
        let plan = &view.plan;
        let count = plan.turns.len().max(1);
        let at = hash as usize % count;
        let chosen = *plan.turns.get(at)? as usize;
        if Some(chosen) != avoid && self.keeps(view, chosen) {
            return Some(chosen);
        }
        let mut others = plan.turns.iter().cycle().skip(at + 1).take(count);
        let other =
            others.find(|place| Some(**place as usize) != avoid && self.keeps(view, **place as usize));
        Some(other.map_or(chosen, |place| *place as usize))
    }

    /// The nearest on the ring that may have it; the last that was passed if none may.
    fn on_ring(&self, view: &View, hash: u32, avoid: Option<usize>) -> usize {
        let mut passed = None;
        for place in view.plan.ring.from(hash) {
            let place = place as usize;
            if Some(place) == avoid {
                continue;
            }
            if self.keeps(view, place) && self.is_within_bounds(view, place) {
                return place;
            }
            passed = Some(place);
        }
        passed.or(avoid).unwrap_or(0)
    }

    /// Whether `hash-preserve-affinity` leaves a request at the server that its hash chose.
    fn keeps(&self, view: &View, place: usize) -> bool {
        let Some(server) = view.at(place) else {
            return false;
        };
        match self.spec.affinity {
            Affinity::Always => true,
            Affinity::Maxconn => self.shared.has_room(&server.state),
            Affinity::Maxqueue => {
                let most = server.state.maxqueue();
                server.state.maxconn() == 0 || most == 0 || server.state.queued() < most
            }
        }
    }

    /// Whether `hash-balance-factor` lets a server have one more: no more than so many times what its weight would give it
    /// of all there are.
    fn is_within_bounds(&self, view: &View, place: usize) -> bool {
        let factor = u64::from(self.spec.hash_balance_factor);
        let Some(server) = view.at(place).filter(|_| factor > 0) else {
            return true;
        };
        let all = u64::from(self.shared.load()) + 1;
        let part = view.plan.part(place, (all * factor).div_ceil(100));
        u64::from(server.state.connections()) < part
    }

    fn least_loaded(&self, view: &View, avoid: Option<usize>) -> Option<usize> {
        let found = self.shared.least_loaded(avoid)?;
        if self.takes_more(view, found) {
            return Some(found);
        }
        // The least loaded is full, as one with a small limit may be: rare, and each server is looked at.
        let fits = |place: &&u32| Some(**place as usize) != avoid && self.takes_more(view, **place as usize);
        let some = view
            .plan
            .usable
            .iter()
            .filter(fits)
            .map(|place| Some(*place as usize));
        let servers = &view.plan.servers;
        some.reduce(|a, b| less_loaded(servers, a, b)).flatten()
    }

    /// Whether `leastconn` gives a server one more: with an explicit `maxqueue` also into its queue.
    fn takes_more(&self, view: &View, place: usize) -> bool {
        view.at(place).is_some_and(|server| {
            let limit = self.shared.limit(&server.state);
            limit.is_none_or(|limit| server.state.busy() < limit.saturating_add(server.state.maxqueue()))
        })
    }

    fn first(&self, view: &View, avoid: Option<usize>) -> Option<usize> {
        let mut usable = view.plan.usable.iter().map(|place| *place as usize);
        usable.find(|place| Some(*place) != avoid && self.has_room(view, *place))
    }

    /// The least loaded of a few that are drawn; of those that are equal the one that this worker used less of late.
    fn by_lot(&self, view: &View, draws: u32, avoid: Option<usize>, second: u32) -> Option<usize> {
        let mut best: Option<usize> = None;
        for _ in 0..draws.max(1) {
            let lot = self.draw();
            let fits = |place: &usize| {
                Some(*place) != avoid && self.has_room(view, *place) && self.is_within_bounds(view, *place)
            };
            let Some(drawn) = view.plan.ring.from(lot).map(|place| place as usize).find(fits) else {
                break;
            };
            best = match best {
                Some(before) => Some(lighter(view, before, drawn, second)),
                None => Some(drawn),
            };
        }
        best.or_else(|| self.first(view, avoid))
    }

    /// The next lot.
    fn draw(&self) -> u32 {
        let state = self.lots.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.lots.set(state);
        let mut z = state;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) as u32
    }
}

/// The less loaded of two, or of equals the one that this worker used less of late.
fn lighter(view: &View, a: usize, b: usize, second: u32) -> usize {
    let (Some(one), Some(other)) = (view.at(a), view.at(b)) else {
        return a;
    };
    let weighed = |s: &Server, other: &Server, load: u64| {
        load * u64::from(other.state.scaled_weight().max(1)) + u64::from(s.state.scaled_weight() == 0)
    };
    let key = |s: &Server, other: &Server| {
        let rate = s.usage.sessions_in(second);
        (
            weighed(s, other, u64::from(s.state.busy())),
            weighed(s, other, rate),
        )
    };
    if key(one, other) <= key(other, one) { a } else { b }
}

#[cfg(test)]
mod tests;
