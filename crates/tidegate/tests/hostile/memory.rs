//! Scripts that take all memory that there is.

use crate::all_fail;
use crate::support::Result;

/// Leaves it to memory to end a script.
const PATIENT: &str = "tune.lua.session-timeout 20s\n    tune.lua.burst-timeout 20s";

#[test]
fn memory_without_end_is_refused_and_the_state_goes_on() -> Result<()> {
    let script = r#"
local function action(name, run) core.register_action(name, {"http-req"}, run) end
local kept = "kept since the start"

action("rep", function() return string.rep("x", 512 * 1024 * 1024) end)
action("table", function() local t = {} while true do t[#t + 1] = #t end end)
action("keys", function() local t = {} for i = 1, math.huge do t["key" .. i] = true end end)
action("concat", function() local s = "x" while true do s = s .. s end end)
action("nested", function() local t = {} while true do t = { t } end end)
action("coroutines", function() local t = {} while true do t[#t + 1] = coroutine.create(print) end end)
action("format", function() local s = ("x"):rep(1 << 20) local t = {} while true do t[#t + 1] = ("%s%d"):format(s, #t) end end)
action("state", function(txn)
    local t = {}
    for i = 1, 10000 do t[i] = "string " .. i end
    error(kept .. " " .. #t)
end)
"#;
    all_fail(
        "memory",
        PATIENT,
        script,
        &[
            ("rep", "out of memory"),
            ("table", "out of memory"),
            ("keys", "out of memory"),
            ("concat", "out of memory"),
            ("nested", "out of memory"),
            ("coroutines", "out of memory"),
            ("format", "out of memory"),
            ("state", "kept since the start 10000"),
        ],
    )?;
    Ok(())
}

#[test]
fn recursion_without_end_is_an_error_whose_traceback_is_shortened() -> Result<()> {
    let script = r#"
local function action(name, run) core.register_action(name, {"http-req"}, run) end
action("plain", function() local function f(n) return 1 + f(n + 1) end f(1) end)
action("metamethod", function() local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k] .. "" end return t.x end)
action("coroutines", function() local function f() return coroutine.wrap(f)() end f() end)
action("gsub", function() local function f() return (string.gsub("a", "a", f)) end f() end)
action("long_gsub", function() local function f() return (string.gsub(("a"):rep(50), ("a"):rep(50), f)) end f() end)
action("sort", function() local function f() table.sort({ 1, 2, 3 }, f) return true end f() end)
action("tostring", function()
    local t = setmetatable({}, {})
    getmetatable(t).__tostring = function(t) return tostring(t) end
    tostring(t)
end)
action("format", function()
    local t = setmetatable({}, {})
    getmetatable(t).__tostring = function(t) return ("%s"):format(t) end
    tostring(t)
end)
action("load", function() local function f() assert(load(f)) end f() end)
action("pcall", function() local function f() local ok, why = pcall(f) error(why, 0) end f() end)
action("concat", function()
    local t = setmetatable({}, {})
    getmetatable(t).__len = function() return 1 end
    getmetatable(t).__index = function(t) return table.concat(t) end
    table.concat(t)
end)
action("close", function()
    local function f() local x <close> = setmetatable({}, { __close = f }) end
    f()
end)
"#;
    let site = all_fail(
        "recursion",
        &format!("{PATIENT}\n    tune.lua.maxmem 64"),
        script,
        &[
            ("plain", "stack overflow"),
            ("metamethod", "stack overflow"),
            ("coroutines", "stack overflow"),
            ("gsub", "stack overflow"),
            ("long_gsub", "stack overflow"),
            ("sort", "stack overflow"),
            ("tostring", "stack overflow"),
            ("format", "stack overflow"),
            ("load", "stack overflow"),
            ("pcall", "stack overflow"),
            ("concat", "stack overflow"),
            ("close", "stack overflow"),
        ],
    )?;
    // A level is a line, and there were thousands of them.
    site.logged("(skipping ")?;
    let lines = site.output().lines().count();
    assert!(lines < 500, "{lines} lines:\n{}", site.output());
    Ok(())
}
