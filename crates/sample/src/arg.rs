//! Arguments of fetches and converters: their declaration, their text, their values.

pub use crate::acl::AclCall;
pub use crate::convert::json_query::path::JsonPath;
pub use crate::convert::jwt::decrypt::TokenKey;
pub use crate::convert::jwt::key::PublicKey;

use crate::cast::leading_int;
use crate::data::Data;
use crate::error::ParseError;
use crate::pattern::View;
use crate::raw;
use crate::scope::Scope;
use crate::session::Session;
use crate::stick::Table;
use crate::userlist::UserList;
use crate::value::Value;
use crate::vars::{self, VarName};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::sync::Arc;

mod proxy;
mod table;
mod userlist;

pub(crate) use table::table;

/// What an argument must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgKind {
    /// Any text.
    Str,
    /// A signed integer.
    Int,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// An IPv4 network mask: a length or an address.
    Mask4,
    /// An IPv6 network mask: a length or an address.
    Mask6,
    /// A regular expression.
    Regex,
    /// The number of a field of a protocol buffer, or the numbers of nested ones with dots between them.
    ProtobufField,
    /// A frontend; if left out, the one where the expression stands.
    Frontend,
    /// A backend; if left out, the one where the expression stands.
    Backend,
    /// A server, after its backend and a slash if that is not the one where the expression stands.
    Server,
    /// A stick table; if left out where it must be given, the one of the section where the expression stands.
    Table,
    /// A `userlist` section.
    UserList,
}

impl ArgKind {
    /// HAProxy's name for the kind.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ArgKind::Str => "string",
            ArgKind::Int => "integer",
            ArgKind::Ipv4 => "IPv4 address",
            ArgKind::Ipv6 => "IPv6 address",
            ArgKind::Mask4 => "IPv4 mask",
            ArgKind::Mask6 => "IPv6 mask",
            ArgKind::Regex => "regex",
            ArgKind::ProtobufField => "Protocol buffers field number",
            ArgKind::Frontend => "frontend",
            ArgKind::Backend => "backend",
            ArgKind::Server => "server",
            ArgKind::Table => "table",
            ArgKind::UserList => "user list",
        }
    }
}

/// The arguments that a fetch or converter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgSpec {
    /// The kinds, in order.
    pub kinds: &'static [ArgKind],
    /// How many of them must be given.
    pub required: usize,
}

impl ArgSpec {
    /// No argument.
    pub const NONE: ArgSpec = ArgSpec {
        kinds: &[],
        required: 0,
    };

    /// `required` arguments and then optional ones.
    #[must_use]
    pub const fn new(required: usize, kinds: &'static [ArgKind]) -> ArgSpec {
        ArgSpec { kinds, required }
    }

    /// HAProxy's way to write it: `string,integer[,string]`.
    #[must_use]
    pub fn signature(&self) -> String {
        let mut text = String::new();
        for (index, kind) in self.kinds.iter().enumerate() {
            if index == self.required {
                text.push('[');
            }
            if index > 0 {
                text.push(',');
            }
            text.push_str(kind.name());
        }
        if self.required < self.kinds.len() {
            text.push(']');
        }
        text
    }
}

