//! One request and its response: rules, choice of backend, service or server, rules again.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, StatusCode};
use tidegate_sample::Way;
use tidegate_sample::head::{names, request, response};
use tidegate_sample::stick::Count;

use super::ahead::{Ahead, receive};
use super::choice::{choose_backend, enter_backend};
use super::forwarding::restrict_names;
use super::headers::{announce_close, forget_connection, forget_persistence, wants_upgrade};
use super::http::Upgraded;
use super::inspection::Inspection;
use super::logline;
use super::outgoing::{Active, Content, Outgoing};
use super::persistence;
use super::responding::has_rules;
use super::service::{self, Served};
use super::statistics::wanted;
use super::stream::{HttpStream, Wire};
use super::upstream::{NoAnswer, Tunnel};
use crate::body::{Cut, MessageBody};
use crate::cache::{self, Object};
use crate::ext::HttpService;
use crate::log::{Level, LogStep};
use crate::reply::Reply;
use crate::rules::{Ground, PreparedRules, Setting, Verdict, evaluate, pages};
use crate::spec::{HeaderNames, HttpClose, TimeoutKind, Timeouts};
use crate::txn::{LogLevel, Mode, Phase, Txn};
use crate::upstream::assign::{InQueue, OnDrop};
use crate::upstream::link::Link;
use crate::websocket;
use crate::worker::Backend;
use crate::{clock, counts};

/// A response, and how the rest is to treat it.
pub(super) struct Made {
    pub(super) head: response::Parts,
    pub(super) content: Content,
    pub(super) close: bool,
    /// Nothing of it is sent: the connection is closed instead.
    pub(super) silent: bool,
}

/// What rules made of a request. Moved once per request: a box would cost more than the move.
#[allow(clippy::large_enum_variant)]
pub(super) enum Ruled {
    GoOn,
    Made(Made),
    Close,
}

/// A request, and what is to be said against it.
pub(super) struct Asked {
    pub(super) head: request::Parts,
    pub(super) body: MessageBody,
    pub(super) objection: Option<StatusCode>,
}

impl HttpStream {
    /// Answers one request, as [`exchange`](Self::exchange) does.
    pub(crate) async fn handle(
        self: Rc<Self>,
        head: request::Parts,
        body: MessageBody,
        objection: Option<StatusCode>,
    ) -> Result<(response::Parts, Outgoing), Cut> {
        let asked = Asked {
            head,
            body,
            objection,
        };
        self.exchange(&mut Some(asked)).await
    }

