//! Which server a request belongs to.

use std::sync::Arc;
use std::time::Duration;

use tidegate_sample::{Condition, Expr};

use crate::rules::Text;

/// Everything about persistence of a backend.
#[derive(Default)]
pub struct Persistence {
    /// `cookie`.
    pub cookie: Option<CookieSpec>,
    /// `option persist`: servers are used by their cookies also when they are down.
    pub persist: bool,
    /// `force-persist`: when they are, for some requests.
    pub force: Vec<Condition>,
    /// `ignore-persist`: when cookies don't count.
    pub ignore: Vec<Condition>,
    /// `persist rdp-cookie`: the cookie that names a server's address.
    pub rdp_cookie: Option<Expr>,
    /// `use-server`, in order.
    pub use_servers: Vec<UseServer>,
    /// Cookies that are made of addresses.
    pub dynamic: DynamicCookies,
}

/// Cookies that servers without a value of their own have made of their addresses and a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DynamicCookies {
    /// `cookie ... dynamic`: they are made.
    pub enabled: bool,
    /// `dynamic-cookie-key`; without one there are none.
    pub key: Option<Arc<str>>,
}

impl DynamicCookies {
    /// What servers have their cookies made of.
    #[must_use]
    pub fn in_use(&self) -> Option<Arc<str>> {
        self.key.clone().filter(|_| self.enabled)
    }
}

impl Persistence {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.cookie.is_none() && self.use_servers.is_empty() && self.rdp_cookie.is_none()
    }
}

/// A `use-server` line.
pub struct UseServer {
    /// The name of the server.
    pub name: Text,
    /// When.
    pub condition: Condition,
}

/// `cookie` of a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieSpec {
    /// The cookie's name.
    pub name: String,
    /// Who sets it, and how.
    pub mode: CookieMode,
    /// `indirect`.
    pub indirect: bool,
    /// `nocache`.
    pub nocache: bool,
    /// `postonly`.
    pub postonly: bool,
    /// `preserve`.
    pub preserve: bool,
    /// What follows the value when it is set.
    pub attributes: String,
    /// `maxidle`.
    pub idle_max: Option<Duration>,
    /// `maxlife`.
    pub life_max: Option<Duration>,
}

/// Who sets the cookie, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CookieMode {
    /// The server does.
    #[default]
    Passive,
    /// The server does, and its value is replaced.
    Rewrite,
    /// It is added to responses.
    Insert,
    /// The server's own cookie is completed.
    Prefix,
}
