//! A filter's object in one transaction, and the calls of its methods.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use mlua::{Table, Value};
use tidegate_proxy::Txn;
use tidegate_proxy::ext::{Attached, Attaching, DataFilter, Failure, LocalBoxFuture, Run as Answer};
use tidegate_sample::Way;

use super::LuaFilter;
use super::class::{CONTINUE, ERROR, WAIT};
use super::data::LuaData;
use super::window::Window;
use crate::action::named;
use crate::arg::whole;
use crate::entry::Entry;
use crate::handle::{self, Class, Target};
use crate::run::{Ended, Kind, Run, Running};
use crate::session::txn_arg;
use crate::state::State;

/// A filter's object in one transaction.
pub(crate) struct Work {
    state: Arc<State>,
    object: Table,
    call: Entry,
    request: Side,
    response: Side,
    has: Methods,
}

/// What it does on one way.
pub(crate) struct Side {
    pub(crate) window: Window,
    /// Data pass it.
    pub(crate) registered: Cell<bool>,
}

/// Methods that aren't called for nothing.
#[derive(Clone, Copy)]
pub(super) struct Methods {
    pub(super) http_payload: bool,
    pub(super) tcp_payload: bool,
    end_analyze: bool,
}

/// A method of a filter's object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Callback {
    StartAnalyze,
    EndAnalyze,
    HttpHeaders,
    HttpPayload,
    HttpEnd,
    TcpPayload,
}

impl Callback {
    pub(super) fn name(self) -> &'static str {
        match self {
            Callback::StartAnalyze => "start_analyze",
            Callback::EndAnalyze => "end_analyze",
            Callback::HttpHeaders => "http_headers",
            Callback::HttpPayload => "http_payload",
            Callback::HttpEnd => "http_end",
            Callback::TcpPayload => "tcp_payload",
        }
    }

    /// What it is called with.
    fn subject(self, way: Way) -> Class {
        let of_messages = matches!(
            self,
            Callback::HttpHeaders | Callback::HttpPayload | Callback::HttpEnd
        );
        match (of_messages, way) {
            (true, Way::Request) => Class::RequestMessage,
            (true, Way::Response) => Class::ResponseMessage,
            (false, Way::Request) => Class::RequestChannel,
            (false, Way::Response) => Class::ResponseChannel,
        }
    }
}

/// What a method said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// `filter.WAIT`
    pub(super) wait: bool,
    /// `filter.wake_time`
    pub(super) wake_after: Option<Duration>,
}

/// A method that was called.
pub(super) enum Calling {
    Ended(Result<Said, Failure>),
    /// It waits.
    Waits(LocalBoxFuture<'static, Result<Said, Failure>>),
}

/// Makes an object for a transaction.
pub(super) fn attach<'a>(filter: &LuaFilter, txn: &'a Rc<Txn>) -> Attaching<'a> {
    let state = Arc::clone(&filter.state);
    let (call, name) = (filter.call.clone(), filter.call.clone());
    let made = move |running: &mut Running, ended: Ended| -> Result<Option<Rc<dyn Attached>>, Failure> {
        match ended {
            Ended::Failed(failure) => return Err(named("filter", name.name(), failure)),
            Ended::Done(_) => return Ok(None),
            Ended::Returned => {}
        }
        let (object, http_payload, tcp_payload, end_analyze) =
            running.take::<(Option<Table>, Option<bool>, Option<bool>, Option<bool>)>()?;
        let Some(object) = object else {
            return Ok(None);
        };
        let side = || Side {
            window: Window::new(txn.buffer_bytes()),
            registered: Cell::new(false),
        };
        let work = Work {
            state,
            object,
            call,
            request: side(),
            response: side(),
            has: Methods {
                http_payload: http_payload == Some(true),
                tcp_payload: tcp_payload == Some(true),
                end_analyze: end_analyze == Some(true),
            },
        };
        Ok(Some(Rc::new(AtWork(Rc::new(work)))))
    };
    let run = Run::of(Kind::Filter, txn);
    let mut running = match Running::start(&filter.state, &filter.new, &filter.flt, run) {
        Ok(running) => running,
        Err(failure) => return Answer::ready(Err(failure)),
    };
    match running.first() {
        Ok(ended) => Answer::ready(made(&mut running, ended)),
        Err(why) => Answer::suspended(async move {
            let ended = running.rest(why).await;
            made(&mut running, ended)
        }),
    }
}

