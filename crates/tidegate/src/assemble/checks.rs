//! Health checks: from `http-check` and `tcp-check` rules and the parameters of servers to what the data plane runs.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, Method, Version};
use tidegate_config::model;
use tidegate_config::{Code, Diagnostic, Severity, Span, code};
use tidegate_proxy::check::health::{InitialState, Pace};
use tidegate_proxy::check::spec::{AgentSpec, CheckSpec, ExternalSpec, Layer, Observing, OnErrors};
use tidegate_proxy::check::status::Status;
use tidegate_proxy::check::step::{
    Action, Connect, Expect, HeaderPattern, Kind, Pattern, Payload, Port, Program, Request, Step, TextMatch,
};
use tidegate_proxy::spec::{ServerSpec, ServerTls, Text};

use super::servers::Terms;
use super::{Assembly, http2};

impl Assembly {
    /// What the checks of a backend do.
    pub(super) fn program(&mut self, program: model::CheckProgram, span: Option<Span>) -> Arc<Program> {
        let steps = program.steps.into_iter();
        let steps = steps.filter_map(|step| {
            Some(Step {
                action: self.action(step.action, span)?,
                comment: step.comment,
                number: step.number,
            })
        });
        Arc::new(Program {
            kind: match program.kind {
                model::CheckKind::Tcp | model::CheckKind::External => Kind::Tcp,
                model::CheckKind::Http => Kind::Http,
            },
            steps: steps.collect(),
            tcp_check: program.tcp_check,
            disable_on_404: program.disable_on_404,
            send_state: program.send_state,
        })
    }

    fn action(&mut self, action: model::CheckAction, span: Option<Span>) -> Option<Action> {
        use model::CheckAction as From;
        Some(match action {
            From::Connect(connect) => Action::Connect(Box::new(connect_step(*connect))),
            From::Send(bytes) => Action::Send(Payload::Text(Text::literal(bytes))),
            From::SendFormat(format) => Action::Send(Payload::Text(format.into())),
            From::SendHexFormat(format) => Action::Send(Payload::Hex(format)),
            From::Request(request) => Action::Request(Box::new(self.request(*request, span)?)),
            From::Expect(wanted) => Action::Expect(Box::new(expect(*wanted))),
            From::SetVar { to, value } => Action::SetVar(to, value),
            From::SetVarFormat { to, value } => Action::SetVarFmt(to, value),
            From::UnsetVar(name) => Action::UnsetVar(name),
        })
    }

    fn request(&mut self, request: model::CheckRequest, span: Option<Span>) -> Option<Request> {
        let defaults = Request::default();
        let method = match &request.method {
            Some(method) => match Method::from_bytes(method.as_bytes()) {
                Ok(method) => method,
                Err(_) => {
                    let message = format!("`{method}` is no method");
                    self.faults.push(fault(code::BAD_ARGUMENT, span, message));
                    return None;
                }
            },
            None => defaults.method,
        };
        let mut headers = Vec::with_capacity(request.headers.len());
        for (name, value) in request.headers {
            match HeaderName::from_bytes(name.as_bytes()) {
                Ok(name) => headers.push((name, value)),
                Err(_) => {
                    let message = format!("`{name}` is no name of a header");
                    self.faults.push(fault(code::BAD_NAME, span, message));
                }
            }
        }
        Some(Request {
            method,
            uri: request.uri.map_or(defaults.uri, text),
            version: match request.is_1_1 {
                Some(true) => Version::HTTP_11,
                Some(false) | None => Version::HTTP_10,
            },
            headers,
            body: request.body.map(text),
        })
    }

