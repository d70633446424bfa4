//! The Reply class: a whole response in a table, for `txn:done`.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use mlua::{FromLua, Lua, LuaString, Result, Table, Value};
use tidegate_exec::function;
use tidegate_proxy::Reply;
use tidegate_sample::head::names;

use crate::arg::{Int, error, type_name, whole};
use crate::env::Env;
use crate::row::{Row, metatable as class_metatable, methods, row};

pub(crate) const ROWS: &[Row] = &[
    row(
        "set_status(reply, status[, reason])",
        "sets the status, 200 to 599, and the reason phrase",
        |lua, name, _| {
            function(
                lua,
                name,
                |_, (reply, Int(code), reason): (Table, Int, Option<LuaString>)| {
                    status(code)?;
                    if let Some(reason) = &reason {
                        checked_reason(&reason.as_bytes())?;
                    }
                    let usual = usual_reason(code);
                    reply.raw_set("status", code)?;
                    match reason {
                        Some(reason) => reply.raw_set("reason", reason)?,
                        None => reply.raw_set("reason", usual)?,
                    }
                    Ok(true)
                },
            )
        },
    ),
    row(
        "add_header(reply, name, value)",
        "adds a header field",
        |lua, name, _| {
            function(
                lua,
                name,
                |lua, (reply, name, value): (Table, LuaString, LuaString)| {
                    field(&name.as_bytes(), &value.as_bytes())?;
                    let headers = match reply.raw_get::<Value>("headers")? {
                        Value::Table(headers) => headers,
                        _ => {
                            let headers = lua.create_table()?;
                            reply.raw_set("headers", &headers)?;
                            headers
                        }
                    };
                    // The name as written, so that a script finds there what it put there.
                    match headers.raw_get::<Value>(&name)? {
                        Value::Table(values) => values.raw_push(value)?,
                        Value::Nil => headers.raw_set(name, lua.create_sequence_from([value])?)?,
                        one => {
                            headers.raw_set(name, lua.create_sequence_from([one, Value::String(value)])?)?
                        }
                    }
                    Ok(true)
                },
            )
        },
    ),
    row(
        "del_header(reply, name)",
        "removes all header fields of that name",
        |lua, name, _| {
            function(lua, name, |_, (reply, name): (Table, LuaString)| {
                let name = name.as_bytes();
                if let Value::Table(headers) = reply.raw_get::<Value>("headers")? {
                    // The same name may be there in several spellings.
                    for pair in headers.pairs::<LuaString, Value>() {
                        let (known, _) = pair?;
                        if known.as_bytes().eq_ignore_ascii_case(&name) {
                            headers.raw_set(known, Value::Nil)?;
                        }
                    }
                }
                Ok(true)
            })
        },
    ),
    row("set_body(reply, body)", "sets the body", |lua, name, _| {
        function(lua, name, |_, (reply, body): (Table, LuaString)| {
            reply.raw_set("body", body)?;
            Ok(true)
        })
    }),
];

pub(crate) fn metatable(lua: &Lua, env: &Arc<Env>) -> Result<Table> {
    class_metatable(lua, "Reply", &methods(lua, env, ROWS)?)
}

/// A Reply with what `fields` has.
pub(crate) fn new(lua: &Lua, class: &Table, fields: Option<Table>) -> Result<Table> {
    let reply = lua.create_table()?;
    if let Some(fields) = fields {
        for name in ["status", "reason", "headers", "body"] {
            reply.raw_set(name, fields.raw_get::<Value>(name)?)?;
        }
    }
    let is_absent = |name: &str| reply.raw_get::<Value>(name).map(|value| value.is_nil());
    if is_absent("status")? {
        reply.raw_set("status", 200)?;
    }
    if is_absent("reason")?
        && let Some(code) = whole(&reply.raw_get("status")?)
    {
        reply.raw_set("reason", usual_reason(code))?;
    }
    if is_absent("headers")? {
        reply.raw_set("headers", lua.create_table()?)?;
    }
    if is_absent("body")? {
        reply.raw_set("body", "")?;
    }
    reply.set_metatable(Some(class.clone()))?;
    Ok(reply)
}

