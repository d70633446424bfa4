//! A transaction as expressions see it.

use std::any::Any;
use std::cell::{Ref, RefCell};
use std::future::ready;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::rc::Rc;
use std::time::SystemTime;

use tidegate_sample::figures::{
    BackendSettings, Figures, HttpStreamFigures, RulePlace, Settings, TcpFigures,
};
use tidegate_sample::head::{request, response};
use tidegate_sample::stick::{Tables, Tracked};
use tidegate_sample::vars::{ProcVars, VarScope, VarStore};
use tidegate_sample::{
    Data, DebugSink, ExternalRunner, Facts, LocalBoxFuture, Named, Priority, Process, Session, Tls, Way,
};

use super::{Hurry, Mode, Phase, Txn};
use crate::channel::Channel;
use crate::clock::Turn;
use crate::kernel;
use crate::log::{LogTo, LogWriter};
use crate::rules::TimeoutKind;

/// While a unique id is being made: a format that names the id itself sees none.
struct MakingId<'a>(&'a Txn);

impl<'a> MakingId<'a> {
    fn begin(txn: &'a Txn) -> Option<Self> {
        (!txn.making_id.replace(true)).then_some(MakingId(txn))
    }
}

impl Drop for MakingId<'_> {
    fn drop(&mut self) {
        self.0.making_id.set(false);
    }
}

impl Session for Txn {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn src(&self) -> Option<SocketAddr> {
        self.source()
    }

    fn dst(&self) -> Option<SocketAddr> {
        self.destination()
    }

    fn backend_src(&self) -> Option<SocketAddr> {
        self.backend_src.get()
    }

    fn backend_dst(&self) -> Option<SocketAddr> {
        self.backend_dst.get()
    }

    fn backend_is_local(&self) -> bool {
        self.backend_is_local.get()
    }

    fn is_local(&self, address: IpAddr) -> Option<bool> {
        let of_a_host = !address.is_unspecified() && !address.is_multicast();
        // The system lets nobody take an address that is another machine's. Asking sends nothing.
        let taken = || UdpSocket::bind((address, 0)).is_ok();
        Some(address.is_loopback() || of_a_host && taken())
    }

