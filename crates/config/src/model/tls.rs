//! TLS: what `bind`, `server` and `crt-list` lines and their defaults say.

use crate::source::Spanned;

/// A version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// SSL 3.0.
    Ssl3,
    /// TLS 1.0.
    Tls10,
    /// TLS 1.1.
    Tls11,
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// `verify`: whether the peer's certificate is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVerify {
    /// It is not; clients are not asked for any.
    None,
    /// It is, if there is one.
    Optional,
    /// It is, and has to be there.
    Required,
}

/// What both sides have settings for. What nobody said is `None` or empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// `alpn`; `no-alpn` is an empty list.
    pub alpn: Option<Vec<Vec<u8>>>,
    /// `ciphers`: of TLS 1.2.
    pub ciphers: Option<Spanned<String>>,
    /// `ciphersuites`: of TLS 1.3.
    pub ciphersuites: Option<Spanned<String>>,
    /// `curves`, or `ecdhe` if there are none.
    pub curves: Option<Spanned<String>>,
    /// `ssl-min-ver`.
    pub version_min: Option<Spanned<TlsVersion>>,
    /// `ssl-max-ver`.
    pub version_max: Option<Spanned<TlsVersion>>,
    /// `no-tlsv12` and the like.
    pub versions_without: Vec<TlsVersion>,
    /// `verify`.
    pub verify: Option<TlsVerify>,
    /// `ca-file`.
    pub ca_file: Option<Spanned<String>>,
    /// `ca-verify-file`.
    pub ca_verify_file: Option<Spanned<String>>,
    /// `crl-file`.
    pub crl_file: Option<Spanned<String>>,
    /// `ca-ignore-err`.
    pub ca_ignored: Option<Spanned<String>>,
    /// `crt-ignore-err`.
    pub crt_ignored: Option<Spanned<String>>,
    /// `no-ca-names`.
    pub no_ca_names: bool,
    /// `tls-tickets`, `no-tls-tickets`.
    pub tickets: Option<bool>,
}

/// The TLS of a `bind` line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BindTls {
    /// `crt`, `default-crt` and `crt-list` in their order.
    pub certificates: Vec<Spanned<BindCertificate>>,
    /// `strict-sni`, `no-strict-sni`.
    pub strict_sni: Option<bool>,
    /// The rest.
    pub settings: TlsSettings,
}

/// Where a listener's certificates come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BindCertificate {
    /// `crt`: a file, a directory or the name of one in a store.
    Plain(String),
    /// `default-crt`.
    Default(String),
    /// `crt-list`: the lines of this file.
    List(String),
}
