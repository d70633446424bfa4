//! `bind` lines.

use tidegate_config::model::{self, BindAddress};
use tidegate_config::{Diagnostic, code};
use tidegate_proxy::spec::{ListenAddress, ListenerSpec};

use super::Assembly;
use crate::system;

impl Assembly<'_> {
    /// One listener for each address and port.
    pub(super) fn listeners(&mut self, proxy: &model::Proxy) -> Vec<ListenerSpec> {
        let mut listeners = Vec::new();
        for bind in &proxy.binds {
            let place = self.around.sources.place(bind.span);
            for address in self.addresses(bind) {
                let written = String::from_utf8_lossy(self.around.sources.text(bind.span)).into_owned();
                let mut listener = ListenerSpec::new(format!("bind {written} ({place})"), address);
                let next = u32::try_from(listeners.len() + 1).unwrap_or(u32::MAX);
                listener.name = bind.options.name.clone().unwrap_or_default();
                listener.id = bind.options.id.unwrap_or(next);
                listener.maxconn = bind
                    .options
                    .connections_max
                    .map(|n| usize::try_from(n).unwrap_or(usize::MAX));
                listener.backlog = bind.options.backlog.or(proxy.backlog);
                listener.v6only = bind.options.v6_only;
                listener.unix_mode = bind.options.unix_mode;
                listeners.push(listener);
            }
        }
        listeners
    }

    fn addresses(&mut self, bind: &model::Bind) -> Vec<ListenAddress> {
        match &bind.address {
            BindAddress::Tcp { ip, ports } => ports
                .iter()
                .map(|port| ListenAddress::Tcp((*ip, port).into()))
                .collect(),
            BindAddress::Unix(path) => vec![ListenAddress::Unix(path.clone())],
            BindAddress::Abstract(name) => vec![ListenAddress::Abstract(name.clone())],
            BindAddress::Fd(number) => match system::inherited(*number) {
                Ok(fd) => vec![ListenAddress::Inherited(fd)],
                Err(why) => {
                    self.faults
                        .push(Diagnostic::error(code::BAD_ADDRESS, bind.span, why));
                    Vec::new()
                }
            },
        }
    }
}
