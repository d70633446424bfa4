//! SOCKS4: asking a proxy to connect to somebody.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const VERSION: u8 = 4;
const CONNECT: u8 = 1;
const GRANTED: u8 = 0x5a;

/// Who asks.
const USER: &[u8] = b"HAProxy\0";

/// Why the proxy made no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The address can't be written in a request: it is one of IPv6.
    Family,
    /// The proxy refuses, or can't reach the address.
    Denied,
    /// The proxy closed the connection before it had answered.
    Aborted,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::Family => "SOCKS4 knows no addresses of IPv6",
            Fault::Denied => "SOCKS4 Proxy deny the request",
            Fault::Aborted => "SOCKS4 Proxy handshake aborted by server",
        })
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> io::Error {
        io::Error::other(fault)
    }
}

/// The number by which fetches know the fault; none if SOCKS is not to blame.
pub(super) fn number(why: &io::Error) -> Option<u8> {
    let fault = why.get_ref()?.downcast_ref::<Fault>()?;
    Some(match fault {
        Fault::Family => 39,
        Fault::Denied => 41,
        Fault::Aborted => 42,
    })
}

/// Has the proxy at the other end of `stream` connect to `to`. What is read and written afterwards is between those two.
///
/// # Errors
/// The proxy refuses or breaks off, or the address is one that it can't be told.
pub(crate) async fn ask<S>(stream: &mut S, to: SocketAddr) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let IpAddr::V4(ip) = to.ip().to_canonical() else {
        return Err(Fault::Family.into());
    };
    let mut request = vec![VERSION, CONNECT];
    request.extend(to.port().to_be_bytes());
    request.extend(ip.octets());
    request.extend(USER);
    stream.write_all(&request).await?;
    // No more than the answer is read: what follows is the server's.
    let mut answer = [0; 8];
    match stream.read_exact(&mut answer).await {
        Ok(_) if answer.starts_with(&[0, GRANTED]) => Ok(()),
        Ok(_) => Err(Fault::Denied.into()),
        Err(why) if why.kind() == io::ErrorKind::UnexpectedEof => Err(Fault::Aborted.into()),
        Err(why) => Err(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &[u8] = &[
        4, 1, 0, 80, 192, 0, 2, 1, b'H', b'A', b'P', b'r', b'o', b'x', b'y', 0,
    ];

    async fn asked(answer: &[u8], to: &str) -> (io::Result<()>, Vec<u8>) {
        let (mut ours, mut theirs) = tokio::io::duplex(64);
        theirs.write_all(answer).await.unwrap();
        theirs.shutdown().await.unwrap();
        let result = ask(&mut ours, to.parse().unwrap()).await;
        drop(ours);
        let mut request = Vec::new();
        theirs.read_to_end(&mut request).await.unwrap();
        (result, request)
    }

    fn fault(result: io::Result<()>) -> Option<u8> {
        number(&result.unwrap_err())
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_request_names_the_address_and_the_answer_decides() {
        let (result, request) = asked(&[0, 0x5a, 0, 0, 0, 0, 0, 0], "192.0.2.1:80").await;
        assert!(result.is_ok());
        assert_eq!(request, ALL);
        let (result, request) = asked(&[0, 0x5b, 0, 0, 0, 0, 0, 0], "[::ffff:192.0.2.1]:80").await;
        assert_eq!(fault(result), Some(41));
        assert_eq!(request, ALL);
        let (result, _) = asked(&[0, 0x5a, 0], "192.0.2.1:80").await;
        assert_eq!(fault(result), Some(42));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn nothing_is_asked_for_what_can_not_be_said() {
        let (result, request) = asked(&[], "[2001:db8::1]:80").await;
        assert_eq!(fault(result), Some(39));
        assert!(request.is_empty());
    }
}
