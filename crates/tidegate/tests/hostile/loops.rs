//! Every way to go on for ever that we know of: each ends at a limit.

use crate::all_fail;
use crate::support::Result;

#[test]
fn loops_end_whatever_they_hide_in() -> Result<()> {
    let script = r#"
local function action(name, run) core.register_action(name, {"http-req"}, run) end
local function for_ever() while true do end end

action("plain", for_ever)
action("yields", function() while true do core.yield() end end)
action("bare_yields", function() while true do coroutine.yield() end end)
action("coroutine", function() coroutine.wrap(for_ever)() end)
action("nested", function()
    coroutine.wrap(function()
        local inner = coroutine.create(for_ever)
        while true do coroutine.resume(inner) end
    end)()
end)
action("generator", function()
    local next = coroutine.wrap(function() while true do coroutine.yield() end end)
    while true do next() end
end)
action("pcall", function() while true do pcall(for_ever) end end)
action("failing_pcall", function() while true do pcall(error, "again") end end)
action("handler", function() while true do xpcall(error, for_ever) end end)
-- Each call makes two more, and each of them fails.
action("recursive_pcall", function()
    local function fail() pcall(fail) pcall(fail) error("no") end
    fail()
end)
action("recursive_xpcall", function()
    local function fail() xpcall(fail, fail) error("no") end
    while true do pcall(fail) end
end)
action("hook", function() pcall(debug.sethook) pcall(debug.sethook, nil) while true do end end)
action("comparison", function() table.sort({ 3, 2, 1 }, for_ever) end)
action("replacement", function() string.gsub("aa", "a", for_ever) end)
action("tostring", function() tostring(setmetatable({}, { __tostring = for_ever })) end)
action("index", function() return setmetatable({}, { __index = for_ever }).x end)
action("chunks", function() load(function() return "return 1 " and " " end) end)
action("finalizers", function()
    while true do setmetatable({}, { __gc = function() for _ = 1, 1000 do end end }) end
end)
"#;
    all_fail(
        "loops",
        "",
        script,
        &[
            ("plain", "timeout: ran 100 ms"),
            ("yields", "timeout: ran 100 ms"),
            ("bare_yields", "timeout: ran 100 ms"),
            ("coroutine", "timeout: ran 100 ms"),
            ("nested", "timeout: ran 100 ms"),
            ("generator", "timeout: ran 100 ms"),
            ("pcall", "timeout: ran 100 ms"),
            ("failing_pcall", "timeout: ran 100 ms"),
            ("handler", "timeout: ran 100 ms"),
            ("recursive_pcall", "timeout: ran 100 ms"),
            ("recursive_xpcall", "timeout: ran 100 ms"),
            ("hook", "timeout: ran 100 ms"),
            ("comparison", "timeout: ran 100 ms"),
            ("replacement", "timeout: ran 100 ms"),
            ("tostring", "timeout: ran 100 ms"),
            ("index", "timeout: ran 100 ms"),
            ("chunks", "timeout: ran 100 ms"),
            ("finalizers", "timeout: ran 100 ms"),
        ],
    )?;
    Ok(())
}

#[test]
fn native_functions_end_that_would_take_ages() -> Result<()> {
    let script = r#"
local function action(name, run) core.register_action(name, {"http-req"}, run) end
local slow, subject = ("a*"):rep(30) .. "b", ("a"):rep(100)

action("find", function() string.find(subject, slow) end)
action("match", function() string.match(subject, slow) end)
action("gmatch", function() for _ in string.gmatch(subject, slow) do end end)
action("gsub", function() string.gsub(subject, slow, "") end)
action("method", function() subject:find(slow) end)
action("sort", function()
    local many = {}
    for i = 1, 200000 do many[i] = i % 7 end
    table.sort(many, function(a, b) for _ = 1, 100 do end return a < b end)
end)
action("concat", function()
    local one = setmetatable({}, { __len = function() return 1 << 40 end, __index = function() return "" end })
    table.concat(one)
end)
action("unpack", function()
    local long = setmetatable({}, { __index = function() for _ = 1, 1e6 do end end })
    while true do table.unpack(long, 1, 100) end
end)
action("move", function() table.move({}, 1, 1 << 40, 2, setmetatable({}, { __newindex = function() end })) end)
"#;
    all_fail(
        "native",
        "",
        script,
        &[
            ("find", "timeout: ran 100 ms"),
            ("match", "timeout: ran 100 ms"),
            ("gmatch", "timeout: ran 100 ms"),
            ("gsub", "timeout: ran 100 ms"),
            ("method", "timeout: ran 100 ms"),
            ("sort", "timeout: ran 100 ms"),
            ("concat", "timeout: ran 100 ms"),
            ("unpack", "timeout: ran 100 ms"),
            ("move", "timeout: ran 100 ms"),
        ],
    )?;
    Ok(())
}

#[test]
fn what_runs_when_something_is_let_go_ends_too() -> Result<()> {
    let script = r#"
local function action(name, run) core.register_action(name, {"http-req"}, run) end
local function closing(close) return setmetatable({}, { __close = close }) end
local function for_ever() while true do end end

action("closed_after_error", function()
    local guard <close> = closing(function() core.Alert("closed after the error") end)
    error("left by an error")
end)
action("closed_after_timeout", function()
    local guard <close> = closing(function() core.Alert("closed after the timeout") end)
    while true do end
end)
action("closed_for_ever", function()
    local guard <close> = closing(for_ever)
    local inner <close> = closing(function() core.Alert("closed before the endless one") end)
    while true do end
end)
action("closed_inside", function()
    coroutine.wrap(function()
        local guard <close> = closing(function() core.Alert("closed inside the coroutine") end)
        error("left inside")
    end)()
end)
action("collected_for_ever", function()
    setmetatable({}, { __gc = for_ever })
    collectgarbage()
    error("got past it")
end)
action("collected_with_error", function()
    setmetatable({}, { __gc = function() error("a finalizer that fails") end })
    collectgarbage()
    error("went on")
end)
"#;
    let site = all_fail(
        "closing",
        "",
        script,
        &[
            ("closed_after_error", "left by an error"),
            ("closed_after_timeout", "timeout: ran 100 ms"),
            ("closed_for_ever", "timeout: ran 100 ms"),
            ("closed_inside", "left inside"),
            ("collected_for_ever", ""),
            ("collected_with_error", "went on"),
        ],
    )?;
    for wanted in [
        "closed after the error",
        "closed after the timeout",
        "closed before the endless one",
        "closed inside the coroutine",
    ] {
        site.logged(wanted)?;
    }
    site.logged_line(&["warning", "Lua warning", "a finalizer that fails"])?;
    Ok(())
}
