//! How much the system holds for a connection.

use std::io;

use socket2::SockRef;

/// What a socket is told of that. None: the system decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketBuffers {
    /// Bytes that came and weren't read yet.
    pub received: Option<usize>,
    /// Bytes that are on their way, or wait for that.
    pub sent: Option<usize>,
    /// Bytes that weren't sent yet, beyond which nothing more is taken.
    pub unsent: Option<u32>,
}

impl SocketBuffers {
    /// Tells a socket; what comes through one that listens inherits it.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn apply(&self, socket: &SockRef<'_>) -> io::Result<()> {
        if let Some(bytes) = self.received {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.sent {
            socket.set_send_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.unsent {
            socket.set_tcp_notsent_lowat(bytes)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn connections_inherit_what_the_listening_socket_was_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let buffers = SocketBuffers {
            received: Some(8_192),
            sent: Some(16_384),
            unsent: Some(4_096),
        };
        buffers.apply(&SockRef::from(&listener)).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (served, _) = listener.accept().unwrap();
        let served = SockRef::from(&served);
        // The system tells twice of what it was told: half is for its own books.
        assert_eq!(served.recv_buffer_size().unwrap(), 2 * 8_192);
        assert_eq!(served.send_buffer_size().unwrap(), 2 * 16_384);
        assert_eq!(served.tcp_notsent_lowat().unwrap(), 4_096);
    }
}
