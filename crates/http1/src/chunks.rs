//! Bodies in chunks, read.

use bytes::{Buf, Bytes};
use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};

use super::incoming::Step;

/// The most that the line before a chunk may have, with its extensions.
const LINE_BYTES_MAX: usize = 4096;

/// The largest chunk. Whoever reads sizes in 60 bits, as HAProxy does, must not see another one.
const SIZE_MAX: u64 = (1 << 60) - 1;

/// Chunks that are together no longer than this are handed over as one piece: whoever sends them on would write them one
/// by one.
const JOINED_BYTES_MAX: usize = 4096;

/// How far the reading of a body has come.
pub(super) struct Chunks {
    state: State,
    /// The most that trailers may have, and the most fields.
    trailer_bytes_max: usize,
    fields_max: usize,
}

#[derive(Clone, Copy)]
enum State {
    /// Before the line that says how long a chunk is.
    Size,
    /// Within a chunk of which so much is still to come.
    Data(u64),
    /// Before the end of a chunk's line.
    DataEnd,
    Trailers,
    Done,
    Bad(&'static str),
}

impl Chunks {
    pub(super) fn new(trailer_bytes_max: usize, fields_max: usize) -> Self {
        Chunks {
            state: State::Size,
            trailer_bytes_max,
            fields_max,
        }
    }

    /// Nothing more belongs to the body.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Nothing more can be read of it.
    pub(super) fn is_bad(&self) -> bool {
        matches!(self.state, State::Bad(_))
    }

    /// Takes what can be taken of what was received.
    pub(super) fn step(&mut self, held: &mut Bytes) -> Step {
        let mut piece = Bytes::new();
        loop {
            match self.state {
                State::Size => match size_line(held) {
                    Ok(Some((0, line))) => {
                        held.advance(line);
                        self.state = State::Trailers;
                    }
                    Ok(Some((size, line))) => {
                        held.advance(line);
                        self.state = State::Data(size);
                    }
                    Ok(None) => return given(piece, Step::More),
                    Err(why) => self.state = State::Bad(why),
                },
                State::Data(rest) => {
                    let here = held.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
                    if here == 0 || !piece.is_empty() && piece.len() + here > JOINED_BYTES_MAX {
                        return given(piece, Step::More);
                    }
                    let data = held.split_to(here);
                    piece = if piece.is_empty() {
                        data
                    } else {
                        [piece, data].concat().into()
                    };
                    self.state = match rest - here as u64 {
                        0 => State::DataEnd,
                        rest => State::Data(rest),
                    };
                }
                State::DataEnd => match &held[..] {
                    [b'\r', b'\n', ..] => {
                        held.advance(2);
                        self.state = State::Size;
                    }
                    [] | [b'\r'] => return given(piece, Step::More),
                    _ => self.state = State::Bad("a chunk is longer than it said"),
                },
                State::Trailers => match self.trailers(held) {
                    Ok(Some(_)) if !piece.is_empty() && !held.starts_with(b"\r\n") => {
                        return Step::Piece(piece);
                    }
                    Ok(Some((fields, length))) => {
                        held.advance(length);
                        self.state = State::Done;
                        if !fields.is_empty() {
                            return Step::Trailers(fields);
                        }
                    }
                    Ok(None) => return given(piece, Step::More),
                    Err(why) => self.state = State::Bad(why),
                },
                State::Done => return given(piece, Step::End),
                State::Bad(why) => return given(piece, Step::Bad(why)),
            }
        }
    }

    /// The fields after the last chunk, with the length of what they take; none if they aren't all here.
    fn trailers(&self, held: &[u8]) -> Result<Option<(HeaderMap, usize)>, &'static str> {
        if held.starts_with(b"\r\n") {
            return Ok(Some((HeaderMap::new(), 2)));
        }
        let mut fields = vec![httparse::EMPTY_HEADER; self.fields_max];
        let (length, fields) = match httparse::parse_headers(held, &mut fields) {
            Ok(httparse::Status::Complete(parsed)) => parsed,
            Ok(httparse::Status::Partial) if held.len() < self.trailer_bytes_max => return Ok(None),
            _ => return Err("bad trailers"),
        };
        let mut trailers = HeaderMap::with_capacity(fields.len());
        for field in fields {
            let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| "bad trailers")?;
            let value = HeaderValue::from_bytes(field.value).map_err(|_| "bad trailers")?;
            if !is_of_heads(&name) {
                trailers.append(name, value);
            }
        }
        Ok(Some((trailers, length)))
    }
}

/// Fields that mean nothing after a message, or harm.
fn is_of_heads(name: &HeaderName) -> bool {
    [
        CONTENT_LENGTH,
        TRANSFER_ENCODING,
        CONNECTION,
        HOST,
        TE,
        TRAILER,
        UPGRADE,
    ]
    .contains(name)
}

/// What was gathered, or if there is nothing, that.
fn given(piece: Bytes, or: Step) -> Step {
    match piece.is_empty() {
        true => or,
        false => Step::Piece(piece),
    }
}

