//! `peers`: what instances tell each other of their tables.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;

use support::Result;
use support::program::free_port;
use support::runtime::Runtime;
use support::site::{Site, rest};
use support::syslog::PATIENCE;

const TABLE: &str = "type string size 100 expire 1m store server_id,gpc0,conn_cur,http_req_rate(50s)";

/// An instance that is called so, with these lines in its section of peers, and a frontend that counts paths in their table.
fn instance(test: &str, name: &str, peers: &str) -> Result<Runtime> {
    let rest = format!(
        "peers ring\n    log stderr format raw local0\n{peers}    table hits {TABLE}\n\
         frontend web\n    bind 127.0.0.1:8081\n    http-request track-sc0 path table ring/hits\n    \
         http-request sc-inc-gpc0(0)\n    http-request return status 200\n"
    );
    let global = format!("    localpeer {name}\n");
    Runtime::start(&format!("{test}-{name}"), "level admin", &global, &rest)
}

/// `peer` lines of so many instances, on ports that nobody else has.
fn lines(names: &[&str]) -> Result<String> {
    let line = |name: &&str| Ok(format!("    peer {name} 127.0.0.2:{}\n", free_port()?));
    names.iter().map(line).collect()
}

fn get(program: &Runtime, path: &str) -> Result<()> {
    get_at(program, 1, path)
}

fn get_at(program: &Runtime, listener: usize, path: &str) -> Result<()> {
    let mut stream = program.site.connect(listener)?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    )?;
    let answer = rest(stream)?;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    Ok(())
}

const SHOW: &str = "show table ring/hits\n";

#[test]
fn a_section_without_this_process_has_no_effect() -> Result<()> {
    let alone = instance("peers-alone", "z", &lines(&["a", "b"])?)?;
    alone
        .site
        .logged("`peers ring` has no effect: none of its peers is called `z`")?;
    get(&alone, "/x")?;
    alone.until(SHOW, "gpc0=1 conn_cur=0")?;
    assert!(alone.ask("show info\n")?.contains("ActivePeers: 0\n"));
    Ok(())
}

#[test]
fn whoever_has_no_address_among_peers_connects_to_the_others() -> Result<()> {
    let port = free_port()?;
    let a = instance(
        "peers-silent",
        "a",
        &format!("    peer a 127.0.0.2:{port}\n    server b\n"),
    )?;
    let b = instance(
        "peers-silent",
        "b",
        &format!("    server b\n    peer a 127.0.0.2:{port}\n"),
    )?;
    b.site
        .logged("no peer can connect to this process: `b` has no address")?;
    get(&b, "/x")?;
    a.until(SHOW, "key=/x use=0")?;
    Ok(())
}

#[test]
fn counters_travel_both_ways_and_whoever_comes_back_learns() -> Result<()> {
    let peers = lines(&["a", "b", "c"])?;
    let (a, b) = (instance("peers", "a", &peers)?, instance("peers", "b", &peers)?);
    get(&a, "/x")?;
    b.until(SHOW, "key=/x use=0")?;
    b.until(
        SHOW,
        "shard=0 server_id=0 gpc0=1 conn_cur=0 http_req_rate(50000)=1",
    )?;
    get(&b, "/x")?;
    a.until(SHOW, "gpc0=2 conn_cur=0 http_req_rate(50000)=2")?;
    let shown = a.ask("show peers\n")?;
    for wanted in [
        "id=ring disabled=0",
        "id=a(local)",
        "id=b(remote,",
        "last_status=ESTA",
        "table: id=ring/hits",
    ] {
        assert!(shown.contains(wanted), "{wanted}: {shown}");
    }
    assert!(a.ask("show info\n")?.contains("ConnectedPeers: 1\n"));
    assert_eq!(a.ask("show peers nobody\n")?.trim(), "No such peers");
    a.site.logged("Peers ring: peer b is connected.")?;
    // One that was never there before is told all, by one who did not see all of it happen itself.
    get(&b, "/y")?;
    let c = instance("peers", "c", &peers)?;
    c.until(SHOW, "key=/x use=0")?;
    c.until(SHOW, "key=/y use=0")?;
    drop(b);
    a.site.logged("Peers ring: peer b is gone")?;
    let b = instance("peers", "b", &peers)?;
    b.until(SHOW, "key=/x use=0")?;
    b.until(SHOW, "key=/y use=0")?;
    get(&b, "/z")?;
    c.until(SHOW, "key=/z use=0")?;
    Ok(())
}

