//! What a script is told that sends mails about servers.

use std::time::Duration;

use crate::log::Level;

/// `email-alert` lines of a proxy, with the `mailers` section that they name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailSpec {
    /// `option log-health-checks`: every check is news.
    pub tracks_checks: bool,
    /// `email-alert level`: what is less grave is not mailed.
    pub max_level: Level,
    /// The mail servers: names, and addresses as they are written.
    pub servers: Vec<(String, String)>,
    /// `timeout mail`.
    pub timeout: Duration,
    /// `email-alert myhostname`.
    pub host: String,
    /// `email-alert from`.
    pub from: String,
    /// `email-alert to`.
    pub to: String,
}
