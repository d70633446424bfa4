//! What the configuration says about scripts: the `tune.lua.*` lines and their kin.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use mlua::StdLib;
use tidegate_exec::{Limits, VmOptions};
use tidegate_http1::HeadLimits;
use tidegate_proxy::log::Level;
use tidegate_sample::vars::ProcVars;
use tidegate_sample::{Lists, UserLists};

use crate::cert_cache::Cache;
use crate::names::Names;
use crate::plane::World;
use crate::shared::Dicts;
use crate::socket::Trust;

/// Where messages go that belong to no session (`core.log`, failures of tasks): the log targets of the
/// process. Says whether there was one that took it.
pub type LogSink = Arc<dyn Fn(Level, &str) -> bool + Send + Sync>;

/// The settings of all scripts of the process. The defaults are HAProxy's where it has such a setting.
#[derive(Clone)]
pub struct Settings {
    /// `tune.lua.forced-yield`: instructions between forced yields, counted exactly. Default: none, since the
    /// [slice](Self::slice) does the same by time and costs nothing.
    pub forced_yield: Option<NonZeroU32>,
    /// `tune.lua.slice`: the time after which a script lets others have their turn. Default: 1 ms.
    pub slice: Duration,
    /// `tune.lua.burst-timeout`: longest time without a yield. Default: 1 s.
    pub burst_timeout: Option<Duration>,
    /// `tune.lua.session-timeout`: Lua time of one action, fetch or converter. Default: 4 s.
    pub session_timeout: Option<Duration>,
    /// `tune.lua.task-timeout`: Lua time of one task. Default: none.
    pub task_timeout: Option<Duration>,
    /// `tune.lua.service-timeout`: Lua time of one run of a service. Default: 4 s.
    pub service_timeout: Option<Duration>,
    /// `tune.lua.wait-timeout`: longest single wait (sleep, socket, queue) of an action, fetch, converter or
    /// service. Default: none; a client that goes ends it.
    pub wait_timeout: Option<Duration>,
    /// `tune.lua.load-timeout`: Lua time of loading one file, and of one init function. Default: 30 s.
    pub load_timeout: Option<Duration>,
    /// `tune.lua.maxmem`: the heap's largest size in each state. Default: 256 MiB.
    pub memory_bytes_max: Option<usize>,
    /// `tune.lua.log.loggers`: whether scripts' messages go to the log targets. Default: yes.
    pub log_loggers: bool,
    /// `tune.lua.log.stderr`: whether they go to standard error. Default: when nothing else took them.
    pub log_stderr: LogStderr,
    /// `tune.lua.openlibs`: the standard libraries to open, see [`parse_openlibs`]. Default: all.
    pub libraries: StdLib,
    /// `tune.lua.bool-sample-conversion`. Default: as before HAProxy 3.1.
    pub bool_samples: BoolSamples,
    /// `insecure-fork-wanted`: whether scripts may start processes. Default: no.
    pub allow_fork: bool,
    /// Whether scripts may load precompiled chunks, which can crash the process. Default: no.
    pub allow_bytecode: bool,
    /// `lua-prepend-path … path`, in the order of the lines: the last is searched first.
    pub prepend_path: Vec<String>,
    /// `lua-prepend-path … cpath`, likewise.
    pub prepend_cpath: Vec<String>,
    /// The most tasks that live at once, those started by tasks included. Default: 10,000.
    pub tasks_max: usize,
    /// Where messages go that belong to no session.
    pub log: LogSink,
    /// What `os.getenv` knows: the environment as the configuration left it. Default: the process's own.
    pub environment: Option<Arc<HashMap<Vec<u8>, Vec<u8>>>>,
    /// The variables of the `proc` scope.
    pub proc_vars: Arc<ProcVars>,
    /// The lists of patterns and maps that the configuration names, for converters that scripts call.
    pub lists: Arc<Lists>,
    /// The `userlist` sections, for fetches that scripts call.
    pub userlists: Arc<UserLists>,
    /// `nbthread`, for `core.get_info`.
    pub threads: usize,
    /// Who resolves the names that sockets connect to.
    pub socket_names: Names,
    /// What requests that scripts send begin with.
    pub http_client: HttpClientSettings,
    /// The data plane, once it is known.
    pub world: World,
    /// The certificates, once they are known.
    pub certificates: Cache,
    /// The dictionaries of `core.shared`.
    pub shared: Dicts,
}

/// The `httpclient.…` lines.
#[derive(Clone, Debug)]
pub struct HttpClientSettings {
    /// `httpclient.resolvers.…`: who resolves names. Default: the system.
    pub names: Names,
    /// `httpclient.retries`: further attempts to connect. Default: 3.
    pub retries: u32,
    /// `httpclient.timeout.connect`: longest time of an attempt. Default: 5 s.
    pub connect_timeout: Duration,
    /// `httpclient.ssl.…`: whom requests trust that don't say it.
    pub trust: Trust,
    /// `tune.bufsize` and `tune.http.maxhdr`: what heads of responses may have. Default: 16 KiB and 100 fields.
    pub limits: HeadLimits,
}

