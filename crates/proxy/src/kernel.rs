//! What the kernel measures of a TCP connection, asked over netlink (`sock_diag`) by the connection's two addresses.
//!
//! `getsockopt(TCP_INFO)` gives the same, but nothing that wraps it is safe. Only fetches that are used ask, so two system
//! calls more are nothing.

use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tidegate_sample::figures::TcpFigures;

/// `AF_NETLINK`, `NETLINK_SOCK_DIAG`, `SOCK_DIAG_BY_FAMILY`, `NLM_F_REQUEST`.
const NETLINK: i32 = 16;
const SOCK_DIAG: i32 = 4;
const BY_FAMILY: u16 = 20;
const REQUEST: u16 = 1;

/// `AF_INET`, `AF_INET6`, `IPPROTO_TCP`.
const INET: u8 = 2;
const INET6: u8 = 10;
const TCP: u8 = 6;

/// The attribute that holds the kernel's `tcp_info`.
const INFO: u16 = 2;

/// The lengths of a message's header, and of the structure that an answer begins with.
const HEADER_BYTES: usize = 16;
const ANSWER_BYTES: usize = 72;

/// The measurements of the connection between these two ends; none if this system has no such connection.
pub(crate) fn measure(local: SocketAddr, peer: SocketAddr) -> Option<TcpFigures> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let answer = ask(&question(local, peer)).ok()?;
    figures(&answer)
}

fn ask(question: &[u8]) -> io::Result<Vec<u8>> {
    let mut socket = Socket::new(Domain::from(NETLINK), Type::RAW, Some(Protocol::from(SOCK_DIAG)))?;
    // The kernel answers at once; should it not, a worker must not stand still.
    socket.set_read_timeout(Some(Duration::from_millis(20)))?;
    socket.send(question)?;
    let mut answer = vec![0; 2048];
    let length = socket.read(&mut answer)?;
    answer.truncate(length);
    Ok(answer)
}

fn question(local: SocketAddr, peer: SocketAddr) -> Vec<u8> {
    let family = if local.is_ipv4() { INET } else { INET6 };
    let mut message = Vec::with_capacity(HEADER_BYTES + 56);
    message.extend([0; 4]);
    message.extend(BY_FAMILY.to_ne_bytes());
    message.extend(REQUEST.to_ne_bytes());
    // Sequence and sender.
    message.extend([0; 8]);
    message.extend([family, TCP, 1 << (INFO - 1), 0]);
    // In any state.
    message.extend(u32::MAX.to_ne_bytes());
    message.extend(local.port().to_be_bytes());
    message.extend(peer.port().to_be_bytes());
    message.extend(address(local.ip()));
    message.extend(address(peer.ip()));
    // On any interface, with any cookie.
    message.extend([0; 4]);
    message.extend([0xff; 8]);
    let length = u32::try_from(message.len()).unwrap_or_default().to_ne_bytes();
    message.splice(..length.len(), length);
    message
}

fn address(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V6(ip) => ip.octets(),
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
    }
}

/// What an answer says; none if it is an error.
fn figures(answer: &[u8]) -> Option<TcpFigures> {
    if u16_at(answer, 4)? != BY_FAMILY {
        return None;
    }
    let mut attributes = answer.get(HEADER_BYTES + ANSWER_BYTES..)?;
    loop {
        let length = usize::from(u16_at(attributes, 0)?);
        if u16_at(attributes, 2)? == INFO {
            return info(attributes.get(4..length)?);
        }
        // An attribute has a head of four bytes, and ends at a multiple of four.
        attributes = attributes.get(length.max(4).next_multiple_of(4)..)?;
    }
}

/// Eight bytes of states and options, then counters of 32 bits.
fn info(info: &[u8]) -> Option<TcpFigures> {
    let at = |index: usize| u32_at(info, 8 + 4 * index);
    Some(TcpFigures {
        unacked: at(4)?,
        sacked: at(5)?,
        lost: at(6)?,
        retrans: at(7)?,
        fackets: at(8)?,
        rtt_us: at(15)?,
        rttvar_us: at(16)?,
        reordering: at(20)?,
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    /// The server's end of a connection on which both sides have written, and the client's.
    fn connected(to: &str) -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind(to).unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut accepted, _) = listener.accept().unwrap();
        for _ in 0..3 {
            client.write_all(b"ping").unwrap();
            accepted.read_exact(&mut [0; 4]).unwrap();
            accepted.write_all(b"pong").unwrap();
            client.read_exact(&mut [0; 4]).unwrap();
        }
        (accepted, client)
    }

    #[test]
    fn a_connection_is_measured_over_either_protocol() {
        for to in ["127.0.0.1:0", "[::1]:0"] {
            let (server, _client) = connected(to);
            let (local, peer) = (server.local_addr().unwrap(), server.peer_addr().unwrap());
            let figures = measure(local, peer).unwrap();
            assert!(figures.rtt_us > 0 && figures.rttvar_us > 0, "{figures:?}");
            // Networks are taken to change the order a little before one was seen to.
            assert!((1..=300).contains(&figures.reordering), "{figures:?}");
            assert_eq!((figures.lost, figures.retrans), (0, 0));
        }
    }

    #[test]
    fn what_is_not_connected_is_not_measured() {
        let (server, client) = connected("127.0.0.1:0");
        let (local, peer) = (server.local_addr().unwrap(), server.peer_addr().unwrap());
        assert_eq!(
            measure(local, SocketAddr::from(([127, 0, 0, 9], peer.port()))),
            None
        );
        drop((server, client));
    }

    #[test]
    fn what_is_no_answer_says_nothing() {
        let (server, _client) = connected("127.0.0.1:0");
        let (local, peer) = (server.local_addr().unwrap(), server.peer_addr().unwrap());
        let answer = ask(&question(local, peer)).unwrap();
        assert!(figures(&answer).is_some());
        for end in 0..HEADER_BYTES + ANSWER_BYTES {
            assert_eq!(figures(&answer[..end]), None);
        }
        for at in 0..answer.len() {
            for byte in [0, 1, 0xff] {
                let mut changed = answer.clone();
                changed[at] = byte;
                let _ = figures(&changed);
            }
        }
    }
}
