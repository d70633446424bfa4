//! Converters that look a value up in a map.

use super::regsub::expand;
use super::{Convert, ConverterRow, row};
use crate::arg::{Arg, ArgError, ArgKind, ArgSpec, at};
use crate::error::ParseError;
use crate::pattern::{self, ListKind, MatchMethod, Output, View};
use crate::scope::Scope;
use crate::session::Session;
use crate::value::{Type, Value};
use std::ops::Range;

/// How a converter looks up: the way to match, and what is made of the value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lookup {
    method: MatchMethod,
    output: Output,
}

const TEXT: ArgSpec = ArgSpec::new(1, &[ArgKind::Str, ArgKind::Str]);
const INT: ArgSpec = ArgSpec::new(1, &[ArgKind::Str, ArgKind::Int]);
const KEY: ArgSpec = ArgSpec::new(1, &[ArgKind::Str]);

const fn lookup(name: &'static str, method: MatchMethod, output: Output, doc: &'static str) -> ConverterRow {
    let input = match method {
        MatchMethod::Int => Type::Int,
        MatchMethod::Ip => Type::Addr,
        _ => Type::Str,
    };
    let (args, gives, run): (ArgSpec, Type, Convert) = match output {
        Output::Str => (TEXT, Type::Str, text),
        Output::Int => (INT, Type::Int, int),
        Output::Ip => (TEXT, Type::Addr, ip),
        Output::Key => (KEY, Type::Str, key),
    };
    let mut row = row(name, args, input, gives, doc, run);
    row.map = Some(Lookup { method, output });
    row
}

const fn with_groups(mut row: ConverterRow) -> ConverterRow {
    row.run = groups;
    row
}

use MatchMethod::{Beg, Dir, Dom, End, Int, Ip, Reg, Str, Sub};

#[rustfmt::skip]
pub(super) const ROWS: &[ConverterRow] = &[
    lookup("map", Str, Output::Str, "the value of the key that is the text, such as `req.hdr(host),lower,map(hosts.map,default)`"),
    lookup("map_str", Str, Output::Str, "the same as `map`"),
    lookup("map_str_int", Str, Output::Int, "the integer of the key that is the text"),
    lookup("map_str_ip", Str, Output::Ip, "the address of the key that is the text"),
    lookup("map_str_key", Str, Output::Key, "the key that is the text, if there is one"),
    lookup("map_beg", Beg, Output::Str, "the value of the longest key that the text begins with, such as `path,map_beg(paths.map)`"),
    lookup("map_beg_int", Beg, Output::Int, "the integer of the longest key that the text begins with"),
    lookup("map_beg_ip", Beg, Output::Ip, "the address of the longest key that the text begins with"),
    lookup("map_beg_key", Beg, Output::Key, "the longest key that the text begins with"),
    lookup("map_sub", Sub, Output::Str, "the value of the first key that the text contains, such as `req.hdr(user-agent),map_sub(agents.map)`"),
    lookup("map_sub_int", Sub, Output::Int, "the integer of the first key that the text contains"),
    lookup("map_sub_ip", Sub, Output::Ip, "the address of the first key that the text contains"),
    lookup("map_sub_key", Sub, Output::Key, "the first key that the text contains"),
    lookup("map_dir", Dir, Output::Str, "the value of the first key that is between slashes in the text"),
    lookup("map_dir_int", Dir, Output::Int, "the integer of the first key that is between slashes in the text"),
    lookup("map_dir_ip", Dir, Output::Ip, "the address of the first key that is between slashes in the text"),
    lookup("map_dir_key", Dir, Output::Key, "the first key that is between slashes in the text"),
    lookup("map_dom", Dom, Output::Str, "the value of the first key that is between dots in the text, such as `req.hdr(host),map_dom(sites.map)`"),
    lookup("map_dom_int", Dom, Output::Int, "the integer of the first key that is between dots in the text"),
    lookup("map_dom_ip", Dom, Output::Ip, "the address of the first key that is between dots in the text"),
    lookup("map_dom_key", Dom, Output::Key, "the first key that is between dots in the text"),
    lookup("map_end", End, Output::Str, "the value of the first key that the text ends with, such as `path,map_end(types.map,text/plain)`"),
    lookup("map_end_int", End, Output::Int, "the integer of the first key that the text ends with"),
    lookup("map_end_ip", End, Output::Ip, "the address of the first key that the text ends with"),
    lookup("map_end_key", End, Output::Key, "the first key that the text ends with"),
    lookup("map_reg", Reg, Output::Str, "the value of the first regular expression that the text matches"),
    lookup("map_reg_int", Reg, Output::Int, "the integer of the first regular expression that the text matches"),
    lookup("map_reg_ip", Reg, Output::Ip, "the address of the first regular expression that the text matches"),
    lookup("map_reg_key", Reg, Output::Key, "the first regular expression that the text matches"),
    with_groups(lookup("map_regm", Reg, Output::Str, "as `map_reg`, with the matched groups in the place of `\\1` and the like: `^/u/([0-9]+)` with `user-\\1`")),
    lookup("map_int", Int, Output::Str, "the value of the first integer or range that the integer is in, such as `dst_port,map_int(ports.map)`"),
    lookup("map_int_int", Int, Output::Int, "the integer of the first integer or range that the integer is in"),
    lookup("map_int_ip", Int, Output::Ip, "the address of the first integer or range that the integer is in"),
    lookup("map_int_key", Int, Output::Key, "the first integer or range that the integer is in"),
    lookup("map_ip", Ip, Output::Str, "the value of the smallest network that the address is in, such as `src,map_ip(geo.map,unknown)`"),
    lookup("map_ip_int", Ip, Output::Int, "the integer of the smallest network that the address is in"),
    lookup("map_ip_ip", Ip, Output::Ip, "the address of the smallest network that the address is in"),
    lookup("map_ip_key", Ip, Output::Key, "the smallest network that the address is in"),
];

