//! The guarded library: what scripts call natively, made safe on hostile input.
//!
//! A run that takes too long is stopped by a hook, and hooks only run between the instructions of Lua code.
//! Native functions that loop for as long as a script wants would never be stopped; others block in the
//! operating system, end the process, or reach what no script may reach. [`install`] replaces just those,
//! in place, in a fresh state. Each replacement decides at little cost whether the call is harmless, and then
//! runs the original C function in the same call; results and messages are Lua's own.
//!
//! | module | guards |
//! |---|---|
//! | `string`, `gsub` | patterns that explode (`pattern`, `matcher` and `bound` are the means), endless `rep` |
//! | `table`, `sort` | ranges and lengths without end |
//! | `io`, `path` | paths that block (`stat` goes first), standard input, other processes |
//! | `os` | the end of the process, its locale, other processes |
//! | `gc` | settings of the collector, which all scripts share |
//! | `load`, `require` | bytecode, source without end, paths that block |
//! | `debug` | the interpreter's and the host's insides |
//! | `format`, `words` | nothing: they are here for their speed |
//!
//! What a library cannot guard, and this does not:
//!
//! - a `__call` that leads back to its own object: the interpreter itself follows it, up to its stack's limit, in
//!   quadratic time and without an instruction in between; the allocator (`pieces`) ends it a little after its time;
//! - one rehash of a table full of integer keys chosen to collide, and one collection of a large heap, or of a table with weak keys
//!   whose values lead from key to key;
//! - one source file read by `loadfile`, `dofile` or `require`, which is compiled in one go;
//! - what C modules do, and writing to a standard output that nobody reads;
//! - a path that changes between the look at it and its opening.

mod bound;
mod debug;
mod format;
mod gc;
mod gsub;
mod io;
mod load;
mod matcher;
mod os;
mod path;
mod pattern;
mod raw;
mod require;
mod sort;
mod string;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod words;

use mlua::ffi::lua_State;

/// Asked by a long native call, from time to time, whether to end now. Must neither raise an error nor
/// change the Lua stack.
pub(crate) type Interrupt = fn(*mut lua_State) -> bool;

/// What the host allows scripts.
#[derive(Debug, Clone)]
pub(crate) struct GuardOptions {
    /// When a long native call shall end.
    pub(crate) interrupt: Interrupt,
    /// `os.execute` and `io.popen` start processes (`insecure-fork-wanted`). Reading from one blocks.
    pub(crate) allow_fork: bool,
    /// `load`, `loadfile`, `dofile` and `require` take compiled chunks, which can make the process do anything.
    pub(crate) allow_bytecode: bool,
    /// `package.loadlib` is there. C modules load through `require` without it.
    pub(crate) allow_loadlib: bool,
}

impl Default for GuardOptions {
    fn default() -> Self {
        Self {
            interrupt: |_| false,
            allow_fork: false,
            allow_bytecode: false,
            allow_loadlib: false,
        }
    }
}

/// Puts the guards into a fresh state, for those of the standard libraries that are open in it.
///
/// # Errors
/// A function that a library should have is missing, or memory is short.
pub(crate) fn install(lua: &mlua::Lua, options: &GuardOptions) -> mlua::Result<()> {
    let options = options.clone();
    // SAFETY: the closure runs under Lua's protection, keeps the stack as it found it, and the options it
    // holds need no dropping when an error jumps over it.
    unsafe {
        lua.exec_raw::<()>((), move |state| {
            raw::set_interrupt(state, options.interrupt);
            string::install(state);
            format::install(state);
            table::install(state);
            sort::install(state);
            io::install(state, options.allow_fork);
            os::install(state, options.allow_fork);
            gc::install(state);
            debug::install(state);
            load::install(state, options.allow_bytecode);
            require::install(state, options.allow_bytecode, options.allow_loadlib);
        })
    }
}
