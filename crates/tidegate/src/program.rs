//! The program's way from its command line to its exit status.

use std::ffi::OsString;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use rustix::process::Signal;
use tidegate_config::model::{RuntimeSettings, UnixBind};
use tidegate_config::{Diagnostics, Facts, Severity, evaluate_flag};
use tidegate_lua_api::{LoadError, LogSink};
use tidegate_proxy::log::{LogWriter, Logger};
use tidegate_proxy::{Handed, Running, StartError};
use tokio::sync::mpsc::UnboundedSender;

use crate::assemble::{Assembled, Surroundings, Workshop, assemble, listeners_of};
use crate::certificates::ScriptCertificates;
use crate::cli::{Command, Flags, USAGE, parse};
use crate::load::{Site, options, site};
use crate::privileges::Privileges;
use crate::report::{self, Report};
use crate::runtime::{self, Rights, SocketSpec, Sockets, Visitor};
use crate::signals::SoftStop;
use crate::{daemon, explain, fmt, keywords, master, pid_file, signals, statistics, stubs, system, tokens};

/// How the program ends. The numbers are HAProxy's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is well, or a condition is true.
    Success,
    /// Something is wrong, or a condition is false.
    Failure,
    /// A configuration that is valid but listens nowhere, or a condition that is none.
    Nothing,
    /// A master whom SIGINT ended, as a shell would tell it of a process that signal ends.
    Interrupted,
    /// A master, with the status of the process that served and ended unasked.
    Like(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Success => 0,
            Exit::Failure => 1,
            Exit::Nothing => 2,
            Exit::Interrupted => 130,
            Exit::Like(status) => status,
        })
    }
}

/// Most connections when nobody says.
const CONNECTIONS_MAX: u32 = 10_000;

/// Does what the arguments ask for.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> Exit {
    let args: Vec<OsString> = args.into_iter().collect();
    let plain = Report {
        quiet: false,
        verbose: false,
    };
    match parse(args.iter().cloned()) {
        Ok(Command::Version { long }) => {
            plain.answer(&version(long));
            Exit::Success
        }
        Ok(Command::Help) => {
            plain.answer(USAGE.trim_end());
            Exit::Success
        }
        Ok(Command::Condition(text)) => condition(&text, plain),
        Ok(Command::LuaStubs(directory)) => stubs::run(&directory, plain),
        Ok(Command::Explain(code)) => explain::run(code.as_deref(), plain),
        Ok(Command::Format(flags)) => fmt::run(&flags, plain),
        Ok(Command::Run(flags)) => {
            let report = Report {
                quiet: flags.quiet,
                verbose: flags.verbose || flags.debug,
            };
            serve(&flags, args, report).unwrap_or_else(|Stop(exit)| exit)
        }
        Err(wrong) => {
            plain.error(&wrong);
            Exit::Failure
        }
    }
}

/// The program ends here; what there was to say has been said.
struct Stop(Exit);

