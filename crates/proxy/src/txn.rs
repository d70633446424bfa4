//! One transaction: a request with its response, or one TCP stream. What rules, services and log lines see of it.

use std::any::Any;
use std::cell::{Cell, OnceCell, Ref, RefCell, RefMut};
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::task::Poll;
use std::time::Duration;
use std::time::Instant;

use tidegate_sample::figures::RulePlace;
use tidegate_sample::head::{Headers, request, response};
use tidegate_sample::vars::{self, VarName, VarScope, VarStore};
use tidegate_sample::{Data, Facts, Named, Priority, Session, Tls, Value, Way};

use crate::cache::Caching;
use crate::capture::Captured;
use crate::channel::Channel;
use crate::client::Client;
use crate::counts::Ending;
use crate::event::Event;
use crate::ext::Failure;
use crate::filter::attached::Attachments;
use crate::filter::bandwidth::Bandwidths;
use crate::handle::{self, TxnHandle};
use crate::log::Level;
use crate::reply::Reply;
use crate::roster::Whereabouts;
use crate::session::persistence::Seen;
use crate::spec::Timeouts;
use crate::stick::Counters;
use crate::timers::Times;
use crate::upstream::{Server, Slot};
use crate::usage::TxnUsage;
use crate::worker::Backend;
pub use detached::Detached;
use overrides::Overrides;
pub use target::InvalidTarget;

mod detached;
mod ends;
mod overrides;
mod peek;
mod target;
mod tracking;
mod view;

/// HTTP or TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// `mode tcp`.
    Tcp,
    /// `mode http`.
    Http,
}

/// The rule set that is being evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// `tcp-request connection`: accepted, nothing read.
    Connection,
    /// `tcp-request session`: handshakes are done.
    Session,
    /// `tcp-request content`: looking at the first bytes.
    Content,
    /// `http-request`.
    Request,
    /// `tcp-response content`.
    ResponseContent,
    /// `http-response` and `http-after-response`.
    Response,
    /// A service is producing the content.
    Service,
    /// Everything is over; a log line may be in the making.
    Log,
}

/// One HTTP request with its response, or one TCP stream.
///
/// Lives on its worker's thread. Scripts that keep it beyond its end do so through a [`TxnHandle`].
pub struct Txn {
    me: Weak<Txn>,
    pub(crate) client: Rc<Client>,
    source: Cell<Option<SocketAddr>>,
    destination: Cell<Option<SocketAddr>>,
    mode: Cell<Mode>,
    pub(crate) phase: Cell<Phase>,
    /// What a client of TCP sent is no request, as the last fetch found that asked for one.
    pub(crate) unreadable: Cell<bool>,
    /// Where it is, where that is told of clients that go.
    pub(crate) stage: Cell<Option<[u8; 2]>>,
    /// Whether content rules may wait for more: `inspect-delay` is not over.
    pub(crate) inspecting: Cell<bool>,
    /// When that is.
    pub(crate) inspected_until: Cell<Option<Instant>>,
    /// How long its client may be silent while a rule asks for data, where nothing else ends that.
    pub(crate) silence: Cell<Option<Duration>>,
    pub(crate) request: RefCell<Option<request::Parts>>,
    pub(crate) response: RefCell<Option<response::Parts>>,
    /// Fields of a response 103 that the client is to get next.
    pub(crate) hints: RefCell<Headers>,
    /// Boxed, and made when they are asked for: requests of HTTP don't need them.
    channels: OnceCell<Box<Channels>>,
    buffer_bytes: usize,
    request_body: RefCell<Vec<u8>>,
    request_body_ended: Cell<bool>,
    response_body: RefCell<Vec<u8>>,
    response_body_ended: Cell<bool>,
    pub(crate) backend: RefCell<Option<Rc<Named>>>,
    pub(crate) server: RefCell<Option<Rc<Named>>>,
    pub(crate) backend_dst: Cell<Option<SocketAddr>>,
    backend_is_local: Cell<bool>,
    pub(crate) backend_src: Cell<Option<SocketAddr>>,
    /// The TLS of the connection to the server.
    pub(crate) server_tls: RefCell<Option<Rc<Tls>>>,
    txn_vars: RefCell<VarStore>,
    req_vars: RefCell<VarStore>,
    res_vars: RefCell<VarStore>,
    extension_slot: RefCell<Option<Rc<dyn Any>>>,
    reply: RefCell<Option<Box<Reply>>>,
    log_level: Cell<LogLevel>,
    priority: Cell<Priority>,
    pub(crate) facts: RefCell<Facts>,
    /// Its line was written.
    pub(crate) logged: Cell<bool>,
    /// What was captured, where anything is.
    captured: Option<Box<Captured>>,
    unique_id: OnceCell<Data>,
    making_id: Cell<bool>,
    hurry: Cell<Hurry>,
    pub(crate) times: Times,
    /// What rules set in place of what is configured.
    pub(crate) overrides: Overrides,
    /// `strict-mode` of the rules that are being evaluated.
    pub(crate) strict: Cell<bool>,
    pub(crate) usage: TxnUsage,
    /// What it has to do with caches.
    pub(crate) caching: Caching,
    /// What limits how fast it passes.
    pub(crate) bandwidths: Bandwidths,
    /// Filters that take part in it.
    pub(crate) attachments: Attachments,
    /// What it tracks in stick tables, beside what its connection does.
    pub(crate) counters: Counters,
    closed: Cell<bool>,
    closing: Event,
    handle: Cell<Option<TxnHandle>>,
}

