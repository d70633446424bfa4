//! Requests as they come.

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, StatusCode, Uri, Version};
use tidegate_sample::head::names::{CONTENT_LENGTH, COOKIE, HOST, TE};
use tidegate_sample::head::{AsName, Headers, Target, request, without_usual_port};

use super::length::Declared;
use super::{Excess, Malformed, Room, is_of_http1, value_of};
use crate::hpack::{Field, Name, Pseudo, is_without_controls};
use crate::settings::Settings;

/// What most heads have, so that it is asked for once.
const HEAD_BYTES: usize = 256;

/// A request, without its body.
#[derive(Debug)]
pub struct Request {
    /// Its head, with the authority as its first field, `host`, and one `cookie` as the last.
    pub head: request::Parts,
    /// The protocol that an extended CONNECT asks for (RFC 8441).
    pub protocol: Option<Box<str>>,
    /// The length that it declares for its body.
    pub length: Option<u64>,
    /// The status to refuse it with: it can be read, and means nothing that a server could answer.
    pub objection: Option<StatusCode>,
}

/// Takes in the fields of a request.
pub(crate) struct RequestReader {
    room: Room,
    lenient: bool,
    protocols: bool,
    method: Option<Method>,
    scheme: Option<Scheme>,
    authority: Option<Bytes>,
    path: Option<Bytes>,
    protocol: Option<Box<str>>,
    headers: Headers,
    declared: Declared,
    /// All cookies, which come in crumbs, of which others see one field.
    cookies: Option<Vec<u8>>,
    /// Fields have begun: nothing of what is before them may come any more.
    in_fields: bool,
    objection: Option<StatusCode>,
    malformed: bool,
}

impl RequestReader {
    pub(crate) fn new(settings: &Settings) -> RequestReader {
        RequestReader {
            room: Room::of(settings),
            lenient: settings.lenient,
            protocols: settings.protocols,
            method: None,
            scheme: None,
            authority: None,
            path: None,
            protocol: None,
            headers: Headers::with_room(HEAD_BYTES),
            declared: Declared::default(),
            cookies: None,
            in_fields: false,
            objection: None,
            malformed: false,
        }
    }

    pub(crate) fn take(&mut self, field: &Field<'_>) {
        if self.malformed {
            return;
        }
        match self.room.take(field) {
            Ok(()) => self.malformed = self.try_take(field).is_err(),
            Err(Excess::Bytes) => self.objection = Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
            Err(Excess::Fields) => {
                self.objection.get_or_insert(StatusCode::BAD_REQUEST);
            }
        }
    }

    fn try_take(&mut self, field: &Field<'_>) -> Result<(), Malformed> {
        let name = match field.name {
            Name::Field(name) => name,
            Name::Pseudo(pseudo) if !self.in_fields => return self.pseudo(pseudo, field.value),
            Name::Pseudo(_) | Name::Invalid(_) => return Err(Malformed),
        };
        let mut value = value_of(field)?;
        if !self.in_fields {
            self.begin_fields()?;
        }
        if is_of_http1(name) {
            return Err(Malformed);
        } else if name == HOST {
            if self.authority.is_some() {
                // Whatever a field says beside it means nothing.
                return Ok(());
            }
        } else if name == CONTENT_LENGTH {
            match self.declared.take_in(value)? {
                Some(length) => value = length,
                None => return Ok(()),
            }
        } else if name == TE {
            if !value.eq_ignore_ascii_case(b"trailers") {
                return Err(Malformed);
            }
        } else if name == COOKIE {
            self.cookie(value);
            return Ok(());
        }
        self.headers.found(name, value);
        Ok(())
    }

