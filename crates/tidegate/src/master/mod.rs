//! The process that stays (`-W`): it starts the one that serves, starts another one when the configuration is to be read
//! anew or when that one has ended unasked, and passes signals on. It has copies of the listening sockets, which go from one to the
//! next, so that nobody who connects in between is lost. It serves nothing itself, keeps its rights, and ends with the last of the others. With `-S` it
//! has a socket of its own (`cli`), over which it and the others take commands.

mod cli;
mod link;
mod restarts;
mod signals;
mod worker;

use std::cell::RefCell;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::sync::{mpsc, oneshot};

use crate::daemon;
use crate::pid_file;
use crate::program::Exit;
use crate::report::Report;
use restarts::Restarts;
use signals::{Heard, Signals};
use worker::{End, NotStarted, Started, Worker};

pub(crate) use cli::Socket;
pub(crate) use link::{handed_over, ready, say};

/// Set for a process that serves under a master. Its standard input leads to the master.
const MARK: &str = "TIDEGATE_WORKER";

/// Where systemd hears how a service does.
const NOTIFY: &str = "NOTIFY_SOCKET";

/// True for a process that a master has started.
pub(crate) fn is_worker() -> bool {
    std::env::var_os(MARK).is_some()
}

/// How a master was asked for.
pub(crate) struct Settings {
    /// This program's arguments, for those that serve.
    pub(crate) args: Vec<OsString>,
    /// Where the master's number is written.
    pub(crate) pid_file: Option<PathBuf>,
    /// `-Ws`: systemd is told how things go.
    pub(crate) notifies: bool,
    /// `-S`.
    pub(crate) socket: Option<Socket>,
    /// `mworker-max-reloads`.
    pub(crate) reloads_max: u32,
    /// `no-exit-on-failure`: it stays however often those that serve end.
    pub(crate) stays: bool,
}

/// Stays until the last process that serves has ended.
///
/// # Errors
/// If the first one can't be started, or the system refuses something.
pub(crate) fn run(settings: Settings, report: Report) -> Result<Exit, String> {
    let program = program()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(Default::default())
        .map_err(|e| format!("cannot watch for signals: {e}"))?;
    let exit = runtime.block_on(async {
        let open = |socket: Socket| socket.open().map(|open| (socket, open));
        let socket = settings.socket.map(open).transpose()?;
        let mut signals = Signals::new().map_err(|e| format!("cannot watch for signals: {e}"))?;
        let Started {
            worker,
            said,
            sockets,
        } = Worker::start(&program, &settings.args, &[])
            .await
            .map_err(|failed| failed.why)?;
        if let Some(path) = &settings.pid_file {
            pid_file::write(path)?;
        }
        let processes = Rc::new(RefCell::new(Processes {
            current: Some(worker),
            sockets: sockets.into(),
            leaving: Vec::new(),
            reloads: 0,
            failed: 0,
            started: Instant::now(),
            said,
        }));
        let (reload, mut reloads) = mpsc::channel(1);
        if let Some((socket, open)) = socket {
            socket
                .serve(open, Rc::clone(&processes), reload)
                .map_err(|e| format!("cannot use the socket of `-S`: {e}"))?;
        }
        if daemon::is_background() {
            daemon::ready().map_err(|e| format!("cannot go to the background: {e}"))?;
        }
        let mut master = Master {
            processes,
            stopping: false,
            failed: None,
            interrupted: false,
            program,
            notifies: settings.notifies,
            args: settings.args,
            reloads_max: settings.reloads_max,
            restarts: Restarts::new(settings.stays),
            restart_at: None,
            report,
        };
        master.tell("READY=1");
        while master.has_workers() {
            tokio::select! {
                signal = signals.next() => master.obey(signal).await,
                () = until(master.restart_at) => master.restart().await,
                Some(wanted) = reloads.recv() => {
                    let Reload { hard, done } = wanted;
                    let well = master.reload(hard).await;
                    // Whoever asked may have gone.
                    let _ = done.send(well);
                }
            }
        }
        Ok::<Exit, String>(match (master.failed, master.interrupted) {
            (Some(status), _) => Exit::Like(status),
            (None, true) => Exit::Interrupted,
            (None, false) => Exit::Success,
        })
    })?;
    if let Some(path) = &settings.pid_file {
        pid_file::remove(path);
    }
    Ok(exit)
}

/// The program's file, such that a newer one in its place is what is started next.
fn program() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|e| format!("cannot tell which program this is: {e}"))
}

/// The processes that serve, and what became of loading configurations.
struct Processes {
    /// Serves.
    current: Option<Worker>,
    /// Copies of the listening sockets of the one that serves, or served last.
    sockets: Rc<[OwnedFd]>,
    /// Were replaced, and end with their last sessions.
    leaving: Vec<Worker>,
    /// How often a configuration was to be loaded anew.
    reloads: u32,
    /// How often in a row that failed.
    failed: u32,
    started: Instant,
    /// What was said when one was loaded last.
    said: Vec<u8>,
}

impl Processes {
    /// Another one serves from now on. Gives the one before.
    fn serve(&mut self, next: Started) -> Option<Worker> {
        self.said = next.said;
        self.sockets = next.sockets.into();
        self.current.replace(next.worker)
    }
}

/// Somebody wants the configuration loaded anew.
struct Reload {
    /// The process that serves ends at once.
    hard: bool,
    /// Hears whether it was loaded.
    done: oneshot::Sender<bool>,
}

