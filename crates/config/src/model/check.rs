//! Health checks: what they do, and what they mean for a server.

use std::net::IpAddr;
use std::time::Duration;

use tidegate_sample::Regex;
use tidegate_sample::vars::{Assignment, VarName};

use super::address::HttpProto;
use super::http::ReplyBody;
use super::sampled::{Expr, LogFormat};
use crate::source::{Span, Spanned};

/// What checks of a backend, or a `healthcheck` section, do.
#[derive(Debug, Default)]
pub struct CheckProgram {
    /// What is spoken.
    pub kind: CheckKind,
    /// The steps, none of which is implicit any more.
    pub steps: Vec<CheckStep>,
    /// `option tcp-check`: the steps are of `tcp-check` lines.
    pub tcp_check: bool,
    /// `http-check disable-on-404`
    pub disable_on_404: bool,
    /// `http-check send-state`
    pub send_state: bool,
    /// `option external-check`: the program that is started in place of the steps.
    pub command: Option<CheckCommand>,
}

/// A program that checks servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckCommand {
    /// `external-check command`
    pub command: String,
    /// `external-check path`: the `PATH` that it is looked up in and has itself.
    pub path: String,
    /// Where the option is.
    pub span: Span,
}

/// `external-check` of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExternalCheck {
    /// `preserve-env`: programs have this process's environment too.
    pub preserve_env: bool,
}

/// What a check speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CheckKind {
    /// Nothing, or the bytes of `tcp-check` rules.
    #[default]
    Tcp,
    /// HTTP.
    Http,
    /// Whatever a program speaks.
    External,
}

/// One step.
#[derive(Debug)]
pub struct CheckStep {
    /// What is done.
    pub action: CheckAction,
    /// The comment for logs if it fails.
    pub comment: Option<String>,
    /// Its number among the lines of its check, as logs tell it; comments have numbers too.
    pub number: usize,
}

/// What a step does.
#[derive(Debug)]
pub enum CheckAction {
    /// `connect`
    Connect(Box<CheckConnect>),
    /// `send`, `send-binary`
    Send(Vec<u8>),
    /// `send-lf`
    SendFormat(LogFormat),
    /// `send-binary-lf`
    SendHexFormat(LogFormat),
    /// `http-check send`
    Request(Box<CheckRequest>),
    /// `expect`
    Expect(Box<CheckExpect>),
    /// `set-var`
    SetVar {
        /// Where to.
        to: Assignment,
        /// The value.
        value: Expr,
    },
    /// `set-var-fmt`
    SetVarFormat {
        /// Where to.
        to: Assignment,
        /// The value.
        value: LogFormat,
    },
    /// `unset-var`
    UnsetVar(VarName),
}

/// Where and how to connect.
#[derive(Debug, Default)]
pub struct CheckConnect {
    /// `default`
    pub defaults: bool,
    /// `port`
    pub port: Option<CheckPort>,
    /// `addr`
    pub address: Option<IpAddr>,
    /// The port that stands with it, which counts where `port` gives none.
    pub address_port: Option<u16>,
    /// `ssl`
    pub tls: bool,
    /// `sni`
    pub sni: Option<String>,
    /// `alpn`
    pub alpn: Option<Vec<Vec<u8>>>,
    /// `proto`
    pub proto: Option<HttpProto>,
    /// `send-proxy`
    pub send_proxy: bool,
    /// `via-socks4`
    pub via_socks: bool,
    /// `linger`
    pub linger: bool,
}

/// A port.
#[derive(Debug)]
pub enum CheckPort {
    /// A number.
    Fixed(u16),
    /// An expression.
    Computed(Expr),
}

/// A request of HTTP.
#[derive(Debug, Default)]
pub struct CheckRequest {
    /// `meth`
    pub method: Option<String>,
    /// `uri`, `uri-lf`
    pub uri: Option<ReplyBody>,
    /// `ver`: whether it is HTTP/1.1.
    pub is_1_1: Option<bool>,
    /// `hdr`
    pub headers: Vec<(String, LogFormat)>,
    /// `body`, `body-lf`
    pub body: Option<ReplyBody>,
}

/// What has to come.
#[derive(Debug)]
pub struct CheckExpect {
    /// What is looked for.
    pub pattern: CheckPattern,
    /// `!`
    pub negated: bool,
    /// `min-recv`; none for -1.
    pub received_min: Option<usize>,
    /// `ok-status`, by its code.
    pub ok_status: Option<&'static str>,
    /// `error-status`
    pub error_status: Option<&'static str>,
    /// `tout-status`
    pub timeout_status: Option<&'static str>,
    /// `on-success`
    pub on_success: Option<LogFormat>,
    /// `on-error`
    pub on_error: Option<LogFormat>,
    /// `status-code`
    pub status_code: Option<Expr>,
}

