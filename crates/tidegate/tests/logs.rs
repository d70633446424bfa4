//! Log lines of the running program: where they go, what is in them, and how sessions say that they ended.

mod support;

use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixDatagram, UnixListener};

use support::Result;
use support::origin::{head, origin, server};
use support::place::Place;
use support::site::{Site, rest};
use support::syslog::{PATIENCE, Syslog};

// Whoever looks whether the program listens sends nothing, and leaves no line with `http-ignore-probes`.
const DEFAULTS: &str = "global\n    nbthread 1\n\
    defaults\n    mode http\n    option http-ignore-probes\n    timeout connect 5s\n    timeout client 15s\n    timeout server 15s\n";

/// A site that logs to `syslog`, with these lines in its `listen` section.
fn site(name: &str, syslog: &Syslog, log: &str, lines: &str) -> Result<Site> {
    let target = syslog.target()?;
    let config =
        format!("{DEFAULTS}listen site\n    bind 127.0.0.1:8080\n    log {target} {log}\n    {lines}\n");
    Site::start(name, &[("site.cfg", &config)])
}

fn answering() -> Result<String> {
    let origin = origin(|stream| {
        let mut from = BufReader::new(stream.try_clone()?);
        let mut to = stream;
        while head(&mut from).is_ok() {
            to.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: a|b\r\nSet-Cookie: SID=new; Path=/\r\n\r\nhello")?;
        }
        Ok(())
    })?;
    Ok(server(origin))
}

#[test]
fn a_request_is_logged_with_what_was_captured_of_it() -> Result<()> {
    let syslog = Syslog::new()?;
    let lines = format!(
        "capture request header X len 8\n    capture response header Server len 20\n    capture cookie SID= len 20\n    \
         declare capture request len 9\n    http-request capture path len 4\n    http-request capture str(id) id 1\n    \
         unique-id-format id-%rt\n    unique-id-header X-Id\n    \
         log-format \"%ID %CC %CS %hr %hs %{{+Q}}r %ST %b/%s %ts\"\n    server s {}",
        answering()?
    );
    let site = site("logs-captures", &syslog, "format raw local0", &lines)?;
    // The helper looked whether the site listens, each time on a connection of its own.
    let _ = site.ask("GET /path?q HTTP/1.1\r\nHost: h\r\nX: 1\r\nX: a|b{c}\"#\r\nCookie: A=1; SID=old\r\nConnection: close\r\n\r\n")?;
    let line = syslog.line()?;
    let (id, line) = line.split_once(' ').ok_or("no unique id")?;
    assert!(
        id.strip_prefix("id-")
            .is_some_and(|n| n.parse::<u32>().is_ok_and(|n| n > 0)),
        "{id}"
    );
    assert_eq!(
        line,
        "SID=old SID=new {a#7Cb#7Bc#7D#22#23|id|/pat} {a#7Cb} \"GET /path?q HTTP/1.1\" 200 site/s --"
    );
    Ok(())
}

#[test]
fn headers_profiles_samples_and_steps_are_the_targets() -> Result<()> {
    let (plain, sampled) = (Syslog::new()?, Syslog::new()?);
    let config = format!(
        "{DEFAULTS}log-profile short\n    log-tag mine\n    on close format \"closed %OG\" sd \"[a@1 b=\\\"%ST\\\"]\"\n    on any drop\n\
         frontend site\n    bind 127.0.0.1:8080\n    log {} format rfc5424 profile short local7 info\n    \
         log {} sample 2:2 format priority local1 debug notice\n    log-steps all\n    log-format \"%HP %OG %B\"\n    \
         http-request return status 204\n",
        plain.target()?,
        sampled.target()?
    );
    let site = Site::start("logs-profiles", &[("site.cfg", &config)])?;
    let _ = site.get("/a")?;
    let line = plain.line()?;
    let (before, after) = line.split_once(" - mine ").ok_or(line.clone())?;
    assert!(before.starts_with("<190>1 20"), "{line}");
    assert!(after.ends_with(" - [a@1 b=\"204\"] closed txn_close"), "{line}");
    Ok(())
}