    /// Answers one request, if need be by an objection to it. An error closes the connection without (the rest of) a
    /// response. The request is taken from where it is: a future that is made of it would be copied as a whole.
    pub(super) async fn exchange(
        self: &Rc<Self>,
        asked: &mut Option<Asked>,
    ) -> Result<(response::Parts, Outgoing), Cut> {
        let Some(Asked {
            mut head,
            mut body,
            objection,
        }) = asked.take()
        else {
            return Err(Cut);
        };
        // What the client said of its own connection was heard. Of what is there later it is rules that speak, to the server.
        forget_persistence(&mut head.headers);
        self.busy.set(true);
        self.session.requests.set(self.session.requests.get() + 1);
        let upgraded = self.session.upgraded.take();
        let txn = match &upgraded {
            None => Txn::new(
                self.client.clone(),
                Mode::Http,
                self.worker.shared.global.buffer_bytes,
            ),
            Some(upgraded) => upgraded.txn.clone(),
        };
        txn.become_http();
        let now = clock::now();
        let second = self.worker.shared.board.second(now);
        self.frontend.usage.request(second);
        if self.wire == Wire::Http2 {
            self.frontend.usage.counts.add(counts::Count::Http2Requests, 1);
        }
        txn.usage.second.set(second);
        txn.usage.number.set(self.worker.number_request());
        txn.usage.client_stream.set(self.number.get());
        txn.usage
            .with_client(&txn.client, &self.traffic, self.read_before.get());
        txn.times.idle_since.set(Some(self.idle_since.get()));
        if self.session.timed {
            txn.times.request.set(Some(now));
        }
        txn.times.started.set(Some(self.first_byte.get().unwrap_or(now)));
        txn.count(Count::Request, 1);
        txn.facts.borrow_mut().first_request = self.session.requests.get() == 1;
        *self.current.borrow_mut() = Some(txn.clone());
        *self.body.borrow_mut() = body.watch();
        let active = Active::new(self.clone(), txn.clone(), head.method == Method::HEAD);
        txn.capture_headers(Way::Request, &head.headers);
        *txn.request.borrow_mut() = Some(head);
        logline::at(LogStep::Request, &txn);
        let made = match objection {
            Some(status) => {
                txn.count(Count::Error, 1);
                txn.facts.borrow_mut().termination = Some(*b"PR");
                Some(self.error(&txn, status, self.wire == Wire::Http1).await)
            }
            None if self.asks_for_health(&txn) => self.tell_health(&txn).await,
            None => self.respond(&txn, body, upgraded).await,
        };
        let Some(mut made) = made.filter(|_| self.session.traffic.vanish.get().is_none()) else {
            return Err(Cut);
        };
        if made.silent {
            txn.facts.borrow_mut().status = Some(made.head.status.as_u16());
            return Err(Cut);
        }
        let leaves = self.session.leaves_in() == Some(Duration::ZERO);
        if made.close && self.wire == Wire::Http1
            || leaves
            || self.frontend.spec.http_close == HttpClose::Close
        {
            self.session.closing.set(true);
            if self.wire == Wire::Http1 {
                announce_close(&mut made.head.headers);
            }
        }
        txn.facts.borrow_mut().status = Some(made.head.status.as_u16());
        active.answered.set(true);
        if self.session.timed && txn.response.borrow().is_none() {
            // Log lines may tell the status and the version.
            *txn.response.borrow_mut() = Some(response::Parts::new(made.head.status));
        }
        if let Content::Empty = made.content {
            active.complete.set(true);
        }
        Ok((made.head, Outgoing::new(made.content, active)))
    }

    /// The response, rules applied; `None` to close.
    async fn respond(
        &self,
        txn: &Rc<Txn>,
        mut body: MessageBody,
        upgraded: Option<Box<Upgraded>>,
    ) -> Option<Made> {
        let frontend = &self.frontend;
        // What was done with a stream of TCP isn't done again, nor anything that comes before its backend.
        let (inspected, chosen) = match upgraded {
            Some(upgraded) => (true, upgraded.backend),
            None => (false, None),
        };
        let in_frontend = chosen.is_none();
        if !inspected && let Err(status) = self.attach_filters(&frontend.filters, txn).await {
            let refused = self.error(txn, status, true).await;
            return self.finish_response(None, txn, refused).await;
        }
        if frontend.spec.buffer_request
            && in_frontend
            && let Err(late) = self.buffer_request(txn, &mut body).await
        {
            return self.finish_response(None, txn, late).await;
        }
        let tcp = (Mode::Tcp, frontend.spec.inspect_delay);
        for (rules, kind, wanted) in [
            (&frontend.tcp_content, tcp, !inspected),
            (&frontend.http_request, (Mode::Http, None), in_frontend),
        ] {
            if !wanted {
                continue;
            }
            match self
                .request_rules(rules, kind, &frontend.spec.timeouts, txn, &mut body)
                .await
            {
                Ruled::GoOn => {}
                Ruled::Made(made) => return self.finish_response(None, txn, made).await,
                Ruled::Close => return None,
            }
        }
        if let Some(page) = wanted(frontend.spec.page.as_ref(), txn).filter(|_| in_frontend) {
            let (access, timeouts) = (&frontend.page_access, &frontend.spec.timeouts);
            let made = Box::pin(self.page(page, access, timeouts, txn, body)).await?;
            return self.finish_response(None, txn, made).await;
        }
        if let Err(refused) = self.restrict_names(frontend.spec.header_names, txn).await {
            return self.finish_response(None, txn, refused).await;
        }
        let chosen = match chosen {
            Some(backend) => {
                enter_backend(&self.worker, &self.frontend, &backend, txn);
                Some(backend)
            }
            None => choose_backend(&self.worker, &self.frontend, txn).await,
        };
        if chosen
            .as_ref()
            .is_some_and(|backend| backend.spec.mode == Mode::Tcp)
        {
            // No server of TCP is sent a request, whatever its client began with.
            txn.facts.borrow_mut().termination = Some(*b"IR");
            self.session.closing.set(true);
            return None;
        }
        let Some(backend) = chosen else {
            txn.facts.borrow_mut().termination = Some(*b"SC");
            return self
                .finish_response(
                    None,
                    txn,
                    self.error(txn, StatusCode::SERVICE_UNAVAILABLE, false).await,
                )
                .await;
        };
        if let Err(status) = self.attach_filters(&backend.filters, txn).await {
            let refused = self.error(txn, status, true).await;
            return self.finish_response(Some(&backend), txn, refused).await;
        }
        if backend.spec.buffer_request
            && !frontend.spec.buffer_request
            && let Err(late) = self.buffer_request(txn, &mut body).await
        {
            return self.finish_response(Some(&backend), txn, late).await;
        }
        for (rules, kind) in [
            (&backend.tcp_content, (Mode::Tcp, backend.spec.inspect_delay)),
            (&backend.http_request, (Mode::Http, None)),
        ] {
            match self
                .request_rules(rules, kind, &backend.spec.timeouts, txn, &mut body)
                .await
            {
                Ruled::GoOn => {}
                Ruled::Made(made) => return self.finish_response(Some(&backend), txn, made).await,
                Ruled::Close => return None,
            }
        }
        if let Some(page) = wanted(backend.spec.page.as_ref(), txn) {
            let (access, timeouts) = (&backend.page_access, &backend.spec.timeouts);
            let made = Box::pin(self.page(page, access, timeouts, txn, body)).await?;
            return self.finish_response(Some(&backend), txn, made).await;
        }
        if let Err(refused) = self.restrict_names(backend.spec.header_names, txn).await {
            return self.finish_response(Some(&backend), txn, refused).await;
        }
        txn.end_request_scope();
        let made = self.server_answer(&backend, txn, body).await?;
        self.finish_response(Some(&backend), txn, made).await
    }

