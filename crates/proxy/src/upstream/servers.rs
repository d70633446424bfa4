//! The servers that a backend has, and how they come and go while the process runs.
//!
//! A list of them never changes: whoever adds or takes away a server makes another list. Workers notice that by the version
//! of the backend's plan, which they look at for each choice, and then make their own servers anew where those differ.
//!
//! A server's place is what queues, plans and tournaments know it by. A place is given to another server only when nobody
//! holds the state of the one before any more.

use std::ops::Deref;
use std::sync::{Arc, Weak};
use std::time::Instant;

use super::balance::tournament::Tournament;
use super::news::ServerChange;
use super::shared::BackendState;
use super::state::{Arrival, ServerState};
use crate::spec::{DynamicCookies, ServerSpec};

/// The servers of a backend at one time, in their order.
#[derive(Default)]
pub struct Servers {
    listed: Vec<Arc<ServerState>>,
    /// By their places.
    places: Vec<Place>,
    /// How many have come so far.
    came: usize,
    /// Who is least loaded, where that is asked for.
    pub(super) tournament: Option<Tournament>,
}

#[derive(Clone)]
enum Place {
    Taken(Arc<ServerState>),
    /// Somebody may still hold what was there.
    Left(Weak<ServerState>),
}

impl Servers {
    pub(super) fn new(listed: Vec<Arc<ServerState>>, plays: bool) -> Self {
        let places = listed.iter().cloned().map(Place::Taken).collect();
        Servers {
            tournament: plays.then(|| Tournament::new(listed.len())),
            came: listed.len(),
            listed,
            places,
        }
    }

    /// The one of a number, if it is still there.
    pub fn numbered(&self, number: usize) -> Option<&Arc<ServerState>> {
        let first = self.at(number).filter(|server| server.number() == number);
        first.or_else(|| self.listed.iter().find(|server| server.number() == number))
    }

    /// The one at a place.
    pub fn at(&self, place: usize) -> Option<&Arc<ServerState>> {
        match self.places.get(place)? {
            Place::Taken(server) => Some(server),
            Place::Left(_) => None,
        }
    }

    /// How many places there are.
    pub(super) fn places(&self) -> usize {
        self.places.len()
    }

    /// The first place that nobody has.
    fn free(&self) -> usize {
        let is_free = |place: &Place| matches!(place, Place::Left(gone) if gone.strong_count() == 0);
        self.places.iter().position(is_free).unwrap_or(self.places.len())
    }

    /// The first number that no server has.
    fn free_id(&self) -> u32 {
        let taken = |id: u32| self.listed.iter().any(|server| server.id() == id);
        (1..u32::MAX).find(|id| !taken(*id)).unwrap_or(u32::MAX)
    }

    fn with(&self, server: Arc<ServerState>) -> Servers {
        let (mut listed, mut places) = (self.listed.clone(), self.places.clone());
        match places.get_mut(server.place()) {
            Some(place) => *place = Place::Taken(server.clone()),
            None => places.push(Place::Taken(server.clone())),
        }
        listed.push(server);
        Servers {
            came: self.came + 1,
            ..self.as_players(listed, places)
        }
    }

    fn without(&self, server: &Arc<ServerState>) -> Servers {
        let (mut listed, mut places) = (self.listed.clone(), self.places.clone());
        listed.retain(|known| !Arc::ptr_eq(known, server));
        if let Some(place) = places.get_mut(server.place()) {
            *place = Place::Left(Arc::downgrade(server));
        }
        self.as_players(listed, places)
    }

    fn as_players(&self, listed: Vec<Arc<ServerState>>, places: Vec<Place>) -> Servers {
        Servers {
            tournament: self.tournament.as_ref().map(|_| Tournament::new(places.len())),
            came: self.came,
            listed,
            places,
        }
    }
}

impl Deref for Servers {
    type Target = [Arc<ServerState>];

    fn deref(&self) -> &[Arc<ServerState>] {
        &self.listed
    }
}

