//! `bind` lines.

use tidegate_config::model::{self, Bind, BindAddress, UnixBind};
use tidegate_config::{Diagnostic, Sources, code};
use tidegate_proxy::spec::{
    KeepAlive, ListenAddress, ListenProto, ListenerSpec, SocketBuffers, SocketOptions,
};

use super::Assembly;
use super::http2;
use crate::privileges::number;
use crate::system;

impl Assembly {
    /// One listener for each address and port.
    pub(super) fn listeners(&mut self, proxy: &model::Proxy) -> Vec<ListenerSpec> {
        let mut listeners = Vec::new();
        for bind in &proxy.binds {
            let of_line =
                match listeners_of(bind, &self.unix_bind, self.around.replaces, &self.around.sources) {
                    Ok(of_line) => of_line,
                    Err(fault) => {
                        self.faults.push(*fault);
                        continue;
                    }
                };
            let http = proxy.mode == model::Mode::Http;
            let tls = bind.options.ssl.then(|| {
                let more = self.list_of_frontend(proxy);
                self.acceptor(bind, &proxy.name.value, more, http)
            });
            let tls = tls.flatten();
            let workers = self.workers(bind);
            for (at, mut listener) in of_line.into_iter().enumerate() {
                listener.guid = bind
                    .options
                    .guid_prefix
                    .as_ref()
                    .map(|prefix| format!("{prefix}-{at}"));
                listener.tls.clone_from(&tls);
                listener.accept_proxy = bind.options.accept_proxy;
                listener.netscaler_magic = bind.options.netscaler_magic;
                listener.workers.clone_from(&workers);
                listener.idle_ping = bind.options.idle_ping;
                let [of_clients, _] = self.buffers;
                listener.socket = SocketOptions {
                    interface: bind.options.interface.clone(),
                    mss: bind.options.mss,
                    user_timeout: bind.options.user_timeout.filter(|time| !time.is_zero()),
                    keepalive: keepalive(proxy.client_probes),
                    congestion: bind.options.congestion.clone(),
                    transparent: bind.options.transparent,
                    buffers: of_clients,
                };
                let next = u32::try_from(listeners.len() + 1).unwrap_or(u32::MAX);
                listener.id = bind.options.id.unwrap_or(next);
                listener.backlog = listener.backlog.or(proxy.backlog);
                listeners.push(listener);
            }
        }
        listeners
    }
}

impl Assembly {
    /// The workers that listen, if the line names some.
    fn workers(&mut self, bind: &Bind) -> Option<Vec<usize>> {
        let named = bind.options.threads.as_ref()?;
        let is_named = |worker: &usize| named.value.iter().any(|set| set.has(worker + 1));
        let workers: Vec<usize> = (0..self.threads).filter(is_named).collect();
        if workers.is_empty() {
            let message = "none of these threads is there";
            let fault = Diagnostic::error(code::BAD_NUMBER, named.span, message);
            self.faults
                .push(fault.note(format!("`nbthread` makes it {}", self.threads)));
        }
        Some(workers)
    }
}

/// What the system holds for a connection.
pub(super) fn buffers(tune: model::SocketBuffers) -> SocketBuffers {
    let bytes = |size: u32| usize::try_from(size).unwrap_or(usize::MAX);
    SocketBuffers {
        received: tune.received.map(bytes),
        sent: tune.sent.map(bytes),
        unsent: tune.unsent,
    }
}

/// The listeners of a `bind` or `stats socket` line, one for each port. What it says not of a Unix socket `unix` does.
///
/// # Errors
/// It names a descriptor, a user or a group that isn't there.
pub(crate) fn listeners_of(
    bind: &Bind,
    unix: &UnixBind,
    replaces: bool,
    sources: &Sources,
) -> Result<Vec<ListenerSpec>, Box<Diagnostic>> {
    let place = sources.place(bind.span);
    let written = String::from_utf8_lossy(sources.text(bind.span));
    let options = &bind.options;
    let unix_user = number(options.unix_user.as_ref().or(unix.user.as_ref()), system::user)?;
    let unix_group = number(options.unix_group.as_ref().or(unix.group.as_ref()), system::group)?;
    let addresses = addresses(bind, unix)?.into_iter();
    let listeners = addresses.map(|address| {
        let mut listener = ListenerSpec::new(format!("bind {written} ({place})"), address);
        listener.name = options.name.clone().unwrap_or_default();
        listener.maxconn = options
            .connections_max
            .map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        listener.backlog = options.backlog;
        listener.v6only = options.v6_only;
        listener.unix_mode = options.unix_mode.or(unix.mode);
        listener.replaces = replaces;
        listener.unix_user = unix_user;
        listener.unix_group = unix_group;
        listener.proto = match options.never_http {
            true => ListenProto::Never,
            false => http2::listen_proto(options.proto),
        };
        listener
    });
    Ok(listeners.collect())
}

fn addresses(bind: &Bind, unix: &UnixBind) -> Result<Vec<ListenAddress>, Box<Diagnostic>> {
    Ok(match &bind.address {
        BindAddress::Tcp { ip, ports } => {
            let addresses = ports.iter().map(|port| (*ip, port).into());
            addresses.map(ListenAddress::Tcp).collect()
        }
        BindAddress::Name { host, v6, ports } => {
            let ip = system::address_of(host, *v6).map_err(|why| {
                let message = format!("cannot resolve `{host}`: {why}");
                Box::new(Diagnostic::error(code::BAD_ADDRESS, bind.span, message))
            })?;
            ports
                .iter()
                .map(|port| ListenAddress::Tcp((ip, port).into()))
                .collect()
        }
        BindAddress::Unix(path) => {
            let mut whole = std::ffi::OsString::from(unix.prefix.as_deref().unwrap_or_default());
            whole.push(path);
            vec![ListenAddress::Unix(whole.into())]
        }
        BindAddress::Abstract(name) => vec![ListenAddress::Abstract(name.clone())],
        BindAddress::Fd(number) => {
            let fd = system::inherited(*number)
                .map_err(|why| Box::new(Diagnostic::error(code::BAD_ADDRESS, bind.span, why)))?;
            vec![ListenAddress::Inherited(fd)]
        }
    })
}

/// How idle connections are probed, if they are.
pub(super) fn keepalive(probes: model::TcpProbes) -> Option<KeepAlive> {
    probes.on.then_some(KeepAlive {
        idle: probes.idle,
        interval: probes.interval,
        count: probes.count,
    })
}
