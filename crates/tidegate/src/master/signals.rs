//! What a master process is told by signals.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal means.
pub(super) enum Heard {
    Reload,
    Stop,
    /// The same, from a terminal.
    Interrupt,
    SoftStop,
    /// Memory that nobody uses is wanted back.
    Trim,
    Ended,
}

pub(super) struct Signals {
    term: Signal,
    int: Signal,
    usr1: Signal,
    usr2: Signal,
    hup: Signal,
    quit: Signal,
    child: Signal,
}

impl Signals {
    pub(super) fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            usr1: signal(SignalKind::user_defined1())?,
            usr2: signal(SignalKind::user_defined2())?,
            hup: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
            child: signal(SignalKind::child())?,
        })
    }

    pub(super) async fn next(&mut self) -> Heard {
        tokio::select! {
            _ = self.term.recv() => Heard::Stop,
            _ = self.int.recv() => Heard::Interrupt,
            _ = self.usr1.recv() => Heard::SoftStop,
            _ = self.usr2.recv() => Heard::Reload,
            _ = self.hup.recv() => Heard::Reload,
            _ = self.quit.recv() => Heard::Trim,
            _ = self.child.recv() => Heard::Ended,
        }
    }
}
