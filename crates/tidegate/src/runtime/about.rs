//! What the runtime API can be asked about.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use tidegate_config::model::AccessLevel;
use tidegate_lua_api::{CommandDecl, Desk, Dicts};
use tidegate_proxy::Control;
use tidegate_sample::Lists;
use tidegate_sample::vars::ProcVars;

use crate::assemble::Workshop;

/// Everything that commands look at, beside their connection.
pub(crate) struct About {
    /// The data plane.
    pub(crate) control: Control,
    /// What holds for the process, from its configuration.
    pub(crate) facts: Facts,
    /// What scripts add.
    pub(crate) scripts: Scripts,
    /// The sockets of the runtime API, as they are shown, with their levels.
    sockets: OnceLock<Vec<(String, AccessLevel)>>,
    /// Connections to the runtime API.
    callers: AtomicUsize,
    /// When the program began to serve.
    pub(crate) started: Instant,
    /// The same by the clock.
    pub(crate) started_at: SystemTime,
}

impl About {
    /// What there is to ask before anything is served.
    pub(crate) fn new(control: Control, facts: Facts, scripts: Scripts) -> Arc<About> {
        Arc::new(About {
            control,
            facts,
            scripts,
            sockets: OnceLock::new(),
            callers: AtomicUsize::new(0),
            started: Instant::now(),
            started_at: SystemTime::now(),
        })
    }

    /// The sockets of the runtime API, once they are open.
    pub(crate) fn now_listens_at(&self, sockets: Vec<(String, AccessLevel)>) {
        // It is said once.
        let _ = self.sockets.set(sockets);
    }

    /// The sockets of the runtime API, as they are shown, with their levels.
    pub(crate) fn sockets(&self) -> &[(String, AccessLevel)] {
        self.sockets.get().map_or(&[], Vec::as_slice)
    }

    /// Counts a connection to the runtime API, until what is returned is dropped.
    pub(crate) fn calls(self: &Arc<About>) -> Caller {
        self.callers.fetch_add(1, Ordering::Relaxed);
        Caller(self.clone())
    }

    /// Connections to the runtime API now.
    pub(crate) fn callers(&self) -> usize {
        self.callers.load(Ordering::Relaxed)
    }

    /// How long the program has been serving.
    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}

/// A connection to the runtime API.
pub(crate) struct Caller(Arc<About>);

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.callers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The commands of scripts, and where they are carried out.
pub(crate) struct Scripts {
    /// The commands, each at its number.
    pub(crate) commands: Vec<CommandDecl>,
    /// Where they are carried out.
    pub(crate) desk: Desk,
    /// The dictionaries that they share.
    pub(crate) shared: Dicts,
}

/// What commands know of the configuration.
pub(crate) struct Facts {
    /// The lists of patterns and maps.
    pub(crate) lists: Arc<Lists>,
    /// What handshakes are made with.
    pub(crate) tls: Arc<tidegate_tls::Store>,
    /// What makes servers while the process runs.
    pub(crate) workshop: Option<Workshop>,
    /// `ca-base`: where authorities are.
    pub(crate) ca_base: Option<String>,
    /// The variables of the process.
    pub(crate) proc_vars: Arc<ProcVars>,
    /// The environment after the configuration changed it.
    pub(crate) environment: Vec<(Vec<u8>, Vec<u8>)>,
    /// The names of `defaults` sections.
    pub(crate) defaults: Vec<String>,
    /// The name of this machine.
    pub(crate) node: String,
    /// `description`.
    pub(crate) description: Option<String>,
    /// `-m`, in MiB; 0 for no limit.
    pub(crate) memory_mib_max: u64,
}
