//! Heads of messages, read.

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, Version};
use httparse::{Header, ParserConfig, Status};
use tidegate_sample::head::names::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING, UPGRADE};
use tidegate_sample::head::{AsName, FieldValue, Headers, ReasonPhrase, Target, request, response};

use super::authority::{contradict, drop_usual_port, host_without_usual_port};
use super::framing::{Declared, Framing, Refused};
use super::mended::{first_fold, head_end, purge, unfold};

/// Fields that are read without asking for memory.
const FIELDS_INLINE: usize = 128;

/// What a head may have.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// `tune.bufsize`: bytes.
    pub bytes_max: usize,
    /// Fields.
    pub fields_max: usize,
    /// `option accept-unsafe-violations-in-http-request` or `-response`.
    pub lenient: bool,
    /// `h1-do-not-close-on-insecure-transfer-encoding`.
    pub keep_insecure: bool,
}

impl HeadLimits {
    /// `tune.http.maxhdr` where it isn't set.
    const LINES_MAX: usize = 101;

    /// The most fields that a head has where `tune.http.maxhdr` is this: it counts the first line with them.
    pub const fn fields_of(lines_max: Option<usize>) -> usize {
        let lines_max = match lines_max {
            Some(lines_max) => lines_max,
            None => Self::LINES_MAX,
        };
        lines_max.saturating_sub(1)
    }

    /// For heads of no more than so many bytes, everything else as it is where nothing is configured.
    pub const fn of_bytes(bytes_max: usize) -> Self {
        HeadLimits {
            bytes_max,
            fields_max: Self::fields_of(None),
            lenient: false,
            keep_insecure: false,
        }
    }
}

/// What can be read of bytes.
pub enum Reading<T> {
    /// A head, of so many bytes.
    Head(T, usize),
    /// More has to be received.
    Partial,
    /// The lines of a field were joined: these bytes are to be read instead.
    Mended(Bytes),
    /// It is larger than it may be.
    TooLarge,
    /// No head will come of it: of what begins like this as far as the byte at this place.
    Unreadable(usize),
}

/// The head of a request.
pub struct RequestHead {
    /// The head.
    pub parts: request::Parts,
    /// Where its body ends.
    pub framing: Framing,
    /// Another request may follow on the connection.
    pub keep_alive: bool,
    /// The client holds its body back until it is told to go on.
    pub expects: bool,
    /// The status by which a request is refused that can be read and that nobody should.
    pub objection: Option<StatusCode>,
}

/// The head of a response.
pub struct ResponseHead {
    /// The head.
    pub parts: response::Parts,
    /// Where its body ends.
    pub framing: Framing,
    /// Another response may follow on the connection.
    pub keep_alive: bool,
}

/// Reads the head of a request.
pub fn request(bytes: &Bytes, limits: HeadLimits) -> Reading<RequestHead> {
    read(bytes, limits, |bytes, fields| {
        let mut request = httparse::Request::new(&mut []);
        let mut config = ParserConfig::default();
        config.allow_multiple_spaces_in_request_line_delimiters(true);
        match config.parse_request_with_uninit_headers(&mut request, bytes, fields)? {
            Status::Complete(length) => whole(request_head(bytes, &request, limits), length),
            Status::Partial => Ok(None),
        }
    })
}

/// What some bytes begin with.
pub enum Peeked {
    /// A request.
    Request(Box<request::Parts>),
    /// What may become one.
    Partial,
    /// Something else.
    Nothing,
}

/// The request that some bytes begin with, of which no more than so many are a head.
pub fn peek(bytes: Bytes, bytes_max: usize) -> Peeked {
    let limits = HeadLimits::of_bytes(bytes_max);
    let mut bytes = bytes;
    loop {
        match request(&bytes, limits) {
            Reading::Head(head, _) => return Peeked::Request(Box::new(head.parts)),
            Reading::Partial => return Peeked::Partial,
            Reading::Mended(mended) => bytes = mended,
            Reading::TooLarge | Reading::Unreadable(_) => return Peeked::Nothing,
        }
    }
}

