//! What the log says of faults: for each side, at each stage, of each kind, the status, the termination state and how far the
//! timers got. The states are those of HAProxy 2.6 with `option abortonclose`, but for those that docs/COMPATIBILITY.md names.

mod support;

use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use support::Result;
use support::origin::{head, origin, server};
use support::site::Site;

const PATIENCE: Duration = Duration::from_secs(20);

/// What a client does once it has sent what it sends.
#[derive(Clone, Copy, Debug)]
enum Then {
    /// Nothing: it waits for the end.
    Waits,
    /// Ends its side.
    Half,
    /// Resets the connection.
    Resets,
    /// Sends these bytes.
    Sends(&'static str),
}

use Then::{Half, Resets, Sends, Waits};

/// What a client sends and does, and what the log says. Of the five timers it says whether they have a value; `*` is any word.
type Fault = (&'static str, Then, &'static str);

/// What the origin answers on these paths, and whether it goes then, and how.
const ANSWERS: [(&str, &str, Option<bool>); 11] = [
    ("/quiet", "", None),
    ("/goes", "", Some(false)),
    ("/resets", "", Some(true)),
    ("/part", "HTTP/1.1 200 OK\r\na:", None),
    ("/part-goes", "HTTP/1.1 200 OK\r\na:", Some(false)),
    ("/garbage", "garbage\r\n\r\n", None),
    ("/body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", None),
    (
        "/body-goes",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab",
        Some(false),
    ),
    (
        "/body-resets",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab",
        Some(true),
    ),
    (
        "/chunk-goes",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nab",
        Some(false),
    ),
    ("/denied", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", None),
];

struct Ground {
    site: Site,
    /// Something for each head that the origin has.
    heads: Receiver<()>,
    seen: usize,
    /// A listener that accepts nobody, and who waits for it.
    _hole: (Socket, Vec<Socket>),
}

impl Ground {
    fn start(name: &str) -> Result<Ground> {
        let (tell, heads) = channel();
        let tell = Mutex::new(tell);
        let to = origin(move |mut stream| {
            let head = head(&mut BufReader::new(stream.try_clone()?))?;
            let path = head.split(' ').nth(1).unwrap_or_default();
            let answer = ANSWERS.iter().find(|(known, ..)| *known == path);
            let (_, answer, goes) = answer.ok_or("no such path")?;
            stream.write_all(answer.as_bytes())?;
            tell.lock().map_err(|_| "poisoned")?.send(())?;
            match goes {
                Some(true) => reset(stream),
                Some(false) => Ok(()),
                None => Ok(std::io::copy(&mut stream, &mut std::io::sink()).map(drop)?),
            }
        })?;
        let closed = {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            listener.local_addr()?
        };
        let (at, hole) = hole()?;
        let config = format!(
            "global\n    nbthread 1\n\
             defaults\n    mode http\n    log stdout format raw local0\n    option httplog\n    option abortonclose\n    \
             timeout connect 600ms\n    timeout client 1s\n    timeout server 2s\n    timeout http-request 1s\n    \
             timeout queue 800ms\n    timeout tarpit 800ms\n    retries 0\n\
             frontend site\n    bind 127.0.0.1:8080\n    \
             http-request set-var(txn.path) path\n    \
             http-request deny if {{ path /deny }}\n    http-request tarpit if {{ path /tarpit }}\n    \
             http-request return status 200 if {{ path /ok }}\n    \
             http-request wait-for-body time 600ms if {{ path /wait }}\n    \
             http-response deny if {{ var(txn.path) -m str /denied }}\n    \
             use_backend refused if {{ path /refused }}\n    use_backend hole if {{ path /hole }}\n    \
             use_backend full if {{ path /full }}\n    use_backend none if {{ path /none }}\n    default_backend to\n\
             backend to\n    server s {to}\n\
             backend full\n    http-request set-path /quiet\n    server s {to} maxconn 1\n\
             backend refused\n    server s {}\n\
             backend hole\n    server s {}\n\
             backend none\n    server s {to} disabled\n",
            server(closed),
            server(at),
            to = server(to),
        );
        let site = Site::start(&format!("states-{name}"), &[("site.cfg", &config)])?;
        // Whoever waited for the listener has connected, and said nothing.
        site.logged("<BADREQ>")?;
        let seen = lines(&site).len();
        Ok(Ground {
            site,
            heads,
            seen,
            _hole: (hole.0, hole.1),
        })
    }

    /// Lets each of them happen, and compares what is logged.
    fn hold(&mut self, faults: &[Fault]) -> Result<()> {
        let mut wrong = Vec::new();
        for fault in faults {
            let (bytes, then, line) = fault;
            let told = self
                .happen(bytes, *then)
                .map_err(|why| format!("{bytes:?} {then:?}: {why}"))?;
            if !is_like(&told, line) {
                wrong.push(format!(
                    "{bytes:?} {then:?}\n  told     {told}\n  expected {line}"
                ));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    }

    fn happen(&mut self, bytes: &str, then: Then) -> Result<String> {
        let mut stream = self.site.connect(0)?;
        stream.write_all(bytes.as_bytes())?;
        let path = bytes.split(' ').nth(1).unwrap_or_default();
        match ANSWERS.iter().find(|(known, ..)| *known == path) {
            // Where the server begins to answer, the client is to have some of it.
            Some((_, answer, _)) => {
                self.heads.recv_timeout(PATIENCE)?;
                if answer.ends_with("ab") {
                    stream.read_exact(&mut [0; 20])?;
                }
            }
            // The program has what was sent once it has served somebody else.
            None => {
                let answer = self.site.get("/ok")?;
                assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            }
        }
        match then {
            Resets => {
                reset(stream)?;
                return self.told();
            }
            Half => stream.shutdown(Shutdown::Write)?,
            Sends(more) => stream.write_all(more.as_bytes())?,
            Waits => {}
        }
        // It may take whatever comes for as long as it does.
        let told = self.told();
        drop(stream);
        told
    }

    /// The next line that isn't about somebody else.
    fn told(&mut self) -> Result<String> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            for line in lines(&self.site).into_iter().skip(self.seen) {
                self.seen += 1;
                if !line.contains("\"GET /ok ") {
                    return plain(&line).ok_or_else(|| format!("what is this? {line}").into());
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err("nothing was logged".into())
    }
}

/// An address where nobody answers.
fn hole() -> Result<(SocketAddr, (Socket, Vec<Socket>))> {
    let socket = || Socket::new(Domain::IPV4, Type::STREAM, None);
    let hole = socket()?;
    hole.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    hole.listen(0)?;
    let at = hole.local_addr()?.as_socket().ok_or("no address")?;
    let mut waiting = Vec::new();
    for _ in 0..4 {
        let socket = socket()?;
        socket.set_nonblocking(true)?;
        let _ = socket.connect(&at.into());
        waiting.push(socket);
    }
    Ok((at, (hole, waiting)))
}

fn reset(stream: TcpStream) -> Result<()> {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    Ok(())
}

fn lines(site: &Site) -> Vec<String> {
    let output = site.output();
    let whole = output.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().map(str::to_owned).collect()
}

/// A line of `option httplog` without what is chance: frontend, server, which timers have a value, status, state, request.
fn plain(line: &str) -> Option<String> {
    let words: Vec<&str> = line.splitn(12, ' ').collect();
    let [_, _, frontend, server, timers, status, _, _, _, state, _, rest] = words[..] else {
        return None;
    };
    let known = |timer: &str| if timer == "-1" { "-" } else { "n" };
    let timers: Vec<&str> = timers.split('/').map(known).collect();
    let (_, request) = rest.split_once(' ')?;
    let (state, timers) = (state.strip_suffix("--")?, timers.join("/"));
    let request = match request.len() {
        0..60 => request,
        _ => "long",
    };
    Some(format!("{frontend} {server} {timers} {status} {state} {request}"))
}

fn is_like(told: &str, wanted: &str) -> bool {
    let (told, wanted): (Vec<&str>, Vec<&str>) = (told.split(' ').collect(), wanted.split(' ').collect());
    told.len() == wanted.len() && { told.iter().zip(wanted) }
        .all(|(told, wanted)| wanted == "*" || *told == wanted)
}

const BAD: &str = "\"<BADREQ>\"";

#[test]
fn what_is_no_request() -> Result<()> {
    let long_target = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(20_000));
    let long_head = format!("GET / HTTP/1.1\r\nHost: h\r\na: {}\r\n\r\n", "a".repeat(20_000));
    let mut ground = Ground::start("no-request")?;
    let refused = |bytes, then, status, state| -> (&'static str, Then, &'static str) {
        (
            bytes,
            then,
            leak(format!("site site/<NOSRV> -/-/-/-/n {status} {state} {BAD}")),
        )
    };
    ground.hold(&[
        refused("", Half, 400, "CR"),
        refused("", Resets, 400, "CR"),
        refused("", Waits, 408, "cR"),
        refused("GET / HT", Half, 400, "CR"),
        refused("GET / HT", Resets, 400, "CR"),
        refused("GET / HT", Waits, 408, "cR"),
        refused("garbage\r\n\r\n", Waits, 400, "PR"),
        refused("GET / HTTP/1.1\r\nHost: h\r\na b: c\r\n\r\n", Waits, 400, "PR"),
        refused("GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", Waits, 400, "PR"),
        refused("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", Waits, 400, "PR"),
        refused(
            "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            Waits,
            400,
            "PR",
        ),
        refused("GET / HTTP/1.0\r\nContent-Length: 2\r\n\r\nab", Waits, 413, "PR"),
        refused(
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            Waits,
            422,
            "PR",
        ),
        // HAProxy says 400 of both.
        refused(leak(long_target), Waits, 414, "PR"),
        refused(leak(long_head), Waits, 431, "PR"),
    ])
}

#[test]
fn what_rules_do_and_who_goes_meanwhile() -> Result<()> {
    let mut ground = Ground::start("rules")?;
    ground.hold(&[
        (
            "GET /deny HTTP/1.1\r\nHost: h\r\n\r\n",
            Half,
            "site site/<NOSRV> n/-/-/-/n 403 PR \"GET /deny HTTP/1.1\"",
        ),
        (
            "GET /tarpit HTTP/1.1\r\nHost: h\r\n\r\n",
            Waits,
            "site site/<NOSRV> -/n/-/-/n 500 PT \"GET /tarpit HTTP/1.1\"",
        ),
        // HAProxy says PT of these too.
        (
            "GET /tarpit HTTP/1.1\r\nHost: h\r\n\r\n",
            Half,
            "site site/<NOSRV> -/n/-/-/n 500 CT \"GET /tarpit HTTP/1.1\"",
        ),
        (
            "GET /tarpit HTTP/1.1\r\nHost: h\r\n\r\n",
            Resets,
            "site site/<NOSRV> -/n/-/-/n 500 CT \"GET /tarpit HTTP/1.1\"",
        ),
        (
            "POST /wait HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nab",
            Waits,
            "site site/<NOSRV> -/-/-/-/n 408 cR \"POST /wait HTTP/1.1\"",
        ),
        (
            "POST /wait HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nab",
            Half,
            "site to/<NOSRV> n/-/-/-/n 400 CR \"POST /wait HTTP/1.1\"",
        ),
        (
            "GET /denied HTTP/1.1\r\nHost: h\r\n\r\n",
            Half,
            "site to/s n/n/n/n/n 502 PH \"GET /denied HTTP/1.1\"",
        ),
        (
            "GET /none HTTP/1.1\r\nHost: h\r\n\r\n",
            Half,
            "site none/<NOSRV> n/-/-/-/n 503 SC \"GET /none HTTP/1.1\"",
        ),
    ])
}

#[test]
fn on_the_way_to_a_server() -> Result<()> {
    let mut ground = Ground::start("way")?;
    ground.hold(&[
        (
            "GET /refused HTTP/1.1\r\nHost: h\r\n\r\n",
            Waits,
            "site refused/s n/n/-/-/n 503 SC \"GET /refused HTTP/1.1\"",
        ),
        (
            "GET /hole HTTP/1.1\r\nHost: h\r\n\r\n",
            Waits,
            "site hole/s n/n/-/-/n 503 sC \"GET /hole HTTP/1.1\"",
        ),
        (
            "GET /hole HTTP/1.1\r\nHost: h\r\n\r\n",
            Half,
            "site hole/s n/n/-/-/n -1 CC \"GET /hole HTTP/1.1\"",
        ),
        (
            "GET /hole HTTP/1.1\r\nHost: h\r\n\r\n",
            Resets,
            "site hole/s n/n/-/-/n -1 CC \"GET /hole HTTP/1.1\"",
        ),
    ])?;
    // Somebody is at the server, which takes one at a time.
    for (then, line) in [
        (Waits, "site full/<NOSRV> n/n/-/-/n 503 sQ \"GET /full HTTP/1.1\""),
        (Half, "site full/<NOSRV> n/n/-/-/n -1 CQ \"GET /full HTTP/1.1\""),
        (Resets, "site full/<NOSRV> n/n/-/-/n -1 CQ \"GET /full HTTP/1.1\""),
    ] {
        let mut first = ground.site.connect(0)?;
        first.write_all(b"GET /full HTTP/1.1\r\nHost: h\r\n\r\n")?;
        ground.heads.recv_timeout(PATIENCE)?;
        ground.hold(&[("GET /full HTTP/1.1\r\nHost: h\r\n\r\n", then, line)])?;
        first.shutdown(Shutdown::Write)?;
        assert!(is_like(
            &ground.told()?,
            "site full/s n/n/n/-/n * * \"GET /full HTTP/1.1\""
        ));
    }
    Ok(())
}

#[test]
fn before_a_server_answers() -> Result<()> {
    let mut ground = Ground::start("before")?;
    ground.hold(&[
        (
            "GET /quiet HTTP/1.1\r\nHost: h\r\n\r\n",
            Waits,
            "site to/s n/n/n/-/n 504 sH \"GET /quiet HTTP/1.1\"",
        ),
        (
            "GET /quiet HTTP/1.1\r\nHost: h\r\n\r\n",
            Half,
            "site to/s n/n/n/-/n 400 CH \"GET /quiet HTTP/1.1\"",
        ),
        // HAProxy says CD.
        (
            "GET /quiet HTTP/1.1\r\nHost: h\r\n\r\n",
            Resets,
            "site to/s n/n/n/-/n * CH \"GET /quiet HTTP/1.1\"",
        ),
        (
            "GET /goes HTTP/1.1\r\nHost: h\r\n\r\n",
            Waits,
            "site to/s n/n/n/-/n 502 SH \"GET /goes HTTP/1.1\"",
        ),
        (
            "GET /resets HTTP/1.1\r\nHost: h\r\n\r\n",
            Waits,
            "site to/s n/n/n/-/n 502 SH \"GET /resets HTTP/1.1\"",
        ),
        (
            "GET /part HTTP/1.1\r\nHost: h\r\n\r\n",
            Waits,
            "site to/s n/n/n/-/n 504 sH \"GET /part HTTP/1.1\"",
        ),
        (
            "GET /part-goes HTTP/1.1\r\nHost: h\r\n\r\n",
            Waits,
            "site to/s n/n/n/-/n 502 SH \"GET /part-goes HTTP/1.1\"",
        ),
        (
            "GET /garbage HTTP/1.1\r\nHost: h\r\n\r\n",
            Waits,
            "site to/s n/n/n/-/n 502 PH \"GET /garbage HTTP/1.1\"",
        ),
    ])
}

#[test]
fn in_the_body_of_a_request() -> Result<()> {
    let mut ground = Ground::start("request-body")?;
    const LENGTH: &str = "POST /quiet HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nab";
    const CHUNKS: &str = "POST /quiet HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n";
    const GONE: &str = "site to/s n/n/n/-/n -1 CD \"POST /quiet HTTP/1.1\"";
    // HAProxy 2.6 waits for the server, which gives 504 and sH.
    const LATE: &str = "site to/s n/n/n/-/n 408 cH \"POST /quiet HTTP/1.1\"";
    ground.hold(&[
        (LENGTH, Waits, LATE),
        (CHUNKS, Waits, LATE),
        (LENGTH, Half, GONE),
        (LENGTH, Resets, GONE),
        (CHUNKS, Half, GONE),
        (CHUNKS, Resets, GONE),
        (
            CHUNKS,
            Sends("zz\r\n"),
            "site to/s n/n/n/-/n 400 PH \"POST /quiet HTTP/1.1\"",
        ),
    ])
}

#[test]
fn in_the_body_of_a_response() -> Result<()> {
    const UNFINISHED: &str = "POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nab";
    let mut ground = Ground::start("response-body")?;
    ground.hold(&[
        (
            "GET /body HTTP/1.1\r\nHost: h\r\n\r\n",
            Waits,
            "site to/s n/n/n/n/n 200 sD \"GET /body HTTP/1.1\"",
        ),
        (
            "GET /body HTTP/1.1\r\nHost: h\r\n\r\n",
            Half,
            "site to/s n/n/n/n/n 200 CD \"GET /body HTTP/1.1\"",
        ),
        (
            "GET /body HTTP/1.1\r\nHost: h\r\n\r\n",
            Resets,
            "site to/s n/n/n/n/n 200 CD \"GET /body HTTP/1.1\"",
        ),
        (
            "GET /body-goes HTTP/1.1\r\nHost: h\r\n\r\n",
            Waits,
            "site to/s n/n/n/n/n 200 SD \"GET /body-goes HTTP/1.1\"",
        ),
        // A reset may overtake what was sent before it.
        (
            "GET /body-resets HTTP/1.1\r\nHost: h\r\n\r\n",
            Waits,
            "site to/s * * * \"GET /body-resets HTTP/1.1\"",
        ),
        (
            "GET /chunk-goes HTTP/1.1\r\nHost: h\r\n\r\n",
            Waits,
            "site to/s n/n/n/n/n 200 SD \"GET /chunk-goes HTTP/1.1\"",
        ),
        (
            "POST /body HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
            Sends("zz\r\n"),
            "site to/s n/n/n/n/n 200 PD \"POST /body HTTP/1.1\"",
        ),
        // A client that goes is noticed in the middle of its request, too.
        (
            UNFINISHED,
            Half,
            "site to/s n/n/n/n/n 200 CD \"POST /body HTTP/1.1\"",
        ),
        (
            UNFINISHED,
            Resets,
            "site to/s n/n/n/n/n 200 CD \"POST /body HTTP/1.1\"",
        ),
    ])
}

/// A text for as long as the tests run.
fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}
