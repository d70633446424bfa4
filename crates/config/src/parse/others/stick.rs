//! The declaration of a stick table.

use super::forms::{one_of_calls, text};
use crate::parse::args::{Args, Parsed};
use crate::parse::server::check_name;
use crate::text::Word;
use crate::units::TimeUnit;
use crate::{Diagnostic, code};

/// What a table may keep for each key.
const DATA: [&str; 26] = [
    "bytes_in_cnt",
    "bytes_in_rate",
    "bytes_out_cnt",
    "bytes_out_rate",
    "conn_cnt",
    "conn_cur",
    "conn_rate",
    "glitch_cnt",
    "glitch_rate",
    "gpc",
    "gpc_rate",
    "gpc0",
    "gpc0_rate",
    "gpc1",
    "gpc1_rate",
    "gpt",
    "gpt0",
    "http_err_cnt",
    "http_err_rate",
    "http_fail_cnt",
    "http_fail_rate",
    "http_req_cnt",
    "http_req_rate",
    "server_id",
    "sess_cnt",
    "sess_rate",
];

/// Reads `type <type> size <size>` and what may follow.
pub(super) fn table(args: &mut Args<'_>) -> Parsed<()> {
    let (mut has_type, mut has_size) = (false, false);
    while args.peek().is_some() {
        let names = [
            "type",
            "size",
            "expire",
            "nopurge",
            "recv-only",
            "srvkey",
            "brates-factor",
            "store",
            "write-to",
        ]
        .map(|name| (name, name));
        match args.one_of("a parameter of a table", &names)? {
            "type" => {
                has_type = true;
                key_type(args)?;
            }
            "size" => {
                has_size = true;
                args.size()?;
            }
            "expire" => drop(args.time(TimeUnit::Milliseconds)?),
            "srvkey" => args.one_of("`addr` or `name`", &[("addr", ()), ("name", ())])?,
            "brates-factor" => drop(args.integer::<u64>(1, u64::from(u32::MAX))?),
            "store" => store(args)?,
            "write-to" => check_table_name(args)?,
            _ => {}
        }
    }
    for (has, what) in [(has_type, "`type <type>`"), (has_size, "`size <size>`")] {
        if !has {
            return Err(args.missing(what));
        }
    }
    Ok(())
}

fn key_type(args: &mut Args<'_>) -> Parsed<()> {
    let types = [
        ("ip", false),
        ("ipv4", false),
        ("ipv6", false),
        ("integer", false),
        ("string", true),
        ("binary", true),
    ];
    let has_length = args.one_of("a type of key", &types)?;
    if has_length && args.take("len") {
        args.integer::<u64>(1, 0x7fff_ffff)?;
    }
    Ok(())
}

fn store(args: &mut Args<'_>) -> Parsed<()> {
    let word = text(args, "what is stored, such as `http_req_rate(10s)`")?;
    for part in stored(word) {
        let name = one_of_calls(&part, "something that a table stores", &DATA)?;
        let arguments = part.tail(name.len());
        // those that count over a time, or keep several values, have it in parentheses
        let needs = name.ends_with("_rate") || matches!(name, "gpc" | "gpt");
        if needs != (arguments.bytes().first() == Some(&b'(')) {
            let example = match name {
                "gpc_rate" => "(2,10s)",
                "gpc" | "gpt" => "(2)",
                _ => "(10s)",
            };
            let diagnostic = if needs {
                let message = format!("`{name}` needs arguments in parentheses");
                Diagnostic::error(code::MISSING_ARGUMENT, part.span().after(), message)
                    .help(format!("such as `{name}{example}`"))
            } else {
                let message = format!("`{name}` takes no arguments");
                Diagnostic::error(code::EXTRA_ARGUMENT, arguments.span(), message)
            };
            return Err(Box::new(diagnostic));
        }
    }
    Ok(())
}

/// The parts of a list whose commas aren't between parentheses.
fn stored(word: &Word) -> Vec<Word> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, byte) in word.bytes().iter().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push(word.part(start, at));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(word.tail(start));
    parts
}

/// A table of a `peers` section is named with that section before it.
fn check_table_name(args: &mut Args<'_>) -> Parsed<()> {
    let word = text(args, "the name of a table")?;
    match word.bytes().iter().position(|byte| *byte == b'/') {
        Some(at) => {
            check_name(&word.part(0, at))?;
            check_name(&word.tail(at + 1))
        }
        None => check_name(word),
    }
}