/// Why no server can be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAdded {
    /// One has that name.
    SameName,
    /// One has that number.
    SameId,
    /// The server that it is to track is gone.
    NothingToTrack,
}

/// Why a server can't be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRemovable {
    /// It is gone already.
    Gone,
    /// The configuration names it elsewhere, or others track it.
    Referenced,
    /// It is in service.
    InService,
    /// It has requests or connections, or somebody waits for it.
    InUse,
}

/// Why a server can't have another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRenamed {
    /// It is in service.
    InService,
    /// The configuration names it elsewhere, or others track it.
    Referenced,
    /// Another has that name.
    SameName,
}

impl BackendState {
    /// Adds a server, which follows `tracked` if there is one. It gets a number if it has none.
    ///
    /// # Errors
    /// It can't be told from one that there is, or `tracked` is gone.
    pub fn add_server(
        self: &Arc<Self>,
        mut spec: ServerSpec,
        tracked: Option<&Arc<ServerState>>,
        now: Instant,
    ) -> Result<Arc<ServerState>, NotAdded> {
        let mut revisions = self.changes().lock();
        let before = self.servers();
        if before.iter().any(|server| *server.name() == *spec.name) {
            return Err(NotAdded::SameName);
        }
        spec.cookie_key = self.dynamic_cookies().in_use();
        if spec.id == 0 {
            spec.id = before.free_id();
        } else if before.iter().any(|server| server.id() == spec.id) {
            return Err(NotAdded::SameId);
        }
        if tracked.is_some_and(|tracked| tracked.is_removed()) {
            return Err(NotAdded::NothingToTrack);
        }
        let arrival = Arrival {
            place: before.free(),
            number: before.came,
            revision: revisions.of_arrival(),
        };
        self.queues.make_room(arrival.place + 1);
        let fixed = self.has_static_weights();
        let server = Arc::new(ServerState::arriving(&spec, arrival, fixed, self.changes()));
        server.belongs_to(Arc::downgrade(self));
        self.replace_servers(before.with(server.clone()));
        if let Some(tracked) = tracked {
            tracked.add_tracker(&server);
            tracked.pass_on_all(now);
        }
        if self.changes().listeners().any() {
            server.publish(ServerChange::Added);
        }
        Ok(server)
    }

    /// Why a server can't be taken away now, if it can't.
    ///
    /// # Errors
    /// That reason.
    pub fn is_removable(&self, server: &Arc<ServerState>) -> Result<(), NotRemovable> {
        if server.is_removed() {
            Err(NotRemovable::Gone)
        } else if server.spec().is_referenced || server.is_tracked() {
            Err(NotRemovable::Referenced)
        } else if !server.admin().is_maint() {
            Err(NotRemovable::InService)
        } else if server.is_used() {
            Err(NotRemovable::InUse)
        } else {
            Ok(())
        }
    }

    /// Takes a server away.
    ///
    /// # Errors
    /// It is in use, or has to stay.
    pub fn remove_server(&self, server: &Arc<ServerState>) -> Result<(), NotRemovable> {
        let mut revisions = self.changes().lock();
        self.is_removable(server)?;
        if !server.retire() {
            return Err(NotRemovable::InUse);
        }
        self.replace_servers(self.servers().without(server));
        revisions.note_removal();
        // Whoever joined its queue meanwhile looks elsewhere.
        self.send_away(server);
        server.checks().end();
        if self.changes().listeners().any() {
            server.publish(ServerChange::Removed);
        }
        Ok(())
    }

    /// Gives a server another name.
    ///
    /// # Errors
    /// It has to keep its name, or another has that one.
    pub fn rename_server(&self, server: &Arc<ServerState>, name: &str) -> Result<(), NotRenamed> {
        let _guard = self.changes().lock();
        let spec = server.spec();
        if !server.admin().is_maint() {
            return Err(NotRenamed::InService);
        }
        if spec.is_referenced || server.is_tracked() {
            return Err(NotRenamed::Referenced);
        }
        if spec.name == name {
            return Ok(());
        }
        if self.servers().iter().any(|known| *known.name() == *name) {
            return Err(NotRenamed::SameName);
        }
        server.store_spec(ServerSpec {
            name: name.to_owned(),
            ..(*spec).clone()
        });
        Ok(())
    }

