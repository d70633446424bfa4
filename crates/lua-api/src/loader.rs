//! Loading: the files of the configuration run, and what they register is collected.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use mlua::{Error, StdLib, Table, Variadic};
use tidegate_proxy::ext::{ExtensionFactory, Extensions, Failure};

use crate::cert_cache::Cache;
use crate::declared::Declared;
use crate::desk::Desk;
use crate::entry::{Entry, ScriptLimits};
use crate::env::Stage;
use crate::plane::{self, World};
use crate::run::{Ended, Kind, Run, Running};
use crate::settings::Settings;
use crate::shared::Dicts;
use crate::state::{Entries, State};
use crate::worker::Worker;

/// One `lua-load` or `lua-load-per-thread` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadSpec {
    /// The file.
    pub path: PathBuf,
    /// The words after it, which the file gets as `...`.
    pub args: Vec<String>,
    /// True for `lua-load-per-thread`.
    pub per_thread: bool,
    /// What it may use, where that differs from the settings.
    pub limits: ScriptLimits,
    /// The most bytes in the state that it is loaded into; 0 for no limit. Scripts of one state share it.
    pub memory_bytes_max: Option<usize>,
    /// Comes back in errors, so that the caller finds its line again.
    pub tag: usize,
}

/// Why a file can't be loaded, or an init function failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// The tag of the [`LoadSpec`]; `None` for what isn't one file's fault.
    pub tag: Option<usize>,
    /// What happened, in a line.
    pub message: String,
    /// Further lines, such as a traceback.
    pub detail: Option<String>,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.detail {
            Some(detail) => write!(f, "\n{detail}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for LoadError {}

/// The scripts of a configuration.
pub struct Scripts;

/// Scripts that were loaded.
pub struct Loaded {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    declared: Declared,
    tasks: Arc<AtomicUsize>,
    shared: Option<(Arc<State>, Entries)>,
    per_thread: Vec<LoadSpec>,
    desk: Desk,
}

impl Scripts {
    /// Runs the files. Those of `lua-load` are loaded for good; those of `lua-load-per-thread` into a state that
    /// is thrown away, to see what is wrong with them and what they register: each worker loads them again.
    ///
    /// Not to be called from asynchronous code: files may take their time.
    ///
    /// # Errors
    /// Everything that is wrong with any of the files.
    pub fn load(settings: Settings, specs: &[LoadSpec]) -> Result<Loaded, Vec<LoadError>> {
        let tasks = Arc::new(AtomicUsize::new(0));
        let (per_thread, shared): (Vec<_>, Vec<_>) = specs.iter().cloned().partition(|s| s.per_thread);
        let mut errors = Vec::new();
        let mut declared = Declared::default();
        let mut load = |specs: &[LoadSpec], state_id: usize| {
            if specs.is_empty() {
                return None;
            }
            match load_all(&settings, specs, state_id, &tasks) {
                Ok(state) => {
                    if let Err(error) = declare(&mut declared, &state) {
                        errors.push(error);
                    }
                    Some(state)
                }
                Err(wrong) => {
                    errors.extend(wrong);
                    None
                }
            }
        };
        let shared = load(&shared, 0);
        drop(load(&per_thread, 1));
        let shared = match shared.map(|state| state.entries().map(|entries| (Arc::new(state), entries))) {
            Some(Err(error)) => {
                errors.push(LoadError::new(None, &error));
                None
            }
            Some(Ok(shared)) => Some(shared),
            None => None,
        };
        if !errors.is_empty() {
            return Err(errors);
        }
        let inner = Inner {
            settings,
            declared,
            tasks,
            shared,
            per_thread,
            desk: Desk::default(),
        };
        Ok(Loaded {
            inner: Arc::new(inner),
        })
    }
}

impl Loaded {
    /// What the scripts registered.
    pub fn declared(&self) -> &Declared {
        &self.inner.declared
    }

    /// Runs the init functions of the scripts loaded with `lua-load`, after the configuration is complete and
    /// before serving. Those of `lua-load-per-thread` run when their worker is made.
    ///
    /// # Errors
    /// The functions that failed.
    pub fn run_init(&self) -> Result<(), Vec<LoadError>> {
        match &self.inner.shared {
            Some((state, _)) => run_init(state),
            None => Ok(()),
        }
    }

    /// The dictionaries that scripts share.
    pub fn shared(&self) -> Dicts {
        self.inner.settings.shared.clone()
    }

    /// Where the data plane is made known to scripts, before their init functions run.
    pub fn world(&self) -> World {
        self.inner.settings.world.clone()
    }

    /// Where certificates are made known to scripts, before their init functions run.
    pub fn certificates(&self) -> Cache {
        self.inner.settings.certificates.clone()
    }

    /// Where commands and questions for the scripts are taken while they serve.
    pub fn desk(&self) -> Desk {
        self.inner.desk.clone()
    }

    /// Makes each worker's extensions.
    pub fn factory(&self) -> ExtensionFactory {
        let inner = Arc::clone(&self.inner);
        Arc::new(move |worker| {
            inner
                .worker(worker)
                .map(|worker| Box::new(worker) as Box<dyn Extensions>)
        })
    }
}

impl Inner {
    fn worker(&self, worker: usize) -> Result<Worker, String> {
        let shared = self
            .shared
            .as_ref()
            .map(|(state, entries)| (Arc::clone(state), entries));
        if self.per_thread.is_empty() {
            return Worker::new(&self.declared, shared, None, self.desk.clone());
        }
        let in_text = |errors: Vec<LoadError>| {
            let lines: Vec<_> = errors.iter().map(LoadError::to_string).collect();
            lines.join("\n")
        };
        let state = load_all(&self.settings, &self.per_thread, worker + 1, &self.tasks).map_err(in_text)?;
        run_init(&state).map_err(in_text)?;
        let entries = state.entries().map_err(|error| error.to_string())?;
        let own = Some((Arc::new(state), &entries));
        Worker::new(&self.declared, shared, own, self.desk.clone())
    }
}

impl LoadError {
    fn new(tag: Option<usize>, error: &Error) -> Self {
        LoadError {
            tag,
            message: error.to_string(),
            detail: None,
        }
    }

    fn failed(tag: Option<usize>, failure: Failure) -> Self {
        LoadError {
            tag,
            message: failure.message,
            detail: failure.detail,
        }
    }
}

/// A state in which all of `specs` ran.
fn load_all(
    settings: &Settings,
    specs: &[LoadSpec],
    state_id: usize,
    tasks: &Arc<AtomicUsize>,
) -> Result<State, Vec<LoadError>> {
    let memory = specs.iter().find_map(|spec| spec.memory_bytes_max);
    let own = memory.map(|bytes| Settings {
        memory_bytes_max: Some(bytes).filter(|bytes| *bytes > 0),
        ..settings.clone()
    });
    let state = State::new(own.as_ref().unwrap_or(settings), state_id, tasks)
        .map_err(|e| vec![LoadError::new(None, &e)])?;
    let errors: Vec<_> = specs
        .iter()
        .filter_map(|spec| load_one(&state, spec).err())
        .collect();
    if errors.is_empty() { Ok(state) } else { Err(errors) }
}

fn load_one(state: &State, spec: &LoadSpec) -> Result<(), LoadError> {
    let tag = Some(spec.tag);
    let name = spec.path.display().to_string();
    let source = std::fs::read(&spec.path).map_err(|error| LoadError {
        tag,
        message: format!("cannot read `{name}`: {error}"),
        detail: None,
    })?;
    let compiled = state.vm.load(&name, text_of(&source));
    let chunk = compiled.map_err(|error| LoadError {
        tag,
        message: syntax_message(&error),
        detail: None,
    })?;
    beside(state, &spec.path).map_err(|error| LoadError::new(tag, &error))?;
    let entry = state
        .vm
        .entry(&name, chunk)
        .map(|entry| Entry::new(entry, spec.limits))
        .map_err(|error| LoadError::new(tag, &error))?;
    let args: Variadic<String> = spec.args.iter().cloned().collect();
    let started = Running::start(state, &entry, args, Run::new(Kind::Load));
    match started.map(|mut running| running.finish()) {
        Ok(Ended::Returned | Ended::Done(_)) => Ok(()),
        Ok(Ended::Failed(failure)) | Err(failure) => Err(LoadError::failed(tag, failure)),
    }
}

/// The source without what an editor or a shell put before it; lines keep their numbers.
fn text_of(source: &[u8]) -> &[u8] {
    let source = source.strip_prefix(b"\xef\xbb\xbf").unwrap_or(source);
    if source.first() != Some(&b'#') {
        return source;
    }
    let end = source
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(source.len());
    source.get(end..).unwrap_or_default()
}

fn syntax_message(error: &Error) -> String {
    match error {
        Error::SyntaxError { message, .. } => message.clone(),
        other => other.to_string(),
    }
}

/// Lets the script at `path` require files beside it, after the places that the configuration names.
fn beside(state: &State, path: &Path) -> mlua::Result<()> {
    if !state.env.settings.libraries.contains(StdLib::PACKAGE) {
        return Ok(());
    }
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent.display().to_string(),
        _ => ".".to_owned(),
    };
    let entered = state.vm.enter(|lua| {
        let package: Table = lua.globals().raw_get("package")?;
        let known: String = package.raw_get("path")?;
        let own = format!("{directory}/?.lua;{directory}/?/init.lua;");
        if known.contains(&own) {
            return Ok(());
        }
        let prefix = &state.search_prefix;
        let rest = known.strip_prefix(prefix.as_str()).unwrap_or(&known);
        package.raw_set("path", format!("{prefix}{own}{rest}"))
    });
    entered.map_err(Error::external)?
}

/// Adds what the scripts of `state` registered.
fn declare(declared: &mut Declared, state: &State) -> Result<(), LoadError> {
    for item in &state.env.registry().items {
        if declared.contains(&item.key) {
            return Err(LoadError {
                tag: None,
                message: format!(
                    "{} is registered by lua-load and by lua-load-per-thread",
                    item.key.described()
                ),
                detail: None,
            });
        }
        declared.add(item);
    }
    Ok(())
}

fn run_init(state: &State) -> Result<(), Vec<LoadError>> {
    state.env.enter_stage(Stage::Init);
    let known = state.vm.enter(|lua| state.classes.plane.fill(lua, &state.env));
    let known = known.map_err(Error::external).and_then(|known| known);
    known.map_err(|error| vec![LoadError::new(None, &error)])?;
    plane::open_events(&state.env);
    let functions = std::mem::take(&mut state.env.registry().inits);
    let run = |(function, limits)| {
        let entry = state.vm.entry("init", function);
        let entry = entry
            .map(|entry| Entry::new(entry, limits))
            .map_err(|error| Failure::new(error.to_string()))?;
        match Running::start(state, &entry, (), Run::new(Kind::Init))?.finish() {
            Ended::Returned | Ended::Done(_) => Ok(()),
            Ended::Failed(failure) => Err(crate::action::named("init", "register_init", failure)),
        }
    };
    let errors: Vec<_> = functions
        .into_iter()
        .filter_map(|function| run(function).err())
        .map(|failure: Failure| LoadError::failed(None, failure))
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("declared", &self.inner.declared)
            .finish_non_exhaustive()
    }
}
