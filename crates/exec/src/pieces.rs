//! What a state allocates: small pieces that it frees are kept at hand, by their size, for when it needs such again.
//!
//! Scripts make tables and strings and drop them, request after request, and the collector frees them in bursts. The
//! system's allocator keeps a few pieces of each size within reach and takes ten times as long for those beyond. A state is
//! used by one thread at a time, so that a list for each size is enough here.

use std::alloc::{self, Layout};
use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mlua::ffi::{self, lua_State};

use crate::hook;

/// Larger pieces are the system's at once.
const SIZE_MAX: usize = 256;

/// Smaller ones have no room for the link to the next.
const SIZE_MIN: usize = size_of::<*mut Piece>();

/// What grows to that many bytes doesn't once its run is past its burst, but lets it know: there is no memory. The interpreter follows
/// a `__call` that leads back to its own object without an instruction in between, in quadratic time up to the limit of its stack,
/// which takes minutes; that stack is what grows meanwhile.
const LOOKS_FROM: usize = 1 << 16;

/// The most bytes that are kept at hand. Past that all of them go back, so that sizes which nobody asks for any more make
/// room for others.
const KEPT_MAX: usize = 1 << 20;

/// One that nobody has, and the next of its size.
struct Piece {
    next: *mut Piece,
}

/// The pieces of one state, behind the address that its allocator is handed. All of it is used under the state's lock.
pub(crate) struct Pieces {
    /// Bytes that the state has, those at hand not counted.
    used: usize,
    limit: usize,
    /// Bytes at hand.
    kept: usize,
    /// Something was refused for want of room since this was last reset. Others look at it without the lock.
    pressed: Arc<AtomicBool>,
    /// The pieces of each size from [`SIZE_MIN`] on. They were allocated with that very size.
    free: [*mut Piece; SIZE_MAX - SIZE_MIN + 1],
    /// The allocator before this one, and what the state had when it was put in its place.
    before: (ffi::lua_Alloc, *mut c_void),
    before_used: usize,
}

impl Pieces {
    /// Has `main` allocate here from now on. What is refused is noted in `pressed`. Freed by [`uninstall`](Self::uninstall).
    ///
    /// # Safety
    /// `main` is a live state that this thread may use, whose allocator takes pieces of the size asked for from the
    /// program's global one, as mlua's does.
    pub(crate) unsafe fn install(
        main: *mut lua_State,
        limit: Option<usize>,
        pressed: Arc<AtomicBool>,
    ) -> *mut Pieces {
        let mut before_of: *mut c_void = ptr::null_mut();
        // SAFETY: as promised by the caller; reading and setting the allocator raises nothing. What the state has is
        // counted by Lua to the byte.
        unsafe {
            let before = ffi::lua_getallocf(main, &mut before_of);
            let used = counted(main);
            let pieces = Box::into_raw(Box::new(Pieces {
                used,
                limit: limit.unwrap_or(usize::MAX),
                kept: 0,
                pressed,
                free: [ptr::null_mut(); SIZE_MAX - SIZE_MIN + 1],
                before: (before, before_of),
                before_used: used,
            }));
            ffi::lua_setallocf(main, allocate, pieces.cast());
            pieces
        }
    }

    /// Puts the allocator from before in its place again, for a state that is to be closed: what it may allocate from here
    /// on by that one's own count is given. None without a limit.
    ///
    /// # Safety
    /// `pieces` is of [`install`](Self::install) for `main`, whose lock this thread holds, and isn't used after.
    pub(crate) unsafe fn uninstall(pieces: *mut Pieces, main: *mut lua_State) -> Option<usize> {
        // SAFETY: as promised by the caller. Every piece was allocated with the size that Lua frees it with, as the one
        // before does it.
        unsafe {
            let mut own = Box::from_raw(pieces);
            own.give_back();
            ffi::lua_setallocf(main, own.before.0, own.before.1);
            let left = own.limit.saturating_sub(own.used);
            (own.limit != usize::MAX).then(|| own.before_used.saturating_add(left).max(1))
        }
    }

    /// The most that the state may have.
    pub(crate) fn set_limit(&mut self, limit: Option<usize>) {
        self.limit = limit.unwrap_or(usize::MAX);
    }

