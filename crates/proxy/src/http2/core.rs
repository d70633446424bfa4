//! The state of a connection, as all share it that hold a part in a stream.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tidegate_http1::HeadLimits;
use tidegate_http2::{Broken, Connection, Key, Reason, Role, Settings};
use tidegate_sample::figures::HttpStreamFigures;

use crate::spec::GlobalSpec;
use crate::tally;

/// What clients may do, with so many streams; `lenient` with `option accept-unsafe-violations-in-http-request`.
pub(crate) fn from_clients(global: &GlobalSpec, streams_max: u32, lenient: bool) -> Settings {
    Settings {
        streams_max,
        window_bytes: global.h2.fe_window_bytes,
        buffer_bytes: global.h2.fe_buffer_bytes,
        glitches_max: global.h2.fe_glitches_max,
        lenient,
        protocols: global.h2.fe_websockets,
        ..of_both(global)
    }
}

/// What servers may do.
pub(crate) fn to_servers(global: &GlobalSpec) -> Settings {
    Settings {
        streams_max: global.h2.be_streams_max,
        window_bytes: global.h2.be_window_bytes,
        buffer_bytes: global.h2.be_buffer_bytes,
        glitches_max: global.h2.be_glitches_max,
        ..of_both(global)
    }
}

fn of_both(global: &GlobalSpec) -> Settings {
    Settings {
        frame_bytes_max: global.h2.frame_bytes_max,
        table_bytes: global.h2.table_bytes,
        head_bytes_max: u32::try_from(global.buffer_bytes).unwrap_or(u32::MAX),
        fields_max: HeadLimits::fields_of(global.lines_max),
        busy_min: global.h2.glitches_busy_min,
        busy_percent: tally::busy_percent,
        clock: Instant::now,
        ..Settings::default()
    }
}

/// A connection's state.
pub(crate) struct Core {
    connection: RefCell<Connection>,
    /// Whoever reads and writes it.
    driver: RefCell<Option<Waker>>,
    /// It does so now: nobody need tell it that there is something to write.
    is_driven: Cell<bool>,
    streams_max: u32,
}

impl Core {
    pub(super) fn new(role: Role, settings: Settings) -> Rc<Core> {
        Rc::new(Core {
            connection: RefCell::new(Connection::new(role, settings)),
            driver: RefCell::default(),
            is_driven: Cell::new(false),
            streams_max: settings.streams_max,
        })
    }

    /// For whoever reads and writes it.
    pub(super) fn connection(&self) -> &RefCell<Connection> {
        &self.connection
    }

    /// For all others: what there is to be written then is.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut Connection) -> T) -> T {
        let mut connection = self.connection.borrow_mut();
        let result = change(&mut connection);
        if !self.is_driven.get() && (connection.has_output() || connection.outcome().is_some()) {
            drop(connection);
            self.stir();
        }
        result
    }

    fn stir(&self) {
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }

    /// From now on until [`Self::leave`] the task of `cx` reads and writes it.
    pub(crate) fn enter(&self, cx: &Context<'_>) {
        self.is_driven.set(true);
        let mut driver = self.driver.borrow_mut();
        match &*driver {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            _ => *driver = Some(cx.waker().clone()),
        }
    }

    /// It does so no more until it is woken.
    pub(crate) fn leave(&self) {
        self.is_driven.set(false);
    }

    /// What is known of the connection, for the stream of this number.
    pub(crate) fn figures(&self, stream_id: u32) -> HttpStreamFigures {
        let connection = self.connection.borrow();
        HttpStreamFigures {
            major: 2,
            stream_id,
            glitches: connection.glitches(),
            streams: u32::try_from(connection.active()).unwrap_or(u32::MAX),
            streams_max: self.streams_max,
        }
    }

    /// A request was served to its end.
    pub(crate) fn served(&self) {
        self.connection.borrow_mut().served();
    }

    /// How many streams were reset for errors of the peer since this was last asked.
    pub(crate) fn take_refused(&self) -> u32 {
        self.connection.borrow_mut().take_refused()
    }

    /// Why nothing of the connection goes on, where that was for an error of the peer.
    pub(super) fn is_refused(&self) -> bool {
        let outcome = self.connection.borrow().outcome();
        matches!(outcome, Some(tidegate_http2::Outcome::Refused(_)))
    }
}

/// A part in a stream. When nobody holds one any more, what is still to come on the stream is not wanted.
pub(crate) struct Part {
    core: Rc<Core>,
    key: Key,
}

impl Part {
    /// The one that comes with a stream that began.
    pub(super) fn first(core: &Rc<Core>, key: Key) -> Part {
        Part {
            core: core.clone(),
            key,
        }
    }

    pub(super) fn core(&self) -> &Rc<Core> {
        &self.core
    }

    /// The number of the stream.
    pub(crate) fn id(&self) -> u32 {
        self.key.id()
    }

    pub(super) fn with<T>(&self, change: impl FnOnce(&mut Connection, Key) -> T) -> T {
        self.core.with(|connection| change(connection, self.key))
    }

    /// Lets go of the stream before its end.
    pub(crate) fn reset(&self, reason: Reason) {
        self.with(|connection, key| connection.reset(key, reason));
    }

    /// Ready when the peer has let go of the stream.
    pub(crate) fn poll_gone(&self, cx: &Context<'_>) -> Poll<()> {
        self.with(|connection, key| connection.poll_gone(key, cx))
    }

    /// Whether the peer has ended its side of the connection. Whoever waits for it to be [gone](Self::poll_gone) is woken then.
    pub(crate) fn has_ended(&self) -> bool {
        self.core.connection().borrow().has_ended()
    }
}

impl Clone for Part {
    fn clone(&self) -> Part {
        self.with(|connection, key| connection.hold(key));
        Part {
            core: self.core.clone(),
            key: self.key,
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.with(|connection, key| connection.let_go(key));
    }
}

/// What is the matter with a stream on which nothing can be sent.
pub(super) fn to_io(broken: Broken) -> io::Error {
    let kind = match broken {
        Broken::Connection => io::ErrorKind::BrokenPipe,
        Broken::Peer(_) | Broken::Here(_) | Broken::Faulty(_) | Broken::Unseen => {
            io::ErrorKind::ConnectionReset
        }
    };
    kind.into()
}
