//! Servers that a test plays itself, behind the program.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use super::Result;

/// The head of one HTTP message, with its empty line.
pub(crate) fn head(from: &mut impl BufRead) -> Result<String> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if from.read_line(&mut head)? == 0 {
            return Err(format!("ended within a head: `{head}`").into());
        }
    }
    Ok(head)
}

/// An origin that does with each connection as told, in a thread of its own, until the test ends.
pub(crate) fn origin(each: impl Fn(TcpStream) -> Result<()> + Send + Sync + 'static) -> Result<SocketAddr> {
    origin_at((Ipv4Addr::LOCALHOST, 0).into(), each)
}

/// The same at an address that the test chooses.
pub(crate) fn origin_at(
    address: SocketAddr,
    each: impl Fn(TcpStream) -> Result<()> + Send + Sync + 'static,
) -> Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    let address = listener.local_addr()?;
    let each = Arc::new(each);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let each = Arc::clone(&each);
            // What fails in here shows in what the client gets.
            std::thread::spawn(move || each(stream).is_ok());
        }
    });
    Ok(address)
}

/// An origin that answers every request with its name.
pub(crate) fn named(name: &'static str) -> Result<SocketAddr> {
    origin(move |mut stream| {
        let mut reader = BufReader::new(stream.try_clone()?);
        while head(&mut reader).is_ok() {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}",
                name.len()
            )?;
        }
        Ok(())
    })
}

/// An origin at an address of its own on the loopback, which answers with its name.
pub(crate) fn telling(ip: Ipv4Addr, port: u16, name: &'static str) -> Result<u16> {
    let address = origin_at((ip, port).into(), move |stream| {
        let mut from = BufReader::new(stream.try_clone()?);
        let mut to = stream;
        head(&mut from)?;
        let length = name.len();
        let answer =
            format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{name}");
        Ok(to.write_all(answer.as_bytes())?)
    })?;
    Ok(address.port())
}

/// Names an origin as `localhost`, as the helper gives every `127.0.0.1:PORT` of a file another port.
pub(crate) fn server(address: SocketAddr) -> String {
    format!("ipv4@localhost:{}", address.port())
}
