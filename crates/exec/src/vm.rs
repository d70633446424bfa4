//! A Lua state and how a host gets into it.

use std::fmt;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use mlua::ffi;
use mlua::{Function, IntoLuaMulti, Lua, LuaOptions, StdLib};

use crate::anchors::Anchors;
use crate::context::{Context, Yielding};
use crate::core::{self, Core, Counts, Run, Tag, TagKind};
use crate::entry::{Entry, EntryInner};
use crate::guard::{self, GuardOptions};
use crate::held::{Holders, Owner};
use crate::limits::{Compiled, Limits};
use crate::outcome::{Misuse, Outcome};
use crate::pieces::Pieces;
use crate::{coroutine, hook, protect};

/// A Lua state: the main state of many contexts. Clones are the same state, which is freed with the last of
/// them and of its contexts.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tidegate_exec::{Vm, VmOptions};
///
/// let vm = Vm::per_thread(VmOptions::default())?;
/// let greet = vm.load("greet.lua", "local name = ... return 'hello ' .. name")?;
/// let greet = vm.entry("greet", greet)?;
/// # let _ = greet;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Vm {
    pub(crate) core: Arc<Core>,
    #[expect(dead_code, reason = "held for what its end does")]
    owner: Arc<Owner>,
}

/// How a state is made.
#[derive(Clone)]
pub struct VmOptions {
    /// The heap's largest size. An allocation past it fails in the script that asked, with
    /// [`FailureKind::OutOfMemory`](crate::FailureKind::OutOfMemory), and the state goes on. `None`: without
    /// limit. Default: 256 MiB.
    pub memory_bytes_max: Option<usize>,
    /// Longest time that Lua may run inside [`Vm::enter`], outside any context. Default: 10 s.
    pub enter_limit: Duration,
    /// Longest time for what runs at the end of a failed or dropped context (`<close>` variables, the
    /// `__tostring` of an error) and for one finalizer. Default: 100 ms.
    pub aside_limit: Duration,
    /// The standard libraries to open. Default: all.
    pub libraries: StdLib,
    /// Whether scripts may start processes (`os.execute`, `io.popen`). Default: no.
    pub allow_fork: bool,
    /// Whether scripts may load precompiled chunks, which can crash the process. Default: no.
    pub allow_bytecode: bool,
    /// Whether scripts have `package.loadlib`; C modules load through `require` without it. Default: no.
    pub allow_loadlib: bool,
    /// Where warnings go: errors in finalizers, and `warn()`. Default: standard error.
    pub on_warning: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Default for VmOptions {
    fn default() -> Self {
        VmOptions {
            memory_bytes_max: Some(256 << 20),
            enter_limit: Duration::from_secs(10),
            aside_limit: Duration::from_millis(100),
            libraries: StdLib::ALL,
            allow_fork: false,
            allow_bytecode: false,
            allow_loadlib: false,
            on_warning: Arc::new(|text| eprintln!("lua warning: {text}")),
        }
    }
}

impl fmt::Debug for VmOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VmOptions")
            .field("memory_bytes_max", &self.memory_bytes_max)
            .field("enter_limit", &self.enter_limit)
            .field("aside_limit", &self.aside_limit)
            .field("allow_fork", &self.allow_fork)
            .field("allow_bytecode", &self.allow_bytecode)
            .field("allow_loadlib", &self.allow_loadlib)
            .finish_non_exhaustive()
    }
}

/// What a state holds right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Contexts that live.
    pub contexts: usize,
    /// Coroutines of contexts, those kept for reuse included.
    pub coroutines: usize,
    /// Host operations that contexts wait for.
    pub pending: usize,
    /// The heap's size.
    pub memory_bytes: usize,
    /// The largest size seen, looked at when a run fails, yields past its slice, or is asked for here.
    pub memory_bytes_peak: usize,
}

impl Vm {
    /// A state for the calling thread alone: no thread ever waits for another.
    ///
    /// # Errors
    /// When there is no memory for it, or the options leave too little.
    pub fn per_thread(options: VmOptions) -> mlua::Result<Vm> {
        Self::new(options, true)
    }

