//! Who gets log lines over the network: the servers of `ring` sections and of backends of `mode log`.

use std::sync::Arc;

use tidegate_config::model::{self, Config, Mode};
use tidegate_proxy::log::{LogBackend, LogServer, Ring, RingSpec};
use tidegate_proxy::spec::ServerSpec;

use super::Assembly;

impl Assembly {
    /// Makes rings of the sections, and what lines are sent to of the backends.
    pub(super) fn log_servers(&mut self, config: &mut Config) {
        for ring in std::mem::take(&mut config.rings) {
            let format = ring.format;
            let made = self.ring(ring);
            self.logs.add_ring(made, format);
        }
        let size = config.global.tune.buffer_bytes;
        let is_log = |proxy: &&model::Proxy| proxy.mode == Mode::Log && !proxy.disabled;
        for proxy in config.proxies.iter().filter(is_log) {
            self.log_backend(proxy, size.into());
        }
    }

    fn ring(&mut self, ring: model::Ring) -> Arc<Ring> {
        let servers = ring.servers.iter().filter_map(|server| {
            let spec = self.server_of_lines(server)?;
            Some((spec, server.lines.octet_count))
        });
        let servers = servers.collect();
        Ring::new(RingSpec {
            name: ring.name.value,
            description: ring.description,
            line_bytes_max: ring.line_bytes_max.map_or(usize::MAX, bytes),
            bytes_max: bytes(ring.bytes_max),
            connect: ring.connect,
            server: ring.server,
            servers,
        })
    }

    fn log_backend(&mut self, proxy: &model::Proxy, size: u64) {
        let mut rings = Vec::new();
        let mut servers = Vec::new();
        for server in &proxy.servers {
            if server.datagrams {
                servers.push(LogServer::Datagrams);
                continue;
            }
            let Some(spec) = self.server_of_lines(server) else {
                continue;
            };
            let ring = Ring::new(RingSpec {
                name: format!("{}/{}", proxy.name.value, server.name.value),
                description: None,
                line_bytes_max: usize::MAX,
                bytes_max: bytes(server.lines.buffer_bytes.unwrap_or(size)),
                connect: proxy.timeouts.connect,
                server: proxy.timeouts.server,
                servers: vec![(spec, server.lines.octet_count)],
            });
            rings.push(ring.clone());
            servers.push(LogServer::Stream(ring));
        }
        let name = proxy.name.value.clone();
        let backend = LogBackend::new(name.clone(), servers);
        self.logs.add_backend(name, backend, rings);
    }

    /// A server that lines are sent to over a stream; `None` for a fault.
    pub(super) fn server_of_lines(&mut self, server: &model::Server) -> Option<ServerSpec> {
        let address = self.logs.address(&server.address, server.address_span)?;
        let mut spec = ServerSpec::new(server.name.value.clone(), address);
        self.outgoing(server, (false, None), &mut spec);
        Some(spec)
    }
}

fn bytes(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
