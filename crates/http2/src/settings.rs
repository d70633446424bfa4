//! What each side says of itself at first.

use std::time::Instant;

use crate::frame::{PAYLOAD_BYTES_MIN, WINDOW_BYTES, WINDOW_BYTES_MAX};
use crate::reason::Reason;

/// What is decided once for a connection: what its peer may do.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Requests in progress at once.
    pub streams_max: u32,
    /// Bytes of a stream that nobody has taken yet.
    pub window_bytes: u32,
    /// The longest payload of a frame.
    pub frame_bytes_max: u32,
    /// Bytes of fields that are remembered for later ones.
    pub table_bytes: u32,
    /// Bytes of all streams that nobody has taken yet.
    pub buffer_bytes: u32,
    /// The most that a head may have, in bytes, each field being counted with 32 more.
    pub head_bytes_max: u32,
    /// The most fields that a head may have: the authority is one, and so are all cookies.
    pub fields_max: usize,
    /// Targets may have what no target should have.
    pub lenient: bool,
    /// So many oddities end the connection; 0 for no bound.
    pub glitches_max: u32,
    /// They end it only where the thread is as busy, in percent.
    pub busy_min: u32,
    /// How busy that is.
    pub busy_percent: fn() -> u32,
    /// Whether a client may ask for another protocol by an extended CONNECT (RFC 8441).
    pub protocols: bool,
    /// What time it is.
    pub clock: fn() -> Instant,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            streams_max: 100,
            window_bytes: WINDOW_BYTES,
            frame_bytes_max: PAYLOAD_BYTES_MIN,
            table_bytes: TABLE_BYTES,
            buffer_bytes: 1_638_400,
            head_bytes_max: 16_384,
            fields_max: 100,
            lenient: false,
            glitches_max: 0,
            busy_min: 0,
            busy_percent: || 0,
            protocols: true,
            clock: Instant::now,
        }
    }
}

/// Which end of a connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It asks.
    Client,
    /// It answers.
    Server,
}

/// The table that everybody has at first.
pub(crate) const TABLE_BYTES: u32 = 4096;

const HEADER_TABLE_SIZE: u16 = 1;
const ENABLE_PUSH: u16 = 2;
const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_FRAME_SIZE: u16 = 5;
const MAX_HEADER_LIST_SIZE: u16 = 6;
const ENABLE_CONNECT_PROTOCOL: u16 = 8;

impl Settings {
    /// The payload of a SETTINGS frame: what isn't as everybody takes it to be.
    pub(crate) fn announced(&self, role: Role) -> Vec<u8> {
        let server = role == Role::Server;
        let all = [
            (
                HEADER_TABLE_SIZE,
                self.table_bytes,
                self.table_bytes != TABLE_BYTES,
            ),
            (ENABLE_PUSH, 0, !server),
            (MAX_CONCURRENT_STREAMS, self.streams_max, server),
            (
                INITIAL_WINDOW_SIZE,
                self.window_bytes,
                self.window_bytes != WINDOW_BYTES,
            ),
            (
                MAX_FRAME_SIZE,
                self.frame_bytes_max,
                self.frame_bytes_max != PAYLOAD_BYTES_MIN,
            ),
            (MAX_HEADER_LIST_SIZE, self.head_bytes_max, true),
            (ENABLE_CONNECT_PROTOCOL, 1, server && self.protocols),
        ];
        let mut payload = Vec::new();
        for (number, value, _) in all.into_iter().filter(|(_, _, is_told)| *is_told) {
            payload.extend_from_slice(&number.to_be_bytes());
            payload.extend_from_slice(&value.to_be_bytes());
        }
        payload
    }
}

/// What the peer has said of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) table_bytes: u32,
    pub(crate) streams_max: u32,
    pub(crate) window_bytes: u32,
    pub(crate) frame_bytes_max: u32,
    pub(crate) connect_protocol: bool,
}

