//! How anything outside this crate takes part in a session.
//!
//! An *extension* is whatever the configuration names that is not built in: an action, a service, a fetch, a converter
//! or a background task. Lua is one way to write them, a fake in a test another; this crate knows neither.
//!
//! # Rules of the house
//!
//! * **One thread.** Extensions are built on the worker's own thread by an [`ExtensionFactory`] and never leave it. Their
//!   futures are not `Send`, need no locks, and run inside the session's own task: while one waits, other sessions of
//!   the worker are served.
//! * **Nothing to pay when nothing waits.** Every call answers with a [`Run`]: either the result, at once, without an
//!   allocation, or a boxed future that the session awaits.
//! * **Dropping is cancelling.** When the client goes, a timeout strikes or the worker stops hard, the session drops
//!   the future of whatever is running. An extension must release everything in its destructors; it is not asked again.
//! * **No borrow across a wait.** [`Txn`] hands out [`std::cell::Ref`]s of its parts. Hold none of them over an
//!   `.await` or a call that may run another extension.
//! * **A failure is a value.** An extension that cannot go on returns a [`Failure`]; it must not panic.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

pub use futures_util::future::LocalBoxFuture;
use tidegate_sample::{ExternalRunner, NoExternals};

pub use crate::applet::{HttpApplet, ServiceError, TcpApplet};
pub use crate::filter::{Attached, Attaching, DataFilter, Filter, Follows, Passage};
pub use crate::txn::Txn;

/// The answer to a call that may wait: the result, or a future of it.
///
/// `Run` is itself a future, so `call().await` is right in both cases.
#[must_use = "a run that is neither polled nor awaited does nothing further"]
pub enum Run<'a, T> {
    /// Finished without waiting. (`None` once the result was taken by polling.)
    Ready(Option<T>),
    /// Still running; dropping it cancels it.
    Suspended(LocalBoxFuture<'a, T>),
}

impl<'a, T> Run<'a, T> {
    /// A run that ended at once.
    pub fn ready(value: T) -> Self {
        Run::Ready(Some(value))
    }

    /// A run that has to wait.
    pub fn suspended(future: impl Future<Output = T> + 'a) -> Self {
        Run::Suspended(Box::pin(future))
    }
}

impl<T> Unpin for Run<'_, T> {}

impl<T> Future for Run<'_, T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match self.get_mut() {
            // A second poll after the result was taken is a misuse; waiting for ever is what an ended future may do.
            Run::Ready(value) => value.take().map_or(Poll::Pending, Poll::Ready),
            Run::Suspended(future) => future.as_mut().poll(cx),
        }
    }
}

/// Why an extension could not finish: one line for the log, and the rest of what is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What happened, complete in one line (for Lua: kind, script, line and message).
    pub message: String,
    /// Further lines, such as a traceback. Logged after the message.
    pub detail: Option<String>,
}

impl Failure {
    /// A failure that one line explains.
    pub fn new(message: impl Into<String>) -> Self {
        Failure {
            message: message.into(),
            detail: None,
        }
    }

    /// The same failure with further lines.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.detail {
            Some(detail) => write!(f, "\n{detail}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

/// How an action ended. The names are those of HAProxy's `act.*` constants; `act.YIELD` has none here, since an action
/// that is not finished is simply a [`Run`] that is still pending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActionOutcome {
    /// `act.CONTINUE`: go on with the next rule.
    Continue,
    /// `act.STOP` and `act.DONE`: no further rule of this rule set; the session goes on.
    Stop,
    /// `act.ERROR`: an internal error. HTTP: a 500 is sent, also in place of a response; TCP: the connection is closed.
    Error,
    /// `txn:done`: the transaction is over. If the action left a reply ([`Txn::set_reply`]) it is sent to the client;
    /// without one, an HTTP client's connection is closed without a response, and a TCP stream is ended after what was
    /// written to [`Txn::response_channel`] reached the client.
    Done,
    /// `act.DENY`: refuse. HTTP: the reply left with [`Txn::set_reply`], else a 403 (502 while a response is processed);
    /// TCP: the connection is closed.
    Deny,
    /// `act.ABORT`: end the transaction; what was prepared to be sent is sent, nothing is added to it. HTTP: as
    /// `Done`; TCP: the stream is ended.
    Abort,
    /// `act.INVALID`: the message is invalid. HTTP: a 400 (502 while a response is processed); TCP: the connection is
    /// closed.
    Invalid,
    /// The action itself broke (a script error, a limit). The failure is logged by the session; the rule's `on-error`,
    /// else `tune.lua.action-failure`, decides between `Continue` and `Deny`.
    Failed(Failure),
}

/// Something that a rule runs: `http-request lua.NAME`, `tcp-request content lua.NAME` and their kin.
pub trait Action {
    /// Runs the action once.
    ///
    /// `txn` is the transaction whose rule this is; [`Txn::phase`] tells which rule set is being evaluated. `args` are
    /// the words that follow the action's name in the rule, as written.
    fn run<'a>(&'a self, txn: &'a Rc<Txn>, args: &'a [String]) -> Run<'a, ActionOutcome>;
}

