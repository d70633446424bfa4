//! One client connection, as all transactions on it share it.

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::net::{SocketAddr, SocketAddrV4};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tidegate_sample::stick::{Count, Tables};
use tidegate_sample::vars::{ProcVars, VarStore};
use tidegate_sample::{Named, Process, Tls};

use crate::clock::Turn;
use crate::figures::Usage;
use crate::http2::Core;
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

/// The same in less room: most connections have two addresses of IPv4.
enum Packed {
    V4(SocketAddrV4, SocketAddrV4),
    Other(Box<Ends>),
}

impl From<Ends> for Packed {
    fn from(ends: Ends) -> Self {
        match (ends.source, ends.destination) {
            (Some(SocketAddr::V4(source)), Some(SocketAddr::V4(destination))) => {
                Packed::V4(source, destination)
            }
            _ => Packed::Other(Box::new(ends)),
        }
    }
}

impl From<&Packed> for Ends {
    fn from(packed: &Packed) -> Self {
        match packed {
            Packed::V4(source, destination) => Ends {
                source: Some((*source).into()),
                destination: Some((*destination).into()),
            },
            Packed::Other(ends) => **ends,
        }
    }
}

/// Addresses of a connection, where somebody told of others than its own.
#[derive(Clone, Copy)]
pub(crate) struct Told {
    /// The client's; rules on the mere connection may have another put there.
    pub(crate) source: Option<SocketAddr>,
    pub(crate) destination: Option<SocketAddr>,
    /// What `fc_src` and `fc_dst` tell: those of the system, or what `tcp-request connection` rules put there.
    pub(crate) seen: Ends,
}

impl From<Ends> for Told {
    fn from(ends: Ends) -> Self {
        Told {
            source: ends.source,
            destination: ends.destination,
            seen: ends,
        }
    }
}

/// Where connections come in: what all those of one listener on one worker share.
pub(crate) struct Entrance {
    /// The frontend itself; none for a connection that isn't one.
    pub(crate) home: Option<Rc<Frontend>>,
    pub(crate) frontend: Rc<Named>,
    pub(crate) listener: Rc<Named>,
    /// Where what clients do is counted for their listener, with `option socket-stats`.
    pub(crate) socket: Option<Arc<Usage>>,
    pub(crate) tables: Arc<Tables>,
    pub(crate) proc_vars: Arc<ProcVars>,
    pub(crate) process: Option<Arc<Process>>,
    pub(crate) worker: usize,
    pub(crate) logger: Rc<Logger>,
    pub(crate) writer: Option<LogWriter>,
    /// Whether the worker stops softly.
    pub(crate) stopping: Rc<Cell<bool>>,
    /// What clients speak, if the listener says so.
    pub(crate) proto: ListenProto,
    /// `accept-netscaler-cip`: what headers of NetScaler begin with.
    pub(crate) netscaler_magic: u32,
    /// How often an idle client of HTTP/2 is asked whether it is still there.
    pub(crate) idle_ping: Option<Duration>,
}

/// What stays the same from one request of a connection to the next.
pub(crate) struct Client {
    pub(crate) entrance: Rc<Entrance>,
    ends: Packed,
    rare: OnceCell<Box<Rare>>,
    pub(crate) vars: RefCell<VarStore>,
    /// What it tracks in stick tables, for all of its requests.
    pub(crate) counters: Counters,
    /// Of the odd things that it did to HTTP/2, those that were counted in stick tables.
    pub(crate) glitches_counted: Cell<u32>,
    pub(crate) accepted: SystemTime,
    pub(crate) accepted_at: Instant,
    /// How many microseconds later hands were shaken and the session could begin.
    ready_after: Cell<u32>,
    /// The connection's TLS.
    pub(crate) tls: RefCell<Option<Rc<Tls>>>,
    /// A rule wants such a header.
    pub(crate) expects_proxy: Cell<bool>,
    /// A rule wants a header of NetScaler.
    pub(crate) expects_netscaler: Cell<bool>,
    /// The number of what went wrong with the connection; 0 for nothing.
    pub(crate) error: Cell<u8>,
    pub(crate) packets: Packets,
    /// Where the request or stream is that the client waits for.
    pub(crate) whereabouts: RefCell<Whereabouts>,
    /// It is being ended from outside.
    pub(crate) killed_by: Cell<Option<KilledBy>>,
    /// What it may do then.
    pub(crate) last_word: LastWord,
}

