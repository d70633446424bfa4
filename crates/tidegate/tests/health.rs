//! Health checks in the running program: what they send, what they conclude, and where requests go then.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use support::Result;
use support::origin::{head, origin, server};
use support::site::Site;
use support::tls::{Authority, accept};

const PATIENCE: Duration = Duration::from_secs(10);

/// A server of HTTP that answers checks (`/check`) with a status that the test may change, and everything else with its
/// name.
struct Checked {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    /// The heads of the checks so far.
    checks: Arc<Mutex<Vec<String>>>,
}

impl Checked {
    fn new(name: &'static str, status: u16) -> Result<Checked> {
        let status = Arc::new(AtomicU16::new(status));
        let checks = Arc::<Mutex<Vec<String>>>::default();
        let (now, seen) = (status.clone(), checks.clone());
        let address = origin(move |stream| {
            let mut from = BufReader::new(stream.try_clone()?);
            let mut to = stream;
            let head = head(&mut from)?;
            let (status, body) = if head.contains("/check") {
                seen.lock().map_err(|_| "poisoned")?.push(head);
                (now.load(Ordering::SeqCst), "checked")
            } else {
                (200, name)
            };
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status} Said So\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            Ok(to.write_all(answer.as_bytes())?)
        })?;
        Ok(Checked {
            address,
            status,
            checks,
        })
    }

    fn says(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    fn check(&self) -> Result<String> {
        Ok(self
            .checks
            .lock()
            .map_err(|_| "poisoned")?
            .first()
            .ok_or("not checked")?
            .clone())
    }
}

/// A site whose backend has these lines, with `log` lines on standard output.
fn site(name: &str, backend: &str) -> Result<Site> {
    let config = format!(
        "global\n    nbthread 2\n    log stdout format raw local0\n\
         defaults\n    mode http\n    log global\n    timeout connect 5s\n    timeout client 15s\n    timeout server 15s\n    \
         retries 0\n    option log-health-checks\n\
         frontend site\n    bind 127.0.0.1:8080\n    default_backend b\n\
         backend b\n    default-server inter 50ms rise 2 fall 2\n{backend}"
    );
    Site::start(name, &[("site.cfg", &config)])
}

#[test]
fn requests_go_where_checks_pass_and_come_back_when_they_pass_again() -> Result<()> {
    let one = Checked::new("one", 200)?;
    let two = Checked::new("two", 500)?;
    let site = site(
        "health-http",
        &format!(
            "    balance first\n    option httpchk GET /check?a HTTP/1.1 www.example\n    server two {} check\n    server one {} check\n",
            server(two.address),
            server(one.address)
        ),
    )?;
    site.logged(
        "Health check for server b/two failed, reason: Layer7 wrong status, code: 500, info: \"Said So\"",
    )?;
    site.logged("Server b/two is DOWN. 1 active and 0 backup servers left. 0 sessions active, 0 requeued, 0 remaining in queue.")?;
    site.until("/", "one")?;
    assert_eq!(
        two.check()?,
        "GET /check?a HTTP/1.1\r\nhost: www.example\r\nconnection: close\r\n\r\n"
    );
    two.says(302);
    site.logged(
        "Health check for server b/two succeeded, reason: Layer7 check passed, code: 302, check duration: ",
    )?;
    site.logged(
        "Server b/two is UP. 2 active and 0 backup servers online. 0 sessions requeued, 0 total in queue.",
    )?;
    site.until("/", "two")?;
    two.says(500);
    one.says(503);
    site.logged("backend b has no server available!")?;
    let answer = site.get("/")?;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    Ok(())
}

