//! What the functions of one state share: settings, what scripts registered, and how far start-up is.

use std::io;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mlua::{Function, MultiValue, Table};
use tidegate_proxy::log::Level;
use tidegate_sample::{Files, LocalFiles, Proxies, Scope};

use crate::declared::{CommandLevel, Key};
use crate::entry::ScriptLimits;
use crate::event;
use crate::plane::EventFilter;
use crate::run::Run;
use crate::settings::Settings;

/// One state's surroundings.
pub(crate) struct Env {
    /// Told apart from every state that is or ever was by this.
    pub(crate) generation: u64,
    pub(crate) settings: Settings,
    /// 0 for the state of all threads, else the number of the thread, from 1.
    pub(crate) state_id: usize,
    /// Tasks that live, in all states.
    pub(crate) tasks: Arc<AtomicUsize>,
    registry: Mutex<Registry>,
    /// What functions of filters made for lines, and of the lines nothing.
    filter_lines: Mutex<Vec<FilterLine>>,
    stage: AtomicU8,
}

/// What was made of a filter's class for a line with these words.
pub(crate) type FilterLine = (Arc<[String]>, Option<Table>);

/// How far start-up is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Stage {
    /// The files run.
    Load,
    /// The init functions run.
    Init,
    /// Requests are served.
    Serve,
}

/// What scripts registered.
#[derive(Default)]
pub(crate) struct Registry {
    pub(crate) items: Vec<Item>,
    pub(crate) inits: Vec<(Function, ScriptLimits)>,
    pub(crate) tasks: Vec<(Function, MultiValue, ScriptLimits)>,
    /// Subscriptions that are served from the start on.
    pub(crate) subscriptions: Vec<event::Pending>,
    /// Those to events of servers, which are not known yet.
    pub(crate) server_events: Vec<(Arc<event::Subscription>, EventFilter)>,
}

/// One registered function.
pub(crate) struct Item {
    pub(crate) key: Key,
    pub(crate) nb_args: usize,
    /// A filter's class.
    pub(crate) class: Option<Table>,
    /// A command's: what the list of commands says, and who may give it.
    pub(crate) usage: Option<(String, CommandLevel)>,
    pub(crate) function: Function,
    pub(crate) limits: ScriptLimits,
}

impl Item {
    pub(crate) fn of(key: Key, nb_args: usize, function: &Function) -> Item {
        Item {
            key,
            nb_args,
            class: None,
            usage: None,
            function: function.clone(),
            limits: Run::script_limits(),
        }
    }
}

/// Reads no file: requests are served, and a file that takes long would keep them waiting.
struct LoadedOnly;

impl Files for LoadedOnly {
    fn read(&self, _: &str) -> io::Result<Vec<u8>> {
        Err(io::Error::other(
            "it was not loaded at start: name it in the configuration, or in a call while the script is loaded",
        ))
    }
}

impl Env {
    pub(crate) fn new(settings: Settings, state_id: usize, tasks: Arc<AtomicUsize>) -> Arc<Self> {
        static GENERATIONS: AtomicU64 = AtomicU64::new(0);
        Arc::new(Env {
            generation: GENERATIONS.fetch_add(1, Ordering::Relaxed),
            settings,
            state_id,
            tasks,
            registry: Mutex::default(),
            filter_lines: Mutex::default(),
            stage: AtomicU8::new(Stage::Load as u8),
        })
    }

    pub(crate) fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was made for the lines of filters.
    pub(crate) fn filter_lines(&self) -> MutexGuard<'_, Vec<FilterLine>> {
        self.filter_lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The class of a filter, and the function that makes one of it.
    pub(crate) fn filter(&self, name: &str) -> Option<(Table, Function)> {
        let registry = self.registry();
        let is_it = |item: &&Item| matches!(&item.key, Key::Filter(known) if known == name);
        let item = registry.items.iter().find(is_it)?;
        Some((item.class.clone()?, item.function.clone()))
    }

    pub(crate) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Load,
            1 => Stage::Init,
            _ => Stage::Serve,
        }
    }

    pub(crate) fn enter_stage(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Release);
    }

    /// What fetches and converters that scripts call are made for: while scripts are loaded they may read files, as the
    /// configuration may; later they find the lists that were loaded, and no others. Once there are proxies, they name no others.
    pub(crate) fn in_scope<R>(&self, make: impl FnOnce(&Scope<'_>) -> R) -> R {
        let files: &dyn Files = match self.stage() {
            Stage::Load | Stage::Init => &LocalFiles,
            Stage::Serve => &LoadedOnly,
        };
        let names = self.settings.world.names();
        let scope = Scope::anywhere()
            .with_files(files)
            .with_lists(&self.settings.lists)
            .with_userlists(&self.settings.userlists);
        make(&Scope {
            proxies: names.as_ref().map(|names| names as &dyn Proxies),
            ..scope
        })
    }

    /// Logs a failure that belongs to no session.
    pub(crate) fn failed(&self, what: &str, failure: &tidegate_proxy::ext::Failure) {
        self.settings.message(Level::Alert, &format!("{what}: {failure}"));
    }
}
