//! What can only be judged when a section, or all of them, have been read.

use std::collections::BTreeMap;

use super::log::SYSLOG_PORT;
use super::proxy::{ProxyCx, described, settle_format, settle_stats};
use crate::diag::{Diagnostic, Diagnostics, code};
use crate::model::{
    Action, BackendTarget, Balance, CheckKind, CheckProgram, Expr, HashBy, Mode, Observe, Proxy, ProxyId,
    Rule, Server, ServerAddress, ServerPort, ServerTarget,
};
use crate::source::{Span, Spanned};

/// Settles what the lines of a section left open.
pub(crate) fn settle(cx: &mut ProxyCx<'_>, header_is_sound: bool) {
    settle_format(cx);
    settle_stats(cx);
    log_mode(cx);
    super::proxy::settle_balance(cx);
    health(cx);
    http_in_tcp_mode(cx);
    super::log_sections::slots(&cx.proxy, cx.diagnostics);
    unique_id_header(cx);
    named_servers(cx);
    // what is missing may be in a line that has a fault
    if header_is_sound && !cx.diagnostics.has_errors() {
        timeouts(&cx.proxy, cx.diagnostics);
        listeners(&cx.proxy, cx.diagnostics);
        ignored_logs(&cx.proxy, cx.diagnostics);
    }
}

/// Puts the steps of health checks together, and holds the servers' parameters to them.
fn health(cx: &mut ProxyCx<'_>) {
    let checks = std::mem::take(&mut cx.checks);
    if let Some((span, help)) = checks.unused().filter(|_| cx.proxy.kind.is_backend()) {
        let message = "no check uses these lines";
        cx.diagnostics
            .push(Diagnostic::warning(code::NO_EFFECT, span, message).help(help));
    }
    let (kind_span, command) = (checks.external_span(), checks.has_command());
    cx.proxy.check = checks.finish();
    let is_used = |server: &Server| server.check.enabled && server.check.section.is_none();
    if let Some(span) = kind_span.filter(|_| !command && cx.proxy.servers.iter().any(is_used)) {
        let message = "nobody says which program checks";
        cx.diagnostics.push(
            Diagnostic::error(code::MISSING_ARGUMENT, span, message)
                .help("add `external-check command <command>`"),
        );
    }
    for server in &cx.proxy.servers {
        let span = server.name.span;
        let check = &server.check;
        if check.agent.enabled && check.agent.port.is_none() {
            let message = "`agent-check` needs to know the agent's port";
            cx.diagnostics.push(
                Diagnostic::error(code::MISSING_ARGUMENT, span, message).help("add `agent-port <port>`"),
            );
        }
        if check.enabled
            && check.section.is_none()
            && let Some(proto) = &check.proto
            && proto.value.is_some() != (cx.proxy.check.kind == CheckKind::Http)
        {
            let message = match proto.value {
                Some(_) => "checks of this server speak no HTTP",
                None => "checks of this server speak HTTP",
            };
            cx.diagnostics
                .push(Diagnostic::error(code::BAD_ARGUMENT, proto.span, message));
        }
        if check.via_socks && server.outgoing.socks.is_none() {
            let message = "`check-via-socks4` has no effect without a proxy of SOCKS";
            cx.diagnostics.push(
                Diagnostic::warning(code::NO_EFFECT, span, message).help("add `socks4 <address>:<port>`"),
            );
        }
        if check.observe == Some(Observe::Layer7) && cx.proxy.mode != Mode::Http {
            let message = "`observe layer7` needs responses of HTTP, and this proxy is in TCP mode";
            cx.diagnostics
                .push(Diagnostic::error(code::WRONG_MODE, span, message).help("use `observe layer4`"));
        }
        if check.observe.is_some() && !check.enabled {
            let message = "`observe` has no effect without health checks";
            cx.diagnostics
                .push(Diagnostic::warning(code::NO_EFFECT, span, message).help("add `check`"));
        }
    }
}