impl Default for HttpClientSettings {
    fn default() -> HttpClientSettings {
        HttpClientSettings {
            names: Names::default(),
            retries: 3,
            connect_timeout: Duration::from_secs(5),
            trust: Trust::default(),
            limits: HeadLimits::of_bytes(16 << 10),
        }
    }
}

/// When scripts' messages go to standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStderr {
    /// Always.
    On,
    /// When no log target took the message.
    Auto,
    /// Never.
    Off,
}

/// How boolean samples look in Lua.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoolSamples {
    /// As booleans.
    Normal,
    /// As the integers 0 and 1.
    Pre31Bug,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            forced_yield: None,
            slice: Duration::from_millis(1),
            burst_timeout: Some(Duration::from_secs(1)),
            session_timeout: Some(Duration::from_secs(4)),
            task_timeout: None,
            service_timeout: Some(Duration::from_secs(4)),
            wait_timeout: None,
            load_timeout: Some(Duration::from_secs(30)),
            memory_bytes_max: Some(256 << 20),
            log_loggers: true,
            log_stderr: LogStderr::Auto,
            libraries: StdLib::ALL,
            bool_samples: BoolSamples::Pre31Bug,
            allow_fork: false,
            allow_bytecode: false,
            prepend_path: Vec::new(),
            prepend_cpath: Vec::new(),
            tasks_max: 10_000,
            log: Arc::new(|_, _| false),
            environment: None,
            proc_vars: Arc::default(),
            lists: Arc::default(),
            userlists: Arc::default(),
            threads: 1,
            socket_names: Names::default(),
            http_client: HttpClientSettings::default(),
            world: World::default(),
            certificates: Cache::default(),
            shared: Dicts::default(),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").finish_non_exhaustive()
    }
}

impl Settings {
    pub(crate) fn session_limits(&self) -> Limits {
        self.limits(self.session_timeout)
    }

    pub(crate) fn service_limits(&self) -> Limits {
        self.limits(self.service_timeout)
    }

    pub(crate) fn task_limits(&self) -> Limits {
        self.limits(self.task_timeout)
    }

    /// Nothing else can be served while scripts are loaded, so there is nothing to yield for.
    pub(crate) fn load_limits(&self) -> Limits {
        Limits {
            total: self.load_timeout,
            burst: self.load_timeout,
            ..Limits::NONE
        }
    }

    fn limits(&self, total: Option<Duration>) -> Limits {
        Limits {
            slice: Some(self.slice),
            forced_yield: self.forced_yield,
            burst: self.burst_timeout,
            total,
        }
    }

    pub(crate) fn vm_options(&self) -> VmOptions {
        let settings = self.clone();
        VmOptions {
            memory_bytes_max: self.memory_bytes_max,
            libraries: self.libraries,
            allow_fork: self.allow_fork,
            allow_bytecode: self.allow_bytecode,
            on_warning: Arc::new(move |text| {
                settings.message(Level::Warning, &format!("Lua warning: {text}"))
            }),
            ..VmOptions::default()
        }
    }

    /// Sends a message that belongs to no session to where the settings say.
    pub(crate) fn message(&self, level: Level, text: &str) {
        let taken = self.log_loggers && (self.log)(level, text);
        self.to_stderr(level, text, taken);
    }

    /// The part of a message's way that leads to standard error.
    pub(crate) fn to_stderr(&self, level: Level, text: &str, taken: bool) {
        let wanted = match self.log_stderr {
            LogStderr::On => true,
            LogStderr::Auto => !taken,
            LogStderr::Off => false,
        };
        if wanted {
            eprintln!("[{}] {}", level.name(), tidegate_proxy::log::harmless(text));
        }
    }
}

/// Reads the value of `tune.lua.openlibs`: `all`, `none`, or libraries separated by commas. The basic
/// functions and `coroutine` are always there.
///
/// # Errors
/// The word that is no library's name.
pub fn parse_openlibs(words: &str) -> Result<StdLib, String> {
    let mut libraries = StdLib::COROUTINE;
    for word in words.split(',') {
        libraries |= match word {
            "all" => StdLib::ALL,
            "none" | "base" | "coroutine" => StdLib::COROUTINE,
            "table" => StdLib::TABLE,
            "io" => StdLib::IO,
            "os" => StdLib::OS,
            "string" => StdLib::STRING,
            "utf8" => StdLib::UTF8,
            "math" => StdLib::MATH,
            "package" => StdLib::PACKAGE,
            "debug" => StdLib::DEBUG,
            unknown => return Err(unknown.to_owned()),
        };
    }
    Ok(libraries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openlibs_takes_names_and_says_which_is_none() {
        let some = parse_openlibs("string,math").unwrap();
        assert!(some.contains(StdLib::STRING) && some.contains(StdLib::MATH) && !some.contains(StdLib::OS));
        assert!(!parse_openlibs("none").unwrap().contains(StdLib::STRING));
        assert!(parse_openlibs("all").unwrap().contains(StdLib::DEBUG));
        assert_eq!(parse_openlibs("string,zz").unwrap_err(), "zz");
    }
}