/// The two directions of a TCP stream.
struct Channels {
    request: Channel,
    response: Channel,
}

/// Where expressions are evaluated that can't wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hurry {
    /// A log line.
    Log,
    /// `unique-id-format`.
    UniqueId,
    /// What `balance` hashes.
    Balance,
    /// What a connection to a server depends on.
    Connection,
    /// `option forwarded`.
    Forwarded,
    /// Elsewhere: inside of another expression.
    Other,
}

impl Hurry {
    fn name(self) -> &'static str {
        match self {
            Hurry::Log => "a log line",
            Hurry::UniqueId => "`unique-id-format`",
            Hurry::Balance => "`balance`",
            Hurry::Connection => {
                "what a connection to a server depends on (`sni`, `source`, `pool-conn-name`, `set-proxy-v2-tlv-fmt`)"
            }
            Hurry::Forwarded => "`option forwarded`",
            Hurry::Other => "an expression inside of another",
        }
    }
}

/// What `http-request set-log-level` (or `txn:set_loglevel`) asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// The level that the proxy uses by itself.
    Default,
    /// This level instead.
    Set(Level),
    /// No log line for this transaction (`silent`).
    Silent,
}

impl Txn {
    pub(crate) fn new(client: Rc<Client>, mode: Mode, buffer_bytes: usize) -> Rc<Self> {
        let captures = client.entrance.home.as_ref().map(|home| &home.spec.captures);
        let captures = captures.filter(|spec| !spec.is_empty());
        let captured = captures.map(|spec| Box::new(Captured::new(spec)));
        let txn_vars = client.vars.borrow().inside(VarScope::Txn);
        let (req_vars, res_vars) = (txn_vars.inside(VarScope::Req), txn_vars.inside(VarScope::Res));
        Rc::new_cyclic(|me| Txn {
            me: me.clone(),
            source: Cell::new(client.source()),
            destination: Cell::new(client.destination()),
            overrides: Overrides::default(),
            strict: Cell::new(true),
            captured,
            unique_id: OnceCell::new(),
            making_id: Cell::new(false),
            hurry: Cell::new(Hurry::Other),
            logged: Cell::new(false),
            client,
            mode: Cell::new(mode),
            phase: Cell::new(Phase::Request),
            unreadable: Cell::new(false),
            stage: Cell::new(None),
            inspecting: Cell::new(mode == Mode::Tcp),
            inspected_until: Cell::new(None),
            silence: Cell::new(None),
            request: RefCell::default(),
            response: RefCell::default(),
            hints: RefCell::default(),
            channels: OnceCell::new(),
            buffer_bytes,
            request_body: RefCell::default(),
            request_body_ended: Cell::new(false),
            response_body: RefCell::default(),
            response_body_ended: Cell::new(false),
            backend: RefCell::default(),
            server: RefCell::default(),
            backend_dst: Cell::default(),
            backend_is_local: Cell::default(),
            backend_src: Cell::default(),
            server_tls: RefCell::default(),
            txn_vars: RefCell::new(txn_vars),
            req_vars: RefCell::new(req_vars),
            res_vars: RefCell::new(res_vars),
            extension_slot: RefCell::default(),
            reply: RefCell::default(),
            log_level: Cell::new(LogLevel::Default),
            priority: Cell::default(),
            facts: RefCell::default(),
            times: Times::default(),
            usage: TxnUsage::default(),
            caching: Caching::default(),
            bandwidths: Bandwidths::default(),
            attachments: Attachments::default(),
            counters: Counters::default(),
            closed: Cell::new(false),
            closing: Event::default(),
            handle: Cell::new(None),
        })
    }

