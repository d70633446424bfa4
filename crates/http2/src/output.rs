//! What was made and not written yet.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

use crate::frame::{FRAME_HEAD_BYTES, FrameHead};

/// Pieces that are no longer than this are copied behind what comes before them: the system takes one buffer faster than
/// several.
const COPIED_BYTES_MAX: usize = 4096;

/// What a connection that has nothing to write keeps of its buffer for the next one.
const SPARE_BYTES_MAX: usize = 64 * 1024;

thread_local! {
    /// Most of what is written leaves at once: so one buffer serves all connections of a thread.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Frames on their way out, in their order.
#[derive(Default)]
pub(crate) struct Output {
    /// All but the long pieces.
    gathered: Vec<u8>,
    /// So much of it is written.
    at: usize,
    /// The long pieces, each with its place in what is gathered.
    pieces: VecDeque<(usize, Bytes)>,
    pieces_bytes: usize,
}

impl Output {
    pub(crate) fn len(&self) -> usize {
        self.gathered.len() - self.at + self.pieces_bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where frames are written to.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        if self.gathered.capacity() == 0 {
            self.gathered = SPARE.take();
        }
        &mut self.gathered
    }

    /// A frame whose payload is short.
    pub(crate) fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = payload.len() as u32;
        let buffer = self.buffer();
        buffer.reserve(FRAME_HEAD_BYTES + payload.len());
        let head = FrameHead {
            length,
            kind,
            flags,
            stream,
        };
        buffer.extend_from_slice(&head.bytes());
        buffer.extend_from_slice(payload);
    }

    /// A frame whose payload may be long.
    pub(crate) fn data(&mut self, flags: u8, stream: u32, payload: Bytes) {
        if payload.len() <= COPIED_BYTES_MAX {
            return self.frame(crate::frame::kind::DATA, flags, stream, &payload);
        }
        let head = FrameHead {
            length: payload.len() as u32,
            kind: crate::frame::kind::DATA,
            flags,
            stream,
        };
        let buffer = self.buffer();
        buffer.extend_from_slice(&head.bytes());
        let place = buffer.len();
        self.pieces_bytes += payload.len();
        self.pieces.push_back((place, payload));
    }

    /// What is to be written next, as far as there is room for it; how many slices it is.
    pub(crate) fn slices<'o>(&'o self, slices: &mut [IoSlice<'o>]) -> usize {
        let (mut from, mut count) = (self.at, 0);
        let mut put = |bytes: &'o [u8]| {
            if let Some(slice) = slices.get_mut(count)
                && !bytes.is_empty()
            {
                *slice = IoSlice::new(bytes);
                count += 1;
            }
        };
        for (place, piece) in &self.pieces {
            put(self.gathered.get(from..*place).unwrap_or_default());
            put(piece);
            from = *place;
        }
        put(self.gathered.get(from..).unwrap_or_default());
        count
    }

    /// So much was written.
    pub(crate) fn advance(&mut self, mut written: usize) {
        while written > 0 {
            let end = self
                .pieces
                .front()
                .map_or(self.gathered.len(), |(place, _)| *place);
            let gathered = written.min(end - self.at);
            self.at += gathered;
            written -= gathered;
            let Some((_, piece)) = self.pieces.front_mut() else {
                break;
            };
            let of_piece = written.min(piece.len());
            piece.advance(of_piece);
            self.pieces_bytes -= of_piece;
            written -= of_piece;
            if piece.is_empty() {
                self.pieces.pop_front();
            }
        }
        if self.is_empty() {
            self.at = 0;
            let mut spare = std::mem::take(&mut self.gathered);
            if (1..=SPARE_BYTES_MAX).contains(&spare.capacity()) {
                spare.clear();
                SPARE.set(spare);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(output: &Output) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 16];
        let count = output.slices(&mut slices);
        slices[..count].iter().flat_map(|slice| slice.to_vec()).collect()
    }

    #[test]
    fn what_is_put_in_comes_out_in_order_however_it_is_taken() {
        let long = Bytes::from(vec![b'x'; COPIED_BYTES_MAX + 1]);
        for step in [1, 7, 4000, 5000, 20_000] {
            let mut output = Output::default();
            output.frame(6, 0, 0, b"12345678");
            output.data(0, 1, long.clone());
            output.data(1, 3, Bytes::from_static(b"short"));
            output.data(1, 5, long.clone());
            let whole = all(&output);
            assert_eq!(whole.len(), output.len());
            assert_eq!(output.len(), 4 * 9 + 8 + 5 + 2 * long.len());
            let mut taken = Vec::new();
            while !output.is_empty() {
                let next = all(&output);
                let piece = &next[..step.min(next.len())];
                taken.extend_from_slice(piece);
                output.advance(piece.len());
            }
            assert!(taken == whole, "{step}");
        }
    }
}
