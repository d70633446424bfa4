//! MQTT: the first packet of a client (CONNECT) and the first of a server (CONNACK), of versions 3.1, 3.1.1 and 5.0.

mod packet;
mod property;

use super::{ConverterRow, row};
use crate::arg::{Arg, ArgError, ArgKind, ArgSpec, at};
use crate::value::{Type, Value};
use packet::{Fault, Field, Kind, Packet};

pub(super) const ROWS: &[ConverterRow] = &[
    row(
        "mqtt_is_valid",
        ArgSpec::NONE,
        Type::Bin,
        Type::Bool,
        "whether the bytes begin with a valid MQTT CONNECT or CONNACK packet: `req.payload(0,0),mqtt_is_valid`; nothing \
         while it is incomplete (7.3.1)",
        |_, _, v| match v {
            Value::Bin(data) => match Packet::read(&data) {
                Ok(_) => Some(Value::Bool(true)),
                Err(Fault::Invalid) => Some(Value::Bool(false)),
                Err(Fault::Incomplete) => None,
            },
            _ => None,
        },
    ),
    row(
        "mqtt_field_value",
        ArgSpec::new(2, &[ArgKind::Str, ArgKind::Str]),
        Type::Bin,
        Type::Str,
        "a field of an MQTT packet: `mqtt_field_value(connect,username)`; the packet is connect (1) or connack (2), the field \
         one of flags, protocol_name, protocol_version, client_identifier, will_topic, will_payload, username, password, \
         keepalive and reason_code, or the number of a property of version 5.0; nothing if it is not there (7.3.1)",
        |_, args, v| match (v, at(args, 0), at(args, 1)) {
            (Value::Bin(data), Arg::Int(kind), Arg::Int(field)) => {
                let packet = Packet::read(&data).ok()?;
                (packet.kind as i64 == *kind).then_some(())?;
                match packet.field(Field::of_number(*field)?)? {
                    packet::Content::Number(number) => Some(Value::str(number.to_string())),
                    packet::Content::Bytes(bytes) => Some(Value::Str(data.part(bytes))),
                }
            }
            _ => None,
        },
    )
    .prepared(prepare),
];

