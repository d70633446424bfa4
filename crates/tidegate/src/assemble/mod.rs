//! From the configuration's model to what the data plane runs. This is the one place that knows both.

mod checks;
mod edits;
mod filters;
mod http2;
mod listen;
mod log_forward;
mod log_servers;
mod logs;
mod mails;
mod names;
mod outgoing;
mod peers;
mod replies;
mod rules;
mod saved;
mod servers;
mod statistics;
mod tls;
mod tls_names;
mod upstream;
mod variables;
mod workshop;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use tidegate_config::model::{self, Config, ExternalCheck, ProxyId, UnixBind};
use tidegate_config::{Diagnostics, Sources};
use tidegate_lua_api::Declared;
use tidegate_proxy::Mode;
use tidegate_proxy::check::step::Program;
use tidegate_proxy::http1::HeaderCase;
use tidegate_proxy::resolve::spec::ResolversSpec;
use tidegate_proxy::spec::{
    BackendChoice, BackendId, BackendSpec, Cache, CloseSpread, Closing, CompressionLimit, FilterSpec,
    ForwardFor, Forwarded, ForwardedPart, FrontendSpec, GlobalSpec, HeaderNames, Http1Spec, HttpClose,
    HttpReuse, Monitor, OnFailure, PaceSpec, ProxySpec, SocketBuffers, SpliceSpec, Text, Timeouts,
    UseBackend,
};
use tidegate_sample::stick::Tables;
use tidegate_sample::vars::ProcVars;
use tidegate_sample::{Data, Process};

use self::saved::SavedFiles;
use self::servers::Terms;
use crate::{load, system};

pub(crate) use listen::listeners_of;
pub(crate) use names::section_of as resolvers_section;
pub(crate) use tls_names::Names;
pub(crate) use variables::OfProcess;
pub(crate) use workshop::Workshop;

/// What the assembly knows beside the model.
pub(crate) struct Surroundings {
    /// What scripts registered.
    pub(crate) scripts: Declared,
    /// The texts that spans point into.
    pub(crate) sources: Arc<Sources>,
    /// The variables of the `proc` scope.
    pub(crate) proc_vars: Arc<ProcVars>,
    /// Most connections of the process.
    pub(crate) connections_max: u32,
    /// Most pipes of the process.
    pub(crate) pipes_max: u32,
    /// The name of this machine.
    pub(crate) node: String,
    /// Another process listens on the same sockets, and leaves once this one serves.
    pub(crate) replaces: bool,
    /// `description` of the `global` section.
    pub(crate) description: Option<String>,
    /// What pages of statistics look at, once it runs.
    pub(crate) running: crate::statistics::Handle,
}

/// What the assembly makes.
pub(crate) struct Assembled {
    /// The data plane's description.
    pub(crate) proxies: ProxySpec,
    /// What is worth a warning.
    pub(crate) warnings: Diagnostics,
    /// What handshakes are made with, for whoever changes it while it runs.
    pub(crate) tls: Arc<tidegate_tls::Store>,
    /// What makes servers while it runs.
    pub(crate) workshop: Workshop,
}

