//! A check as expressions see it.

use std::any::Any;
use std::cell::{Cell, OnceCell, Ref, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use tidegate_sample::figures::Figures;
use tidegate_sample::head::response;
use tidegate_sample::vars::{ProcVars, VarScope, VarStore};
use tidegate_sample::{Data, Named, Process, Session, Way};

use crate::figures::Board;
use crate::rules::Text;

/// One run of a check.
pub(super) struct CheckSession {
    pub(super) backend: Rc<Named>,
    pub(super) server: Rc<Named>,
    pub(super) process: Option<Arc<Process>>,
    pub(super) proc_vars: Arc<ProcVars>,
    pub(super) vars: RefCell<VarStore>,
    /// The check's own connection has variables of its own, which end with it.
    pub(super) session_vars: RefCell<VarStore>,
    /// What was received since something was sent last.
    pub(super) received: RefCell<Vec<u8>>,
    /// Whether no more will come.
    pub(super) ended: Cell<bool>,
    pub(super) response: RefCell<Option<response::Parts>>,
    pub(super) source: Cell<Option<SocketAddr>>,
    pub(super) destination: Cell<Option<SocketAddr>>,
    /// What is known of proxies and their servers.
    pub(super) board: Option<Arc<Board>>,
    /// `unique-id-format`
    pub(super) id_format: Option<Arc<Text>>,
    /// Made once, when it is asked for.
    unique_id: OnceCell<Data>,
    making_id: Cell<bool>,
}

impl CheckSession {
    pub(super) fn new(
        backend: Rc<Named>,
        server: Rc<Named>,
        process: Option<Arc<Process>>,
        proc_vars: Arc<ProcVars>,
    ) -> CheckSession {
        CheckSession {
            backend,
            server,
            process,
            proc_vars,
            vars: RefCell::default(),
            session_vars: RefCell::default(),
            received: RefCell::default(),
            ended: Cell::new(false),
            response: RefCell::default(),
            source: Cell::new(None),
            destination: Cell::new(None),
            board: None,
            id_format: None,
            unique_id: OnceCell::new(),
            making_id: Cell::new(false),
        }
    }

    /// Forgets what was received: what comes next answers something else.
    pub(super) fn begin_answer(&self) {
        self.received.borrow_mut().clear();
        self.response.borrow_mut().take();
        self.ended.set(false);
    }
}

impl Session for CheckSession {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn backend(&self) -> Option<Named> {
        Some((*self.backend).clone())
    }

    fn server(&self) -> Option<Named> {
        Some((*self.server).clone())
    }

    fn unique_id(&self) -> Option<Data> {
        let format = self.id_format.as_ref()?;
        if let Some(id) = self.unique_id.get() {
            return Some(id.clone());
        }
        // A format that names the id itself sees none.
        if self.making_id.replace(true) {
            return None;
        }
        let id = Data::from(format.eval_for(self));
        self.making_id.set(false);
        Some(self.unique_id.get_or_init(|| id).clone())
    }

    fn figures(&self) -> Option<&dyn Figures> {
        self.board.as_deref().map(|board| board as &dyn Figures)
    }

    fn process_connections(&self) -> Option<u64> {
        self.board.as_ref().map(|board| board.connections())
    }

    fn backend_src(&self) -> Option<SocketAddr> {
        self.source.get()
    }

    fn backend_dst(&self) -> Option<SocketAddr> {
        self.destination.get()
    }

    fn response(&self) -> Option<Ref<'_, response::Parts>> {
        Ref::filter_map(self.response.borrow(), Option::as_ref).ok()
    }

    fn buffered(&self, way: Way) -> Option<Ref<'_, [u8]>> {
        (way == Way::Response).then(|| Ref::map(self.received.borrow(), Vec::as_slice))
    }

    fn buffered_to_end(&self, way: Way) -> bool {
        way == Way::Response && self.ended.get()
    }

    fn way(&self) -> Way {
        Way::Response
    }

    fn process(&self) -> Option<&Process> {
        self.process.as_deref()
    }

    fn vars(&self, scope: VarScope) -> Option<&RefCell<VarStore>> {
        match scope {
            VarScope::Check => Some(&self.vars),
            VarScope::Sess => Some(&self.session_vars),
            VarScope::Proc | VarScope::Txn | VarScope::Req | VarScope::Res => None,
        }
    }

    fn proc_vars(&self) -> Option<&ProcVars> {
        Some(&self.proc_vars)
    }
}
