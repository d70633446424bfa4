//! The StickTable class: what is counted of clients, to be read.

use std::ops::ControlFlow;
use std::sync::Arc;

use mlua::{IntoLua, Lua, MultiValue, Result, Table, Value};
use tidegate_exec::{Scalar, Standing, This, function};
use tidegate_proxy::ticks;
use tidegate_sample::stick::{Cell, DataType, EntryRef, Key, KeyType, Selection, Table as StickTable};

use super::{TableRef, gone, plane_for};
use crate::arg::Int;
use crate::env::Env;
use crate::row::{Row, row};
use crate::value;

/// The most filters of one dump.
const FILTERS_MAX: usize = 4;

pub(super) const ROWS: &[Row] = &[
    row(
        "info(table)",
        "type, length, size, used, expire, nopurge and data of the table",
        |lua, name, env| {
            let env = Arc::clone(env);
            function(lua, name, move |lua, this: This<TableRef>| {
                info(lua, &*table(&env, this)?)
            })
        },
    ),
    row(
        "lookup(table, key)",
        "the entry of a key as a table, with `use` and `expire` beside its data; nil if there is none",
        |lua, name, env| {
            let env = Arc::clone(env);
            function(lua, name, move |lua, (this, key): (This<TableRef>, Scalar)| {
                let table = table(&env, this)?;
                let now = ticks();
                let Some(key) = key_of(&table, key) else {
                    return Ok(Value::Nil);
                };
                // The entry is copied under its lock; Lua is not run there.
                let found = table.look_up(&key, now, |entry| {
                    (entry.trackers(), entry.expires_ms(now), data(&table, entry, now))
                });
                let Some((trackers, expires, data)) = found else {
                    return Ok(Value::Nil);
                };
                let told = data_table(lua, data)?;
                told.raw_set("use", trackers)?;
                told.raw_set("expire", expires)?;
                Ok(Value::Table(told))
            })
        },
    ),
    row(
        "dump(table[, filter])",
        "all entries by their keys; with `{{\"gpc0\", \"gt\", 30}, …}` those whose data are all like this, or nil and what is wrong",
        |lua, name, env| {
            let env = Arc::clone(env);
            function(
                lua,
                name,
                move |lua, (this, filter): (This<TableRef>, Option<Table>)| {
                    let table = table(&env, this)?;
                    let meant = match filter
                        .as_ref()
                        .map(|filter| selection(&table, filter))
                        .transpose()?
                    {
                        None => Selection::All,
                        Some(Ok(meant)) => meant,
                        Some(Err(why)) => return (Value::Nil, why).into_lua_multi_value(lua),
                    };
                    let now = ticks();
                    let mut all = Vec::new();
                    table.each_of(&meant, now, &mut |entry| {
                        all.push((entry.key(), data(&table, entry, now)));
                        ControlFlow::Continue(())
                    });
                    let told = lua.create_table_with_capacity(0, all.len())?;
                    for (key, data) in all {
                        let key = value::to_scalar(&key.value(), env.settings.bool_samples);
                        told.raw_set(key, data_table(lua, data)?)?;
                    }
                    (told, ()).into_lua_multi_value(lua)
                },
            )
        },
    ),
];

/// Results of either kind.
trait IntoMulti {
    fn into_lua_multi_value(self, lua: &Lua) -> Result<MultiValue>;
}

impl<A: IntoLua, B: mlua::IntoLuaMulti> IntoMulti for (A, B) {
    fn into_lua_multi_value(self, lua: &Lua) -> Result<MultiValue> {
        let mut values = self.1.into_lua_multi(lua)?;
        values.push_front(self.0.into_lua(lua)?);
        Ok(values)
    }
}

fn table(env: &Env, this: This<TableRef>) -> Result<Arc<StickTable>> {
    let plane = plane_for(env, TableRef::NAME)?;
    let place = env.settings.world.place(this.0.0);
    let table = place.and_then(|place| plane.global().tables.find(&place.name).cloned());
    table.ok_or_else(|| gone(TableRef::NAME))
}