/// Loads the map that the first argument names, and checks the default.
///
/// # Errors
/// The map cannot be read or something in it is wrong, or the default is not of the output's type.
pub(crate) fn load(
    args: &mut [Arg],
    lookup: Lookup,
    spans: impl Fn(usize) -> Range<usize>,
    owner: &str,
    scope: &Scope<'_>,
) -> Result<(), ParseError> {
    let name = String::from_utf8_lossy(at(args, 0).text()).into_owned();
    let way = (lookup.method, false);
    let view = pattern::view(&name, ListKind::Map, way, lookup.output, scope)
        .map_err(|error| ParseError::of_list(spans(0), error))?;
    let default = match at(args, 1) {
        Arg::Int(int) => Arg::Value(Value::Int(*int)),
        Arg::Str(text) => Arg::Value(lookup.output.value(text).map_err(|why| {
            let ArgError { index, message } = ArgError::new(1, why);
            ParseError::new(spans(index), format!("`{owner}`: the default {message}"))
        })?),
        _ => Arg::None,
    };
    for (arg, new) in args.iter_mut().zip([Arg::Map(view), default]) {
        *arg = new;
    }
    Ok(())
}

fn text(_: &dyn Session, args: &[Arg], input: Value) -> Option<Value> {
    let view = map(args)?;
    view.value(&input).map(Value::Str).or_else(|| default(args))
}

fn key(_: &dyn Session, args: &[Arg], input: Value) -> Option<Value> {
    map(args)?.find(&input, |entry, _| Value::Str(entry.key_data()))
}

fn int(_: &dyn Session, args: &[Arg], input: Value) -> Option<Value> {
    typed(args, &input, Output::Int)
}

fn ip(_: &dyn Session, args: &[Arg], input: Value) -> Option<Value> {
    typed(args, &input, Output::Ip)
}

fn typed(args: &[Arg], input: &Value, output: Output) -> Option<Value> {
    // What is in the list was held to the output when it was put there.
    map(args)?
        .find(input, |entry, _| {
            output.value(entry.value().unwrap_or_default()).ok()
        })
        .unwrap_or_else(|| default(args))
}

fn groups(_: &dyn Session, args: &[Arg], input: Value) -> Option<Value> {
    let Value::Str(subject) = &input else { return None };
    let found = map(args)?.find(&input, |entry, regex| {
        let value = entry.value()?;
        let regex = regex?;
        let mut groups = regex.capture_locations();
        regex.captures_read(&mut groups, subject).ok()??;
        let mut text = Vec::with_capacity(value.len());
        expand(value, &mut text, |group| {
            groups.get(group).and_then(|(start, end)| subject.get(start..end))
        });
        Some(Value::str(text))
    });
    match found {
        Some(value) => value,
        None => default(args),
    }
}

fn map(args: &[Arg]) -> Option<&View> {
    match at(args, 0) {
        Arg::Map(view) => Some(view),
        _ => None,
    }
}

fn default(args: &[Arg]) -> Option<Value> {
    match at(args, 1) {
        Arg::Value(value) => Some(value.clone()),
        _ => None,
    }
}
