//! What a check does, step by step.

use bytes::Bytes;
use http::{HeaderName, Method, Version};
use tidegate_sample::logformat::LogFormat;
use tidegate_sample::vars::{Assignment, VarName};
use tidegate_sample::{Expr, Regex};

use super::status::Status;
use crate::rules::Text;
use crate::spec::ServerProto;

/// The steps of a check.
#[derive(Debug, Default)]
pub struct Program {
    /// What is spoken.
    pub kind: Kind,
    /// The steps, in order. A connection is made before the first that needs one, unless it is a connect step.
    pub steps: Vec<Step>,
    /// `option tcp-check`: the steps are of `tcp-check` lines, which results say.
    pub tcp_check: bool,
    /// `http-check disable-on-404`: a 404 stops the server softly.
    pub disable_on_404: bool,
    /// `http-check send-state`: requests tell the server how it is seen.
    pub send_state: bool,
}

impl Program {
    /// Whether a step asks for TLS whatever the server speaks.
    #[must_use]
    pub fn wants_tls(&self) -> bool {
        self.steps
            .iter()
            .any(|step| matches!(&step.action, Action::Connect(connect) if connect.tls))
    }

    /// Whether a step says how to connect.
    #[must_use]
    pub fn connects(&self) -> bool {
        self.steps
            .iter()
            .any(|step| matches!(step.action, Action::Connect(_)))
    }

    /// The host that the first request of HTTP names.
    pub(super) fn host(&self) -> Option<&LogFormat> {
        let first = self.steps.iter().find_map(|step| match &step.action {
            Action::Request(request) => Some(request),
            _ => None,
        })?;
        let host = first.headers.iter().find(|(name, _)| *name == http::header::HOST);
        host.map(|(_, value)| value)
    }

    /// Whether the first step that is more than a computation connects.
    pub(super) fn begins_with_connect(&self) -> bool {
        let mut steps = self.steps.iter().map(|step| &step.action);
        let first = steps.find(|action| {
            !matches!(
                action,
                Action::SetVar(..) | Action::SetVarFmt(..) | Action::UnsetVar(_)
            )
        });
        matches!(first, Some(Action::Connect(_)))
    }
}

/// What a check speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Nothing but a connection, or the bytes of `tcp-check` rules.
    #[default]
    Tcp,
    /// HTTP (`option httpchk`).
    Http,
}

/// One step, with the comment for logs if it fails.
#[derive(Debug)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// `comment`.
    pub comment: Option<String>,
    /// Its number among the lines of the check, as logs tell it.
    pub number: usize,
}

impl Step {
    /// A step without a comment.
    #[must_use]
    pub fn new(action: Action) -> Step {
        Step {
            action,
            comment: None,
            number: 0,
        }
    }
}

/// What a step does.
#[derive(Debug)]
pub enum Action {
    /// `connect`
    Connect(Box<Connect>),
    /// `send` and its kin.
    Send(Payload),
    /// `http-check send`
    Request(Box<Request>),
    /// `expect`
    Expect(Box<Expect>),
    /// `set-var`
    SetVar(Assignment, Expr),
    /// `set-var-fmt`
    SetVarFmt(Assignment, LogFormat),
    /// `unset-var`
    UnsetVar(VarName),
}

/// Where and how to connect. What is not said is the server's own.
#[derive(Debug, Default)]
pub struct Connect {
    /// `default`: the server's own way of connecting where nothing else is said.
    pub defaults: bool,
    /// `port`
    pub port: Option<Port>,
    /// `addr`
    pub address: Option<std::net::IpAddr>,
    /// `ssl`
    pub tls: bool,
    /// `sni`
    pub sni: Option<String>,
    /// `alpn`
    pub alpn: Option<Vec<Vec<u8>>>,
    /// `proto`: what is spoken, in checks of HTTP.
    pub proto: ServerProto,
    /// `send-proxy`
    pub send_proxy: bool,
    /// `via-socks4`
    pub via_socks: bool,
    /// `linger`: close in order instead of with a reset.
    pub linger: bool,
}

