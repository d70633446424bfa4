//! `core.shared`: dictionaries that all threads and both load modes share.

mod dict;
mod stored;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};

use mlua::{
    Function, IntoLua, IntoLuaMulti, Lua, MultiValue, Result, Table, UserData, UserDataFields, Value,
};
use tidegate_exec::{Chars, function, operation};

pub use self::dict::DictReport;
use self::dict::{Change, Dict, Entry, Refused};
use self::stored::Stored;
use crate::arg::{Int, Millis, Named, Object, bad_argument, error, message};
use crate::row::{Row, class_table, install_class, row};

/// What a dictionary may take when nobody says.
const BYTES_MAX: usize = 16 << 20;
/// How many there may be.
const DICTS_MAX: usize = 1000;

/// All dictionaries of the process. Clones are the same.
#[derive(Clone, Default)]
pub struct Dicts(Arc<Mutex<BTreeMap<String, Arc<Dict>>>>);

impl Dicts {
    fn open(&self, name: &str, bytes_max: Option<usize>) -> Result<Arc<Dict>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(name) {
            return Ok(Arc::clone(known));
        }
        if all.len() >= DICTS_MAX {
            return Err(error(
                "shared",
                format!("there are {DICTS_MAX} dictionaries, which is the limit"),
            ));
        }
        let dict = Arc::new(Dict::new(name, bytes_max.unwrap_or(BYTES_MAX)));
        all.insert(name.to_owned(), Arc::clone(&dict));
        Ok(dict)
    }

    /// What each holds.
    pub fn report(&self) -> Vec<DictReport> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().map(|dict| dict.report()).collect()
    }
}

impl std::fmt::Debug for Dicts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dicts").finish_non_exhaustive()
    }
}

pub(crate) const CORE_ROWS: &[Row] = &[row(
    "shared(name[, options])",
    "the Shared dictionary of that name, which is one for all threads and states; `options.size` is what it may take in bytes (16 MiB if \
     nothing is said), which whoever asks first decides",
    |lua, name, env| {
        install_class(lua, env, Shared::NAME, ROWS)?;
        let env = Arc::clone(env);
        function(lua, name, move |lua, (name, options): (Chars, Option<Table>)| {
            let size = match &options {
                Some(options) => options.get::<Option<Int>>("size")?,
                None => None,
            };
            let size =
                match size {
                    Some(Int(size)) => {
                        let size = usize::try_from(size).ok().filter(|size| *size >= 4096);
                        Some(size.ok_or_else(|| {
                            bad_argument(2, "shared", "a size of 4096 bytes or more expected")
                        })?)
                    }
                    None => None,
                };
            lua.create_userdata(Shared(env.settings.shared.open(&message(&name), size)?))
        })
    },
)];

