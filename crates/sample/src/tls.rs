//! What is known of the TLS of one side of a session.

use crate::data::Data;

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
    /// The client's first message; kept only if `tune.ssl.capture-buffer-size` asks for it.
    pub hello: Option<Data>,
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

/// The name that a client's first message asks for; the bytes are those of its record.
#[must_use]
pub fn hello_server_name(record: &[u8]) -> Option<&[u8]> {
    crate::fetch::client_hello(record)?.server_name()
}