/// The response that a Reply, or a plain table with its fields, describes.
///
/// # Errors
/// A field that can't be sent.
pub(crate) fn read(lua: &Lua, fields: &Table) -> Result<Reply> {
    let code = match fields.get::<Value>("status")? {
        Value::Nil => 200,
        given => whole(&given).ok_or_else(|| {
            let shown = given.to_string().unwrap_or_default();
            error("reply", format!("invalid status {shown}: 200 to 599 can be sent"))
        })?,
    };
    let mut reply = Reply::new(status(code)?);
    if let Some(reason) = field_of::<LuaString>(lua, fields, "reason", "string")? {
        checked_reason(&reason.as_bytes())?;
        reply.reason = Some(Bytes::copy_from_slice(&reason.as_bytes()));
    }
    if let Some(headers) = field_of::<Table>(lua, fields, "headers", "table")? {
        for pair in headers.pairs::<LuaString, Value>() {
            let (name, values) = pair?;
            match values {
                Value::Table(values) => {
                    // HAProxy's own tables of headers begin at 0, others at 1.
                    let first = values.raw_get::<Option<Value>>(0)?;
                    let rest = values.sequence_values::<Value>();
                    for value in first.into_iter().map(Ok).chain(rest) {
                        add(lua, &mut reply, &name, value?)?;
                    }
                }
                value => add(lua, &mut reply, &name, value)?,
            }
        }
    }
    if let Some(body) = field_of::<LuaString>(lua, fields, "body", "string")? {
        reply.body = Bytes::copy_from_slice(&body.as_bytes());
    }
    Ok(reply)
}

/// A field of a table that a script may have made with a metatable of its own.
fn field_of<T: FromLua>(lua: &Lua, fields: &Table, name: &str, kind: &str) -> Result<Option<T>> {
    let value: Value = fields.get(name)?;
    let got = type_name(&value);
    Option::<T>::from_lua(value, lua)
        .map_err(|_| error("reply", format!("`{name}` is a {kind}, not a {got}")))
}

/// Adds a header field; numbers are texts, as everywhere in Lua.
fn add(lua: &Lua, reply: &mut Reply, name: &LuaString, value: Value) -> Result<()> {
    let kind = type_name(&value);
    let Some(value) = lua.coerce_string(value)? else {
        let name = name.to_string_lossy();
        return Err(error("reply", format!("header `{name}` is a {kind}")));
    };
    let (name, value) = field(&name.as_bytes(), &value.as_bytes())?;
    // The length is that of the body, whatever the script counted.
    if name != names::CONTENT_LENGTH && name != names::TRANSFER_ENCODING {
        reply.headers.append(name, value);
    }
    Ok(())
}

fn status(code: i64) -> Result<StatusCode> {
    let valid = u16::try_from(code).ok().filter(|code| (200..=599).contains(code));
    valid
        .and_then(|code| StatusCode::from_u16(code).ok())
        .ok_or_else(|| error("reply", format!("invalid status {code}: 200 to 599 can be sent")))
}

/// The reason phrase that is sent with a status, if it is one.
fn usual_reason(code: i64) -> Option<&'static str> {
    let status = StatusCode::from_u16(u16::try_from(code).ok()?).ok()?;
    Some(status.canonical_reason().unwrap_or("Unknown"))
}

fn checked_reason(reason: &[u8]) -> Result<()> {
    match HeaderValue::from_bytes(reason) {
        Ok(_) => Ok(()),
        Err(_) => Err(error("reply", "the reason has characters that can't be sent")),
    }
}

fn field(name: &[u8], value: &[u8]) -> Result<(HeaderName, HeaderValue)> {
    let known = HeaderName::from_bytes(name).map_err(|_| {
        let name = String::from_utf8_lossy(name).into_owned();
        error("reply", format!("invalid header name `{name}`"))
    })?;
    let value = HeaderValue::from_bytes(value).map_err(|_| {
        error(
            "reply",
            format!("the value of `{known}` has characters that can't be sent"),
        )
    })?;
    Ok((known, value))
}
