//! From files to a configuration and its scripts, with everything that is wrong in either.

mod client;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tidegate_config::model::{
    InitialAddress, LuaLoad, LuaPathKind, LuaScope, LuaSettings, LuaStderr, LuaStep, Mode,
};
use tidegate_config::{Config, Diagnostics, DiskFiles, Draft, Environment, Options, Registered, Sources};
use tidegate_lua_api::{
    BoolSamples, Declared, LoadSpec, Loaded as Lua, LogSink, LogStderr, ScriptLimits, Scripts, Settings,
};
use tidegate_sample::vars::ProcVars;

use crate::cli::Flags;
use crate::report::Report;
use crate::runtime;
use crate::system;

/// A configuration without errors, and the scripts that it names.
pub(crate) struct Site {
    /// The configuration.
    pub(crate) config: Config,
    /// The scripts.
    pub(crate) scripts: Lua,
    /// The texts, for faults that are found later.
    pub(crate) sources: Arc<Sources>,
    /// The variables of the `proc` scope.
    pub(crate) proc_vars: Arc<ProcVars>,
    /// What was warned of.
    pub(crate) diagnostics: Diagnostics,
}

/// The options that texts are read with.
pub(crate) fn options(local_name: Option<&str>, diagnostic: bool) -> Options {
    Options {
        environment: Environment::of_process(),
        local_name: local_name.map_or_else(system::host_name, String::from),
        local_name_is_given: local_name.is_some(),
        diagnostic,
        ..Options::default()
    }
}

/// Reads everything. All faults are shown before this gives up.
///
/// # Errors
/// When there was an error; it has been reported.
pub(crate) fn site(flags: &Flags, log: LogSink, report: Report) -> Result<Site, ()> {
    let options = Options {
        last_lines: flags.lines.clone(),
        ..options(flags.local_name.as_deref(), flags.diagnostic)
    };
    let mut draft = Draft::read(&flags.files, &DiskFiles, options);
    let proc_vars = Arc::new(ProcVars::with_limits(draft.global().tune.vars));
    let settings = settings(&mut draft, log, Arc::clone(&proc_vars));
    let (specs, loads) = scripts(&draft.global().lua);
    report.step(|| format!("loading {} scripts", specs.len()));
    let scripts = match Scripts::load(settings.clone(), &specs) {
        Ok(scripts) => scripts,
        Err(errors) => {
            let loads: Vec<LuaLoad> = loads.into_iter().cloned().collect();
            for error in errors {
                let load = error.tag.and_then(|tag| loads.get(tag)).map(|load| &load.path);
                draft.report_script(load, &error.message, error.detail.as_deref(), &DiskFiles);
            }
            // The rest is read all the same; what scripts would have registered is not blamed.
            let rest = draft.finish(&AnyName, &DiskFiles);
            report.diagnostics(&rest.diagnostics, &rest.sources);
            return Err(());
        }
    };
    let declared = scripts.declared();
    for command in declared.commands() {
        if runtime::commands().any(|own| own.words == command.words) {
            let why = format!(
                "register_cli: the command `{}` is the program's own",
                command.words
            );
            draft.report_script(None, &why, None, &DiskFiles);
        }
    }
    let loaded = draft.finish_with(declared, Some(&Names(declared)), &DiskFiles);
    match loaded.config {
        Some(mut config) => {
            overrule(&mut config, flags);
            proc_vars.declare(&config.process_variables);
            Ok(Site {
                config,
                scripts,
                sources: Arc::new(loaded.sources),
                proc_vars,
                diagnostics: loaded.diagnostics,
            })
        }
        None => {
            report.diagnostics(&loaded.diagnostics, &loaded.sources);
            Err(())
        }
    }
}

/// What flags say of proxies that these don't say themselves.
fn overrule(config: &mut Config, flags: &Flags) {
    for proxy in &mut config.proxies {
        proxy.connections_max = proxy.connections_max.or(flags.proxy_connections_max);
        let servers = proxy.servers.iter_mut().filter(|_| flags.forgives_names);
        for server in servers {
            let ways = &mut server.naming.initial;
            ways.get_or_insert_with(|| InitialAddress::USUAL.to_vec())
                .push(InitialAddress::None);
        }
    }
}

/// The scripts to load; the tag of each is its place in the second list.
fn scripts(lua: &LuaSettings) -> (Vec<LoadSpec>, Vec<&LuaLoad>) {
    let loads = lua.steps.iter().filter_map(|step| match step {
        LuaStep::Load(load) => Some(load),
        LuaStep::PrependPath(_) => None,
    });
    let loads: Vec<&LuaLoad> = loads.collect();
    let specs = loads.iter().enumerate().map(|(tag, load)| LoadSpec {
        path: load.path.value.clone(),
        args: load.arguments.clone(),
        per_thread: load.scope == LuaScope::PerThread,
        limits: ScriptLimits {
            slice: load.limits.slice,
            burst: load.limits.burst,
            total: load.limits.total,
        },
        // More than there can be is no limit.
        memory_bytes_max: load
            .limits
            .memory_bytes_max
            .map(|bytes| usize::try_from(bytes).unwrap_or(0)),
        tag,
    });
    (specs.collect(), loads)
}

