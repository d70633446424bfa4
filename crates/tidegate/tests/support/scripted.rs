//! A site with a script and a runtime API.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Instant;

use super::Result;
use super::runtime::{PATIENCE, exchange};
use super::site::Site;

/// A site with a script and a runtime API, whose socket is `path`.
pub(crate) struct Scripted {
    pub(crate) site: Site,
    pub(crate) path: PathBuf,
}

impl Scripted {
    /// `script` is loaded with `lua-load`; `rest` follows the lines of `defaults`.
    pub(crate) fn start(name: &str, script: &str, rest: &str) -> Result<Scripted> {
        Scripted::start_with(name, script, "", rest, &[])
    }

    /// The same with further lines in `global`, and further files.
    pub(crate) fn start_with(
        name: &str,
        script: &str,
        global: &str,
        rest: &str,
        files: &[(&str, &str)],
    ) -> Result<Scripted> {
        let path = std::env::temp_dir().join(format!("tidegate-sc-{name}-{}.sock", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let config = format!(
            "global\n    nbthread 2\n    stats socket {} level admin\n    lua-load site/script.lua\n{global}\
             defaults\n    mode http\n    timeout connect 5s\n    timeout client 15s\n    timeout server 15s\n{rest}",
            path.display()
        );
        let mut all = vec![("site.cfg", config.as_str()), ("script.lua", script)];
        all.extend_from_slice(files);
        let site = Site::start(&format!("sc-{name}"), &all)?;
        Ok(Scripted { site, path })
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

impl Drop for Scripted {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
