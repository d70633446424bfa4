//! What the program serves: its listeners, rules, servers, tunnels, modules of Lua, and its life in the background.

mod support;

use std::io::{BufReader, Read, Write};
use std::net::{Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::Result;
use support::origin::{head, origin, server};
use support::program::{binary, free_port};
use support::site::Site;

const PATIENCE: Duration = Duration::from_secs(20);

const DEFAULTS: &str = "\
defaults
    mode http
    timeout connect 5s
    timeout client 15s
    timeout server 15s
";

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

fn ask(mut stream: impl Read + Write) -> Result<String> {
    stream.write_all(REQUEST)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn one_frontend_listens_on_everything_it_binds() -> Result<()> {
    let free = TcpListener::bind((Ipv6Addr::LOCALHOST, 0))?.local_addr()?;
    let socket = std::env::temp_dir().join(format!("tidegate-serve-{}.sock", std::process::id()));
    let config = format!(
        "{DEFAULTS}listen site\n    bind 127.0.0.1:8080\n    bind 127.0.0.1:8081\n    bind {free}\n    \
         bind unix@{} id 9\n    http-request return status 200 content-type text/plain lf-string \"%ci:%cp served\"\n",
        socket.display()
    );
    let site = Site::start("binds", &[("site.cfg", &config)])?;
    assert!(ask(site.connect(0)?)?.ends_with("served"));
    assert!(ask(site.connect(1)?)?.ends_with("served"));
    assert!(ask(TcpStream::connect(free)?)?.ends_with("served"));
    assert!(ask(UnixStream::connect(&socket)?)?.ends_with("\r\n\r\nunix:9 served"));
    std::fs::remove_file(&socket)?;
    Ok(())
}

/// A program on a configuration that is left as it is. Dropping it ends the process and removes its files.
struct Bare {
    child: std::process::Child,
    root: PathBuf,
}

impl Bare {
    fn start(name: &str, config: &str, stdin: Stdio) -> Result<Bare> {
        let root = std::env::temp_dir().join(format!("tidegate-bare-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&root)?;
        std::fs::write(root.join("site.cfg"), config)?;
        let child = Command::new(binary())
            .args(["-db", "-f", "site.cfg"])
            .current_dir(&root)
            .stdin(stdin)
            .spawn()?;
        Ok(Bare { child, root })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // A process that has already ended is what we want, and what is left over is the system's to remove.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

/// Connects once somebody listens.
fn patiently(address: SocketAddr) -> Result<TcpStream> {
    let start = Instant::now();
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => return Ok(stream),
            Err(e) if start.elapsed() > PATIENCE => return Err(e.into()),
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

#[test]
fn a_listener_may_be_inherited() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let config = format!(
        "{DEFAULTS}listen site\n    bind fd@0\n    http-request return status 200 content-type text/plain string served\n"
    );
    // Standard input is the one descriptor that a child gets without further ado.
    let _program = Bare::start("fd", &config, Stdio::from(OwnedFd::from(listener)))?;
    assert!(ask(patiently(address)?)?.ends_with("served"));
    Ok(())
}

#[test]
fn a_range_of_ports_is_bound_whole() -> Result<()> {
    // Three free ports in a row: look until there are.
    let first = (20_000..30_000_u16)
        .step_by(3)
        .find(|port| (*port..port + 3).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()))
        .ok_or("no free ports")?;
    let config = format!(
        "{DEFAULTS}listen site\n    bind 127.0.0.1:{first}-{}\n    http-request return status 200 content-type text/plain string served\n",
        first + 2
    );
    let _program = Bare::start("range", &config, Stdio::null())?;
    for port in first..first + 3 {
        assert!(ask(patiently(([127, 0, 0, 1], port).into())?)?.ends_with("served"));
    }
    Ok(())
}

#[test]
fn conditions_choose_the_backend() -> Result<()> {
    let config = format!(
        "{DEFAULTS}frontend www\n    bind 127.0.0.1:8080\n    \
         acl exact path /exact\n    acl below path_beg /below/\n    acl named hdr(host) -i named.example\n    \
         acl put method PUT\n    acl here src 127.0.0.0/8\n    \
         http-request set-var(txn.a) str(yes) if {{ path /var }}\n    \
         http-request deny if {{ path /deny }}\n    \
         use_backend exact if exact here\n    use_backend below if below\n    use_backend named if named\n    \
         use_backend put if put\n    use_backend var if {{ var(txn.a) -m str yes }}\n    \
         use_backend bool if {{ path /bool }} {{ bool(true) }} !{{ bool(false) }}\n    default_backend other\n"
    );
    let backends: String = ["exact", "below", "named", "put", "var", "bool", "other"]
        .iter()
        .map(|name| {
            format!(
                "backend {name}\n    http-request return status 200 content-type text/plain string {name}\n"
            )
        })
        .collect();
    let site = Site::start("acl", &[("site.cfg", &(config + &backends))])?;
    for (line, wanted) in [
        ("GET /exact HTTP/1.1\r\nhost: x", "exact"),
        ("GET /exactly HTTP/1.1\r\nhost: x", "other"),
        ("GET /below/it HTTP/1.1\r\nhost: x", "below"),
        ("GET / HTTP/1.1\r\nhost: NAMED.example", "named"),
        ("PUT / HTTP/1.1\r\nhost: x\r\ncontent-length: 0", "put"),
        ("GET /var HTTP/1.1\r\nhost: x", "var"),
        ("GET /bool HTTP/1.1\r\nhost: x", "bool"),
        ("GET / HTTP/1.1\r\nhost: x", "other"),
    ] {
        let answer = site.ask(&format!("{line}\r\nconnection: close\r\n\r\n"))?;
        assert_eq!(body(&answer), wanted, "{line}");
    }
    assert!(site.get("/deny")?.starts_with("HTTP/1.1 403"));
    Ok(())
}

#[test]
fn servers_take_turns_on_connections_that_are_kept() -> Result<()> {
    // Each answers with its name and the number of the request on its connection.
    let named = |name: &'static str| {
        origin(move |stream| {
            let mut from = BufReader::new(stream.try_clone()?);
            let mut to = stream;
            for request in 1.. {
                let seen = head(&mut from)?.contains("x-added: one\r\n");
                let answer = format!("{name}{request}{}", if seen { "" } else { " without header" });
                write!(
                    to,
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer}",
                    answer.len()
                )?;
            }
            Ok(())
        })
    };
    let config = format!(
        "global\n    nbthread 1\n{DEFAULTS}listen site\n    bind 127.0.0.1:8080\n    balance roundrobin\n    \
         http-reuse always\n    http-request set-header x-added one\n    server a {}\n    server b {}\n",
        server(named("a")?),
        server(named("b")?)
    );
    let site = Site::start("turns", &[("site.cfg", &config)])?;
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(body(&site.get("/")?).to_owned());
    }
    answers.sort();
    assert_eq!(answers, ["a1", "a2", "b1", "b2"]);
    Ok(())
}

#[test]
fn an_upgraded_connection_is_a_tunnel() -> Result<()> {
    let origin = origin(|stream| {
        let mut from = BufReader::new(stream.try_clone()?);
        let mut to = stream;
        if !head(&mut from)?.to_lowercase().contains("upgrade: websocket") {
            return Err("no upgrade".into());
        }
        to.write_all(
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
              sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        )?;
        std::io::copy(&mut from, &mut to)?;
        Ok(())
    })?;
    let config = format!(
        "{DEFAULTS}listen site\n    bind 127.0.0.1:8080\n    server o {}\n",
        server(origin)
    );
    let site = Site::start("upgrade", &[("site.cfg", &config)])?;
    let mut to = site.connect(0)?;
    to.write_all(
        b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
          sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )?;
    let mut from = BufReader::new(to.try_clone()?);
    assert!(head(&mut from)?.starts_with("HTTP/1.1 101"));
    for word in [*b"\0one", *b"\xfftwo"] {
        to.write_all(&word)?;
        let mut echo = [0; 4];
        from.read_exact(&mut echo)?;
        assert_eq!(echo, word);
    }
    Ok(())
}

#[test]
fn half_a_close_passes_through_and_the_answer_still_comes() -> Result<()> {
    let origin = origin(|mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all)?;
        write!(stream, "{} bytes", all.len())?;
        Ok(())
    })?;
    let config = format!(
        "{}listen site\n    bind 127.0.0.1:8080\n    server o {}\n",
        DEFAULTS.replace("mode http", "mode tcp"),
        server(origin)
    );
    let site = Site::start("half", &[("site.cfg", &config)])?;
    let mut stream = site.connect(0)?;
    stream.write_all(&vec![7; 300_000])?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    assert_eq!(answer, "300000 bytes");
    Ok(())
}