fn settings(draft: &mut Draft, log: LogSink, proc_vars: Arc<ProcVars>) -> Settings {
    let (socket_names, http_client) = client::settings(draft);
    let global = draft.global();
    let lua = &global.lua;
    let limit = |time: Duration| (!time.is_zero()).then_some(time);
    let defaults = Settings::default();
    let paths = |wanted: LuaPathKind| {
        let paths = lua.steps.iter().filter_map(move |step| match step {
            LuaStep::PrependPath(prepend) if prepend.kind == wanted => Some(prepend.path.value.clone()),
            _ => None,
        });
        paths.collect::<Vec<_>>()
    };
    let mut libraries = tidegate_lua_api::parse_openlibs("none").unwrap_or(defaults.libraries);
    for name in lua.libraries.iter() {
        if let Ok(library) = tidegate_lua_api::parse_openlibs(name) {
            libraries |= library;
        }
    }
    // Scripts may always load others: HAProxy's list has no name for it.
    libraries |= mlua::StdLib::PACKAGE;
    Settings {
        forced_yield: lua.forced_yield.and_then(NonZeroU32::new),
        slice: lua.slice.unwrap_or(defaults.slice),
        burst_timeout: limit(lua.burst_timeout),
        session_timeout: limit(lua.session_timeout),
        task_timeout: lua.task_timeout.and_then(limit),
        service_timeout: limit(lua.service_timeout),
        wait_timeout: lua.wait_timeout.and_then(limit),
        load_timeout: limit(lua.load_timeout),
        memory_bytes_max: match lua.memory_bytes_max {
            None => defaults.memory_bytes_max,
            Some(0) => None,
            Some(bytes) => Some(usize::try_from(bytes).unwrap_or(usize::MAX)),
        },
        log_loggers: lua.log_to_loggers,
        log_stderr: match lua.log_to_stderr {
            LuaStderr::On => LogStderr::On,
            LuaStderr::Auto => LogStderr::Auto,
            LuaStderr::Off => LogStderr::Off,
        },
        libraries,
        bool_samples: match lua.bool_samples_as_booleans {
            Some(true) => BoolSamples::Normal,
            _ => BoolSamples::Pre31Bug,
        },
        allow_fork: global.insecure_fork_wanted,
        prepend_path: paths(LuaPathKind::Path),
        prepend_cpath: paths(LuaPathKind::Cpath),
        log,
        environment: Some(Arc::new(environment(draft))),
        proc_vars,
        lists: Arc::clone(draft.lists()),
        userlists: Arc::new(draft.userlists().clone()),
        threads: threads(global.threads, global.threads_max),
        socket_names,
        http_client,
        ..defaults
    }
}

/// The environment, as the configuration left it.
fn environment(draft: &Draft) -> HashMap<Vec<u8>, Vec<u8>> {
    let variables = draft.environment().iter();
    variables
        .map(|(name, value)| (name.to_vec(), value.to_vec()))
        .collect()
}

/// `nbthread`, or one for each processor; no more than `thread-hard-limit`.
pub(crate) fn threads(configured: Option<u16>, most: Option<u16>) -> usize {
    let wanted = configured.map_or_else(
        || std::thread::available_parallelism().map_or(1, usize::from),
        usize::from,
    );
    wanted.min(most.map_or(usize::MAX, usize::from)).max(1)
}

/// What scripts registered, as the configuration asks for it.
struct Names<'a>(&'a Declared);

impl Registered for Names<'_> {
    fn action_arguments(&self, rules: &str, name: &str) -> Option<usize> {
        let actions = self.0.actions().iter();
        actions
            .filter(|action| action.rules.name() == rules)
            .find(|action| action.name == name)
            .map(|a| a.nb_args)
    }

    fn actions(&self, rules: &str) -> Vec<String> {
        let actions = self
            .0
            .actions()
            .iter()
            .filter(|action| action.rules.name() == rules);
        actions.map(|action| action.name.clone()).collect()
    }

    fn services(&self, mode: Mode) -> Vec<String> {
        match mode {
            Mode::Http => self.0.http_services().to_vec(),
            Mode::Tcp | Mode::Log => self.0.tcp_services().to_vec(),
        }
    }

    fn filters(&self) -> Vec<(String, bool)> {
        let filters = self.0.filters().iter();
        filters.map(|filter| (filter.name.clone(), filter.http)).collect()
    }
}

/// Knows every `lua.` name: for a configuration whose scripts failed, so that only their faults are shown.
pub(crate) struct AnyName;

impl tidegate_sample::Externals for AnyName {
    fn fetch(&self, name: &str) -> Option<tidegate_sample::ExternalId> {
        name.starts_with("lua.").then_some(tidegate_sample::ExternalId(0))
    }

    fn converter(&self, name: &str) -> Option<tidegate_sample::ExternalId> {
        self.fetch(name)
    }

    fn fetch_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn converter_names(&self) -> Vec<String> {
        Vec::new()
    }
}
