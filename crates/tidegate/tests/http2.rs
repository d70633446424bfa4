//! HTTP/2 in the running program: one proxy speaks it to another, so that both sides are seen at work.

mod support;

use support::Result;
use support::site::Site;

#[test]
fn a_proxy_speaks_http_2_to_another() -> Result<()> {
    let script = r#"
core.register_service("echo", "http", function(applet)
    local body = applet:receive()
    applet:set_status(200)
    applet:start_response()
    applet:send("lua " .. applet.method .. " " .. applet.path .. " " .. applet.version .. " " .. body)
end)
"#;
    let config = "global\n    nbthread 1\n    lua-load site/site.lua\n    \
         tune.h2.fe.max-concurrent-streams 50\n    tune.h2.be.max-concurrent-streams 40\n\
         defaults\n    mode http\n    timeout connect 5s\n    timeout client 15s\n    timeout server 15s\n\
         frontend first\n    bind 127.0.0.1:8080\n    default_backend next\n\
         backend next\n    http-reuse always\n    \
         http-response set-header x-server \"%[bc_http_major] %[bc_settings_streams_limit] %[bs.id]\"\n    \
         server s 127.0.0.1:8081 proto h2\n\
         frontend second\n    bind 127.0.0.1:8081\n    \
         http-request use-service lua.echo if { path /lua }\n    \
         http-request return status 200 content-type text/plain lf-string \
         \"%[fc_http_major] %[fc_settings_streams_limit] %[fs.id] %[req.ver] %[hdr(host)]\"\n";
    let site = Site::start("http2", &[("site.cfg", config), ("site.lua", script)])?;
    let answer = site.get("/")?;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\n2 50 1 2.0 x"), "{answer}");
    assert!(answer.contains("x-server: 2 40 1\r\n"), "{answer}");
    // The second request is the next stream of the same connection.
    let answer = site.get("/")?;
    assert!(answer.ends_with("\r\n\r\n2 50 3 2.0 x"), "{answer}");
    let posted =
        site.ask("POST /lua HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\nconnection: close\r\n\r\na body")?;
    assert!(posted.contains("lua POST /lua HTTP/2.0 a body"), "{posted}");
    Ok(())
}
