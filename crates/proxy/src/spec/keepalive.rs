//! Keep-alive probes of TCP.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// How the system probes idle connections; what is not said is its own choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeepAlive {
    /// How long a connection is idle before the first.
    pub idle: Option<Duration>,
    /// How long after the last the next one is sent.
    pub interval: Option<Duration>,
    /// How many stay unanswered before a connection is given up.
    pub count: Option<u32>,
}

impl KeepAlive {
    /// Tells a socket.
    ///
    /// # Errors
    /// What the system refuses.
    pub(crate) fn apply(self, socket: &SockRef<'_>) -> io::Result<()> {
        let mut probes = TcpKeepalive::new();
        if let Some(idle) = self.idle {
            probes = probes.with_time(idle);
        }
        if let Some(interval) = self.interval {
            probes = probes.with_interval(interval);
        }
        if let Some(count) = self.count {
            probes = probes.with_retries(count);
        }
        socket.set_keepalive(true)?;
        socket.set_tcp_keepalive(&probes)
    }
}
