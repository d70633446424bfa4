//! How a connection to a server begins: what it says before the first byte of a session, and for whom it is good then.

use std::net::SocketAddr;
use std::rc::Rc;

use tidegate_sample::x509::{Certificate, Occurrence};
use tidegate_sample::{Data, Session, Tls, Type, Value, Way, cast};

use super::Server;
use super::connect::presented_as;
use super::open::Life;
use crate::proxy_protocol::{About, AboutSsl, version1, version2};
use crate::session::wants_websocket;
use crate::spec::{ProxyHeaderSpec, ServerAddress, ServerProto};
use crate::txn::Txn;

/// What distinguishes connections to one server. One that was opened in some manner serves requests of that manner only.
#[derive(Clone, Debug, Default)]
pub(crate) struct Manner {
    /// The name that the server is asked for.
    pub(crate) sni: Option<Data>,
    /// What it was made for: `pool-conn-name`, else that name.
    name: Option<Data>,
    /// The PROXY header.
    pub(crate) header: Option<Vec<u8>>,
    /// Where it leads, if that depends on the client.
    to: Option<SocketAddr>,
    /// Whom it seems to come from.
    from: Option<SocketAddr>,
    /// How its packets are marked.
    marks: (Option<u32>, Option<u8>),
    /// What is spoken, if it is for a WebSocket and that is something else than for the rest.
    pub(crate) proto: Option<ServerProto>,
}

impl PartialEq for Manner {
    fn eq(&self, other: &Manner) -> bool {
        let all = |of: &Manner| (of.to, of.from, of.marks, of.proto);
        all(self) == all(other) && self.name == other.name && self.header == other.header
    }
}

impl Eq for Manner {}

/// How a connection was made, and what it has been used for.
#[derive(Clone)]
pub(crate) struct Made {
    /// For whom it is good; for all, if `None`.
    pub(crate) manner: Option<Rc<Manner>>,
    /// What is known of its TLS.
    pub(crate) tls: Option<Rc<Tls>>,
    /// Its life.
    pub(crate) life: Rc<Life>,
}

impl Made {
    /// Whether it was made in this manner.
    pub(crate) fn is_of(&self, manner: Option<&Manner>) -> bool {
        self.manner.as_deref() == manner
    }
}

impl Manner {
    /// That of a transaction's connection to a server; none, if all of the server's are alike.
    pub(crate) fn of(server: &Server, txn: &Txn) -> Option<Rc<Manner>> {
        let spec = &server.spec;
        let sni = spec.tls.as_ref().and_then(|tls| tls.sni.as_ref());
        let is_open = |address: &SocketAddr| address.ip().is_unspecified() || address.port() == 0;
        let mapped = matches!(&*server.address(), ServerAddress::Tcp(to) if is_open(to));
        let marked = txn.overrides.marks_server();
        let presented = spec
            .source
            .as_ref()
            .filter(|source| source.presented_as.is_some());
        let alike =
            presented.is_none() && sni.is_none() && spec.proxy_header.is_none() && spec.pool_name.is_none();
        let proto = spec.websockets.filter(|_| wants_websocket(txn));
        if alike && !mapped && !marked && proto.is_none() {
            return None;
        }
        let text = |value: Value| match cast(value, Type::Str) {
            Some(Value::Str(text)) if !text.is_empty() => Some(text),
            _ => None,
        };
        let sni = sni.and_then(|expr| expr.eval(txn)).and_then(text);
        let to = server.socket_for(txn.destination()).filter(|_| mapped);
        Some(Rc::new(Manner {
            name: match &spec.pool_name {
                Some(expr) => expr.eval(txn).and_then(text),
                None => sni.clone(),
            },
            sni,
            header: spec.proxy_header.as_ref().map(|header| written(header, txn)),
            from: presented.and_then(|source| presented_as(source, txn)),
            to: to.map(|to| txn.address_of_server(to)),
            proto,
            marks: (txn.overrides.server_mark(), txn.overrides.server_tos()),
        }))
    }
}

impl Manner {
    /// That of a check's connection which sessions may take too. Nothing of it is a client's.
    pub(crate) fn of_check(server: &Server, name: Option<&str>) -> Option<Rc<Manner>> {
        let spec = &server.spec;
        let sni = spec.tls.as_ref().and_then(|tls| tls.sni.as_ref());
        if sni.is_none() && spec.pool_name.is_none() {
            return None;
        }
        Some(Rc::new(Manner {
            name: name.map(|name| Data::from(name.as_bytes())),
            ..Manner::default()
        }))
    }
}

fn written(spec: &ProxyHeaderSpec, txn: &Txn) -> Vec<u8> {
    let addresses: Option<(SocketAddr, SocketAddr)> = txn.source().zip(txn.destination());
    if !spec.binary {
        return version1(addresses);
    }
    let tls = txn.tls(Way::Request);
    let bytes = |data: &Data| data.as_slice().to_vec();
    let mut about = About {
        alpn: tls.as_ref().and_then(|tls| tls.alpn.as_ref()).map(bytes),
        checksum: spec.checksum,
        ..About::default()
    };
    if spec.authority {
        about.authority = tls.as_ref().and_then(|tls| tls.sni.as_ref()).map(bytes);
    }
    if spec.unique_id {
        about.unique_id = txn.unique_id().as_ref().map(bytes);
    }
    if spec.ssl {
        about.ssl = Some(tls.as_ref().map_or_else(AboutSsl::default, |tls| {
            let own = tls.own.as_ref().and_then(|der| Certificate::parse(der));
            let common_name = || {
                let peer = Certificate::parse(tls.peer.first()?)?;
                peer.subject().entry("CN", Occurrence::first())
            };
            AboutSsl {
                spoken: true,
                shown: tls.peer_shown,
                known: !tls.peer.is_empty(),
                verified: !tls.peer.is_empty() && tls.verify_error.is_none(),
                version: Some(tls.protocol.as_bytes().to_vec()),
                common_name: spec.common_name.then(common_name).flatten(),
                cipher: spec.cipher.then(|| tls.cipher.as_bytes().to_vec()),
                signature: own
                    .as_ref()
                    .filter(|_| spec.signature)
                    .map(|own| own.signature_algorithm().into_bytes()),
                key: own
                    .as_ref()
                    .filter(|_| spec.key)
                    .map(|own| own.key_text().into_bytes()),
            }
        }));
    }
    for (kind, format) in &spec.tlvs {
        let mut value = Vec::new();
        format.eval_into(&mut value, txn);
        about.more.push((*kind, value));
    }
    version2(addresses, &about)
}