#[test]
fn a_server_that_says_404_takes_no_new_requests() -> Result<()> {
    let one = Checked::new("one", 200)?;
    let two = Checked::new("two", 200)?;
    let site = site(
        "health-404",
        &format!(
            "    balance first\n    option httpchk GET /check\n    http-check disable-on-404\n    http-check send-state\n    server two {} check weight 3\n    server one {} check\n",
            server(two.address),
            server(one.address)
        ),
    )?;
    site.until("/", "two")?;
    two.says(404);
    site.logged("Server b/two is stopping. 1 active and 0 backup servers online.")?;
    site.until("/", "one")?;
    two.says(200);
    site.until("/", "two")?;
    let state = two.check()?;
    let wanted = format!(
        "address={}; port={}; name=b/two; node=",
        two.address.ip(),
        two.address.port()
    );
    assert!(
        state.contains("x-haproxy-server-state: UP") && state.contains(&wanted),
        "{state}"
    );
    // Whether the last request's session is over by then is up to the machine.
    assert!(
        state.contains("; weight=3/4; scur=") && state.contains("; qcur=0\r\n"),
        "{state}"
    );
    Ok(())
}

#[test]
fn what_is_expected_of_a_response_decides() -> Result<()> {
    let well = Checked::new("well", 200)?;
    let rows = [
        (
            "status 200,300-310",
            "b/s succeeded, reason: Layer7 check passed, code: 200",
        ),
        (
            "! status 200",
            "b/s failed, reason: Layer7 wrong status, code: 200",
        ),
        ("rstatus ^4", "b/s failed, reason: Layer7 wrong status, code: 200"),
        ("string checked", "b/s succeeded"),
        (
            "string missing",
            "b/s failed, reason: Layer7 invalid response, info: \"HTTP content check did not match\"",
        ),
        (
            "! rstring ch[e]cked",
            "info: \"HTTP check matched unwanted content\"",
        ),
        ("fhdr name Connection value close", "b/s succeeded"),
        ("fhdr name -m reg ^CONN.*N$ value close", "b/s succeeded"),
        (
            "hdr name -m beg conn value -m end x comment \"no such header\"",
            "info: \"Said So comment: no such header\"",
        ),
        (
            "error-status L7STS on-error \"body %[res.hdr(content-length)]\" status-code int(77) string x",
            "reason: Layer7 wrong status, code: 77, info: \"body 7\"",
        ),
        (
            "ok-status L6OK on-success fine status 200",
            "reason: Layer6 check passed, info: \"fine\"",
        ),
    ];
    for (at, (rule, wanted)) in rows.into_iter().enumerate() {
        let lines = format!(
            "    option httpchk GET /check\n    http-check expect {rule}\n    server s {} check\n",
            server(well.address)
        );
        let site = site(&format!("health-expect-{at}"), &lines)?;
        site.logged(wanted).map_err(|e| format!("{rule}: {e}"))?;
    }
    Ok(())
}

#[test]
fn headers_and_a_body_may_stand_behind_the_version() -> Result<()> {
    let said = Arc::<Mutex<Vec<u8>>>::default();
    let heard = said.clone();
    let address = origin(move |mut stream| {
        let mut asked = Vec::new();
        let mut piece = [0; 512];
        while !asked.ends_with(b"ping") {
            match stream.read(&mut piece)? {
                0 => break,
                n => asked.extend_from_slice(piece.get(..n).unwrap_or_default()),
            }
        }
        heard.lock().map_err(|_| "poisoned")?.extend(asked);
        Ok(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?)
    })?;
    let site = site(
        "health-old-style",
        &format!(
            "    option httpchk POST /check HTTP/1.1\\r\\nHost:\\ inside\\r\\nX-Probe:\\ %[int(1)]\\r\\nX-Id:\\ %[unique-id]\\r\\n\\r\\nping\n    \
             unique-id-format %[be_name]-%[srv_name]-%[srv_is_up(s),iif(up,down)]\n    server s {} check\n",
            server(address)
        ),
    )?;
    site.logged("b/s succeeded")?;
    let said = said.lock().map_err(|_| "poisoned")?;
    let said = String::from_utf8_lossy(&said).to_lowercase();
    for part in [
        "post /check http/1.1\r\n",
        "\r\nhost: inside\r\n",
        "\r\nx-probe: 1\r\n",
        "\r\nx-id: b-s-up\r\n",
        "\r\n\r\nping",
    ] {
        assert!(said.contains(part), "{part:?}: {said}");
    }
    Ok(())
}