    /// A transaction that belongs to no connection, for tests of extensions: give it what the extension reads, run the
    /// extension, look at what it left. See [`Detached`].
    pub fn detached() -> Detached {
        Detached::default()
    }

    /// The shared pointer to this transaction, for whoever was handed a reference only: an
    /// [`ExternalRunner`](tidegate_sample::ExternalRunner) downcasts its session with
    /// `session.as_any().downcast_ref::<Txn>()`. `None` only while the transaction is being dropped.
    pub fn shared(&self) -> Option<Rc<Txn>> {
        self.me.upgrade()
    }

    /// HTTP or TCP.
    pub fn mode(&self) -> Mode {
        self.mode.get()
    }

    /// What was a stream of TCP is a request of HTTP, with all that is known of it.
    pub(crate) fn become_http(&self) {
        self.mode.set(Mode::Http);
        self.inspecting.set(false);
        self.request.take();
    }

    /// When `inspect-delay` of the content rules that are being evaluated is over; `None` if they have none, and while
    /// other rules are evaluated.
    pub fn inspected_until(&self) -> Option<Instant> {
        self.inspected_until.get()
    }

    /// How long a rule may wait for more data from now on: until `inspect-delay` is over, or for as long as the peer may be
    /// silent. None if something else ends the wait.
    pub fn patience(&self) -> Option<Duration> {
        match self.inspected_until() {
            Some(until) => Some(until.saturating_duration_since(Instant::now())),
            None => self.silence.get(),
        }
    }

    /// `tune.bufsize`
    pub fn buffer_bytes(&self) -> usize {
        self.buffer_bytes
    }

    /// The rule set that is being evaluated.
    pub fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// The index of the worker that serves this transaction, from 0.
    pub fn worker(&self) -> usize {
        self.client.entrance.worker
    }

    /// The name by which others may ask for this transaction later: see [`lookup`](crate::lookup).
    pub fn handle(self: &Rc<Self>) -> TxnHandle {
        if let Some(handle) = self.handle.get() {
            return handle;
        }
        let handle = handle::register(self, self.client.entrance.worker);
        self.handle.set(Some(handle));
        handle
    }

