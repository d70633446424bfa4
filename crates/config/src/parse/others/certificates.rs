//! `crt-store`: certificates that are loaded by name.

use super::forms::{line, nothing_more, path, text};
use super::{Header, Other, OtherCx};
use crate::parse::args::{Args, Parsed};
use crate::parse::keyword::Status;

pub(super) const CRT_STORE: Other = Other {
    name: "crt-store",
    arguments: "[<name>]",
    doc: "a store of certificates",
    status: Status::NotYet,
    header: Header::MaybeName,
    rows: &[
        line("crt-base", "<directory>", "where certificates are", path),
        line("key-base", "<directory>", "where keys are", path),
        line("load", "crt <file> [<param>...]", "load a certificate", load),
    ],
    end: nothing_more,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    Certificate,
    Text,
    Switch,
    KeyType,
    Bits,
}

const PARAMETERS: [(&str, Value); 15] = [
    ("crt", Value::Certificate),
    ("acme", Value::Text),
    ("alias", Value::Text),
    ("bits", Value::Bits),
    ("curves", Value::Text),
    ("domains", Value::Text),
    ("generate-dummy", Value::Switch),
    ("ips", Value::Text),
    ("issuer", Value::Text),
    ("jwt", Value::Switch),
    ("key", Value::Text),
    ("keytype", Value::KeyType),
    ("ocsp", Value::Text),
    ("ocsp-update", Value::Switch),
    ("sctl", Value::Text),
];

fn load(cx: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let mut has_certificate = false;
    while args.peek().is_some() {
        match args.one_of("a parameter of `load`", &PARAMETERS)? {
            Value::Certificate => {
                has_certificate = true;
                cx.declare("certificate", text(args, "a file")?)?;
            }
            Value::Text => drop(text(args, "a value")?),
            Value::Switch => drop(args.on_off()?),
            Value::KeyType => args.one_of("a type of key", &[("RSA", ()), ("ECDSA", ())])?,
            Value::Bits => drop(args.integer::<u64>(1, 65_536)?),
        }
    }
    if has_certificate {
        Ok(())
    } else {
        Err(args.missing("`crt <file>`"))
    }
}
