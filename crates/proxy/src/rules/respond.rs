//! Replies that rules describe.

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use tidegate_sample::ExternalRunner;
use tidegate_sample::head::{FieldValue, Headers, names};

use super::pages::{self, ReplyContent};
use super::{Redirect, RedirectTo, ReplySpec, Text};
use crate::reply::Reply;
use crate::txn::Txn;

/// The reply, if nothing in it depends on the session.
pub(crate) fn constant_reply(spec: &ReplySpec) -> Option<Reply> {
    let mut values = Vec::with_capacity(spec.headers.len());
    for (_, value) in &spec.headers {
        values.push(value.constant()?);
    }
    let mut reply = match &spec.content {
        // Each proxy may have a page of its own.
        ReplyContent::Page => return None,
        ReplyContent::Nothing => with_headers(Reply::new(spec.status), spec, values),
        ReplyContent::Body { content_type, body } => {
            let reply = with_body(Reply::new(spec.status), content_type.as_deref(), body.constant()?);
            with_headers(reply, spec, values)
        }
        ReplyContent::File(page) => page.reply(spec.status),
    };
    // It will be copied for each request.
    reply.headers = reply.headers.detached();
    Some(reply)
}

/// The reply for a transaction.
pub(crate) async fn reply(spec: &ReplySpec, txn: &Txn, runner: &dyn ExternalRunner) -> Reply {
    let mut values = Vec::with_capacity(spec.headers.len());
    for (_, value) in &spec.headers {
        values.push(value.eval(txn, runner).await);
    }
    match &spec.content {
        ReplyContent::Page => pages::error(spec.status, txn, runner).await,
        ReplyContent::Nothing => with_headers(Reply::new(spec.status), spec, values),
        ReplyContent::Body { content_type, body } => {
            let body = body.eval(txn, runner).await;
            let reply = with_body(Reply::new(spec.status), content_type.as_deref(), body);
            with_headers(reply, spec, values)
        }
        ReplyContent::File(page) => page.reply(spec.status),
    }
}

fn with_body(reply: Reply, content_type: Option<&str>, body: Bytes) -> Reply {
    let mut reply = reply.with_body(body);
    if let Some(kind) = content_type.filter(|_| !reply.body.is_empty())
        && let Ok(value) = HeaderValue::from_str(kind)
    {
        reply.headers.insert(names::CONTENT_TYPE, value);
    }
    reply
}

/// The reply with the headers of its rule. Those without a value are left out.
fn with_headers(mut reply: Reply, spec: &ReplySpec, values: Vec<Bytes>) -> Reply {
    for ((name, _), value) in spec.headers.iter().zip(values) {
        if let Some(value) = header_value(value).filter(|value| !value.is_empty()) {
            reply.headers.append(name.clone(), value);
        }
    }
    reply
}

/// A header's value from whatever was computed. What the wire can't carry is left out: a log-format text has made
/// control characters visible before.
pub(crate) fn header_value(text: Bytes) -> Option<HeaderValue> {
    HeaderValue::from_maybe_shared(text).ok()
}

