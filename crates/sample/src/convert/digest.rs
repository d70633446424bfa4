//! Message digests by name, with and without a key.

use super::string::variable_name;
use super::{ConverterRow, row};
use crate::arg::{Arg, ArgError, ArgKind, ArgSpec, at};
use crate::data::Data;
use crate::value::{Type, Value};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use md5::Md5;
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

const ALGORITHMS: [&str; 6] = ["sha1", "sha224", "sha256", "sha384", "sha512", "md5"];

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
        4 => Sha512::digest(data).to_vec(),
        _ => Md5::digest(data).to_vec(),
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
        4 => run::<Hmac<Sha512>>(key, data),
        _ => run::<Hmac<Md5>>(key, data),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cast::hex;

    /// The vectors of RFC 1321 and RFC 2202, and those of the SHA standard.
    #[test]
    fn each_name_is_its_digest() {
        for (name, wanted) in [
            ("sha1", "A9993E36"),
            ("sha224", "23097D22"),
            ("SHA256", "BA7816BF"),
            ("sha384", "CB00753F"),
            ("sha512", "DDAF35A1"),
            ("md5", "90015098"),
        ] {
            let mut args = vec![Arg::Str(name.into())];
            algorithm(&mut args).unwrap();
            let digest = digest(args[0].int_or(-1), b"abc");
            assert_eq!(hex(&digest[..4]), Data::from(wanted), "{name}");
        }
        let mac = hmac(5, b"Jefe", b"what do ya want for nothing?").unwrap();
        assert_eq!(hex(&mac), Data::from("750C783E6AB0B503EAA86E310A5DB738"));
    }
}
