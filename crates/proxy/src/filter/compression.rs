//! Compression of bodies, as they pass.

use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use http::{HeaderValue, Method, Version};
use tidegate_sample::Way;
use tidegate_sample::head::names::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, USER_AGENT, VARY,
};
use tidegate_sample::head::{FieldValue, Headers, KnownName};

use super::compression_limit::CompressionLimit;
use super::{DataFilter, Filter, FilterSpec, Follows, Passage};
use crate::counts::Count;
use crate::ext::{Failure, Run};
use crate::tally::{self, Tallied};
use crate::txn::Txn;

/// An algorithm of `compression algo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// `identity`: nothing is changed.
    Identity,
    /// `gzip`.
    Gzip,
    /// `deflate`: in the form of zlib.
    Deflate,
    /// `raw-deflate`: without any form around it.
    RawDeflate,
}

impl Algorithm {
    /// The name in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Identity => "identity",
            Algorithm::Gzip => "gzip",
            Algorithm::Deflate => "deflate",
            Algorithm::RawDeflate => "raw-deflate",
        }
    }

    /// The name in messages.
    fn coding(self) -> &'static str {
        match self {
            Algorithm::Identity => "identity",
            Algorithm::Gzip => "gzip",
            Algorithm::Deflate | Algorithm::RawDeflate => "deflate",
        }
    }
}

/// A proxy's `compression` lines.
#[derive(Clone, Debug, Default)]
pub struct CompressionSpec {
    /// `algo-req`: how requests are compressed.
    pub request: Option<Algorithm>,
    /// `algo-res`, in the order of preference: how responses are.
    pub response: Vec<Algorithm>,
    /// `type-req`: only requests of these types; all, if there are none.
    pub request_types: Vec<String>,
    /// `type-res`: only responses of these types; all, if there are none.
    pub response_types: Vec<String>,
    /// `offload`: servers aren't asked to compress.
    pub offload: bool,
    /// `minsize-req`: shorter requests aren't compressed.
    pub request_bytes_min: u64,
    /// `minsize-res`: shorter responses aren't.
    pub response_bytes_min: u64,
    /// `tune.comp.maxlevel`: from 1 to 9.
    pub level: u32,
    /// How much may be compressed.
    pub limit: Arc<CompressionLimit>,
}

/// The filter of a proxy with such lines.
pub struct Compressing {
    spec: Arc<CompressionSpec>,
    /// A frontend leaves to a backend that compresses what is that one's.
    of_frontend: bool,
}

impl Compressing {
    /// The filter of a frontend or a backend.
    pub(crate) fn new(spec: Arc<CompressionSpec>, of_frontend: bool) -> Self {
        Compressing { spec, of_frontend }
    }

    fn begin(&self, txn: &Txn, way: Way, has_body: bool) -> Option<Box<dyn DataFilter>> {
        let is_backends = |backend: Rc<crate::worker::Backend>| {
            let mut filters = backend.spec.filter_order.of(way, &backend.spec.filters);
            filters.any(|filter| matches!(filter, FilterSpec::Compression(_)))
        };
        if !has_body || self.of_frontend && txn.usage.backend().is_some_and(is_backends) {
            return None;
        }
        if !self.spec.limit.has_room() {
            return (way == Way::Response && might_compress(&self.spec, txn)).then(|| Box::new(Bypass) as _);
        }
        let algorithm = match way {
            Way::Request => {
                let mut head = txn.request_head_mut()?;
                compress_request(&self.spec, &mut head.headers)
            }
            Way::Response => {
                let algorithm = compress_response(&self.spec, txn)?;
                txn.facts.borrow_mut().compression = Some(algorithm.name());
                Some(algorithm)
            }
        }?;
        let encoder = Encoder::new(algorithm, Compression::new(self.spec.level))?;
        if way == Way::Response {
            txn.usage
                .count_on_both_sides(&txn.client, Count::CompressedResponses, 1);
        }
        Some(Box::new(Compressor {
            encoder: Some(encoder),
            held: false,
            counts: way == Way::Response,
            limit: self.spec.limit.clone(),
        }))
    }
}

