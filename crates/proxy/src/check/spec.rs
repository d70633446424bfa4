//! What to check, how often, and what follows: plain data.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::health::{InitialState, Pace};
use super::step::Program;
use crate::rules::Text;
use crate::spec::{ServerProto, ServerTls, SourceSpec};

/// How a server is checked.
#[derive(Clone, Debug)]
pub struct CheckSpec {
    /// How often, and how many results it takes.
    pub pace: Pace,
    /// `init-state`
    pub initial: InitialState,
    /// `timeout check`
    pub timeout: Option<Duration>,
    /// `timeout connect`
    pub connect_timeout: Option<Duration>,
    /// `addr`: where checks go instead of the server's own address.
    pub address: Option<IpAddr>,
    /// `port`
    pub port: Option<u16>,
    /// `source`: where connections come from, as a client's.
    pub source: Option<Arc<SourceSpec>>,
    /// What hands are shaken with, where a check speaks TLS.
    pub tls: Option<Arc<ServerTls>>,
    /// Whether checks speak TLS where no step says otherwise.
    pub speaks_tls: bool,
    /// `check-sni`: the name that is asked for then.
    pub sni: Option<String>,
    /// `check-sni-auto`: without that, it is the host of the request.
    pub sni_auto: bool,
    /// `check-alpn`: what is offered then, in place of what the server is offered otherwise.
    pub alpn: Option<Vec<Vec<u8>>>,
    /// `check-proto`, or the server's: what checks of HTTP speak where no step says otherwise.
    pub proto: ServerProto,
    /// `check-via-socks4`: whether checks go by the server's proxy of SOCKS where no step says otherwise.
    pub via_socks: bool,
    /// `check-reuse-pool`: checks take idle connections of sessions and leave theirs to them.
    pub reuse_pool: bool,
    /// `check-pool-conn-name`: what those are kept apart by.
    pub pool_name: Option<String>,
    /// `option external-check`: the program that checks in place of the steps.
    pub external: Option<Arc<ExternalSpec>>,
    /// Whether connections begin with a PROXY header where no step says otherwise.
    pub sends_proxy: bool,
    /// Whether that header is of version 2.
    pub proxy_binary: bool,
    /// `unique-id-format`: of what `unique-id` is made in checks.
    pub unique_id: Option<Arc<Text>>,
    /// What is done.
    pub program: Arc<Program>,
    /// `option log-health-checks`: every change of what checks find is logged, not those of the server's state alone.
    pub log_all: bool,
    /// `observe`
    pub observe: Option<Observing>,
}

impl CheckSpec {
    /// A check that connects every two seconds.
    #[must_use]
    pub fn new(program: Arc<Program>) -> CheckSpec {
        CheckSpec {
            pace: Pace::default(),
            initial: InitialState::default(),
            timeout: None,
            connect_timeout: None,
            address: None,
            port: None,
            source: None,
            tls: None,
            speaks_tls: false,
            sni: None,
            sni_auto: false,
            alpn: None,
            proto: ServerProto::Any,
            via_socks: false,
            reuse_pool: false,
            pool_name: None,
            external: None,
            sends_proxy: false,
            proxy_binary: false,
            unique_id: None,
            program,
            log_all: false,
            observe: None,
        }
    }
}

/// A program that checks a server, and what it is told of the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalSpec {
    /// `external-check command`
    pub command: String,
    /// `external-check path`
    pub path: String,
    /// Whether it has the environment of this process too.
    pub preserve_env: bool,
    /// The proxy's name.
    pub proxy_name: String,
    /// The proxy's number.
    pub proxy_id: u32,
    /// Where the proxy listens first, if it does.
    pub proxy_address: Option<String>,
    /// On which port, if it is one of TCP.
    pub proxy_port: Option<String>,
    /// What the server speaks.
    pub protocol: &'static str,
}

/// `observe`, `error-limit` and `on-error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observing {
    /// What is watched.
    pub layer: Layer,
    /// Errors in a row until something is done.
    pub errors_max: u32,
    /// What is done then.
    pub then: OnErrors,
}

/// What `observe` watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Connections.
    Four,
    /// Responses.
    Seven,
}

/// What follows errors in the traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum OnErrors {
    /// The next check comes sooner.
    FastInter = 1,
    /// It counts as a failed check, and the next comes sooner.
    FailCheck = 2,
    /// The next failed check takes the server down, and comes sooner.
    SuddenDeath = 3,
    /// The server is down.
    MarkDown = 4,
}

/// How a server's agent is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentSpec {
    /// `agent-addr`, falling back to the check's and then to the server's address.
    pub address: Option<IpAddr>,
    /// `agent-port`
    pub port: u16,
    /// `agent-inter`
    pub inter: Duration,
    /// `timeout check`
    pub timeout: Option<Duration>,
    /// `agent-send`
    pub send: Bytes,
    /// `option log-health-checks`
    pub log_all: bool,
}