/// Makes the data plane's description, with what is worth a warning, or says all that stands in its way.
///
/// # Errors
/// What only shows now: names that no script registered, hosts that don't resolve, descriptors that aren't there.
pub(crate) fn assemble(mut config: Config, around: Surroundings) -> Result<Assembled, Diagnostics> {
    let forwards = std::mem::take(&mut config.log_forwards);
    let mut faults = Diagnostics::default();
    let tls = tls::Tls::of(&mut config, &mut faults);
    let mut assembly = Assembly {
        faults,
        backends: backend_numbers(&config),
        tls,
        checks: BTreeMap::new(),
        programs: (config.global.external_check, config.global.insecure_fork_wanted),
        saved_files: SavedFiles::new(config.global.saved_base.take(), config.global.saved_file.take()),
        numbers: numbers(config.proxies.iter().map(|proxy| proxy.id), first_proxy(&config)),
        servers: BTreeMap::new(),
        resolvers: names::sections(std::mem::take(&mut config.resolvers), config.global.families),
        fullconn: servers::fullconn(&config, around.connections_max),
        buffers: [
            config.global.tune.client_sockets,
            config.global.tune.server_sockets,
        ]
        .map(listen::buffers),
        threads: load::threads(config.global.threads, config.global.threads_max),
        large_buffer: { config.global.tune.large_buffer_bytes }
            .map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
        datagram_bytes: config.global.tune.datagram_bytes,
        compression_level: config.global.tune.compression_level,
        compression_limit: Arc::new(CompressionLimit::new(
            config.global.tune.compression_rate.saturating_mul(1024),
            config.global.tune.compression_busy_max,
        )),
        caches: filters::caches(std::mem::take(&mut config.caches)),
        filters: Vec::new(),
        mailers: std::mem::take(&mut config.mailers),
        logs: logs::Logs::of(&mut config),
        unix_bind: config.global.process.unix_bind.clone(),
        terms: BTreeMap::new(),
        tables: Arc::clone(&config.tables),
        around,
    };
    assembly.servers = servers::places(&config, &assembly.backends);
    assembly.log_servers(&mut config);
    let global = assembly.global(&config);
    let mut spec = ProxySpec {
        global,
        ..ProxySpec::default()
    };
    for (name, program) in std::mem::take(&mut config.checks) {
        let program = assembly.program(program, None);
        assembly.checks.insert(name, program);
    }
    for (at, proxy) in std::mem::take(&mut config.proxies).into_iter().enumerate() {
        let own = assembly.backends.get(&at).copied();
        assembly.proxy(proxy, at, own, &mut spec);
    }
    spec.peers = assembly.peers(&mut config);
    for forward in forwards {
        let forward = assembly.log_forward(forward);
        spec.log_forwards.push(forward);
    }
    spec.rings = assembly.logs.all_rings();
    assembly.faults.append(assembly.logs.faults());
    if assembly.faults.has_errors() {
        Err(assembly.faults)
    } else {
        Ok(Assembled {
            proxies: spec,
            warnings: std::mem::take(&mut assembly.faults),
            tls: assembly.tls.store.clone(),
            workshop: Workshop::new(assembly, config.later),
        })
    }
}

struct Assembly {
    around: Surroundings,
    faults: Diagnostics,
    /// From a proxy's place in the model to its backend's number.
    backends: BTreeMap<usize, BackendId>,
    tls: tls::Tls,
    /// What the `healthcheck` sections say, by their names.
    checks: BTreeMap<String, Arc<Program>>,
    /// Whether programs may check servers, and whether any may be started.
    programs: (Option<ExternalCheck>, bool),
    /// What servers were before a reload.
    saved_files: SavedFiles,
    /// The `resolvers` sections, by their names.
    resolvers: BTreeMap<String, Arc<ResolversSpec>>,
    /// The numbers of the proxies, by their places in the model.
    numbers: Vec<u32>,
    /// The servers that others may track, by the names of their backends and their own.
    servers: BTreeMap<(String, String), (BackendId, usize)>,
    /// What `fullconn` is without a word, by the place of a proxy in the model.
    fullconn: BTreeMap<usize, u32>,
    /// What the system holds for connections of clients, and to servers.
    buffers: [SocketBuffers; 2],
    /// How many workers there are.
    threads: usize,
    /// `tune.bufsize.large`.
    large_buffer: Option<usize>,
    /// `tune.rcvbuf.frontend`.
    datagram_bytes: Option<u32>,
    /// `tune.comp.maxlevel`.
    compression_level: u32,
    /// `maxcomprate`, `maxcompcpuusage`.
    compression_limit: Arc<CompressionLimit>,
    /// The `cache` sections, by their names.
    caches: BTreeMap<String, Arc<Cache>>,
    /// The filters of the proxy whose rules are read.
    filters: Vec<FilterSpec>,
    /// The `mailers` sections, by their names.
    mailers: BTreeMap<String, model::Mailers>,
    /// What `log` lines name.
    logs: logs::Logs,
    /// `unix-bind`.
    unix_bind: UnixBind,
    /// What backends say of all their servers, by their names.
    terms: BTreeMap<String, Arc<Terms>>,
    /// The stick tables.
    tables: Arc<Tables>,
}