impl Filter for Compressing {
    fn message<'a>(
        &'a self,
        txn: &'a Rc<Txn>,
        way: Way,
        has_body: bool,
    ) -> Run<'a, Option<Box<dyn DataFilter>>> {
        Run::ready(self.begin(txn, way, has_body))
    }
}

/// Whether a request is to be compressed; its headers say so then.
fn compress_request(spec: &CompressionSpec, headers: &mut Headers) -> Option<Algorithm> {
    let algorithm = spec.request?;
    let suits = !headers.contains(CONTENT_ENCODING)
        && has_type(headers, &spec.request_types)
        && is_long_enough(headers, spec.request_bytes_min);
    if !suits {
        return None;
    }
    declare(headers, algorithm);
    Some(algorithm)
}

/// Whether a client takes any of the codings: what then isn't compressed is counted.
fn might_compress(spec: &CompressionSpec, txn: &Txn) -> bool {
    let request = txn.request_head();
    request.is_some_and(|request| choose(&spec.response, &request.headers).is_some())
}

/// Counts what passes as it is, for want of room to compress it.
struct Bypass;

impl DataFilter for Bypass {
    fn poll_data(
        &mut self,
        _: &mut Context<'_>,
        txn: &Rc<Txn>,
        passage: Passage<'_>,
    ) -> Poll<Result<(), Failure>> {
        let mut passed = 0;
        while let Some(piece) = passage.input.pop_front() {
            passed += piece.len() as u64;
            passage.output.push_back(piece);
        }
        txn.usage
            .count_on_both_sides(&txn.client, Count::CompressionBypassed, passed);
        Poll::Ready(Ok(()))
    }

    fn keeps_length(&self) -> bool {
        true
    }
}

/// Whether a response is to be compressed; its headers say so then.
fn compress_response(spec: &CompressionSpec, txn: &Txn) -> Option<Algorithm> {
    let algorithm = {
        let request = txn.request_head()?;
        if request.method == Method::HEAD
            || request.version < Version::HTTP_11
            || is_old_browser(&request.headers)
        {
            return None;
        }
        choose(&spec.response, &request.headers)?
    };
    let mut head = txn.response_head_mut()?;
    if head.version < Version::HTTP_11 || !matches!(head.status.as_u16(), 200..=203) {
        return None;
    }
    let headers = &mut head.headers;
    let suits = !headers.contains(CONTENT_ENCODING)
        && !has_token(headers, CACHE_CONTROL, "no-transform")
        && has_type(headers, &spec.response_types)
        && is_long_enough(headers, spec.response_bytes_min);
    let tag = {
        let mut tags = headers.get_all(ETAG);
        match (tags.next(), tags.next()) {
            (None, _) => None,
            (Some(tag), None) => Some(weak(tag)?),
            (Some(_), Some(_)) => return None,
        }
    };
    if !suits {
        return None;
    }
    if algorithm == Algorithm::Identity {
        return Some(algorithm);
    }
    if let Some(tag) = tag {
        headers.insert(ETAG, tag);
    }
    vary(headers)?;
    declare(headers, algorithm);
    Some(algorithm)
}

/// The algorithm that the client likes best, and of those that it likes the same the first of the proxy's.
fn choose(known: &[Algorithm], headers: &Headers) -> Option<Algorithm> {
    // Identity needs nobody's consent.
    let mut best = known
        .contains(&Algorithm::Identity)
        .then_some((0, Algorithm::Identity));
    for algorithm in known.iter().filter(|known| **known != Algorithm::Identity) {
        let weight = weight_of(algorithm.coding(), headers);
        if weight > best.map_or(0, |(weight, _)| weight) {
            best = Some((weight, *algorithm));
        }
    }
    best.map(|(_, algorithm)| algorithm)
}

