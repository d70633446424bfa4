//! Persistence: which server a request belongs to.

use std::time::Duration;

use super::sampled::{Condition, Expr, LogFormat};
use crate::source::Spanned;

/// `cookie` of a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    /// The cookie's name.
    pub name: String,
    /// Who sets it, and how.
    pub mode: CookieMode,
    /// `indirect`: neither the server nor a client that has it sees it.
    pub indirect: bool,
    /// `nocache`: a response that sets it isn't kept by caches.
    pub nocache: bool,
    /// `postonly`: only responses to POST set it.
    pub postonly: bool,
    /// `preserve`: what the server sets itself is left alone.
    pub preserve: bool,
    /// `dynamic`: servers without a value of their own have one made of their addresses.
    pub dynamic: bool,
    /// What follows the value when it is set: `; HttpOnly` and the like.
    pub attributes: String,
    /// `maxidle`: how long it may go unused.
    pub idle_max: Option<Duration>,
    /// `maxlife`: how long it may be used.
    pub life_max: Option<Duration>,
}

/// Who sets the cookie, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CookieMode {
    /// The server does.
    #[default]
    Passive,
    /// `rewrite`: the server does, and its value is replaced.
    Rewrite,
    /// `insert`: it is added to responses.
    Insert,
    /// `prefix`: the server's own cookie is completed.
    Prefix,
}

/// A `use-server` line.
#[derive(Debug)]
pub struct UseServer {
    /// Which server.
    pub target: ServerTarget,
    /// When.
    pub condition: Condition,
}

/// Which server.
#[derive(Debug)]
pub enum ServerTarget {
    /// The one of this name.
    Name(Spanned<String>),
    /// The one of the name that this gives.
    Format(LogFormat),
}

/// Everything about persistence.
#[derive(Debug, Default)]
pub struct Persistence {
    /// `cookie`.
    pub cookie: Option<Cookie>,
    /// `option persist`: servers are used by their cookies also when they are down.
    pub persist: bool,
    /// `force-persist` lines: when they are, for some requests.
    pub force: Vec<Condition>,
    /// `ignore-persist` lines: when cookies don't count.
    pub ignore: Vec<Condition>,
    /// `persist rdp-cookie`: the cookie that names a server's address.
    pub rdp_cookie: Option<Expr>,
    /// `use-server` lines in order.
    pub use_servers: Vec<UseServer>,
}
