//! What happens to sessions and requests because of their server: operators and checks that take it away, redirections,
//! cookies made of addresses, and where connections come from.

mod support;

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use support::Result;
use support::origin::{head, origin, server};
use support::runtime::Runtime;
use support::site::Site;

const LOG: &str = "    log stdout format raw local0\n";

/// A server that takes what comes and answers with nothing, until it is left alone; with how often something came.
fn holding() -> Result<(SocketAddr, Arc<AtomicUsize>)> {
    let came = Arc::new(AtomicUsize::new(0));
    let counted = came.clone();
    let address = origin(move |mut stream| {
        let mut sink = [0; 4096];
        while stream.read(&mut sink)? > 0 {
            counted.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    })?;
    Ok((address, came))
}

/// A server that tells whom it talks to.
fn telling() -> Result<SocketAddr> {
    origin(|mut stream| {
        let mut from = BufReader::new(stream.try_clone()?);
        let peer = stream.peer_addr()?.ip().to_string();
        while head(&mut from).is_ok() {
            let length = peer.len();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{peer}"
            )?;
        }
        Ok(())
    })
}

#[test]
fn what_operators_do_to_servers_is_logged() -> Result<()> {
    let held = server(holding()?.0);
    let rest = format!(
        "backend b\n    log global\n    server s1 {held}\n    server s2 {held} check inter 60s\n    server s3 {held} backup\n\
         backend t\n    log global\n    server t1 {held} track b/s2\n"
    );
    let runtime = Runtime::start("server-news", "level admin", LOG, &rest)?;
    let told = |command: &str, wanted: &[&str]| -> Result<()> {
        runtime.ask(&format!("{command}\n"))?;
        wanted.iter().try_for_each(|line| runtime.site.logged(line))
    };
    let left = "sessions active, 0 requeued, 0 remaining in queue.";
    let online = "0 sessions requeued, 0 total in queue.";
    told(
        "set server b/s1 state drain",
        &[&format!(
            "Server b/s1 enters drain state. 1 active and 1 backup servers online. {online}"
        )],
    )?;
    told(
        "set server b/s1 state ready",
        &["Server b/s1 is UP (leaving forced drain)."],
    )?;
    told(
        "set server b/s1 state maint",
        &[&format!(
            "Server b/s1 is going DOWN for maintenance. 1 active and 1 backup servers left. 0 {left}"
        )],
    )?;
    told(
        "disable server b/s2",
        &[
            &format!(
                "Server b/s2 is going DOWN for maintenance. 0 active and 1 backup servers left. Running on backup. 0 {left}"
            ),
            &format!(
                "Server t/t1 is going DOWN for maintenance via b/s2. 0 active and 0 backup servers left. 0 {left}"
            ),
            "backend t has no server available!",
        ],
    )?;
    told(
        "set server b/s3 state maint",
        &[
            &format!(
                "Backup Server b/s3 is going DOWN for maintenance. 0 active and 0 backup servers left. 0 {left}"
            ),
            "backend b has no server available!",
        ],
    )?;
    told(
        "enable server b/s2",
        &[
            "Server b/s2 is UP/READY (leaving forced maintenance).",
            "Server t/t1 is UP/READY (leaving maintenance).",
        ],
    )?;
    told(
        "set server b/s1 state ready",
        &["Server b/s1 is UP/READY (leaving forced maintenance)."],
    )?;
    told(
        "set server b/s1 health down",
        &[&format!(
            "Server b/s1 is DOWN, changed from CLI. 1 active and 0 backup servers left. 0 {left}"
        )],
    )?;
    told(
        "set server b/s1 health up",
        &[&format!(
            "Server b/s1 is UP, changed from CLI. 2 active and 0 backup servers online. {online}"
        )],
    )?;
    told(
        "set server b/s2 health down",
        &[
            "Server b/s2 is DOWN",
            &format!("Server t/t1 is DOWN via b/s2. 0 active and 0 backup servers left. 0 {left}"),
        ],
    )
}

