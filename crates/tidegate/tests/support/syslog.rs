//! A syslog server.

use std::net::UdpSocket;
use std::time::Duration;

use super::Result;

/// Longest wait for a line. Only a program that is at fault meets it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A syslog server.
pub(crate) struct Syslog(pub(crate) UdpSocket);

impl Syslog {
    pub(crate) fn new() -> Result<Syslog> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Syslog(socket))
    }

    /// Its address such that no port of it is replaced.
    pub(crate) fn address(&self) -> Result<String> {
        Ok(format!("[::ffff:127.0.0.1]:{}", self.0.local_addr()?.port()))
    }

    /// The same as a target that says how it is sent to.
    pub(crate) fn target(&self) -> Result<String> {
        Ok(format!("udp@{}", self.address()?))
    }

    pub(crate) fn line(&self) -> Result<String> {
        let mut buffer = [0; 65_536];
        let n = self.0.recv(&mut buffer)?;
        let line = String::from_utf8(buffer.get(..n).unwrap_or_default().to_vec())?;
        Ok(line.strip_suffix('\n').ok_or("a line without an end")?.to_owned())
    }
}
