//! The AppletTCP class: a stream to be talked with by a service.

use std::rc::Rc;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use mlua::{Lua, Result};
use tidegate_exec::{Begun, Chars, ObjectClass, Said, Scalars, plain, plain_operation};
use tidegate_proxy::{TcpApplet, Txn};

use crate::applet_http::{refused, sending, size_of};
use crate::arg::Millis;
use crate::classes::Parts;
use crate::env::Env;
use crate::handle::{Class, Kind, Session, Target, This};
use crate::row::{Row, methods, row};
use crate::txn::add_samples;
use crate::vars::{self, OfTxn};

/// The class.
pub(crate) struct AppletTcp;

impl Kind for AppletTcp {
    const NAME: &'static str = "AppletTCP";
    type Target = Rc<TcpApplet>;
    fn is(class: Class) -> bool {
        class == Class::AppletTcp
    }
    fn target(session: Session) -> Option<Rc<TcpApplet>> {
        match session.target()?.0 {
            Target::Tcp(applet) => applet.upgrade(),
            _ => None,
        }
    }
}

impl OfTxn for AppletTcp {
    fn txn(this: &This<Self>) -> Result<Rc<Txn>> {
        this.live().map(|applet| Rc::clone(applet.txn()))
    }
}

pub(crate) const ROWS: &[Row] = &[
    row(
        "getline(applet)",
        "the next line with its line feed, or what is left at the end; then empty",
        |lua, name, _| {
            plain_operation(lua, name, |this: This<AppletTcp>| {
                let line = this.live()?.getline();
                Ok(Begun::Waits(async move {
                    line.await.map(Said).map_err(|e| refused("getline", &e))
                }))
            })
        },
    ),
    row(
        "receive(applet[, size[, timeout]])",
        "so many bytes, or all up to the end; after `timeout` milliseconds what came until then, nil if nothing did",
        |lua, name, _| {
            plain_operation(
                lua,
                name,
                |(this, size, timeout): (This<AppletTcp>, Option<i64>, Option<f64>)| {
                    let applet = this.live()?;
                    let size = size_of(size, "receive")?;
                    let limit = match timeout {
                        Some(ms) => Some(Millis::of(ms, 1.0, "receive")?.0),
                        None => None,
                    };
                    Ok(Begun::Waits(async move {
                        let Some(limit) = limit else {
                            let all = applet.receive(size).await;
                            return all.map(|all| Some(Said(all))).map_err(|e| refused("receive", &e));
                        };
                        let mut gathered = BytesMut::new();
                        let all = gather(&applet, size, &mut gathered);
                        let is_late = tokio::time::timeout(limit, all).await.is_err();
                        let nothing = is_late && gathered.is_empty();
                        Ok((!nothing).then(|| Said(gathered.freeze())))
                    }))
                },
            )
        },
    ),
    row(
        "try_receive(applet)",
        "what is there, without waiting: nil if nothing is, empty at the end",
        |lua, name, _| {
            plain(lua, name, |this: This<AppletTcp>| {
                let applet = this.live()?;
                let there = applet.try_receive(None);
                let may_come = applet.txn().request_channel().may_recv();
                Ok((!there.is_empty() || !may_come).then(|| Said(there)))
            })
        },
    ),
    row(
        "send(applet, msg)",
        "sends bytes, waiting while the client is slow; how many it were",
        |lua, name, _| {
            plain_operation(lua, name, |(this, text): (This<AppletTcp>, Chars)| {
                let bytes = Bytes::from(text.into_vec());
                let length = bytes.len() as i64;
                sending(this.live()?.send(bytes), length)
            })
        },
    ),
    row(
        "get_priv(applet)",
        "what `set_priv` left here, or nil",
        vars::get_priv::<AppletTcp>,
    ),
    row(
        "set_priv(applet, data)",
        "leaves a value here",
        vars::set_priv::<AppletTcp>,
    ),
    row(
        "set_var(applet, var, value[, ifexist])",
        "sets a variable and says whether it could; with `ifexist`, one of scope `proc` has to exist",
        vars::set_var::<AppletTcp>,
    ),
    row(
        "unset_var(applet, var)",
        "removes a variable",
        vars::unset_var::<AppletTcp>,
    ),
    row(
        "get_var(applet, var)",
        "the value of a variable, or nil",
        vars::get_var::<AppletTcp>,
    ),
];

/// Takes what comes until there are `size` bytes or the stream ends. Nothing is lost when this is dropped.
async fn gather(applet: &TcpApplet, size: Option<usize>, gathered: &mut BytesMut) {
    let wanted = size.unwrap_or(tidegate_proxy::RECEIVE_BYTES_MAX);
    let channel = applet.txn().request_channel();
    loop {
        gathered.extend_from_slice(&applet.try_receive(Some(wanted - gathered.len())));
        if gathered.len() == wanted || !channel.may_recv() && channel.input_len() == 0 {
            return;
        }
        channel.wait_input(0).await;
    }
}

pub(crate) fn class(lua: &Lua, env: &Arc<Env>, parts: &Parts) -> Result<ObjectClass> {
    let nothing_else = plain(lua, "__index", |_: Scalars| Ok(()))?;
    let class = ObjectClass::new(
        lua,
        AppletTcp::NAME,
        &methods(lua, env, ROWS)?,
        Some(nothing_else),
    )?;
    add_samples(lua, &class, parts)?;
    Ok(class)
}