/// Turns the names of the packet and of the field into their numbers.
fn prepare(args: &mut Vec<Arg>) -> Result<(), ArgError> {
    let text = |index| String::from_utf8_lossy(at(args, index).text()).into_owned();
    let (packet, name) = (text(0), text(1));
    let kind = match Kind::named(&packet) {
        Some(kind) => kind,
        None => {
            let message = format!(
                "`{packet}` is not a packet that can be looked into: those are `connect` and `connack`"
            );
            return Err(ArgError::new(0, message));
        }
    };
    let Some(field) = Field::named(&name, kind) else {
        let message = format!(
            "`{name}` is not a field of {}: those are {}",
            kind.name(),
            Field::names(kind)
        );
        return Err(ArgError::new(1, message));
    };
    *args = vec![Arg::Int(kind as i64), Arg::Int(field.number())];
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::{Converter, NoSession, Scope, Value};
    use proptest::prelude::*;

    fn text(text: &str) -> Vec<u8> {
        [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat()
    }

    fn packet(first: u8, body: &[u8]) -> Vec<u8> {
        [&[first, body.len() as u8], body].concat()
    }

    /// A CONNECT packet; properties are those of version 5.0.
    fn connect(protocol: &str, version: u8, flags: u8, properties: &[u8], payload: &[Vec<u8>]) -> Vec<u8> {
        let mut body = [&text(protocol)[..], &[version, flags, 0, 60]].concat();
        if version == 5 {
            body.push(properties.len() as u8);
            body.extend_from_slice(properties);
        }
        body.extend(payload.concat());
        packet(0x10, &body)
    }

    fn full() -> Vec<u8> {
        connect(
            "MQTT",
            4,
            0xc6,
            &[],
            &["cid", "wt", "wp", "user", "pass"].map(text),
        )
    }

    fn full5() -> Vec<u8> {
        let properties = [
            &b"\x11\0\0\0\x0a\x21\0\x14\x27\0\x01\0\0\x22\0\x05\x19\x01\x17\0\x15"[..],
            &text("am"),
            b"\x16",
            &text("data"),
            b"\x26",
            &text("k"),
            &text("v"),
        ];
        let will = [
            &b"\x18\0\0\0\x07\x02\0\0\0\x09\x01\x01\x03"[..],
            &text("ct"),
            b"\x08",
            &text("rt"),
            b"\x09",
            &text("c"),
        ]
        .concat();
        let will = [&[will.len() as u8][..], &will].concat();
        connect(
            "MQTT",
            5,
            0x06,
            &properties.concat(),
            &[text("cid"), will, text("wt"), text("wp")],
        )
    }

    fn connack5() -> Vec<u8> {
        let properties = [
            &b"\x24\x01\x21\0\x05\x25\0\x28\x01\x29\0\x2a\x01\x13\0\x3c\x12"[..],
            &text("cc"),
            b"\x1f",
            &text("rs"),
            b"\x1a",
            &text("r"),
            b"\x1c",
            &text("s"),
        ]
        .concat();
        packet(
            0x20,
            &[&[0, 0x87, properties.len() as u8][..], &properties].concat(),
        )
    }

    fn apply(name: &str, args: &[&str], data: &[u8]) -> Option<Value> {
        let args: Vec<Value> = args.iter().map(|arg| Value::str(*arg)).collect();
        Converter::new(name, &args, &Scope::anywhere())
            .unwrap()
            .apply(&NoSession, Value::bin(data))
    }

    fn valid(data: &[u8]) -> Option<bool> {
        apply("mqtt_is_valid", &[], data).map(|value| value == Value::Bool(true))
    }

    #[test]
    fn fields_and_properties() {
        for (kind, data, fields) in [
            (
                "connect",
                full(),
                "flags=198 protocol_name=MQTT protocol_version=4 client_identifier=cid will_topic=wt \
                will_payload=wp username=user password=pass keepalive=60 17=- 24=-",
            ),
            (
                "CONNECT",
                full5(),
                "flags=6 Protocol_Version=5 client_identifier=cid will_topic=wt will_payload=wp username=- \
                password=- 17=10 33=20 39=65536 34=5 25=1 23=0 21=am 22=data 24=7 1=1 2=9 3=ct 8=rt 9=c",
            ),
            (
                "1",
                connect("MQTT", 4, 2, &[], &[text("")]),
                "client_identifier=- username=-",
            ),
            (
                "connack",
                packet(0x20, &[1, 5]),
                "flags=1 protocol_version=4 reason_code=5 36=-",
            ),
            (
                "2",
                connack5(),
                "flags=0 protocol_version=5 reason_code=135 36=1 33=5 37=0 40=1 41=0 42=1 19=60 18=cc 31=rs \
                26=r 28=s 17=- 39=-",
            ),
            ("connack", full(), "flags=-"),
        ] {
            for field in fields.split_ascii_whitespace() {
                let (name, want) = field.split_once('=').unwrap();
                let want = (want != "-").then(|| Value::str(want));
                assert_eq!(
                    apply("mqtt_field_value", &[kind, name], &data),
                    want,
                    "{kind} {field}"
                );
            }
        }
    }

    #[test]
    fn what_is_valid() {
        let one = [text("cid")];
        for good in [
            full(),
            full5(),
            connack5(),
            connect("MQIsdp", 3, 2, &[], &one),
            connect("MQTT", 3, 2, &[], &one),
            connect("MQTT", 5, 2, &[], &one),
            connect("MQTT", 4, 0, &[], &[text("")]),
            [full(), b"more".to_vec()].concat(),
            packet(0x20, &[0, 0]),
            packet(0x20, &[1, 6]),
            packet(0x20, &[0, 0, 0]),
        ] {
            assert_eq!(valid(&good), Some(true), "{}", good.escape_ascii());
        }
        for bad in [
            connect("MQTT", 6, 2, &[], &one),
            connect("MQTT", 2, 2, &[], &one),
            connect("X", 4, 2, &[], &one),
            connect("MQTT", 4, 3, &[], &one),
            connect("MQTT", 4, 0xc2, &[], &["cid", "user"].map(text)),
            connect("MQTT", 4, 2, &[], &["cid", ""].map(text)),
            connect("MQTT", 5, 2, b"\x24\x01", &one),
            connect("MQTT", 5, 2, b"\x19\x02", &one),
            connect("MQTT", 5, 2, b"\x21\0\0", &one),
            connect("MQTT", 5, 2, b"\x27\0\0\0\0", &one),
            connect("MQTT", 5, 2, b"\x21\0\x01\x21\0\x01", &one),
            connect("MQTT", 5, 2, b"\x11\0", &one),
            connect("MQTT", 5, 2, b"\x63\0", &one),
            connect("MQTT", 5, 2, b"\x02\0\0\0\x01", &one),
            packet(0x11, &full()[2..]),
            packet(0x20, &[2, 0]),
            packet(0x20, &[0]),
            packet(0x20, &[0, 0, 1]),
            packet(0x30, b"\0\x01a"),
            packet(0, b""),
            b"GET / HTTP/1.1".to_vec(),
            b"\x10\xff\xff\xff\xff\x7f".to_vec(),
        ] {
            assert_eq!(valid(&bad), Some(false), "{}", bad.escape_ascii());
            assert_eq!(apply("mqtt_field_value", &["connect", "flags"], &bad), None);
        }
        for good in [full(), full5(), connack5()] {
            for end in 0..good.len() {
                assert_eq!(valid(&good[..end]), None, "the first {end} bytes");
            }
        }
        assert_eq!(valid(b"\x10\xff\xff\xff\x7f"), None);
    }

    #[test]
    fn packets_and_fields_that_there_are_not() {
        for (packet, field, part) in [
            ("publish", "flags", "not a packet that can be looked into"),
            ("3", "flags", "not a packet"),
            ("", "flags", "not a packet"),
            ("01", "flags", "not a packet"),
            (
                "connect",
                "reason_code",
                "`reason_code` is not a field of connect: those are flags, ",
            ),
            (
                "connack",
                "username",
                "not a field of connack: those are flags, protocol_version, reason_code, 17, ",
            ),
            ("connect", "36", "not a field"),
            ("connect", "18", "not a field"),
            ("connect", "38", "not a field"),
            ("connack", "24", "not a field"),
            ("connect", "", "not a field"),
            ("connect", "256", "not a field"),
        ] {
            let error = Converter::new(
                "mqtt_field_value",
                &[Value::str(packet), Value::str(field)],
                &Scope::anywhere(),
            );
            let message = error.unwrap_err().message;
            assert!(message.contains(part), "{packet} {field}: {message}");
        }
    }

    proptest! {
        #[test]
        fn any_change_ends_well(
            which in 0..3usize,
            changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..6),
            cut in any::<usize>(),
        ) {
            let mut data = [full(), full5(), connack5()][which].clone();
            for (at, byte) in changes {
                let len = data.len();
                data[at % len] = byte;
            }
            data.truncate(1 + cut % (2 * data.len()));
            valid(&data);
            for field in ["username", "9", "38", "21"] {
                let args = [Value::str("connect"), Value::str(field)];
                if let Ok(converter) = Converter::new("mqtt_field_value", &args, &Scope::anywhere()) {
                    converter.apply(&NoSession, Value::bin(data.as_slice()));
                }
            }
        }
    }
}
