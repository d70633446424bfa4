//! How connections to a server are made.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tidegate_sample::{Expr, LogFormat};

use super::tls::TlsSettings;
use crate::source::Spanned;
use crate::text::Word;

/// What a `server` line says of the connections to it.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// `ssl`: it is spoken to by TLS.
    pub ssl: bool,
    /// `ssl` was said, maybe before `no-ssl`.
    pub ssl_known: bool,
    /// `no-ssl` was said last.
    pub ssl_refused: bool,
    /// With these settings.
    pub tls: TlsSettings,
    /// `crt`: what we show the server.
    pub certificate: Option<Spanned<String>>,
    /// `sni`: the name that it is asked for.
    pub sni: Option<Arc<Expr>>,
    /// `sni-auto`: without `sni`, that is the request's host.
    pub sni_auto: bool,
    /// `verifyhost`: the name that its certificate has to have where no name was asked for.
    pub verify_host: Option<Spanned<String>>,
    /// `ssl-reuse`, `no-ssl-reuse`.
    pub resume: bool,
    /// `send-proxy` and its kin.
    pub proxy: Option<SendProxy>,
    /// `source`: the address to connect from.
    pub source: Option<SourceAddress>,
    /// `socks4`: the proxy by which it is connected.
    pub socks: Option<SocketAddr>,
    /// `tcp-ut`: how long sent bytes may stay unacknowledged.
    pub user_timeout: Option<Duration>,
    /// `cc`: algorithm of congestion control.
    pub congestion: Option<String>,
    /// `pool-conn-name`: what idle connections are kept apart by.
    pub pool_name: Option<Arc<Expr>>,
    /// `sni`, until it is known what may stand in it.
    pub(crate) sni_written: Option<Word>,
    /// `pool-conn-name`, likewise.
    pub(crate) pool_name_written: Option<Word>,
    /// `set-proxy-v2-tlv-fmt`, likewise.
    pub(crate) tlvs_written: Vec<(u8, Option<Word>)>,
    /// `proxy-v2-options`, for when there is a header of version 2.
    pub(crate) proxy_options: ProxyOptions,
}

impl Default for Outgoing {
    fn default() -> Outgoing {
        Outgoing {
            ssl: false,
            ssl_known: false,
            ssl_refused: false,
            tls: TlsSettings::default(),
            certificate: None,
            sni: None,
            sni_auto: true,
            verify_host: None,
            resume: true,
            proxy: None,
            source: None,
            socks: None,
            user_timeout: None,
            congestion: None,
            pool_name: None,
            sni_written: None,
            pool_name_written: None,
            tlvs_written: Vec::new(),
            proxy_options: ProxyOptions::default(),
        }
    }
}

/// The PROXY header that a connection begins with.
#[derive(Debug, Clone)]
pub struct SendProxy {
    /// Version 2, and not 1.
    pub binary: bool,
    /// What version 2 tells beside the addresses.
    pub options: ProxyOptions,
    /// `set-proxy-v2-tlv-fmt`: more of it.
    pub tlvs: Vec<(u8, Arc<LogFormat>)>,
}

/// `proxy-v2-options`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProxyOptions {
    /// `ssl`: that the client speaks TLS.
    pub ssl: bool,
    /// `cert-cn`: the common name of its certificate.
    pub common_name: bool,
    /// `ssl-cipher`.
    pub cipher: bool,
    /// `cert-sig`.
    pub signature: bool,
    /// `cert-key`.
    pub key: bool,
    /// `authority`: the name that the client asked for.
    pub authority: bool,
    /// `crc32c`.
    pub checksum: bool,
    /// `unique-id`.
    pub unique_id: bool,
}

/// `source`.
#[derive(Debug, Clone)]
pub struct SourceAddress {
    /// The address; none for any, where only ports matter.
    pub ip: IpAddr,
    /// The ports to choose from; any, if 0.
    pub first_port: u16,
    /// The last of them.
    pub last_port: u16,
    /// `interface`: the one that packets leave by.
    pub interface: Option<String>,
    /// `usesrc`: whose address the server sees.
    pub presented_as: Option<PresentedAs>,
    /// The expression of `usesrc hdr_ip(...)`, until it is known what may stand in it.
    pub(crate) presented_written: Option<Word>,
}

/// `usesrc`.
#[derive(Debug, Clone)]
pub enum PresentedAs {
    /// `client`: the client's address and port.
    Client,
    /// `clientip`: the client's address.
    ClientIp,
    /// This one.
    Fixed(std::net::SocketAddr),
    /// `hdr_ip(...)`: the one that the request names.
    Sampled(Arc<Expr>),
}
