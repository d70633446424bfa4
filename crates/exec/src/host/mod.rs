//! Functions of the host that scripts call: plain ones, and *operations*, which wait.
//!
//! An error of a host function reaches Lua as a string with the place of the call, as Lua's own library
//! does it, so that scripts can match on it. It is raised by a frame that holds nothing (see [`frame`]),
//! so no jump ever crosses a Rust value that would have to be dropped.

mod frame;
mod passing;
mod plain;

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use mlua::ffi::{self, lua_State};
use mlua::state::RawLua;
use mlua::{Error, FromLuaMulti, Function, IntoLuaMulti, Lua, Result};

use crate::core::{self, Core, Run};
use crate::{coroutine, hook, protect};
use frame::{finish, finish_operation, finish_turn, wrap};
use passing::{Args, Returns, Started, text};

pub use frame::HOST_CHUNK;
pub use plain::{Begun, plain, plain_operation};

/// Makes a Lua function of `f`. An `Err` is raised in Lua with the text of the error and the place of the
/// call, and `pcall` catches it. A panic ends the run that called it, with
/// [`FailureKind::HostPanic`](crate::FailureKind::HostPanic), and `pcall` does not.
///
/// `name` is what error messages call it.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tidegate_exec::{Vm, VmOptions, function};
///
/// let vm = Vm::per_thread(VmOptions::default())?;
/// vm.enter(|lua| lua.globals().set("add", function(lua, "add", |_, (a, b): (i64, i64)| Ok(a + b))?))??;
/// assert_eq!(vm.enter(|lua| lua.load("return add(2, 3)").eval::<i64>())??, 5);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the state has no memory for the function.
pub fn function<F, A, R>(lua: &Lua, name: &str, f: F) -> Result<Function>
where
    F: Fn(&Lua, A) -> Result<R> + Send + 'static,
    A: FromLuaMulti,
    R: IntoLuaMulti,
{
    let name: Arc<str> = name.into();
    let inner = lua.create_function(move |lua, Args(args): Args<A>| {
        Ok(Returns(
            args.and_then(|args| guarded(lua, &name, || f(lua, args)))
                .map_err(|e| text(&e, &name)),
        ))
    })?;
    wrap(lua, inner, finish)
}

/// Makes a Lua function that *waits*: `f` gives a future, the calling context is suspended until it is
/// ready, and what it resolves to is what the function returns. It works at any depth of calls and
/// inside the script's own coroutines.
///
/// The future is polled once before anything is suspended: an operation that is ready at once is a call like
/// any other, and no yield. The future runs on the thread of its context and is dropped with it.
///
/// # Errors
/// When the state has no memory for the function. In Lua, calling it where nothing can wait raises an
/// error that names the place.
pub fn operation<F, A, Fut, R>(lua: &Lua, name: &str, f: F) -> Result<Function>
where
    F: Fn(&Lua, A) -> Result<Fut> + Send + 'static,
    A: FromLuaMulti,
    Fut: Future<Output = Result<R>> + 'static,
    R: IntoLuaMulti + 'static,
{
    let name: Arc<str> = name.into();
    let inner = lua.create_function(move |lua, Args(args): Args<A>| {
        let started = args.and_then(|args| {
            guarded(lua, &name, || {
                let l = lua.exec_raw_lua(RawLua::state);
                // SAFETY: a callback runs under the lock, on a coroutine of ours.
                unsafe { start(l, &name, || f(lua, args).map(Begun::Waits)) }
            })
        });
        Ok(match started {
            Ok(Suspended::Not(results)) => Started::Ready(results),
            Ok(Suspended::Waits) => Started::Suspended,
            Err(error) => Started::Failed(text(&error, &name)),
        })
    })?;
    wrap(lua, inner, finish_operation)
}