    /// Whether the request is the one of `monitor-uri`.
    fn asks_for_health(&self, txn: &Txn) -> bool {
        let Some(monitor) = &self.frontend.spec.monitor else {
            return false;
        };
        let head = txn.request_head();
        head.is_some_and(|head| match monitor.uri.starts_with('/') {
            true => head
                .uri
                .path_and_query()
                .is_some_and(|asked| asked.as_str() == monitor.uri),
            false => head.uri == monitor.uri.as_str(),
        })
    }

    /// `monitor-uri`: tells whether the proxy is well. Nobody wants to read of that in the log.
    async fn tell_health(&self, txn: &Rc<Txn>) -> Option<Made> {
        txn.set_log_level(LogLevel::Silent);
        txn.facts.borrow_mut().termination = Some(*b"LR");
        let mut status = StatusCode::OK;
        for condition in self.frontend.spec.monitor.iter().flat_map(|m| &m.fail) {
            if condition.eval_async(&**txn, &*self.worker.runner).await {
                status = StatusCode::SERVICE_UNAVAILABLE;
            }
        }
        let made = self.error(txn, status, false).await;
        self.finish_response(None, txn, made).await
    }

    /// `option http-restrict-req-hdr-names`.
    async fn restrict_names(&self, policy: HeaderNames, txn: &Rc<Txn>) -> Result<(), Made> {
        let passes = txn
            .request_head_mut()
            .is_none_or(|mut head| restrict_names(policy, &mut head.headers));
        if passes {
            return Ok(());
        }
        txn.facts.borrow_mut().termination = Some(*b"PR");
        Err(self.error(txn, StatusCode::FORBIDDEN, false).await)
    }

