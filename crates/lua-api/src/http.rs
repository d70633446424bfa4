//! The HTTP class: the heads of request and response, to be read and changed.

use std::rc::Rc;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, StatusCode};
use mlua::{Function, Lua, Result};
use tidegate_exec::{Chars, Lists, plain};
use tidegate_proxy::Txn;
use tidegate_sample::head::names::{CONTENT_LENGTH, TRANSFER_ENCODING};
use tidegate_sample::head::{Change, Headers};

use crate::arg::error;
use crate::env::Env;
use crate::handle::{Class, Kind, Of, Session, This};
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
            plain(
                lua,
                name,
                |(this, code, reason): (This<Http>, i64, Option<Chars>)| {
                    set_status("res_set_status", &*this.live()?, code, reason.as_deref())
                },
            )
        },
    ),
];

/// Sets a response's status.
pub(crate) fn set_status(name: &str, txn: &Txn, code: i64, reason: Option<&[u8]>) -> Result<()> {
    let status = u16::try_from(code).ok().filter(|code| (200..=599).contains(code));
    let Some(status) = status.and_then(|code| StatusCode::from_u16(code).ok()) else {
        let why = format!("invalid status {code}: 200 to 599 can be sent");
        return Err(error(name, why));
    };
    if txn.response_head().is_none() {
        return Err(error(name, NO_RESPONSE));
    }
    if !txn.set_status(status, reason) {
        return Err(error(name, "the reason has characters that can't be sent"));
    }
    Ok(())
}

/// Says how long a body is, or that it comes in chunks.
pub(crate) fn frame(headers: &mut Headers, length: Option<&str>) {
    headers.remove(CONTENT_LENGTH);
    headers.remove(TRANSFER_ENCODING);
    match length.map(HeaderValue::from_str) {
        Some(Ok(length)) => headers.insert(CONTENT_LENGTH, length),
        _ => headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked")),
    };
}

/// The head of a message, as the objects of a class lead to it.
pub(crate) trait Message: 'static {
    /// The class.
    type Class: Kind + 'static;
    /// What to say when it can't be had.
    fn absent(this: &Of<Self::Class>) -> &'static str;
    /// Looks at its headers, if it is there.
    fn read<R>(this: &Of<Self::Class>, f: impl FnOnce(&Headers) -> R) -> Result<Option<R>>;
    /// Changes its headers, if that is possible.
    fn change<R>(this: &Of<Self::Class>, f: impl FnOnce(&mut Headers) -> R) -> Result<Option<R>>;
}

struct Request;
struct Response;

const NO_RESPONSE: &str = "there is no response yet";
const SENT: &str = "there is no request that can be changed here";

impl Message for Request {
    type Class = Http;
    fn absent(_: &Of<Http>) -> &'static str {
        SENT
    }
    fn read<R>(this: &Of<Http>, f: impl FnOnce(&Headers) -> R) -> Result<Option<R>> {
        Ok(this.live()?.request_head().map(|head| f(&head.headers)))
    }
    fn change<R>(this: &Of<Http>, f: impl FnOnce(&mut Headers) -> R) -> Result<Option<R>> {
        let txn = this.live()?;
        // A request that was answered is kept to be read: what is changed of it then would go nowhere.
        if txn.response_head().is_some() {
            return Ok(None);
        }
        Ok(txn.request_head_mut().map(|mut head| f(&mut head.headers)))
    }
}

impl Message for Response {
    type Class = Http;
    fn absent(_: &Of<Http>) -> &'static str {
        NO_RESPONSE
    }
    fn read<R>(this: &Of<Http>, f: impl FnOnce(&Headers) -> R) -> Result<Option<R>> {
        Ok(this.live()?.response_head().map(|head| f(&head.headers)))
    }
    fn change<R>(this: &Of<Http>, f: impl FnOnce(&mut Headers) -> R) -> Result<Option<R>> {
        Ok(this
            .live()?
            .response_head_mut()
            .map(|mut head| f(&mut head.headers)))
    }
}

pub(crate) fn get_headers<M: Message>(lua: &Lua, name: &str, _: &Arc<Env>) -> Result<Function> {
    let name_of = name.to_owned();
    plain(lua, name, move |this: This<M::Class>| {
        M::read(&this, header_lists)?.ok_or_else(|| error(&name_of, M::absent(&this)))
    })
}

/// Headers as scripts see them: `headers["host"][0]`.
pub(crate) fn header_lists(headers: &Headers) -> Lists {
    let mut lists = Lists::with_capacity(2 * headers.len(), HEAD_BYTES);
    for name in headers.distinct_names() {
        lists.name(name.as_str().as_bytes());
        for value in headers.get_all(name) {
            lists.text(value.as_bytes());
        }
    }
    lists
}

/// Room for the fields of most heads.
const HEAD_BYTES: usize = 512;

pub(crate) fn add_header<M: Message>(lua: &Lua, name: &str, _: &Arc<Env>) -> Result<Function> {
    edit::<M, _>(lua, name, |headers, name, value| {
        headers.append(name, value);
    })
}

pub(crate) fn set_header<M: Message>(lua: &Lua, name: &str, _: &Arc<Env>) -> Result<Function> {
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
    plain(
        lua,
        name,
        move |(this, name, value): (This<M::Class>, Chars, Chars)| {
            this.live()?;
            let name = header_name(&function_name, &name)?;
            let value = header_value(&function_name, &name, &value)?;
            M::change(&this, |headers| change(headers, name, value))?
                .ok_or_else(|| error(&function_name, M::absent(&this)))
        },
    )
}

pub(crate) fn del_header<M: Message>(lua: &Lua, name: &str, _: &Arc<Env>) -> Result<Function> {
    let function_name = name.to_owned();
    plain(lua, name, move |(this, name): (This<M::Class>, Chars)| {
        this.live()?;
        let name = header_name(&function_name, &name)?;
        M::change(&this, |headers| {
            headers.remove(&name);
        })?
        .ok_or_else(|| error(&function_name, M::absent(&this)))
    })
}

/// What comes in place of a value, if anything.
pub(crate) type Replaced = fn(&Pattern, &[u8], &[u8]) -> Option<Vec<u8>>;

pub(crate) fn replace_values<M: Message>(lua: &Lua, name: &str, replaced: Replaced) -> Result<Function> {
    let function_name = name.to_owned();
    plain(
        lua,
        name,
        move |(this, name, regex, with): (This<M::Class>, Chars, Chars, Chars)| {
            this.live()?;
            let name = header_name(&function_name, &name)?;
            let pattern = Pattern::compiled(&regex, true).map_err(|e| error(&function_name, e))?;
            let changed = M::change(&this, |headers| {
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
            })?;
            changed.unwrap_or_else(|| Err(error(&function_name, M::absent(&this))))
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
    plain(lua, name, move |(this, text): (This<Http>, Chars)| {
        let txn = this.live()?;
        if txn.response_head().is_some() {
            return Err(error(&function_name, SENT));
        }
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
