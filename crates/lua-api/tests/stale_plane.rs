//! Objects of the data plane, kept until it has ended.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use common::{Site, http, out, plane, run, script};
use tidegate_lua_api::reference;

/// Arguments of functions that texts won't do for.
const ARGUMENTS: &[(&str, &str)] = &[
    ("set_maxconn", "1"),
    ("set_weight", "'1'"),
    ("set_addr", "'127.0.0.1', 1"),
    ("event_sub", "{ 'SERVER' }, print"),
    ("dump", ""),
];

/// Uses every function of those classes, and their names.
fn uses() -> String {
    let classes = ["Proxy", "Server", "Listener", "StickTable"];
    let mut uses = String::from("local uses = {\n");
    for rows in reference().iter().filter(|rows| classes.contains(&rows.class)) {
        for name in rows.rows.iter().map(|row| row.name()) {
            let arguments = ARGUMENTS.iter().find(|(known, _)| *known == name);
            let arguments = arguments.map_or("'1'", |(_, arguments)| arguments);
            let class = rows.class;
            uses.push_str(&format!(
                "{{ '{class}', function() kept.{class}:{name}({arguments}) end }},\n"
            ));
        }
    }
    uses + "{ 'Proxy', function() return kept.Proxy.listeners end },
        { 'Server', function() return kept.Server.name end },
    }
    for _, use in ipairs(uses) do
        local ok, problem = pcall(use[2])
        local refused = not ok and tostring(problem):find(use[1] .. ' object is no longer usable', 1, true)
        out(use[1], ok, refused and 'refused' or problem)
    end"
}

#[test]
fn they_work_while_it_lives_and_are_refused_afterwards() {
    let plane = plane();
    let text = format!(
        "core.register_init(function()
            kept = {{
                Proxy = core.proxies.back, Server = core.proxies.back.servers.one, StickTable = core.proxies.back.stktable,
                Listener = core.proxies.front.listeners['sock-1'],
            }}
        end)\n{}",
        script(&uses())
    );
    let site = Site::on(&text, &plane);
    let txn = http("/");
    run(site.act("eval", &txn));
    let alive = out(&txn);
    assert!(alive.split('|').count() > 45, "{alive}");
    assert!(alive.split('|').all(|part| part.contains(",true,")), "{alive}");
    // What was asked for is kept by the object; a fresh one has to ask.
    let site = Site::on(&text, &plane);
    drop(plane);
    let txn = http("/");
    run(site.act("eval", &txn));
    let dead = out(&txn);
    assert!(
        dead.split('|').all(|part| part.ends_with(",false,refused")),
        "{dead}"
    );
}

#[test]
fn an_object_of_one_class_is_none_of_another() {
    let plane = plane();
    let site = Site::on(
        &script(
            "local b = core.proxies.back
             local s, t, l = b.servers.one, b.stktable, core.proxies.front.listeners['sock-1']
             try(s.get_name, b) try(b.get_name, s) try(t.info, s) try(l.get_stats, t) try(b.get_name, txn) try(txn.get_var, b)
             try(s.get_name, {s[1]}) try(s.get_name, nil)
             out(b == core.backends.back, s == b.servers.one, b == s)",
        ),
        &plane,
    );
    let txn = http("/");
    run(site.act("eval", &txn));
    assert_eq!(
        out(&txn),
        "bad argument #1 to 'get_name' (Server expected, got table)|\
         bad argument #1 to 'get_name' (Proxy expected, got table)|\
         bad argument #1 to 'info' (StickTable expected, got table)|\
         bad argument #1 to 'get_stats' (Listener expected, got table)|\
         bad argument #1 to 'get_name' (Proxy expected, got table)|\
         bad argument #1 to 'get_var' (TXN expected, got table)|\
         no error|\
         bad argument #1 to 'get_name' (Server expected, got nil)|\
         true,true,false"
    );
}
