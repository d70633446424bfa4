//! Sample values and their types.

use crate::data::Data;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The value of a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A boolean.
    Bool(bool),
    /// A signed 64-bit integer, HAProxy's `sint`.
    Int(i64),
    /// An IPv4 address.
    Ipv4(Ipv4Addr),
    /// An IPv6 address.
    Ipv6(Ipv6Addr),
    /// Text. Nothing promises that it is UTF-8.
    Str(Data),
    /// Bytes that are not text: as text they are written in hexadecimal.
    Bin(Data),
    /// An HTTP method.
    Method(http::Method),
}

/// The type of a sample, as a fetch or converter declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// Known only when the sample is there.
    Any,
    /// A converter's output that has its input's type.
    Same,
    /// A boolean.
    Bool,
    /// A signed integer.
    Int,
    /// An IPv4 or IPv6 address.
    Addr,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// Text.
    Str,
    /// Bytes.
    Bin,
    /// An HTTP method.
    Method,
}

impl Value {
    /// Text out of anything that turns into [`Data`].
    pub fn str(text: impl Into<Data>) -> Value {
        Value::Str(text.into())
    }

    /// Bytes out of anything that turns into [`Data`].
    pub fn bin(bytes: impl Into<Data>) -> Value {
        Value::Bin(bytes.into())
    }

    /// The same value in memory of its own; see [`Data::detached`].
    #[must_use]
    pub fn detached(self) -> Value {
        match self {
            Value::Str(data) => Value::Str(data.detached()),
            Value::Bin(data) => Value::Bin(data.detached()),
            other => other,
        }
    }

    /// The type of this value; never [`Type::Any`], [`Type::Addr`] or [`Type::Same`].
    #[must_use]
    pub fn kind(&self) -> Type {
        match self {
            Value::Bool(_) => Type::Bool,
            Value::Int(_) => Type::Int,
            Value::Ipv4(_) => Type::Ipv4,
            Value::Ipv6(_) => Type::Ipv6,
            Value::Str(_) => Type::Str,
            Value::Bin(_) => Type::Bin,
            Value::Method(_) => Type::Method,
        }
    }
}

impl From<IpAddr> for Value {
    fn from(address: IpAddr) -> Value {
        match address {
            IpAddr::V4(v4) => Value::Ipv4(v4),
            IpAddr::V6(v6) => Value::Ipv6(v6),
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Int(value)
    }
}

impl Type {
    /// HAProxy's name for the type.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Type::Any => "any",
            Type::Same => "same",
            Type::Bool => "bool",
            Type::Int => "sint",
            Type::Addr => "addr",
            Type::Ipv4 => "ipv4",
            Type::Ipv6 => "ipv6",
            Type::Str => "str",
            Type::Bin => "bin",
            Type::Method => "meth",
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
