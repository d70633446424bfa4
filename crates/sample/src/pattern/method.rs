//! Match methods: how a value is compared with patterns.

use crate::value::Type;
use std::fmt;

/// How an ACL compares its value with its patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatchMethod {
    /// There is a value.
    Found,
    /// The value is true.
    Bool,
    /// The value is in a range of integers.
    Int,
    /// The value is in a network.
    Ip,
    /// The bytes are equal.
    Bin,
    /// The length is in a range.
    Len,
    /// The texts are equal.
    Str,
    /// The text contains the pattern.
    Sub,
    /// The text matches a regular expression.
    Reg,
    /// The text begins with the pattern.
    Beg,
    /// The text ends with the pattern.
    End,
    /// The pattern is one or more whole parts of the text between slashes.
    Dir,
    /// The pattern is one or more whole parts of the text between dots, as in a domain.
    Dom,
}

impl MatchMethod {
    /// All methods.
    pub const ALL: [MatchMethod; 13] = [
        MatchMethod::Found,
        MatchMethod::Bool,
        MatchMethod::Int,
        MatchMethod::Ip,
        MatchMethod::Bin,
        MatchMethod::Len,
        MatchMethod::Str,
        MatchMethod::Sub,
        MatchMethod::Reg,
        MatchMethod::Beg,
        MatchMethod::End,
        MatchMethod::Dir,
        MatchMethod::Dom,
    ];

    /// The name, as after `-m`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            MatchMethod::Found => "found",
            MatchMethod::Bool => "bool",
            MatchMethod::Int => "int",
            MatchMethod::Ip => "ip",
            MatchMethod::Bin => "bin",
            MatchMethod::Len => "len",
            MatchMethod::Str => "str",
            MatchMethod::Sub => "sub",
            MatchMethod::Reg => "reg",
            MatchMethod::Beg => "beg",
            MatchMethod::End => "end",
            MatchMethod::Dir => "dir",
            MatchMethod::Dom => "dom",
        }
    }

    /// The method of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<MatchMethod> {
        MatchMethod::ALL.into_iter().find(|method| method.name() == name)
    }

    /// The method for values of a type if the configuration names none.
    pub(crate) fn of_type(output: Type) -> Option<MatchMethod> {
        match output {
            Type::Bool => Some(MatchMethod::Bool),
            Type::Int => Some(MatchMethod::Int),
            Type::Addr | Type::Ipv4 | Type::Ipv6 => Some(MatchMethod::Ip),
            Type::Str | Type::Method => Some(MatchMethod::Str),
            Type::Any | Type::Same | Type::Bin => None,
        }
    }

    /// The type that a value is cast to before it is matched.
    pub(crate) fn input(self) -> Type {
        match self {
            MatchMethod::Found => Type::Any,
            MatchMethod::Bool => Type::Bool,
            MatchMethod::Int => Type::Int,
            MatchMethod::Ip => Type::Addr,
            MatchMethod::Bin => Type::Bin,
            _ => Type::Str,
        }
    }
}

impl fmt::Display for MatchMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