    /// A state that any thread may use, one at a time; its global variables are visible to all.
    ///
    /// # Errors
    /// As for [`per_thread`](Self::per_thread).
    pub fn shared(options: VmOptions) -> mlua::Result<Vm> {
        Self::new(options, false)
    }

    fn new(options: VmOptions, per_thread: bool) -> mlua::Result<Vm> {
        // SAFETY: native modules and the `debug` library are what a trusted operator's scripts may use;
        // what of it could break the process is taken away by `guard`.
        let lua = unsafe { Lua::unsafe_new_with(options.libraries, LuaOptions::new()) };
        core::install_guardian(&lua)?;
        protect::install(&lua)?;
        if options.libraries.contains(StdLib::COROUTINE) {
            coroutine::install(&lua)?;
        }
        // With a limit mlua makes values in protected mode. The limit itself is ours, and may come later.
        lua.set_memory_limit(usize::MAX)?;
        let main = lua.exec_raw_lua(|raw| raw.state());
        // SAFETY: nothing runs in the fresh state.
        unsafe { hook::verify_layout(main) };
        let aside = Limits {
            slice: None,
            forced_yield: None,
            burst: Some(options.aside_limit),
            total: None,
        };
        let entered = Limits {
            burst: Some(options.enter_limit),
            ..aside
        };
        let anchors = Anchors::new(&lua)?;
        let pressed = Arc::<AtomicBool>::default();
        let core = Arc::new(Core {
            lua: ManuallyDrop::new(lua),
            holders: Holders::new(per_thread),
            owner: per_thread.then(crate::monitor::here),
            main,
            own_tag: Box::leak(Box::new(Tag::new(TagKind::Own))),
            waiting_tag: Box::leak(Box::new(Tag::new(TagKind::Waiting))),
            run: std::cell::Cell::new(std::ptr::null()),
            finalizer_over: std::cell::Cell::new(false),
            closing: std::cell::Cell::new(false),
            idle: std::cell::RefCell::new(Vec::new()),
            counts: Counts::default(),
            usual: Compiled::new(Limits::default()),
            aside: Compiled::new(aside),
            entered: Compiled::new(entered),
            dead: std::sync::Mutex::new(Vec::new()),
            has_dead: AtomicBool::new(false),
            memory_peak: std::cell::Cell::new(0),
            // SAFETY: a state of mlua's that nobody else knows yet.
            pieces: unsafe { Pieces::install(main, None, pressed.clone()) },
            pressed,
            anchors,
        });
        core.own_tag.core.set(&raw const *core);
        core.waiting_tag.core.set(&raw const *core);
        // SAFETY: `main` lives as long as the state, and the tag for ever.
        unsafe { core::set_tag(main, core.own_tag) };
        install_warnings(&core.lua, Arc::clone(&options.on_warning));
        let guards = GuardOptions {
            interrupt: hook::is_over,
            allow_fork: options.allow_fork,
            allow_bytecode: options.allow_bytecode,
            allow_loadlib: options.allow_loadlib,
        };
        guard::install(&core.lua, &guards)?;
        let owner = Arc::new(Owner(Arc::clone(&core)));
        let vm = Vm { core, owner };
        vm.limit_memory(options.memory_bytes_max);
        Ok(vm)
    }

    /// Sets the heap's largest size, as [`VmOptions::memory_bytes_max`] has it, for what is allocated from now on.
    ///
    /// # Errors
    /// [`Misuse::WrongThread`].
    pub fn set_memory_limit(&self, bytes_max: Option<usize>) -> Result<(), Misuse> {
        self.core.check_thread()?;
        self.limit_memory(bytes_max);
        Ok(())
    }

    fn limit_memory(&self, bytes_max: Option<usize>) {
        // SAFETY: the lock is held, and nothing is allocated meanwhile.
        self.core
            .locked(|_| unsafe { (*self.core.pieces).set_limit(bytes_max) });
    }

    /// True for a state that all threads share.
    pub fn is_shared(&self) -> bool {
        self.core.owner.is_none()
    }

