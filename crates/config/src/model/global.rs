//! What concerns the whole process.

use std::path::PathBuf;
use std::time::Duration;

use tidegate_sample::stick::Verdicts;
use tidegate_sample::vars::{VarLimits, VarName};

use super::check::ExternalCheck;
use super::http_client::HttpClientSettings;
use super::http2::Http2Settings;
use super::log::{LogHost, LogTarget};
use super::process::ProcessSettings;
use super::resolvers::Families;
use super::runtime::RuntimeSettings;
use super::sampled::{Expr, LogFormat};
use super::tls_global::TlsGlobal;
use crate::source::{Span, Spanned};

/// The `global` sections, put together.
#[derive(Debug, Default)]
pub struct Global {
    /// `nbthread`: number of worker threads; the machine decides when absent.
    pub threads: Option<u16>,
    /// `dns-accept-family`.
    pub families: Families,
    /// `thread-hard-limit`: the most worker threads.
    pub threads_max: Option<u16>,
    /// `harden.reject-privileged-ports.tcp`: nobody is served who comes from a port below 1024.
    pub reject_privileged_ports: bool,
    /// `maxconn`: most connections of the whole process.
    pub connections_max: Option<u32>,
    /// `log` lines.
    pub logs: Vec<LogTarget>,
    /// `log-tag`: the program's name in log lines.
    pub log_tag: Option<String>,
    /// `log-send-hostname`: the host's name in log lines.
    pub log_host: Option<LogHost>,
    /// Everything about scripts.
    pub lua: LuaSettings,
    /// What requests that scripts send begin with.
    pub http_client: HttpClientSettings,
    /// The `tune.` settings that aren't about scripts.
    pub tune: TuneSettings,
    /// `set-var` and `set-var-fmt` of process-wide variables, in order.
    pub variables: Vec<ProcVar>,
    /// Everything about TLS.
    pub tls: TlsGlobal,
    /// `daemon`: go to the background.
    pub daemon: bool,
    /// `quiet`: say nothing at start.
    pub quiet: bool,
    /// `zero-warning`: refuse to start when there is a warning.
    pub zero_warning: bool,
    /// `pidfile`: where the process number is written.
    pub pid_file: Option<PathBuf>,
    /// Whose the process is, what it sees and how much it may have.
    pub process: ProcessSettings,
    /// `hard-stop-after`: how long a soft stop may take.
    pub hard_stop_after: Option<Duration>,
    /// `insecure-fork-wanted`: scripts and health checks may start programs.
    pub insecure_fork_wanted: bool,
    /// `server-state-base`
    pub saved_base: Option<PathBuf>,
    /// `server-state-file`
    pub saved_file: Option<PathBuf>,
    /// `external-check`: programs may check servers.
    pub external_check: Option<ExternalCheck>,
    /// `node`: the name of this machine.
    pub node: Option<String>,
    /// `description`: words for people.
    pub description: Option<String>,
    /// The `stats` lines.
    pub runtime: RuntimeSettings,
    /// `http-err-codes` and `http-fail-codes`.
    pub verdicts: Verdicts,
    /// `spread-checks`: percent.
    pub check_spread_percent: u32,
    /// `max-spread-checks`
    pub check_spread_max: Option<std::time::Duration>,
}

impl Global {
    /// What matters for lines that are read while the process runs.
    pub(crate) fn for_later(&self) -> Global {
        Global {
            logs: self.logs.clone(),
            tune: self.tune.clone(),
            ..Global::default()
        }
    }
}

/// How much the system holds for a connection. None: it decides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SocketBuffers {
    /// Bytes that came and weren't read yet.
    pub received: Option<u32>,
    /// Bytes that are on their way, or wait for that.
    pub sent: Option<u32>,
    /// Bytes that weren't sent yet, beyond which nothing more is taken.
    pub unsent: Option<u32>,
}

