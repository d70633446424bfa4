//! Shaking hands with a client.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use rustls::server::Acceptor as FirstMessage;
use rustls::{CertificateError, Error, HandshakeKind};
use tidegate_sample::Tls;
use tidegate_tls::{Acceptor, Notes, noting};
use tokio_rustls::LazyConfigAcceptor;

use super::seen::{self, Kept};
use super::wire::{Secure, Wire};
use crate::stream::Stream;
use crate::tally::{self, OverTls, Pulse, Tallied};

/// Why there is no TLS with a client: the number by which logs and fetches know it, and what is known nevertheless.
pub(crate) struct Refused {
    pub(crate) error: u8,
    pub(crate) tls: Rc<Tls>,
}

impl Refused {
    /// The client took too long.
    pub(crate) fn too_late() -> Refused {
        refused(TIMEOUT, Tls::default())
    }
}

/// The peer was gone before it said a word.
const EMPTY: u8 = 24;
/// The connection broke.
const ABORT: u8 = 25;
/// Too slow.
const TIMEOUT: u8 = 26;
/// Those that vouch for a client's certificate are not trusted.
const CA_FAIL: u8 = 30;
/// A client's certificate is not trusted.
const CRT_FAIL: u8 = 31;
/// No agreement.
const HANDSHAKE: u8 = 34;

/// Shakes hands. The caller bounds the time.
pub(crate) async fn accept(
    stream: Stream,
    acceptor: &Acceptor,
    kept: Kept,
) -> Result<(Stream, Rc<Tls>), Refused> {
    let counted = OverTls::begin();
    tally::beat(Pulse::TlsConnections, Instant::now());
    let mut notes = Notes::default();
    let mut start = pin!(LazyConfigAcceptor::new(
        FirstMessage::default(),
        Wire::new(stream)
    ));
    let hello = match start.as_mut().await {
        Ok(hello) => hello,
        Err(why) => {
            let tap = start.take_io().map(|mut wire| wire.untap()).unwrap_or_default();
            let error = match why.kind() {
                io::ErrorKind::UnexpectedEof if tap.read.is_empty() => EMPTY,
                _ => number(&why, &notes),
            };
            return Err(refused(error, seen::of_hello(&tap, kept)));
        }
    };
    let Some(chosen) = acceptor.config(&hello.client_hello()) else {
        // The alert is the one that a table without a fitting certificate gives.
        return Err(without_certificate(hello, kept).await);
    };
    // The first message is answered here already.
    let mut config = chosen.config.clone();
    let known = |offer: &[u8]| config.alpn_protocols.iter().any(|ours| ours == offer);
    let is_foreign = !config.alpn_protocols.is_empty() && {
        let offers = hello.client_hello().alpn();
        offers.is_some_and(|mut offers| !offers.any(known))
    };
    if is_foreign {
        // Whoever would speak none of ours is not told of them, as by OpenSSL, and may do without.
        Arc::make_mut(&mut config).alpn_protocols.clear();
    }
    let mut shaking = pin!(noting(&mut notes, || hello.into_stream(config)).into_fallible());
    let shaken = poll_fn(|cx| noting(&mut notes, || shaking.as_mut().poll(cx))).await;
    tally::add(Tallied::SessionLookups, notes.lookups);
    tally::add(Tallied::SessionMisses, notes.misses);
    match shaken {
        Ok(mut tls) => {
            let tap = tls.get_mut().0.untap();
            let shaken = tls.get_ref().1;
            if shaken.handshake_kind() != Some(HandshakeKind::Resumed) {
                tally::beat(Pulse::ClientKeys, Instant::now());
            } else {
                let peer = shaken.peer_certificates();
                notes.verdict = peer.and_then(|peer| chosen.verdict_again(peer));
            }
            let known = seen::of_client(tls.get_ref().1, &tap, &notes, kept);
            Ok((Stream::Tls(Box::new(Secure::new(tls, counted))), Rc::new(known)))
        }
        Err((why, mut wire)) => {
            let tap = wire.untap();
            let mut known = seen::of_hello(&tap, kept);
            known.verify_error = notes.verdict.map(|verdict| (verdict.error, verdict.depth));
            Err(refused(number(&why, &notes), known))
        }
    }
}

async fn without_certificate(hello: tokio_rustls::StartHandshake<Wire>, kept: Kept) -> Refused {
    let mut wire = hello.io;
    let tap = wire.untap();
    // A fatal alert: unrecognized name.
    let alert = [0x15, 3, 3, 0, 2, 2, 112];
    let _ = tokio::io::AsyncWriteExt::write_all(&mut wire, &alert).await;
    refused(HANDSHAKE, seen::of_hello(&tap, kept))
}

fn refused(error: u8, tls: Tls) -> Refused {
    Refused {
        error,
        tls: Rc::new(tls),
    }
}

fn number(why: &io::Error, notes: &Notes) -> u8 {
    let tls = why.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match (tls, notes.verdict) {
        (Some(Error::InvalidCertificate(why)), verdict) if *why != CertificateError::BadEncoding => {
            match verdict.map(|verdict| verdict.depth) {
                Some(0) | None => CRT_FAIL,
                Some(_) => CA_FAIL,
            }
        }
        (Some(_), _) => HANDSHAKE,
        (None, _) if why.kind() == io::ErrorKind::InvalidData => HANDSHAKE,
        (None, _) => ABORT,
    }
}
