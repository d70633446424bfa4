//! What a client says to authenticate itself, and whether a userlist believes it.

use super::header::headers;
use super::places::REQUEST;
use super::{Begun, FetchRow, row};
use crate::arg::{Arg, ArgError, ArgKind, ArgSpec, at};
use crate::data::Data;
use crate::head::AsName;
use crate::head::names::AUTHORIZATION;
use crate::session::{Session, Way};
use crate::userlist::{Check, UserList};
use crate::value::{Type, Value};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderName;
use std::sync::Arc;

const NONE: ArgSpec = ArgSpec::NONE;

pub(super) const ROWS: &[FetchRow] = &[
    row(
        "http_auth",
        ArgSpec::new(1, &[ArgKind::UserList]),
        Type::Bool,
        REQUEST,
        "whether a userlist has the user and the password that the client sent by the scheme Basic",
        |s, args| claim(s, args).map(|(list, user, password)| Value::Bool(list.is_right(&user, &password))),
    )
    .long(|s, args| verified(s, args, |user| Some(Value::Bool(user.is_some())))),
    row(
        "http_auth_group",
        ArgSpec::new(1, &[ArgKind::UserList]),
        Type::Str,
        REQUEST,
        "the user's name, if a userlist has the user and the password; as an ACL, whether the user is in one of the groups",
        |s, args| {
            let (list, user, password) = claim(s, args)?;
            list.is_right(&user, &password).then_some(Value::Str(user))
        },
    )
    .long(|s, args| verified(s, args, |user| user.map(Value::Str))),
    row(
        "http_auth_type",
        NONE,
        Type::Str,
        REQUEST,
        "the scheme by which the client authenticates itself: Basic or Bearer",
        |s, _| {
            let credentials = credentials(s, AUTHORIZATION)?;
            // Only those that can be read have a type.
            match &credentials {
                Credentials::Basic(text) => basic(text).map(|_| Value::str("Basic")),
                Credentials::Bearer(_) => Some(Value::str("Bearer")),
            }
        },
    ),
    row(
        "http_auth_user",
        NONE,
        Type::Str,
        REQUEST,
        "the user's name that the client sent by the scheme Basic",
        |s, _| user_and_password(s).map(|(user, _)| Value::Str(user)),
    ),
    row(
        "http_auth_pass",
        NONE,
        Type::Str,
        REQUEST,
        "the password that the client sent by the scheme Basic",
        |s, _| user_and_password(s).map(|(_, password)| Value::Str(password)),
    ),
    row(
        "http_auth_bearer",
        ArgSpec::new(0, &[ArgKind::Str]),
        Type::Str,
        REQUEST,
        "the token that the client sent by the scheme Bearer, in the given header or `authorization`",
        |s, args| {
            let header = match at(args, 0) {
                Arg::Header(name) => name as &dyn AsName,
                _ => &AUTHORIZATION as &dyn AsName,
            };
            match credentials(s, header)? {
                Credentials::Bearer(token) => Some(Value::Str(token)),
                Credentials::Basic(_) => None,
            }
        },
    )
    .prepared(|args| {
        if let [Arg::Str(name)] = args.as_slice()
            && !name.is_empty()
        {
            let name = HeaderName::from_bytes(name)
                .map_err(|_| ArgError::new(0, "this cannot be the name of a header"))?;
            *args = vec![Arg::Header(name.into())];
        }
        Ok(())
    }),
];

/// The userlist, and whom the client says to be.
fn claim<'a>(session: &dyn Session, args: &'a [Arg]) -> Option<(&'a Arc<UserList>, Data, Data)> {
    let Arg::UserList(list) = at(args, 0) else {
        return None;
    };
    user_and_password(session).map(|(user, password)| (list, user, password))
}

/// The same for whoever can wait until a password is hashed. `sample` makes the sample of the user, if the password is
/// right.
fn verified(session: &dyn Session, args: &[Arg], sample: fn(Option<Data>) -> Option<Value>) -> Begun {
    let Some((list, user, password)) = claim(session, args) else {
        return Begun::Known(None);
    };
    match list.check(&user, &password) {
        Check::Known(right) => Begun::Known(sample(right.then_some(user))),
        Check::Hash(hashing) => Begun::Work(Box::new(move || sample(hashing.run().then_some(user)))),
    }
}

/// What stands in a header, by its scheme.
enum Credentials {
    Basic(Data),
    Bearer(Data),
}

/// The credentials in the first value of a header; none of other schemes.
fn credentials(session: &dyn Session, header: impl AsName) -> Option<Credentials> {
    let headers = headers(session, Way::Request)?;
    let value = headers.get(header)?;
    let text = value
        .as_bytes()
        .split(|byte| *byte == b',')
        .next()?
        .trim_ascii_end();
    let end = text.len();
    let text = text.trim_ascii_start();
    let (scheme, rest) = text.split_at_checked(text.iter().position(|byte| *byte == b' ')?)?;
    let rest = rest.trim_ascii_start();
    let rest = Data::field(value, end - rest.len()..end);
    if scheme.eq_ignore_ascii_case(b"basic") {
        Some(Credentials::Basic(rest))
    } else if scheme.eq_ignore_ascii_case(b"bearer") {
        Some(Credentials::Bearer(rest))
    } else {
        None
    }
}

fn user_and_password(session: &dyn Session) -> Option<(Data, Data)> {
    match credentials(session, AUTHORIZATION)? {
        Credentials::Basic(text) => basic(&text),
        Credentials::Bearer(_) => None,
    }
}

/// The user's name and password in the text of the scheme Basic.
fn basic(text: &[u8]) -> Option<(Data, Data)> {
    let decoded = STANDARD.decode(text).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    Some((
        Data::copy(decoded.get(..colon)?),
        Data::copy(decoded.get(colon + 1..)?),
    ))
}
