//! What passes from socket to socket within the system, in the running program: the same bytes, ends and faults as if they were
//! copied, and told of as such.

mod support;

use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use support::Result;
use support::origin::{head, origin, server};
use support::runtime::Runtime;

const PATIENCE: Duration = Duration::from_secs(20);

/// Long enough that most of it is under way while the rest isn't here yet.
const LONG: usize = 3_000_000;

/// More than the system holds for a client that reads nothing.
const ENDLESS: usize = 40_000_000;

/// Bytes of which none is like another that is a whole number of buffers away.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + at / 251) as u8).collect()
}

/// A server that reads the body it is sent, answers with so many bytes, and checks the ones it got.
fn long_origin(length: usize) -> Result<String> {
    let origin = origin(move |stream| {
        let mut stream = BufReader::new(stream);
        loop {
            let head = head(&mut stream)?;
            if head.is_empty() {
                return Ok(());
            }
            let length_of = |line: &str| line.strip_prefix("content-length: ")?.parse().ok();
            let mut sent = vec![0; head.lines().find_map(length_of).unwrap_or(0)];
            stream.read_exact(&mut sent)?;
            let is_same = sent == bytes(sent.len());
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nx-same: {is_same}\r\n\r\n");
            stream.get_mut().write_all(answer.as_bytes())?;
            stream.get_mut().write_all(&bytes(length))?;
        }
    })?;
    Ok(server(origin))
}

/// Promises a long body, and sends so much of it.
fn begin(stream: TcpStream, sent: usize) -> Result<BufReader<TcpStream>> {
    let mut stream = BufReader::new(stream);
    head(&mut stream)?;
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {LONG}\r\n\r\n");
    stream.get_mut().write_all(answer.as_bytes())?;
    stream.get_mut().write_all(&bytes(sent))?;
    Ok(stream)
}

fn site(name: &str, global: &str, rest: &str) -> Result<Runtime> {
    let defaults =
        "defaults\n    mode http\n    timeout connect 5s\n    timeout client 20s\n    timeout server 20s\n";
    let rest = format!("{defaults}{rest}");
    Runtime::start(name, "level admin", &format!("    nbthread 1\n{global}"), &rest)
}

/// A figure of `show info`.
fn figure(runtime: &Runtime, name: &str) -> Result<u64> {
    let info = runtime.ask("show info\n")?;
    let found = info
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    Ok(found.ok_or("no such figure")?.parse()?)
}

/// Asks for something over a connection, with so long a body.
fn ask(connection: &mut BufReader<TcpStream>, body: usize) -> Result<(String, Vec<u8>)> {
    let request = format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {body}\r\n\r\n");
    connection.get_mut().write_all(request.as_bytes())?;
    connection.get_mut().write_all(&bytes(body))?;
    answer(connection)
}

fn answer(connection: &mut BufReader<TcpStream>) -> Result<(String, Vec<u8>)> {
    let head = head(connection)?;
    let length_of = |line: &str| line.strip_prefix("content-length: ")?.parse().ok();
    let mut body = vec![0; head.lines().find_map(length_of).ok_or("no length")?];
    connection.read_exact(&mut body)?;
    Ok((head, body))
}

/// Connects to one of the listeners behind the one that each such site has.
fn connect(runtime: &Runtime, bind: usize) -> Result<BufReader<TcpStream>> {
    let stream = runtime.site.connect(bind + 1)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(BufReader::new(stream))
}

/// Asks the first of them for what it has.
fn get(runtime: &Runtime) -> Result<BufReader<TcpStream>> {
    let mut connection = connect(runtime, 0)?;
    connection
        .get_mut()
        .write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")?;
    Ok(connection)
}

/// Waits until something is in a pipe.
fn until_spliced(runtime: &Runtime) -> Result<()> {
    let start = Instant::now();
    while figure(runtime, "PipesUsed")? == 0 {
        assert!(start.elapsed() < PATIENCE, "nothing is spliced");
    }
    Ok(())
}

#[test]
fn long_bodies_pass_unseen_both_ways_and_connections_go_on() -> Result<()> {
    let long = long_origin(LONG)?;
    let rest = format!("listen l\n    bind 127.0.0.1:8081\n    server s {long}\n");
    let runtime = site("spliced-http", "", &rest)?;
    let mut connection = connect(&runtime, 0)?;
    for body in [LONG, 10, LONG + 1] {
        let (head, came) = ask(&mut connection, body)?;
        assert!(head.contains("x-same: true"), "{head}");
        assert!(came == bytes(LONG), "another body");
    }
    // What was read along with a head is copied, and so is the end.
    let spliced = figure(&runtime, "TotalSplicdedBytesOut")?;
    assert!(spliced > LONG as u64, "{spliced}");
    assert_eq!(
        (figure(&runtime, "PipesUsed")?, figure(&runtime, "Maxpipes")? > 0),
        (0, true)
    );
    Ok(())
}