    /// The program that checks a backend's servers, if one does.
    pub(super) fn external(&mut self, proxy: &model::Proxy, id: u32) -> Option<ExternalSpec> {
        let own = proxy.check.command.as_ref()?;
        let (allowed, may_start) = self.programs;
        let mut lacks = |keyword: &str| {
            let message = format!("programs check no servers without `{keyword}` in the `global` section");
            self.faults
                .push(Diagnostic::error(code::MISSING_ARGUMENT, own.span, message));
        };
        if allowed.is_none() {
            lacks("external-check");
        }
        if !may_start {
            lacks("insecure-fork-wanted");
        }
        let (proxy_address, proxy_port) = match proxy.binds.first().map(|bind| &bind.address) {
            Some(model::BindAddress::Tcp { ip, ports }) => {
                (Some(ip.to_string()), Some(ports.first.to_string()))
            }
            Some(model::BindAddress::Name { host, ports, .. }) => {
                (Some(host.clone()), Some(ports.first.to_string()))
            }
            Some(model::BindAddress::Unix(path)) => (Some(path.to_string_lossy().into_owned()), None),
            Some(model::BindAddress::Abstract(_) | model::BindAddress::Fd(_)) | None => (None, None),
        };
        Some(ExternalSpec {
            command: own.command.clone(),
            path: own.path.clone(),
            preserve_env: allowed?.preserve_env,
            proxy_name: proxy.name.value.clone(),
            proxy_id: id,
            proxy_address,
            proxy_port,
            protocol: "tcp",
        })
    }

    /// How a server is checked, if it is.
    pub(super) fn check(
        &mut self,
        server: &model::Server,
        terms: &Terms,
        spec: &ServerSpec,
    ) -> Option<Arc<CheckSpec>> {
        let lines = &server.check;
        let limit = |time: Option<std::time::Duration>| time.filter(|time| !time.is_zero());
        if !lines.enabled {
            return None;
        }
        let named = lines.section.as_ref();
        let named = named.and_then(|name| self.checks.get(&name.value));
        let external = match named {
            Some(_) => None,
            None => terms.external.as_ref().map(|spec| {
                Arc::new(ExternalSpec {
                    protocol: protocol(terms.mode, server.proto),
                    ..spec.clone()
                })
            }),
        };
        let program = named.unwrap_or(&terms.program).clone();
        // Checks that go elsewhere take nothing over from the server's own connections.
        // Those of a server that comes later are told all that they do.
        let own_ways = lines.tls.is_some()
            || lines.send_proxy.is_some()
            || lines.proto.is_some()
            || lines.alpn.is_some()
            || lines.via_socks;
        let elsewhere = lines.address.is_some() || lines.port.is_some() || spec.dynamic;
        let speaks_tls = lines.tls.unwrap_or(spec.tls.is_some() && !elsewhere);
        let header = spec.proxy_header.as_ref();
        let tls = match (&spec.tls, speaks_tls || program.wants_tls()) {
            (Some(own), true) => Some(own.clone()),
            (None, true) => self
                .connector(server, &server.outgoing)
                .map(|connector| Arc::new(ServerTls { connector, sni: None })),
            (_, false) => None,
        };
        Some(Arc::new(CheckSpec {
            tls,
            speaks_tls,
            sni: lines.sni.clone(),
            sni_auto: lines.sni_auto,
            alpn: lines.alpn.clone(),
            proto: match &lines.proto {
                Some(proto) => http2::server_proto(proto.value),
                None => spec.proto,
            },
            via_socks: lines.via_socks,
            reuse_pool: lines.reuse_pool && !elsewhere && !own_ways && !program.connects(),
            pool_name: lines.pool_name.clone(),
            external,
            sends_proxy: lines.send_proxy.unwrap_or(header.is_some() && !elsewhere),
            proxy_binary: header.is_some_and(|header| header.binary),
            source: spec.source.clone(),
            pace: Pace {
                rise: lines.rise,
                fall: lines.fall,
                inter: lines.inter,
                fast_inter: lines.fast_inter,
                down_inter: lines.down_inter,
            },
            initial: match lines.initial {
                Some(model::InitialState::FullyUp) => InitialState::FullyUp,
                Some(model::InitialState::Down) => InitialState::Down,
                Some(model::InitialState::FullyDown) => InitialState::FullyDown,
                Some(model::InitialState::Up) | None => InitialState::Up,
            },
            timeout: limit(terms.check_timeout),
            connect_timeout: limit(terms.connect_timeout),
            address: lines.address,
            port: lines.port.or(lines.address_port),
            program,
            unique_id: terms.unique_id.clone(),
            log_all: terms.log_health_checks,
            observe: lines.observe.map(|layer| Observing {
                layer: match layer {
                    model::Observe::Layer4 => Layer::Four,
                    model::Observe::Layer7 => Layer::Seven,
                },
                errors_max: lines.errors_max,
                then: match lines.on_error {
                    model::OnError::FastInter => OnErrors::FastInter,
                    model::OnError::FailCheck => OnErrors::FailCheck,
                    model::OnError::SuddenDeath => OnErrors::SuddenDeath,
                    model::OnError::MarkDown => OnErrors::MarkDown,
                },
            }),
        }))
    }

