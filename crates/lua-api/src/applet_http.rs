//! The AppletHTTP class: a request to be answered by a service.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use mlua::{Function, Lua, Result};
use tidegate_exec::{Begun, Chars, ObjectClass, PlainMember, Said, Scalar, plain, plain_operation};
use tidegate_proxy::ext::Run;
use tidegate_proxy::{HttpApplet, ServiceError, Txn};
use tidegate_sample::head::names;

use crate::arg::{bad_argument, error};
use crate::classes::Parts;
use crate::env::Env;
use crate::handle::{self, Any, Class, Kind, Session, Target, This};
use crate::http::header_lists;
use crate::row::{Row, methods, row};
use crate::txn;
use crate::vars::{self, OfTxn};

/// The class.
pub(crate) struct AppletHttp;

impl Kind for AppletHttp {
    const NAME: &'static str = "AppletHTTP";
    type Target = Rc<HttpApplet>;
    fn is(class: Class) -> bool {
        class == Class::AppletHttp
    }
    fn target(session: Session) -> Option<Rc<HttpApplet>> {
        match session.target()?.0 {
            Target::Http(applet) => applet.upgrade(),
            _ => None,
        }
    }
}

impl OfTxn for AppletHttp {
    fn txn(this: &This<Self>) -> Result<Rc<Txn>> {
        this.live().map(|applet| Rc::clone(applet.txn()))
    }
}

pub(crate) const ROWS: &[Row] = &[
    row(
        "set_status(applet, code[, reason])",
        "sets the status, 200 to 599, and the reason phrase",
        |lua, name, _| {
            plain(
                lua,
                name,
                |(this, code, reason): (This<AppletHttp>, i64, Option<Chars>)| {
                    let set = this.live()?.set_status(code, reason.as_deref());
                    set.map(|()| true).map_err(|e| refused("set_status", &e))
                },
            )
        },
    ),
    row(
        "add_header(applet, name, value)",
        "adds a header field to the response; a `content-length` fixes the body's length",
        |lua, name, _| {
            plain(
                lua,
                name,
                |(this, name, value): (This<AppletHttp>, Chars, Chars)| {
                    let added = this.live()?.add_header(&name, &value);
                    added.map(|()| true).map_err(|e| refused("add_header", &e))
                },
            )
        },
    ),
    row(
        "start_response(applet)",
        "sends status and headers; the body may follow",
        |lua, name, _| {
            plain(lua, name, |this: This<AppletHttp>| {
                let started = this.live()?.start_response();
                started.map_err(|e| refused("start_response", &e))
            })
        },
    ),
    row(
        "getline(applet)",
        "the next line of the request's body with its line feed, or what is left; empty at the end",
        |lua, name, _| {
            plain_operation(lua, name, |this: This<AppletHttp>| {
                let line = this.live()?.getline();
                Ok(Begun::Waits(async move {
                    line.await.map(Said).map_err(|e| refused("getline", &e))
                }))
            })
        },
    ),
    row(
        "receive(applet[, size])",
        "so many bytes of the request's body, or what is left of it; empty at the end",
        |lua, name, _| {
            plain_operation(lua, name, |(this, size): (This<AppletHttp>, Option<i64>)| {
                let received = this.live()?.receive(size_of(size, "receive")?);
                Ok(Begun::Waits(async move {
                    received.await.map(Said).map_err(|e| refused("receive", &e))
                }))
            })
        },
    ),
    row(
        "send(applet, msg)",
        "sends a piece of the body, waiting while the client is slow; how many bytes it was",
        |lua, name, _| {
            plain_operation(lua, name, |(this, text): (This<AppletHttp>, Chars)| {
                let bytes = Bytes::from(text.into_vec());
                let length = bytes.len() as i64;
                sending(this.live()?.send(bytes), length)
            })
        },
    ),
    row(
        "get_priv(applet)",
        "what `set_priv` left here, or nil",
        vars::get_priv::<AppletHttp>,
    ),
    row(
        "set_priv(applet, data)",
        "leaves a value here",
        vars::set_priv::<AppletHttp>,
    ),
    row(
        "set_var(applet, var, value[, ifexist])",
        "sets a variable and says whether it could; with `ifexist`, one of scope `proc` has to exist",
        vars::set_var::<AppletHttp>,
    ),
    row(
        "unset_var(applet, var)",
        "removes a variable",
        vars::unset_var::<AppletHttp>,
    ),
    row(
        "get_var(applet, var)",
        "the value of a variable, or nil",
        vars::get_var::<AppletHttp>,
    ),
];