/// Servers name sections that there are.
pub(crate) fn named_checks(
    proxies: &[Proxy],
    checks: &BTreeMap<String, CheckProgram>,
    diagnostics: &mut Diagnostics,
) {
    let servers = proxies.iter().flat_map(|proxy| &proxy.servers);
    for name in servers.filter_map(|server| server.check.section.as_ref()) {
        if !checks.contains_key(&name.value) {
            let message = format!("there is no section `healthcheck {}`", name.value);
            diagnostics.push(
                Diagnostic::error(code::BAD_ARGUMENT, name.span, message)
                    .suggest(&name.value, checks.keys().map(String::as_str)),
            );
        }
    }
}

/// Checks between proxies.
pub(crate) fn proxies(proxies: &[Proxy], diagnostics: &mut Diagnostics) {
    for proxy in proxies {
        if let Some(target) = &proxy.default_backend {
            same_mode(proxies, proxy, target.value, target.span, diagnostics);
        }
        for rule in &proxy.use_backends {
            if let BackendTarget::Proxy(target) = rule.target {
                same_mode(proxies, proxy, target, rule.span, diagnostics);
            }
        }
    }
    identifiers(proxies, diagnostics);
    tracking(proxies, diagnostics);
    unique_names(proxies, diagnostics);
}

/// Only backends are in log mode, and only those have servers that are sent datagrams.
fn log_mode(cx: &mut ProxyCx<'_>) {
    let is_log = cx.proxy.mode == Mode::Log;
    if let (true, true, Some(span)) = (is_log, cx.proxy.kind.is_frontend(), cx.mode_span) {
        let message = format!(
            "`mode log` is for backends, and {} takes connections",
            cx.described()
        );
        cx.diagnostics.push(
            Diagnostic::error(code::WRONG_MODE, span, message)
                .help("a `log-forward` section receives log lines"),
        );
    }
    if is_log {
        for server in &mut cx.proxy.servers {
            if let ServerAddress::Tcp { port, .. } | ServerAddress::Name { port, .. } = &mut server.address
                && matches!(port, ServerPort::Mapped(0))
            {
                *port = ServerPort::Fixed(SYSLOG_PORT);
            }
        }
        return;
    }
    for server in &cx.proxy.servers {
        if server.datagrams {
            let message = format!(
                "{} isn't in log mode: datagrams are for log lines",
                described(&cx.proxy)
            );
            cx.diagnostics
                .push(Diagnostic::error(code::WRONG_MODE, server.address_span, message));
        }
        if server.lines != Default::default() {
            let message = format!(
                "`log-proto` and `log-bufsize` have no effect: {} isn't in log mode",
                described(&cx.proxy)
            );
            cx.diagnostics
                .push(Diagnostic::warning(code::NO_EFFECT, server.name.span, message));
        }
    }
}

/// HAProxy drops rules on HTTP that a proxy in TCP mode has, and warns.
fn http_in_tcp_mode(cx: &mut ProxyCx<'_>) {
    if cx.proxy.mode == Mode::Http {
        return;
    }
    let described = cx.described();
    let switches = |rule: &Rule| matches!(rule.action, Action::SwitchMode(_));
    if cx.proxy.kind.is_frontend() && cx.proxy.rules.tcp_request_content.iter().any(switches) {
        return;
    }
    let rules = &mut cx.proxy.rules;
    let sets: [(&str, &mut Vec<Rule>); 4] = [
        ("http-request", &mut rules.http_request),
        ("http-response", &mut rules.http_response),
        ("http-after-response", &mut rules.http_after_response),
        ("redirect", &mut rules.redirects),
    ];
    for (name, set) in sets {
        if let Some(first) = set.first() {
            let message = format!("`{name}` rules are ignored: {described} is in TCP mode");
            cx.diagnostics.push(
                Diagnostic::warning(code::WRONG_MODE, first.span, message)
                    .help("add `mode http` to the section or to its defaults"),
            );
            set.clear();
        }
    }
    if let Some(cookie) = cx.proxy.persistence.cookie.take() {
        let message = format!("`cookie {}` is ignored: {described} is in TCP mode", cookie.name);
        cx.diagnostics
            .push(Diagnostic::warning(code::WRONG_MODE, cx.proxy.name.span, message));
    }
    let needs_http = match &cx.proxy.balance {
        Some(Balance::Hash(by)) => balance_needs_http(by),
        _ => false,
    };
    if needs_http {
        let message = format!("this `balance` is ignored, and `roundrobin` used: {described} is in TCP mode");
        cx.diagnostics.push(
            Diagnostic::warning(code::WRONG_MODE, cx.proxy.name.span, message)
                .help("`balance hash` takes what is known in TCP mode"),
        );
        cx.proxy.balance = Some(Balance::RoundRobin);
    }
    for line in http_settings(&mut cx.proxy) {
        let message = format!("`{line}` is ignored: {described} is in TCP mode");
        cx.diagnostics
            .push(Diagnostic::warning(code::WRONG_MODE, cx.proxy.name.span, message));
    }
}

