//! The Converters class (`txn.c`, `txn.sc`): every converter of the configuration's expressions, as a method.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use mlua::{Function, Lua, Result};
use tidegate_exec::{ObjectClass, Scalar, Scalars, plain};
use tidegate_proxy::Txn;
use tidegate_sample::{Converter, Value, convert};

use crate::arg::bad_argument;
use crate::calls::{self, Calls, NoTxn};
use crate::env::Env;
use crate::fetches::result;
use crate::handle::{Class, Kind, Session, This};
use crate::value;

/// What may be converted in a call, at most: nothing interrupts a converter, and what it makes is not counted as the script's until it
/// is done.
const INPUT_BYTES_MAX: usize = 1 << 24;

/// The class.
pub(crate) struct Converters;

impl Kind for Converters {
    const NAME: &'static str = "Converters";
    /// None stands for an object that never had a session: `core.c`.
    type Target = Option<Rc<Txn>>;
    fn is(class: Class) -> bool {
        matches!(class, Class::Converters | Class::ConvertersText)
    }
    fn target(session: Session) -> Option<Self::Target> {
        calls::target(session)
    }
}

/// The class. Methods are made when a script first names them.
pub(crate) fn class(lua: &Lua, env: &Arc<Env>) -> Result<ObjectClass> {
    let env = Arc::clone(env);
    calls::class(lua, Converters::NAME, move |lua, key| match NAMES.get(key) {
        Some(name) => method(lua, &env, name, &String::from_utf8_lossy(key)).map(Some),
        None => Ok(None),
    })
}

/// Names of methods, and of the converters that they call.
static NAMES: LazyLock<HashMap<Vec<u8>, &str>> =
    LazyLock::new(|| calls::method_names(convert::all().map(|row| row.name)));

fn method(lua: &Lua, env: &Arc<Env>, name: &'static str, method: &str) -> Result<Function> {
    let (bools, calls, env) = (env.settings.bool_samples, Calls::default(), Arc::clone(env));
    let known_as = method.to_owned();
    plain(
        lua,
        method,
        move |(this, input, args): (This<Converters>, Scalar, Scalars)| {
            let txn = this.live()?;
            let converter = calls.find(&known_as, args, |args| {
                env.in_scope(|scope| Converter::new(name, args, scope))
            })?;
            let input = value::of_scalar(input);
            if let Value::Str(text) | Value::Bin(text) = &input
                && text.len() > INPUT_BYTES_MAX
            {
                let message = format!(
                    "{} bytes are too much for a converter: {INPUT_BYTES_MAX} at most",
                    text.len()
                );
                return Err(bad_argument(1, &known_as, &message));
            }
            let found = match &txn {
                Some(txn) => converter.apply(&**txn, input),
                None => converter.apply(&NoTxn(&env.settings), input),
            };
            Ok(result(this.class == Class::ConvertersText, found, bools))
        },
    )
}