    /// Gives the system what is at hand.
    #[cold]
    pub(crate) fn give_back(&mut self) {
        for (size, first) in (SIZE_MIN..).zip(&mut self.free) {
            let mut next = std::mem::replace(first, ptr::null_mut());
            while !next.is_null() {
                let piece = next;
                // SAFETY: a piece in the list is ours alone, holds a link, and was allocated with that size.
                unsafe {
                    next = (*piece).next;
                    alloc::dealloc(piece.cast(), layout(size));
                }
            }
        }
        self.kept = 0;
    }

    #[inline(always)]
    fn take(&mut self, size: usize) -> *mut u8 {
        if size > self.limit.saturating_sub(self.used) {
            return self.refuse();
        }
        if let Some(first) = self.free.get_mut(size.wrapping_sub(SIZE_MIN))
            && !first.is_null()
        {
            let piece = *first;
            // SAFETY: a piece in the list is ours alone and holds a link.
            *first = unsafe { (*piece).next };
            self.kept -= size;
            self.used += size;
            return piece.cast();
        }
        self.make(size)
    }

    #[cold]
    fn refuse(&self) -> *mut u8 {
        self.pressed.store(true, Ordering::Relaxed);
        ptr::null_mut()
    }

    #[inline(never)]
    fn make(&mut self, size: usize) -> *mut u8 {
        self.make_room(size);
        // Lua asks for no piece of that size, nor of none; a layout refuses it.
        if size == 0 || size > isize::MAX as usize - ffi::SYS_MIN_ALIGN {
            return ptr::null_mut();
        }
        // SAFETY: the size is not zero.
        let piece = unsafe { alloc::alloc(layout(size)) };
        if !piece.is_null() {
            self.used += size;
        }
        piece
    }

    /// What is at hand counts where there is a limit: it goes before anybody is refused.
    fn make_room(&mut self, more: usize) {
        if self.used.saturating_add(self.kept).saturating_add(more) > self.limit {
            self.give_back();
        }
    }

    /// # Safety
    /// `piece` was taken, with this size, and isn't used after.
    #[inline(always)]
    unsafe fn free(&mut self, piece: *mut u8, size: usize) {
        self.used = self.used.saturating_sub(size);
        if self.kept >= KEPT_MAX {
            self.give_back();
        }
        // SAFETY: as promised by the caller: it is nobody else's, and large enough for a link.
        unsafe {
            match self.free.get_mut(size.wrapping_sub(SIZE_MIN)) {
                Some(first) => {
                    let piece: *mut Piece = piece.cast();
                    piece.write(Piece { next: *first });
                    *first = piece;
                    self.kept += size;
                }
                None => alloc::dealloc(piece, layout(size)),
            }
        }
    }

    /// # Safety
    /// As for [`free`](Self::free), unless null is returned.
    #[inline(never)]
    unsafe fn resize(&mut self, piece: *mut u8, old: usize, new: usize) -> *mut u8 {
        // SAFETY: as promised by the caller; both are as long as what is copied.
        unsafe {
            if old <= SIZE_MAX && new <= SIZE_MAX {
                let copy = self.take(new);
                if !copy.is_null() {
                    ptr::copy_nonoverlapping(piece, copy, old.min(new));
                    self.free(piece, old);
                }
                return copy;
            }
            let more = new.saturating_sub(old);
            if more > 0 && new >= LOOKS_FROM && hook::is_past_burst() {
                return ptr::null_mut();
            }
            if more > self.limit.saturating_sub(self.used) || new > isize::MAX as usize - ffi::SYS_MIN_ALIGN {
                return self.refuse();
            }
            self.make_room(more);
            let moved = alloc::realloc(piece, layout(old), new);
            if !moved.is_null() {
                self.used = self.used.saturating_sub(old) + new;
            }
            moved
        }
    }
}

/// Bytes that a state has, as Lua counts them.
///
/// # Safety
/// `l` is a coroutine of a live state that this thread may use.
pub(crate) unsafe fn counted(l: *mut lua_State) -> usize {
    // SAFETY: reading the collector's counters has no effect and raises nothing.
    unsafe {
        let kib = ffi::lua_gc(l, ffi::LUA_GCCOUNT, 0);
        let rest = ffi::lua_gc(l, ffi::LUA_GCCOUNTB, 0);
        usize::try_from(kib).unwrap_or(0) * 1024 + usize::try_from(rest).unwrap_or(0)
    }
}

/// That of a piece of this size, which the system's allocator gives at least.
#[inline(always)]
fn layout(size: usize) -> Layout {
    // SAFETY: the alignment is a power of two; sizes were checked when the piece was made.
    unsafe { Layout::from_size_align_unchecked(size, ffi::SYS_MIN_ALIGN) }
}