/// Each way to end a session from outside, as the log tells it.
#[test]
fn sessions_end_with_their_server_where_that_was_asked_for() -> Result<()> {
    let (held, came) = holding()?;
    let held = server(held);
    let rest = format!(
        "frontend tcp\n    mode tcp\n    log global\n    log-format \"tcp %b/%s %ts\"\n    bind 127.0.0.1:8081\n    \
         default_backend t\n\
         frontend http\n    log global\n    log-format \"http %b/%s %ST %ts\"\n    bind 127.0.0.1:8082\n    default_backend h\n\
         backend t\n    mode tcp\n    server s1 {held} disabled on-marked-up shutdown-backup-sessions \
         on-marked-down shutdown-sessions\n    server s2 {held} backup\n\
         backend h\n    server s1 {held} on-marked-down shutdown-sessions\n"
    );
    let runtime = Runtime::start("server-kills", "level admin", LOG, &rest)?;
    let begin = |bind: usize, at: &str| -> Result<TcpStream> {
        let mut client = runtime.site.connect(bind)?;
        let before = came.load(Ordering::SeqCst);
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")?;
        runtime.until("show sess\n", at)?;
        while came.load(Ordering::SeqCst) == before {
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(client)
    };
    let ended = |mut client: TcpStream| {
        let mut all = Vec::new();
        // A reset is an end too.
        client.read_to_end(&mut all).is_ok_and(|_| true) || all.is_empty()
    };
    let client = begin(1, "be=t srv=s2")?;
    runtime.ask("set server t/s1 state ready\n")?;
    assert!(ended(client));
    runtime.site.logged("tcp t/s2 UD")?;
    let client = begin(1, "be=t srv=s1")?;
    runtime.ask("set server t/s1 state maint\n")?;
    assert!(ended(client));
    runtime.site.logged("tcp t/s1 DD")?;
    let client = begin(1, "be=t srv=s2")?;
    runtime.ask("shutdown sessions server t/s2\n")?;
    assert!(ended(client));
    runtime.site.logged("tcp t/s2 KD")?;
    // Who waits for a response is told that there will be none.
    let client = begin(2, "be=h srv=s1")?;
    runtime.ask("shutdown sessions server h/s1\n")?;
    let answer = support::site::rest(client)?;
    assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{answer}");
    runtime.site.logged("http h/s1 502 KH")?;
    // Who has not said all is not, nor can be.
    let mut client = runtime.site.connect(2)?;
    client.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabc")?;
    runtime.until("show sess\n", "be=h srv=s1")?;
    runtime.ask("shutdown sessions server h/s1\n")?;
    assert_eq!(support::site::rest(client)?, "");
    let client = begin(2, "be=h srv=s1")?;
    runtime.ask("set server h/s1 health down\n")?;
    let answer = support::site::rest(client)?;
    assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{answer}");
    runtime.site.logged("http h/s1 502 DH")?;
    Ok(())
}

const DEFAULTS: &str =
    "defaults\n    mode http\n    timeout connect 5s\n    timeout client 15s\n    timeout server 15s\n";

#[test]
fn who_gets_something_is_sent_to_the_server_itself() -> Result<()> {
    let config = format!(
        "global\n    log stdout format raw local0\n{DEFAULTS}    log global\n    log-format \"%HM %ST %ts\"\n\
         listen l\n    bind 127.0.0.1:8080\n    server s {} redir http://other.test/x\n",
        server(telling()?)
    );
    let site = Site::start("redir", &[("site.cfg", &config)])?;
    let answer = site.get("/a/b?c=d")?;
    assert!(answer.starts_with("HTTP/1.1 302 Found\r\n"), "{answer}");
    assert!(
        answer.contains("\r\nlocation: http://other.test/x/a/b?c=d\r\n"),
        "{answer}"
    );
    assert!(answer.contains("\r\ncache-control: no-cache\r\n"), "{answer}");
    site.logged("GET 302 LC")?;
    let answer = site.ask("POST /a HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")?;
    assert!(answer.ends_with("127.0.0.1"), "{answer}");
    Ok(())
}

#[test]
fn a_dynamic_cookie_leads_back_to_its_server() -> Result<()> {
    let (one, other) = (telling()?, telling()?);
    let config = format!(
        "{DEFAULTS}listen l\n    bind 127.0.0.1:8080\n    balance roundrobin\n    cookie SRV insert dynamic\n    \
         dynamic-cookie-key secret\n    http-response set-header x-server %s\n    server s1 {}\n    server s2 {}\n    \
         server s3 {} cookie own\n",
        server(one),
        server(other),
        server(one),
    );
    let site = Site::start("dynamic-cookie", &[("site.cfg", &config)])?;
    let field = |answer: &str, name: &str| {
        let line = answer.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().to_owned()
    };
    for wanted in ["s1", "s2", "s3"] {
        let answer = site.get("/")?;
        assert_eq!(field(&answer, "x-server: "), wanted);
        let cookie = field(&answer, "set-cookie: SRV=");
        let value = cookie.split(';').next().unwrap_or_default();
        assert_eq!(value == "own", wanted == "s3", "{cookie}");
        assert!(value == "own" || value.len() == 16, "{cookie}");
        for _ in 0..2 {
            let request =
                format!("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncookie: SRV={value}\r\n\r\n");
            let again = site.ask(&request)?;
            assert_eq!(field(&again, "x-server: "), wanted, "{value}");
        }
    }
    Ok(())
}

/// Whether the system lets this process present addresses of others.
fn may_be_transparent() -> Result<bool> {
    const NET_ADMIN: u32 = 12;
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = u64::from_str_radix(line.unwrap_or("0").trim(), 16)?;
    Ok(bits >> NET_ADMIN & 1 == 1)
}

#[test]
fn connections_come_from_where_the_lines_say() -> Result<()> {
    let address = server(telling()?);
    let config = format!(
        "{DEFAULTS}    source 127.0.0.9\n\
         frontend f\n    bind 127.0.0.1:8080\n    use_backend %[path,field(2,/)]\n\
         backend default\n    server s {address}\nbackend own\n    server s {address} source 127.0.0.8\n\
         backend interface\n    server s {address} source 0.0.0.0 interface lo\n\
         backend presented\n    http-reuse always\n    server s {address} source 127.0.0.8 usesrc hdr_ip(x-src)\n\
         backend fixed\n    server s {address} source 0.0.0.0 usesrc 127.0.0.6\n\
         backend client\n    server s {address} source 0.0.0.0 usesrc clientip\n"
    );
    let site = Site::start("source", &[("site.cfg", &config)])?;
    let seen = |path: &str, header: &str| -> Result<String> {
        let answer = site.ask(&format!(
            "GET /{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{header}\r\n"
        ))?;
        Ok(answer.rsplit("\r\n\r\n").next().unwrap_or_default().to_owned())
    };
    assert_eq!(seen("default", "")?, "127.0.0.9");
    assert_eq!(seen("own", "")?, "127.0.0.8");
    assert_eq!(seen("interface", "")?, "127.0.0.1");
    assert_eq!(seen("presented", "")?, "127.0.0.8");
    if may_be_transparent()? {
        assert_eq!(seen("presented", "x-src: 127.0.0.7\r\n")?, "127.0.0.7");
        assert_eq!(seen("presented", "x-src: 127.0.0.5\r\n")?, "127.0.0.5");
        assert_eq!(seen("fixed", "")?, "127.0.0.6");
        assert_eq!(seen("client", "")?, "127.0.0.1");
    }
    Ok(())
}

/// A client that leaves while it is held up, or before its body came.
#[test]
fn the_log_tells_where_a_client_left() -> Result<()> {
    let config = format!(
        "global\n    log stdout format raw local0\n{DEFAULTS}    log global\n    log-format \"%HP %ST %ts\"\n    timeout tarpit 60s\n\
         listen l\n    bind 127.0.0.1:8080\n    http-request tarpit if {{ path /tarpit }}\n    \
         http-request wait-for-body time 60s if {{ path /body }}\n    server s {}\n",
        server(holding()?.0)
    );
    let site = Site::start("left", &[("site.cfg", &config)])?;
    for (request, wanted) in [
        ("GET /tarpit HTTP/1.1\r\nhost: x\r\n\r\n", ["/tarpit ", " CT"]),
        (
            "POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf",
            ["/body ", " CR"],
        ),
        ("GET /held HTTP/1.1\r\nhost: x\r\n\r\n", ["/held ", " CH"]),
    ] {
        let mut client = site.connect(0)?;
        client.write_all(request.as_bytes())?;
        std::thread::sleep(Duration::from_millis(300));
        drop(client);
        site.logged_line(&wanted)?;
    }
    Ok(())
}
