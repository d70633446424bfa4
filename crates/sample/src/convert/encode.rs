//! Encodings: base64, hexadecimal, URL, JSON and numbers in bytes.

use super::{ConverterRow, MADE_BYTES_MAX, json, row, with_text};
use crate::arg::{Arg, ArgError, ArgKind, ArgSpec, at};
use crate::cast;
use crate::data::Data;
use crate::value::{Type, Value};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const NONE: ArgSpec = ArgSpec::NONE;
const CHUNKS: ArgSpec = ArgSpec::new(1, &[ArgKind::Str, ArgKind::Int, ArgKind::Int]);

/// Base64 whose last character may have bits that are not used.
const PADDED: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// URL-safe base64 that may be padded or not.
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

pub(super) const ROWS: &[ConverterRow] = &[
    row("base64", NONE, Type::Bin, Type::Str, "in base64", |_, _, v| {
        bytes(v, |data| Some(Value::str(STANDARD.encode(data))))
    }),
    row(
        "b64dec",
        NONE,
        Type::Str,
        Type::Bin,
        "out of base64",
        |_, _, v| Some(Value::bin(PADDED.decode(cast::text(v)?).ok()?)),
    ),
    row(
        "ub64enc",
        NONE,
        Type::Bin,
        Type::Str,
        "in URL-safe base64 without padding",
        |_, _, v| bytes(v, |data| Some(Value::str(URL_SAFE_NO_PAD.encode(data)))),
    ),
    row(
        "ub64dec",
        NONE,
        Type::Str,
        Type::Bin,
        "out of URL-safe base64",
        |_, _, v| Some(Value::bin(URL_SAFE.decode(cast::text(v)?).ok()?)),
    ),
    row("hex", NONE, Type::Bin, Type::Str, "in hexadecimal", |_, _, v| {
        bytes(v, |data| Some(Value::Str(cast::hex(data))))
    }),
    row(
        "hex2i",
        NONE,
        Type::Str,
        Type::Int,
        "the integer of a hexadecimal text",
        |_, _, v| {
            let text = cast::text(v)?;
            let digits = text
                .iter()
                .map(|byte| (*byte as char).to_digit(16).map(u64::from));
            let int = digits
                .into_iter()
                .try_fold(0u64, |int, digit| Some(int << 4 | digit?))?;
            Some(Value::Int(int as i64))
        },
    ),
    row("base2", NONE, Type::Bin, Type::Str, "in binary", |_, _, v| {
        bytes(v, |data| {
            Some(Value::str(
                data.iter().map(|byte| format!("{byte:08b}")).collect::<String>(),
            ))
        })
    }),
    row(
        "be2dec",
        CHUNKS,
        Type::Bin,
        Type::Str,
        "big-endian numbers in decimal with a separator",
        |_, args, v| {
            bytes(v, |data| {
                chunks(data, args, |chunk| {
                    chunk
                        .iter()
                        .fold(0u64, |int, byte| int << 8 | u64::from(*byte))
                        .to_string()
                })
            })
        },
    )
    .prepared(prepare_decimal),
    row(
        "le2dec",
        CHUNKS,
        Type::Bin,
        Type::Str,
        "little-endian numbers in decimal with a separator",
        {
            |_, args, v| {
                bytes(v, |data| {
                    chunks(data, args, |chunk| {
                        chunk
                            .iter()
                            .rev()
                            .fold(0u64, |int, byte| int << 8 | u64::from(*byte))
                            .to_string()
                    })
                })
            }
        },
    )
    .prepared(prepare_decimal),
    row(
        "be2hex",
        CHUNKS,
        Type::Bin,
        Type::Str,
        "chunks of bytes in hexadecimal with a separator",
        |_, args, v| {
            bytes(v, |data| {
                chunks(data, args, |chunk| {
                    String::from_utf8_lossy(&cast::hex(chunk)).into_owned()
                })
            })
        },
    )
    .prepared(|args| prepare_chunks(args, i64::MAX)),
    row(
        "url_enc",
        ArgSpec::new(1, &[ArgKind::Str]),
        Type::Str,
        Type::Str,
        "escaped for a URL",
        |_, _, v| bytes(v, |data| Some(Value::Str(url_encode(data)))),
    )
    .prepared(|args| match at(args, 0).text() {
        b"" | b"query" => Ok(()),
        _ => Err(ArgError::new(0, "the only type is `query`")),
    }),
    row(
        "url_dec",
        ArgSpec::new(0, &[ArgKind::Int]),
        Type::Str,
        Type::Str,
        "the escapes of a URL undone; plus is a blank after the question mark, everywhere if asked for",
        |_, args, v| with_text(v, |data| url_decode(data, at(args, 0).int_or(0) != 0)),
    ),
    row(
        "json",
        ArgSpec::new(1, &[ArgKind::Str]),
        Type::Str,
        Type::Str,
        "escaped for a JSON string; the input is `ascii`, `utf8`, `utf8s`, `utf8p` or `utf8ps`",
        |_, args, v| with_text(v, |data| json::escaped(&data, at(args, 0).text())),
    )
    .prepared(|args| match at(args, 0).text() {
        b"" | b"ascii" | b"utf8" | b"utf8s" | b"utf8p" | b"utf8ps" => Ok(()),
        _ => Err(ArgError::new(
            0,
            "the input is `ascii`, `utf8`, `utf8s`, `utf8p` or `utf8ps`",
        )),
    }),
];

