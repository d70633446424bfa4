//! Asking name servers.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::Poll;

use futures_util::stream::{FuturesUnordered, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::lookup::{Lookup, Next};
use super::message::{Answer, Fault, Record, answer, question};
use super::spec::{Counted, NameServer, ResolversSpec};
use crate::tally::{self, Tallied};

/// Resolves a name, to addresses of one family if that is asked for: IPv6 or, if false, IPv4.
pub(super) async fn resolve(
    resolvers: &ResolversSpec,
    name: &str,
    is_service: bool,
    prefer_v4: bool,
    v6: Option<bool>,
) -> Result<Answer, Fault> {
    let families = resolvers.families.now().only(v6);
    let mut lookup = Lookup::new(is_service, prefer_v4, families, resolvers.retries);
    let mut record = lookup.record();
    loop {
        let heard = ask_all(resolvers, name, record).await;
        match lookup.heard(heard) {
            Next::Ask(next) => record = next,
            Next::Done(mut result) => {
                match &mut result {
                    Ok(answer) => families.keep(answer),
                    Err(_) => tally::add(Tallied::FailedResolutions, 1),
                }
                return result;
            }
        }
    }
}

/// The first good answer of all name servers, or the last fault.
async fn ask_all(resolvers: &ResolversSpec, name: &str, record: Record) -> Result<Answer, Fault> {
    let mut asking: FuturesUnordered<_> = resolvers
        .servers
        .iter()
        .map(|server| ask(server, name, record, resolvers.answer_bytes_max))
        .collect();
    let mut last = None;
    let all = async {
        while let Some(result) = std::future::poll_fn(|cx| Pin::new(&mut asking).poll_next(cx)).await {
            match result {
                Ok(answer) => return Some(answer),
                Err(fault) => last = Some(fault),
            }
        }
        None
    };
    match tokio::time::timeout(resolvers.patience, all).await {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) => Err(last.unwrap_or(Fault::Other)),
        Err(_) => {
            for server in &resolvers.servers {
                server.counts.add(Counted::Timeout);
            }
            Err(Fault::Timeout)
        }
    }
}

async fn ask(server: &NameServer, name: &str, record: Record, bytes_max: u16) -> Result<Answer, Fault> {
    // Whoever would answer in the name server's place has to guess the number and the port.
    let id = (RandomState::new().build_hasher().finish() & 0xffff) as u16;
    let asked = question(id, name, record, bytes_max).ok_or(Fault::Other)?;
    server.counts.add(Counted::Sent);
    let answered = if server.tcp {
        by_tcp(server.address, &asked, id, name, record).await
    } else {
        by_udp(server.address, &asked, id, name, record, bytes_max).await
    };
    match answered {
        Ok(answer) => {
            server.counts.add(match &answer {
                Ok(_) => Counted::Valid,
                Err(Fault::NoName) => Counted::NoName,
                Err(Fault::Refused) => Counted::Refused,
                Err(Fault::Timeout | Fault::Other) => Counted::Other,
            });
            answer
        }
        // A name server that can't be reached says nothing: somebody else may.
        Err(_) => {
            server.counts.add(Counted::SendError);
            std::future::poll_fn(|_| Poll::Pending).await
        }
    }
}

async fn by_udp(
    server: SocketAddr,
    asked: &[u8],
    id: u16,
    name: &str,
    record: Record,
    bytes_max: u16,
) -> std::io::Result<Result<Answer, Fault>> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(asked).await?;
    let mut heard = vec![0; usize::from(bytes_max).max(512)];
    loop {
        let length = socket.recv(&mut heard).await?;
        if let Some(result) = answer(heard.get(..length).unwrap_or_default(), id, name, record) {
            return Ok(result);
        }
    }
}

async fn by_tcp(
    server: SocketAddr,
    asked: &[u8],
    id: u16,
    name: &str,
    record: Record,
) -> std::io::Result<Result<Answer, Fault>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(asked.len()).map_err(std::io::Error::other)?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(asked);
    stream.write_all(&framed).await?;
    loop {
        let length = stream.read_u16().await?;
        let mut heard = vec![0; usize::from(length)];
        stream.read_exact(&mut heard).await?;
        if let Some(result) = answer(&heard, id, name, record) {
            return Ok(result);
        }
    }
}
