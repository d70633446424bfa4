//! Names of versions, ciphers, curves and signature algorithms, and what the TLS library has of them.

use tidegate_config::model::{TlsSettings, TlsVerify, TlsVersion};
use tidegate_config::{Diagnostic, Diagnostics, Span, Spanned, code};
use tidegate_tls::{AcceptOptions, ClientAuth, Curves, Ignored, Signatures, Suites, Version, Versions};

/// Reads them, and tells what is wrong with them.
pub(crate) struct Names<'a>(pub(crate) &'a mut Diagnostics);

const CIPHER: &str = "cipher of TLS 1.2";
const SUITE: &str = "cipher suite of TLS 1.3";
const CURVE: &str = "curve";
const SIGNATURE: &str = "signature algorithm";

impl Names<'_> {
    /// What a `bind` line and a line of a list may both say. `base` is where authorities are.
    pub(crate) fn accept_options(
        &mut self,
        tls: &TlsSettings,
        span: Span,
        base: Option<&String>,
    ) -> AcceptOptions {
        self.versions(tls, span);
        let file = |file: &Option<Spanned<String>>| file.as_ref().map(|file| below(base, file));
        AcceptOptions {
            version_min: tls.version_min.as_ref().map(|min| version(min.value)),
            version_max: tls.version_max.as_ref().map(|max| version(max.value)),
            versions_without: tls.versions_without.iter().copied().map(version).collect(),
            ciphers: self.suites(tls.ciphers.as_ref()),
            ciphersuites: self.suites13(tls.ciphersuites.as_ref()),
            curves: self.curves(tls.curves.as_ref()),
            signatures: self.signatures(tls.signatures.as_ref()),
            client_signatures: self.signatures(tls.client_signatures.as_ref()),
            alpn: tls.alpn.clone(),
            client_auth: tls.verify.map(|verify| match verify {
                TlsVerify::None => ClientAuth::None,
                TlsVerify::Optional => ClientAuth::Optional,
                TlsVerify::Required => ClientAuth::Required,
            }),
            ca_file: file(&tls.ca_file),
            ca_verify_file: file(&tls.ca_verify_file),
            crl_file: file(&tls.crl_file),
            no_names: tls.no_ca_names,
        }
    }

    pub(crate) fn versions(&mut self, tls: &TlsSettings, span: Span) -> Versions {
        if let Some(min) = tls
            .version_min
            .as_ref()
            .filter(|min| min.value < TlsVersion::Tls12)
        {
            let message = "TLS 1.2 is the oldest version that is spoken";
            self.0
                .push(Diagnostic::warning(code::NO_EFFECT, min.span, message));
        }
        let min = tls.version_min.as_ref().map(|min| version(min.value));
        let max = tls.version_max.as_ref().map(|max| version(max.value));
        let without: Vec<Version> = tls.versions_without.iter().copied().map(version).collect();
        Versions::new(min, max, &without).unwrap_or_else(|| {
            let message = "no version of TLS is left: 1.2 and 1.3 can be spoken";
            self.0.push(Diagnostic::error(code::BAD_ARGUMENT, span, message));
            Versions::default()
        })
    }

    pub(crate) fn suites(&mut self, text: Option<&Spanned<String>>) -> Option<Suites> {
        self.read(text, CIPHER, Suites::tls12, |suites| &suites.unknown)
    }

    pub(crate) fn suites13(&mut self, text: Option<&Spanned<String>>) -> Option<Suites> {
        self.read(text, SUITE, Suites::tls13, |suites| &suites.unknown)
    }

    pub(crate) fn curves(&mut self, text: Option<&Spanned<String>>) -> Option<Curves> {
        self.read(text, CURVE, Curves::parse, |curves| &curves.unknown)
    }

    pub(crate) fn signatures(&mut self, text: Option<&Spanned<String>>) -> Option<Signatures> {
        self.read(text, SIGNATURE, Signatures::parse, |signatures| {
            &signatures.unknown
        })
    }

    pub(crate) fn ignored(&mut self, errors: Option<&Spanned<String>>) -> Ignored {
        let Some(errors) = errors else {
            return Ignored::None;
        };
        Ignored::parse(&errors.value).unwrap_or_else(|why| {
            self.0
                .push(Diagnostic::error(code::BAD_ARGUMENT, errors.span, why));
            Ignored::None
        })
    }

    /// Names that the library lacks are told; it is an error if it has none.
    fn read<T>(
        &mut self,
        text: Option<&Spanned<String>>,
        what: &str,
        parse: fn(&str) -> Result<T, Vec<String>>,
        unknown: fn(&T) -> &Vec<String>,
    ) -> Option<T> {
        let text = text?;
        match parse(&text.value) {
            Ok(found) => {
                let names = unknown(&found);
                if !names.is_empty() {
                    let message = format!("the TLS library has no {what} of the name {}", listed(names));
                    self.0
                        .push(Diagnostic::warning(code::NO_EFFECT, text.span, message));
                }
                Some(found)
            }
            Err(names) => {
                let message = match names.as_slice() {
                    [] => format!("no {what} is left"),
                    names => format!(
                        "no {what} is left: the TLS library has none of the name {}",
                        listed(names)
                    ),
                };
                self.0
                    .push(Diagnostic::error(code::BAD_ARGUMENT, text.span, message));
                None
            }
        }
    }
}

/// A file below the directory that it is searched in, unless it has a place of its own.
pub(crate) fn below(base: Option<&String>, path: &str) -> String {
    match base {
        Some(base) if !path.starts_with(['/', '@']) => format!("{}/{path}", base.trim_end_matches('/')),
        _ => path.to_owned(),
    }
}

fn version(version: TlsVersion) -> Version {
    match version {
        TlsVersion::Ssl3 => Version::Ssl3,
        TlsVersion::Tls10 => Version::Tls10,
        TlsVersion::Tls11 => Version::Tls11,
        TlsVersion::Tls12 => Version::Tls12,
        TlsVersion::Tls13 => Version::Tls13,
    }
}

fn listed(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
