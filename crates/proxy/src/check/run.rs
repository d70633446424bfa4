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

use super::exchange::Exchange;
use super::expect::{self, Answer, Seen};
use super::message::{self, Response};
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

    pub(super) fn because(status: Status, info: impl Into<String>) -> Finding {
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

/// What a check speaks on.
pub(super) enum Line {
    /// Bytes.
    Bytes(Box<dyn Wire>),
    /// Requests of HTTP whose form is not the check's affair.
    Requests(Box<Exchange>),
}

/// A connection that was made.
pub(super) struct Opened {
    pub(super) line: Line,
    pub(super) source: Option<SocketAddr>,
    pub(super) destination: Option<SocketAddr>,
    /// Whether TLS is spoken on it.
    pub(super) tls: bool,
}

/// Why there is no connection.
pub(super) enum NoWire {
    /// The process has nothing left to connect with.
    Shortage(String),
    /// There is no address to connect to.
    Socket(String),
    /// Nobody answered, or with a refusal.
    Connection(io::Error),
    /// TLS couldn't be agreed on.
    Tls(String),
}

pub(super) type Opening<'a> = Pin<Box<dyn Future<Output = Result<Opened, NoWire>> + 'a>>;

/// Makes connections.
pub(super) trait Opener {
    /// A connection as a connect step describes it.
    fn open<'a>(&'a self, route: Route<'a>) -> Opening<'a>;
}

/// The connection that a step wants.
#[derive(Clone, Debug)]
pub(super) struct Route<'a> {
    pub(super) connect: &'a Connect,
    /// The port that the step computed.
    pub(super) port: Option<u16>,
    /// Whether requests of HTTP are to go over it.
    pub(super) http: bool,
    /// The host that they name, where no step says how to connect.
    pub(super) host: Option<String>,
}

