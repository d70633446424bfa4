//! Faults that only the program can find, because they need what scripts registered.

use std::path::{Path, PathBuf};

use crate::diag::{Diagnostic, Diagnostics, code};
use crate::model::{Action, Filter, FilterKind, LuaCall, Mode, Proxy, Rule};
use crate::source::{FileId, Source, Sources, Span, Spanned, to_u32};
use crate::text::FileReader;

/// What scripts registered beside fetches and converters. Names are without `lua.`.
pub trait Registered {
    /// How many arguments the action of this name takes in a set of rules (`http-req`, `tcp-res` and so on, as
    /// `core.register_action` names them).
    fn action_arguments(&self, rules: &str, name: &str) -> Option<usize>;
    /// The actions of a set of rules.
    fn actions(&self, rules: &str) -> Vec<String>;
    /// The services for a mode.
    fn services(&self, mode: Mode) -> Vec<String>;
    /// The filters, and whether each is for HTTP too.
    fn filters(&self) -> Vec<(String, bool)>;
}

/// Reports every name of an action, service or filter that no script registered, and wrong numbers of arguments.
pub(crate) fn lua_names(proxies: &[Proxy], registered: &dyn Registered, diagnostics: &mut Diagnostics) {
    for proxy in proxies {
        let filters = proxy.filters.iter();
        filters
            .filter_map(|filter| filter_fault(filter, proxy.mode, registered))
            .for_each(|fault| diagnostics.push(fault));
        let rules = &proxy.rules;
        for (set, rules) in [
            ("tcp-req", &rules.tcp_request_connection),
            ("tcp-req", &rules.tcp_request_session),
            ("tcp-req", &rules.tcp_request_content),
            ("tcp-res", &rules.tcp_response_content),
            ("http-req", &rules.http_request),
            ("http-res", &rules.http_response),
            ("http-after-res", &rules.http_after_response),
        ] {
            rules
                .iter()
                .filter_map(|rule| fault_of(rule, set, proxy.mode, registered))
                .for_each(|fault| diagnostics.push(fault));
        }
    }
}

fn fault_of(rule: &Rule, set: &str, mode: Mode, registered: &dyn Registered) -> Option<Diagnostic> {
    match &rule.action {
        Action::Lua(call) => call_fault(call, set, registered),
        Action::UseLuaService(name) => {
            let known = registered.services(mode);
            let what = match mode {
                Mode::Http => "the http service",
                Mode::Tcp | Mode::Log => "the tcp service",
            };
            let is_known = known.contains(&name.value);
            (!is_known).then(|| unknown_lua_name(what, name, known.iter().map(String::as_str)))
        }
        _ => None,
    }
}

fn filter_fault(filter: &Filter, mode: Mode, registered: &dyn Registered) -> Option<Diagnostic> {
    let FilterKind::Lua(filter) = &filter.kind else {
        return None;
    };
    let known = registered.filters();
    let found = known.iter().find(|(name, _)| *name == filter.name.value);
    match found {
        None => {
            let known = known.iter().map(|(name, _)| name.as_str());
            Some(unknown_lua_name("the filter", &filter.name, known))
        }
        Some((_, false)) if mode == Mode::Http => {
            let message = format!("the filter `{}` is for TCP only", filter.name.value);
            Some(
                Diagnostic::error(code::UNKNOWN_LUA_NAME, filter.name.span, message)
                    .help("its class says that it is for HTTP too by `flags = filter.FLT_CFG_FL_HTX`"),
            )
        }
        Some(_) => None,
    }
}

fn call_fault(call: &LuaCall, set: &str, registered: &dyn Registered) -> Option<Diagnostic> {
    let Some(wanted) = registered.action_arguments(set, &call.name.value) else {
        let known = registered.actions(set);
        let what = format!("the `{set}` action");
        return Some(unknown_lua_name(
            &what,
            &call.name,
            known.iter().map(String::as_str),
        ));
    };
    let given = call.arguments.len();
    if given == wanted {
        return None;
    }
    let plural = if wanted == 1 { "" } else { "s" };
    let message = format!(
        "`lua.{}` takes {wanted} argument{plural}, not {given}",
        call.name.value
    );
    let (code, span) = match given {
        0 => (code::MISSING_ARGUMENT, call.name.span),
        _ if given < wanted => (code::MISSING_ARGUMENT, call.arguments_span),
        _ => (code::EXTRA_ARGUMENT, call.arguments_span),
    };
    Some(Diagnostic::error(code, span, message))
}

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

