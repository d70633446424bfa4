//! The program that is soaked: its files, its addresses, and what it has at a moment.

use std::fmt;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::faults::Doors;
use super::origins::Origins;
use crate::process::{Process, free_address};
use crate::{Result, certificate};

/// Longest wait for an answer of the runtime socket.
const PATIENCE: Duration = Duration::from_secs(20);

/// The program, running.
pub(crate) struct Site {
    pub(crate) process: Process,
    pub(crate) doors: Doors,
    socket: PathBuf,
}

impl Site {
    /// Writes the files and starts the program on them.
    pub(crate) fn start(
        program: &Path,
        directory: &Path,
        origins: &Origins,
        log: SocketAddr,
    ) -> Result<Self> {
        let doors = Doors {
            plain: free_address()?,
            tls: free_address()?,
            proxied: free_address()?,
            bytes: free_address()?,
        };
        let socket = directory.join("runtime.sock");
        let places = [
            ("@SOCKET@", socket.display().to_string()),
            ("@LOG@", log.to_string()),
            ("@SHARED@", directory.join("shared.lua").display().to_string()),
            ("@EXAMPLES@", crate::root().join("examples").display().to_string()),
            ("@OWN@", directory.join("own.lua").display().to_string()),
            (
                "@CERTIFICATE@",
                certificate::made(directory, "soak")?.display().to_string(),
            ),
            ("@PLAIN@", doors.plain.to_string()),
            ("@TLS@", doors.tls.to_string()),
            ("@PROXIED@", doors.proxied.to_string()),
            ("@BYTES@", doors.bytes.to_string()),
            ("@STEADY@", origins.steady.to_string()),
            ("@FLAPPING@", origins.flapping.to_string()),
            ("@FAULTY@", origins.faulty.to_string()),
        ];
        for name in ["site.cfg", "shared.lua", "own.lua"] {
            let text = std::fs::read_to_string(crate::root().join("xtask/soak").join(name))?;
            let text = places
                .iter()
                .fold(text, |text, (place, value)| text.replace(place, value));
            std::fs::write(directory.join(name), text)?;
        }
        let mut command = Command::new(program);
        command.arg("-db").arg("-f").arg(directory.join("site.cfg"));
        let process = Process::spawn(command, &directory.join("output"), doors.plain)?;
        Ok(Self {
            process,
            doors,
            socket,
        })
    }

    /// What the program has now.
    pub(crate) fn reading(&self) -> Result<Reading> {
        let (info, lua) = (self.ask("show info")?, self.ask("show lua")?);
        let states: Vec<Vec<usize>> = lua
            .lines()
            .skip_while(|line| !line.starts_with("# state "))
            .skip(1)
            .take_while(|line| !line.starts_with('#'))
            .map(|line| {
                line.split_whitespace()
                    .filter_map(|word| word.parse().ok())
                    .collect()
            })
            .collect();
        let column = |nth: usize| states.iter().filter_map(|state| state.get(nth)).sum();
        Ok(Reading {
            descriptors: self.process.descriptors()?,
            connections: number(&info, "CurrConns")?,
            contexts: column(1),
            lua_bytes: column(4),
            used_bytes: number(&info, "PoolUsed_bytes")?,
            resident_bytes: usize::try_from(self.process.memory()?)?,
        })
    }

    fn ask(&self, command: &str) -> Result<String> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        writeln!(stream, "{command}")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// Leaves the process so few descriptors beyond those it has, or as many as it had at first.
    pub(crate) fn limit_descriptors(&self, more: Option<usize>) -> Result<()> {
        let limit = match more {
            Some(more) => self.process.descriptors()? + more,
            None => DESCRIPTORS,
        };
        let pid = self.process.id().to_string();
        // The soft limit alone: a hard one could not be raised again.
        let set = Command::new("prlimit")
            .args(["--pid", &pid, &format!("--nofile={limit}:")])
            .output()?;
        match set.status.success() {
            true => Ok(()),
            false => Err(format!("prlimit: {}", String::from_utf8_lossy(&set.stderr).trim()).into()),
        }
    }
}

/// More than `maxconn` can need.
const DESCRIPTORS: usize = 4000;

/// By how much memory in use may differ, beside a tenth: a soak of a minute serves some 40,000 requests, so that 32 bytes lost with each
/// exceed it.
const SPARE: usize = 1 << 20;

/// How much resident memory may be kept for nothing: about what a crowd's sessions take together.
const PAGES_KEPT: usize = 128 << 20;

