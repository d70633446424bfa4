//! `log-forward` sections.

use tidegate_config::model::{self, Bind, ForwardHost, LogFormatKind, UnixBind};
use tidegate_proxy::log_forward::{ForwardTarget, HostStrategy, LogForwardSpec};
use tidegate_proxy::spec::ListenerSpec;

use super::{Assembly, listeners_of};

/// Longest line of a stream, which HAProxy's buffers bound.
const LINE_BYTES_MAX: usize = 65_535;

impl Assembly {
    /// A section as the data plane wants it.
    pub(super) fn log_forward(&mut self, section: model::LogForward) -> LogForwardSpec {
        let mut streams = self.sockets(&section.streams, &section.name.value);
        for stream in &mut streams {
            stream.backlog = stream.backlog.or(section.backlog);
        }
        let mut datagrams = self.sockets(&section.datagrams, &section.name.value);
        for socket in &mut datagrams {
            let held = self.datagram_bytes.and_then(|bytes| usize::try_from(bytes).ok());
            socket.socket.buffers.received = held;
        }
        LogForwardSpec {
            datagrams,
            streams,
            targets: section
                .targets
                .iter()
                .filter_map(|line| self.forward_target(line))
                .collect(),
            name: section.name.value,
            connections_max: usize::try_from(section.connections_max).unwrap_or(usize::MAX),
            silence_max: section.silence_max,
            lines_only: section.lines_only,
            opaque: section.opaque,
            host: match section.host {
                ForwardHost::Replace => HostStrategy::Replace,
                ForwardHost::Fill => HostStrategy::Fill,
                ForwardHost::Keep => HostStrategy::Keep,
                ForwardHost::Append => HostStrategy::Append,
            },
            line_bytes_max: LINE_BYTES_MAX,
        }
    }

    /// The sockets of some `bind` lines, in the section of a name.
    pub(super) fn sockets(&mut self, binds: &[Bind], name: &str) -> Vec<ListenerSpec> {
        let mut sockets = Vec::new();
        for bind in binds {
            match listeners_of(
                bind,
                &UnixBind::default(),
                self.around.replaces,
                &self.around.sources,
            ) {
                Ok(listeners) => {
                    let tls = bind.options.ssl.then(|| self.acceptor(bind, name, None, false));
                    let tls = tls.flatten();
                    sockets.extend(listeners.into_iter().map(|mut listener| {
                        listener.tls.clone_from(&tls);
                        listener
                    }));
                }
                Err(fault) => self.faults.push(*fault),
            }
        }
        sockets
    }

    fn forward_target(&mut self, line: &model::LogTarget) -> Option<ForwardTarget> {
        let keeps_format = line.format == LogFormatKind::Default && !self.logs.has_format(&line.sink);
        let target = self.logs.target(line)?;
        Some(ForwardTarget { target, keeps_format })
    }
}