/// The `tune.` settings that aren't about scripts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TuneSettings {
    /// `tune.bufsize`: bytes of a buffer; a request's or response's header section must fit.
    pub buffer_bytes: u32,
    /// `tune.bufsize.large`: bytes of what `use-large-buffer` asks for.
    pub large_buffer_bytes: Option<u32>,
    /// `tune.peers.max-updates-at-once`.
    pub peer_updates_max: u32,
    /// `tune.http.maxhdr`: most lines of a head of HTTP/1, the first one with its fields.
    pub lines_max: Option<u16>,
    /// `h1-accept-payload-with-any-method`: GET, HEAD and DELETE of HTTP/1.0 may have a body.
    pub accept_any_payload: bool,
    /// `h1-case-adjust`: names of fields as they are to be written where a proxy asks for that.
    pub header_case: Vec<String>,
    /// `h1-case-adjust-file`: more of them.
    pub header_case_file: Vec<String>,
    /// `h1-do-not-close-on-insecure-transfer-encoding`: connections go on after a message with a length beside chunks.
    pub keep_insecure: bool,
    /// `tune.comp.maxlevel`: from 1, the fastest, to 9.
    pub compression_level: u32,
    /// `tune.h2.…`.
    pub h2: Http2Settings,
    /// `tune.vars.*`: how much memory variables may take.
    pub vars: VarLimits,
    /// `tune.stick-counters`: how many entries of tables a session can track at a time.
    pub stick_counters: u32,
    /// `tune.pool-low-fd-ratio`: the part of the descriptors, in percent, above which no idle connections are kept.
    pub pool_low_percent: u32,
    /// `tune.pool-high-fd-ratio`: the part above which an idle one is closed for each that is opened.
    pub pool_high_percent: u32,
    /// `tune.rcvbuf.client`, `tune.sndbuf.client`, `tune.notsent-lowat.client`.
    pub client_sockets: SocketBuffers,
    /// `tune.rcvbuf.server`, `tune.sndbuf.server`, `tune.notsent-lowat.server`.
    pub server_sockets: SocketBuffers,
    /// `tune.rcvbuf.frontend`: the same for what datagrams come to.
    pub datagram_bytes: Option<u32>,
    /// `tune.sndbuf.backend`: the same for what log lines leave by as datagrams.
    pub log_buffer_bytes: Option<u32>,
    /// `maxcomprate`: kilobytes a second; 0 for no limit.
    pub compression_rate: u32,
    /// `maxcompcpuusage`: percent.
    pub compression_busy_max: Option<u32>,
    /// `tune.http.cookielen`: longest captured cookie.
    pub cookie_bytes: u32,
    /// `tune.http.logurilen`: what log lines tell of a request's line, and one byte more.
    pub log_uri_bytes: u32,
}

impl Default for TuneSettings {
    fn default() -> TuneSettings {
        TuneSettings {
            buffer_bytes: 16_384,
            large_buffer_bytes: None,
            peer_updates_max: 200,
            lines_max: None,
            accept_any_payload: false,
            header_case: Vec::new(),
            header_case_file: Vec::new(),
            keep_insecure: false,
            compression_level: 1,
            h2: Http2Settings::default(),
            vars: VarLimits::default(),
            stick_counters: 3,
            pool_low_percent: 20,
            pool_high_percent: 25,
            client_sockets: SocketBuffers::default(),
            server_sockets: SocketBuffers::default(),
            datagram_bytes: None,
            log_buffer_bytes: None,
            compression_rate: 0,
            compression_busy_max: None,
            cookie_bytes: 63,
            log_uri_bytes: 1024,
        }
    }
}

/// A process-wide variable that is set at start.
#[derive(Debug)]
pub struct ProcVar {
    /// The variable.
    pub name: VarName,
    /// Where its name is written.
    pub span: Span,
    /// What it is set to.
    pub value: ProcVarValue,
}

/// What a process-wide variable is set to.
#[derive(Debug)]
pub enum ProcVarValue {
    /// `set-var`.
    Expr(Expr),
    /// `set-var-fmt`.
    Format(LogFormat),
}

/// Everything about scripts.
#[derive(Debug, Clone, PartialEq)]
pub struct LuaSettings {
    /// Scripts and search paths in their order: a path counts for the scripts that are loaded after it.
    pub steps: Vec<LuaStep>,
    /// `tune.lua.maxmem`: bytes that scripts may hold; 0 for no limit. `None` leaves the choice to the program.
    pub memory_bytes_max: Option<u64>,
    /// `tune.lua.forced-yield`: exact count of instructions between forced yields, when asked for.
    pub forced_yield: Option<u32>,
    /// `tune.lua.slice` (ours): time between forced yields when no count is asked for.
    pub slice: Option<Duration>,
    /// `tune.lua.burst-timeout`: longest time without yielding; zero for no limit.
    pub burst_timeout: Duration,
    /// `tune.lua.session-timeout`: longest Lua time of an action; zero for no limit.
    pub session_timeout: Duration,
    /// `tune.lua.service-timeout`: longest Lua time of a service; zero for no limit.
    pub service_timeout: Duration,
    /// `tune.lua.task-timeout`: longest Lua time of a task; `None` for no limit.
    pub task_timeout: Option<Duration>,
    /// `tune.lua.wait-timeout` (ours): longest time that an action or service may wait; `None` leaves it to the
    /// script, and to a client that goes.
    pub wait_timeout: Option<Duration>,
    /// `tune.lua.load-timeout` (ours): longest Lua time of loading one script, and of one init function; zero for no
    /// limit.
    pub load_timeout: Duration,
    /// `tune.lua.action-failure` (ours): what follows a failed action.
    pub action_failure: ActionFailure,
    /// `tune.lua.bool-sample-conversion`: booleans reach scripts as booleans (`normal`) rather than as 0 and 1
    /// (`pre-3.1-bug`). `None` when the configuration doesn't say.
    pub bool_samples_as_booleans: Option<bool>,
    /// `tune.lua.log.loggers`: messages of scripts go to the loggers.
    pub log_to_loggers: bool,
    /// `tune.lua.log.stderr`: when messages of scripts go to standard error.
    pub log_to_stderr: LuaStderr,
    /// `tune.lua.openlibs`: the standard libraries that scripts get.
    pub libraries: LuaLibraries,
}

