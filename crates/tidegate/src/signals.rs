//! Signals that stop the program.

use std::time::Duration;

use tidegate_proxy::Shutdown;
use tokio::signal::unix::{SignalKind, signal};

use crate::report::Report;

/// Passes signals on to the data plane until it has ended: SIGTERM and SIGINT end it at once, SIGUSR1 lets
/// sessions end by themselves, for `hard_stop_after` at most. A handler is in place when this returns.
///
/// # Errors
/// When the system refuses a handler.
pub(crate) fn watch(
    shutdown: Shutdown,
    hard_stop_after: Option<Duration>,
    report: Report,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    let (mut term, mut int, mut usr1) = {
        let _inside = runtime.enter();
        (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::user_defined1())?,
        )
    };
    let watching = async move {
        loop {
            tokio::select! {
                _ = term.recv() => report.step(|| "SIGTERM: stopping".into()),
                _ = int.recv() => report.step(|| "SIGINT: stopping".into()),
                _ = usr1.recv() => {
                    report.step(|| "SIGUSR1: stopping once all sessions have ended".into());
                    shutdown.soft();
                    if let Some(limit) = hard_stop_after {
                        let shutdown = shutdown.clone();
                        tokio::spawn(async move {
                            tokio::time::sleep(limit).await;
                            shutdown.hard();
                        });
                    }
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