/// The allocator that Lua calls.
unsafe extern "C" fn allocate(
    pieces: *mut c_void,
    piece: *mut c_void,
    old: usize,
    new: usize,
) -> *mut c_void {
    // SAFETY: Lua calls it under the state's lock with what `install` set, a piece that it has with the size that it took,
    // or none, in whose place `old` says what the new one is for.
    unsafe {
        let pieces = &mut *pieces.cast::<Pieces>();
        let moved = match (piece.is_null(), new) {
            (false, 0) => {
                pieces.free(piece.cast(), old);
                ptr::null_mut()
            }
            (true, 0) => ptr::null_mut(),
            (true, size) => pieces.take(size),
            (false, size) => pieces.resize(piece.cast(), old, size),
        };
        moved.cast()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Vm, VmOptions};

    /// What the state of `vm` allocates from.
    fn of(vm: &Vm) -> &Pieces {
        // SAFETY: the state is used by this test alone, and nothing runs while one looks.
        unsafe { &*vm.core.pieces }
    }

    fn run(vm: &Vm, source: &str) -> mlua::Result<()> {
        vm.enter(|lua| lua.load(source).exec()).unwrap()
    }

    const MAKES: &str = "for i = 1, 2000 do local t = { i, { n = i }, tostring(i) .. 'x' } end";

    #[test]
    fn what_is_in_use_is_what_lua_counts() {
        let vm = Vm::per_thread(VmOptions::default()).unwrap();
        for source in [
            MAKES,
            "kept = {} for i = 1, 999 do kept[i] = ('x'):rep(i) end",
            "kept = nil",
        ] {
            run(&vm, source).unwrap();
            // SAFETY: the main coroutine of a live state.
            assert_eq!(of(&vm).used, unsafe { counted(vm.core.main) }, "{source}");
        }
    }

    #[test]
    fn pieces_stay_at_hand_within_a_bound_and_go_when_all_garbage_is_collected() {
        let vm = Vm::per_thread(VmOptions::default()).unwrap();
        run(&vm, &format!("{MAKES} collectgarbage()")).unwrap();
        assert!(of(&vm).kept > 10_000, "{}", of(&vm).kept);
        run(
            &vm,
            "local t = {} for i = 1, 50000 do t[i] = { i } end t = nil collectgarbage()",
        )
        .unwrap();
        assert!(of(&vm).kept <= KEPT_MAX + SIZE_MAX, "{}", of(&vm).kept);
        vm.collect().unwrap();
        assert_eq!(of(&vm).kept, 0);
    }

    #[test]
    fn a_limit_holds_with_what_is_at_hand() {
        let vm = Vm::per_thread(VmOptions::default()).unwrap();
        run(&vm, &format!("{MAKES} collectgarbage()")).unwrap();
        let (used, kept) = (of(&vm).used, of(&vm).kept);
        assert!(kept > 30_000, "{kept}");
        vm.set_memory_limit(Some(used + kept + 8192)).unwrap();
        // More than there is room for as long as all of it is at hand; some of it is needed twice.
        let size = kept / 3;
        run(&vm, &format!("local t = ('x'):rep({size})")).unwrap();
        assert!(of(&vm).kept < kept);
        let too_much = format!("return ('x'):rep({})", kept + 65536);
        assert!(run(&vm, &too_much).is_err());
        vm.set_memory_limit(None).unwrap();
        run(&vm, &too_much).unwrap();
    }

    #[test]
    fn a_state_that_the_host_holds_on_to_goes_on() {
        let vm = Vm::per_thread(VmOptions::default()).unwrap();
        let lua = vm.enter(mlua::Lua::clone).unwrap();
        lua.load(MAKES).exec().unwrap();
        drop(vm);
        lua.load(MAKES).exec().unwrap();
        lua.load("collectgarbage()").exec().unwrap();
    }

    #[test]
    fn what_grows_and_shrinks_keeps_its_contents() {
        let vm = Vm::per_thread(VmOptions::default()).unwrap();
        let source = "local t = {} for i = 1, 100 do t[i] = i end
            for i = 1, 100 do assert(t[i] == i) end
            for i = 100, 3, -1 do t[i] = nil end
            t.x = 1 collectgarbage() t.y = 2 assert(t[1] == 1 and t[2] == 2 and t.x + t.y == 3)
            local s = '' for i = 1, 300 do s = s .. 'x' assert(#s == i and s == ('x'):rep(i)) end";
        run(&vm, source).unwrap();
    }
}
