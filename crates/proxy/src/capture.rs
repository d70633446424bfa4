//! What a frontend keeps of requests and responses for its log: `capture` lines and slots.

use std::cell::{Cell, RefCell};

use http::HeaderName;
use tidegate_sample::head::{Headers, names};
use tidegate_sample::{Data, Way};

/// The slots of a frontend.
#[derive(Debug, Default)]
pub struct CaptureSpec {
    /// Those for requests, in the order of their declarations.
    pub request: Vec<CaptureSlot>,
    /// Those for responses.
    pub response: Vec<CaptureSlot>,
    /// `capture cookie`.
    pub cookie: Option<CookieCapture>,
}

/// One slot.
#[derive(Clone, Debug)]
pub struct CaptureSlot {
    /// `capture request header`, `capture response header`: what is put there. Rules and converters fill the others.
    pub header: Option<HeaderName>,
    /// `len`: longer texts are cut off, in bytes.
    pub length_max: usize,
}

/// `capture cookie`.
#[derive(Clone, Debug)]
pub struct CookieCapture {
    /// What the cookie's name, with the `=` after it, begins with.
    pub prefix: String,
    /// `len`: name and value are cut off, in bytes.
    pub length_max: usize,
}

impl CaptureSpec {
    /// True if nothing is captured.
    pub fn is_empty(&self) -> bool {
        self.request.is_empty() && self.response.is_empty() && self.cookie.is_none()
    }

    fn slots(&self, way: Way) -> &[CaptureSlot] {
        match way {
            Way::Request => &self.request,
            Way::Response => &self.response,
        }
    }
}

/// What was captured of one transaction.
pub(crate) struct Captured {
    request: RefCell<Vec<Option<Data>>>,
    response: RefCell<Vec<Option<Data>>>,
    cookies: [Cell<Option<Data>>; 2],
}

impl Captured {
    /// Nothing yet.
    pub(crate) fn new(spec: &CaptureSpec) -> Captured {
        Captured {
            request: RefCell::new(vec![None; spec.request.len()]),
            response: RefCell::new(vec![None; spec.response.len()]),
            cookies: Default::default(),
        }
    }

    /// The slots of a direction.
    pub(crate) fn slots(&self, way: Way) -> &RefCell<Vec<Option<Data>>> {
        match way {
            Way::Request => &self.request,
            Way::Response => &self.response,
        }
    }

    /// The cookie of a direction.
    pub(crate) fn cookie(&self, way: Way) -> Option<Data> {
        let cell = self.cookie_cell(way);
        let cookie = cell.take();
        cell.set(cookie.clone());
        cookie
    }

    /// Captures the headers of a message.
    pub(crate) fn message(&self, spec: &CaptureSpec, way: Way, headers: &Headers) {
        let mut slots = self.slots(way).borrow_mut();
        for (slot, spec) in slots.iter_mut().zip(spec.slots(way)) {
            let Some(name) = &spec.header else { continue };
            // The last one counts.
            if let Some(value) = headers.get_all(name).next_back() {
                let length = value.len().min(spec.length_max);
                *slot = Some(Data::field(value, 0..length).detached());
            }
        }
        if let Some(spec) = &spec.cookie {
            let name = match way {
                Way::Request => names::COOKIE,
                Way::Response => names::SET_COOKIE,
            };
            let mut fields = headers.get_all(name);
            let found = fields.find_map(|value| cookie(value.as_bytes(), spec.prefix.as_bytes(), way));
            self.cookie_cell(way)
                .set(found.map(|found| Data::copy(cut(found, spec.length_max))));
        }
    }

    /// Puts a text into a slot; one that isn't there takes nothing.
    pub(crate) fn put(&self, spec: &CaptureSpec, way: Way, slot: usize, text: &[u8]) {
        let length_max = spec.slots(way).get(slot).map(|slot| slot.length_max);
        if let (Some(length_max), Some(slot)) = (length_max, self.slots(way).borrow_mut().get_mut(slot)) {
            *slot = Some(Data::copy(cut(text, length_max)));
        }
    }

