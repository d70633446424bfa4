//! CONNECT and CONNACK packets.

use super::property::{self, At, Properties};

/// Why bytes are not a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// So far, nothing is wrong with it.
    Incomplete,
    Invalid,
}

/// What a packet's first byte says that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Connect = 1,
    Connack = 2,
}

impl Kind {
    pub(super) fn named(text: &str) -> Option<Kind> {
        [Kind::Connect, Kind::Connack]
            .into_iter()
            .find(|kind| kind.name().eq_ignore_ascii_case(text) || (*kind as u8).to_string() == text)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Connect => "connect",
            Kind::Connack => "connack",
        }
    }
}

/// What can be asked of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// One of [`FIELDS`], by its index.
    Named(usize),
    Property(u8),
}

/// The fields that have names, with the packets that have them.
const FIELDS: [(&str, &[Kind]); 10] = [
    ("flags", &[Kind::Connect, Kind::Connack]),
    ("protocol_version", &[Kind::Connect, Kind::Connack]),
    ("protocol_name", &[Kind::Connect]),
    ("client_identifier", &[Kind::Connect]),
    ("will_topic", &[Kind::Connect]),
    ("will_payload", &[Kind::Connect]),
    ("username", &[Kind::Connect]),
    ("password", &[Kind::Connect]),
    ("keepalive", &[Kind::Connect]),
    ("reason_code", &[Kind::Connack]),
];

/// Properties are numbered as MQTT does, and named fields from here on.
const NAMED: i64 = 256;

impl Field {
    pub(super) fn named(text: &str, kind: Kind) -> Option<Field> {
        let named = FIELDS
            .iter()
            .position(|(name, kinds)| name.eq_ignore_ascii_case(text) && kinds.contains(&kind));
        let number = || {
            text.parse()
                .ok()
                .filter(|number| property::numbers(kind).any(|known| known == *number))
        };
        named.map(Field::Named).or_else(|| number().map(Field::Property))
    }

    /// All that a packet has, for messages.
    pub(super) fn names(kind: Kind) -> String {
        let names = FIELDS
            .iter()
            .filter(|(_, kinds)| kinds.contains(&kind))
            .map(|(name, _)| (*name).to_string());
        let numbers = property::numbers(kind).map(|number| number.to_string());
        names.chain(numbers).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn number(self) -> i64 {
        match self {
            Field::Named(index) => NAMED + index as i64,
            Field::Property(number) => number.into(),
        }
    }

    pub(super) fn of_number(number: i64) -> Option<Field> {
        match u8::try_from(number) {
            Ok(property) => Some(Field::Property(property)),
            Err(_) => usize::try_from(number - NAMED).ok().map(Field::Named),
        }
    }
}

/// A field's value.
pub(super) enum Content<'a> {
    Number(u32),
    Bytes(&'a [u8]),
}

/// A packet, checked.
pub(super) struct Packet<'a> {
    pub(super) kind: Kind,
    version: u8,
    flags: u8,
    reason: u8,
    keepalive: u16,
    protocol: &'a [u8],
    client: &'a [u8],
    will: Option<(&'a [u8], &'a [u8])>,
    username: Option<&'a [u8]>,
    password: Option<&'a [u8]>,
    properties: Properties<'a>,
    will_properties: Properties<'a>,
}

