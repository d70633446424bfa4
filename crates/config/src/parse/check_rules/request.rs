//! `http-check send`, and the request of `option httpchk`.

use tidegate_sample::Scope;

use super::RuleArgs;
use crate::diag::{Diagnostic, code};
use crate::model::{CheckRequest, LogFormat, ReplyBody};
use crate::parse::args::{Args, Parsed, bad_argument};
use crate::parse::http::header_name;
use crate::parse::sampled;
use crate::text::Word;

pub(super) fn send(rule: &mut RuleArgs<'_, '_, '_>) -> Parsed<CheckRequest> {
    let mut request = CheckRequest::default();
    while let Some(word) = rule.args.peek() {
        if rule.comment()? {
            continue;
        }
        match &*word.lossy() {
            "meth" => {
                rule.args.next();
                request.method = Some(method(rule.args.expect("a method")?)?);
            }
            "uri" => {
                rule.args.next();
                request.uri = Some(ReplyBody::Bytes(uri(rule.args.expect("a URI")?)?));
            }
            "uri-lf" => {
                rule.args.next();
                request.uri = Some(ReplyBody::Format(rule.format()?));
            }
            "ver" => {
                rule.args.next();
                request.is_1_1 = Some(version(rule.args.expect("a version such as `HTTP/1.1`")?)?);
            }
            "hdr" => {
                rule.args.next();
                let name = header_name(rule.args.expect("the name of a header")?)?;
                request.headers.push((name, rule.format()?));
            }
            "body" => {
                rule.args.next();
                request.body = Some(ReplyBody::Bytes(rule.args.expect("a body")?.bytes().to_vec()));
            }
            "body-lf" => {
                rule.args.next();
                request.body = Some(ReplyBody::Format(rule.format()?));
            }
            _ => break,
        }
    }
    Ok(request)
}

/// The arguments of `option httpchk`: a URI, or a method and more.
pub(crate) fn http_option(args: &mut Args<'_>) -> Parsed<HttpOption> {
    let mut words = HttpOption::default();
    let Some(first) = args.next() else {
        return Ok(words);
    };
    if args.peek().is_none() {
        words.uri = Some(uri(first)?);
        return Ok(words);
    }
    words.method = Some(method(first)?);
    words.uri = Some(uri(args.expect("a URI")?)?);
    if let Some(word) = args.next() {
        // The old way to send headers and a body was to write them behind the version.
        let end = word.bytes().iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        if let Some(at) = end {
            words.rest = Some(word.part(at, word.bytes().len()));
        }
        let word = &word.part(0, end.unwrap_or(word.bytes().len()));
        words.is_1_1 = Some(version(word)?);
    }
    words.host = args.next().cloned();
    Ok(words)
}

/// What `option httpchk` said.
#[derive(Debug, Default)]
pub(crate) struct HttpOption {
    method: Option<String>,
    uri: Option<Vec<u8>>,
    is_1_1: Option<bool>,
    host: Option<Word>,
    /// Headers and a body.
    rest: Option<Word>,
}

/// The request that an option describes.
pub(crate) fn option_request(option: HttpOption, scope: &Scope<'_>) -> Parsed<CheckRequest> {
    let mut headers = Vec::new();
    if let Some(host) = &option.host {
        headers.push((String::from("Host"), sampled::log_format(host, scope)?));
    }
    let body = match &option.rest {
        Some(rest) => old_style(rest, &mut headers, scope)?,
        None => None,
    };
    Ok(CheckRequest {
        method: option.method,
        uri: option.uri.map(ReplyBody::Bytes),
        is_1_1: option.is_1_1,
        headers,
        body,
    })
}

/// Headers that are written behind the version, each after the end of a line; after an empty line there is a body.
fn old_style(
    rest: &Word,
    headers: &mut Vec<(String, LogFormat)>,
    scope: &Scope<'_>,
) -> Parsed<Option<ReplyBody>> {
    let bytes = rest.bytes();
    let mut at = 0;
    loop {
        at += bytes.get(at..).map_or(0, |rest| match rest {
            [b'\r', b'\n', ..] => 2,
            _ => 1,
        });
        let left = bytes.get(at..).unwrap_or_default();
        if left.is_empty() {
            return Ok(None);
        }
        let length = left
            .iter()
            .position(|byte| matches!(byte, b'\r' | b'\n'))
            .unwrap_or(left.len());
        if length == 0 {
            let body = left.strip_prefix(b"\r\n").or(left.get(1..)).unwrap_or_default();
            return Ok((!body.is_empty()).then(|| ReplyBody::Bytes(body.to_vec())));
        }
        let line = rest.part(at, at + length);
        let Some(colon) = line.bytes().iter().position(|byte| *byte == b':') else {
            return bad_argument(&line, format!("`{}` is no header: it has no colon", line.lossy()));
        };
        let name = crate::parse::http::header_name(&line.part(0, colon))?;
        let value = line.bytes().get(colon + 1..).unwrap_or_default();
        let blanks = value
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count();
        let value = line.part(colon + 1 + blanks, length);
        headers.push((name, sampled::log_format(&value, scope)?));
        at += length;
    }
}

/// What the first `http-check send` doesn't say, the option does.
pub(super) fn fill(request: &mut CheckRequest, option: CheckRequest) {
    request.method = request.method.take().or(option.method);
    request.uri = request.uri.take().or(option.uri);
    request.is_1_1 = request.is_1_1.or(option.is_1_1);
    let has_host = request
        .headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"));
    if !has_host {
        request.headers.splice(0..0, option.headers);
    }
}

fn method(word: &Word) -> Parsed<String> {
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    match word.bytes().iter().all(token) && !word.bytes().is_empty() {
        true => Ok(word.text()?.to_owned()),
        false => bad_argument(word, format!("`{}` is no method", word.lossy())),
    }
}

fn uri(word: &Word) -> Parsed<Vec<u8>> {
    match word
        .bytes()
        .iter()
        .any(|byte| byte.is_ascii_control() || *byte == b' ')
        || word.bytes().is_empty()
    {
        true => bad_argument(
            word,
            format!(
                "`{}` is no URI: it has blanks or control characters",
                word.lossy()
            ),
        ),
        false => Ok(word.bytes().to_vec()),
    }
}

fn version(word: &Word) -> Parsed<bool> {
    match &*word.lossy() {
        "HTTP/1.0" => Ok(false),
        "HTTP/1.1" => Ok(true),
        written => {
            let message = format!("`{written}` is no version that checks speak");
            Err(Box::new(
                Diagnostic::error(code::BAD_ARGUMENT, word.span(), message)
                    .help("one of `HTTP/1.0`, `HTTP/1.1`"),
            ))
        }
    }
}
