//! Switches of protocols that a server of HTTP/2 is asked for (RFC 8441).

use http::{HeaderValue, StatusCode};
use tidegate_sample::head::names::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use tidegate_sample::head::{FieldValue, Headers, response};

use crate::session::headers::wants_upgrade;
use crate::websocket;

/// A switch of protocols that was asked for.
pub(super) struct Upgrade {
    pub(super) protocol: HeaderValue,
    key: Option<HeaderValue>,
}

impl Upgrade {
    /// What a request asks for, if it does.
    pub(super) fn of(headers: &Headers) -> Option<Upgrade> {
        let protocol = headers.get(UPGRADE).filter(|_| wants_upgrade(headers))?;
        Some(Upgrade {
            protocol: protocol.detached(),
            key: headers.get(SEC_WEBSOCKET_KEY).map(FieldValue::detached),
        })
    }

    /// Makes of the answer to a CONNECT the one that was asked for.
    pub(super) fn answer(&self, head: &mut response::Parts) {
        head.status = StatusCode::SWITCHING_PROTOCOLS;
        head.headers
            .insert(CONNECTION, HeaderValue::from_static("upgrade"));
        head.headers.insert(UPGRADE, &self.protocol);
        let accept = { self.key.as_ref() }.and_then(|key| websocket::accepted(key.as_bytes()));
        if let Some(accept) = accept {
            head.headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(connection: &'static str) -> Headers {
        let mut headers = Headers::new();
        headers.append("upgrade", HeaderValue::from_static("websocket"));
        headers.append("connection", HeaderValue::from_static(connection));
        headers.append(
            "sec-websocket-key",
            HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="),
        );
        headers
    }

    #[test]
    fn the_answer_to_an_upgrade_is_as_asked() {
        assert!(Upgrade::of(&headers("close")).is_none());
        let upgrade = Upgrade::of(&headers("close, Upgrade")).unwrap();
        assert_eq!(upgrade.protocol, "websocket");
        let mut answer = response::Parts::default();
        upgrade.answer(&mut answer);
        assert_eq!(answer.status, 101);
        // The example of RFC 6455.
        let accept = answer.headers.get(SEC_WEBSOCKET_ACCEPT).unwrap();
        assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
