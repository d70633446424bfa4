//! The tables of a configuration, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::table::{Table, TableSpec};
use super::verdict::Verdicts;

/// The tables of a configuration.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    all: BTreeMap<String, Arc<Table>>,
    /// What responses count as, in all of them.
    pub verdicts: Verdicts,
}

impl Tables {
    /// Adds a table. One of the same name takes its place.
    pub fn add(&mut self, spec: TableSpec) -> Arc<Table> {
        let name = spec.name.clone();
        let table = Arc::new(Table::new(spec));
        self.all.insert(name, table.clone());
        table
    }

    /// The table of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Arc<Table>> {
        self.all.get(name)
    }

    /// All tables, in the order of their names.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.all.values()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Forgets what is out of date in all of them.
    pub fn expire(&self, now: u64) {
        self.all().for_each(|table| table.expire(now));
    }
}
