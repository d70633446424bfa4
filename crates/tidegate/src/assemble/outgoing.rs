//! How connections to servers are made: TLS, PROXY headers, addresses to connect from.

use std::sync::Arc;

use tidegate_config::model::{self, Outgoing, TlsVerify};
use tidegate_config::{Diagnostic, Spanned, code};
use tidegate_proxy::spec::{PresentedAs, ProxyHeaderSpec, ServerSpec, ServerTls, SourceSpec};
use tidegate_sample::{Expr, Place, Scope};
use tidegate_tls::{ConnectSettings, Connector, Source};

use super::Assembly;

/// What `sni-auto` stands for.
const SNI_AUTO: &str = "req.hdr(host),field(1,:)";

fn source_of(source: &model::SourceAddress) -> SourceSpec {
    SourceSpec {
        ip: source.ip,
        first_port: source.first_port,
        last_port: source.last_port,
        interface: source.interface.clone(),
        presented_as: source.presented_as.as_ref().map(|whose| match whose {
            model::PresentedAs::Client => PresentedAs::Client,
            model::PresentedAs::ClientIp => PresentedAs::ClientIp,
            model::PresentedAs::Fixed(address) => PresentedAs::Fixed(*address),
            model::PresentedAs::Sampled(expr) => PresentedAs::Sampled(Arc::clone(expr)),
        }),
    }
}

impl Assembly {
    /// Puts what a `server` line says of its connections where it belongs; what a backend says of all its servers stands beside it.
    pub(super) fn outgoing(
        &mut self,
        server: &model::Server,
        (http, source): (bool, Option<&model::SourceAddress>),
        spec: &mut ServerSpec,
    ) {
        let outgoing = &server.outgoing;
        let source = outgoing.source.as_ref().or(source);
        spec.source = source.map(|source| Arc::new(source_of(source)));
        spec.socks = outgoing.socks;
        spec.congestion.clone_from(&outgoing.congestion);
        [_, spec.buffers] = self.buffers;
        spec.user_timeout = outgoing.user_timeout.filter(|time| !time.is_zero());
        spec.proxy_header = outgoing.proxy.as_ref().map(|proxy| {
            let options = proxy.options;
            Arc::new(ProxyHeaderSpec {
                binary: proxy.binary,
                ssl: options.ssl,
                common_name: options.common_name,
                cipher: options.cipher,
                signature: options.signature,
                key: options.key,
                authority: options.authority,
                checksum: options.checksum,
                unique_id: options.unique_id,
                tlvs: proxy.tlvs.clone(),
            })
        });
        spec.refuses_tls = outgoing.ssl_refused;
        if outgoing.ssl || outgoing.ssl_known {
            spec.spare_tls = self.connector(server, outgoing).map(|connector| {
                let auto = || {
                    let wanted = http && outgoing.sni_auto;
                    let scope = Scope::new(Place::ServerConnect).without_session();
                    wanted
                        .then(|| Expr::parse(SNI_AUTO, &scope).ok().map(Arc::new))
                        .flatten()
                };
                let sni = outgoing.sni.clone().or_else(auto);
                Arc::new(ServerTls { connector, sni })
            });
            spec.tls = spec.spare_tls.clone().filter(|_| outgoing.ssl);
        }
    }

    /// What hands are shaken with.
    pub(super) fn connector(&mut self, server: &model::Server, outgoing: &Outgoing) -> Option<Connector> {
        let before = self.faults.count(tidegate_config::Severity::Error);
        let tls = &outgoing.tls.clone().or(&self.tls.global.server);
        let span = server.address_span;
        let verify = tls.verify.unwrap_or(self.tls.global.server_verify);
        let mut names = self.names();
        let mut settings = ConnectSettings {
            versions: names.versions(tls, span),
            ciphers: names.suites(tls.ciphers.as_ref()),
            ciphersuites: names.suites13(tls.ciphersuites.as_ref()),
            curves: names.curves(tls.curves.as_ref()),
            signatures: names.signatures(tls.signatures.as_ref()),
            own_signatures: names.signatures(tls.client_signatures.as_ref()),
            alpn: tls.alpn.clone().unwrap_or_default(),
            host: outgoing.verify_host.as_ref().map(|host| host.value.clone()),
            resume: outgoing.resume,
            tickets: tls.tickets.unwrap_or(true),
            secrets: self.tls.global.secrets,
            ..ConnectSettings::default()
        };
        if verify != TlsVerify::None {
            match &tls.ca_file {
                Some(file) => settings.ca_file = self.trust(file),
                None => {
                    let message = "the server's certificate can't be verified without a `ca-file`";
                    self.faults.push(
                        Diagnostic::error(code::MISSING_ARGUMENT, span, message)
                            .help("name one (`ca-file @system-ca` for the system's), or say `verify none`"),
                    );
                }
            }
            settings.crl_file = tls.crl_file.as_ref().and_then(|file| self.distrust(file));
        }
        if let Some(certificate) = &outgoing.certificate {
            settings.certificate = self.own_certificate(certificate);
        }
        if self.faults.count(tidegate_config::Severity::Error) > before {
            return None;
        }
        let made = self.tls.store.connect(settings);
        made.map_err(|why| self.faults.push(Diagnostic::error(code::BAD_ARGUMENT, span, why)))
            .ok()
    }

    /// The certificate that a server is shown: one only.
    fn own_certificate(&mut self, certificate: &Spanned<String>) -> Option<String> {
        match self.certificates(&certificate.value, certificate.span)? {
            Source::Certificates { names, .. } => names.into_iter().next(),
            Source::List(_) => {
                let message = format!(
                    "`{}` is a directory, and a server is shown one certificate",
                    certificate.value
                );
                self.faults
                    .push(Diagnostic::error(code::BAD_ARGUMENT, certificate.span, message));
                None
            }
        }
    }
}
