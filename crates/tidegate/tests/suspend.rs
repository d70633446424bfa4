//! Fetches and converters of scripts that wait, in every place where a session can.

mod support;

use std::io::Write;

use support::Result;
use support::site::{Site, rest};

const SCRIPT: &str = "\
core.register_fetches('slow', function(txn, text)
    core.msleep(1)
    return text or 'yes'
end)
core.register_converters('slow', function(text)
    core.msleep(1)
    return text
end)
core.register_service('maps', 'http', function(applet)
    local missing, message = pcall(applet.c.map, applet.c, 'k2', 'no/such.map')
    applet:set_status(200)
    applet:start_response()
    applet:send(tostring(applet.c:map('k2', 'virt@slow')) .. ',' .. tostring(missing))
end)
";

/// The path of a request, the lines that answer it (`IF` stands for a condition on the path, without its closing), and
/// a part of the answer.
const CASES: &[(&str, &[&str], &str)] = &[
    (
        "condition",
        &["http-request deny deny_status 410 IF { lua.slow(yes) -m str yes }"],
        "HTTP/1.1 410 ",
    ),
    (
        "unless",
        &[
            "http-request set-var(txn.u) str(set) unless { path,lua.slow -m str /condition }",
            "RETURN %[var(txn.u)] IF",
        ],
        "\r\n\r\nset",
    ),
    ("named", &["RETURN named IF slow"], "\r\n\r\nnamed"),
    ("acl", &["RETURN %[acl(slow)] IF"], "\r\n\r\n1"),
    (
        "each",
        &["RETURN each IF { req.hdr(x-many),lua.slow -m str two }"],
        "\r\n\r\neach",
    ),
    (
        "header",
        &[
            "http-request set-header x-a %[lua.slow(a)] IF",
            "http-request add-header x-a %[lua.slow(b)] IF",
            "RETURN %[req.fhdr(x-a,1)]%[req.fhdr(x-a,2)] IF",
        ],
        "\r\n\r\nab",
    ),
    (
        "variable",
        &[
            "http-request set-var(txn.v) lua.slow(v) IF",
            "http-request set-var-fmt(txn.w) w%[lua.slow(w)] IF",
            "RETURN %[var(txn.v)]%[var(txn.w)] IF",
        ],
        "\r\n\r\nvww",
    ),
    (
        "path",
        &[
            "http-request set-path /%[lua.slow(new)] IF",
            "http-request set-query %[lua.slow(q)] if { path /new }",
            "http-request set-method %[lua.slow(PUT)] if { path /new }",
            "http-request return status 200 content-type text/plain lf-string \"%[method] %[pathq]\" if { path /new }",
        ],
        "\r\n\r\nPUT /new?q",
    ),
    (
        "uri",
        &[
            "http-request set-uri /%[lua.slow(uri2)]?x IF",
            "http-request set-pathq /%[lua.slow(pathq)]?y if { path /uri2 }",
            "http-request return status 200 content-type text/plain lf-string %[pathq] if { path /pathq }",
        ],
        "\r\n\r\n/pathq?y",
    ),
    (
        "location",
        &["http-request redirect location /%[lua.slow(there)] IF"],
        "location: /there\r\n",
    ),
    (
        "prefix",
        &["http-request redirect prefix http://%[lua.slow(h)] IF"],
        "location: http://h/prefix\r\n",
    ),
    (
        "scheme",
        &["redirect scheme %[lua.slow(https)] IF"],
        "location: https://x/scheme\r\n",
    ),
    (
        "reply",
        &[
            "http-request return status 200 content-type text/plain hdr x-b %[lua.slow(b)] lf-string %[lua.slow(body)] IF",
        ],
        "\r\n\r\nbody",
    ),
    (
        "reply-header",
        &["http-request return status 200 content-type text/plain hdr x-b %[lua.slow(b)] string x IF"],
        "x-b: b\r\n",
    ),
    (
        "refusal",
        &["http-request deny deny_status 403 content-type text/plain lf-string no%[lua.slow(!)] IF"],
        "\r\n\r\nno!",
    ),
    (
        "map",
        &[
            "http-request set-map(virt@slow) %[lua.slow(k)] %[lua.slow(value)] IF",
            "RETURN %[str(k),lua.slow,map(virt@slow,none),lua.slow] IF",
        ],
        "\r\n\r\nvalue",
    ),
    (
        "list",
        &[
            "http-request add-acl(virt@list) %[lua.slow(k)] IF",
            "http-request set-map(virt@slow) k2 here IF",
            "http-request del-map(virt@slow) %[lua.slow(k)] IF",
            "RETURN listed%[str(k),map(virt@slow,-)] IF { str(k),lua.slow -f virt@list }",
        ],
        "\r\n\r\nlisted-",
    ),
    ("script", &["http-request use-service lua.maps IF"], "here,false"),
    (
        "source",
        &[
            "http-request set-src str(192.0.2.7),lua.slow IF",
            "RETURN %[src] IF",
        ],
        "\r\n\r\n192.0.2.7",
    ),
    (
        "stream",
        &["RETURN %[var(sess.session)]%[var(sess.content)] IF"],
        "\r\n\r\nsessioncontent",
    ),
];

