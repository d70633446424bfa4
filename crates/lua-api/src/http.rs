//! The HTTP class: the heads of request and response, to be read and changed.

use std::rc::Rc;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, StatusCode};
use mlua::{Function, Lua, Result, Table};
use tidegate_exec::{Chars, function};
use tidegate_proxy::Txn;
use tidegate_sample::head::{Change, Headers};

use crate::arg::{Int, error};
use crate::env::Env;
use crate::handle::{Class, Kind, Session, This};
use crate::row::{Row, row};
use crate::subst::{self, Pattern};

/// The class.
pub(crate) struct Http;

impl Kind for Http {
    const NAME: &'static str = "HTTP";
    type Target = Rc<Txn>;
    fn is(class: Class) -> bool {
        class == Class::Http
    }
    fn target(session: Session) -> Option<Rc<Txn>> {
        session.txn()
    }
}

pub(crate) const ROWS: &[Row] = &[
    row(
        "req_get_headers(http)",
        "the request's headers: a table of lower-case names, each with its values from 0 up",
        get_headers::<Request>,
    ),
    row(
        "res_get_headers(http)",
        "the response's headers, likewise",
        get_headers::<Response>,
    ),
    row(
        "req_add_header(http, name, value)",
        "adds a header field to the request",
        add_header::<Request>,
    ),
    row(
        "res_add_header(http, name, value)",
        "adds a header field to the response",
        add_header::<Response>,
    ),
    row(
        "req_del_header(http, name)",
        "removes all header fields of that name",
        del_header::<Request>,
    ),
    row(
        "res_del_header(http, name)",
        "removes all header fields of that name",
        del_header::<Response>,
    ),
    row(
        "req_set_header(http, name, value)",
        "puts one header field in place of all of that name",
        set_header::<Request>,
    ),
    row(
        "res_set_header(http, name, value)",
        "puts one header field in place of all of that name",
        set_header::<Response>,
    ),
    row(
        "req_rep_header(http, name, regex, replace)",
        "replaces each whole value of that name that matches; `\\1` in `replace` is a group",
        |lua, name, _| replace_values::<Request>(lua, name, subst::whole),
    ),
    row(
        "res_rep_header(http, name, regex, replace)",
        "replaces each whole value of that name that matches",
        |lua, name, _| replace_values::<Response>(lua, name, subst::whole),
    ),
    row(
        "req_rep_value(http, name, regex, replace)",
        "replaces each part, as separated by commas, that matches",
        |lua, name, _| replace_values::<Request>(lua, name, subst::each_part),
    ),
    row(
        "res_rep_value(http, name, regex, replace)",
        "replaces each part, as separated by commas, that matches",
        |lua, name, _| replace_values::<Response>(lua, name, subst::each_part),
    ),
    row(
        "req_set_method(http, method)",
        "sets the method",
        |lua, name, _| set_target(lua, name, |txn, text| txn.set_method(text)),
    ),
    row(
        "req_set_path(http, path)",
        "sets the path and keeps the query",
        |lua, name, _| set_target(lua, name, |txn, text| txn.set_path(text)),
    ),
    row(
        "req_set_query(http, query)",
        "sets the query and keeps the path",
        |lua, name, _| set_target(lua, name, |txn, text| txn.set_query(text)),
    ),
    row(
        "req_set_uri(http, uri)",
        "sets the whole target",
        |lua, name, _| set_target(lua, name, |txn, text| txn.set_uri(text)),
    ),
    row(
        "res_set_status(http, status[, reason])",
        "sets the response's status, 200 to 599, and the reason phrase",
        |lua, name, _| {
            function(
                lua,
                name,
                |_, (this, Int(code), reason): (This<Http>, Int, Option<Chars>)| {
                    let txn = this.live()?;
                    let status = u16::try_from(code).ok().filter(|code| (200..=599).contains(code));
                    let Some(status) = status.and_then(|code| StatusCode::from_u16(code).ok()) else {
                        return Err(error(
                            "res_set_status",
                            format!("invalid status {code}: 200 to 599 can be sent"),
                        ));
                    };
                    if txn.response_head().is_none() {
                        return Err(error("res_set_status", Response::ABSENT));
                    }
                    if !txn.set_status(status, reason.as_deref()) {
                        return Err(error(
                            "res_set_status",
                            "the reason has characters that can't be sent",
                        ));
                    }
                    Ok(())
                },
            )
        },
    ),
];

/// One of the two messages.
trait Message: 'static {
    /// What to say when it isn't there.
    const ABSENT: &'static str;
    fn read<R>(txn: &Txn, f: impl FnOnce(&Headers) -> R) -> Option<R>;
    fn change<R>(txn: &Txn, f: impl FnOnce(&mut Headers) -> R) -> Option<R>;
}

struct Request;
struct Response;

impl Message for Request {
    const ABSENT: &'static str = "there is no request that can be changed here";
    fn read<R>(txn: &Txn, f: impl FnOnce(&Headers) -> R) -> Option<R> {
        txn.request_head().map(|head| f(&head.headers))
    }
    fn change<R>(txn: &Txn, f: impl FnOnce(&mut Headers) -> R) -> Option<R> {
        txn.request_head_mut().map(|mut head| f(&mut head.headers))
    }
}