#[test]
fn a_conversation_can_have_several_steps_and_connections() -> Result<()> {
    let said = Arc::<Mutex<Vec<u8>>>::default();
    let heard = said.clone();
    let address = origin(move |mut stream| {
        stream.write_all(b"+OK ready\r\n")?;
        let mut asked = [0; 4];
        stream.read_exact(&mut asked)?;
        heard.lock().map_err(|_| "poisoned")?.extend(asked);
        Ok(stream.write_all(b"\x2bPONG")?)
    })?;
    let other = TcpListener::bind("127.0.0.1:0")?;
    let port = other.local_addr()?.port();
    let site = site(
        "health-steps",
        &format!(
            "    mode http\n    option tcp-check\n    tcp-check set-var(check.word) str(PING)\n    tcp-check connect\n    \
             tcp-check expect string +OK\n    tcp-check send-lf %[var(check.word)]\n    tcp-check expect binary 2b504F4e47\n    \
             tcp-check connect port {port} linger comment \"the other port\"\n    server s {} check\n",
            server(address)
        ),
    )?;
    let well = "b/s succeeded, reason: Layer7 check passed, code: 0, info: \"(tcp-check)\", check duration: ";
    site.logged(well)?;
    assert_eq!(said.lock().map_err(|_| "poisoned")?.get(..4), Some(&b"PING"[..]));
    drop(other);
    site.logged(&format!(
        "Health check for server b/s failed, reason: Layer4 connection problem, info: \"ECONNREFUSED returned by OS at step 6 of tcp-check \
         (connect port {port}) comment: 'the other port'\""
    ))?;
    Ok(())
}

#[test]
fn an_agent_moves_its_server() -> Result<()> {
    let word = Arc::new(Mutex::new("drain\n"));
    let says = word.clone();
    let asked = Arc::<Mutex<String>>::default();
    let heard = asked.clone();
    let agent = origin(move |mut stream| {
        let mut question = [0; 6];
        stream.read_exact(&mut question)?;
        heard
            .lock()
            .map_err(|_| "poisoned")?
            .push_str(&String::from_utf8_lossy(&question));
        let answer = *says.lock().map_err(|_| "poisoned")?;
        Ok(stream.write_all(answer.as_bytes())?)
    })?;
    let one = Checked::new("one", 200)?;
    let two = Checked::new("two", 200)?;
    let site = site(
        "health-agent",
        &format!(
            "    balance first\n    server two {} agent-check agent-port {} agent-inter 50ms agent-send \"who?\\r\\n\"\n    server one {}\n",
            server(two.address),
            agent.port(),
            server(one.address)
        ),
    )?;
    site.until("/", "one")?;
    let say = |text| -> Result<()> {
        *word.lock().map_err(|_| "poisoned")? = text;
        Ok(())
    };
    say("ready\n")?;
    site.until("/", "two")?;
    say("down#disk is full\n")?;
    site.logged(
        "Agent check for server b/two failed, reason: Layer7 wrong status, code: 0, info: \"via agent : down (disk is full)\"",
    )?;
    site.logged("Server b/two is DOWN. ")?;
    site.until("/", "one")?;
    // What means nothing changes nothing.
    say("whatever\n")?;
    assert!(site.get("/")?.ends_with("one"));
    say("up 100%\n")?;
    site.until("/", "two")?;
    assert!(asked.lock().map_err(|_| "poisoned")?.starts_with("who?\r\n"));
    Ok(())
}