    fn pseudo(&mut self, name: Pseudo, value: &[u8]) -> Result<(), Malformed> {
        match name {
            Pseudo::Method if self.method.is_none() && !value.is_empty() => {
                self.method = Some(Method::from_bytes(value).unwrap_or_else(|_| {
                    self.objection = Some(StatusCode::BAD_REQUEST);
                    Method::default()
                }));
            }
            Pseudo::Scheme if self.scheme.is_none() => {
                self.scheme = Some(match value {
                    b"https" => Scheme::HTTPS,
                    b"http" => Scheme::HTTP,
                    other => {
                        let begins = other.first().is_some_and(u8::is_ascii_alphabetic);
                        let named = Scheme::try_from(other).ok().filter(|_| begins);
                        named.unwrap_or_else(|| {
                            self.objection = Some(StatusCode::BAD_REQUEST);
                            Scheme::HTTP
                        })
                    }
                });
            }
            Pseudo::Authority if self.authority.is_none() => {
                self.authority = Some(Bytes::copy_from_slice(value));
            }
            Pseudo::Path if self.path.is_none() => self.path = Some(Bytes::copy_from_slice(value)),
            Pseudo::Protocol if self.protocols && self.protocol.is_none() && is_without_controls(value) => {
                self.protocol = Some(std::str::from_utf8(value).map_err(|_| Malformed)?.into());
            }
            _ => return Err(Malformed),
        }
        Ok(())
    }

    /// All that comes before the fields is here: the authority is the first of them.
    fn begin_fields(&mut self) -> Result<(), Malformed> {
        self.in_fields = true;
        if let Some(authority) = &mut self.authority {
            let scheme = self.scheme.as_ref().map_or("", Scheme::as_str);
            if let Some(bare) = without_usual_port(scheme, authority).map(<[u8]>::len) {
                authority.truncate(bare);
            }
            if authority.contains(&b'@') || !is_without_controls(authority) {
                return Err(Malformed);
            }
            self.headers.found(HOST.as_name(), authority);
        }
        Ok(())
    }

    fn cookie(&mut self, value: &[u8]) {
        match &mut self.cookies {
            None => self.cookies = Some(value.to_vec()),
            Some(cookies) => {
                cookies.extend_from_slice(b"; ");
                cookies.extend_from_slice(value);
            }
        }
    }

    /// The request that all of these fields are.
    ///
    /// # Errors
    /// They are none.
    pub(crate) fn finish(mut self) -> Result<Request, Malformed> {
        if self.malformed || !self.in_fields && self.begin_fields().is_err() {
            return Err(Malformed);
        }
        if let Some(cookies) = self.cookies.take() {
            self.headers.found(COOKIE.as_name(), &cookies);
        }
        let uri = match self.target() {
            Ok(uri) => uri,
            // Of a head that is too large not all was looked at.
            Err(Malformed) if self.objection.is_some() => Target::default(),
            Err(Malformed) => return Err(Malformed),
        };
        let method = self.method.unwrap_or_default();
        if method.as_str() == "PRI" {
            // The first word of the preface, which asks for nothing.
            self.objection.get_or_insert(StatusCode::BAD_REQUEST);
        }
        Ok(Request {
            head: request::Parts::new(method, uri, Version::HTTP_2, self.headers),
            protocol: self.protocol,
            length: self.declared.length,
            objection: self.objection,
        })
    }

    fn target(&mut self) -> Result<Target, Malformed> {
        let method = self.method.as_ref().ok_or(Malformed)?;
        let connects = *method == Method::CONNECT;
        let authority = self.authority.take();
        let authority = authority.map(Authority::from_maybe_shared).transpose();
        let mut parts = http::uri::Parts::default();
        parts.authority = authority.map_err(|_| Malformed)?;
        if connects && self.protocol.is_none() {
            if self.scheme.is_some() || self.path.is_some() || parts.authority.is_none() {
                return Err(Malformed);
            }
            return Ok(Uri::from_parts(parts).map_err(|_| Malformed)?.into());
        }
        let scheme = self.scheme.take().ok_or(Malformed)?;
        let path = self.path.take().ok_or(Malformed)?;
        if self.protocol.is_some() && (!connects || parts.authority.is_none()) {
            return Err(Malformed);
        }
        // A URI without an authority has no scheme either.
        parts.scheme = parts.authority.is_some().then_some(scheme);
        match path.first() {
            Some(b'/') => {}
            Some(b'*') if path.len() == 1 => {
                if *method != Method::OPTIONS {
                    self.objection.get_or_insert(StatusCode::BAD_REQUEST);
                }
            }
            _ => return Err(Malformed),
        }
        if !is_strict(&path) {
            return self.unusual_target(parts, &path);
        }
        parts.path_and_query = Some(PathAndQuery::from_maybe_shared(path).map_err(|_| Malformed)?);
        Ok(Uri::from_parts(parts).map_err(|_| Malformed)?.into())
    }

