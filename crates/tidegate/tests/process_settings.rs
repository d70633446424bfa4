//! Settings of the process that show on the wire, in files or over the runtime API.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use support::Result;
use support::origin::{head, origin, origin_at, server};
use support::place::Place;
use support::runtime::{PATIENCE, Runtime};
use support::scripted;
use support::site::{Site, rest as rest_of};

const DEFAULTS: &str =
    "defaults\n    mode http\n    timeout connect 5s\n    timeout client 15s\n    timeout server 15s\n";

/// The value of a figure of `show stat`, of the row whose first columns are these.
fn figure(runtime: &Runtime, row: &str, name: &str) -> Result<String> {
    let stat = runtime.ask("show stat\n")?;
    let names = stat.lines().next().ok_or("no columns")?.trim_start_matches("# ");
    let at = names
        .split(',')
        .position(|known| known == name)
        .ok_or("no such column")?;
    let row = stat
        .lines()
        .find(|line| line.starts_with(row))
        .ok_or("no such row")?;
    Ok(row.split(',').nth(at).unwrap_or_default().to_owned())
}

/// Waits until a figure is this one: a connection is counted after it was made.
fn comes_to(runtime: &Runtime, row: &str, name: &str, value: &str) -> Result<()> {
    let start = Instant::now();
    loop {
        let now = figure(runtime, row, name)?;
        if now == value {
            return Ok(());
        }
        assert!(start.elapsed() < PATIENCE, "{row} {name}: {now}, not {value}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_was_counted_goes_on_where_the_file_says() -> Result<()> {
    let rest = "frontend counted
    guid of-front
    option socket-stats
    bind 127.0.0.1:8081 name door guid-prefix of-door
    default_backend app
backend app
    guid of-app
    server s 127.0.0.1:9 guid of-server
frontend nameless
    bind 127.0.0.1:8082
    http-request return status 204
";
    let place = Place::new("counted-on")?;
    let path = place.file(
        "counters",
        "#fe guid,stot,hrsp_5xx,\nof-front,40,7,\nof-door-0,30,0,\nof-app,1,1,\n#be guid,stot,other,wretr\nof-app,20,9,3\nof-server,10,1,2\n",
    )?;
    let global = format!("    stats-file {path}\n");
    let runtime = Runtime::start("counted-on", "level admin", &global, rest)?;
    // (That it listens was seen by one connection.)
    for _ in 0..2 {
        runtime.body()?;
    }
    let figures = [
        ("counted,FRONTEND,", "stot", "43"),
        ("counted,FRONTEND,", "hrsp_5xx", "9"),
        ("counted,door,", "stot", "33"),
        ("app,BACKEND,", "stot", "22"),
        ("nameless,FRONTEND,", "stot", "1"),
    ];
    for (row, name, value) in figures {
        comes_to(&runtime, row, name, value)?;
    }
    let retries: u32 = figure(&runtime, "app,s,", "wretr")?.parse()?;
    assert!(retries >= 2 + 2, "{retries}");

    let dumped = runtime.ask("dump stats-file\n")?;
    for line in [
        "\n#be guid,stot,",
        "of-front,43,",
        "of-door-0,33,",
        "of-app,22,",
        "of-server,",
    ] {
        assert!(dumped.contains(line), "{line}: {dumped}");
    }
    let again = place.file("again", &dumped)?;
    let global = format!("    stats-file {again}\n");
    let next = Runtime::start("counted-again", "level admin", &global, rest)?;
    for (row, name, value) in [
        ("counted,FRONTEND,", "stot", "44"),
        ("counted,FRONTEND,", "hrsp_5xx", "9"),
        ("app,BACKEND,", "stot", "22"),
        ("nameless,FRONTEND,", "stot", "1"),
    ] {
        comes_to(&next, row, name, value)?;
    }
    Ok(())
}

#[test]
fn a_stats_file_that_is_missing_is_told_and_no_more() -> Result<()> {
    let runtime = Runtime::start("no-counters", "", "    stats-file /nowhere/at/all\n", "")?;
    runtime.site.logged("stats-file /nowhere/at/all")?;
    Ok(())
}

#[test]
fn what_was_most_is_told_unless_that_is_switched_off() -> Result<()> {
    for (word, told) in [("on", true), ("off", false)] {
        let global = format!("    stats calculate-max-counters {word}\n");
        let runtime = Runtime::start(&format!("most-{word}"), "", &global, "")?;
        runtime.site.get("/sky")?;
        assert_eq!(figure(&runtime, "site,FRONTEND,", "smax")? != "0", told, "{word}");
        assert_ne!(figure(&runtime, "site,FRONTEND,", "stot")?, "0");
        let info = runtime.ask("show info\n")?;
        assert_eq!(!info.contains("\nMaxConnRate: 0\n"), told, "{info}");
    }
    Ok(())
}

#[test]
fn it_shows_how_much_the_workers_have_to_do() -> Result<()> {
    let script = "core.register_task(function() while true do for _ = 1, 100000 do end core.yield() end end)";
    let front = "frontend front\n    bind 127.0.0.1:8080\n    http-request return status 204\n";
    let busy = scripted::start("busy", script, front)?;
    let idle = Runtime::start("idle", "", "", "")?;
    let value = |runtime: &Runtime, name: &str| -> Result<u32> {
        let info = runtime.ask("show info\n")?;
        let line = info.lines().find_map(|line| line.strip_prefix(name));
        Ok(line.ok_or("no such figure")?.trim_start_matches(": ").parse()?)
    };
    let start = Instant::now();
    // (The runtime API may answer before the worker has begun.)
    while value(&idle, "Tasks")? == 0 {
        assert!(start.elapsed() < PATIENCE, "there are always some");
    }
    assert!(value(&idle, "Run_queue")? < 100);
    // (Beside other programs it gets less of a processor.)
    while value(&busy, "Idle_pct")? == 100 {
        assert!(start.elapsed() < PATIENCE, "a script is at work all the time");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(value(&idle, "Idle_pct")? > 50);
    Ok(())
}

#[test]
fn relative_paths_begin_where_the_configuration_says() -> Result<()> {
    let config = |policy: &str, path: &str| {
        format!(
            "global\n    default-path {policy}\n    lua-load {path}greet.lua\n{DEFAULTS}listen site\n    bind 127.0.0.1:8080\n    \
             http-request return status 200 content-type text/plain lf-file {path}page.txt\n"
        )
    };
    for (policy, path) in [
        ("current", "site/"),
        ("config", ""),
        ("parent", "site/"),
        ("origin site", ""),
    ] {
        let files = [
            ("site.cfg", &*config(policy, path)),
            (
                "greet.lua",
                "core.register_fetches('greet', function() return 'hello' end)",
            ),
            ("page.txt", "%[lua.greet]"),
        ];
        let name = policy.replace(' ', "-");
        let site = Site::start(&format!("paths-{name}"), &files)?;
        assert!(site.get("/")?.ends_with("hello"), "{policy}");
    }
    Ok(())
}

#[test]
fn connections_that_have_nothing_to_do_end_by_and_by() -> Result<()> {
    const CLIENTS: usize = 8;
    for spread in ["infinite", "1s"] {
        let config = format!(
            "global\n    nbthread 1\n    close-spread-time {spread}\n{DEFAULTS}frontend site\n    bind 127.0.0.1:8080\n    \
             http-request return status 200 content-type text/plain string here\n"
        );
        let site = Site::start(&format!("spread-{spread}"), &[("site.cfg", &config)])?;
        let ask = |client: &mut BufReader<TcpStream>| -> Result<String> {
            client.get_mut().write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")?;
            let head = head(client)?;
            client.read_exact(&mut [0; 4])?;
            Ok(head.to_ascii_lowercase())
        };
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            let mut client = BufReader::new(site.connect(0)?);
            ask(&mut client)?;
            clients.push(client);
        }
        stop(&site)?;
        if spread == "infinite" {
            for client in &mut clients {
                let head = ask(client)?;
                assert!(!head.contains("connection: close"), "{head}");
            }
            continue;
        }
        let start = Instant::now();
        let mut ends = Vec::new();
        for client in &mut clients {
            assert!(client.fill_buf()?.is_empty());
            ends.push(start.elapsed());
        }
        // All have ended, and not all at once: the last one waited for the most part of the time.
        let last = ends.last().ok_or("nobody")?;
        assert!(*last > Duration::from_millis(300) && *last < PATIENCE, "{ends:?}");
    }
    Ok(())
}

/// Asks for a soft stop, and waits until the site listens no more.
fn stop(site: &Site) -> Result<()> {
    let pid = i32::try_from(site.pid())?;
    kill_process(Pid::from_raw(pid).ok_or("no process")?, Signal::USR1)?;
    let start = Instant::now();
    while site.connect(0).is_ok() && start.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

#[test]
fn a_server_that_says_nothing_is_silent_whatever_it_is_told() -> Result<()> {
    // What it reads keeps a connection alive, unless the streams are independent.
    let deaf = origin(|mut stream| {
        let mut taken = [0; 64];
        while stream.read(&mut taken)? > 0 {}
        Ok(())
    })?;
    for (option, ends) in [("", false), ("    option independent-streams\n", true)] {
        let config = format!(
            "global\n    nbthread 1\n    log stdout format raw local0\ndefaults\n    mode tcp\n    log global\n    option tcplog\n    \
             timeout connect 5s\n    timeout client 15s\n    timeout server 300ms\nfrontend site\n    bind 127.0.0.1:8080\n    \
             default_backend app\nbackend app\n{option}    server s {}\n",
            server(deaf)
        );
        let site = Site::start(&format!("independent-{ends}"), &[("site.cfg", &config)])?;
        let mut client = site.connect(0)?;
        client.set_read_timeout(Some(Duration::from_millis(20)))?;
        let start = Instant::now();
        let mut ended = false;
        while !ended && start.elapsed() < Duration::from_millis(1500) {
            let _ = client.write_all(b"x");
            ended = matches!(client.read(&mut [0; 8]), Ok(0));
        }
        assert_eq!(ended, ends, "{option}");
        if ends {
            site.logged(" sD ")?;
        }
    }
    Ok(())
}

/// A server whose answers have so many words to compress.
fn compressible(words: usize) -> Result<SocketAddr> {
    origin(move |mut stream| {
        head(&mut BufReader::new(&stream))?;
        let body = "tide ".repeat(words);
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )?;
        Ok(())
    })
}

/// Whether the answer to who takes gzip is compressed.
fn is_compressed(site: &Site, bind: usize) -> Result<bool> {
    let mut stream = site.connect(bind)?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).contains("content-encoding: gzip"))
}