/// The same for requests that go to the server.
const SERVED: &[(&str, &str, &str)] = &[
    (
        "by-condition",
        "use_backend b IF { lua.slow(yes) -m str yes }",
        "\r\n\r\nserver",
    ),
    ("by-name", "use_backend %[lua.slow(b)] IF", "\r\n\r\nserver"),
    (
        "response",
        "http-response set-header x-r %[lua.slow(r)] if { var(txn.path),lua.slow -m str /response }",
        "x-r: r\r\n",
    ),
    (
        "after",
        "http-after-response set-header x-r %[lua.slow(after)] if { var(txn.path),lua.slow -m str /after }",
        "x-r: after\r\n",
    ),
];

fn line(path: &str, line: &str) -> String {
    let returned = line.replacen(
        "RETURN",
        "http-request return status 200 content-type text/plain lf-string",
        1,
    );
    let on_path = format!("if {{ path /{path} }}");
    format!("    {}\n", returned.replace("IF", &on_path))
}

#[test]
fn whatever_a_session_evaluates_may_wait() -> Result<()> {
    let rules: String = CASES
        .iter()
        .flat_map(|(path, lines, _)| lines.iter().map(|text| line(path, text)))
        .collect();
    let choices: String = SERVED.iter().map(|(path, text, _)| line(path, text)).collect();
    let config = format!(
        "\
global
    nbthread 1
    lua-load site/slow.lua
defaults
    mode http
    timeout connect 5s
    timeout client 15s
    timeout server 15s
frontend f
    bind 127.0.0.1:8080
    acl slow lua.slow(yes) -m str yes
    tcp-request session set-var(sess.session) lua.slow(session)
    tcp-request content set-var(sess.content) lua.slow(content)
    http-request set-var(txn.path) path
{rules}{choices}    default_backend b
frontend plain
    bind 127.0.0.1:8081
    mode tcp
    tcp-request inspect-delay 5s
    tcp-request content reject if {{ str(no),lua.slow -m str yes }}
    use_backend %[lua.slow(raw)] if {{ lua.slow(yes) -m str yes }}
frontend origin
    bind 127.0.0.1:8082
    http-request return status 200 content-type text/plain string server
backend b
    server s 127.0.0.1:8082
backend raw
    mode tcp
    server s 127.0.0.1:8082
"
    );
    let site = Site::start("suspend", &[("site.cfg", &config), ("slow.lua", SCRIPT)])?;
    let request = |path: &str| {
        format!(
            "GET /{path} HTTP/1.1\r\nhost: x\r\nx-many: one\r\nx-many: two\r\nx-many: three\r\nconnection: close\r\n\r\n"
        )
    };
    let all = CASES
        .iter()
        .map(|(path, _, want)| (*path, *want))
        .chain(SERVED.iter().map(|(path, _, want)| (*path, *want)));
    for (path, want) in all {
        let answer = site.ask(&request(path))?;
        assert!(answer.contains(want), "/{path}: no `{want}` in\n{answer}");
    }
    let mut plain = site.connect(1)?;
    plain.write_all(request("tcp").as_bytes())?;
    assert!(rest(plain)?.ends_with("server"));
    Ok(())
}

