//! What connections cost that have nothing to do: memory, for so many of them.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::Options;
use super::server::{Server, Site};
use crate::Result;

/// How many there are.
const COUNTS: [usize; 2] = [1_000, 10_000];

/// Bytes per connection of one server, for each count; or why there are none.
pub(super) struct Idle {
    server: Server,
    bytes: Vec<Result<f64>>,
}

/// Has connections opened that ask once and then stay, and looks at what the server has grown by.
pub(super) fn measure(options: &Options, site: &Site<'_>) -> Vec<Idle> {
    let servers = options.servers.iter().filter(|server| **server != Server::Floor);
    let measured = servers.map(|server| Idle {
        server: *server,
        bytes: COUNTS.iter().map(|count| grown(site, *server, *count)).collect(),
    });
    measured.collect()
}

fn grown(site: &Site<'_>, server: Server, count: usize) -> Result<f64> {
    let running = site.start(server)?;
    // What is made once is made before.
    let _first = (0..50)
        .map(|_| ask(running.address))
        .collect::<Result<Vec<_>>>()?;
    let before = running.process.memory()?;
    let all = (0..count)
        .map(|_| ask(running.address))
        .collect::<Result<Vec<_>>>()?;
    let after = running.process.memory()?;
    drop(all);
    Ok(after.saturating_sub(before) as f64 / count as f64)
}

/// A connection that was answered once.
fn ask(address: SocketAddr) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET /x HTTP/1.1\r\nhost: {address}\r\n\r\n")?;
    let mut answer = [0; 1024];
    match stream.read(&mut answer)? {
        0 => Err("an idle connection was closed".into()),
        _ => Ok(stream),
    }
}

/// The table, in Markdown.
pub(super) fn table(results: &[Idle]) -> String {
    let mut page = String::from("Bytes of memory per idle connection that was used once:\n\n| server |");
    for count in COUNTS {
        let _ = write!(page, " {count} |");
    }
    page.push_str("\n|---|---|---|\n");
    for result in results {
        let cells = result.bytes.iter().map(|bytes| match bytes {
            Ok(bytes) => format!("{bytes:.0}"),
            Err(why) => why.to_string(),
        });
        let cells: Vec<String> = cells.collect();
        let _ = writeln!(page, "| {} | {} |", result.server.name(), cells.join(" | "));
    }
    page
}