#[test]
fn no_more_is_compressed_than_may_be() -> Result<()> {
    let long = compressible(20_000)?;
    let rest = format!(
        "frontend front\n    bind 127.0.0.1:8081\n    default_backend app\nbackend app\n    compression algo gzip\n    \
         compression type text/plain\n    server s {}\n",
        server(long)
    );
    let runtime = Runtime::start("comp-rate", "level admin", "    maxcomprate 1\n", &rest)?;
    let is_compressed = || is_compressed(&runtime.site, 1);
    assert!(
        runtime
            .ask("show info\n")?
            .contains("\nCompressBpsRateLim: 1024\n")
    );
    assert!(is_compressed()?, "nothing was compressed in the last second");
    assert!(!is_compressed()?, "that was too much for the next ones");
    assert_eq!(figure(&runtime, "app,BACKEND,", "comp_byp")?, "100000");
    assert_eq!(runtime.ask("set rate-limit http-compression global 0\n")?, "\n");
    assert!(is_compressed()?);
    assert_eq!(figure(&runtime, "app,BACKEND,", "comp_rsp")?, "2");
    Ok(())
}

/// `maxcompcpuusage`: who has enough to do compresses nothing.
#[test]
fn a_thread_that_is_busy_compresses_nothing() -> Result<()> {
    let long = compressible(2_000)?;
    let front = format!(
        "listen front\n    bind 127.0.0.1:8080\n    compression algo gzip\n    compression type text/plain\n    \
         server s {}\n",
        server(long)
    );
    let script = "core.register_task(function() while true do for _ = 1, 100000 do end core.yield() end end)";
    let is_compressed = |site: &Site| is_compressed(site, 0);
    let start = |name: &str, script: &str, most: u32| {
        let config = format!(
            "global\n    nbthread 1\n    maxcompcpuusage {most}\n    lua-load site/script.lua\n{DEFAULTS}{front}"
        );
        let files = [("site.cfg", config.as_str()), ("script.lua", script)];
        Site::start(name, &files)
    };
    let (busy, idle) = (start("comp-busy", script, 1)?, start("comp-idle", "", 100)?);
    let since = Instant::now();
    while is_compressed(&busy)? {
        assert!(since.elapsed() < PATIENCE, "a script is at work all the time");
    }
    assert!(is_compressed(&idle)?);
    Ok(())
}

