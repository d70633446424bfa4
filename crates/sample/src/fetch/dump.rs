//! All variables as a text, for whoever looks for a mistake.

use super::places::ANYWHERE;
use super::{FetchRow, row};
use crate::arg::{ArgError, ArgKind, ArgSpec, at};
use crate::cast::{hex, text};
use crate::session::Session;
use crate::value::{Type, Value};
use crate::vars::VarScope;

/// A text that would be longer than this is not made.
const LENGTH_MAX: usize = 16_384;

/// The scopes in their order.
const SCOPES: [VarScope; 5] = [
    VarScope::Sess,
    VarScope::Txn,
    VarScope::Req,
    VarScope::Res,
    VarScope::Proc,
];

pub(super) const ROWS: &[FetchRow] = &[row(
    "dump_all_vars",
    ArgSpec::new(0, &[ArgKind::Str, ArgKind::Str, ArgKind::Str]),
    Type::Str,
    ANYWHERE,
    "names and values of the variables: of a scope, those whose names begin so, with this between them (`, `)",
    |s, args| {
        let scope = at(args, 0).text();
        let between = match at(args, 2).text() {
            b"" => b", ",
            text => text,
        };
        let mut dump = Vec::new();
        for wanted in SCOPES {
            if scope.is_empty() || scope == wanted.name().as_bytes() {
                add(s, wanted, at(args, 1).text(), between, &mut dump);
            }
        }
        (dump.len() <= LENGTH_MAX).then(|| Value::str(dump))
    },
)
.prepared(|args| match at(args, 0).text() {
    b"" => Ok(()),
    scope if SCOPES.iter().any(|known| known.name().as_bytes() == scope) => Ok(()),
    _ => Err(ArgError::new(
        0,
        format!("the scope is one of {}", SCOPES.map(VarScope::name).join(", ")),
    )),
})];

/// Adds the variables of a scope, in the order of their names.
fn add(session: &dyn Session, scope: VarScope, prefix: &[u8], between: &[u8], dump: &mut Vec<u8>) {
    let mut found: Vec<(String, Value)> = Vec::new();
    let mut visit = |name: &str, value: &Value| {
        if name.as_bytes().starts_with(prefix) {
            found.push((name.to_owned(), value.clone()));
        }
    };
    match scope {
        VarScope::Proc => {
            if let Some(vars) = session.proc_vars() {
                vars.each(&mut visit);
            }
        }
        scope => {
            if let Some(vars) = session.vars(scope) {
                vars.borrow().iter().for_each(|(name, value)| visit(name, value));
            }
        }
    }
    found.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
    for (name, value) in found {
        if dump.len() > LENGTH_MAX {
            return;
        }
        if !dump.is_empty() {
            dump.extend_from_slice(between);
        }
        dump.extend_from_slice(scope.name().as_bytes());
        dump.push(b'.');
        dump.extend_from_slice(name.as_bytes());
        dump.push(b'=');
        write(value, dump);
    }
}

fn write(value: Value, dump: &mut Vec<u8>) {
    match value {
        Value::Bool(true) => dump.extend_from_slice(b"true"),
        Value::Bool(false) => dump.extend_from_slice(b"false"),
        Value::Bin(bytes) => {
            dump.push(b'x');
            dump.extend(hex(&bytes).to_ascii_lowercase());
        }
        Value::Str(text) => quote(&text, dump),
        Value::Method(method) => quote(method.as_str().as_bytes(), dump),
        other => dump.extend_from_slice(&text(other).unwrap_or_default()),
    }
}

fn quote(text: &[u8], dump: &mut Vec<u8>) {
    dump.push(b'"');
    for byte in text {
        let escaped = match byte {
            b'"' | b'\\' => *byte,
            b'\r' => b'r',
            b'\n' => b'n',
            8 => b'b',
            0 => b'0',
            _ => {
                dump.push(*byte);
                continue;
            }
        };
        dump.extend([b'\\', escaped]);
    }
    dump.push(b'"');
}
