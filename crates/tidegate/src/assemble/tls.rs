//! TLS of `bind` lines: from files and names to what hands are shaken with.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use tidegate_config::model::{self, BindCertificate, TlsSettings, TlsVerify, TlsVersion};
use tidegate_config::{Diagnostic, Span, Spanned, code};
use tidegate_tls::{
    AcceptSettings, Acceptor, AcceptorBuilder, Authorities, ClientAuth, Curves, Extra, Identity, Ignored,
    Loader, Suites, Version, Versions, revocation_lists,
};

use super::Assembly;

/// What is loaded from files, each of them once.
pub(super) struct Store {
    loader: Loader,
    authorities: HashMap<String, Authorities>,
    pub(super) global: model::TlsGlobal,
}

impl Store {
    /// One for what the `global` section says.
    pub(super) fn of(global: &model::TlsGlobal) -> Store {
        let extra = global.extra;
        Store {
            loader: Loader::new(Extra {
                key: extra.key,
                ocsp: extra.ocsp,
                bundle: extra.bundle,
            }),
            authorities: HashMap::new(),
            global: global.clone(),
        }
    }
}

/// A file below the directory that it is searched in, unless it has a place of its own.
fn below(base: Option<&String>, path: &str) -> String {
    match base {
        Some(base) if !path.starts_with(['/', '@']) => format!("{}/{path}", base.trim_end_matches('/')),
        _ => path.to_owned(),
    }
}

