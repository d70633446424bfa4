//! The master's socket (`-S`): commands about the processes, and the way to the runtime API of each of them.

mod commands;
mod line;
mod session;

use std::cell::RefCell;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tidegate_config::model::{AccessLevel, UnixBind};
use tidegate_config::{Draft, MemoryFiles, Options};
use tidegate_proxy::spec::ListenerSpec;
use tidegate_proxy::{Handed, OpenSocket};
use tokio::sync::{Semaphore, mpsc};

use super::{Processes, Reload};
use crate::assemble::listeners_of;
use crate::load::AnyName;
use crate::report::Report;
use crate::runtime::Acceptor;

/// How many connections there may be.
const CONNECTIONS_MAX: usize = 10;

/// The longest line, and the longest payload.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// A socket that is to be opened, and what those may do who connect to it.
pub(crate) struct Socket {
    listener: ListenerSpec,
    level: AccessLevel,
}

impl Socket {
    /// Understands what `-S` says: an address, and options of `bind` lines with commas in place of blanks.
    ///
    /// # Errors
    /// It says no such thing; this has been reported.
    pub(crate) fn parse(text: &str, report: Report) -> Result<Socket, ()> {
        // It is read as the line that it means.
        let file = PathBuf::from("-S");
        let line = format!("global\n    stats socket {}\n", words(text));
        let files = MemoryFiles::default().with(&file, line);
        let draft = Draft::read(&[file], &files, Options::default());
        let bind = draft.global().runtime.sockets.first().cloned();
        let loaded = draft.finish(&AnyName, &files);
        let mut faults = loaded.diagnostics;
        let listener = bind.as_ref().filter(|_| !faults.has_errors()).and_then(|bind| {
            match listeners_of(bind, &UnixBind::default(), false, &loaded.sources) {
                Ok(mut listeners) => listeners.pop(),
                Err(fault) => {
                    faults.push(*fault);
                    None
                }
            }
        });
        let (Some(listener), Some(bind)) = (listener, bind) else {
            report.diagnostics(&faults, &loaded.sources);
            return Err(());
        };
        // Who can reach it may do everything, unless it says otherwise.
        let says = text.split(',').any(|word| word == "level");
        Ok(Socket {
            listener,
            level: if says {
                bind.options.level
            } else {
                AccessLevel::Admin
            },
        })
    }

    /// Opens it.
    ///
    /// # Errors
    /// It can't be had.
    pub(super) fn open(&self) -> Result<OpenSocket, String> {
        OpenSocket::open(&self.listener, &mut Handed::default()).map_err(|error| error.to_string())
    }

    /// Takes connections for as long as the master is there.
    ///
    /// # Errors
    /// The socket can't be used.
    pub(super) fn serve(
        &self,
        socket: OpenSocket,
        processes: Rc<RefCell<Processes>>,
        reload: mpsc::Sender<Reload>,
    ) -> io::Result<()> {
        let (acceptor, level) = (Acceptor::new(socket)?, self.level);
        tokio::task::spawn_local(async move {
            let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
            // Nothing closes the semaphore, so it always has room in the end.
            while let Ok(permit) = room.clone().acquire_owned().await {
                match acceptor.accept().await {
                    Ok(stream) => {
                        let session = session::Session::new(stream, level, processes.clone(), reload.clone());
                        tokio::task::spawn_local(async move {
                            // A connection that breaks concerns nobody but its client.
                            let _ = session.serve().await;
                            drop(permit);
                        });
                    }
                    // Out of descriptors, or the client was gone already: nothing that gets better at once.
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        });
        Ok(())
    }
}

/// The words of a line, each as it is meant.
fn words(text: &str) -> String {
    let quoted = |word: &str| {
        let escaped = word.chars().flat_map(|c| match c {
            '_' | '-' | '.' | '/' | '@' | ':' | '[' | ']' | '*' => [None, Some(c)],
            c if c.is_alphanumeric() => [None, Some(c)],
            c => [Some('\\'), Some(c)],
        });
        escaped.flatten().collect::<String>()
    };
    text.split(',').map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: Report = Report {
        quiet: true,
        verbose: false,
    };

    #[test]
    fn an_address_stands_before_its_options() {
        let socket = Socket::parse("/tmp/m.sock,mode,600", REPORT).unwrap();
        assert_eq!(
            (socket.listener.unix_mode, socket.level),
            (Some(0o600), AccessLevel::Admin)
        );
        let socket = Socket::parse("127.0.0.1:1,level,user", REPORT).unwrap();
        assert_eq!(socket.level, AccessLevel::User);
        assert!(Socket::parse("nonsense", REPORT).is_err());
        assert!(Socket::parse("/tmp/m.sock,nonsense", REPORT).is_err());
    }

    #[test]
    fn words_are_taken_as_they_are() {
        assert_eq!(words("/a b,mode,600"), "/a\\ b mode 600");
        assert_eq!(words("[::1]:80,#"), "[::1]:80 \\#");
    }
}
