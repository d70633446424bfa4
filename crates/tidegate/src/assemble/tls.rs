//! TLS of `bind` lines: from files and names to what hands are shaken with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use tidegate_config::model::{
    self, BindCertificate, CertificateLine, CertificateList, CertificateLoad, TlsSettings,
};
use tidegate_config::{Diagnostic, Diagnostics, Severity, Span, Spanned, code};
use tidegate_tls::{
    AcceptOptions, AcceptSettings, Acceptor, ClientAuth, Entry, Extra, Files, Listening, Source, Store,
};

use super::Assembly;
use super::tls_names::{Names, below};

/// What is loaded from files, and what the configuration says of it.
pub(super) struct Tls {
    pub(super) store: Arc<Store>,
    pub(super) global: model::TlsGlobal,
    /// What `crt-store` sections load, by its name.
    loads: BTreeMap<String, CertificateLoad>,
    /// What `crt-list` files say, until they are loaded.
    lists: BTreeMap<String, CertificateList>,
}

impl Tls {
    /// What the `global` section says, and all that `crt-store` sections load.
    pub(super) fn of(config: &mut model::Config, faults: &mut Diagnostics) -> Tls {
        let global = config.global.tls.clone();
        let extra = Extra {
            key: global.extra.key,
            ocsp: global.extra.ocsp,
            issuer: global.extra.issuer,
            bundle: global.extra.bundle,
            replaces_extension: global.extra.replaces_extension,
        };
        let issuers = global.issuers.as_ref();
        let store = Store::new(
            extra,
            issuers.map(|path| path.value.as_str()),
            global.skip_self_issued,
        );
        let store = store.unwrap_or_else(|why| {
            if let Some(issuers) = issuers {
                faults.push(Diagnostic::error(code::BAD_ARGUMENT, issuers.span, why));
            }
            Store::default()
        });
        let mut loads = BTreeMap::new();
        for load in std::mem::take(&mut config.certificates) {
            let base = |base: &Option<String>, path: &str| below(base.as_ref(), path);
            let files = Files {
                certificate: base(&global.crt_base, &load.file),
                key: load.files.key.as_ref().map(|key| base(&global.key_base, key)),
                ocsp: load.files.ocsp.as_ref().map(|ocsp| base(&global.crt_base, ocsp)),
                issuer: load
                    .files
                    .issuer
                    .as_ref()
                    .map(|issuer| base(&global.crt_base, issuer)),
                tokens: load.files.jwt,
            };
            let name = below(global.crt_base.as_ref(), &load.name);
            match store.define(&name, &files) {
                Ok(warnings) => {
                    for warning in warnings {
                        faults.push(Diagnostic::warning(code::BAD_ARGUMENT, load.name.span, warning));
                    }
                }
                Err(why) => faults.push(Diagnostic::error(code::BAD_ARGUMENT, load.name.span, why)),
            }
            loads.insert(name, load);
        }
        for file in std::mem::take(&mut config.token_certificates) {
            if let Err(why) = store.define_for_tokens(&file) {
                // It was read when the expression was, so that something happened since.
                faults.push(Diagnostic::bare(Severity::Error, code::BAD_ARGUMENT, why));
            }
        }
        Tls {
            store: Arc::new(store),
            global,
            loads,
            lists: std::mem::take(&mut config.certificate_lists),
        }
    }
}

impl Assembly {
    /// What a `bind` line shakes hands with, in the section of a name, with `more` certificates than its own. `None` if that cannot be had; the faults have been told then.
    pub(super) fn acceptor(
        &mut self,
        bind: &model::Bind,
        name: &str,
        more: Option<Source>,
        http: bool,
    ) -> Option<Arc<Acceptor>> {
        let before = self.faults.count(Severity::Error);
        let tls = &bind.options.tls;
        let settings = self.accept_settings(bind, http);
        let mut sources = Vec::new();
        for certificate in &tls.certificates {
            let span = certificate.span;
            match &certificate.value {
                BindCertificate::Plain(path) => sources.extend(self.certificates(path, span)),
                BindCertificate::Default(path) => {
                    sources.extend(self.certificates(path, span).map(as_default))
                }
                BindCertificate::List(path) => sources.push(self.list(path)),
            }
        }
        sources.extend(more);
        if self.faults.count(Severity::Error) > before {
            return None;
        }
        let about = Listening {
            frontend: name.to_owned(),
            place: self.around.sources.place(bind.span),
            settings,
            sources,
        };
        match self.tls.store.listen(about) {
            Ok(acceptor) => Some(Arc::new(acceptor)),
            Err(why) => {
                let mut fault = Diagnostic::error(code::MISSING_ARGUMENT, bind.span, why);
                if tls.certificates.is_empty() {
                    fault = fault.help("name a file with the certificate and its key: `ssl crt <file>`");
                }
                self.faults.push(fault);
                None
            }
        }
    }