/// Reads the head of a response to a request of this method.
pub fn response(bytes: &Bytes, limits: HeadLimits, asked: &Method) -> Reading<ResponseHead> {
    read(bytes, limits, |bytes, fields| {
        let mut response = httparse::Response::new(&mut []);
        match ParserConfig::default().parse_response_with_uninit_headers(&mut response, bytes, fields)? {
            Status::Complete(length) => whole(response_head(bytes, &response, limits, asked), length),
            Status::Partial => Ok(None),
        }
    })
}

/// A head with its length; none if it isn't all here.
type Parsed<T> = Result<Option<(T, usize)>, httparse::Error>;

fn whole<T>(head: Option<T>, length: usize) -> Parsed<T> {
    let head = head.ok_or(httparse::Error::Token)?;
    Ok(Some((head, length)))
}

fn read<T>(
    bytes: &Bytes,
    limits: HeadLimits,
    parse: impl for<'b> Fn(&'b Bytes, &mut [MaybeUninit<Header<'b>>]) -> Parsed<T>,
) -> Reading<T> {
    let parsed = if limits.fields_max <= FIELDS_INLINE {
        let mut fields = [const { MaybeUninit::uninit() }; FIELDS_INLINE];
        parse(bytes, fields.get_mut(..limits.fields_max).unwrap_or_default())
    } else {
        parse(bytes, &mut vec![MaybeUninit::uninit(); limits.fields_max])
    };
    match parsed {
        Ok(Some((head, length))) if length <= limits.bytes_max => Reading::Head(head, length),
        Ok(None) if bytes.len() < limits.bytes_max => Reading::Partial,
        Ok(_) => Reading::TooLarge,
        Err(_) => mend(bytes, limits, |bytes| {
            let mut fields = vec![MaybeUninit::uninit(); limits.fields_max];
            match parse(bytes, &mut fields) {
                Ok(Some(_)) => Look::Whole,
                Ok(None) => Look::Partial,
                Err(_) => Look::Wrong,
            }
        }),
    }
}

/// What the beginning of a head is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    Whole,
    Partial,
    Wrong,
}

/// The first byte with which some bytes, which are wrong, are so.
fn fault_at(bytes: &Bytes, look: impl Fn(&Bytes) -> Look) -> usize {
    let (mut well, mut wrong) = (0, bytes.len());
    while wrong - well > 1 {
        let between = well + (wrong - well) / 2;
        match look(&bytes.slice(..between)) {
            Look::Wrong => wrong = between,
            Look::Whole | Look::Partial => well = between,
        }
    }
    well
}

/// What can be made of a head that can't be read as it is.
fn mend<T>(bytes: &Bytes, limits: HeadLimits, look: impl Fn(&Bytes) -> Look) -> Reading<T> {
    // A field that goes on is no fault of what comes before it.
    let folded = first_fold(bytes).is_some_and(|at| look(&bytes.slice(..=at)) == Look::Partial);
    if head_end(bytes).is_some() {
        let mended = unfold(bytes).filter(|_| folded);
        let mended = mended.or_else(|| purge(bytes).filter(|_| limits.lenient));
        return match mended {
            Some(mended) => Reading::Mended(mended.into()),
            None => Reading::Unreadable(fault_at(bytes, look)),
        };
    }
    match folded || limits.lenient {
        false => Reading::Unreadable(fault_at(bytes, look)),
        true if bytes.len() < limits.bytes_max => Reading::Partial,
        true => Reading::TooLarge,
    }
}

