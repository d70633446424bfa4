//! Running a check: its steps one after the other, to a finding.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use tidegate_sample::logformat::LogFormat;
use tidegate_sample::vars;
use tidegate_sample::{Type, Value, cast};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::expect::{self, Answer, Seen};
use super::message;
use super::session::CheckSession;
use super::status::Status;
use super::step::{Action, Connect, Expect, Kind, Payload, Port, Program, Request, Step};
use crate::timeouts::Timer;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// How it ended.
    pub status: Status,
    /// The status of HTTP, or what `status-code` says.
    pub code: Option<i64>,
    /// More about it, for logs.
    pub info: Option<String>,
}

impl Finding {
    /// A finding without details.
    #[must_use]
    pub fn of(status: Status) -> Finding {
        Finding {
            status,
            code: None,
            info: None,
        }
    }

    fn because(status: Status, info: impl Into<String>) -> Finding {
        Finding {
            info: Some(info.into()).filter(|info: &String| !info.is_empty()),
            ..Finding::of(status)
        }
    }
}

/// How long a check may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// To connect.
    pub(super) connect: Duration,
    /// For all that follows on a connection.
    pub(super) answer: Duration,
}

impl Limits {
    /// With `timeout check` a connection may take as long as `timeout connect` and `inter` allow, and what follows as
    /// long as that timeout; without, all of it may take `inter`.
    pub(super) fn new(inter: Duration, connect: Option<Duration>, check: Option<Duration>) -> Limits {
        match check {
            Some(check) => Limits {
                connect: connect.map_or(inter, |connect| connect.min(inter)),
                answer: check,
            },
            None => Limits {
                connect: inter,
                answer: inter,
            },
        }
    }
}

/// A connection of a check.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Wire for T {}

/// A connection that was made.
pub(super) struct Opened {
    pub(super) wire: Box<dyn Wire>,
    pub(super) source: Option<SocketAddr>,
    pub(super) destination: Option<SocketAddr>,
    /// Whether TLS is spoken on it.
    pub(super) tls: bool,
}

/// Why there is no connection.
pub(super) enum NoWire {
    /// The system gave no socket, or there is no address to connect to.
    Socket(String),
    /// Nobody answered, or with a refusal.
    Connection(io::Error),
    /// TLS couldn't be agreed on.
    Tls(String),
}

pub(super) type Opening<'a> = Pin<Box<dyn Future<Output = Result<Opened, NoWire>> + 'a>>;

/// Makes connections.
pub(super) trait Opener {
    /// A connection as a connect step describes it; `port` if that step computed one.
    fn open<'a>(&'a self, connect: &'a Connect, port: Option<u16>) -> Opening<'a>;
}

/// Runs the steps of `program`.
pub(super) async fn run(
    program: &Program,
    session: &CheckSession,
    opener: &dyn Opener,
    timer: &Timer,
    limits: Limits,
    buffer_bytes: usize,
    state: Option<Bytes>,
) -> Finding {
    let mut run = Run {
        program,
        session,
        opener,
        timer,
        limits,
        buffer_bytes,
        state,
        wire: None,
        left: limits.answer,
        method: Method::GET,
        spoke: false,
        tls: false,
        number: 0,
    };
    match run.steps().await {
        Ok(finding) | Err(finding) => finding,
    }
}

struct Run<'a> {
    program: &'a Program,
    session: &'a CheckSession,
    opener: &'a dyn Opener,
    timer: &'a Timer,
    limits: Limits,
    buffer_bytes: usize,
    /// `send-state`
    state: Option<Bytes>,
    wire: Option<Box<dyn Wire>>,
    /// How much time is left for what follows the connection.
    left: Duration,
    /// The method of the last request.
    method: Method,
    spoke: bool,
    tls: bool,
    /// The number of the step among those that connect, send and expect, as logs show it.
    number: usize,
}

