//! What to run: the proxies, listeners, servers, rules and limits that [`start`](crate::start) turns into a running data
//! plane.
//!
//! This is this crate's own input. Whoever reads a configuration builds it; everything that could be wrong was reported
//! by then, so all numbers that refer to something ([`BackendId`], extension ids) are in range. A spec is plain data,
//! shared by all workers.
//!
//! ```
//! use tidegate_proxy::spec::*;
//! use tidegate_proxy::Mode;
//!
//! let mut frontend = FrontendSpec::new("web", Mode::Http);
//! frontend.listeners.push(ListenerSpec::tcp("bind :8080", "127.0.0.1:8080".parse().unwrap()));
//! frontend.default_backend = Some(0);
//! let mut backend = BackendSpec::new("app", Mode::Http);
//! backend.servers.push(ServerSpec::tcp("s1", "127.0.0.1:9000".parse().unwrap()));
//! let spec = ProxySpec { frontends: vec![frontend], backends: vec![backend], ..ProxySpec::default() };
//! # let _ = spec;
//! ```

mod backend;
mod balance;
mod closing;
mod forwarded;
mod frontend;
mod global;
mod http1;
mod http2;
mod keepalive;
mod listener;
mod mails;
mod page;
mod persistence;
mod retry;
mod server;
mod source;
mod timeouts;

use std::sync::Arc;

pub use self::backend::{BackendSpec, HttpReuse};
pub use self::balance::{Affinity, Balance, HashBy, HashFunction, HashKey, HashMethod, HashType, UriPart};
pub use self::closing::Closing;
pub use self::forwarded::{ForwardFor, Forwarded, ForwardedPart};
pub use self::frontend::{FrontendSpec, Monitor};
pub use self::global::{CloseSpread, GlobalSpec, PaceSpec, SpliceSpec};
pub use self::http1::{HeaderNames, Http1Spec, HttpClose};
pub use self::http2::Http2Tuning;
pub use self::keepalive::KeepAlive;
pub use self::listener::{ListenAddress, ListenProto, ListenerSpec, SocketOptions};
pub use self::mails::MailSpec;
pub use self::page::PageSpec;
pub use self::persistence::{CookieMode, CookieSpec, DynamicCookies, Persistence, UseServer};
pub use self::retry::RetryOn;
pub use self::server::{ProxyHeaderSpec, SavedServer, ServerAddress, ServerProto, ServerSpec, ServerTls};
pub use self::source::{PresentedAs, SourceSpec};
pub use self::timeouts::Timeouts;
pub use crate::cache::{Cache, CacheSpec, EarlyHints, Shown};
pub use crate::capture::{CaptureSlot, CaptureSpec, CookieCapture};
pub use crate::filter::{
    Algorithm, BandwidthLimit, BandwidthSpec, CompressionLimit, CompressionSpec, FilterOrder, FilterSpec,
    Sharing,
};
pub use crate::http1::HeaderCase;
use crate::log::Ring;
pub use crate::rules::{
    BackendChoice, Condition, ErrorPage, ErrorPages, FilePage, HeaderEdit, HeaderMatch, ListChange,
    NameMatch, Normalizer, OnFailure, Redirect, RedirectTo, ReplyContent, ReplySpec, Rule, RuleAction,
    RuleSet, TargetEdit, TargetPart, Text, TimeoutKind, Tuning, UseBackend,
};
pub use crate::socket_buffers::SocketBuffers;

/// A backend's place in [`ProxySpec::backends`].
pub type BackendId = usize;

/// Everything that is to run.
#[derive(Default)]
pub struct ProxySpec {
    /// What holds for the whole process.
    pub global: GlobalSpec,
    /// The frontends, `listen` sections included.
    pub frontends: Vec<FrontendSpec>,
    /// The backends, `listen` sections included.
    pub backends: Vec<BackendSpec>,
    /// The rings of log lines.
    pub rings: Vec<Arc<Ring>>,
    /// The relays of others' log lines.
    pub log_forwards: Vec<crate::log_forward::LogForwardSpec>,
    /// Those that tables are shared with.
    pub peers: Vec<crate::peers::PeersSpec>,
}
