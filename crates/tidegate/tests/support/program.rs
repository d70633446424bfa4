//! The program under test, started on a copy of its files with ports that are free.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Result;

/// Longest wait for a listener, or for a line of output. Only a program that is at fault meets it.
const START_LIMIT: Duration = Duration::from_secs(30);

/// What the addresses in the files of an example begin with.
const LOOPBACK: &str = "127.0.0.1:";

/// A running program. Dropping it ends the process and removes its files.
pub(crate) struct Program {
    child: Child,
    files: Files,
    output: Arc<Mutex<String>>,
}

impl Program {
    /// Copies the files of the directory `path` below `root`, gives every `127.0.0.1:PORT` in them a free port (the same
    /// one for the same number), and starts the program on the copy's `config`, as someone at the root would do.
    pub(crate) fn start(root: &Path, path: &str, config: &str) -> Result<Self> {
        Self::start_with(root, path, config, &[])
    }

    /// The same with more flags.
    pub(crate) fn start_with(root: &Path, path: &str, config: &str, flags: &[&str]) -> Result<Self> {
        let files = Files::copy(root, path)?;
        let mut child = Command::new(binary())
            .arg("-db")
            .args(flags)
            .arg("-f")
            .arg(Path::new(path).join(config))
            .current_dir(&files.root)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let output = Arc::new(Mutex::new(String::new()));
        collect(child.stdout.take(), &output);
        collect(child.stderr.take(), &output);
        Ok(Self { child, files, output })
    }

    /// Where the program's files are.
    pub(crate) fn directory(&self) -> &Path {
        &self.files.directory
    }

    /// The program's process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The status that it ended with, once it has.
    pub(crate) fn status(&mut self) -> Result<Option<i32>> {
        Ok(self.child.wait()?.code())
    }

    /// What the program has printed so far.
    pub(crate) fn output(&self) -> String {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until what the program has printed is as wanted, or returns it when it never was.
    pub(crate) fn wait_for_output(&self, wanted: impl Fn(&str) -> bool) -> Result<(), String> {
        let start = Instant::now();
        loop {
            let output = self.output();
            if wanted(&output) {
                return Ok(());
            }
            if start.elapsed() > START_LIMIT {
                return Err(output);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until `address` takes connections. A program that ended first is an error that tells what it printed.
    pub(crate) fn wait_for(&mut self, address: SocketAddr) -> Result<()> {
        let start = Instant::now();
        while TcpStream::connect_timeout(&address, START_LIMIT).is_err() {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("ended with {status}\n{}", self.output()).into());
            }
            if start.elapsed() > START_LIMIT {
                return Err(format!("does not listen on {address}\n{}", self.output()).into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A process that has already ended is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program to test.
pub(crate) fn binary() -> OsString {
    std::env::var_os("TIDEGATE_TEST_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_tidegate").into())
}

/// Keeps what the program prints, and keeps its pipe from filling up.
fn collect(pipe: Option<impl Read + Send + 'static>, output: &Arc<Mutex<String>>) {
    let Some(pipe) = pipe else { return };
    let output = Arc::clone(output);
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        // It ends with the process; a line may hold any bytes.
        while pipe.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            output
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    });
}

/// A copy of a program's files. Dropping it removes them.
struct Files {
    /// Stands for the root of the project.
    root: PathBuf,
    /// Where the files are, below it.
    directory: PathBuf,
}

impl Files {
    fn copy(root: &Path, path: &str) -> Result<Self> {
        static COPIES: AtomicU32 = AtomicU32::new(0);
        let copy = COPIES.fetch_add(1, Ordering::Relaxed);
        let copied_root = std::env::temp_dir().join(format!("tidegate-test-{}-{copy}", std::process::id()));
        let files = Self {
            directory: copied_root.join(path),
            root: copied_root,
        };
        std::fs::create_dir_all(&files.directory)?;
        let mut ports = Ports::default();
        for entry in std::fs::read_dir(root.join(path))? {
            let source = entry?.path();
            if source.is_file() {
                let name = source.file_name().ok_or("a file without a name")?;
                let text = ports.renumber(&std::fs::read_to_string(&source)?)?;
                std::fs::write(files.directory.join(name), text)?;
            }
        }
        Ok(files)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's cleaning of temporary files.
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

/// The free ports that stand for those written in the files.
#[derive(Default)]
struct Ports {
    given: Vec<(String, u16)>,
}

/// A port that nobody listens on, and that nobody else will be given: a port that the system picks and that is let go
/// of again may be picked for the next test, or for a connection. So these lie below those that Linux picks from, and
/// come once each; programs of tests that run at a time begin in different places.
pub(crate) fn free_port() -> Result<u16> {
    const FIRST: u32 = 10_000;
    const PORTS: u32 = 22_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..PORTS {
        let nth = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (std::process::id().wrapping_mul(61).wrapping_add(nth)) % PORTS;
        let port = u16::try_from(port)?;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    Err("no free port".into())
}

impl Ports {
    fn renumber(&mut self, text: &str) -> Result<String> {
        let mut parts = text.split(LOOPBACK);
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let digits = part
                .find(|letter: char| !letter.is_ascii_digit())
                .unwrap_or(part.len());
            let (port, rest) = part.split_at(digits);
            out.push_str(LOOPBACK);
            if !port.is_empty() {
                out.push_str(&self.free(port)?.to_string());
            }
            out.push_str(rest);
        }
        Ok(out)
    }

    fn free(&mut self, port: &str) -> Result<u16> {
        if let Some((_, free)) = self.given.iter().find(|(known, _)| known == port) {
            return Ok(*free);
        }
        let free = free_port()?;
        self.given.push((port.to_owned(), free));
        Ok(free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_gets_the_same_new_number_everywhere() {
        let mut ports = Ports::default();
        let one = ports.renumber("a 127.0.0.1:80 b 127.0.0.1:81/x").unwrap();
        let two = ports.renumber("127.0.0.1:81").unwrap();
        assert_ne!(one, "a 127.0.0.1:80 b 127.0.0.1:81/x");
        assert!(one.ends_with(&format!("{two}/x")), "{one} {two}");
        assert_eq!(ports.given.len(), 2);
    }
}
