//! From sections to proxies: which `defaults` apply, and the lines of both in their order.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use tidegate_sample::{Externals, UserLists};

use super::certificates;
use super::check;
use super::check_rules::Checks;
use super::errors::ErrorSets;
use super::hints;
use super::keyword::Sections;
use super::later::Later;
use super::log_sections::LogSections;
use super::mails;
use super::names::Here;
use super::naming;
use super::order::Order;
use super::pattern_files;
use super::plan::{Plan, PlannedDefaults, PlannedProxy};
use super::proxy::{self, ProxyCx, section_of};
use super::reader::{Draft, ReaderFiles, Section};
use super::server_origins::{Above, Origins};
use crate::diag::Diagnostics;
use crate::model::{
    Affinity, BackendTarget, CaptureSettings, CheckProgram, Closing, Config, ConnectionMode, FilterSequences,
    Global, HashType, HeaderNames, HttpReuse, LogSettings, Mode, Proxy, ProxyKind, RetryCount, RuleSet,
    ServerTarget, Timeouts, UseBackend,
};
use crate::resolve::{self, Registered};
use crate::source::{Sources, Spanned};
use crate::text::{Environment, FileReader};

/// What reading a configuration gave.
#[derive(Debug)]
pub struct Loaded {
    /// The model, when there is no error.
    pub config: Option<Config>,
    /// All faults, in the order of their places.
    pub diagnostics: Diagnostics,
    /// The texts that the diagnostics, and spans in the model, point into.
    pub sources: Sources,
}

impl Draft {
    /// Reads the proxies. `externals` are the fetches and converters that scripts registered. The names of
    /// actions and services are left for the program to resolve.
    pub fn finish(self, externals: &dyn Externals, reader: &dyn FileReader) -> Loaded {
        self.finish_with(externals, None, reader)
    }

    /// As [`finish`](Self::finish), and holds the names of actions and services to what scripts registered.
    pub fn finish_with(
        mut self,
        externals: &dyn Externals,
        registered: Option<&dyn Registered>,
        reader: &dyn FileReader,
    ) -> Loaded {
        let plan = Plan::of(&self.sections, &self.peers, &mut self.diagnostics);
        let mut proxies = Vec::new();
        let mut above = Above::new();
        let parts = Parts {
            sections: &self.sections,
            plan: &plan,
            global: &self.global,
            externals,
            userlists: &self.userlists,
            http_errors: &self.http_errors,
            files: ReaderFiles {
                reader,
                lists: &self.lists,
                certificates: &self.certificates,
                noted: &self.noted,
            },
        };
        for planned in &plan.proxies {
            let mut found = Diagnostics::default();
            let (proxy, origins) = parts.proxy(planned, &above, &mut found);
            if planned.kind.is_backend() {
                above.insert(planned.name.value.clone(), origins);
            }
            proxies.push(proxy);
            self.diagnostics.append_new(found);
        }
        for defaults in 0..plan.defaults.len() {
            let mut found = Diagnostics::default();
            parts.defaults(defaults, &above, &mut found);
            self.diagnostics.append_new(found);
        }
        note_references(&mut proxies, &plan);
        check::proxies(&proxies, &mut self.diagnostics);
        proxy::check_filters(&proxies, &self.caches, &mut self.diagnostics);
        mails::check(&proxies, &self.mailers, &self.global, &mut self.diagnostics);
        naming::check(
            &proxies,
            &self.global.http_client,
            &self.resolvers,
            &mut self.diagnostics,
        );
        check::named_checks(&proxies, &self.checks, &mut self.diagnostics);
        let logs = LogSections::read(
            &self.sections,
            &self.global,
            externals,
            &parts.files,
            &mut self.diagnostics,
        );
        logs.check(&self.global, &proxies, &mut self.diagnostics);
        if let Some(registered) = registered {
            resolve::lua_names(&proxies, registered, &mut self.diagnostics);
        }
        hints::variables(
            &mut self.diagnostics,
            &self.sources,
            &self.trees,
            &self.environment,
        );
        let files = ReaderFiles {
            reader,
            lists: &self.lists,
            certificates: &self.certificates,
            noted: &self.noted,
        };
        let of_proxies = proxies.iter().flat_map(|proxy| &proxy.binds);
        let binds = of_proxies.chain(logs.forwards.iter().flat_map(|forward| &forward.streams));
        let certificate_lists = certificates::lists(binds, &files, &mut self.sources, &mut self.diagnostics);
        pattern_files::expand(&mut self.diagnostics, &mut self.sources);
        self.diagnostics.sort();
        let mut tables = plan.names.tables.clone();
        tables.verdicts = self.global.verdicts.clone();
        let defaults = { plan.defaults.iter() }
            .filter_map(|defaults| defaults.name.clone())
            .collect();
        let later = Later {
            global: self.global.for_later(),
            userlists: self.userlists.clone(),
            http_errors: self.http_errors,
            lists: Arc::clone(&self.lists),
            certificates: self.certificates.clone(),
            sections: self.sections,
            origins: Mutex::new(above),
            plan,
        };
        let noted = self.noted.take();
        let local_peer = local_peer(&self.environment);
        let config = (!self.diagnostics.has_errors()).then_some(Config {
            global: self.global,
            proxies,
            defaults,
            rings: logs.rings,
            log_forwards: logs.forwards,
            log_profiles: logs.profiles,
            environment: self.environment,
            lists: self.lists,
            userlists: self.userlists,
            checks: self.checks,
            tables: Arc::new(tables),
            resolvers: self.resolvers,
            caches: self.caches,
            mailers: self.mailers,
            local_peer,
            peers: self.peers,
            certificates: self.certificates,
            token_certificates: noted.token_certificates,
            process_variables: noted.variables,
            certificate_lists,
            later: Arc::new(later),
        });
        Loaded {
            config,
            diagnostics: self.diagnostics,
            sources: self.sources,
        }
    }
}