/// How much a client likes a coding, in thousandths; `*` stands for those that it doesn't name.
fn weight_of(coding: &str, headers: &Headers) -> u32 {
    let mut any = 0;
    for value in headers.get_all(ACCEPT_ENCODING) {
        for item in value.to_str().unwrap_or_default().split(',') {
            let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
            let quality = parameters
                .trim()
                .strip_prefix("q=")
                .map_or(1.0, |q| q.trim().parse().unwrap_or(0.0));
            let weight = (quality * 1000.0_f32) as u32;
            match name.trim() {
                name if name.eq_ignore_ascii_case(coding) => return weight,
                "*" => any = weight,
                _ => {}
            }
        }
    }
    any
}

fn declare(headers: &mut Headers, algorithm: Algorithm) {
    if algorithm != Algorithm::Identity {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(algorithm.coding()));
    }
}

/// A browser that says it can and can't.
fn is_old_browser(headers: &Headers) -> bool {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    let Some(agent) = agent.filter(|agent| agent.starts_with("Mozilla/4")) else {
        return false;
    };
    let version = agent
        .split_once("MSIE ")
        .and_then(|(_, rest)| rest.chars().next());
    match version {
        Some('6') => !agent.contains("SV1"),
        Some('7'..='9') => false,
        _ => true,
    }
}

/// Says that the response depends on `Accept-Encoding`, at the end of what it says already.
fn vary(headers: &mut Headers) -> Option<()> {
    if has_token(headers, VARY, "accept-encoding") {
        return Some(());
    }
    let mut said = Vec::new();
    for value in headers
        .get_all(VARY)
        .filter(|value| !value.as_bytes().trim_ascii().is_empty())
    {
        said.extend_from_slice(value.as_bytes());
        said.push(b',');
    }
    said.extend_from_slice(b"Accept-Encoding");
    headers.insert(VARY, HeaderValue::from_bytes(&said).ok()?);
    Some(())
}

fn has_token(headers: &Headers, name: KnownName, token: &str) -> bool {
    headers.get_all(name).any(|value| {
        let mut tokens = value.as_bytes().split(|b| *b == b',');
        tokens.any(|part| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    })
}

/// Whether the type is one of these. A message without one is compressed only where all are.
fn has_type(headers: &Headers, types: &[String]) -> bool {
    let Some(kind) = headers.get(CONTENT_TYPE) else {
        return types.is_empty();
    };
    let kind = kind.as_bytes();
    let begins = |with: &[u8]| {
        kind.get(..with.len())
            .is_some_and(|part| part.eq_ignore_ascii_case(with))
    };
    if begins(b"multipart") {
        return false;
    }
    types.is_empty() || types.iter().any(|known| begins(known.as_bytes()))
}

/// A body of unknown length is taken for a long one.
fn is_long_enough(headers: &Headers, bytes_min: u64) -> bool {
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok());
    length
        .and_then(|length| length.parse().ok())
        .is_none_or(|length: u64| length >= bytes_min)
}

/// The tag of a body that is the same and has other bytes; none if this is no tag.
fn weak(tag: FieldValue<'_>) -> Option<HeaderValue> {
    let bytes = tag.as_bytes();
    let is_quoted =
        |bytes: &[u8]| bytes.len() >= 2 && bytes.first() == Some(&b'"') && bytes.last() == Some(&b'"');
    match bytes.strip_prefix(b"W/") {
        Some(rest) => is_quoted(rest).then(|| tag.detached()),
        None if is_quoted(bytes) => HeaderValue::from_bytes(&[b"W/", bytes].concat()).ok(),
        None => None,
    }
}

enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Zlib(ZlibEncoder<Vec<u8>>),
    Raw(DeflateEncoder<Vec<u8>>),
}