#[test]
fn unix_sockets_and_rings_get_lines_too() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let place = std::env::temp_dir().join(format!("tidegate-log-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&place);
    let socket = UnixDatagram::bind(&place)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let config = format!(
        "{DEFAULTS}ring kept\n    format short\n    size 65536\n    server s localhost:{} log-proto octet-count\n\
         frontend site\n    bind 127.0.0.1:8080\n    log {} format raw local0\n    log ring@kept local0\n    \
         log-format %HP\n    http-request return status 200\n",
        listener.local_addr()?.port(),
        place.display()
    );
    let site = Site::start("logs-unix", &[("site.cfg", &config)])?;
    let _ = site.get("/one")?;
    let mut buffer = [0; 4096];
    let n = socket.recv(&mut buffer)?;
    assert_eq!(buffer.get(..n), Some(&b"/one\n"[..]));
    let (mut stream, _) = listener.accept()?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut framed = [0; 9];
    stream.read_exact(&mut framed)?;
    assert_eq!(&framed, b"7 <6>/one");
    let _ = std::fs::remove_file(&place);
    Ok(())
}

/// One way in which a session ends.
struct Case {
    name: &'static str,
    lines: String,
    provoke: fn(&Site) -> Result<()>,
    state: &'static str,
}

fn get(site: &Site) -> Result<()> {
    site.get("/").map(drop)
}

/// Answers so much to the first request, and ends.
fn saying(text: &'static str) -> Result<String> {
    let origin = origin(move |mut stream| {
        let mut from = BufReader::new(stream.try_clone()?);
        head(&mut from)?;
        stream.write_all(text.as_bytes())?;
        Ok(())
    })?;
    Ok(format!("server s {}", server(origin)))
}

/// Answers so much, and then says nothing for longer than anybody waits.
fn stalling(text: &'static str) -> Result<String> {
    let origin = origin(move |mut stream| {
        stream.write_all(text.as_bytes())?;
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        std::thread::sleep(PATIENCE);
        Ok(())
    })?;
    Ok(format!("timeout server 300ms\n    server s {}", server(origin)))
}

fn broken_off(site: &Site) -> Result<()> {
    let mut stream = site.connect(0)?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")?;
    let mut byte = [0; 1];
    stream.read_exact(&mut byte)?;
    stream.shutdown(Shutdown::Both)?;
    Ok(())
}

/// The two letters of 8.5 of the manual, for each way in which an HTTP session ends.
#[test]
fn http_sessions_say_how_they_ended() -> Result<()> {
    let cases = [
        Case {
            name: "done",
            lines: format!("server s {}", answering()?),
            provoke: get,
            state: "200 --",
        },
        Case {
            name: "returned",
            lines: "http-request return status 200".into(),
            provoke: get,
            state: "200 LR",
        },
        Case {
            name: "denied",
            lines: "http-request deny".into(),
            provoke: get,
            state: "403 PR",
        },
        Case {
            name: "tarpitted",
            lines: "timeout tarpit 50ms\n    http-request tarpit".into(),
            provoke: get,
            state: "500 PT",
        },
        Case {
            name: "no-server",
            lines: "server s 127.0.0.1:9 disabled".into(),
            provoke: get,
            state: "503 SC",
        },
        Case {
            name: "dropped",
            lines: saying("")?,
            provoke: get,
            state: "502 SH",
        },
        Case {
            name: "noise",
            lines: saying("noise\r\n\r\n")?,
            provoke: get,
            state: "502 PH",
        },
        Case {
            name: "silent",
            lines: stalling("")?,
            provoke: get,
            state: "504 sH",
        },
        Case {
            name: "refused-response",
            lines: format!("http-response deny\n    server s {}", answering()?),
            provoke: get,
            state: "502 PH",
        },
        Case {
            name: "malformed",
            lines: "http-request return status 200".into(),
            provoke: |site| site.ask("noise\r\n\r\n").map(drop),
            state: "400 PR",
        },
        Case {
            name: "late-request",
            lines: "timeout http-request 100ms\n    http-request return status 200".into(),
            provoke: |site| {
                let mut stream = site.connect(0)?;
                stream.write_all(b"GET / HT")?;
                rest(stream).map(drop)
            },
            state: "408 cR",
        },
    ];
    for case in cases {
        let syslog = Syslog::new()?;
        let lines = format!(
            "option dontlognull\n    log-format \"%ST %ts\"\n    {}",
            case.lines
        );
        let site = site(
            &format!("logs-{}", case.name),
            &syslog,
            "format raw local0",
            &lines,
        )?;
        (case.provoke)(&site)?;
        let line = syslog.line().map_err(|e| format!("{}: {e}", case.name))?;
        assert_eq!(line, case.state, "{}", case.name);
    }
    Ok(())
}

#[test]
fn what_never_became_a_request_is_answered_and_logged() -> Result<()> {
    let syslog = Syslog::new()?;
    let lines = "no option http-ignore-probes\n    timeout http-request 50ms\n    capture request header X len 9\n    \
                 option httplog\n    http-request return status 200";
    let site = site("logs-cut-short", &syslog, "format raw local0", lines)?;
    let said = || -> Result<String> {
        let line = syslog.line()?;
        let (_, said) = line.split_once("/<NOSRV> ").ok_or(line.clone())?;
        let (times, rest) = said.split_once(' ').ok_or(line.clone())?;
        assert!(times.starts_with("-1/-1/-1/-1/"), "{line}");
        let (status, rest) = rest.split_once(' ').ok_or(line.clone())?;
        let (_, rest) = rest.split_once(' ').ok_or(line.clone())?;
        Ok(format!("{status} {rest}"))
    };
    let cut = |state: &str| format!("{state}-- 1/1/0/0/0 0/0 \"<BADREQ>\"");
    // The one that looked whether the site listens.
    assert_eq!(said()?, format!("400 - - {}", cut("CR")));
    for (request, ends, status, state) in [
        ("", true, 400, "CR"),
        ("GET / HTTP/1.1\r\nHo", true, 400, "CR"),
        ("", false, 408, "cR"),
        ("GET / HTTP/1.1\r\nHo", false, 408, "cR"),
        ("NONSENSE\r\n\r\n", false, 400, "PR"),
    ] {
        let mut stream = site.connect(0)?;
        stream.write_all(request.as_bytes())?;
        if ends {
            stream.shutdown(Shutdown::Write)?;
        }
        let answer = rest(stream)?;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request:?}: {answer}"
        );
        assert_eq!(said()?, format!("{status} - - {}", cut(state)), "{request:?}");
    }
    Ok(())
}

