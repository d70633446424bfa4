//! WebSockets as they begin (RFC 6455): who asks for one sends a key, who agrees answers with what is made of it.

use base64::prelude::{BASE64_STANDARD, Engine};
use http::HeaderValue;
use sha1::{Digest, Sha1};
use tidegate_sample::head::Headers;
use tidegate_sample::head::names::{SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};

const MAGIC: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What a server makes of a key.
pub(crate) fn accepted(key: &[u8]) -> Option<HeaderValue> {
    let digest = Sha1::new().chain_update(key).chain_update(MAGIC).finalize();
    HeaderValue::from_str(&BASE64_STANDARD.encode(digest)).ok()
}

/// Whether an upgrade is one to WebSockets, as one of those that its client would take.
pub(crate) fn is_asked_for(headers: &Headers) -> bool {
    let mut tokens = headers
        .get_all(UPGRADE)
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(b"websocket"))
}

/// Whether an upgrade to WebSockets has no key.
pub(crate) fn lacks_key(request: &Headers) -> bool {
    is_asked_for(request) && !request.contains(SEC_WEBSOCKET_KEY)
}

/// Whether an answer agrees to what was asked for. Only of a key of ours is it asked what was made of it: a client looks
/// after its own.
pub(crate) fn is_agreed(request: &Headers, response: &Headers, key_is_ours: bool) -> bool {
    let Some(answer) = response.get(SEC_WEBSOCKET_ACCEPT) else {
        return false;
    };
    let key = request.get(SEC_WEBSOCKET_KEY).filter(|_| key_is_ours);
    key.is_none_or(|key| {
        accepted(key.as_bytes()).is_some_and(|wanted| wanted.as_bytes() == answer.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_key_is_answered_with_what_is_made_of_it() {
        let key = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let asked = headers(&[("upgrade", "a, WebSocket"), key]);
        assert!(is_asked_for(&asked) && !lacks_key(&asked));
        assert!(lacks_key(&headers(&[("upgrade", "a"), ("upgrade", "websocket")])));
        assert!(!lacks_key(&headers(&[("upgrade", "a")])));
        let agreed = headers(&[("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")]);
        assert!(is_agreed(&asked, &agreed, true));
        let other = headers(&[("sec-websocket-accept", "other")]);
        assert!(!is_agreed(&asked, &other, true) && is_agreed(&asked, &other, false));
        assert!(!is_agreed(&asked, &headers(&[]), false));
    }
}