    /// Gives the state to `f`, to register functions or to build values. Lua code that `f` calls runs under
    /// [`VmOptions::enter_limit`]. Entering again from inside is fine.
    ///
    /// # Errors
    /// [`Misuse::WrongThread`].
    pub fn enter<R>(&self, f: impl FnOnce(&Lua) -> R) -> Result<R, Misuse> {
        self.core.check_thread()?;
        Ok(self.core.locked(|raw| {
            let l = raw.state();
            let run = Run::new(std::ptr::null(), &self.core.entered, 0, false);
            self.core.watched(&run, l, |_| f(&self.core.lua))
        }))
    }

    /// Compiles a script without running it. `name` is what messages and tracebacks call it.
    ///
    /// # Errors
    /// A syntax error, with name and line.
    pub fn load(&self, name: &str, source: impl AsRef<[u8]>) -> mlua::Result<Function> {
        self.enter(|lua| {
            lua.load(source.as_ref())
                .set_name(format!("@{name}"))
                .set_mode(mlua::chunk::ChunkMode::Text)
                .into_function()
        })
        .map_err(mlua::Error::external)?
    }

    /// Makes an entry of a function of this state, under a name for failures and accounts.
    ///
    /// # Errors
    /// When the state has no memory for the reference, on the wrong thread, or with a function of another state.
    pub fn entry(&self, name: &str, function: Function) -> mlua::Result<Entry> {
        self.make_entry(name, function, None)
    }

    /// The same with limits for its runs, where the context has none of its own.
    ///
    /// # Errors
    /// As for [`entry`](Self::entry).
    pub fn entry_within(&self, name: &str, function: Function, limits: Limits) -> mlua::Result<Entry> {
        self.make_entry(name, function, Some(Compiled::new(limits)))
    }

    fn make_entry(&self, name: &str, function: Function, limits: Option<Compiled>) -> mlua::Result<Entry> {
        self.core.check_thread().map_err(mlua::Error::external)?;
        let refer = || {
            self.core.making(|_| {
                // SAFETY: runs in protected mode with the function as its one argument.
                unsafe {
                    self.core.lua.exec_raw::<i32>(function, |l| {
                        let reference = ffi::luaL_ref(l, ffi::LUA_REGISTRYINDEX);
                        ffi::lua_pushinteger(l, reference.into());
                    })
                }
            })
        };
        // mlua has no way to ask, but asserts, whether a function is of this state.
        let reference = catch_unwind(AssertUnwindSafe(refer))
            .unwrap_or_else(|_| Err(mlua::Error::external(Misuse::OtherState)))?;
        let core = Arc::downgrade(&self.core);
        let inner = EntryInner {
            name: name.into(),
            reference,
            core,
            counters: Default::default(),
            limits,
        };
        Ok(Entry {
            inner: Arc::new(inner),
        })
    }

    /// A new context with the default [`Limits`].
    ///
    /// # Errors
    /// [`Misuse::WrongThread`], or [`Misuse::OutOfMemory`] when no coroutine can be made; nothing leaks.
    #[inline]
    pub fn context(&self) -> Result<Context, Misuse> {
        Context::new(&self.core, None)
    }

    /// A new context with limits of its own.
    ///
    /// # Errors
    /// As for [`context`](Self::context).
    pub fn context_with(&self, limits: Limits) -> Result<Context, Misuse> {
        Context::new(&self.core, Some(Compiled::recent(limits)))
    }

    /// A new context that has begun to run, see [`Context::begin`], and what came of it. `limits` are those of the context,
    /// which go before those of the entry.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tidegate_exec::{Outcome, Vm, VmOptions, Yielding};
    ///
    /// let vm = Vm::per_thread(VmOptions::default())?;
    /// let double = vm.entry("double", vm.load("double.lua", "return 2 * ...")?)?;
    /// let (mut context, outcome) = vm.begin(None, &double, 21, Yielding::Refused)?;
    /// assert!(matches!(outcome, Outcome::Ok));
    /// assert_eq!(context.take::<i64>()?, 42);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As for [`Context::start`].
    #[inline]
    pub fn begin(
        &self,
        limits: Option<Limits>,
        entry: &Entry,
        args: impl IntoLuaMulti,
        yielding: Yielding,
    ) -> Result<(Context, Outcome), Misuse> {
        self.core.check_thread()?;
        let mut context = Context::bare(&self.core, limits.map(Compiled::recent));
        let outcome = context.begin(entry, args, yielding)?;
        Ok((context, outcome))
    }