/// What a program has at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) descriptors: usize,
    pub(crate) connections: usize,
    pub(crate) contexts: usize,
    pub(crate) lua_bytes: usize,
    /// What the allocator has handed out and not got back: the scripts' memory among it.
    pub(crate) used_bytes: usize,
    pub(crate) resident_bytes: usize,
}

impl Reading {
    /// The least of two in each.
    pub(crate) fn least(self, other: Self) -> Self {
        Self {
            descriptors: self.descriptors.min(other.descriptors),
            connections: self.connections.min(other.connections),
            contexts: self.contexts.min(other.contexts),
            lua_bytes: self.lua_bytes.min(other.lua_bytes),
            used_bytes: self.used_bytes.min(other.used_bytes),
            resident_bytes: self.resident_bytes.min(other.resident_bytes),
        }
    }

    /// What this one has more of than another, beyond what may differ.
    ///
    /// Memory in use may differ by a little: tables and caches forget what has expired only when somebody looks. Resident memory tells
    /// less of the program than of its allocator, which keeps a page for as long as something small lives on it. So it is
    /// bounded by about what the load itself takes, against what memory in use can't show: mappings that nobody gives back.
    pub(crate) fn excess(self, before: Self) -> Vec<String> {
        let most = |bytes: usize| bytes + bytes / 10 + SPARE;
        let compared = [
            ("descriptors", self.descriptors, before.descriptors),
            ("connections", self.connections, before.connections),
            ("contexts", self.contexts, before.contexts),
            ("bytes of Lua", self.lua_bytes, most(before.lua_bytes)),
            ("bytes in use", self.used_bytes, most(before.used_bytes)),
            (
                "bytes of resident memory",
                self.resident_bytes,
                before.resident_bytes + PAGES_KEPT,
            ),
        ];
        compared
            .iter()
            .filter(|(_, now, most)| now > most)
            .map(|(what, now, most)| format!("{now} {what}, where {most} are the most"))
            .collect()
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
        write!(
            f,
            "{:>11} {:>11} {:>8} {:>8.1} {:>10.1} {:>8.1}",
            self.descriptors,
            self.connections,
            self.contexts,
            mib(self.lua_bytes),
            mib(self.used_bytes),
            mib(self.resident_bytes)
        )
    }
}

/// What the columns of a reading are.
pub(crate) const COLUMNS: &str = "descriptors connections contexts  Lua MiB in use MiB  RSS MiB";

/// Writes log lines to a file, for as long as this process lives.
pub(crate) fn log(path: &Path) -> Result<SocketAddr> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let address = socket.local_addr()?;
    let mut file = BufWriter::new(File::create(path)?);
    std::thread::spawn(move || {
        let mut line = [0; 4096];
        while let Ok(length) = socket.recv(&mut line) {
            // Lines help whoever looks for what went wrong; the soak goes on without them.
            let _ = file.write_all(line.get(..length).unwrap_or_default());
            let _ = file.write_all(b"\n");
        }
    });
    Ok(address)
}

/// The number behind a name of `show info`.
fn number(info: &str, name: &str) -> Result<usize> {
    let value = info
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        .ok_or_else(|| format!("`show info` has no {name}"))?;
    Ok(value.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: Reading = Reading {
        descriptors: 20,
        connections: 1,
        contexts: 2,
        lua_bytes: 1 << 20,
        used_bytes: 3 << 20,
        resident_bytes: 30 << 20,
    };

    #[test]
    fn what_is_left_over_is_named() {
        assert!(BEFORE.excess(BEFORE).is_empty());
        let after = Reading {
            descriptors: 21,
            used_bytes: 5 << 20,
            ..BEFORE
        };
        let excess = after.excess(BEFORE);
        assert_eq!(excess.len(), 2);
        assert!(excess[0].starts_with("21 descriptors"), "{excess:?}");
        assert!(excess[1].contains("bytes in use"), "{excess:?}");
    }

    #[test]
    fn pages_that_the_allocator_keeps_are_no_leak() {
        let resident = |mib: usize| Reading {
            resident_bytes: mib << 20,
            ..BEFORE
        };
        assert!(resident(150).excess(BEFORE).is_empty());
        assert_eq!(resident(160).excess(BEFORE).len(), 1);
    }

    #[test]
    fn numbers_of_show_info_are_found_by_their_names() {
        assert_eq!(number("Maxconn: 7\nCurrConns: 12\n", "CurrConns").unwrap(), 12);
        assert!(number("Maxconn: 7\n", "CurrConns").is_err());
    }
}
