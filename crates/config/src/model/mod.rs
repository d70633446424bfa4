//! The typed model: what a valid configuration says, as plain data.
//!
//! A model that exists is valid. Names of backends are resolved, numbers are in range, expressions are parsed;
//! what is left to others is what they alone can know: whether a script registered a name, whether an address
//! can be bound.

mod address;
mod balance;
mod cache;
mod capture;
mod check;
mod cookie;
mod global;
mod http;
mod http2;
mod http_client;
mod log;
mod mailers;
mod outgoing;
mod peers;
mod process;
mod proxy;
mod resolvers;
mod rule;
mod runtime;
mod sampled;
mod server;
mod stats;
mod tls;
mod tls_global;
mod upstream;

pub use address::{Bind, BindAddress, BindOptions, HttpProto, Owner, PortRange, ThreadSet};
pub use balance::{Affinity, Balance, HashBy, HashFunction, HashKey, HashType, UriPart};
pub use cache::{
    Bandwidth, BandwidthSharing, Cache, EarlyHints, Filter, FilterKind, FilterSequences, LuaFilter,
};
pub use capture::{CaptureSettings, CaptureSlot, CookieCapture};
pub use check::{
    Agent, CheckAction, CheckCommand, CheckConnect, CheckExpect, CheckKind, CheckMatch, CheckPattern,
    CheckPort, CheckProgram, CheckRequest, CheckStep, CheckText, ExternalCheck, InitialState, Observe,
    OnError, ServerCheck,
};
pub use cookie::{Cookie, CookieMode, Persistence, ServerTarget, UseServer};
pub use global::{
    ActionFailure, Global, LuaLibraries, LuaLimits, LuaLoad, LuaPathKind, LuaPrependPath, LuaScope,
    LuaSettings, LuaStderr, LuaStep, ProcVar, ProcVarValue, SocketBuffers, TuneSettings,
};
pub use http::{
    ErrorPage, FilePage, FileResponse, HttpReply, RedirectCookie, RedirectKind, RedirectRule, ReplyBody,
    ReplyContent, ReplyHeader,
};
pub use http_client::HttpClientSettings;
pub use http2::{Http2Settings, Http2Side};
pub use log::{
    ForwardHost, LogFacility, LogFormatKind, LogForward, LogHost, LogLevel, LogProfile, LogProfileStep,
    LogSample, LogSink, LogStep, LogTarget, Ring,
};
pub use mailers::{EmailAlert, Mailers};
pub use outgoing::{Outgoing, PresentedAs, ProxyOptions, SendProxy, SourceAddress};
pub use peers::{Peer, Peers};
pub use process::{CloseSpread, DefaultPath, Paces, ProcessSettings, UnixBind};
pub use proxy::{
    BackendTarget, Closing, Compression, CompressionAlgorithm, ConnectionMode, ForwardFor, Forwarded,
    ForwardedPart, HeaderNames, HttpReuse, HttpWire, LogSettings, Mode, Proxy, ProxyId, ProxyKind,
    RetryCount, TcpProbes, Timeouts, UseBackend,
};
pub use resolvers::{Families, InitialAddress, NameServer, Naming, Resolvers};
pub use rule::{
    Action, HeaderMatch, ListChange, LuaCall, NameMatch, Normalizer, Rule, RuleSet, TargetEdit, TargetPart,
    TimeoutName, Tuning,
};
pub use runtime::{AccessLevel, RuntimeSettings, SeverityOutput};
pub use sampled::{Amount, Condition, Expr, LogFormat};
pub use server::{Server, ServerAddress, ServerEvents, ServerLines, ServerPort, WebSockets};
pub use stats::{StatsAccess, StatsSettings, StatsVerdict};
pub use tls::{
    BindCertificate, BindTls, CertificateFiles, CertificateLine, CertificateList, CertificateLoad,
    TlsSettings, TlsVerify, TlsVersion,
};
pub use tls_global::{TlsExtraFiles, TlsGlobal};
pub use upstream::{RetryOn, SavedStates, Upstream};

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use tidegate_sample::stick::Tables;
use tidegate_sample::{Lists, UserLists};

use crate::text::Environment;

/// A whole configuration.
#[derive(Debug)]
pub struct Config {
    /// The `global` sections, put together.
    pub global: Global,
    /// The proxies in the order of the files.
    pub proxies: Vec<Proxy>,
    /// The names of `defaults` sections, of those that have one.
    pub defaults: Vec<String>,
    /// The `peers` sections.
    pub peers: Vec<Peers>,
    /// The name of this process among its peers.
    pub local_peer: String,
    /// The `mailers` sections, by their names.
    pub mailers: BTreeMap<String, Mailers>,
    /// The `ring` sections.
    pub rings: Vec<Ring>,
    /// The `log-forward` sections.
    pub log_forwards: Vec<LogForward>,
    /// The `log-profile` sections.
    pub log_profiles: Vec<LogProfile>,
    /// The environment after all `setenv`, `presetenv`, `unsetenv` and `resetenv` lines.
    pub environment: Environment,
    /// The lists of patterns and maps that it names.
    pub lists: Arc<Lists>,
    /// The `userlist` sections.
    pub userlists: UserLists,
    /// The `healthcheck` sections, by their names.
    pub checks: BTreeMap<String, CheckProgram>,
    /// The stick tables.
    pub tables: Arc<Tables>,
    /// The `resolvers` sections, by their names.
    pub resolvers: BTreeMap<String, Resolvers>,
    /// The `cache` sections, by their names.
    pub caches: BTreeMap<String, Cache>,
    /// What the `crt-store` sections load.
    pub certificates: Vec<CertificateLoad>,
    /// The files of certificates that expressions verify tokens with, and no section loads.
    pub token_certificates: BTreeSet<String>,
    /// The variables of the process that it names: those exist before they have a value.
    pub process_variables: HashSet<tidegate_sample::vars::VarName>,
    /// The `crt-list` files that `bind` lines name, by their paths.
    pub certificate_lists: BTreeMap<String, CertificateList>,
    /// What is kept to read more while the process runs.
    pub later: Arc<crate::Later>,
}

impl Config {
    /// A proxy by its number.
    pub fn proxy(&self, id: ProxyId) -> Option<&Proxy> {
        self.proxies.get(id.index())
    }
}
