//! The floor: an epoll loop that reads and writes the same bytes as a server would, and parses nothing.
//!
//! It is a process of its own, `cargo xtask floor`, so that it can be pinned and its CPU time read like any server's.
//! In place of parsing it takes each read for one request, which holds for a client that sends one request at a time.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

use lexopt::ValueExt as _;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};

use crate::Result;

/// The answer of `return`, as long as those of the servers measured.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\ncontent-type: text/plain\r\n\r\nhello world";
const LISTENER: Token = Token(usize::MAX - 1);
const BUFFER_BYTES: usize = 16 * 1024;

/// `cargo xtask floor LISTEN [ORIGIN]`: answers by itself, or relays to the origin.
pub(crate) fn run(mut arguments: lexopt::Parser) -> Result<()> {
    let mut addresses = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Value(value) => addresses.push(value.string()?.parse::<SocketAddr>()?),
            other => return Err(other.unexpected().into()),
        }
    }
    match addresses[..] {
        [listen] => Floor::new(listen, None)?.serve(),
        [listen, origin] => Floor::new(listen, Some(origin))?.serve(),
        _ => Err("usage: cargo xtask floor LISTEN [ORIGIN]".into()),
    }
}

struct Floor {
    poll: Poll,
    listener: TcpListener,
    origin: Option<SocketAddr>,
    /// A connection's two ends: the client's has the token `2 * place`, the origin's the one after it.
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    buffer: Vec<u8>,
}

struct Connection {
    client: TcpStream,
    origin: Option<TcpStream>,
}

/// Whether a connection goes on.
#[derive(PartialEq)]
enum Next {
    Stay,
    Close,
}

impl Floor {
    fn new(listen: SocketAddr, origin: Option<SocketAddr>) -> Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(listen)?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            listener,
            origin,
            connections: Vec::new(),
            free: Vec::new(),
            buffer: vec![0; BUFFER_BYTES],
        })
    }

    fn serve(mut self) -> Result<()> {
        let mut events = Events::with_capacity(256);
        loop {
            if let Err(error) = self.poll.poll(&mut events, None) {
                if error.kind() == ErrorKind::Interrupted {
                    continue;
                }
                return Err(error.into());
            }
            for event in &events {
                if event.token() == LISTENER {
                    self.accept()?;
                } else {
                    self.ready(event.token().0, event.is_read_closed());
                }
            }
        }
    }

    fn accept(&mut self) -> Result<()> {
        loop {
            let mut client = match self.listener.accept() {
                Ok((client, _)) => client,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let place = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            let registry = self.poll.registry();
            let origin = match self.origin {
                None => None,
                Some(address) => {
                    // Without an origin the client is let go: the load tells of it.
                    let Ok(origin) = std::net::TcpStream::connect(address) else {
                        self.free.push(place);
                        continue;
                    };
                    origin.set_nonblocking(true)?;
                    let mut origin = TcpStream::from_std(origin);
                    watch(registry, &mut origin, 2 * place + 1)?;
                    Some(origin)
                }
            };
            watch(registry, &mut client, 2 * place)?;
            if let Some(slot) = self.connections.get_mut(place) {
                *slot = Some(Connection { client, origin });
            }
        }
    }

    fn ready(&mut self, token: usize, closing: bool) {
        let place = token / 2;
        let Some(slot) = self.connections.get_mut(place) else {
            return;
        };
        let Some(connection) = slot else { return };
        let next = match (&mut connection.origin, token % 2) {
            (None, _) => answer(&mut connection.client, &mut self.buffer, closing),
            (Some(origin), 0) => relay(&mut connection.client, origin, &mut self.buffer, closing),
            (Some(origin), _) => relay(origin, &mut connection.client, &mut self.buffer, closing),
        };
        if next == Next::Close {
            *slot = None;
            self.free.push(place);
        }
    }
}

fn watch(registry: &Registry, stream: &mut TcpStream, token: usize) -> Result<()> {
    stream.set_nodelay(true)?;
    registry.register(stream, Token(token), Interest::READABLE)?;
    Ok(())
}

fn answer(client: &mut TcpStream, buffer: &mut [u8], closing: bool) -> Next {
    loop {
        match client.read(buffer) {
            Ok(0) => return Next::Close,
            Ok(length) => {
                if client.write_all(ANSWER).is_err() {
                    return Next::Close;
                }
                // A short read has drained the socket, and the next bytes make an event of their own.
                if length < buffer.len() && !closing {
                    return Next::Stay;
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Next::Stay,
            Err(_) => return Next::Close,
        }
    }
}

fn relay(from: &mut TcpStream, to: &mut TcpStream, buffer: &mut [u8], closing: bool) -> Next {
    loop {
        match from.read(buffer) {
            Ok(0) => return Next::Close,
            Ok(length) => {
                // The messages of the bench are far smaller than a socket's buffer: a write that blocks ends the connection.
                let Some(bytes) = buffer.get(..length) else {
                    return Next::Close;
                };
                if to.write_all(bytes).is_err() {
                    return Next::Close;
                }
                if length < buffer.len() && !closing {
                    return Next::Stay;
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Next::Stay,
            Err(_) => return Next::Close,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    /// Starts a floor on a port of its own; its thread ends with the tests.
    fn start(origin: Option<SocketAddr>) -> SocketAddr {
        let floor = Floor::new("127.0.0.1:0".parse().unwrap(), origin).unwrap();
        let address = floor.listener.local_addr().unwrap();
        std::thread::spawn(move || floor.serve().map_err(|error| error.to_string()));
        address
    }

    fn ask(stream: &mut TcpStream) -> Vec<u8> {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut answer = vec![0; ANSWER.len()];
        stream.read_exact(&mut answer).unwrap();
        answer
    }

    #[test]
    fn it_answers_every_request_of_a_connection() {
        let mut stream = TcpStream::connect(start(None)).unwrap();
        assert_eq!(ask(&mut stream), ANSWER);
        assert_eq!(ask(&mut stream), ANSWER);
    }

    #[test]
    fn it_outlives_an_origin_that_is_not_there() {
        let nowhere = crate::process::free_address().unwrap();
        let floor = start(Some(nowhere));
        for _ in 0..2 {
            let mut rest = Vec::new();
            // Closed, or reset when the request was already there.
            let read = TcpStream::connect(floor).unwrap().read_to_end(&mut rest);
            assert!(read.is_err() || rest.is_empty());
        }
    }

    #[test]
    fn it_relays_both_ways_and_closes_with_the_client() {
        let mut stream = TcpStream::connect(start(Some(start(None)))).unwrap();
        assert_eq!(ask(&mut stream), ANSWER);
        assert_eq!(ask(&mut stream), ANSWER);
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        assert!(rest.is_empty());
    }
}