/// What only some connections have.
#[derive(Default)]
struct Rare {
    told: Cell<Option<Told>>,
    /// The PROXY header that it began with.
    proxy_header: OnceCell<Header>,
    extension_slot: RefCell<Option<Box<dyn Any>>>,
    /// What is counted on a connection that speaks HTTP/2.
    h2: OnceCell<Rc<Core>>,
}

impl Client {
    /// One that has just come.
    pub(crate) fn new(entrance: Rc<Entrance>, ends: Ends) -> Self {
        let now = Instant::now();
        Client {
            ends: ends.into(),
            rare: OnceCell::new(),
            vars: RefCell::new(VarStore::of_session(&entrance.proc_vars)),
            entrance,
            counters: Counters::default(),
            glitches_counted: Cell::default(),
            accepted: SystemTime::now(),
            accepted_at: now,
            ready_after: Cell::default(),
            tls: RefCell::default(),
            expects_proxy: Cell::new(false),
            expects_netscaler: Cell::new(false),
            error: Cell::new(0),
            packets: Packets::default(),
            whereabouts: RefCell::default(),
            killed_by: Cell::default(),
            last_word: LastWord::default(),
        }
    }

    /// A connection that isn't one.
    pub(crate) fn detached(
        frontend: &str,
        source: Option<SocketAddr>,
        destination: Option<SocketAddr>,
        worker: usize,
    ) -> Self {
        let entrance = Entrance {
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
            tables: Arc::default(),
            proc_vars: Arc::default(),
            process: None,
            worker,
            logger: Rc::new(Logger::discard()),
            writer: None,
            stopping: Rc::default(),
            proto: ListenProto::default(),
            idle_ping: None,
            netscaler_magic: 0,
        };
        Client::new(Rc::new(entrance), Ends { source, destination })
    }

    /// When hands were shaken and the session could begin.
    pub(crate) fn ready_at(&self) -> Instant {
        self.accepted_at + Duration::from_micros(self.ready_after.get().into())
    }

    /// Hands are shaken.
    pub(crate) fn is_ready(&self) {
        let after = self.accepted_at.elapsed().as_micros();
        self.ready_after.set(u32::try_from(after).unwrap_or(u32::MAX));
    }

    /// The ends as the system knows them.
    pub(crate) fn ends(&self) -> Ends {
        (&self.ends).into()
    }

    fn told(&self) -> Option<Told> {
        self.rare.get()?.told.get()
    }

    /// The client's address.
    pub(crate) fn source(&self) -> Option<SocketAddr> {
        self.told().map_or_else(|| self.ends().source, |told| told.source)
    }

    /// The address that it connected to.
    pub(crate) fn destination(&self) -> Option<SocketAddr> {
        self.told()
            .map_or_else(|| self.ends().destination, |told| told.destination)
    }

    /// What `fc_src` and `fc_dst` tell.
    pub(crate) fn seen(&self) -> Ends {
        self.told().map_or_else(|| self.ends(), |told| told.seen)
    }

    /// Somebody tells of other addresses.
    pub(crate) fn tell(&self, tell: impl FnOnce(&mut Told)) {
        let mut told = self.told().unwrap_or_else(|| self.ends().into());
        tell(&mut told);
        self.rare().told.set(Some(told));
    }

    fn rare(&self) -> &Rare {
        self.rare.get_or_init(Box::default)
    }

    /// The PROXY header that it began with.
    pub(crate) fn proxy_header(&self) -> Option<&Header> {
        self.rare.get()?.proxy_header.get()
    }

    /// It began with this PROXY header.
    pub(crate) fn begins_with(&self, header: Header) {
        // There is one at the most.
        let _ = self.rare().proxy_header.set(header);
    }

    /// What is counted on a connection that speaks HTTP/2.
    pub(crate) fn h2(&self) -> Option<&Rc<Core>> {
        self.rare.get()?.h2.get()
    }

    /// It speaks HTTP/2.
    pub(crate) fn speaks_http2(&self, core: Rc<Core>) {
        // It begins to once.
        let _ = self.rare().h2.set(core);
    }

    /// What extensions keep of it.
    pub(crate) fn extension_slot(&self) -> &RefCell<Option<Box<dyn Any>>> {
        &self.rare().extension_slot
    }
}

impl Client {
    /// Odd things that it did to HTTP/2 since this was asked last.
    pub(crate) fn new_glitches(&self) -> u32 {
        let all = self.h2().map_or(0, |core| core.figures(0).glitches);
        all.saturating_sub(self.glitches_counted.replace(all))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if !self.counters.is_empty() {
            let now = Turn::ticks();
            let glitches = self.new_glitches();
            self.counters.count(Count::Glitch, glitches.into(), now);
            self.counters.release(now);
        }
    }
}