    /// The certificates, or the directory, that a `crt` names.
    pub(super) fn certificates(&mut self, path: &str, span: Span) -> Option<Source> {
        let path = below(self.tls.global.crt_base.as_ref(), path);
        let load = self.tls.loads.get(&path);
        if let Some(load) = load.filter(|load| span < load.name.span) {
            let message = format!("`{path}` is used here, and loaded by a `crt-store` section further down");
            self.faults.push(
                Diagnostic::error(code::BAD_ARGUMENT, span, message)
                    .related(load.name.span, "it is loaded here")
                    .help("move the `crt-store` section before everything that uses its certificates"),
            );
            return None;
        }
        let known: Vec<&str> = self.tls.loads.keys().map(String::as_str).collect();
        let found = self.tls.store.find(&path);
        for fault in found.faults {
            let mut fault = Diagnostic::error(code::BAD_ARGUMENT, span, fault);
            if path.starts_with('@') {
                fault = fault.suggest(&path, known.iter().copied());
            }
            self.faults.push(fault);
        }
        for warning in found.warnings {
            self.faults
                .push(Diagnostic::warning(code::BAD_ARGUMENT, span, warning));
        }
        if let Some(Source::Certificates { names, .. }) = &found.source {
            self.warn_of_expired(names, span);
        }
        found.source
    }

    /// HAProxy starts with them, and clients judge for themselves.
    fn warn_of_expired(&mut self, names: &[String], span: Span) {
        let now = SystemTime::now();
        for name in names {
            if self.tls.store.expires(name).is_some_and(|end| end < now) {
                let message = format!("the certificate of `{name}` has expired");
                self.faults
                    .push(Diagnostic::warning(code::BAD_ARGUMENT, span, message));
            }
        }
    }

    /// The list of a `crt-list` file.
    fn list(&mut self, path: &str) -> Source {
        let name = path.trim_end_matches('/').to_owned();
        if let Some(list) = self.tls.lists.remove(path) {
            let entries = list.lines.iter().flat_map(|line| self.entries(line));
            let entries = entries.collect();
            let base = self.tls.global.crt_base.as_deref();
            self.tls.store.add_list(&name, entries, base);
        }
        Source::List(name)
    }

    /// The list of a frontend's `ssl-f-use` lines.
    pub(super) fn list_of_frontend(&mut self, proxy: &model::Proxy) -> Option<Source> {
        if proxy.certificates.is_empty() {
            return None;
        }
        let name = format!("@{}", proxy.name.value);
        if !self.tls.store.has_list(&name) {
            let lines = (1..).zip(&proxy.certificates);
            let entries = lines.flat_map(|(number, line)| {
                let mut entries = self.entries(line);
                for entry in &mut entries {
                    entry.line = number;
                }
                entries
            });
            let entries = entries.collect();
            let base = self.tls.global.crt_base.as_deref();
            self.tls.store.add_list(&name, entries, base);
        }
        Some(Source::List(name))
    }

