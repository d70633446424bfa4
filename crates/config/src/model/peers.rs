//! Other instances that stick tables are shared with.

use tidegate_sample::stick::TableSpec;

use super::address::Bind;
use super::log::LogTarget;
use super::server::Server;
use crate::source::Spanned;

/// A `peers` section.
#[derive(Debug)]
pub struct Peers {
    /// Its name.
    pub name: Spanned<String>,
    /// `peer` and `server` lines.
    pub peers: Vec<Peer>,
    /// `bind` lines.
    pub binds: Vec<Bind>,
    /// `disabled`: nothing is shared.
    pub disabled: bool,
    /// `log` lines.
    pub logs: Vec<LogTarget>,
    /// `log global`: those of the `global` section too.
    pub logs_global: bool,
    /// `shards`: among how many peers the keys of tables are divided; 0 for no such division.
    pub shards: u32,
    /// `table` lines. Their names have the section's before them.
    pub tables: Vec<Spanned<TableSpec>>,
}

/// A `peer` or `server` line of a `peers` section.
#[derive(Debug)]
pub struct Peer {
    /// How it is connected to.
    pub server: Server,
    /// Whether an address was given.
    pub has_address: bool,
    /// Where that address is listened on, should this be the process itself; none if it can't be.
    pub bind: Option<Bind>,
    /// `shard`: the part of the keys that it hears of; 0 for all.
    pub shard: u32,
}
