//! Names for transactions that outlive them safely.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use crate::txn::Txn;

/// A name for a transaction: small, `Copy`, and good for nothing once the transaction has ended or on another worker.
///
/// Scripts keep objects for as long as they like; what they keep is this, never the transaction itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TxnHandle {
    worker: u32,
    slot: u32,
    generation: u64,
}

impl TxnHandle {
    /// The index of the worker that serves (or served) the transaction.
    pub fn worker(self) -> usize {
        self.worker as usize
    }
}

/// The transaction of this name, if it is still running and this is its worker's thread.
pub fn lookup(handle: TxnHandle) -> Option<Rc<Txn>> {
    SLAB.with_borrow(|slab| {
        let slot = slab.slots.get(handle.slot as usize)?;
        if slot.generation != handle.generation || slot.worker != handle.worker {
            return None;
        }
        slot.txn.upgrade().filter(|txn| !txn.is_closed())
    })
}

struct Slot {
    worker: u32,
    generation: u64,
    txn: Weak<Txn>,
}

#[derive(Default)]
struct Slab {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

thread_local! {
    static SLAB: RefCell<Slab> = RefCell::default();
}

/// Generations never repeat in the process, so a handle that wandered to another thread matches nothing there.
static GENERATION: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);

pub(crate) fn register(txn: &Rc<Txn>, worker: usize) -> TxnHandle {
    let worker = u32::try_from(worker).unwrap_or(u32::MAX);
    let generation = GENERATION.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let entry = Slot {
        worker,
        generation,
        txn: Rc::downgrade(txn),
    };
    SLAB.with_borrow_mut(|slab| {
        let free = slab.free.pop();
        let slot = match free.and_then(|at| slab.slots.get_mut(at as usize).map(|slot| (at, slot))) {
            Some((at, slot)) => {
                *slot = entry;
                at
            }
            None => {
                slab.slots.push(entry);
                u32::try_from(slab.slots.len() - 1).unwrap_or(u32::MAX)
            }
        };
        TxnHandle {
            worker,
            slot,
            generation,
        }
    })
}

pub(crate) fn release(handle: TxnHandle) {
    // A thread-local may be gone already when the thread ends.
    let _ = SLAB.try_with(|slab| {
        let mut slab = slab.borrow_mut();
        if let Some(slot) = slab.slots.get_mut(handle.slot as usize)
            && slot.generation == handle.generation
        {
            slot.generation = 0;
            slot.txn = Weak::new();
            slab.free.push(handle.slot);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_worthless_on_another_thread() {
        let txn = Txn::detached().build();
        let handle = txn.handle();
        assert!(lookup(handle).is_some());
        let elsewhere = std::thread::spawn(move || {
            let other = Txn::detached().build();
            let _ = other.handle();
            lookup(handle).is_none()
        });
        assert!(elsewhere.join().unwrap());
    }

    #[test]
    fn slots_are_reused_with_a_new_generation() {
        let first = Txn::detached().build();
        let old = first.handle();
        first.close();
        let second = Txn::detached().build();
        let new = second.handle();
        assert_eq!(old.slot, new.slot);
        assert!(lookup(old).is_none() && lookup(new).is_some());
    }
}
