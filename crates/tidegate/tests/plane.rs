//! What scripts see of proxies, servers, listeners and stick tables, and what they change in them.

mod support;

use support::Result;
use support::runtime::Runtime;
use support::scripted;

const SITE: &str = "\
frontend front
    bind 127.0.0.1:8080
    bind 127.0.0.1:8081 name second
    http-request track-sc0 src table back
    http-request return status 200 if { path /ok }
    default_backend back
listen both
    bind 127.0.0.1:8082
    mode tcp
    server only 127.0.0.1:1
backend back
    stick-table type ip size 10k expire 1m store gpc0,http_req_rate(10s),server_id,http_req_cnt,server_key
    server one 127.0.0.7:1 weight 5
    server two 127.0.0.1:2 backup
    server three 127.0.0.1:3 track back/one
backend words
    stick-table type string len 12 size 10 nopurge store gpc0
";

/// Each command runs the lines that follow it, and shows what `out` got.
const SCRIPT: &str = r#"
local function names(t)
    local all = {}
    for name in pairs(t) do all[#all + 1] = tostring(name) end
    table.sort(all)
    return table.concat(all, ",")
end
local at_init
core.register_init(function()
    at_init = names(core.proxies) .. " " .. (#core.backends.back.servers.one:get_addr() > 9 and "there")
        .. " " .. core.get_info().Name
end)
core.register_cli({ "run" }, "run lines", function(applet)
    local lines = applet:receive()
    local parts = {}
    local env = setmetatable({
        names = names,
        at_init = at_init,
        out = function(...)
            local all = table.pack(...)
            for i = 1, all.n do all[i] = tostring(all[i]) end
            parts[#parts + 1] = table.concat(all, ",")
        end,
    }, { __index = _G })
    assert(load(lines, "lines", "t", env))()
    applet:send(table.concat(parts, "|"))
end)
"#;

/// What lines show, run on a site of their own.
fn shown(name: &str, lines: &str) -> Result<String> {
    let site = scripted::start(name, SCRIPT, SITE)?;
    run(&site, lines)
}

fn run(site: &Runtime, lines: &str) -> Result<String> {
    let lines: Vec<&str> = lines
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let answer = site.ask(&format!("run <<\n{}\n\n", lines.join("\n")))?;
    Ok(answer.strip_suffix('\n').unwrap_or(&answer).to_owned())
}

#[test]
fn proxies_are_found_by_their_names() -> Result<()> {
    let site = scripted::start("proxies", SCRIPT, SITE)?;
    assert_eq!(
        run(&site, "out(at_init)")?,
        "back,both,front,words there Tidegate"
    );
    assert_eq!(
        run(
            &site,
            "out(names(core.proxies)) out(names(core.frontends)) out(names(core.backends))
             local b, f, l = core.backends.back, core.frontends.front, core.proxies.both
             out(b.name, b.uuid, b:get_name(), b:get_uuid(), math.type(tonumber(b.uuid)))
             out(b:get_cap(), f:get_cap(), l:get_cap(), b:get_mode(), l:get_mode())
             out(names(b.servers), names(f.servers), names(l.servers))
             out(names(b.listeners), names(f.listeners), names(l.listeners))
             out(b.nothing, b:get_mailers(), core.proxies.both == core.backends.both)
             out(b:get_srv_act(), b:get_srv_bck(), f:get_srv_act())"
        )?,
        "back,both,front,words|both,front|back,both,words|back,4,back,4,integer|backend,frontend,proxy,http,tcp|\
         one,three,two,,only|,second,sock-1,sock-1|nil,nil,true|2,1,0"
    );
    Ok(())
}

#[test]
fn figures_are_those_of_show_stat_and_show_info() -> Result<()> {
    let site = scripted::start("figures", SCRIPT, SITE)?;
    for _ in 0..3 {
        assert!(site.site.get("/ok")?.starts_with("HTTP/1.1 200 "));
    }
    assert_eq!(
        run(
            &site,
            "local f = core.frontends.front:get_stats()
             out(f.pxname, f.svname, f.stot >= 3, math.type(f.stot), f.req_tot, f.hrsp_2xx, f.status, f.type)
             local b = core.backends.back:get_stats()
             out(b.pxname, b.svname, b.act, b.bck, b.type, core.proxies.both:get_stats().svname)
             local s = core.backends.back.servers.one:get_stats()
             out(s.svname, s.weight, s.status, s.addr, s.type)
             local l = core.frontends.front.listeners
             local first, second = l['sock-1']:get_stats(), l.second:get_stats()
             out(first.svname, first.stot - second.stot, second.svname, second.type, second.pxname)
             local i = core.get_info()
             out(i.Name, i.Nbthread, math.type(i.Nbthread), i.Pid > 1, i.CumReq >= 3)"
        )?,
        "front,FRONTEND,true,integer,3,3,OPEN,0|back,BACKEND,2,1,1,BACKEND|one,5,no check,127.0.0.7:1,2|\
         sock-1,3,second,3,front|Tidegate,2,integer,true,true"
    );
    Ok(())
}

#[test]
fn servers_are_changed_in_the_words_of_the_runtime_api() -> Result<()> {
    assert_eq!(
        shown(
            "servers",
            "local b = core.backends.back
             local s, two, three = b.servers.one, b.servers.two, b.servers.three
             out(s.name, s.puid, s:get_name(), s:get_puid(), s:get_rid(), s:is_backup(), two:is_backup(), s:is_dynamic())
             out(s:get_cur_sess(), s:get_pend_conn(), s:get_maxconn(), s:get_weight(), s:is_draining())
             out(s:set_weight('20%'), s:get_weight(), s:set_weight(7), s:get_weight(), s:set_weight('x'))
             out(s:set_maxconn('9'), s:get_maxconn(), s:set_maxconn('9x'))
             out(s:set_addr('127.0.0.9', 77), s:get_addr())
             out(s:set_addr('nope'), s:set_addr('::1'), s:get_addr())
             out(s:set_drain(), s:is_draining(), three:is_draining(), b:get_srv_act())
             s:set_maint() out(s:get_stats().status, three:get_stats().status, s:is_draining())
             s:set_ready() out(s:get_stats().status, b:get_srv_act())
             s:check_force_down() out(s:get_stats().status)
             s:check_force_nolb() out(s:get_stats().status)
             s:check_force_up() out(s:get_stats().status)
             s:check_enable() s:check_disable() s:agent_enable() s:agent_disable() s:agent_force_up() s:agent_force_down()
             out(s:get_stats().status, s:shut_sess(), b:shut_bcksess())
             out(s:tracking(), three:tracking() == s, #s:get_trackers(), s:get_trackers()[1].name, #three:get_trackers())
             out(s:get_proxy() == b, s:get_proxy().name, s ~= two)
             out(select(2, pcall(s.set_weight, b, 1)))
             out(select(2, pcall(s.get_weight, {})))
             out(select(2, pcall(s.set_weight, s)))"
        )?,
        "one,1,one,1,0,false,true,false|0,0,0,5,false|nil,1,nil,7,Empty weight string empty or preceded by garbage|\
         nil,9,Trailing garbage in maxconn string|\
         IP changed from '127.0.0.7' to '127.0.0.9', port changed from '1' to '77' by 'Lua script',127.0.0.9:77|\
         Invalid addr 'nope' by 'Lua script',IP changed from '127.0.0.9' to '::1' by 'Lua script',::1:77|\
         nil,true,true,0|MAINT,MAINT (via back/one),false|no check,2|DOWN|NOLB|no check|no check,nil|nil,true,1,three,0|true,back,true|\
         bad argument #1 to 'set_weight' (Server expected, got table)|\
         bad argument #1 to 'get_weight' (Server expected, got table)|\
         bad argument #2 to 'set_weight' (string expected, got nil)"
    );
    Ok(())
}

#[test]
fn a_frontend_is_paused_resumed_and_stopped() -> Result<()> {
    let site = scripted::start("frontends", SCRIPT, SITE)?;
    let is_open = || {
        site.site
            .get("/ok")
            .is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
    };
    let until = |open: bool| {
        let start = std::time::Instant::now();
        while is_open() != open && start.elapsed() < support::runtime::PATIENCE {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        is_open() == open
    };
    assert!(is_open());
    assert_eq!(
        run(
            &site,
            "core.frontends.front:pause() out(core.frontends.front:get_stats().status)"
        )?,
        "PAUSED"
    );
    assert!(until(false), "its port is released");
    assert_eq!(run(&site, "core.frontends.front:resume()")?, "");
    assert!(until(true));
    assert_eq!(
        site.ask("disable frontend front;disable frontend front\n")?,
        "\nAll sockets are already disabled.\n\n"
    );
    assert!(until(false));
    assert_eq!(
        site.ask("enable frontend front;enable frontend front\n")?,
        "\nAll sockets are already enabled.\n\n"
    );
    assert!(until(true));
    assert_eq!(
        run(
            &site,
            "core.frontends.front:stop() out(core.frontends.front:get_stats().status)"
        )?,
        "STOP"
    );
    assert!(until(false));
    assert_eq!(
        site.ask("enable frontend front;shutdown frontend front;disable frontend nope\n")?,
        "Frontend was previously shut down, cannot enable.\n\nFrontend was already shut down.\n\nNo such frontend.\n\n"
    );
    assert!(!is_open());
    Ok(())
}

#[test]
fn a_stick_table_is_looked_into() -> Result<()> {
    let site = scripted::start("tables", SCRIPT, SITE)?;
    assert!(site.site.get("/ok")?.starts_with("HTTP/1.1 200 "));
    site.ask("set table words key abc data.gpc0 5\n")?;
    site.ask("set table words key x data.gpc0 1\n")?;
    assert_eq!(
        run(
            &site,
            "local t, w = core.backends.back.stktable, core.backends.words.stktable
             local i = t:info()
             out(i.type, i.length, i.size, i.used, i.expire, i.nopurge, i.data.gpc0, i.data.http_req_rate, names(i.data))
             i = w:info() out(i.type, i.length, i.used, i.expire, i.nopurge)
             local e = t:lookup('127.0.0.1')
             out(e.http_req_cnt, math.type(e.http_req_cnt), e.use, e.expire > 50000, e.server_key, names(e))
             out(t:lookup('127.0.0.2'), t:lookup('x'), t:lookup({}), w:lookup('abc').gpc0)
             local d = w:dump() out(names(d), names(d.abc), d.abc.gpc0)
             out(names(w:dump({{'gpc0', 'gt', 2}})), names(w:dump({{'gpc0', 'le', 5}, {'gpc0', 'ne', 5}})))
             out(w:dump({{'gpc7', 'gt', 2}}))
             out(w:dump({{'gpc0', 'xx', 2}}))
             out(w:dump({{'gpc0', 'gt'}}))
             out(w:dump({1}))
             local one = {'gpc0', 'gt', 2} out(w:dump({one, one, one, one, one}))
             out(core.frontends.front.stktable)"
        )?,
        "ip,4,10240,1,60000,false,-1,10000,gpc0,http_req_cnt,http_req_rate,server_id,server_key|\
         string,12,2,0,true|1,integer,0,true,-,expire,gpc0,http_req_cnt,http_req_rate,server_id,server_key,use|\
         nil,nil,nil,5|abc,x,gpc0,5|abc,x|\
         nil,Filter entry #1: Unknown data type|\
         nil,Filter entry #1: Require an operator among `eq`, `ne`, `le`, `ge`, `lt`, `gt`|\
         nil,Filter table entry must be a triplet: {\"data_col\", \"op\", val} (entry #1)|\
         nil,Filter table entry must be a triplet: {\"data_col\", \"op\", val} (entry #1)|\
         nil,Filter table can have at most 4 entries|nil"
    );
    Ok(())
}
