//! A site with a runtime API, and what is said over it.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::Result;
use super::site::Site;

/// Longest wait for an answer. Only a program that is at fault meets it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A site with a runtime API, whose socket is `path`.
pub(crate) struct Runtime {
    pub(crate) site: Site,
    pub(crate) path: PathBuf,
}

impl Runtime {
    /// `stats` are the lines about the socket, `global` and `rest` what else there is.
    pub(crate) fn start(name: &str, parameters: &str, global: &str, rest: &str) -> Result<Runtime> {
        let path = std::env::temp_dir().join(format!("tidegate-rt-{name}-{}.sock", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let config = format!(
            "global\n    nbthread 2\n    stats socket {} {parameters}\n{global}\
             defaults\n    mode http\n    timeout connect 5s\n    timeout client 15s\n    timeout server 15s\n\
             listen site\n    bind 127.0.0.1:8080\n    http-request return status 200 content-type text/plain \
             lf-string \"%[path,map(site/colours.map,none)]\\n\"\n{rest}",
            path.display()
        );
        let files = [
            ("site.cfg", config.as_str()),
            ("colours.map", "/sky blue\n/grass green\n"),
        ];
        let site = Site::start(&format!("rt-{name}"), &files)?;
        Ok(Runtime { site, path })
    }

    pub(crate) fn connect(&self) -> Result<UnixStream> {
        let stream = UnixStream::connect(&self.path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// What comes back for some lines, up to the end of the connection.
    pub(crate) fn ask(&self, lines: &str) -> Result<String> {
        exchange(self.connect()?, lines)
    }

    /// What the second listener answers with.
    pub(crate) fn body(&self) -> Result<String> {
        let mut stream = self.site.connect(1)?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
        let answer = super::site::rest(stream)?;
        let (_, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
        Ok(body.to_owned())
    }

    /// The servers that some requests to it in turn go to: so many that chance (`balance random`) leaves none of two out.
    pub(crate) fn used(&self) -> Result<String> {
        let mut used: Vec<String> = (0..48).map(|_| self.body()).collect::<Result<_>>()?;
        used.sort();
        used.dedup();
        Ok(used.join(" "))
    }

    /// Asks until the answer has this in it.
    pub(crate) fn until(&self, lines: &str, wanted: &str) -> Result<String> {
        let start = Instant::now();
        loop {
            let answer = self.ask(lines)?;
            if answer.contains(wanted) {
                return Ok(answer);
            }
            if start.elapsed() > PATIENCE {
                return Err(format!("`{wanted}` never came: {answer}").into());
            }
        }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// What comes back for some lines, up to the end of the connection.
pub(crate) fn exchange(mut stream: impl Read + Write, lines: &str) -> Result<String> {
    stream.write_all(lines.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