    /// A path that has what no path should have.
    fn unusual_target(&self, mut parts: http::uri::Parts, path: &[u8]) -> Result<Target, Malformed> {
        if !self.lenient {
            return Err(Malformed);
        }
        parts.path_and_query = Some(PathAndQuery::from_static("/"));
        let mut target = Target::from(Uri::from_parts(parts).map_err(|_| Malformed)?);
        target.set_path_and_query(path).map_err(|_| Malformed)?;
        Ok(target)
    }
}

/// Whether a path has neither a fragment nor what isn't ASCII.
fn is_strict(path: &[u8]) -> bool {
    !path.iter().any(|byte| *byte >= 0x7f || *byte == b'#')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(&str, &str)]) -> Result<Request, Malformed> {
        read_with(&Settings::default(), fields)
    }

    fn read_with(settings: &Settings, fields: &[(&str, &str)]) -> Result<Request, Malformed> {
        let mut reader = RequestReader::new(settings);
        super::super::tests::each(fields, |field| reader.take(field));
        reader.finish()
    }

    const GET: [(&str, &str); 4] = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "example.org"),
        (":path", "/a?b"),
    ];

    fn get(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
        [&GET, more].concat()
    }

    fn fields(request: &Request) -> Vec<String> {
        let field = |(name, value): (tidegate_sample::head::FieldName<'_>, _)| format!("{name}={value:?}");
        request.head.headers.iter().map(field).collect()
    }

    #[test]
    fn the_authority_is_the_first_field_and_cookies_are_the_last_one() {
        let asked = read(&get(&[
            ("accept", "x"),
            ("cookie", "a=1"),
            ("host", "other"),
            ("x-own", " y "),
            ("cookie", "b=2"),
            ("accept", "z"),
            ("cookie", "c=3"),
            ("content-length", "012"),
            ("te", "trailers"),
        ]))
        .unwrap();
        assert_eq!(asked.head.uri.to_string(), "https://example.org/a?b");
        assert_eq!((asked.length, asked.objection), (Some(12), None));
        assert_eq!(
            fields(&asked),
            [
                r#"host="example.org""#,
                r#"accept="x""#,
                r#"x-own="y""#,
                r#"accept="z""#,
                r#"content-length="12""#,
                r#"te="trailers""#,
                r#"cookie="a=1; b=2; c=3""#,
            ]
        );
    }

    #[test]
    fn ports_that_go_without_saying_are_taken_away() {
        let host = |scheme: &'static str, authority: &'static str| {
            let asked = read(&[
                (":method", "GET"),
                (":authority", authority),
                (":path", "/"),
                (":scheme", scheme),
            ]);
            let asked = asked.unwrap();
            assert_eq!(asked.head.uri.authority().unwrap().as_str().as_bytes(), {
                asked.head.headers.get(HOST).unwrap().as_bytes()
            });
            asked.head.uri.authority().unwrap().to_string()
        };
        assert_eq!(host("http", "h:80"), "h");
        assert_eq!(host("https", "h:443"), "h");
        assert_eq!(host("http", "[::1]:80"), "[::1]");
        assert_eq!(host("http", "h:443"), "h:443");
        assert_eq!(host("http", "h:8080"), "h:8080");
        assert_eq!(host("http", "h80"), "h80");
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for more in [
            (":path", "/again"),
            (":unknown", "x"),
            (":status", "200"),
            (":protocol", "websocket"),
            ("Upper", "x"),
            ("", "x"),
            ("a b", "x"),
            ("x", "a\r\nb: c"),
            ("x", "\0"),
            ("connection", "close"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("keep-alive", "5"),
            ("proxy-connection", "x"),
            ("te", "gzip"),
            ("content-length", "1x"),
        ] {
            assert!(read(&get(&[more])).is_err(), "{more:?}");
        }
        assert!(read(&get(&[("content-length", "1"), ("content-length", "2")])).is_err());
        assert!(read(&get(&[("a", "b"), (":protocol", "x")])).is_err(), "too late");
        for without in [":method", ":scheme", ":path"] {
            let rest: Vec<_> = GET.into_iter().filter(|(name, _)| *name != without).collect();
            assert!(read(&rest).is_err(), "{without}");
        }
        for (name, bad) in [
            (":path", ""),
            (":path", "a"),
            (":path", "/a#b"),
            (":path", "/ä"),
            (":path", "/a b"),
            (":authority", "u@h"),
            (":authority", "a b"),
            (":authority", ""),
            (":method", ""),
        ] {
            let fields = GET.map(|(n, value)| (n, if n == name { bad } else { value }));
            assert!(read(&fields).is_err(), "{name} {bad}");
        }
    }

    #[test]
    fn what_can_be_read_and_means_nothing_is_objected_to() {
        for (name, odd) in [
            (":method", "GET?"),
            (":method", "PRI"),
            (":scheme", "http://localhost/?"),
            (":scheme", ""),
            (":scheme", "1a"),
            (":path", "*"),
        ] {
            let fields = GET.map(|(n, value)| (n, if n == name { odd } else { value }));
            let asked = read(&fields).unwrap();
            assert_eq!(asked.objection, Some(StatusCode::BAD_REQUEST), "{name}");
        }
        let options = [(":method", "OPTIONS"), (":scheme", "http"), (":path", "*")];
        let asked = read(&options).unwrap();
        assert_eq!(
            (asked.objection, asked.head.uri.to_string().as_str()),
            (None, "*")
        );
    }

    #[test]
    fn a_head_that_is_too_large_is_objected_to() {
        let long = "x".repeat(16_384);
        let mut fields = GET.to_vec();
        fields.push(("a", &long));
        let status = |asked: Result<Request, _>| asked.unwrap().objection.unwrap().as_u16();
        assert_eq!(status(read(&fields)), 431);
        let settings = Settings {
            fields_max: 3,
            ..Settings::default()
        };
        let mut fields = GET.to_vec();
        fields.extend([("cookie", "a"), ("a", "b"), ("cookie", "c")]);
        assert_eq!(read_with(&settings, &fields).unwrap().objection, None);
        fields.push(("c", "d"));
        assert_eq!(status(read_with(&settings, &fields)), 400);
    }

    #[test]
    fn connect_has_an_authority_and_an_extended_one_has_all() {
        let plain = [(":method", "CONNECT"), (":authority", "far:443")];
        let asked = read(&plain).unwrap();
        assert_eq!(asked.head.uri.to_string(), "far:443");
        assert_eq!(fields(&asked), [r#"host="far:443""#]);
        assert!(read(&[(":method", "CONNECT"), (":authority", "h"), (":path", "/")]).is_err());
        let mut extended = GET.to_vec();
        extended[0].1 = "CONNECT";
        extended.push((":protocol", "websocket"));
        let asked = read(&extended).unwrap();
        assert_eq!(asked.protocol.as_deref(), Some("websocket"));
        assert_eq!(asked.head.method, Method::CONNECT);
        // Only where it was said that it may be asked for.
        let settings = Settings {
            protocols: false,
            ..Settings::default()
        };
        assert!(read_with(&settings, &extended).is_err());
    }

    #[test]
    fn where_it_is_let_pass_a_fragment_stays() {
        let settings = Settings {
            lenient: true,
            ..Settings::default()
        };
        let fields = GET.map(|(n, value)| (n, if n == ":path" { "/a#b" } else { value }));
        let asked = read_with(&settings, &fields).unwrap();
        assert_eq!(asked.head.uri.to_string(), "https://example.org/a#b");
    }
}
