//! What calls of fetches and converters share: names of methods, and calls that were made before.

use std::any::Any;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use mlua::{Error, Function, Lua, LuaString, Table};
use smallvec::SmallVec;
use tidegate_exec::{ObjectClass, Scalar, Scalars, function};
use tidegate_proxy::Txn;
use tidegate_sample::vars::ProcVars;
use tidegate_sample::{ParseError, Value};

use crate::arg::bad_argument;
use crate::handle::Session;
use crate::settings::Settings;
use crate::value;

/// Arguments of a call.
type Samples = SmallVec<[Value; 3]>;

/// Calls that one method remembers. A script names its headers and patterns in the source, so there are few.
const KEPT_MAX: usize = 8;

/// Longer arguments are not remembered: those are made, and made anew each time.
const KEPT_BYTES_MAX: usize = 4096;

/// The calls that one method was asked for lately, with what their arguments were made into.
pub(crate) struct Calls<T>(Mutex<Vec<(Samples, Arc<T>)>>);

impl<T> Default for Calls<T> {
    fn default() -> Self {
        Calls(Mutex::default())
    }
}

impl<T> Calls<T> {
    /// The call of `method` with these arguments, made if it is a new one.
    ///
    /// # Errors
    /// An argument is no text, number or boolean, or not what it has to be.
    pub(crate) fn find(
        &self,
        method: &str,
        args: Scalars,
        make: impl FnOnce(&[Value]) -> Result<T, ParseError>,
    ) -> mlua::Result<Arc<T>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = |(known, _): &&(Samples, Arc<T>)| {
            known.len() == args.0.len()
                && known
                    .iter()
                    .zip(&args.0)
                    .all(|(known, arg)| value::is(known, arg))
        };
        if let Some((_, call)) = kept.iter().find(is_known) {
            return Ok(Arc::clone(call));
        }
        let args = samples(method, args)?;
        let call = Arc::new(make(&args).map_err(|error| wrong(method, &error))?);
        if args.iter().map(length).sum::<usize>() > KEPT_BYTES_MAX {
            return Ok(call);
        }
        if kept.len() == KEPT_MAX {
            kept.remove(0);
        }
        kept.push((args, Arc::clone(&call)));
        Ok(call)
    }
}

fn length(value: &Value) -> usize {
    match value {
        Value::Str(text) | Value::Bin(text) => text.len(),
        _ => 0,
    }
}

/// The arguments of a call. What is no text, number or boolean is an error: it has no form that could be looked at.
fn samples(method: &str, args: Scalars) -> mlua::Result<Samples> {
    let sample = |(at, arg)| match arg {
        Scalar::Other(kind) => Err(bad_argument(
            at + 1,
            method,
            &format!("string expected, got {kind}"),
        )),
        arg => Ok(value::of_scalar(arg)),
    };
    args.0.into_iter().enumerate().map(sample).collect()
}

/// What an object of Fetches or Converters stands for: a live transaction, or (`core.f`) none at all.
pub(crate) fn target(session: Session) -> Option<Option<Rc<Txn>>> {
    if session == Session::NONE {
        return Some(None);
    }
    session.txn().map(Some)
}

/// A class whose methods are made when a script first names them.
pub(crate) fn class(
    lua: &Lua,
    name: &str,
    method: impl Fn(&Lua, &[u8]) -> mlua::Result<Option<Function>> + Send + 'static,
) -> mlua::Result<ObjectClass> {
    let bind = function(lua, "__index", move |lua, (class, key): (Table, LuaString)| {
        let found = method(lua, &key.as_bytes())?;
        if let Some(method) = &found {
            class.raw_set(key, method)?;
        }
        Ok(found)
    })?;
    let of_class = lua.create_table()?;
    of_class.raw_set("__index", bind)?;
    let class = lua.create_table()?;
    class.set_metatable(Some(of_class))?;
    ObjectClass::new(lua, name, &class, None)
}

/// Lua's names allow neither `.` nor `-`, so methods have `_` there.
pub(crate) fn method_names<'a>(names: impl Iterator<Item = &'a str>) -> HashMap<Vec<u8>, &'a str> {
    let method = |name: &str| name.replace(['.', '-', '+'], "_").into_bytes();
    names.map(|name| (method(name), name)).collect()
}

/// The error of a call whose arguments are wrong.
fn wrong(method: &str, error: &ParseError) -> Error {
    crate::arg::error(method, error)
}

/// What evaluates for no session at all: only the process is known.
pub(crate) struct NoTxn<'a>(pub(crate) &'a Settings);

impl tidegate_sample::Session for NoTxn<'_> {
    fn as_any(&self) -> &dyn Any {
        // Nothing that lives elsewhere can know this type.
        &()
    }

    fn proc_vars(&self) -> Option<&ProcVars> {
        Some(&self.0.proc_vars)
    }
}