#[test]
fn probes_are_ignored_on_demand_but_broken_requests_are_not() -> Result<()> {
    let syslog = Syslog::new()?;
    let lines =
        "timeout http-request 50ms\n    log-format \"%ST %ts %HP\"\n    http-request return status 200";
    let site = site("logs-probes", &syslog, "format raw local0", lines)?;
    let silent = site.connect(0)?;
    silent.shutdown(Shutdown::Write)?;
    assert_eq!(rest(silent)?, "");
    assert_eq!(rest(site.connect(0)?)?, "");
    let mut begun = site.connect(0)?;
    begun.write_all(b"GET")?;
    begun.shutdown(Shutdown::Write)?;
    assert!(rest(begun)?.starts_with("HTTP/1.1 400 "));
    assert_eq!(syslog.line()?, "400 CR <BADREQ>");
    let _ = site.get("/x")?;
    assert_eq!(syslog.line()?, "200 LR /x");
    Ok(())
}

#[test]
fn the_timeout_that_struck_is_named_in_tcp_mode() -> Result<()> {
    let syslog = Syslog::new()?;
    for (client, server, wanted) in [("30s", "20ms", "sD"), ("20ms", "30s", "cD")] {
        let lines = format!(
            "mode tcp\n    timeout client {client}\n    timeout server {server}\n    option dontlognull\n    \
             log-format %ts\n    server s {}",
            answering()?
        );
        let site = site("logs-silence", &syslog, "format raw local0", &lines)?;
        let mut stream = site.connect(0)?;
        stream.write_all(b"GET")?;
        let _ = rest(stream);
        assert_eq!(syslog.line()?, wanted);
    }
    Ok(())
}

