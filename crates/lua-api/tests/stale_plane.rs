//! Objects of the data plane, kept until it has ended.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use common::{Site, http, out, plane, run, script};

const USES: &str = r#"
    local uses = {
        { "Proxy", function() kept.px:get_mode() end },
        { "Proxy", function() kept.px:get_stats() end },
        { "Proxy", function() return kept.px.listeners end },
        { "Server", function() kept.sv:set_weight("1") end },
        { "Server", function() kept.sv:get_addr() end },
        { "Server", function() kept.sv:set_maint() end },
        { "Server", function() return kept.sv.name end },
        { "Server", function() kept.sv:get_stats() end },
        { "Listener", function() kept.ls:get_stats() end },
        { "StickTable", function() kept.st:info() end },
        { "StickTable", function() kept.st:lookup("1") end },
        { "StickTable", function() kept.st:dump() end },
    }
    for _, use in ipairs(uses) do
        local ok, problem = pcall(use[2])
        local refused = not ok and tostring(problem):find(use[1] .. " object is no longer usable", 1, true)
        out(use[1], ok, refused and "refused" or problem)
    end
"#;

#[test]
fn they_work_while_it_lives_and_are_refused_afterwards() {
    let plane = plane();
    let text = format!(
        "core.register_init(function()
            kept = {{
                px = core.proxies.back, sv = core.proxies.back.servers.one, st = core.proxies.back.stktable,
                ls = core.proxies.front.listeners['sock-1'],
            }}
        end)\n{}",
        script(USES)
    );
    let site = Site::on(&text, &plane);
    let txn = http("/");
    run(site.act("eval", &txn));
    let alive = out(&txn);
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
