//! What the process is to the system: whose it is, what it sees and how much it may have.

use std::path::PathBuf;
use std::time::Duration;

use super::address::Owner;
use crate::source::Spanned;

/// What `global` says of the process itself.
#[derive(Debug)]
pub struct ProcessSettings {
    /// `user` or `uid`: whom the process runs as once everything is open.
    pub user: Option<Spanned<Owner>>,
    /// `group` or `gid`.
    pub group: Option<Spanned<Owner>>,
    /// `chroot`: the directory that the process is confined to.
    pub chroot: Option<Spanned<PathBuf>>,
    /// `ulimit-n`: open descriptors.
    pub descriptors: Option<Spanned<u64>>,
    /// `fd-hard-limit`: most open descriptors that are asked for.
    pub descriptors_max: Option<u64>,
    /// No `no strict-limits`: a limit that can't be had keeps the process from starting.
    pub strict_limits: bool,
    /// `grace`: how long a soft stop waits before it begins.
    pub grace: Duration,
    /// No `no-memory-trimming`: memory that nobody uses is given back to the system.
    pub trims_memory: bool,
    /// `unix-bind`.
    pub unix_bind: UnixBind,
    /// `master-worker`: a process that stays starts those that serve.
    pub master_worker: bool,
    /// `no-exit-on-failure`: it stays however often these end.
    pub master_stays: bool,
    /// `mworker-max-reloads`: how many reloads a process may live through that serves no more.
    pub reloads_max: u32,
    /// How often things may happen.
    pub paces: Paces,
    /// `maxsslconn`: most connections over TLS; `None` for no limit.
    pub tls_connections_max: Option<u32>,
    /// What passes from socket to socket within the system.
    pub splice: Splice,
    /// `close-spread-time`: over which time connections of HTTP end in a soft stop.
    pub close_spread: CloseSpread,
    /// `pp2-never-send-local`: checks tell servers of their own addresses.
    pub pp2_never_local: bool,
    /// `stats-file`: what an earlier process had counted.
    pub stats_file: Option<PathBuf>,
    /// `insecure-setuid-wanted`: programs that are started may become somebody else.
    pub keeps_setuid: bool,
    /// `default-path`: where relative paths begin.
    pub default_path: Option<Spanned<DefaultPath>>,
}

/// Where relative paths begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefaultPath {
    /// Where the program was started.
    Current,
    /// Beside the configuration.
    Config,
    /// In the directory above that of the configuration.
    Parent,
    /// Here.
    Origin(PathBuf),
}

/// When connections of HTTP that have nothing to do end in a soft stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseSpread {
    /// At once.
    AtOnce,
    /// All of them within this time.
    Over(Duration),
    /// By themselves.
    Never,
}

/// What passes from socket to socket within the system, by pipes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Splice {
    /// `nosplice`: nothing does.
    pub off: bool,
    /// `maxpipes`: the most pipes; a quarter of `maxconn` without it.
    pub pipes_max: Option<u32>,
    /// `tune.pipesize`: the bytes that a pipe holds, if that isn't left to the system.
    pub pipe_bytes: Option<u32>,
}

/// How often things may happen per second; 0 for no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Paces {
    /// `maxconnrate`.
    pub connections: u32,
    /// `maxsessrate`.
    pub sessions: u32,
    /// `maxsslrate`.
    pub tls: u32,
}

impl Default for ProcessSettings {
    fn default() -> Self {
        ProcessSettings {
            user: None,
            group: None,
            chroot: None,
            descriptors: None,
            descriptors_max: None,
            strict_limits: true,
            grace: Duration::ZERO,
            trims_memory: true,
            unix_bind: UnixBind::default(),
            master_worker: false,
            master_stays: false,
            reloads_max: 50,
            paces: Paces::default(),
            tls_connections_max: None,
            splice: Splice::default(),
            close_spread: CloseSpread::AtOnce,
            pp2_never_local: false,
            stats_file: None,
            keeps_setuid: false,
            default_path: None,
        }
    }
}

/// What Unix sockets of `bind` lines are without a word of their own.
#[derive(Debug, Clone, Default)]
pub struct UnixBind {
    /// `prefix`: what is put before their paths.
    pub prefix: Option<String>,
    /// `mode`: their permissions.
    pub mode: Option<u32>,
    /// `user` or `uid`: their owner.
    pub user: Option<Spanned<Owner>>,
    /// `group` or `gid`: their group.
    pub group: Option<Spanned<Owner>>,
}