#[test]
fn captures_of_a_stream_are_told() -> Result<()> {
    let syslog = Syslog::new()?;
    let lines = format!(
        "mode tcp\n    option dontlognull\n    tcp-request inspect-delay 5s\n    \
         tcp-request content capture req.payload(0,3) len 3\n    log-format \"%hr %hrl %s\"\n    server s {}",
        answering()?
    );
    let site = site("logs-tcp-captures", &syslog, "format raw local0", &lines)?;
    let mut stream = site.connect(0)?;
    stream.write_all(b"a|b")?;
    stream.shutdown(Shutdown::Write)?;
    let _ = rest(stream);
    assert_eq!(syslog.line()?, "{a#7Cb} a#7Cb s");
    Ok(())
}

#[test]
fn a_line_that_comes_before_the_data_says_so() -> Result<()> {
    let syslog = Syslog::new()?;
    let lines = format!(
        "option logasap\n    log-format \"%OG %Ta %B %ts\"\n    server s {}",
        answering()?
    );
    let site = site("logs-asap", &syslog, "format raw local0", &lines)?;
    broken_off(&site)?;
    let line = syslog.line()?;
    let fields: Vec<&str> = line.split(' ').collect();
    assert!(
        matches!(fields[..], ["txn_response", time, bytes, "--"] if time.starts_with('+') && bytes.starts_with('+')),
        "{line}"
    );
    Ok(())
}

#[test]
fn a_line_that_comes_before_the_data_is_an_error_or_a_normal_one_too() -> Result<()> {
    for (option, wanted) in [
        (
            "log-separate-errors",
            &["<134>/good 200", "<131>/bad 500", "<134>/good 200"][..],
        ),
        ("dontlog-normal", &["<134>/bad 500"]),
    ] {
        let syslog = Syslog::new()?;
        let lines = format!(
            "option logasap\n    option {option}\n    log-format \"%HP %ST\"\n    \
             http-request return status 500 if {{ path /bad }}\n    http-request return status 200"
        );
        let site = site(
            &format!("logs-asap-{option}"),
            &syslog,
            "format priority local0",
            &lines,
        )?;
        for path in ["/good", "/bad", "/good"] {
            let _ = site.get(path)?;
        }
        for line in wanted {
            assert_eq!(syslog.line()?, *line, "{option}");
        }
    }
    Ok(())
}

#[test]
fn every_request_has_a_number_and_no_line_is_empty() -> Result<()> {
    let syslog = Syslog::new()?;
    let lines = "capture request header x-word len 8\n    log-format \"%hr\"\n    \
                 error-log-format \"%rt %ST\"\n    http-request return status 200";
    let site = site("logs-numbers", &syslog, "format raw local0", lines)?;
    let _ = site.ask("GET / HTTP/1.1\r\nhost: h\r\nx-word: one\r\nconnection: close\r\n\r\n")?;
    assert_eq!(syslog.line()?, "{one}");
    let _ = site.ask("BROKEN\r\n\r\n")?;
    assert_eq!(syslog.line()?, "2 400");
    Ok(())
}

#[test]
fn errors_have_a_format_and_a_level_of_their_own() -> Result<()> {
    let syslog = Syslog::new()?;
    let lines = "option log-separate-errors\n    option dontlognull\n    log-format \"fine %HP\"\n    \
                 error-log-format \"error %HP\"\n    http-request set-log-level silent if { path /silent }\n    \
                 http-request deny if { path /bad }\n    http-request return status 200";
    let site = site("logs-errors", &syslog, "format priority local0", lines)?;
    for path in ["/silent", "/bad", "/good"] {
        let _ = site.get(path)?;
    }
    assert_eq!(syslog.line()?, "<131>error /bad");
    assert_eq!(syslog.line()?, "<134>fine /good");
    Ok(())
}

#[test]
fn lines_that_say_log_global_twice_log_once() -> Result<()> {
    let syslog = Syslog::new()?;
    let config = format!(
        "global\n    log {} format raw local0\n    log {0} format raw local1\n{DEFAULTS}    log global\n\
         frontend site\n    bind 127.0.0.1:8080\n    log global\n    log-format %HP\n    http-request return status 200\n",
        syslog.target()?
    );
    let site = Site::start("logs-global-twice", &[("site.cfg", &config)])?;
    for path in ["/a", "/b"] {
        let _ = site.get(path)?;
    }
    // Each of the two targets has each line.
    for line in ["/a", "/a", "/b", "/b"] {
        assert_eq!(syslog.line()?, line);
    }
    Ok(())
}

