//! Variables, dates, random numbers, and the process and its proxies.

use super::places::{ANYWHERE, BACKEND, CLIENT, FRONTEND, PROCESS, REQUEST_KEPT, SERVER};
use super::{FetchRow, row};
use crate::arg::{Arg, ArgError, ArgKind, ArgSpec, at};
use crate::date::since_epoch;
use crate::figures::RulePlace;
use crate::random;
use crate::session::{Named, Way};
use crate::value::{Type, Value};
use crate::vars::{self, VarName};
use std::time::SystemTime;

const NONE: ArgSpec = ArgSpec::NONE;
const UNIT: ArgSpec = ArgSpec::new(0, &[ArgKind::Str]);

pub(super) const ROWS: &[FetchRow] = &[
    row(
        "var",
        ArgSpec::new(1, &[ArgKind::Str, ArgKind::Str]),
        Type::Any,
        ANYWHERE,
        "a variable, or a default",
        {
            |s, args| match at(args, 0) {
                Arg::Var(name) => vars::value(s, name).or_else(|| match at(args, 1) {
                    Arg::Str(default) => Some(Value::Str(default.clone())),
                    _ => None,
                }),
                _ => None,
            }
        },
    )
    .prepared(|args| {
        let text = String::from_utf8_lossy(at(args, 0).text()).into_owned();
        let name = VarName::parse(&text).map_err(|error| ArgError::new(0, error.to_string()))?;
        args.truncate(2);
        args.splice(..1, [Arg::Var(name)]);
        Ok(())
    }),
    row(
        "date",
        ArgSpec::new(0, &[ArgKind::Int, ArgKind::Str]),
        Type::Int,
        ANYWHERE,
        "the time since 1970 and an offset in seconds, in `s`, `ms` or `us`",
        |s, args| date(s.now(), at(args, 0).int_or(0), at(args, 1)),
    )
    .prepared(|args| check_unit(args, 1)),
    row(
        "date_us",
        NONE,
        Type::Int,
        ANYWHERE,
        "the microseconds of the time",
        |s, _| Some(Value::Int(i64::from(since_epoch(s.now()).1) / 1000)),
    ),
    row(
        "accept_date",
        UNIT,
        Type::Int,
        CLIENT,
        "when the connection was accepted, in `s`, `ms` or `us`",
        |s, args| date(s.facts().accepted?, 0, at(args, 0)),
    )
    .prepared(|args| check_unit(args, 0)),
    row(
        "request_date",
        UNIT,
        Type::Int,
        REQUEST_KEPT,
        "when the request began, in `s`, `ms` or `us`",
        |s, args| date(s.facts().request_started?, 0, at(args, 0)),
    )
    .prepared(|args| check_unit(args, 0)),
    row(
        "rand",
        ArgSpec::new(0, &[ArgKind::Int]),
        Type::Int,
        ANYWHERE,
        "a random number below the limit",
        {
            |_, args| {
                let random = random::u64() >> 32;
                Some(Value::Int(match at(args, 0) {
                    Arg::Int(limit) => ((random * limit.unsigned_abs()) >> 32) as i64,
                    _ => random as i64,
                }))
            }
        },
    )
    .prepared(|args| match at(args, 0) {
        Arg::Int(limit) if !(0..=i64::from(u32::MAX)).contains(limit) => {
            Err(ArgError::new(0, "the limit is from 0 to 4294967295"))
        }
        _ => Ok(()),
    }),
    row(
        "uuid",
        ArgSpec::new(0, &[ArgKind::Int]),
        Type::Str,
        ANYWHERE,
        "a UUID of version 4 or 7",
        |s, args| Some(Value::Str(random::uuid(at(args, 0).int_or(4) == 7, s.now()))),
    )
    .prepared(|args| match at(args, 0).int_or(4) {
        4 | 7 => Ok(()),
        _ => Err(ArgError::new(0, "UUIDs are of version 4 or 7")),
    }),
    row(
        "env",
        ArgSpec::new(1, &[ArgKind::Str]),
        Type::Str,
        ANYWHERE,
        "a variable of the environment",
        |s, args| {
            let name = std::str::from_utf8(at(args, 0).text()).ok()?;
            match s.process() {
                Some(process) => process.environment.get(name).cloned().map(Value::Str),
                None => Some(Value::str(std::env::var_os(name)?.into_encoded_bytes())),
            }
        },
    ),
    row(
        "hostname",
        NONE,
        Type::Str,
        ANYWHERE,
        "this machine's name",
        |s, _| Some(Value::Str(s.process()?.hostname.clone())),
    ),
    row("pid", NONE, Type::Int, ANYWHERE, "the process id", |s, _| {
        Some(Value::Int(
            s.process()
                .map_or_else(std::process::id, |process| process.pid)
                .into(),
        ))
    }),
    row(
        "proc",
        NONE,
        Type::Int,
        ANYWHERE,
        "the process's number: 1",
        |_, _| Some(Value::Int(1)),
    ),
    row(
        "nbproc",
        NONE,
        Type::Int,
        ANYWHERE,
        "the number of processes: 1",
        |_, _| Some(Value::Int(1)),
    ),
    row(
        "thread",
        NONE,
        Type::Int,
        ANYWHERE,
        "the thread's number, from 0",
        |s, _| Some(Value::Int(i64::from(s.thread()) - 1)),
    ),
    row(
        "tgroup",
        NONE,
        Type::Int,
        ANYWHERE,
        "the number of the thread's group: 0",
        |_, _| Some(Value::Int(0)),
    ),
    row(
        "quic_enabled",
        NONE,
        Type::Bool,
        ANYWHERE,
        "whether QUIC is served: false",
        |_, _| Some(Value::Bool(false)),
    ),
    row(
        "txn.id32",
        NONE,
        Type::Int,
        PROCESS,
        "the number of the request or stream in the process, in 32 bits",
        |s, _| Some(Value::Int(s.number()?.into())),
    ),
    row(
        "acl",
        ArgSpec::new(1, &[ArgKind::Str; 12]),
        Type::Bool,
        ANYWHERE,
        "whether all of these ACLs match; those after a `!` must not",
        // The expression itself asks them.
        |_, _| None,
    ),
    row(
        "last_rule_file",
        NONE,
        Type::Str,
        PROCESS,
        "the file of the rule that ended a set of rules last",
        |s, _| Some(Value::Str(s.last_rule()?.file)),
    ),
    row(
        "last_rule_line",
        NONE,
        Type::Int,
        PROCESS,
        "the line of the rule that ended a set of rules last",
        |s, _| Some(Value::Int(s.last_rule()?.line.into())),
    ),
    row(
        "last_entity",
        NONE,
        Type::Str,
        PROCESS,
        "the file and line of the rule that ended a set of rules last",
        |s, _| place(s.last_rule()),
    ),
    row(
        "waiting_entity",
        NONE,
        Type::Str,
        PROCESS,
        "the file and line of the rule that was waiting when an error or a timeout ended the session",
        |s, _| place(s.waiting_rule()),
    ),
    row(
        "uptime",
        NONE,
        Type::Int,
        ANYWHERE,
        "seconds since the process started",
        |s, _| {
            let since = s.now().duration_since(s.process()?.started).unwrap_or_default();
            Some(Value::Int(i64::try_from(since.as_secs()).unwrap_or(i64::MAX)))
        },
    ),
    row(
        "stopping",
        NONE,
        Type::Bool,
        PROCESS,
        "whether the process is stopping",
        |s, _| Some(Value::Bool(s.stopping())),
    ),
    row(
        "prio_class",
        NONE,
        Type::Int,
        PROCESS,
        "the class by which queued requests are ordered",
        |s, _| Some(Value::Int(s.priority().class)),
    ),
    row(
        "prio_offset",
        NONE,
        Type::Int,
        PROCESS,
        "the milliseconds by which the request is put back in the queue",
        |s, _| Some(Value::Int(s.priority().offset)),
    ),
    row(
        "wait_end",
        NONE,
        Type::Bool,
        PROCESS,
        "true once the inspection delay has passed",
        |s, _| {
            // It is about bytes, whatever was asked for before.
            let _ = s.buffered(Way::Request);
            Some(Value::Bool(!s.may_change()))
        },
    )
    .volatile(),
    row(
        "unique-id",
        NONE,
        Type::Str,
        ANYWHERE,
        "the request's unique id",
        |s, _| s.unique_id().map(Value::Str),
    )
    .waiting(|session, runner| {
        Box::pin(async move { session.unique_id_async(runner).await.map(Value::Str) })
    }),
    row("fe_id", NONE, Type::Int, FRONTEND, "the frontend's id", |s, _| {
        id(s.frontend())
    }),
    row(
        "fe_name",
        NONE,
        Type::Str,
        FRONTEND,
        "the frontend's name",
        |s, _| name(s.frontend()),
    ),
    row("be_id", NONE, Type::Int, BACKEND, "the backend's id", |s, _| {
        // Before one was chosen the frontend is where the session is.
        id(s.backend().or_else(|| s.frontend()))
    }),
    row(
        "be_name",
        NONE,
        Type::Str,
        BACKEND,
        "the backend's name",
        |s, _| name(s.backend().or_else(|| s.frontend())),
    ),
    row("srv_id", NONE, Type::Int, SERVER, "the server's id", |s, _| {
        id(s.server())
    }),
    row(
        "srv_name",
        NONE,
        Type::Str,
        SERVER,
        "the server's name",
        |s, _| name(s.server()),
    ),
    row("so_id", NONE, Type::Int, FRONTEND, "the listener's id", |s, _| {
        id(s.listener())
    }),
    row(
        "so_name",
        NONE,
        Type::Str,
        FRONTEND,
        "the listener's name",
        |s, _| name(s.listener().filter(|listener| !listener.name.is_empty())),
    ),
];

