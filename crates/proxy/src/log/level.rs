//! Severities.

/// How grave a message is: syslog's severities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// `emerg`, 0
    Emergency = 0,
    /// `alert`, 1
    Alert = 1,
    /// `crit`, 2
    Critical = 2,
    /// `err`, 3
    Error = 3,
    /// `warning`, 4
    Warning = 4,
    /// `notice`, 5
    Notice = 5,
    /// `info`, 6
    Info = 6,
    /// `debug`, 7
    Debug = 7,
}

impl Level {
    /// All levels, the gravest first.
    pub const ALL: [Level; 8] = [
        Level::Emergency,
        Level::Alert,
        Level::Critical,
        Level::Error,
        Level::Warning,
        Level::Notice,
        Level::Info,
        Level::Debug,
    ];

    /// HAProxy's name of the level.
    pub fn name(self) -> &'static str {
        match self {
            Level::Emergency => "emerg",
            Level::Alert => "alert",
            Level::Critical => "crit",
            Level::Error => "err",
            Level::Warning => "warning",
            Level::Notice => "notice",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }

    /// The level of this name.
    pub fn from_name(name: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.name() == name)
    }
}
