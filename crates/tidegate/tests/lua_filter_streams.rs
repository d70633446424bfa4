//! Filters of scripts on streams that no server takes, and on those that follow a message: services of TCP, and connections
//! that switched protocols.

mod support;

use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};

use support::Result;
use support::origin::{head, origin, server};
use support::site::{Site, rest};

const SCRIPT: &str = r#"
-- What a filter with an argument is called for.
local told = {}
local F = { flags = filter.FLT_CFG_FL_HTX }
F.__index = F
function F:new() return setmetatable({ tells = self.args[1] }, F) end
function F:tell(what) if self.tells then told[#told + 1] = what end end
function F:start_analyze(txn, chn)
    self:tell("start " .. tostring(chn:is_resp()))
    filter.register_data_filter(self, chn)
end
function F:http_headers(txn, msg)
    if msg:is_resp() then self:tell("status " .. msg:get_stline().code) msg:set_header("x-seen", "yes") end
end
function F:http_payload(txn, msg) self:tell("payload " .. tostring(msg:is_resp())) end
function F:http_end(txn, msg) self:tell("whole " .. tostring(msg:is_resp())) end
function F:tcp_payload(txn, chn)
    local data = chn:data() or ""
    if data:find("later") then core.msleep(2) end
    if data:find("fail") then error("told to") end
    -- Half a line waits for its end.
    if not data:find("\n") and chn:may_recv() then return filter.WAIT end
    chn:set(data:upper())
end
function F:end_analyze(txn, chn) self:tell("end " .. tostring(chn:is_resp())) end
core.register_filter("upper", F, function(flt, args) flt.args = args return flt end)
core.register_service("echo", "tcp", function(applet)
    applet:send("Hello\n")
    while true do
        local line = applet:getline()
        if not line or line == "" then break end
        applet:send("Got " .. line)
    end
    applet:send("bye")
end)
core.register_fetches("told", function() return table.concat(told, ", ") end)
"#;

fn config(server: &str) -> String {
    format!(
        "global
    lua-load site/streams.lua
defaults
    mode http
    timeout connect 5s
    timeout client 15s
    timeout server 15s
frontend web
    bind 127.0.0.1:8080
    http-request return status 200 content-type text/plain lf-string \"%[lua.told]\" if {{ path /told }}
    default_backend switching
frontend stream
    mode tcp
    bind 127.0.0.1:8081
    filter lua.upper
    tcp-request inspect-delay 5s
    tcp-request content use-service lua.echo if {{ req.len gt 0 }}
backend switching
    filter lua.upper tell
    server s {server}
"
    )
}

fn site(name: &str, server: &str) -> Result<Site> {
    Site::start(name, &[("site.cfg", &config(server)), ("streams.lua", SCRIPT)])
}

/// Switches protocols, and gives back what comes then.
fn switching() -> Result<String> {
    let address = origin(|stream| {
        let mut from = BufReader::new(stream.try_clone()?);
        let mut to = stream;
        let asked = head(&mut from)?;
        let answer = match asked.starts_with("CONNECT ") {
            true => "HTTP/1.1 200 OK\r\n\r\nearly\n",
            false => "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nearly\n",
        };
        to.write_all(answer.as_bytes())?;
        std::io::copy(&mut from, &mut to)?;
        Ok(to.shutdown(Shutdown::Write)?)
    })?;
    Ok(server(address))
}

#[test]
fn what_goes_to_a_service_and_comes_from_it_is_filtered() -> Result<()> {
    let site = site("streams-service", "127.0.0.1:1")?;
    let mut stream = site.connect(1)?;
    // What rules have looked at already passes too, and half a line isn't seen before its end has come.
    stream.write_all(b"one\ntw")?;
    let mut from = BufReader::new(stream.try_clone()?);
    assert_eq!(line(&mut from)?, "HELLO\n");
    assert_eq!(line(&mut from)?, "GOT ONE\n");
    stream.write_all(b"o later\nthree")?;
    assert_eq!(line(&mut from)?, "GOT TWO LATER\n");
    stream.shutdown(Shutdown::Write)?;
    let mut end = String::new();
    from.read_to_string(&mut end)?;
    assert_eq!(end, "GOT THREEBYE");
    Ok(())
}

#[test]
fn a_filter_that_fails_ends_the_stream_of_its_service() -> Result<()> {
    let site = site("streams-fails", "127.0.0.1:1")?;
    let mut stream = site.connect(1)?;
    stream.write_all(b"fail\n")?;
    let answer = rest(stream)?;
    assert!(!answer.contains("FAIL"), "{answer}");
    site.logged("told to")?;
    assert!(
        site.get("/told")?.starts_with("HTTP/1.1 200 "),
        "others are served"
    );
    Ok(())
}

#[test]
fn a_connection_that_switched_is_filtered_on_both_ways() -> Result<()> {
    for (name, request, status, of_request) in [
        (
            "streams-upgrade",
            "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
            "101",
            "payload false, whole false",
        ),
        (
            "streams-connect",
            "CONNECT x:80 HTTP/1.1\r\nhost: x:80\r\n\r\n",
            "200",
            // A request that asks for a tunnel has no place for a body.
            "whole false",
        ),
    ] {
        let site = site(name, &switching()?)?;
        let mut stream: TcpStream = site.connect(0)?;
        stream.write_all(request.as_bytes())?;
        let mut from = BufReader::new(stream.try_clone()?);
        let answer = head(&mut from)?;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("x-seen: yes\r\n"), "{answer}");
        assert_eq!(line(&mut from)?, "EARLY\n");
        stream.write_all(b"one later\ntw")?;
        assert_eq!(line(&mut from)?, "ONE LATER\n");
        stream.write_all(b"o\nthree")?;
        assert_eq!(line(&mut from)?, "TWO\n");
        stream.shutdown(Shutdown::Write)?;
        let mut end = String::new();
        from.read_to_string(&mut end)?;
        assert_eq!(end, "THREE");
        site.until(
            "/told",
            &format!(
                "start false, {of_request}, start true, status {status}, whole true, end false, end true"
            ),
        )?;
    }
    Ok(())
}

fn line(from: &mut impl std::io::BufRead) -> Result<String> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    Ok(line)
}
