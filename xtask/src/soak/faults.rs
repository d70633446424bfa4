//! Clients that do all that is wrong. Each takes a connection, does its one thing, and goes; what it is answered is nothing to it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use super::chance::Chance;
use super::frames;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(4);

/// Where the program listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Doors {
    pub(crate) plain: SocketAddr,
    pub(crate) tls: SocketAddr,
    pub(crate) proxied: SocketAddr,
    pub(crate) bytes: SocketAddr,
}

/// What a client does wrong.
type Fault = fn(&Doors, &mut Chance) -> std::io::Result<()>;

/// All of them, with the names that a report has for them.
pub(crate) const FAULTS: &[(&str, Fault)] = &[
    ("requests that smuggle", smuggle),
    ("heads without an end", flood_head),
    ("noise", noise),
    ("noise instead of TLS", |doors, chance| {
        bytes_to(doors.tls, &chance.bytes(300))
    }),
    ("a broken hello of TLS", broken_hello),
    ("PROXY headers broken off", broken_proxy),
    ("slow heads", slow_head),
    ("slow bodies", slow_body),
    ("bodies broken off", broken_body),
    ("chunks that overflow", broken_chunks),
    ("slow readers", slow_reader),
    ("silence", silence),
    ("gone before the answer", gone),
    ("half-closed", half_closed),
    ("many requests at once", pipeline),
    ("faulty servers", |doors, chance| asked(doors, chance, "/fault")),
    ("actions that fail", |doors, chance| {
        asked(doors, chance, "/action")
    }),
    ("actions with a state of their own", |doors, chance| {
        asked(doors, chance, "/own")
    }),
    ("fetches that wait", |doors, chance| {
        asked(doors, chance, "/fetch")
    }),
    ("services", |doors, chance| asked(doors, chance, "/service")),
    ("services with sockets", |doors, chance| {
        asked(doors, chance, "/relay")
    }),
    ("services with requests", |doors, chance| {
        asked(doors, chance, "/client")
    }),
    ("scripts of the examples", |doors, chance| {
        let path = chance.of(EXAMPLES).copied().unwrap_or("/example");
        asked(doors, chance, path)
    }),
    ("answers of the cache", |doors, chance| {
        asked(doors, chance, "/cached")
    }),
    ("bytes of TCP", tcp),
    ("upgrades", upgrade),
    ("HTTP/2: rapid resets", |doors, _| {
        bytes_to(doors.plain, &frames::rapid_resets())
    }),
    ("HTTP/2: floods of pings", |doors, _| {
        bytes_to(doors.plain, &frames::pings())
    }),
    ("HTTP/2: floods of settings", |doors, _| {
        bytes_to(doors.plain, &frames::settings_flood())
    }),
    ("HTTP/2: CONTINUATION without an end", |doors, _| {
        bytes_to(doors.plain, &frames::continuations())
    }),
    ("HTTP/2: bombs of HPACK", |doors, _| {
        bytes_to(doors.plain, &frames::bomb())
    }),
    ("HTTP/2: windows of nothing", |doors, _| {
        bytes_to(doors.plain, &frames::no_window())
    }),
    ("HTTP/2: noise", |doors, chance| {
        bytes_to(doors.plain, &frames::noise(chance))
    }),
];

/// Where scripts of the examples answer, or take part.
const EXAMPLES: &[&str] = &[
    "/example/ab",
    "/example/auth",
    "/example/canary",
    "/example/command",
    "/example/cors",
    "/example/hello",
    "/example/jwt",
    "/example/large",
    "/example/limit",
    "/example/maintenance",
    "/example/nap",
    "/example/redact",
    "/example/refresh",
    "/example/tide",
];