    /// What the state holds right now.
    ///
    /// # Errors
    /// [`Misuse::WrongThread`].
    pub fn usage(&self) -> Result<Usage, Misuse> {
        self.core.check_thread()?;
        Ok(self.core.locked(|raw| {
            self.core.note_memory(raw.state());
            Usage {
                contexts: self.core.counts.contexts.get(),
                coroutines: self.core.counts.coroutines.get(),
                pending: self.core.counts.pending.get(),
                memory_bytes: self.core.lua.used_memory(),
                memory_bytes_peak: self.core.memory_peak.get(),
            }
        }))
    }

    /// How many values are referred to: each context has one, each entry, each private value, each kept object. For
    /// tests, which show with it that nothing is left behind.
    #[doc(hidden)]
    pub fn references(&self) -> Result<usize, Misuse> {
        /// Where `luaL_unref` keeps the list of free references.
        const FREE_LIST: ffi::lua_Integer = ffi::LUA_RIDX_LAST as ffi::lua_Integer + 1;
        self.core.check_thread()?;
        Ok(self.core.locked(|raw| {
            let l = raw.state();
            // SAFETY: raw reads of integer keys raise nothing, and the stack is checked.
            unsafe {
                if ffi::lua_checkstack(l, 1) == 0 {
                    return 0;
                }
                let mut live = ffi::lua_rawlen(l, ffi::LUA_REGISTRYINDEX) + self.core.anchors.count();
                let mut next = FREE_LIST;
                loop {
                    ffi::lua_rawgeti(l, ffi::LUA_REGISTRYINDEX, next);
                    next = ffi::lua_tointeger(l, -1);
                    ffi::lua_pop(l, 1);
                    if next == 0 {
                        return live;
                    }
                    live -= 1;
                }
            }
        }))
    }

    /// Collects all garbage, and lets go of coroutines kept for reuse.
    ///
    /// # Errors
    /// [`Misuse::WrongThread`].
    pub fn collect(&self) -> Result<(), Misuse> {
        self.core.check_thread()?;
        self.core.locked(|raw| {
            self.core.drop_idle();
            for _ in 0..2 {
                // The first round calls finalizers, the second frees what they held.
                self.core.aside(raw.state(), |_| {
                    // SAFETY: a collection may run at any time under the lock; finalizers are protected.
                    unsafe { ffi::lua_gc(raw.state(), ffi::LUA_GCCOLLECT, 0) };
                });
            }
            // SAFETY: the lock is held, and nothing is allocated meanwhile.
            unsafe { (*self.core.pieces).give_back() };
        });
        Ok(())
    }
}

impl fmt::Debug for Vm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vm")
            .field("shared", &self.is_shared())
            .finish_non_exhaustive()
    }
}

/// A warning longer than this is cut.
const WARNING_BYTES_MAX: usize = 64 * 1024;

/// Warnings come in pieces; one that ends an over-long finalizer also ends its ending.
fn install_warnings(lua: &Lua, on_warning: Arc<dyn Fn(&str) + Send + Sync>) {
    let pieces = std::sync::Mutex::new(String::new());
    lua.set_warning_function(move |lua, text, to_be_continued| {
        lua.exec_raw_lua(|raw| {
            // SAFETY: called by Lua, under the lock.
            if let Some(core) = unsafe { core::of(raw.state()) }
                && core.finalizer_over.replace(false)
                && let Some(run) = core.current()
            {
                run.next_window();
            }
        });
        let mut whole = pieces.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if whole.len() < WARNING_BYTES_MAX {
            whole.push_str(text);
        }
        if !to_be_continued {
            let text = std::mem::take(&mut *whole);
            drop(whole);
            // `@on` and `@off` are for Lua's own warning function.
            if !text.starts_with('@') {
                on_warning(&text);
            }
        }
        Ok(())
    });
}