#[test]
fn without_a_format_connections_are_told() -> Result<()> {
    let syslog = Syslog::new()?;
    let site = site(
        "logs-connect",
        &syslog,
        "format raw local0",
        "http-request return status 200",
    )?;
    let stream: TcpStream = site.connect(0)?;
    let wanted = format!(
        "Connect from {} to {} (site/HTTP)",
        stream.local_addr()?,
        stream.peer_addr()?
    );
    loop {
        let line = syslog.line()?;
        if line == wanted {
            return Ok(());
        }
        assert!(line.starts_with("Connect from 127.0.0.1:"), "{line}");
    }
}

/// Each request of a connection has times of its own, which begin where the response before it ended.
#[test]
fn the_next_request_of_a_connection_is_timed_by_itself() -> Result<()> {
    let syslog = Syslog::new()?;
    let slow = origin(|stream| {
        let mut from = BufReader::new(stream.try_clone()?);
        let mut to = stream;
        while head(&mut from).is_ok() {
            std::thread::sleep(std::time::Duration::from_millis(30));
            to.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")?;
        }
        Ok(())
    })?;
    let lines = format!(
        "log-format \"%[accept_date(ms)] %Th %Ti %Ta %Tt %Tu %Tq\"\n    server s {}",
        server(slow)
    );
    let site = site("logs-next", &syslog, "format raw local0", &lines)?;
    let mut stream = site.connect(0)?;
    let mut answers = BufReader::new(stream.try_clone()?);
    let mut before = 0;
    for _ in 0..3 {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")?;
        head(&mut answers)?;
        answers.read_exact(&mut [0; 5])?;
        let line = syslog.line()?;
        let times = line.trim().split(' ').map(str::parse);
        let times = times.collect::<std::result::Result<Vec<i64>, _>>()?;
        let &[begun, hands, idle, active, total, user, tq] = times.as_slice() else {
            return Err(line.into());
        };
        assert!(begun >= before, "{line}");
        // Each is rounded by itself.
        assert!((total - (hands + idle + active)).abs() <= 2, "{line}");
        assert!((user - (hands + active)).abs() <= 2 && tq <= total - 29, "{line}");
        before = begun + total;
    }
    Ok(())
}

/// What rules of a request take is the request's time, so that the parts make up the whole.
#[test]
fn rules_that_wait_are_timed_with_the_request() -> Result<()> {
    let syslog = Syslog::new()?;
    let target = syslog.target()?;
    let script = "core.register_action(\"wait\", {\"http-req\"}, function() core.msleep(30) end)\n";
    let config = format!(
        "{DEFAULTS}listen http\n    bind 127.0.0.1:8080\n    log {target} format raw local0\n    \
         log-format \"%TR %Tw %Tc %Tr %Td %Ta\"\n    http-request lua.wait\n    http-request deny if {{ path /deny }}\n    \
         http-request return status 200 if {{ path /return }}\n    server s {}\n",
        answering()?
    );
    let config = config.replacen("global\n", "global\n    lua-load site/wait.lua\n", 1);
    let site = Site::start("logs-rules", &[("site.cfg", &config), ("wait.lua", script)])?;
    for path in ["/", "/deny", "/return"] {
        let _ = site.get(path)?;
        let line = syslog.line()?;
        let times = line.trim().split(' ').map(str::parse);
        let times = times.collect::<std::result::Result<Vec<i64>, _>>()?;
        let (all, parts) = times.split_last().ok_or("no times")?;
        let sum: i64 = parts.iter().filter(|time| **time > 0).sum();
        assert!(times[0] >= 29 && (all - sum).abs() <= 5, "{path}: {line}");
    }
    Ok(())
}