/// A port.
#[derive(Debug)]
pub enum Port {
    /// This one.
    Fixed(u16),
    /// What an expression gives.
    Computed(Expr),
}

/// Bytes to send.
#[derive(Debug)]
pub enum Payload {
    /// Text as it is, or what a log-format string gives.
    Text(Text),
    /// What a log-format string gives, in hexadecimal.
    Hex(LogFormat),
}

/// An HTTP request.
#[derive(Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The target.
    pub uri: Text,
    /// The version.
    pub version: Version,
    /// Headers. Those that describe the body are made here.
    pub headers: Vec<(HeaderName, LogFormat)>,
    /// The body.
    pub body: Option<Text>,
}

impl Default for Request {
    fn default() -> Self {
        Request {
            method: Method::OPTIONS,
            uri: Text::literal(Bytes::from_static(b"/")),
            version: Version::HTTP_10,
            headers: Vec::new(),
            body: None,
        }
    }
}

/// What has to come.
#[derive(Debug)]
pub struct Expect {
    /// What is looked for.
    pub pattern: Pattern,
    /// `!`: it must not be there.
    pub negated: bool,
    /// `min-recv`: how much has to be there before the pattern is looked for; `Some(0)` if what is there decides.
    pub received_min: Option<usize>,
    /// `ok-status`: how the check ends if this is its last step.
    pub ok_status: Option<Status>,
    /// `error-status`
    pub error_status: Option<Status>,
    /// `tout-status`
    pub timeout_status: Option<Status>,
    /// `on-success`
    pub on_success: Option<LogFormat>,
    /// `on-error`
    pub on_error: Option<LogFormat>,
    /// `status-code`
    pub status_code: Option<Expr>,
}

impl Expect {
    /// An expectation with everything else at its default.
    #[must_use]
    pub fn new(pattern: Pattern) -> Expect {
        Expect {
            pattern,
            negated: false,
            received_min: None,
            ok_status: None,
            error_status: None,
            timeout_status: None,
            on_success: None,
            on_error: None,
            status_code: None,
        }
    }
}

/// What is looked for: in what was received, or in the body of a response of HTTP.
#[derive(Debug)]
pub enum Pattern {
    /// `string`, `binary` and, computed for each check, `string-lf`.
    Bytes {
        /// The bytes.
        bytes: Text,
        /// Whether `binary` was written, as logs show.
        binary: bool,
    },
    /// `binary-lf`: bytes in hexadecimal.
    Hex(LogFormat),
    /// `rstring`
    Regex(Regex),
    /// `rbinary`: matched against the bytes in hexadecimal.
    HexRegex(Regex),
    /// `status`: ranges of statuses.
    Status(Vec<(u16, u16)>),
    /// `rstatus`
    StatusRegex(Regex),
    /// `hdr` and `fhdr`
    Header(HeaderPattern),
}

impl Pattern {
    /// Whether the head of a response is all that it takes.
    #[must_use]
    pub fn is_of_head(&self) -> bool {
        matches!(
            self,
            Pattern::Status(_) | Pattern::StatusRegex(_) | Pattern::Header(_)
        )
    }
}

/// A header to look for.
#[derive(Debug)]
pub struct HeaderPattern {
    /// The name.
    pub name: TextMatch,
    /// The value; any will do without.
    pub value: Option<TextMatch>,
    /// `fhdr`: the value is one text, its commas included.
    pub whole: bool,
}

/// How a text is matched.
#[derive(Debug)]
pub enum TextMatch {
    /// `str`
    Exact(Text),
    /// `beg`
    Prefix(Text),
    /// `end`
    Suffix(Text),
    /// `sub`
    Contains(Text),
    /// `reg`
    Regex(Regex),
}
