//! What requests that scripts send begin with: the `httpclient.…` lines.

use std::path::PathBuf;
use std::time::Duration;

use crate::source::Spanned;

/// The settings of the HTTP client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpClientSettings {
    /// `httpclient.resolvers.id`: the section that knows the names.
    pub resolvers: Option<Spanned<String>>,
    /// `httpclient.resolvers.disabled`: names are not resolved.
    pub resolvers_disabled: bool,
    /// `httpclient.resolvers.prefer ipv4`
    pub prefer_v4: bool,
    /// `httpclient.retries`: further attempts to connect.
    pub retries: u32,
    /// `httpclient.ssl.ca-file`: the file of authorities that vouch for servers; the system's without.
    pub ca_file: Option<Spanned<PathBuf>>,
    /// `httpclient.ssl.verify`: whether servers' certificates are verified.
    pub verify: bool,
    /// `httpclient.timeout.connect`
    pub connect_timeout: Duration,
}

impl Default for HttpClientSettings {
    fn default() -> HttpClientSettings {
        HttpClientSettings {
            resolvers: None,
            resolvers_disabled: false,
            prefer_v4: false,
            retries: 3,
            ca_file: None,
            verify: true,
            connect_timeout: Duration::from_secs(5),
        }
    }
}
