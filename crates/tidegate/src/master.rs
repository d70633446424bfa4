//! The process that stays (`-W`): it starts the one that serves, starts another one when the configuration is to be read
//! anew, and passes signals on. It serves nothing itself, keeps its rights, and ends with the last of the others.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tidegate_proxy::Shutdown;
use tokio::signal::unix::{SignalKind, signal};

use crate::daemon;
use crate::program::Exit;
use crate::report::Report;

/// Set for a process that serves under a master. Its standard input leads to the master.
const MARK: &str = "TIDEGATE_WORKER";

/// Where systemd hears how a service does.
const NOTIFY: &str = "NOTIFY_SOCKET";

/// True for a process that a master has started.
pub(crate) fn is_worker() -> bool {
    std::env::var_os(MARK).is_some()
}

/// How a master was asked for.
#[derive(Debug)]
pub(crate) struct Settings {
    /// This program's arguments, for those that serve.
    pub(crate) args: Vec<OsString>,
    /// Where the master's number is written.
    pub(crate) pid_file: Option<PathBuf>,
    /// `-Ws`: systemd is told how things go.
    pub(crate) notifies: bool,
}

/// Stays until the last process that serves has ended.
///
/// # Errors
/// If the first one can't be started, or the system refuses something.
pub(crate) fn run(settings: Settings, report: Report) -> Result<Exit, String> {
    let program = program()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(|e| format!("cannot watch for signals: {e}"))?;
    let well = runtime.block_on(async {
        let mut signals = Signals::new().map_err(|e| format!("cannot watch for signals: {e}"))?;
        let first = Worker::start(&program, &settings.args)?;
        if let Some(path) = &settings.pid_file {
            let written = std::fs::write(path, format!("{}\n", std::process::id()));
            written.map_err(|e| format!("cannot write `{}`: {e}", path.display()))?;
        }
        if daemon::is_background() {
            daemon::ready().map_err(|e| format!("cannot go to the background: {e}"))?;
        }
        let mut master = Master {
            current: Some(first),
            leaving: Vec::new(),
            stopping: false,
            failed: false,
            program,
            notifies: settings.notifies,
            args: settings.args,
            report,
        };
        master.tell("READY=1");
        while master.has_workers() {
            let signal = signals.next().await;
            master.obey(signal);
        }
        Ok::<bool, String>(!master.failed)
    })?;
    if let Some(path) = &settings.pid_file {
        let _ = std::fs::remove_file(path);
    }
    Ok(if well { Exit::Success } else { Exit::Failure })
}

/// In a process that serves: all is ready, says so to the master, and ends at once should the master be gone.
///
/// # Errors
/// If the system refuses.
pub(crate) fn ready(shutdown: Shutdown) -> std::io::Result<()> {
    let mut master = UnixStream::from(rustix::io::dup(rustix::stdio::stdin())?);
    let nothing = std::fs::File::open("/dev/null");
    master.write_all(b"1")?;
    // (There may be no such file where the process is confined to.)
    if let Ok(nothing) = nothing {
        rustix::stdio::dup2_stdin(&nothing)?;
    }
    std::thread::Builder::new().name("master".into()).spawn(move || {
        let mut nothing = [0];
        while let Ok(1..) = master.read(&mut nothing) {}
        shutdown.hard();
    })?;
    Ok(())
}

/// The program's file, such that a newer one in its place is what is started next.
fn program() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|e| format!("cannot tell which program this is: {e}"))
}

struct Master {
    /// Serves.
    current: Option<Worker>,
    /// Were replaced, and end with their last sessions.
    leaving: Vec<Worker>,
    /// Nothing is started any more.
    stopping: bool,
    /// One that served has ended unasked.
    failed: bool,
    program: PathBuf,
    notifies: bool,
    args: Vec<OsString>,
    report: Report,
}

impl Master {
    fn has_workers(&self) -> bool {
        self.current.is_some() || !self.leaving.is_empty()
    }

