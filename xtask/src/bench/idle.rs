//! What connections cost that have nothing to do: memory, for so many of them.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

use super::cases::Over;
use super::server::{Server, Site};
use super::{Options, http2};
use crate::Result;

/// How many there are, where there are descriptors for so many.
const COUNTS: [usize; 2] = [1_000, 10_000];

/// Connections that come first, so that what is made once is made before.
const FIRST: usize = 50;

/// How long nothing happens before memory is read: a connection whose answer has just left is not idle yet.
const REST: Duration = Duration::from_secs(1);

/// What a process needs beside its connections.
const OTHER_DESCRIPTORS: usize = 200;

/// What was measured of a case: how many connections there were, and of each server the bytes that each of them took, or
/// why that is not known.
pub(super) struct Idle {
    title: &'static str,
    counts: Vec<usize>,
    servers: Vec<(Server, Vec<Result<f64>>)>,
}

/// Has connections opened that ask once and then stay, and looks at what each server has grown by.
pub(super) fn measure(options: &Options, mut site: Site<'_>) -> Result<Idle> {
    let title = site.case.title;
    eprintln!("{title}:");
    // By HAProxy's count a connection may take two descriptors.
    let room = (descriptors()? - OTHER_DESCRIPTORS) / 2 - FIRST;
    let counts: Vec<usize> = COUNTS.iter().map(|count| room.min(*count)).collect();
    let clients = Clients::new(site.case.way.over)?;
    let mut servers = Vec::new();
    for server in options.servers.iter().filter(|server| **server != Server::Floor) {
        let mut bytes = Vec::new();
        for count in &counts {
            site.connections = count + FIRST;
            let grown = grown(&site, &clients, *server, *count);
            if let Ok(grown) = &grown {
                eprintln!(
                    "  {:<9} {count:>6} connections: {grown:>7.0} bytes each",
                    server.name()
                );
            }
            bytes.push(grown);
        }
        servers.push((*server, bytes));
    }
    Ok(Idle {
        title,
        counts,
        servers,
    })
}

/// How many descriptors a process may have, after that was raised as far as it can be: what is started later inherits it.
fn descriptors() -> Result<usize> {
    let hard = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: hard,
        maximum: hard,
    };
    setrlimit(Resource::Nofile, limit)?;
    let hard = hard.map_or(usize::MAX, |hard| usize::try_from(hard).unwrap_or(usize::MAX));
    match hard > 2 * OTHER_DESCRIPTORS {
        true => Ok(hard),
        false => Err(format!("{hard} descriptors are too few").into()),
    }
}

fn grown(site: &Site<'_>, clients: &Clients, server: Server, count: usize) -> Result<f64> {
    let running = site.start(server)?;
    let ask = |_| clients.ask(running.address);
    let _first = (0..FIRST).map(ask).collect::<Result<Vec<_>>>()?;
    let memory_at_rest = || {
        thread::sleep(REST);
        running.process.memory()
    };
    let before = memory_at_rest()?;
    let all = (0..count).map(ask).collect::<Result<Vec<_>>>()?;
    let after = memory_at_rest()?;
    drop(all);
    Ok(after.saturating_sub(before) as f64 / count as f64)
}

/// Something that keeps a connection open.
trait Open: Read + Write {}

impl<T: Read + Write> Open for T {}

/// What opens connections.
struct Clients {
    tls: Option<Arc<ClientConfig>>,
    is_http2: bool,
}

impl Clients {
    fn new(over: Over) -> Result<Self> {
        let tls = over.is_secure().then(|| {
            let provider = Arc::new(aws_lc_rs::default_provider());
            let config = ClientConfig::builder_with_provider(provider.clone())
                .with_safe_default_protocol_versions()?
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
                .with_no_client_auth();
            Ok::<_, rustls::Error>(Arc::new(config))
        });
        Ok(Clients {
            tls: tls.transpose()?,
            is_http2: over == Over::Http2,
        })
    }

    /// A connection that was answered once.
    fn ask(&self, address: SocketAddr) -> Result<Box<dyn Open>> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut stream: Box<dyn Open> = match &self.tls {
            None => Box::new(stream),
            Some(config) => {
                let tls = ClientConnection::new(config.clone(), ServerName::from(address.ip()))?;
                Box::new(StreamOwned::new(tls, stream))
            }
        };
        let question = match self.is_http2 {
            true => http2::question(address),
            false => format!("GET /x HTTP/1.1\r\nhost: {address}\r\n\r\n").into_bytes(),
        };
        // All of it at once: what comes in pieces waits for acknowledgements.
        stream.write_all(&question)?;
        let mut answer = Vec::new();
        loop {
            let mut piece = [0; 1024];
            match stream.read(&mut piece)? {
                0 => return Err("an idle connection was closed".into()),
                length => answer.extend_from_slice(piece.get(..length).unwrap_or_default()),
            }
            // Settings come before the answer, and perhaps alone.
            if !self.is_http2 || http2::has_end(&answer) {
                return Ok(stream);
            }
        }
    }
}

/// Takes any certificate: it is of a server that was started here. A verifier of its own, since these commands build on
/// nothing of ours.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// The table, in Markdown.
pub(super) fn table(results: &[Idle]) -> String {
    let mut page = String::from(
        "Bytes of memory per idle connection that was used once, and in brackets that divided by HAProxy's (the target \
         is 1, with `!` where it is missed):\n\n| connections |",
    );
    let servers = results.first().map_or(&[][..], |result| &result.servers);
    for (server, _) in servers {
        let _ = write!(page, " {} |", server.name());
    }
    page.push_str("\n|---|");
    servers.iter().for_each(|_| page.push_str("---|"));
    page.push('\n');
    for result in results {
        for (place, count) in result.counts.iter().enumerate() {
            let of = |server: Server| {
                let mut servers = result.servers.iter();
                let (_, bytes) = servers.find(|(other, _)| *other == server)?;
                bytes.get(place)?.as_ref().ok().copied()
            };
            let _ = write!(page, "| {count} {} |", result.title);
            for (server, bytes) in &result.servers {
                let cell = match (bytes.get(place), of(Server::Haproxy)) {
                    (Some(Ok(bytes)), Some(theirs)) if *server == Server::Tidegate => {
                        let missed = if *bytes > theirs { " !" } else { "" };
                        format!("{bytes:.0} ({:.2}){missed}", bytes / theirs)
                    }
                    (Some(Ok(bytes)), _) => format!("{bytes:.0}"),
                    (Some(Err(why)), _) => why.to_string().split_whitespace().collect::<Vec<_>>().join(" "),
                    (None, _) => "–".to_owned(),
                };
                let _ = write!(page, " {cell} |");
            }
            page.push('\n');
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_compares_with_haproxy() {
        let idle = Idle {
            title: "idle connections",
            counts: vec![1000, 9700],
            servers: vec![
                (Server::Tidegate, vec![Ok(3000.0), Ok(1000.0)]),
                (Server::Haproxy, vec![Ok(2000.0), Ok(2000.0)]),
                (Server::Nginx, vec![Ok(500.0), Err("it\nended".into())]),
            ],
        };
        let page = table(&[idle]);
        assert!(
            page.contains("| 1000 idle connections | 3000 (1.50) ! | 2000 | 500 |"),
            "{page}"
        );
        assert!(
            page.contains("| 9700 idle connections | 1000 (0.50) | 2000 | it ended |"),
            "{page}"
        );
    }
}