impl Work {
    /// What it does on one way.
    pub(crate) fn side(&self, way: Way) -> &Side {
        match way {
            Way::Request => &self.request,
            Way::Response => &self.response,
        }
    }

    pub(super) fn has(&self) -> Methods {
        self.has
    }

    /// Calls a method, if the object has it.
    pub(super) fn call(self: &Rc<Self>, txn: &Rc<Txn>, callback: Callback, way: Way) -> Calling {
        let arg = match txn_arg(&self.state, txn, Kind::Filter) {
            Ok(arg) => arg,
            Err(failure) => return Calling::Ended(Err(self.broken(failure))),
        };
        let class = callback.subject(way);
        let classes = &self.state.classes;
        let objects = match class {
            Class::RequestMessage | Class::ResponseMessage => &classes.parts.message,
            _ => &classes.parts.channel,
        };
        let subject = handle::object(objects, arg.session, class);
        let run = Run::of_filter(txn, self);
        run.owns(arg.session, Target::Txn(Rc::downgrade(txn)));
        let object = match arg.object() {
            Ok(object) => object,
            Err(failure) => return Calling::Ended(Err(self.broken(failure))),
        };
        let args = (&self.object, callback.name(), object, subject);
        let mut running = match Running::start(&self.state, &self.call, args, run) {
            Ok(running) => running,
            Err(failure) => return Calling::Ended(Err(self.broken(failure))),
        };
        match running.first() {
            Ok(ended) => Calling::Ended(self.said(&mut running, ended, callback)),
            Err(why) => {
                let work = Rc::clone(self);
                Calling::Waits(Box::pin(async move {
                    let ended = running.rest(why).await;
                    work.said(&mut running, ended, callback)
                }))
            }
        }
    }

    /// Calls a method until it says something else than that it waits.
    async fn call_to_the_end(
        self: &Rc<Self>,
        txn: &Rc<Txn>,
        callback: Callback,
        way: Way,
    ) -> Result<(), Failure> {
        loop {
            let said = match self.call(txn, callback, way) {
                Calling::Ended(said) => said?,
                Calling::Waits(waiting) => waiting.await?,
            };
            match said {
                Said { wait: false, .. } => return Ok(()),
                Said {
                    wake_after: Some(after),
                    ..
                } => tokio::time::sleep(after).await,
                Said { wake_after: None, .. } => return Err(self.waits_for_nothing(callback)),
            }
        }
    }

