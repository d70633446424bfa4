//! What a fetch may ask of the session that it is evaluated for.

use crate::data::Data;
use crate::figures::{Figures, HttpStreamFigures, RulePlace, Settings, TcpFigures, Traffic};
use crate::head::{request, response};
use crate::scope::{ExternalRunner, LocalBoxFuture};
use crate::stick::{Tables, Tracked};
use crate::tls::Tls;
use crate::vars::{ProcVars, VarScope, VarStore};
use std::any::Any;
use std::cell::{Ref, RefCell};
use std::collections::BTreeMap;
use std::future::ready;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

/// The session as fetches, converters, conditions and log lines see it.
///
/// A session lives on one thread, so everything takes `&self` and implementations keep their state in
/// cells. Every question has the answer "not known here" as its default: an implementation (or a fake in a
/// test) answers what it can, and a fetch without an answer gives no sample, as in HAProxy.
///
/// No borrow that a method hands out may be held across a suspension; nothing in this crate does.
pub trait Session {
    /// The concrete session, for a fetch that lives elsewhere (a Lua function) and knows its type.
    fn as_any(&self) -> &dyn Any;

    /// The client's address, as the last rule or PROXY header left it; none for a Unix socket.
    fn src(&self) -> Option<SocketAddr> {
        None
    }

    /// The address that the client connected to.
    fn dst(&self) -> Option<SocketAddr> {
        None
    }

    /// The address that the connection really came from, whatever a PROXY header or a rule said since.
    fn connection_src(&self) -> Option<SocketAddr> {
        self.src()
    }

    /// The address that the connection was really made to.
    fn connection_dst(&self) -> Option<SocketAddr> {
        self.dst()
    }

    /// The address that the proxy connected from, towards the server.
    fn backend_src(&self) -> Option<SocketAddr> {
        None
    }

    /// The server's address, once a connection was asked for.
    fn backend_dst(&self) -> Option<SocketAddr> {
        None
    }

    /// Whether the server is one at a UNIX socket, whose connections have no addresses.
    fn backend_is_local(&self) -> bool {
        false
    }

    /// Whether an address is one of this machine; none if that is not known.
    fn is_local(&self, _address: IpAddr) -> Option<bool> {
        None
    }