    fn obey(&mut self, signal: Heard) {
        match signal {
            Heard::Reload => self.reload(),
            Heard::Stop => {
                self.stopping = true;
                self.tell("STOPPING=1");
                self.pass_on(Signal::TERM);
            }
            Heard::SoftStop => {
                self.stopping = true;
                self.tell("STOPPING=1");
                self.pass_on(Signal::USR1);
            }
            Heard::Ended => self.bury(),
        }
    }

    /// Starts another process on the configuration as it is now. The one that serves leaves once the other one serves,
    /// and stays if that can't be.
    fn reload(&mut self) {
        if self.stopping {
            return;
        }
        self.tell("RELOADING=1");
        match Worker::start(&self.program, &self.args) {
            Ok(next) => {
                if let Some(old) = self.current.replace(next) {
                    old.signal(Signal::USR1);
                    self.leaving.push(old);
                }
                self.report.step(|| "reloaded".into());
            }
            Err(why) => self
                .report
                .error(&format!("the configuration stays as it was: {why}")),
        }
        self.tell("READY=1");
    }

    fn pass_on(&self, signal: Signal) {
        self.current
            .iter()
            .chain(&self.leaving)
            .for_each(|worker| worker.signal(signal));
    }

    /// Notes which processes have ended. Without the one that serves there is no use in the others.
    fn bury(&mut self) {
        self.leaving.retain_mut(|worker| !worker.has_ended());
        if self.current.as_mut().is_some_and(Worker::has_ended) {
            self.current = None;
            if !self.stopping {
                self.report
                    .error("the process that serves has ended; so does this one");
                self.failed = true;
                self.stopping = true;
                self.pass_on(Signal::TERM);
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

/// A process that serves. Should the master be gone, it reads the end of the stream between them.
struct Worker {
    child: Child,
    _link: UnixStream,
}

impl Worker {
    /// Starts one, and waits until it serves.
    fn start(program: &Path, args: &[OsString]) -> Result<Worker, String> {
        let failed = |e: std::io::Error| format!("cannot start a process that serves: {e}");
        let (mut ours, theirs) = UnixStream::pair().map_err(failed)?;
        let mut command = Command::new(program);
        command
            .args(args)
            .env(MARK, "1")
            .env_remove(NOTIFY)
            .stdin(Stdio::from(OwnedFd::from(theirs)));
        daemon::forget(&mut command);
        let mut child = command.spawn().map_err(failed)?;
        // The other end is the child's alone now.
        drop(command);
        let mut word = [0];
        match ours.read(&mut word) {
            Ok(1) => Ok(Worker { child, _link: ours }),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                Err("the process that was to serve did not start".into())
            }
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // One that has just ended needs no signal.
            let _ = kill_process(pid, signal);
        }
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

/// What a signal means.
enum Heard {
    Reload,
    Stop,
    SoftStop,
    Ended,
}

struct Signals {
    term: tokio::signal::unix::Signal,
    int: tokio::signal::unix::Signal,
    usr1: tokio::signal::unix::Signal,
    usr2: tokio::signal::unix::Signal,
    hup: tokio::signal::unix::Signal,
    child: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            term: signal(SignalKind::terminate())?,
            int: signal(SignalKind::interrupt())?,
            usr1: signal(SignalKind::user_defined1())?,
            usr2: signal(SignalKind::user_defined2())?,
            hup: signal(SignalKind::hangup())?,
            child: signal(SignalKind::child())?,
        })
    }

    async fn next(&mut self) -> Heard {
        tokio::select! {
            _ = self.term.recv() => Heard::Stop,
            _ = self.int.recv() => Heard::Stop,
            _ = self.usr1.recv() => Heard::SoftStop,
            _ = self.usr2.recv() => Heard::Reload,
            _ = self.hup.recv() => Heard::Reload,
            _ = self.child.recv() => Heard::Ended,
        }
    }
}