impl Default for LuaSettings {
    fn default() -> LuaSettings {
        LuaSettings {
            steps: Vec::new(),
            memory_bytes_max: None,
            forced_yield: None,
            slice: None,
            burst_timeout: Duration::from_secs(1),
            session_timeout: Duration::from_secs(4),
            service_timeout: Duration::from_secs(4),
            task_timeout: None,
            wait_timeout: None,
            load_timeout: Duration::from_secs(30),
            action_failure: ActionFailure::Continue,
            bool_samples_as_booleans: None,
            log_to_loggers: true,
            log_to_stderr: LuaStderr::Auto,
            libraries: LuaLibraries::default(),
        }
    }
}

/// When messages of scripts go to standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LuaStderr {
    /// Always.
    On,
    /// When there is no logger for them.
    Auto,
    /// Never.
    Off,
}

/// One line that prepares or loads scripts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LuaStep {
    /// `lua-prepend-path`.
    PrependPath(LuaPrependPath),
    /// `lua-load` or `lua-load-per-thread`.
    Load(LuaLoad),
}

/// `lua-prepend-path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LuaPrependPath {
    /// The search pattern.
    pub path: Spanned<String>,
    /// Which of Lua's search paths it goes to.
    pub kind: LuaPathKind,
}

/// Lua's search paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LuaPathKind {
    /// `package.path`: modules in Lua.
    Path,
    /// `package.cpath`: modules in C.
    Cpath,
}

/// A script that is loaded at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LuaLoad {
    /// Which states load it.
    pub scope: LuaScope,
    /// The file.
    pub path: Spanned<PathBuf>,
    /// What the script sees as `...`.
    pub arguments: Vec<String>,
    /// What it may use, where that differs from `tune.lua.*`.
    pub limits: LuaLimits,
}

/// What follows `limits` on a line that loads a script.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LuaLimits {
    /// `slice`: the time after which it lets others have their turn.
    pub slice: Option<Duration>,
    /// `burst`: the longest Lua time without yielding; zero for no limit.
    pub burst: Option<Duration>,
    /// `total`: the longest Lua time of one of its functions; zero for no limit.
    pub total: Option<Duration>,
    /// `memory`: the most bytes in the state that it is loaded into; zero for no limit.
    pub memory_bytes_max: Option<u64>,
}

/// Which states load a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LuaScope {
    /// `lua-load`: one state that all threads share.
    Shared,
    /// `lua-load-per-thread`: every thread's own state.
    PerThread,
}

/// What follows a failed action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ActionFailure {
    /// The next rule, as in HAProxy.
    #[default]
    Continue,
    /// The request or connection is refused.
    Deny,
}

impl ActionFailure {
    /// The names in configurations.
    pub(crate) const NAMES: [(&'static str, ActionFailure); 2] = [
        ("continue", ActionFailure::Continue),
        ("deny", ActionFailure::Deny),
    ];
}

/// The standard libraries that scripts get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LuaLibraries {
    names: Vec<&'static str>,
}

impl LuaLibraries {
    /// All names, in the manual's order. `base` is always there.
    pub const ALL: [&'static str; 8] = [
        "string",
        "table",
        "math",
        "utf8",
        "coroutine",
        "io",
        "os",
        "debug",
    ];

    /// Exactly these.
    pub(crate) fn of(names: Vec<&'static str>) -> LuaLibraries {
        LuaLibraries { names }
    }

    /// Whether a library is wanted.
    pub fn has(&self, name: &str) -> bool {
        self.names.contains(&name)
    }

    /// The names of those that are wanted.
    pub fn iter(&self) -> impl Iterator<Item = &'static str> {
        self.names.iter().copied()
    }
}

impl Default for LuaLibraries {
    fn default() -> LuaLibraries {
        LuaLibraries {
            names: LuaLibraries::ALL.to_vec(),
        }
    }
}
