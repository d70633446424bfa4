//! What is known of the TLS of one side of a session.

use crate::data::Data;
use crate::fetch::{client_hello, extension};

/// The TLS of the client's connection, or of the server's, once the handshake is over.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// The version's name: `TLSv1.3`.
    pub protocol: &'static str,
    /// The cipher's name, as OpenSSL has it.
    pub cipher: &'static str,
    /// The bits of the symmetric key.
    pub key_bits: u16,
    /// The curve or group that the key was agreed on with.
    pub curve: Option<&'static str>,
    /// What ALPN agreed on.
    pub alpn: Option<Data>,
    /// The name that the client asked for.
    pub sni: Option<Data>,
    /// Whether an earlier session went on.
    pub resumed: bool,
    /// The id of the session; TLS 1.3 has none but for show.
    pub session_id: Data,
    /// The client's random bytes.
    pub client_random: Data,
    /// The server's random bytes.
    pub server_random: Data,
    /// What the client offered in its first message; kept only if `tune.ssl.capture-buffer-size` asks for it.
    pub hello: Option<Hello>,
    /// Our own certificate.
    pub own: Option<Data>,
    /// What the configuration calls our own certificate.
    pub own_name: Option<Data>,
    /// The peer's certificates, its own first.
    pub peer: Vec<Data>,
    /// Whether the peer's certificate came in this very handshake.
    pub peer_shown: bool,
    /// What was wrong with the peer's certificates, and how far from its own, where that was ignored.
    pub verify_error: Option<(u32, u32)>,
    /// Secrets by their names in key logs; only if `tune.ssl.keylog` asks for them.
    pub secrets: Vec<(String, Data)>,
}

/// What a client's first message offers, without the keys and tickets that make most of its length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// The version that the message itself has, whatever its extensions say.
    pub version: u16,
    /// The cipher suites, two bytes each.
    pub ciphers: Data,
    /// The numbers of the extensions, two bytes each.
    pub extensions: Data,
    /// The curves and groups, two bytes each.
    pub groups: Option<Data>,
    /// The forms of points, a byte each.
    pub point_formats: Option<Data>,
    /// The signature algorithms, two bytes each.
    pub signature_algorithms: Option<Data>,
    /// The versions of the extension that lists them, two bytes each.
    pub versions: Option<Data>,
}

impl Hello {
    /// Reads the message that a record begins with. Of all lists together no more than `room` bytes are kept.
    #[must_use]
    pub fn of(record: &[u8], room: usize) -> Option<Self> {
        let hello = client_hello(record)?;
        let version = record.get(9..11)?;
        let extensions: Vec<u8> = hello.extension_numbers().flat_map(u16::to_be_bytes).collect();
        let mut left = room;
        let mut keep = |list: &[u8], of_each: usize| {
            let kept = list.len().min(left - left % of_each);
            left -= kept;
            Data::from(list.get(..kept).unwrap_or_default())
        };
        Some(Hello {
            version: version.iter().fold(0, |id, byte| id << 8 | u16::from(*byte)),
            ciphers: keep(hello.ciphers, 2),
            extensions: keep(&extensions, 2),
            groups: hello
                .list(extension::SUPPORTED_GROUPS, 2)
                .map(|list| keep(list, 2)),
            point_formats: hello.list(extension::POINT_FORMATS, 1).map(|list| keep(list, 1)),
            signature_algorithms: hello
                .list(extension::SIGNATURE_ALGORITHMS, 2)
                .map(|list| keep(list, 2)),
            versions: hello
                .list(extension::SUPPORTED_VERSIONS, 1)
                .map(|list| keep(list, 2)),
        })
    }
}

/// The name that a client's first message asks for; the bytes are those of its record.
#[must_use]
pub fn hello_server_name(record: &[u8]) -> Option<&[u8]> {
    client_hello(record)?.server_name()
}