/// "This script can't be loaded": `message` is what is wrong, `detail` (a traceback) what else is known. Where the
/// message names a line of a script, that line is shown, and the line of the configuration beside it.
pub(crate) fn script_fault(
    load: Option<&Spanned<PathBuf>>,
    message: &str,
    detail: Option<&str>,
    sources: &mut Sources,
    reader: &dyn FileReader,
) -> Diagnostic {
    let place = place_in_script(message, load.map(|load| load.value.as_path()), sources, reader);
    let mut diagnostic = match (place, load) {
        (Some((span, text)), Some(load)) => {
            Diagnostic::error(code::LUA_LOAD_FAILED, span, text).related(load.span, "loaded here")
        }
        (Some((span, text)), None) => Diagnostic::error(code::LUA_LOAD_FAILED, span, text),
        (None, Some(load)) => Diagnostic::error(code::LUA_LOAD_FAILED, load.span, message),
        (None, None) => Diagnostic::bare(crate::diag::Severity::Error, code::LUA_LOAD_FAILED, message),
    };
    if let Some(detail) = detail {
        diagnostic = diagnostic.note(detail.replace('\t', "    "));
    }
    diagnostic
}

/// Finds `NAME:LINE: ` in a message of Lua's; gives the place in that file, and the message without it.
fn place_in_script(
    message: &str,
    loaded: Option<&Path>,
    sources: &mut Sources,
    reader: &dyn FileReader,
) -> Option<(Span, String)> {
    let (before, name, line, text) = message.match_indices(": ").find_map(|(at, _)| {
        let head = message.get(..at)?;
        let (name, line) = head.rsplit_once(':')?;
        let line = line.parse::<usize>().ok()?;
        let start = name.rfind(' ').map_or(0, |space| space + 1);
        Some((
            message.get(..start)?,
            name.get(start..)?,
            line,
            message.get(at + 2..)?,
        ))
    })?;
    let path = match loaded {
        // Lua shortens long names from their start.
        Some(path) if is_same(path, name) => path.to_path_buf(),
        _ => PathBuf::from(name),
    };
    let file = script(&path, sources, reader)?;
    let span = word_at_fault(sources.get(file)?, file, line, text)?;
    let before = before.trim_end_matches([' ', ':']);
    let text = if before.is_empty() {
        text.to_owned()
    } else {
        format!("{before}: {text}")
    };
    Some((span, text))
}

fn is_same(path: &Path, name: &str) -> bool {
    let path = path.to_string_lossy();
    match name.strip_prefix("...") {
        Some(end) => path.ends_with(end),
        None => path == name,
    }
}

fn script(path: &Path, sources: &mut Sources, reader: &dyn FileReader) -> Option<FileId> {
    let name = path.display().to_string();
    let known = sources
        .iter()
        .find(|(_, source)| source.name() == name)
        .map(|(id, _)| id);
    match known {
        Some(id) => Some(id),
        None => reader.read(path).ok().map(|text| sources.add(name, text)),
    }
}

/// What a message quotes, where that stands in the line, else the whole line.
fn word_at_fault(source: &Source, file: FileId, line: usize, message: &str) -> Option<Span> {
    let number = line.checked_sub(1)?;
    let start: usize = source
        .text()
        .split_inclusive(|byte| *byte == b'\n')
        .take(number)
        .map(<[u8]>::len)
        .sum();
    let text = source.text().split(|byte| *byte == b'\n').nth(number)?;
    let text = String::from_utf8_lossy(text);
    let quoted = message.split('\'').nth(1).filter(|word| !word.is_empty());
    let (at, length) = match quoted.and_then(|word| text.rfind(word).map(|at| (at, word.len()))) {
        Some(found) => found,
        None => (text.len() - text.trim_start().len(), text.trim().len().max(1)),
    };
    let start = start + at;
    Some(Span {
        file,
        start: to_u32(start),
        end: to_u32((start + length).min(source.text().len())),
    })
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
    fn a_script_that_fails_is_shown_at_its_own_line() {
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
        let files = crate::text::MemoryFiles::default().with("x.lua", "local a\nlocal b = =\n");
        let message = "x.lua:2: unexpected symbol near '='";
        let fault = script_fault(
            Some(&path),
            message,
            Some("stack traceback:\n\t[C]: in ?"),
            &mut sources,
            &files,
        );
        let expected = "\
error[TG0301]: unexpected symbol near '='
 --> x.lua:2:11
  |
2 | local b = =
  |           ^
  |
 ::: a.cfg:1:12
  |
1 |   lua-load x.lua
  |            ----- loaded here
  |
  = note: stack traceback:
              [C]: in ?";
        assert_eq!(render(&fault, &sources, Style::Plain), expected);
    }

    #[test]
    fn a_script_without_a_place_is_shown_where_it_is_loaded() {
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
        let fault = script_fault(
            Some(&path),
            "cannot read it",
            None,
            &mut sources,
            &crate::text::MemoryFiles::default(),
        );
        assert!(render(&fault, &sources, Style::Plain).contains("a.cfg:1:12"));
    }
}
