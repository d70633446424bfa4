//! The runtime API: what the program can be asked and told while it runs.

use std::time::Duration;

use super::address::Bind;

/// The `stats` lines of the `global` section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeSettings {
    /// `stats socket`: where commands are taken, one for each address.
    pub sockets: Vec<Bind>,
    /// `stats timeout`: how long a connection may be silent.
    pub timeout: Duration,
    /// `stats maxconn`: most connections of all sockets.
    pub connections_max: u32,
    /// `tune.cli.max-payload-size`: longest text that may follow a command.
    pub payload_bytes_max: u64,
    /// `stats calculate-max-counters off`: nobody is told what was most.
    pub hides_most: bool,
}

impl Default for RuntimeSettings {
    fn default() -> RuntimeSettings {
        RuntimeSettings {
            sockets: Vec::new(),
            timeout: Duration::from_secs(10),
            connections_max: 10,
            payload_bytes_max: 128 << 10,
            hides_most: false,
        }
    }
}

/// What those who are connected may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum AccessLevel {
    /// Read what is not sensitive.
    User,
    /// Read all, change what is not sensitive.
    #[default]
    Operator,
    /// Everything.
    Admin,
}

impl AccessLevel {
    /// The names in configurations.
    pub const NAMES: [(&'static str, AccessLevel); 3] = [
        ("user", AccessLevel::User),
        ("operator", AccessLevel::Operator),
        ("admin", AccessLevel::Admin),
    ];

    /// The name in configurations.
    pub fn name(self) -> &'static str {
        match self {
            AccessLevel::User => "user",
            AccessLevel::Operator => "operator",
            AccessLevel::Admin => "admin",
        }
    }
}

/// How the messages of the runtime API tell their severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SeverityOutput {
    /// Not at all.
    #[default]
    None,
    /// As a number.
    Number,
    /// As a word.
    Name,
}

impl SeverityOutput {
    /// The names in configurations.
    pub const NAMES: [(&'static str, SeverityOutput); 3] = [
        ("none", SeverityOutput::None),
        ("number", SeverityOutput::Number),
        ("string", SeverityOutput::Name),
    ];
}
