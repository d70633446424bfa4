//! HTTP/2 in the running program: one proxy speaks it to another, so that both sides are seen at work.

mod support;

use std::io::Write;
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use support::Result;
use support::frames::{
    ACK, DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, PING, RST_STREAM, WINDOW_UPDATE,
};
use support::origin::{origin, server};
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

/// A refusal is an answer like others; it is `reject` that ends the connection, and `silent-drop` without a word.
#[test]
fn rules_that_refuse_a_stream_differ_in_what_becomes_of_the_connection() -> Result<()> {
    let config = "defaults all\n    mode http\n    timeout client 15s\n    timeout connect 5s\n\
         frontend deny\n    bind 127.0.0.1:8080\n    http-request deny\n\
         frontend reject\n    bind 127.0.0.1:8081\n    http-request reject\n\
         frontend drop\n    bind 127.0.0.1:8082\n    http-request silent-drop\n";
    let site = Site::start("refused-streams", &[("site.cfg", config)])?;
    let mut client = Frames::client(site.connect(0)?)?;
    for stream in [1, 3, 5] {
        client.get(stream)?;
        assert_eq!(client.until(HEADERS)?.stream, stream);
        let page = client.until(DATA)?;
        assert_eq!((page.stream, page.flags), (stream, END_STREAM), "{page:?}");
    }
    let mut client = Frames::client(site.connect(1)?)?;
    client.get(1)?;
    let calm = 11_u32.to_be_bytes();
    assert_eq!(client.until(RST_STREAM)?.payload, calm);
    assert!(client.until(GOAWAY)?.payload.ends_with(&calm));
    assert!(client.next()?.is_none());
    let mut client = Frames::client(site.connect(2)?)?;
    client.get(1)?;
    // What is said about windows comes before the request.
    while let Ok(Some(frame)) = client.next() {
        assert_eq!((frame.kind, frame.stream), (WINDOW_UPDATE, 0), "{frame:?}");
    }
    Ok(())
}

/// One who answers is kept past `timeout client`, one who doesn't is let go of, and other limits hold all the same.
#[test]
fn clients_that_ask_for_nothing_are_asked_whether_they_live() -> Result<()> {
    let config = "defaults all\n    mode http\n    \
         http-request return status 200 content-type text/plain string served\n\
         frontend kept\n    bind 127.0.0.1:8080 idle-ping 400ms\n    timeout client 1400ms\n\
         frontend short\n    bind 127.0.0.1:8081 idle-ping 400ms\n    timeout client 30s\n    \
         timeout http-keep-alive 1400ms\n";
    let site = Site::start("idle-ping-clients", &[("site.cfg", config)])?;
    let begin = |bind: usize| -> Result<Frames> {
        let mut client = Frames::client(site.connect(bind)?)?;
        client.get(1)?;
        assert_eq!(client.until(DATA)?.payload, b"served");
        Ok(client)
    };
    let mut client = begin(0)?;
    // For longer than a silent one is kept.
    for _ in 0..5 {
        let ping = client.next()?.ok_or("one who answers was let go of")?;
        assert_eq!((ping.kind, ping.flags), (PING, 0), "{ping:?}");
        client.send(PING, ACK, 0, &ping.payload)?;
    }
    client.get(3)?;
    assert_eq!(client.until(DATA)?.stream, 3);
    // No more answers: the next time that it should be asked it is let go of.
    let ping = client.next()?.ok_or("not asked again")?;
    assert_eq!(ping.kind, PING);
    let gone = client.next()?.ok_or("no farewell")?;
    assert_eq!(gone.kind, GOAWAY, "{gone:?}");
    assert!(client.next()?.is_none());
    // That it lives gives a client no more time between two requests.
    let mut client = begin(1)?;
    let mut pings = 0;
    while let Some(frame) = client.next()? {
        match frame.kind {
            PING => {
                pings += 1;
                client.send(PING, ACK, 0, &frame.payload)?;
            }
            kind => assert_eq!(kind, GOAWAY),
        }
    }
    assert!((1..=3).contains(&pings), "{pings}");
    Ok(())
}

/// A server's idle connection is asked too, and is not used any more once there is no answer.
#[test]
fn servers_that_are_not_needed_are_asked_whether_they_live() -> Result<()> {
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let origin = origin(move |stream| {
        let say = |what: &str| {
            let tell = tell.lock().unwrap_or_else(PoisonError::into_inner);
            tell.send(what.to_owned())
        };
        let mut server = Frames::server(stream)?;
        let mut answers = 3;
        while let Some(frame) = server.next()? {
            match frame.kind {
                HEADERS => {
                    say("request")?;
                    // `:status 200`
                    server.send(HEADERS, END_HEADERS | END_STREAM, frame.stream, b"\x88")?;
                }
                PING if answers > 0 => {
                    answers -= 1;
                    say("ping")?;
                    server.send(PING, ACK, 0, &frame.payload)?;
                }
                PING => say("last ping")?,
                _ => {}
            }
        }
        say("closed")?;
        Ok(())
    })?;
    let config = format!(
        "global\n    nbthread 1\ndefaults\n    mode http\n    timeout connect 5s\n    timeout client 15s\n    \
         timeout server 15s\nlisten l\n    bind 127.0.0.1:8080\n    http-reuse always\n    \
         server s {} proto h2 pool-purge-delay 60s idle-ping 100ms\n",
        server(origin)
    );
    let site = Site::start("idle-ping-servers", &[("site.cfg", &config)])?;
    for _ in 0..2 {
        // Had the first connection been kept, the second request would follow a ping on it.
        assert!(site.get("/")?.starts_with("HTTP/1.1 200 "));
        for wanted in ["request", "ping", "ping", "ping", "last ping", "closed"] {
            assert_eq!(told.recv_timeout(Duration::from_secs(20))?, wanted);
        }
    }
    Ok(())
}

#[test]
fn a_body_that_comes_wrong_with_its_request_reaches_no_server() -> Result<()> {
    let config = "global\n    nbthread 1\n    log stdout format raw local0\n\
         defaults\n    mode http\n    log global\n    timeout connect 5s\n    timeout client 15s\n    timeout server 15s\n    \
         log-format \"%HM %b/%s %ST %ts\"\n\
         frontend f\n    bind 127.0.0.1:8080\n    default_backend b\n\
         frontend s\n    bind 127.0.0.1:8081\n    no log\n    http-request return status 200\n\
         backend b\n    server s 127.0.0.1:8081\n";
    let site = Site::start("wrong-length", &[("site.cfg", config)])?;
    let mut client = Frames::client(site.connect(0)?)?;
    // The connection is served by now.
    client.get(1)?;
    client.until(HEADERS)?;
    // `:method POST` and a length of 9, with a body of 3 at once.
    let block = b"\x83\x86\x84\x41\x01x\x0f\x0d\x019";
    let head = [&[0, 0, 10, HEADERS, END_HEADERS, 0, 0, 0, 3][..], block].concat();
    let body = [&[0, 0, 3, DATA, END_STREAM, 0, 0, 0, 3][..], b"abc"].concat();
    client.0.write_all(&[head, body].concat())?;
    assert_eq!(client.until(RST_STREAM)?.stream, 3);
    site.logged("POST b/<NOSRV> -1 CR")
}
