//! Mails about what becomes of servers. A script sends them: here is what it is told.

use std::time::Duration;

use super::log::LogLevel;
use crate::source::Spanned;

/// A `mailers` section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailers {
    /// `mailer` lines: names, and addresses as they are written.
    pub servers: Vec<(String, String)>,
    /// `timeout mail`.
    pub timeout: Duration,
}

impl Default for Mailers {
    fn default() -> Mailers {
        Mailers {
            servers: Vec::new(),
            timeout: Duration::from_secs(10),
        }
    }
}

/// `email-alert` lines of a proxy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EmailAlert {
    /// `mailers`: the section that says where mails go.
    pub mailers: Option<Spanned<String>>,
    /// `from`.
    pub from: Option<String>,
    /// `to`.
    pub to: Option<String>,
    /// `level`: what is less severe is not mailed; `alert` if nothing is said.
    pub level: Option<LogLevel>,
    /// `myhostname`: this machine's name, as mail servers are told it.
    pub host: Option<String>,
}

impl EmailAlert {
    /// Whether there is any such line.
    pub fn is_set(&self) -> bool {
        *self != EmailAlert::default()
    }

    /// The section that mails go by, if enough is said for mails.
    pub fn section(&self) -> Option<&Spanned<String>> {
        let whole = self.from.is_some() && self.to.is_some();
        self.mailers.as_ref().filter(|_| whole)
    }
}
