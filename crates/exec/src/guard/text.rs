//! A short text that is put together on the native stack, and becomes a Lua string once it is whole.

use std::mem::MaybeUninit;

use mlua::ffi::{self, lua_State};

/// At most `N` bytes on the native stack. A Lua error may jump over it.
pub(super) struct Text<const N: usize> {
    bytes: [MaybeUninit<u8>; N],
    length: usize,
}

impl<const N: usize> Text<N> {
    #[inline(always)]
    pub(super) const fn new() -> Self {
        Self {
            bytes: [const { MaybeUninit::uninit() }; N],
            length: 0,
        }
    }

    fn bytes(&self) -> &[u8] {
        let written = self.bytes.get(..self.length).unwrap_or(&[]);
        // SAFETY: the first `length` bytes have been written.
        unsafe { &*(std::ptr::from_ref(written) as *const [u8]) }
    }

    /// Makes a Lua string of it, on the top of the stack.
    ///
    /// # Safety
    /// A free slot; nothing in the frames above may need dropping.
    pub(super) unsafe fn push_to(&self, state: *mut lua_State) {
        let bytes = self.bytes();
        // SAFETY: the caller's; Lua copies the bytes.
        unsafe { ffi::lua_pushlstring(state, bytes.as_ptr().cast(), bytes.len()) };
    }

    /// As all that add something: `None`, and nothing added, if there is no room for it.
    #[inline(always)]
    pub(super) fn push(&mut self, byte: u8) -> Option<()> {
        self.bytes.get_mut(self.length)?.write(byte);
        self.length += 1;
        Some(())
    }

    #[inline(always)]
    pub(super) fn push_all(&mut self, bytes: &[u8]) -> Option<()> {
        let room = self.bytes.get_mut(self.length..)?.get_mut(..bytes.len())?;
        // SAFETY: `room` is as long as `bytes`, and part of no Lua string.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), room.as_mut_ptr().cast(), bytes.len()) };
        self.length += bytes.len();
        Some(())
    }

    #[inline(always)]
    pub(super) fn push_integer(&mut self, value: i64) -> Option<()> {
        // As many digits as the longest has, filled from the end.
        let mut digits = [0; 20];
        let mut left = value.unsigned_abs();
        let mut begin = digits.len();
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (left % 10) as u8;
            left /= 10;
            begin -= 1;
            if left == 0 {
                break;
            }
        }
        if value < 0 {
            self.push(b'-')?;
        }
        self.push_all(digits.get(begin..)?)
    }
}