    /// As [`Work::call_to_the_end`], without a future where none is needed.
    fn settle<'a>(
        self: &'a Rc<Self>,
        txn: &'a Rc<Txn>,
        callback: Callback,
        way: Way,
    ) -> Answer<'a, Result<(), Failure>> {
        match self.call(txn, callback, way) {
            Calling::Ended(Ok(Said { wait: false, .. })) => Answer::ready(Ok(())),
            Calling::Ended(Err(failure)) => Answer::ready(Err(failure)),
            first => Answer::suspended(async move {
                let said = match first {
                    Calling::Ended(said) => said?,
                    Calling::Waits(waiting) => waiting.await?,
                };
                match said {
                    Said { wait: false, .. } => return Ok(()),
                    Said {
                        wake_after: Some(after),
                        ..
                    } => tokio::time::sleep(after).await,
                    Said { wake_after: None, .. } => return Err(self.waits_for_nothing(callback)),
                }
                self.call_to_the_end(txn, callback, way).await
            }),
        }
    }

    /// The error of a method that said `filter.WAIT` where nothing more comes.
    pub(super) fn waits_for_nothing(&self, callback: Callback) -> Failure {
        let why =
            "gave filter.WAIT where nothing more comes, without a time to be called again (filter.wake_time)";
        self.broken(Failure::new(format!("{} {why}", callback.name())))
    }

    /// The error of a method that said `filter.WAIT` while there is no room for more.
    pub(super) fn is_full(&self, callback: Callback, bytes: usize) -> Failure {
        let why = format!(
            "{} gave filter.WAIT with all the {bytes} bytes held that have room (tune.bufsize): some have to be forwarded",
            callback.name()
        );
        self.broken(Failure::new(why))
    }

    fn said(&self, running: &mut Running, ended: Ended, callback: Callback) -> Result<Said, Failure> {
        let value = match ended {
            Ended::Returned => running.take::<Value>().map_err(|failure| self.broken(failure))?,
            Ended::Done(_) => Value::Nil,
            Ended::Failed(failure) => return Err(self.broken(failure)),
        };
        let wake_after = running.run().wake_after.take();
        let code = whole(&value).unwrap_or(CONTINUE);
        if code == ERROR {
            let why = format!("{} gave filter.ERROR", callback.name());
            return Err(self.broken(Failure::new(why)));
        }
        Ok(Said {
            wait: code == WAIT,
            wake_after,
        })
    }

    fn broken(&self, failure: Failure) -> Failure {
        named("filter", self.call.name(), failure)
    }
}

/// The filter as the proxy knows it.
struct AtWork(Rc<Work>);

impl Attached for AtWork {
    fn start_analyze<'a>(&'a self, txn: &'a Rc<Txn>, way: Way) -> Answer<'a, Result<(), Failure>> {
        self.0.settle(txn, Callback::StartAnalyze, way)
    }

    fn http_headers<'a>(
        &'a self,
        txn: &'a Rc<Txn>,
        way: Way,
        has_body: bool,
    ) -> Answer<'a, Result<Option<Box<dyn DataFilter>>, Failure>> {
        let side = self.0.side(way);
        if !has_body {
            side.window.channel.end();
        }
        let work = &self.0;
        let data = move |settled: Result<(), Failure>| {
            settled?;
            work.side(way).window.head_gone.set(true);
            if !work.side(way).registered.get() {
                return Ok(None);
            }
            let mut data = LuaData::of_message(Rc::clone(work), way);
            if !has_body && way == Way::Request && asks_for_tunnel(txn) {
                data.skip_payload();
            }
            Ok(Some(Box::new(data) as Box<dyn DataFilter>))
        };
        match self.0.settle(txn, Callback::HttpHeaders, way) {
            Answer::Ready(Some(settled)) => Answer::ready(data(settled)),
            waiting => Answer::suspended(async move { data(waiting.await) }),
        }
    }

    fn http_end<'a>(&'a self, txn: &'a Rc<Txn>, way: Way) -> Answer<'a, Result<(), Failure>> {
        if !self.0.side(way).registered.get() {
            return Answer::ready(Ok(()));
        }
        self.0.settle(txn, Callback::HttpEnd, way)
    }

    fn stream(&self, way: Way) -> Option<Box<dyn DataFilter>> {
        let wanted = self.0.side(way).registered.get() && self.0.has.tcp_payload;
        wanted.then(|| -> Box<dyn DataFilter> {
            self.0.side(way).window.renew();
            Box::new(LuaData::of_stream(Rc::clone(&self.0), way))
        })
    }

    fn awaits_end(&self) -> bool {
        self.0.has.end_analyze
    }

    fn end_analyze<'a>(&'a self, txn: &'a Rc<Txn>, way: Way) -> Answer<'a, ()> {
        Answer::suspended(async move {
            let ended = self.0.call_to_the_end(txn, Callback::EndAnalyze, way).await;
            if let Err(failure) = ended {
                txn.log_failure("filter", &failure);
            }
        })
    }
}

/// Whether a request has no place for a body: what follows it is a stream.
fn asks_for_tunnel(txn: &Txn) -> bool {
    txn.request_head()
        .is_some_and(|head| head.method == Method::CONNECT)
}