#[test]
fn bodies_larger_than_all_buffers_stream_both_ways() -> Result<()> {
    const LENGTH: usize = 8 << 20;
    // Echoes while it reads: a proxy that kept the whole request first would hold up nothing here, one that lost or
    // mixed up a piece would show.
    let origin = origin(|stream| {
        let mut from = BufReader::new(stream.try_clone()?);
        let mut to = stream;
        head(&mut from)?;
        write!(to, "HTTP/1.1 200 OK\r\ncontent-length: {LENGTH}\r\n\r\n")?;
        std::io::copy(&mut from.take(LENGTH as u64), &mut to)?;
        Ok(())
    })?;
    let config = format!(
        "{DEFAULTS}listen site\n    bind 127.0.0.1:8080\n    server o {}\n",
        server(origin)
    );
    let site = Site::start("stream", &[("site.cfg", &config)])?;
    let sent: Vec<u8> = (0..LENGTH).map(|at| (at / 7 % 251) as u8).collect();
    let mut to = site.connect(0)?;
    let mut from = BufReader::new(to.try_clone()?);
    let copy = sent.clone();
    let sender = std::thread::spawn(move || -> std::io::Result<()> {
        write!(
            to,
            "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {LENGTH}\r\n\r\n"
        )?;
        to.write_all(&copy)
    });
    assert!(head(&mut from)?.starts_with("HTTP/1.1 200"));
    let mut got = vec![0; LENGTH];
    from.read_exact(&mut got)?;
    assert!(sender.join().is_ok_and(|sent| sent.is_ok()));
    assert!(got == sent, "the body changed on its way");
    Ok(())
}

