//! The Patref class: the entries of a map or of a list of patterns, to be read and changed, also as a whole.

use std::sync::{Arc, Mutex, PoisonError};

use mlua::{Error, Function, Lua, LuaString, MultiValue, Result, Table, UserData, UserDataFields, Value};
use tidegate_exec::{Chars, function};
use tidegate_sample::pattern::{List, ListChange, ListKind, Listed, Target, UpdateError};

use crate::arg::{Named, Object, message};
use crate::env::Env;
use crate::event::{self, Event};
use crate::row::{Row, install_class, row};

/// The types of events, by the documentation's names.
const TYPES: [&str; 5] = [
    "PAT_REF_ADD",
    "PAT_REF_DEL",
    "PAT_REF_SET",
    "PAT_REF_CLEAR",
    "PAT_REF_COMMIT",
];

pub(crate) const CORE_ROWS: &[Row] = &[
    row(
        "get_patref(name)",
        "the Patref of a map or list of patterns that the configuration or a script has loaded",
        |lua, name, env| {
            install(lua, env)?;
            let env = Arc::clone(env);
            function(lua, name, move |lua, name: LuaString| {
                let name = message(&name.as_bytes());
                let list = env.settings.lists.find(&name).ok_or_else(|| {
                    Error::runtime(format!("'get_patref': unknown pattern reference '{name}'"))
                })?;
                lua.create_userdata(Patref {
                    list,
                    version: Mutex::default(),
                })
            })
        },
    ),
    row(
        "set_map(name, key, value)",
        "gives a key of a map a value",
        |lua, name, env| {
            let env = Arc::clone(env);
            function(lua, name, move |_, (name, key, value): (Chars, Chars, Chars)| {
                let list = known(&env, "set_map", "map", ListKind::Map, &name)?;
                list.set_or_add(&key, &value)
                    .map_err(|why| wrong("set_map", &why))
            })
        },
    ),
    row(
        "del_map(name, key)",
        "takes a key out of a map",
        |lua, name, env| delete(lua, name, env, "map", ListKind::Map),
    ),
    row(
        "add_acl(name, key)",
        "adds a pattern to a list",
        |lua, name, env| {
            let env = Arc::clone(env);
            function(lua, name, move |_, (name, key): (Chars, Chars)| {
                let list = known(&env, "add_acl", "acl", ListKind::Patterns, &name)?;
                list.add_missing(&key, None)
                    .map(|_| ())
                    .map_err(|why| wrong("add_acl", &why))
            })
        },
    ),
    row(
        "del_acl(name, key)",
        "takes a pattern out of a list",
        |lua, name, env| delete(lua, name, env, "acl", ListKind::Patterns),
    ),
];