    fn request(&self) -> Option<Ref<'_, request::Parts>> {
        if self.mode() == Mode::Tcp {
            self.peek_request();
        }
        self.request_head()
    }

    fn response(&self) -> Option<Ref<'_, response::Parts>> {
        self.response_head()
    }

    fn buffered(&self, way: Way) -> Option<Ref<'_, [u8]>> {
        // Whoever asks for bytes waits for bytes.
        self.unreadable.set(false);
        match (self.mode(), way) {
            (Mode::Http, Way::Request) => Some(self.request_body()),
            (Mode::Http, Way::Response) => Some(self.response_body()),
            (Mode::Tcp, Way::Request) => Some(self.request_channel().input()),
            (Mode::Tcp, Way::Response) => Some(self.response_channel().input()),
        }
    }

    fn buffered_to_end(&self, way: Way) -> bool {
        match (self.mode(), way) {
            (Mode::Http, Way::Request) => self.request_body_ended.get(),
            (Mode::Http, Way::Response) => self.response_body_ended.get(),
            (Mode::Tcp, Way::Request) => {
                !self.request_channel().may_recv() || self.request_channel().is_full()
            }
            (Mode::Tcp, Way::Response) => {
                !self.response_channel().may_recv() || self.response_channel().is_full()
            }
        }
    }

    fn may_change(&self) -> bool {
        let growing = |channel: &Channel| channel.may_recv() && !channel.is_full();
        match (self.mode(), self.phase.get()) {
            _ if !self.inspecting.get() => false,
            (Mode::Tcp, Phase::Content) => !self.unreadable.get() && growing(self.request_channel()),
            (Mode::Tcp, Phase::ResponseContent) => growing(self.response_channel()),
            // Whoever inspects a message knows whether more may come.
            (Mode::Http, _) => true,
            _ => false,
        }
    }

    fn way(&self) -> Way {
        match self.phase.get() {
            Phase::Response | Phase::ResponseContent => Way::Response,
            _ => Way::Request,
        }
    }

    fn frontend(&self) -> Option<Named> {
        Some((*self.client.entrance.frontend).clone())
    }

    fn backend(&self) -> Option<Named> {
        self.backend.borrow().as_deref().cloned()
    }

    fn server(&self) -> Option<Named> {
        self.server.borrow().as_deref().cloned()
    }

    fn listener(&self) -> Option<Named> {
        Some((*self.client.entrance.listener).clone())
    }

    fn unique_id(&self) -> Option<Data> {
        let format = self.client.entrance.home.as_ref()?.spec.unique_id.as_ref()?;
        if let Some(id) = self.unique_id.get() {
            return Some(id.clone());
        }
        let _making = MakingId::begin(self)?;
        let id = self.hurried(Hurry::UniqueId, || format.eval_now(self));
        Some(self.unique_id.get_or_init(|| id.into()).clone())
    }

    fn unique_id_async<'a>(&'a self, runner: &'a dyn ExternalRunner) -> LocalBoxFuture<'a, Option<Data>> {
        let format = self
            .client
            .entrance
            .home
            .as_ref()
            .and_then(|home| home.spec.unique_id.as_ref());
        let is_made = self.unique_id.get().is_some();
        match format.filter(|format| format.suspends() && !is_made) {
            None => Box::pin(ready(self.unique_id())),
            Some(format) => Box::pin(async move {
                let _making = MakingId::begin(self)?;
                let id = format.eval(self, runner).await;
                Some(self.unique_id.get_or_init(|| id.into()).clone())
            }),
        }
    }

    fn scripts(&self) -> Option<&dyn ExternalRunner> {
        Some(&*self.client.entrance.home.as_ref()?.runner)
    }

    fn captures(&self, way: Way) -> Option<Ref<'_, [Option<Data>]>> {
        // Of what was no request there is nothing to be captured.
        if self.mode() == Mode::Http && self.request_head().is_none() {
            return None;
        }
        let slots = self.captured.as_ref()?.slots(way);
        Some(Ref::map(slots.borrow(), Vec::as_slice))
    }

    fn capture(&self, way: Way, slot: usize, text: &[u8]) {
        if let (Some(captured), Some(home)) = (&self.captured, &self.client.entrance.home) {
            captured.put(&home.spec.captures, way, slot, text);
        }
    }

    fn captured_cookie(&self, way: Way) -> Option<Data> {
        self.captured.as_ref()?.cookie(way)
    }

    fn log_uri_bytes(&self) -> usize {
        self.client
            .entrance
            .home
            .as_ref()
            .map_or(usize::MAX, |home| home.spec.log.uri_bytes_max)
    }

    fn facts(&self) -> Facts {
        let mut facts = self.facts.borrow().clone();
        self.times.fill(&mut facts, &self.client);
        facts.request_counter = self.usage.number.get();
        if self.mode() == Mode::Tcp {
            // Nothing has a status there; -1 is for requests that got none.
            facts.status = Some(0);
        }
        facts
    }

    fn connection_src(&self) -> Option<SocketAddr> {
        self.client.seen().source
    }

    fn connection_dst(&self) -> Option<SocketAddr> {
        self.client.seen().destination
    }

    fn figures(&self) -> Option<&dyn Figures> {
        Some(&*self.client.entrance.home.as_ref()?.board)
    }

    fn process_connections(&self) -> Option<u64> {
        Some(self.client.entrance.home.as_ref()?.board.connections())
    }

    fn listener_connections(&self) -> Option<u64> {
        let home = self.client.entrance.home.as_ref()?;
        home.board
            .listener_connections(home.spec.name.as_bytes(), self.client.entrance.listener.id)
    }

    fn settings(&self) -> Option<Settings> {
        let home = self.client.entrance.home.as_ref()?;
        let timeouts = &home.spec.timeouts;
        let backend = self.usage.backend_settings();
        let set = |which, configured| self.overrides.timeout(which, configured);
        let tarpit = backend.map_or(timeouts.tarpit, |backend| backend.tarpit_timeout);
        Some(Settings {
            client_timeout: timeouts.client,
            tarpit_timeout: timeouts.tarpit,
            default_backend: home.default_backend.clone(),
            backend,
            current_client_timeout: set(TimeoutKind::Client, timeouts.client),
            current_tarpit_timeout: set(TimeoutKind::Tarpit, tarpit),
            current_backend: backend.map(|backend| BackendSettings {
                connect_timeout: set(TimeoutKind::Connect, backend.connect_timeout),
                queue_timeout: set(TimeoutKind::Queue, backend.queue_timeout),
                server_timeout: set(TimeoutKind::Server, backend.server_timeout),
                tarpit_timeout: set(TimeoutKind::Tarpit, backend.tarpit_timeout),
                tunnel_timeout: set(TimeoutKind::Tunnel, backend.tunnel_timeout),
                retries: self.overrides.retries().unwrap_or(backend.retries),
            }),
        })
    }

    fn traffic(&self) -> Option<tidegate_sample::figures::Traffic> {
        self.usage.traffic()
    }

    fn kernel(&self, way: Way) -> Option<TcpFigures> {
        match way {
            Way::Request => {
                let ends = self.client.ends();
                kernel::measure(ends.destination?, ends.source?)
            }
            Way::Response => kernel::measure(self.backend_src.get()?, self.backend_dst.get()?),
        }
    }

    fn tls(&self, way: Way) -> Option<Rc<Tls>> {
        match way {
            Way::Request => self.client.tls.borrow().clone(),
            Way::Response => self.server_tls.borrow().clone(),
        }
    }

    fn proxy_tlv(&self, kind: u8) -> Option<Data> {
        self.client.proxy_header()?.tlv(kind)
    }

    fn began_with_proxy_header(&self) -> bool {
        self.client.proxy_header().is_some()
    }

    fn connection_error(&self, way: Way) -> Option<u8> {
        match way {
            Way::Request => Some(self.client.error.get()),
            Way::Response => self.usage.server_error.get(),
        }
    }

    fn http_stream(&self, way: Way) -> Option<HttpStreamFigures> {
        let http1 = HttpStreamFigures {
            major: 1,
            streams: 1,
            streams_max: 1,
            ..HttpStreamFigures::default()
        };
        match way {
            Way::Request => Some(match self.client.h2() {
                Some(core) => core.figures(self.usage.client_stream.get()),
                None => http1,
            }),
            Way::Response => {
                self.usage.server_error.get()?;
                Some(self.usage.server_stream.get().unwrap_or(http1))
            }
        }
    }

    fn last_rule(&self) -> Option<RulePlace> {
        self.usage.last_rule.borrow().as_deref().cloned()
    }

    fn waiting_rule(&self) -> Option<RulePlace> {
        self.usage.waiting_rule.borrow().as_deref().cloned()
    }

    fn number(&self) -> Option<u32> {
        // It wraps, as the name of its fetch says.
        Some(self.usage.number.get() as u32)
    }

    fn priority(&self) -> Priority {
        self.priority.get()
    }

    fn stopping(&self) -> bool {
        self.client.entrance.stopping.get()
    }

    fn debug(&self, to: DebugSink, line: &str) {
        let to = match to {
            DebugSink::Stdout => LogTo::Stdout,
            DebugSink::Stderr => LogTo::Stderr,
        };
        LogWriter::write(
            self.client.entrance.writer.as_ref(),
            &to,
            format!("{line}\n").as_bytes(),
        );
    }

    fn process(&self) -> Option<&Process> {
        self.client.entrance.process.as_deref()
    }

    fn thread(&self) -> u32 {
        u32::try_from(self.client.entrance.worker).map_or(u32::MAX, |w| w.saturating_add(1))
    }

    fn vars(&self, scope: VarScope) -> Option<&RefCell<VarStore>> {
        match scope {
            VarScope::Sess => Some(&self.client.vars),
            VarScope::Txn => Some(&self.txn_vars),
            VarScope::Req => self.is_during(Way::Request).then_some(&self.req_vars),
            VarScope::Res => self.is_during(Way::Response).then_some(&self.res_vars),
            VarScope::Proc | VarScope::Check => None,
        }
    }

    fn proc_vars(&self) -> Option<&ProcVars> {
        Some(&self.client.entrance.proc_vars)
    }

    fn tables(&self) -> Option<&Tables> {
        Some(&self.client.entrance.tables)
    }

    fn tracked(&self, counter: u32) -> Option<Ref<'_, Tracked>> {
        self.counters
            .get(counter)
            .or_else(|| self.client.counters.get(counter))
    }

    fn ticks(&self) -> u64 {
        Turn::ticks()
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}
