//! Arguments that name a frontend, a backend or a server.

use super::{Arg, ArgKind, ArgText};
use crate::did_you_mean::did_you_mean;
use crate::error::ParseError;
use crate::scope::{Proxies, Scope, Side};
use std::ops::Range;

/// The argument of one of the three kinds. Without proxies to compare with, any name will do.
pub(super) fn argument(
    owner: &str,
    kind: ArgKind,
    text: Option<&ArgText>,
    list: &Range<usize>,
    scope: &Scope<'_>,
) -> Result<Arg, ParseError> {
    let proxies = scope.proxies;
    let given = text.filter(|text| !text.text.is_empty());
    match (kind, given) {
        (ArgKind::Server, Some(text)) if scope.shared && !text.text.contains('/') => {
            let name = &text.text;
            let message = format!(
                "the rules of a `defaults` section belong to no proxy that could have a server `{name}`"
            );
            Err(ParseError::new(text.span.clone(), message)
                .help(format!("name the backend too: `{owner}(backend/{name})`")))
        }
        (ArgKind::Server, Some(text)) => server(owner, text, proxies),
        (ArgKind::Server, None) => Err(ParseError::new(
            list.clone(),
            format!("`{owner}` misses the name of a server"),
        )
        .help(format!("its argument is `{owner}([backend/]server)`"))),
        (_, Some(text)) => named(side(kind), &text.text, text.span.clone(), proxies)
            .map(|()| Arg::Str(text.text.as_str().into())),
        (_, None) => current(owner, side(kind), list, proxies),
    }
}

fn side(kind: ArgKind) -> Side {
    match kind {
        ArgKind::Frontend => Side::Frontend,
        _ => Side::Backend,
    }
}

/// Checks that there is a proxy of this name.
fn named(
    side: Side,
    name: &str,
    span: Range<usize>,
    proxies: Option<&dyn Proxies>,
) -> Result<(), ParseError> {
    let Some(proxies) = proxies else { return Ok(()) };
    let names = proxies.names(side);
    if names.contains(&name) {
        if side == Side::Backend {
            proxies.needs_backend(name);
        }
        return Ok(());
    }
    let suggestion = did_you_mean(name, names).map(str::to_string);
    Err(ParseError::new(span, format!("there is no {} `{name}`", side.name())).suggest(suggestion))
}

/// The proxy in whose section the expression stands, if it has that side.
fn current(
    owner: &str,
    side: Side,
    list: &Range<usize>,
    proxies: Option<&dyn Proxies>,
) -> Result<Arg, ParseError> {
    let Some((proxies, name)) = proxies.and_then(|proxies| Some((proxies, proxies.current()?))) else {
        return Ok(Arg::None);
    };
    if proxies.names(side).contains(&name) {
        return Ok(Arg::Str(name.into()));
    }
    let side = side.name();
    Err(ParseError::new(
        list.clone(),
        format!("`{owner}` takes a {side}, and `{name}` is none"),
    )
    .help(format!("name one: `{owner}({side})`")))
}

fn server(owner: &str, text: &ArgText, proxies: Option<&dyn Proxies>) -> Result<Arg, ParseError> {
    let (backend, name) = match text.text.split_once('/') {
        Some((backend, name)) => (Some(backend), name),
        None => (proxies.and_then(Proxies::current), text.text.as_str()),
    };
    if let (Some(proxies), Some(backend)) = (proxies, backend) {
        if !proxies.names(Side::Backend).contains(&backend) && !text.text.contains('/') {
            let message = format!("`{backend}` has no servers");
            return Err(ParseError::new(text.span.clone(), message)
                .help(format!("name the backend too: `{owner}(backend/{name})`")));
        }
        named(Side::Backend, backend, text.span.clone(), Some(proxies))?;
        let servers = proxies.servers(backend);
        if !servers.iter().any(|server| server == name) {
            let message = format!("backend `{backend}` has no server `{name}`");
            let names = servers.iter().map(String::as_str);
            let suggestion = did_you_mean(name, names).map(str::to_string);
            return Err(ParseError::new(text.span.clone(), message).suggest(suggestion));
        }
        proxies.needs_server(backend, name);
    }
    Ok(Arg::Server {
        backend: backend.map(Into::into),
        name: name.into(),
    })
}
