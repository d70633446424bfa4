//! What clients of HTTP/2 do wrong, as the bytes that they send.

use super::chance::Chance;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `GET /large` of `http://a`, in HPACK.
const REQUEST: &[u8] = b"\x82\x86\x04\x06/large\x01\x01a";

/// Requests that are taken back at once.
pub(crate) fn rapid_resets() -> Vec<u8> {
    let mut bytes = connection();
    for stream in (1..4000).step_by(2) {
        frame(&mut bytes, HEADERS, END_HEADERS | END_STREAM, stream, REQUEST);
        frame(&mut bytes, RESET, 0, stream, &8_u32.to_be_bytes());
    }
    bytes
}

pub(crate) fn pings() -> Vec<u8> {
    let mut bytes = connection();
    (0..20_000).for_each(|_| frame(&mut bytes, PING, 0, 0, &[0; 8]));
    bytes
}

pub(crate) fn settings_flood() -> Vec<u8> {
    let mut bytes = connection();
    (0..20_000).for_each(|_| frame(&mut bytes, SETTINGS, 0, 0, &[]));
    bytes
}

/// A head that never ends, in pieces of nothing and of something.
pub(crate) fn continuations() -> Vec<u8> {
    let mut bytes = connection();
    frame(&mut bytes, HEADERS, END_STREAM, 1, REQUEST);
    for nth in 0..20_000 {
        let piece: &[u8] = if nth % 2 == 0 { &[] } else { b"\x00\x01x\x01y" };
        frame(&mut bytes, CONTINUATION, 0, 1, piece);
    }
    bytes
}

/// A field of 3968 bytes that is put into the table once, and named ten thousand times.
pub(crate) fn bomb() -> Vec<u8> {
    let mut bytes = connection();
    let mut block = REQUEST.to_vec();
    block.extend(b"\x40\x01x\x7f\x81\x1e");
    block.extend([b'b'; 3968]);
    block.extend([0xbe; 10_000]);
    frame(&mut bytes, HEADERS, END_HEADERS | END_STREAM, 1, &block);
    bytes
}

/// Much is asked for by who takes nothing.
pub(crate) fn no_window() -> Vec<u8> {
    let mut bytes = PREFACE.to_vec();
    frame(&mut bytes, SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    for stream in (1..200).step_by(2) {
        frame(&mut bytes, HEADERS, END_HEADERS | END_STREAM, stream, REQUEST);
    }
    bytes
}

/// Frames of any kind, with anything in them.
pub(crate) fn noise(chance: &mut Chance) -> Vec<u8> {
    const KINDS: u8 = 12;
    let mut bytes = connection();
    frame(&mut bytes, HEADERS, END_HEADERS, 1, REQUEST);
    frame(&mut bytes, DATA, 0, 1, &[b'd'; 100]);
    for _ in 0..50 {
        let any = chance.bytes(3);
        let (kind, flags, stream) = match any.as_slice() {
            [kind, flags, stream] => (kind % KINDS, *flags, u32::from(stream % 8)),
            _ => (0, 0, 0),
        };
        let count = chance.below(64);
        frame(&mut bytes, kind, flags, stream, &chance.bytes(count));
    }
    bytes
}

fn connection() -> Vec<u8> {
    let mut bytes = PREFACE.to_vec();
    frame(&mut bytes, SETTINGS, 0, 0, &[]);
    bytes
}

fn frame(bytes: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap_or_default().to_be_bytes();
    bytes.extend(length.get(1..).unwrap_or_default());
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_its_length_kind_flags_and_stream_before_it() {
        let mut bytes = Vec::new();
        frame(&mut bytes, PING, 1, 3, b"abc");
        assert_eq!(bytes, [0, 0, 3, 6, 1, 0, 0, 0, 3, b'a', b'b', b'c']);
    }
}
