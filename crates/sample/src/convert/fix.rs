//! Messages of FIX (Financial Information eXchange): tags and values, each ended by the byte 1.

use super::{ConverterRow, row};
use crate::arg::{Arg, ArgError, ArgKind, ArgSpec, at};
use crate::value::{Type, Value};

const BEGIN_STRING: u64 = 8;
const BODY_LENGTH: u64 = 9;
const CHECK_SUM: u64 = 10;
const MSG_TYPE: u64 = 35;

/// The tags that have names; those of others are numbers.
const NAMES: [(&str, u64); 6] = [
    ("BeginString", BEGIN_STRING),
    ("BodyLength", BODY_LENGTH),
    ("CheckSum", CHECK_SUM),
    ("MsgType", MSG_TYPE),
    ("SenderCompID", 49),
    ("TargetCompID", 56),
];

const VERSIONS: [&[u8]; 6] = [
    b"FIX.4.0",
    b"FIX.4.1",
    b"FIX.4.2",
    b"FIX.4.3",
    b"FIX.4.4",
    b"FIXT.1.1",
];

pub(super) const ROWS: &[ConverterRow] = &[
    row(
        "fix_is_valid",
        ArgSpec::NONE,
        Type::Bin,
        Type::Bool,
        "whether the bytes begin with a valid FIX message: `req.payload(0,0),fix_is_valid`; nothing while it is \
         incomplete (7.3.1)",
        |_, _, v| match v {
            Value::Bin(data) => match check(&data) {
                Ok(()) => Some(Value::Bool(true)),
                Err(Fault::Invalid) => Some(Value::Bool(false)),
                Err(Fault::Incomplete) => None,
            },
            _ => None,
        },
    ),
    row(
        "fix_tag_value",
        ArgSpec::new(1, &[ArgKind::Str]),
        Type::Bin,
        Type::Bin,
        "the value of a tag in a FIX message, by number or by name (BeginString, BodyLength, CheckSum, MsgType, \
         SenderCompID, TargetCompID): `fix_tag_value(MsgType)`; nothing if it is not there or empty (7.3.1)",
        |_, args, v| match (v, at(args, 0)) {
            (Value::Bin(data), Arg::Int(wanted)) => {
                let mut rest: &[u8] = &data;
                while let Ok((tag, after)) = Tag::read(rest) {
                    if u64::try_from(*wanted) == Ok(tag.id) {
                        return (!tag.value.is_empty()).then(|| Value::Bin(data.part(tag.value)));
                    }
                    rest = after;
                }
                None
            }
            _ => None,
        },
    )
    .prepared(|args| {
        let text = String::from_utf8_lossy(at(args, 0).text()).into_owned();
        let known = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(&text));
        let id = match (known, number(text.as_bytes())) {
            (Some((_, id)), _) => i64::try_from(*id).ok(),
            (_, Some(id @ 1..)) => i64::try_from(id).ok(),
            _ => None,
        };
        match (id, args.first_mut()) {
            (Some(id), Some(arg)) => {
                *arg = Arg::Int(id);
                Ok(())
            }
            _ => {
                let names = NAMES.map(|(name, _)| name).join(", ");
                Err(ArgError::new(
                    0,
                    format!("`{text}` is neither a tag's number from 1 on nor one of {names}"),
                ))
            }
        }
    }),
];

/// Why a message is not valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// So far, nothing is wrong with it.
    Incomplete,
    Invalid,
}

/// `id=value` with its end.
struct Tag<'a> {
    id: u64,
    value: &'a [u8],
}

impl<'a> Tag<'a> {
    /// The tag that `data` begins with, and what follows it.
    fn read(data: &'a [u8]) -> Result<(Tag<'a>, &'a [u8]), Fault> {
        let mut parts = data.splitn(2, |byte| *byte == 1);
        let (text, rest) = (parts.next().unwrap_or_default(), parts.next());
        let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (id, after) = text.split_at_checked(digits).unwrap_or_default();
        match (number(id), after, rest) {
            (Some(id), [b'=', value @ ..], Some(rest)) => Ok((Tag { id, value }, rest)),
            (Some(_), [b'=', ..] | [], None) | (None, [], None) => Err(Fault::Incomplete),
            _ => Err(Fault::Invalid),
        }
    }

    /// The same where only this tag may stand, with a value.
    fn expect(data: &'a [u8], id: u64) -> Result<(&'a [u8], &'a [u8]), Fault> {
        match Tag::read(data)? {
            (tag, rest) if tag.id == id && !tag.value.is_empty() => Ok((tag.value, rest)),
            _ => Err(Fault::Invalid),
        }
    }
}

fn check(message: &[u8]) -> Result<(), Fault> {
    let (version, rest) = Tag::expect(message, BEGIN_STRING)?;
    if !VERSIONS.contains(&version) {
        return Err(Fault::Invalid);
    }
    let (length, rest) = Tag::expect(rest, BODY_LENGTH)?;
    let length = number(length).ok_or(Fault::Invalid)?;
    let length = usize::try_from(length).map_err(|_| Fault::Invalid)?;
    let Some((body, end)) = rest.split_at_checked(length) else {
        return Err(Fault::Incomplete);
    };
    let summed = message.len() - end.len();
    let sum = message
        .iter()
        .take(summed)
        .fold(0u8, |sum, byte| sum.wrapping_add(*byte));

    // What is cut off by a wrong length is invalid, not incomplete: all that the length promised is there.
    let within = |fault| match fault {
        Fault::Incomplete | Fault::Invalid => Fault::Invalid,
    };
    let (_, mut rest) = Tag::expect(body, MSG_TYPE).map_err(within)?;
    while !rest.is_empty() {
        let (tag, after) = Tag::read(rest).map_err(within)?;
        if tag.value.is_empty() || tag.id == CHECK_SUM {
            return Err(Fault::Invalid);
        }
        rest = after;
    }

    let (given, _) = Tag::expect(end, CHECK_SUM)?;
    if given == format!("{sum:03}").as_bytes() {
        Ok(())
    } else {
        Err(Fault::Invalid)
    }
}

