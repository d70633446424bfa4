//! Plain functions: native closures of our own, which pass nothing through mlua.
//!
//! Two frames share one call. The inner one is ordinary Rust: it reads the arguments, runs the host's code and
//! pushes the results, or leaves a text. By the time it returns, all that it held is dropped. The outer one has
//! nothing but the [`Came`] that it is told, so it may raise, yield or make a string.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use mlua::ffi::{self, lua_CFunction, lua_State};
use mlua::{Error, Function, IntoLuaMulti, Lua, Result};

use super::frame::{raise, resumed};
use super::passing::{Text, text};
use super::{Suspended, panic_text, start};
use crate::plain::{PlainArgs, PlainResults, Wrong};
use crate::{core, hook, left};

/// Makes a Lua function of `f`, which takes and gives plain values only: it costs a third of
/// [`function`](super::function), and behaves as one in every other respect.
///
/// What such a function does not get is the state: it can neither keep a script's values nor make tables.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tidegate_exec::{Chars, Said, Vm, VmOptions, plain};
///
/// let vm = Vm::per_thread(VmOptions::default())?;
/// vm.enter(|lua| {
///     let greet = plain(lua, "greet", |name: Chars| Ok(Said([b"hello ", &*name].concat())))?;
///     lua.globals().set("greet", greet)
/// })??;
/// assert_eq!(vm.enter(|lua| lua.load("return greet('you')").eval::<String>())??, "hello you");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the state has no memory for the function.
pub fn plain<F, A, R>(lua: &Lua, name: &str, f: F) -> Result<Function>
where
    F: Fn(A) -> Result<R> + Send + 'static,
    A: PlainArgs,
    R: PlainResults,
{
    make(lua, name, f, call::<F, A, R>)
}

/// What an operation came to when it was called.
#[derive(Debug)]
pub enum Begun<R, Fut> {
    /// It is done, and nothing has to be waited for.
    Done(R),
    /// It is done when this is.
    Waits(Fut),
}

/// As [`operation`](super::operation), for plain values only. One that is often done at once says so with
/// [`Begun::Done`], which spares its future.
///
/// # Errors
/// When the state has no memory for the function.
pub fn plain_operation<F, A, Fut, R>(lua: &Lua, name: &str, f: F) -> Result<Function>
where
    F: Fn(A) -> Result<Begun<R, Fut>> + Send + 'static,
    A: PlainArgs,
    Fut: Future<Output = Result<R>> + 'static,
    R: PlainResults + IntoLuaMulti + 'static,
{
    make(lua, name, f, call_operation::<F, A, Fut, R>)
}

/// A host function with its name.
struct Host<F> {
    name: Arc<str>,
    f: F,
}

/// What the closure's upvalue holds: a boxed [`Host`], until the collector takes it.
struct Holder {
    host: *mut (),
    release: unsafe fn(*mut ()),
}

/// How the inner frame ended.
enum Came {
    /// With so many results on the stack.
    With(i32),
    /// The same, and the first of them is a text that was left.
    Saying(i32),
    /// The future of an operation waits with the run.
    Suspended,
    /// A text was left that says what went wrong.
    Failed,
    /// There was no memory.
    NoMemory,
}

fn make<F>(lua: &Lua, name: &str, f: F, call: lua_CFunction) -> Result<Function>
where
    F: Send + 'static,
{
    unsafe fn release<F>(host: *mut ()) {
        // SAFETY: called once, with what `make` took out of a box of that type.
        drop(unsafe { Box::from_raw(host.cast::<Host<F>>()) });
    }
    let host = Box::into_raw(Box::new(Host { name: name.into(), f }));
    let mut is_held = false;
    let held: *mut bool = &raw mut is_held;
    // SAFETY: runs in protected mode on a stack with room for a native function's 20 values; the closure has no
    // destructor, and what it is given lives until this call is over.
    let made = unsafe {
        lua.exec_raw::<Function>((), |l| {
            let holder = ffi::lua_newuserdatauv(l, size_of::<Holder>(), 0).cast::<Holder>();
            holder.write(Holder {
                host: std::ptr::null_mut(),
                release: release::<F>,
            });
            push_metatable(l);
            ffi::lua_setmetatable(l, -2);
            (*holder).host = host.cast();
            *held = true;
            ffi::lua_pushcclosure(l, call, 1);
        })
    };
    if !is_held {
        // SAFETY: nobody else took it.
        unsafe { release::<F>(host.cast()) };
    }
    made
}

