//! What messages say of being kept: for how long, or not at all.

use std::time::{Duration, SystemTime};

use http::{Method, StatusCode, Version};
use tidegate_sample::head::names::{
    AGE, AUTHORIZATION, CACHE_CONTROL, DATE, ETAG, EXPIRES, LAST_MODIFIED, PRAGMA, SET_COOKIE,
};
use tidegate_sample::head::{FieldValue, Headers, request, response};

/// What a request lets be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Allowed {
    /// It may be answered from a cache.
    pub(super) deliver: bool,
    /// Its response may be kept.
    pub(super) store: bool,
}

impl Allowed {
    pub(super) fn by(head: &request::Parts) -> Allowed {
        let is_old = matches!(head.version, Version::HTTP_09 | Version::HTTP_10);
        let is_read = matches!(head.method, Method::GET | Method::HEAD);
        if is_old || !is_read || head.headers.contains(AUTHORIZATION) {
            return Allowed::default();
        }
        let mut allowed = Allowed {
            deliver: true,
            store: head.method == Method::GET,
        };
        let mut any = false;
        for directive in directives(&head.headers) {
            any = true;
            match directive {
                // What is asked for is fresher than what a cache may have.
                (name, value) if is(name, "no-cache") && value.is_none() => allowed.deliver = false,
                (name, Some(_)) if is(name, "max-age") || is(name, "min-fresh") => allowed.deliver = false,
                (name, _) if is(name, "no-store") => allowed.store = false,
                _ => {}
            }
        }
        if !any && has_pragma(&head.headers) {
            allowed.deliver = false;
        }
        allowed
    }
}

/// How long a response may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lifetime {
    /// How much longer, from now on.
    pub(super) left: Duration,
    /// How old it is already.
    pub(super) age: Duration,
}

impl Lifetime {
    /// That of a response, `most` at most. None if it may not be kept.
    pub(super) fn of(head: &response::Parts, most: Duration, now: SystemTime) -> Option<Lifetime> {
        let headers = &head.headers;
        if head.status != StatusCode::OK {
            return None;
        }
        let (mut shared, mut private) = (None, None);
        for (name, value) in directives(headers) {
            if is(name, "no-store") || is(name, "no-cache") || is(name, "private") {
                return None;
            }
            if is(name, "s-maxage") {
                shared.get_or_insert(seconds(value));
            }
            if is(name, "max-age") {
                private.get_or_insert(seconds(value));
            }
        }
        if has_pragma(headers) {
            return None;
        }
        let has_validator = headers.contains(ETAG) || headers.contains(LAST_MODIFIED);
        let whole = match (shared.or(private), headers.get(EXPIRES)) {
            (Some(stated), _) => stated?,
            (None, Some(date)) => parse_date(date)?.duration_since(now).ok()?,
            (None, None) if has_validator => most,
            (None, None) => return None,
        };
        let age = match headers.get(AGE) {
            Some(age) => Duration::from_secs(number(age.as_bytes())?),
            None => Duration::ZERO,
        };
        let left = whole.checked_sub(age)?.min(most);
        (!left.is_zero()).then_some(Lifetime { left, age })
    }
}

/// When a response was last modified: what it says, else its date, else now.
pub(super) fn last_modified(headers: &Headers, now: SystemTime) -> SystemTime {
    let date = headers.get(LAST_MODIFIED).or(headers.get(DATE));
    date.and_then(parse_date).unwrap_or(now)
}