/// An argument as given, or as prepared by its fetch or converter.
#[derive(Clone, Debug)]
pub enum Arg {
    /// An optional argument left empty or out.
    None,
    /// Text.
    Str(Data),
    /// An integer.
    Int(i64),
    /// An IPv4 address.
    Ipv4(Ipv4Addr),
    /// An IPv6 address.
    Ipv6(Ipv6Addr),
    /// An IPv4 network mask.
    Mask4(u32),
    /// An IPv6 network mask.
    Mask6(u128),
    /// A regular expression.
    Regex(pcre2::bytes::Regex),
    /// ACLs that a converter asks.
    Acl(Arc<AclCall>),
    /// A key that verifies signatures.
    PublicKey(Arc<PublicKey>),
    /// A variable that holds the path of a certificate.
    Certificate(VarName),
    /// A key that decrypts tokens.
    TokenKey(Arc<TokenKey>),
    /// A path into a JSON text.
    JsonPath(Arc<JsonPath>),
    /// Field numbers of a protocol buffer, from the outermost on.
    ProtobufField(Arc<[u32]>),
    /// A variable whose value is taken at evaluation.
    Var(VarName),
    /// A header's name.
    Header(crate::head::SoughtName),
    /// A value known before evaluation.
    Value(Value),
    /// A map, and the way to look values up in it.
    Map(View),
    /// A stick table.
    Table(Arc<Table>),
    /// A server; without a backend it is the session's.
    Server {
        /// The backend's name.
        backend: Option<Data>,
        /// The server's name.
        name: Data,
    },
    /// A userlist.
    UserList(Arc<UserList>),
}

impl Arg {
    /// The text of a text argument; empty for any other.
    pub(crate) fn text(&self) -> &[u8] {
        match self {
            Arg::Str(text) => text,
            _ => &[],
        }
    }

    /// The variable that it names.
    pub(crate) fn variable(&self) -> Option<&VarName> {
        match self {
            Arg::Var(name) | Arg::Certificate(name) => Some(name),
            _ => None,
        }
    }

    /// The integer of an integer argument or of a variable that holds one.
    pub(crate) fn int(&self, session: &dyn Session) -> Option<i64> {
        match self {
            Arg::Int(int) => Some(*int),
            Arg::Var(name) => match crate::cast::cast(vars::value(session, name)?, crate::Type::Int)? {
                Value::Int(int) => Some(int),
                _ => None,
            },
            _ => None,
        }
    }

    /// The integer of a literal integer argument, or `default`.
    pub(crate) fn int_or(&self, default: i64) -> i64 {
        if let Arg::Int(int) = self { *int } else { default }
    }