fn open(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends some bytes and reads until the other side has nothing more to say.
fn bytes_to(address: SocketAddr, bytes: &[u8]) -> std::io::Result<()> {
    let mut stream = open(address)?;
    stream.write_all(bytes)?;
    std::io::copy(&mut stream, &mut std::io::sink()).map(drop)
}

/// One request for this path, whose answer is read, or not, or only in part.
fn asked(doors: &Doors, chance: &mut Chance, path: &str) -> std::io::Result<()> {
    let mut stream = open(doors.plain)?;
    write!(
        stream,
        "GET {path}/{} HTTP/1.1\r\nhost: soak\r\n\r\n",
        chance.below(50)
    )?;
    match chance.below(4) {
        0 => std::thread::sleep(Duration::from_millis(
            u64::try_from(chance.below(20)).unwrap_or_default(),
        )),
        1 => drop(stream.read(&mut [0; 64])?),
        _ => {
            stream.shutdown(Shutdown::Write)?;
            std::io::copy(&mut stream, &mut std::io::sink())?;
        }
    }
    Ok(())
}

fn smuggle(doors: &Doors, chance: &mut Chance) -> std::io::Result<()> {
    const FORMS: &[&str] = &[
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +5\r\n\r\nhello",
        "GET / HTTP/1.1\nhost: a\n\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\n folded: a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\0b\r\n\r\n",
        "GET /a#b HTTP/1.1\r\nhost: a\r\n\r\n",
        "GET http://other/ HTTP/1.1\r\nhost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "GET /\r\n",
        "CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n",
    ];
    bytes_to(
        doors.plain,
        chance.of(FORMS).copied().unwrap_or_default().as_bytes(),
    )
}

fn flood_head(doors: &Doors, chance: &mut Chance) -> std::io::Result<()> {
    let many = if chance.once_in(2) {
        "x: y\r\n".repeat(20_000)
    } else {
        format!("x: {}\r\n", "y".repeat(100_000))
    };
    bytes_to(
        doors.plain,
        format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n").as_bytes(),
    )
}

fn noise(doors: &Doors, chance: &mut Chance) -> std::io::Result<()> {
    let count = chance.below(5000);
    bytes_to(doors.plain, &chance.bytes(count))
}

/// The beginning of a hello whose length lies.
fn broken_hello(doors: &Doors, chance: &mut Chance) -> std::io::Result<()> {
    let mut hello = vec![0x16, 3, 1, 1, 0, 1, 0, 0, 252, 3, 3];
    let count = chance.below(400);
    hello.extend(chance.bytes(count));
    bytes_to(doors.tls, &hello)
}

fn broken_proxy(doors: &Doors, chance: &mut Chance) -> std::io::Result<()> {
    let mut header = if chance.once_in(2) {
        b"PROXY TCP4 10.0.0.1 10.0.0.2 1000 80\r\n".to_vec()
    } else {
        let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
        header.extend([10, 0, 0, 1, 10, 0, 0, 2, 3, 232, 0, 80]);
        header
    };
    header.truncate(chance.below(header.len() + 1));
    let mut stream = open(doors.proxied)?;
    stream.write_all(&header)?;
    stream.shutdown(Shutdown::Write)?;
    std::io::copy(&mut stream, &mut std::io::sink()).map(drop)
}

/// Byte after byte, until the other side has had enough.
fn slow_head(doors: &Doors, _: &mut Chance) -> std::io::Result<()> {
    let mut stream = open(doors.plain)?;
    for byte in b"GET / HTTP/1.1\r\nhost: slow\r\nx: yyyyyyyyyyyyyyyy".chunks(1) {
        stream.write_all(byte)?;
        std::thread::sleep(Duration::from_millis(100));
    }
    std::io::copy(&mut stream, &mut std::io::sink()).map(drop)
}

fn slow_body(doors: &Doors, chance: &mut Chance) -> std::io::Result<()> {
    let mut stream = open(doors.plain)?;
    let path = if chance.once_in(2) { "/body" } else { "/" };
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 40\r\n\r\n"
    )?;
    for _ in 0..20 {
        stream.write_all(b"b")?;
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

fn broken_body(doors: &Doors, _: &mut Chance) -> std::io::Result<()> {
    let mut stream = open(doors.plain)?;
    stream.write_all(b"POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\nhalf")?;
    stream.shutdown(Shutdown::Write)?;
    std::io::copy(&mut stream, &mut std::io::sink()).map(drop)
}

fn broken_chunks(doors: &Doors, chance: &mut Chance) -> std::io::Result<()> {
    const CHUNKS: &[&str] = &[
        "fffffffffffffffff\r\n",
        "5;a=b\r\nhel",
        "-5\r\nhello\r\n",
        "5\r\nhello6\r\n",
        "0\r\nx\0: y\r\n\r\n",
    ];
    let chunks = chance.of(CHUNKS).copied().unwrap_or_default();
    bytes_to(
        doors.plain,
        format!("POST /body HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{chunks}").as_bytes(),
    )
}

/// Asks for much and reads little, or nothing.
fn slow_reader(doors: &Doors, chance: &mut Chance) -> std::io::Result<()> {
    let mut stream = open(doors.plain)?;
    stream.write_all(b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n")?;
    for _ in 0..chance.below(20) {
        if stream.read(&mut [0; 512])? == 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn silence(doors: &Doors, _: &mut Chance) -> std::io::Result<()> {
    bytes_to(doors.plain, b"")
}

fn gone(doors: &Doors, chance: &mut Chance) -> std::io::Result<()> {
    const PATHS: &[&str] = &[
        "/", "/large", "/service", "/action", "/relay", "/client", "/fetch", "/cached", "/fault",
    ];
    let mut stream = open(doors.plain)?;
    let path = chance.of(PATHS).copied().unwrap_or("/");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")
}

fn half_closed(doors: &Doors, _: &mut Chance) -> std::io::Result<()> {
    let mut stream = open(doors.plain)?;
    stream.write_all(b"GET /service HTTP/1.1\r\nhost: a\r\n\r\n")?;
    stream.shutdown(Shutdown::Write)?;
    std::io::copy(&mut stream, &mut std::io::sink()).map(drop)
}

fn pipeline(doors: &Doors, _: &mut Chance) -> std::io::Result<()> {
    let mut stream = open(doors.plain)?;
    stream.write_all("GET /alive HTTP/1.1\r\nhost: a\r\n\r\n".repeat(200).as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    std::io::copy(&mut stream, &mut std::io::sink()).map(drop)
}

fn tcp(doors: &Doors, chance: &mut Chance) -> std::io::Result<()> {
    let mut stream = open(doors.bytes)?;
    stream.write_all(b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n")?;
    if chance.once_in(2) {
        stream.shutdown(Shutdown::Write)?;
    }
    let count = u64::try_from(chance.below(200_000)).unwrap_or_default();
    std::io::copy(&mut stream.take(count), &mut std::io::sink()).map(drop)
}

/// What a server that doesn't know it answers as any request; others leave a tunnel behind, which ends by its timeout.
fn upgrade(doors: &Doors, chance: &mut Chance) -> std::io::Result<()> {
    let mut stream = open(doors.plain)?;
    let path = if chance.once_in(2) { "/fault" } else { "/" };
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
    )?;
    stream.read(&mut [0; 64]).map(drop)
}
