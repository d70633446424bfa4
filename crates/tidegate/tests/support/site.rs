//! A site made of a configuration and a script that a test writes, served by the program.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::Result;
use super::program::Program;

/// Longest wait for an answer. Only a program that is at fault meets it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running site. Every `127.0.0.1:PORT` of its files stands for a free port.
pub(crate) struct Site {
    program: Program,
    binds: Vec<SocketAddr>,
    root: PathBuf,
}

impl Site {
    /// Writes the files and serves them; `site.cfg` is the first of them.
    pub(crate) fn start(name: &str, files: &[(&str, &str)]) -> Result<Site> {
        Site::start_with(name, files, &[])
    }

    /// The same with more flags of the command line.
    pub(crate) fn start_with(name: &str, files: &[(&str, &str)], flags: &[&str]) -> Result<Site> {
        let root = std::env::temp_dir().join(format!("tidegate-site-{name}-{}", std::process::id()));
        std::fs::create_dir_all(root.join("site"))?;
        for (file, text) in files {
            std::fs::write(root.join("site").join(file), text)?;
        }
        let mut program = Program::start_with(&root, "site", "site.cfg", flags)?;
        let config = std::fs::read_to_string(program.directory().join("site.cfg"))?;
        let binds = config
            .lines()
            .filter_map(|line| line.trim().strip_prefix("bind "))
            .filter_map(|rest| rest.split(' ').next())
            .filter(|address| address.starts_with("127"))
            .map(str::parse)
            .collect::<Result<Vec<SocketAddr>, _>>()?;
        for bind in &binds {
            program.wait_for(*bind)?;
        }
        Ok(Site { program, binds, root })
    }

    /// Where the program's files are.
    pub(crate) fn directory(&self) -> &std::path::Path {
        self.program.directory()
    }

    /// The number of the program's process.
    pub(crate) fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// The status that the program ended with, once it has.
    pub(crate) fn status(&mut self) -> Result<Option<i32>> {
        self.program.status()
    }

    /// The address of the bind line of this index.
    pub(crate) fn address(&self, bind: usize) -> Result<SocketAddr> {
        Ok(*self.binds.get(bind).ok_or("no such bind")?)
    }

    /// A connection to the bind line of this index.
    pub(crate) fn connect(&self, bind: usize) -> Result<TcpStream> {
        let stream = TcpStream::connect(self.address(bind)?)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// One GET request on a connection of its own; everything until the end.
    pub(crate) fn get(&self, path: &str) -> Result<String> {
        rest(self.begin(path)?)
    }

    /// Sends a GET request on a connection of its own, for [`rest`] to read the answer.
    pub(crate) fn begin(&self, path: &str) -> Result<TcpStream> {
        let mut stream = self.connect(0)?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        Ok(stream)
    }

    /// Asks again and again until the body of the answer is as wanted.
    pub(crate) fn until(&self, path: &str, wanted: &str) -> Result<()> {
        let start = Instant::now();
        loop {
            let answer = self.get(path)?;
            if answer
                .split_once("\r\n\r\n")
                .is_some_and(|(_, body)| body == wanted)
            {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                return Err(format!("{path} never answered `{wanted}`, but: {answer}").into());
            }
        }
    }

    /// What comes back for the bytes of a request, until the end. A connection that isn't ended is an error.
    pub(crate) fn ask(&self, request: &str) -> Result<String> {
        let mut stream = self.connect(0)?;
        stream.write_all(request.as_bytes())?;
        rest(stream)
    }

    /// Waits for a line of the program's output that holds all of these.
    pub(crate) fn logged_line(&self, wanted: &[&str]) -> Result<()> {
        let holds = |line: &str| wanted.iter().all(|part| line.contains(part));
        let found = self.program.wait_for_output(|output| output.lines().any(holds));
        found.map_err(|output| format!("no line with {wanted:?} was logged:\n{output}").into())
    }

    /// What the program has printed so far.
    pub(crate) fn output(&self) -> String {
        self.program.output()
    }

    /// Waits for a text in the program's output.
    pub(crate) fn logged(&self, wanted: &str) -> Result<()> {
        let found = self.program.wait_for_output(|output| output.contains(wanted));
        found.map_err(|output| format!("`{wanted}` was not logged:\n{output}").into())
    }
}

/// All that still comes. A connection that isn't ended is an error.
pub(crate) fn rest(mut stream: TcpStream) -> Result<String> {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        // What came before a reset counts.
        Err(e) if e.kind() != std::io::ErrorKind::ConnectionReset => Err(e.into()),
        _ => Ok(String::from_utf8_lossy(&answer).into_owned()),
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // What is left over is the temporary directory's to lose.
        let _ = std::fs::remove_dir_all(&self.root);
    }
}
