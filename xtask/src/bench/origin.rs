//! The origin of long answers: a thread for each connection, which takes each read for a request, as the floor does.
//!
//! It is a process of its own, `cargo xtask origin`, so that it can be pinned.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use lexopt::ValueExt as _;

use crate::Result;

/// `cargo xtask origin LISTEN BYTES`: answers with bodies of so many bytes.
pub(crate) fn run(mut arguments: lexopt::Parser) -> Result<()> {
    let mut values = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Value(value) => values.push(value.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let [listen, bytes] = &values[..] else {
        return Err("usage: cargo xtask origin LISTEN BYTES".into());
    };
    let bytes: usize = bytes.parse()?;
    let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n").into_bytes();
    answer.resize(answer.len() + bytes, b'x');
    let answer: Arc<[u8]> = answer.into();
    for stream in TcpListener::bind(listen.parse::<SocketAddr>()?)?.incoming() {
        let answer = answer.clone();
        // A connection that fails is seen by the load.
        std::thread::spawn(move || {
            stream
                .map_err(Into::into)
                .and_then(|stream| serve(stream, &answer))
                .is_ok()
        });
    }
    Ok(())
}

fn serve(mut stream: TcpStream, answer: &[u8]) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = [0; 16 * 1024];
    while stream.read(&mut buffer)? > 0 {
        stream.write_all(answer)?;
    }
    Ok(())
}
