//! How two peers greet each other.

use std::io::{self, ErrorKind};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::codec::broken;
use crate::stream::Stream;

const PROTOCOL: &str = "HAProxyS";
const VERSION: &str = "2.1";
/// Most bytes of a greeting.
const HELLO_BYTES_MAX: usize = 1024;

/// What is answered to a greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// Welcome.
    Welcome = 200,
    /// That is no greeting.
    ProtocolError = 501,
    /// A version that isn't spoken.
    BadVersion = 502,
    /// Somebody else is meant.
    NotMe = 503,
    /// The sender is not known.
    Stranger = 504,
}

/// Greets the peer `to` as `from`; gives the answer.
///
/// # Errors
/// The connection broke, or what came back was no answer.
pub(super) async fn greet(stream: &mut Stream, to: &str, from: &str) -> io::Result<u16> {
    let hello = format!("{PROTOCOL} {VERSION}\n{to}\n{from} {} 0\n", std::process::id());
    stream.write_all(hello.as_bytes()).await?;
    stream.flush().await?;
    let answer = line(stream, HELLO_BYTES_MAX).await?;
    answer.parse().map_err(|_| broken("no status"))
}

/// Reads a greeting to the peer `me`, and answers it: the sender's place among those that `known` gives.
///
/// # Errors
/// The connection broke, or the greeting was answered by a status that ends it.
pub(super) async fn welcome(
    stream: &mut Stream,
    me: &str,
    known: impl Fn(&str) -> Option<usize>,
) -> io::Result<usize> {
    let mut left = HELLO_BYTES_MAX;
    let mut lines = Vec::new();
    for _ in 0..3 {
        let line = line(stream, left).await?;
        left = left.saturating_sub(line.len() + 1);
        lines.push(line);
    }
    let judged = judge(&lines, me, known);
    let status = judged.map_or_else(|status| status, |_| Status::Welcome);
    stream
        .write_all(format!("{}\n", status as u16).as_bytes())
        .await?;
    stream.flush().await?;
    judged.map_err(|_| broken("a greeting that isn't welcome"))
}

fn judge(lines: &[String], me: &str, known: impl Fn(&str) -> Option<usize>) -> Result<usize, Status> {
    let [first, to, from] = lines else {
        return Err(Status::ProtocolError);
    };
    let version = first
        .strip_prefix(PROTOCOL)
        .and_then(|rest| rest.strip_prefix(' '));
    let version = version.ok_or(Status::ProtocolError)?;
    if !matches!(version, "2.0" | "2.1") {
        return Err(Status::BadVersion);
    }
    if to != me {
        return Err(Status::NotMe);
    }
    let name = from.split(' ').next().unwrap_or_default();
    known(name).ok_or(Status::Stranger)
}

/// A line, read byte by byte, since what follows it belongs to somebody else.
async fn line(stream: &mut Stream, most: usize) -> io::Result<String> {
    let mut line = Vec::new();
    while line.len() < most {
        match stream.read_u8().await? {
            b'\n' => {
                let line = line.strip_suffix(b"\r").unwrap_or(&line);
                return String::from_utf8(line.to_vec()).map_err(|_| ErrorKind::InvalidData.into());
            }
            byte => line.push(byte),
        }
    }
    Err(broken("a greeting is too long"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greetings_are_judged_as_documented() {
        let known = |name: &str| ["A", "B"].iter().position(|peer| *peer == name);
        let judged = |lines: [&str; 3]| judge(&lines.map(String::from), "A", known);
        assert_eq!(judged(["HAProxyS 2.1", "A", "B 77 0"]), Ok(1));
        assert_eq!(judged(["HAProxyS 2.0", "A", "A 77 0"]), Ok(0));
        assert_eq!(judged(["HAProxyS 3.0", "A", "B 77 0"]), Err(Status::BadVersion));
        assert_eq!(judged(["HAProxyS 2.1", "C", "B 77 0"]), Err(Status::NotMe));
        assert_eq!(judged(["HAProxyS 2.1", "A", "D 77 0"]), Err(Status::Stranger));
        assert_eq!(judged(["GET / HTTP/1.1", "A", "B"]), Err(Status::ProtocolError));
    }
}