#[test]
fn a_service_is_timed_as_a_server_that_is_there_at_once() -> Result<()> {
    let syslog = Syslog::new()?;
    let target = syslog.target()?;
    let script = "core.register_service(\"mute\", \"http\", function() end)\n\
        core.register_service(\"slow\", \"http\", function(applet) core.msleep(5) applet:start_response() end)\n\
        core.register_service(\"slow\", \"tcp\", function(applet) core.msleep(5) applet:send(\"x\") end)\n";
    let config = format!(
        "{DEFAULTS}frontend http\n    bind 127.0.0.1:8080\n    log {target} format raw local0\n    \
         log-format \"%Tw %Tc %Tr %Td %TR\"\n    http-request use-service lua.mute if {{ path /mute }}\n    \
         http-request use-service lua.slow if {{ path /slow }}\n    http-request return status 200\n\
         frontend tcp\n    mode tcp\n    bind 127.0.0.1:8081\n    log {target} format raw local0\n    option dontlognull\n    \
         log-format \"tcp %Tw %Tc %Td\"\n    tcp-request inspect-delay 5s\n    \
         tcp-request content use-service lua.slow if {{ req.len gt 0 }}\n"
    );
    let config = config.replacen("global\n", "global\n    lua-load site/services.lua\n", 1);
    let site = Site::start(
        "logs-services",
        &[("site.cfg", &config), ("services.lua", script)],
    )?;
    // A service that gives no response leaves a line of its own too.
    let times = || loop {
        let line = syslog.line()?;
        let words = line.split(' ').filter(|word| *word != "tcp");
        if let Ok(times) = words.map(str::parse).collect::<Result<Vec<i64>, _>>() {
            return Ok::<_, Box<dyn std::error::Error>>(times);
        }
    };
    // The answer of a rule has no server at all.
    let _ = site.get("/")?;
    assert_eq!(times()?.get(..4), Some(&[-1, -1, -1, -1][..]));
    for path in ["/mute", "/slow"] {
        let _ = site.get(path)?;
        let times = times()?;
        assert!(times.iter().all(|time| *time >= 0), "{path}: {times:?}");
    }
    let mut stream = site.connect(1)?;
    stream.write_all(b"hello")?;
    let _ = rest(stream)?;
    let times = times()?;
    assert!(times.iter().all(|time| *time >= 0), "{times:?}");
    Ok(())
}

const LOGGING: &str = "core.register_fetches('now', function(txn, what) return what .. '-' .. txn.f:method() .. '-' .. txn:get_priv() end)
core.register_fetches('later', function() core.msleep(1) return 'later' end)
core.register_converters('shout', function(text) return text:upper() end)
core.register_action('note', {'http-req'}, function(txn) txn:set_priv('kept') end)
";

#[test]
fn scripts_have_their_part_in_lines() -> Result<()> {
    let syslog = Syslog::new()?;
    let target = syslog.target()?;
    let config = format!(
        "{DEFAULTS}    log {target} format raw local0\n    log-format \"%[lua.now(usual),lua.shout]|%[lua.later]\"\n    \
         error-log-format \"%[lua.now(wrong)]\"\n\
         frontend one\n    bind 127.0.0.1:8080\n    http-request lua.note\n    http-request return status 200 if {{ path /ok }}\n    \
         default_backend none\nbackend none\n"
    );
    let config = config.replacen("global\n", "global\n    lua-load site/log.lua\n", 1);
    let site = Site::start("logs-scripts", &[("site.cfg", &config), ("log.lua", LOGGING)])?;
    let _ = site.get("/ok")?;
    assert_eq!(
        syslog.line()?,
        "Lua fetch 'later': [state-id 0] yield not allowed: a log line cannot wait"
    );
    until(&syslog, "USUAL-GET-KEPT|-")?;
    let _ = site.get("/none")?;
    assert_eq!(syslog.line()?, "wrong-GET-kept");
    Ok(())
}

#[test]
fn a_unique_id_waits_where_its_session_can() -> Result<()> {
    let syslog = Syslog::new()?;
    let target = syslog.target()?;
    let seen = "http-request return status 200 content-type text/plain lf-string %[req.hdr(x-id)]";
    let config = format!(
        "{DEFAULTS}frontend one\n    bind 127.0.0.1:8080\n    log {target} format raw local0\n    log-format %ID\n    \
         unique-id-format \"%[lua.later]\"\n    unique-id-header x-id\n    http-request return status 200 hdr x-id %[unique-id] if {{ path /rule }}\n    \
         http-request return status 200 if {{ path /log }}\n    default_backend other\n\
         backend other\n    server s 127.0.0.1:8081\nfrontend seen\n    bind 127.0.0.1:8081\n    {seen}\n"
    );
    let config = config.replacen("global\n", "global\n    lua-load site/log.lua\n", 1);
    let site = Site::start("logs-unique-id", &[("site.cfg", &config), ("log.lua", LOGGING)])?;
    assert!(site.get("/server")?.ends_with("\r\n\r\nlater"));
    assert_eq!(syslog.line()?, "later");
    assert!(site.get("/rule")?.contains("x-id: later\r\n"));
    assert_eq!(syslog.line()?, "later");
    let _ = site.get("/log")?;
    assert_eq!(
        syslog.line()?,
        "Lua fetch 'later': [state-id 0] yield not allowed: `unique-id-format` cannot wait"
    );
    until(&syslog, "-")
}