/// Makes a Lua function that lets others have their turn: the run that calls it stops with
/// [`Again::Turn`](crate::Again::Turn), at any depth of calls and inside the script's own coroutines.
///
/// # Errors
/// When the state has no memory for the function. In Lua, calling it where nothing can wait raises an
/// error that names the place.
pub fn turn(lua: &Lua, name: &str) -> Result<Function> {
    let name: Arc<str> = name.into();
    // Called where the outer frame could not yield, to say why.
    let inner = lua.create_function(move |lua, ()| {
        let l = lua.exec_raw_lua(RawLua::state);
        // SAFETY: a callback runs under the lock, on a coroutine of ours.
        Ok(match unsafe { may_wait(l, &name) } {
            Ok(_) => Started::<()>::Suspended,
            Err(error) => Started::Failed(text(&error, &name)),
        })
    })?;
    wrap(lua, inner, finish_turn)
}

/// Makes a Lua function that doesn't come back: `f` notes for the host that the run is to end, and it stops there, at any depth of
/// calls and inside the script's own coroutines. Where it may yield, that is a [`turn`] after which the host
/// drops it; elsewhere it ends with [`YieldNotAllowed`](crate::FailureKind::YieldNotAllowed), which the host knows to be meant.
///
/// # Errors
/// When the state has no memory for the function. In Lua, calling it inside a native function that cannot be left raises an
/// error that names the place.
pub fn parting<F, A>(lua: &Lua, name: &str, f: F) -> Result<Function>
where
    F: Fn(&Lua, A) -> Result<()> + Send + 'static,
    A: FromLuaMulti,
{
    let name: Arc<str> = name.into();
    let inner = lua.create_function(move |lua, Args(args): Args<A>| {
        let noted = args.and_then(|args| {
            guarded(lua, &name, || {
                let l = lua.exec_raw_lua(RawLua::state);
                // SAFETY: a callback runs under the lock, on a coroutine of ours.
                unsafe { may_wait(l, &name) }?;
                f(lua, args)
            })
        });
        Ok(match noted {
            Ok(()) => Started::<()>::Suspended,
            Err(error) => Started::Failed(text(&error, &name)),
        })
    })?;
    wrap(lua, inner, finish_operation)
}

/// A future that a suspended context waits for, and what comes of it.
pub(crate) trait Pending {
    /// Polls the future; once ready, [`push`](Self::push) has something to push.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()>;

    /// Pushes the results, or an error's text; says how many values that is, and whether it went well.
    ///
    /// # Safety
    /// The state's lock must be held and `raw` be it.
    unsafe fn push(self: Pin<&mut Self>, raw: &RawLua) -> Result<(i32, bool)>;
}

struct Op<F, R> {
    future: F,
    result: Option<Result<R>>,
    name: Arc<str>,
}

impl<F, R> Op<F, R> {
    /// What the future came to, once.
    fn take(self: Pin<&mut Self>) -> Option<Result<R>> {
        // SAFETY: nothing is moved out of the pinned future.
        unsafe { self.get_unchecked_mut() }.result.take()
    }
}

impl<F: Future<Output = Result<R>>, R: IntoLuaMulti> Pending for Op<F, R> {
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: `future` is pinned with the whole and never moved out of it; `result` is never pinned.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: as above.
        let future = unsafe { Pin::new_unchecked(&mut this.future) };
        future.poll(cx).map(|ready| this.result = Some(ready))
    }

    unsafe fn push(self: Pin<&mut Self>, raw: &RawLua) -> Result<(i32, bool)> {
        // SAFETY: nothing is moved out of the pinned future.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: as promised by the caller.
        unsafe {
            match this.result.take() {
                Some(Ok(values)) => {
                    let top = ffi::lua_gettop(raw.state());
                    match values.push_into_stack_multi(raw) {
                        Ok(n) => Ok((n, true)),
                        Err(error) => {
                            ffi::lua_settop(raw.state(), top);
                            Ok((text(&error, &this.name).push_into_stack_multi(raw)?, false))
                        }
                    }
                }
                Some(Err(error)) => Ok((text(&error, &this.name).push_into_stack_multi(raw)?, false)),
                None => Err(Error::runtime(
                    "an operation was asked for its results before it had any",
                )),
            }
        }
    }
}

/// What became of an operation that began.
enum Suspended<R> {
    /// It is done already.
    Not(R),
    /// Its future waits with the run, or the host will end the run when it sees the yield.
    Waits,
}

