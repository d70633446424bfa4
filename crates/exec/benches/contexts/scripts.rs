//! Scripts that compute, run three ways: with all limits, bare, and under a count hook.

use tidegate_exec::mlua::{self, Lua, ffi};
use tidegate_exec::{Context, Entry, Limits, Outcome, Vm, VmOptions, Yielding};

/// Names and sources.
pub const SCRIPTS: [(&str, &str); 3] = [
    (
        "loop",
        "local s = 0 for i = 1, 200000 do s = s + i % 7 end return s",
    ),
    (
        "recursion",
        "local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end return fib(21)",
    ),
    (
        "library",
        "local t = {} for i = 1, 300 do t[i] = string.format('%d:%s', i, 'abc') end
         local s, n = table.concat(t, ','), 0
         for w in s:gmatch('[^,]+') do n = n + #w end return n",
    ),
];

/// A context with limits and accounts.
pub struct Limited {
    context: Context,
    entry: Entry,
}

impl Limited {
    /// Ready to run `script`.
    pub fn new(script: &str) -> Self {
        let vm = Vm::per_thread(VmOptions {
            memory_bytes_max: None,
            ..VmOptions::default()
        })
        .unwrap();
        let entry = vm.entry("bench", vm.load("bench.lua", script).unwrap()).unwrap();
        Limited {
            context: vm.context_with(Limits::default()).unwrap(),
            entry,
        }
    }

    /// Runs it to its end.
    pub fn run(&mut self) {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        self.context.start(&self.entry, ()).unwrap();
        loop {
            match self.context.step(&mut cx, Yielding::Allowed).unwrap() {
                Outcome::Ok => return,
                Outcome::Again(_) => {}
                Outcome::Failed(failure) => panic!("{failure}"),
            }
        }
    }
}

/// The same script in a plain coroutine of a plain state.
pub struct Bare {
    lua: Lua,
    main: *mut ffi::lua_State,
    co: *mut ffi::lua_State,
    function: i32,
}

impl Bare {
    /// With a count hook that does nothing every so many instructions, or without.
    pub fn new(script: &str, hook_every: Option<i32>) -> Self {
        let lua = Lua::new();
        let main = lua.exec_raw_lua(|raw| raw.state());
        let function: mlua::Function = lua.load(script).into_function().unwrap();
        // SAFETY: protected, with the function as the one argument.
        let function = unsafe {
            lua.exec_raw::<i32>(function, |l| {
                let reference = ffi::luaL_ref(l, ffi::LUA_REGISTRYINDEX);
                ffi::lua_pushinteger(l, reference.into());
            })
        }
        .unwrap();
        unsafe extern "C-unwind" fn nothing(_: *mut ffi::lua_State, _: *mut ffi::lua_Debug) {}
        // SAFETY: the coroutine is anchored in the registry for the state's life.
        let co = unsafe {
            let co = ffi::lua_newthread(main);
            ffi::luaL_ref(main, ffi::LUA_REGISTRYINDEX);
            if let Some(every) = hook_every {
                ffi::lua_sethook(co, Some(nothing), ffi::LUA_MASKCOUNT, every);
            }
            co
        };
        Bare {
            lua,
            main,
            co,
            function,
        }
    }

    /// Runs it to its end.
    pub fn run(&mut self) {
        self.lua.exec_raw_lua(|_| {
            // SAFETY: the state is locked and the coroutine finished; the resume is protected.
            unsafe {
                ffi::lua_settop(self.co, 0);
                ffi::lua_rawgeti(self.co, ffi::LUA_REGISTRYINDEX, self.function.into());
                let mut results = 0;
                assert_eq!(ffi::lua_resume(self.co, self.main, 0, &mut results), ffi::LUA_OK);
            }
        });
    }
}