    /// The entries that a line stands for: several for the files of a bundle.
    fn entries(&mut self, line: &CertificateLine) -> Vec<Entry> {
        let span = line.certificate.span;
        if line.files.are_named() || line.files.jwt {
            let global = &self.tls.global;
            let base = |path: &Spanned<String>| below(global.crt_base.as_ref(), path);
            let certificate = base(&line.certificate);
            let files = Files {
                certificate: certificate.clone(),
                key: line.files.key.as_ref().map(base),
                ocsp: line.files.ocsp.as_ref().map(base),
                issuer: line.files.issuer.as_ref().map(base),
                tokens: line.files.jwt,
            };
            let defined = match self.tls.store.expires(&certificate) {
                None => self.tls.store.define(&certificate, &files),
                // It is there by another line.
                Some(_) => Ok(Vec::new()),
            };
            if let Err(why) = defined {
                self.faults.push(Diagnostic::error(code::BAD_ARGUMENT, span, why));
                return Vec::new();
            }
        }
        let names = match self.certificates(&line.certificate, span) {
            Some(Source::Certificates { names, .. }) => names,
            Some(Source::List(_)) => {
                let message = "a line names a certificate, and this is a directory";
                self.faults
                    .push(Diagnostic::error(code::BAD_ARGUMENT, span, message));
                Vec::new()
            }
            None => Vec::new(),
        };
        let options =
            (line.settings != TlsSettings::default()).then(|| self.accept_options(&line.settings, span));
        let entries = names.into_iter().map(|certificate| Entry {
            line: line.line,
            certificate,
            written: line.written.clone(),
            options: options.clone(),
            filters: line.filters.clone(),
        });
        entries.collect()
    }

    fn accept_settings(&mut self, bind: &model::Bind, http: bool) -> AcceptSettings {
        let tls = &bind.options.tls;
        let defaults = self.tls.global.bind.tls.clone();
        let own = tls.settings.clone().or(&defaults.settings);
        let mut settings = AcceptSettings {
            options: self.accept_options(&own, bind.span),
            strict: tls.strict_sni.or(defaults.strict_sni).unwrap_or(false),
            tickets: own.tickets.unwrap_or(true),
            secrets: self.tls.global.secrets,
            ..AcceptSettings::default()
        };
        settings
            .options
            .alpn
            .get_or_insert_with(|| default_alpn(bind, http));
        if let Some(sessions) = self.tls.global.sessions_max {
            settings.sessions_max = usize::try_from(sessions).unwrap_or(usize::MAX);
        }
        settings.ignored = self.names().ignored(own.crt_ignored.as_ref());
        settings.ignored_of_authorities = self.names().ignored(own.ca_ignored.as_ref());
        if let Some(file) = tls.ticket_keys.as_ref().or(defaults.ticket_keys.as_ref()) {
            match self.tls.store.ticket_keys(&file.value) {
                Ok(keys) => settings.ticket_keys = Some(keys),
                Err(why) => self
                    .faults
                    .push(Diagnostic::error(code::BAD_ARGUMENT, file.span, why)),
            }
        }
        let options = &settings.options;
        let verifies = options.client_auth.is_some_and(|auth| auth != ClientAuth::None);
        if verifies && options.ca_file.is_none() && options.ca_verify_file.is_none() {
            let message = "clients can't be verified without a `ca-file`";
            self.faults
                .push(Diagnostic::error(code::MISSING_ARGUMENT, bind.span, message));
        }
        settings
    }

    /// What a `bind` line and a line of a list may both say; the files that it names are loaded.
    fn accept_options(&mut self, tls: &TlsSettings, span: Span) -> AcceptOptions {
        for file in [&tls.ca_file, &tls.ca_verify_file].into_iter().flatten() {
            self.trust(file);
        }
        if let Some(file) = &tls.crl_file {
            self.distrust(file);
        }
        let base = self.tls.global.ca_base.clone();
        self.names().accept_options(tls, span, base.as_ref())
    }

    pub(super) fn names(&mut self) -> Names<'_> {
        Names(&mut self.faults)
    }

    /// Loads authorities; gives the name by which they are known then.
    pub(super) fn trust(&mut self, file: &Spanned<String>) -> Option<String> {
        let path = below(self.tls.global.ca_base.as_ref(), file);
        match self.tls.store.trust(&path) {
            Ok(()) => Some(path),
            Err(why) => {
                self.faults
                    .push(Diagnostic::error(code::BAD_ARGUMENT, file.span, why));
                None
            }
        }
    }

    /// Loads what was revoked, likewise.
    pub(super) fn distrust(&mut self, file: &Spanned<String>) -> Option<String> {
        let path = below(self.tls.global.ca_base.as_ref(), file);
        match self.tls.store.distrust(&path) {
            Ok(()) => Some(path),
            Err(why) => {
                self.faults
                    .push(Diagnostic::error(code::BAD_ARGUMENT, file.span, why));
                None
            }
        }
    }
}

fn as_default(source: Source) -> Source {
    match source {
        Source::Certificates { names, .. } => Source::Certificates { names, default: true },
        list @ Source::List(_) => list,
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