/// Takes away what says something of HTTP alone: the lines that did.
fn http_settings(proxy: &mut Proxy) -> Vec<&'static str> {
    let http = std::mem::take(&mut proxy.http);
    let captures = &mut proxy.captures;
    let lines = [
        ("option forwardfor", proxy.forward_for.take().is_some()),
        ("option originalto", proxy.original_to.take().is_some()),
        ("option forwarded", proxy.forwarded.take().is_some()),
        (
            "option http-buffer-request",
            std::mem::take(&mut proxy.buffer_request),
        ),
        ("monitor-uri", proxy.monitor_uri.take().is_some()),
        ("capture cookie", captures.cookie.take().is_some()),
        (
            "option accept-unsafe-violations-in-http-request",
            http.lenient_requests,
        ),
        (
            "option accept-unsafe-violations-in-http-response",
            http.lenient_responses,
        ),
        ("option checkcache", http.check_cache),
        ("option disable-h2-upgrade", http.disable_h2_upgrade),
        ("option h1-case-adjust-bogus-client", http.adjust_for_clients),
        ("option h1-case-adjust-bogus-server", http.adjust_for_servers),
        ("option http-drop-request-trailers", http.drop_request_trailers),
        ("option http-drop-response-trailers", http.drop_response_trailers),
        ("option http-ignore-probes", http.ignore_probes),
        ("option http-pretend-keepalive", http.pretend_keepalive),
        ("option idle-close-on-response", http.idle_close_on_response),
    ];
    let said = lines.into_iter().filter(|(_, is_said)| *is_said);
    said.map(|(line, _)| line).collect()
}

/// The servers that `use-server` names must be there.
fn named_servers(cx: &mut ProxyCx<'_>) {
    let described = cx.described();
    for rule in &cx.proxy.persistence.use_servers {
        let ServerTarget::Name(name) = &rule.target else {
            continue;
        };
        let servers = &cx.proxy.servers;
        if !servers.iter().any(|server| server.name.value == name.value) {
            let message = format!("{described} has no server `{}`", name.value);
            let known = servers.iter().map(|server| server.name.value.as_str());
            cx.diagnostics
                .push(Diagnostic::error(code::BAD_ARGUMENT, name.span, message).suggest(&name.value, known));
        }
    }
}

/// `uri`, `hdr` and `url_param` look at requests of HTTP.
fn balance_needs_http(by: &HashBy) -> bool {
    let of_http = |expr: &Expr| {
        let text = expr.text();
        text.starts_with("url_param(") || text.starts_with("req.hdr(")
    };
    match by {
        HashBy::Uri(_) | HashBy::Domain(_) | HashBy::Either(..) => true,
        HashBy::Sample(expr) => of_http(expr),
        HashBy::Source => false,
    }
}

