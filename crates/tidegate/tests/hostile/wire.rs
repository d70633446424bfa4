//! What scripts put into messages: nothing that would give one a length that isn't its own. What would split one is in lua_setters.rs.

use crate::support::Result;
use crate::{body, site};

#[test]
fn a_service_cannot_send_more_than_it_announced() -> Result<()> {
    let script = r#"
core.register_service("long", "http", function(applet)
    applet:set_status(200)
    applet:add_header("content-length", "3")
    applet:start_response()
    applet:send("abcdefgh")
end)
"#;
    let site = site(
        "long",
        "",
        "http-request use-service lua.long if { path /long }",
        script,
    )?;
    let answer = site.get("/long")?;
    assert!(body(&answer).len() <= 3, "{answer}");
    site.logged("Lua")?;
    assert!(site.get("/")?.ends_with("served"));
    Ok(())
}