#[test]
fn tcp_rules_wait_for_content() -> Result<()> {
    let script = r#"
core.register_service("echo", "tcp", function(applet) applet:send("service " .. applet:getline()) end)
"#;
    let config = format!(
        "global\n    lua-load site/site.lua\n{}frontend site\n    bind 127.0.0.1:8080\n    \
         tcp-request inspect-delay 60s\n    \
         tcp-request content reject if {{ req.payload(0,4) -m str BAD! }}\n    \
         tcp-request content use-service lua.echo if {{ req.payload(0,4) -m str GOOD }}\n    \
         tcp-request content reject\n",
        DEFAULTS.replace("mode http", "mode tcp")
    );
    let site = Site::start("content", &[("site.cfg", &config), ("site.lua", script)])?;
    let mut good = site.connect(0)?;
    // In two pieces: the rules have to wait for the second.
    good.write_all(b"GO")?;
    std::thread::sleep(Duration::from_millis(50));
    good.write_all(b"OD\n")?;
    let mut answer = String::new();
    good.read_to_string(&mut answer)?;
    assert_eq!(answer, "service GOOD\n");
    assert_eq!(site.ask("BAD!\n")?, "");
    Ok(())
}

/// Answers with what the expression of a script is.
fn answer_of(name: &str, lua_lines: &str, expression: &str, files: &[(&str, &str)]) -> Result<String> {
    let config = format!(
        "global\n    nbthread 2\n    {lua_lines}\n{DEFAULTS}listen site\n    bind 127.0.0.1:8080\n    \
         http-request return status 200 content-type text/plain lf-string %[lua.it]\n"
    );
    let script = format!("core.register_fetches('it', function(txn) return {expression} end)");
    let mut all = vec![("site.cfg", config.as_str()), ("site.lua", script.as_str())];
    all.extend_from_slice(files);
    let site = Site::start(name, &all)?;
    let answer = site.get("/")?;
    Ok(body(&answer).to_owned())
}

#[test]
fn modules_are_found_on_the_path_that_is_prepended() -> Result<()> {
    let module = ("beside.lua", "return { word = 'found' }");
    let lines = "lua-prepend-path site/?.lua\n    lua-load site/site.lua";
    assert_eq!(
        answer_of("path", lines, "require('beside').word", &[module])?,
        "found"
    );
    Ok(())
}

