//! Encryption with AES.

pub(super) mod cipher;

use super::string::variable_name;
use super::{ConverterRow, row};
use crate::arg::{Arg, ArgError, ArgKind, ArgSpec, at};
use crate::data::Data;
use crate::session::Session;
use crate::value::{Type, Value};
use crate::vars;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cipher::{BLOCK_BYTES, NONCE_BYTES, TAG_BYTES};

const CBC: ArgSpec = ArgSpec::new(3, &[ArgKind::Int, ArgKind::Str, ArgKind::Str, ArgKind::Str]);
const GCM: ArgSpec = ArgSpec::new(
    4,
    &[
        ArgKind::Int,
        ArgKind::Str,
        ArgKind::Str,
        ArgKind::Str,
        ArgKind::Str,
    ],
);

pub(super) const ROWS: &[ConverterRow] = &[
    row(
        "aes_cbc_dec",
        CBC,
        Type::Bin,
        Type::Bin,
        "bytes decrypted with AES-CBC: 128, 192 or 256 bits, the nonce of 16 bytes (a shorter one is filled up with zeros) \
         and the key, each in base64 or a variable that holds base64, and additional data, which changes nothing: `aes_cbc_dec(128,txn.nonce,Zm9vb2Zvb29mb29wZm9vbw==)`; nothing if that fails (7.3.1)",
        |s, args, v| {
            let input = Input::read(s, args, v)?;
            cipher::cbc_decrypt(&input.key, &filled(&input.nonce)?, &input.data).map(Value::bin)
        },
    )
    .prepared(prepare_cbc),
    row(
        "aes_cbc_enc",
        CBC,
        Type::Bin,
        Type::Bin,
        "bytes encrypted with AES-CBC, its arguments as those of `aes_cbc_dec` (7.3.1)",
        |s, args, v| {
            let input = Input::read(s, args, v)?;
            cipher::cbc_encrypt(&input.key, &filled(&input.nonce)?, &input.data).map(Value::bin)
        },
    )
    .prepared(prepare_cbc),
    row(
        "aes_gcm_dec",
        GCM,
        Type::Bin,
        Type::Bin,
        "bytes decrypted with AES-GCM: 128, 192 or 256 bits, the nonce of 12 bytes (8 and 16 are possible), the key, the tag \
         of 16 bytes and what is authenticated with it, each in base64 or a variable that holds base64: \
         `aes_gcm_dec(128,txn.nonce,Zm9vb2Zvb29mb29wZm9vbw==,txn.aead_tag)`; nothing if that fails (7.3.1)",
        |s, args, v| {
            let input = Input::read(s, args, v)?;
            let tag = decoded(s, at(args, 3))?;
            cipher::gcm_decrypt(&input.key, &input.nonce, &input.aad(s, args)?, &tag, &input.data).map(Value::bin)
        },
    )
    .prepared(|args| {
        prepare(args, NONCE_BYTES)?;
        operand(args, 3, "tag", &[TAG_BYTES])?;
        aad(args, 4)
    }),
    row(
        "aes_gcm_enc",
        GCM,
        Type::Bin,
        Type::Bin,
        "bytes encrypted with AES-GCM, its arguments as those of `aes_gcm_dec` but for the fourth, the variable that the tag \
         is put into, in base64 (7.3.1)",
        |s, args, v| {
            let input = Input::read(s, args, v)?;
            let (bytes, tag) = cipher::gcm_encrypt(&input.key, &input.nonce, &input.aad(s, args)?, &input.data)?;
            if let Arg::Var(name) = at(args, 3) {
                vars::set(s, name, Value::str(STANDARD.encode(tag)));
            }
            Some(Value::bin(bytes))
        },
    )
    .prepared(|args| {
        prepare(args, NONCE_BYTES)?;
        let name = variable_name(at(args, 3)).map_err(|why| ArgError::new(3, format!("the tag needs a variable: {why}")))?;
        if let Some(arg) = args.get_mut(3) {
            *arg = Arg::Var(name);
        }
        aad(args, 4)
    }),
];

