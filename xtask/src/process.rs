//! Processes that commands start: pinned if wanted, measured, and ended by whoever started them.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use crate::Result;

/// Longest wait for a server to listen.
const START_LIMIT: Duration = Duration::from_secs(10);

/// Longest wait for a server to end.
const END_LIMIT: Duration = Duration::from_secs(10);

/// A server that is running. Dropping it ends the process.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a command on one core, its output going to a file, and waits until it listens on `address`.
    pub(crate) fn start(command: &[String], core: usize, log: &Path, address: SocketAddr) -> Result<Self> {
        // taskset becomes the command, so the process is the server itself.
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", &core.to_string()]).args(command);
        Self::spawn(pinned, log, address)
    }

    /// Starts a command, its output going to a file, and waits until it listens on `address`.
    pub(crate) fn spawn(mut command: Command, log: &Path, address: SocketAddr) -> Result<Self> {
        let output = File::create(log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        let mut process = Self {
            child,
            log: log.to_path_buf(),
        };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = process.child.try_wait()? {
                return Err(format!("it ended with {status}: {}", process.log()).into());
            }
            if start.elapsed() > START_LIMIT {
                return Err(format!("it does not listen on {address}: {}", process.log()).into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(process)
    }

    /// The last of what the process has printed.
    pub(crate) fn log(&self) -> String {
        const LINES: usize = 8;
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let skipped = text.lines().count().saturating_sub(LINES);
        text.lines()
            .skip(skipped)
            .map(|line| line.chars().take(200).collect::<String>() + "\n")
            .collect()
    }

    /// Asks the process to end, as an operator does, and waits until it has.
    pub(crate) fn end(mut self) -> Result<()> {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
        let start = Instant::now();
        while self.child.try_wait()?.is_none() {
            if start.elapsed() > END_LIMIT {
                return Err(format!("it does not end when it is asked to: {}", self.log()).into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// The id of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub(crate) fn ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// How many descriptors it has.
    pub(crate) fn descriptors(&self) -> Result<usize> {
        Ok(std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))?.count())
    }

    /// Bytes of memory that are in use.
    pub(crate) fn memory(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line
            .and_then(|line| line.trim().strip_suffix(" kB"))
            .ok_or("no VmRSS")?;
        Ok(kib.trim().parse::<u64>()? * 1024)
    }

    /// CPU time used so far by all threads of the process and of its children.
    pub(crate) fn cpu(&self, ticks_per_second: f64) -> Result<Cpu> {
        let ticks = ticks(self.child.id())?;
        Ok(Cpu {
            own: ticks.own as f64 / ticks_per_second,
            kernel: ticks.kernel as f64 / ticks_per_second,
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Seconds of CPU time: of a program's own code, and of the kernel on its behalf.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cpu {
    pub(crate) own: f64,
    pub(crate) kernel: f64,
}

impl Cpu {
    /// Both together.
    pub(crate) fn all(self) -> f64 {
        self.own + self.kernel
    }
}

impl std::ops::Sub for Cpu {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            own: self.own - earlier.own,
            kernel: self.kernel - earlier.kernel,
        }
    }
}

/// The same in ticks, as `/proc` has it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Ticks {
    own: u64,
    kernel: u64,
}

/// How many ticks `/proc` counts per second.
pub(crate) fn ticks_per_second() -> Result<f64> {
    let output = Command::new("getconf").arg("CLK_TCK").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

/// A loopback address that nothing listens on. Its port is below those that the kernel gives to outgoing connections,
/// of which a bench makes many: one of them could take the port before the server does.
pub(crate) fn free_address() -> Result<SocketAddr> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 12_000;
    const COUNT: u16 = 20_000;
    let own = u16::try_from(std::process::id() % u32::from(COUNT))?;
    for _ in 0..COUNT {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + own.wrapping_add(next) % COUNT;
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return Ok(listener.local_addr()?);
        }
    }
    Err("no free port".into())
}

fn ticks(pid: u32) -> Result<Ticks> {
    ticks_with_children(pid, &std::fs::read_to_string(format!("/proc/{pid}/stat"))?)
}

fn ticks_with_children(pid: u32, stat: &str) -> Result<Ticks> {
    let mut sum = stat_ticks(stat)?;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end, and a kernel may be built without this list: no children then.
        let children = std::fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace() {
            // One that has just ended is among what its parent has counted, soon.
            let Ok(stat) = std::fs::read_to_string(format!("/proc/{child}/stat")) else {
                continue;
            };
            let child = ticks_with_children(child.parse()?, &stat)?;
            sum.own += child.own;
            sum.kernel += child.kernel;
        }
    }
    Ok(sum)
}

/// utime + cutime and stime + cstime of a line of `/proc/PID/stat`, whose second field may hold spaces.
fn stat_ticks(stat: &str) -> Result<Ticks> {
    let (_, fields) = stat
        .rsplit_once(')')
        .ok_or("/proc/PID/stat is not as documented")?;
    let times: Vec<u64> = fields
        .split_whitespace()
        .skip(11)
        .take(4)
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let [user, system, children_user, children_system] = times[..] else {
        return Err("/proc/PID/stat is too short".into());
    };
    Ok(Ticks {
        own: user + children_user,
        kernel: system + children_system,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_of_a_stat_line_are_added() {
        let line = "12 (a b) c) S 1 12 12 0 -1 4194560 100 200 0 0 7 5 30 100 20 0 3 0 999 1 1";
        assert_eq!(stat_ticks(line).unwrap(), Ticks { own: 37, kernel: 105 });
        assert!(stat_ticks("12 (a) S 1 2").is_err());
    }

    #[test]
    fn a_process_that_works_uses_ticks() {
        let before = ticks(std::process::id()).unwrap();
        let start = Instant::now();
        while ticks(std::process::id()).unwrap() == before {
            assert!(start.elapsed() < Duration::from_secs(60), "no tick counted");
        }
    }
}
