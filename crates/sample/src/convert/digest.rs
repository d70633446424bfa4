//! Message digests by name, with and without a key.

use super::string::variable_name;
use super::{ConverterRow, row};
use crate::arg::{Arg, ArgError, ArgKind, ArgSpec, at};
use crate::data::Data;
use crate::value::{Type, Value};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

pub(super) const ROWS: &[ConverterRow] = &[
    row(
        "digest",
        ArgSpec::new(1, &[ArgKind::Str]),
        Type::Bin,
        Type::Bin,
        "the digest of that name",
        |_, args, v| {
            let (Value::Bin(data), Arg::Int(algorithm)) = (v, at(args, 0)) else {
                return None;
            };
            Some(Value::bin(digest(*algorithm, &data)))
        },
    )
    .prepared(|args| algorithm(args)),
    row(
        "hmac",
        ArgSpec::new(2, &[ArgKind::Str, ArgKind::Str]),
        Type::Bin,
        Type::Bin,
        "the HMAC with the digest of that name and a key: base64, or a variable that holds base64",
        |s, args, v| {
            let (Value::Bin(data), Arg::Int(algorithm)) = (v, at(args, 0)) else {
                return None;
            };
            let key = match at(args, 1) {
                Arg::Value(Value::Bin(key)) => key.clone(),
                variable => Data::from(STANDARD.decode(variable.data(s)?).ok()?),
            };
            hmac(*algorithm, &key, &data).map(Value::bin)
        },
    )
    .prepared(|args| {
        algorithm(args)?;
        let Some(key) = args.get_mut(1) else { return Ok(()) };
        *key = match (variable_name(key), STANDARD.decode(key.text())) {
            (Ok(name), _) => Arg::Var(name),
            (_, Ok(bytes)) => Arg::Value(Value::bin(bytes)),
            _ => return Err(ArgError::new(1, "the key is neither a variable nor base64")),
        };
        Ok(())
    }),
];

const ALGORITHMS: [&str; 5] = ["sha1", "sha224", "sha256", "sha384", "sha512"];

/// Turns the first argument into the index of the algorithm that it names.
fn algorithm(args: &mut [Arg]) -> Result<(), ArgError> {
    let Some(arg) = args.first_mut() else {
        return Ok(());
    };
    let known = ALGORITHMS
        .iter()
        .position(|name| name.as_bytes().eq_ignore_ascii_case(arg.text()));
    let Some(index) = known else {
        return Err(ArgError::new(
            0,
            format!("the digests are {}", ALGORITHMS.join(", ")),
        ));
    };
    *arg = Arg::Int(index as i64);
    Ok(())
}

fn digest(algorithm: i64, data: &[u8]) -> Vec<u8> {
    match algorithm {
        0 => Sha1::digest(data).to_vec(),
        1 => Sha224::digest(data).to_vec(),
        2 => Sha256::digest(data).to_vec(),
        3 => Sha384::digest(data).to_vec(),
        _ => Sha512::digest(data).to_vec(),
    }
}

fn hmac(algorithm: i64, key: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    fn run<M: Mac + hmac::digest::KeyInit>(key: &[u8], data: &[u8]) -> Option<Vec<u8>> {
        let mac = <M as Mac>::new_from_slice(key).ok()?;
        Some(mac.chain_update(data).finalize().into_bytes().to_vec())
    }
    match algorithm {
        0 => run::<Hmac<Sha1>>(key, data),
        1 => run::<Hmac<Sha224>>(key, data),
        2 => run::<Hmac<Sha256>>(key, data),
        3 => run::<Hmac<Sha384>>(key, data),
        _ => run::<Hmac<Sha512>>(key, data),
    }
}