pub(crate) const ROWS: &[Row] = &[
    row(
        "get(shared, key)",
        "the value of a key and its version, or nil",
        |lua, name, _| {
            function(lua, name, |lua, (this, key): (Object<Shared>, Chars)| {
                entry_values(lua, this.0.0.get(&key).as_deref())
            })
        },
    ),
    row(
        "set(shared, key, value[, ttl])",
        "sets a key, which is forgotten after `ttl` milliseconds; true, or false and what is wrong. Nil deletes it",
        |lua, name, _| write(lua, name, |_| Ok(()), true),
    ),
    row(
        "add(shared, key, value[, ttl])",
        "the same, unless the key is there",
        |lua, name, _| {
            write(
                lua,
                name,
                |before| match before {
                    Some(_) => Err(Refused::Exists),
                    None => Ok(()),
                },
                false,
            )
        },
    ),
    row(
        "replace(shared, key, value[, ttl])",
        "the same, if the key is there",
        |lua, name, _| {
            write(
                lua,
                name,
                |before| match before {
                    Some(_) => Ok(()),
                    None => Err(Refused::Missing),
                },
                false,
            )
        },
    ),
    row(
        "cas(shared, key, old, new[, ttl])",
        "sets a key whose value is `old` (nil: which is not there); true, or false and the value that it has",
        |lua, name, _| {
            let of = name.to_owned();
            function(
                lua,
                name,
                move |lua, (this, key, old, new, ttl): (Object<Shared>, Chars, Value, Value, Option<f64>)| {
                    let (old, new) = (Stored::of(&old, &of)?, Stored::of(&new, &of)?);
                    let Some(new) = new else {
                        return Err(error(&of, "nil can't be kept"));
                    };
                    let mut found = None;
                    let ttl = milliseconds(ttl, &of)?;
                    let done = this.0.0.change(&key, Some(ttl), |before| {
                        if before == old.as_ref() {
                            return Ok(new);
                        }
                        found = before.cloned();
                        Err(Refused::Differs)
                    });
                    match done {
                        Ok(_) => true.into_lua_multi(lua),
                        Err(Refused::Differs) => (
                            false,
                            found.as_ref().map(|found| found.into_lua(lua)).transpose()?,
                        )
                            .into_lua_multi(lua),
                        Err(why) => (false, why.text()).into_lua_multi(lua),
                    }
                },
            )
        },
    ),
    row(
        "incr(shared, key, delta[, init[, ttl]])",
        "adds to a number, beginning with `init` if the key is not there; the number, or nil and what is wrong",
        |lua, name, _| {
            let of = name.to_owned();
            function(
                lua,
                name,
                move |lua,
                      (this, key, delta, init, ttl): (
                    Object<Shared>,
                    Chars,
                    Value,
                    Value,
                    Option<f64>,
                )| {
                    let (delta, init) = (number(&delta, 3, &of)?, number(&init, 4, &of)?);
                    let delta = delta.unwrap_or(Stored::Int(1));
                    // The end of a key that is there stays.
                    let is_new = this.0.0.get(&key).is_none();
                    let ttl = match ttl {
                        Some(_) if is_new => Some(milliseconds(ttl, &of)?),
                        _ => None,
                    };
                    let done = this.0.0.change(&key, ttl, |before| match before.or(init.as_ref()) {
                        Some(Stored::Int(a)) => Ok(match &delta {
                            Stored::Int(b) => Stored::Int(a.wrapping_add(*b)),
                            Stored::Number(b) => Stored::Number(*a as f64 + b),
                            _ => return Err(Refused::NoNumber),
                        }),
                        Some(Stored::Number(a)) => Ok(match &delta {
                            Stored::Int(b) => Stored::Number(a + *b as f64),
                            Stored::Number(b) => Stored::Number(a + b),
                            _ => return Err(Refused::NoNumber),
                        }),
                        Some(_) => Err(Refused::NoNumber),
                        None => Err(Refused::Missing),
                    });
                    match done {
                        Ok(value) => (&value).into_lua(lua)?.into_lua_multi(lua),
                        Err(why) => (Value::Nil, why.text()).into_lua_multi(lua),
                    }
                },
            )
        },
    ),
    row(
        "delete(shared, key)",
        "takes a key out; whether it was there",
        |lua, name, _| {
            function(lua, name, |_, (this, key): (Object<Shared>, Chars)| {
                Ok(this.0.0.remove(&key))
            })
        },
    ),
    row(
        "wait(shared, key[, milliseconds[, version]])",
        "waits until a key has another version than `version` (that of now, if none is given; 0: it is not there); its value and version, or \
         nil and `timeout`",
        |lua, name, _| {
            operation(
                lua,
                name,
                |_, (this, key, limit, version): (Object<Shared>, Chars, Option<f64>, Option<Int>)| {
                    let dict = &this.0.0;
                    let known = match version {
                        Some(Int(version)) => u64::try_from(version).unwrap_or(0),
                        None => dict.get(&key).map_or(0, |entry| entry.version),
                    };
                    let limit = match limit {
                        Some(ms) => Some(Millis::of(ms, 1.0, "wait")?.0),
                        None => None,
                    };
                    let change = Change::new(dict, &key, known);
                    Ok(async move {
                        let changed = poll_fn(|cx| change.poll(cx));
                        Ok(match limit {
                            Some(limit) => match tokio::time::timeout(limit, changed).await {
                                Ok(entry) => Waited::Changed(entry),
                                Err(_) => Waited::TimedOut,
                            },
                            None => Waited::Changed(changed.await),
                        })
                    })
                },
            )
        },
    ),
    row(
        "keys(shared[, most])",
        "a list of the keys, in no order; at most 1024 if nothing else is said",
        |lua, name, _| {
            function(lua, name, |lua, (this, most): (Object<Shared>, Option<Int>)| {
                let most = most.map_or(1024, |Int(most)| usize::try_from(most).unwrap_or(0));
                let keys = this.0.0.keys(most);
                let keys = keys.iter().map(|key| lua.create_string(key));
                lua.create_sequence_from(keys.collect::<Result<Vec<_>>>()?)
            })
        },
    ),
    row(
        "info(shared)",
        "name, entries, bytes, size and evicted of the dictionary",
        |lua, name, _| {
            function(lua, name, |lua, this: Object<Shared>| {
                let report = this.0.0.report();
                let info = lua.create_table()?;
                info.raw_set("name", report.name)?;
                info.raw_set("entries", report.entries)?;
                info.raw_set("bytes", report.bytes)?;
                info.raw_set("size", report.bytes_max)?;
                info.raw_set("evicted", report.evicted)?;
                Ok(info)
            })
        },
    ),
    row("clear(shared)", "takes all keys out", |lua, name, _| {
        function(lua, name, |_, this: Object<Shared>| {
            this.0.0.clear();
            Ok(())
        })
    }),
];