    /// The request's head as the rules left it so far; `None` in TCP mode. Release it before any wait.
    pub fn request_head(&self) -> Option<Ref<'_, request::Parts>> {
        Ref::filter_map(self.request.borrow(), Option::as_ref).ok()
    }

    /// The request's head, to be changed. What it holds when the last rule has run goes to the server. `None` in TCP
    /// mode and once the head has gone to the server. Release it before any wait.
    pub fn request_head_mut(&self) -> Option<RefMut<'_, request::Parts>> {
        RefMut::filter_map(self.request.borrow_mut(), Option::as_mut).ok()
    }

    /// The response's head as the rules left it so far; `None` before there is one. Release it before any wait.
    pub fn response_head(&self) -> Option<Ref<'_, response::Parts>> {
        Ref::filter_map(self.response.borrow(), Option::as_ref).ok()
    }

    /// The response's head, to be changed; `None` before there is one. [`Txn::set_status`] sets status and reason. Release it before any wait.
    pub fn response_head_mut(&self) -> Option<RefMut<'_, response::Parts>> {
        RefMut::filter_map(self.response.borrow_mut(), Option::as_mut).ok()
    }

    /// Sets the response's status and reason phrase (the usual one if `None`). Returns false if there is no response,
    /// or a phrase that can't be sent.
    pub fn set_status(&self, status: http::StatusCode, reason: Option<&[u8]>) -> bool {
        let Some(mut head) = self.response_head_mut() else {
            return false;
        };
        head.reason = match reason.map(crate::http1::ReasonPhrase::try_from) {
            None => None,
            Some(Ok(reason)) => Some(reason),
            Some(Err(_)) => return false,
        };
        head.status = status;
        true
    }

    /// The bytes from the client (TCP mode; empty and unused in HTTP mode).
    pub fn request_channel(&self) -> &Channel {
        &self.channels().request
    }

    /// The bytes to the client (TCP mode; empty and unused in HTTP mode). What a content rule sends here reaches the
    /// client at once.
    pub fn response_channel(&self) -> &Channel {
        &self.channels().response
    }

    fn channels(&self) -> &Channels {
        self.channels.get_or_init(|| {
            Box::new(Channels {
                request: Channel::new(self.buffer_bytes),
                response: Channel::new(self.buffer_bytes),
            })
        })
    }

    /// The request's body as far as it was buffered (`option http-buffer-request`, `http-request wait-for-body`); empty
    /// when nothing was.
    pub fn request_body(&self) -> Ref<'_, [u8]> {
        Ref::map(self.request_body.borrow(), Vec::as_slice)
    }

    /// The response's body as far as it was buffered (`http-response wait-for-body`); empty when nothing was.
    pub fn response_body(&self) -> Ref<'_, [u8]> {
        Ref::map(self.response_body.borrow(), Vec::as_slice)
    }

    /// The frontend.
    pub fn frontend_name(&self) -> Rc<Named> {
        self.client.entrance.frontend.clone()
    }

    /// The backend, once one was chosen; the frontend itself if that is a `listen` section.
    pub fn backend_name(&self) -> Option<Rc<Named>> {
        self.backend.borrow().clone()
    }

    /// The server, once one was chosen.
    pub fn server_name(&self) -> Option<Rc<Named>> {
        self.server.borrow().clone()
    }

    /// The value of a variable of any scope.
    pub fn var(&self, name: &VarName) -> Option<Value> {
        vars::value(self, name)
    }

    /// Whether a variable has a value, or is one of the process that the configuration names.
    pub fn has_var(&self, name: &VarName) -> bool {
        match name.scope() {
            VarScope::Proc => self.client.entrance.proc_vars.exists(name),
            _ => self.var(name).is_some(),
        }
    }

    /// Sets a variable and says whether its scope exists here.
    pub fn set_var(&self, name: &VarName, value: Value) -> bool {
        vars::set(self, name, value)
    }

    /// Removes a variable and says whether it was there.
    pub fn unset_var(&self, name: &VarName) -> bool {
        vars::unset(self, name)
    }

    /// A place for whatever an extension keeps per transaction (`txn:set_priv`). Dropped when the transaction ends.
    pub fn extension_slot(&self) -> &RefCell<Option<Rc<dyn Any>>> {
        &self.extension_slot
    }

    /// A place for whatever an extension keeps per client connection. Dropped when the connection ends.
    pub fn connection_slot(&self) -> &RefCell<Option<Box<dyn Any>>> {
        self.client.extension_slot()
    }

    /// Leaves the reply that an action's `Done` or `Deny` sends.
    pub fn set_reply(&self, reply: Reply) {
        *self.reply.borrow_mut() = Some(Box::new(reply));
    }

    /// True if a reply was left.
    pub fn has_reply(&self) -> bool {
        self.reply.borrow().is_some()
    }

    /// Takes the reply that was left.
    pub fn take_reply(&self) -> Option<Reply> {
        self.reply.borrow_mut().take().map(|reply| *reply)
    }

    /// Sets the level of this transaction's log line, or silences it.
    pub fn set_log_level(&self, level: LogLevel) {
        self.log_level.set(level);
    }

    /// The level that was set.
    pub fn log_level(&self) -> LogLevel {
        self.log_level.get()
    }

    /// Sets the type of service (TOS, DSCP) of the packets that go to the client from here on (`txn:set_fc_tos`). On a Unix
    /// socket it has no effect; what the system refuses is logged.
    pub fn set_client_tos(&self, tos: u8) {
        self.client.packets.set_tos(tos);
    }

    /// The type of service that was asked for last.
    pub fn client_tos(&self) -> Option<u8> {
        self.client.packets.tos()
    }

    /// Sets the netfilter mark of the packets that go to the client from here on (`txn:set_fc_mark`), likewise.
    pub fn set_client_mark(&self, mark: u32) {
        self.client.packets.set_mark(mark);
    }

    /// The mark that was asked for last.
    pub fn client_mark(&self) -> Option<u32> {
        self.client.packets.mark()
    }

    /// Sets the class by which queued requests are ordered first: lower ones go first. Cut to -2047..2047.
    pub fn set_priority_class(&self, class: i64) {
        let class = class.clamp(-2047, 2047);
        self.priority.update(|priority| Priority { class, ..priority });
    }

    /// Sets by how many milliseconds this request is put back among the queued ones of its class; forward, if negative.
    /// Cut to -524287..524287.
    pub fn set_priority_offset(&self, offset: i64) {
        let offset = offset.clamp(-524_287, 524_287);
        self.priority.update(|priority| Priority { offset, ..priority });
    }

    /// Sends a message to the log targets of the frontend (`txn:log`). Never blocks; a message for which there is no
    /// room is dropped and counted.
    pub fn log(&self, level: Level, message: &str) {
        self.client.entrance.logger.message(level, message);
    }

    /// Logs an extension's failure, as the session does for one that it got as a result.
    pub fn log_failure(&self, what: &str, failure: &Failure) {
        self.client.entrance.logger.failure(&format!("{what}: {failure}"));
    }

    /// Where an expression is being evaluated that can't wait, for messages.
    pub fn place_of_hurry(&self) -> &'static str {
        self.hurry.get().name()
    }

    /// Evaluates what can't wait there.
    pub(crate) fn hurried<R>(&self, place: Hurry, evaluate: impl FnOnce() -> R) -> R {
        let before = self.hurry.replace(place);
        let found = evaluate();
        self.hurry.set(before);
        found
    }

    /// True once the transaction is over: the client went, or everything was sent. Every handle to it is then dead.
    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Completes when the transaction is over. The session drops the future of a waiting extension by itself; this is for
    /// tasks that were started on the side.
    pub fn closed(self: &Rc<Self>) -> impl Future<Output = ()> + use<> {
        let this = self.clone();
        poll_fn(move |cx| {
            if this.closed.get() {
                return Poll::Ready(());
            }
            this.closing.register(cx);
            Poll::Pending
        })
    }

    /// Captures what the frontend wants of a message's headers.
    pub(crate) fn capture_headers(&self, way: Way, headers: &Headers) {
        if let (Some(captured), Some(home)) = (&self.captured, &self.client.entrance.home) {
            captured.message(&home.spec.captures, way, headers);
        }
    }

    /// Notes the server that is about to be used.
    pub(crate) fn choose_server(&self, slot: Slot) {
        let server = slot.server().clone();
        self.usage.at_server(slot);
        *self.server.borrow_mut() = Some(server.named.clone());
        self.client.whereabouts.borrow_mut().server = Some(server.named.clone());
        let destination = server.socket_for(self.destination());
        self.backend_is_local.set(destination.is_none());
        self.backend_dst.set(destination);
    }

    /// Notes which server is waited for, so that logs name it if that is in vain.
    pub(crate) fn aims_at(&self, server: Option<&Server>) {
        let named = server.map(|server| server.named.clone());
        self.client.whereabouts.borrow_mut().server.clone_from(&named);
        *self.server.borrow_mut() = named;
    }

    /// Notes that it goes to another server than the one that it was meant for.
    pub(crate) fn leaves_its_server(&self) {
        self.facts.borrow_mut().redispatched = true;
        self.usage.belongs.set(false);
        self.usage.cookie.update(Seen::without_server);
    }

    /// How often a connection or request that failed is tried again.
    pub(crate) fn retries(&self, backend: &Backend) -> u32 {
        self.overrides.retries().unwrap_or(backend.spec.retries)
    }

    /// How long a server that could not be reached is left alone.
    pub(crate) fn turn_around(&self, backend: &Backend) -> Duration {
        let second = Duration::from_secs(1);
        let connect = self.timeouts(&backend.spec.timeouts).connect;
        connect.map_or(second, |time| time.min(second))
    }

    /// Notes the backend that was chosen.
    pub(crate) fn choose_backend(&self, backend: &Rc<Backend>) {
        *self.backend.borrow_mut() = Some(backend.named.clone());
        self.client.whereabouts.borrow_mut().backend = Some(backend.named.clone());
        self.usage.in_backend(backend);
    }

    /// Notes the rule that ended a set of rules.
    pub(crate) fn decided_by(&self, rule: Option<&Rc<RulePlace>>) {
        *self.usage.last_rule.borrow_mut() = rule.cloned();
    }

    /// Notes the rule whose action may have to wait; `None` when it went on.
    pub(crate) fn waits_for(&self, rule: Option<&Rc<RulePlace>>) {
        *self.usage.waiting_rule.borrow_mut() = rule.cloned();
    }

    /// Ends the transaction, once the filters that take part in it were told.
    pub(crate) fn end(self: &Rc<Self>) {
        if self.attachments.is_empty() || !self.attachments.end(self) {
            self.close();
        }
    }

    /// Ends the transaction: handles die, private data are dropped, [`Txn::closed`] completes.
    pub(crate) fn close(&self) {
        if self.closed.replace(true) {
            return;
        }
        *self.client.whereabouts.borrow_mut() = Whereabouts::default();
        let measured = self.times.measured();
        let ending = Ending::of(&self.facts.borrow(), measured, self.mode() == Mode::Http);
        self.usage.leave(&self.client, &ending);
        if let Some(handle) = self.handle.take() {
            handle::release(handle);
        }
        let private = self.extension_slot.borrow_mut().take();
        drop(private);
        self.closing.notify();
    }

    /// Notes for the log that rules ended it, and left nothing to be answered.
    pub(crate) fn is_done(&self, state: [u8; 2]) {
        let mut facts = self.facts.borrow_mut();
        facts.termination = Some(state);
        facts.status = (state[0] == b'L').then_some(0);
    }

    /// Notes who ended it from outside, if anybody did; `state` is where it was then.
    pub(crate) fn note_killer(&self, state: [u8; 2]) {
        if let Some(by) = self.client.killed_by.get() {
            let mut facts = self.facts.borrow_mut();
            let [_, at] = facts.termination.unwrap_or(state);
            facts.termination = Some([by.letter(), at]);
        }
    }

    /// Keeps what was received ahead of a body for fetches to look at, in place of what was kept before.
    pub(crate) fn put_body(&self, way: Way, pieces: &[bytes::Bytes], ended: bool) {
        let (body, end) = match way {
            Way::Request => (&self.request_body, &self.request_body_ended),
            Way::Response => (&self.response_body, &self.response_body_ended),
        };
        *body.borrow_mut() = pieces.concat();
        end.set(ended);
    }

    /// Whether the whole body was received ahead.
    pub(crate) fn body_ended(&self, way: Way) -> bool {
        match way {
            Way::Request => self.request_body_ended.get(),
            Way::Response => self.response_body_ended.get(),
        }
    }

    /// What is configured, and in its place what rules set.
    pub(crate) fn timeouts(&self, configured: &Timeouts) -> Timeouts {
        self.overrides.over(configured)
    }

    /// Forgets the variables of the `req` scope: the request has been processed.
    pub(crate) fn end_request_scope(&self) {
        self.req_vars.borrow_mut().clear();
    }

    /// Whether the variables of this way's processing are there. A log line sees what is left of both.
    fn is_during(&self, way: Way) -> bool {
        self.phase.get() == Phase::Log || self.way() == way
    }
}

