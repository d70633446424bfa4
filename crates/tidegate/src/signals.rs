//! Signals that stop the program, or ask for memory back.

use std::time::Duration;

use tidegate_proxy::Shutdown;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::memory;
use crate::report::Report;

/// How long what SIGUSR1 asks for may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SoftStop {
    /// `grace`: how long to go on as before.
    pub(crate) grace: Duration,
    /// `hard-stop-after`: how long sessions have then.
    pub(crate) limit: Option<Duration>,
}

/// Handlers that are in place, and hold what comes until somebody watches.
pub(crate) struct Handlers {
    runtime: tokio::runtime::Runtime,
    term: Signal,
    int: Signal,
    usr1: Signal,
    hup: Signal,
    quit: Signal,
}

impl Handlers {
    /// Puts the handlers in place.
    ///
    /// # Errors
    /// When the system refuses one.
    pub(crate) fn new() -> std::io::Result<Handlers> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let (term, int, usr1, hup, quit) = {
            let _inside = runtime.enter();
            (
                signal(SignalKind::terminate())?,
                signal(SignalKind::interrupt())?,
                signal(SignalKind::user_defined1())?,
                signal(SignalKind::hangup())?,
                signal(SignalKind::quit())?,
            )
        };
        Ok(Handlers {
            runtime,
            term,
            int,
            usr1,
            hup,
            quit,
        })
    }
}

/// Passes signals on to the data plane until it has ended: SIGTERM and SIGINT end it at once, SIGUSR1 lets
/// sessions end by themselves. SIGQUIT gives memory back that nobody uses; if `trims_memory` that is done without being asked, too.
///
/// # Errors
/// When the system gives no thread.
pub(crate) fn watch(
    handlers: Handlers,
    shutdown: Shutdown,
    soft_stop: SoftStop,
    trims_memory: bool,
    report: Report,
) -> std::io::Result<()> {
    let Handlers {
        runtime,
        mut term,
        mut int,
        mut usr1,
        mut hup,
        mut quit,
    } = handlers;
    let watching = async move {
        if trims_memory {
            let shutdown = shutdown.clone();
            tokio::spawn(memory::keep_small(move || shutdown.is_asked()));
        }
        loop {
            tokio::select! {
                _ = term.recv() => report.step(|| "SIGTERM: stopping".into()),
                _ = int.recv() => report.step(|| "SIGINT: stopping".into()),
                _ = usr1.recv() => {
                    report.step(|| "SIGUSR1: stopping once all sessions have ended".into());
                    let shutdown = shutdown.clone();
                    tokio::spawn(async move {
                        tokio::time::sleep(soft_stop.grace).await;
                        shutdown.soft();
                        if let Some(limit) = soft_stop.limit {
                            tokio::time::sleep(limit).await;
                            shutdown.hard();
                        }
                    });
                    continue;
                }
                _ = quit.recv() => {
                    report.notice(&format!("SIGQUIT: {}", memory::flush()));
                    continue;
                }
                // Who rotates logs or leaves a terminal means no harm.
                _ = hup.recv() => {
                    report.step(|| "SIGHUP: nothing to be done".into());
                    continue;
                }
            }
            shutdown.hard();
        }
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || runtime.block_on(watching))?;
    Ok(())
}