/// Backends get their numbers in the order of the configuration.
fn backend_numbers(config: &Config) -> BTreeMap<usize, BackendId> {
    let backends = config
        .proxies
        .iter()
        .enumerate()
        .filter(|(_, p)| p.kind.is_backend());
    backends
        .enumerate()
        .map(|(number, (at, _))| (at, number))
        .collect()
}

/// The number of the first proxy that has none of its own. In HAProxy the runtime API takes 1, where it is served.
fn first_proxy(config: &Config) -> u32 {
    match config.global.runtime.sockets.is_empty() {
        true => 1,
        false => 2,
    }
}

/// The numbers of things of which some have one of their own: the others take those that are free, from their own places on.
/// That is what HAProxy does, and hashes depend on it.
fn numbers(own: impl Iterator<Item = Option<u32>> + Clone, first: u32) -> Vec<u32> {
    let taken: BTreeSet<u32> = own.clone().flatten().collect();
    let mut next = first;
    let mut number = |own: Option<u32>| {
        while own.is_none() && taken.contains(&next) {
            next = next.saturating_add(1);
        }
        let number = own.unwrap_or(next);
        next = next.saturating_add(1);
        number
    };
    own.map(&mut number).collect()
}

impl Assembly {
    fn global(&mut self, config: &Config) -> GlobalSpec {
        let global = &config.global;
        let threads = load::threads(global.threads, global.threads_max);
        let text = |bytes: &[u8]| Data::from(bytes.to_vec());
        let environment = config.environment.iter();
        let process = Process {
            hostname: text(system::host_name().as_bytes()),
            node: text(self.around.node.as_bytes()),
            pid: std::process::id(),
            started: SystemTime::now(),
            threads: u32::try_from(threads).unwrap_or(u32::MAX),
            environment: environment
                .map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), text(value)))
                .collect(),
        };
        variables::set(&global.variables, &process, &self.around.proc_vars);
        GlobalSpec {
            resolvers: self.resolvers.values().cloned().collect(),
            threads,
            maxconn: usize::try_from(self.around.connections_max).unwrap_or(usize::MAX),
            reject_privileged_ports: global.reject_privileged_ports,
            buffer_bytes: usize::try_from(global.tune.buffer_bytes).unwrap_or(usize::MAX),
            action_failure: on_failure(global.lua.action_failure),
            lines_max: global.tune.lines_max.map(usize::from),
            accept_any_payload: global.tune.accept_any_payload,
            header_case: HeaderCase::new(
                global
                    .tune
                    .header_case
                    .iter()
                    .chain(&global.tune.header_case_file)
                    .cloned(),
            ),
            keep_insecure: global.tune.keep_insecure,
            h2: http2::tuning(&global.tune.h2),
            descriptors_max: usize::try_from(system::descriptors_max()).unwrap_or(usize::MAX),
            pool_low_percent: global.tune.pool_low_percent,
            pool_high_percent: global.tune.pool_high_percent,
            logs: self.logs.targets(&global.logs),
            log_tag: self.logs.tag(),
            log_host: self.logs.host(),
            process: Some(Arc::new(process)),
            tls_capture_bytes: usize::try_from(global.tls.capture_bytes).unwrap_or(usize::MAX),
            proc_vars: Arc::clone(&self.around.proc_vars),
            tables: Arc::clone(&config.tables),
            paces: PaceSpec {
                connections: global.process.paces.connections,
                sessions: global.process.paces.sessions,
                tls: global.process.paces.tls,
            },
            tls_connections_max: global
                .process
                .tls_connections_max
                .map(|most| usize::try_from(most).unwrap_or(usize::MAX)),
            splice: SpliceSpec {
                pipes_max: usize::try_from(self.around.pipes_max).unwrap_or(usize::MAX),
                pipe_bytes: { global.process.splice }
                    .pipe_bytes
                    .and_then(|bytes| usize::try_from(bytes).ok()),
            },
            peer_updates_max: usize::try_from(global.tune.peer_updates_max).unwrap_or(usize::MAX),
            caches: self.caches.values().cloned().collect(),
            check_spread_percent: global.check_spread_percent,
            check_spread_max: global.check_spread_max,
            close_spread: match global.process.close_spread {
                model::CloseSpread::AtOnce => CloseSpread::AtOnce,
                model::CloseSpread::Over(time) => CloseSpread::Over(time),
                model::CloseSpread::Never => CloseSpread::Never,
            },
            log_buffer_bytes: global
                .tune
                .log_buffer_bytes
                .map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
            pp2_never_local: global.process.pp2_never_local,
            hides_most: global.runtime.hides_most,
            compression_limit: Arc::clone(&self.compression_limit),
        }
    }

    fn proxy(&mut self, mut proxy: model::Proxy, at: usize, own: Option<BackendId>, spec: &mut ProxySpec) {
        let id = self.numbers.get(at).copied().unwrap_or_default();
        let mode = match proxy.mode {
            // What is for log lines takes no sessions.
            model::Mode::Tcp | model::Mode::Log => Mode::Tcp,
            model::Mode::Http => Mode::Http,
        };
        let filter_order;
        (self.filters, filter_order) = self.filters_of(&mut proxy);
        let mails = self.mails(&proxy);
        let unique_id = proxy.unique_id.take().map(|format| Arc::new(Text::from(format)));
        let mut rules = self.rules(std::mem::take(&mut proxy.rules), mode);
        let stats = proxy.stats.take().filter(|_| mode == Mode::Http);
        // That of a `listen` section is its frontend's.
        let mut page = stats.and_then(|stats| self.statistics(stats));
        let pages = Arc::new(self.error_pages(std::mem::take(&mut proxy.error_pages), proxy.name.span));
        if proxy.kind.is_frontend() {
            let mut frontend = FrontendSpec::new(proxy.name.value.clone(), mode);
            frontend.id = id;
            frontend.guid.clone_from(&proxy.guid);
            frontend.independent_streams = proxy.independent_streams;
            frontend.disabled = proxy.disabled;
            if !proxy.disabled {
                frontend.listeners = self.listeners(&proxy);
            }
            frontend.maxconn = proxy
                .connections_max
                .map(|n| usize::try_from(n).unwrap_or(usize::MAX));
            frontend.timeouts = timeouts(&proxy.timeouts);
            frontend.tcp_connection = std::mem::take(&mut rules.tcp_connection);
            frontend.tcp_session = std::mem::take(&mut rules.tcp_session);
            frontend.tcp_content = std::mem::take(&mut rules.tcp_content);
            frontend.inspect_delay = rules.inspect_delay;
            frontend.http_request = std::mem::take(&mut rules.http_request);
            frontend.page = page.take();
            frontend.http_response = std::mem::take(&mut rules.http_response);
            frontend.http_after_response = std::mem::take(&mut rules.http_after_response);
            frontend.use_backend = self.choices(std::mem::take(&mut proxy.use_backends));
            frontend.force_switch = std::mem::take(&mut proxy.force_switch);
            frontend.default_backend = proxy
                .default_backend
                .as_ref()
                .and_then(|id| self.backend(id.value))
                .or(own);
            frontend.own_backend = own;
            frontend.error_pages = pages.clone();
            // The filters of a `listen` section are its frontend's, as its rules are.
            frontend.filters = std::mem::take(&mut self.filters);
            frontend.filter_order = filter_order.clone();
            frontend.forward_for = self.forward_for(proxy.forward_for.as_ref());
            frontend.original_to = self.forward_for(proxy.original_to.as_ref());
            frontend.header_names = header_names(proxy.header_names);
            frontend.monitor = proxy.monitor_uri.take().map(|uri| Monitor {
                uri,
                fail: std::mem::take(&mut proxy.monitor_fail),
            });
            frontend.http_close = http_close(proxy.connection_mode);
            frontend.buffer_request = proxy.buffer_request;
            if let Some(most) = proxy.upstream.session_servers_max {
                frontend.session_servers_max = usize::try_from(most).unwrap_or(usize::MAX);
            }
            frontend.http1 = Http1Spec {
                lenient: proxy.http.lenient_requests,
                adjust_case: proxy.http.adjust_for_clients,
            };
            frontend.h2_upgrade = !proxy.http.disable_h2_upgrade;
            frontend.closing = closing(proxy.closing, mode);
            frontend.drop_trailers = proxy.http.drop_response_trailers;
            frontend.ignore_probes = proxy.http.ignore_probes;
            frontend.idle_close_on_response = proxy.http.idle_close_on_response;
            frontend.socket_stats = proxy.socket_stats;
            frontend.mails.clone_from(&mails);
            frontend.sessions_per_second = proxy.sessions_per_second;
            frontend.log = self.logs.spec(&mut proxy.log);
            frontend.captures = logs::captures(std::mem::take(&mut proxy.captures));
            frontend.unique_id.clone_from(&unique_id);
            // Its name was checked.
            frontend.unique_id_header = proxy
                .unique_id_header
                .take()
                .and_then(|name| http::HeaderName::from_bytes(name.as_bytes()).ok());
            spec.frontends.push(frontend);
        }
        if proxy.kind.is_backend() {
            let mut backend = BackendSpec::new(proxy.name.value.clone(), mode);
            backend.id = id;
            backend.guid = proxy.guid.take();
            backend.independent_streams = proxy.independent_streams;
            let external = self.external(&proxy, id);
            backend.mails = mails;
            backend.lines = self.logs.backend(&proxy.name.value);
            let program = self.program(std::mem::take(&mut proxy.check), Some(proxy.name.span));
            backend.has_own_id = proxy.id.is_some();
            let terms = Arc::new(Terms::new(&proxy, program, external, unique_id));
            if proxy.disabled {
                servers::leave_alone(&mut proxy.servers);
            }
            let saved = self.saved(&proxy);
            backend.servers = self.servers(&proxy, &terms, &saved);
            self.terms.insert(proxy.name.value.clone(), terms);
            backend.log = self.logs.spec(&mut proxy.log);
            servers::balancing(&mut proxy, &mut backend);
            backend.fullconn = proxy
                .fullconn
                .unwrap_or_else(|| self.fullconn.get(&at).copied().unwrap_or(0));
            backend.timeouts = timeouts(&proxy.timeouts);
            backend.stick = std::mem::take(&mut proxy.stick);
            backend.retries = proxy.retries.0;
            backend.redispatch = proxy.redispatch;
            upstream::settle(std::mem::take(&mut proxy.upstream), &mut backend);
            backend.reuse = match proxy.http_reuse {
                model::HttpReuse::Never => HttpReuse::Never,
                model::HttpReuse::Safe => HttpReuse::Safe,
                model::HttpReuse::Aggressive => HttpReuse::Aggressive,
                model::HttpReuse::Always => HttpReuse::Always,
            };
            // The rules of a `listen` section are its frontend's already.
            backend.tcp_content = rules.tcp_content;
            backend.inspect_delay = rules.inspect_delay.filter(|_| !proxy.kind.is_frontend());
            backend.tcp_response = rules.tcp_response;
            backend.response_inspect_delay = rules.response_inspect_delay;
            backend.http_request = rules.http_request;
            backend.page = page.take();
            backend.http_response = rules.http_response;
            backend.http_after_response = rules.http_after_response;
            backend.error_pages = pages;
            backend.filters = std::mem::take(&mut self.filters);
            // That of a `listen` section is its frontend's already: there are no filters here then.
            backend.filter_order = filter_order;
            // Those of a `listen` section are its frontend's already.
            let own = !proxy.kind.is_frontend();
            backend.forward_for = self.forward_for(proxy.forward_for.as_ref().filter(|_| own));
            backend.original_to = self.forward_for(proxy.original_to.as_ref().filter(|_| own));
            backend.forwarded = proxy.forwarded.take().map(forwarded);
            backend.header_names = header_names(proxy.header_names);
            backend.send_name = proxy
                .send_name
                .as_ref()
                .and_then(|name| self.header(name, proxy.name.span));
            backend.http_close = http_close(proxy.connection_mode);
            backend.buffer_request = proxy.buffer_request || servers::needs_body(&backend);
            backend.http1 = Http1Spec {
                lenient: proxy.http.lenient_responses,
                adjust_case: proxy.http.adjust_for_servers,
            };
            backend.closing = closing(proxy.closing, mode);
            backend.unpublished = proxy.unpublished;
            backend.disabled = proxy.disabled;
            backend.is_listen = proxy.kind.is_frontend();
            backend.is_referenced = proxy.is_referenced;
            backend.has_table = self.tables.find(&proxy.name.value).is_some();
            backend.drop_trailers = proxy.http.drop_request_trailers;
            backend.check_cache = proxy.http.check_cache;
            backend.pretend_keepalive = proxy.http.pretend_keepalive;
            spec.backends.push(backend);
        }
    }

    fn backend(&self, id: ProxyId) -> Option<BackendId> {
        self.backends.get(&id.index()).copied()
    }

    fn choices(&self, lines: Vec<model::UseBackend>) -> Vec<UseBackend> {
        let mut choices = Vec::new();
        for line in lines {
            let to = match line.target {
                model::BackendTarget::Proxy(id) => match self.backend(id) {
                    Some(backend) => BackendChoice::Fixed(backend),
                    None => continue,
                },
                model::BackendTarget::Format(name) => BackendChoice::Named(name.into()),
            };
            choices.push(UseBackend {
                to,
                condition: line.condition,
            });
        }
        choices
    }

    fn forward_for(&mut self, option: Option<&model::ForwardFor>) -> Option<ForwardFor> {
        let option = option?;
        Some(ForwardFor {
            // The grammar has seen to it that this is a header's name.
            header: http::HeaderName::from_bytes(option.header.as_bytes()).ok()?,
            except: option.except.into_iter().collect(),
            if_none: option.if_none,
        })
    }
}

