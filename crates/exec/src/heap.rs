//! What the system's allocator has of the system, and what of it is in use: scripts and host take theirs from the same heap, so
//! who limits the one wants to know of the other.

/// A heap's size, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Heap {
    /// What it has asked the system for.
    pub held: usize,
    /// What of that the program uses now. The rest is kept for later: its pages may or may not be in memory.
    pub used: usize,
}

/// The heap of this process; none where the allocator can't be asked. Takes the allocator's locks for some microseconds.
#[must_use]
pub fn heap() -> Option<Heap> {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: it has no precondition, may be called from any thread, and gives numbers.
        let known = unsafe { libc::mallinfo2() };
        Some(Heap {
            held: known.arena + known.hblkhd,
            used: known.uordblks + known.hblkhd,
        })
    }
    #[cfg(not(target_env = "gnu"))]
    None
}

/// Gives the pages of the heap that nobody uses back to the system, and says whether there were any. Takes the allocator's locks
/// for some milliseconds for each 100 MiB that it holds, during which threads that allocate wait. Where the allocator can't be asked it
/// does nothing.
#[must_use]
pub fn give_back() -> bool {
    #[cfg(target_env = "gnu")]
    {
        // SAFETY: it has no precondition and may be called from any thread; only memory that nobody has is touched.
        unsafe { libc::malloc_trim(0) != 0 }
    }
    #[cfg(not(target_env = "gnu"))]
    false
}

#[cfg(all(test, target_env = "gnu"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_use_is_counted_and_what_was_let_go_can_be_given_back() {
        const BLOCK: usize = 4096;
        const BLOCKS: usize = 4096;
        let before = heap().unwrap();
        let mut blocks: Vec<Vec<u8>> = (0..BLOCKS).map(|_| vec![1; BLOCK]).collect();
        let full = heap().unwrap();
        assert!(
            full.used >= before.used + BLOCK * BLOCKS / 2,
            "{before:?} {full:?}"
        );
        assert!(full.held >= full.used);
        // One in sixteen stays, so that the heap can't just be made shorter.
        let mut nth = 0;
        blocks.retain(|_| {
            nth += 1;
            nth % 16 == 0
        });
        let after = heap().unwrap();
        assert!(after.used + BLOCK * BLOCKS / 2 <= full.used, "{full:?} {after:?}");
        assert!(give_back());
    }
}
