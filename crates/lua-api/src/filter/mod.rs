//! Filters: classes of scripts whose objects see every transaction of a proxy, and its bodies and bytes as they pass.
//!
//! A class is registered under a name (`core.register_filter`). For each `filter lua.NAME` line the registered function
//! makes of the class what the line stands for ([`LuaFilter`]); its `new` makes an object for each transaction
//! ([`Work`]), whose methods are called on the way.

mod class;
mod data;
mod window;
mod work;

use std::rc::Rc;
use std::sync::Arc;

use mlua::{Function, Lua, Result, Table, Value};
use tidegate_proxy::Txn;
use tidegate_proxy::ext::{Attaching, DataFilter, Failure, Filter, Run as Answer};
use tidegate_sample::Way;

pub(crate) use class::{ROWS, install, is_for_http};
pub(crate) use window::Passing;
pub(crate) use work::Work;

use crate::action::named;
use crate::entry::Entry;
use crate::run::{Ended, Kind, Run, Running};
use crate::state::State;

/// What a filter's functions are called through, so that whatever is looked up in a script's objects is looked up within the
/// limits of its run.
#[derive(Clone)]
pub(crate) struct Calls {
    /// Makes of a class what a line stands for.
    create: Function,
    /// Makes an object for a transaction, and says which of its methods are worth a call.
    new: Function,
    /// Calls a method, if the object has it.
    pub(crate) call: Function,
}

const CALLS: &str = "
local function create(func, class, args)
    local flt = {}
    for name, value in next, class do flt[name] = value end
    return func(flt, args)
end
local function new(flt)
    local object = flt:new()
    if object == nil then return end
    return object, object.http_payload ~= nil, object.tcp_payload ~= nil, object.end_analyze ~= nil
end
local function call(object, name, txn, subject)
    local callback = object[name]
    if callback ~= nil then return callback(object, txn, subject) end
end
return create, new, call
";

impl Calls {
    /// Compiles them.
    pub(crate) fn new(lua: &Lua) -> Result<Calls> {
        let chunk = lua.load(CALLS).set_name("=filter");
        let (create, new, call) = chunk.eval()?;
        Ok(Calls { create, new, call })
    }
}

/// A filter as a state knows it.
pub(crate) struct Bound {
    pub(crate) state: Arc<State>,
    /// Of the methods of its objects.
    pub(crate) entry: Entry,
}

impl Bound {
    /// The filter of a line.
    ///
    /// # Errors
    /// The registered function failed, or gave no table.
    pub(crate) fn line(&self, args: &Arc<[String]>) -> std::result::Result<Option<LuaFilter>, String> {
        let told = |failure: Failure| named("filter", self.entry.name(), failure).to_string();
        let Some(flt) = self.created(args).map_err(told)? else {
            return Ok(None);
        };
        let new = self.state.vm.entry("new", self.state.classes.filters.new.clone());
        let new = new.map(|entry| Entry::new(entry, self.entry.limits));
        Ok(Some(LuaFilter {
            state: Arc::clone(&self.state),
            flt,
            new: new.map_err(|error| error.to_string())?,
            call: self.entry.clone(),
        }))
    }

    /// What the registered function makes of its class for a line: once for all threads that share the state.
    fn created(&self, args: &Arc<[String]>) -> std::result::Result<Option<Table>, Failure> {
        let env = &self.state.env;
        let mut lines = env.filter_lines();
        if let Some((_, flt)) = lines.iter().find(|(line, _)| Arc::ptr_eq(line, args)) {
            return Ok(flt.clone());
        }
        let unknown = |error: mlua::Error| Failure::new(error.to_string());
        let registered = env.filter(self.entry.name());
        let (class, function) = registered.ok_or_else(|| Failure::new("it is not registered"))?;
        let create = self
            .state
            .vm
            .entry("create", self.state.classes.filters.create.clone())
            .map(|entry| Entry::new(entry, self.entry.limits));
        let words: Vec<String> = args.to_vec();
        let run = Run::new(Kind::Init);
        let mut running = Running::start(
            &self.state,
            &create.map_err(unknown)?,
            (function, class, words),
            run,
        )?;
        let flt = match running.finish() {
            Ended::Returned => match running.take::<Value>()? {
                Value::Table(flt) => Some(flt),
                Value::Nil => None,
                other => {
                    let why = format!("the function gave a {}, not a filter or nil", other.type_name());
                    return Err(Failure::new(why));
                }
            },
            Ended::Done(_) => None,
            Ended::Failed(failure) => return Err(failure),
        };
        lines.push((Arc::clone(args), flt.clone()));
        Ok(flt)
    }
}

/// The filter of a line.
pub(crate) struct LuaFilter {
    state: Arc<State>,
    flt: Table,
    new: Entry,
    call: Entry,
}

impl Filter for LuaFilter {
    fn attach<'a>(&'a self, txn: &'a Rc<Txn>) -> Option<Attaching<'a>> {
        Some(work::attach(self, txn))
    }

    fn message<'a>(&'a self, _: &'a Rc<Txn>, _: Way, _: bool) -> Answer<'a, Option<Box<dyn DataFilter>>> {
        // Its objects are asked.
        Answer::ready(None)
    }
}
