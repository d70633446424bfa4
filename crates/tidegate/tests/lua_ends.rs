//! How transactions end that scripts end, or answer: what the client gets, and what the log tells of it.

mod support;

use std::io::{Read, Write};

use support::Result;
use support::origin::{named, origin, server};
use support::site::{Site, rest};

const SCRIPT: &str = "\
core.register_action('ends', {'tcp-req', 'tcp-res', 'http-req', 'http-res', 'http-after-res'}, function(txn)
    local how = txn:get_var('txn.how')
    if how == 'done' then txn:done() end
    if how == 'reply' then txn:done(txn:reply({ status = 418, body = 'tea' })) end
    if how == 'said' then
        txn.res:send('bye')
        txn:done()
    end
    return act[how:upper()]
end)
core.register_service('web', 'http', function(applet)
    applet:set_status(200)
    applet:start_response()
end)
core.register_service('stream', 'tcp', function(applet) applet:send('served') end)
";

const DEFAULTS: &str = "\
global
    nbthread 1
    lua-load site/site.lua
defaults
    timeout connect 5s
    timeout client 15s
    timeout server 15s
    log stdout format raw daemon
";

/// The rules, how the script ends, what an answer begins with, and the status and state in the log.
const HTTP: &[(&str, &str, &str, &str)] = &[
    ("tcp-req", "done", "", "0 LR"),
    ("tcp-req", "reply", "HTTP/1.1 418 ", "418 LR"),
    ("tcp-req", "deny", "", "-1 PR"),
    ("tcp-req", "invalid", "", "-1 PR"),
    ("tcp-req", "error", "", "-1 IR"),
    ("tcp-req", "abort", "", "-1 PR"),
    ("http-req", "done", "", "0 LR"),
    ("http-req", "deny", "HTTP/1.1 403 ", "403 PR"),
    ("http-req", "invalid", "HTTP/1.1 400 ", "400 PR"),
    ("http-req", "error", "HTTP/1.1 500 ", "500 IR"),
    ("http-req", "abort", "", "-1 PR"),
    ("tcp-res", "done", "", "0 LH"),
    ("tcp-res", "reply", "HTTP/1.1 418 ", "418 LH"),
    ("tcp-res", "deny", "", "-1 PD"),
    ("tcp-res", "error", "", "-1 ID"),
    ("http-res", "done", "", "0 LH"),
    ("http-res", "reply", "HTTP/1.1 418 ", "418 LH"),
    ("http-res", "deny", "HTTP/1.1 502 ", "502 PH"),
    ("http-res", "error", "HTTP/1.1 500 ", "500 IH"),
    ("http-after-res", "done", "", "0 LH"),
    ("http-after-res", "error", "HTTP/1.1 500 ", "500 IH"),
];

#[test]
fn requests_end_as_scripts_say() -> Result<()> {
    let config = format!(
        "{DEFAULTS}    mode http\n    log-format \"%HP %ST %ts\"\n\
         frontend site\n    bind 127.0.0.1:8080\n    tcp-request inspect-delay 60s\n    \
         tcp-request content set-var(txn.how) path,field(3,/)\n    \
         tcp-request content lua.ends if {{ path -m beg /tcp-req/ }}\n    \
         http-request set-var(txn.at) path,field(2,/)\n    \
         http-request lua.ends if {{ path -m beg /http-req/ }}\n    \
         http-response lua.ends if {{ var(txn.at) -m str http-res }}\n    \
         http-after-response lua.ends if {{ var(txn.at) -m str http-after-res }}\n    default_backend b\n\
         backend b\n    tcp-response content lua.ends if {{ var(txn.at) -m str tcp-res }}\n    server o {}\n",
        server(named("origin")?)
    );
    let site = Site::start("lua-ends-http", &[("site.cfg", &config), ("site.lua", SCRIPT)])?;
    for (rules, how, begins, logged) in HTTP {
        let path = format!("/{rules}/{how}");
        let answer = site.get(&path)?;
        match begins.is_empty() {
            true => assert_eq!(answer, "", "{path}"),
            false => assert!(answer.starts_with(begins), "{path}: {answer}"),
        }
        site.logged(&format!("{path} {logged}\n"))?;
    }
    Ok(())
}

#[test]
fn streams_end_as_scripts_say() -> Result<()> {
    let echo = origin(|mut stream| {
        let mut asked = [0; 64];
        let length = stream.read(&mut asked)?;
        stream.write_all(asked.get(..length).unwrap_or_default())?;
        // Whether this ends is the proxy's to say.
        let _ = stream.read(&mut asked);
        Ok(())
    })?;
    // What the client says first names the rules, then how they end.
    let config = format!(
        "{DEFAULTS}    mode tcp\n    log-format \"%[var(txn.at)]/%[var(txn.how)] %ST %ts\"\n\
         frontend site\n    bind 127.0.0.1:8080\n    tcp-request inspect-delay 60s\n    \
         tcp-request content set-var(txn.at) req.payload(0,0),field(1,/) if {{ req.len gt 0 }}\n    \
         tcp-request content set-var(txn.how) req.payload(0,0),field(2,/) if {{ req.len gt 0 }}\n    \
         tcp-request content lua.ends if {{ var(txn.at) -m str req }}\n    default_backend b\n\
         backend b\n    tcp-response inspect-delay 60s\n    \
         tcp-response content lua.ends if {{ res.len gt 0 }} {{ var(txn.at) -m str res }}\n    server o {}\n",
        server(echo)
    );
    let site = Site::start("lua-ends-tcp", &[("site.cfg", &config), ("site.lua", SCRIPT)])?;
    for (asked, answered, logged) in [
        ("req/said", "bye", "0 LR"),
        ("req/deny", "", "0 PR"),
        ("req/error", "", "0 IR"),
        ("req/abort", "", "0 PR"),
        ("res/said", "bye", "0 LD"),
        ("res/deny", "", "0 PD"),
        ("res/error", "", "0 ID"),
    ] {
        let mut stream = site.connect(0)?;
        stream.write_all(asked.as_bytes())?;
        assert_eq!(rest(stream)?, answered, "{asked}");
        site.logged(&format!("{asked} {logged}\n"))?;
    }
    Ok(())
}

#[test]
fn logs_name_the_service_that_answers() -> Result<()> {
    let config = format!(
        "{DEFAULTS}    mode http\n    log-format \"%HP %b/%s %ts\"\n\
         frontend site\n    bind 127.0.0.1:8080\n    http-request use-service lua.web if {{ path /web }}\n    \
         http-request use-service prometheus-exporter if {{ path /metrics }}\n    stats uri /stats\n    \
         default_backend b\n\
         backend b\n    http-request use-service lua.web\n\
         listen stream\n    bind 127.0.0.1:8081\n    mode tcp\n    log-format \"%f %s %ts\"\n    \
         tcp-request content use-service lua.stream\n"
    );
    let site = Site::start("lua-ends-names", &[("site.cfg", &config), ("site.lua", SCRIPT)])?;
    for (path, logged) in [
        ("/web", "site/<lua.web> LR"),
        ("/other", "b/<lua.web> LR"),
        ("/metrics", "site/<PROMEX> LR"),
        ("/stats", "site/<STATS> LR"),
    ] {
        let answer = site.get(path)?;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        site.logged(&format!("{path} {logged}\n"))?;
    }
    assert_eq!(rest(site.connect(1)?)?, "served");
    site.logged("stream <lua.stream> --\n")
}