/// The key that a script's value is; none if it can't be one.
fn key_of(table: &StickTable, key: Scalar) -> Option<Key> {
    match key {
        Scalar::Nil | Scalar::Other(_) => None,
        key => table.spec().key.key(value::of_scalar(key)),
    }
}

fn info(lua: &Lua, table: &StickTable) -> Result<Table> {
    let spec = table.spec();
    let told = lua.create_table()?;
    told.raw_set("type", spec.key.name())?;
    told.raw_set(
        "length",
        match spec.key {
            KeyType::Ipv4 | KeyType::Integer => 4,
            KeyType::Ipv6 => 16,
            KeyType::Str { length } | KeyType::Binary { length } => length,
        },
    )?;
    told.raw_set("size", spec.size)?;
    told.raw_set("used", table.used(ticks()))?;
    told.raw_set("expire", spec.expire_ms.unwrap_or(0))?;
    told.raw_set("nopurge", spec.no_purge)?;
    let data = lua.create_table()?;
    for column in &spec.columns {
        let period = match column.period_ms {
            0 => -1,
            period => i64::from(period),
        };
        data.raw_set(column.kind.name(), period)?;
    }
    told.raw_set("data", data)?;
    Ok(told)
}

/// What an entry has of each column: of an array, the first.
fn data(table: &StickTable, entry: EntryRef<'_>, now: u64) -> Vec<(&'static str, Option<Datum>)> {
    let kept = DataType::ALL.iter().filter(|kind| table.keeps(**kind));
    kept.map(|kind| {
        let datum = match kind {
            DataType::ServerKey => entry.server_key().map(|key| Datum::Text(key.to_vec())),
            kind => entry.get(Cell::from(*kind), now).map(Datum::Number),
        };
        (kind.name(), datum)
    })
    .collect()
}

enum Datum {
    Number(u64),
    Text(Vec<u8>),
}

fn data_table(lua: &Lua, data: Vec<(&'static str, Option<Datum>)>) -> Result<Table> {
    let told = lua.create_table_with_capacity(0, data.len() + 2)?;
    for (name, datum) in data {
        match datum {
            Some(Datum::Number(number)) => {
                told.raw_set(name, i64::try_from(number).unwrap_or(i64::MAX))?;
            }
            Some(Datum::Text(text)) => told.raw_set(name, lua.create_string(text)?)?,
            None if name == DataType::ServerKey.name() => told.raw_set(name, "-")?,
            None => {}
        }
    }
    Ok(told)
}

/// The filters of a dump, or what is wrong with them.
fn selection(table: &StickTable, filter: &Table) -> Result<std::result::Result<Selection, String>> {
    let mut words = Vec::new();
    for (at, entry) in filter.sequence_values::<Value>().enumerate() {
        let number = at + 1;
        if number > FILTERS_MAX {
            return Ok(Err(format!(
                "Filter table can have at most {FILTERS_MAX} entries"
            )));
        }
        let triplet = || {
            format!("Filter table entry must be a triplet: {{\"data_col\", \"op\", val}} (entry #{number})")
        };
        let Value::Table(entry) = entry? else {
            return Ok(Err(triplet()));
        };
        if entry.raw_len() != 3 {
            return Ok(Err(triplet()));
        }
        let (Some(kind), Some(operator)) = (
            entry.raw_get::<Option<String>>(1)?,
            entry.raw_get::<Option<String>>(2)?,
        ) else {
            return Ok(Err(triplet()));
        };
        let Ok(Int(limit)) = entry.raw_get::<Int>(3) else {
            return Ok(Err(triplet()));
        };
        words.extend([format!("data.{kind}"), operator, limit.to_string()]);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Ok(Selection::parse(table, &words))
}
