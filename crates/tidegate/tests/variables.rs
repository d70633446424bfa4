//! How much memory variables may take, in the running program.

mod support;

use support::Result;
use support::site::Site;

#[test]
fn a_variable_that_does_not_fit_is_not_set() -> Result<()> {
    let config = "\
global
    tune.vars.proc-max-size 1k
    tune.vars.txn-max-size 20
    tune.vars.reqres-max-size 10
defaults
    mode http
    timeout connect 5s
    timeout client 15s
    timeout server 15s
frontend f
    bind 127.0.0.1:8080
    http-request set-var(req.a) url_param(a)
    http-request set-var(txn.b) url_param(b)
    http-request set-var(txn.b) url_param(c)
    http-request return status 200 content-type text/plain lf-string \"%[var(req.a),length]|%[var(txn.b)]\"
";
    let site = Site::start("variables", &[("site.cfg", config)])?;
    let body = |path: &str| -> Result<String> {
        Ok(site
            .get(path)?
            .split_once("\r\n\r\n")
            .ok_or("no body")?
            .1
            .to_owned())
    };
    // Again and again: what a request took is free once it has ended.
    for _ in 0..100 {
        assert_eq!(body("/?a=0123456789&b=0123456789")?, "10|0123456789");
        assert_eq!(body("/?a=0123456789&b=0123456789x")?, "10|", "txn holds req");
        assert_eq!(
            body("/?a=0123456789x&b=0123456789012345678y")?,
            "|0123456789012345678y"
        );
        assert_eq!(
            body("/?a=0&b=x&c=01234567890123456789")?,
            "1|",
            "what doesn't fit is gone"
        );
    }
    Ok(())
}

#[test]
fn a_variable_of_the_process_exists_where_the_configuration_names_it() -> Result<()> {
    let script = "\
core.register_service(\"set\", \"http\", function(applet)
    local name = applet.qs
    local done = applet:set_var(name, \"value\", true)
    local said = tostring(done) .. \" \" .. tostring(applet:get_var(name))
    applet:set_status(200)
    applet:add_header(\"content-length\", #said)
    applet:start_response()
    applet:send(said)
end)
";
    let config = "\
global
    lua-load site/set.lua
    set-var proc.global int(1)
defaults
    mode http
    timeout client 15s
frontend f
    bind 127.0.0.1:8080
    http-request set-header x %[var(proc.fetched),add(proc.argument)]
    http-request set-var(proc.rule) int(1) if { path /never }
    http-request use-service lua.set
";
    let site = Site::start("variables-exist", &[("site.cfg", config), ("set.lua", script)])?;
    let body = |name: &str| -> Result<String> {
        let answer = site.get(&format!("/?{name}"))?;
        Ok(answer.split_once("\r\n\r\n").ok_or("no body")?.1.to_owned())
    };
    for name in [
        "proc.global",
        "proc.fetched",
        "proc.argument",
        "proc.rule",
        "txn.any",
    ] {
        assert_eq!(body(name)?, "true value", "{name}");
    }
    assert_eq!(body("proc.other")?, "false nil");
    Ok(())
}

#[test]
fn scripts_see_the_environment_as_the_configuration_left_it() -> Result<()> {
    let script = "\
local at_load = os.getenv(\"STAGE\")
core.register_service(\"env\", \"http\", function(applet)
    math.randomseed(os.time() + 0.5)
    applet:start_response()
    applet:send(table.concat({ tostring(at_load), tostring(os.getenv(\"STAGE\")), tostring(os.getenv(\"GONE\")) }, \" \"))
end)
";
    let config = "\
global
    setenv STAGE production
    setenv GONE soon
    lua-load site/env.lua
    unsetenv GONE
defaults
    mode http
    timeout client 15s
frontend f
    bind 127.0.0.1:8080
    http-request use-service lua.env
";
    let site = Site::start("variables-env", &[("site.cfg", config), ("env.lua", script)])?;
    let answer = site.get("/")?;
    assert!(answer.ends_with("\r\n\r\nproduction production nil"), "{answer}");
    Ok(())
}
