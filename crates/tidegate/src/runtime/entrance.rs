//! Connections that don't come from a socket of this process: its master hands them over.

use std::os::unix::net::UnixStream;

use tidegate_config::model::AccessLevel;

use super::command::Mode;

/// A connection that the master has handed over.
pub(crate) struct Visitor {
    pub(crate) stream: UnixStream,
    pub(crate) entrance: Entrance,
}

/// How a connection begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entrance {
    /// What may be done there.
    pub(crate) level: AccessLevel,
    /// What follows a line.
    pub(crate) mode: Mode,
    /// Whether the prompt tells for how long the program has run.
    pub(crate) timed: bool,
    /// `expert-mode on`.
    pub(crate) expert: bool,
    /// `experimental-mode on`.
    pub(crate) experimental: bool,
}

const TIMED: u8 = 1 << 4;
const EXPERT: u8 = 1 << 5;
const EXPERIMENTAL: u8 = 1 << 6;

impl Entrance {
    /// All of it in a byte.
    pub(crate) fn to_byte(self) -> u8 {
        let level = match self.level {
            AccessLevel::User => 0,
            AccessLevel::Operator => 1,
            AccessLevel::Admin => 2,
        };
        let mode = match self.mode {
            Mode::OneLine => 0,
            Mode::Interactive => 1,
            Mode::Prompt => 2,
        };
        let flags = [
            (self.timed, TIMED),
            (self.expert, EXPERT),
            (self.experimental, EXPERIMENTAL),
        ];
        let flags = flags.iter().filter(|(on, _)| *on);
        flags.fold(level | mode << 2, |byte, (_, flag)| byte | flag)
    }

    /// What a byte says.
    pub(crate) fn of_byte(byte: u8) -> Entrance {
        Entrance {
            level: match byte & 3 {
                2 => AccessLevel::Admin,
                1 => AccessLevel::Operator,
                _ => AccessLevel::User,
            },
            mode: match byte >> 2 & 3 {
                2 => Mode::Prompt,
                1 => Mode::Interactive,
                _ => Mode::OneLine,
            },
            timed: byte & TIMED != 0,
            expert: byte & EXPERT != 0,
            experimental: byte & EXPERIMENTAL != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_says_all_of_it() {
        for byte in 0..128 {
            let entrance = Entrance::of_byte(byte);
            assert_eq!(Entrance::of_byte(entrance.to_byte()), entrance, "{byte}");
        }
        assert_eq!(Entrance::of_byte(2 | 2 << 2).level, AccessLevel::Admin);
        assert_eq!(Entrance::of_byte(2 | 2 << 2).mode, Mode::Prompt);
    }
}