fn request_head(bytes: &Bytes, read: &httparse::Request<'_, '_>, limits: HeadLimits) -> Option<RequestHead> {
    let method = Method::from_bytes(read.method?.as_bytes()).ok()?;
    let target = uri(bytes, read.path?, &method, limits.lenient)?;
    let mut parts = request::Parts::new(
        method,
        target,
        version(read.version?),
        Headers::within(bytes.clone(), read.headers.len() + SPARE_FIELDS),
    );
    let old = parts.version == Version::HTTP_10;
    let mut declared = Declared::default();
    let mut asks = Asks::default();
    let mut objection = None;
    let mut expects = false;
    let mut host: Option<&[u8]> = None;
    for field in read.headers.iter() {
        let (name, mut value) = (field.name.as_name(), field.value);
        if name == HOST {
            match host {
                Some(first) if first.eq_ignore_ascii_case(value) => continue,
                Some(_) => objection = Some(StatusCode::BAD_REQUEST),
                None => host = Some(value),
            }
        } else if name == CONTENT_LENGTH {
            match declared.length(value).ok()? {
                Some(length) => value = length,
                None => continue,
            }
        } else if name == TRANSFER_ENCODING {
            declared.codings(value);
        } else if name == CONNECTION {
            asks.take_in(value);
        } else if name == EXPECT {
            expects |= value.eq_ignore_ascii_case(b"100-continue");
        }
        parts.headers.found(name, value);
    }
    if parts.uri.scheme_and_authority().is_some() {
        if host.is_some_and(|host| !limits.lenient && contradict(&parts.uri, host)) {
            objection = Some(StatusCode::BAD_REQUEST);
        }
        usual_ports(&mut parts);
    }
    let chunked = declared.chunked();
    let mut keep_alive = asks.keep_alive(old);
    let framing = match (chunked, declared.length) {
        (Ok(false), length) => Framing::of_length(length.unwrap_or(0)),
        (Err(Refused::Ambiguous), _) => return None,
        (chunked, length) => {
            // Whoever speaks HTTP/1.0 shouldn't know of chunks, and may mean something else by what follows.
            keep_alive &= !old;
            // A length beside chunks means nothing, or harm.
            if length.is_some() {
                parts.headers.remove(CONTENT_LENGTH);
                keep_alive &= limits.keep_insecure;
            }
            if chunked.is_err() {
                objection.get_or_insert(StatusCode::UNPROCESSABLE_ENTITY);
            }
            Framing::Chunked
        }
    };
    Some(RequestHead {
        parts,
        framing,
        keep_alive,
        expects: expects && !old,
        objection,
    })
}

fn response_head(
    bytes: &Bytes,
    read: &httparse::Response<'_, '_>,
    limits: HeadLimits,
    asked: &Method,
) -> Option<ResponseHead> {
    let mut parts = response::Parts {
        status: StatusCode::from_u16(read.code?).ok()?,
        reason: None,
        version: version(read.version?),
        headers: Headers::within(bytes.clone(), read.headers.len() + SPARE_FIELDS),
    };
    let old = parts.version == Version::HTTP_10;
    let mut declared = Declared::default();
    let mut asks = Asks::default();
    for field in read.headers.iter() {
        let (name, mut value) = (field.name.as_name(), field.value);
        if name == CONTENT_LENGTH {
            match declared.length(value).ok()? {
                Some(length) => value = length,
                None => continue,
            }
        } else if name == TRANSFER_ENCODING {
            if limits.lenient && (value.is_empty() || declared.has_codings) {
                continue;
            }
            declared.codings(value);
        } else if name == CONNECTION {
            asks.take_in(value);
        }
        parts.headers.found(name, value);
    }
    let reason = match read.reason {
        Some(reason) if !reason.is_empty() => reason.as_bytes(),
        // One that isn't ASCII is none for the parser.
        _ => reason(bytes),
    };
    if parts.status.canonical_reason().map(str::as_bytes) != Some(reason) {
        parts.reason = Some(ReasonPhrase::try_from(bytes.slice_ref(reason)).ok()?);
    }
    // Nobody knows to what a connection switches that doesn't say so.
    if parts.status == StatusCode::SWITCHING_PROTOCOLS && !parts.headers.contains(UPGRADE) {
        return None;
    }
    let chunked = declared.chunked().ok()?;
    if chunked && declared.length.is_some() {
        parts.headers.remove(CONTENT_LENGTH);
    }
    let status = parts.status;
    let bodyless = status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || *asked == Method::HEAD
        || *asked == Method::CONNECT && status.is_success();
    let framing = match (bodyless, chunked, declared.length) {
        (true, ..) => Framing::Nothing,
        (_, true, _) => Framing::Chunked,
        (_, _, Some(length)) => Framing::of_length(length),
        _ => Framing::UntilEnd,
    };
    let keep_alive = asks.keep_alive(old)
        && framing != Framing::UntilEnd
        && !(declared.has_codings && (old || declared.length.is_some() && !limits.keep_insecure));
    Some(ResponseHead {
        parts,
        framing,
        keep_alive,
    })
}

