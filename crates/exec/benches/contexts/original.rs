//! The algorithm of 2015 on the same bindings: a new coroutine, a registry reference and an entry in an
//! ordered tree for each context, all undone at its end.

use std::collections::BTreeMap;

use tidegate_exec::mlua::{self, Lua, ffi};

/// One state, and the tree by which a context is found.
pub struct Original {
    lua: Lua,
    main: *mut ffi::lua_State,
    function: i32,
    tree: BTreeMap<usize, u64>,
}

impl Original {
    /// With a function to run.
    pub fn new(script: &str) -> Self {
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
        let mut tree = BTreeMap::new();
        // A server has sessions: the tree is as deep as with a thousand of them.
        for i in 0..1_000 {
            tree.insert(0x5555_0000_0000 + i * 0x990, i as u64);
        }
        Original {
            lua,
            main,
            function,
            tree,
        }
    }

    /// Create, run, destroy.
    pub fn run(&mut self) {
        let (main, function) = (self.main, self.function);
        self.lua.exec_raw_lua(|_| {
            // SAFETY: the state is locked; the script is trivial and the state has no limit, so that nothing
            // raises outside of the resume.
            unsafe {
                let co = ffi::lua_newthread(main);
                let reference = ffi::luaL_ref(main, ffi::LUA_REGISTRYINDEX);
                self.tree.insert(co as usize, 0);
                ffi::lua_rawgeti(co, ffi::LUA_REGISTRYINDEX, function.into());
                let mut results = 0;
                let status = ffi::lua_resume(co, main, 0, &mut results);
                assert_eq!(status, ffi::LUA_OK);
                self.tree.remove(&(co as usize));
                ffi::luaL_unref(main, ffi::LUA_REGISTRYINDEX, reference);
            }
        });
    }
}