impl Encoder {
    fn new(algorithm: Algorithm, level: Compression) -> Option<Self> {
        Some(match algorithm {
            Algorithm::Identity => return None,
            Algorithm::Gzip => Encoder::Gzip(GzEncoder::new(Vec::new(), level)),
            Algorithm::Deflate => Encoder::Zlib(ZlibEncoder::new(Vec::new(), level)),
            Algorithm::RawDeflate => Encoder::Raw(DeflateEncoder::new(Vec::new(), level)),
        })
    }

    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Encoder::Gzip(encoder) => encoder,
            Encoder::Zlib(encoder) => encoder,
            Encoder::Raw(encoder) => encoder,
        }
    }

    /// What was compressed so far and not taken yet.
    fn take(&mut self) -> Vec<u8> {
        std::mem::take(match self {
            Encoder::Gzip(encoder) => encoder.get_mut(),
            Encoder::Zlib(encoder) => encoder.get_mut(),
            Encoder::Raw(encoder) => encoder.get_mut(),
        })
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Encoder::Gzip(encoder) => encoder.finish(),
            Encoder::Zlib(encoder) => encoder.finish(),
            Encoder::Raw(encoder) => encoder.finish(),
        }
    }
}

struct Compressor {
    encoder: Option<Encoder>,
    /// The encoder holds something back.
    held: bool,
    /// What goes in and comes out is counted.
    counts: bool,
    limit: Arc<CompressionLimit>,
}

impl DataFilter for Compressor {
    fn poll_data(
        &mut self,
        _: &mut Context<'_>,
        txn: &Rc<Txn>,
        passage: Passage<'_>,
    ) -> Poll<Result<(), Failure>> {
        let done = self.compress(passage).map(|(came, went)| {
            tally::add(Tallied::CompressedIn, came);
            tally::add(Tallied::CompressedOut, went);
            self.limit.took(came);
            if self.counts && came + went > 0 {
                let usage = &txn.usage;
                usage.count_on_both_sides(&txn.client, Count::CompressedIn, came);
                usage.count_on_both_sides(&txn.client, Count::CompressedOut, went);
            }
        });
        Poll::Ready(done.map_err(|why| Failure::new(format!("compression: {why}"))))
    }
}

