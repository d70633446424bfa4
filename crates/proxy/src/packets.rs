//! How a client's packets are to be marked: the type of service and the netfilter mark of its connection.
//!
//! Whoever asks for them (a script) does not own the socket, so they are set before the next bytes go to the client.

use std::cell::Cell;

use socket2::SockRef;

use crate::log::{Level, Logger};
use crate::stream::Stream;

/// What was asked for and not set yet, and what was asked for last.
#[derive(Default)]
pub(crate) struct Packets {
    due: Cell<bool>,
    tos: Cell<Option<u8>>,
    mark: Cell<Option<u32>>,
}

impl Packets {
    /// Asks for a type of service.
    pub(crate) fn set_tos(&self, tos: u8) {
        self.tos.set(Some(tos));
        self.due.set(true);
    }

    /// Asks for a mark.
    pub(crate) fn set_mark(&self, mark: u32) {
        self.mark.set(Some(mark));
        self.due.set(true);
    }

    /// The type of service that was asked for.
    pub(crate) fn tos(&self) -> Option<u8> {
        self.tos.get()
    }

    /// The mark that was asked for.
    pub(crate) fn mark(&self) -> Option<u32> {
        self.mark.get()
    }

    /// Sets on the socket what was asked for since the last time. What the system refuses is logged.
    pub(crate) fn apply(&self, stream: &Stream, logger: &Logger) {
        if !self.due.get() {
            return;
        }
        self.due.set(false);
        // A Unix socket has no packets.
        let Some(tcp) = stream.tcp() else { return };
        let socket = SockRef::from(tcp);
        let is_v4 = tcp
            .peer_addr()
            .is_ok_and(|peer| peer.ip().to_canonical().is_ipv4());
        let tos = self.tos.get().map(|tos| match is_v4 {
            true => socket.set_tos_v4(tos.into()),
            false => socket.set_tclass_v6(tos.into()),
        });
        let mark = self.mark.get().map(|mark| socket.set_mark(mark));
        for (what, set) in [("type of service", tos), ("mark", mark)] {
            if let Some(Err(why)) = set {
                let message = format!("the {what} of the client's packets can't be set: {why}");
                logger.message(Level::Warning, &message);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::client::Client;
    use crate::stream::Counted;
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    /// A client's connection, and the client.
    async fn connected(to: &str) -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind(to).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        (accepted.unwrap().0, client.unwrap())
    }

    #[tokio::test]
    async fn what_was_asked_for_is_set_before_the_next_bytes() {
        let client = Rc::new(Client::detached("f", None, None, 0));
        let packets = &client.packets;
        let (tcp, _client) = connected("127.0.0.1:0").await;
        let (mut counted, _) = Counted::marked(Stream::Tcp(tcp), Some(client.clone()));
        let tos = |counted: &Counted| SockRef::from(counted.stream().tcp().unwrap()).tos_v4().unwrap();
        counted.write_all(b"a").await.unwrap();
        assert_eq!(tos(&counted), 0);
        packets.set_tos(0x20);
        packets.set_tos(0x48);
        counted.write_all(b"b").await.unwrap();
        assert_eq!((tos(&counted), packets.tos()), (0x48, Some(0x48)));
    }

    #[tokio::test]
    async fn an_ipv6_client_has_a_traffic_class() {
        let packets = Packets::default();
        let (tcp, _client) = connected("[::1]:0").await;
        packets.set_tos(0x20);
        let stream = Stream::Tcp(tcp);
        packets.apply(&stream, &Logger::discard());
        let Stream::Tcp(tcp) = stream else { return };
        assert_eq!(SockRef::from(&tcp).tclass_v6().unwrap(), 0x20);
    }

    #[tokio::test]
    async fn a_mark_is_set_where_the_system_allows_it() {
        let packets = Packets::default();
        let (tcp, _client) = connected("127.0.0.1:0").await;
        let allowed = SockRef::from(&tcp).set_mark(1).is_ok();
        packets.set_mark(7);
        let stream = Stream::Tcp(tcp);
        packets.apply(&stream, &Logger::discard());
        let Stream::Tcp(tcp) = stream else { return };
        let mark = SockRef::from(&tcp).mark().unwrap();
        assert_eq!(mark, if allowed { 7 } else { 0 });
    }
}
