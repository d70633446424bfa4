//! Frames, as far as all of them are alike: nine bytes before each, and what may lie around a payload.

use crate::reason::Reason;

/// The bytes of a frame before its payload.
pub(crate) const FRAME_HEAD_BYTES: usize = 9;

/// The longest payload that everybody takes.
pub(crate) const PAYLOAD_BYTES_MIN: u32 = 16_384;

/// The largest number of a stream, and the largest window.
pub(crate) const ID_MAX: u32 = (1 << 31) - 1;
pub(crate) const WINDOW_BYTES_MAX: i64 = (1 << 31) - 1;

/// The window of a connection or a stream of which nobody has said anything.
pub(crate) const WINDOW_BYTES: u32 = 65_535;

pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const PRIORITY: u8 = 2;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PUSH_PROMISE: u8 = 5;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
}

pub(crate) mod flag {
    /// Of DATA and HEADERS: nothing more comes on the stream.
    pub(crate) const END_STREAM: u8 = 1;
    /// Of SETTINGS and PING.
    pub(crate) const ACK: u8 = 1;
    pub(crate) const END_HEADERS: u8 = 4;
    pub(crate) const PADDED: u8 = 8;
    pub(crate) const PRIORITY: u8 = 0x20;
}

/// What stands before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHead {
    pub(crate) length: u32,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
}

impl FrameHead {
    /// The frame that some bytes begin with; none if they are too few.
    pub(crate) fn read(bytes: &[u8]) -> Option<FrameHead> {
        let [a, b, c, kind, flags, d, e, f, g] = *bytes.first_chunk::<FRAME_HEAD_BYTES>()?;
        Some(FrameHead {
            length: u32::from_be_bytes([0, a, b, c]),
            kind,
            flags,
            stream: u32::from_be_bytes([d, e, f, g]) & ID_MAX,
        })
    }

    pub(crate) fn bytes(self) -> [u8; FRAME_HEAD_BYTES] {
        let [_, a, b, c] = self.length.to_be_bytes();
        let [d, e, f, g] = self.stream.to_be_bytes();
        [a, b, c, self.kind, self.flags, d, e, f, g]
    }

    pub(crate) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// A payload without its padding.
///
/// # Errors
/// There is more padding than there is room for.
pub(crate) fn unpadded(head: FrameHead, payload: &[u8]) -> Result<&[u8], Reason> {
    if !head.has(flag::PADDED) {
        return Ok(payload);
    }
    let (padding, rest) = payload.split_first().ok_or(Reason::FRAME_SIZE_ERROR)?;
    let length = rest.len().checked_sub(usize::from(*padding));
    let length = length.ok_or(Reason::PROTOCOL_ERROR)?;
    Ok(rest.get(..length).unwrap_or_default())
}

/// What the payload of a HEADERS frame says of priorities, and what follows that.
///
/// # Errors
/// It is too short.
pub(crate) fn without_priority(head: FrameHead, payload: &[u8]) -> Result<(&[u8], Option<u32>), Reason> {
    if !head.has(flag::PRIORITY) {
        return Ok((payload, None));
    }
    let (priority, rest) = payload.split_first_chunk::<5>().ok_or(Reason::FRAME_SIZE_ERROR)?;
    Ok((rest, Some(dependency(priority))))
}

/// The stream that another one is said to depend on.
pub(crate) fn dependency(priority: &[u8; 5]) -> u32 {
    let [a, b, c, d, _] = *priority;
    u32::from_be_bytes([a, b, c, d]) & ID_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_as_they_are_written() {
        let head = FrameHead {
            length: 0x01_0203,
            kind: kind::HEADERS,
            flags: 5,
            stream: 7,
        };
        assert_eq!(head.bytes(), [1, 2, 3, 1, 5, 0, 0, 0, 7]);
        assert_eq!(FrameHead::read(&head.bytes()), Some(head));
        assert_eq!(FrameHead::read(&[0; 8]), None);
        // The first bit of the number means nothing.
        let reserved = FrameHead::read(&[0, 0, 0, 0, 0, 0x80, 0, 0, 1]).unwrap();
        assert_eq!(reserved.stream, 1);
    }

    #[test]
    fn padding_is_taken_away_and_never_more_than_there_is() {
        let padded = |payload: &'static [u8], flags| {
            let head = FrameHead {
                length: 0,
                kind: 0,
                flags,
                stream: 1,
            };
            unpadded(head, payload)
        };
        assert_eq!(padded(b"\x02abcd", 0), Ok(&b"\x02abcd"[..]));
        assert_eq!(padded(b"\x02abcd", flag::PADDED), Ok(&b"ab"[..]));
        assert_eq!(padded(b"\x04abcd", flag::PADDED), Ok(&b""[..]));
        assert_eq!(padded(b"\x05abcd", flag::PADDED), Err(Reason::PROTOCOL_ERROR));
        assert_eq!(padded(b"", flag::PADDED), Err(Reason::FRAME_SIZE_ERROR));
    }
}