pub(crate) const ROWS: &[Row] = &[
    row("get_name(ref)", "the name", |lua, name, _| {
        function(lua, name, |_, this: Object<Patref>| {
            Ok(this.0.list.name().to_owned())
        })
    }),
    row("is_map(ref)", "whether entries have values", |lua, name, _| {
        function(lua, name, |_, this: Object<Patref>| {
            Ok(this.0.list.kind() == ListKind::Map)
        })
    }),
    row(
        "purge(ref)",
        "takes all entries away at once, whatever is prepared",
        |lua, name, _| {
            function(lua, name, |_, this: Object<Patref>| {
                this.0.list.clear();
                Ok(true)
            })
        },
    ),
    row(
        "prepare(ref)",
        "begins a version without entries: what follows changes it, and nothing is matched with it before `commit`",
        |lua, name, _| {
            function(lua, name, |_, this: Object<Patref>| {
                let version = this.0.list.prepare().map_err(|why| wrong("prepare", &why))?;
                this.0.replace(Some(version));
                Ok(())
            })
        },
    ),
    row(
        "commit(ref)",
        "puts the version that was prepared in its place; true, or nil and what is wrong",
        |lua, name, _| {
            function(lua, name, |lua, this: Object<Patref>| match this.0.take() {
                Some(version) => told(lua, this.0.list.commit(version)),
                None => (Value::Nil, "nothing was prepared").into_multi(lua),
            })
        },
    ),
    row(
        "giveup(ref)",
        "forgets the version that was prepared",
        |lua, name, _| {
            function(lua, name, |_, this: Object<Patref>| {
                this.0.replace(None);
                Ok(())
            })
        },
    ),
    row(
        "add(ref, key[, value])",
        "adds an entry; true, or nil and what is wrong",
        |lua, name, _| {
            function(
                lua,
                name,
                |lua, (this, key, value): (Object<Patref>, Chars, Option<Chars>)| {
                    told(lua, this.0.add(&key, value.as_deref()))
                },
            )
        },
    ),
    row(
        "add_bulk(ref, table)",
        "adds many entries: the keys of a list, or for a map its keys with their values; true, or nil and what is wrong",
        |lua, name, _| {
            function(lua, name, |lua, (this, entries): (Object<Patref>, Table)| {
                let is_map = this.0.list.kind() == ListKind::Map;
                for pair in entries.pairs::<Value, LuaString>() {
                    let (key, text) = pair?;
                    let done = match (is_map, key) {
                        (true, Value::String(key)) => this.0.add(&key.as_bytes(), Some(&text.as_bytes())),
                        (true, Value::Integer(key)) => {
                            this.0.add(key.to_string().as_bytes(), Some(&text.as_bytes()))
                        }
                        (true, other) => {
                            let why = format!("a key is a {}", other.type_name());
                            return (Value::Nil, why).into_multi(lua);
                        }
                        (false, _) => this.0.add(&text.as_bytes(), None),
                    };
                    if done.is_err() {
                        return told(lua, done);
                    }
                }
                told(lua, Ok(()))
            })
        },
    ),
    row(
        "del(ref, key)",
        "takes all entries of a key away; whether there were any",
        |lua, name, _| {
            function(lua, name, |_, (this, key): (Object<Patref>, Chars)| {
                let removed = match this.0.version() {
                    Some(version) => this.0.list.remove_from(version, &key).unwrap_or(0),
                    None => this.0.list.remove(Target::Key(&key)),
                };
                Ok(removed > 0)
            })
        },
    ),
    row(
        "set(ref, key, value[, force])",
        "gives all entries of a key another value; with `force` one is made if there is none; true, or nil and what is wrong",
        |lua, name, _| {
            function(
                lua,
                name,
                |lua, (this, key, value, force): (Object<Patref>, Chars, Chars, Option<bool>)| {
                    let set = match this.0.version() {
                        Some(version) => this.0.list.set_in(version, &key, &value),
                        None => this.0.list.set(Target::Key(&key), &value),
                    };
                    match set {
                        Ok(0) if force == Some(true) => told(lua, this.0.add(&key, Some(&value))),
                        Ok(0) => (Value::Nil, "entry not found").into_multi(lua),
                        set => told(lua, set.map(|_| ())),
                    }
                },
            )
        },
    ),
    row(
        "event_sub(ref, event_types, func)",
        "calls `func(event, nil, sub, when)` for each event of these types of the entries that are matched with",
        |lua, name, env| {
            let env = Arc::clone(env);
            function(
                lua,
                name,
                move |lua, (this, types, function): (Object<Patref>, Table, Function)| {
                    let wanted = event::wanted("event_sub", &types, "PAT_REF", &TYPES)?;
                    event::subscribe(lua, &env, function, |subscription| {
                        let subscription = Arc::downgrade(subscription);
                        this.0.list.listeners().add(move |change| {
                            let Some(subscription) = subscription.upgrade() else {
                                return false;
                            };
                            let name = type_of(*change);
                            !wanted.contains(&name)
                                || subscription.hear(Event {
                                    name,
                                    at: std::time::SystemTime::now(),
                                    data: None,
                                })
                        });
                    })
                },
            )
        },
    ),
];

/// What a script holds of a list.
struct Patref {
    list: Arc<List>,
    /// The version that it prepares, if it does.
    version: Mutex<Option<u32>>,
}

