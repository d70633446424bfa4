//! Arguments and results of functions that scripts call.

use mlua::{AnyUserData, Error, FromLua, Lua, Result, UserDataRef, Value};
use tidegate_proxy::log::Level;

/// An integer. A number with a fraction is an error that says so.
#[derive(Clone, Copy)]
pub(crate) struct Int(pub(crate) i64);

impl FromLua for Int {
    fn from_lua(value: Value, lua: &Lua) -> Result<Self> {
        let from = type_name(&value);
        let is_number = matches!(value, Value::Number(_));
        match lua.coerce_integer(value) {
            Ok(Some(int)) => Ok(Int(int)),
            _ => Err(Error::FromLuaConversionError {
                from,
                to: "number".to_owned(),
                message: is_number.then(|| "number has no integer representation".to_owned()),
            }),
        }
    }
}

/// The argument as a level, as `core` has them.
///
/// # Errors
/// There is no such level.
pub(crate) fn level_arg(position: usize, name: &str, level: i64) -> Result<Level> {
    level_of(level).ok_or_else(|| bad_argument(position, name, "invalid log level"))
}

/// The level of this number.
pub(crate) fn level_of(level: i64) -> Option<Level> {
    Some(match level {
        0 => Level::Emergency,
        1 => Level::Alert,
        2 => Level::Critical,
        3 => Level::Error,
        4 => Level::Warning,
        5 => Level::Notice,
        6 => Level::Info,
        7 => Level::Debug,
        _ => return None,
    })
}

/// A time in seconds or milliseconds; one that is over is none at all.
pub(crate) struct Millis(pub(crate) std::time::Duration);

impl Millis {
    /// So many units of `unit_ms` milliseconds.
    pub(crate) fn of(units: f64, unit_ms: f64, name: &str) -> Result<Self> {
        let seconds = units * unit_ms / 1000.0;
        let seconds = if seconds < 0.0 { 0.0 } else { seconds };
        std::time::Duration::try_from_secs_f64(seconds)
            .map(Millis)
            .map_err(|_| bad_argument(1, name, "not a duration"))
    }
}

/// A userdata of the class `T`.
pub(crate) struct Object<T: 'static>(pub(crate) UserDataRef<T>);

/// The name of a class in messages.
pub(crate) trait Named {
    const NAME: &'static str;
}

impl<T: Named + 'static> FromLua for Object<T> {
    fn from_lua(value: Value, lua: &Lua) -> Result<Self> {
        let from = type_name(&value);
        let object =
            AnyUserData::from_lua(value.clone(), lua).and_then(|_| UserDataRef::from_lua(value, lua));
        object.map(Object).map_err(|_| Error::FromLuaConversionError {
            from,
            to: T::NAME.to_owned(),
            message: None,
        })
    }
}

/// A whole number, however a script came by it: a division gives `403.0`, a header `"403"`. None of anything else.
pub(crate) fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(*number),
        Value::Number(number) if number.fract() == 0.0 && number.abs() < WHOLE_MAX => Some(*number as i64),
        Value::String(text) => std::str::from_utf8(&text.as_bytes()).ok()?.trim().parse().ok(),
        _ => None,
    }
}

/// Floats up to here are integers without a doubt.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// A value's type as Lua names it.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) | Value::Number(_) => "number",
        Value::Nil => "nil",
        other => other.type_name(),
    }
}

/// The error of an argument that is of the right type and still wrong.
pub(crate) fn bad_argument(position: usize, name: &str, why: &str) -> Error {
    Error::runtime(format!("bad argument #{position} to '{name}' ({why})"))
}

/// An error that names the function.
pub(crate) fn error(name: &str, why: impl std::fmt::Display) -> Error {
    Error::runtime(format!("{name}: {why}"))
}

/// A message as one line of a log, whatever a script made it of: what would begin another line, or change how it is shown, is a dot.
pub(crate) fn logged(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.chars()
        .map(|c| if c.is_control() { '.' } else { c })
        .collect()
}

/// A message as text, whatever bytes a script made it of.
pub(crate) fn message(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line() {
        assert_eq!(
            logged("a\nb\r\n\0\u{1b}[31m\u{85} \u{e4}".as_bytes()),
            "a.b....[31m. \u{e4}"
        );
    }
}
