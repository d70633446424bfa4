//! One client connection, as all transactions on it share it.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use tidegate_sample::stick::{Count, Tables};
use tidegate_sample::vars::{ProcVars, VarStore};
use tidegate_sample::{Named, Process, Tls};

use crate::clock::ticks;
use crate::figures::Usage;
use crate::http2::Meter;
use crate::log::{LogWriter, Logger};
use crate::packets::Packets;
use crate::proxy_protocol::Header;
use crate::roster::{KilledBy, LastWord, Whereabouts};
use crate::spec::ListenProto;
use crate::stick::Counters;
use crate::worker::Frontend;

/// The two ends of the client's connection, as the system knows them.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ends {
    pub(crate) source: Option<SocketAddr>,
    pub(crate) destination: Option<SocketAddr>,
}

/// What stays the same from one request of a connection to the next.
pub(crate) struct Client {
    pub(crate) ends: Ends,
    /// The client's address; rules on the mere connection may have another put there.
    pub(crate) source: Cell<Option<SocketAddr>>,
    pub(crate) destination: Cell<Option<SocketAddr>>,
    /// What `fc_src` and `fc_dst` tell: those of the system, or what `tcp-request connection` rules put there.
    pub(crate) seen: Cell<Ends>,
    /// The frontend itself; none for a connection that isn't one.
    pub(crate) home: Option<Rc<Frontend>>,
    pub(crate) frontend: Rc<Named>,
    pub(crate) listener: Rc<Named>,
    /// Where what it does is counted for its listener, with `option socket-stats`.
    pub(crate) socket: Option<Arc<Usage>>,
    pub(crate) vars: RefCell<VarStore>,
    /// What it tracks in stick tables, for all of its requests.
    pub(crate) counters: Counters,
    /// Of the odd things that it did to HTTP/2, those that were counted in stick tables.
    pub(crate) glitches_counted: Cell<u32>,
    pub(crate) tables: Arc<Tables>,
    pub(crate) proc_vars: Arc<ProcVars>,
    pub(crate) process: Option<Arc<Process>>,
    pub(crate) worker: usize,
    pub(crate) accepted: SystemTime,
    pub(crate) accepted_at: Instant,
    /// When hands were shaken and the session could begin.
    pub(crate) ready_at: Cell<Instant>,
    /// The connection's TLS.
    pub(crate) tls: RefCell<Option<Rc<Tls>>>,
    /// The PROXY header that it began with.
    pub(crate) proxy_header: RefCell<Option<Header>>,
    /// A rule wants such a header.
    pub(crate) expects_proxy: Cell<bool>,
    /// The number of what went wrong with the connection; 0 for nothing.
    pub(crate) error: Cell<u8>,
    pub(crate) extension_slot: RefCell<Option<Box<dyn Any>>>,
    pub(crate) logger: Rc<Logger>,
    pub(crate) writer: Option<LogWriter>,
    /// Whether the worker stops softly.
    pub(crate) stopping: Rc<Cell<bool>>,
    pub(crate) packets: Rc<Packets>,
    /// Where the request or stream is that the client waits for.
    pub(crate) whereabouts: RefCell<Whereabouts>,
    /// It is being ended from outside.
    pub(crate) killed_by: Cell<Option<KilledBy>>,
    /// What it may do then.
    pub(crate) last_word: LastWord,
    /// What it speaks, if the listener says so.
    pub(crate) proto: ListenProto,
    /// What is counted on a connection that speaks HTTP/2.
    pub(crate) h2: RefCell<Option<Rc<Meter>>>,
}

impl Client {
    /// A connection that isn't one.
    pub(crate) fn detached(
        frontend: &str,
        source: Option<SocketAddr>,
        destination: Option<SocketAddr>,
        worker: usize,
    ) -> Self {
        let logger = Rc::new(Logger::discard());
        Client {
            packets: Packets::new(logger.clone()),
            whereabouts: RefCell::default(),
            killed_by: Cell::default(),
            last_word: LastWord::default(),
            ends: Ends { source, destination },
            source: Cell::new(source),
            destination: Cell::new(destination),
            seen: Cell::new(Ends { source, destination }),
            home: None,
            frontend: Rc::new(Named {
                name: frontend.into(),
                id: 0,
            }),
            listener: Rc::new(Named {
                name: "".into(),
                id: 0,
            }),
            socket: None,
            vars: RefCell::default(),
            counters: Counters::default(),
            glitches_counted: Cell::default(),
            tables: Arc::default(),
            proc_vars: Arc::default(),
            process: None,
            worker,
            accepted: SystemTime::now(),
            accepted_at: Instant::now(),
            ready_at: Cell::new(Instant::now()),
            tls: RefCell::default(),
            proxy_header: RefCell::default(),
            expects_proxy: Cell::new(false),
            error: Cell::new(0),
            extension_slot: RefCell::default(),
            logger,
            writer: None,
            stopping: Rc::default(),
            proto: ListenProto::default(),
            h2: RefCell::default(),
        }
    }
}

impl Client {
    /// Odd things that it did to HTTP/2 since this was asked last.
    pub(crate) fn new_glitches(&self) -> u32 {
        let all = self
            .h2
            .borrow()
            .as_ref()
            .map_or(0, |meter| meter.figures(0).glitches);
        all.saturating_sub(self.glitches_counted.replace(all))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if !self.counters.is_empty() {
            let now = ticks();
            let glitches = self.new_glitches();
            self.counters.count(Count::Glitch, glitches.into(), now);
            self.counters.release(now);
        }
    }
}
