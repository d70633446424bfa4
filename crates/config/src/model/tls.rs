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
    /// `sigalgs`: what is signed with here, and on `server` lines what servers sign with.
    pub signatures: Option<Spanned<String>>,
    /// `client-sigalgs`: what clients sign with.
    pub client_signatures: Option<Spanned<String>>,
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
    /// `tls-ticket-keys`: the file of keys that tickets are encrypted with.
    pub ticket_keys: Option<Spanned<String>>,
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

/// `load` of a `crt-store` section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateLoad {
    /// What it is called elsewhere: `@store/alias`, `@store/file`, or, in a store without a name, the file.
    pub name: Spanned<String>,
    /// `crt`: the file, below the section's `crt-base`.
    pub file: String,
    /// The rest.
    pub files: CertificateFiles,
}

/// Files that belong to a certificate and are named, and what else is said of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificateFiles {
    /// `key`.
    pub key: Option<Spanned<String>>,
    /// `ocsp`: a response of OCSP.
    pub ocsp: Option<Spanned<String>>,
    /// `issuer`: the certificate of who issued it.
    pub issuer: Option<Spanned<String>>,
    /// `jwt`: tokens may be verified and decrypted with it.
    pub jwt: bool,
}

impl CertificateFiles {
    /// Whether a file is named.
    pub fn are_named(&self) -> bool {
        self.key.is_some() || self.ocsp.is_some() || self.issuer.is_some()
    }
}

/// A line of a `crt-list` file, or an `ssl-f-use` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateLine {
    /// The certificate: a file, or the name of one in a store.
    pub certificate: Spanned<String>,
    /// Its line in the file, from 1.
    pub line: u32,
    /// Its settings as they are written, without brackets.
    pub written: String,
    /// What they say.
    pub settings: TlsSettings,
    /// Files of the certificate that they name.
    pub files: CertificateFiles,
    /// The names that it is for, in place of its own; `!` before one leaves it out of a wildcard.
    pub filters: Vec<String>,
}

/// A `crt-list` file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificateList {
    /// Its lines.
    pub lines: Vec<CertificateLine>,
}