    /// Evaluates the rules of a request. Those that look at its content (of TCP) may wait for it, for `inspect-delay`, and
    /// refuse it without a word.
    pub(super) async fn request_rules(
        &self,
        rules: &PreparedRules,
        (of, delay): (Mode, Option<Duration>),
        timeouts: &Timeouts,
        txn: &Rc<Txn>,
        body: &mut MessageBody,
    ) -> Ruled {
        if rules.is_empty() {
            return Ruled::GoOn;
        }
        let inspection = Inspection::new(delay);
        let mut first = 0;
        loop {
            txn.phase.set(Phase::Request);
            let setting =
                self.setting(inspection.may_wait(|| self.is_growing(txn, Way::Request, body.is_ended())));
            txn.inspecting.set(setting.may_wait);
            txn.inspected_until.set(inspection.until());
            let next = evaluate(rules.from(first), first, txn, &setting).await;
            txn.inspecting.set(false);
            txn.inspected_until.set(None);
            first = next.rule;
            match next.verdict {
                Verdict::WaitForData => Box::pin(self.more_of_request(txn, body, &inspection)).await,
                Verdict::Continue | Verdict::SwitchMode(_) => return Ruled::GoOn,
                Verdict::Reply { reply, ground } => {
                    if ground != Ground::Answer {
                        txn.count(Count::Error, 1);
                    }
                    self.note(&txn.times.request);
                    txn.facts.borrow_mut().termination = Some(ground.state(b'R'));
                    if ground != Ground::Answer && of == Mode::Tcp {
                        self.session.closing.set(true);
                        return Ruled::Close;
                    }
                    return Ruled::Made(made(&reply));
                }
                Verdict::Tarpit(reply) => {
                    txn.count(Count::Error, 1);
                    let time = timeouts.tarpit.or(timeouts.connect);
                    let time = txn.overrides.timeout(TimeoutKind::Tarpit, time);
                    let gone = OnDrop::new(txn, *b"CT");
                    // The log tells of it as of a queue, and of no request that was received.
                    txn.times.request.set(None);
                    self.note(&txn.times.queued);
                    txn.facts.borrow_mut().status = Some(reply.status.as_u16());
                    let held = InQueue(txn);
                    self.timer.sleep(time.unwrap_or(TARPIT)).await;
                    drop(held);
                    gone.stays();
                    txn.facts.borrow_mut().termination = Some(*b"PT");
                    return Ruled::Made(made(&reply));
                }
                Verdict::Http(service, line) => {
                    let body = std::mem::take(body);
                    return match Box::pin(self.served(&*service, &line, txn, body)).await {
                        Some(made) => Ruled::Made(made),
                        None => Ruled::Close,
                    };
                }
                Verdict::Tcp(_, line) => {
                    txn.log(
                        Level::Error,
                        &format!("{line}: a TCP service can't answer an HTTP request"),
                    );
                    return Ruled::Made(self.error(txn, StatusCode::INTERNAL_SERVER_ERROR, false).await);
                }
                Verdict::Vanish { rst_ttl } => {
                    txn.facts.borrow_mut().termination = Some(*b"PR");
                    self.session.traffic.vanish.set(Some(rst_ttl));
                    return Ruled::Close;
                }
                Verdict::Done(ground) => {
                    txn.is_done(ground.state(b'R'));
                    self.session.closing.set(true);
                    return Ruled::Close;
                }
                Verdict::Reject | Verdict::Close => {
                    if let Verdict::Reject = next.verdict {
                        txn.count(Count::Error, 1);
                        self.session.rejected.set(true);
                    }
                    txn.facts.borrow_mut().termination = Some(*b"PR");
                    self.session.closing.set(true);
                    return Ruled::Close;
                }
                Verdict::Cached(head, object) => {
                    return match self.after_cache(txn, *head, object).await {
                        Some(made) => Ruled::Made(made),
                        None => Ruled::Close,
                    };
                }
                Verdict::Hints(links) => self.hint(links),
                Verdict::WaitForBody(wait) => {
                    let wait = self.buffer_body(txn, body, Some(wait.time), (wait.at_least, wait.room));
                    if let Err(late) = Box::pin(wait).await {
                        return Ruled::Made(late);
                    }
                }
            }
        }
    }

    /// A service's response, which goes through the response rules, as a server's does.
    async fn served(
        &self,
        service: &dyn HttpService,
        line: &Rc<str>,
        txn: &Rc<Txn>,
        body: MessageBody,
    ) -> Option<Made> {
        match self.produced(service, line, txn, body).await {
            Ok(made) => {
                let backend = txn.usage.backend();
                self.response_rules(self.rules_of_response(backend.as_deref()), txn, made)
                    .await
            }
            Err(failed) => Some(failed),
        }
    }