#[test]
fn checks_tell_of_their_own_addresses_where_that_is_wanted() -> Result<()> {
    for (word, command) in [("", 0x20), ("    pp2-never-send-local\n", 0x21)] {
        let (tell, told) = channel();
        let tell = std::sync::Mutex::new(tell);
        let port = origin_at((Ipv4Addr::new(127, 0, 0, 6), 0).into(), move |mut stream| {
            let mut header = vec![0; 16];
            stream.read_exact(&mut header)?;
            let length = usize::from(u16::from_be_bytes([header[14], header[15]]));
            header.resize(16 + length, 0);
            stream.read_exact(&mut header[16..])?;
            let tell = tell.lock().map_err(|_| "poisoned")?;
            Ok(tell.send(header)?)
        })?
        .port();
        let config = format!(
            "global\n{word}{DEFAULTS}listen site\n    bind 127.0.0.1:8080\n    server s 127.0.0.6:{port} check inter 100 send-proxy-v2\n"
        );
        let _site = Site::start(&format!("never-local-{command}"), &[("site.cfg", &config)])?;
        let header = told.recv_timeout(PATIENCE)?;
        assert_eq!(header[12], command, "{header:?}");
        if command == 0x21 {
            assert_eq!(header[20..24], [127, 0, 0, 6], "it is told where it is");
        }
    }
    Ok(())
}