/// The size that a chunk's first line says, and how long the line is; none if it isn't all here.
fn size_line(held: &[u8]) -> Result<Option<(u64, usize)>, &'static str> {
    let mut size: u64 = 0;
    let mut digits = 0;
    let mut rest = held.iter().enumerate();
    let end = loop {
        let Some((at, byte)) = rest.next() else {
            return Ok(None);
        };
        let Some(digit) = char::from(*byte).to_digit(16) else {
            break (at, *byte);
        };
        digits += 1;
        size = size << 4 | u64::from(digit);
        if digits > 16 || size > SIZE_MAX {
            return Err("the size of a chunk overflows");
        }
    };
    if digits == 0 {
        return Err("the size of a chunk is no number");
    }
    let (mut at, mut byte) = end;
    let mut extended = false;
    loop {
        match byte {
            b'\r' => break,
            b';' => extended = true,
            b' ' | b'\t' => {}
            _ if !extended => return Err("the size of a chunk is no number"),
            0..=b' ' | 0x7f => return Err("a control in the extension of a chunk"),
            _ => {}
        }
        match rest.next() {
            Some((next, b)) if next < LINE_BYTES_MAX => (at, byte) = (next, *b),
            Some(_) => return Err("the extensions of a chunk are too long"),
            None => return Ok(None),
        }
    }
    match held.get(at + 1) {
        Some(b'\n') => Ok(Some((size, at + 2))),
        Some(_) => Err("a bare CR before a chunk"),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Whole = (Vec<u8>, Option<HeaderMap>, Vec<u8>);

    /// What is read of a body that comes in these pieces: its bytes, its trailers, and what is left.
    fn read(pieces: &[&[u8]]) -> Result<Whole, &'static str> {
        let mut chunks = Chunks::new(1000, 10);
        let (mut body, mut trailers) = (Vec::new(), None);
        let mut held = Bytes::new();
        for piece in pieces {
            held = [&held[..], piece].concat().into();
            loop {
                match chunks.step(&mut held) {
                    Step::Piece(piece) => body.extend_from_slice(&piece),
                    Step::Trailers(fields) => trailers = Some(fields),
                    Step::More | Step::End => break,
                    Step::Bad(why) => return Err(why),
                }
            }
        }
        match chunks.is_done() {
            true => Ok((body, trailers, held.to_vec())),
            false => Err("not all here"),
        }
    }

    const WHOLE: &[u8] = b"5\r\nhello\r\n006;a=\"b\" ;c\r\n world\r\n0\r\nX-A: b\r\nhost: no\r\n\r\nnext";

    #[test]
    fn chunks_are_joined_and_trailers_kept() {
        let (body, trailers, rest) = read(&[WHOLE]).unwrap();
        assert_eq!((&body[..], &rest[..]), (&b"hello world"[..], &b"next"[..]));
        let trailers = trailers.unwrap();
        assert_eq!(
            (trailers.len(), trailers.get("x-a").unwrap().as_bytes()),
            (1, &b"b"[..])
        );
    }

    #[test]
    fn the_end_is_known_with_the_last_piece() {
        let mut chunks = Chunks::new(100, 10);
        let mut held = Bytes::from_static(b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n");
        assert_eq!(chunks.step(&mut held), Step::Piece("abc".into()));
        assert!(chunks.is_done() && held.is_empty());
        assert_eq!(chunks.step(&mut held), Step::End);
    }

    #[test]
    fn what_is_no_chunk_is_refused_after_what_came_before() {
        for bad in [
            &b"zz\r\n"[..],
            b"-1\r\n",
            b"+1\r\n",
            b" 1\r\n",
            b"0x2\r\nab\r\n",
            b"\r\n",
            b";a\r\n",
            b"2 3\r\nab\r\n",
            b"11111111111111111\r\n",
            b"2\nab\r\n",
            b"2\r\nabc\r\n",
            b"2;a\nb\r\nab\r\n",
            b"2;a\rb\r\nab\r\n",
            b"0\r\na b: c\r\n\r\n",
            b"0\r\n: c\r\n\r\n",
            b"0\r\na: b\r\n c\r\n\r\n",
        ] {
            let why = read(&[bad]).unwrap_err();
            assert_ne!(why, "not all here", "{bad:?}");
        }
        let mut chunks = Chunks::new(100, 10);
        let mut held = Bytes::from_static(b"1\r\na\r\nzz\r\n");
        assert_eq!(chunks.step(&mut held), Step::Piece("a".into()));
        assert!(matches!(chunks.step(&mut held), Step::Bad(_)));
        assert!(matches!(chunks.step(&mut held), Step::Bad(_)));
    }

    #[test]
    fn lines_and_trailers_have_a_limit() {
        let long = [b"1;", &[b'x'; LINE_BYTES_MAX][..]].concat();
        assert!(read(&[&long]).is_err_and(|why| why.contains("too long")));
        let long = [b"0\r\na: ", &[b'x'; 1000][..]].concat();
        assert_eq!(read(&[&long]), Err("bad trailers"));
        let many = [b"0\r\n", "a: b\r\n".repeat(11).as_bytes(), b"\r\n"].concat();
        assert_eq!(read(&[&many]), Err("bad trailers"));
    }

    proptest::proptest! {
        #[test]
        fn any_split_reads_the_same(cuts in proptest::collection::btree_set(0..WHOLE.len(), 0..20)) {
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts.into_iter().chain([WHOLE.len()]) {
                pieces.push(&WHOLE[from..cut]);
                from = cut;
            }
            proptest::prop_assert_eq!(read(&pieces), read(&[WHOLE]));
        }

        #[test]
        fn rubbish_is_refused_without_panic(bytes in proptest::collection::vec(
            proptest::sample::select(b"0123456789af;= \r\n:x".to_vec()), 0..80)) {
            let whole = read(&[&bytes]);
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            let byte_by_byte = read(&single);
            proptest::prop_assert_eq!(whole.is_ok(), byte_by_byte.is_ok());
        }
    }
}