    /// How a server's agent is asked, if there is one.
    pub(super) fn agent(&self, server: &model::Server, terms: &Terms) -> Option<Arc<AgentSpec>> {
        let agent = &server.check.agent;
        let port = agent.port.filter(|_| agent.enabled)?;
        Some(Arc::new(AgentSpec {
            address: agent.address,
            port,
            inter: agent.inter,
            timeout: terms.check_timeout.filter(|time| !time.is_zero()),
            send: Bytes::from(agent.send.clone().unwrap_or_default()),
            log_all: terms.log_health_checks,
        }))
    }
}

/// What a server speaks, as programs that check are told.
fn protocol(mode: model::Mode, proto: Option<model::HttpProto>) -> &'static str {
    match (mode, proto) {
        (model::Mode::Http, Some(model::HttpProto::Http2)) => "h2",
        (model::Mode::Http, _) => "h1",
        (model::Mode::Tcp | model::Mode::Log, _) => "tcp",
    }
}

/// A fault at its place, if it has one.
fn fault(code: Code, span: Option<Span>, message: String) -> Diagnostic {
    match span {
        Some(span) => Diagnostic::error(code, span, message),
        None => Diagnostic::bare(Severity::Error, code, message),
    }
}

fn connect_step(connect: model::CheckConnect) -> Connect {
    Connect {
        defaults: connect.defaults,
        port: match (connect.port, connect.address_port) {
            (Some(model::CheckPort::Fixed(port)), _) | (None, Some(port)) => Some(Port::Fixed(port)),
            (Some(model::CheckPort::Computed(expr)), _) => Some(Port::Computed(expr)),
            (None, None) => None,
        },
        address: connect.address,
        tls: connect.tls,
        sni: connect.sni,
        alpn: connect.alpn,
        proto: http2::server_proto(connect.proto),
        send_proxy: connect.send_proxy,
        via_socks: connect.via_socks,
        linger: connect.linger,
    }
}

fn expect(wanted: model::CheckExpect) -> Expect {
    let status = |code: Option<&str>| code.and_then(Status::of_code);
    Expect {
        pattern: pattern(wanted.pattern),
        negated: wanted.negated,
        received_min: wanted.received_min,
        ok_status: status(wanted.ok_status),
        error_status: status(wanted.error_status),
        timeout_status: status(wanted.timeout_status),
        on_success: wanted.on_success,
        on_error: wanted.on_error,
        status_code: wanted.status_code,
    }
}

fn pattern(pattern: model::CheckPattern) -> Pattern {
    use model::CheckPattern as From;
    let bytes = |bytes: Text, binary| Pattern::Bytes { bytes, binary };
    match pattern {
        From::Bytes(text) => bytes(Text::literal(text), false),
        From::Format(format) => bytes(Text::Format(format), false),
        From::Binary(binary) => bytes(Text::literal(binary), true),
        From::HexFormat(format) => Pattern::Hex(format),
        From::Regex(regex) => Pattern::Regex(regex),
        From::HexRegex(regex) => Pattern::HexRegex(regex),
        From::Status(ranges) => Pattern::Status(ranges),
        From::StatusRegex(regex) => Pattern::StatusRegex(regex),
        From::Header { name, value, whole } => Pattern::Header(HeaderPattern {
            name: text_match(name),
            value: value.map(text_match),
            whole,
        }),
    }
}

fn text_match(wanted: model::CheckText) -> TextMatch {
    match wanted.method {
        model::CheckMatch::Exact => TextMatch::Exact(text(wanted.text)),
        model::CheckMatch::Prefix => TextMatch::Prefix(text(wanted.text)),
        model::CheckMatch::Suffix => TextMatch::Suffix(text(wanted.text)),
        model::CheckMatch::Contains => TextMatch::Contains(text(wanted.text)),
        model::CheckMatch::Regex(regex) => TextMatch::Regex(regex),
    }
}

fn text(body: model::ReplyBody) -> Text {
    match body {
        model::ReplyBody::Bytes(bytes) => Text::literal(bytes),
        model::ReplyBody::Format(format) => format.into(),
    }
}