/// Room for what rules and options add, so that the fields need not move for them.
const SPARE_FIELDS: usize = 2;

/// What stands behind the status in the first line of a response.
fn reason(bytes: &[u8]) -> &[u8] {
    let line = bytes.trim_ascii_start().split(|b| *b == b'\n').next();
    let reason = line.and_then(|line| line.splitn(3, |b| *b == b' ').nth(2));
    let reason = reason.unwrap_or_default();
    reason.strip_suffix(b"\r").unwrap_or(reason)
}

fn version(minor: u8) -> Version {
    match minor {
        0 => Version::HTTP_10,
        _ => Version::HTTP_11,
    }
}

/// The target of a request: a path, a whole URI, `*`, or for CONNECT an authority.
fn uri(bytes: &Bytes, target: &str, method: &Method, lenient: bool) -> Option<Target> {
    if !lenient && target.bytes().any(|b| b >= 0x7f || b == b'#') {
        return None;
    }
    let uri = Target::parse(&bytes.slice_ref(target.as_bytes())).ok()?;
    let connects = *method == Method::CONNECT;
    let fits = match target.as_bytes().first()? {
        b'/' => !connects,
        b'*' => *method == Method::OPTIONS && target.len() == 1,
        _ if connects => {
            matches!(uri.scheme_and_authority(), Some((None, _))) && (lenient || uri.port().is_some())
        }
        // A scheme begins with a letter, which not everybody who reads URIs looks at.
        first => first.is_ascii_alphabetic() && matches!(uri.scheme_and_authority(), Some((Some(_), _))),
    };
    fits.then_some(uri)
}

/// What `connection` fields ask for.
#[derive(Default)]
struct Asks {
    close: bool,
    keep_alive: bool,
}

impl Asks {
    fn take_in(&mut self, value: &[u8]) {
        for token in value.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
            self.close |= token.eq_ignore_ascii_case(b"close");
            self.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn keep_alive(&self, old: bool) -> bool {
        !self.close && (!old || self.keep_alive)
    }
}

/// Takes away ports that go without saying: that of `host` only where the target has one, too.
fn usual_ports(parts: &mut request::Parts) {
    if !drop_usual_port(&mut parts.uri) && parts.uri.scheme().is_some() {
        return;
    }
    let host = parts.headers.get(HOST).map(FieldValue::detached);
    let bare = host
        .as_ref()
        .and_then(|host| host_without_usual_port(&parts.uri, host.to_str().ok()?))
        .and_then(|host| HeaderValue::from_str(host).ok());
    if let Some(bare) = bare {
        parts.headers.insert(HOST, bare);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: HeadLimits = HeadLimits {
        bytes_max: 1000,
        fields_max: 8,
        lenient: false,
        keep_insecure: false,
    };

    fn strict(text: &str) -> Option<RequestHead> {
        lenient(text, false)
    }

    fn lenient(text: &str, lenient: bool) -> Option<RequestHead> {
        let limits = HeadLimits { lenient, ..STRICT };
        let mut bytes = Bytes::copy_from_slice(text.as_bytes());
        loop {
            match request(&bytes, limits) {
                Reading::Head(head, length) if length == bytes.len() => return Some(head),
                Reading::Mended(mended) => bytes = mended,
                _ => return None,
            }
        }
    }

    #[test]
    fn a_request_is_read_with_what_it_says_of_its_end() {
        let head = strict("POST /a?b HTTP/1.1\r\nHost: h\r\nX-Y: z \r\nhost: H\r\nContent-Length: 3\r\n\r\n")
            .unwrap();
        assert_eq!((head.parts.uri.path(), head.parts.uri.query()), ("/a", Some("b")));
        assert_eq!(head.framing, Framing::Length(3));
        let fields: Vec<_> = head
            .parts
            .headers
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_bytes()))
            .collect();
        assert_eq!(
            fields,
            [("host", &b"h"[..]), ("x-y", b"z"), ("content-length", b"3")]
        );
        assert!(head.keep_alive && !head.expects && head.objection.is_none());
    }

