//! What a run that ended in an error leaves behind, read into Rust before the coroutine goes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mlua::ffi::{self, lua_State};
use mlua::state::RawLua;
use mlua::{Error, Value};

use crate::core::{Core, Doom};
use crate::hook;
use crate::host::panic_text;
use crate::outcome::{Failure, FailureKind};
use crate::traceback::Traceback;

/// A longer message is cut: it goes into logs.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Reads the failure of `l`, whose error value, if it ended in one, is on top of its stack.
///
/// # Safety
/// The state's lock must be held; `l` must have ended in an error, or be suspended and doomed.
pub(crate) unsafe fn report(
    core: &Core,
    raw: &RawLua,
    l: Option<*mut lua_State>,
    doom: Option<Doom>,
    status: i32,
) -> Failure {
    if let Some(Doom {
        kind,
        message,
        traceback,
    }) = doom
    {
        return failure(kind, Some(message), traceback);
    }
    let kind = kind_of(status);
    let Some(l) = l else {
        return failure(kind, Some(kind.to_string()), Traceback::default());
    };
    // SAFETY: as promised by the caller.
    unsafe {
        let traceback = Traceback::capture(&[], l);
        match kind {
            FailureKind::OutOfMemory | FailureKind::Unknown(_) => {
                failure(kind, Some(kind.to_string()), traceback)
            }
            _ => match message(core, raw, l) {
                Message::Text(text) if kind == FailureKind::Runtime && text == "not enough memory" => {
                    failure(
                        FailureKind::OutOfMemory,
                        Some(FailureKind::OutOfMemory.to_string()),
                        traceback,
                    )
                }
                Message::Text(text) => failure(kind, Some(text), traceback),
                Message::Is(kind, text) => failure(kind, Some(text), traceback),
                Message::None => failure(FailureKind::NoMessage, None, traceback),
            },
        }
    }
}

fn kind_of(status: i32) -> FailureKind {
    match status {
        ffi::LUA_ERRRUN => FailureKind::Runtime,
        ffi::LUA_ERRMEM => FailureKind::OutOfMemory,
        ffi::LUA_ERRERR => FailureKind::MessageHandler,
        other => FailureKind::Unknown(other),
    }
}

fn failure(kind: FailureKind, message: Option<String>, traceback: Traceback) -> Failure {
    let Traceback { text, script, line } = traceback;
    Failure {
        kind,
        message,
        traceback: text,
        script,
        line,
        entry: "".into(),
    }
}

enum Message {
    Text(String),
    Is(FailureKind, String),
    None,
}

unsafe fn message(core: &Core, raw: &RawLua, l: *mut lua_State) -> Message {
    // SAFETY: as promised by the caller of `report`; the value is moved to a stack that can run code.
    unsafe {
        if ffi::lua_gettop(l) == 0 {
            return Message::None;
        }
        match ffi::lua_type(l, -1) {
            ffi::LUA_TSTRING => copied(l),
            ffi::LUA_TUSERDATA => match host_error(raw, l) {
                Some(message) => message,
                None => rendered(core, raw, l),
            },
            _ => rendered(core, raw, l),
        }
    }
}

/// The string on top of the stack, as far as there is memory for it.
unsafe fn copied(l: *mut lua_State) -> Message {
    // SAFETY: a string is on top, so reading it converts nothing.
    let bytes = unsafe {
        let mut len = 0;
        let start = ffi::lua_tolstring(l, -1, &mut len);
        std::slice::from_raw_parts(start.cast::<u8>(), len.min(MESSAGE_BYTES_MAX))
    };
    let mut text = String::new();
    if no_room() || text.try_reserve(bytes.len()).is_err() {
        return Message::None;
    }
    text.push_str(&String::from_utf8_lossy(bytes));
    Message::Text(text)
}

/// An error that mlua raised itself.
unsafe fn host_error(raw: &RawLua, l: *mut lua_State) -> Option<Message> {
    // SAFETY: the value is copied to the current stack, whose room is checked, and popped from there.
    let value = unsafe {
        let to = raw.state();
        if ffi::lua_checkstack(to, 2) == 0 || ffi::lua_checkstack(l, 1) == 0 {
            return Some(Message::None);
        }
        ffi::lua_pushvalue(l, -1);
        ffi::lua_xmove(l, to, 1);
        catch_unwind(AssertUnwindSafe(|| raw.pop_value()))
    };
    match value {
        Ok(Value::Error(error)) => Some(described(&error)),
        Ok(_) => None,
        Err(payload) => Some(Message::Is(
            FailureKind::HostPanic,
            panic_text(&*payload).to_owned(),
        )),
    }
}

