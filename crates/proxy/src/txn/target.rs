//! The request's method and target, as rules and extensions rewrite them.

use bytes::Bytes;
use tidegate_sample::head::{Target, names, without_user};

use super::Txn;

/// A method, path, query or URI that can't be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidTarget(String);

impl std::fmt::Display for InvalidTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidTarget {}

impl Txn {
    /// Replaces the path of the request's target and keeps the query.
    ///
    /// # Errors
    /// What the new target can't hold (blanks, control characters, a path that doesn't begin with `/`).
    pub fn set_path(&self, path: &[u8]) -> Result<(), InvalidTarget> {
        self.set_target(|target| {
            let mut new = path.to_vec();
            if let Some(query) = target.whole_query() {
                new.push(b'?');
                new.extend_from_slice(query.as_bytes());
            }
            new
        })
    }

    /// Replaces the query (without the question mark) and keeps the path. An empty one leaves a bare `?`, as in HAProxy.
    ///
    /// # Errors
    /// What the new target can't hold.
    pub fn set_query(&self, query: &[u8]) -> Result<(), InvalidTarget> {
        self.set_target(|target| [target.bare_path().as_bytes(), b"?", query].concat())
    }

    /// Replaces path and query together.
    ///
    /// # Errors
    /// What the new target can't hold.
    pub fn set_path_and_query(&self, path_and_query: &[u8]) -> Result<(), InvalidTarget> {
        self.set_target(|_| path_and_query.to_vec())
    }

    /// Replaces the whole target of the request: a path, or an absolute URI, whose authority then is the `host` too.
    ///
    /// # Errors
    /// If it is no URI.
    pub fn set_uri(&self, uri: &[u8]) -> Result<(), InvalidTarget> {
        let uri = Target::parse(&Bytes::copy_from_slice(uri)).map_err(|e| InvalidTarget(e.to_string()))?;
        let mut head = self
            .request_head_mut()
            .ok_or_else(|| InvalidTarget("no request".into()))?;
        head.keep_asked();
        if let Some(authority) = uri.authority()
            && let Ok(host) = http::HeaderValue::from_str(without_user(authority.as_str()))
        {
            head.headers.insert(names::HOST, host);
        }
        head.uri = uri;
        Ok(())
    }

    /// Replaces the request's method.
    ///
    /// # Errors
    /// If it is no token.
    pub fn set_method(&self, method: &[u8]) -> Result<(), InvalidTarget> {
        let method = http::Method::from_bytes(method).map_err(|e| InvalidTarget(e.to_string()))?;
        let mut head = self
            .request_head_mut()
            .ok_or_else(|| InvalidTarget("no request".into()))?;
        head.keep_asked();
        head.method = method;
        Ok(())
    }

    fn set_target(&self, change: impl FnOnce(&Target) -> Vec<u8>) -> Result<(), InvalidTarget> {
        let mut head = self
            .request_head_mut()
            .ok_or_else(|| InvalidTarget("no request".into()))?;
        let target = change(&head.uri);
        let mut uri = head.uri.clone();
        uri.set_path_and_query(&target)
            .map_err(|e| InvalidTarget(e.to_string()))?;
        head.keep_asked();
        head.uri = uri;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::http;
    use super::*;

    fn target(txn: &Txn) -> String {
        txn.request_head().unwrap().uri.to_string()
    }

    #[test]
    fn the_parts_of_the_target_are_set_apart() {
        let txn = http("/a/b?x=1");
        txn.set_path(b"/c").unwrap();
        assert_eq!(target(&txn), "/c?x=1");
        txn.set_query(b"y=2").unwrap();
        assert_eq!(target(&txn), "/c?y=2");
        txn.set_uri(b"http://h/z").unwrap();
        assert_eq!(target(&txn), "http://h/z");
    }

    #[test]
    fn what_would_be_injected_on_the_wire_is_refused() {
        let txn = http("/");
        for bad in [&b"/a b"[..], b"/a\r\nX: y", b"/\0", b"no-slash", b""] {
            assert!(txn.set_path(bad).is_err(), "{bad:?}");
        }
        assert!(txn.set_query(b"a\nb").is_err());
        assert!(txn.set_method(b"GET / HTTP").is_err());
        assert_eq!(target(&txn), "/");
    }
}