/// Pushes the metatable of all holders, made when first needed.
///
/// # Safety
/// In protected mode, with room for three values.
unsafe fn push_metatable(l: *mut lua_State) {
    static KEY: u8 = 0;
    // SAFETY: as promised by the caller.
    unsafe {
        if ffi::lua_rawgetp(l, ffi::LUA_REGISTRYINDEX, (&raw const KEY).cast()) == ffi::LUA_TTABLE {
            return;
        }
        ffi::lua_settop(l, -2);
        ffi::lua_createtable(l, 0, 1);
        ffi::lua_pushcfunction(l, collect);
        ffi::lua_setfield(l, -2, c"__gc".as_ptr());
        ffi::lua_pushvalue(l, -1);
        ffi::lua_rawsetp(l, ffi::LUA_REGISTRYINDEX, (&raw const KEY).cast());
    }
}

/// The finalizer of a holder, which no script can get at: neither at a native function's upvalue nor at the
/// metatable of userdata.
unsafe extern "C-unwind" fn collect(l: *mut lua_State) -> i32 {
    // SAFETY: called by the collector with a holder that `make` filled.
    unsafe {
        let holder = ffi::lua_touserdata(l, 1).cast::<Holder>();
        if let Some(holder) = holder.as_mut() {
            let host = std::mem::replace(&mut holder.host, std::ptr::null_mut());
            if !host.is_null() {
                // A panic has nowhere to go from here.
                let _ = catch_unwind(AssertUnwindSafe(|| (holder.release)(host)));
            }
        }
    }
    0
}

/// The host function of the closure that `l` runs; `None` in finalizers that run after its own.
///
/// # Safety
/// `l` must run a closure that [`make`] made for an `F`, which lives as long as it runs.
#[inline(always)]
unsafe fn host<'a, F>(l: *mut lua_State) -> Option<&'a Host<F>> {
    // SAFETY: the caller's.
    unsafe {
        let holder = ffi::lua_touserdata(l, ffi::lua_upvalueindex(1)).cast::<Holder>();
        (*holder).host.cast::<Host<F>>().as_ref()
    }
}

/// The outer frame of a plain function.
unsafe extern "C-unwind" fn call<F, A, R>(l: *mut lua_State) -> i32
where
    F: Fn(A) -> Result<R>,
    A: PlainArgs,
    R: PlainResults,
{
    // SAFETY: called by Lua, under the lock, as a closure of `make`; nothing here has a destructor.
    unsafe { finish(l, answer::<F, A, R>(l)) }
}

/// The outer frame of a plain operation.
unsafe extern "C-unwind" fn call_operation<F, A, Fut, R>(l: *mut lua_State) -> i32
where
    F: Fn(A) -> Result<Begun<R, Fut>>,
    A: PlainArgs,
    Fut: Future<Output = Result<R>> + 'static,
    R: PlainResults + IntoLuaMulti + 'static,
{
    // SAFETY: as for `call`.
    unsafe { finish(l, begin::<F, A, Fut, R>(l)) }
}

/// # Safety
/// Called by a frame without destructors with what its inner frame came to.
#[inline(always)]
unsafe fn finish(l: *mut lua_State, came: Came) -> i32 {
    // SAFETY: as promised by the caller. The results are on top, or the text that was left belongs there.
    unsafe {
        match came {
            Came::With(n) => n,
            Came::Saying(n) => {
                left::say(l, n);
                n
            }
            Came::Suspended => {
                ffi::lua_settop(l, 0);
                ffi::lua_pushlightuserdata(l, core::suspended());
                ffi::lua_yieldk(l, 1, 0, Some(resumed))
            }
            Came::Failed => {
                ffi::lua_settop(l, 0);
                ffi::lua_pushnil(l);
                left::say(l, 1);
                raise(l)
            }
            Came::NoMemory => {
                ffi::lua_settop(l, 0);
                // Lua has made this string beforehand.
                ffi::lua_pushstring(l, c"not enough memory".as_ptr());
                ffi::lua_error(l)
            }
        }
    }
}

