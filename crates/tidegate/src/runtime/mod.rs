//! The runtime API: what the program can be asked and told while it runs, over the sockets of `stats socket` lines.
//!
//! It has a thread and an event loop of its own. What it asks of the data plane are figures that the workers count
//! anyway, and what it tells them are stores: no worker waits for it, and it waits for none.

mod about;
mod command;
mod commands;
mod connection;
mod dispatch;
mod entrance;
mod figures;
mod find;
mod line;
mod listen;
mod stats_file;
pub(crate) mod typed;

use std::sync::{Arc, mpsc};

use tidegate_config::model::RuntimeSettings;
use tokio::sync::mpsc::UnboundedReceiver;

pub(crate) use about::{About, Facts, Scripts};
pub(crate) use command::{Command, Mode, Status};
pub(crate) use commands::{info, stat, version};
pub(crate) use connection::{Rights, clock};
pub(crate) use entrance::{Entrance, Visitor};
pub(crate) use figures::ScriptFigures;
pub(crate) use line::{Line, Word, ended};
pub(crate) use listen::{Acceptor, SocketSpec, Sockets, Stream};
pub(crate) use stats_file::load as count_on;

use connection::Limits;

/// Begins to take commands, from sockets and from those that the master sends.
///
/// # Errors
/// When there is no thread or event loop to be had, or a socket can't be used.
pub(crate) fn start(
    sockets: Sockets,
    visitors: Option<UnboundedReceiver<Visitor>>,
    settings: &RuntimeSettings,
    line_bytes_max: usize,
    about: Arc<About>,
) -> std::io::Result<()> {
    if sockets.is_empty() && visitors.is_none() {
        return Ok(());
    }
    let limits = Limits {
        timeout: settings.timeout,
        connections: usize::try_from(settings.connections_max).unwrap_or(usize::MAX),
        line_bytes: line_bytes_max,
        payload_bytes: usize::try_from(settings.payload_bytes_max).unwrap_or(usize::MAX),
    };
    about.now_listens_at(sockets.shown());
    // The event loop can't move between threads, so the thread makes it, and says whether it could.
    let (report, reported) = mpsc::channel();
    let body = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(Default::default())?;
        let serving = runtime.block_on(async { listen::serve(sockets, visitors, about, limits) })?;
        let _ = report.send(());
        runtime.block_on(serving);
        Ok(())
    };
    let thread = std::thread::Builder::new()
        .name("runtime-api".into())
        .spawn(body)?;
    match reported.recv() {
        Ok(()) => Ok(()),
        // It ended before it could say that it serves.
        Err(mpsc::RecvError) => thread
            .join()
            .unwrap_or_else(|_| Err(std::io::Error::other("its thread died"))),
    }
}

/// The commands for reference pages and lists: the words, what follows, what it does, and whether it is served.
pub(crate) fn commands() -> impl Iterator<Item = &'static Command> {
    commands::all()
}
