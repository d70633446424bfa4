//! What all guards share: a state with them, and one without.

use super::{GuardOptions, Interrupt, install};
use mlua::Lua;

pub(super) fn plain() -> Lua {
    // SAFETY: the tests' own scripts do nothing unsafe with the debug library.
    unsafe { Lua::unsafe_new() }
}

pub(super) fn guarded(interrupt: Interrupt) -> Lua {
    guarded_with(&GuardOptions {
        interrupt,
        ..GuardOptions::default()
    })
}

pub(super) fn guarded_with(options: &GuardOptions) -> Lua {
    let lua = plain();
    install(&lua, options).unwrap();
    lua
}

/// Runs `script` in both states and asserts that they give the same, rendered as text.
pub(super) fn assert_same(script: &str) {
    let rendered = format!(
        "local function show(ok, ...)
            local out = {{tostring(ok)}}
            for i = 1, select('#', ...) do
                local value = select(i, ...)
                out[#out + 1] = math.type(value) or type(value)
                -- Addresses differ, and are not what is compared.
                out[#out + 1] = (tostring(value):gsub('0x%x+', 'address'))
            end
            return table.concat(out, '|')
        end
        return show(pcall(function() {script} end))"
    );
    let run = |lua: Lua| {
        lua.load(&rendered)
            .set_name("=t")
            .eval::<mlua::BString>()
            .unwrap()
    };
    assert_eq!(run(guarded(|_| false)), run(plain()), "{script}");
}

/// Asserts that `script`, which would run for hours, ends with `message` once the host says so.
pub(super) fn assert_stopped(script: &str, message: &str) {
    let error = guarded(|_| true).load(script).exec().unwrap_err().to_string();
    assert!(error.contains(message), "{script}: {error}");
}

#[test]
fn a_library_that_is_not_open_is_left_alone() {
    let lua = Lua::new_with(mlua::StdLib::NONE, mlua::LuaOptions::new()).unwrap();
    install(&lua, &GuardOptions::default()).unwrap();
    assert!(lua.globals().get::<mlua::Value>("io").unwrap().is_nil());
}
