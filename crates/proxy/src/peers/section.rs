//! A `peers` section at work: its tables, its peers, and what is known of both.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tidegate_sample::stick::{Key, Table};
use tokio::sync::{Notify, watch};

use super::journal::Journal;
use super::learning::Learning;
use super::show::{PeerView, SectionView};
use super::{PeerSpec, PeersSpec};
use crate::clock::ticks;
use crate::log::{Level, LogWriter, Logger};

/// Keys that are taken from a table at a time.
const KEYS_AT_ONCE: usize = 4096;

/// A table that peers share.
pub(super) struct SharedTable {
    pub(super) table: Arc<Table>,
    /// The name by which peers know it.
    pub(super) name: String,
    pub(super) journal: RefCell<Journal>,
    pub(super) write_to: Option<Arc<Table>>,
}

/// A connection to a peer that counts, by its number, and how it is told that another one does.
type Link = (u64, Rc<Notify>);

/// A `peers` section at work.
pub(super) struct Section {
    pub(super) spec: PeersSpec,
    pub(super) tables: Vec<SharedTable>,
    pub(super) learning: RefCell<Learning>,
    /// Changes with whatever may concern a connection.
    pub(super) news: watch::Sender<u64>,
    /// `tune.peers.max-updates-at-once`
    pub(super) updates_max: usize,
    /// Tells of changes in tables.
    changed: Arc<Notify>,
    /// By the peers' places.
    links: RefCell<Vec<Option<Link>>>,
    /// By the places of peers and tables: the last change that was acknowledged.
    acknowledged: RefCell<Vec<Vec<u64>>>,
    serials: Cell<u64>,
    view: Arc<Mutex<SectionView>>,
    logger: Logger,
}

impl Section {
    pub(super) fn new(
        spec: PeersSpec,
        updates_max: usize,
        view: Arc<Mutex<SectionView>>,
        writer: Option<&LogWriter>,
    ) -> Rc<Section> {
        let changed = Arc::new(Notify::new());
        let tables: Vec<SharedTable> = spec
            .tables
            .iter()
            .map(|shared| {
                let wake = changed.clone();
                shared.table.share(move || wake.notify_one());
                shared.table.divide(spec.shards);
                SharedTable {
                    journal: RefCell::new(Journal::new(shared.table.spec().size)),
                    table: shared.table.clone(),
                    name: shared.name.clone(),
                    write_to: shared.write_to.clone(),
                }
            })
            .collect();
        let peers = spec.peers.len();
        let logger = match writer {
            Some(writer) if !spec.logs.is_empty() => Logger::new(
                writer.clone(),
                spec.logs.clone(),
                spec.log_tag.as_deref(),
                spec.log_host.as_deref(),
            ),
            _ => Logger::discard(),
        };
        Rc::new(Section {
            learning: RefCell::new(Learning::new(spec.replaces, Instant::now())),
            news: watch::channel(0).0,
            updates_max: updates_max.max(1),
            changed,
            links: RefCell::new(vec![None; peers]),
            acknowledged: RefCell::new(vec![vec![0; tables.len()]; peers]),
            serials: Cell::new(0),
            logger,
            view,
            tables,
            spec,
        })
    }

    /// Notes what changes in the tables, for as long as it is polled.
    pub(super) async fn follow(&self) {
        loop {
            self.changed.notified().await;
            let mut any = false;
            for shared in &self.tables {
                loop {
                    let keys = shared.table.take_changed(KEYS_AT_ONCE, ticks());
                    if keys.is_empty() {
                        break;
                    }
                    any = true;
                    let mut journal = shared.journal.borrow_mut();
                    keys.into_iter().for_each(|key| journal.add(key));
                }
            }
            if any {
                self.news.send_modify(|news| *news += 1);
            }
            // What changes again and again is told a thousand times a second and not more often.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// The keys of the table at a place.
    pub(super) fn keys(&self, place: usize) -> Vec<Key> {
        let mut keys = Vec::new();
        if let Some(shared) = self.tables.get(place) {
            shared.table.each(ticks(), &mut |entry| {
                keys.push(entry.key());
                ControlFlow::Continue(())
            });
        }
        keys
    }

    /// The peer of this name, and its place.
    pub(super) fn peer(&self, name: &str) -> Option<usize> {
        self.spec.peers.iter().position(|peer| peer.name == name)
    }

    /// Whether a peer is to hear of a key.
    pub(super) fn is_for(&self, peer: usize, table: &Table, key: &Key) -> bool {
        let shard = self.spec.peers.get(peer).map_or(0, |peer| peer.shard);
        let shards = self.spec.shards;
        if shard == 0 || shards == 0 || shard > shards {
            return true;
        }
        table.part(key) == shard
    }

    /// A connection to a peer counts from now on, and no other: its number, and who tells when that changes.
    pub(super) fn enter(&self, peer: usize) -> (u64, Rc<Notify>) {
        let serial = self.serials.get() + 1;
        self.serials.set(serial);
        let unwanted = Rc::new(Notify::new());
        let mut links = self.links.borrow_mut();
        if let Some(place) = links.get_mut(peer)
            && let Some((_, before)) = place.replace((serial, unwanted.clone()))
        {
            before.notify_one();
            self.view(peer, |view| view.collisions += 1);
        }
        (serial, unwanted)
    }

    /// That connection has ended.
    pub(super) fn leave(&self, peer: usize, serial: u64) {
        let mut links = self.links.borrow_mut();
        if let Some(place) = links.get_mut(peer)
            && place.as_ref().is_some_and(|(current, _)| *current == serial)
        {
            *place = None;
        }
    }

    /// Whether there is a connection to a peer.
    pub(super) fn is_linked(&self, peer: usize) -> bool {
        self.links.borrow().get(peer).is_some_and(Option::is_some)
    }

    /// Ends all connections.
    pub(super) fn unlink(&self) {
        for (_, unwanted) in self.links.borrow_mut().iter_mut().filter_map(Option::take) {
            unwanted.notify_one();
        }
    }

    /// The last change of a table that a peer acknowledged.
    pub(super) fn acknowledged(&self, peer: usize, table: usize) -> u64 {
        let acknowledged = self.acknowledged.borrow();
        acknowledged
            .get(peer)
            .and_then(|tables| tables.get(table))
            .copied()
            .unwrap_or(0)
    }

    /// A peer acknowledged a change of a table, by the lower half of its number.
    pub(super) fn acknowledge(&self, peer: usize, table: usize, number: u32) {
        let Some(shared) = self.tables.get(table) else {
            return;
        };
        let whole = shared.journal.borrow().whole(number);
        if let Some(known) = self
            .acknowledged
            .borrow_mut()
            .get_mut(peer)
            .and_then(|tables| tables.get_mut(table))
        {
            *known = whole;
        }
        self.view(peer, |view| view.acknowledged(table, whole));
    }

    /// Changes what is shown of a peer.
    pub(super) fn view(&self, peer: usize, change: impl FnOnce(&mut PeerView)) {
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(peer) = view.peers.get_mut(peer) {
            change(peer);
        }
    }

    /// Tells what is the matter with a peer.
    pub(super) fn log(&self, level: Level, peer: usize, what: &str) {
        if let Some(peer) = self.spec.peers.get(peer) {
            let message = format!("Peers {}: peer {} {what}.", self.spec.name, peer.name);
            self.logger.message(level, &message);
        }
    }

    /// The peer that this process is.
    pub(super) fn local(&self) -> Option<&PeerSpec> {
        self.spec.peers.iter().find(|peer| peer.name == self.spec.local)
    }
}
