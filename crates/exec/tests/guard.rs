//! Native library functions that a hook cannot stop, in the hands of hostile scripts, in contexts with limits.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use common::*;
use tidegate_exec::FailureKind;

/// Calls that would run for minutes to years, each in native code from beginning to end.
const ENDLESS: [&str; 22] = [
    "string.find(('a'):rep(300), '.-.-.-.-.-.-b')",
    "string.match(('a'):rep(300), ('a?'):rep(60) .. ('a'):rep(301))",
    "string.gsub(('a'):rep(300), '.-.-.-.-.-.-b', '')",
    "for _ in string.gmatch(('a'):rep(300), '.-.-.-.-.-.-b') do end",
    "string.find(('a'):rep(4000000), ('a'):rep(2000000) .. 'b', 1, true)",
    "string.find(('('):rep(4000000), '%b()')",
    "local t = {} for i = 1, 9000 do t[i] = i end
     string.gsub(('a'):rep(100000), '.', setmetatable(t, {__index = table.concat}))",
    "table.move({}, 1, 1e15, 2)",
    "table.move({}, 1, 1e15, 1, setmetatable({}, {__newindex = rawequal}))",
    "table.insert(setmetatable({}, {__len = function() return 1 << 53 end}), 1, 1)",
    "table.remove(setmetatable({}, {__len = function() return 1 << 53 end}), 1)",
    "table.concat(setmetatable({}, {__index = function() return '' end}), '', 1, 1 << 53)",
    "table.sort(setmetatable({}, {__len = function() return (1 << 31) - 2 end, __index = rawlen}))",
    "local t = {} for i = 1, 3000000 do t[i] = i * 7919 % 1000003 end table.sort(t)",
    "local s, t = ('x'):rep(1000000), {} for i = 1, 20000 do t[i] = s end table.sort(t)",
    "load(coroutine.wrap(function() while true do coroutine.yield(' ') end end))",
    // Once the error is raised, no `pcall` keeps the script alive.
    "while true do pcall(string.find, ('a'):rep(300), '.-.-.-.-.-.-b') end",
    "while true do pcall(table.move, {}, 1, 1e15, 2) end",
    // One guarded call inside another.
    "string.gsub('aaa', '.', function() string.find(('a'):rep(300), '.-.-.-.-.-.-b') end)",
    "table.sort({3, 2, 1}, function() return table.move({}, 1, 1e15, 2) end)",
    "coroutine.wrap(string.find)(('a'):rep(300), '.-.-.-.-.-.-b')",
    "setmetatable({}, {__index = function() table.move({}, 1, 1e15, 2) end}).x = nil
     local _ = setmetatable({}, {__index = function() table.move({}, 1, 1e15, 2) end}).x",
];

#[test]
fn the_burst_limit_ends_native_calls_too() {
    for script in ENDLESS {
        // A state of its own each time, so that none inherits the other's heap.
        let failure = failure_with(&vm(), script, burst_only());
        assert_eq!(failure.kind, FailureKind::BurstTimeout, "{script}: {failure:?}");
    }
}

#[test]
fn what_would_end_or_hold_the_process_is_an_error_like_any_other() {
    let vm = vm();
    for (script, message) in [
        ("os.exit()", "os.exit is not available"),
        ("os.execute('true')", "insecure-fork-wanted"),
        ("io.popen('true')", "insecure-fork-wanted"),
        ("io.read()", "standard input is not available"),
        ("debug.sethook()", "debug.sethook is not available to scripts"),
        (
            "debug.getregistry()",
            "debug.getregistry is not available to scripts",
        ),
        ("package.loadlib('x', 'y')", "package.loadlib is not available"),
        ("collectgarbage('stop')", "collectgarbage 'stop' is not available"),
        (
            "assert(load(string.dump(function() end)))",
            "attempt to load a binary chunk (mode is 't')",
        ),
    ] {
        let failure = failure(&vm, script);
        assert_eq!(failure.kind, FailureKind::Runtime, "{script}");
        let said = failure.message.unwrap_or_default();
        assert!(said.contains(message), "{script}: {said}");
    }
}
