//! Faults that only the program can find, because they need what scripts registered.

use std::path::PathBuf;

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

/// "This script can't be loaded": `message` is Lua's own, of which the first line is shown first and the rest, such
/// as a traceback, as notes.
pub fn lua_load_failed(path: &Spanned<PathBuf>, message: &str) -> Diagnostic {
    let mut lines = message.lines();
    let first = lines.next().unwrap_or_default();
    let title = format!("can't load the script `{}`", path.value.display());
    let mut diagnostic = Diagnostic::error(code::LUA_LOAD_FAILED, path.span, title).label(first);
    let rest: Vec<&str> = lines.collect();
    if !rest.is_empty() {
        diagnostic = diagnostic.note(rest.join("\n").replace('\t', "    "));
    }
    diagnostic
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::{Style, render};
    use crate::source::{Sources, Span};

    #[test]
    fn a_name_that_no_script_registered_has_a_suggestion() {
        let mut sources = Sources::default();
        let file = sources.add("a.cfg", b"  http-request lua.auht\n".to_vec());
        let name = Spanned::new(
            String::from("auht"),
            Span {
                file,
                start: 19,
                end: 23,
            },
        );
        let text = |known: &[&str]| {
            render(
                &unknown_lua_name("the action", &name, known.iter().copied()),
                &sources,
                Style::Plain,
            )
        };
        let expected = "\
error[TG0300]: no script registered the action `auht`
 --> a.cfg:1:20
  |
1 |   http-request lua.auht
  |                    ^^^^
  |
";
        assert_eq!(
            text(&["auth", "log"]),
            format!("{expected}  = help: did you mean `auth`?")
        );
        assert_eq!(
            text(&["zebra"]),
            format!("{expected}  = help: what scripts registered: `zebra`")
        );
        assert_eq!(text(&[]), format!("{expected}  = note: no script registered any"));
    }

    #[test]
    fn a_script_that_fails_keeps_its_traceback() {
        let mut sources = Sources::default();
        let file = sources.add("a.cfg", b"  lua-load x.lua\n".to_vec());
        let path = Spanned::new(
            PathBuf::from("x.lua"),
            Span {
                file,
                start: 11,
                end: 16,
            },
        );
        let message = "x.lua:3: unexpected symbol near '='\nstack traceback:\n\t[C]: in ?";
        let text = render(&lua_load_failed(&path, message), &sources, Style::Plain);
        let expected = "\
error[TG0301]: can't load the script `x.lua`
 --> a.cfg:1:12
  |
1 |   lua-load x.lua
  |            ^^^^^ x.lua:3: unexpected symbol near '='
  |
  = note: stack traceback:
              [C]: in ?";
        assert_eq!(text, expected);
    }
}