/// The inner frame of a plain function.
///
/// # Safety
/// As for [`host`].
unsafe fn answer<F, A, R>(l: *mut lua_State) -> Came
where
    F: Fn(A) -> Result<R>,
    A: PlainArgs,
    R: PlainResults,
{
    // SAFETY: the caller's.
    unsafe {
        let Some(host) = host::<F>(l) else {
            return gone();
        };
        guarded(l, &host.name, || {
            let args = read::<A>(l, &host.name)?;
            give(l, (host.f)(args)?)
        })
    }
}

/// The inner frame of a plain operation.
///
/// # Safety
/// As for [`host`].
unsafe fn begin<F, A, Fut, R>(l: *mut lua_State) -> Came
where
    F: Fn(A) -> Result<Begun<R, Fut>>,
    A: PlainArgs,
    Fut: Future<Output = Result<R>> + 'static,
    R: PlainResults + IntoLuaMulti + 'static,
{
    // SAFETY: the caller's.
    unsafe {
        let Some(host) = host::<F>(l) else {
            return gone();
        };
        guarded(l, &host.name, || {
            let args = read::<A>(l, &host.name)?;
            match start(l, &host.name, || (host.f)(args))? {
                Suspended::Not(results) => give(l, results),
                Suspended::Waits => Ok(Came::Suspended),
            }
        })
    }
}

/// # Safety
/// As for [`host`].
#[inline(always)]
unsafe fn read<A: PlainArgs>(l: *mut lua_State, name: &str) -> Result<A> {
    // SAFETY: the caller's; native functions have 20 slots beyond their arguments.
    unsafe { A::read_all(l, 1) }.map_err(|(position, wrong)| refused(name, position, wrong))
}

/// # Safety
/// As for [`host`].
#[inline(always)]
unsafe fn give<R: PlainResults>(l: *mut lua_State, results: R) -> Result<Came> {
    left::forget();
    // SAFETY: the caller's; there are fewer results than slots.
    let n = unsafe { results.push(l, true) }?;
    Ok(if left::is_there() {
        Came::Saying(n)
    } else {
        Came::With(n)
    })
}

/// Runs host code; its panic dooms the run.
///
/// # Safety
/// `l` must be the coroutine that runs, with the state's lock held.
#[inline(always)]
unsafe fn guarded(l: *mut lua_State, name: &str, f: impl FnOnce() -> Result<Came>) -> Came {
    let error = match catch_unwind(AssertUnwindSafe(f)) {
        Ok(Ok(came)) => return came,
        Ok(Err(error)) => error,
        Err(payload) => {
            let message = format!("`{name}` panicked: {}", panic_text(&*payload));
            // SAFETY: the caller's.
            unsafe { hook::panicked(l, &message) };
            Error::runtime(message)
        }
    };
    failed(&error, name)
}

#[cold]
fn failed(error: &Error, name: &str) -> Came {
    match text(error, name) {
        Text::Message(message) => {
            left::leave(message.as_bytes());
            Came::Failed
        }
        Text::OutOfMemory => Came::NoMemory,
    }
}

#[cold]
fn gone() -> Came {
    left::leave(b"this function of the host is gone");
    Came::Failed
}

#[cold]
fn refused(name: &str, position: i32, wrong: Wrong) -> Error {
    let why = match wrong {
        Wrong::Type { to, from } => format!("{to} expected, got {from}"),
        Wrong::Value(why) => why.to_owned(),
        Wrong::Memory => return Error::MemoryError("not enough memory".into()),
    };
    Error::runtime(format!("bad argument #{position} to '{name}' ({why})"))
}