/// The name of this process among its peers.
fn local_peer(environment: &Environment) -> String {
    let name = environment.get(b"HAPROXY_LOCALPEER").unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}

/// Notes which servers and backends others name, so that they have to stay.
fn note_references(proxies: &mut [Proxy], plan: &Plan) {
    let chosen: BTreeSet<usize> = proxies.iter().flat_map(fixed_choices).collect();
    for (at, proxy) in proxies.iter_mut().enumerate() {
        proxy.is_referenced = chosen.contains(&at);
    }
    for proxy in proxies {
        let names = &plan.names;
        let used = std::mem::take(&mut proxy.persistence.use_servers);
        for server in &mut proxy.servers {
            let is_it = |target: &ServerTarget| match target {
                ServerTarget::Name(name) => name.value == server.name.value,
                ServerTarget::Format(_) => false,
            };
            server.is_referenced = names.is_server_needed(&proxy.name.value, &server.name.value)
                || used.iter().any(|rule| is_it(&rule.target));
        }
        proxy.persistence.use_servers = used;
        proxy.is_referenced |= names.is_backend_needed(&proxy.name.value);
    }
}

/// The places of the backends that a proxy's lines choose by their names.
fn fixed_choices(proxy: &Proxy) -> impl Iterator<Item = usize> + '_ {
    let fixed = |rule: &UseBackend| match rule.target {
        BackendTarget::Proxy(id) => Some(id.index()),
        BackendTarget::Format(_) => None,
    };
    let default = proxy.default_backend.iter().map(|id| id.value.index());
    proxy.use_backends.iter().filter_map(fixed).chain(default)
}

/// What proxies are made from.
pub(super) struct Parts<'p> {
    pub(super) sections: &'p [Section],
    pub(super) plan: &'p Plan,
    pub(super) global: &'p Global,
    pub(super) externals: &'p dyn Externals,
    pub(super) userlists: &'p UserLists,
    pub(super) http_errors: &'p ErrorSets,
    pub(super) files: ReaderFiles<'p>,
}

