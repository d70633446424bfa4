//! The timeouts and retries that are configured (`fe_`, `be_`), and those that hold (`cur_`): rules may set others.

use super::places::{BACKEND, CLIENT, FRONTEND};
use super::{FetchRow, row};
use crate::arg::ArgSpec;
use crate::figures::{BackendSettings, Settings};
use crate::session::Session;
use crate::value::{Type, Value};
use std::time::Duration;

const NONE: ArgSpec = ArgSpec::NONE;

macro_rules! frontend {
    ($name:literal, $places:expr, $doc:literal, $time:expr) => {
        row($name, NONE, Type::Int, $places, $doc, |s, _| {
            let time: fn(&Settings) -> Option<Duration> = $time;
            Some(milliseconds(time(&s.settings()?)))
        })
    };
}

macro_rules! backend {
    ($name:literal, $doc:literal, $time:ident) => {
        row($name, NONE, Type::Int, BACKEND, $doc, |s, _| {
            Some(milliseconds(backend(s)?.$time))
        })
    };
}

macro_rules! current {
    ($name:literal, $doc:literal, $time:ident) => {
        row($name, NONE, Type::Int, BACKEND, $doc, |s, _| {
            Some(milliseconds(s.settings()?.current_backend?.$time))
        })
    };
}

pub(super) const ROWS: &[FetchRow] = &[
    frontend!(
        "fe_client_timeout",
        FRONTEND,
        "`timeout client` of the frontend in milliseconds, 0 for none",
        |settings| settings.client_timeout
    ),
    frontend!(
        "cur_client_timeout",
        FRONTEND,
        "the client's timeout in milliseconds, 0 for none",
        |settings| settings.current_client_timeout
    ),
    frontend!(
        "fe_tarpit_timeout",
        FRONTEND,
        "`timeout tarpit` of the frontend in milliseconds, 0 for none",
        |settings| settings.tarpit_timeout
    ),
    frontend!(
        "cur_tarpit_timeout",
        CLIENT,
        "the timeout of a tarpit in milliseconds, 0 for none",
        |settings| settings.current_tarpit_timeout
    ),
    backend!(
        "be_connect_timeout",
        "`timeout connect` of the backend in milliseconds, 0 for none",
        connect_timeout
    ),
    current!(
        "cur_connect_timeout",
        "the timeout of connecting to a server in milliseconds, 0 for none",
        connect_timeout
    ),
    backend!(
        "be_queue_timeout",
        "`timeout queue` of the backend in milliseconds, 0 for none",
        queue_timeout
    ),
    current!(
        "cur_queue_timeout",
        "the timeout of waiting for a server in milliseconds, 0 for none",
        queue_timeout
    ),
    backend!(
        "be_server_timeout",
        "`timeout server` of the backend in milliseconds, 0 for none",
        server_timeout
    ),
    current!(
        "cur_server_timeout",
        "the server's timeout in milliseconds, 0 for none",
        server_timeout
    ),
    backend!(
        "be_tarpit_timeout",
        "`timeout tarpit` of the backend in milliseconds, 0 for none",
        tarpit_timeout
    ),
    backend!(
        "be_tunnel_timeout",
        "`timeout tunnel` of the backend in milliseconds, 0 for none",
        tunnel_timeout
    ),
    current!(
        "cur_tunnel_timeout",
        "the timeout of a tunnel in milliseconds, 0 for none",
        tunnel_timeout
    ),
    row(
        "be_max_retries",
        NONE,
        Type::Int,
        BACKEND,
        "`retries` of the backend",
        |s, _| Some(Value::Int(backend(s)?.retries.into())),
    ),
    row(
        "cur_max_retries",
        NONE,
        Type::Int,
        BACKEND,
        "how often a connection to a server is tried again",
        |s, _| Some(Value::Int(s.settings()?.current_backend?.retries.into())),
    ),
    row(
        "fe_defbe",
        NONE,
        Type::Str,
        FRONTEND,
        "the name of the frontend's default backend",
        |s, _| s.settings()?.default_backend.map(Value::Str),
    ),
];

fn backend(session: &dyn Session) -> Option<BackendSettings> {
    session.settings()?.backend
}

fn milliseconds(time: Option<Duration>) -> Value {
    Value::Int(time.map_or(0, |time| i64::try_from(time.as_millis()).unwrap_or(i64::MAX)))
}