impl Compressor {
    /// Gives how many bytes came, and how many go on.
    fn compress(&mut self, passage: Passage<'_>) -> io::Result<(u64, u64)> {
        let Some(encoder) = &mut self.encoder else {
            return Ok((0, 0));
        };
        let mut came = 0;
        while let Some(piece) = passage.input.pop_front() {
            came += piece.len() as u64;
            encoder.writer().write_all(&piece)?;
            self.held = true;
        }
        if passage.follows == Follows::Later && self.held {
            // The client is to see now what there is.
            encoder.writer().flush()?;
            self.held = false;
        }
        let mut out = encoder.take();
        if passage.follows == Follows::Nothing
            && let Some(encoder) = self.encoder.take()
        {
            out.extend(encoder.finish()?);
        }
        let went = out.len() as u64;
        if !out.is_empty() {
            passage.output.push_back(Bytes::from(out));
        }
        Ok((came, went))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;
    use std::collections::VecDeque;
    use std::io::Read;
    use std::task::Waker;

    fn headers(fields: &[(&'static str, &'static str)]) -> Headers {
        let field = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        fields.iter().map(field).collect()
    }

    #[test]
    fn the_client_has_the_choice() {
        use Algorithm::*;
        let chosen =
            |known: &[Algorithm], accepted| choose(known, &headers(&[("accept-encoding", accepted)]));
        assert_eq!(chosen(&[Gzip, Deflate], "deflate, gzip"), Some(Gzip));
        assert_eq!(
            chosen(&[Gzip, Deflate], "deflate;q=0.9, gzip;q=0.8"),
            Some(Deflate)
        );
        assert_eq!(chosen(&[Gzip], "br, *;q=0.1"), Some(Gzip));
        assert_eq!(chosen(&[Gzip], "gzip;q=0, *"), None);
        assert_eq!(chosen(&[Gzip], "br"), None);
        assert_eq!(chosen(&[Identity, RawDeflate], "br"), Some(Identity));
        assert_eq!(chosen(&[Identity, RawDeflate], "deflate"), Some(RawDeflate));
        assert_eq!(choose(&[Gzip], &Headers::new()), None);
    }

    #[test]
    fn responses_are_compressed_where_the_manual_lets_them() {
        let spec = CompressionSpec {
            response: vec![Algorithm::Gzip],
            response_types: vec!["text/".into()],
            response_bytes_min: 10,
            ..CompressionSpec::default()
        };
        let compressed = |status: u16, fields: &[(&'static str, &'static str)]| {
            let request = http::Request::get("/")
                .header("accept-encoding", "gzip")
                .body(())
                .unwrap();
            let mut response = http::Response::builder().status(status).body(()).unwrap();
            *response.headers_mut() = (&headers(fields)).into();
            let txn = Txn::detached().request(request).response(response).build();
            let done = compress_response(&spec, &txn).is_some();
            let head = txn.response_head().unwrap();
            let coding = head.headers.get("content-encoding");
            assert_eq!(coding.is_some_and(|coding| coding == "gzip"), done);
            let seen = |name: &str| Some(head.headers.get(name)?.to_str().unwrap().to_owned());
            done.then(|| (seen("etag"), seen("vary")))
        };
        let text = ("content-type", "Text/plain; charset=utf-8");
        let vary = || Some("Accept-Encoding".to_owned());
        assert_eq!(compressed(200, &[text]), Some((None, vary())));
        assert_eq!(
            compressed(200, &[text, ("etag", "\"a\"")]),
            Some((Some("W/\"a\"".into()), vary()))
        );
        assert_eq!(
            compressed(200, &[text, ("etag", "W/\"a\"")]),
            Some((Some("W/\"a\"".into()), vary()))
        );
        assert_eq!(
            compressed(200, &[text, ("vary", ""), ("vary", "x"), ("vary", "y")]),
            Some((None, Some("x,y,Accept-Encoding".into())))
        );
        assert_eq!(
            compressed(203, &[text, ("vary", "x, accept-encoding")]),
            Some((None, Some("x, accept-encoding".into())))
        );
        assert_eq!(
            compressed(200, &[text, ("content-length", "10")]),
            Some((None, vary()))
        );
        for fields in [
            &[][..],
            &[("content-type", "image/png")],
            &[("content-type", "multipart/text/")],
            &[text, ("content-length", "9")],
            &[text, ("content-encoding", "br")],
            &[text, ("cache-control", "private, no-transform")],
            &[text, ("etag", "a")],
            &[text, ("etag", "\"a\""), ("etag", "\"a\"")],
        ] {
            assert_eq!(compressed(200, fields), None, "{fields:?}");
        }
        assert_eq!(compressed(204, &[text]), None);
        assert_eq!(compressed(404, &[text]), None);
    }

    #[test]
    fn old_browsers_are_told_from_others() {
        let old = |agent| is_old_browser(&headers(&[("user-agent", agent)]));
        assert!(old("Mozilla/4.7 [en]"));
        assert!(old("Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)"));
        assert!(!old("Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; SV1)"));
        assert!(!old("Mozilla/4.0 (compatible; MSIE 8.0)"));
        assert!(!old("Mozilla/5.0"));
    }

    #[test]
    fn what_came_can_be_read_before_the_end() {
        let txn = Txn::detached().build();
        let mut compressor = Compressor {
            encoder: Encoder::new(Algorithm::RawDeflate, Compression::new(1)),
            held: false,
            counts: false,
            limit: Arc::default(),
        };
        let mut input = VecDeque::new();
        let mut output = VecDeque::new();
        let mut cx = Context::from_waker(Waker::noop());
        let mut plain = flate2::write::DeflateDecoder::new(Vec::new());
        for (piece, follows) in [
            ("first", Follows::Later),
            ("second", Follows::Later),
            ("", Follows::Nothing),
        ] {
            input.push_back(Bytes::from_static(piece.as_bytes()));
            let passage = Passage {
                input: &mut input,
                follows,
                output: &mut output,
            };
            assert!(compressor.poll_data(&mut cx, &txn, passage).is_ready());
            for piece in output.drain(..) {
                plain.write_all(&piece).unwrap();
            }
            plain.flush().unwrap();
            assert!(plain.get_ref().ends_with(piece.as_bytes()), "{piece}");
        }
        let mut all = Vec::new();
        plain.finish().unwrap().as_slice().read_to_end(&mut all).unwrap();
        assert_eq!(all, b"firstsecond");
    }
}
