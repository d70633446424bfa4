//! The `global` section.

use std::sync::Arc;
use std::time::Duration;

use tidegate_sample::Process;
use tidegate_sample::stick::Tables;
use tidegate_sample::vars::ProcVars;

use super::{CompressionLimit, Http2Tuning};
use crate::cache::Cache;
use crate::http1::HeaderCase;
use crate::log::LogTarget;
use crate::resolve::spec::ResolversSpec;
use crate::rules::OnFailure;

/// What holds for the whole process.
pub struct GlobalSpec {
    /// The `resolvers` sections.
    pub resolvers: Vec<Arc<ResolversSpec>>,
    /// `nbthread`: the number of workers, at least 1.
    pub threads: usize,
    /// `maxconn`: client connections of the process, all workers together. No more are accepted while there are as many.
    pub maxconn: usize,
    /// `harden.reject-privileged-ports.tcp`: nobody is served who comes from a port below 1024.
    pub reject_privileged_ports: bool,
    /// `tune.bufsize`: room for a request's head, and what content rules can look at, in bytes (at least 8192).
    pub buffer_bytes: usize,
    /// `tune.ssl.capture-buffer-size`: bytes that are kept of what clients say first when they speak TLS.
    pub tls_capture_bytes: usize,
    /// `tune.lua.action-failure`: what becomes of a request whose action broke, where the rule has no `on-error`.
    pub action_failure: OnFailure,
    /// `tune.http.maxhdr`: the most lines that a head may have, the first one with its fields; 101 if it isn't set.
    pub lines_max: Option<usize>,
    /// `h1-accept-payload-with-any-method`: GET, HEAD and DELETE of HTTP/1.0 may have a body.
    pub accept_any_payload: bool,
    /// `h1-case-adjust`: names of fields as they are written where a proxy asks for that.
    pub header_case: HeaderCase,
    /// `h1-do-not-close-on-insecure-transfer-encoding`: connections go on after a message with a length beside chunks.
    pub keep_insecure: bool,
    /// `tune.h2.…`.
    pub h2: Http2Tuning,
    /// Most descriptors that the process may have.
    pub descriptors_max: usize,
    /// `tune.pool-low-fd-ratio`: no idle connections are kept where more than this part of them is in use, in percent.
    pub pool_low_percent: u32,
    /// `tune.pool-high-fd-ratio`: an idle connection is closed for each that is opened, above this part.
    pub pool_high_percent: u32,
    /// The process as fetches and log lines see it.
    pub process: Option<Arc<Process>>,
    /// The variables of the `proc` scope.
    pub proc_vars: Arc<ProcVars>,
    /// The stick tables.
    pub tables: Arc<Tables>,
    /// `tune.peers.max-updates-at-once`.
    pub peer_updates_max: usize,
    /// The caches.
    pub caches: Vec<Arc<Cache>>,
    /// How often things may happen.
    pub paces: PaceSpec,
    /// `maxsslconn`: most connections over TLS, on both sides together.
    pub tls_connections_max: Option<usize>,
    /// `spread-checks`: by how many percent the time between checks varies at random.
    pub check_spread_percent: u32,
    /// `max-spread-checks`: most time over which the first checks are spread.
    pub check_spread_max: Option<Duration>,
    /// What passes from socket to socket within the system.
    pub splice: SpliceSpec,
    /// `close-spread-time`: when connections of HTTP end in a soft stop.
    pub close_spread: CloseSpread,
    /// `tune.sndbuf.backend`: what the system holds of log lines that leave as datagrams.
    pub log_buffer_bytes: Option<usize>,
    /// `pp2-never-send-local`: checks tell servers of their own addresses.
    pub pp2_never_local: bool,
    /// `stats calculate-max-counters off`: nobody is told what was most.
    pub hides_most: bool,
    /// `maxcomprate`, `maxcompcpuusage`.
    pub compression_limit: Arc<CompressionLimit>,
    /// The `log` lines for what belongs to no proxy.
    pub logs: Vec<LogTarget>,
    /// `log-tag`.
    pub log_tag: Option<String>,
    /// `log-send-hostname`: the host's name in headers that have one.
    pub log_host: Option<String>,
}

impl Default for GlobalSpec {
    fn default() -> Self {
        GlobalSpec {
            resolvers: Vec::new(),
            threads: 1,
            maxconn: 10_000,
            reject_privileged_ports: false,
            buffer_bytes: 16_384,
            tls_capture_bytes: 0,
            action_failure: OnFailure::Continue,
            lines_max: None,
            accept_any_payload: false,
            header_case: HeaderCase::default(),
            keep_insecure: false,
            h2: Http2Tuning::default(),
            descriptors_max: usize::MAX,
            pool_low_percent: 20,
            pool_high_percent: 25,
            process: None,
            proc_vars: Arc::default(),
            tables: Arc::default(),
            peer_updates_max: 200,
            paces: PaceSpec::default(),
            tls_connections_max: None,
            caches: Vec::new(),
            check_spread_percent: 0,
            check_spread_max: None,
            splice: SpliceSpec::default(),
            close_spread: CloseSpread::AtOnce,
            log_buffer_bytes: None,
            pp2_never_local: false,
            hides_most: false,
            compression_limit: Arc::default(),
            logs: Vec::new(),
            log_tag: None,
            log_host: None,
        }
    }
}

/// When connections of HTTP that have nothing to do, or a response to give, end in a soft stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseSpread {
    /// Now.
    AtOnce,
    /// All of them within this time, one after the other.
    Over(Duration),
    /// By themselves.
    Never,
}

/// What passes from socket to socket within the system, by pipes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpliceSpec {
    /// `maxpipes`: the most pipes of the process; 0 copies everything (`nosplice`).
    pub pipes_max: usize,
    /// `tune.pipesize`: what a pipe holds, if that isn't left to the system.
    pub pipe_bytes: Option<usize>,
}

/// How often things may happen per second, in the whole process; 0 for no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PaceSpec {
    /// `maxconnrate`: connections of clients.
    pub connections: u32,
    /// `maxsessrate`: those that are let in.
    pub sessions: u32,
    /// `maxsslrate`: connections of clients over TLS.
    pub tls: u32,
}