/// `option checkcache`: whether a response to such a request sets a cookie that a cache may keep and give to others. What the
/// server forbids in any way is safe, and what it calls public is not, whatever its status.
pub(crate) fn shares_cookie(method: &Method, head: &response::Parts) -> bool {
    if !head.headers.contains(SET_COOKIE) {
        return false;
    }
    let mut is_kept = is_usual(method, head);
    for (name, value) in directives(&head.headers) {
        let is_zero = || value.and_then(number) == Some(0);
        let names_cookie = || {
            value.is_none_or(|fields| {
                let first = fields.split(|byte| *byte == b',').next().unwrap_or_default();
                first.trim_ascii().eq_ignore_ascii_case(b"set-cookie")
            })
        };
        if is(name, "private") || is(name, "no-store") {
            return false;
        }
        if (is(name, "max-age") || is(name, "s-maxage")) && is_zero() {
            return false;
        }
        if is(name, "no-cache") && names_cookie() {
            return false;
        }
        is_kept |= is(name, "public");
    }
    is_kept && !has_pragma(&head.headers)
}

/// Whether a cache on the way to the client may keep a response to such a request and give it to others: nothing forbids that,
/// and something says how long it is good for or when it changed.
pub(crate) fn may_be_kept(method: &Method, head: &response::Parts) -> bool {
    let headers = &head.headers;
    let dates = [EXPIRES, ETAG, LAST_MODIFIED];
    let mut says_when = dates.into_iter().any(|name| headers.contains(name));
    for (name, value) in directives(headers) {
        let is_age = is(name, "max-age") || is(name, "s-maxage");
        // With fields it forbids those alone.
        let forbids = (is(name, "no-cache") || is(name, "private")) && value.is_none();
        if is(name, "no-store") || forbids || is_age && value.and_then(number) == Some(0) {
            return false;
        }
        says_when |= is_age;
    }
    says_when && is_usual(method, head) && !has_pragma(headers)
}

fn is_usual(method: &Method, head: &response::Parts) -> bool {
    let reads = matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
    );
    let status = head.status.as_u16();
    reads
        && matches!(
            status,
            200 | 203 | 204 | 206 | 300 | 301 | 404 | 405 | 410 | 414 | 501
        )
}

/// The moment that a field names. Of what it is a weekday of, nobody makes sure.
pub(super) fn parse_date(value: FieldValue<'_>) -> Option<SystemTime> {
    let date = value.to_str().ok()?;
    httpdate::parse_http_date(date).ok().or_else(|| {
        let (_, date) = date.split_once(", ")?;
        let weekdays = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
        weekdays
            .iter()
            .find_map(|day| httpdate::parse_http_date(&format!("{day}, {date}")).ok())
    })
}

/// The directives of `cache-control`, with their values without quotes. A comma in a value's quotes ends none.
fn directives(headers: &Headers) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    let values = headers.get_all(CACHE_CONTROL);
    values.flat_map(|value| {
        let mut quoted = false;
        let parts = value.as_bytes().split(move |byte| {
            quoted ^= *byte == b'"';
            *byte == b',' && !quoted
        });
        parts.filter_map(|part| {
            let part = part.trim_ascii();
            let equals = part.iter().position(|byte| *byte == b'=');
            let (name, value) = match equals.and_then(|at| part.split_at_checked(at)) {
                Some((name, value)) => (name, value.get(1..)),
                None => (part, None),
            };
            (!name.is_empty()).then(|| (name.trim_ascii_end(), value.map(unquoted)))
        })
    })
}

fn is(name: &[u8], directive: &str) -> bool {
    name.eq_ignore_ascii_case(directive.as_bytes())
}

fn unquoted(value: &[u8]) -> &[u8] {
    let value = value.trim_ascii();
    let inner = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\""));
    inner.unwrap_or(value)
}

fn seconds(value: Option<&[u8]>) -> Option<Duration> {
    number(value?).map(Duration::from_secs)
}

/// Digits, and nothing else. More than fits is very many.
fn number(digits: &[u8]) -> Option<u64> {
    let digits = digits.trim_ascii();
    if digits.is_empty() {
        return None;
    }
    let mut sum = 0u64;
    for digit in digits {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        sum = sum.saturating_mul(10).saturating_add(digit);
    }
    Some(sum.min(u64::from(u32::MAX)))
}