    /// Changes how cookies are made of addresses, and makes them anew.
    pub fn change_dynamic_cookies(&self, change: impl FnOnce(&mut DynamicCookies)) {
        let _guard = self.changes().lock();
        let key = {
            let mut cookies = self.dynamic_cookies();
            change(&mut cookies);
            cookies.in_use()
        };
        for server in self.servers().iter() {
            let spec = server.spec();
            if spec.cookie_key != key {
                server.store_spec(ServerSpec {
                    cookie_key: key.clone(),
                    ..(*spec).clone()
                });
            }
        }
    }

    /// Changes what a server is by its configuration.
    pub fn change_server(&self, server: &Arc<ServerState>, change: impl FnOnce(&mut ServerSpec)) {
        let _guard = self.changes().lock();
        let mut spec = (*server.spec()).clone();
        change(&mut spec);
        server.store_spec(spec);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{BackendSpec, Balance};
    use crate::txn::Mode;
    use crate::upstream::admin::AdminState;
    use crate::upstream::balance::{Balancer, Choice, Query};
    use crate::upstream::state::Changes;

    fn backend(balance: Balance) -> (Arc<BackendSpec>, Arc<BackendState>) {
        let mut spec = BackendSpec::new("b", Mode::Http);
        spec.balance = balance;
        for (name, id) in [("a", 1), ("c", 3)] {
            let mut server = named(name);
            server.id = id;
            spec.servers.push(server);
        }
        let spec = Arc::new(spec);
        let now = Instant::now();
        let state = BackendState::all(std::slice::from_ref(&spec), now, &Changes::new(now, 1)).remove(0);
        (spec, state)
    }

    fn named(name: &str) -> ServerSpec {
        let mut spec = ServerSpec::tcp(name, "127.0.0.1:1".parse().unwrap());
        spec.id = 0;
        spec
    }

    fn add(state: &Arc<BackendState>, name: &str) -> Arc<ServerState> {
        state.add_server(named(name), None, Instant::now()).unwrap()
    }

    fn take_away(state: &BackendState, server: &Arc<ServerState>) -> Result<(), NotRemovable> {
        server.set_admin(AdminState::Maint, Instant::now());
        state.remove_server(server)
    }

    fn chosen(balancer: &Balancer, rounds: usize) -> Vec<String> {
        let pick = |_| match balancer.pick(Query::default()) {
            Choice::Server(server) => server.named.name.iter().map(|b| char::from(*b)).collect(),
            _ => String::new(),
        };
        let mut chosen: Vec<String> = (0..rounds).map(pick).collect();
        chosen.sort();
        chosen.dedup();
        chosen
    }

    #[test]
    fn workers_choose_among_those_that_there_are() {
        for balance in [Balance::RoundRobin, Balance::Random { draws: 2 }] {
            let (spec, state) = backend(balance);
            let balancer = Balancer::new(&spec, state.clone(), 0, Arc::default(), 7);
            assert_eq!(chosen(&balancer, 100), ["a", "c"]);
            let b = add(&state, "b");
            assert_eq!(chosen(&balancer, 100), ["a", "b", "c"]);
            assert_eq!(take_away(&state, &b), Ok(()));
            assert_eq!(chosen(&balancer, 100), ["a", "c"]);
            assert_eq!(state.remove_server(&b), Err(NotRemovable::Gone));
        }
    }

    #[test]
    fn the_least_loaded_is_found_among_those_that_there_are() {
        let (spec, state) = backend(Balance::LeastConn);
        let balancer = Balancer::new(&spec, state.clone(), 0, Arc::default(), 7);
        let servers = state.servers();
        servers.iter().for_each(|server| assert!(state.enter(server)));
        let b = add(&state, "b");
        assert_eq!(chosen(&balancer, 10), ["b"]);
        assert!(state.enter(&b) && state.enter(&b) && state.enter(&b));
        assert_eq!(chosen(&balancer, 1), ["a"]);
        (0..3).for_each(|_| state.leave(&b));
        assert_eq!(take_away(&state, &b), Ok(()));
        assert!(!chosen(&balancer, 10).contains(&"b".to_owned()));
    }

    #[test]
    fn numbers_are_those_that_are_free_and_places_are_used_again_once_nobody_holds_them() {
        let (_, state) = backend(Balance::RoundRobin);
        let b = add(&state, "b");
        assert_eq!((b.id(), b.place(), b.number(), b.revision()), (2, 2, 2, 0));
        assert_eq!(
            state.add_server(named("b"), None, Instant::now()).err(),
            Some(NotAdded::SameName)
        );
        let mut same = named("d");
        same.id = 3;
        assert_eq!(
            state.add_server(same, None, Instant::now()).err(),
            Some(NotAdded::SameId)
        );
        assert_eq!(take_away(&state, &b), Ok(()));
        let d = add(&state, "d");
        assert_eq!((d.id(), d.place(), d.number(), d.revision()), (2, 3, 3, 1));
        drop(b);
        let e = add(&state, "e");
        assert_eq!((e.id(), e.place(), e.number(), e.revision()), (4, 2, 4, 1));
        let names: Vec<String> = state.servers().iter().map(|s| s.name().to_string()).collect();
        assert_eq!(names, ["a", "c", "d", "e"]);
        assert!(state.servers().numbered(2).is_none());
        assert_eq!(state.servers().numbered(4).map(|s| s.place()), Some(2));
        // Several that go before another comes are one more.
        assert_eq!((take_away(&state, &d), take_away(&state, &e)), (Ok(()), Ok(())));
        assert_eq!((add(&state, "f").revision(), add(&state, "g").revision()), (2, 2));
    }

    #[test]
    fn one_that_is_used_or_needed_stays() {
        let (_, state) = backend(Balance::RoundRobin);
        let b = add(&state, "b");
        assert_eq!(state.remove_server(&b), Err(NotRemovable::InService));
        assert!(state.enter(&b));
        assert_eq!(take_away(&state, &b), Err(NotRemovable::InUse));
        assert!(!b.is_removed());
        state.leave(&b);
        let follower = state.add_server(named("f"), Some(&b), Instant::now()).unwrap();
        assert!(follower.admin().is_maint());
        assert_eq!(state.remove_server(&b), Err(NotRemovable::Referenced));
        assert_eq!(take_away(&state, &follower), Ok(()));
        assert_eq!(state.remove_server(&b), Ok(()));
        // Who holds it still gets no room.
        assert!(!state.enter(&b) && b.connections() == 0 && !b.is_up());
    }

    #[test]
    fn a_server_gets_another_name() {
        let (spec, state) = backend(Balance::RoundRobin);
        let balancer = Balancer::new(&spec, state.clone(), 0, Arc::default(), 7);
        let a = state.server("a").unwrap();
        assert_eq!(state.rename_server(&a, "x"), Err(NotRenamed::InService));
        a.set_admin(AdminState::Maint, Instant::now());
        assert_eq!(state.rename_server(&a, "c"), Err(NotRenamed::SameName));
        assert_eq!(state.rename_server(&a, "x"), Ok(()));
        assert!(state.server("a").is_none());
        a.set_admin(AdminState::Ready, Instant::now());
        assert_eq!(chosen(&balancer, 10), ["c", "x"]);
    }

    #[test]
    fn whoever_enters_while_one_is_taken_away_keeps_it_or_is_refused() {
        for _ in 0..200 {
            let (_, state) = backend(Balance::LeastConn);
            let b = add(&state, "b");
            b.set_admin(AdminState::Maint, Instant::now());
            let entering = {
                let (state, b) = (state.clone(), b.clone());
                std::thread::spawn(move || state.enter(&b))
            };
            let gone = state.remove_server(&b).is_ok();
            let entered = entering.join().unwrap();
            assert!(!(gone && entered));
            assert_eq!(b.connections(), u32::from(entered));
        }
    }
}