fn serve(flags: &Flags, args: Vec<OsString>, report: Report) -> Result<Exit, Stop> {
    let fail = |why: String| {
        report.error(&why);
        Stop(Exit::Failure)
    };
    // The second of two processes runs where the first one went already.
    if let Some(directory) = flags.directory.as_ref().filter(|_| !daemon::is_background()) {
        let failed = |e| fail(format!("cannot change to `{}`: {e}", directory.display()));
        std::env::set_current_dir(directory).map_err(failed)?;
    }
    if let Some(mib) = flags.memory_mib_max {
        system::limit_memory(mib).map_err(fail)?;
    }
    let log = GlobalLog::default();
    let start = std::env::current_dir();
    let site = site(flags, log.sink(), report).map_err(|()| Stop(Exit::Failure))?;
    let strict = [
        (flags.no_warnings, "`-dW` is given"),
        (site.config.global.zero_warning, "`zero-warning` is set"),
    ];
    let warned = site.diagnostics.count(Severity::Warning) > 0;
    let unforgiving = strict.iter().find(|(applies, _)| *applies).map(|(_, why)| *why);
    let strict = unforgiving.filter(|_| warned);
    // what keeps the program from starting is shown however quiet it shall be
    let shown = Report {
        quiet: report.quiet && strict.is_none(),
        ..report
    };
    shown.diagnostics(&site.diagnostics, &site.sources);
    if let Some(why) = strict {
        return Err(fail(format!("warnings were found, and {why}")));
    }
    if let Some(request) = &flags.keywords {
        // asked for, so `-q` doesn't hold it back
        let said = keywords::list(request, site.scripts.declared());
        let _ = std::io::stdout().write_all(said.as_bytes());
    }
    let quiet = report.quiet || site.config.global.quiet;
    let report = Report { quiet, ..report };
    let mut plan = Plan {
        strict: unforgiving,
        ..Plan::of(flags, &site).map_err(fail)?
    };
    plan.privileges = Privileges::of(&site.config.global.process).map_err(|fault| {
        let mut faults = Diagnostics::default();
        faults.push(*fault);
        report.diagnostics(&faults, &site.sources);
        Stop(Exit::Failure)
    })?;
    let runtime = RuntimeApi::of(&site, &plan, report)?;
    let socket = master_socket(flags, &plan, report)?;
    let token_algorithms = site.config.global.tls.tokens.clone();
    let (running_now, handle) = tokio::sync::watch::channel(None);
    let spec = prepare(site, &plan, &handle, report)?;
    // `default-path` is for what is read; everything is.
    if let Ok(start) = start {
        std::env::set_current_dir(&start)
            .map_err(|e| fail(format!("cannot go back to `{}`: {e}", start.display())))?;
    }
    let idle = runtime.sockets.is_empty()
        && spec.proxies.log_forwards.is_empty()
        && spec.proxies.frontends.iter().all(|f| f.listeners.is_empty());
    if flags.lists_libraries {
        let listed = system::loaded_files().map_err(|e| fail(format!("cannot tell what is loaded: {e}")))?;
        report.answer("List of loaded object files:");
        // asked for, as above
        let _ = std::io::stdout().write_all(listed.as_bytes());
    }
    if flags.check {
        return Ok(checked(idle, report));
    }
    if flags.old_socket.is_some() && !master::is_worker() && !daemon::is_background() {
        report.notice(
            "`-x` has no effect: sockets are opened beside those of the old process, not taken from it",
        );
    }
    if idle {
        return Err(fail(
            "the configuration listens nowhere: add a `bind` line to a frontend".into(),
        ));
    }
    if plan.daemon && !daemon::is_background() {
        return daemon::start(args).map(|()| Exit::Success).map_err(fail);
    }
    if plan.master && !master::is_worker() {
        let settings = master::Settings {
            args,
            pid_file: plan.pid_file,
            notifies: flags.notifies,
            socket,
            reloads_max: plan.reloads_max,
            stays: plan.master_stays,
        };
        return master::run(settings, report).map_err(fail);
    }
    plan.privileges.keep_from_more().map_err(fail)?;
    token_algorithms.apply();
    tokens::offer(&spec.tls);
    log.open(&spec.proxies.global)
        .map_err(|e| fail(format!("cannot start the thread that writes logs: {e}")))?;
    let line_bytes_max = spec.proxies.global.buffer_bytes;
    let mut proxies = tidegate_proxy::prepare(spec.proxies).map_err(|error| fail(not_started(&error)))?;
    let handed = master::is_worker().then(master::handed_over).transpose();
    let handed = handed.map_err(|e| fail(format!("cannot take sockets from the master: {e}")))?;
    let (hands_over, mut handed) = (handed.is_some(), Handed::new(handed.unwrap_or_default()));
    let scripts = runtime::Scripts {
        commands: spec.scripts.declared().commands().to_vec(),
        desk: spec.scripts.desk(),
        shared: spec.scripts.shared(),
    };
    let RuntimeApi {
        sockets,
        settings,
        mut facts,
    } = runtime;
    if let Some(path) = &plan.stats_file {
        count_on(path, &proxies.control(), report);
    }
    let certificates = Arc::new(ScriptCertificates(Arc::clone(&spec.tls)));
    facts.tls = spec.tls;
    facts.workshop = Some(spec.workshop);
    let about = runtime::About::new(proxies.control(), facts, scripts);
    running_now.send_replace(Some(Arc::clone(&about)));
    let figures = Arc::new(runtime::ScriptFigures(Arc::clone(&about)));
    spec.scripts.world().open(proxies.control(), figures);
    spec.scripts.certificates().open(certificates);
    spec.scripts.run_init().map_err(|errors| fail(listed(&errors)))?;
    let sockets = Sockets::open(&sockets, &mut handed)
        .map_err(|errors| fail(not_started(&StartError::Bind(errors))))?;
    let mut to_hand = Vec::new();
    if hands_over {
        to_hand = sockets.to_hand();
        proxies = proxies.succeeding(handed);
    }
    let watching = |e| fail(format!("cannot watch for signals: {e}"));
    let handlers = signals::Handlers::new().map_err(watching)?;
    let privileges = std::mem::take(&mut plan.privileges);
    let last = || {
        plan.write_pid()?;
        privileges.give_up()
    };
    let mut running = proxies
        .start_after(spec.scripts.factory(), last)
        .map_err(|error| fail(not_started(&error)))?;
    let (to_visit, visitors) = tokio::sync::mpsc::unbounded_channel();
    let visitors = flags.master_socket.is_some().then_some(visitors);
    runtime::start(sockets, visitors, &settings, line_bytes_max, about)
        .map_err(|e| fail(format!("cannot serve the runtime API: {e}")))?;
    signals::watch(
        handlers,
        running.shutdown(),
        plan.soft_stop,
        plan.trims_memory,
        report,
    )
    .map_err(watching)?;
    to_hand.extend(running.take_sockets());
    ready(&running, &to_hand, to_visit, report).map_err(|e| fail(format!("cannot finish starting: {e}")))?;
    // As long as they are open, the ports are.
    drop(to_hand);
    report::serves();
    flags
        .finish
        .iter()
        .for_each(|pid| system::signal(*pid, Signal::USR1));
    flags
        .terminate
        .iter()
        .for_each(|pid| system::signal(*pid, Signal::TERM));
    let well = running.join();
    if let Some(path) = &plan.pid_file {
        pid_file::remove(path);
    }
    Ok(if well { Exit::Success } else { Exit::Failure })
}