#[test]
fn a_file_beside_the_script_can_be_required() -> Result<()> {
    let module = ("beside.lua", "return { word = 'found' }");
    assert_eq!(
        answer_of(
            "beside",
            "lua-load site/site.lua",
            "require('beside').word",
            &[module]
        )?,
        "found"
    );
    Ok(())
}

#[test]
fn a_script_may_have_a_state_for_each_thread() -> Result<()> {
    let lines = "lua-load-per-thread site/site.lua";
    let thread = answer_of("threads", lines, "tostring(core.thread)", &[])?;
    assert!(["1", "2"].contains(&thread.as_str()), "{thread}");
    // A state for all threads is none of theirs.
    assert_eq!(
        answer_of("shared", "lua-load site/site.lua", "tostring(core.thread)", &[])?,
        "0"
    );
    Ok(())
}

#[test]
fn a_native_module_for_lua_finds_the_interpreter() -> Result<()> {
    let module = format!("/usr/lib/{}-linux-gnu/lua/5.4/cjson.so", std::env::consts::ARCH);
    if !Path::new(&module).exists() {
        println!("skipped: {module} is missing (Debian's lua-cjson)");
        return Ok(());
    }
    let lines = "lua-load site/site.lua";
    let expression = "require('cjson').encode({ 1, 'two' }) .. require('cjson').decode('[\"three\"]')[1]";
    assert_eq!(answer_of("cjson", lines, expression, &[])?, r#"[1,"two"]three"#);
    Ok(())
}

/// Whether a process is there and no zombie.
fn alive(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z")))
}

fn eventually(what: &str, so: impl Fn() -> bool) -> Result<()> {
    let start = Instant::now();
    while !so() {
        if start.elapsed() > PATIENCE {
            return Err(format!("never so: {what}").into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn signal(pid: &str, name: &str) -> Result<()> {
    let sent = Command::new("kill").args(["-s", name, pid]).status()?;
    if sent.success() {
        Ok(())
    } else {
        Err(format!("no process {pid}").into())
    }
}

#[test]
fn in_the_background_it_writes_its_number_and_heeds_signals() -> Result<()> {
    let root = std::env::temp_dir().join(format!("tidegate-daemon-{}", std::process::id()));
    std::fs::create_dir_all(&root)?;
    for soft in [false, true] {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let config = format!(
            "global\n    lua-load site.lua\n{DEFAULTS}listen site\n    bind {address}\n    \
             http-request use-service lua.slow if {{ path /slow }}\n    \
             http-request return status 200 content-type text/plain string served\n"
        );
        std::fs::write(root.join("site.cfg"), config)?;
        std::fs::write(
            root.join("site.lua"),
            "core.register_service('slow', 'http', function(applet)\n\
             applet:set_status(200) applet:start_response() applet:send('begun')\n\
             core.msleep(700) applet:send('ended') end)",
        )?;
        let status = Command::new(binary())
            .args([
                "-D", "-n", "100", "-m", "2000", "-p", "pid", "-f", "site.cfg", "-C",
            ])
            .arg(&root)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        assert!(status.success(), "{status}");
        // The first process ends only once the second serves: no waiting here.
        let pid = std::fs::read_to_string(root.join("pid"))?.trim().to_owned();
        assert!(ask(TcpStream::connect(address)?)?.ends_with("served"));
        let mut running = TcpStream::connect(address)?;
        running.set_read_timeout(Some(PATIENCE))?;
        running.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
        let mut first = [0];
        running.read_exact(&mut first)?;
        signal(&pid, if soft { "USR1" } else { "TERM" })?;
        let mut answer = Vec::new();
        let _ = running.read_to_end(&mut answer);
        let ended = String::from_utf8_lossy(&answer).contains("ended");
        assert_eq!(ended, soft, "{}", String::from_utf8_lossy(&answer));
        eventually("the process has ended", || !alive(&pid))?;
        assert!(TcpStream::connect(address).is_err());
        assert!(!root.join("pid").exists());
    }
    std::fs::remove_dir_all(&root)?;
    Ok(())
}
