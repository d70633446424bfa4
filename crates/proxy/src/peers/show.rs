//! What is shown of peers.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::PeersSpec;

/// What is shown of a `peers` section.
#[derive(Clone, Debug)]
pub struct SectionView {
    /// Its name.
    pub name: String,
    /// `disabled`.
    pub disabled: bool,
    /// Its peers, this process among them.
    pub peers: Vec<PeerView>,
    /// The names of its tables here and their last changes.
    pub tables: Vec<String>,
}

/// What is shown of a peer.
#[derive(Clone, Debug)]
pub struct PeerView {
    /// Its name.
    pub name: String,
    /// It is this process.
    pub is_local: bool,
    /// Where it is, if that is known.
    pub address: String,
    /// How it stands with it: `NONE`, `CONN` (a connection is sought), `ESTA` (it is there).
    pub status: &'static str,
    /// It connected here, and not the other way round.
    pub came_in: bool,
    /// When both greeted last.
    pub greeted: Option<Instant>,
    /// Connections that were made to it.
    pub connections: u64,
    /// Times that it said nothing for too long.
    pub silent: u64,
    /// What it said that made no sense.
    pub errors: u64,
    /// Connections that another one took the place of.
    pub collisions: u64,
    /// Signs of life that it was given.
    pub heartbeats_sent: u64,
    /// Signs of life that it gave.
    pub heartbeats_received: u64,
    /// By the tables' places.
    pub tables: Vec<TableView>,
}

/// What is shown of a table that a peer shares.
#[derive(Clone, Copy, Debug, Default)]
pub struct TableView {
    /// Its number with the peer; 0 before that described it.
    pub remote_id: u64,
    /// The last change that the peer acknowledged.
    pub acknowledged: u64,
    /// The last that it was told.
    pub pushed: u64,
    /// The last that it told.
    pub got: u32,
}

impl SectionView {
    /// What is shown of a section before anything happened.
    pub(crate) fn of(spec: &PeersSpec) -> Arc<Mutex<SectionView>> {
        let peers = spec.peers.iter().map(|peer| PeerView {
            name: peer.name.clone(),
            is_local: peer.name == spec.local,
            address: peer.address(),
            status: "NONE",
            came_in: false,
            greeted: None,
            connections: 0,
            silent: 0,
            errors: 0,
            collisions: 0,
            heartbeats_sent: 0,
            heartbeats_received: 0,
            tables: vec![TableView::default(); spec.tables.len()],
        });
        Arc::new(Mutex::new(SectionView {
            name: spec.name.clone(),
            disabled: spec.disabled,
            peers: peers.collect(),
            tables: spec
                .tables
                .iter()
                .map(|shared| shared.table.name().to_owned())
                .collect(),
        }))
    }
}

impl PeerView {
    pub(super) fn pushed(&mut self, table: usize, number: u64) {
        self.table(table, |table| table.pushed = number);
    }

    pub(super) fn acknowledged(&mut self, table: usize, number: u64) {
        self.table(table, |table| table.acknowledged = number);
    }

    pub(super) fn got(&mut self, table: usize, number: u32) {
        self.table(table, |table| table.got = number);
    }

    pub(super) fn defined(&mut self, table: usize, number: u64) {
        self.table(table, |table| table.remote_id = number);
    }

    fn table(&mut self, place: usize, change: impl FnOnce(&mut TableView)) {
        if let Some(table) = self.tables.get_mut(place) {
            change(table);
        }
    }
}