    fn cookie_cell(&self, way: Way) -> &Cell<Option<Data>> {
        let [request, response] = &self.cookies;
        match way {
            Way::Request => request,
            Way::Response => response,
        }
    }
}

fn cut(text: &[u8], length_max: usize) -> &[u8] {
    text.get(..length_max).unwrap_or(text)
}

/// The first cookie, name, `=` and value, that begins with `prefix`. A `Set-Cookie` field has one cookie, and attributes
/// after it.
fn cookie<'a>(field: &'a [u8], prefix: &[u8], way: Way) -> Option<&'a [u8]> {
    let mut rest = field;
    loop {
        let (pair, after) = pair(rest, way);
        if pair.starts_with(prefix) && pair.contains(&b'=') {
            return Some(pair);
        }
        rest = after.filter(|_| way == Way::Request)?;
    }
}

/// Up to the delimiter after a cookie, which may stand between quotes too; and what follows that.
fn pair(text: &[u8], way: Way) -> (&[u8], Option<&[u8]>) {
    let (mut quoted, mut escaped) = (false, false);
    let end = text.iter().position(|byte| {
        let delimits = matches!((byte, way), (b';', _) | (b',', Way::Request)) && !quoted;
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
        delimits
    });
    let (pair, after) = match end.and_then(|end| text.split_at_checked(end)) {
        Some((pair, [_, after @ ..])) => (pair, Some(after)),
        _ => (text, None),
    };
    (pair.trim_ascii(), after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn the_first_cookie_that_begins_so_is_taken() {
        let found = |field: &'static str, prefix: &str, way| {
            let found = cookie(field.as_bytes(), prefix.as_bytes(), way);
            found.map(|cookie| String::from_utf8(cookie.to_vec()).unwrap())
        };
        let request = |field, prefix| found(field, prefix, Way::Request);
        assert_eq!(request("a=b; SID1=x ; SID=y", "SID").as_deref(), Some("SID1=x"));
        assert_eq!(request("a=b; SID1=x ; SID=y", "SID=").as_deref(), Some("SID=y"));
        assert_eq!(request("a=\"SID=1; SID=2\"; b=c", "SID="), None);
        assert_eq!(
            request("a=\"x\\\"; SID=2\"; SID=3", "SID=").as_deref(),
            Some("SID=3")
        );
        assert_eq!(request("SIDE; SID=1,SID=2", "SID").as_deref(), Some("SID=1"));
        assert_eq!(request("", "SID"), None);
        let response = |field, prefix| found(field, prefix, Way::Response);
        assert_eq!(response("SID=a,b; Path=/", "SID").as_deref(), Some("SID=a,b"));
        assert_eq!(response("x=1; SID=2", "SID"), None);
    }

    #[test]
    fn headers_are_cut_and_the_last_one_counts() {
        let slot = |header: Option<&'static str>, length_max| CaptureSlot {
            header: header.map(HeaderName::from_static),
            length_max,
        };
        let spec = CaptureSpec {
            request: vec![slot(Some("x"), 3), slot(None, 2), slot(Some("y"), 9)],
            cookie: Some(CookieCapture {
                prefix: "s=".into(),
                length_max: 4,
            }),
            ..CaptureSpec::default()
        };
        let captured = Captured::new(&spec);
        let mut headers = Headers::new();
        for (name, value) in [
            ("x", "first"),
            ("x", "second"),
            ("cookie", "a=b"),
            ("cookie", "s=12345"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        captured.message(&spec, Way::Request, &headers);
        captured.put(&spec, Way::Request, 1, b"long");
        captured.put(&spec, Way::Request, 3, b"nowhere");
        captured.put(&spec, Way::Response, 0, b"nowhere");
        assert_eq!(
            *captured.slots(Way::Request).borrow(),
            [Some("sec".into()), Some("lo".into()), None]
        );
        assert_eq!(captured.cookie(Way::Request), Some("s=12".into()));
        assert_eq!(captured.cookie(Way::Request), Some("s=12".into()));
        assert_eq!(captured.cookie(Way::Response), None);
    }
}
