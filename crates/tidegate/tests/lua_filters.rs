//! Filters of scripts, in the running program: what they see and change on each way, and what becomes of their failures.

mod support;

use std::fmt::Write as _;
use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::Command;

use support::Result;
use support::origin::{head, origin, server};
use support::program::binary;
use support::scripted;
use support::site::{Site, rest};

/// Filters for all tests.
const SCRIPT: &str = r#"
-- A class with these methods, whose data pass it.
local function register(name, methods, http)
    local F = methods
    F.__index = F
    if http ~= false then F.flags = filter.FLT_CFG_FL_HTX end
    function F:new() return setmetatable({ args = self.args }, F) end
    F.start_analyze = F.start_analyze or function(self, txn, chn) filter.register_data_filter(self, chn) end
    core.register_filter(name, F, function(flt, args) flt.args = args return flt end)
end

local function upper(self, txn, subject)
    local data = (subject.body or subject.data)(subject)
    if data then subject:set(data:upper()) end
end

local function double(self, txn, subject)
    local data = (subject.body or subject.data)(subject)
    if data then subject:set(data .. data) end
end

register("upper", { http_payload = upper, tcp_payload = upper })
register("wrap", {
    http_headers = function(self, txn, msg) msg:set_body_len("chunked") end,
    http_payload = function(self, txn, msg)
        if not self[msg:is_resp()] then
            self[msg:is_resp()] = true
            msg:send("<" .. self.args[1])
        end
        if msg:eom() then msg:append(self.args[1] .. ">") end
    end,
})
register("double", { http_payload = double, tcp_payload = double })
register("chunked", { http_headers = function(self, txn, msg) msg:set_body_len("chunked") end, http_payload = double })
register("exact", {
    http_headers = function(self, txn, msg)
        local length = msg:get_headers()["content-length"]
        if length then msg:set_body_len(2 * length[0]) end
    end,
    http_payload = double,
})
register("page", {
    http_headers = function(self, txn, msg)
        if msg:is_resp() then
            msg:set_status(203, "Made Up")
            msg:add_header("x-by", "filter")
            msg:set_body_len(7)
        else
            msg:set_method("POST")
            msg:set_uri("/made?up")
            msg:set_header("x-by", msg:get_stline().method)
        end
    end,
    http_payload = function(self, txn, msg)
        msg:remove()
        if msg:is_resp() and msg:eom() then msg:append("made up") end
    end,
})