/// Reads on behind a traceback.
fn until(syslog: &Syslog, wanted: &str) -> Result<()> {
    while syslog.line()? != wanted {}
    Ok(())
}

/// Between its requests a connection gives up most of what it is; what is told of each request doesn't change by that.
#[test]
fn requests_after_a_rest_are_logged_as_those_before() -> Result<()> {
    let syslog = Syslog::new()?;
    let lines = "http-request return status 200 content-type text/plain string hello\n    \
                 log-format \"%HP %U %B %Ti\"";
    let site = site("logs-rest", &syslog, "format raw local0", lines)?;
    let mut client = site.connect(0)?;
    client.set_read_timeout(Some(PATIENCE))?;
    let request = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
    let answered = |client: &mut TcpStream| -> Result<usize> {
        let mut came = Vec::new();
        while !came.ends_with(b"hello") {
            let mut piece = [0; 1024];
            let read = client.read(&mut piece)?;
            assert_ne!(read, 0, "the connection ended");
            came.extend(piece.iter().take(read));
        }
        Ok(came.len())
    };
    client.write_all(request("/first").as_bytes())?;
    let sent = answered(&mut client)?;
    client.write_all(request("/again").as_bytes())?;
    answered(&mut client)?;
    // Not to wait for a state: the time is what this is about.
    let rest = std::time::Duration::from_millis(150);
    std::thread::sleep(rest);
    client.write_all(b"GET /later HTTP")?;
    std::thread::sleep(rest);
    client.write_all(b"/1.1\r\nHost: h\r\n\r\n")?;
    answered(&mut client)?;
    for (path, rested) in [("/first", false), ("/again", false), ("/later", true)] {
        let line = syslog.line()?;
        let told: Vec<&str> = line.split(' ').collect();
        let [named, uploaded, read, idle] = told[..] else {
            return Err(format!("unexpected line: {line}").into());
        };
        assert_eq!(
            (named, uploaded, read),
            (path, &*request(path).len().to_string(), &*sent.to_string())
        );
        if rested {
            assert!(idle.parse::<u64>()? >= 100, "{line}");
        }
    }
    Ok(())
}

/// A target by its name, which the system resolves at start.
#[test]
fn a_target_may_have_a_name() -> Result<()> {
    let syslog = Syslog::new()?;
    let port = syslog.0.local_addr()?.port();
    for host in ["localhost", "ipv4@LOCALHOST"] {
        let config = format!(
            "{DEFAULTS}listen site\n    bind 127.0.0.1:8080\n    log {host}:{port} format raw local0\n    \
             log-format named\n    http-request return status 200\n"
        );
        let site = Site::start("logs-name", &[("site.cfg", &config)])?;
        site.get("/")?;
        assert_eq!(syslog.line()?, "named", "{host}");
    }
    Ok(())
}