/// Begins with what an earlier process had counted. Without that it begins at zero.
fn count_on(path: &std::path::Path, control: &tidegate_proxy::Control, report: Report) {
    match (std::fs::read(path), control.plane()) {
        (Ok(text), Some(plane)) => runtime::count_on(&plane, &String::from_utf8_lossy(&text)),
        (Ok(_), None) => {}
        (Err(why), _) => report.notice(&format!("cannot read `stats-file {}`: {why}", path.display())),
    }
}

/// What of the configuration the program itself needs, after the rest has become the data plane's.
struct Plan {
    daemon: bool,
    pid_file: Option<std::path::PathBuf>,
    /// Another process is to leave once this one serves.
    replaces: bool,
    /// Stay as a master.
    master: bool,
    /// `mworker-max-reloads`.
    reloads_max: u32,
    /// `master-worker no-exit-on-failure`.
    master_stays: bool,
    /// `stats-file`.
    stats_file: Option<std::path::PathBuf>,
    soft_stop: SoftStop,
    /// No `no-memory-trimming`.
    trims_memory: bool,
    privileges: Privileges,
    connections_max: u32,
    /// The most pipes that pass bytes from socket to socket.
    pipes_max: u32,
    memory_mib_max: Option<u64>,
    node: String,
    /// Why warnings keep the program from starting, if they do.
    strict: Option<&'static str>,
}

