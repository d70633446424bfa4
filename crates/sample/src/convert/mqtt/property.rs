//! Properties of MQTT 5.0.

use super::packet::{Content, Fault, Kind, Reader};

/// How a property's value is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A byte that is 0 or 1.
    Flag,
    /// Two bytes, which for some may not be 0.
    Short { positive: bool },
    /// Four bytes, which for some may not be 0.
    Long { positive: bool },
    /// Text or bytes with their length before them.
    Bytes,
    /// Two texts; there may be many.
    Pair,
}

/// Where a property may stand.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    Connect,
    Will,
    Connack,
}

/// Number, form, and the places of each property (MQTT 5.0, section 2.2.2.2).
const PROPERTIES: [(u8, Form, &[At]); 25] = [
    (1, Form::Flag, &[At::Will]),
    (2, Form::Long { positive: false }, &[At::Will]),
    (3, Form::Bytes, &[At::Will]),
    (8, Form::Bytes, &[At::Will]),
    (9, Form::Bytes, &[At::Will]),
    (17, Form::Long { positive: false }, &[At::Connect, At::Connack]),
    (18, Form::Bytes, &[At::Connack]),
    (19, Form::Short { positive: false }, &[At::Connack]),
    (21, Form::Bytes, &[At::Connect, At::Connack]),
    (22, Form::Bytes, &[At::Connect, At::Connack]),
    (23, Form::Flag, &[At::Connect]),
    (24, Form::Long { positive: false }, &[At::Will]),
    (25, Form::Flag, &[At::Connect]),
    (26, Form::Bytes, &[At::Connack]),
    (28, Form::Bytes, &[At::Connack]),
    (31, Form::Bytes, &[At::Connack]),
    (33, Form::Short { positive: true }, &[At::Connect, At::Connack]),
    (34, Form::Short { positive: false }, &[At::Connect, At::Connack]),
    (36, Form::Flag, &[At::Connack]),
    (37, Form::Flag, &[At::Connack]),
    (38, Form::Pair, &[At::Connect, At::Will, At::Connack]),
    (39, Form::Long { positive: true }, &[At::Connect, At::Connack]),
    (40, Form::Flag, &[At::Connack]),
    (41, Form::Flag, &[At::Connack]),
    (42, Form::Flag, &[At::Connack]),
];

/// The numbers of the properties of a packet that have one value.
pub(super) fn numbers(kind: Kind) -> impl Iterator<Item = u8> {
    PROPERTIES
        .into_iter()
        .filter(move |(_, form, places)| {
            *form != Form::Pair
                && places.iter().any(|place| match kind {
                    Kind::Connect => matches!(place, At::Connect | At::Will),
                    Kind::Connack => *place == At::Connack,
                })
        })
        .map(|(number, _, _)| number)
}

/// Properties as they stand in a packet, checked.
#[derive(Clone, Copy, Default)]
pub(super) struct Properties<'a>(&'a [u8]);

impl<'a> Properties<'a> {
    /// Reads the properties and their length before them; each may stand there once, and where it belongs.
    pub(super) fn read(reader: &mut Reader<'a>, at: At) -> Result<Properties<'a>, Fault> {
        let len = reader.varint()?;
        let all = reader.bytes(len)?;
        let mut seen = 0u64;
        let mut rest = Reader::new(all);
        while !rest.is_empty() {
            let (number, form, _) = next(&mut rest, Some(at))?;
            if form != Form::Pair && seen & 1 << number != 0 {
                return Err(Fault::Invalid);
            }
            seen |= 1 << number;
        }
        Ok(Properties(all))
    }

    pub(super) fn find(&self, wanted: u8) -> Option<Content<'a>> {
        let mut rest = Reader::new(self.0);
        loop {
            let (number, _, content) = next(&mut rest, None).ok()?;
            if number == wanted {
                return Some(content);
            }
        }
    }
}

fn next<'a>(reader: &mut Reader<'a>, at: Option<At>) -> Result<(u8, Form, Content<'a>), Fault> {
    let number = reader.byte()?;
    let (_, form, places) = PROPERTIES
        .iter()
        .find(|(known, _, _)| *known == number)
        .ok_or(Fault::Invalid)?;
    if at.is_some_and(|at| !places.contains(&at)) {
        return Err(Fault::Invalid);
    }
    let content = match form {
        Form::Flag => match reader.byte()? {
            flag @ 0..=1 => Content::Number(flag.into()),
            _ => return Err(Fault::Invalid),
        },
        Form::Short { .. } => Content::Number(reader.short()?.into()),
        Form::Long { .. } => Content::Number(reader.long()?),
        Form::Bytes => Content::Bytes(reader.text()?),
        Form::Pair => {
            reader.text()?;
            Content::Bytes(reader.text()?)
        }
    };
    match (form, &content) {
        (Form::Short { positive: true } | Form::Long { positive: true }, Content::Number(0)) => {
            Err(Fault::Invalid)
        }
        _ => Ok((number, *form, content)),
    }
}