impl Message for Response {
    const ABSENT: &'static str = "there is no response yet";
    fn read<R>(txn: &Txn, f: impl FnOnce(&Headers) -> R) -> Option<R> {
        txn.response_head().map(|head| f(&head.headers))
    }
    fn change<R>(txn: &Txn, f: impl FnOnce(&mut Headers) -> R) -> Option<R> {
        txn.response_head_mut().map(|mut head| f(&mut head.headers))
    }
}

fn get_headers<M: Message>(lua: &Lua, name: &str, _: &Arc<Env>) -> Result<Function> {
    let name_of = name.to_owned();
    function(lua, name, move |lua, this: This<Http>| {
        let txn = this.live()?;
        M::read(&txn, |headers| header_table(lua, headers)).unwrap_or_else(|| Err(error(&name_of, M::ABSENT)))
    })
}

/// Headers as scripts see them: `headers["host"][0]`.
pub(crate) fn header_table(lua: &Lua, headers: &Headers) -> Result<Table> {
    let table = lua.create_table_with_capacity(0, headers.len())?;
    for name in headers.distinct_names() {
        let values = lua.create_table_with_capacity(0, 1)?;
        for (at, value) in headers.get_all(name).enumerate() {
            values.raw_set(at, lua.create_string(value.as_bytes())?)?;
        }
        table.raw_set(name.as_str(), values)?;
    }
    Ok(table)
}

fn add_header<M: Message>(lua: &Lua, name: &str, _: &Arc<Env>) -> Result<Function> {
    edit::<M, _>(lua, name, |headers, name, value| {
        headers.append(name, value);
    })
}

fn set_header<M: Message>(lua: &Lua, name: &str, _: &Arc<Env>) -> Result<Function> {
    edit::<M, _>(lua, name, |headers, name, value| {
        headers.insert(name, value);
    })
}

fn edit<M, F>(lua: &Lua, name: &str, change: F) -> Result<Function>
where
    M: Message,
    F: Fn(&mut Headers, HeaderName, HeaderValue) + Send + 'static,
{
    let function_name = name.to_owned();
    function(
        lua,
        name,
        move |_, (this, name, value): (This<Http>, Chars, Chars)| {
            let txn = this.live()?;
            let name = header_name(&function_name, &name)?;
            let value = header_value(&function_name, &name, &value)?;
            M::change(&txn, |headers| change(headers, name, value))
                .ok_or_else(|| error(&function_name, M::ABSENT))
        },
    )
}

fn del_header<M: Message>(lua: &Lua, name: &str, _: &Arc<Env>) -> Result<Function> {
    let function_name = name.to_owned();
    function(lua, name, move |_, (this, name): (This<Http>, Chars)| {
        let txn = this.live()?;
        let name = header_name(&function_name, &name)?;
        M::change(&txn, |headers| {
            headers.remove(&name);
        })
        .ok_or_else(|| error(&function_name, M::ABSENT))
    })
}

/// What comes in place of a value, if anything.
type Replaced = fn(&Pattern, &[u8], &[u8]) -> Option<Vec<u8>>;

fn replace_values<M: Message>(lua: &Lua, name: &str, replaced: Replaced) -> Result<Function> {
    let function_name = name.to_owned();
    function(
        lua,
        name,
        move |_, (this, name, regex, with): (This<Http>, Chars, Chars, Chars)| {
            let txn = this.live()?;
            let name = header_name(&function_name, &name)?;
            let pattern = Pattern::compiled(&regex, true).map_err(|e| error(&function_name, e))?;
            let changed = M::change(&txn, |headers| {
                let mut changed = Vec::new();
                for value in headers.get_all(&name) {
                    changed.push(match replaced(&pattern, value.as_bytes(), &with) {
                        Some(new) => Change::To(header_value(&function_name, &name, &new)?),
                        None => Change::Keep,
                    });
                }
                let mut changed = changed.into_iter();
                headers.change(&name, |_| changed.next().unwrap_or(Change::Keep));
                Ok(())
            });
            changed.unwrap_or_else(|| Err(error(&function_name, M::ABSENT)))
        },
    )
}

fn set_target<E>(
    lua: &Lua,
    name: &str,
    set: fn(&Txn, &[u8]) -> std::result::Result<(), E>,
) -> Result<Function>
where
    E: std::fmt::Display + 'static,
{
    let function_name = name.to_owned();
    function(lua, name, move |_, (this, text): (This<Http>, Chars)| {
        let txn = this.live()?;
        set(&txn, &text)
            .map(|()| true)
            .map_err(|e| error(&function_name, e))
    })
}

fn header_name(function: &str, name: &[u8]) -> Result<HeaderName> {
    HeaderName::from_bytes(name).map_err(|_| {
        error(
            function,
            format!("invalid header name `{}`", String::from_utf8_lossy(name)),
        )
    })
}

fn header_value(function: &str, name: &HeaderName, value: &[u8]) -> Result<HeaderValue> {
    HeaderValue::from_bytes(value).map_err(|_| {
        error(
            function,
            format!("the value of `{name}` has characters that can't be sent"),
        )
    })
}