/// CBC authenticates nothing: additional data is read, and is without effect.
fn prepare_cbc(args: &mut Vec<Arg>) -> Result<(), ArgError> {
    let lens: Vec<usize> = (1..=BLOCK_BYTES).collect();
    prepare(args, &lens).map_err(|fault| match fault.index {
        1 => ArgError::new(
            1,
            format!("the nonce is neither a variable nor base64 of up to {BLOCK_BYTES} bytes"),
        ),
        _ => fault,
    })?;
    aad(args, 3)
}

/// Checks the number of bits, and reads the nonce and the key.
fn prepare(args: &mut [Arg], nonce_bytes: &[usize]) -> Result<(), ArgError> {
    let key_bytes = match at(args, 0) {
        Arg::Int(128) => 16,
        Arg::Int(192) => 24,
        Arg::Int(256) => 32,
        _ => return Err(ArgError::new(0, "a key has 128, 192 or 256 bits")),
    };
    operand(args, 1, "nonce", nonce_bytes)?;
    operand(args, 2, "key", &[key_bytes])
}

fn aad(args: &mut [Arg], index: usize) -> Result<(), ArgError> {
    match at(args, index) {
        Arg::None => Ok(()),
        _ => operand(args, index, "additional data", &[]),
    }
}

/// Turns an argument into a variable or into the bytes that its base64 stands for; they must be as many as one of `lens`.
fn operand(args: &mut [Arg], index: usize, what: &str, lens: &[usize]) -> Result<(), ArgError> {
    let Some(arg) = args.get_mut(index) else {
        return Ok(());
    };
    *arg = match (variable_name(arg), STANDARD.decode(arg.text())) {
        (Ok(name), _) => Arg::Var(name),
        (_, Ok(bytes)) if lens.is_empty() || lens.contains(&bytes.len()) => Arg::Value(Value::bin(bytes)),
        (_, Ok(bytes)) => {
            let lens = lens.iter().map(usize::to_string).collect::<Vec<_>>().join(" or ");
            let message = format!("the {what} has {} bytes and should have {lens}", bytes.len());
            return Err(ArgError::new(index, message));
        }
        _ => {
            let message = format!("the {what} is neither a variable nor base64");
            return Err(ArgError::new(index, message));
        }
    };
    Ok(())
}

/// The bytes of an argument that was made by [`operand`].
fn decoded(session: &dyn Session, arg: &Arg) -> Option<Data> {
    match arg {
        Arg::Value(Value::Bin(bytes)) => Some(bytes.clone()),
        variable => STANDARD.decode(variable.data(session)?).ok().map(Data::from),
    }
}

/// A nonce with as many bytes as CBC needs; none if it has more.
fn filled(nonce: &[u8]) -> Option<[u8; BLOCK_BYTES]> {
    let mut whole = [0; BLOCK_BYTES];
    whole.get_mut(..nonce.len())?.copy_from_slice(nonce);
    Some(whole)
}

struct Input {
    data: Data,
    nonce: Data,
    key: Data,
}

impl Input {
    /// None if a variable is not set or does not hold what it should.
    fn read(session: &dyn Session, args: &[Arg], value: Value) -> Option<Input> {
        let (Value::Bin(data), Arg::Int(bits)) = (value, at(args, 0)) else {
            return None;
        };
        let key = decoded(session, at(args, 2))?;
        let nonce = decoded(session, at(args, 1))?;
        (usize::try_from(*bits) == Ok(key.len() * 8)).then_some(Input { data, nonce, key })
    }

    fn aad(&self, session: &dyn Session, args: &[Arg]) -> Option<Data> {
        match at(args, 4) {
            Arg::None => Some(Data::EMPTY),
            arg => decoded(session, arg),
        }
    }
}