impl Run<'_> {
    /// An error ends the check early; it is a finding as well.
    async fn steps(&mut self) -> Result<Finding, Finding> {
        let mut last = None;
        if !self.program.begins_with_connect() {
            let connect = Connect {
                defaults: true,
                ..Connect::default()
            };
            self.connect(&connect, None).await?;
        }
        for step in &self.program.steps {
            last = self.step(step).await?;
        }
        let status = match (self.spoke, self.tls) {
            (true, _) => Status::L7Ok,
            (false, true) => Status::L6Ok,
            (false, false) => Status::L4Ok,
        };
        Ok(last.unwrap_or_else(|| Finding::of(status)))
    }

    /// Does one step. What it finds counts if it is the last.
    async fn step(&mut self, step: &Step) -> Result<Option<Finding>, Finding> {
        let session = self.session;
        match &step.action {
            Action::Connect(connect) => {
                self.number += 1;
                self.connect(connect, Some(step)).await?;
            }
            Action::Send(payload) => {
                self.number += 1;
                let bytes = match payload {
                    Payload::Text(text) => text.eval_for(session),
                    Payload::Hex(format) => expect::unhex(format, session).unwrap_or_default().into(),
                };
                self.send(&bytes, step).await?;
            }
            Action::Request(request) => {
                self.number += 1;
                let bytes = self.request(request);
                self.method = request.method.clone();
                self.send(&bytes, step).await?;
            }
            Action::Expect(wanted) => {
                self.number += 1;
                return self.expect(wanted, step).await.map(Some);
            }
            Action::SetVar(to, value) => {
                if let Some(value) = value.eval(session) {
                    to.assign(session, value);
                }
            }
            Action::SetVarFmt(to, format) => {
                to.assign(session, format.eval(session));
            }
            Action::UnsetVar(name) => {
                vars::unset(session, name);
            }
        }
        Ok(None)
    }

    async fn connect(&mut self, connect: &Connect, step: Option<&Step>) -> Result<(), Finding> {
        // A check that connects several times closes the one connection before it makes the next.
        self.wire = None;
        self.session.begin_answer();
        let port = match &connect.port {
            Some(Port::Computed(expr)) => match expr.eval(self.session).and_then(port_of) {
                Some(port) => Some(port),
                None => return Err(Finding::because(Status::SocketError, "no port to connect to")),
            },
            Some(Port::Fixed(port)) => Some(*port),
            None => None,
        };
        let opening = self.opener.open(connect, port);
        let opened = self.timer.limit(Some(self.limits.connect), opening).await;
        let place = step.map(|step| {
            let port = port.map(|port| format!(" port {port}")).unwrap_or_default();
            self.place(&format!("connect{port}"), step)
        });
        let place = place.unwrap_or_default();
        match opened {
            Ok(Ok(opened)) => {
                self.wire = Some(opened.wire);
                self.tls = opened.tls;
                self.left = self.limits.answer;
                self.session.source.set(opened.source);
                self.session.destination.set(opened.destination);
                Ok(())
            }
            Ok(Err(NoWire::Connection(why))) => Err(Finding::because(
                Status::L4Connection,
                format!("{}{place}", reason(&why)),
            )),
            Ok(Err(NoWire::Tls(why))) => Err(Finding::because(Status::L6Response, format!("{why}{place}"))),
            Ok(Err(NoWire::Socket(why))) => {
                Err(Finding::because(Status::SocketError, format!("{why}{place}")))
            }
            Err(_) if connect.tls => Err(Finding::because(Status::L6Timeout, place)),
            Err(_) => Err(Finding::because(Status::L4Timeout, place)),
        }
    }

    async fn send(&mut self, bytes: &[u8], step: &Step) -> Result<(), Finding> {
        self.spoke = true;
        self.session.begin_answer();
        let place = self.place("send", step);
        let Some(wire) = &mut self.wire else {
            return Err(Finding::because(Status::SocketError, place));
        };
        let sending = async {
            wire.write_all(bytes).await?;
            wire.flush().await
        };
        match within(self.timer, &mut self.left, sending).await {
            Some(Ok(())) => Ok(()),
            Some(Err(why)) => Err(Finding::because(
                Status::L4Connection,
                format!("{}{place}", reason(&why)),
            )),
            None => Err(Finding::because(Status::L7Timeout, place)),
        }
    }

    /// Receives until the expectation is met or can't be any more.
    async fn expect(&mut self, wanted: &Expect, step: &Step) -> Result<Finding, Finding> {
        self.spoke = true;
        loop {
            let full = self.session.received.borrow().len() >= self.buffer_bytes;
            match self.look(wanted, full) {
                Ok(Seen::More) => {}
                Ok(Seen::Conditional(code)) => {
                    return Err(Finding {
                        code: Some(code),
                        ..Finding::of(Status::L7OkConditional)
                    });
                }
                Ok(Seen::Met(answer)) => return Ok(self.met(wanted, &answer)),
                Ok(Seen::Unmet(answer)) => return Err(self.unmet(wanted, step, &answer)),
                Err(message::Malformed) => return Err(Finding::of(Status::L7Response)),
            }
            self.receive(wanted, step).await?;
        }
    }

    fn look(&self, wanted: &Expect, full: bool) -> Result<Seen, message::Malformed> {
        let ended = self.session.ended.get() || full;
        match self.program.kind {
            Kind::Tcp => {
                let received = self.session.received.borrow();
                Ok(expect::bytes(wanted, &received, ended, self.session))
            }
            Kind::Http => {
                let response = {
                    let received = self.session.received.borrow();
                    message::response(&received, ended, &self.method)?
                };
                let Some(response) = response else {
                    return Ok(Seen::More);
                };
                if self.program.disable_on_404 && response.status == http::StatusCode::NOT_FOUND {
                    return Ok(Seen::Conditional(404));
                }
                expect::remember(self.session, &response);
                Ok(expect::response(wanted, &response, full, self.session))
            }
        }
    }

    async fn receive(&mut self, wanted: &Expect, step: &Step) -> Result<(), Finding> {
        let what = expect::described(wanted, self.session);
        let place = self.place(&format!("expect {what}"), step);
        let Some(wire) = &mut self.wire else {
            return Err(Finding::because(Status::SocketError, place));
        };
        let mut received = std::mem::take(&mut *self.session.received.borrow_mut());
        let room = self.buffer_bytes.saturating_sub(received.len()).max(1) as u64;
        let result = {
            let mut limited = wire.take(room);
            within(self.timer, &mut self.left, limited.read_buf(&mut received)).await
        };
        *self.session.received.borrow_mut() = received;
        match result {
            Some(Ok(0)) => {
                self.session.ended.set(true);
                Ok(())
            }
            Some(Ok(_)) => Ok(()),
            Some(Err(why)) if self.session.received.borrow().is_empty() => Err(Finding::because(
                Status::L4Connection,
                format!("{}{place}", reason(&why)),
            )),
            // What came before a reset may be what was waited for.
            Some(Err(_)) => {
                self.session.ended.set(true);
                Ok(())
            }
            None => Err(Finding::because(
                wanted.timeout_status.unwrap_or(Status::L7Timeout),
                place,
            )),
        }
    }

    fn met(&self, wanted: &Expect, answer: &Answer) -> Finding {
        Finding {
            status: wanted.ok_status.unwrap_or(Status::L7Ok),
            code: self.code(wanted, answer),
            info: wanted.on_success.as_ref().map(|format| self.text(format)),
        }
    }

    fn unmet(&self, wanted: &Expect, step: &Step, answer: &Answer) -> Finding {
        let info = match &wanted.on_error {
            Some(format) => self.text(format),
            None => {
                let place = match self.program.kind {
                    Kind::Tcp => format!(" at step {}", self.number),
                    Kind::Http => String::new(),
                };
                format!("{}{place}{}", answer.why, comment(step))
            }
        };
        Finding {
            status: wanted.error_status.unwrap_or(answer.status),
            code: self.code(wanted, answer),
            info: Some(info.trim().to_owned()).filter(|info| !info.is_empty()),
        }
    }

    fn code(&self, wanted: &Expect, answer: &Answer) -> Option<i64> {
        let own =
            wanted
                .status_code
                .as_ref()
                .and_then(|expr| match cast(expr.eval(self.session)?, Type::Int)? {
                    Value::Int(code) => Some(code),
                    _ => None,
                });
        own.or(answer.code)
    }

    fn text(&self, format: &LogFormat) -> String {
        let mut text = Vec::new();
        format.eval_into(&mut text, self.session);
        String::from_utf8_lossy(&text).into_owned()
    }

    fn request(&self, request: &Request) -> Vec<u8> {
        let mut headers: Vec<_> = request
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), self.text(value).into_bytes()))
            .collect();
        if let Some(state) = &self.state {
            headers.push((
                http::HeaderName::from_static("x-haproxy-server-state"),
                state.to_vec(),
            ));
        }
        let uri = request.uri.eval_for(self.session);
        let body = request.body.as_ref().map(|body| body.eval_for(self.session));
        message::request(&request.method, &uri, request.version, &headers, body.as_deref())
    }

    /// Where something went wrong, for checks whose steps were written.
    fn place(&self, what: &str, step: &Step) -> String {
        match self.program.kind {
            Kind::Tcp => format!(" at step {} of tcp-check ({what}){}", self.number, comment(step)),
            Kind::Http => comment(step),
        }
    }
}