    /// The request as it is now, rules applied; none before it was parsed and in TCP mode.
    fn request(&self) -> Option<Ref<'_, request::Parts>> {
        None
    }

    /// The response as it is now; none before there is one.
    fn response(&self) -> Option<Ref<'_, response::Parts>> {
        None
    }

    /// The bytes buffered in a direction: the channel in TCP mode, the body received so far in HTTP mode.
    fn buffered(&self, _way: Way) -> Option<Ref<'_, [u8]>> {
        None
    }

    /// Whether nothing will follow the buffered bytes of a direction.
    fn buffered_to_end(&self, _way: Way) -> bool {
        false
    }

    /// The direction whose rules are being evaluated, for fetches that work in both.
    fn way(&self) -> Way {
        Way::Request
    }

    /// Whether more data may come that rules may wait for (`inspect-delay` has not passed).
    fn may_change(&self) -> bool {
        false
    }

    /// The frontend.
    fn frontend(&self) -> Option<Named> {
        None
    }

    /// The backend; before one was chosen, the frontend if that is a `listen` section, else none.
    fn backend(&self) -> Option<Named> {
        None
    }

    /// The server, once one was chosen.
    fn server(&self) -> Option<Named> {
        None
    }

    /// The listening socket; the name is empty if the `bind` line gave none.
    fn listener(&self) -> Option<Named> {
        None
    }

    /// The request's unique id, if `unique-id-format` is set.
    fn unique_id(&self) -> Option<Data> {
        None
    }

    /// The same for whoever can wait, if a script's part in it has to.
    fn unique_id_async<'a>(&'a self, _runner: &'a dyn ExternalRunner) -> LocalBoxFuture<'a, Option<Data>> {
        Box::pin(ready(self.unique_id()))
    }

    /// What runs the fetches and converters of scripts where nothing can wait.
    fn scripts(&self) -> Option<&dyn ExternalRunner> {
        None
    }

    /// How much of a request's line log lines tell, in bytes (`tune.http.logurilen`).
    fn log_uri_bytes(&self) -> usize {
        usize::MAX
    }

    /// What was captured of a direction, one item per slot in the order of their declarations; none where the frontend
    /// declares no slots.
    fn captures(&self, _way: Way) -> Option<Ref<'_, [Option<Data>]>> {
        None
    }

    /// Puts a text into a slot of a direction, cut to the length that was declared for it. A slot that isn't there takes
    /// nothing.
    fn capture(&self, _way: Way, _slot: usize, _text: &[u8]) {}

    /// What `capture cookie` found in a direction: name, `=` and value.
    fn captured_cookie(&self, _way: Way) -> Option<Data> {
        None
    }

    /// What was counted and timed so far.
    fn facts(&self) -> Facts {
        Facts::default()
    }

    /// The counters of all proxies and servers.
    fn figures(&self) -> Option<&dyn Figures> {
        None
    }

    /// Client connections of the process.
    fn process_connections(&self) -> Option<u64> {
        None
    }

    /// Client connections of the listening socket that this one came through.
    fn listener_connections(&self) -> Option<u64> {
        None
    }

    /// What is configured for the frontend and, once there is one, the backend.
    fn settings(&self) -> Option<Settings> {
        None
    }

    /// Bytes that went through so far.
    fn traffic(&self) -> Option<Traffic> {
        None
    }

    /// What the kernel knows of the connection of the client ([`Way::Request`]) or to the server.
    fn kernel(&self, _way: Way) -> Option<TcpFigures> {
        None
    }

    /// The TLS of the connection of the client ([`Way::Request`]) or to the server; none where there is no TLS.
    fn tls(&self, _way: Way) -> Option<Rc<Tls>> {
        None
    }

    /// What the PROXY header that the client's connection began with tells under a type.
    fn proxy_tlv(&self, _kind: u8) -> Option<Data> {
        None
    }

    /// Whether there was such a header.
    fn began_with_proxy_header(&self) -> bool {
        false
    }

    /// The number of what went wrong with the connection of the client ([`Way::Request`]) or to the server: 0 for
    /// nothing; none where there is no connection.
    fn connection_error(&self, _way: Way) -> Option<u8> {
        None
    }

    /// What is known of the stream, on the connection of the client ([`Way::Request`]) or of the server, that carries this
    /// transaction; none where there is no connection, or none of HTTP.
    fn http_stream(&self, _way: Way) -> Option<HttpStreamFigures> {
        None
    }

    /// The rule that ended a rule set last.
    fn last_rule(&self) -> Option<RulePlace> {
        None
    }

    /// The rule that was waiting when the session ended.
    fn waiting_rule(&self) -> Option<RulePlace> {
        None
    }

    /// The number of the request or stream in the process; it may come again after very many.
    fn number(&self) -> Option<u32> {
        None
    }

    /// What orders the request among queued ones.
    fn priority(&self) -> Priority {
        Priority::default()
    }

    /// The process that the session runs in.
    fn process(&self) -> Option<&Process> {
        None
    }

    /// Whether the process is stopping.
    fn stopping(&self) -> bool {
        false
    }

    /// The number of the thread that the session runs on, from 1.
    fn thread(&self) -> u32 {
        1
    }

    /// The variables of a scope other than `proc`; none where the scope does not exist (yet).
    fn vars(&self, _scope: VarScope) -> Option<&RefCell<VarStore>> {
        None
    }

    /// The variables of the `proc` scope, shared by all threads.
    fn proc_vars(&self) -> Option<&ProcVars> {
        None
    }

    /// Writes a line that the `debug` converter made; whoever runs sessions decides when.
    fn debug(&self, _to: DebugSink, _line: &str) {}

    /// The stick tables, for expressions that were parsed where they were not known.
    fn tables(&self) -> Option<&Tables> {
        None
    }

    /// The entry that the stick counter of this number tracks.
    fn tracked(&self, _counter: u32) -> Option<Ref<'_, Tracked>> {
        None
    }

    /// The time.
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    /// Milliseconds on the clock of the stick tables, which never goes back.
    fn ticks(&self) -> u64 {
        let since = self
            .now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// The session of whatever has none: start-up, the runtime API. Everything that depends on one is absent.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSession;

impl Session for NoSession {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Where the `debug` converter writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DebugSink {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// From the client.
    Request,
    /// From the server.
    Response,
}

/// The name and number of a proxy, server or listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The name, as in the configuration.
    pub name: Data,
    /// The numeric id.
    pub id: u32,
}

/// What orders a request among queued ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Priority {
    /// Requests of lower classes go first.
    pub class: i64,
    /// Milliseconds that are added to the time at which the request came.
    pub offset: i64,
}

/// What makes a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LogOrigin {
    /// Nothing that is known.
    #[default]
    Unspecified,
    /// A connection that failed before it had a request.
    SessionError,
    /// A connection that was given up before it had a request.
    SessionKilled,
    /// A connection was accepted.
    Accept,
    /// A request came.
    Request,
    /// The server is connected.
    Connect,
    /// A response came.
    Response,
    /// The transaction is over.
    Close,
    /// A `do-log` rule of a set, by the name that log profiles know the set by.
    Rule(&'static str),
}