impl Assembly<'_> {
    /// What a `bind` line shakes hands with. `None` if that cannot be had; the faults have been told then.
    pub(super) fn acceptor(&mut self, bind: &model::Bind, http: bool) -> Option<Arc<Acceptor>> {
        let before = self.faults.count(tidegate_config::Severity::Error);
        let tls = &bind.options.tls;
        let defaults = self.tls.global.bind.tls.clone();
        let strict = tls.strict_sni.or(defaults.strict_sni).unwrap_or(false);
        let own = tls.settings.clone().or(&defaults.settings);
        let settings = self.accept_settings(&own, bind.span, default_alpn(bind, http));
        let mut builder = AcceptorBuilder::new(settings, strict);
        for certificate in &tls.certificates {
            let (path, default) = match &certificate.value {
                BindCertificate::Plain(path) => (path, false),
                BindCertificate::Default(path) => (path, true),
                BindCertificate::List(_) => continue,
            };
            for identity in self.identities(path, certificate.span) {
                builder.add(identity, &[], None, default);
            }
        }
        if self.faults.count(tidegate_config::Severity::Error) > before {
            return None;
        }
        if builder.is_empty() && !strict {
            let message = "`ssl` needs a certificate, and there is none";
            self.faults.push(
                Diagnostic::error(code::MISSING_ARGUMENT, bind.span, message)
                    .help("name a file with the certificate and its key: `ssl crt <file>`"),
            );
            return None;
        }
        match builder.build() {
            Ok(acceptor) => Some(Arc::new(acceptor)),
            Err(why) => {
                self.faults
                    .push(Diagnostic::error(code::BAD_ARGUMENT, bind.span, why));
                None
            }
        }
    }

    /// The identities that a `crt` names.
    pub(super) fn identities(&mut self, path: &str, span: Span) -> Vec<Arc<Identity>> {
        let path = below(self.tls.global.crt_base.as_ref(), path);
        let (identities, faults) = self.tls.loader.load(&path);
        for fault in faults {
            self.faults
                .push(Diagnostic::error(code::BAD_ARGUMENT, span, fault));
        }
        let now = SystemTime::now();
        for identity in identities
            .iter()
            .filter(|identity| identity.expires.is_some_and(|end| end < now))
        {
            let message = format!("the certificate of `{}` has expired", identity.name);
            self.faults
                .push(Diagnostic::warning(code::BAD_ARGUMENT, span, message));
        }
        identities
    }

    fn accept_settings(
        &mut self,
        tls: &TlsSettings,
        span: Span,
        default_alpn: Vec<Vec<u8>>,
    ) -> AcceptSettings {
        let mut settings = AcceptSettings {
            versions: self.versions(tls, span),
            ciphers: self.suites(tls.ciphers.as_ref(), Suites::tls12, "cipher of TLS 1.2"),
            ciphersuites: self.suites(
                tls.ciphersuites.as_ref(),
                Suites::tls13,
                "cipher suite of TLS 1.3",
            ),
            curves: self.curves(tls.curves.as_ref()),
            alpn: tls.alpn.clone().unwrap_or(default_alpn),
            client_auth: match tls.verify {
                None | Some(TlsVerify::None) => ClientAuth::None,
                Some(TlsVerify::Optional) => ClientAuth::Optional,
                Some(TlsVerify::Required) => ClientAuth::Required,
            },
            no_names: tls.no_ca_names,
            tickets: tls.tickets.unwrap_or(true),
            secrets: self.tls.global.secrets,
            ..AcceptSettings::default()
        };
        if let Some(sessions) = self.tls.global.sessions_max {
            settings.sessions_max = usize::try_from(sessions).unwrap_or(usize::MAX);
        }
        settings.authorities = tls.ca_file.as_ref().and_then(|file| self.authorities(file));
        settings.unnamed_authorities = tls
            .ca_verify_file
            .as_ref()
            .and_then(|file| self.authorities(file));
        settings.revoked = tls
            .crl_file
            .as_ref()
            .map(|file| self.revoked(file))
            .unwrap_or_default();
        settings.ignored = self.ignored(tls.crt_ignored.as_ref());
        settings.ignored_of_authorities = self.ignored(tls.ca_ignored.as_ref());
        let verifies = settings.client_auth != ClientAuth::None;
        if verifies && tls.ca_file.is_none() && tls.ca_verify_file.is_none() {
            let message = "clients can't be verified without a `ca-file`";
            self.faults
                .push(Diagnostic::error(code::MISSING_ARGUMENT, span, message));
        }
        settings
    }

    pub(super) fn versions(&mut self, tls: &TlsSettings, span: Span) -> Versions {
        if let Some(min) = tls
            .version_min
            .as_ref()
            .filter(|min| min.value < TlsVersion::Tls12)
        {
            let message = "TLS 1.2 is the oldest version that is spoken";
            self.faults
                .push(Diagnostic::warning(code::NO_EFFECT, min.span, message));
        }
        let min = tls.version_min.as_ref().map(|min| version(min.value));
        let max = tls.version_max.as_ref().map(|max| version(max.value));
        let without: Vec<Version> = tls.versions_without.iter().copied().map(version).collect();
        Versions::new(min, max, &without).unwrap_or_else(|| {
            let message = "no version of TLS is left: 1.2 and 1.3 can be spoken";
            self.faults
                .push(Diagnostic::error(code::BAD_ARGUMENT, span, message));
            Versions::default()
        })
    }

    pub(super) fn suites(
        &mut self,
        text: Option<&Spanned<String>>,
        parse: fn(&str) -> Result<Suites, Vec<String>>,
        what: &str,
    ) -> Option<Suites> {
        let text = text?;
        match parse(&text.value) {
            Ok(suites) => {
                self.lacking(&suites.unknown, what, text.span);
                Some(suites)
            }
            Err(unknown) => {
                self.nothing_left(&unknown, what, text.span);
                None
            }
        }
    }

    pub(super) fn curves(&mut self, text: Option<&Spanned<String>>) -> Option<Curves> {
        let text = text?;
        match Curves::parse(&text.value) {
            Ok(curves) => {
                self.lacking(&curves.unknown, "curve", text.span);
                Some(curves)
            }
            Err(unknown) => {
                self.nothing_left(&unknown, "curve", text.span);
                None
            }
        }
    }

    /// The TLS library has all but some of what was named.
    fn lacking(&mut self, names: &[String], what: &str, span: Span) {
        if !names.is_empty() {
            let message = format!("the TLS library has no {what} of the name {}", listed(names));
            self.faults
                .push(Diagnostic::warning(code::NO_EFFECT, span, message));
        }
    }

    fn nothing_left(&mut self, names: &[String], what: &str, span: Span) {
        let message = match names {
            [] => format!("no {what} is left"),
            names => format!(
                "no {what} is left: the TLS library has none of the name {}",
                listed(names)
            ),
        };
        self.faults
            .push(Diagnostic::error(code::BAD_ARGUMENT, span, message));
    }

    pub(super) fn authorities(&mut self, file: &Spanned<String>) -> Option<Authorities> {
        let path = below(self.tls.global.ca_base.as_ref(), &file.value);
        if let Some(known) = self.tls.authorities.get(&path) {
            return Some(known.clone());
        }
        match Authorities::load(&path) {
            Ok(authorities) => {
                self.tls.authorities.insert(path, authorities.clone());
                Some(authorities)
            }
            Err(why) => {
                self.faults
                    .push(Diagnostic::error(code::BAD_ARGUMENT, file.span, why));
                None
            }
        }
    }

    pub(super) fn revoked(&mut self, file: &Spanned<String>) -> Vec<tidegate_tls::RevocationList> {
        revocation_lists(&below(self.tls.global.ca_base.as_ref(), &file.value)).unwrap_or_else(|why| {
            self.faults
                .push(Diagnostic::error(code::BAD_ARGUMENT, file.span, why));
            Vec::new()
        })
    }

    fn ignored(&mut self, errors: Option<&Spanned<String>>) -> Ignored {
        let Some(errors) = errors else {
            return Ignored::None;
        };
        Ignored::parse(&errors.value).unwrap_or_else(|why| {
            self.faults
                .push(Diagnostic::error(code::BAD_ARGUMENT, errors.span, why));
            Ignored::None
        })
    }
}

/// What a listener offers when nobody says.
fn default_alpn(bind: &model::Bind, http: bool) -> Vec<Vec<u8>> {
    let names: &[&[u8]] = match (http, bind.options.proto) {
        (false, _) => &[],
        (true, None) => &[b"h2", b"http/1.1"],
        (true, Some(model::HttpProto::Http1)) => &[b"http/1.1"],
        (true, Some(model::HttpProto::Http2)) => &[b"h2"],
    };
    names.iter().map(|name| name.to_vec()).collect()
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
