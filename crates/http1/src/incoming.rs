//! The body of a message, as it is received.

use bytes::Bytes;
use http::HeaderMap;

use super::chunks::Chunks;
use super::framing::Framing;
use super::head::HeadLimits;

/// What comes of a message after its head.
pub struct Incoming(Coming);

enum Coming {
    Nothing,
    Length(u64),
    Chunked(Chunks),
    UntilEnd,
    /// It broke off, for this reason.
    Broken(&'static str),
}

/// What comes next.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// Some of the body.
    Piece(Bytes),
    /// What comes after it.
    Trailers(HeaderMap),
    /// The body is over.
    End,
    /// More has to be received.
    More,
    /// It can't be read, for this reason.
    Bad(&'static str),
}

impl Incoming {
    /// No body at all.
    pub const NOTHING: Incoming = Incoming(Coming::Nothing);

    /// What comes after a head that says so. Its trailers are limited as heads are.
    pub fn new(framing: Framing, limits: HeadLimits) -> Self {
        Incoming(match framing {
            Framing::Nothing => Coming::Nothing,
            Framing::Length(length) => Coming::Length(length),
            Framing::Chunked => Coming::Chunked(Chunks::new(limits.bytes_max, limits.fields_max)),
            Framing::UntilEnd => Coming::UntilEnd,
        })
    }

    /// Whether the message has ended.
    pub fn is_over(&self) -> bool {
        match &self.0 {
            Coming::Nothing => true,
            Coming::Chunked(chunks) => chunks.is_done(),
            _ => false,
        }
    }

    /// Bytes that are still to come, if that is known.
    pub fn remaining(&self) -> Option<u64> {
        match &self.0 {
            Coming::Length(rest) => Some(*rest),
            Coming::Nothing => Some(0),
            // What came in chunks goes on in chunks, be it all here.
            Coming::Chunked(_) | Coming::UntilEnd | Coming::Broken(_) => None,
        }
    }

    /// So many bytes of a body whose length is known have come another way.
    pub fn pass(&mut self, bytes: u64) {
        if let Coming::Length(rest) = &mut self.0 {
            *rest = rest.saturating_sub(bytes);
            if *rest == 0 {
                self.0 = Coming::Nothing;
            }
        }
    }

    /// Nothing more of it will come, though it isn't over.
    pub fn break_off(&mut self, why: &'static str) {
        if !matches!(self.0, Coming::Nothing) {
            self.0 = Coming::Broken(why);
        }
    }

    /// Whether the connection ended or broke within the body.
    #[must_use]
    pub fn is_broken_off(&self) -> bool {
        matches!(self.0, Coming::Broken(_))
    }

    /// Whether it is at odds with what it should be, or broken off: where it ends can't be found any more.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        match &self.0 {
            Coming::Broken(_) => true,
            Coming::Chunked(chunks) => chunks.is_bad(),
            _ => false,
        }
    }

    /// Takes what can be taken of what was received, after which more may come unless the peer has `ended`.
    pub fn step(&mut self, held: &mut Bytes, ended: bool) -> Step {
        match &mut self.0 {
            Coming::Nothing => return Step::End,
            Coming::Broken(why) => return Step::Bad(why),
            Coming::Length(rest) if !held.is_empty() => {
                let here = held.len().min(usize::try_from(*rest).unwrap_or(usize::MAX));
                *rest -= here as u64;
                if *rest == 0 {
                    self.0 = Coming::Nothing;
                }
                return Step::Piece(held.split_to(here));
            }
            Coming::UntilEnd if !held.is_empty() => return Step::Piece(std::mem::take(held)),
            Coming::UntilEnd if ended => {
                self.0 = Coming::Nothing;
                return Step::End;
            }
            Coming::Chunked(chunks) => match chunks.step(held) {
                Step::More => {}
                step => {
                    if step == Step::End {
                        self.0 = Coming::Nothing;
                    }
                    return step;
                }
            },
            Coming::Length(_) | Coming::UntilEnd => {}
        }
        if ended {
            self.break_off(CUT);
            return Step::Bad(CUT);
        }
        Step::More
    }
}

const CUT: &str = "the connection ended within the body";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(framing: Framing, bytes: &'static [u8], ended: bool) -> (Vec<u8>, Step, bool) {
        let mut incoming = Incoming::new(framing, HeadLimits::of_bytes(1000));
        let (mut held, mut body) = (Bytes::from_static(bytes), Vec::new());
        loop {
            match incoming.step(&mut held, ended) {
                Step::Piece(piece) => body.extend_from_slice(&piece),
                Step::Trailers(_) => {}
                step => return (body, step, incoming.is_over()),
            }
        }
    }

    #[test]
    fn a_body_ends_where_its_head_says() {
        let whole = |body: &[u8]| (body.to_vec(), Step::End, true);
        assert_eq!(read(Framing::Nothing, b"next", false), whole(b""));
        assert_eq!(read(Framing::Length(4), b"bodynext", false), whole(b"body"));
        assert_eq!(
            read(Framing::Chunked, b"1\r\nb\r\n0\r\n\r\nnext", false),
            whole(b"b")
        );
        assert_eq!(read(Framing::UntilEnd, b"all", true), whole(b"all"));
    }

    #[test]
    fn what_comes_another_way_is_no_longer_waited_for() {
        let mut incoming = Incoming::new(Framing::Length(5), HeadLimits::of_bytes(1000));
        incoming.pass(3);
        assert_eq!((incoming.remaining(), incoming.is_over()), (Some(2), false));
        let mut held = Bytes::from_static(b"denext");
        assert_eq!(
            incoming.step(&mut held, false),
            Step::Piece(Bytes::from_static(b"de"))
        );
        let mut incoming = Incoming::new(Framing::Length(5), HeadLimits::of_bytes(1000));
        incoming.pass(5);
        assert_eq!((incoming.remaining(), incoming.is_over()), (Some(0), true));
        // Where only what comes says how much comes, nothing can pass unseen.
        let mut incoming = Incoming::new(Framing::Chunked, HeadLimits::of_bytes(1000));
        incoming.pass(5);
        assert_eq!((incoming.remaining(), incoming.is_over()), (None, false));
    }

    #[test]
    fn one_that_ends_too_early_is_told_from_one_of_which_more_may_come() {
        for (framing, bytes) in [
            (Framing::Length(4), &b"bod"[..]),
            (Framing::Length(4), b""),
            (Framing::Chunked, b"2\r\nb"),
            (Framing::Chunked, b"1\r\nb\r\n0\r\n"),
        ] {
            assert_eq!(read(framing, bytes, false).1, Step::More, "{bytes:?}");
            assert_eq!(read(framing, bytes, true).1, Step::Bad(CUT), "{bytes:?}");
        }
        assert_eq!(read(Framing::UntilEnd, b"al", false).1, Step::More);
    }

    #[test]
    fn what_broke_off_stays_so_and_what_is_over_cannot() {
        let mut incoming = Incoming::new(Framing::Length(1), HeadLimits::of_bytes(1000));
        incoming.break_off("gone");
        assert_eq!(
            incoming.step(&mut Bytes::from_static(b"a"), false),
            Step::Bad("gone")
        );
        assert_eq!((incoming.is_over(), incoming.remaining()), (false, None));
        let mut incoming = Incoming::NOTHING;
        incoming.break_off("gone");
        assert!(incoming.is_over());
    }
}
