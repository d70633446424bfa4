//! What TXN says of a transaction's way: how the client's packets are marked, and when a queued request has its turn.

use std::sync::Arc;

use mlua::{Function, Lua, Result};
use tidegate_exec::plain;
use tidegate_proxy::Txn;

use crate::arg::bad_argument;
use crate::env::Env;
use crate::handle::This;
use crate::txn::TxnClass;

/// The type of service of the packets that go to the client.
pub(crate) fn set_tos(lua: &Lua, name: &str, _: &Arc<Env>) -> Result<Function> {
    setter(lua, name, |txn, tos| match u8::try_from(tos) {
        Ok(tos) => {
            txn.set_client_tos(tos);
            Ok(())
        }
        Err(_) => Err("0 to 255 expected"),
    })
}

/// The netfilter mark of the packets that go to the client.
pub(crate) fn set_mark(lua: &Lua, name: &str, _: &Arc<Env>) -> Result<Function> {
    setter(lua, name, |txn, mark| match u32::try_from(mark) {
        Ok(mark) => {
            txn.set_client_mark(mark);
            Ok(())
        }
        Err(_) => Err("0 to 4294967295 expected"),
    })
}

/// The class by which queued requests are ordered.
pub(crate) fn set_priority_class(lua: &Lua, name: &str, _: &Arc<Env>) -> Result<Function> {
    setter(lua, name, |txn, class| {
        txn.set_priority_class(class);
        Ok(())
    })
}

/// The time by which a queued request is put back.
pub(crate) fn set_priority_offset(lua: &Lua, name: &str, _: &Arc<Env>) -> Result<Function> {
    setter(lua, name, |txn, offset| {
        txn.set_priority_offset(offset);
        Ok(())
    })
}

/// A method that sets a number, or says which ones there are.
fn setter(
    lua: &Lua,
    name: &str,
    set: fn(&Txn, i64) -> std::result::Result<(), &'static str>,
) -> Result<Function> {
    let method = name.to_owned();
    plain(lua, name, move |(this, value): (This<TxnClass>, i64)| {
        set(&*this.live()?, value).map_err(|why| bad_argument(2, &method, why))
    })
}
