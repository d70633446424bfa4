//! Converters that look at the session and let the value through, or not.

use super::{ConverterRow, row};
use crate::acl::AclCall;
use crate::arg::{Arg, ArgError, ArgKind, ArgSpec, at};
use crate::cast;
use crate::did_you_mean::did_you_mean;
use crate::scope::Scope;
use crate::session::{DebugSink, Session};
use crate::value::{Type, Value};
use std::sync::Arc;

pub(super) const ROWS: &[ConverterRow] = &[
    row(
        "debug",
        ArgSpec::new(0, &[ArgKind::Str, ArgKind::Str]),
        Type::Any,
        Type::Same,
        "writes the value with a prefix to `stdout` or `stderr`, and lets it through: `src,debug(track-sc,stderr)`; what can \
         not be printed is a dot (7.3.1)",
        |s, args, v| {
            let sink = match at(args, 1).text() {
                b"stdout" => DebugSink::Stdout,
                _ => DebugSink::Stderr,
            };
            let prefix = String::from_utf8_lossy(at(args, 0).text());
            let text = cast::text(v.clone()).unwrap_or_default();
            let shown = text.iter().map(|byte| match byte {
                b' '..=b'~' => char::from(*byte),
                _ => '.',
            });
            let shown: String = shown.collect();
            s.debug(sink, &format!("[debug] {prefix}: type={} <{shown}>", v.kind()));
            Some(v)
        },
    )
    .prepared(|args| match at(args, 1).text() {
        b"stdout" | b"stderr" => Ok(()),
        b"" => Err(ArgError::new(
            1,
            "there is no ring `buf0`, where this goes without a second argument: name `stdout` or `stderr` after the prefix",
        )),
        _ => Err(ArgError::new(1, "the destinations are `stdout` and `stderr`")),
    }),
    row(
        "when",
        ArgSpec::new(1, &[ArgKind::Str, ArgKind::Str, ArgKind::Str]),
        Type::Any,
        Type::Same,
        "lets the value through if a condition is met, `!` negating it: `bc_src,when(forwarded)`; the conditions are error, \
         forwarded, normal, processed, stopping, toapplet, and acl with the name of an ACL: `when(acl,slow)` (7.3.1)",
        |s, args, v| match at(args, 0) {
            Arg::Int(index) => {
                let (negated, index) = (*index < 0, usize::try_from(index.unsigned_abs()).ok()?);
                let (_, holds) = CONDITIONS.get(index.checked_sub(1)?)?;
                (holds(s) != negated).then_some(v)
            }
            Arg::Acl(acls) => (acls.eval(s)? == Value::Bool(true)).then_some(v),
            _ => None,
        },
    )
    .bound(bind),
];

type Condition = (&'static str, fn(&dyn Session) -> bool);

const CONDITIONS: [Condition; 6] = [
    ("error", |s| s.facts().is_error()),
    ("forwarded", forwarded),
    ("normal", |s| !s.facts().is_error()),
    ("processed", |s| forwarded(s) || s.facts().service.is_some()),
    ("stopping", |s| s.stopping()),
    ("toapplet", |s| s.facts().service.is_some()),
];

/// Turns the condition into its number from 1 on, below 0 if it is negated, or into ACLs.
fn bind(args: &mut Vec<Arg>, scope: &Scope<'_>) -> Result<(), ArgError> {
    let text = String::from_utf8_lossy(at(args, 0).text()).into_owned();
    let (negated, name) = match text.strip_prefix('!') {
        Some(name) => (true, name),
        None => (false, text.as_str()),
    };
    if name == "acl" {
        let acl = acls(args, negated, scope)?;
        *args = vec![Arg::Acl(Arc::new(acl))];
        return Ok(());
    }
    let names = CONDITIONS.map(|(name, _)| name);
    let Some(index) = names.iter().position(|known| *known == name) else {
        let hint = did_you_mean(name, names).map(|name| format!("; did you mean `{name}`?"));
        let message = format!(
            "`{name}` is not one of acl, {}{}",
            names.join(", "),
            hint.unwrap_or_default()
        );
        return Err(ArgError::new(0, message));
    };
    if !matches!((at(args, 1), at(args, 2)), (Arg::None, Arg::None)) {
        return Err(ArgError::new(
            1,
            format!("the condition `{name}` takes no argument"),
        ));
    }
    let number = index as i64 + 1;
    *args = vec![Arg::Int(if negated { -number } else { number })];
    Ok(())
}

/// The ACL of the second argument, valid where it is asked.
fn acls(args: &[Arg], negated: bool, scope: &Scope<'_>) -> Result<AclCall, ArgError> {
    if !matches!(at(args, 2), Arg::None) {
        return Err(ArgError::new(2, "the condition `acl` takes one name"));
    }
    let name = String::from_utf8_lossy(at(args, 1).text()).into_owned();
    let name = if negated { format!("!{name}") } else { name };
    let acls = AclCall::new([name.as_str()], scope).map_err(|error| {
        let hint = error.suggestion.map(|name| format!("; did you mean `{name}`?"));
        ArgError::new(1, error.message + &hint.unwrap_or_default())
    })?;
    match scope.place {
        Some(place) if !acls.places().contains(place) => {
            let message = format!("the ACL `{name}` cannot be used in {}", place.name());
            Err(ArgError::new(1, message))
        }
        _ => Ok(acls),
    }
}

/// Whether there is, or was, a connection to a server for this.
fn forwarded(session: &dyn Session) -> bool {
    let facts = session.facts();
    facts.connect_ms.is_some() && facts.service.is_none()
}