    #[test]
    fn chunks_beat_a_length_and_end_the_connection() {
        let head =
            strict("POST / HTTP/1.1\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
        assert_eq!((head.framing, head.keep_alive), (Framing::Chunked, false));
        assert!(!head.parts.headers.contains(CONTENT_LENGTH));
        let old = "POST / HTTP/1.0\r\nconnection: keep-alive\r\ntransfer-encoding: chunked\r\n\r\n";
        let head = strict(old).unwrap();
        assert_eq!((head.framing, head.keep_alive), (Framing::Chunked, false));
    }

    #[test]
    fn a_length_is_kept_as_one_number() {
        for (written, kept) in [("000, 00", "0"), ("007", "7"), ("10, 10", "10"), ("0", "0")] {
            let head = strict(&format!("POST / HTTP/1.1\r\ncontent-length: {written}\r\n\r\n")).unwrap();
            let all: Vec<_> = head.parts.headers.get_all(CONTENT_LENGTH).collect();
            assert_eq!(all.len(), 1);
            assert_eq!(all[0].as_bytes(), kept.as_bytes(), "{written}");
        }
    }

    #[test]
    fn an_asterisk_is_a_target_of_options_alone() {
        let is_read = |line: &str| strict(&format!("{line} HTTP/1.1\r\nhost: h\r\n\r\n")).is_some();
        assert!(is_read("OPTIONS *") && is_read("OPTIONS /") && is_read("GET  /"));
        assert!(!is_read("GET *") && !is_read("OPTIONS */a") && !is_read("GET a"));
    }

    #[test]
    fn of_a_length_that_is_repeated_one_is_passed_on() {
        let head = strict("POST / HTTP/1.1\r\ncontent-length: 003, 3\r\ncontent-length: 3\r\n\r\n").unwrap();
        assert_eq!(head.framing, Framing::Length(3));
        assert!(head.parts.headers.get_all(CONTENT_LENGTH).eq(["3"]));
        let head = answer("HTTP/1.1 200 OK\r\ncontent-length: 0 ,000\r\n\r\n", Method::GET).unwrap();
        assert!(head.parts.headers.get_all(CONTENT_LENGTH).eq(["0"]));
    }

    #[test]
    fn connections_are_kept_by_the_rules_of_their_version() {
        let kept = |head: &str| strict(&format!("GET / HTTP/{head}\r\n\r\n")).unwrap().keep_alive;
        assert!(kept("1.1") && !kept("1.0"));
        assert!(!kept("1.1\r\nconnection: x, Close") && kept("1.0\r\nconnection: Keep-Alive"));
    }

    #[test]
    fn targets_are_of_four_forms() {
        for good in [
            "GET /",
            "OPTIONS *",
            "GET http://h/a",
            "CONNECT h:443",
            "CONNECT [::1]:443",
        ] {
            assert!(strict(&format!("{good} HTTP/1.1\r\n\r\n")).is_some(), "{good}");
        }
        for bad in [
            "GET a",
            "GET h:80",
            "CONNECT /",
            "CONNECT h",
            "CONNECT http://h:1/",
            "GET 1a://h/",
            "GET /#a",
            "GET /\u{e4}",
        ] {
            assert!(strict(&format!("{bad} HTTP/1.1\r\n\r\n")).is_none(), "{bad}");
        }
        assert!(lenient("GET /\u{e4}#a HTTP/1.1\r\n\r\n", true).is_some());
    }

    #[test]
    fn whom_it_is_for_is_not_in_doubt() {
        let objection = |target: &str, hosts: &[&str]| {
            let hosts: String = hosts.iter().map(|h| format!("host: {h}\r\n")).collect();
            strict(&format!("GET {target} HTTP/1.1\r\n{hosts}\r\n"))
                .unwrap()
                .objection
        };
        assert_eq!(objection("/", &["a", "A"]), None);
        assert_eq!(objection("/", &["a", "b"]), Some(StatusCode::BAD_REQUEST));
        assert_eq!(objection("http://a:80/", &["a"]), None);
        assert_eq!(objection("http://b/", &["a"]), Some(StatusCode::BAD_REQUEST));
    }

    #[test]
    fn lenience_drops_fields_that_have_no_name() {
        let odd = "GET / HTTP/1.1\r\na\0b: c\r\nd: e\r\n\r\n";
        assert!(strict(odd).is_none());
        let head = lenient(odd, true).unwrap();
        assert_eq!(head.parts.headers.len(), 1);
    }

    fn answer(text: &str, asked: Method) -> Option<ResponseHead> {
        match response(&Bytes::copy_from_slice(text.as_bytes()), STRICT, &asked) {
            Reading::Head(head, _) => Some(head),
            _ => None,
        }
    }

    #[test]
    fn a_response_ends_as_its_status_and_method_have_it() {
        let framing = |text: &str, asked| {
            answer(&format!("HTTP/1.1 {text}\r\n\r\n"), asked)
                .unwrap()
                .framing
        };
        let long = "\r\ncontent-length: 5";
        assert_eq!(framing(&format!("200 OK{long}"), Method::GET), Framing::Length(5));
        assert_eq!(framing(&format!("200 OK{long}"), Method::HEAD), Framing::Nothing);
        assert_eq!(framing(&format!("304 x{long}"), Method::GET), Framing::Nothing);
        assert_eq!(
            framing(&format!("200 OK{long}"), Method::CONNECT),
            Framing::Nothing
        );
        assert_eq!(
            framing(&format!("403 no{long}"), Method::CONNECT),
            Framing::Length(5)
        );
        assert_eq!(framing("200 OK", Method::GET), Framing::UntilEnd);
        assert_eq!(
            framing("200 OK\r\ntransfer-encoding: chunked", Method::GET),
            Framing::Chunked
        );
        assert!(answer("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n", Method::GET).is_none());
        let named = answer("HTTP/1.1 200 Fine\r\n\r\n", Method::GET).unwrap();
        assert_eq!(named.parts.reason.unwrap().as_bytes(), b"Fine");
        let named = answer("\r\nHTTP/1.1 200 Sch\u{f6}n gut\r\n\r\n", Method::GET).unwrap();
        assert_eq!(
            named.parts.reason.unwrap().as_bytes(),
            "Sch\u{f6}n gut".as_bytes()
        );
        let unnamed = answer("HTTP/1.1 200\r\na: b\r\n\r\n", Method::GET).unwrap();
        assert_eq!(unnamed.parts.reason.unwrap().as_bytes(), b"");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let bytes = Bytes::from(bytes);
            let _ = request(&bytes, STRICT);
            let _ = response(&bytes, STRICT, &Method::GET);
            for start in [&b"GET / HTTP/1.1\r\n"[..], b"HTTP/1.1 200 OK\r\n"] {
                let all = Bytes::from([start, &bytes[..], b"\r\n\r\n"].concat());
                let _ = request(&all, STRICT);
                let _ = response(&all, STRICT, &Method::GET);
            }
        }
    }
}