/// What `track` names must be there, and must not come back to the server itself.
fn tracking(proxies: &[Proxy], diagnostics: &mut Diagnostics) {
    let all: usize = proxies.iter().map(|proxy| proxy.servers.len()).sum();
    for proxy in proxies {
        for server in &proxy.servers {
            let Some(track) = &server.track else { continue };
            let mut at = (proxy, server);
            for steps in 0.. {
                match tracked(proxies, at) {
                    Some(_) if steps > all => {
                        let message = format!("`{}` tracks itself in the end", server.name.value);
                        diagnostics.push(Diagnostic::error(code::BAD_ARGUMENT, track.span, message));
                        break;
                    }
                    Some(next) => at = next,
                    None if at.1.track.is_none() => {
                        if !at.1.check.enabled && !at.1.check.agent.enabled {
                            let name = &at.1.name.value;
                            let message =
                                format!("nothing checks `{name}`: only its maintenance is followed");
                            diagnostics.push(
                                Diagnostic::warning(code::NO_EFFECT, track.span, message)
                                    .help(format!("add `check` to `{name}`")),
                            );
                        }
                        break;
                    }
                    None => {
                        // whoever names it is told, once
                        if std::ptr::eq(at.1, server) {
                            diagnostics.push(untrackable(proxies, proxy, track));
                        }
                        break;
                    }
                }
            }
        }
    }
}

/// The server that another one tracks.
fn tracked<'p>(
    proxies: &'p [Proxy],
    (proxy, server): (&'p Proxy, &'p Server),
) -> Option<(&'p Proxy, &'p Server)> {
    let (backend, name) = &server.track.as_ref()?.value;
    let backend = match backend {
        Some(backend) => proxies
            .iter()
            .find(|proxy| proxy.kind.is_backend() && proxy.name.value == *backend)?,
        None => proxy,
    };
    let server = backend.servers.iter().find(|server| server.name.value == *name)?;
    Some((backend, server))
}

fn untrackable(proxies: &[Proxy], proxy: &Proxy, track: &Spanned<(Option<String>, String)>) -> Diagnostic {
    let (backend, name) = &track.value;
    let found = match backend {
        Some(backend) => proxies
            .iter()
            .find(|proxy| proxy.kind.is_backend() && proxy.name.value == *backend),
        None => Some(proxy),
    };
    match found {
        Some(found) => {
            let message = format!("{} has no server `{name}`", described(found));
            let names = found.servers.iter().map(|server| server.name.value.as_str());
            Diagnostic::error(code::BAD_ARGUMENT, track.span, message).suggest(name, names)
        }
        None => {
            let message = format!("there is no backend `{}`", backend.as_deref().unwrap_or_default());
            Diagnostic::error(code::UNKNOWN_BACKEND, track.span, message)
        }
    }
}

/// A `guid` is given once: a name of proxies, of their servers, and, with numbers behind it, of their listening sockets.
fn unique_names(proxies: &[Proxy], diagnostics: &mut Diagnostics) {
    let mut seen = std::collections::HashMap::new();
    for proxy in proxies {
        let own = proxy.guid.clone().map(|guid| (guid, proxy.name.span));
        let servers = proxy.servers.iter();
        let servers = servers.filter_map(|server| Some((server.guid.clone()?, server.name.span)));
        let binds = proxy.binds.iter().filter_map(|bind| {
            let prefix = bind.options.guid_prefix.as_deref()?;
            // The first of the line stands for all.
            Some((format!("{prefix}-0"), bind.span))
        });
        for (guid, span) in own.into_iter().chain(servers).chain(binds) {
            let message = format!("the guid `{guid}` is given twice");
            if let Some(first) = seen.insert(guid, span) {
                diagnostics.push(
                    Diagnostic::error(code::DUPLICATE_NAME, span, message).related(first, "the first one"),
                );
            }
        }
    }
}

