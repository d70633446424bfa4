//! `tidegate lua stubs`: what editors need to know of the classes that scripts see, in the form of LuaLS.
//!
//! It is made of the rows that the functions are bound from, so that the two cannot differ.

use std::fmt::Write as _;
use std::path::Path;

use tidegate_lua_api::{ClassRows, Row, attributes, reference};
use tidegate_sample::{convert, fetch};

use crate::program::Exit;
use crate::report::Report;

/// Writes the stubs into a directory.
pub(crate) fn run(directory: &Path, report: Report) -> Exit {
    let path = directory.join("tidegate.lua");
    let written = std::fs::create_dir_all(directory).and_then(|()| std::fs::write(&path, text()));
    match written {
        Ok(()) => {
            report.answer(&format!("wrote {}", path.display()));
            Exit::Success
        }
        Err(why) => {
            report.error(&format!("cannot write `{}`: {why}", path.display()));
            Exit::Failure
        }
    }
}

/// Those that scripts find by their names; objects of the others are made for them.
const GLOBALS: [&str; 6] = ["core", "act", "filter", "CertCache", "Regex", "Map"];

/// Those of them whose functions are called without an object.
const TABLES: [&str; 3] = ["core", "filter", "CertCache"];

/// The stubs.
pub(crate) fn text() -> String {
    let mut out = String::from(
        "---@meta\n-- The classes of Tidegate's scripts, for editors: `tidegate lua stubs` writes this file.\n",
    );
    let rows = reference();
    let mut classes: Vec<&str> = rows.iter().map(|rows| rows.class).collect();
    classes.extend(attributes().iter().map(|attribute| attribute.class));
    classes.sort_unstable();
    classes.dedup();
    for class in classes {
        begin(&mut out, class);
        for ClassRows { rows, .. } in rows.iter().filter(|rows| rows.class == class) {
            for row in *rows {
                function(&mut out, class, row);
            }
        }
    }
    for (class, samples) in [
        (
            "Fetches",
            fetch::all().map(|row| (row.name, row.doc)).collect::<Vec<_>>(),
        ),
        (
            "Converters",
            convert::all().map(|row| (row.name, row.doc)).collect(),
        ),
    ] {
        begin(&mut out, class);
        for (name, doc) in samples {
            let name = name.replace(['.', '-', '+'], "_");
            // A method may have a name that Lua keeps for itself; such ones are called in brackets.
            if is_name(&name) {
                let _ = writeln!(
                    out,
                    "\n---{}\nfunction {class}:{name}(...) end",
                    doc.replace('\n', " ")
                );
            }
        }
    }
    out
}

fn begin(out: &mut String, class: &str) {
    let _ = writeln!(out, "\n---@class {class}");
    for attribute in attributes().iter().filter(|attribute| attribute.class == class) {
        let _ = writeln!(
            out,
            "---@field {} {} {}",
            attribute.name, attribute.kind, attribute.doc
        );
    }
    let local = if GLOBALS.contains(&class) { "" } else { "local " };
    let _ = writeln!(out, "{local}{class} = {{}}");
}

fn function(out: &mut String, class: &str, row: &Row) {
    let _ = writeln!(out, "\n---{}", row.doc);
    let mut params = params(row.signature);
    let own = TABLES.contains(&class) || row.name() == "new";
    let is_method = !own && (class == "act" || !params.is_empty());
    if is_method && class != "act" {
        params.remove(0);
    }
    for (name, optional) in &params {
        if name != "..." {
            let mark = if *optional { "?" } else { "" };
            let _ = writeln!(out, "---@param {name}{mark} any");
        }
    }
    let names: Vec<&str> = params.iter().map(|(name, _)| name.as_str()).collect();
    let dot = if is_method { ':' } else { '.' };
    let _ = writeln!(
        out,
        "function {class}{dot}{}({}) end",
        row.name(),
        names.join(", ")
    );
}

/// The parameters of a signature, and whether each may be left out.
fn params(signature: &str) -> Vec<(String, bool)> {
    let (_, list) = signature.split_once('(').unwrap_or_default();
    let mut depth = 0_usize;
    let mut params = Vec::new();
    let mut name = String::new();
    for c in list.chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '…' => name.push(c),
            _ => {
                if !name.is_empty() {
                    let name = std::mem::take(&mut name);
                    params.push((if is_name(&name) { name } else { format!("{name}_") }, depth > 0));
                }
                match c {
                    '[' => depth += 1,
                    ']' => depth = depth.saturating_sub(1),
                    _ => {}
                }
            }
        }
    }
    // `arg1[, …[, arg4]]`: as many as one likes.
    if let Some(at) = params.iter().position(|(name, _)| name.starts_with('…')) {
        params.truncate(at);
        params.push(("...".into(), true));
    }
    params
}

/// Whether Lua takes it for a name.
fn is_name(name: &str) -> bool {
    const KEPT: [&str; 22] = [
        "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in",
        "local", "nil", "not", "or", "repeat", "return", "then", "true", "until", "while",
    ];
    !KEPT.contains(&name) && !name.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lua_takes_the_stubs() {
        let text = text();
        let lua = mlua::Lua::new();
        lua.load(text.as_str()).exec().unwrap();
        let known: bool = lua
            .load(
                "for name, global in pairs({ core = 'register_cli', Map = 'new', Regex = 'new', act = 'wake_time',
                        filter = 'register_data_filter', CertCache = 'set' }) do
                    if type(_G[name][global]) ~= 'function' then return false end
                end
                return true",
            )
            .eval()
            .unwrap();
        assert!(known);
        for wanted in [
            "---@param nb_args? any\nfunction core.register_action(name, actions, func, nb_args) end",
            "function TXN:get_var(var) end",
            "function Socket:send(data, start, end_) end",
            "function core.register_task(func, arg1, arg2, ...) end",
            "---@param flt? any\n---@param chn any\nfunction filter.register_data_filter(flt, chn) end",
            "function filter.wake_time(milliseconds) end",
            "function CertCache.set(certificate) end",
            "function act:wake_time(milliseconds) end",
            "---@field status integer",
            "function Fetches:src(...) end",
            "function Converters:lower(...) end",
        ] {
            assert!(text.contains(wanted), "{wanted}");
        }
    }
}