fn closing(set: model::Closing, mode: Mode) -> Closing {
    Closing {
        abort: set.abort.unwrap_or(Closing::usual(mode).abort),
        no_linger: set.no_linger,
    }
}

fn header_names(policy: model::HeaderNames) -> HeaderNames {
    match policy {
        model::HeaderNames::Preserve => HeaderNames::Preserve,
        model::HeaderNames::Delete => HeaderNames::Delete,
        model::HeaderNames::Reject => HeaderNames::Reject,
    }
}

fn forwarded(header: model::Forwarded) -> Forwarded {
    let part = |part: model::ForwardedPart| match part {
        model::ForwardedPart::Own => ForwardedPart::Own,
        model::ForwardedPart::Sampled(expr) => ForwardedPart::Sampled(expr),
    };
    Forwarded {
        proto: header.proto,
        host: header.host.map(part),
        by: header.by.map(part),
        by_port: header.by_port.map(part),
        client: header.client.map(part),
        client_port: header.client_port.map(part),
    }
}

fn on_failure(failure: model::ActionFailure) -> OnFailure {
    match failure {
        model::ActionFailure::Continue => OnFailure::Continue,
        model::ActionFailure::Deny => OnFailure::Deny,
    }
}

fn http_close(mode: model::ConnectionMode) -> HttpClose {
    match mode {
        model::ConnectionMode::KeepAlive => HttpClose::KeepAlive,
        model::ConnectionMode::ServerClose => HttpClose::ServerClose,
        model::ConnectionMode::Close => HttpClose::Close,
    }
}

