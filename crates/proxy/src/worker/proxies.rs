//! The frontends and backends as one worker has them: their rules prepared, and what the worker counts of them.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use tidegate_sample::{Data, ExternalRunner, Named};

use super::{Shared, Worker};
use crate::ext::Extensions;
use crate::figures::{Board, Usage};
use crate::filter::{self, Filters};
use crate::log::{LogSteps, Logger};
use crate::rules::PreparedRules;
use crate::spec::{BackendId, BackendSpec, FrontendSpec, PageSpec};
use crate::txn::Mode;
use crate::upstream::balance::Balancer;
use crate::upstream::open::Descriptors;
use crate::upstream::shared::BackendState;

/// A frontend on a worker.
pub(crate) struct Frontend {
    pub(crate) spec: Arc<FrontendSpec>,
    pub(crate) named: Rc<Named>,
    pub(crate) logger: Rc<Logger>,
    /// What runs scripts where nothing can wait.
    pub(crate) runner: Rc<dyn ExternalRunner>,
    /// The steps of its sessions at which lines are written.
    pub(crate) log_steps: LogSteps,
    /// Whether scripts have a part in lines.
    pub(crate) log_calls_scripts: bool,
    /// Counts lines, if any of them tells how many there were.
    pub(crate) log_counter: Option<Arc<AtomicU32>>,
    pub(crate) tcp_connection: PreparedRules,
    pub(crate) tcp_session: PreparedRules,
    pub(crate) tcp_content: PreparedRules,
    pub(crate) http_request: PreparedRules,
    pub(crate) http_response: PreparedRules,
    pub(crate) http_after_response: PreparedRules,
    /// Who may see its page.
    pub(crate) page_access: PreparedRules,
    pub(crate) filters: Filters,
    pub(crate) connections: Arc<AtomicU32>,
    pub(crate) process_connections: Arc<AtomicU32>,
    pub(crate) usage: Arc<Usage>,
    pub(crate) board: Arc<Board>,
    /// The name of the default backend.
    pub(crate) default_backend: Option<Data>,
}

/// The backends on a worker. They may come and go: what goes on in one that has gone ends where it is.
#[derive(Default)]
pub(super) struct OwnBackends {
    pub(super) places: Vec<Option<Rc<Backend>>>,
    pub(super) names: HashMap<Box<[u8]>, BackendId>,
}

impl OwnBackends {
    pub(super) fn put(&mut self, place: BackendId, backend: Backend) {
        if self.places.len() <= place {
            self.places.resize_with(place + 1, || None);
        }
        self.names.insert(backend.spec.name.as_bytes().into(), place);
        if let Some(free) = self.places.get_mut(place) {
            *free = Some(Rc::new(backend));
        }
    }

    pub(super) fn take(&mut self, place: BackendId) {
        if let Some(backend) = self.places.get_mut(place).and_then(Option::take) {
            self.names.remove(backend.spec.name.as_bytes());
        }
    }
}

/// A backend on a worker.
pub(crate) struct Backend {
    pub(crate) spec: Arc<BackendSpec>,
    pub(crate) named: Rc<Named>,
    pub(crate) balancer: Balancer,
    pub(crate) tcp_content: PreparedRules,
    pub(crate) tcp_response: PreparedRules,
    pub(crate) http_request: PreparedRules,
    pub(crate) http_response: PreparedRules,
    pub(crate) http_after_response: PreparedRules,
    /// Who may see its page.
    pub(crate) page_access: PreparedRules,
    pub(crate) filters: Filters,
    pub(crate) usage: Arc<Usage>,
    /// For messages about servers.
    pub(crate) logger: Rc<Logger>,
    /// What connections of the process take.
    pub(crate) descriptors: Arc<Descriptors>,
}