#[test]
fn rates_over_another_period_are_left_out_alone() -> Result<()> {
    let peers = lines(&["a", "b"])?;
    let start = |name: &str, table: &str| {
        let rest = format!(
            "peers ring\n{peers}    table hits type string size 100 expire 1m store {table}\n\
             frontend web\n    bind 127.0.0.1:8081\n    http-request track-sc0 path table ring/hits\n    \
             http-request sc-inc-gpc0(0)\n    http-request return status 200\n"
        );
        let global = format!("    localpeer {name}\n");
        Runtime::start(&format!("peers-periods-{name}"), "level admin", &global, &rest)
    };
    let a = start("a", "gpc0,http_req_rate(50s),gpt0")?;
    let b = start("b", "conn_cnt,http_req_rate(20s),gpc0")?;
    get(&a, "/x")?;
    b.until(SHOW, "key=/x use=0")?;
    b.until(SHOW, "shard=0 gpc0=1 conn_cnt=0 http_req_rate(20000)=0")?;
    Ok(())
}

#[test]
fn over_tls_and_with_a_table_of_a_backend() -> Result<()> {
    let issued = support::tls::self_signed(&["peers.test"])?;
    let file = std::env::temp_dir().join(format!("tidegate-peers-{}.pem", std::process::id()));
    std::fs::write(&file, issued.pem())?;
    let ports = [free_port()?, free_port()?];
    let start = |name: &str, own: u16, others: &str| {
        let pem = file.display();
        let rest = format!(
            "peers ring\n    default-bind ssl crt {pem}\n    \
             default-server ssl ca-file {pem} sni str(peers.test)\n    bind 127.0.0.2:{own}\n    server {name}\n{others}\
             backend kept\n    stick-table {TABLE} peers ring\n\
             frontend web\n    bind 127.0.0.1:8081\n    http-request track-sc0 path table kept\n    \
             http-request sc-inc-gpc0(0)\n    http-request return status 200\n"
        );
        let global = format!("    localpeer {name}\n");
        Runtime::start(&format!("peers-tls-{name}"), "level admin", &global, &rest)
    };
    let [one, two] = ports;
    let a = start("a", one, &format!("    server b 127.0.0.2:{two}\n"))?;
    let b = start("b", two, &format!("    server a 127.0.0.2:{one}\n"))?;
    // The `bind` line of the peers stands before that of the frontend.
    get_at(&a, 2, "/secret")?;
    b.until("show table kept\n", "key=/secret use=0")?;
    let _ = std::fs::remove_file(&file);
    Ok(())
}

#[test]
fn the_next_process_is_told_by_the_one_that_it_replaces() -> Result<()> {
    let peers = lines(&["only"])?;
    let config = format!(
        "global\n    nbthread 1\n    localpeer only\npeers ring\n{peers}    table hits {TABLE}\n\
         defaults\n    mode http\n    timeout client 5s\n    timeout server 5s\n    timeout connect 5s\n\
         frontend web\n    bind 127.0.0.1:8080\n    http-request track-sc0 path table ring/hits if !{{ path /look }}\n    \
         http-request sc-inc-gpc0(0) if !{{ path /look }}\n    \
         http-request return status 200 content-type text/plain lf-string \"%[str(/x),table_gpc0(ring/hits)]\"\n"
    );
    let files = [("site.cfg", config.as_str())];
    let old = Site::start("peers-old", &files)?;
    for _ in 0..3 {
        let _ = old.get("/x")?;
    }
    let replaces = ["-sf".to_owned(), old.pid().to_string()];
    let new = Site::start_with("peers-new", &files, &replaces.each_ref().map(String::as_str))?;
    new.until("/look", "3")
}