pub(crate) fn class(lua: &Lua, env: &Arc<Env>, parts: &Parts) -> Result<ObjectClass> {
    let class = ObjectClass::new(
        lua,
        AppletHttp::NAME,
        &methods(lua, env, ROWS)?,
        Some(member_maker(lua)?),
    )?;
    txn::add_samples(lua, &class, parts)?;
    Ok(class)
}

fn member_maker(lua: &Lua) -> Result<Function> {
    plain(
        lua,
        "__index",
        |(tidegate_exec::This(Any(session)), key): (tidegate_exec::This<Any>, Scalar)| {
            let key = match &key {
                Scalar::Text(key) if is_member(key) => key,
                _ => return Ok(PlainMember::None),
            };
            Ok(match AppletHttp::target(session) {
                Some(applet) => member(&applet, key),
                None => PlainMember::Refused(handle::stale_text(AppletHttp::NAME)),
            })
        },
    )
}

fn is_member(name: &[u8]) -> bool {
    matches!(
        name,
        b"method" | b"version" | b"path" | b"qs" | b"length" | b"headers"
    )
}

/// A part of the request.
fn member(applet: &HttpApplet, name: &[u8]) -> PlainMember {
    let Some(head) = applet.txn().request_head() else {
        return PlainMember::None;
    };
    let text = |text: &str| PlainMember::Scalar(Scalar::Text(text.into()));
    match name {
        b"method" => text(head.method.as_str()),
        b"version" => text(match head.version {
            http::Version::HTTP_09 => "HTTP/0.9",
            http::Version::HTTP_10 => "HTTP/1.0",
            http::Version::HTTP_2 => "HTTP/2.0",
            http::Version::HTTP_3 => "HTTP/3.0",
            _ => "HTTP/1.1",
        }),
        b"path" => text(head.uri.path()),
        b"qs" => text(head.uri.query().unwrap_or("")),
        b"length" => {
            let length = head.headers.get(names::CONTENT_LENGTH);
            let length = length.and_then(|value| value.to_str().ok()?.parse().ok());
            PlainMember::Scalar(Scalar::Int(length.unwrap_or(0)))
        }
        b"headers" => PlainMember::Lists(header_lists(&head.headers)),
        _ => PlainMember::None,
    }
}

pub(crate) fn refused(name: &str, why: &ServiceError) -> mlua::Error {
    match why {
        ServiceError::NotStarted => error(name, "start_response() has to be called before data is sent"),
        why => error(name, why),
    }
}

/// What sending so many bytes came to: seldom is there anything to wait for.
pub(crate) fn sending(
    sent: Run<'static, std::result::Result<(), ServiceError>>,
    length: i64,
) -> Result<Begun<i64, impl Future<Output = Result<i64>> + 'static>> {
    let told = move |sent: std::result::Result<(), ServiceError>| match sent {
        Ok(()) => Ok(length),
        Err(why) => Err(refused("send", &why)),
    };
    match sent {
        Run::Ready(Some(sent)) => told(sent).map(Begun::Done),
        sent => Ok(Begun::Waits(async move { told(sent.await) })),
    }
}

/// A number of bytes to receive; all of them if there is none, or if it is negative, as in HAProxy.
pub(crate) fn size_of(size: Option<i64>, name: &str) -> Result<Option<usize>> {
    match size {
        None | Some(i64::MIN..0) => Ok(None),
        Some(size) => usize::try_from(size)
            .map(Some)
            .map_err(|_| bad_argument(2, name, "too large")),
    }
}