struct Master {
    processes: Rc<RefCell<Processes>>,
    /// Nothing is started any more.
    stopping: bool,
    /// The status of the one that served, if it has ended unasked.
    failed: Option<u8>,
    /// SIGINT came.
    interrupted: bool,
    program: PathBuf,
    notifies: bool,
    args: Vec<OsString>,
    /// A process that lives through more reloads than so many is ended.
    reloads_max: u32,
    restarts: Restarts,
    /// When one is started in place of one that ended unasked.
    restart_at: Option<Instant>,
    report: Report,
}

impl Master {
    fn has_workers(&self) -> bool {
        let processes = self.processes.borrow();
        processes.current.is_some() || !processes.leaving.is_empty() || self.restart_at.is_some()
    }

    async fn obey(&mut self, signal: Heard) {
        match signal {
            Heard::Reload => {
                self.reload(false).await;
            }
            Heard::Stop | Heard::Interrupt => {
                self.interrupted |= matches!(signal, Heard::Interrupt);
                self.stop(Signal::TERM);
            }
            Heard::SoftStop => self.stop(Signal::USR1),
            Heard::Trim => self.pass_on(Signal::QUIT),
            Heard::Ended => self.bury(),
        }
    }

    fn stop(&mut self, signal: Signal) {
        self.stopping = true;
        self.restart_at = None;
        self.tell("STOPPING=1");
        // Else who connects waits for somebody who never comes.
        self.processes.borrow_mut().sockets = Rc::default();
        self.pass_on(signal);
    }

    /// Starts another process on the configuration as it is now. The one that serves leaves once the other one serves,
    /// and stays if that can't be.
    async fn reload(&mut self, hard: bool) -> bool {
        if self.stopping {
            return false;
        }
        self.tell("RELOADING=1");
        let next = self.start().await;
        let mut processes = self.processes.borrow_mut();
        processes.reloads += 1;
        let well = match next {
            Ok(next) => {
                self.restart_at = None;
                processes.failed = 0;
                let old = processes.serve(next);
                if let Some(old) = old {
                    old.signal(if hard { Signal::TERM } else { Signal::USR1 });
                    processes.leaving.push(old);
                }
                for worker in &mut processes.leaving {
                    worker.reloads += 1;
                    if worker.reloads > self.reloads_max {
                        worker.signal(Signal::TERM);
                    }
                }
                self.report.step(|| "reloaded".into());
                true
            }
            Err(failed) => {
                processes.failed += 1;
                processes.said = failed.said;
                self.report
                    .error(&format!("the configuration stays as it was: {}", failed.why));
                false
            }
        };
        drop(processes);
        self.tell("READY=1");
        well
    }

    fn pass_on(&self, signal: Signal) {
        let processes = self.processes.borrow();
        processes
            .current
            .iter()
            .chain(&processes.leaving)
            .for_each(|worker| worker.signal(signal));
    }

    /// Notes which processes have ended.
    fn bury(&mut self) {
        let mut processes = self.processes.borrow_mut();
        processes.leaving.retain_mut(|worker| worker.end().is_none());
        let Some(worker) = &mut processes.current else {
            return;
        };
        let Some(end) = worker.end() else { return };
        let lived = worker.started.elapsed();
        processes.current = None;
        drop(processes);
        if !self.stopping {
            self.follow("the process that serves has ended", &end, lived);
        }
    }

    /// Lets another process follow one that ended or didn't start, or ends as it did. Somebody asked one to end that did so
    /// in good order.
    fn follow(&mut self, what: &str, end: &End, lived: Duration) {
        let pause = (end.status != 0).then(|| self.restarts.pause(lived)).flatten();
        let then = match pause {
            Some(_) => "another one is started",
            None => "so does this one",
        };
        self.report.error(&format!("{what} ({}); {then}", end.how));
        match pause {
            Some(pause) => self.restart_at = Some(Instant::now() + pause),
            None => {
                self.failed = Some(end.status);
                self.stop(Signal::TERM);
            }
        }
    }

    /// Starts a process with the sockets of the one before.
    async fn start(&self) -> Result<Started, NotStarted> {
        // They stay here, too, as long as nobody else serves.
        let sockets = Rc::clone(&self.processes.borrow().sockets);
        Worker::start(&self.program, &self.args, &sockets).await
    }

    async fn restart(&mut self) {
        self.restart_at = None;
        match self.start().await {
            Ok(started) => {
                let pid = started.worker.pid();
                self.processes.borrow_mut().serve(started);
                self.report.notice(&format!("process {pid} serves in its place"));
            }
            Err(failed) => {
                self.processes.borrow_mut().said = failed.said;
                let end = End {
                    status: 1,
                    how: failed.why,
                };
                self.follow("no process serves", &end, Duration::ZERO);
            }
        }
    }

    /// Tells systemd, which may not be there.
    fn tell(&self, what: &str) {
        let Some(to) = std::env::var_os(NOTIFY).filter(|_| self.notifies) else {
            return;
        };
        let Ok(socket) = UnixDatagram::unbound() else {
            return;
        };
        let _ = match to.as_encoded_bytes() {
            [b'@', name @ ..] => {
                use std::os::linux::net::SocketAddrExt;
                std::os::unix::net::SocketAddr::from_abstract_name(name)
                    .and_then(|to| socket.send_to_addr(what.as_bytes(), &to))
            }
            _ => socket.send_to(what.as_bytes(), Path::new(&to)),
        };
    }
}

/// Waits until then, or for ever.
async fn until(then: Option<Instant>) {
    match then {
        Some(then) => tokio::time::sleep_until(then.into()).await,
        None => std::future::pending().await,
    }
}
