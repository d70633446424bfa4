//! What is made of the value of a map's entry.

use crate::value::Value;
use std::net::IpAddr;

/// The type that a map's values are given in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// The text of the value, or nothing at all.
    Str,
    /// An integer.
    Int,
    /// An address.
    Ip,
    /// The key, as it is written in the map.
    Key,
}

impl Output {
    /// Whether a value can be given in this type.
    pub(super) fn check(self, value: &[u8]) -> Result<(), String> {
        self.value(value).map(drop)
    }

    /// The value of a text in this type.
    pub(crate) fn value(self, text: &[u8]) -> Result<Value, String> {
        let wrong = |what: &str| format!("`{}` is not {what}", String::from_utf8_lossy(text));
        let utf8 = || std::str::from_utf8(text).ok();
        match self {
            Output::Str | Output::Key => Ok(Value::str(text)),
            Output::Int => utf8()
                .and_then(super::parse::number)
                .map(Value::Int)
                .ok_or_else(|| wrong("a number")),
            Output::Ip => utf8()
                .and_then(|text| text.parse::<IpAddr>().ok())
                .map(Value::from)
                .ok_or_else(|| wrong("an IPv4 or IPv6 address")),
        }
    }
}
