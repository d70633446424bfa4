//! How long others wait while scripts loop for ever on the same thread: the latency of a plain answer beside them.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use super::cases::BESIDE;
use super::load::{self, Answered};
use super::report::median;
use super::server::{Running, Server, Site};
use super::{LOAD_CORE, Options};
use crate::Result;

/// How many scripts loop.
const LOOPS: [usize; 3] = [0, 1, 3];

/// What was measured on one server: for each of [`LOOPS`] the rounds, or why there are none.
pub(crate) struct Beside {
    server: Server,
    rounds: Vec<Result<Vec<Answered>, String>>,
}

/// Measures those of the servers that run the same scripts.
pub(crate) fn measure(options: &Options, site: &Site<'_>) -> Vec<Beside> {
    eprintln!("{}:", BESIDE.title);
    let servers = [Server::Tidegate, Server::Haproxy].into_iter();
    let wanted = servers.filter(|server| options.servers.contains(server));
    wanted
        .map(|server| Beside {
            server,
            rounds: LOOPS
                .iter()
                .map(|&loops| rounds(options, site, server, loops).map_err(|error| error.to_string()))
                .collect(),
        })
        .collect()
}

/// All rounds on a server of their own, which is ended together with its scripts.
fn rounds(options: &Options, site: &Site<'_>, server: Server, loops: usize) -> Result<Vec<Answered>> {
    let running = site.start(server)?;
    load::check(running.address, BESIDE.answer)?;
    let mut looping = (0..loops)
        .map(|_| begin(&running))
        .collect::<Result<Vec<TcpStream>>>()?;
    let connections = options.connections.min(BESIDE.connections_max);
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        let answered = load::wrk(
            running.address,
            LOAD_CORE,
            connections,
            options.seconds,
            site.case.way,
        )?;
        eprintln!(
            "  {:<9} {loops} loops: {:>6.2} ms at p99",
            server.name(),
            answered.p99_ms
        );
        rounds.push(answered);
    }
    if !looping.iter_mut().all(goes_on) {
        return Err(format!("a script did not loop for ever {}", running.process.log()).into());
    }
    Ok(rounds)
}

/// Asks for a script that loops.
fn begin(running: &Running) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(running.address)?;
    write!(stream, "GET /loop HTTP/1.1\r\nhost: x\r\n\r\n")?;
    stream.set_read_timeout(Some(Duration::from_millis(100)))?;
    Ok(stream)
}

/// Whether there is no answer yet.
fn goes_on(stream: &mut TcpStream) -> bool {
    let read = stream.read(&mut [0]);
    read.is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

/// The table, in Markdown.
pub(crate) fn table(results: &[Beside]) -> String {
    let mut page = String::from(
        "Milliseconds to a plain answer while scripts loop for ever on the same thread, p99 (and p50), the median of \
         the rounds; in brackets p99 divided by that without a loop:\n\n\
         | server | no loop | one | three |\n|---|---|---|---|\n",
    );
    let mut failures = Vec::new();
    for result in results {
        let alone = result
            .rounds
            .first()
            .and_then(|rounds| p99(rounds.as_deref().ok()?));
        let cells: Vec<String> = LOOPS
            .iter()
            .zip(&result.rounds)
            .map(|(loops, rounds)| match rounds {
                Ok(rounds) => cell(rounds, alone.filter(|_| *loops > 0)),
                Err(why) => {
                    failures.push((result.server, *loops, why));
                    "–".to_owned()
                }
            })
            .collect();
        let _ = writeln!(page, "| {} | {} |", result.server.name(), cells.join(" | "));
    }
    for (server, loops, why) in failures {
        let line = why.split_whitespace().collect::<Vec<_>>().join(" ");
        let _ = writeln!(
            page,
            "\n{} beside {loops} loops was not measured: {line}",
            server.name()
        );
    }
    page
}

fn cell(rounds: &[Answered], alone: Option<f64>) -> String {
    let (Some(p99), Some(p50)) = (p99(rounds), median(rounds.iter().map(|round| round.p50_ms))) else {
        return "–".to_owned();
    };
    match alone {
        Some(alone) => format!("{p99:.2}, {p50:.2} ({:.1})", p99 / alone),
        None => format!("{p99:.2}, {p50:.2}"),
    }
}

fn p99(rounds: &[Answered]) -> Option<f64> {
    median(rounds.iter().map(|round| round.p99_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(p50_ms: f64, p99_ms: f64) -> Answered {
        Answered {
            requests: 1,
            p50_ms,
            p99_ms,
        }
    }

    #[test]
    fn the_table_shows_medians_their_ratio_and_what_failed() {
        let result = Beside {
            server: Server::Tidegate,
            rounds: vec![
                Ok(vec![round(0.5, 1.0), round(0.5, 2.0), round(0.5, 9.0)]),
                Ok(vec![round(1.0, 4.0)]),
                Err("it\nended".to_owned()),
            ],
        };
        let page = table(&[result]);
        assert!(
            page.contains("| tidegate | 2.00, 0.50 | 4.00, 1.00 (2.0) | – |"),
            "{page}"
        );
        assert!(
            page.contains("tidegate beside 3 loops was not measured: it ended"),
            "{page}"
        );
    }

    #[test]
    fn a_script_that_answers_does_not_go_on() -> Result<()> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        let mut client = TcpStream::connect(listener.local_addr()?)?;
        client.set_read_timeout(Some(Duration::from_millis(1)))?;
        let (mut server, _) = listener.accept()?;
        assert!(goes_on(&mut client));
        server.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        client.set_read_timeout(None)?;
        assert!(!goes_on(&mut client));
        Ok(())
    }
}