impl<'a> Packet<'a> {
    /// The packet that `data` begins with; what follows it is not looked at.
    pub(super) fn read(data: &'a [u8]) -> Result<Packet<'a>, Fault> {
        let mut reader = Reader::new(data);
        // The low bits are reserved in both.
        let kind = match reader.byte()? {
            0x10 => Kind::Connect,
            0x20 => Kind::Connack,
            _ => return Err(Fault::Invalid),
        };
        let len = reader.varint()?;
        let mut body = Reader::new(reader.bytes(len)?);
        // All that the length promised is there: whatever does not fit in it is wrong.
        let packet = match kind {
            Kind::Connect => Packet::connect(&mut body),
            Kind::Connack => Packet::connack(&mut body),
        };
        packet.ok().filter(|_| body.is_empty()).ok_or(Fault::Invalid)
    }

    fn connect(body: &mut Reader<'a>) -> Result<Packet<'a>, Fault> {
        let (protocol, version, flags) = (body.text()?, body.byte()?, body.byte()?);
        if !matches!((protocol, version), (b"MQTT" | b"MQIsdp", 3..=5)) || flags & 1 != 0 {
            return Err(Fault::Invalid);
        }
        let keepalive = body.short()?;
        let properties = |body: &mut Reader<'a>, at| match version {
            5 => Properties::read(body, at),
            _ => Ok(Properties::default()),
        };
        let has = |bit: u8| flags & bit != 0;
        let connect = properties(body, At::Connect)?;
        let client = body.text()?;
        let (will_properties, will) = match has(0x04) {
            true => (properties(body, At::Will)?, Some((body.text()?, body.text()?))),
            false => (Properties::default(), None),
        };
        Ok(Packet {
            kind: Kind::Connect,
            version,
            flags,
            reason: 0,
            keepalive,
            protocol,
            client,
            will,
            username: has(0x80).then(|| body.text()).transpose()?,
            password: has(0x40).then(|| body.text()).transpose()?,
            properties: connect,
            will_properties,
        })
    }

    fn connack(body: &mut Reader<'a>) -> Result<Packet<'a>, Fault> {
        let (flags, reason) = (body.byte()?, body.byte()?);
        // Version 5.0 alone has properties.
        let (version, properties) = match body.is_empty() {
            true => (4, Properties::default()),
            false => (5, Properties::read(body, At::Connack)?),
        };
        if flags & 0xfe != 0 {
            return Err(Fault::Invalid);
        }
        Ok(Packet {
            kind: Kind::Connack,
            version,
            flags,
            reason,
            keepalive: 0,
            protocol: &[],
            client: &[],
            will: None,
            username: None,
            password: None,
            properties,
            will_properties: Properties::default(),
        })
    }

    /// A field's value; none if it is not there or empty.
    pub(super) fn field(&self, field: Field) -> Option<Content<'a>> {
        let index = match field {
            Field::Property(number) => {
                let found = self.properties.find(number);
                return found.or_else(|| self.will_properties.find(number));
            }
            Field::Named(index) => index,
        };
        let bytes = match FIELDS.get(index)?.0 {
            "flags" => return Some(Content::Number(self.flags.into())),
            "protocol_version" => return Some(Content::Number(self.version.into())),
            "keepalive" => return Some(Content::Number(self.keepalive.into())),
            "reason_code" => return Some(Content::Number(self.reason.into())),
            "protocol_name" => Some(self.protocol),
            "client_identifier" => Some(self.client),
            "will_topic" => self.will.map(|(topic, _)| topic),
            "will_payload" => self.will.map(|(_, payload)| payload),
            "username" => self.username,
            _ => self.password,
        };
        bytes.filter(|bytes| !bytes.is_empty()).map(Content::Bytes)
    }
}

/// Takes bytes one after the other.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(data: &'a [u8]) -> Reader<'a> {
        Reader(data)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn bytes(&mut self, len: usize) -> Result<&'a [u8], Fault> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(Fault::Incomplete)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(Fault::Incomplete)?;
        self.0 = rest;
        Ok(*bytes)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Fault> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn short(&mut self) -> Result<u16, Fault> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn long(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_be_bytes)
    }

    /// Bytes with their length before them.
    pub(super) fn text(&mut self) -> Result<&'a [u8], Fault> {
        let len = self.short()?;
        self.bytes(len.into())
    }

    /// A number of up to four bytes, of which each has seven bits, the lowest first.
    pub(super) fn varint(&mut self) -> Result<usize, Fault> {
        let mut number = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.byte()?;
            number |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Fault::Invalid)
    }
}