impl Frontend {
    pub(super) fn new(
        spec: &Arc<FrontendSpec>,
        connections: &Arc<AtomicU32>,
        shared: &Shared,
        worker: usize,
        extensions: &dyn Extensions,
        runner: &Rc<dyn ExternalRunner>,
    ) -> Result<Self, String> {
        let default_backend = spec
            .default_backend
            .filter(|backend| Some(*backend) != spec.own_backend)
            .and_then(|backend| Some(shared.backends.now().at(backend)?.name().into()));
        Ok(Frontend {
            named: Rc::new(Named {
                name: spec.name.as_str().into(),
                id: spec.id,
            }),
            logger: Rc::new(Logger::of(shared.writer.as_ref(), &spec.log)),
            runner: runner.clone(),
            log_steps: spec.log.steps_of(spec.mode == Mode::Http),
            log_calls_scripts: spec.log.calls_scripts(),
            log_counter: spec.log.counts_lines().then(|| shared.log_counter_of(&spec.name)),
            tcp_connection: PreparedRules::new(&spec.tcp_connection, Mode::Tcp, extensions)?,
            tcp_session: PreparedRules::new(&spec.tcp_session, Mode::Tcp, extensions)?,
            tcp_content: PreparedRules::new(&spec.tcp_content, Mode::Tcp, extensions)?,
            http_request: PreparedRules::new(&spec.http_request, Mode::Http, extensions)?,
            http_response: PreparedRules::new(&spec.http_response, Mode::Http, extensions)?,
            http_after_response: PreparedRules::new(&spec.http_after_response, Mode::Http, extensions)?,
            page_access: page_access(spec.page.as_ref(), extensions)?,
            filters: filter::prepare(&spec.filters, &spec.filter_order, true, extensions)?,
            connections: connections.clone(),
            process_connections: shared.connections.clone(),
            usage: shared.board.frontend_of(&spec.name, worker),
            board: shared.board.clone(),
            default_backend,
            spec: spec.clone(),
        })
    }

    /// A connection of it was no session after all.
    pub(crate) fn let_nobody_in(&self, worker: &Worker) {
        worker.shared.paces.sessions.give_back();
        if let Some(pace) = worker.shared.frontend_paces.get(self.index(worker)) {
            pace.give_back();
        }
    }

    pub(super) fn index(&self, worker: &Worker) -> usize {
        worker
            .frontends
            .iter()
            .position(|f| Arc::ptr_eq(&f.spec, &self.spec))
            .unwrap_or(usize::MAX)
    }
}

impl Backend {
    pub(super) fn new(
        state: &Arc<BackendState>,
        shared: &Shared,
        worker: usize,
        extensions: &dyn Extensions,
    ) -> Result<Self, String> {
        let spec = state.spec();
        // Each process, and each worker, draws lots of its own.
        let seed = RandomState::new().hash_one(worker);
        Ok(Backend {
            named: Rc::new(Named {
                name: spec.name.as_str().into(),
                id: spec.id,
            }),
            balancer: Balancer::new(spec, state.clone(), worker, shared.descriptors.clone(), seed),
            usage: state.usage.of(worker),
            logger: Rc::new(Logger::of(shared.writer.as_ref(), &spec.log)),
            descriptors: shared.descriptors.clone(),
            tcp_content: PreparedRules::new(&spec.tcp_content, Mode::Tcp, extensions)?,
            tcp_response: PreparedRules::new(&spec.tcp_response, Mode::Tcp, extensions)?,
            http_request: PreparedRules::new(&spec.http_request, Mode::Http, extensions)?,
            http_response: PreparedRules::new(&spec.http_response, Mode::Http, extensions)?,
            http_after_response: PreparedRules::new(&spec.http_after_response, Mode::Http, extensions)?,
            page_access: page_access(spec.page.as_ref(), extensions)?,
            filters: filter::prepare(&spec.filters, &spec.filter_order, false, extensions)?,
            spec: spec.clone(),
        })
    }
}

fn page_access(page: Option<&PageSpec>, extensions: &dyn Extensions) -> Result<PreparedRules, String> {
    page.map_or_else(
        || Ok(PreparedRules::default()),
        |page| PreparedRules::new(&page.access, Mode::Http, extensions),
    )
}