fn comment(step: &Step) -> String {
    step.comment
        .as_ref()
        .map(|comment| format!(" comment: {comment}"))
        .unwrap_or_default()
}

/// `future`, as long as there is time left for it; none afterwards.
async fn within<F: Future>(timer: &Timer, left: &mut Duration, future: F) -> Option<F::Output> {
    let before = timer.now_ms();
    let result = timer.limit(Some(*left), future).await.ok();
    let took = Duration::from_millis(timer.now_ms().saturating_sub(before));
    *left = left.saturating_sub(took);
    result
}

fn port_of(value: Value) -> Option<u16> {
    match cast(value, Type::Int)? {
        Value::Int(port) => u16::try_from(port).ok().filter(|port| *port > 0),
        _ => None,
    }
}

/// What the system says, as it says it to people.
fn reason(why: &io::Error) -> String {
    const NAMES: [(i32, &str); 10] = [
        (9, "EBADF"),
        (12, "ENOMEM"),
        (14, "EFAULT"),
        (22, "EINVAL"),
        (32, "EPIPE"),
        (88, "ENOTSOCK"),
        (101, "ENETUNREACH"),
        (104, "ECONNRESET"),
        (105, "ENOBUFS"),
        (111, "ECONNREFUSED"),
    ];
    let name = |number| NAMES.iter().find(|(known, _)| *known == number);
    if let Some((_, name)) = why.raw_os_error().and_then(name) {
        return format!("{name} returned by OS");
    }
    let text = why.to_string();
    // The number of the error helps nobody who reads a log.
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