/// A peer that the test plays, byte by byte.
fn greeted(port: u16, hello: &str) -> Result<(TcpStream, String)> {
    let mut stream = TcpStream::connect(("127.0.0.2", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(hello.as_bytes())?;
    let mut status = [0; 4];
    stream.read_exact(&mut status)?;
    Ok((stream, String::from_utf8(status.to_vec())?))
}

#[test]
fn nothing_is_told_to_whoever_teaches() -> Result<()> {
    let (own, other) = (free_port()?, free_port()?);
    let peers = format!("    peer a 127.0.0.2:{own}\n    peer b 127.0.0.2:{other}\n");
    let peers = format!("{peers}    table taught type string len 20 size 100 store gpc0\n");
    let rest = format!(
        "peers ring\n{peers}frontend web\n    bind 127.0.0.1:8081\n    \
         http-request track-sc0 path table ring/taught\n    http-request sc-inc-gpc0(0)\n    http-request return status 200\n"
    );
    let a = Runtime::start("peers-taught", "level admin", "    localpeer a\n", &rest)?;
    let (mut stream, status) = greeted(own, "HAProxyS 2.1\na\nb 1 0\n")?;
    assert_eq!(status, "200\n");
    let mut ask = [9; 2];
    stream.read_exact(&mut ask)?;
    assert_eq!(ask, [0, 0]);
    // Counted here alone: not to take the place of what is known elsewhere.
    get(&a, "/x")?;
    get(&a, "/y")?;
    // The table by the number 1: its name, keys of text, `gpc0`. Then that `/x` has 5, and that this was all.
    let mut lesson = b"\x0a\x82\x10\x01\x07/taught\x06\x15\x04\x00".to_vec();
    lesson[2] = u8::try_from(lesson.len() - 3)?;
    lesson.extend_from_slice(b"\x0a\x80\x08\x00\x00\x00\x01\x02/x\x05\x00\x01");
    stream.write_all(&lesson)?;
    a.until("show table ring/taught\n", "key=/x use=0 exp=0 shard=0 gpc0=5")?;
    // What it tells now is what it was taught, and what was counted here alone.
    let mut told = Vec::new();
    while ![b"\x02/x\x05", b"\x02/y\x01"]
        .iter()
        .all(|wanted| told.windows(4).any(|part| part == *wanted))
    {
        let mut some = [0; 512];
        let count = stream.read(&mut some)?;
        assert!(count > 0, "{told:?}");
        told.extend_from_slice(&some[..count]);
    }
    assert!(!told.windows(4).any(|part| part == b"\x02/x\x01"), "{told:?}");
    Ok(())
}

#[test]
fn strangers_are_turned_away_and_nonsense_ends_a_connection() -> Result<()> {
    let (own, other) = (free_port()?, free_port()?);
    let peers = format!("    peer a 127.0.0.2:{own}\n    peer b 127.0.0.2:{other}\n");
    let a = instance("peers-odd", "a", &peers)?;
    for (hello, status) in [
        ("HAProxyS 2.1\na\nz 1 0\n", "504\n"),
        ("HAProxyS 2.1\nz\nb 1 0\n", "503\n"),
        ("HAProxyS 9.1\na\nb 1 0\n", "502\n"),
        ("GET / HTTP/1.1\na\nb\n", "501\n"),
    ] {
        assert_eq!(greeted(own, hello)?.1, status, "{hello}");
    }
    let (mut stream, status) = greeted(own, "HAProxyS 2.1\na\nb 1 0\n")?;
    assert_eq!(status, "200\n");
    // It asks for all that is known.
    let mut ask = [9; 2];
    stream.read_exact(&mut ask)?;
    assert_eq!(ask, [0, 0]);
    // An update of a table that nobody described.
    stream.write_all(b"\x0a\x85\x05\x00\x00\x00\x01\x00")?;
    let mut left = Vec::new();
    let _ = stream.read_to_end(&mut left);
    a.until("show peers\n", "proto_err=1")?;
    Ok(())
}