/// Runs the steps of `program`. The last connection is given back with what was found, unless it goes on: then sessions may have it
/// at once, since nobody sees an end of it.
pub(super) async fn run(
    program: &Program,
    session: &CheckSession,
    opener: &dyn Opener,
    timer: &Timer,
    limits: Limits,
    buffer_bytes: usize,
    state: Option<Bytes>,
) -> (Finding, Option<Line>) {
    let mut run = Run {
        program,
        session,
        opener,
        timer,
        limits,
        buffer_bytes,
        state,
        line: None,
        left: limits.answer,
        method: Method::GET,
        spoke: false,
        tls: false,
        number: 0,
    };
    let (Ok(mut finding) | Err(mut finding)) = run.steps().await;
    run.leave().await;
    if program.tcp_check && finding.status.result() == super::health::Result::Passed {
        finding.info.get_or_insert_with(|| "(tcp-check)".to_owned());
    }
    finding.code = match finding.status {
        Status::L7Ok | Status::L7OkConditional | Status::L7Status => Some(finding.code.unwrap_or(0)),
        // Of what was not understood there is none.
        _ => None,
    };
    let ends = |line: &Line| !matches!(line, Line::Requests(exchange) if exchange.goes_home());
    (finding, run.line.take().filter(ends))
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
    line: Option<Line>,
    /// How much time is left for what follows the connection.
    left: Duration,
    /// The method of the last request.
    method: Method,
    spoke: bool,
    tls: bool,
    /// The number of the step, as logs show it.
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

    /// Receives the rest of a response whose connection others are to have.
    async fn leave(&mut self) {
        let Some(Line::Requests(exchange)) = &mut self.line else {
            return;
        };
        let buffer_bytes = self.buffer_bytes;
        let rest = async { while exchange.may_leave(buffer_bytes) && exchange.receive().await.is_ok() {} };
        within(self.timer, &mut self.left, rest).await;
    }

    /// Does one step. What it finds counts if it is the last.
    async fn step(&mut self, step: &Step) -> Result<Option<Finding>, Finding> {
        let session = self.session;
        self.number = step.number;
        match &step.action {
            Action::Connect(connect) => {
                self.connect(connect, Some(step)).await?;
            }
            Action::Send(payload) => {
                let bytes = match payload {
                    Payload::Text(text) => text.eval_for(session),
                    Payload::Hex(format) => match expect::unhex(format, session) {
                        Some(bytes) => bytes.into(),
                        None => return Err(self.unmade()),
                    },
                };
                self.send(&bytes, step).await?;
            }
            Action::Request(request) => {
                self.method = request.method.clone();
                if let Some(Line::Requests(_)) = self.line {
                    return self.ask(request, step).map(|()| None);
                }
                let bytes = self.request(request);
                self.send(&bytes, step).await?;
            }
            Action::Expect(wanted) => {
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
        self.line = None;
        self.session.begin_answer();
        let port = match &connect.port {
            Some(Port::Computed(expr)) => match expr.eval(self.session).and_then(port_of) {
                Some(port) => Some(port),
                None => return Err(Finding::because(Status::SocketError, "no port to connect to")),
            },
            Some(Port::Fixed(port)) => Some(*port),
            None => None,
        };
        let http = self.program.kind == Kind::Http;
        let route = Route {
            connect,
            port,
            http,
            host: match step {
                None if http => self.program.host().map(|host| self.text(host)),
                _ => None,
            },
        };
        let opening = self.opener.open(route);
        let opened = self.timer.limit(Some(self.limits.connect), opening).await;
        let place = step.map(|step| {
            let port = port.map(|port| format!(" port {port}")).unwrap_or_default();
            self.place(&format!("connect{port}"), step)
        });
        let place = place.unwrap_or_default();
        match opened {
            Ok(Ok(opened)) => {
                self.line = Some(opened.line);
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
            Ok(Err(NoWire::Shortage(why))) => Err(Finding::because(Status::Unknown, why)),
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
        let Some(Line::Bytes(wire)) = &mut self.line else {
            return Err(Finding::because(Status::SocketError, place));
        };
        let sending = async {
            wire.write_all(bytes).await?;
            wire.flush().await
        };
        match within(self.timer, &mut self.left, sending).await {
            Some(Ok(())) => Ok(()),
            Some(Err(why)) => Err(Finding::because(
                Status::SocketError,
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
                Err(message::Malformed) => {
                    let comment = Some(comment(step)).filter(|comment| !comment.is_empty());
                    return Err(Finding {
                        info: comment,
                        ..Finding::of(Status::L7Response)
                    });
                }
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
                if let Some(Line::Requests(exchange)) = &self.line {
                    return Ok(match exchange.response() {
                        Some(response) => self.judge(wanted, response, full),
                        None => Seen::More,
                    });
                }
                let response = {
                    let received = self.session.received.borrow();
                    message::response(&received, ended, &self.method)?
                };
                let Some(response) = response else {
                    return Ok(Seen::More);
                };
                Ok(self.judge(wanted, &response, full))
            }
        }
    }

    fn judge(&self, wanted: &Expect, response: &Response, full: bool) -> Seen {
        if self.program.disable_on_404 && response.status == http::StatusCode::NOT_FOUND {
            return Seen::Conditional(404);
        }
        expect::remember(self.session, response);
        let full = full || response.body.len() >= self.buffer_bytes;
        expect::response(wanted, response, full, self.session)
    }

    /// Prepares a request where its form is not the check's affair.
    fn ask(&mut self, request: &Request, step: &Step) -> Result<(), Finding> {
        self.spoke = true;
        self.session.begin_answer();
        let fields = self.fields(request);
        let uri = uri_of(request, self.session);
        let body = request.body.as_ref().map(|body| body.eval_for(self.session));
        let place = self.place("send", step);
        let Some(Line::Requests(exchange)) = &mut self.line else {
            return Err(Finding::because(Status::SocketError, place));
        };
        let asked = exchange.ask(&request.method, &uri, request.version, fields, body);
        asked.map_err(|_| Finding::because(Status::SocketError, format!("the request is malformed{place}")))
    }

    async fn receive(&mut self, wanted: &Expect, step: &Step) -> Result<(), Finding> {
        let what = expect::described(wanted);
        let place = self.place(&format!("expect {what}"), step);
        let wire = match &mut self.line {
            Some(Line::Bytes(wire)) => wire,
            Some(Line::Requests(exchange)) => {
                return match within(self.timer, &mut self.left, exchange.receive()).await {
                    Some(Ok(())) => Ok(()),
                    Some(Err(_)) => Err(Finding::because(Status::L7Response, place)),
                    None => Err(Finding::because(
                        wanted.timeout_status.unwrap_or(Status::L7Timeout),
                        place,
                    )),
                };
            }
            None => return Err(Finding::because(Status::SocketError, place)),
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
                Status::SocketError,
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
                let comment = match answer.is_empty {
                    true => quoted_comment(step),
                    false => comment(step),
                };
                format!("{}{place}{comment}", answer.why)
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

    fn fields(&self, request: &Request) -> Vec<(http::HeaderName, Vec<u8>)> {
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
        headers
    }

    fn request(&self, request: &Request) -> Vec<u8> {
        let headers = self.fields(request);
        let uri = uri_of(request, self.session);
        let body = request.body.as_ref().map(|body| body.eval_for(self.session));
        message::request(&request.method, &uri, request.version, &headers, body.as_deref())
    }

    /// What was to be sent can't be made: its digits are none.
    fn unmade(&self) -> Finding {
        let at = self.number;
        Finding::because(
            Status::L7Response,
            format!("tcp-check send : failed to build log-format string at step {at}"),
        )
    }

    /// Where something went wrong, for checks whose steps were written.
    fn place(&self, what: &str, step: &Step) -> String {
        match self.program.kind {
            Kind::Tcp => format!(
                " at step {} of tcp-check ({what}){}",
                self.number,
                quoted_comment(step)
            ),
            Kind::Http => String::new(),
        }
    }
}

/// The target of a request; that of nothing is the root.
fn uri_of(request: &Request, session: &CheckSession) -> Bytes {
    let uri = request.uri.eval_for(session);
    match uri.is_empty() {
        true => Bytes::from_static(b"/"),
        false => uri,
    }
}

fn comment(step: &Step) -> String {
    step.comment
        .as_ref()
        .map(|comment| format!(" comment: {comment}"))
        .unwrap_or_default()
}

/// The same where nothing came that could be judged: HAProxy writes it in two ways.
fn quoted_comment(step: &Step) -> String {
    step.comment
        .as_ref()
        .map(|comment| format!(" comment: '{comment}'"))
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
    const NAMES: [(i32, &str); 9] = [
        (9, "EBADF"),
        (12, "ENOMEM"),
        (14, "EFAULT"),
        (22, "EINVAL"),
        (32, "EPIPE"),
        (88, "ENOTSOCK"),
        (104, "ECONNRESET"),
        (105, "ENOBUFS"),
        (111, "ECONNREFUSED"),
    ];
    /// What keeps the system from even trying.
    const AT_ONCE: [i32; 5] = [1, 13, 97, 99, 101];
    let name = |number| NAMES.iter().find(|(known, _)| *known == number);
    if let Some((_, name)) = why.raw_os_error().and_then(name) {
        return format!("{name} returned by OS");
    }
    let text = why.to_string();
    // The number of the error helps nobody who reads a log.
    let text = text.split(" (os error").next().unwrap_or_default();
    match why.raw_os_error() {
        Some(number) if AT_ONCE.contains(&number) => format!("General socket error ({text})"),
        _ => text.to_owned(),
    }
}
