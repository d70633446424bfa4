//! Functions that the host runs, each under a name of its own.

use std::fmt;
use std::sync::{Arc, Weak};

use crate::account::{Counters, Stats};
use crate::core::{Core, Dead};
use crate::limits::Compiled;

/// A Lua function that contexts can run: found in constant time, named in every [`Failure`](crate::Failure),
/// and accounted. Made by [`Vm::entry`](crate::Vm::entry); clones are the same entry.
#[derive(Clone)]
pub struct Entry {
    pub(crate) inner: Arc<EntryInner>,
}

pub(crate) struct EntryInner {
    pub(crate) name: Arc<str>,
    pub(crate) reference: i32,
    /// Which state it belongs to; compared, and followed only to release the reference.
    pub(crate) core: Weak<Core>,
    pub(crate) counters: Counters,
    /// Those of its runs, where the context has none of its own.
    pub(crate) limits: Option<Compiled>,
}

impl Entry {
    /// The name given by the host.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Whether both are the same entry.
    pub fn is(&self, other: &Entry) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// What all its runs used so far.
    pub fn stats(&self) -> Stats {
        self.inner.counters.stats()
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

impl Drop for EntryInner {
    fn drop(&mut self) {
        // Whoever drops it may be on any thread and inside any lock: the reference is released later.
        if let Some(core) = self.core.upgrade() {
            core.bury(Dead::Reference(self.reference));
        }
    }
}
