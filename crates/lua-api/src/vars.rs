//! Variables, as TXN and the applets have them, and the value that a script keeps with such an object.

use std::rc::Rc;
use std::sync::Arc;

use mlua::{Error, FromLua, Function, Lua, Result, Table, Value};
use tidegate_exec::{Chars, Scalar, function, plain};
use tidegate_proxy::Txn;
use tidegate_sample::vars::{VarName, VarScope};

use crate::env::Env;
use crate::handle::{Kind, PRIV, This};
use crate::value;

/// A class whose objects stand for a session with a transaction.
pub(crate) trait OfTxn: Kind {
    fn txn(this: &This<Self>) -> Result<Rc<Txn>>
    where
        Self: Sized;
}

pub(crate) fn set_var<K: OfTxn + 'static>(lua: &Lua, name: &str, _: &Arc<Env>) -> Result<Function> {
    plain(
        lua,
        name,
        |(this, name, value, if_exist): (This<K>, Chars, Scalar, Option<bool>)| {
            let txn = K::txn(&this)?;
            let Some(name) = parse(&name) else {
                return Ok(false);
            };
            // Only the scope that lives on is protected from growing, as in HAProxy.
            let guarded = if_exist == Some(true) && name.scope() == VarScope::Proc;
            if guarded && !txn.has_var(&name) {
                return Ok(false);
            }
            Ok(txn.set_var(&name, value::of_scalar(value)))
        },
    )
}

pub(crate) fn unset_var<K: OfTxn + 'static>(lua: &Lua, name: &str, _: &Arc<Env>) -> Result<Function> {
    plain(lua, name, |(this, name): (This<K>, Chars)| {
        let txn = K::txn(&this)?;
        let Some(name) = parse(&name) else {
            return Ok(false);
        };
        txn.unset_var(&name);
        Ok(true)
    })
}

pub(crate) fn get_var<K: OfTxn + 'static>(lua: &Lua, name: &str, env: &Arc<Env>) -> Result<Function> {
    let bools = env.settings.bool_samples;
    plain(lua, name, move |(this, name): (This<K>, Chars)| {
        let txn = K::txn(&this)?;
        let found = parse(&name).and_then(|name| txn.var(&name));
        Ok(found.map(|found| value::to_scalar(&found, bools)))
    })
}

pub(crate) fn get_priv<K: OfTxn + 'static>(lua: &Lua, name: &str, _: &Arc<Env>) -> Result<Function> {
    function(lua, name, |lua, object: Value| {
        object_of::<K>(lua, object)?.raw_get::<Value>(PRIV)
    })
}

pub(crate) fn set_priv<K: OfTxn + 'static>(lua: &Lua, name: &str, _: &Arc<Env>) -> Result<Function> {
    function(lua, name, |lua, (object, value): (Value, Value)| {
        object_of::<K>(lua, object)?.raw_set(PRIV, value)
    })
}

/// The table of a live object.
fn object_of<K: OfTxn>(lua: &Lua, object: Value) -> Result<Table> {
    let table = object.as_table().cloned();
    This::<K>::from_lua(object, lua)?.live()?;
    table.ok_or_else(|| Error::runtime("an object is expected"))
}

fn parse(name: &[u8]) -> Option<VarName> {
    VarName::parse(std::str::from_utf8(name).ok()?).ok()
}
