//! A site made of a configuration and a script that a test writes, served by the program.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use super::Result;
use super::program::Program;

/// A running site. Every `127.0.0.1:PORT` of its files stands for a free port.
pub(crate) struct Site {
    program: Program,
    binds: Vec<SocketAddr>,
    root: PathBuf,
}

impl Site {
    /// Writes the files and serves them; `site.cfg` is the first of them.
    pub(crate) fn start(name: &str, files: &[(&str, &str)]) -> Result<Site> {
        let root = std::env::temp_dir().join(format!("tidegate-site-{name}-{}", std::process::id()));
        std::fs::create_dir_all(root.join("site"))?;
        for (file, text) in files {
            std::fs::write(root.join("site").join(file), text)?;
        }
        let mut program = Program::start(&root, "site", "site.cfg")?;
        let config = std::fs::read_to_string(program.directory().join("site.cfg"))?;
        let binds = config
            .lines()
            .filter_map(|line| line.trim().strip_prefix("bind 127"))
            .map(|rest| format!("127{rest}").parse())
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

    /// A connection to the bind line of this index.
    pub(crate) fn connect(&self, bind: usize) -> Result<TcpStream> {
        let stream = TcpStream::connect(self.binds.get(bind).ok_or("no such bind")?)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(stream)
    }

    /// One GET request on a connection of its own; everything until the end.
    pub(crate) fn get(&self, path: &str) -> Result<String> {
        self.ask(&format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
        ))
    }

    /// What comes back for the bytes of a request, until the end. A connection that isn't ended is an error.
    pub(crate) fn ask(&self, request: &str) -> Result<String> {
        let mut stream = self.connect(0)?;
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            // What came before a reset counts.
            Err(e) if e.kind() != std::io::ErrorKind::ConnectionReset => Err(e.into()),
            _ => Ok(String::from_utf8_lossy(&answer).into_owned()),
        }
    }

    /// Waits for a text in the program's output.
    pub(crate) fn logged(&self, wanted: &str) -> Result<()> {
        let found = self.program.wait_for_output(|output| output.contains(wanted));
        found.map_err(|output| format!("`{wanted}` was not logged:\n{output}").into())
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // What is left over is the temporary directory's to lose.
        let _ = std::fs::remove_dir_all(&self.root);
    }
}