-- What is called, in order.
local told = {}
local function tell(self, what, subject)
    local way = subject:is_resp() and "response" or "request"
    told[#told + 1] = self.args[1] .. "." .. what .. "(" .. way .. ")"
end
local traced = {}
for _, name in ipairs({ "start_analyze", "end_analyze", "http_headers", "http_payload", "http_end", "tcp_payload" }) do
    traced[name] = function(self, txn, subject)
        tell(self, name, subject)
        if name == "start_analyze" then filter.register_data_filter(self, subject) end
        if name == "http_end" then told[#told + 1] = txn.f:method() end
        if self.args[2] then core.msleep(tonumber(self.args[2])) end
    end
end
register("trace", traced)
register("second", traced)
core.register_service("told", "http", function(applet)
    local text = table.concat(told, " ") .. "\n"
    if applet.path == "/told/new" then told = {} end
    applet:set_status(200)
    applet:add_header("content-length", tostring(#text))
    applet:start_response()
    applet:send(text)
end)

-- Fails in the callback that the line names, on the way that it names, in the manner that it names.
local failing = {}
for _, name in ipairs({ "start_analyze", "http_headers", "http_payload", "http_end", "tcp_payload", "end_analyze" }) do
    failing[name] = function(self, txn, subject)
        if name == "start_analyze" then filter.register_data_filter(self, subject) end
        if self.args[1] ~= name or subject:is_resp() ~= (self.args[2] == "response") then return end
        if self.args[3] == "code" then return filter.ERROR end
        if self.args[3] == "loop" then while true do end end
        error("told to fail")
    end
end
register("failing", failing)
local broken = { flags = filter.FLT_CFG_FL_HTX, new = function() error("no object") end }
core.register_filter("broken", broken, function(flt) return flt end)
local ignored = { flags = filter.FLT_CFG_FL_HTX, new = function(self) if self.args[1] == "new" then return nil end end }
core.register_filter("ignored", ignored, function(flt, args)
    flt.args = args
    if args[1] ~= "line" then return flt end
end)

-- Asks somebody else before anything passes.
register("asking", {
    http_payload = function(self, txn, msg)
        local socket = core.tcp()
        socket:settimeout(5)
        assert(socket:connect("127.0.0.1", tonumber(self.args[1])))
        socket:send("who\n")
        local name = socket:receive("*l")
        socket:close()
        local body = msg:body()
        if body and body ~= "" then msg:set(name .. ":" .. body) end
    end,
}, true)

-- Keeps what it gets, for whoever comes next.
kept = {}
register("keeping", {
    http_payload = function(self, txn, msg)
        local key = msg:is_resp() and "res" or "req"
        for what, use in pairs(kept) do
            local ok, problem = pcall(use)
            told[#told + 1] = what .. ": " .. (ok and "used" or problem:gsub("^.*%.lua:%d+: ", ""))
        end
        local channel = msg.channel
        kept[key .. " HTTPMessage"] = function() return msg:body() end
        kept[key .. " Channel"] = function() return channel:is_full() end
        kept[key .. " TXN"] = function() return txn.f:method() end
        kept[key .. " HTTP"] = function() return txn.http:req_get_headers() end
        kept[key .. " Fetches"] = function() local f = txn.f return f:method() end
    end,
})
register("tcponly", { tcp_payload = upper }, false)
"#;

/// Answers with what it got: `METHOD TARGET`, some headers, the body. Reads chunks and lengths.
fn mirror() -> Result<SocketAddr> {
    origin(|mut stream| {
        let mut from = BufReader::new(stream.try_clone()?);
        loop {
            let head = head(&mut from)?;
            let lower = head.to_ascii_lowercase();
            let mut body = Vec::new();
            let mut framing = "none".to_owned();
            if let Some(length) = field(&lower, "content-length") {
                let length: u64 = length.parse()?;
                (&mut from).take(length).read_to_end(&mut body)?;
                framing = length.to_string();
            } else if lower.contains("transfer-encoding: chunked") {
                body = chunks(&mut from)?;
                framing = "chunked".into();
            }
            let line = head.lines().next().unwrap_or_default().to_owned();
            let by = field(&lower, "x-by").unwrap_or_default().to_owned();
            if lower.starts_with("get /long") || lower.starts_with("post /long") {
                let text = "tide ".repeat(60_000);
                let length = text.len();
                write!(
                    stream,
                    "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{text}"
                )?;
                continue;
            }
            if lower.starts_with("get /chunks") {
                stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
                for piece in ["one ", "two ", "three"] {
                    write!(stream, "{:x}\r\n{piece}\r\n", piece.len())?;
                }
                stream.write_all(b"0\r\n\r\n")?;
                continue;
            }
            if lower.starts_with("get /empty") {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
                continue;
            }
            let mut text = format!("{line}|{framing}|{by}|");
            let bytes = body.len();
            match bytes > 100 {
                true => write!(text, "{bytes} bytes")?,
                false => text.push_str(&String::from_utf8_lossy(&body)),
            }
            let length = text.len();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nx-framing: {framing}\r\ncontent-length: {length}\r\n\r\n"
            )?;
            if !lower.starts_with("head") {
                stream.write_all(text.as_bytes())?;
            }
        }
    })
}

fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut lines = head.lines();
    lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(": ")?.trim()))
}

fn chunks(from: &mut impl std::io::BufRead) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        from.read_line(&mut line)?;
        let size = u64::from_str_radix(line.trim(), 16)?;
        let before = body.len();
        from.take(size).read_to_end(&mut body)?;
        if (body.len() - before) as u64 != size {
            return Err("a chunk is cut off".into());
        }
        from.read_line(&mut line)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

/// Two frontends with the filters: one that is spoken to in HTTP/1, and one in HTTP/2, by way of a third.
fn site(name: &str, filters: &str, origin: SocketAddr) -> Result<support::runtime::Runtime> {
    let config = format!(
        "frontend first\n    bind 127.0.0.1:8080\n{filters}    default_backend origin\n\
         frontend way\n    bind 127.0.0.1:8081\n    default_backend second\n\
         backend second\n    server s 127.0.0.1:8082 proto h2\n\
         frontend second\n    bind 127.0.0.1:8082 proto h2\n{filters}    default_backend origin\n\
         frontend told\n    bind 127.0.0.1:8083\n    http-request use-service lua.told\n\
         backend origin\n    server o {}\n",
        server(origin)
    );
    scripted::start(name, SCRIPT, &config)
}

/// The head and the body of the answer to a request, on the connection of a bind.
fn ask(site: &Site, bind: usize, request: &str) -> Result<(String, Vec<u8>)> {
    let mut stream = site.connect(bind)?;
    stream.write_all(request.as_bytes())?;
    answer(&mut BufReader::new(stream))
}

fn answer(from: &mut BufReader<TcpStream>) -> Result<(String, Vec<u8>)> {
    let head = head(from)?.to_ascii_lowercase();
    let mut body = Vec::new();
    if head.contains("transfer-encoding: chunked") {
        body = chunks(from)?;
    } else if let Some(length) = field(&head, "content-length") {
        let length: u64 = length.parse()?;
        from.take(length).read_to_end(&mut body)?;
        if body.len() as u64 != length {
            return Err(format!("{} bytes of {length}", body.len()).into());
        }
    }
    Ok((head, body))
}

fn text(site: &Site, bind: usize, request: &str) -> Result<(String, String)> {
    let (head, body) = ask(site, bind, request)?;
    Ok((head, String::from_utf8(body)?))
}

const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

/// HTTP/1 and HTTP/2.
const BINDS: [usize; 2] = [0, 1];

#[test]
fn bodies_of_any_length_are_rewritten_on_both_ways() -> Result<()> {
    let site = site("rewrite", "    filter lua.chunked\n", mirror()?)?;
    for bind in BINDS {
        let (head, body) = text(
            &site.site,
            bind,
            "POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc",
        )?;
        let once = "POST /a HTTP/1.1|chunked||abcabc";
        assert_eq!(body, once.repeat(2), "{bind}: {head}");
        let chunked =
            "POST /a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
        let (_, body) = text(&site.site, bind, chunked)?;
        // The two pieces may come as one.
        let ways =
            ["ababcc", "abcabc"].map(|doubled| format!("POST /a HTTP/1.1|chunked||{doubled}").repeat(2));
        assert!(ways.contains(&body), "{body}");
        let (_, body) = text(&site.site, bind, "GET /chunks HTTP/1.1\r\nhost: x\r\n\r\n")?;
        assert_eq!(body.len(), 26, "{body}");
        let (_, body) = ask(&site.site, bind, "GET /long HTTP/1.1\r\nhost: x\r\n\r\n")?;
        assert_eq!(body.len(), 600_000);
        let long = "y".repeat(200_000);
        let request = format!(
            "POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{long}",
            long.len()
        );
        let (_, body) = text(&site.site, bind, &request)?;
        assert_eq!(body, "POST /a HTTP/1.1|chunked||400000 bytes".repeat(2));
    }
    Ok(())
}

#[test]
fn a_length_that_a_filter_tells_is_the_bodys() -> Result<()> {
    let site = site("exact", "    filter lua.exact\n", mirror()?)?;
    for bind in BINDS {
        let (head, body) = text(
            &site.site,
            bind,
            "POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc",
        )?;
        let once = "POST /a HTTP/1.1|6||abcabc";
        assert_eq!(body, once.repeat(2));
        assert!(head.contains("content-length: 52"), "{head}");
        let (head, body) = ask(&site.site, bind, "GET /long HTTP/1.1\r\nhost: x\r\n\r\n")?;
        assert_eq!(body.len(), 600_000);
        assert!(head.contains("content-length: 600000"), "{head}");
    }
    Ok(())
}

#[test]
fn a_length_is_put_right_as_long_as_it_can_be() -> Result<()> {
    let site = site("right", "    filter lua.double\n", mirror()?)?;
    for bind in BINDS {
        let (head, body) = text(
            &site.site,
            bind,
            "POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc",
        )?;
        assert_eq!(body, "POST /a HTTP/1.1|6||abcabc".repeat(2));
        assert!(head.contains("content-length: 52"), "{head}");
        // What is longer than a buffer was told as it came.
        let mut stream = site.site.connect(bind)?;
        stream.write_all(b"GET /long HTTP/1.1\r\nhost: x\r\n\r\n")?;
        assert!(answer(&mut BufReader::new(stream)).is_err(), "it is cut off");
    }
    site.site.logged("calls `set_body_len`")?;
    // Where the length stays, so does what is told.
    let site = self::site("kept", "    filter lua.upper\n", mirror()?)?;
    for bind in BINDS {
        let (head, body) = ask(&site.site, bind, "GET /long HTTP/1.1\r\nhost: x\r\n\r\n")?;
        assert!(body.starts_with(b"TIDE TIDE") && body.len() == 300_000);
        assert!(head.contains("content-length: 300000"), "{head}");
    }
    Ok(())
}

#[test]
fn messages_are_made_anew() -> Result<()> {
    let site = site("page", "    filter lua.page\n", mirror()?)?;
    for bind in BINDS {
        for path in ["/", "/long", "/empty"] {
            let (head, body) = text(
                &site.site,
                bind,
                &format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"),
            )?;
            assert_eq!(body, "made up");
            assert!(head.starts_with("http/1.1 203 "), "{head}");
            assert!(
                head.contains("x-by: filter") && head.contains("content-length: 7"),
                "{head}"
            );
        }
        let (head, _) = ask(
            &site.site,
            bind,
            "HEAD / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        )
        .or_else(|_| -> Result<(String, Vec<u8>)> {
            let answer = site
                .site
                .ask("HEAD / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
            Ok((answer, Vec::new()))
        })?;
        assert!(head.contains("203"), "{head}");
    }
    Ok(())
}

#[test]
fn filters_are_called_in_the_order_of_their_lines() -> Result<()> {
    let filters = "    filter lua.wrap a\n    filter lua.ignored line\n    filter lua.ignored new\n    filter lua.wrap b\n";
    let site = site("order", filters, mirror()?)?;
    for bind in BINDS {
        let (_, body) = text(
            &site.site,
            bind,
            "POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc",
        )?;
        assert_eq!(body, "<b<aPOST /a HTTP/1.1|chunked||<b<aabca>b>a>b>");
    }
    Ok(())
}

/// What was called since this was asked last.
fn calls(site: &Site) -> Result<String> {
    Ok(text(
        site,
        3,
        "GET /told/new HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )?
    .1)
}

#[test]
fn every_callback_has_its_moment_and_may_wait() -> Result<()> {
    for wait in ["", " 20"] {
        let name = format!("calls{}", wait.trim());
        let site = site(&name, &format!("    filter lua.trace a{wait}\n"), mirror()?)?;
        let wanted = |method: &str| {
            format!(
                "a.start_analyze(request) a.http_headers(request) a.http_payload(request) a.http_end(request) {method} \
                 a.start_analyze(response) a.http_headers(response) a.http_payload(response) a.http_end(response) {method} \
                 a.end_analyze(request) a.end_analyze(response)\n"
            )
        };
        for bind in BINDS {
            for (method, request) in [
                ("GET", GET),
                ("GET", "GET /empty HTTP/1.1\r\nhost: x\r\n\r\n"),
                (
                    "POST",
                    "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc",
                ),
            ] {
                ask(&site.site, bind, request)?;
                until_told(&site.site, "a.end_analyze(response)\n")?;
                assert_eq!(calls(&site.site)?, wanted(method), "{bind} {request}");
            }
        }
    }
    Ok(())
}

#[test]
fn a_sequence_says_which_filters_messages_meet_and_in_which_order() -> Result<()> {
    let lines = "    filter lua.trace a\n    filter lua.second b\n    filter-sequence request lua.second,lua.trace\n    \
                 filter-sequence response lua.second\n";
    let site = site("sequence", lines, mirror()?)?;
    for bind in BINDS {
        ask(&site.site, bind, GET)?;
        until_told(&site.site, "b.end_analyze(response)\n")?;
        // Of a body that is empty the second one hears or not, as its end is told with the head or behind it.
        let told = calls(&site.site)?.replace("a.http_payload(request) ", "");
        assert_eq!(
            told,
            "b.start_analyze(request) a.start_analyze(request) b.http_headers(request) a.http_headers(request) \
             b.http_payload(request) b.http_end(request) GET a.http_end(request) GET \
             b.start_analyze(response) b.http_headers(response) b.http_payload(response) b.http_end(response) GET \
             a.end_analyze(request) b.end_analyze(request) b.end_analyze(response)\n",
            "{bind}"
        );
    }
    Ok(())
}

fn until_told(site: &Site, end: &str) -> Result<()> {
    let start = std::time::Instant::now();
    loop {
        let (_, told) = text(site, 3, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
        if told.ends_with(end) {
            return Ok(());
        }
        if start.elapsed() > std::time::Duration::from_secs(20) {
            return Err(format!("`{end}` was not told: {told}").into());
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn a_callback_may_ask_somebody_else() -> Result<()> {
    let who = origin(|mut stream| {
        head_line(&stream)?;
        stream.write_all(b"ada\n")?;
        Ok(())
    })?;
    let site = site(
        "asking",
        &format!("    filter lua.asking {}\n", who.port()),
        mirror()?,
    )?;
    for bind in BINDS {
        let (_, body) = text(
            &site.site,
            bind,
            "POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc",
        )?;
        assert_eq!(body, "ada:POST /a HTTP/1.1|7||ada:abc");
    }
    Ok(())
}

fn head_line(stream: &TcpStream) -> Result<()> {
    let mut line = String::new();
    std::io::BufRead::read_line(&mut BufReader::new(stream), &mut line)?;
    Ok(())
}

#[test]
fn a_failure_ends_its_own_transaction_and_is_logged() -> Result<()> {
    for (callback, way, status) in [
        ("start_analyze", "request", "400"),
        ("http_headers", "request", "400"),
        ("http_payload", "request", "400"),
        ("http_end", "request", "400"),
        ("start_analyze", "response", "502"),
        ("http_headers", "response", "502"),
        ("http_payload", "response", "502"),
        ("http_end", "response", "502"),
    ] {
        for manner in ["error", "code"] {
            let name = format!("fail-{callback}-{way}-{manner}");
            let site = site(
                &name,
                &format!("    filter lua.failing {callback} {way} {manner}\n"),
                mirror()?,
            )?;
            let (head, _) = ask(
                &site.site,
                0,
                "POST /a HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc",
            )?;
            assert!(head.starts_with(&format!("http/1.1 {status} ")), "{name}: {head}");
            match manner {
                "code" => site
                    .site
                    .logged(&format!("Lua filter 'failing': {callback} gave filter.ERROR"))?,
                _ => {
                    site.site
                        .logged_line(&["Lua filter 'failing'", "runtime error", "told to fail"])?;
                    site.site.logged("stack traceback")?;
                }
            }
        }
    }
    let site = site(
        "fail-loop",
        "    filter lua.failing http_payload response loop\n",
        mirror()?,
    )?;
    let (head, _) = ask(&site.site, 0, GET)?;
    assert!(head.starts_with("http/1.1 502 "), "{head}");
    site.site.logged_line(&["Lua filter 'failing'", "timeout"])?;
    let site = self::site("fail-new", "    filter lua.broken\n", mirror()?)?;
    let (head, _) = ask(&site.site, 0, GET)?;
    assert!(head.starts_with("http/1.1 500 "), "{head}");
    site.site.logged("no object")?;
    let site = self::site(
        "fail-end",
        "    filter lua.failing end_analyze response error\n",
        mirror()?,
    )?;
    let (head, _) = ask(&site.site, 0, GET)?;
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    site.site.logged("told to fail")
}

#[test]
fn what_is_kept_of_a_transaction_leads_nowhere_afterwards() -> Result<()> {
    let site = site("keeping", "    filter lua.keeping\n", mirror()?)?;
    ask(&site.site, 0, GET)?;
    calls(&site.site)?;
    ask(&site.site, 0, GET)?;
    let told = calls(&site.site)?;
    for class in ["HTTPMessage", "Channel", "TXN", "HTTP", "Fetches"] {
        for way in ["req", "res"] {
            // The second transaction's own were kept, and used, in between.
            assert!(
                told.contains(&format!("{way} {class}: ")),
                "{way} {class}: {told}"
            );
        }
    }
    assert_eq!(told.matches("object is no longer usable").count(), 15, "{told}");
    assert_eq!(told.matches(": used").count(), 5, "{told}");
    Ok(())
}

#[test]
fn a_service_and_a_compression_are_filtered_as_a_server_is() -> Result<()> {
    let config = "frontend f\n    bind 127.0.0.1:8080\n    filter lua.upper\n    filter comp-res\n    compression algo gzip\n    \
                  compression type text/plain\n    http-request use-service lua.told\n";
    let site = scripted::start("service", SCRIPT, config)?;
    let answer = site
        .site
        .ask("GET /told HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
    assert!(answer.ends_with("\r\n\r\n\n"), "{answer}");
    let traced = "frontend f\n    bind 127.0.0.1:8080\n    filter lua.trace a\n    http-request use-service lua.told\n";
    let site = scripted::start("service-traced", SCRIPT, traced)?;
    let answer = site
        .site
        .ask("GET /told HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
    assert!(answer.contains("a.http_payload(request)"), "{answer}");
    let answer = site
        .site
        .ask("GET /told HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
    assert!(answer.contains("a.http_payload(response)"), "{answer}");
    Ok(())
}

/// Sends back what it gets, until the end.
fn echo() -> Result<SocketAddr> {
    origin(|mut stream| {
        let mut buffer = [0; 4096];
        loop {
            let n = stream.read(&mut buffer)?;
            if n == 0 {
                stream.write_all(b"bye")?;
                return Ok(());
            }
            stream.write_all(buffer.get(..n).unwrap_or_default())?;
        }
    })
}

fn stream_site(name: &str, filters: &str) -> Result<support::runtime::Runtime> {
    let config = format!(
        "listen l\n    mode tcp\n    bind 127.0.0.1:8080\n{filters}    server o {}\n\
         frontend unused\n    bind 127.0.0.1:8081\nfrontend unused2\n    bind 127.0.0.1:8082\n\
         frontend told\n    bind 127.0.0.1:8083\n    http-request use-service lua.told\n",
        server(echo()?)
    );
    scripted::start(name, SCRIPT, &config)
}

#[test]
fn streams_are_rewritten_on_both_ways_and_end_as_they_did() -> Result<()> {
    let site = stream_site("stream", "    filter lua.tcponly\n    filter lua.double\n")?;
    let mut stream = site.site.connect(0)?;
    stream.write_all(b"ab")?;
    let mut came = [0; 8];
    stream.read_exact(&mut came)?;
    assert_eq!(&came, b"ABABABAB", "at once");
    let long = "x".repeat(300_000);
    let mut sending = stream.try_clone()?;
    let sent = std::thread::spawn(move || {
        let _ = sending.write_all(long.as_bytes());
        let _ = sending.shutdown(Shutdown::Write);
    });
    let mut all = Vec::new();
    stream.read_to_end(&mut all)?;
    let _ = sent.join();
    assert_eq!(all.len(), 1_200_006);
    assert!(all.ends_with(b"BYE"));
    Ok(())
}

#[test]
fn callbacks_of_a_stream_have_their_moments() -> Result<()> {
    for wait in ["", " 20"] {
        let site = stream_site(
            &format!("stream-calls{}", wait.trim()),
            &format!("    filter lua.trace a{wait}\n"),
        )?;
        // The test's own probing of the port is told too: its end comes first.
        until_told(&site.site, "a.end_analyze(response)\n")?;
        let mut stream = site.site.connect(0)?;
        stream.write_all(b"ab")?;
        stream.read_exact(&mut [0; 2])?;
        stream.shutdown(Shutdown::Write)?;
        stream.read_to_end(&mut Vec::new())?;
        until_told(&site.site, "a.end_analyze(response)\n")?;
        let told = calls(&site.site)?;
        let places: Vec<_> = [
            "a.start_analyze(request)",
            "a.start_analyze(response)",
            "a.tcp_payload(request)",
            "a.tcp_payload(response)",
        ]
        .map(|call| told.find(call))
        .to_vec();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{told}");
        assert!(
            told.ends_with(" a.end_analyze(request) a.end_analyze(response)\n"),
            "{told}"
        );
    }
    Ok(())
}

#[test]
fn a_failure_ends_its_own_stream() -> Result<()> {
    for (callback, way) in [
        ("start_analyze", "request"),
        ("start_analyze", "response"),
        ("tcp_payload", "request"),
        ("tcp_payload", "response"),
    ] {
        let name = format!("stream-fail-{callback}-{way}");
        let site = stream_site(&name, &format!("    filter lua.failing {callback} {way} error\n"))?;
        let mut stream = site.site.connect(0)?;
        stream.write_all(b"ab")?;
        assert_eq!(rest(stream)?, "", "{name}");
        site.site.logged("told to fail")?;
        site.site.logged("stack traceback")?;
    }
    Ok(())
}

#[test]
fn a_long_body_passes_in_bounded_memory() -> Result<()> {
    const BYTES: usize = 100 << 20;
    let source = origin(|mut stream| {
        head(&mut BufReader::new(stream.try_clone()?))?;
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {BYTES}\r\n\r\n")?;
        let piece = vec![b'a'; 64 << 10];
        for _ in 0..BYTES / piece.len() {
            stream.write_all(&piece)?;
        }
        Ok(())
    })?;
    let site = site("long", "    filter lua.chunked\n", source)?;
    let before = memory_peak(&site.site)?;
    for bind in BINDS {
        let mut stream = site.site.connect(bind)?;
        stream.write_all(GET.as_bytes())?;
        let mut from = BufReader::with_capacity(64 << 10, stream);
        let head = head(&mut from)?;
        assert!(head.contains("chunked"), "{head}");
        assert_eq!(count_chunks(&mut from)?, 2 * BYTES as u64);
    }
    let grown = memory_peak(&site.site)?.saturating_sub(before);
    assert!(grown < 48 << 10, "{grown} KiB more");
    Ok(())
}

fn count_chunks(from: &mut impl std::io::BufRead) -> Result<u64> {
    let mut total = 0;
    loop {
        let mut line = String::new();
        from.read_line(&mut line)?;
        let size = u64::from_str_radix(line.trim(), 16)?;
        if std::io::copy(&mut from.take(size), &mut std::io::sink())? != size {
            return Err("a chunk is cut off".into());
        }
        from.read_line(&mut line)?;
        total += size;
        if size == 0 {
            return Ok(total);
        }
    }
}

/// The most memory that the program has had, in KiB.
fn memory_peak(site: &Site) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", site.pid()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("no VmHWM")?.parse()?)
}

#[test]
fn filters_that_are_not_there_or_not_for_the_mode_are_refused() -> Result<()> {
    let directory = std::env::temp_dir().join(format!("tidegate-filters-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    std::fs::write(directory.join("script.lua"), SCRIPT)?;
    let check = |filter: &str| -> Result<String> {
        let config = format!(
            "global\n    lua-load script.lua\ndefaults\n    mode http\n    timeout connect 5s\n    timeout client 5s\n    \
             timeout server 5s\nfrontend f\n    bind 127.0.0.1:1\n    filter {filter}\n"
        );
        std::fs::write(directory.join("site.cfg"), config)?;
        let mut program = Command::new(binary());
        let output = program
            .args(["-c", "-f", "site.cfg"])
            .current_dir(&directory)
            .output()?;
        assert!(!output.status.success());
        Ok(String::from_utf8(output.stderr)?)
    };
    let told = check("lua.uper x")?;
    assert!(told.contains("no script registered the filter `uper`"), "{told}");
    assert!(told.contains("did you mean `upper`?"), "{told}");
    let told = check("lua.tcponly")?;
    assert!(told.contains("the filter `tcponly` is for TCP only"), "{told}");
    let told = check("redact")?;
    assert!(
        told.contains("the filter of a script is named `lua.<name>`"),
        "{told}"
    );
    std::fs::remove_dir_all(directory)?;
    Ok(())
}
