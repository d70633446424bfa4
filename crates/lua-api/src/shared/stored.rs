//! Values as a shared dictionary keeps them: by value, of no state.

use mlua::{IntoLua, Lua, Result, Table, Value};

use crate::arg::error;

/// How deep tables may be nested.
const DEPTH_MAX: usize = 32;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stored {
    Bool(bool),
    Int(i64),
    Number(f64),
    Text(Box<[u8]>),
    Table(Vec<(Stored, Stored)>),
}

impl Stored {
    /// The value that a script gave; none for nil.
    ///
    /// # Errors
    /// It, or something in it, can't be kept.
    pub(crate) fn of(value: &Value, name: &str) -> Result<Option<Stored>> {
        match value {
            Value::Nil => Ok(None),
            value => Self::at(value, name, 0).map(Some),
        }
    }

    fn at(value: &Value, name: &str, depth: usize) -> Result<Stored> {
        Ok(match value {
            Value::Boolean(value) => Stored::Bool(*value),
            Value::Integer(value) => Stored::Int(*value),
            Value::Number(value) => Stored::Number(*value),
            Value::String(text) => Stored::Text((*text.as_bytes()).into()),
            Value::Table(_) if depth == DEPTH_MAX => {
                return Err(error(
                    name,
                    format!("tables are nested more than {DEPTH_MAX} deep"),
                ));
            }
            Value::Table(table) => {
                let mut pairs = Vec::new();
                for pair in table.pairs::<Value, Value>() {
                    let (key, value) = pair?;
                    pairs.push((
                        Self::at(&key, name, depth + 1)?,
                        Self::at(&value, name, depth + 1)?,
                    ));
                }
                // Two tables with the same contents are the same, in whatever order they are walked.
                pairs.sort_by(|(a, _), (b, _)| a.order().cmp(&b.order()));
                Stored::Table(pairs)
            }
            other => {
                return Err(error(name, format!("a {} can't be kept", other.type_name())));
            }
        })
    }

    fn order(&self) -> (u8, i64, &[u8]) {
        match self {
            Stored::Bool(value) => (0, i64::from(*value), b""),
            Stored::Int(value) => (1, *value, b""),
            Stored::Number(value) => (2, value.to_bits() as i64, b""),
            Stored::Text(text) => (3, 0, text),
            Stored::Table(_) => (4, 0, b""),
        }
    }

    /// What it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        const OWN: usize = size_of::<Stored>();
        OWN + match self {
            Stored::Text(text) => text.len(),
            Stored::Table(pairs) => pairs.iter().map(|(key, value)| key.bytes() + value.bytes()).sum(),
            _ => 0,
        }
    }
}

impl IntoLua for &Stored {
    fn into_lua(self, lua: &Lua) -> Result<Value> {
        Ok(match self {
            Stored::Bool(value) => Value::Boolean(*value),
            Stored::Int(value) => Value::Integer(*value),
            Stored::Number(value) => Value::Number(*value),
            Stored::Text(text) => Value::String(lua.create_string(text)?),
            Stored::Table(pairs) => {
                let table: Table = lua.create_table_with_capacity(0, pairs.len())?;
                for (key, value) in pairs {
                    table.raw_set(key.into_lua(lua)?, value.into_lua(lua)?)?;
                }
                Value::Table(table)
            }
        })
    }
}