/// The reply of a `redirect`; `None` if its location is empty and that is to be passed over, or can't be sent.
pub(crate) async fn redirect(spec: &Redirect, txn: &Txn, runner: &dyn ExternalRunner) -> Option<Reply> {
    let (text, kind) = match &spec.to {
        RedirectTo::Location(text) => (text, Kind::Location),
        RedirectTo::Prefix(text) => (text, Kind::Prefix),
        RedirectTo::Scheme(text) => (text, Kind::Scheme),
    };
    let text: Bytes = Text::eval(text, txn, runner).await;
    if text.is_empty() && spec.ignore_empty {
        return None;
    }
    let location = location(kind, &text, spec, txn);
    let mut headers = Headers::new();
    headers.insert(names::LOCATION, header_value(location.into())?);
    if let Some(cookie) = &spec.set_cookie {
        headers.insert(names::SET_COOKIE, header_value(cookie.eval(txn, runner).await)?);
    }
    let mut reply = Reply::new(spec.status);
    if matches!(spec.status.as_u16(), 302 | 303 | 307) {
        headers.insert(names::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    reply.headers = headers;
    Some(reply)
}

/// The reply of `auth`.
pub(crate) async fn challenge(realm: &str, txn: &Txn, runner: &dyn ExternalRunner) -> Reply {
    let mut reply = pages::error(StatusCode::UNAUTHORIZED, txn, runner).await;
    let realm = realm.replace('\\', "\\\\").replace('"', "\\\"");
    if let Some(value) = header_value(format!("Basic realm=\"{realm}\"").into()) {
        reply.headers.insert(names::WWW_AUTHENTICATE, value);
    }
    reply
}

#[derive(Clone, Copy)]
enum Kind {
    Location,
    Prefix,
    Scheme,
}

fn location(kind: Kind, text: &[u8], spec: &Redirect, txn: &Txn) -> Vec<u8> {
    let Some(head) = txn.request_head() else {
        return text.to_vec();
    };
    if let Kind::Location = kind {
        return match head.uri.query().filter(|_| spec.keep_query) {
            Some(query) => {
                let delimiter = if text.contains(&b'?') { b"&" } else { b"?" };
                [text, delimiter, query.as_bytes()].concat()
            }
            None => text.to_vec(),
        };
    }
    let mut path = head.uri.path().as_bytes().to_vec();
    if spec.append_slash && path.last() != Some(&b'/') {
        path.push(b'/');
    }
    if let (Some(query), false) = (head.uri.query(), spec.drop_query) {
        path.push(b'?');
        path.extend_from_slice(query.as_bytes());
    }
    match kind {
        // A prefix of a lone `/` stands for the site itself, and the path begins with one already.
        Kind::Prefix if text == b"/" => path,
        Kind::Prefix => [text, &path].concat(),
        _ => {
            let host = head.headers.get(names::HOST).map(FieldValue::as_bytes);
            let host = host
                .or(head.uri.authority().map(|a| a.as_str().as_bytes()))
                .unwrap_or_default();
            [text, b"://", host, &path].concat()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use tidegate_sample::NoExternals;

    fn redirected(to: RedirectTo, change: impl FnOnce(&mut Redirect)) -> Option<String> {
        let request = http::Request::get("/a/b?c=d")
            .header("host", "example.com")
            .body(())
            .unwrap();
        let txn = Txn::detached().request(request).build();
        let mut spec = Redirect {
            to,
            status: StatusCode::FOUND,
            drop_query: false,
            append_slash: false,
            keep_query: false,
            ignore_empty: false,
            set_cookie: None,
        };
        change(&mut spec);
        let reply = redirect(&spec, &txn, &NoExternals).now_or_never().unwrap()?;
        Some(
            reply
                .headers
                .get("location")
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned(),
        )
    }

    #[test]
    fn redirects_are_built_from_the_request() {
        let text = |t: &'static str| Text::literal(t);
        let to = |t| redirected(t, |_| {}).unwrap();
        assert_eq!(to(RedirectTo::Location(text("/x"))), "/x");
        assert_eq!(to(RedirectTo::Prefix(text("http://h"))), "http://h/a/b?c=d");
        assert_eq!(
            to(RedirectTo::Scheme(text("https"))),
            "https://example.com/a/b?c=d"
        );
        let kept = |location| redirected(RedirectTo::Location(text(location)), |r| r.keep_query = true);
        assert_eq!(kept("/x").unwrap(), "/x?c=d");
        assert_eq!(kept("/x?y").unwrap(), "/x?y&c=d");
        let dropped = redirected(RedirectTo::Prefix(text("/")), |r| {
            r.drop_query = true;
            r.append_slash = true;
        });
        assert_eq!(dropped.unwrap(), "/a/b/");
        assert_eq!(
            redirected(RedirectTo::Location(text("")), |r| r.ignore_empty = true),
            None
        );
    }
}
