//! Faults that only the program can find, because they need what scripts registered.

use crate::diag::{Diagnostic, code};
use crate::source::Spanned;

/// "No script registered this": `what` is an action, a service, as messages name it; `known` are the names that
/// were registered.
pub fn unknown_lua_name<'n>(
    what: &str,
    name: &Spanned<String>,
    known: impl IntoIterator<Item = &'n str>,
) -> Diagnostic {
    let known: Vec<&str> = known.into_iter().collect();
    let message = format!("no script registered {what} `{}`", name.value);
    let mut diagnostic = Diagnostic::error(code::UNKNOWN_LUA_NAME, name.span, message)
        .suggest(&name.value, known.iter().copied());
    if diagnostic.help.is_empty() {
        diagnostic = if known.is_empty() {
            diagnostic.note("no script registered any")
        } else {
            let list = known
                .iter()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", ");
            diagnostic.help(format!("what scripts registered: {list}"))
        };
    }
    diagnostic
}
