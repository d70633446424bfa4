//! `peers` sections: stick tables that several instances share, by the peers protocol 2.1.
//!
//! All sections are served by one thread of its own. What messages are (`codec`, `names`, `message`), what changed (`journal`) and
//! whom to ask for what is not known (`learning`) need no socket; `hello` greets, `link` is a connection, and `serve` has the sockets.

mod codec;
mod hello;
mod journal;
mod learning;
mod link;
mod message;
mod names;
mod section;
mod serve;
mod show;

use std::sync::Arc;

use tidegate_sample::stick::Table;

use crate::log::LogTarget;
use crate::spec::{ListenerSpec, ServerAddress, ServerSpec};

pub(crate) use serve::Exchange;
pub use show::{PeerView, SectionView, TableView};

/// What a `peers` section says.
#[derive(Debug)]
pub struct PeersSpec {
    /// Its name.
    pub name: String,
    /// The name of the peer that this process is.
    pub local: String,
    /// The peers, this process among them.
    pub peers: Vec<PeerSpec>,
    /// Where peers connect to.
    pub listeners: Vec<ListenerSpec>,
    /// The tables that they share.
    pub tables: Vec<PeersTable>,
    /// `shards`: among how many peers a table's keys are divided; 0 for no such division.
    pub shards: u32,
    /// `log`: where is told who comes and goes.
    pub logs: Vec<LogTarget>,
    /// `log-tag`.
    pub log_tag: Option<String>,
    /// `log-send-hostname`.
    pub log_host: Option<String>,
    /// `disabled`: nothing is shared.
    pub disabled: bool,
    /// Another process listens on the same sockets, and leaves once this one serves.
    pub replaces: bool,
}

/// A peer.
#[derive(Debug)]
pub struct PeerSpec {
    /// Its name.
    pub name: String,
    /// How it is connected to; this process too, by whom it replaces.
    pub server: Option<ServerSpec>,
    /// `shard`: the part of the keys that it hears of; 0 for all.
    pub shard: u32,
}

impl PeerSpec {
    fn address(&self) -> String {
        match self.server.as_ref().map(|server| &server.address) {
            Some(ServerAddress::Tcp(address)) => address.to_string(),
            Some(ServerAddress::Unix(path)) => path.display().to_string(),
            Some(ServerAddress::Abstract(name)) => format!("abns@{}", String::from_utf8_lossy(name)),
            None => "-".to_owned(),
        }
    }
}

/// A table that peers share.
#[derive(Clone, Debug)]
pub struct PeersTable {
    /// The table.
    pub table: Arc<Table>,
    /// The name by which peers know it.
    pub name: String,
    /// `write-to`: where some of what is learned is written too.
    pub write_to: Option<Arc<Table>>,
}
