//! Failures with nothing to say, or too much: what the log makes of them.

use crate::all_fail;
use crate::support::Result;

#[test]
fn an_error_may_be_any_value() -> Result<()> {
    let script = r#"
local function action(name, run) core.register_action(name, {"http-req"}, run) end
local function shown(how) return setmetatable({}, { __tostring = how }) end

action("of_table", function() error({}) end)
action("of_nil", function() error(nil) end)
action("of_nothing", function() error() end)
action("of_boolean", function() error(false) end)
action("of_number", function() error(42) end)
action("of_function", function() error(print) end)
action("of_coroutine", function() error(coroutine.create(print)) end)
action("of_object", function(txn) error(txn) end)
action("with_text", function() error(shown(function() return "its own text" end)) end)
action("with_failing_text", function() error(shown(function() error("no text") end)) end)
action("with_endless_text", function() error(shown(function() while true do end end)) end)
action("with_waiting_text", function() error(shown(function() core.msleep(1) return "late" end)) end)
action("with_wrong_text", function() error(shown(function() return {} end)) end)
action("with_lines", function() error("first\nsecond\r\nthird\0fourth\27[31m") end)
"#;
    all_fail(
        "values",
        "",
        script,
        &[
            ("of_table", "(error object is a table value)"),
            ("of_nil", "(error object is a nil value)"),
            ("of_nothing", "(error object is a nil value)"),
            ("of_boolean", "(error object is a boolean value)"),
            ("of_number", "42"),
            ("of_function", "(error object is a function value)"),
            ("of_coroutine", "(error object is a thread value)"),
            ("of_object", "(error object is a"),
            ("with_text", "its own text"),
            ("with_failing_text", "(error object is a table value)"),
            ("with_endless_text", ""),
            ("with_waiting_text", "(error object is a table value)"),
            ("with_wrong_text", "(error object is a table value)"),
            ("with_lines", "first"),
        ],
    )?;
    Ok(())
}
