//! Stick tables: what is counted and kept for the keys that sessions have, such as their clients' addresses.
//!
//! Tables are shared by all threads. They know no time but the one that they are given: milliseconds on a clock that
//! never goes back, which is [`Session::ticks`](crate::Session::ticks) where a session asks.
//!
//! ```
//! use std::sync::Arc;
//! use tidegate_sample::stick::{Column, Count, DataType, KeyType, Table, TableSpec};
//!
//! let mut spec = TableSpec::new("clients", KeyType::Ipv4, 1000);
//! spec.columns.push(Column::rate(DataType::ConnRate, 10_000));
//! let table = Arc::new(Table::new(spec));
//!
//! let key = KeyType::Ipv4.parse("192.0.2.1").ok_or("not an address")?;
//! let tracked = table.track(&key, 0).ok_or("no room")?;
//! tracked.entry().count(Count::Connection, 1, 0);
//! assert_eq!(tracked.entry().get(DataType::ConnRate, 5_000), Some(1));
//! # Ok::<(), &str>(())
//! ```

mod count;
mod data;
mod entry;
mod key;
mod look;
mod rate;
mod rule;
mod shard;
mod sharing;
mod table;
mod tables;
mod text;
mod verdict;

pub use count::{Count, Counts};
pub use data::{ARRAY_MAX, Cell, Column, DataType, Form};
pub use entry::{EntryRef, Tracked};
pub use key::{Key, KeyType};
pub use rule::{CounterChange, EntryChange, Stick, Track};
pub use sharing::Told;
pub use table::{Removal, ServerKey, Table, TableSpec};
pub use tables::Tables;
pub use text::{Filter, Selection};
pub use verdict::{STATUSES, StatusSet, Verdicts};

pub(crate) use look::Ask;