impl LogOrigin {
    /// What `%OG` says.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            LogOrigin::Unspecified => "unspec",
            LogOrigin::SessionError => "sess_error",
            LogOrigin::SessionKilled => "sess_killed",
            LogOrigin::Accept => "txn_accept",
            LogOrigin::Request => "txn_request",
            LogOrigin::Connect => "txn_connect",
            LogOrigin::Response => "txn_response",
            LogOrigin::Close => "txn_close",
            LogOrigin::Rule(name) => name,
        }
    }
}

/// What a session counted and timed, mostly for its log line. Times not reached are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The cache that the response comes from, if it does.
    pub cache: Option<Arc<str>>,
    /// How the response is compressed, if it is.
    pub compression: Option<&'static str>,
    /// When the connection was accepted.
    pub accepted: Option<SystemTime>,
    /// When the first byte of the request arrived.
    pub request_started: Option<SystemTime>,
    /// `%Th`: handshakes below the session (PROXY, TLS), milliseconds.
    pub handshake_ms: Option<i64>,
    /// `%Ti`: idle time before the request, milliseconds.
    pub idle_ms: Option<i64>,
    /// `%TR`: time to receive the whole request headers, milliseconds.
    pub request_ms: Option<i64>,
    /// `%Tw`: time in queues, milliseconds.
    pub queue_ms: Option<i64>,
    /// `%Tc`: time to connect to the server, milliseconds.
    pub connect_ms: Option<i64>,
    /// `%Tr`: time from the connection to the response's headers, milliseconds.
    pub response_ms: Option<i64>,
    /// `%Td`: time to transfer the response, milliseconds.
    pub data_ms: Option<i64>,
    /// `%Ta`: active time of the request, milliseconds.
    pub active_ms: Option<i64>,
    /// `%Tt`: total time from accept to close, milliseconds.
    pub total_ms: Option<i64>,
    /// `%Tu`: total time as the user felt it, milliseconds.
    pub user_ms: Option<i64>,
    /// The status that the client got (or will get); for sessions that failed before a response, too.
    pub status: Option<u16>,
    /// The status that the server gave, whatever became of it.
    pub server_status: Option<u16>,
    /// `%U`: bytes that the client sent.
    pub bytes_uploaded: u64,
    /// `%B`: bytes that the client was sent.
    pub bytes_read: u64,
    /// Termination state: the two letters of `%ts`.
    pub termination: Option<[u8; 2]>,
    /// The third and fourth letters of `%tsc`: the persistence cookie's.
    pub cookie_state: Option<[u8; 2]>,
    /// `%ac`: connections of the process.
    pub process_connections: u32,
    /// `%fc`: connections of the frontend.
    pub frontend_connections: u32,
    /// `%bc`: connections of the backend.
    pub backend_connections: u32,
    /// `%sc`: connections of the server.
    pub server_connections: u32,
    /// `%rc`: retries.
    pub retries: u32,
    /// Whether the session was sent to another server than first chosen: `+` before `%rc`.
    pub redispatched: bool,
    /// `%sq`: requests before this one in the server's queue.
    pub server_queue: u32,
    /// `%bq`: requests before this one in the backend's queue.
    pub backend_queue: u32,
    /// `%lc`: the log counter of the frontend.
    pub log_counter: u32,
    /// `%rt`: the number of the request or connection in the process.
    pub request_counter: u64,
    /// Whether the client speaks TLS: `~` after the frontend's name in logs.
    pub tls: bool,
    /// Whether this is the first request of its connection.
    pub first_request: bool,
    /// The service that answers, or did, as logs name it.
    pub service: Option<Arc<str>>,
    /// The server connection was already used by an earlier request.
    pub server_connection_reused: bool,
    /// `%OG`: what made the log line.
    pub origin: LogOrigin,
    /// Whether the log line is written before the end: figures that still grow have a `+` before them.
    pub unfinished: bool,
}

impl Facts {
    /// Whether something went wrong, as `option dontlog-normal` has it: an error, a timeout, a retry, a redispatch or
    /// a status from 500 on.
    #[must_use]
    pub fn is_error(&self) -> bool {
        let ended_well = self
            .termination
            .is_none_or(|state| matches!(&state, b"--" | b"LR"));
        !ended_well
            || self.retries > 0
            || self.redispatched
            || self.status.is_some_and(|status| status >= 500)
    }
}

/// What is the same for every session of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// The machine's name.
    pub hostname: Data,
    /// The name that `node` gave, or the machine's.
    pub node: Data,
    /// The process id.
    pub pid: u32,
    /// When the process started.
    pub started: SystemTime,
    /// Number of threads.
    pub threads: u32,
    /// The environment, with what the configuration set in it.
    pub environment: BTreeMap<String, Data>,
}
