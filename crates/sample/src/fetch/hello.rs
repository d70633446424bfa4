//! The first message of a TLS handshake, as it stands in a buffer of raw bytes.

use super::reader::Reader;

/// A record that carries a handshake.
const HANDSHAKE: u8 = 22;
/// A ClientHello's message type.
const CLIENT: u8 = 1;

/// Extensions of a ClientHello, by their numbers.
pub(crate) mod extension {
    pub(crate) const SERVER_NAME: u16 = 0;
    pub(crate) const SUPPORTED_GROUPS: u16 = 10;
    pub(crate) const SIGNATURE_ALGORITHMS: u16 = 13;
    pub(crate) const POINT_FORMATS: u16 = 11;
    pub(crate) const ALPN: u16 = 16;
    pub(crate) const SESSION_TICKET: u16 = 35;
    pub(crate) const SUPPORTED_VERSIONS: u16 = 43;
    pub(crate) const KEY_SHARE: u16 = 51;
}

/// What a buffer begins with.
#[derive(Clone, Copy)]
pub(super) enum Start<'a> {
    /// A whole message.
    Message(Message<'a>),
    /// The beginning of one: more bytes may make it whole.
    Short,
    /// Something else.
    Other,
}

/// A handshake message.
#[derive(Clone, Copy)]
pub(super) struct Message<'a> {
    /// Its type: 1 from a client, 2 from a server.
    pub(super) kind: u8,
    /// What it says.
    body: &'a [u8],
}

/// What a ClientHello says.
#[derive(Clone, Copy)]
pub(crate) struct Client<'a> {
    /// The cipher suites, two bytes each.
    pub(crate) ciphers: &'a [u8],
    extensions: Option<&'a [u8]>,
}

/// Reads the message that `bytes` begin with. It must be whole inside its first record.
pub(super) fn start(bytes: &[u8]) -> Start<'_> {
    match head(bytes) {
        Some(None) => Start::Other,
        None => Start::Short,
        Some(Some((kind, mut rest))) => match rest.block(3) {
            Some(body) => Start::Message(Message { kind, body }),
            None => Start::Short,
        },
    }
}

/// The ClientHello that `record` is.
pub(crate) fn client_hello(record: &[u8]) -> Option<Client<'_>> {
    match start(record) {
        Start::Message(message) => message.client(),
        Start::Short | Start::Other => None,
    }
}

/// The type of the message and what follows that type; `None` if too little came to tell, `Some(None)` if it is none.
fn head(bytes: &[u8]) -> Option<Option<(u8, Reader<'_>)>> {
    let mut reader = Reader(bytes);
    if reader.u8()? != HANDSHAKE {
        return Some(None);
    }
    if reader.u8()? < 3 {
        return Some(None);
    }
    reader.u8()?;
    let record = usize::from(reader.u16()?);
    let kind = reader.u8()?;
    let mut message = reader;
    // The message with its head of four bytes is not longer than the record, or it is in pieces.
    if !matches!(kind, 1 | 2) || message.number(3)?.saturating_add(4) > record {
        return Some(None);
    }
    Some(Some((kind, reader)))
}

/// The version that the client at the other end of `bytes` speaks: major and minor. Also of an SSLv2 hello.
pub(super) fn version(bytes: &[u8]) -> Option<(u8, u8)> {
    match start(bytes) {
        Start::Message(message) => {
            let mut body = Reader(message.body);
            Some((body.u8()?, body.u8()?))
        }
        Start::Short => None,
        Start::Other => sslv2(bytes),
    }
}

/// An SSLv2 ClientHello: a length with its first bit set, the type, the version, three lengths, and what they count.
fn sslv2(bytes: &[u8]) -> Option<(u8, u8)> {
    let mut reader = Reader(bytes);
    let len = reader.u16()?;
    if len & 0x8000 == 0 {
        return None;
    }
    let mut reader = Reader(reader.take(usize::from(len & 0x7fff))?);
    if reader.u8()? != CLIENT {
        return None;
    }
    let version = (reader.u8()?, reader.u8()?);
    let (ciphers, session, challenge) = (reader.u16()?, reader.u16()?, reader.u16()?);
    let rest = usize::from(ciphers) + usize::from(session) + usize::from(challenge);
    (ciphers % 3 == 0 && reader.0.len() == rest).then_some(version)
}

impl<'a> Message<'a> {
    /// What the message says, if it is a ClientHello that keeps to its form.
    pub(super) fn client(self) -> Option<Client<'a>> {
        if self.kind != CLIENT {
            return None;
        }
        let mut body = Reader(self.body);
        // Version and random bytes, session id, ciphers, compression methods.
        body.take(2 + 32)?;
        body.block(1)?;
        let ciphers = body.block(2)?;
        body.block(1)?;
        let extensions = match body.0 {
            [] => None,
            _ => Some(body.block(2)?),
        };
        Some(Client { ciphers, extensions })
    }
}

impl<'a> Client<'a> {
    /// Whether it has extensions at all, as all clients since TLS 1.0 do.
    pub(super) fn is_extended(self) -> bool {
        self.extensions.is_some()
    }

    /// The numbers of its extensions, in their order.
    pub(crate) fn extension_numbers(self) -> impl Iterator<Item = u16> {
        let mut rest = Reader(self.extensions.unwrap_or_default());
        std::iter::from_fn(move || {
            let number = rest.u16()?;
            rest.block(2)?;
            Some(number)
        })
    }

    /// What the first extension of this number holds.
    pub(super) fn extension(self, number: u16) -> Option<&'a [u8]> {
        let mut rest = Reader(self.extensions?);
        loop {
            let (found, data) = (rest.u16()?, rest.block(2)?);
            if found == number {
                return Some(data);
            }
        }
    }

    /// The list that an extension is made of: what follows its length of `size` bytes.
    pub(crate) fn list(self, number: u16, size: usize) -> Option<&'a [u8]> {
        Reader(self.extension(number)?).block(size)
    }

    /// The host that the client asks for.
    pub(crate) fn server_name(self) -> Option<&'a [u8]> {
        let mut names = Reader(self.list(extension::SERVER_NAME, 2)?);
        loop {
            let (kind, name) = (names.u8()?, names.block(2)?);
            if kind == 0 {
                return (!name.is_empty()).then_some(name);
            }
        }
    }

    /// The first protocol that the client would like to speak.
    pub(super) fn protocol(self) -> Option<&'a [u8]> {
        Reader(self.list(extension::ALPN, 2)?).block(1)
    }

    /// The groups for which the client sent a key, two bytes each.
    pub(super) fn key_share_groups(self) -> Option<impl Iterator<Item = u16>> {
        let mut shares = Reader(self.list(extension::KEY_SHARE, 2)?);
        Some(std::iter::from_fn(move || {
            let group = shares.u16()?;
            shares.block(2)?;
            Some(group)
        }))
    }
}