impl Plan {
    fn of(flags: &Flags, site: &Site) -> Result<Plan, String> {
        let global = &site.config.global;
        let process = &global.process;
        let is_worker = master::is_worker();
        let wanted = flags
            .connections_max
            .or(global.connections_max)
            .unwrap_or(CONNECTIONS_MAX);
        let node = flags.local_name.clone().or_else(|| global.node.clone());
        let limits = system::DescriptorLimits {
            wanted: process.descriptors.as_ref().map(|number| number.value),
            most: process.descriptors_max,
            // What another machine may be able to give is no fault of the configuration.
            strict: process.strict_limits && !flags.check,
        };
        let splice = process.splice;
        let pipes = match splice.off {
            true => 0,
            false => splice.pipes_max.unwrap_or(wanted / 4),
        };
        let room = system::Room {
            connections: wanted,
            pipes,
        };
        let room = system::room_for(room, limits)?;
        let pid_file = flags.pid_file.clone().or_else(|| global.pid_file.clone());
        Ok(Plan {
            daemon: (flags.daemon || global.daemon) && !flags.foreground && !flags.debug && !is_worker,
            // A worker's number is its master's business.
            pid_file: pid_file.filter(|_| !is_worker),
            replaces: is_worker
                || flags.old_socket.is_some()
                || !flags.finish.is_empty()
                || !flags.terminate.is_empty(),
            master: (flags.master || process.master_worker) && !flags.check,
            reloads_max: process.reloads_max,
            master_stays: process.master_stays,
            stats_file: process.stats_file.clone(),
            soft_stop: SoftStop {
                grace: process.grace,
                limit: global.hard_stop_after,
            },
            trims_memory: process.trims_memory,
            privileges: Privileges::default(),
            connections_max: room.connections,
            pipes_max: room.pipes,
            memory_mib_max: flags.memory_mib_max,
            node: node.unwrap_or_else(system::host_name),
            strict: None,
        })
    }

    fn write_pid(&self) -> Result<(), String> {
        self.pid_file.as_deref().map_or(Ok(()), pid_file::write)
    }
}

/// What the runtime API needs, before the rest has become the data plane's.
struct RuntimeApi {
    sockets: Vec<SocketSpec>,
    settings: RuntimeSettings,
    facts: runtime::Facts,
}

impl RuntimeApi {
    fn of(site: &Site, plan: &Plan, report: Report) -> Result<RuntimeApi, Stop> {
        let settings = site.config.global.runtime.clone();
        let (mut sockets, mut faults) = (Vec::new(), Diagnostics::default());
        for bind in &settings.sockets {
            let rights = Rights::new(bind.options.level, bind.options.severity);
            match listeners_of(bind, &UnixBind::default(), plan.replaces, &site.sources) {
                Ok(listeners) => sockets.extend(
                    listeners
                        .into_iter()
                        .map(|listener| SocketSpec { listener, rights }),
                ),
                Err(fault) => faults.push(*fault),
            }
        }
        if faults.has_errors() {
            report.diagnostics(&faults, &site.sources);
            return Err(Stop(Exit::Failure));
        }
        let environment = site.config.environment.iter();
        let facts = runtime::Facts {
            lists: Arc::clone(&site.config.lists),
            // There when the rest has become the data plane's.
            tls: Arc::default(),
            workshop: None,
            ca_base: site.config.global.tls.ca_base.clone(),
            proc_vars: Arc::clone(&site.proc_vars),
            environment: environment
                .map(|(name, value)| (name.to_vec(), value.to_vec()))
                .collect(),
            defaults: site.config.defaults.clone(),
            node: plan.node.clone(),
            description: site.config.global.description.clone(),
            memory_mib_max: plan.memory_mib_max.unwrap_or(0),
        };
        Ok(RuntimeApi {
            sockets,
            settings,
            facts,
        })
    }
}

/// A site that is ready to be started.
struct Prepared {
    proxies: tidegate_proxy::spec::ProxySpec,
    scripts: tidegate_lua_api::Loaded,
    tls: Arc<tidegate_tls::Store>,
    workshop: Workshop,
}

fn prepare(site: Site, plan: &Plan, handle: &statistics::Handle, report: Report) -> Result<Prepared, Stop> {
    let around = Surroundings {
        scripts: site.scripts.declared().clone(),
        sources: Arc::clone(&site.sources),
        proc_vars: Arc::clone(&site.proc_vars),
        connections_max: plan.connections_max,
        pipes_max: plan.pipes_max,
        node: plan.node.clone(),
        replaces: plan.replaces,
        description: site.config.global.description.clone(),
        running: handle.clone(),
    };
    match assemble(site.config, around) {
        Ok(Assembled {
            proxies,
            warnings,
            tls,
            workshop,
        }) => {
            let warned = warnings.count(Severity::Warning) > 0;
            let shown = Report {
                quiet: report.quiet && (plan.strict.is_none() || !warned),
                ..report
            };
            shown.diagnostics(&warnings, &site.sources);
            match plan.strict.filter(|_| warned) {
                Some(why) => {
                    report.error(&format!("warnings were found, and {why}"));
                    Err(Stop(Exit::Failure))
                }
                None => Ok(Prepared {
                    proxies,
                    scripts: site.scripts,
                    tls,
                    workshop,
                }),
            }
        }
        Err(faults) => {
            let mut faults: Diagnostics = faults;
            faults.sort();
            report.diagnostics(&faults, &site.sources);
            Err(Stop(Exit::Failure))
        }
    }
}

