//! What the `global` section says of TLS.

use super::address::BindOptions;
use super::tls::{TlsSettings, TlsVerify};
use crate::source::Spanned;
use tidegate_sample::TokenAlgorithms;

/// Defaults of TLS, and where its files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsGlobal {
    /// `ssl-default-bind-…`: what `bind` lines begin with.
    pub bind: BindOptions,
    /// `ssl-default-server-…`: what `server` lines begin with.
    pub server: TlsSettings,
    /// `ssl-server-verify`.
    pub server_verify: TlsVerify,
    /// `ca-base`: where authorities are.
    pub ca_base: Option<String>,
    /// `crt-base`: where certificates are.
    pub crt_base: Option<String>,
    /// `key-base`: where the keys of `crt-store` sections are.
    pub key_base: Option<String>,
    /// `issuers-chain-path`: a directory of certificates that complete chains.
    pub issuers: Option<Spanned<String>>,
    /// `ssl-skip-self-issued-ca`: certificates of authorities that vouch for themselves are not sent.
    pub skip_self_issued: bool,
    /// `ssl-load-extra-files`: files beside certificates that are looked for.
    pub extra: TlsExtraFiles,
    /// `jwt.decrypt_alg_list` and `jwt.decrypt_enc_list`: what encrypted tokens may be encrypted with.
    pub tokens: TokenAlgorithms,
    /// `tune.ssl.keylog`: secrets of connections can be fetched.
    pub secrets: bool,
    /// `tune.ssl.cachesize`: sessions that are kept for clients without tickets.
    pub sessions_max: Option<u32>,
    /// `tune.ssl.capture-buffer-size`: bytes that are kept of what clients say first.
    pub capture_bytes: u32,
}

/// Files beside certificates that are looked for without being named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TlsExtraFiles {
    /// `.rsa` and `.ecdsa` files of one certificate.
    pub bundle: bool,
    /// `.ocsp`.
    pub ocsp: bool,
    /// `.key`.
    pub key: bool,
    /// `.issuer`.
    pub issuer: bool,
    /// `ssl-load-extra-del-ext`: in place of the certificate's own `.crt`, not behind it.
    pub replaces_extension: bool,
}

impl Default for TlsGlobal {
    fn default() -> TlsGlobal {
        TlsGlobal {
            bind: BindOptions::default(),
            server: TlsSettings::default(),
            server_verify: TlsVerify::Required,
            ca_base: None,
            crt_base: None,
            key_base: None,
            issuers: None,
            skip_self_issued: false,
            extra: TlsExtraFiles {
                bundle: true,
                ocsp: true,
                key: true,
                issuer: true,
                replaces_extension: false,
            },
            tokens: TokenAlgorithms::default(),
            secrets: false,
            sessions_max: None,
            capture_bytes: 0,
        }
    }
}

impl TlsSettings {
    /// These, and what they don't say from others.
    pub fn or(mut self, others: &TlsSettings) -> TlsSettings {
        self.alpn = self.alpn.or_else(|| others.alpn.clone());
        self.ciphers = self.ciphers.or_else(|| others.ciphers.clone());
        self.ciphersuites = self.ciphersuites.or_else(|| others.ciphersuites.clone());
        self.curves = self.curves.or_else(|| others.curves.clone());
        self.signatures = self.signatures.or_else(|| others.signatures.clone());
        self.client_signatures = self
            .client_signatures
            .or_else(|| others.client_signatures.clone());
        self.version_min = self.version_min.or_else(|| others.version_min.clone());
        self.version_max = self.version_max.or_else(|| others.version_max.clone());
        self.versions_without.extend(&others.versions_without);
        self.verify = self.verify.or(others.verify);
        self.ca_file = self.ca_file.or_else(|| others.ca_file.clone());
        self.ca_verify_file = self.ca_verify_file.or_else(|| others.ca_verify_file.clone());
        self.crl_file = self.crl_file.or_else(|| others.crl_file.clone());
        self.ca_ignored = self.ca_ignored.or_else(|| others.ca_ignored.clone());
        self.crt_ignored = self.crt_ignored.or_else(|| others.crt_ignored.clone());
        self.no_ca_names |= others.no_ca_names;
        self.tickets = self.tickets.or(others.tickets);
        self
    }
}