impl Parts<'_> {
    pub(super) fn proxy(
        &self,
        planned: &PlannedProxy,
        above: &Above,
        diagnostics: &mut Diagnostics,
    ) -> (Proxy, Origins) {
        let here = self.plan.names.seen_from(&planned.name.value);
        let mut cx = self.cx(
            planned.kind,
            planned.name.clone(),
            (Some(&here), above),
            diagnostics,
        );
        for defaults in self.plan.chain(planned.defaults) {
            self.defaults_lines(&mut cx, defaults);
        }
        cx.section = section_of(planned.kind);
        cx.checks.inherit();
        self.lines(&mut cx, planned.section);
        check::settle(&mut cx, planned.sound);
        (cx.proxy, cx.origins)
    }

    /// Checks a `defaults` section as if a `listen` section used it: those that do use it may each ignore some of
    /// its lines, and maybe none does.
    fn defaults(&self, id: usize, above: &Above, diagnostics: &mut Diagnostics) {
        let Some(defaults) = self.plan.defaults.get(id) else {
            return;
        };
        let header = self
            .sections
            .get(defaults.section)
            .and_then(|section| section.header.first());
        let Some(header) = header else { return };
        let name = Spanned::new(String::from("defaults"), header.span());
        let mut cx = self.cx(ProxyKind::Listen, name, (None, above), diagnostics);
        for defaults in self.plan.chain(Some(id)) {
            self.defaults_lines(&mut cx, defaults);
        }
    }

    /// A backend that has nothing but what a `defaults` section says, and maybe a mode.
    pub(super) fn new_backend(
        &self,
        name: Spanned<String>,
        (defaults, mode): (usize, Option<Mode>),
        here: &Here<'_>,
        above: &Above,
        diagnostics: &mut Diagnostics,
    ) -> Option<(Proxy, Origins)> {
        let kind = ProxyKind::Backend;
        let mut cx = self.cx(kind, name, (Some(here), above), diagnostics);
        for defaults in self.plan.chain(Some(defaults)) {
            self.defaults_lines(&mut cx, defaults);
        }
        cx.section = section_of(kind);
        cx.checks.inherit();
        match mode {
            Some(mode) => cx.proxy.mode = mode,
            None => drop(cx.mode_span?),
        }
        check::settle(&mut cx, true);
        Some((cx.proxy, cx.origins))
    }

    fn defaults_lines(&self, cx: &mut ProxyCx<'_>, defaults: &PlannedDefaults) {
        cx.section = Sections::DEFAULTS;
        cx.named_defaults = defaults.name.is_some();
        self.lines(cx, defaults.section);
    }

    fn lines(&self, cx: &mut ProxyCx<'_>, section: usize) {
        let Some(section) = self.sections.get(section) else {
            return;
        };
        proxy::declare_acls(cx, section.statements.iter().map(Vec::as_slice));
        for words in &section.statements {
            proxy::statement(cx, words);
        }
    }

    pub(super) fn cx<'c>(
        &'c self,
        kind: ProxyKind,
        name: Spanned<String>,
        (here, above): (Option<&'c Here<'c>>, &'c Above),
        diagnostics: &'c mut Diagnostics,
    ) -> ProxyCx<'c> {
        ProxyCx {
            proxy: fresh(kind, name),
            section: section_of(kind),
            named_defaults: false,
            acls: Rc::default(),
            here,
            origins: Origins::default(),
            above,
            log_format: None,
            timeouts: Vec::new(),
            mode_span: None,
            checks: Checks::default(),
            order: Order::default(),
            names: &self.plan.names,
            global: self.global,
            externals: self.externals,
            userlists: self.userlists,
            http_errors: self.http_errors,
            files: &self.files,
            diagnostics,
        }
    }
}

fn fresh(kind: ProxyKind, name: Spanned<String>) -> Proxy {
    Proxy {
        kind,
        name,
        id: None,
        description: None,
        independent_streams: false,
        guid: None,
        disabled: false,
        force_switch: Vec::new(),
        unpublished: false,
        closing: Closing::default(),
        mode: Mode::default(),
        binds: Vec::new(),
        certificates: Vec::new(),
        servers: Vec::new(),
        connections_max: None,
        backlog: None,
        timeouts: Timeouts::default(),
        rules: RuleSet::default(),
        use_backends: Vec::new(),
        default_backend: None,
        balance: None,
        hash_type: HashType::default(),
        hash_balance_factor: 0,
        affinity: Affinity::default(),
        all_backups: false,
        fullconn: None,
        persistence: Default::default(),
        stick: Vec::new(),
        retries: RetryCount::default(),
        http_reuse: HttpReuse::default(),
        connection_mode: ConnectionMode::default(),
        error_pages: std::collections::BTreeMap::new(),
        compression: None,
        filters: Vec::new(),
        filter_sequences: FilterSequences::default(),
        forward_for: None,
        original_to: None,
        forwarded: None,
        send_name: None,
        header_names: HeaderNames::default(),
        stats: None,
        monitor_uri: None,
        monitor_fail: Vec::new(),
        buffer_request: false,
        http: Default::default(),
        check: CheckProgram::default(),
        log_health_checks: false,
        socket_stats: false,
        redispatch: 0,
        client_probes: Default::default(),
        server_probes: Default::default(),
        upstream: Default::default(),
        log: LogSettings::default(),
        email_alert: Default::default(),
        sessions_per_second: 0,
        captures: CaptureSettings::default(),
        unique_id: None,
        unique_id_header: None,
        is_referenced: false,
    }
}