fn bytes(value: Value, convert: impl FnOnce(&[u8]) -> Option<Value>) -> Option<Value> {
    match value {
        Value::Bin(data) | Value::Str(data) => convert(&data),
        _ => None,
    }
}

fn prepare_decimal(args: &mut Vec<Arg>) -> Result<(), ArgError> {
    if matches!(at(args, 1), Arg::None) {
        return Err(ArgError::new(
            1,
            "it takes the size of a chunk, from 1 to 8 bytes",
        ));
    }
    prepare_chunks(args, 8)
}

fn prepare_chunks(args: &mut Vec<Arg>, size_max: i64) -> Result<(), ArgError> {
    match at(args, 1) {
        Arg::Int(size) if !(1..=size_max).contains(size) => Err(ArgError::new(
            1,
            format!("the size of a chunk is from 1 to {size_max} bytes"),
        )),
        Arg::None if !at(args, 0).text().is_empty() => Err(ArgError::new(
            1,
            "a separator needs the size of the chunks that it separates",
        )),
        _ => Ok(()),
    }
}

/// The chunks' texts with a separator between them; a last chunk that is too short may be left out.
fn chunks(data: &[u8], args: &[Arg], text: impl Fn(&[u8]) -> String) -> Option<Value> {
    let size = usize::try_from(at(args, 1).int_or(1)).unwrap_or(usize::MAX);
    let truncate = at(args, 2).int_or(0) != 0;
    let separator = at(args, 0).text();
    let mut result = Vec::new();
    for chunk in data.chunks(size).filter(|chunk| !truncate || chunk.len() == size) {
        if !result.is_empty() {
            result.extend_from_slice(separator);
        }
        result.extend_from_slice(text(chunk).as_bytes());
        if result.len() > MADE_BYTES_MAX {
            return None;
        }
    }
    Some(Value::str(result))
}

fn url_encode(data: &[u8]) -> Data {
    let mut result = Vec::with_capacity(data.len() * 2);
    for &byte in data {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            result.push(byte);
        } else {
            result.push(b'%');
            result.extend_from_slice(&cast::hex_digits(byte));
        }
    }
    result.into()
}

fn url_decode(data: Data, mut in_query: bool) -> Option<Data> {
    if !data.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return Some(data);
    }
    let mut result = Vec::with_capacity(data.len());
    let mut bytes = data.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let mut digit = || (bytes.next()? as char).to_digit(16).map(|digit| digit as u8);
                result.push(digit()? << 4 | digit()?);
            }
            b'+' if in_query => result.push(b' '),
            byte => {
                in_query |= byte == b'?';
                result.push(byte);
            }
        }
    }
    Some(result.into())
}
