//! Arguments that name a stick table.

use super::{Arg, ArgText};
use crate::did_you_mean::did_you_mean;
use crate::error::ParseError;
use crate::scope::{Proxies, Scope, Side};
use crate::session::Session;
use crate::stick::{Table, Tables};
use std::ops::Range;
use std::sync::Arc;

/// The argument. One that may be left out is [`Arg::None`] then; without tables to compare with, any name will do.
pub(super) fn argument(
    owner: &str,
    required: bool,
    text: Option<&ArgText>,
    list: &Range<usize>,
    scope: &Scope<'_>,
) -> Result<Arg, ParseError> {
    let proxies = scope.proxies;
    let given = text.filter(|text| !text.text.is_empty());
    let known = proxies.and_then(|proxies| Some((proxies, proxies.tables()?)));
    match (given, known) {
        (Some(text), Some((proxies, tables))) => match tables.find(&text.text) {
            Some(table) => Ok(Arg::Table(table.clone())),
            None => Err(unknown(text, proxies, tables)),
        },
        (None, _) if required && scope.shared => {
            let message = "the rules of a `defaults` section belong to no proxy that could have a table";
            Err(ParseError::new(list.clone(), message).help("name the section of one"))
        }
        (Some(text), None) => Ok(Arg::Str(text.text.as_str().into())),
        (None, Some((proxies, tables))) if required => match proxies.current() {
            Some(current) => match tables.find(current) {
                Some(table) => Ok(Arg::Table(table.clone())),
                None => {
                    let message = format!("`{owner}` takes a table, and `{current}` has none");
                    Err(ParseError::new(list.clone(), message)
                        .help("name the section of one, or add a `stick-table` line"))
                }
            },
            None => Ok(Arg::None),
        },
        (None, _) => Ok(Arg::None),
    }
}

fn unknown(text: &ArgText, proxies: &dyn Proxies, tables: &Tables) -> ParseError {
    let name = text.text.as_str();
    let is_proxy = [Side::Frontend, Side::Backend]
        .into_iter()
        .any(|side| proxies.names(side).contains(&name));
    if is_proxy {
        let message = format!("`{name}` has no `stick-table` line");
        return ParseError::new(text.span.clone(), message);
    }
    let names = tables.all().map(|table| table.name());
    let suggestion = did_you_mean(name, names).map(str::to_string);
    ParseError::new(text.span.clone(), format!("there is no stick table `{name}`")).suggest(suggestion)
}

/// The table of an argument; of one that was left out, that of the section where the session is.
pub(crate) fn table<'a>(session: &'a dyn Session, arg: &'a Arg) -> Option<&'a Arc<Table>> {
    let named = |name: &[u8]| session.tables()?.find(std::str::from_utf8(name).ok()?);
    match arg {
        Arg::Table(table) => Some(table),
        Arg::Str(name) => named(name),
        _ => [session.backend(), session.frontend()]
            .into_iter()
            .flatten()
            .find_map(|proxy| named(&proxy.name)),
    }
}