const YIELDS: &str = "\
local function again(kind)
    return function(txn, wakes)
        local name = 'txn.' .. kind
        local runs = (txn:get_var(name) or 0) + 1
        txn:set_var(name, runs)
        core.log(core.info, kind .. ' ' .. runs)
        if runs == 3 and wakes == 'yes' then return act.CONTINUE end
        if wakes == 'yes' then act:wake_time(1) end
        return act.YIELD
    end
end
for kind, rules in pairs({ req = 'http-req', res = 'http-res', after = 'http-after-res', treq = 'tcp-req', tres = 'tcp-res' }) do
    core.register_action('again', { rules }, again(kind), 1)
end
";

/// The kind of rules, their mode and lines (`WAKES` is whether the action sets a time), and what is told of an action that
/// yields without one.
const YIELDING: &[(&str, &str, &str, &str)] = &[
    (
        "req",
        "http",
        "http-request lua.again WAKES",
        "without act:wake_time nothing runs the function again in `http-request`",
    ),
    (
        "res",
        "http",
        "http-response lua.again WAKES",
        "without act:wake_time nothing runs the function again in `http-response` and `http-after-response`",
    ),
    (
        "after",
        "http",
        "http-after-response lua.again WAKES",
        "without act:wake_time nothing runs the function again in `http-response` and `http-after-response`",
    ),
    (
        "treq",
        "tcp",
        "tcp-request content lua.again WAKES",
        "without act:wake_time and `inspect-delay` nothing runs the function again in `tcp-request content`",
    ),
    (
        "treq",
        "tcp",
        "tcp-request inspect-delay 20ms\n    tcp-request content lua.again WAKES",
        "`inspect-delay` is over",
    ),
    (
        "tres",
        "tcp",
        "tcp-response content lua.again WAKES",
        "without act:wake_time and `inspect-delay` nothing runs the function again in `tcp-response content`",
    ),
    (
        "tres",
        "tcp",
        "tcp-response inspect-delay 20ms\n    tcp-response content lua.again WAKES",
        "`inspect-delay` is over",
    ),
];

#[test]
fn an_action_that_yields_is_run_again_or_says_why_not_in_every_rule_set() -> Result<()> {
    for (at, (kind, mode, lines, why_not)) in YIELDING.iter().enumerate() {
        for wakes in ["yes", "no"] {
            let mut lines = lines.replace("WAKES", wakes);
            if wakes == "yes" {
                lines = lines.replace("20ms", "20s");
            }
            let config = format!(
                "global\n    log stdout format raw local0\n    lua-load site/yields.lua\ndefaults\n    log global\n    timeout client 20s\n    timeout server 20s\n    timeout connect 5s\n\
                 listen site\n    mode {mode}\n    bind 127.0.0.1:8080\n    {lines}\n    server s 127.0.0.1:8081\n\
                 frontend origin\n    mode http\n    bind 127.0.0.1:8081\n    http-request return status 200 content-type text/plain string hi\n"
            );
            let name = format!("yields-{at}-{wakes}");
            let site = Site::start(&name, &[("site.cfg", &config), ("yields.lua", YIELDS)])?;
            let answer = site.get("/")?;
            assert!(answer.ends_with("\r\n\r\nhi"), "{lines}: {answer}");
            match wakes {
                "yes" => site.logged(&format!("{kind} 3\n"))?,
                _ => site.logged(&format!("Lua function 'again': act.YIELD: {why_not}"))?,
            }
        }
    }
    Ok(())
}

#[test]
fn a_service_is_no_server_and_has_none_of_its_timeouts() -> Result<()> {
    let script = "core.register_service('slow', 'http', function(applet)
        core.msleep(60)
        applet:set_status(200)
        applet:start_response()
        applet:send('there')
    end)";
    let config = "global\n    lua-load site/slow.lua\n\
        listen site\n    mode http\n    timeout client 10s\n    timeout connect 10s\n    timeout server 10ms\n    \
        bind 127.0.0.1:8080\n    http-request use-service lua.slow\n";
    let site = Site::start("suspend-service", &[("site.cfg", config), ("slow.lua", script)])?;
    // How its body is framed depends on whether the service has ended when the head leaves.
    assert!(site.get("/")?.contains("there"));
    Ok(())
}
