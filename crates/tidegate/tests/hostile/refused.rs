//! What a script may not do is an error that it sees.

use crate::support::Result;
use crate::{body, site};

#[test]
fn what_a_script_may_not_do_is_an_error_that_it_sees() -> Result<()> {
    let script = r#"
local CASES = {
    rep = function() return string.rep("x", 512 * 1024 * 1024) end,
    popen = function() return io.popen("true") end,
    exit = function() os.exit(0) end,
    bytecode = function() return assert(load(string.dump(function() end))) end,
    hook = function() debug.sethook() end,
    registry = function() return debug.getregistry() end,
    nothing = function() return load("return 1")() end,
}
core.register_service("try", "http", function(applet)
    local ok, why = pcall(CASES[applet.path:sub(2)])
    local answer = tostring(ok) .. " " .. tostring(why)
    applet:set_status(200)
    applet:add_header("content-length", #answer)
    applet:start_response()
    applet:send(answer)
end)
"#;
    let site = site(
        "refused",
        "",
        "http-request use-service lua.try if !{ path / }",
        script,
    )?;
    assert_eq!(body(&site.get("/nothing")?), "true 1");
    for case in ["rep", "popen", "exit", "bytecode", "hook", "registry"] {
        let answer = site.get(&format!("/{case}"))?;
        // The memory limit may end the script itself rather than be an error that it catches.
        let ended = case == "rep" && answer.starts_with("HTTP/1.1 500");
        assert!(ended || body(&answer).starts_with("false "), "{case}: {answer}");
        assert!(site.get("/")?.ends_with("served"), "{case}");
    }
    Ok(())
}
