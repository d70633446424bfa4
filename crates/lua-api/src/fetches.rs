//! The Fetches class (`txn.f`, `txn.sf`): every fetch of the configuration's expressions, as a method.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use mlua::{Function, Lua, Result};
use tidegate_exec::{ObjectClass, Scalar, Scalars, plain};
use tidegate_proxy::Txn;
use tidegate_sample::{Expr, fetch};

use crate::calls::{self, Calls, NoTxn};
use crate::env::Env;
use crate::handle::{Class, Kind, Session, This};
use crate::settings::BoolSamples;
use crate::value;

/// The class.
pub(crate) struct Fetches;

impl Kind for Fetches {
    const NAME: &'static str = "Fetches";
    /// None stands for an object that never had a session: `core.f`.
    type Target = Option<Rc<Txn>>;
    fn is(class: Class) -> bool {
        matches!(class, Class::Fetches | Class::FetchesText)
    }
    fn target(session: Session) -> Option<Self::Target> {
        calls::target(session)
    }
}

/// The class. Methods are made when a script first names them.
pub(crate) fn class(lua: &Lua, env: &Arc<Env>) -> Result<ObjectClass> {
    let env = Arc::clone(env);
    calls::class(lua, Fetches::NAME, move |lua, key| match NAMES.get(key) {
        Some(name) => method(lua, &env, name, &String::from_utf8_lossy(key)).map(Some),
        None => Ok(None),
    })
}

/// Names of methods, and of the fetches that they call.
static NAMES: LazyLock<HashMap<Vec<u8>, &str>> =
    LazyLock::new(|| calls::method_names(fetch::all().map(|row| row.name)));

fn method(lua: &Lua, env: &Arc<Env>, name: &'static str, method: &str) -> Result<Function> {
    let (bools, calls, env) = (env.settings.bool_samples, Calls::default(), Arc::clone(env));
    let known_as = method.to_owned();
    plain(lua, method, move |(this, args): (This<Fetches>, Scalars)| {
        let txn = this.live()?;
        let expr = calls.find(&known_as, args, |args| {
            env.in_scope(|scope| Expr::of_fetch(name, args, scope))
        })?;
        let found = match &txn {
            Some(txn) => expr.eval(&**txn),
            None => expr.eval(&NoTxn(&env.settings)),
        };
        Ok(result(this.class == Class::FetchesText, found, bools))
    })
}

/// A sample as the two flavours of a class give it.
pub(crate) fn result(as_text: bool, found: Option<tidegate_sample::Value>, bools: BoolSamples) -> Scalar {
    if as_text {
        return value::to_text(found);
    }
    match found {
        Some(found) => value::to_scalar(&found, bools),
        None => Scalar::Nil,
    }
}