/// The settings that a client of HTTP/2 is greeted with.
fn greeted(stream: &mut TcpStream) -> Result<Vec<(u16, u32)>> {
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")?;
    let mut head = [0; 9];
    stream.read_exact(&mut head)?;
    let [_, _, length, kind, ..] = head;
    assert_eq!(kind, 4, "settings come first");
    let mut settings = vec![0; usize::from(length)];
    stream.read_exact(&mut settings)?;
    let (each, _) = settings.as_chunks::<6>();
    Ok(each
        .iter()
        .map(|&[a, b, c, d, e, f]| (u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, f])))
        .collect())
}

const STREAMS_MAX: u16 = 3;
const CONNECT_PROTOCOL: u16 = 8;

#[test]
fn clients_are_told_of_websockets_unless_that_is_switched_off() -> Result<()> {
    for (word, told) in [
        ("", true),
        ("    h2-workaround-bogus-websocket-clients\n", false),
        (
            "    h2-workaround-bogus-websocket-clients\n    no h2-workaround-bogus-websocket-clients\n",
            true,
        ),
    ] {
        let config = format!(
            "global\n{word}{DEFAULTS}frontend site\n    bind 127.0.0.1:8080\n    http-request return status 204\n"
        );
        let site = Site::start("bogus", &[("site.cfg", &config)])?;
        let settings = greeted(&mut site.connect(0)?)?;
        let named = settings
            .iter()
            .any(|(name, value)| *name == CONNECT_PROTOCOL && *value == 1);
        assert_eq!(named, told, "{word}: {settings:?}");
    }
    Ok(())
}