/// The number of a text of digits; none if it is empty, something else or too large.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |number, byte| {
        let digit = (*byte as char).to_digit(10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Converter, NoSession, Scope};
    use proptest::prelude::*;

    /// A message whose length and sum are right; `|` stands for the byte 1.
    fn message(version: &str, body: &str) -> Vec<u8> {
        let text = format!("8={version}|9={}|{body}", body.len()).replace('|', "\u{1}");
        let sum = text.bytes().fold(0u8, u8::wrapping_add);
        format!("{text}10={sum:03}\u{1}").into_bytes()
    }

    fn valid(data: &[u8]) -> Option<bool> {
        match check(data) {
            Ok(()) => Some(true),
            Err(Fault::Invalid) => Some(false),
            Err(Fault::Incomplete) => None,
        }
    }

    fn tag(data: &[u8], tag: &str) -> Option<Value> {
        let converter = Converter::new("fix_tag_value", &[Value::str(tag)], &Scope::anywhere()).unwrap();
        converter.apply(&NoSession, Value::bin(data))
    }

    const BODY: &str = "35=A|49=S|56=T|34=1|";

    #[test]
    fn messages_are_valid_as_haproxy_has_them() {
        for version in ["FIX.4.0", "FIX.4.1", "FIX.4.2", "FIX.4.3", "FIX.4.4", "FIXT.1.1"] {
            assert_eq!(valid(&message(version, BODY)), Some(true), "{version}");
        }
        for version in ["FIX.5.0", "FIX.4.5", "FIXT.1.2", "FIX.4.", "x", "FIX.4.2 "] {
            assert_eq!(valid(&message(version, BODY)), Some(false), "{version}");
        }
        for (body, want) in [
            ("35=A|", true),
            ("35=A|49=a=b|", true),
            ("49=S|35=A|", false),
            ("35=A|x=1|", false),
            ("35=A|=1|", false),
            ("35=A|49|", false),
            ("35=A|49=|", false),
            ("35=|", false),
            ("35=A|10=000|", false),
            ("35=A|49=S", false),
            ("", false),
        ] {
            assert_eq!(valid(&message("FIX.4.2", body)), Some(want), "{body}");
        }
    }

    #[test]
    fn lengths_sums_and_what_follows() {
        let good = message("FIX.4.2", BODY);
        let text = String::from_utf8(good.clone()).unwrap();
        assert_eq!(valid(&[&good[..], b"more"].concat()), Some(true));
        assert_eq!(valid(&[&good[..], &good[..]].concat()), Some(true));
        assert_eq!(valid(text.replace("9=20", "9=5").as_bytes()), Some(false));
        assert_eq!(valid(text.replace("9=20", "9=").as_bytes()), Some(false));
        assert_eq!(
            valid(text.replace("9=20", "9=99999999999999999999").as_bytes()),
            Some(false)
        );
        assert_eq!(valid(text.replace("10=176", "10=177").as_bytes()), Some(false));
        assert_eq!(valid(text.replace("10=176", "11=176").as_bytes()), Some(false));
        for end in 0..good.len() {
            assert_eq!(valid(&good[..end]), None, "the first {end} bytes");
        }
        assert_eq!(valid(b"GET / HTTP/1.1\r\n"), Some(false));
        assert_eq!(valid(b"9=1"), None);
        assert_eq!(valid(b"9=1\x01"), Some(false));
    }

    #[test]
    fn tags_by_number_and_name() {
        let good = message("FIX.4.2", BODY);
        for (name, want) in [
            ("35", "A"),
            ("035", "A"),
            ("MsgType", "A"),
            ("msgtype", "A"),
            ("BeginString", "FIX.4.2"),
            ("BodyLength", "20"),
            ("SenderCompID", "S"),
            ("TargetCompID", "T"),
            ("CheckSum", "176"),
            ("34", "1"),
        ] {
            assert_eq!(tag(&good, name), Some(Value::bin(want)), "{name}");
        }
        assert_eq!(tag(&good, "99"), None);
        assert_eq!(tag(b"8=x\x0135=A", "35"), None);
        assert_eq!(tag(b"35=A\x01", "35"), Some(Value::bin("A")));
        assert_eq!(tag(b"junk\x0135=A\x01", "35"), None);
        assert_eq!(tag(b"35=A\x0135=B\x01", "35"), Some(Value::bin("A")));
        assert_eq!(tag(b"49=\x0150=Z\x01", "49"), None);
        assert_eq!(tag(b"49=\x0150=Z\x01", "50"), Some(Value::bin("Z")));
        assert_eq!(tag(b"", "35"), None);
        for wrong in ["", "0", "-1", "35x", "Nope", "99999999999999999999"] {
            let error =
                Converter::new("fix_tag_value", &[Value::str(wrong)], &Scope::anywhere()).unwrap_err();
            assert!(error.message.contains("neither a tag's number"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end_well(data in proptest::collection::vec(prop_oneof![Just(1u8), b'0'..b'=', any::<u8>()], 0..200)) {
            let _ = (check(&data), tag(&data, "35"));
        }

        #[test]
        fn one_changed_byte_is_noticed(at in 0..40usize, byte in any::<u8>()) {
            let mut data = message("FIX.4.2", BODY);
            prop_assume!(at < data.len() && data[at] != byte);
            data[at] = byte;
            prop_assert_ne!(valid(&data), Some(true));
        }
    }
}
