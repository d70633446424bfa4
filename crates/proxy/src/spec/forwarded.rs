//! What servers are told of clients: `option forwardfor`, `originalto` and `forwarded`.

use tidegate_sample::Expr;

/// `option forwardfor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardFor {
    /// The header's name, usually `x-forwarded-for`.
    pub header: http::HeaderName,
    /// `except`: networks whose clients get none, as address and prefix length.
    pub except: Vec<(std::net::IpAddr, u8)>,
    /// `if-none`: only if the request has none.
    pub if_none: bool,
}

impl Default for ForwardFor {
    fn default() -> Self {
        ForwardFor {
            header: http::HeaderName::from_static("x-forwarded-for"),
            except: Vec::new(),
            if_none: false,
        }
    }
}

/// `option forwarded`: the parts of the header of RFC 7239.
#[derive(Default)]
pub struct Forwarded {
    /// `proto`; the expression tells whether the client speaks TLS, where that can be asked.
    pub proto: Option<Option<Expr>>,
    /// `host`.
    pub host: Option<ForwardedPart>,
    /// `by`.
    pub by: Option<ForwardedPart>,
    /// `by_port`.
    pub by_port: Option<ForwardedPart>,
    /// `for`.
    pub client: Option<ForwardedPart>,
    /// `for_port`.
    pub client_port: Option<ForwardedPart>,
}

/// Where a part of the header comes from.
pub enum ForwardedPart {
    /// From the connection or the request.
    Own,
    /// From an expression, which doesn't wait.
    Sampled(Expr),
}