#[test]
fn the_more_connections_the_fewer_streams_each_may_have() -> Result<()> {
    let config = format!(
        "global\n    nbthread 1\n    maxconn 20\n    tune.streams-elasticity 200\n    tune.h2.fe.max-concurrent-streams 15\n{DEFAULTS}\
         frontend site\n    bind 127.0.0.1:8080\n    http-request return status 204\n"
    );
    let site = Site::start("elastic", &[("site.cfg", &config)])?;
    let mut clients = Vec::new();
    let mut may_have = Vec::new();
    for _ in 0..4 {
        let mut client = site.connect(0)?;
        let settings = greeted(&mut client)?;
        let most = settings.iter().find(|(name, _)| *name == STREAMS_MAX);
        may_have.push(most.ok_or("no limit of streams")?.1);
        clients.push(client);
    }
    assert_eq!(may_have, [15, 7, 1, 1], "20 beyond one for each");
    Ok(())
}

#[test]
fn programs_that_are_started_get_no_more_rights_unless_that_is_wanted() -> Result<()> {
    for (word, kept) in [("", "1"), ("    insecure-setuid-wanted\n", "0")] {
        let config = format!(
            "global\n{word}{DEFAULTS}frontend site\n    bind 127.0.0.1:8080\n    http-request return status 204\n"
        );
        let site = Site::start("rights", &[("site.cfg", &config)])?;
        let mut threads = 0;
        // A worker has begun when it answers.
        site.get("/")?;
        for task in std::fs::read_dir(format!("/proc/{}/task", site.pid()))? {
            let status = std::fs::read_to_string(task?.path().join("status"))?;
            let line = status.lines().find_map(|line| line.strip_prefix("NoNewPrivs:"));
            let is_worker = status.contains("Name:\tworker");
            threads += usize::from(is_worker);
            if is_worker {
                assert_eq!(line.map(str::trim), Some(kept), "{word}");
            }
        }
        assert!(threads > 0);
    }
    Ok(())
}

#[test]
fn backends_tell_of_their_servers_in_figures() -> Result<()> {
    let rest = "frontend front
    bind 127.0.0.1:8081
    default_backend dead
backend dead
    retries 0
    server s 127.0.0.1:9 check inter 50 fall 1
    server t 127.0.0.1:9 track dead/s
backend lives
    server s 127.0.0.1:9
";
    let runtime = Runtime::start("stat-backends", "level admin", "", rest)?;
    runtime.until("show stat dead 2 -1\n", ",DOWN,")?;
    let answer = runtime.body()?;
    assert!(answer.contains("503"), "{answer}");
    let dead = |name: &str| figure(&runtime, "dead,BACKEND,", name);
    assert_eq!(
        (dead("chkdown")?, dead("lbtot")?, dead("lastsess")?),
        ("1".into(), "0".into(), "-1".into())
    );
    assert_eq!(
        (dead("req_tot")?, dead("wrew")?, dead("qmax")?),
        ("1".into(), "0".into(), "0".into())
    );
    assert_eq!(dead("agg_server_status")?, "0");
    assert!(
        dead("bin")?.parse::<u32>()? > 0 && dead("bout")?.parse::<u32>()? > 0,
        "nobody took it, and it came all the same"
    );
    assert_eq!(figure(&runtime, "dead,t,", "status")?, "DOWN");
    assert_eq!(figure(&runtime, "dead,s,", "dreq")?, "");
    assert_eq!(figure(&runtime, "lives,BACKEND,", "chkdown")?, "0");
    let start = Instant::now();
    while dead("downtime")? == "0" {
        assert!(start.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(figure(&runtime, "lives,BACKEND,", "downtime")?, "0");
    Ok(())
}

#[test]
fn rewrites_that_fail_are_counted() -> Result<()> {
    let rest = format!(
        "frontend front\n    bind 127.0.0.1:8081\n    http-request strict-mode off\n    \
         http-request set-header x-long {}\n    http-request return status 204\n",
        "%[str(x),concat(x)]".to_owned() + &"y".repeat(600)
    );
    let runtime = Runtime::start("rewrites", "", "    tune.bufsize 8192\n", &rest)?;
    let mut stream = runtime.site.connect(1)?;
    let long = "z".repeat(7800);
    write!(
        stream,
        "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-z: {long}\r\n\r\n"
    )?;
    let answer = rest_of(stream)?;
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    assert_eq!(figure(&runtime, "front,FRONTEND,", "wrew")?, "1");
    Ok(())
}