/// What a script holds of a dictionary.
struct Shared(Arc<Dict>);

/// What came of waiting.
enum Waited {
    Changed(Option<Arc<Entry>>),
    TimedOut,
}

impl IntoLuaMulti for Waited {
    fn into_lua_multi(self, lua: &Lua) -> Result<MultiValue> {
        match self {
            Waited::Changed(Some(entry)) => entry_values(lua, Some(&entry)),
            Waited::Changed(None) => (Value::Nil, 0).into_lua_multi(lua),
            Waited::TimedOut => (Value::Nil, "timeout").into_lua_multi(lua),
        }
    }
}

fn entry_values(lua: &Lua, entry: Option<&Entry>) -> Result<MultiValue> {
    match entry {
        Some(entry) => ((&entry.value).into_lua(lua)?, entry.version).into_lua_multi(lua),
        None => Value::Nil.into_lua_multi(lua),
    }
}

/// A function that writes a value where `may` lets it.
fn write(
    lua: &Lua,
    name: &str,
    may: fn(Option<&Stored>) -> std::result::Result<(), Refused>,
    nil_deletes: bool,
) -> Result<Function> {
    let of = name.to_owned();
    function(
        lua,
        name,
        move |lua, (this, key, value, ttl): (Object<Shared>, Chars, Value, Option<f64>)| {
            let Some(value) = Stored::of(&value, &of)? else {
                if nil_deletes {
                    this.0.0.remove(&key);
                    return true.into_lua_multi(lua);
                }
                return Err(error(&of, "nil can't be kept"));
            };
            let ttl = milliseconds(ttl, &of)?;
            let done = this
                .0
                .0
                .change(&key, Some(ttl), |before| may(before).map(|()| value));
            match done {
                Ok(_) => true.into_lua_multi(lua),
                Err(why) => (false, why.text()).into_lua_multi(lua),
            }
        },
    )
}

/// A time to live; 0 for no end.
fn milliseconds(ttl: Option<f64>, name: &str) -> Result<u64> {
    match ttl {
        None => Ok(0),
        Some(ms) => Ok(u64::try_from(Millis::of(ms, 1.0, name)?.0.as_millis()).unwrap_or(u64::MAX)),
    }
}

fn number(value: &Value, position: usize, name: &str) -> Result<Option<Stored>> {
    match value {
        Value::Nil => Ok(None),
        Value::Integer(n) => Ok(Some(Stored::Int(*n))),
        Value::Number(n) => Ok(Some(Stored::Number(*n))),
        _ => Err(bad_argument(position, name, "number expected")),
    }
}

impl Named for Shared {
    const NAME: &'static str = "Shared";
}

impl UserData for Shared {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_meta_field("__name", Self::NAME);
        fields.add_meta_field_with("__index", |lua| class_table(lua, Self::NAME));
    }
}
