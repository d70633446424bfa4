//! What rules do with tables.

use super::data::{Cell, DataType};
use super::table::Table;
use crate::acl::Condition;
use crate::amount::Amount;
use crate::expr::Expr;
use crate::session::Way;
use std::sync::Arc;

/// `track-sc`: a stick counter is to track the entry of a key.
#[derive(Debug)]
pub struct Track {
    /// The number of the counter.
    pub counter: u32,
    /// The key.
    pub key: Expr,
    /// Where.
    pub table: Arc<Table>,
}

/// `sc-inc-gpc` and its kin: a change of the entry that a stick counter tracks.
#[derive(Debug)]
pub struct CounterChange {
    /// The number of the counter.
    pub counter: u32,
    /// What is done.
    pub change: EntryChange,
}

/// A change of an entry.
#[derive(Debug)]
pub enum EntryChange {
    /// A counter, and its rate, grow by this.
    Add {
        /// The counter.
        cell: Cell,
        /// How often it was incremented.
        rate: DataType,
        /// By how much.
        amount: Amount,
    },
    /// A tag is set.
    Set {
        /// The tag.
        cell: Cell,
        /// To what.
        to: Amount,
    },
}

/// A `stick` line: persistence by a table.
#[derive(Debug)]
pub struct Stick {
    /// Whether the server of the key is used.
    pub matches: bool,
    /// Whether the server that was used is stored, and for a key of which direction.
    pub stores: Option<Way>,
    /// The key.
    pub key: Expr,
    /// Where.
    pub table: Arc<Table>,
    /// When; always, if there is none.
    pub condition: Option<Condition>,
}