    /// A service's response; an error where it made none.
    pub(super) async fn produced(
        &self,
        service: &dyn HttpService,
        line: &Rc<str>,
        txn: &Rc<Txn>,
        body: MessageBody,
    ) -> Result<Made, Made> {
        let backend = txn.usage.backend();
        let Ok(body) = self.filter_request(backend.as_deref(), txn, body).await else {
            return Err(self.error(txn, StatusCode::BAD_REQUEST, true).await);
        };
        txn.facts.borrow_mut().termination = Some(*b"LR");
        let times = &txn.times;
        // It is what a server is otherwise, and there at once.
        for moment in [&times.queued, &times.connecting, &times.connected] {
            self.note(moment);
        }
        let served = service::serve(service, line, txn, body).await;
        self.note(&times.response);
        match served {
            Served::Response(head, content) => Ok(Made {
                head: *head,
                content,
                close: false,
                silent: false,
            }),
            Served::Failed => {
                txn.facts.borrow_mut().termination = Some(*b"SH");
                Err(self.error(txn, StatusCode::INTERNAL_SERVER_ERROR, false).await)
            }
        }
    }

    /// The rules of a response that isn't from the frontend's rules themselves.
    fn rules_of_response<'a>(&'a self, backend: Option<&'a Backend>) -> [Option<&'a PreparedRules>; 2] {
        let of_backend = backend.map(|backend| &backend.http_response);
        [of_backend, Some(&self.frontend.http_response)]
    }

    /// A cache's response goes through them, too, wherever among the rules it was found.
    async fn after_cache(
        &self,
        txn: &Rc<Txn>,
        head: response::Parts,
        object: Option<Arc<Object>>,
    ) -> Option<Made> {
        txn.facts.borrow_mut().termination = Some(*b"LR");
        let times = &txn.times;
        for moment in [
            &times.queued,
            &times.connecting,
            &times.connected,
            &times.response,
        ] {
            self.note(moment);
        }
        txn.capture_headers(Way::Response, &head.headers);
        let made = Made {
            head,
            content: object.map_or(Content::Empty, |object| Content::Cached(object, 0)),
            close: false,
            silent: false,
        };
        let backend = txn.usage.backend();
        self.response_rules(self.rules_of_response(backend.as_deref()), txn, made)
            .await
    }

    /// Tells the client what it will need.
    fn hint(&self, links: Vec<HeaderValue>) {
        let mut head = response::Parts::new(StatusCode::EARLY_HINTS);
        for link in links {
            head.headers.append(names::LINK, link);
        }
        self.inform(head);
    }

    /// Asks a server, and makes of its answer what the client is to see.
    async fn server_answer(&self, backend: &Rc<Backend>, txn: &Rc<Txn>, body: MessageBody) -> Option<Made> {
        let (upgrade, connect) = match txn.request_head() {
            Some(head) => (wants_upgrade(&head.headers), head.method == Method::CONNECT),
            None => (false, false),
        };
        if body.is_broken() {
            // What was wrong came together with the request.
            txn.facts.borrow_mut().termination = Some(*b"CR");
            return None;
        }
        let Ok(mut body) = self.filter_request(Some(backend), txn, body).await else {
            return Some(self.error(txn, StatusCode::BAD_REQUEST, true).await);
        };
        if backend.spec.drop_trailers {
            body.drop_trailers();
        }
        let answer = match self.ask(backend, txn, body).await {
            Ok(answer) => answer,
            Err(NoAnswer::Failed(status, state)) => {
                if matches!(status, StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT) {
                    txn.count(Count::Failure, 1);
                }
                txn.facts.borrow_mut().termination = Some(state);
                return Some(self.error(txn, status, false).await);
            }
            Err(NoAnswer::Gone) => {
                txn.facts.borrow_mut().termination = Some(*b"CD");
                return None;
            }
            Err(NoAnswer::Stale) => {
                // The request that comes again tells more.
                txn.set_log_level(LogLevel::Silent);
                txn.facts.borrow_mut().termination = Some(*b"SH");
                return None;
            }
            Err(NoAnswer::Elsewhere(there)) => {
                txn.facts.borrow_mut().termination = Some(*b"LC");
                return Some(redirection(there));
            }
        };
        let mut head = answer.head;
        txn.facts.borrow_mut().server_status = Some(head.status.as_u16());
        if txn.tracks() {
            for what in txn.client.entrance.tables.verdicts.of(head.status.as_u16()) {
                txn.count(what, 1);
            }
        }
        txn.capture_headers(Way::Response, &head.headers);
        forget_connection(&mut head.headers);
        cache::invalidate(txn, head.status);
        let switched = head.status == StatusCode::SWITCHING_PROTOCOLS || connect && head.status.is_success();
        if switched && !(upgrade || connect) || upgrade && self.is_no_websocket(txn, &head) {
            txn.facts.borrow_mut().termination = Some(*b"PH");
            return Some(self.error(txn, StatusCode::BAD_GATEWAY, false).await);
        }
        if switched {
            // Boxed: rare beside other responses.
            return Box::pin(self.switch(backend, txn, head, answer.conn)).await;
        }
        if self.start_response(txn).await.is_err() {
            return Some(self.error(txn, StatusCode::BAD_GATEWAY, false).await);
        }
        if !backend.spec.stick.is_empty() {
            head = Box::pin(self.store_response(backend, &answer.server, txn, head)).await;
        }
        let server = answer.server.clone();
        let relayed = self.relayed(backend, answer.body, answer.conn, answer.server);
        let content = Content::Server(Box::new(relayed));
        let mut made = Made {
            head,
            content,
            close: false,
            silent: false,
        };
        if !backend.tcp_response.is_empty() {
            made = Box::pin(self.inspect_response(backend, txn, made)).await?;
        }
        let sets = self.rules_of_response(Some(backend));
        if has_rules(&sets) {
            made = self.response_rules(sets, txn, made).await?;
        }
        if backend.spec.check_cache && self.shares_cookie(txn, &made) {
            let name = &backend.spec.name;
            let message = format!(
                "a response of {name}/{} that caches may keep sets a cookie",
                server.spec.name
            );
            txn.client.entrance.logger.failure(&message);
            txn.usage.response_is_denied(&txn.client);
            txn.facts.borrow_mut().termination = Some(*b"PH");
            return Some(self.error(txn, StatusCode::BAD_GATEWAY, false).await);
        }
        if let (Some(cookie), Content::Server(_)) = (&backend.spec.persistence.cookie, &made.content) {
            persistence::to_client(cookie, &server, txn, &mut made.head);
        }
        txn.facts.borrow_mut().status = Some(made.head.status.as_u16());
        logline::at(LogStep::Response, txn);
        Some(made)
    }

    /// Whether what a server said may give a client's cookie to others, by way of a cache.
    fn shares_cookie(&self, txn: &Txn, made: &Made) -> bool {
        let from_server = matches!(made.content, Content::Server(_)) && !made.silent;
        let method = txn.request_head().map(|head| head.method.clone());
        from_server && method.is_some_and(|method| cache::shares_cookie(&method, &made.head))
    }

    /// Whether a WebSocket was asked for, and a server switches to something else.
    fn is_no_websocket(&self, txn: &Txn, answer: &response::Parts) -> bool {
        answer.status == StatusCode::SWITCHING_PROTOCOLS
            && txn.request_head().is_some_and(|asked| {
                let key_is_ours = self.wire == Wire::Http2;
                websocket::is_asked_for(&asked.headers)
                    && !websocket::is_agreed(&asked.headers, &answer.headers, key_is_ours)
            })
    }

    /// Makes a tunnel of the connection, unless a rule has something against the response that says so.
    async fn switch(
        &self,
        backend: &Rc<Backend>,
        txn: &Rc<Txn>,
        head: response::Parts,
        conn: Link,
    ) -> Option<Made> {
        if self.start_response(txn).await.is_err() {
            return Some(self.error(txn, StatusCode::BAD_GATEWAY, false).await);
        }
        let status = head.status;
        let made = Made {
            head,
            content: Content::Empty,
            close: false,
            silent: false,
        };
        let sets = self.rules_of_response(Some(backend));
        let mut made = self.response_rules(sets, txn, made).await?;
        if made.head.status == status && made.content.is_ended() && !made.silent {
            made.head = match self.filter_switch(backend, txn, made.head).await {
                Ok(head) => head,
                Err(_) => return Some(self.error(txn, StatusCode::BAD_GATEWAY, false).await),
            };
            *self.tunnel.borrow_mut() = Some(Tunnel {
                conn,
                txn: txn.clone(),
                limits: self.tunnel_limits(backend, txn),
                backend: backend.clone(),
            });
        }
        Some(made)
    }

    /// `option http-buffer-request`.
    async fn buffer_request(&self, txn: &Rc<Txn>, body: &mut MessageBody) -> Result<(), Made> {
        let time = self.frontend.spec.timeouts.http_request;
        Box::pin(self.buffer_body(txn, body, time, (None, None))).await
    }

    /// Receives the request's body as far as the buffer has room (the usual one, if no size is given), or until so much of it is
    /// there, for rules to look at. A client that is late gets its answer.
    async fn buffer_body(
        &self,
        txn: &Rc<Txn>,
        body: &mut MessageBody,
        time: Option<Duration>,
        (at_least, room): (Option<usize>, Option<usize>),
    ) -> Result<(), Made> {
        let room = room.unwrap_or(self.worker.shared.global.buffer_bytes);
        let wanted = at_least.unwrap_or(room).min(room);
        if txn.request_body().len() >= wanted || body.is_ended() {
            return Ok(());
        }
        let gone = OnDrop::new(txn, *b"CR");
        // What was received before is in front again, and counts anew.
        let mut ahead = Ahead::default();
        let receiving = receive(&mut ahead, wanted, |cx| body.poll_piece(cx));
        let received = self.timer.limit(time, receiving).await;
        gone.stays();
        if received.is_err() {
            txn.facts.borrow_mut().termination = Some(*b"cR");
            txn.times.request.set(None);
            return Err(self.error(txn, StatusCode::REQUEST_TIMEOUT, true).await);
        }
        if ahead.broken {
            let gone = self.traffic.read_ended.get() || self.traffic.failed.get();
            if gone && txn.usage.backend().is_none() {
                // The log tells where it would have gone.
                let _ = choose_backend(&self.worker, &self.frontend, txn).await;
            }
            txn.facts.borrow_mut().termination = Some(if gone { *b"CR" } else { *b"PR" });
            return Err(self.error(txn, StatusCode::BAD_REQUEST, true).await);
        }
        let Ahead { pieces, ended, .. } = ahead;
        let ended = ended || body.is_ended();
        txn.put_body(Way::Request, &pieces, ended);
        for piece in pieces.into_iter().rev() {
            body.unread(piece);
        }
        Ok(())
    }

    /// The page that the proxies have for an error.
    pub(super) async fn error(&self, txn: &Rc<Txn>, status: StatusCode, close: bool) -> Made {
        // Boxed: errors are rare, and pages may have to be computed.
        let mut reply = Box::pin(pages::error(status, txn, &*self.worker.runner)).await;
        reply.close |= close;
        made(&reply)
    }

    pub(super) fn setting(&self, may_wait: bool) -> Setting<'_> {
        Setting {
            runner: &*self.worker.runner,
            on_failure: self.worker.shared.global.action_failure,
            may_wait,
            timer: &self.timer,
            buffer_bytes: self.worker.shared.global.buffer_bytes,
        }
    }
}

/// Sends a client to the server itself.
fn redirection(there: HeaderValue) -> Made {
    let mut head = response::Parts::new(StatusCode::FOUND);
    head.headers
        .insert(names::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    head.headers.insert(names::LOCATION, there);
    Made {
        head,
        content: Content::Empty,
        close: true,
        silent: false,
    }
}

/// How long a tarpitted client waits if no timeout says so.
const TARPIT: Duration = Duration::from_secs(10);

/// A reply as a response.
pub(super) fn made(reply: &Reply) -> Made {
    let mut head = reply.head();
    forget_connection(&mut head.headers);
    let content = if reply.body.is_empty() {
        Content::Empty
    } else {
        Content::Full(reply.body.clone())
    };
    Made {
        head,
        content,
        close: reply.close,
        silent: reply.silent,
    }
}
