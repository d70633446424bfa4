//! What is known of the proxies and servers that a value names.

use super::{ConverterRow, row};
use crate::arg::ArgSpec;
use crate::cast;
use crate::data::Data;
use crate::figures::ServerFigures;
use crate::session::Session;
use crate::value::{Type, Value};

const NONE: ArgSpec = ArgSpec::NONE;

pub(super) const ROWS: &[ConverterRow] = &[
    row(
        "fe_exists",
        NONE,
        Type::Str,
        Type::Bool,
        "whether there is a frontend of that name: `var(txn.fe_name),fe_exists` (7.3.1)",
        |s, _, v| Some(Value::Bool(s.figures()?.frontend(&cast::text(v)?).is_some())),
    ),
    row(
        "nbsrv",
        NONE,
        Type::Str,
        Type::Int,
        "how many servers can be used in the backend of that name; nothing if there is none: `var(txn.be),nbsrv` (7.3.1)",
        |s, _, v| int(s.figures()?.backend(&cast::text(v)?)?.usable_servers),
    ),
    row(
        "srv_is_up",
        NONE,
        Type::Str,
        Type::Bool,
        "whether the server of that name is in service, `backend/server` or one of the current backend; nothing if there \
         is none: `req.cook(SRVID),srv_is_up` (7.3.1)",
        |s, _, v| Some(Value::Bool(server(s, &cast::text(v)?)?.up)),
    ),
    row(
        "srv_queue",
        NONE,
        Type::Str,
        Type::Int,
        "how many wait for the server of that name, `backend/server` or one of the current backend; nothing if there is \
         none: `req.cook(SRVID),srv_queue` (7.3.1)",
        |s, _, v| int(server(s, &cast::text(v)?)?.queued),
    ),
];

fn int(figure: u64) -> Option<Value> {
    Some(Value::Int(i64::try_from(figure).unwrap_or(i64::MAX)))
}

fn server(session: &dyn Session, name: &Data) -> Option<ServerFigures> {
    let figures = session.figures()?;
    match name.iter().position(|byte| *byte == b'/') {
        Some(slash) => {
            let (backend, name) = name.split_at_checked(slash)?;
            figures.server(backend, name.get(1..)?)
        }
        None => figures.server(&session.backend()?.name, name),
    }
}