/// Zero and no line at all both mean no limit.
fn timeouts(lines: &model::Timeouts) -> Timeouts {
    let limit = |time: Option<std::time::Duration>| time.filter(|time| !time.is_zero());
    Timeouts {
        client: limit(lines.client),
        client_hs: limit(lines.client_hs),
        client_fin: limit(lines.client_fin),
        http_request: limit(lines.http_request),
        http_keep_alive: limit(lines.http_keep_alive),
        connect: limit(lines.connect),
        queue: limit(lines.queue),
        server: limit(lines.server),
        server_fin: limit(lines.server_fin),
        tunnel: limit(lines.tunnel),
        tarpit: limit(lines.tarpit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_that_are_free() {
        let of = |own: &[Option<u32>]| numbers(own.iter().copied(), 2);
        assert_eq!(of(&[None, None]), [2, 3]);
        assert_eq!(of(&[None, Some(1), Some(2)]), [3, 1, 2]);
        assert_eq!(of(&[Some(3), None, None]), [3, 4, 5]);
        let of = |own: &[Option<u32>]| numbers(own.iter().copied(), 1);
        let own = [Some(5), Some(3), None, Some(1), None, Some(8), None];
        // What HAProxy 2.6 gives.
        assert_eq!(of(&own), [5, 3, 4, 1, 6, 8, 9]);
    }
}