fn id(named: Option<Named>) -> Option<Value> {
    Some(Value::Int(named?.id.into()))
}

fn name(named: Option<Named>) -> Option<Value> {
    Some(Value::Str(named?.name))
}

/// `FILE:LINE`
fn place(rule: Option<RulePlace>) -> Option<Value> {
    let rule = rule?;
    let file = String::from_utf8_lossy(&rule.file);
    Some(Value::str(format!("{file}:{}", rule.line)))
}

fn check_unit(args: &mut [Arg], index: usize) -> Result<(), ArgError> {
    match at(args, index) {
        Arg::None => Ok(()),
        Arg::Str(unit) if matches!(unit.as_slice(), b"" | b"s" | b"ms" | b"us") => Ok(()),
        _ => Err(ArgError::new(index, "the unit is `s`, `ms` or `us`")),
    }
}

/// `time` and `offset` seconds, in a unit.
fn date(time: SystemTime, offset: i64, unit: &Arg) -> Option<Value> {
    let (seconds, nanos) = since_epoch(time);
    let seconds = seconds.checked_add(offset)?;
    let nanos = i64::from(nanos);
    Some(Value::Int(match unit.text() {
        b"ms" => seconds.checked_mul(1000)?.checked_add(nanos / 1_000_000)?,
        b"us" => seconds.checked_mul(1_000_000)?.checked_add(nanos / 1000)?,
        _ => seconds,
    }))
}
