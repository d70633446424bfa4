//! `peers` sections.

use std::sync::Arc;

use tidegate_config::model::{self, Config};
use tidegate_config::{Diagnostic, code};
use tidegate_proxy::peers::{PeerSpec, PeersSpec, PeersTable};
use tidegate_proxy::spec::{ListenAddress, ListenerSpec, ServerAddress};
use tidegate_sample::stick::Tables;

use super::Assembly;

impl Assembly {
    /// The sections as the data plane wants them.
    pub(super) fn peers(&mut self, config: &mut Config) -> Vec<PeersSpec> {
        let sections = std::mem::take(&mut config.peers);
        let local = config.local_peer.clone();
        let logs = config.global.logs.clone();
        let tables = Arc::clone(&config.tables);
        let specs = sections.into_iter().map(|mut section| {
            if section.logs_global {
                section.logs.extend(logs.iter().cloned());
            }
            self.peers_section(section, &local, &tables)
        });
        specs.collect()
    }

    fn peers_section(&mut self, mut section: model::Peers, local: &str, tables: &Tables) -> PeersSpec {
        let name = section.name.value.clone();
        let mut binds = std::mem::take(&mut section.binds);
        let own = section
            .peers
            .iter_mut()
            .find(|peer| peer.server.name.value == local);
        let is_here = own.is_some();
        if let Some(own) = own.filter(|own| own.has_address && binds.is_empty()) {
            binds.extend(own.bind.take());
        }
        let lacking = match (is_here, binds.is_empty()) {
            (false, _) => Some((
                format!(
                    "`peers {name}` has no effect: none of its peers is called `{local}`, as this process is"
                ),
                "name this process by `-L` or `localpeer`",
            )),
            (true, true) => Some((
                format!("no peer can connect to this process: `{local}` has no address in `peers {name}`"),
                "give it an address, or the section a `bind` line",
            )),
            (true, false) => None,
        };
        if let Some((message, help)) = lacking.filter(|_| !section.disabled) {
            let warning = Diagnostic::warning(code::NO_EFFECT, section.name.span, message);
            self.faults.push(warning.help(help));
            section.disabled = !is_here;
        }
        let listeners = match section.disabled {
            true => Vec::new(),
            false => self.sockets(&binds, &name),
        };
        let here = listeners.iter().find_map(address_of);
        let peers = section.peers.iter().filter_map(|peer| {
            let mut spec = self.server_of_lines(&peer.server)?;
            let is_local = peer.server.name.value == local;
            if is_local && let Some(here) = &here {
                spec.address = here.clone();
            }
            Some(PeerSpec {
                name: peer.server.name.value.clone(),
                server: (peer.has_address || is_local && here.is_some()).then_some(spec),
                shard: if is_local { 0 } else { peer.shard },
            })
        });
        let peers = peers.collect();
        let shared = tables
            .all()
            .filter(|table| table.spec().peers.as_deref() == Some(&*name));
        let shared = shared.map(|table| PeersTable {
            name: match table.name().strip_prefix(&*name) {
                // A table of the section itself.
                Some(rest) if rest.starts_with('/') => rest.to_owned(),
                _ => table.name().to_owned(),
            },
            write_to: table
                .spec()
                .write_to
                .as_ref()
                .and_then(|to| tables.find(to).cloned()),
            table: table.clone(),
        });
        PeersSpec {
            local: local.to_owned(),
            peers,
            listeners,
            tables: shared.collect(),
            shards: section.shards,
            logs: self.logs.targets(&section.logs),
            log_tag: self.logs.tag(),
            log_host: self.logs.host(),
            disabled: section.disabled,
            replaces: self.around.replaces,
            name,
        }
    }
}

/// Where others of this machine connect to a listener.
fn address_of(listener: &ListenerSpec) -> Option<ServerAddress> {
    match &listener.address {
        ListenAddress::Tcp(address) => {
            let mut address = *address;
            if address.ip().is_unspecified() {
                address.set_ip(match address.is_ipv4() {
                    true => std::net::Ipv4Addr::LOCALHOST.into(),
                    false => std::net::Ipv6Addr::LOCALHOST.into(),
                });
            }
            Some(ServerAddress::Tcp(address))
        }
        ListenAddress::Unix(path) => Some(ServerAddress::Unix(path.clone())),
        ListenAddress::Abstract(name) => Some(ServerAddress::Abstract(name.clone())),
        ListenAddress::Inherited(_) => None,
    }
}
