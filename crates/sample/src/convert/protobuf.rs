//! Fields of protocol buffers, alone and in gRPC messages.

use super::{ConverterRow, row};
use crate::arg::{Arg, ArgError, ArgKind, ArgSpec, at};
use crate::data::Data;
use crate::value::{Type, Value};

const FIELD: ArgSpec = ArgSpec::new(1, &[ArgKind::ProtobufField, ArgKind::Str]);

pub(super) const ROWS: &[ConverterRow] = &[
    row(
        "protobuf",
        FIELD,
        Type::Bin,
        Type::Bin,
        "a field of a protocol buffer by its number, nested ones with dots: `protobuf(59.1,int32)`; as an integer if a type \
         is given (int32, int64, uint32, uint64, sint32, sint64, bool, enum, fixed64, sfixed64, double, fixed32, sfixed32, \
         float), else its raw bytes (7.3.1)",
        |_, args, v| match (v, at(args, 0)) {
            (Value::Bin(data), Arg::ProtobufField(path)) => Field::find(&data, path)?.value(&data, at(args, 1)),
            _ => None,
        },
    )
    .prepared(prepare),
    row(
        "ungrpc",
        FIELD,
        Type::Bin,
        Type::Bin,
        "a field of a gRPC message, as `protobuf` has them: `req.body,ungrpc(48.59.1,int32)`; nothing of a compressed one \
         (7.3.1)",
        |_, args, v| match (v, at(args, 0)) {
            (Value::Bin(data), Arg::ProtobufField(path)) => {
                let mut rest: &[u8] = &data;
                loop {
                    let (message, after) = grpc_message(rest)?;
                    if let Some(field) = Field::find(message, path) {
                        return field.value(&data, at(args, 1));
                    }
                    rest = after;
                }
            }
            _ => None,
        },
    )
    .prepared(prepare),
];

/// How the bytes of a field are read as an integer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    Varint,
    ZigZag,
    Fixed64,
    Double,
    Fixed32,
    SignedFixed32,
    Float,
}

const READINGS: [(&str, Reading); 14] = [
    ("int32", Reading::Varint),
    ("int64", Reading::Varint),
    ("uint32", Reading::Varint),
    ("uint64", Reading::Varint),
    ("sint32", Reading::ZigZag),
    ("sint64", Reading::ZigZag),
    ("bool", Reading::Varint),
    ("enum", Reading::Varint),
    ("fixed64", Reading::Fixed64),
    ("sfixed64", Reading::Fixed64),
    ("double", Reading::Double),
    ("fixed32", Reading::Fixed32),
    ("sfixed32", Reading::SignedFixed32),
    ("float", Reading::Float),
];

/// Turns the name of a type into the index of how it is read.
fn prepare(args: &mut Vec<Arg>) -> Result<(), ArgError> {
    let Some(Arg::Str(name)) = args.get(1) else {
        return Ok(());
    };
    let index = READINGS
        .iter()
        .position(|(known, _)| known.as_bytes() == name.as_slice());
    match (index, args.get_mut(1)) {
        (Some(index), Some(arg)) => {
            *arg = Arg::Int(index as i64);
            Ok(())
        }
        _ => {
            let names = READINGS.map(|(name, _)| name).join(", ");
            Err(ArgError::new(1, format!("the types are {names}")))
        }
    }
}

