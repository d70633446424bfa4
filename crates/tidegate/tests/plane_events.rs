//! Events of servers, as scripts hear of them.

mod support;

use support::Result;
use support::scripted;

const SITE: &str = "\
frontend front
    bind 127.0.0.1:8080
    http-request return status 200
backend back
    server one 127.0.0.1:1
    server two 127.0.0.1:2
    server dead 127.0.0.1:3 check inter 20 fall 1 rise 1
";

/// What happens is kept, and shown by the command `heard`.
const SCRIPT: &str = r#"
heard = {}
local function list(t) return table.concat(t or {}, "+") end
local function keep(who)
    return function(event, data, sub, when)
        core.msleep(1)
        local line = who .. " " .. event .. " " .. data.proxy_name .. "/" .. data.name .. " " .. data.puid .. " " .. data.rid
        if data.state then
            line = line .. " " .. data.state.old_state .. ">" .. data.state.new_state .. " " .. tostring(data.state.admin)
                .. " [" .. data.state.cause .. "] " .. data.state.requeued .. " " .. tostring(data.state.check ~= nil)
        end
        if data.admin then line = line .. " " .. list(data.admin.old_admin) .. ">" .. list(data.admin.new_admin) end
        if data.check then
            line = line .. " " .. data.check.result .. " " .. tostring(data.check.agent) .. " " .. data.check.reason.short
                .. " " .. data.check.health.cur .. "/" .. data.check.health.rise .. "/" .. data.check.health.fall
        end
        assert(data.reference == core.backends[data.proxy_name].servers[data.name])
        assert(math.abs(os.time() - when) < 60 and tostring(sub):find("EventSub"))
        heard[#heard + 1] = line
        if who == "once" then sub:unsub() end
    end
end
core.event_sub({ "SERVER_DOWN", "SERVER_UP" }, keep("all"))
core.event_sub({ "SERVER_ADD", "SERVER_DEL" }, keep("list"))
core.register_init(function()
    core.backends.back.servers.two:event_sub({ "SERVER_STATE", "SERVER_ADMIN" }, keep("two"))
    core.backends.back.servers.two:event_sub({ "SERVER" }, keep("once"))
    core.backends.back.servers.dead:event_sub({ "SERVER_CHECK" }, keep("check"))
    local bad, why = pcall(core.event_sub, { "SERVER_NOPE" }, print)
    heard[1] = tostring(why):match("event_type.*unknown")
end)
core.register_cli({ "heard" }, "what was heard", function(applet) applet:send(table.concat(heard, "\n") .. "\n") end)
core.register_cli({ "late" }, "subscribes while serving", function(applet)
    sub = core.event_sub({ "SERVER_ADMIN" }, keep("late"))
end)
core.register_cli({ "hold" }, "keeps a server", function(applet) held = core.backends.back.servers.new end)
core.register_cli({ "held" }, "what is kept", function(applet)
    local good, name = pcall(function() return held:get_name() .. " " .. held:get_rid() .. " " .. tostring(held:is_dynamic()) end)
    applet:send((good and name or "gone") .. "\n")
end)
core.register_cli({ "end" }, "ends that", function(applet) sub:unsub() end)
core.register_cli({ "fails" }, "fails once", function(applet)
    local failed
    core.backends.back.servers.one:event_sub({ "SERVER_ADMIN" }, function()
        if not failed then failed = true error("no") end
        heard[#heard + 1] = "after a failure"
    end)
end)
"#;

#[test]
fn each_subscription_hears_of_what_it_asked_for() -> Result<()> {
    let site = scripted::start("events", SCRIPT, SITE)?;
    let answer = site.until("heard\n", "all SERVER_DOWN back/dead 3 0")?;
    assert!(
        answer.starts_with("event_type SERVER_NOPE is unknown\n"),
        "{answer}"
    );
    assert!(
        answer.contains("check SERVER_CHECK back/dead 3 0 FAILED false L4CON 0/1/1\n"),
        "{answer}"
    );
    site.ask("late\n")?;
    site.ask("set server back/two state maint\n")?;
    site.until("heard\n", "late SERVER_ADMIN back/two 2 0 >MAINT+FMAINT\n")?;
    site.until("heard\n", "two SERVER_STATE")?;
    site.ask("end\n")?;
    site.ask("set server back/two state ready\n")?;
    site.ask("set server back/one health down\n")?;
    site.until("heard\n", "all SERVER_DOWN back/one")?;
    let answer = site.until("heard\n", "two SERVER_STATE back/two 2 0 STOPPED>RUNNING")?;
    for line in [
        "two SERVER_ADMIN back/two 2 0 >MAINT+FMAINT",
        "two SERVER_STATE back/two 2 0 RUNNING>STOPPED true [] 0 false",
        "two SERVER_ADMIN back/two 2 0 MAINT+FMAINT>",
        "two SERVER_STATE back/two 2 0 STOPPED>RUNNING true [] 0 false",
        "all SERVER_DOWN back/two 2 0",
        "all SERVER_UP back/two 2 0",
        "once SERVER_ADMIN back/two 2 0 >MAINT+FMAINT",
    ] {
        assert_eq!(
            answer.lines().filter(|known| *known == line).count(),
            1,
            "{line}: {answer}"
        );
    }
    assert_eq!(answer.matches("once ").count(), 1, "it ended itself: {answer}");
    assert_eq!(answer.matches("late ").count(), 1, "it was ended: {answer}");
    Ok(())
}

#[test]
fn servers_that_come_and_go_are_heard_of_and_never_taken_for_each_other() -> Result<()> {
    let site = scripted::start("eventlist", SCRIPT, SITE)?;
    assert_eq!(
        site.ask("add server back/new 127.0.0.1:4\n")?,
        "New server registered.\n\n"
    );
    site.until("heard\n", "list SERVER_ADD back/new 4 0\n")?;
    site.ask("hold\n")?;
    assert_eq!(site.ask("held\n")?.trim(), "new 0 true");
    site.ask("del server back/new\n")?;
    site.until("heard\n", "list SERVER_DEL back/new 4 0\n")?;
    assert_eq!(site.ask("held\n")?.trim(), "gone");
    site.ask("add server back/new 127.0.0.1:4\n")?;
    site.until("heard\n", "list SERVER_ADD back/new 4 1\n")?;
    assert_eq!(site.ask("held\n")?.trim(), "gone", "another one of its name");
    site.ask("hold\n")?;
    assert_eq!(site.ask("held\n")?.trim(), "new 1 true");
    Ok(())
}

#[test]
fn a_function_that_fails_hears_of_the_next_event() -> Result<()> {
    let site = scripted::start("eventfail", SCRIPT, SITE)?;
    site.ask("fails\n")?;
    site.ask("set server back/one state maint\n")?;
    site.ask("set server back/one state ready\n")?;
    site.until("heard\n", "after a failure")?;
    Ok(())
}

#[test]
fn changes_of_maps_are_heard_of() -> Result<()> {
    let script = r#"
        Map.new("virt@words", Map._str)
        heard = {}
        core.register_init(function()
            local ref = core.get_patref("virt@words")
            ref:event_sub({ "PAT_REF" }, function(event, data) heard[#heard + 1] = event .. tostring(data) end)
            ref:event_sub({ "PAT_REF_CLEAR" }, function(event, data, sub) heard[#heard + 1] = "only " .. event end)
        end)
        core.register_cli({ "heard" }, "x", function(applet) applet:send(table.concat(heard, " ") .. "\n") end)
    "#;
    let site = scripted::start("mapevents", script, SITE)?;
    site.ask("add map virt@words a 1;set map virt@words a 2;del map virt@words a;del map virt@words a;clear map virt@words\n")?;
    site.ask("prepare map virt@words;add map @1 virt@words b 1;commit map @1 virt@words\n")?;
    let answer = site.until("heard\n", "COMMIT")?;
    let own: Vec<&str> = answer
        .trim()
        .split(' ')
        .filter(|word| word.ends_with("nil"))
        .collect();
    assert_eq!(
        own,
        [
            "PAT_REF_ADDnil",
            "PAT_REF_SETnil",
            "PAT_REF_DELnil",
            "PAT_REF_CLEARnil",
            "PAT_REF_COMMITnil"
        ]
    );
    assert_eq!(answer.matches("only PAT_REF_CLEAR").count(), 1);
    Ok(())
}