/// What is looked for.
#[derive(Debug)]
pub enum CheckPattern {
    /// `string`
    Bytes(Vec<u8>),
    /// `string-lf`
    Format(LogFormat),
    /// `binary`
    Binary(Vec<u8>),
    /// `binary-lf`
    HexFormat(LogFormat),
    /// `rstring`
    Regex(Regex),
    /// `rbinary`
    HexRegex(Regex),
    /// `status`
    Status(Vec<(u16, u16)>),
    /// `rstatus`
    StatusRegex(Regex),
    /// `hdr`, `fhdr`
    Header {
        /// The name.
        name: CheckText,
        /// The value.
        value: Option<CheckText>,
        /// `fhdr`
        whole: bool,
    },
}

/// A text and how it is matched.
#[derive(Debug)]
pub struct CheckText {
    /// The method.
    pub method: CheckMatch,
    /// The text; for a regular expression what `regex` holds is used.
    pub text: ReplyBody,
}

/// How a text is matched.
#[derive(Debug)]
pub enum CheckMatch {
    /// `str`
    Exact,
    /// `beg`
    Prefix,
    /// `end`
    Suffix,
    /// `sub`
    Contains,
    /// `reg`
    Regex(Regex),
}

/// The parameters of a server that are about its health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerCheck {
    /// `check`
    pub enabled: bool,
    /// `inter`
    pub inter: Duration,
    /// `fastinter`
    pub fast_inter: Option<Duration>,
    /// `downinter`
    pub down_inter: Option<Duration>,
    /// `rise`
    pub rise: u32,
    /// `fall`
    pub fall: u32,
    /// `addr`
    pub address: Option<IpAddr>,
    /// The port that stands with it, which counts where `port` gives none.
    pub address_port: Option<u16>,
    /// `port`
    pub port: Option<u16>,
    /// `healthcheck`: the section that says what checks do.
    pub section: Option<Spanned<String>>,
    /// `init-state`
    pub initial: Option<InitialState>,
    /// `observe`
    pub observe: Option<Observe>,
    /// `error-limit`
    pub errors_max: u32,
    /// `on-error`
    pub on_error: OnError,
    /// `check-ssl`, `no-check-ssl`
    pub tls: Option<bool>,
    /// `check-sni`
    pub sni: Option<String>,
    /// `check-sni-auto`, `no-check-sni-auto`: without that, it is the host of the request.
    pub sni_auto: bool,
    /// `check-alpn`
    pub alpn: Option<Vec<Vec<u8>>>,
    /// `check-proto`; `Some(None)` for `none`.
    pub proto: Option<Spanned<Option<HttpProto>>>,
    /// `check-via-socks4`
    pub via_socks: bool,
    /// `check-reuse-pool`, `no-check-reuse-pool`
    pub reuse_pool: bool,
    /// `check-pool-conn-name`
    pub pool_name: Option<String>,
    /// `check-send-proxy`, `no-check-send-proxy`
    pub send_proxy: Option<bool>,
    /// `agent-check`
    pub agent: Agent,
}

impl Default for ServerCheck {
    fn default() -> ServerCheck {
        ServerCheck {
            enabled: false,
            inter: Duration::from_secs(2),
            fast_inter: None,
            down_inter: None,
            rise: 2,
            fall: 3,
            address: None,
            address_port: None,
            port: None,
            section: None,
            initial: None,
            observe: None,
            errors_max: 10,
            on_error: OnError::default(),
            tls: None,
            sni: None,
            sni_auto: true,
            alpn: None,
            proto: None,
            via_socks: false,
            reuse_pool: false,
            pool_name: None,
            send_proxy: None,
            agent: Agent::default(),
        }
    }
}

/// The parameters of a server's agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// `agent-check`
    pub enabled: bool,
    /// `agent-addr`
    pub address: Option<IpAddr>,
    /// `agent-port`
    pub port: Option<u16>,
    /// `agent-inter`
    pub inter: Duration,
    /// `agent-send`
    pub send: Option<String>,
}

impl Default for Agent {
    fn default() -> Agent {
        Agent {
            enabled: false,
            address: None,
            port: None,
            inter: Duration::from_secs(2),
            send: None,
        }
    }
}

/// `init-state`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitialState {
    /// Up, and down after `fall` bad checks.
    FullyUp,
    /// Up, and down after one bad check.
    Up,
    /// Down, and up after one good check.
    Down,
    /// Down, and up after `rise` good checks.
    FullyDown,
}

/// `observe`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observe {
    /// Connections.
    Layer4,
    /// Responses.
    Layer7,
}

/// `on-error`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// The next check comes sooner.
    FastInter,
    /// It counts as a failed check.
    #[default]
    FailCheck,
    /// One more failed check takes the server down.
    SuddenDeath,
    /// The server is down.
    MarkDown,
}