fn checked(idle: bool, report: Report) -> Exit {
    if idle {
        report.answer("Configuration file has no error but will not start (no listener) => exit(2).");
        return Exit::Nothing;
    }
    report.answer("Configuration file is valid");
    Exit::Success
}

/// `-S`, where it is this process that opens it.
fn master_socket(flags: &Flags, plan: &Plan, report: Report) -> Result<Option<master::Socket>, Stop> {
    let Some(text) = flags.master_socket.as_ref().filter(|_| !master::is_worker()) else {
        return Ok(None);
    };
    if !plan.master && !flags.check {
        report.error("`-S` is a socket of the master process, and there is none: `-W` is missing");
        return Err(Stop(Exit::Failure));
    }
    let socket = master::Socket::parse(text, report).map_err(|()| Stop(Exit::Failure))?;
    Ok(Some(socket))
}

fn ready(
    running: &Running,
    to_hand: &[OwnedFd],
    to_visit: UnboundedSender<Visitor>,
    report: Report,
) -> std::io::Result<()> {
    for listen in running.addresses() {
        report.step(|| format!("{} listens on {}", listen.frontend, listen.address));
    }
    if master::is_worker() {
        master::ready(running.shutdown(), to_hand, to_visit)?;
    } else if daemon::is_background() {
        daemon::ready()?;
    }
    Ok(())
}

fn condition(text: &str, report: Report) -> Exit {
    let options = options(None, false);
    let facts = Facts {
        environment: &options.environment,
        version: &options.version,
        features: &options.features,
        diagnostic: options.diagnostic,
    };
    match evaluate_flag(text, &facts) {
        Ok(true) => Exit::Success,
        Ok(false) => Exit::Failure,
        Err((diagnostics, sources)) => {
            report.diagnostics(&diagnostics, &sources);
            Exit::Nothing
        }
    }
}

fn version(long: bool) -> String {
    let options = options(None, false);
    let mut text = format!(
        "Tidegate {}\nSpeaks the configuration language of HAProxy {} and its Lua API, with Lua 5.4",
        env!("CARGO_PKG_VERSION"),
        options.version
    );
    if long {
        let built = if cfg!(debug_assertions) {
            "for debugging"
        } else {
            "optimised"
        };
        text.push_str(&format!(
            "\n\nbuilt:    {built}, for {} on {}\nfeatures: {}\nthreads:  {} by default, one event loop and one Lua \
             state for each",
            std::env::consts::ARCH,
            std::env::consts::OS,
            options.features.join(" "),
            crate::load::threads(None, None),
        ));
    }
    text
}

fn listed(errors: &[LoadError]) -> String {
    let lines = errors.iter().map(|error| match &error.detail {
        Some(detail) => format!("{}\n{detail}", error.message),
        None => error.message.clone(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn not_started(error: &StartError) -> String {
    match error {
        StartError::Bind(_) => format!("cannot listen:\n{error}"),
        StartError::Workers(_) => error.to_string(),
    }
}

/// The log targets of the process, for what belongs to no session. They open once the configuration is known; until
/// then nobody takes a message.
#[derive(Clone, Default)]
struct GlobalLog(Arc<OnceLock<std::sync::Mutex<Logger>>>);

impl GlobalLog {
    fn sink(&self) -> LogSink {
        let log = self.clone();
        Arc::new(move |level, text| match log.0.get() {
            Some(logger) => {
                logger
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner)
                    .message(level, text);
                true
            }
            None => false,
        })
    }

    fn open(&self, global: &tidegate_proxy::spec::GlobalSpec) -> std::io::Result<()> {
        if global.logs.is_empty() {
            return Ok(());
        }
        // The thread lives as long as the process.
        let (writer, _thread) = LogWriter::start()?;
        let (tag, host) = (global.log_tag.as_deref(), global.log_host.as_deref());
        let logger = Logger::new(writer, global.logs.clone(), tag, host);
        let _ = self.0.set(std::sync::Mutex::new(logger));
        Ok(())
    }
}
