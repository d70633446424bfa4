//! Requests of HTTP/2 as the rest of the program knows requests.

use std::hash::{BuildHasher, Hasher, RandomState};

use base64::prelude::{BASE64_STANDARD, Engine};
use http::{HeaderValue, Method};
use tidegate_http2::Request;
use tidegate_sample::head::names::{CONNECTION, SEC_WEBSOCKET_KEY, UPGRADE};

/// Makes of an extended CONNECT the GET of an upgrade. False if it asks for what nobody can switch to.
pub(crate) fn upgraded(request: &mut Request) -> bool {
    let Some(protocol) = &request.protocol else {
        return true;
    };
    // What is asked for in an upgrade to HTTP/2 is spoken already.
    if protocol.eq_ignore_ascii_case("h2c") {
        return false;
    }
    let Ok(name) = HeaderValue::from_str(protocol) else {
        return false;
    };
    let head = &mut request.head;
    head.method = Method::GET;
    head.headers
        .insert(CONNECTION, HeaderValue::from_static("upgrade"));
    if name == "websocket" && !head.headers.contains(SEC_WEBSOCKET_KEY) {
        // HTTP/2 has no use for it, and a server of HTTP/1 asks for one.
        head.headers.insert(SEC_WEBSOCKET_KEY, websocket_key());
    }
    head.headers.insert(UPGRADE, name);
    true
}

/// 16 bytes that nobody else has sent, in base64. They keep caches apart, and keep no secret.
fn websocket_key() -> HeaderValue {
    let random = || RandomState::new().build_hasher().finish().to_ne_bytes();
    let key = BASE64_STANDARD.encode([random(), random()].concat());
    HeaderValue::from_str(&key).unwrap_or_else(|_| HeaderValue::from_static("AAAAAAAAAAAAAAAAAAAAAA=="))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking_for(protocol: Option<&str>) -> Request {
        let head = http::Request::connect("https://a/chat").body(()).unwrap();
        Request {
            head: head.into_parts().0.into(),
            protocol: protocol.map(Into::into),
            length: None,
            objection: None,
        }
    }

    #[test]
    fn an_extended_connect_is_an_upgrade() {
        let mut request = asking_for(Some("websocket"));
        assert!(upgraded(&mut request));
        assert_eq!(request.head.method, Method::GET);
        let headers = &request.head.headers;
        assert_eq!(headers.get(UPGRADE).unwrap(), "websocket");
        assert_eq!(headers.get(CONNECTION).unwrap(), "upgrade");
        let key = headers.get(SEC_WEBSOCKET_KEY).unwrap();
        assert_eq!(BASE64_STANDARD.decode(key).unwrap().len(), 16);
    }

    #[test]
    fn what_is_spoken_is_no_upgrade_and_other_requests_stay_as_they_are() {
        assert!(!upgraded(&mut asking_for(Some("H2C"))));
        let mut plain = asking_for(None);
        assert!(upgraded(&mut plain));
        assert_eq!(
            (plain.head.method, plain.head.headers.len()),
            (Method::CONNECT, 0)
        );
    }
}