/// A field's content.
#[derive(Clone, Copy)]
enum Field<'a> {
    /// The bytes and what they say.
    Varint(&'a [u8], u64),
    Fixed64(&'a [u8; 8]),
    Bytes(&'a [u8]),
    Fixed32(&'a [u8; 4]),
}

impl<'a> Field<'a> {
    /// The first field at the end of the path. Nothing of what comes after something broken is found.
    fn find(message: &'a [u8], path: &[u32]) -> Option<Field<'a>> {
        let (number, inner) = path.split_first()?;
        let mut rest = message;
        while !rest.is_empty() {
            let (found, field, after) = Field::read(rest)?;
            if found == u64::from(*number) {
                match field {
                    field if inner.is_empty() => return Some(field),
                    Field::Bytes(message) => {
                        if let Some(field) = Field::find(message, inner) {
                            return Some(field);
                        }
                    }
                    _ => {}
                }
            }
            rest = after;
        }
        None
    }

    /// The number and content of the field that `data` begins with, and what follows.
    fn read(data: &'a [u8]) -> Option<(u64, Field<'a>, &'a [u8])> {
        let (_, key, rest) = varint(data)?;
        let (field, rest) = match key & 7 {
            0 => varint(rest).map(|(bytes, number, rest)| (Field::Varint(bytes, number), rest))?,
            1 => rest
                .split_first_chunk()
                .map(|(bytes, rest)| (Field::Fixed64(bytes), rest))?,
            2 => {
                let (_, len, rest) = varint(rest)?;
                let (bytes, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
                (Field::Bytes(bytes), rest)
            }
            5 => rest
                .split_first_chunk()
                .map(|(bytes, rest)| (Field::Fixed32(bytes), rest))?,
            _ => return None,
        };
        Some((key >> 3, field, rest))
    }

    fn value(self, within: &Data, reading: &Arg) -> Option<Value> {
        let Arg::Int(index) = reading else {
            return Some(match self {
                Field::Varint(bytes, _) => Value::bin(bytes),
                Field::Fixed64(bytes) => Value::bin(&bytes[..]),
                Field::Fixed32(bytes) => Value::bin(&bytes[..]),
                Field::Bytes(bytes) => Value::Bin(within.part(bytes)),
            });
        };
        let (_, reading) = READINGS.get(usize::try_from(*index).ok()?)?;
        Some(Value::Int(match (self, reading) {
            (Field::Varint(_, number), Reading::Varint) => number as i64,
            (Field::Varint(_, number), Reading::ZigZag) => (number >> 1) as i64 ^ -((number & 1) as i64),
            (Field::Fixed64(bytes), Reading::Fixed64) => i64::from_le_bytes(*bytes),
            (Field::Fixed64(bytes), Reading::Double) => f64::from_le_bytes(*bytes) as i64,
            (Field::Fixed32(bytes), Reading::Fixed32) => u32::from_le_bytes(*bytes).into(),
            (Field::Fixed32(bytes), Reading::SignedFixed32) => i32::from_le_bytes(*bytes).into(),
            (Field::Fixed32(bytes), Reading::Float) => f32::from_le_bytes(*bytes) as i64,
            _ => return None,
        }))
    }
}

/// The bytes of a varint, its number and what follows.
fn varint(data: &[u8]) -> Option<(&[u8], u64, &[u8])> {
    let len = data.iter().take(10).position(|byte| byte & 0x80 == 0)? + 1;
    let (bytes, rest) = data.split_at_checked(len)?;
    let number = bytes
        .iter()
        .rev()
        .fold(0u64, |number, byte| number << 7 | u64::from(byte & 0x7f));
    Some((bytes, number, rest))
}

/// The first message of a gRPC stream and what follows; none if it is compressed or incomplete.
fn grpc_message(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[compressed, a, b, c, d], rest) = data.split_first_chunk()?;
    let len = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
    rest.split_at_checked(len).filter(|_| compressed == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Converter, Expr, NoSession, Scope};
    use proptest::prelude::*;

    /// The manual's message `Rectangle`, from (407838351, -746143763) to (1, 2).
    const RECTANGLE: &str = "0000000021820314da0311088fbdbcc20110edff9a9cfdffffffff018a0307da030408011002";

    fn run(hex: &str, chain: &str) -> String {
        // `bin` takes a digit at least.
        let fetch = if hex.is_empty() {
            "str()".into()
        } else {
            format!("bin({hex})")
        };
        let value = format!("{fetch},{chain}")
            .parse::<Expr>()
            .unwrap()
            .eval(&NoSession);
        match value {
            Some(Value::Bin(data)) => crate::cast::hex(&data).iter().map(|byte| *byte as char).collect(),
            Some(Value::Int(int)) => int.to_string(),
            None => "-".to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_manual_s_example() {
        for (chain, want) in [
            ("ungrpc(48.59.1,int32)", "407838351"),
            ("ungrpc(48.59.2,int32)", "-746143763"),
            ("ungrpc(49.59.1,int32)", "1"),
            ("ungrpc(49.59.2,int32)", "2"),
            ("ungrpc(48.59)", "088FBDBCC20110EDFF9A9CFDFFFFFFFF01"),
            ("ungrpc(48.59),protobuf(1,int32)", "407838351"),
            ("ungrpc(48),protobuf(59.1,int32)", "407838351"),
            ("ungrpc(48),protobuf(59),protobuf(1,int32)", "407838351"),
            ("ungrpc(48.59.1)", "8FBDBCC201"),
            ("ungrpc(48.1,int32)", "-"),
            ("ungrpc(50,int32)", "-"),
            ("ungrpc(48.59,int32)", "-"),
        ] {
            assert_eq!(run(RECTANGLE, chain), want, "{chain}");
        }
    }

    #[test]
    fn types_are_read_from_their_wire_type_alone() {
        let (varint, minus) = ("0805", "08fbffffffffffffffff01");
        let (fixed32, fixed64, bytes) = ("0d00003040", "0900000000000006c0", "0a03616263");
        for (kind, want) in [
            ("int32", ["5", "-5", "-", "-", "-"]),
            ("uint64", ["5", "-5", "-", "-", "-"]),
            ("sint32", ["-3", "-9223372036854775806", "-", "-", "-"]),
            ("bool", ["5", "-5", "-", "-", "-"]),
            ("fixed64", ["-", "-", "-", "-4609997168567123968", "-"]),
            ("sfixed64", ["-", "-", "-", "-4609997168567123968", "-"]),
            ("double", ["-", "-", "-", "-2", "-"]),
            ("fixed32", ["-", "-", "1076887552", "-", "-"]),
            ("sfixed32", ["-", "-", "1076887552", "-", "-"]),
            ("float", ["-", "-", "2", "-", "-"]),
        ] {
            let got =
                [varint, minus, fixed32, fixed64, bytes].map(|hex| run(hex, &format!("protobuf(1,{kind})")));
            assert_eq!(got, want, "{kind}");
        }
        assert_eq!(run("0dffffffff", "protobuf(1,fixed32)"), "4294967295");
        assert_eq!(run("0dffffffff", "protobuf(1,sfixed32)"), "-1");
        assert_eq!(
            run("09000000000000f07f", "protobuf(1,double)"),
            i64::MAX.to_string()
        );
        for (hex, want) in [
            (varint, "05"),
            (fixed32, "00003040"),
            (bytes, "616263"),
            ("0a00", ""),
        ] {
            assert_eq!(run(hex, "protobuf(1)"), want);
        }
    }

    #[test]
    fn the_first_field_of_a_number_counts_and_all_messages_are_looked_into() {
        for (hex, chain, want) in [
            ("08050806", "protobuf(1,int32)", "5"),
            ("0a0210050a021806", "protobuf(1.3,int32)", "6"),
            ("0a0210050a021006", "protobuf(1.2,int32)", "5"),
            ("15616263641961626364656667682201710a017a", "protobuf(1)", "7A"),
            ("faffffff0f016d", "protobuf(536870911)", "6D"),
            ("0a0161ff", "protobuf(1)", "61"),
            ("000000000208050000000002 1006", "ungrpc(2,int32)", "6"),
            ("0000000002080578", "ungrpc(1,int32)", "5"),
        ] {
            assert_eq!(run(&hex.replace(' ', ""), chain), want, "{hex} {chain}");
        }
    }

    #[test]
    fn what_is_broken_gives_nothing() {
        for (hex, chain) in [
            ("", "protobuf(1)"),
            ("ff", "protobuf(1)"),
            ("08", "protobuf(1,int32)"),
            ("0a036162", "protobuf(1)"),
            ("0d616263", "protobuf(1)"),
            ("09616263", "protobuf(1)"),
            ("0b0c0a017a", "protobuf(1)"),
            ("170a017a", "protobuf(1)"),
            ("08ffffffffffffffffffff01", "protobuf(1,int64)"),
            ("0affffffffffffffffff01", "protobuf(1)"),
            ("0805", "protobuf(1.2,int32)"),
            ("0000000000", "ungrpc(1)"),
            ("00000000", "ungrpc(1)"),
            ("00000000030805", "ungrpc(1,int32)"),
            ("01000000020805", "ungrpc(1,int32)"),
        ] {
            assert_eq!(run(hex, chain), "-", "{hex} {chain}");
        }
    }

    #[test]
    fn arguments_that_name_no_field_or_type_are_refused() {
        for args in [
            "",
            "0",
            "1.",
            ".1",
            "1..2",
            "a",
            "1.0",
            "-1",
            "536870912",
            "4294967296",
            "1 ",
            "+1",
        ] {
            let error = format!("bin(00),protobuf({args})").parse::<Expr>().unwrap_err();
            assert!(
                error
                    .message
                    .contains("is not a valid Protocol buffers field number")
                    || error.message.contains("misses"),
                "{args}: {error}"
            );
        }
        for args in ["1,foo", "1,INT32", "1,string", "1,"] {
            let error = format!("bin(00),ungrpc({args})").parse::<Expr>().unwrap_err();
            assert!(
                error.message.starts_with("`ungrpc`: the types are int32,"),
                "{args}: {error}"
            );
        }
    }

    #[test]
    fn a_long_field_is_shared_and_not_copied() {
        let data = Data::from([b"\x0a\x64".to_vec(), vec![b'x'; 100]].concat());
        let start = data.as_ptr() as usize;
        let converter = Converter::new("protobuf", &[Value::Int(1)], &Scope::anywhere()).unwrap();
        match converter.apply(&NoSession, Value::Bin(data)) {
            Some(Value::Bin(field)) => assert_eq!(field.as_ptr() as usize, start + 2),
            other => panic!("{other:?}"),
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end_well(
            data in proptest::collection::vec(prop_oneof![4 => 0u8..32, 1 => any::<u8>()], 0..100),
            path in proptest::sample::select(vec!["1", "1.1", "1.2.3", "2.1.1.1"]),
            name in proptest::sample::select(vec!["protobuf", "ungrpc"]),
        ) {
            let converter = Converter::new(name, &[Value::str(path)], &Scope::anywhere()).unwrap();
            converter.apply(&NoSession, Value::bin(data));
        }

        #[test]
        fn numbers_are_read_as_they_were_written(number in any::<u64>(), field in 1u32..1 << 29) {
            let mut data = Vec::new();
            for mut part in [u64::from(field) << 3, number] {
                while part > 127 {
                    data.push(part as u8 | 128);
                    part >>= 7;
                }
                data.push(part as u8);
            }
            let converter = Converter::new("protobuf", &[i64::from(field).into(), Value::str("int64")], &Scope::anywhere());
            prop_assert_eq!(converter.unwrap().apply(&NoSession, Value::bin(data)), Some(Value::Int(number as i64)));
        }
    }
}
