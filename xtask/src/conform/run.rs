//! Running the cases through a program: it is started, sent every input, and asked for all samples of each.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

use super::cases::{Group, Phase};
use super::config::{ABSENT, Configuration, MARK, Site, refused};
use super::inputs::unhex;
use crate::Result;
use crate::process::{Process, free_address};

/// Longest wait for an answer: an expression may have to wait for its data.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// The most bytes of a message that are read.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// What a program made of an expression and an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It refuses the expression.
    Refused,
    /// There is no sample.
    Absent,
    /// The sample's bytes.
    Value(Vec<u8>),
    /// It did not get to the expression, but answered so.
    Unreached(String),
}

/// What a program made of everything, by group, expression and input.
pub(crate) type Outcomes = BTreeMap<(usize, usize, usize), Outcome>;

/// What is the same for both programs: addresses, so that samples hold the same ones, and the sockets behind them.
pub(crate) struct Ground {
    site: Site,
    log: UdpSocket,
}

impl Ground {
    /// Finds addresses, and starts the origin and the end of the logs.
    pub(crate) fn new(groups: &[Group]) -> Result<Self> {
        let origin = TcpListener::bind("127.0.0.1:0")?;
        let log = UdpSocket::bind("127.0.0.1:0")?;
        log.set_read_timeout(Some(ANSWER_LIMIT))?;
        let content = groups
            .iter()
            .enumerate()
            .filter(|(_, group)| group.phase == Phase::Content);
        let site = Site {
            http: free_address()?,
            content: content
                .map(|(index, _)| Ok((index, free_address()?)))
                .collect::<Result<_>>()?,
            origin: origin.local_addr()?,
            log: log.local_addr()?,
        };
        // It ends with this process.
        std::thread::spawn(move || {
            for connection in origin.incoming().flatten() {
                // Whoever hangs up early gets no answer.
                let _ = answer(connection);
            }
        });
        Ok(Self { site, log })
    }

    /// Runs all groups through a program.
    pub(crate) fn run(&self, program: &Path, groups: &[Group], directory: &Path) -> Result<Outcomes> {
        std::fs::create_dir_all(directory)?;
        let refused = refused(program, groups, &self.site, directory)?;
        let path = directory.join("conform.cfg");
        std::fs::write(&path, Configuration::new(groups, &refused, &self.site).text)?;
        let command: Vec<String> = [program, Path::new("-db"), Path::new("-f"), &path]
            .map(|word| word.to_string_lossy().into_owned())
            .to_vec();
        let process = Process::start(&command, 0, &directory.join("output"), self.site.http)?;
        let mut outcomes = Outcomes::new();
        for (index, group) in groups.iter().enumerate() {
            for (input, bytes) in group.inputs.iter().enumerate() {
                let count = group.expressions.len();
                let results = self
                    .results(index, group.phase, &bytes.bytes, count)
                    .map_err(|error| {
                        format!("{} on `{}`: {error}: {}", group.name, bytes.label, process.log())
                    })?;
                for (at, outcome) in results.into_iter().enumerate() {
                    let outcome = if refused.contains(&(index, at)) {
                        Outcome::Refused
                    } else {
                        outcome
                    };
                    outcomes.insert((index, at, input), outcome);
                }
            }
        }
        Ok(outcomes)
    }

    fn results(&self, group: usize, phase: Phase, bytes: &[u8], count: usize) -> Result<Vec<Outcome>> {
        let address = self.site.content.get(&group).copied().unwrap_or(self.site.http);
        let answer = exchange(address, bytes)?;
        let line = match phase {
            Phase::Request | Phase::Response => answer,
            Phase::Content => {
                let mut line = vec![0; MESSAGE_BYTES_MAX];
                let length = self.log.recv(&mut line)?;
                line.truncate(length);
                line
            }
        };
        outcomes(&String::from_utf8_lossy(&line), count)
    }
}

/// Sends bytes and reads what comes back until a head is whole, or the other end is done.
fn exchange(address: SocketAddr, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_read_timeout(Some(ANSWER_LIMIT))?;
    connection.write_all(bytes)?;
    match head(&mut connection) {
        // A connection may be reset once all is said.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(Vec::new()),
        answer => Ok(answer?),
    }
}

/// Reads to the end of a message's head at least.
fn head(connection: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut chunk = [0; 1 << 14];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < MESSAGE_BYTES_MAX {
        let length = connection.read(&mut chunk)?;
        if length == 0 {
            break;
        }
        head.extend_from_slice(chunk.get(..length).unwrap_or_default());
    }
    Ok(head)
}

/// The samples in an answer or a log line.
fn outcomes(answer: &str, count: usize) -> Result<Vec<Outcome>> {
    let Some((_, results)) = answer.split_once(MARK) else {
        let line = answer.lines().next().unwrap_or("nothing");
        return Ok(vec![Outcome::Unreached(line.to_owned()); count]);
    };
    let results: Vec<Outcome> = results
        .split('|')
        .take(count)
        // In a log line, what is empty is a dash.
        .map(|text| match unhex(text.trim_start_matches('-')) {
            Some(bytes) if bytes == ABSENT.as_bytes() => Ok(Outcome::Absent),
            Some(bytes) => Ok(Outcome::Value(bytes)),
            None => Err(format!("`{text}` is no result").into()),
        })
        .collect::<Result<_>>()?;
    if results.len() < count {
        return Err(format!("{} results of {count}", results.len()).into());
    }
    Ok(results)
}

/// Answers one request of the origin with the bytes that its `x-answer` header has in hexadecimal.
fn answer(mut connection: TcpStream) -> Result<()> {
    connection.set_read_timeout(Some(ANSWER_LIMIT))?;
    let request = head(&mut connection)?;
    if let Some(bytes) = asked_for(&String::from_utf8_lossy(&request)) {
        connection.write_all(&bytes)?;
    }
    Ok(())
}

fn asked_for(request: &str) -> Option<Vec<u8>> {
    let mut headers = request.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = headers.find(|(name, _)| name.eq_ignore_ascii_case("x-answer"))?;
    unhex(value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_values_or_absent_and_as_many_as_asked_for() {
        let line = "HTTP/1.1 200 OK\r\nx-conform: conform|6100||3c616273656e743e|ff|\r\n\r\ndone";
        assert_eq!(
            outcomes(line, 4).unwrap(),
            [
                Outcome::Value(b"a\0".to_vec()),
                Outcome::Value(Vec::new()),
                Outcome::Absent,
                Outcome::Value(vec![255]),
            ]
        );
        assert_eq!(outcomes("conform|-|", 1).unwrap(), [Outcome::Value(Vec::new())]);
        assert!(outcomes("conform|61|", 3).is_err());
        assert!(outcomes("conform|6|", 1).is_err());
    }

    #[test]
    fn an_answer_without_results_is_told_by_its_first_line() {
        let unreached = Outcome::Unreached("HTTP/1.1 400 Bad Request".to_owned());
        assert_eq!(
            outcomes("HTTP/1.1 400 Bad Request\r\nA: b\r\n\r\n", 2).unwrap(),
            [unreached.clone(), unreached]
        );
    }

    #[test]
    fn the_origin_answers_what_it_is_asked_to() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let origin = std::thread::spawn(move || answer(listener.accept().unwrap().0).unwrap());
        let said = exchange(address, b"GET / HTTP/1.1\r\nX-Answer: 486900\r\n\r\n").unwrap();
        assert_eq!(said.escape_ascii().to_string(), "Hi\\x00");
        origin.join().unwrap();
    }
}
