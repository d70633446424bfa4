//! The messages of the peers protocol, version 2.1.

use std::io::Result;
use std::net::{Ipv4Addr, Ipv6Addr};

use tidegate_sample::stick::{Cell, Column, DataType, Form, Key, KeyType, Table, Told};
use tidegate_sample::{Data, Value};

use super::codec::{Reader, broken, number, put, put_bytes};
use super::names::{Names, Sent};

/// Longest message that is taken.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

const CONTROL: u8 = 0;
const ERROR: u8 = 1;
const UPDATES: u8 = 10;

/// A message, as its sender framed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message<'b> {
    /// All that is known is asked for.
    Resync,
    /// All that is known was sent.
    Finished,
    /// The same, by one who may not know all.
    Partial,
    /// An answer to either.
    Confirmed,
    /// The sender is alive.
    Heartbeat,
    /// The sender gives up.
    Error,
    /// What is said of an entry.
    Update(Update<'b>),
    /// What updates that follow are of.
    Define(&'b [u8]),
    /// The same, by the number of one that was defined before.
    Switch(&'b [u8]),
    /// An update was taken in.
    Ack(&'b [u8]),
    /// One that newer versions know.
    Unknown,
}

/// An update, as its sender framed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Update<'b> {
    /// Its number stands in it; else it is the one after the last.
    pub(super) numbered: bool,
    /// When it expires stands in it.
    pub(super) timed: bool,
    pub(super) body: &'b [u8],
}

/// The first message of some bytes, and how many it has; none if more must come first.
///
/// # Errors
/// It can't be a message.
pub(super) fn first(bytes: &[u8]) -> Result<Option<(Message<'_>, usize)>> {
    let [class, kind, rest @ ..] = bytes else {
        return Ok(None);
    };
    if *kind < 128 {
        let message = match (*class, *kind) {
            (CONTROL, 0) => Message::Resync,
            (CONTROL, 1) => Message::Finished,
            (CONTROL, 2) => Message::Partial,
            (CONTROL, 3) => Message::Confirmed,
            (CONTROL, 4) => Message::Heartbeat,
            (ERROR, _) => Message::Error,
            (CONTROL | UPDATES, _) => Message::Unknown,
            _ => return Err(broken("a message of an unknown class")),
        };
        return Ok(Some((message, 2)));
    }
    let Some((length, used)) = number(rest)? else {
        return Ok(None);
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > MESSAGE_BYTES_MAX {
        return Err(broken("a message is too long"));
    }
    let Some(body) = rest.get(used..used + length) else {
        return Ok(None);
    };
    let update = |numbered, timed| {
        Message::Update(Update {
            numbered,
            timed,
            body,
        })
    };
    let message = match (*class, *kind) {
        (UPDATES, 128) => update(true, false),
        (UPDATES, 129) => update(false, false),
        (UPDATES, 130) => Message::Define(body),
        (UPDATES, 131) => Message::Switch(body),
        (UPDATES, 132) => Message::Ack(body),
        (UPDATES, 133) => update(true, true),
        (UPDATES, 134) => update(false, true),
        _ => Message::Unknown,
    };
    Ok(Some((message, 2 + used + length)))
}

/// Appends a message of two bytes.
pub(super) fn put_control(into: &mut Vec<u8>, message: Message<'_>) {
    let bytes = match message {
        Message::Resync => [CONTROL, 0],
        Message::Finished => [CONTROL, 1],
        Message::Partial => [CONTROL, 2],
        Message::Confirmed => [CONTROL, 3],
        Message::Heartbeat => [CONTROL, 4],
        _ => [ERROR, 0],
    };
    into.extend_from_slice(&bytes);
}

fn put_long(into: &mut Vec<u8>, kind: u8, body: &[u8]) {
    into.extend_from_slice(&[UPDATES, kind]);
    put_bytes(into, body);
}

/// Appends that an update of a table, which the other side numbers so, was taken in.
pub(super) fn put_ack(into: &mut Vec<u8>, table: u64, update: u32) {
    let mut body = Vec::new();
    put(&mut body, table);
    body.extend_from_slice(&update.to_be_bytes());
    put_long(into, 132, &body);
}

/// Which table and which of its updates an ack is of.
///
/// # Errors
/// It is cut off.
pub(super) fn ack(body: &[u8]) -> Result<(u64, u32)> {
    let mut body = Reader(body);
    Ok((body.number()?, body.fixed()?))
}

/// A table, as a peer described it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Definition {
    /// Its number with the sender.
    pub(super) number: u64,
    pub(super) name: Vec<u8>,
    key_type: u64,
    key_length: usize,
    /// What updates hold, in their order.
    pub(super) columns: Vec<Column>,
}

/// The type of keys and their length, by the protocol's numbers.
fn key_type(kind: KeyType) -> (u64, usize) {
    match kind {
        KeyType::Integer => (2, 4),
        KeyType::Ipv4 => (4, 4),
        KeyType::Ipv6 => (5, 16),
        // With the zero at the end that texts have elsewhere.
        KeyType::Str { length } => (6, length as usize + 1),
        KeyType::Binary { length } => (7, length as usize),
    }
}

/// Appends the description of a table under a name and a number.
pub(super) fn put_definition(into: &mut Vec<u8>, table: &Table, name: &str, number: u64) {
    let spec = table.spec();
    let (kind, length) = key_type(spec.key);
    let columns = table.told_columns();
    let bits = columns
        .iter()
        .fold(0u64, |bits, column| bits | 1 << column.kind as u64);
    let mut body = Vec::new();
    put(&mut body, number);
    put_bytes(&mut body, name.as_bytes());
    put(&mut body, kind);
    put(&mut body, length as u64);
    put(&mut body, bits);
    put(&mut body, spec.expire_ms.unwrap_or(0));
    for column in &columns {
        let is_rate = column.kind.form() == Form::Rate;
        if !is_rate && !column.kind.is_array() {
            continue;
        }
        put(&mut body, column.kind as u64);
        if column.kind.is_array() {
            put(&mut body, column.length.into());
        }
        if is_rate {
            put(&mut body, column.period_ms.into());
        }
    }
    put_long(into, 130, &body);
}

impl Definition {
    /// Reads one.
    ///
    /// # Errors
    /// It is cut off, or has data of a kind that nobody knows: what follows it couldn't be read.
    pub(super) fn read(body: &[u8]) -> Result<Definition> {
        let mut body = Reader(body);
        let number = body.number()?;
        let name = body.counted()?.to_vec();
        let key_type = body.number()?;
        let key_length = usize::try_from(body.number()?).unwrap_or(usize::MAX);
        let bits = body.number()?;
        if bits >> DataType::ALL.len() != 0 {
            return Err(broken("a table with unknown data"));
        }
        let of_bit = |kind: &&DataType| bits >> (**kind as u64) & 1 == 1;
        let mut columns: Vec<Column> = DataType::ALL
            .iter()
            .filter(of_bit)
            .map(|kind| Column::single(*kind))
            .collect();
        // The oldest versions say no more.
        if !body.is_empty() {
            body.number()?;
        }
        while !body.is_empty() {
            let kind = body.number()?;
            let Some(column) = columns.iter_mut().find(|column| column.kind as u64 == kind) else {
                return Err(broken("a table whose data is not among its data"));
            };
            if column.kind.is_array() {
                column.length = u32::try_from(body.number()?).unwrap_or(u32::MAX);
            }
            if column.kind.form() == Form::Rate {
                column.period_ms = u32::try_from(body.number()?).unwrap_or(u32::MAX);
            }
        }
        Ok(Definition {
            number,
            name,
            key_type,
            key_length,
            columns,
        })
    }

    /// Whether keys are those of a table.
    pub(super) fn fits(&self, table: &Table) -> bool {
        key_type(table.spec().key) == (self.key_type, self.key_length)
    }

    /// The rates that a table counts over another period, which have no meaning there.
    pub(super) fn other_rates(&self, table: &Table) -> Vec<DataType> {
        let is_other = |column: &&Column| {
            let known = table.column(column.kind);
            known.is_some_and(|known| known.period_ms != column.period_ms)
        };
        let others = self.columns.iter().filter(is_other);
        others.map(|column| column.kind).collect()
    }
}

/// What an update says.
pub(super) struct Learned {
    /// Its number, if it has one of its own.
    pub(super) number: Option<u32>,
    pub(super) key: Key,
    /// How long it would be kept by the sender, if that is said.
    pub(super) left_ms: Option<u32>,
    pub(super) values: Vec<(Cell, Told)>,
}

impl Update<'_> {
    /// Reads what it says of a table that was described so.
    ///
    /// # Errors
    /// It is cut off, or a name is told by a number that stands for none.
    pub(super) fn read(&self, definition: &Definition, kind: KeyType, names: &mut Names) -> Result<Learned> {
        let mut body = Reader(self.body);
        let number = match self.numbered {
            true => Some(body.fixed()?),
            false => None,
        };
        let left_ms = match self.timed {
            true => Some(body.fixed()?),
            false => None,
        };
        let key = key(&mut body, definition, kind)?;
        let mut values = Vec::new();
        for column in &definition.columns {
            for index in 0..column.length {
                let value = match column.kind.form() {
                    Form::Rate => Told::Rate {
                        age_ms: narrow(body.number()?),
                        current: narrow(body.number()?),
                        past: narrow(body.number()?),
                    },
                    Form::ServerKey => Told::Server(names.read(body.counted()?)?),
                    _ => Told::Number(body.number()?),
                };
                let kind = column.kind;
                values.push((Cell { kind, index }, value));
            }
        }
        Ok(Learned {
            number,
            key,
            left_ms,
            values,
        })
    }
}

fn narrow(number: u64) -> u32 {
    // What never happened began longer ago than can be told.
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn key(body: &mut Reader<'_>, definition: &Definition, kind: KeyType) -> Result<Key> {
    let value = match kind {
        KeyType::Integer => Value::Int(body.fixed()?.into()),
        KeyType::Ipv4 => Value::Ipv4(Ipv4Addr::from(body.fixed()?)),
        KeyType::Ipv6 => {
            let octets: [u8; 16] = body.bytes(16)?.try_into().unwrap_or_default();
            Value::Ipv6(Ipv6Addr::from(octets))
        }
        KeyType::Str { .. } => Value::Str(Data::copy(body.counted()?)),
        KeyType::Binary { .. } => Value::Bin(Data::copy(body.bytes(definition.key_length)?)),
    };
    kind.key(value).ok_or_else(|| broken("a key of another type"))
}

/// Appends the bytes of a key.
pub(super) fn put_key(into: &mut Vec<u8>, key: &Key) {
    match key.value() {
        Value::Int(number) => into.extend_from_slice(&(number as u32).to_be_bytes()),
        Value::Ipv4(ip) => into.extend_from_slice(&ip.octets()),
        Value::Ipv6(ip) => into.extend_from_slice(&ip.octets()),
        Value::Str(text) => put_bytes(into, &text),
        Value::Bin(bytes) => into.extend_from_slice(&bytes),
        _ => {}
    }
}

/// Appends what there is now of a key; nothing if it has no entry any more.
pub(super) fn put_update(
    into: &mut Vec<u8>,
    table: &Table,
    key: &Key,
    number: u32,
    names: &mut Sent,
    now: u64,
) -> bool {
    let mut body = number.to_be_bytes().to_vec();
    let columns = table.told_columns();
    let there = table.look_up(key, now, |entry| {
        let expires = entry.expires_ms(now);
        body.extend_from_slice(&u32::try_from(expires).unwrap_or(u32::MAX).to_be_bytes());
        put_key(&mut body, key);
        for column in &columns {
            for value in entry.tell(*column, now) {
                match value {
                    Told::Number(number) => put(&mut body, number),
                    Told::Rate {
                        age_ms,
                        current,
                        past,
                    } => {
                        [age_ms, current, past]
                            .iter()
                            .for_each(|part| put(&mut body, (*part).into()));
                    }
                    Told::Server(name) => put_bytes(&mut body, &names.write(name.as_deref())),
                }
            }
        }
    });
    if there.is_some() {
        put_long(into, 133, &body);
    }
    there.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_sample::stick::TableSpec;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text
            .bytes()
            .filter(|byte| *byte != b' ')
            .map(|byte| char::from(byte).to_digit(16).unwrap() as u8)
            .collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    fn table() -> Table {
        let mut spec = TableSpec::new("ps/t", KeyType::Str { length: 16 }, 1024);
        spec.expire_ms = Some(30_000);
        let single = [
            DataType::ServerId,
            DataType::Gpt0,
            DataType::Gpc0,
            DataType::ConnCnt,
            DataType::ConnCur,
            DataType::BytesInCnt,
            DataType::ServerKey,
        ];
        spec.columns = single.map(Column::single).to_vec();
        spec.columns.push(Column::rate(DataType::ConnRate, 10_000));
        Table::new(spec)
    }

    /// What HAProxy 2.6 sends of such a table.
    const DEFINITION: &str = "0a 82 11 04022f740611f7f88201f0c40d05f0e203";
    const UPDATE: &str = "0a 85 1a 000000040000741e062f68656c6c6f00000101f3020100005700";

    #[test]
    fn a_table_is_described_as_haproxy_does_it() {
        let mut sent = Vec::new();
        put_definition(&mut sent, &table(), "/t", 4);
        assert_eq!(sent, hex(DEFINITION));
        let (message, used) = first(&sent).unwrap().unwrap();
        let Message::Define(body) = message else {
            panic!("{message:?}");
        };
        let definition = Definition::read(body).unwrap();
        assert_eq!(
            (used, definition.number, &*definition.name),
            (sent.len(), 4, &b"/t"[..])
        );
        assert!(definition.fits(&table()));
        let mut other = table().spec().clone();
        other.key = KeyType::Str { length: 17 };
        assert!(!definition.fits(&Table::new(other)));
        assert_eq!(definition.other_rates(&table()), []);
        let mut other = table().spec().clone();
        other.columns.pop();
        other.columns.push(Column::rate(DataType::ConnRate, 20_000));
        let other = Table::new(other);
        assert!(definition.fits(&other));
        assert_eq!(definition.other_rates(&other), [DataType::ConnRate]);
    }

    #[test]
    fn arrays_say_how_long_they_are() {
        let mut spec = TableSpec::new("ps/ar", KeyType::Ipv4, 1024);
        let array = |kind, length, period_ms| Column {
            kind,
            length,
            period_ms,
        };
        spec.columns = vec![
            array(DataType::Gpt, 2, 0),
            array(DataType::Gpc, 3, 0),
            array(DataType::GpcRate, 2, 10_000),
        ];
        let mut sent = Vec::new();
        put_definition(&mut sent, &Table::new(spec), "/ar", 3);
        assert_eq!(sent, hex("0a 82 15 03032f61720404f0f1fe6e00160217031802f0e203"));
    }

    #[test]
    fn an_update_of_haproxys_is_taken_in_and_sent_on() {
        let (described, sent) = (hex(DEFINITION), hex(UPDATE));
        let Some((Message::Define(body), _)) = first(&described).unwrap() else {
            panic!("no definition");
        };
        let definition = Definition::read(body).unwrap();
        let Some((Message::Update(update), used)) = first(&sent).unwrap() else {
            panic!("no update");
        };
        assert_eq!((used, update.numbered, update.timed), (sent.len(), true, true));
        let table = table();
        let learned = update
            .read(&definition, table.spec().key, &mut Names::default())
            .unwrap();
        assert_eq!(
            (learned.number, learned.key.to_string()),
            (Some(4), "/hello".into())
        );
        assert!(table.learn(&learned.key, &learned.values, learned.left_ms, 50_000));
        let mut again = Vec::new();
        assert!(put_update(
            &mut again,
            &table,
            &learned.key,
            4,
            &mut Sent::default(),
            50_274
        ));
        // 275 and 274 milliseconds later, which it has less of, and what was a connection there is none here.
        let later = "0a 85 1a 000000040000730c062f68656c6c6f00000101f5130100005700";
        assert_eq!(again, hex(later));
        for cut in 0..sent.len() {
            assert!(first(&sent[..cut]).unwrap().is_none());
        }
        let short = Update {
            body: &update.body[..9],
            ..update
        };
        assert!(
            short
                .read(&definition, table.spec().key, &mut Names::default())
                .is_err()
        );
    }

    #[test]
    fn small_messages() {
        let mut sent = Vec::new();
        for message in [
            Message::Resync,
            Message::Finished,
            Message::Confirmed,
            Message::Heartbeat,
        ] {
            sent.clear();
            put_control(&mut sent, message);
            assert_eq!(first(&sent).unwrap(), Some((message, 2)));
        }
        sent.clear();
        put_ack(&mut sent, 2, 7);
        assert_eq!(sent, hex("0a 84 05 02 00000007"));
        let Some((Message::Ack(body), _)) = first(&sent).unwrap() else {
            panic!("no ack");
        };
        assert_eq!(ack(body).unwrap(), (2, 7));
        assert!(first(&[77, 3]).is_err() && first(&[10, 200, 0]).unwrap() == Some((Message::Unknown, 3)));
    }
}
