//! What is known of a connection's TLS once hands were shaken.

use rustls::{CipherSuite, CommonState, HandshakeKind, NamedGroup, ProtocolVersion, ServerConnection};
use tidegate_sample::{Data, Hello, Tls};
use tidegate_tls::{Notes, cipher_name};

use super::wire::Tap;

/// What of a handshake is kept for fetches beyond what each of them costs nothing for.
#[derive(Clone, Copy, Default)]
pub(crate) struct Kept {
    /// `tune.ssl.capture-buffer-size`: bytes of the lists in the client's first message.
    pub(crate) hello_bytes: usize,
}

/// What a first message alone tells, where there was no more.
pub(crate) fn of_hello(tap: &Tap, kept: Kept) -> Tls {
    let mut tls = Tls {
        protocol: "",
        cipher: "",
        ..Tls::default()
    };
    randoms(&mut tls, tap, kept);
    tls.sni = tidegate_sample::hello_server_name(&tap.read).map(Data::from);
    tls
}

/// What is known of a client's connection.
pub(crate) fn of_client(tls: &ServerConnection, tap: &Tap, notes: &Notes, kept: Kept) -> Tls {
    let mut known = of_either(tls, notes);
    randoms(&mut known, tap, kept);
    known.sni = tls.server_name().map(Data::from);
    if let Some(identity) = &notes.identity {
        known.own = Some(Data::from(identity.certificate()));
        known.own_name = Some(Data::from(&*identity.name));
    }
    known.peer_shown = !known.peer.is_empty() && !known.resumed;
    known
}

/// What is known of a server's connection.
pub(crate) fn of_server(tls: &CommonState, tap: &Tap, notes: &Notes) -> Tls {
    let mut known = of_either(tls, notes);
    randoms_of(&mut known, &tap.written, &tap.read);
    known.peer_shown = !known.peer.is_empty() && !known.resumed;
    known
}

fn of_either(tls: &CommonState, notes: &Notes) -> Tls {
    let suite = tls.negotiated_cipher_suite().map(|suite| suite.suite());
    let certificates = tls.peer_certificates().unwrap_or_default();
    Tls {
        protocol: match tls.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
            Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
            _ => "",
        },
        cipher: suite.map_or("(NONE)", cipher_name),
        key_bits: suite.map_or(0, key_bits),
        curve: tls
            .negotiated_key_exchange_group()
            .and_then(|group| curve(group.name())),
        alpn: tls.alpn_protocol().map(Data::from),
        resumed: tls.handshake_kind() == Some(HandshakeKind::Resumed),
        peer: certificates.iter().map(|der| Data::from(&**der)).collect(),
        verify_error: notes.verdict.map(|verdict| (verdict.error, verdict.depth)),
        secrets: notes
            .secrets
            .iter()
            .map(|secret| (secret.label.clone(), Data::from(&*secret.bytes)))
            .collect(),
        ..Tls::default()
    }
}

/// What the messages tell that nobody encrypts.
fn randoms(known: &mut Tls, tap: &Tap, kept: Kept) {
    randoms_of(known, &tap.read, &tap.written);
    if kept.hello_bytes > 0 {
        known.hello = Hello::of(&tap.read, kept.hello_bytes);
    }
}

const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;

/// Whether bytes begin with a record that holds this message of a handshake.
fn is(bytes: &[u8], kind: u8) -> bool {
    bytes.first() == Some(&22) && bytes.get(5) == Some(&kind)
}

/// The random bytes of both sides and the session's id.
fn randoms_of(known: &mut Tls, client: &[u8], server: &[u8]) {
    let random = |bytes: &[u8]| bytes.get(11..43).map(Data::from);
    if is(client, CLIENT_HELLO) {
        known.client_random = random(client).unwrap_or_default();
    }
    if is(server, SERVER_HELLO) {
        known.server_random = random(server).unwrap_or_default();
        let length = server.get(43).map_or(0, |length| usize::from(*length));
        known.session_id = Data::from(server.get(44..44 + length).unwrap_or_default());
    }
}

fn key_bits(suite: CipherSuite) -> u16 {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 => 128,
        _ => 256,
    }
}

fn curve(group: NamedGroup) -> Option<&'static str> {
    match group {
        NamedGroup::X25519 => Some("X25519"),
        NamedGroup::secp256r1 => Some("prime256v1"),
        NamedGroup::secp384r1 => Some("secp384r1"),
        NamedGroup::secp521r1 => Some("secp521r1"),
        NamedGroup::X25519MLKEM768 => Some("X25519MLKEM768"),
        NamedGroup::secp256r1MLKEM768 => Some("SecP256r1MLKEM768"),
        NamedGroup::MLKEM768 => Some("MLKEM768"),
        NamedGroup::MLKEM1024 => Some("MLKEM1024"),
        _ => None,
    }
}
