//! Asking an agent.

use std::cell::Cell;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::agent::{self, Answer};
use super::run::{Finding, Line, NoWire, Opener, Route, Wire};
use super::spec::AgentSpec;
use super::status::Status;
use super::step::Connect;
use crate::timeouts::Timer;

/// The longest line that is read.
const LINE_BYTES_MAX: usize = 1024;

/// How asking ended.
pub(super) struct Asked {
    /// What the agent says. Where it can't be asked, that says nothing of the server.
    pub(super) answer: Option<Answer>,
    pub(super) finding: Finding,
    /// The connection, for as long as the answer hasn't been heeded: an agent that sees its end may rely on that.
    pub(super) wire: Option<Box<dyn Wire>>,
}

/// Asks an agent.
pub(super) async fn ask(spec: &AgentSpec, opener: &dyn Opener, timer: &Timer) -> Asked {
    let limit: Duration = spec.timeout.unwrap_or(spec.inter);
    let reached = Cell::new(false);
    let asking = async {
        let connect = Connect::default();
        let route = Route {
            connect: &connect,
            port: Some(spec.port),
            http: false,
            host: None,
        };
        let Line::Bytes(mut wire) = opener.open(route).await.map_err(no_wire)?.line else {
            return Err(Finding::of(Status::SocketError));
        };
        reached.set(true);
        let broken = |why| Finding::because(Status::SocketError, plain(&why));
        if !spec.send.is_empty() {
            wire.write_all(&spec.send).await.map_err(broken)?;
            wire.flush().await.map_err(broken)?;
        }
        let mut said = Vec::with_capacity(64);
        loop {
            let full = said.len() >= LINE_BYTES_MAX;
            let ended =
                agent::line(&said).is_some() || full || wire.read_buf(&mut said).await.map_err(broken)? == 0;
            if ended {
                // An agent that closes without the end of its line has said all the same.
                return Ok((said, wire));
            }
        }
    };
    let silent = |finding| Asked {
        answer: None,
        finding,
        wire: None,
    };
    let (said, wire) = match timer.limit(Some(limit), asking).await {
        Ok(Ok(said)) => said,
        Ok(Err(finding)) => return silent(finding),
        Err(_) if reached.get() => return silent(Finding::of(Status::L7Timeout)),
        Err(_) => return silent(Finding::of(Status::L4Timeout)),
    };
    let line = agent::line(&said).unwrap_or(&said);
    let finding = |status, info: String| Finding {
        info: Some(info),
        ..Finding::of(status)
    };
    let (answer, finding) = match agent::parse(line) {
        Ok(answer) => {
            let said = String::from_utf8_lossy(line).into_owned();
            let well = !matches!(answer.operational, Some(agent::Operational::Down { .. }));
            let status = if well { Status::L7Ok } else { Status::L7Status };
            (Some(answer), finding(status, said))
        }
        Err(why) => {
            let why = match why {
                agent::Fault::Empty => "the agent said nothing".to_owned(),
                agent::Fault::Unknown(word) => format!("unknown word `{word}`"),
            };
            (None, finding(Status::L7Response, why))
        }
    };
    Asked {
        answer,
        finding,
        wire: Some(wire),
    }
}

fn no_wire(why: NoWire) -> Finding {
    match why {
        NoWire::Connection(why) => Finding::because(Status::L4Connection, plain(&why)),
        NoWire::Tls(why) => Finding::because(Status::L6Response, why),
        NoWire::Shortage(why) => Finding::because(Status::Unknown, why),
        NoWire::Socket(why) => Finding::because(Status::SocketError, why),
    }
}

/// What the system says: `Connection refused`.
fn plain(why: &io::Error) -> String {
    let text = why.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use tokio::io::{DuplexStream, ReadBuf};

    use super::super::run::{Opened, Opening};
    use super::*;
    use crate::timeouts::Wheel;

    /// Connects to whoever holds the other end.
    struct Pipe(RefCell<Option<DuplexStream>>);

    impl Opener for Pipe {
        fn open<'a>(&'a self, _: Route<'a>) -> Opening<'a> {
            let wire = self.0.take().unwrap();
            Box::pin(async {
                Ok(Opened {
                    line: Line::Bytes(Box::new(wire)),
                    source: None,
                    destination: None,
                    tls: false,
                })
            })
        }
    }

    #[test]
    fn the_connection_lasts_as_long_as_whoever_asked_wants() {
        let (ours, theirs) = tokio::io::duplex(64);
        let mut theirs = pin!(theirs);
        let cx = &mut Context::from_waker(Waker::noop());
        let said = tokio::io::AsyncWrite::poll_write(theirs.as_mut(), cx, b"down\n");
        assert!(matches!(said, Poll::Ready(Ok(5))));
        let spec = AgentSpec {
            address: None,
            port: 1,
            inter: Duration::from_secs(1),
            timeout: None,
            send: bytes::Bytes::new(),
            log_all: false,
        };
        let (pipe, timer) = (Pipe(RefCell::new(Some(ours))), Wheel::new().timer());
        let asked = {
            let asking = pin!(ask(&spec, &pipe, &timer));
            match asking.poll(cx) {
                Poll::Ready(asked) => asked,
                Poll::Pending => panic!("all was said"),
            }
        };
        assert!(asked.answer.is_some());
        let mut room = [0; 8];
        let mut ended = |cx: &mut Context<'_>| {
            tokio::io::AsyncRead::poll_read(theirs.as_mut(), cx, &mut ReadBuf::new(&mut room)).is_ready()
        };
        assert!(!ended(cx), "nobody has heeded it yet");
        drop(asked.wire);
        assert!(ended(cx));
    }
}
