//! Hashes and digests.

use super::{ConverterRow, row};
use crate::arg::{Arg, ArgError, ArgKind, ArgSpec, at};
use crate::hash;
use crate::value::{Type, Value};
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
use xxhash_rust::{xxh3, xxh32, xxh64};

const MIXED: ArgSpec = ArgSpec::new(0, &[ArgKind::Int]);
const SEEDED: ArgSpec = ArgSpec::new(0, &[ArgKind::Int]);

macro_rules! hash32 {
    ($name:literal, $doc:literal, $hash:expr) => {
        row($name, MIXED, Type::Bin, Type::Int, $doc, |_, args, v| {
            let hash: u32 = $hash(&bytes(v)?);
            let mixed = if at(args, 0).int_or(0) == 0 {
                hash
            } else {
                hash::avalanche(hash)
            };
            Some(Value::Int(mixed.into()))
        })
    };
}

pub(super) const ROWS: &[ConverterRow] = &[
    hash32!("crc32", "CRC-32, mixed if asked for", hash::crc32),
    hash32!("crc32c", "CRC-32C, mixed if asked for", hash::crc32c),
    hash32!("djb2", "Bernstein's hash, mixed if asked for", hash::djb2),
    hash32!(
        "sdbm",
        "the hash of sdbm, mixed if asked for",
        |bytes: &[u8]| hash::sdbm(0, bytes)
    ),
    row(
        "xxh32",
        SEEDED,
        Type::Bin,
        Type::Int,
        "XXH32 with a seed",
        |_, args, v| {
            Some(Value::Int(
                xxh32::xxh32(&bytes(v)?, at(args, 0).int_or(0) as u32).into(),
            ))
        },
    ),
    row(
        "xxh64",
        SEEDED,
        Type::Bin,
        Type::Int,
        "XXH64 with a seed",
        |_, args, v| {
            Some(Value::Int(
                xxh64::xxh64(&bytes(v)?, at(args, 0).int_or(0) as u64) as i64
            ))
        },
    ),
    row(
        "xxh3",
        SEEDED,
        Type::Bin,
        Type::Int,
        "XXH3 of 64 bits with a seed",
        |_, args, v| {
            Some(Value::Int(
                xxh3::xxh3_64_with_seed(&bytes(v)?, at(args, 0).int_or(0) as u64) as i64,
            ))
        },
    ),
    row("sha1", ArgSpec::NONE, Type::Bin, Type::Bin, "SHA-1", |_, _, v| {
        Some(Value::bin(&Sha1::digest(bytes(v)?)[..]))
    }),
    row(
        "sha2",
        ArgSpec::new(0, &[ArgKind::Int]),
        Type::Bin,
        Type::Bin,
        "SHA-2 of 224, 256, 384 or 512 bits",
        {
            |_, args, v| {
                let bytes = bytes(v)?;
                Some(match at(args, 0).int_or(256) {
                    224 => Value::bin(&Sha224::digest(bytes)[..]),
                    384 => Value::bin(&Sha384::digest(bytes)[..]),
                    512 => Value::bin(&Sha512::digest(bytes)[..]),
                    _ => Value::bin(&Sha256::digest(bytes)[..]),
                })
            }
        },
    )
    .prepared(|args| match at(args, 0) {
        Arg::None | Arg::Int(224 | 256 | 384 | 512) => Ok(()),
        _ => Err(ArgError::new(0, "the number of bits is 224, 256, 384 or 512")),
    }),
];

fn bytes(value: Value) -> Option<crate::data::Data> {
    match value {
        Value::Bin(data) => Some(data),
        _ => None,
    }
}