    /// The bytes of a variable, all of them.
    pub(crate) fn binary(&self, session: &dyn Session) -> Option<Data> {
        let Arg::Var(name) = self else { return None };
        match crate::cast::cast(vars::value(session, name)?, crate::Type::Bin)? {
            Value::Bin(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The bytes of a text argument, or the text of a variable.
    pub(crate) fn data(&self, session: &dyn Session) -> Option<Data> {
        match self {
            Arg::Str(text) => Some(text.clone()),
            Arg::Var(name) => match crate::cast::cast(vars::value(session, name)?, crate::Type::Str)? {
                Value::Str(text) => Some(text),
                _ => None,
            },
            _ => None,
        }
    }
}

/// The argument at `index`, [`Arg::None`] past the end.
pub(crate) fn at(args: &[Arg], index: usize) -> &Arg {
    args.get(index).unwrap_or(&Arg::None)
}

/// What is wrong with an argument, found when its fetch or converter prepared it.
#[derive(Clone, Debug)]
pub struct ArgError {
    /// The argument's index.
    pub index: usize,
    /// What is wrong.
    pub message: String,
}

impl ArgError {
    pub(crate) fn new(index: usize, message: impl Into<String>) -> ArgError {
        ArgError {
            index,
            message: message.into(),
        }
    }
}

/// Checks arguments beyond their kinds and puts them into the form that evaluation wants.
pub type Prepare = fn(&mut Vec<Arg>) -> Result<(), ArgError>;

/// The same for whoever needs what the place of use knows: its files.
pub type Bind = fn(&mut Vec<Arg>, &Scope<'_>) -> Result<(), ArgError>;

/// One argument's text, unquoted, and where it stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ArgText {
    pub(crate) text: String,
    pub(crate) span: Range<usize>,
}

/// Reads `(arg,arg,...)` at the start of `text`, if it begins so; returns the arguments and the length read.
pub(crate) fn parse_list(text: &str) -> Result<(Vec<ArgText>, usize), ParseError> {
    let mut args = Vec::new();
    if !text.starts_with('(') {
        return Ok((args, 0));
    }
    let mut current = ArgText {
        text: String::new(),
        span: 1..1,
    };
    let mut quote: Option<(char, usize)> = None;
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        match (c, quote) {
            ('"' | '\'', None) => quote = Some((c, at)),
            (c, Some((open, _))) if c == open => quote = None,
            ('\\', None | Some(('"', _))) => {
                match chars.peek().and_then(|(_, escaped)| unescaped(*escaped)) {
                    Some(c) => {
                        current.text.push(c);
                        chars.next();
                    }
                    // A backslash before anything else is itself, and what follows has its usual meaning.
                    None => current.text.push('\\'),
                }
            }
            (',' | ')', None) => {
                current.span.end = at;
                let next = ArgText {
                    text: String::new(),
                    span: at + 1..at + 1,
                };
                args.push(std::mem::replace(&mut current, next));
                if c == ')' {
                    return Ok((args, at + 1));
                }
            }
            (c, _) => current.text.push(c),
        }
    }
    Err(match quote {
        Some((c, at)) => ParseError::new(
            at..text.len(),
            format!("unterminated quote `{c}` in the arguments"),
        ),
        None => ParseError::new(0..text.len(), "missing closing parenthesis after the arguments"),
    })
}

/// What a backslash and this character stand for.
fn unescaped(escaped: char) -> Option<char> {
    match escaped {
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        '\\' | '"' | '\'' | ' ' => Some(escaped),
        _ => None,
    }
}

/// Checks the texts against a declaration.
pub(crate) fn resolve(
    owner: &str,
    spec: ArgSpec,
    prepare: impl FnOnce(&mut Vec<Arg>) -> Result<(), ArgError>,
    texts: &[ArgText],
    list: Range<usize>,
    scope: &Scope<'_>,
) -> Result<Box<[Arg]>, ParseError> {
    // `name()` is the same as `name` where there is no argument to be empty.
    let texts = match texts {
        [only] if only.text.is_empty() && spec.kinds.is_empty() => &[],
        texts => texts,
    };
    if let Some(extra) = texts.get(spec.kinds.len()) {
        let takes = match spec.kinds.len() {
            0 => "takes no argument".to_string(),
            1 => "takes 1 argument at most".to_string(),
            n => format!("takes {n} arguments at most"),
        };
        return Err(ParseError::new(extra.span.clone(), format!("`{owner}` {takes}"))
            .help(format!("its arguments are `{owner}({})`", spec.signature())));
    }
    let mut args = Vec::with_capacity(spec.kinds.len());
    for (index, kind) in spec.kinds.iter().enumerate() {
        if let ArgKind::Frontend | ArgKind::Backend | ArgKind::Server = kind {
            args.push(proxy::argument(owner, *kind, texts.get(index), &list, scope)?);
            continue;
        }
        if *kind == ArgKind::UserList {
            args.push(userlist::argument(
                owner,
                texts.get(index),
                &list,
                scope.userlists,
            )?);
            continue;
        }
        if *kind == ArgKind::Table {
            let required = index < spec.required;
            args.push(table::argument(owner, required, texts.get(index), &list, scope)?);
            continue;
        }
        match texts.get(index) {
            Some(arg) if !arg.text.is_empty() || *kind == ArgKind::Str => {
                args.push(value_of(owner, *kind, arg)?);
            }
            // A text that is the first argument may be left out: it is empty.
            None if index == 0 && index < spec.required && *kind == ArgKind::Str => {
                args.push(Arg::Str(Data::EMPTY));
            }
            _ if index < spec.required => {
                return Err(
                    ParseError::new(list, format!("`{owner}` misses argument {}", index + 1))
                        .help(format!("its arguments are `{owner}({})`", spec.signature())),
                );
            }
            _ => args.push(Arg::None),
        }
    }
    prepare(&mut args).map_err(|error| {
        let span = texts.get(error.index).map_or(list, |arg| arg.span.clone());
        ParseError::new(span, format!("`{owner}`: {}", error.message))
    })?;
    Ok(args.into())
}

fn value_of(owner: &str, kind: ArgKind, arg: &ArgText) -> Result<Arg, ParseError> {
    let text = arg.text.as_str();
    let wrong = || {
        ParseError::new(
            arg.span.clone(),
            format!("`{text}` is not a valid {} for `{owner}`", kind.name()),
        )
    };
    match kind {
        // Compiled when it is prepared, since its flags are another argument.
        ArgKind::Str | ArgKind::Regex => Ok(Arg::Str(raw::decoded(text).into_owned().into())),
        // One that is too large is the largest.
        ArgKind::Int => match leading_int(text.as_bytes()) {
            (int, used) if used == text.len() && text.ends_with(|c: char| c.is_ascii_digit()) => {
                Ok(Arg::Int(int))
            }
            _ => Err(wrong()),
        },
        ArgKind::Ipv4 => text.parse().map(Arg::Ipv4).map_err(|_| wrong()),
        ArgKind::Ipv6 => text.parse().map(Arg::Ipv6).map_err(|_| wrong()),
        ArgKind::Mask4 => mask4(text).map(Arg::Mask4).ok_or_else(wrong),
        ArgKind::Mask6 => mask6(text).map(Arg::Mask6).ok_or_else(wrong),
        ArgKind::ProtobufField => protobuf_field(text).map(Arg::ProtobufField).ok_or_else(|| {
            wrong().help("numbers are from 1 to 536870911, with dots between those of nested fields")
        }),
        // Resolved by those who know the sections.
        ArgKind::Frontend | ArgKind::Backend | ArgKind::Server | ArgKind::Table | ArgKind::UserList => {
            Err(wrong())
        }
    }
}

fn protobuf_field(text: &str) -> Option<Arc<[u32]>> {
    let number = |part: &str| match part.parse() {
        Ok(number @ 1..=0x1fff_ffff) if !part.starts_with('+') => Some(number),
        _ => None,
    };
    text.split('.').map(number).collect()
}

/// An IPv4 mask from a length or a dotted mask.
pub fn mask4(text: &str) -> Option<u32> {
    match text.parse::<u32>() {
        Ok(bits @ 0..=32) => Some(u32::MAX.checked_shl(32 - bits).unwrap_or(0)),
        Ok(_) => None,
        Err(_) => text.parse::<Ipv4Addr>().ok().map(u32::from),
    }
}

/// An IPv6 mask from a length or an address.
pub fn mask6(text: &str) -> Option<u128> {
    match text.parse::<u32>() {
        Ok(bits @ 0..=128) => Some(u128::MAX.checked_shl(128 - bits).unwrap_or(0)),
        Ok(_) => None,
        Err(_) => text.parse::<Ipv6Addr>().ok().map(u128::from),
    }
}

/// The bytes that a text gives in hexadecimal.
pub(crate) fn unhex(text: &str) -> Result<Vec<u8>, String> {
    if text.len() % 2 == 1 {
        return Err(format!("`{text}` has an odd number of hexadecimal digits"));
    }
    let digit = |byte: u8| (byte as char).to_digit(16).map(|digit| digit as u8);
    text.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect::<Option<Vec<u8>>>()
        .ok_or_else(|| format!("`{text}` has a character that is not a hexadecimal digit"))
}

/// Compiles a regular expression.
pub(crate) fn regex(text: &str, ignore_case: bool) -> Result<pcre2::bytes::Regex, String> {
    pcre2::bytes::RegexBuilder::new()
        .caseless(ignore_case)
        .jit_if_available(true)
        .build(text)
        .map_err(|error| error.to_string())
}