/// `do-log` in every rule set, by the profile of the line or one of its own; the line at the end is another one.
#[test]
fn rules_have_lines_written() -> Result<()> {
    let syslog = Syslog::new()?;
    let config = format!(
        "{DEFAULTS}log-profile short\n    on any format \"short %OG %cp\"\n\
         listen site\n    bind 127.0.0.1:8080\n    log {} format raw local0\n    log-format \"line %OG %cp\"\n    \
         tcp-request connection do-log if {{ src 127.0.0.0/8 }}\n    tcp-request session do-log\n    \
         tcp-request inspect-delay 5s\n    tcp-request content do-log\n    http-request do-log\n    \
         http-request do-log profile short\n    tcp-response content do-log\n    http-response do-log\n    \
         http-after-response do-log\n    server s {}\n",
        syslog.target()?,
        answering()?
    );
    let site = Site::start("logs-rules", &[("site.cfg", &config)])?;
    let mut stream = site.connect(0)?;
    let own = format!(" {}", stream.local_addr()?.port());
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")?;
    rest(stream)?;
    let mut lines = Vec::new();
    while lines.last().is_none_or(|line| line != "line txn_close") {
        // Whoever looked whether the site listens has lines too.
        if let Some(line) = syslog.line()?.strip_suffix(&own) {
            lines.push(line.to_owned());
        }
    }
    let wanted = [
        "line tcp-req-conn",
        "line tcp-req-sess",
        "line tcp-req-cont",
        "line http-req",
        "short http-req",
        "line tcp-res-cont",
        "line http-res",
        "line http-after-res",
        "line txn_close",
    ];
    assert_eq!(lines, wanted);
    Ok(())
}

/// An origin that answers a first piece of each request's body with this.
fn chunked(text: &'static str) -> Result<String> {
    let origin = origin(move |mut stream| {
        head(&mut BufReader::new(stream.try_clone()?))?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
        stream.write_all(text.as_bytes())?;
        Ok(())
    })?;
    Ok(server(origin))
}

#[test]
fn chunks_that_are_none_are_the_proxys_to_refuse() -> Result<()> {
    let syslog = Syslog::new()?;
    let lines = format!(
        "log-format \"%HP %ST %ts\"\n    server s {}",
        chunked("3\r\nabc\r\nzz\r\n")?
    );
    let site = site("logs-chunks", &syslog, "format raw local0", &lines)?;
    let _ = site.get("/response")?;
    assert_eq!(syslog.line()?, "/response 200 PD");
    let answer = site.ask("POST /request HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n")?;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(syslog.line()?, "/request 400 PH");
    Ok(())
}

#[test]
fn a_client_that_breaks_off_within_a_request_is_told_however_it_does() -> Result<()> {
    let syslog = Syslog::new()?;
    let lines = format!(
        "log-format \"%lc %{{+Q}}r %ST %ts\"\n    server s {}",
        answering()?
    );
    let site = site("logs-broken-off", &syslog, "format raw local0", &lines)?;
    let mut client = site.connect(0)?;
    client.write_all(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")?;
    assert_eq!(syslog.line()?, "0 \"GET / HTTP/1.1\" 200 --");
    client.write_all(b"GET /second")?;
    // What it did not read makes this a reset.
    drop(client);
    assert_eq!(syslog.line()?, "1 \"<BADREQ>\" 400 CR");
    Ok(())
}

#[test]
fn a_line_is_as_long_as_it_may_be() -> Result<()> {
    let syslog = Syslog::new()?;
    let lines = "log-format \"%HP\"\n    http-request return status 204";
    let site = site("logs-length", &syslog, "len 80 format raw local0", lines)?;
    let path = format!("/{}", "x".repeat(200));
    let _ = site.get(&path)?;
    assert_eq!(syslog.line()?.trim_end(), &path[..80]);
    Ok(())
}

#[test]
fn a_server_at_a_unix_socket_is_told_as_one() -> Result<()> {
    let place = Place::new("logs-unix-server")?;
    let path = place.0.join("server.sock");
    let listener = UnixListener::bind(&path)?;
    std::thread::spawn(move || {
        // What fails in here shows in the log line.
        let (mut stream, _) = listener.accept().ok()?;
        head(&mut BufReader::new(stream.try_clone().ok()?)).ok()?;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .ok()
    });
    let config = format!(
        "global\n    log stdout format raw local0\n\
         defaults\n    mode http\n    log global\n    timeout connect 5s\n    timeout client 15s\n    timeout server 15s\n    \
         log-format \"%HP %ST to %si:%sp from %bi:%bp\"\n\
         frontend f\n    bind 127.0.0.1:8080\n    http-request return status 204 if {{ path /here }}\n    default_backend b\n\
         backend b\n    server s unix@{}\n",
        path.display()
    );
    let site = Site::start("logs-unix-server", &[("site.cfg", &config)])?;
    site.get("/there")?;
    site.logged("/there 200 to unix:0 from unix:0")?;
    site.get("/here")?;
    site.logged("/here 204 to -:- from -:-")
}