fn has_pragma(headers: &Headers) -> bool {
    let says = |value: FieldValue<'_>| {
        let mut parts = value.as_bytes().split(|byte| *byte == b',');
        parts.any(|part| part.trim_ascii().eq_ignore_ascii_case(b"no-cache"))
    };
    headers.get_all(PRAGMA).any(says)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const NOW: u64 = 1_700_000_000;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(NOW)
    }

    /// Seconds that a response with these fields is kept, in a cache that keeps them for 60.
    fn kept(fields: &[(&'static str, &str)]) -> Option<u64> {
        let mut response = http::Response::builder().status(200);
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        let head = response.body(()).unwrap().into_parts().0.into();
        Lifetime::of(&head, Duration::from_secs(60), now()).map(|lifetime| lifetime.left.as_secs())
    }

    fn control(value: &str) -> Option<u64> {
        kept(&[("cache-control", value)])
    }

    #[test]
    fn a_response_says_how_long_it_is_kept() {
        assert_eq!(control("max-age=5"), Some(5));
        assert_eq!(control("public, max-age=\"50\""), Some(50));
        assert_eq!(control("max-age=500"), Some(60));
        assert_eq!(control("max-age=5, s-maxage=10"), Some(10));
        assert_eq!(control("max-age=0, s-maxage=10"), Some(10));
        assert_eq!(control("max-age=99999999999999999999999"), Some(60));
        assert_eq!(control("foo=\"a, no-store, b\", max-age=7"), Some(7));
        for not_kept in [
            "",
            "public",
            "max-age=0",
            "max-age=-1",
            "max-age",
            "max-age=abc",
            "s-maxage=0, max-age=60",
            "max-age=5, no-store",
            "No-Cache, max-age=5",
            "private=\"x\", max-age=5",
            "no-cache=\"set-cookie\", max-age=60",
        ] {
            assert_eq!(control(not_kept), None, "{not_kept}");
        }
    }

    #[test]
    fn dates_and_validators_count_where_nothing_else_is_said() {
        let date =
            |seconds: u64| httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(kept(&[("expires", &date(NOW + 20))]), Some(20));
        assert_eq!(kept(&[("expires", &date(NOW - 1)), ("etag", "\"a\"")]), None);
        assert_eq!(kept(&[("expires", "0"), ("etag", "\"a\"")]), None);
        assert_eq!(
            kept(&[("expires", &date(NOW - 1)), ("cache-control", "max-age=3")]),
            Some(3)
        );
        assert_eq!(kept(&[("etag", "\"a\"")]), Some(60));
        assert_eq!(kept(&[("last-modified", &date(NOW - 1000))]), Some(60));
        assert_eq!(kept(&[("etag", "\"a\""), ("pragma", "no-cache")]), None);
        assert_eq!(kept(&[("etag", "\"a\""), ("cache-control", "max-age=x")]), None);
        assert_eq!(
            kept(&[("cache-control", "max-age=3"), ("pragma", "No-Cache")]),
            None
        );
        assert_eq!(kept(&[]), None);
        let of = |date| parse_date(Headers::from_iter([(DATE, HeaderValue::from_static(date))]).get(DATE)?);
        let right = of("Sun, 01 Jan 2012 00:00:00 GMT");
        assert!(right.is_some() && of("Wed, 01 Jan 2012 00:00:00 GMT") == right);
    }

    #[test]
    fn age_counts() {
        let aged = |age: &str| kept(&[("cache-control", "max-age=50"), ("age", age)]);
        assert_eq!(aged("20"), Some(30));
        assert_eq!(
            kept(&[("cache-control", "max-age=500"), ("age", "100")]),
            Some(60)
        );
        for bad in ["50", "51", "-1", "abc", ""] {
            assert_eq!(aged(bad), None, "{bad}");
        }
    }

    #[test]
    fn requests_may_ask_for_more_than_a_cache_can_give() {
        let allowed = |method: &str, fields: &[(&'static str, &str)], version| {
            let mut request = http::Request::builder().method(method).version(version);
            for (name, value) in fields {
                request = request.header(*name, *value);
            }
            let allowed = Allowed::by(&request.body(()).unwrap().into_parts().0.into());
            (allowed.deliver, allowed.store)
        };
        let get = |name: &'static str, value: &str| allowed("GET", &[(name, value)], Version::HTTP_11);
        assert_eq!(get("x", "y"), (true, true));
        assert_eq!(allowed("HEAD", &[], Version::HTTP_2), (true, false));
        assert_eq!(allowed("POST", &[], Version::HTTP_11), (false, false));
        assert_eq!(allowed("GET", &[], Version::HTTP_10), (false, false));
        assert_eq!(get("authorization", "Basic x"), (false, false));
        assert_eq!(get("cache-control", "no-cache"), (false, true));
        assert_eq!(get("cache-control", "max-age=0"), (false, true));
        assert_eq!(get("cache-control", "min-fresh=5"), (false, true));
        assert_eq!(get("cache-control", "no-store"), (true, false));
        assert_eq!(get("cache-control", "max-stale=5"), (true, true));
        assert_eq!(get("pragma", "no-cache"), (false, true));
        let both = [("pragma", "no-cache"), ("cache-control", "max-stale=5")];
        assert_eq!(allowed("GET", &both, Version::HTTP_11), (true, true));
    }

    #[test]
    fn caches_keep_what_is_dated_and_not_forbidden() {
        let kept = |method: Method, status: u16, fields: &[(&str, &str)]| {
            let mut response = http::Response::builder().status(status);
            for (name, value) in fields {
                response = response.header(*name, *value);
            }
            may_be_kept(&method, &response.body(()).unwrap().into_parts().0.into())
        };
        let control = |value: &str| kept(Method::GET, 200, &[("cache-control", value)]);
        for yes in ["max-age=5", "s-maxage=9", "no-cache=\"set-cookie\", max-age=5"] {
            assert!(control(yes), "{yes}");
        }
        for no in [
            "public",
            "private",
            "no-store",
            "max-age=0",
            "max-age=5, private",
            "max-age=5, no-store",
        ] {
            assert!(!control(no), "{no}");
        }
        let tagged = [("etag", "\"x\"")];
        assert!(kept(Method::GET, 404, &tagged) && kept(Method::HEAD, 200, &tagged));
        assert!(!kept(Method::POST, 200, &tagged) && !kept(Method::GET, 302, &tagged));
        assert!(!kept(Method::GET, 200, &[]));
        assert!(!kept(Method::GET, 200, &[tagged[0], ("pragma", "no-cache")]));
    }

    #[test]
    fn cookies_are_shared_where_a_cache_may_keep_them() {
        let shares = |method: Method, status: u16, fields: &[(&str, &str)]| {
            let mut response = http::Response::builder().status(status);
            for (name, value) in fields {
                response = response.header(*name, *value);
            }
            shares_cookie(&method, &response.body(()).unwrap().into_parts().0.into())
        };
        let with = |name, value| shares(Method::GET, 200, &[("set-cookie", "a=b"), (name, value)]);
        assert!(with("x", "y"));
        assert!(!shares(Method::GET, 200, &[("x", "y")]), "no cookie");
        for safe in [
            "private",
            "No-Store",
            "max-age=0",
            "public, s-maxage=0",
            "no-cache",
            "no-cache=\"Set-Cookie\"",
            "max-age=9, no-cache=\"set-cookie, x\"",
        ] {
            assert!(!with("cache-control", safe), "{safe}");
        }
        for open in ["max-age=9", "s-maxage=1", "no-cache=\"x\"", "public"] {
            assert!(with("cache-control", open), "{open}");
        }
        assert!(!with("pragma", "no-cache"));
        let public = &[("set-cookie", "a=b"), ("cache-control", "public")];
        let plain = &public[..1];
        assert!(!shares(Method::POST, 200, plain) && shares(Method::POST, 200, public));
        assert!(!shares(Method::GET, 302, plain) && shares(Method::GET, 302, public));
        assert!(shares(Method::GET, 404, plain));
    }
}
