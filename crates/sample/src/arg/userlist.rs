//! Arguments that name userlists.

use super::{Arg, ArgText};
use crate::did_you_mean::did_you_mean;
use crate::error::ParseError;
use crate::userlist::UserLists;
use std::ops::Range;
use std::sync::Arc;

/// The userlist that an argument names. Without lists to find it among, any name will do.
pub(super) fn argument(
    owner: &str,
    arg: Option<&ArgText>,
    list: &Range<usize>,
    userlists: Option<&UserLists>,
) -> Result<Arg, ParseError> {
    let Some(arg) = arg.filter(|arg| !arg.text.is_empty()) else {
        return Err(ParseError::new(
            list.clone(),
            format!("`{owner}` misses the name of a userlist"),
        ));
    };
    let Some(userlists) = userlists else {
        return Ok(Arg::Str(arg.text.as_str().into()));
    };
    userlists
        .find(&arg.text)
        .map(Arc::clone)
        .map(Arg::UserList)
        .ok_or_else(|| {
            let message = format!("there is no userlist `{}`", arg.text);
            let near = did_you_mean(&arg.text, userlists.names());
            ParseError::new(arg.span.clone(), message).suggest(near.map(str::to_string))
        })
}