/// The header has nothing to tell without a format.
fn unique_id_header(cx: &mut ProxyCx<'_>) {
    if cx.proxy.unique_id_header.is_some() && cx.proxy.unique_id.is_none() {
        let message = format!(
            "`unique-id-header` has no effect: {} has no `unique-id-format`",
            cx.described()
        );
        cx.diagnostics
            .push(Diagnostic::warning(code::NO_EFFECT, cx.proxy.name.span, message));
        cx.proxy.unique_id_header = None;
    }
}

fn timeouts(proxy: &Proxy, diagnostics: &mut Diagnostics) {
    if proxy.disabled || proxy.mode == Mode::Log {
        return;
    }
    let set = |time: Option<std::time::Duration>| time.is_some_and(|time| !time.is_zero());
    let mut missing = Vec::new();
    if proxy.kind.is_frontend() && !set(proxy.timeouts.client) {
        missing.push("client");
    }
    if proxy.kind.is_backend() && !proxy.servers.is_empty() {
        if !set(proxy.timeouts.connect) {
            missing.push("connect");
        }
        if !set(proxy.timeouts.server) {
            missing.push("server");
        }
    }
    if missing.is_empty() {
        return;
    }
    let list = missing
        .iter()
        .map(|name| format!("`timeout {name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    let message = format!("{} has no {list}", described(proxy));
    diagnostics.push(
        Diagnostic::warning(code::MISSING_TIMEOUT, proxy.name.span, message)
            .note("a peer that says nothing would be waited for without end")
            .help("set it here or in `defaults`, to more than zero"),
    );
}

fn listeners(proxy: &Proxy, diagnostics: &mut Diagnostics) {
    if proxy.kind.is_frontend() && proxy.binds.is_empty() && !proxy.disabled {
        let message = format!(
            "{} has no `bind` line: it accepts no connections",
            described(proxy)
        );
        let mut diagnostic = Diagnostic::warning(code::NO_BIND, proxy.name.span, message);
        if proxy.kind.is_backend() {
            diagnostic = diagnostic.help("make it a `backend` if that is meant");
        }
        diagnostics.push(diagnostic);
    }
}

fn ignored_logs(proxy: &Proxy, diagnostics: &mut Diagnostics) {
    if proxy.kind.is_frontend() && proxy.log.format.is_some() && proxy.log.targets.is_empty() {
        let message = format!(
            "{} has a format of log lines and no `log` line: nothing is logged",
            described(proxy)
        );
        diagnostics.push(Diagnostic::warning(code::NO_LOG, proxy.name.span, message));
    }
}

fn same_mode(proxies: &[Proxy], from: &Proxy, to: ProxyId, span: Span, diagnostics: &mut Diagnostics) {
    let Some(to) = proxies.get(to.index()).filter(|to| to.mode != from.mode) else {
        return;
    };
    let diagnostic = match to.mode {
        Mode::Tcp => {
            let message = format!(
                "{} is in HTTP mode and {} is in TCP mode",
                described(from),
                described(to)
            );
            Diagnostic::error(code::MODE_MISMATCH, span, message)
        }
        Mode::Log => {
            let message = format!("{} is for log lines", described(to));
            Diagnostic::error(code::MODE_MISMATCH, span, message)
                .help("name it as `backend@<name>` in `log` lines")
        }
        // What comes by TCP is read as HTTP then.
        Mode::Http => return,
    };
    diagnostics.push(diagnostic.related(to.name.span, "the backend is defined here"));
}

/// Numbers that `id` lines give must differ.
fn identifiers(proxies: &[Proxy], diagnostics: &mut Diagnostics) {
    let mut seen: std::collections::HashMap<u32, &Proxy> = std::collections::HashMap::new();
    for proxy in proxies {
        let Some(id) = proxy.id else { continue };
        if let Some(first) = seen.insert(id, proxy) {
            let message = format!(
                "{} and {} both have the id {id}",
                described(first),
                described(proxy)
            );
            diagnostics.push(
                Diagnostic::error(code::DUPLICATE_NAME, proxy.name.span, message)
                    .related(first.name.span, "the first one"),
            );
        }
    }
}
