//! Shaking hands with a server.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use rustls::{ClientConfig, Error, HandshakeKind};
use tidegate_sample::{Data, Tls};
use tidegate_tls::{Connector, Notes, noting};
use tokio_rustls::TlsConnector;

use super::seen;
use super::wire::{Secure, Wire};
use crate::spec::ServerProto;
use crate::stream::Stream;
use crate::tally::{self, OverTls, Pulse};

/// Shakes hands, asking for a name if there is one; only this is to be spoken, if it is said and there is a choice. The
/// caller bounds the time.
pub(crate) async fn connect(
    stream: Stream,
    connector: &Connector,
    name: Option<&[u8]>,
    only: Option<ServerProto>,
) -> io::Result<(Stream, Rc<Tls>)> {
    let name_of = |only| match only {
        ServerProto::Http2 => b"h2".to_vec(),
        ServerProto::Any | ServerProto::Http1 => b"http/1.1".to_vec(),
    };
    let offer = |config: &mut Arc<ClientConfig>| {
        if let Some(only) = only.filter(|_| !config.alpn_protocols.is_empty()) {
            Arc::make_mut(config).alpn_protocols = vec![name_of(only)];
        }
    };
    shake(stream, connector, name, offer).await
}

/// The same, offering these protocols in place of the connector's.
pub(crate) async fn connect_offering(
    stream: Stream,
    connector: &Connector,
    name: Option<&[u8]>,
    alpn: Option<&[Vec<u8>]>,
) -> io::Result<(Stream, Rc<Tls>)> {
    let offer = |config: &mut Arc<ClientConfig>| {
        if let Some(alpn) = alpn {
            Arc::make_mut(config).alpn_protocols = alpn.to_vec();
        }
    };
    shake(stream, connector, name, offer).await
}

async fn shake(
    stream: Stream,
    connector: &Connector,
    name: Option<&[u8]>,
    offer: impl FnOnce(&mut Arc<ClientConfig>),
) -> io::Result<(Stream, Rc<Tls>)> {
    let refused = |why: String| io::Error::new(io::ErrorKind::InvalidInput, why);
    let asked = name.map(|name| String::from_utf8_lossy(name).into_owned());
    let (mut config, server) = connector.config(asked.as_deref()).map_err(refused)?;
    offer(&mut config);
    let counted = OverTls::begin();
    let mut notes = Notes::default();
    let mut shaking = pin!(TlsConnector::from(config).connect(server, Wire::new(stream)));
    let mut tls = poll_fn(|cx| noting(&mut notes, || shaking.as_mut().poll(cx))).await?;
    if tls.get_ref().1.handshake_kind() != Some(HandshakeKind::Resumed) {
        tally::beat(Pulse::ServerKeys, Instant::now());
    }
    let tap = tls.get_mut().0.untap();
    let mut known = seen::of_server(tls.get_ref().1, &tap, &notes);
    known.sni = name.map(Data::from);
    Ok((Stream::Tls(Box::new(Secure::new(tls, counted))), Rc::new(known)))
}

/// The number by which logs and fetches know why there is no TLS with a server; none if TLS is not to blame.
pub(crate) fn number(why: &io::Error) -> Option<u8> {
    use rustls::CertificateError::{NotValidForName, NotValidForNameContext};
    let tls = why.get_ref()?.downcast_ref::<Error>()?;
    Some(match tls {
        Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => 33,
        Error::InvalidCertificate(_) => 31,
        _ => 34,
    })
}