/// Looks whether the error on top of `l`'s stack, which a script is about to catch, is a panic that mlua
/// caught in a function of its own making; if so, what runs is ended.
///
/// # Safety
/// `l` must be the coroutine that runs, with the state's lock held.
pub(crate) unsafe fn note_panic(l: *mut lua_State) {
    // SAFETY: as promised by the caller; nothing in here raises.
    unsafe {
        if ffi::lua_type(l, -1) != ffi::LUA_TUSERDATA {
            return;
        }
        let Some(core) = crate::core::of(l) else { return };
        if let Some(Message::Is(FailureKind::HostPanic, text)) =
            core.lua.exec_raw_lua(|raw| host_error(raw, l))
        {
            hook::panicked(l, &format!("a host function panicked: {text}"));
        }
    }
}

fn described(error: &Error) -> Message {
    match error {
        Error::MemoryError(_) => Message::Is(FailureKind::OutOfMemory, FailureKind::OutOfMemory.to_string()),
        Error::CallbackError { cause, .. } | Error::WithContext { cause, .. } => described(cause),
        Error::RuntimeError(text) => Message::Text(text.clone()),
        other => Message::Text(other.to_string()),
    }
}

/// The value's own text if it has one, else what kind of value it is.
unsafe fn rendered(core: &Core, raw: &RawLua, l: *mut lua_State) -> Message {
    unsafe extern "C-unwind" fn to_text(l: *mut lua_State) -> i32 {
        // SAFETY: called in protected mode with one value; nothing here has a destructor.
        unsafe {
            ffi::luaL_tolstring(l, 1, std::ptr::null_mut());
            1
        }
    }
    // SAFETY: the lock is held; the value goes to the current stack, whose room is checked, and the call
    // is protected and watched.
    unsafe {
        let kind = ffi::lua_type(l, -1);
        let name = std::ffi::CStr::from_ptr(ffi::lua_typename(l, kind)).to_string_lossy();
        let plain = Message::Text(format!("(error object is a {name} value)"));
        let to = raw.state();
        if ffi::lua_checkstack(to, 4) == 0 {
            return plain;
        }
        let top = ffi::lua_gettop(to);
        ffi::lua_pushcfunction(to, to_text);
        ffi::lua_xmove(l, to, 1);
        let has_text = kind == ffi::LUA_TNUMBER || has_metamethod(to);
        let message = if has_text && core.aside(to, |_| ffi::lua_pcall(to, 1, 1, 0)) == ffi::LUA_OK {
            copied(to)
        } else {
            plain
        };
        ffi::lua_settop(to, top);
        message
    }
}

/// True if the value on top has a `__tostring`. Asked without making a string, which could raise.
unsafe fn has_metamethod(l: *mut lua_State) -> bool {
    // SAFETY: the caller checked for room; iterating a metatable's raw fields raises nothing.
    unsafe {
        if ffi::lua_getmetatable(l, -1) == 0 {
            return false;
        }
        let table = ffi::lua_gettop(l);
        let mut found = false;
        ffi::lua_pushnil(l);
        while ffi::lua_next(l, table) != 0 {
            ffi::lua_pop(l, 1);
            if ffi::lua_type(l, -1) == ffi::LUA_TSTRING {
                let mut len = 0;
                let key = ffi::lua_tolstring(l, -1, &mut len);
                if std::slice::from_raw_parts(key.cast::<u8>(), len) == b"__tostring" {
                    found = true;
                    break;
                }
            }
        }
        ffi::lua_settop(l, table - 1);
        found
    }
}

/// Lets a test see what happens when there is no memory even for a message.
fn no_room() -> bool {
    #[cfg(test)]
    return tests::NO_ROOM.get();
    #[cfg(not(test))]
    false
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::cell::Cell;

    thread_local! {
        pub(crate) static NO_ROOM: Cell<bool> = const { Cell::new(false) };
    }

    #[test]
    fn s11_each_status_has_a_kind_and_a_text_of_its_own() {
        let texts =
            [ffi::LUA_ERRRUN, ffi::LUA_ERRMEM, ffi::LUA_ERRERR, 77].map(|status| kind_of(status).to_string());
        assert_eq!(
            texts,
            [
                "runtime error",
                "out of memory",
                "error in the message handler",
                "unknown status 77"
            ]
        );
    }
}
