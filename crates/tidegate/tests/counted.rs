//! What `show stat` counts of requests on their way: connections, refusals, compression and durations.

mod support;

use std::collections::HashMap;
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use support::Result;
use support::origin::{head, origin, server};
use support::runtime::Runtime;

/// What the server's answer takes at least.
const PAUSE: Duration = Duration::from_millis(30);

/// A row of `show stat`, by the names of its columns.
fn row(site: &Runtime, proxy: &str, name: &str) -> Result<HashMap<String, String>> {
    let said = site.ask("show stat\n")?;
    let mut lines = said.lines();
    let columns = lines.next().ok_or("no columns")?.trim_start_matches("# ");
    let wanted = format!("{proxy},{name},");
    let row = lines
        .find(|line| line.starts_with(&wanted))
        .ok_or_else(|| said.clone())?;
    let columns = columns.split(',').map(str::to_owned);
    Ok(columns.zip(row.split(',').map(str::to_owned)).collect())
}

/// The values of some columns.
fn values(row: &HashMap<String, String>, names: &str) -> String {
    let values = names
        .split(' ')
        .map(|name| row.get(name).map_or("?", String::as_str));
    values.collect::<Vec<_>>().join(" ")
}

/// Asks over a connection that is kept, and reads the answer's body by its length.
fn ask(client: &mut TcpStream, path: &str) -> Result<String> {
    write!(
        client,
        "GET {path} HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\n\r\n"
    )?;
    let mut answers = BufReader::new(client.try_clone()?);
    let head = head(&mut answers)?;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    match length {
        Some(length) => {
            let mut body = vec![0; length.parse()?];
            answers.read_exact(&mut body)?;
        }
        None => {
            let mut last = Vec::new();
            while !last.ends_with(b"0\r\n\r\n") {
                let mut byte = [0];
                answers.read_exact(&mut byte)?;
                last.extend(byte);
            }
        }
    }
    Ok(head)
}

#[test]
fn what_becomes_of_requests_is_counted() -> Result<()> {
    let slow = origin(|stream| {
        let mut to = stream.try_clone()?;
        let mut from = BufReader::new(stream);
        while let Ok(seen) = head(&mut from) {
            std::thread::sleep(PAUSE);
            let mark = if seen.contains("/no") { "x-no: 1\r\n" } else { "" };
            write!(
                to,
                "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n{mark}content-length: 400\r\n\r\n{}",
                "tide".repeat(100)
            )?;
        }
        Ok(())
    })?;
    let site = Runtime::start(
        "counted",
        "level admin",
        "",
        &format!(
            "frontend entrance\n    bind 127.0.0.1:8081\n    rate-limit sessions 500\n    \
             tcp-request session reject if {{ dst_port 0 }}\n    \
             http-request return status 200 if {{ path /own }}\n    \
             http-response deny if {{ res.hdr(x-no) -m found }}\n    default_backend pool\n\
             backend pool\n    compression algo gzip\n    compression type text/plain\n    \
             server s {}\n\
             frontend closed\n    bind 127.0.0.1:8082\n    tcp-request session reject\n",
            server(slow)
        ),
    )?;
    let mut client = site.site.connect(1)?;
    for (path, status) in [("/a", "200"), ("/b", "200"), ("/no", "502"), ("/own", "200")] {
        let answer = ask(&mut client, path)?;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    let mut refused = String::new();
    site.site.connect(2)?.read_to_string(&mut refused)?;

    let entrance = row(&site, "entrance", "FRONTEND")?;
    let names = "req_tot h1req h2req intercepted dresp dses comp_rsp comp_in rate_lim qtime";
    assert_eq!(values(&entrance, names), "4 4 0 1 1 0 2 800 500 ");
    assert_ne!(values(&entrance, "req_rate_max"), "0");
    assert_ne!(values(&entrance, "rate_max"), "0");
    let pool = row(&site, "pool", "BACKEND")?;
    let names = "connect reuse dresp comp_rsp comp_in qtime ctime_max eint";
    let counted = values(&pool, names);
    assert!(counted.starts_with("1 2 1 2 800 0 "), "{counted}");
    let out: u64 = values(&pool, "comp_out").parse()?;
    assert!(0 < out && out < 400, "{out}");
    let of_server = row(&site, "pool", "s")?;
    assert_eq!(values(&of_server, "connect reuse comp_rsp throttle"), "1 2  ");
    for name in ["rtime", "rtime_max", "ttime", "ttime_max"] {
        let took: u128 = values(&of_server, name).parse()?;
        assert!(took >= PAUSE.as_millis(), "{name}: {took}");
    }
    let closed = row(&site, "closed", "FRONTEND")?;
    assert_ne!(values(&closed, "dses"), "0");
    Ok(())
}