impl Drop for Txn {
    fn drop(&mut self) {
        self.close();
        self.untrack();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn http(target: &str) -> Rc<Txn> {
        Txn::detached()
            .request(http::Request::get(target).body(()).unwrap())
            .build()
    }

    #[test]
    fn variables_of_a_ways_processing_are_there_during_it_only() {
        let txn = http("/");
        let set = |name: &str| txn.set_var(&VarName::parse(name).unwrap(), Value::Int(1));
        let seen = |name: &str| txn.var(&VarName::parse(name).unwrap()).is_some();
        assert!(set("req.a") && !set("res.a") && set("txn.a"));
        txn.phase.set(Phase::Response);
        assert!(!seen("req.a") && !set("req.a") && set("res.a") && seen("txn.a"));
        txn.phase.set(Phase::Log);
        assert!(seen("req.a") && seen("res.a"));
    }

    #[test]
    fn a_closed_transaction_can_not_be_found_any_more() {
        let txn = http("/");
        txn.extension_slot().replace(Some(Rc::new(1)));
        let handle = txn.handle();
        assert!(crate::lookup(handle).is_some());
        txn.close();
        assert!(crate::lookup(handle).is_none());
        assert!(txn.extension_slot().borrow().is_none());
        let other = http("/other");
        assert_ne!(other.handle(), handle);
        assert!(crate::lookup(handle).is_none());
    }
}