/// The lines are those of haproxy 2.6 for an agent that says the same.
#[test]
fn what_agents_say_is_logged_where_it_is_news() -> Result<()> {
    // Each is said until the next: to have been asked twice is to have had the first answer heeded.
    let word = Arc::new(Mutex::new("up\n"));
    let says = word.clone();
    let asked = Arc::<AtomicUsize>::default();
    let count = asked.clone();
    let agent = origin(move |mut stream| {
        let answer = *says.lock().map_err(|_| "poisoned")?;
        count.fetch_add(1, Ordering::SeqCst);
        Ok(stream.write_all(answer.as_bytes())?)
    })?;
    let one = Checked::new("one", 200)?;
    let site = site(
        "health-agent-logged",
        &format!(
            "    server s {} weight 100 agent-check agent-port {} agent-inter 20ms\n",
            server(one.address),
            agent.port()
        ),
    )?;
    let well = "Agent check for server b/s succeeded, reason: Layer7 check passed, code: 0, info: \"via agent : up\", status: 1/1 UP.";
    let ill = |said: &str| {
        format!(
            "Agent check for server b/s failed, reason: Layer7 wrong status, code: 0, info: \"via agent : {said}\", status: 0/1 DOWN."
        )
    };
    let left = "0 active and 0 backup servers left. 0 sessions active, 0 requeued, 0 remaining in queue.";
    let down = format!("Server b/s is DOWN. {left}");
    let up = "Server b/s is UP. 1 active and 0 backup servers online. 0 sessions requeued, 0 total in queue.";
    let nobody = "backend b has no server available!";
    let mut lines = vec![well.to_owned()];
    let steps: [(&'static str, Vec<String>); 11] = [
        ("up\n", vec![]),
        ("down\n", vec![ill("down"), down.clone(), nobody.to_owned()]),
        ("stopped #disk is full\n", vec![]),
        ("up\n", vec![well.to_owned(), up.to_owned()]),
        (
            "maint up\n",
            vec![
                format!("Server b/s is going DOWN for maintenance. {left}"),
                nobody.to_owned(),
            ],
        ),
        // In maintenance nobody cares about the server, but for the agent.
        ("down\n", vec![ill("down")]),
        (
            "ready up\n",
            vec![
                "Server b/s is DOWN/READY (leaving forced maintenance).".to_owned(),
                well.to_owned(),
                up.to_owned(),
            ],
        ),
        // What says nothing of the health is no news of it; what comes behind it is.
        ("50%\n", vec![]),
        ("up\n", vec![well.to_owned()]),
        (
            "fail #disk is full\n",
            vec![ill("fail (disk is full)"), down, nobody.to_owned()],
        ),
        ("up\n", vec![well.to_owned(), up.to_owned()]),
    ];
    let heeded = || {
        let first = asked.load(Ordering::SeqCst);
        let start = Instant::now();
        while asked.load(Ordering::SeqCst) < first + 3 {
            if start.elapsed() > PATIENCE {
                return Err(format!("the agent is not asked again:\n{}", site.output()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    };
    for (text, news) in steps {
        heeded()?;
        *word.lock().map_err(|_| "poisoned")? = text;
        heeded()?;
        lines.extend(news);
    }
    drop(one);
    let about = |line: &&str| line.contains("b/s ") || line.starts_with("backend b ");
    let start = Instant::now();
    let told = loop {
        let told: Vec<_> = site.output().lines().filter(about).map(untimed).collect();
        // Logs come a little later.
        if told.len() >= lines.len() || start.elapsed() > PATIENCE {
            break told;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert_eq!(told, lines);
    Ok(())
}

/// A line without how long the check took.
fn untimed(line: &str) -> String {
    match line.split_once(", check duration: ") {
        Some((before, after)) => {
            let rest = after.split_once(',').map_or("", |(_, rest)| rest);
            format!("{before},{rest}")
        }
        None => line.to_owned(),
    }
}

#[test]
fn errors_in_the_traffic_count_where_they_are_observed() -> Result<()> {
    // Checks pass, and yet requests fail.
    let requests = Arc::new(AtomicUsize::new(0));
    let count = requests.clone();
    let broken = origin(move |stream| {
        let mut from = BufReader::new(stream.try_clone()?);
        let mut to = stream;
        head(&mut from)?;
        count.fetch_add(1, Ordering::SeqCst);
        Ok(to.write_all(b"HTTP/1.1 500 Broken\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?)
    })?;
    let site = site(
        "health-observe",
        &format!(
            "    server s {} check inter 1h observe layer7 error-limit 3 on-error mark-down\n",
            server(broken)
        ),
    )?;
    site.logged("Health check for server b/s succeeded, reason: Layer4 check passed")?;
    for _ in 0..2 {
        assert!(site.get("/")?.starts_with("HTTP/1.1 500 "));
    }
    assert!(site.get("/")?.starts_with("HTTP/1.1 500 "));
    site.logged(
        "Health check for server b/s failed, reason: Health analyze, info: \"Detected 3 consecutive errors, last one was: Wrong http \
         response\", status: 0/2 DOWN.",
    )?;
    site.logged("Server b/s is DOWN. 0 active")?;
    let answer = site.get("/")?;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert_eq!(requests.load(Ordering::SeqCst), 3);
    Ok(())
}

/// Errors go on counting while the server waits for the check that the first of them asked for.
#[test]
fn errors_in_the_traffic_count_as_often_as_they_come() -> Result<()> {
    let broken = server(origin(|mut stream| {
        head(&mut BufReader::new(stream.try_clone()?))?;
        Ok(stream.write_all(b"HTTP/1.1 500 Broken\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?)
    })?);
    let site = site(
        "health-observe-again",
        &format!(
            "    server s {broken} check inter 1h fall 3 observe layer7 error-limit 2 on-error fail-check\n"
        ),
    )?;
    site.logged("Health check for server b/s succeeded, reason: Layer4 check passed")?;
    for left in ["2/3 UP", "1/3 UP", "0/2 DOWN"] {
        for _ in 0..2 {
            assert!(site.get("/")?.starts_with("HTTP/1.1 500 "));
        }
        site.logged(&format!("last one was: Wrong http response\", status: {left}."))?;
    }
    site.logged("Server b/s is DOWN. 0 active")
}

#[test]
fn what_is_no_hexadecimal_number_can_not_be_sent() -> Result<()> {
    let address = origin(|mut stream| Ok(stream.write_all(b"hello")?))?;
    let site = site(
        "health-unhex",
        &format!(
            "    option tcp-check\n    tcp-check connect\n    tcp-check send-binary-lf 0%[str(x)]\n    tcp-check expect string hello\n    \
             server s {} check\n",
            server(address)
        ),
    )?;
    site.logged(
        "Health check for server b/s failed, reason: Layer7 invalid response, info: \"tcp-check send : failed to build log-format string \
         at step 2\"",
    )
}

#[test]
fn errors_in_the_traffic_count_before_the_first_check() -> Result<()> {
    let broken = server(origin(|mut stream| {
        head(&mut BufReader::new(stream.try_clone()?))?;
        Ok(stream.write_all(b"HTTP/1.1 500 Broken\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?)
    })?);
    // Checks are spread over the time between two of one server: the second server's first comes late.
    let site = site(
        "health-observe-early",
        &format!(
            "    server spare {broken} check inter 1h backup\n    \
             server s {broken} check inter 1h observe layer7 error-limit 2 on-error mark-down\n"
        ),
    )?;
    for _ in 0..2 {
        assert!(site.get("/")?.starts_with("HTTP/1.1 500 "));
    }
    site.logged("last one was: Wrong http response\", status: 0/2 DOWN.")?;
    site.logged("Server b/s is DOWN. 0 active and 1 backup servers left. Running on backup.")
}

#[test]
fn a_server_can_begin_down_and_be_checked_elsewhere() -> Result<()> {
    let checks = origin(|stream: TcpStream| {
        // Held open until the other side has closed.
        let mut rest = Vec::new();
        (&stream).read_to_end(&mut rest)?;
        Ok(())
    })?;
    let one = Checked::new("one", 200)?;
    let site = site(
        "health-elsewhere",
        &format!(
            "    server s {} check addr {} port {} init-state fully-down rise 2\n",
            server(one.address),
            checks.ip(),
            checks.port()
        ),
    )?;
    site.logged("Server b/s is UP. 1 active and 0 backup servers online.")?;
    site.until("/", "one")?;
    assert!(one.check().is_err());
    Ok(())
}

#[test]
fn a_section_says_what_the_checks_of_one_server_do() -> Result<()> {
    let one = Checked::new("one", 200)?;
    let config = format!(
        "global\n    nbthread 1\n    log stdout format raw local0\n\
         healthcheck web\n    type httpchk\n    http-check send meth GET uri /check hdr x-a %[str(b)]\n    \
         http-check expect status 404\n\
         defaults\n    mode http\n    log global\n    timeout connect 5s\n    timeout client 15s\n    timeout server 15s\n\
         frontend site\n    bind 127.0.0.1:8080\n    default_backend b\n\
         backend b\n    server s {} check inter 50ms healthcheck web\n    server t {} check inter 50ms\n",
        server(one.address),
        server(one.address)
    );
    let site = Site::start("health-section", &[("site.cfg", &config)])?;
    site.logged("Server b/s is DOWN, reason: Layer7 wrong status, code: 200, info: \"Said So\"")?;
    assert_eq!(one.check()?, "GET /check HTTP/1.0\r\nx-a: b\r\n\r\n");
    site.until("/", "one")?;
    Ok(())
}

#[test]
fn checks_speak_tls_and_begin_with_a_header_where_the_server_does_or_they_are_told() -> Result<()> {
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let config = Arc::new(Authority::new("root")?.issue(&["a.test"])?.server(&[])?);
    let (secure, names) = (config.clone(), heard.clone());
    let tls = origin(move |stream| {
        let mut tls = accept(&secure, stream)?;
        let name = tls.conn.server_name().unwrap_or("-").to_owned();
        head(&mut BufReader::with_capacity(1, &mut tls))?;
        names.lock().map_err(|_| "poisoned")?.push(name);
        write!(tls, "HTTP/1.1 204 Fine\r\n\r\n")?;
        Ok(tls.flush()?)
    })?;
    let lines = heard.clone();
    let plain = origin(move |mut stream| {
        let mut from = BufReader::new(stream.try_clone()?);
        let mut line = String::new();
        from.read_line(&mut line)?;
        lines.lock().map_err(|_| "poisoned")?.push(line);
        let request = head(&mut from)?;
        lines.lock().map_err(|_| "poisoned")?.push(request);
        Ok(stream.write_all(b"HTTP/1.1 204 Fine\r\n\r\n")?)
    })?;
    let (secure, clear) = (server(tls), server(plain));
    let port = tls.port();
    let site = site(
        "health-tls",
        &format!(
            "    option httpchk GET /\n\
             server inherits {secure} ssl verify none check check-sni one.test\n    \
             server told {clear} check addr 127.0.0.1 port {port} check-ssl check-sni two.test verify none\n    \
             server not {secure} ssl verify none check no-check-ssl\n    \
             server header {clear} send-proxy check\n"
        ),
    )?;
    for name in ["inherits", "told", "header"] {
        site.logged(&format!(
            "Health check for server b/{name} succeeded, reason: Layer7 check passed, code: 204"
        ))?;
    }
    site.logged("Health check for server b/not failed")?;
    let heard = heard.lock().map_err(|_| "poisoned")?.clone();
    for wanted in ["one.test", "two.test", "PROXY TCP4 127.0.0.1 127.0.0.1 "] {
        assert!(
            heard.iter().any(|line| line.starts_with(wanted)),
            "{wanted} in {heard:?}"
        );
    }
    Ok(())
}

#[test]
fn a_step_sends_the_header_that_its_server_gets() -> Result<()> {
    let address = origin(|mut stream| {
        let mut header = [0; 16];
        stream.read_exact(&mut header)?;
        assert_eq!(header, *b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0");
        Ok(stream.write_all(b"fine")?)
    })?;
    let site = site(
        "health-header-step",
        &format!(
            "    option tcp-check\n    tcp-check connect send-proxy\n    tcp-check expect string fine\n    \
             server s {} send-proxy-v2 check\n",
            server(address)
        ),
    )?;
    site.logged("Health check for server b/s succeeded, reason: Layer7 check passed")
}

/// What logs say of steps: each line has a number, and what is said of it is quoted where nothing was judged.
#[test]
fn failures_name_the_line_that_failed() -> Result<()> {
    let address = server(origin(|mut stream| {
        stream.write_all(b"hello\r\n\r\n")?;
        let mut rest = Vec::new();
        // A check that waits for more leaves in the end.
        let _ = stream.read_to_end(&mut rest);
        Ok(())
    })?);
    let site = site(
        "health-lines",
        &format!(
            "    option tcp-check\n    tcp-check set-var(check.x) str(hel)\n    tcp-check comment greeting\n    \
             tcp-check expect ! string-lf %[var(check.x)]\n    server s {address} check\n\
             backend c\n    option tcp-check\n    timeout check 1s\n    tcp-check comment first\n    tcp-check connect\n    \
             tcp-check expect comment more binary 4142\n    server s {address} check inter 1h\n\
             backend d\n    option tcp-check\n    timeout check 1s\n    tcp-check comment lost\n    \
             tcp-check unset-var(check.x)\n    tcp-check expect binary-lf 4142\n    server s {address} check inter 1h\n\
             backend e\n    option httpchk\n    http-check expect comment web status 204\n    server s {address} check inter 1h\n"
        ),
    )?;
    for (server, reason) in [
        (
            "b/s",
            "Layer7 invalid response, info: \"TCPCHK matched unwanted content (log-format string) at step 3 comment: greeting\"",
        ),
        (
            "c/s",
            "Layer7 timeout, info: \" at step 3 of tcp-check (expect binary 'AB') comment: 'more'\"",
        ),
        (
            "d/s",
            "Layer7 timeout, info: \" at step 3 of tcp-check (expect log-format binary)\"",
        ),
        ("e/s", "Layer7 invalid response, info: \" comment: web\""),
    ] {
        site.logged(&format!(
            "Health check for server {server} failed, reason: {reason}"
        ))?;
    }
    Ok(())
}

#[test]
fn a_step_can_connect_by_tls_and_fail_at_it() -> Result<()> {
    let config = Arc::new(Authority::new("root")?.issue(&["a.test"])?.server(&[])?);
    let tls = origin(move |stream| {
        let mut tls = accept(&config, stream)?;
        let mut rest = Vec::new();
        // The check leaves without a word.
        let _ = tls.read_to_end(&mut rest);
        Ok(())
    })?;
    let clear = Checked::new("clear", 200)?;
    let site = site(
        "health-tls-step",
        &format!(
            "    option tcp-check\n    tcp-check connect ssl sni three.test\n    \
             server well {} check verify none\n    server ill {} check verify none\n",
            server(tls),
            server(clear.address)
        ),
    )?;
    site.logged("Health check for server b/well succeeded, reason: Layer6 check passed")?;
    site.logged("Health check for server b/ill failed, reason: Layer6 invalid response, info: \"Connection closed during SSL handshake")?;
    Ok(())
}