/// Content for an HTTP request, produced by an extension instead of a server (`http-request use-service lua.NAME`).
pub trait HttpService {
    /// Serves one request through `applet`.
    ///
    /// * `Ok` before [`HttpApplet::start_response`]: nothing was answered; the client gets a 500.
    /// * `Ok` after it: the response is complete. If it had declared a content-length and fewer bytes were sent, it is cut
    ///   off (the connection is closed) and that is logged.
    /// * `Err` before [`HttpApplet::start_response`]: the client gets a 500.
    /// * `Err` after it: the client gets what was sent, then the response is cut off (the connection is closed, without the
    ///   last chunk).
    ///
    /// Failures are logged by the session. Request body that was not received is drained or, if large, the
    /// connection is closed after the response.
    fn serve(&self, applet: Rc<HttpApplet>) -> Run<'static, Result<(), Failure>>;

    /// What log lines say in place of a server's name, without the brackets around it.
    fn name(&self) -> Arc<str>;
}

/// Content for a TCP stream, produced by an extension instead of a server (`tcp-request content use-service lua.NAME`).
pub trait TcpService {
    /// Serves one stream through `applet`. At its end, in success and in failure alike, what was sent is flushed to the
    /// client and the connection is closed. Failures are logged by the session.
    fn serve(&self, applet: Rc<TcpApplet>) -> Run<'static, Result<(), Failure>>;

    /// What log lines say in place of a server's name, without the brackets around it.
    fn name(&self) -> Arc<str>;
}

/// A handle by which extensions start tasks on the worker that they live on.
#[derive(Clone)]
pub struct Spawner {
    worker: usize,
}

impl Spawner {
    /// Handed to [`Extensions::start`]; useful elsewhere only on a thread that runs a `tokio::task::LocalSet`.
    pub fn new(worker: usize) -> Self {
        Spawner { worker }
    }

    /// The worker's index, from 0.
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// Starts a background task on this worker. It lives until it ends, or until the worker's runtime is dropped after
    /// the last session: it delays neither a soft nor a hard stop. The returned handle aborts it; dropping the handle
    /// doesn't.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) -> tokio::task::AbortHandle {
        tokio::task::spawn_local(task).abort_handle()
    }
}

/// The number by which a rule names an action, service, fetch or converter: its place in the tables of the worker's
/// [`Extensions`]. Whoever assembles the [`ProxySpec`](crate::ext) resolves names to numbers, once.
pub type ExtensionId = usize;

/// One worker's set of extensions.
pub trait Extensions {
    /// The action with this number. `None` is an error of assembly, reported when the worker starts.
    fn action(&self, id: ExtensionId) -> Option<Rc<dyn Action>>;

    /// The HTTP service with this number.
    fn http_service(&self, id: ExtensionId) -> Option<Rc<dyn HttpService>>;

    /// The TCP service with this number.
    fn tcp_service(&self, id: ExtensionId) -> Option<Rc<dyn TcpService>>;

    /// The filter with this number, for a line with these words after its name. `None` if it wants no part in it.
    ///
    /// # Errors
    /// There is no such filter, or it can't be made.
    fn filter(&self, id: ExtensionId, args: &Arc<[String]>) -> Result<Option<Rc<dyn Filter>>, String> {
        let _ = args;
        Err(format!("there is no filter number {id}"))
    }

    /// What runs the fetches and converters that expressions name (`lua.NAME`). The session that it is handed is always a
    /// [`Txn`] here: see [`Txn::shared`].
    fn external_runner(&self) -> Rc<dyn ExternalRunner> {
        Rc::new(NoExternals)
    }

    /// Called once on each worker, on its runtime, after every listener of every worker is bound and before the first
    /// connection is accepted. Background tasks are started here: on each worker, or once for the process by
    /// starting them only where `spawner.worker() == 0`.
    fn start(&self, spawner: &Spawner) {
        let _ = spawner;
    }
}

/// No extensions at all.
pub struct NoExtensions;

impl Extensions for NoExtensions {
    fn action(&self, _: ExtensionId) -> Option<Rc<dyn Action>> {
        None
    }

    fn http_service(&self, _: ExtensionId) -> Option<Rc<dyn HttpService>> {
        None
    }

    fn tcp_service(&self, _: ExtensionId) -> Option<Rc<dyn TcpService>> {
        None
    }
}

/// Builds the extensions of one worker, on that worker's thread; the argument is the worker's index. An `Err` keeps the
/// whole proxy from starting and is reported as written.
pub type ExtensionFactory = Arc<dyn Fn(usize) -> Result<Box<dyn Extensions>, String> + Send + Sync>;
