//! Those who ask for what there is and wait for it: each must be served, whatever others do.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::chance::Chance;
use super::faults::Doors;

/// Longest wait for an answer: far beyond what anything here takes.
const PATIENCE: Duration = Duration::from_secs(15);

/// Requests that a client sends over one connection.
const REQUESTS: usize = 20;

/// Asks for some pages over one connection, and says what was wrong with the first answer that was.
pub(crate) fn browse(address: SocketAddr, chance: &mut Chance) -> Result<usize, String> {
    let stream = TcpStream::connect(address).map_err(|error| format!("connecting: {error}"))?;
    let prepared = stream
        .set_read_timeout(Some(PATIENCE))
        .and_then(|()| stream.set_write_timeout(Some(PATIENCE)))
        .and_then(|()| stream.set_nodelay(true));
    prepared.map_err(|error| format!("a socket's options: {error}"))?;
    let mut stream = BufReader::new(stream);
    let mut sent = 0;
    for _ in 0..REQUESTS {
        let (request, length) = match chance.below(8) {
            0 => (
                "POST / HTTP/1.1\r\nhost: soak\r\ncontent-length: 5\r\n\r\nhello",
                64,
            ),
            1 => ("GET /large HTTP/1.1\r\nhost: soak\r\n\r\n", 1 << 20),
            2 => ("GET /cached HTTP/1.1\r\nhost: soak\r\n\r\n", 64),
            3..6 => ("GET / HTTP/1.1\r\nhost: soak\r\n\r\n", 64),
            _ => ("GET /alive HTTP/1.1\r\nhost: soak\r\n\r\n", 10),
        };
        let answered = exchange(&mut stream, request, length);
        let line = request.lines().next().unwrap_or_default();
        answered.map_err(|wrong| format!("{line}, request {} of its connection: {wrong}", sent + 1))?;
        sent += 1;
    }
    Ok(sent)
}

/// Asks by TLS and HTTP/2, with curl.
pub(crate) fn visit(doors: &Doors) -> Result<usize, String> {
    let page = |path: &str| format!("https://{}{path}", doors.tls);
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--insecure", "--fail", "--http2"]);
    curl.args([
        "--max-time",
        "15",
        "--output",
        "/dev/null",
        "--output",
        "/dev/null",
    ]);
    curl.args([page("/alive"), page("/")]).stdin(Stdio::null());
    let output = curl.output().map_err(|error| format!("curl: {error}"))?;
    match output.status.success() {
        true => Ok(2),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

fn exchange(stream: &mut BufReader<TcpStream>, request: &str, expected: usize) -> Result<(), String> {
    let told = |error: std::io::Error| error.to_string();
    stream.get_mut().write_all(request.as_bytes()).map_err(told)?;
    let (mut first, mut length) = (String::new(), None);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).map_err(told)? == 0 {
            return Err("the connection ended".to_owned());
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse::<usize>().ok();
        }
        if first.is_empty() {
            first = line;
        }
    }
    if !first.starts_with("http/1.1 200 ") || length != Some(expected) {
        return Err(format!(
            "`{first}` with {length:?} bytes, where {expected} were expected"
        ));
    }
    let bytes = u64::try_from(expected).unwrap_or_default();
    let read = std::io::copy(&mut stream.by_ref().take(bytes), &mut std::io::sink()).map_err(told)?;
    match read == bytes {
        true => Ok(()),
        false => Err(format!("{read} bytes of {bytes}")),
    }
}