impl Default for Peer {
    fn default() -> Peer {
        Peer {
            table_bytes: TABLE_BYTES,
            streams_max: u32::MAX,
            window_bytes: WINDOW_BYTES,
            frame_bytes_max: PAYLOAD_BYTES_MIN,
            connect_protocol: false,
        }
    }
}

impl Peer {
    /// Takes in the payload of a SETTINGS frame.
    ///
    /// # Errors
    /// It says what nobody may say.
    pub(crate) fn take_in(&mut self, payload: &[u8], role: Role) -> Result<(), Reason> {
        let (settings, rest) = payload.as_chunks::<6>();
        if !rest.is_empty() {
            return Err(Reason::FRAME_SIZE_ERROR);
        }
        for [a, b, c, d, e, f] in settings {
            let value = u32::from_be_bytes([*c, *d, *e, *f]);
            match u16::from_be_bytes([*a, *b]) {
                HEADER_TABLE_SIZE => self.table_bytes = value,
                // No server may say that it takes pushes.
                ENABLE_PUSH if value > 1 || role == Role::Client && value == 1 => {
                    return Err(Reason::PROTOCOL_ERROR);
                }
                MAX_CONCURRENT_STREAMS => self.streams_max = value,
                INITIAL_WINDOW_SIZE if i64::from(value) > WINDOW_BYTES_MAX => {
                    return Err(Reason::FLOW_CONTROL_ERROR);
                }
                INITIAL_WINDOW_SIZE => self.window_bytes = value,
                MAX_FRAME_SIZE if !(PAYLOAD_BYTES_MIN..1 << 24).contains(&value) => {
                    return Err(Reason::PROTOCOL_ERROR);
                }
                MAX_FRAME_SIZE => self.frame_bytes_max = value,
                // What was allowed once can't be taken back.
                ENABLE_CONNECT_PROTOCOL if value > 1 || self.connect_protocol && value == 0 => {
                    return Err(Reason::PROTOCOL_ERROR);
                }
                ENABLE_CONNECT_PROTOCOL => self.connect_protocol = value == 1,
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_side_announces_the_other_takes_in() {
        let settings = Settings {
            window_bytes: 1000,
            frame_bytes_max: 20_000,
            table_bytes: 0,
            ..Settings::default()
        };
        let mut peer = Peer::default();
        peer.take_in(&settings.announced(Role::Server), Role::Client)
            .unwrap();
        let expected = Peer {
            table_bytes: 0,
            streams_max: 100,
            window_bytes: 1000,
            frame_bytes_max: 20_000,
            connect_protocol: true,
        };
        assert_eq!(peer, expected);
        let mut peer = Peer::default();
        peer.take_in(&Settings::default().announced(Role::Client), Role::Server)
            .unwrap();
        assert_eq!(peer, Peer::default());
    }

    #[test]
    fn what_nobody_may_say_is_refused() {
        let refused = |number: u16, value: u32, role| {
            let payload = [&number.to_be_bytes()[..], &value.to_be_bytes()].concat();
            Peer::default().take_in(&payload, role)
        };
        let protocol = Err(Reason::PROTOCOL_ERROR);
        assert_eq!(refused(ENABLE_PUSH, 2, Role::Server), protocol);
        assert_eq!(refused(ENABLE_PUSH, 1, Role::Server), Ok(()));
        assert_eq!(refused(ENABLE_PUSH, 1, Role::Client), protocol);
        assert_eq!(refused(MAX_FRAME_SIZE, 16_383, Role::Server), protocol);
        assert_eq!(refused(MAX_FRAME_SIZE, 1 << 24, Role::Server), protocol);
        assert_eq!(refused(ENABLE_CONNECT_PROTOCOL, 2, Role::Client), protocol);
        assert_eq!(
            refused(INITIAL_WINDOW_SIZE, 1 << 31, Role::Server),
            Err(Reason::FLOW_CONTROL_ERROR)
        );
        assert_eq!(refused(0xfade, 1, Role::Server), Ok(()));
        assert_eq!(
            Peer::default().take_in(&[0; 5], Role::Server),
            Err(Reason::FRAME_SIZE_ERROR)
        );
    }
}