/// Begins an operation where the run can wait for it, and leaves it with the run unless it is ready at once.
///
/// # Safety
/// `l` must be the coroutine that runs, with the state's lock held.
unsafe fn start<Fut, R>(
    l: *mut lua_State,
    name: &Arc<str>,
    begin: impl FnOnce() -> Result<Begun<R, Fut>>,
) -> Result<Suspended<R>>
where
    Fut: Future<Output = Result<R>> + 'static,
    R: IntoLuaMulti + 'static,
{
    // SAFETY: the caller's.
    if !unsafe { may_wait(l, name) }? {
        return Ok(Suspended::Waits);
    }
    let future = match begin()? {
        Begun::Done(results) => return Ok(Suspended::Not(results)),
        Begun::Waits(future) => future,
    };
    let mut op = Box::pin(Op {
        future,
        result: None,
        name: Arc::clone(name),
    });
    // Whoever steps the run polls again before it waits, and is who is to be woken.
    if op
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
        .is_ready()
        && let Some(result) = op.as_mut().take()
    {
        return result.map(Suspended::Not);
    }
    // SAFETY: the caller's.
    if let Some(run) = unsafe { core::of(l) }.and_then(Core::current) {
        *run.pending.borrow_mut() = Some(op);
    }
    Ok(Suspended::Waits)
}

/// Whether an operation may begin here: an error where nothing can wait, and false where the host will end the
/// run when it sees the yield.
///
/// # Safety
/// As for [`start`].
unsafe fn may_wait(l: *mut lua_State, name: &str) -> Result<bool> {
    // SAFETY: the caller's.
    let run = unsafe { core::of(l) }.and_then(Core::current);
    let Some(run) = run.filter(|run| !run.slot.is_null()) else {
        return Err(Error::runtime(format!(
            "`{name}` has to wait, which only works inside a context"
        )));
    };
    if !run.yielding {
        return Ok(false);
    }
    // SAFETY: `l` is the coroutine that runs.
    if unsafe { hook::can_yield(run, l) } {
        return Ok(true);
    }
    // SAFETY: as above.
    let place = unsafe { blocking_function(run, l) };
    Err(Error::runtime(match place {
        Some(place) => {
            format!("attempt to yield across a C-call boundary: `{name}` waits inside `{place}`")
        }
        None => {
            format!("attempt to yield across a C-call boundary: `{name}` waits where Lua cannot yield")
        }
    }))
}

/// The native function through which the call came that cannot be suspended.
unsafe fn blocking_function(run: &Run, l: *mut lua_State) -> Option<String> {
    let chain = run.chain.borrow();
    // Level 0 of the coroutine that runs is the operation itself.
    let mut level = 1;
    for &l in std::iter::once(&l).chain(chain.iter().rev()) {
        // SAFETY: `l` and those that wait for it are alive, each inside a native function, whose frame has
        // room for one value; a zeroed record is what these expect; the options neither allocate nor raise.
        unsafe {
            let mut ar: ffi::lua_Debug = std::mem::zeroed();
            while ffi::lua_getstack(l, level, &mut ar) != 0 {
                level += 1;
                ffi::lua_getinfo(l, c"Snf".as_ptr(), &mut ar);
                let native = ffi::lua_tocfunction(l, -1);
                ffi::lua_pop(l, 1);
                if native.is_none_or(|f| protect::lets_yield(f) || coroutine::lets_yield(f)) {
                    continue;
                }
                if ar.name.is_null() {
                    return None;
                }
                return Some(std::ffi::CStr::from_ptr(ar.name).to_string_lossy().into_owned());
            }
        }
        level = 0;
    }
    None
}

/// Runs host code; its panic dooms the run.
fn guarded<R>(lua: &Lua, name: &str, f: impl FnOnce() -> Result<R>) -> Result<R> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => result,
        Err(payload) => {
            let message = format!("`{name}` panicked: {}", panic_text(&*payload));
            // SAFETY: a callback runs under the lock, on a coroutine of ours.
            lua.exec_raw_lua(|raw| unsafe { hook::panicked(raw.state(), &message) });
            Err(Error::runtime(message))
        }
    }
}

/// What a panic said.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no message)")
}
