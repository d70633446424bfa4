//! What hostile scripts may not do to a running program: end it, freeze it, hang a client, or reach another session.

#[path = "../support/mod.rs"]
mod support;

mod endless;
mod failures;
mod kept;
mod load;
mod loops;
mod memory;
mod refused;
mod served;
mod waits;
mod wire;

use support::Result;
use support::site::Site;

const SITE: &str = "\
global
    nbthread 1
    lua-load site/site.lua
    tune.lua.session-timeout 100ms
    tune.lua.service-timeout 100ms
    tune.lua.burst-timeout 100ms
    tune.lua.maxmem 32
    GLOBAL
defaults
    mode http
    timeout connect 5s
    timeout client 15s
    timeout server 15s
frontend www
    bind 127.0.0.1:8080
    RULES
    http-request return status 200 content-type text/plain string served
";

fn site(name: &str, global: &str, rules: &str, script: &str) -> Result<Site> {
    let config = SITE.replace("GLOBAL", global).replace("RULES", rules);
    Site::start(name, &[("site.cfg", &config), ("site.lua", script)])
}

/// The rules that run the action of a name for the path of that name.
fn rules_of(actions: &[&str]) -> String {
    let rule = |name: &&str| format!("http-request lua.{name} if {{ path /{name} }}\n    ");
    actions.iter().map(rule).collect()
}

/// An action that is meant to fail, and a part of what the log says of it in one line.
type Failing = (&'static str, &'static str);

/// Asks for each action: it fails as it is meant to, its request goes on, and so does everyone else's.
fn all_fail(name: &str, global: &str, script: &str, actions: &[Failing]) -> Result<Site> {
    let names: Vec<&str> = actions.iter().map(|(name, _)| *name).collect();
    let site = site(name, global, &rules_of(&names), script)?;
    for (name, message) in actions {
        let answer = site.get(&format!("/{name}"))?;
        assert!(
            answer.starts_with("HTTP/1.1 200") && body(&answer) == "served",
            "{name}: {answer}"
        );
        site.logged_line(&[&format!("Lua function '{name}'"), message])?;
        assert_eq!(body(&site.get("/")?), "served", "after {name}");
    }
    Ok(site)
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}