impl Patref {
    fn version(&self) -> Option<u32> {
        *self.version.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<u32> {
        self.version.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// What was prepared before is given up.
    fn replace(&self, version: Option<u32>) {
        let before = std::mem::replace(
            &mut *self.version.lock().unwrap_or_else(PoisonError::into_inner),
            version,
        );
        if let Some(before) = before {
            // Another commit may have given it up already.
            let _ = self.list.give_up(before);
        }
    }

    fn add(&self, key: &[u8], value: Option<&[u8]>) -> std::result::Result<(), UpdateError> {
        match self.version() {
            Some(version) => self.list.add_to(version, key, value),
            None => self.list.add(key, value),
        }
    }

    /// The first entry of a key in what this works on.
    fn find(&self, key: &[u8]) -> Option<Listed> {
        match self.version() {
            Some(version) => {
                let mut entries = self.list.prepared(version)?.into_iter();
                entries.find(|entry| *entry.key == *key)
            }
            None => self.list.walk().find(|entry| *entry.key == *key),
        }
    }
}

impl Drop for Patref {
    fn drop(&mut self) {
        self.replace(None);
    }
}

fn type_of(change: ListChange) -> &'static str {
    match change {
        ListChange::Add => "PAT_REF_ADD",
        ListChange::Del => "PAT_REF_DEL",
        ListChange::Set => "PAT_REF_SET",
        ListChange::Clear => "PAT_REF_CLEAR",
        ListChange::Commit => "PAT_REF_COMMIT",
    }
}

/// True, or nil and what is wrong.
fn told(lua: &Lua, done: std::result::Result<(), UpdateError>) -> Result<MultiValue> {
    match done {
        Ok(()) => (true, ()).into_multi(lua),
        Err(why) => (Value::Nil, why.to_string()).into_multi(lua),
    }
}

trait IntoMulti: mlua::IntoLuaMulti {
    fn into_multi(self, lua: &Lua) -> Result<MultiValue> {
        self.into_lua_multi(lua)
    }
}

impl<T: mlua::IntoLuaMulti> IntoMulti for T {}

/// The list of a name, for the older functions.
fn known(env: &Env, function: &str, what: &str, kind: ListKind, name: &[u8]) -> Result<Arc<List>> {
    let name = message(name);
    let list = env.settings.lists.find(&name).filter(|list| list.kind() == kind);
    list.ok_or_else(|| Error::runtime(format!("'{function}': unknown {what} file '{name}'")))
}

fn delete(lua: &Lua, name: &str, env: &Arc<Env>, what: &'static str, kind: ListKind) -> Result<Function> {
    let (env, function_name) = (Arc::clone(env), name.to_owned());
    function(lua, name, move |_, (name, key): (Chars, Chars)| {
        known(&env, &function_name, what, kind, &name)?.remove(Target::Key(&key));
        Ok(())
    })
}

fn wrong(function: &str, why: &UpdateError) -> Error {
    Error::runtime(format!("'{function}': {why}"))
}

/// Makes the class. A key that is no method is one of an entry.
fn install(lua: &Lua, env: &Arc<Env>) -> Result<()> {
    let class = install_class(lua, env, Patref::NAME, ROWS)?;
    let index = function(
        lua,
        "__index",
        move |lua, (this, key): (Object<Patref>, Value)| {
            if let Value::String(key) = &key {
                let method: Value = class.raw_get(key)?;
                if !method.is_nil() {
                    return Ok(method);
                }
            }
            let Some(text) = lua.coerce_string(key)? else {
                return Ok(Value::Nil);
            };
            let found = this.0.find(&text.as_bytes());
            found.map_or(Ok(Value::Nil), |entry| value_of(lua, &entry))
        },
    )?;
    lua.set_named_registry_value(INDEX, index)?;
    let pairs = function(lua, "__pairs", |lua, this: Object<Patref>| {
        let entries: Box<dyn Iterator<Item = Listed> + Send> = match this.0.version() {
            Some(version) => Box::new(this.0.list.prepared(version).unwrap_or_default().into_iter()),
            None => Box::new(this.0.list.walk()),
        };
        let entries = Mutex::new(entries);
        let next = function(lua, "next", move |lua, _: mlua::Variadic<Value>| {
            let entry = entries.lock().unwrap_or_else(PoisonError::into_inner).next();
            match entry {
                Some(entry) => (lua.create_string(&entry.key)?, value_of(lua, &entry)?).into_multi(lua),
                None => Value::Nil.into_multi(lua),
            }
        })?;
        Ok(next)
    })?;
    lua.set_named_registry_value(PAIRS, pairs)
}

const INDEX: &str = "tidegate.Patref.index";
const PAIRS: &str = "tidegate.Patref.pairs";

/// An entry's value; true for a pattern, which has none.
fn value_of(lua: &Lua, entry: &Listed) -> Result<Value> {
    match &entry.value {
        Some(value) => Ok(Value::String(lua.create_string(value)?)),
        None => Ok(Value::Boolean(true)),
    }
}

impl Named for Patref {
    const NAME: &'static str = "Patref";
}

impl UserData for Patref {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_meta_field("__name", Self::NAME);
        fields.add_meta_field_with("__index", |lua| lua.named_registry_value::<Function>(INDEX));
        fields.add_meta_field_with("__pairs", |lua| lua.named_registry_value::<Function>(PAIRS));
    }
}
