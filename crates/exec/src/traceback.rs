//! The stack at the place of a failure, read without asking Lua for memory.

use std::ffi::CStr;
use std::fmt::Write as _;

use mlua::ffi::{self, lua_Debug, lua_State};

/// Frames shown at either end of a deep stack, as stock Lua does.
const INNER: i32 = 10;
const OUTER: i32 = 11;

/// A rendered stack and where its innermost Lua function was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traceback {
    pub(crate) text: String,
    pub(crate) script: Option<String>,
    pub(crate) line: Option<u32>,
}

impl Traceback {
    /// Of `l`, then of the coroutines that wait for it, innermost first.
    ///
    /// # Safety
    /// All must be live coroutines of one state, whose lock is held.
    pub(crate) unsafe fn capture(chain: &[*mut lua_State], l: *mut lua_State) -> Self {
        let mut traceback = Traceback::default();
        for (depth, &l) in std::iter::once(&l).chain(chain.iter().rev()).enumerate() {
            if depth > 0 {
                traceback.text.push_str("\n\t(resumed by)");
            }
            // SAFETY: as promised by the caller.
            unsafe { traceback.add(l) };
        }
        if !traceback.text.is_empty() {
            traceback.text.insert_str(0, "stack traceback:");
        }
        traceback
    }

    unsafe fn add(&mut self, l: *mut lua_State) {
        // SAFETY: as promised by the caller of `capture`.
        let last = unsafe { last_level(l) };
        let mut level = 0;
        while level <= last {
            if level == INNER && last - level > OUTER {
                let skipped = last - level - OUTER + 1;
                let _ = write!(self.text, "\n\t...\t(skipping {skipped} levels)");
                level += skipped;
                continue;
            }
            // SAFETY: a zeroed `lua_Debug` is what `lua_getstack` expects to fill.
            let mut ar: lua_Debug = unsafe { std::mem::zeroed() };
            // SAFETY: `l` is live; these options neither allocate nor raise.
            unsafe {
                if ffi::lua_getstack(l, level, &mut ar) == 0 {
                    break;
                }
                ffi::lua_getinfo(l, c"Slnt".as_ptr(), &mut ar);
                self.frame(&ar);
            }
            level += 1;
        }
    }

    unsafe fn frame(&mut self, ar: &lua_Debug) {
        // SAFETY: `lua_getinfo` has filled these with strings that live as long as the function.
        let (source, what, name, namewhat) = unsafe {
            (
                CStr::from_ptr(ar.short_src.as_ptr()),
                text(ar.what),
                text(ar.name),
                text(ar.namewhat),
            )
        };
        let source = source.to_string_lossy();
        // Our own functions in Lua are no place that a person could look at.
        let line = u32::try_from(ar.currentline).ok().filter(|line| *line > 0);
        if self.script.is_none() && what != "C" {
            self.script = Some(source.clone().into_owned());
            self.line = line;
        }
        let _ = match line {
            Some(line) => write!(self.text, "\n\t{source}:{line}: in "),
            None => write!(self.text, "\n\t{source}: in "),
        };
        let _ = match (name.as_str(), what.as_str()) {
            ("", "main") => write!(self.text, "main chunk"),
            ("", "C") => write!(self.text, "?"),
            ("", _) => write!(self.text, "function <{source}:{}>", ar.linedefined),
            (name, _) if namewhat.is_empty() => write!(self.text, "function '{name}'"),
            (name, _) => write!(self.text, "{namewhat} '{name}'"),
        };
        if ar.istailcall != 0 {
            self.text.push_str("\n\t(...tail calls...)");
        }
    }
}

/// The outermost level, found in logarithmic steps since each look walks the list.
unsafe fn last_level(l: *mut lua_State) -> i32 {
    let exists = |level: i32| {
        // SAFETY: `l` is live, as the callers promise, and a zeroed record is what is expected.
        unsafe {
            let mut ar: lua_Debug = std::mem::zeroed();
            ffi::lua_getstack(l, level, &mut ar) != 0
        }
    };
    let (mut low, mut high) = (0, 1);
    while exists(high) {
        low = high;
        high *= 2;
    }
    if low == 0 && !exists(0) {
        return -1;
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if exists(middle) {
            low = middle
        } else {
            high = middle
        }
    }
    low
}

unsafe fn text(pointer: *const std::ffi::c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: Lua's strings end in a NUL.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}
