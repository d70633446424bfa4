//! What both programs find around them: files, addresses, and servers that tell what they were asked.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use crate::process::free_address;
use crate::{Result, root};

/// Addresses and files of a run.
pub(super) struct Ground {
    pub(super) http: SocketAddr,
    pub(super) stream: SocketAddr,
    pub(super) tcp: SocketAddr,
    pub(super) filtered: SocketAddr,
    pub(super) passing: SocketAddr,
    paused: SocketAddr,
    stopped: SocketAddr,
    origin: SocketAddr,
    echo: SocketAddr,
    whole: SocketAddr,
    echo_socket: PathBuf,
}

impl Ground {
    /// Finds addresses and starts the servers, which end with this process.
    pub(super) fn new(directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory)?;
        let (origin, echo, whole) = (
            TcpListener::bind("127.0.0.1:0")?,
            TcpListener::bind("127.0.0.1:0")?,
            TcpListener::bind("127.0.0.1:0")?,
        );
        let echo_socket = directory.join("echo.sock");
        let unix = UnixListener::bind(&echo_socket)?;
        let ground = Self {
            http: free_address()?,
            stream: free_address()?,
            tcp: free_address()?,
            filtered: free_address()?,
            passing: free_address()?,
            paused: free_address()?,
            stopped: free_address()?,
            origin: origin.local_addr()?,
            echo: echo.local_addr()?,
            whole: whole.local_addr()?,
            echo_socket,
        };
        // Whoever hangs up early gets no answer.
        std::thread::spawn(move || {
            for connection in origin.incoming().flatten() {
                std::thread::spawn(move || answer(&connection));
            }
        });
        std::thread::spawn(move || {
            for connection in echo.incoming().flatten() {
                std::thread::spawn(move || send_back(&connection, &connection));
            }
        });
        std::thread::spawn(move || {
            for connection in whole.incoming().flatten() {
                std::thread::spawn(move || send_back_at_once(&connection));
            }
        });
        std::thread::spawn(move || {
            for connection in unix.incoming().flatten() {
                std::thread::spawn(move || send_back(&connection, &connection));
            }
        });
        Ok(ground)
    }

    /// Writes the configuration of one program, with lists of its own.
    pub(super) fn write(&self, directory: &Path) -> Result<Files> {
        let cases = root().join("xtask/conform/lua");
        let lists = directory.join("lists");
        fs::create_dir_all(&lists)?;
        let mut names = Vec::new();
        for entry in fs::read_dir(&cases)? {
            let path = entry?.path();
            let is_case = path.extension().is_some_and(|extension| extension == "lua");
            if is_case && path.file_stem().is_some_and(|stem| stem != "harness") {
                names.push(format!("    lua-load {}", path.display()));
            }
        }
        names.sort();
        for entry in fs::read_dir(cases.join("lists"))? {
            let entry = entry?;
            fs::copy(entry.path(), lists.join(entry.file_name()))?;
        }
        let files = Files {
            configuration: directory.join("site.cfg"),
            said: directory.join("said.tsv"),
            api: directory.join("api.sock"),
            output: directory.join("output"),
        };
        // HAProxy 2.6 hands no arguments to scripts.
        let site = directory.join("site.lua");
        fs::write(
            &site,
            format!(
                "site = {{ out = {:?}, origin = {}, echo = {}, socket = {:?}, lists = {lists:?} }}\n",
                files.said,
                self.origin.port(),
                self.echo.port(),
                self.echo_socket
            ),
        )?;
        let mut text = fs::read_to_string(cases.join("site.cfg"))?;
        for (word, value) in [
            ("{api}", files.api.display().to_string()),
            ("{cases}", cases.display().to_string()),
            ("{site}", site.display().to_string()),
            ("{origin}", self.origin.port().to_string()),
            ("{echo}", self.echo.port().to_string()),
            ("{whole}", self.whole.port().to_string()),
            ("{lists}", lists.display().to_string()),
            ("{scripts}", names.join("\n")),
            ("{http}", self.http.port().to_string()),
            ("{stream}", self.stream.port().to_string()),
            ("{tcp}", self.tcp.port().to_string()),
            ("{filtered}", self.filtered.port().to_string()),
            ("{passing}", self.passing.port().to_string()),
            ("{paused}", self.paused.port().to_string()),
            ("{stopped}", self.stopped.port().to_string()),
        ] {
            text = text.replace(word, &value);
        }
        fs::write(&files.configuration, text)?;
        Ok(files)
    }
}

/// The files of one program.
pub(super) struct Files {
    pub(super) configuration: PathBuf,
    /// What the cases say.
    pub(super) said: PathBuf,
    pub(super) api: PathBuf,
    pub(super) output: PathBuf,
}

/// Answers requests, each with its own head and body in the body: without what every hop adds by itself.
fn answer(connection: &std::net::TcpStream) -> Option<()> {
    let mut reader = BufReader::new(connection);
    loop {
        let (mut lines, mut length, mut first) = (Vec::new(), Some(0), String::new());
        reader.read_line(&mut first).ok().filter(|count| *count > 0)?;
        let head_only = first.starts_with("HEAD ");
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            let (name, value) = (name.to_lowercase(), value.trim());
            match name.as_str() {
                "connection" => {}
                "content-length" => length = Some(value.parse().ok()?),
                "transfer-encoding" => length = None,
                _ => lines.push(format!("{name}: {value}\n")),
            }
        }
        lines.sort();
        let body = match length {
            Some(length) => exactly(&mut reader, length)?,
            None => chunks(&mut reader)?,
        };
        let mut told = format!("{}\n{}", first.trim_end(), lines.concat()).into_bytes();
        told.extend_from_slice(b"\n");
        told.extend_from_slice(&body);
        let head = format!(
            "HTTP/1.1 200 OK\r\nx-origin: here\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: {}\r\n\r\n",
            told.len()
        );
        let mut writer = connection;
        writer.write_all(head.as_bytes()).ok()?;
        if !head_only {
            writer.write_all(&told).ok()?;
        }
    }
}

fn exactly(reader: &mut impl Read, length: usize) -> Option<Vec<u8>> {
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}

fn chunks(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let size = usize::from_str_radix(line.trim(), 16).ok()?;
        body.extend_from_slice(&exactly(reader, size)?);
        reader.read_line(&mut line).ok()?;
        if size == 0 {
            return Some(body);
        }
    }
}

/// Sends back all that came once the other side has ended, in one piece: whoever looks at it sees all of it or nothing.
fn send_back_at_once(mut connection: &std::net::TcpStream) -> Option<()> {
    let mut all = Vec::new();
    connection.read_to_end(&mut all).ok()?;
    connection.write_all(&all).ok()
}

/// Sends back what comes, until the other side or the line `quit` ends it.
fn send_back(reader: impl Read, mut writer: impl Write) -> Option<()> {
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = Vec::new();
        reader
            .read_until(b'\n', &mut line)
            .ok()
            .filter(|count| *count > 0)?;
        if line == b"quit\n" {
            return None;
        }
        writer.write_all(&line).ok()?;
    }
}