#[test]
fn nothing_is_spliced_that_is_short_or_not_to_be() -> Result<()> {
    let (long, short) = (long_origin(LONG)?, long_origin(1000)?);
    let rest = format!(
        "listen l\n    bind 127.0.0.1:8081\n    server s {long}\nlisten m\n    bind 127.0.0.1:8082\n    server s {short}\n"
    );
    for (name, global, bind) in [
        ("spliced-never", "    nosplice\n", 0),
        ("spliced-no-pipes", "    maxpipes 0\n", 0),
        ("spliced-short", "", 1),
    ] {
        let runtime = site(name, global, &rest)?;
        let (_, came) = ask(&mut connect(&runtime, bind)?, 100)?;
        assert!(came == bytes(came.len()));
        assert_eq!(figure(&runtime, "TotalSplicdedBytesOut")?, 0, "{name}");
    }
    Ok(())
}

#[test]
fn who_gets_no_pipe_is_served_by_copies() -> Result<()> {
    let long = long_origin(ENDLESS)?;
    let rest = format!("listen l\n    bind 127.0.0.1:8081\n    server s {long}\n");
    let runtime = site(
        "spliced-one-pipe",
        "    maxpipes 1\n    tune.pipesize 4k\n",
        &rest,
    )?;
    // The first reads nothing for now, and so its pipe stays full.
    let mut slow = get(&runtime)?;
    until_spliced(&runtime)?;
    let (_, came) = ask(&mut connect(&runtime, 0)?, 10)?;
    assert!(came == bytes(ENDLESS));
    assert_eq!(figure(&runtime, "PipesUsed")?, 1);
    let (_, came) = answer(&mut slow)?;
    assert!(came == bytes(ENDLESS));
    Ok(())
}

#[test]
fn a_body_that_breaks_off_is_cut_behind_what_came() -> Result<()> {
    const SENT: usize = 1_000_000;
    let short = origin(|stream| begin(stream, SENT).map(drop))?;
    let rest = format!(
        "listen l\n    bind 127.0.0.1:8081\n    log stdout format raw daemon\n    log-format \"ended %ts %B\"\n    server s {}\n",
        server(short)
    );
    let runtime = site("spliced-cut", "", &rest)?;
    let mut connection = get(&runtime)?;
    head(&mut connection)?;
    let mut came = Vec::new();
    connection.read_to_end(&mut came)?;
    assert!(came == bytes(SENT), "{} bytes", came.len());
    runtime.site.logged("ended SD 1000")?;
    assert!(figure(&runtime, "TotalSplicdedBytesOut")? > 0);
    Ok(())
}

#[test]
fn a_client_that_goes_leaves_no_pipe_behind() -> Result<()> {
    let long = long_origin(ENDLESS)?;
    let rest = format!(
        "listen l\n    bind 127.0.0.1:8081\n    log stdout format raw daemon\n    log-format \"ended %ts\"\n    server s {long}\n"
    );
    let runtime = site("spliced-gone", "", &rest)?;
    let connection = get(&runtime)?;
    until_spliced(&runtime)?;
    drop(connection);
    runtime.site.logged("ended CD")?;
    let start = Instant::now();
    while figure(&runtime, "PipesUsed")? > 0 {
        assert!(start.elapsed() < PATIENCE, "a pipe is in use, and nobody uses it");
    }
    // Nor is one that isn't empty kept for the next.
    let mut connection = get(&runtime)?;
    head(&mut connection)?;
    let mut came = vec![0; LONG];
    connection.read_exact(&mut came)?;
    assert!(came == bytes(LONG), "not the bytes that were sent");
    Ok(())
}

#[test]
fn a_silent_server_is_given_up_all_the_same() -> Result<()> {
    let stalling = origin(|stream| {
        let mut stream = begin(stream, 500_000)?;
        // Until the other side has had enough.
        drop(stream.read(&mut [0]));
        Ok(())
    })?;
    let rest = format!(
        "listen l\n    bind 127.0.0.1:8081\n    timeout server 500ms\n    log stdout format raw daemon\n    \
         log-format \"ended %ts\"\n    server s {}\n",
        server(stalling)
    );
    let runtime = site("spliced-silent", "", &rest)?;
    let mut connection = get(&runtime)?;
    head(&mut connection)?;
    let mut came = Vec::new();
    connection.read_to_end(&mut came)?;
    assert!(came == bytes(500_000), "{} bytes", came.len());
    runtime.site.logged("ended sD")?;
    Ok(())
}

#[test]
fn streams_of_tcp_pass_unseen_and_end_as_they_are_ended() -> Result<()> {
    let echo = origin(|mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all)?;
        stream.write_all(&all)?;
        Ok(())
    })?;
    let rest = format!(
        "listen l\n    mode tcp\n    bind 127.0.0.1:8081\n    server s {}\n",
        server(echo)
    );
    let runtime = site("spliced-tcp", "", &rest)?;
    let mut connection = connect(&runtime, 0)?;
    connection.get_mut().write_all(&bytes(LONG))?;
    connection.get_mut().shutdown(Shutdown::Write)?;
    let mut came = Vec::new();
    connection.read_to_end(&mut came)?;
    assert!(came == bytes(LONG), "{} bytes", came.len());
    assert!(figure(&runtime, "TotalSplicdedBytesOut")? > LONG as u64 / 2);
    assert_eq!(figure(&runtime, "PipesUsed")?, 0);
    Ok(())
}
