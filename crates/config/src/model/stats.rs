//! The page of statistics.

use std::time::Duration;

use tidegate_sample::userlist::UserList;

use super::sampled::Condition;
use crate::source::Span;

/// The `stats` lines of a proxy.
#[derive(Debug)]
pub struct StatsSettings {
    /// The first of them.
    pub span: Span,
    /// They are those of a `defaults` section: one of the proxy's own replaces them all.
    pub inherited: bool,
    /// `stats uri`: what the targets of requests for the page begin with.
    pub uri: String,
    /// `stats realm`.
    pub realm: String,
    /// `stats auth`: who may see it; everybody, if nobody is named.
    pub users: Option<UserList>,
    /// `stats scope`: the proxies that it shows; all, if none is named.
    pub scope: Vec<String>,
    /// `stats refresh`: how often browsers are to ask again.
    pub refresh: Option<Duration>,
    /// `stats show-version`.
    pub version: bool,
    /// `stats show-desc`; with no text of its own, that of the `global` section.
    pub description: Option<Option<String>>,
    /// `stats show-node`; with no name of its own, that of the `global` section.
    pub node: Option<Option<String>>,
    /// `stats show-legends`: addresses, numbers and modes.
    pub legends: bool,
    /// `stats admin`: servers may be changed where one of them holds.
    pub admin: Vec<Condition>,
    /// `stats http-request`, in order.
    pub access: Vec<StatsAccess>,
}

impl StatsSettings {
    /// What holds without a line that says otherwise.
    pub(crate) fn new(span: Span, inherited: bool) -> StatsSettings {
        StatsSettings {
            span,
            inherited,
            uri: "/haproxy?stats".into(),
            realm: "HAProxy Statistics".into(),
            users: None,
            scope: Vec::new(),
            refresh: None,
            version: false,
            description: None,
            node: None,
            legends: false,
            admin: Vec::new(),
            access: Vec::new(),
        }
    }
}

/// A `stats http-request` line.
#[derive(Debug)]
pub struct StatsAccess {
    /// Where it stands.
    pub span: Span,
    /// What is done with a request for the page.
    pub verdict: StatsVerdict,
    /// When; always without one.
    pub condition: Option<Condition>,
}

/// What is done with a request for the page of statistics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatsVerdict {
    /// It is answered.
    Allow,
    /// It is refused.
    Deny,
    /// The user is asked for name and password; for the page's realm, if none is named.
    Auth(Option<String>),
}
