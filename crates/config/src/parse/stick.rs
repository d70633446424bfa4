//! Stick tables: their declaration, and the lines on persistence that use them.

mod lines;

use std::sync::Arc;

use tidegate_sample::stick::{ARRAY_MAX, Column, DataType, Form, KeyType, ServerKey, Table, TableSpec};
use tidegate_sample::{Proxies, Scope};

use super::args::{Args, Parsed, pick};
use super::names::ProxyNames;
use super::server::check_name;
use crate::diag::{Diagnostic, Diagnostics, code};
use crate::model::Peers;
use crate::source::{Span, Spanned};
use crate::text::Word;
use crate::units::{TimeUnit, parse_integer, parse_time};

pub(crate) use lines::stick;

/// Keys of text and bytes are this long when nothing is said.
const KEY_LENGTH: u32 = 32;

/// A table as it was declared.
pub(crate) struct Declared {
    pub(crate) spec: TableSpec,
    /// `write-to`.
    write_to: Option<Spanned<String>>,
    /// `peers`.
    pub(crate) peers: Option<Spanned<String>>,
}

/// Reads the `stick-table` lines of a proxy, and adds its table to the names.
pub(crate) fn declare(
    proxy: &str,
    statements: &[Vec<Word>],
    names: &mut ProxyNames,
    diagnostics: &mut Diagnostics,
) {
    for words in statements {
        let Some(keyword) = words.first().filter(|word| word.is("stick-table")) else {
            continue;
        };
        let mut args = Args::of_statement(keyword, words);
        match table(&mut args, proxy, diagnostics).and_then(|table| args.end().map(|()| table)) {
            Ok(table) => match names.tables.find(proxy).and(names.table_spans.get(proxy)) {
                Some(first) => {
                    let message = format!("there is another stick table of the name `{proxy}`");
                    diagnostics.push(
                        Diagnostic::error(code::DUPLICATE_NAME, keyword.span(), message)
                            .related(*first, "the first one"),
                    );
                }
                None => {
                    names.shared_with.extend(table.peers);
                    if let Some(to) = table.write_to {
                        names.write_to.push((proxy.to_owned(), to));
                    }
                    names.tables.add(table.spec);
                    names.table_spans.insert(proxy.to_owned(), keyword.span());
                }
            },
            Err(diagnostic) => {
                diagnostics.push(*diagnostic);
                // It is meant to exist: what names it isn't to blame.
                let spec = TableSpec::new(proxy, KeyType::Str { length: KEY_LENGTH }, 1);
                names
                    .table_spans
                    .entry(proxy.to_owned())
                    .or_insert(keyword.span());
                if names.tables.find(proxy).is_none() {
                    names.tables.add(spec);
                }
            }
        }
    }
}

/// Adds the tables of `peers` sections to the names.
pub(crate) fn declare_of_peers(peers: &[Peers], names: &mut ProxyNames) {
    for table in peers.iter().flat_map(|section| &section.tables) {
        let name = table.name.clone();
        if let Some(to) = &table.write_to {
            names
                .write_to
                .push((name.clone(), Spanned::new(to.clone(), table.span)));
        }
        names.tables.add(table.value.clone());
        names.table_spans.insert(name, table.span);
    }
}

/// Checks what tables say of each other and of peers, when all are known.
pub(crate) fn check_targets(names: &ProxyNames, peers: &[Peers], diagnostics: &mut Diagnostics) {
    for section in &names.shared_with {
        if !peers.iter().any(|known| known.name.value == section.value) {
            let message = format!("there is no section `peers {}`", section.value);
            let known = peers.iter().map(|known| known.name.value.as_str());
            diagnostics.push(
                Diagnostic::error(code::BAD_ARGUMENT, section.span, message).suggest(&section.value, known),
            );
        }
    }
    for (from, to) in &names.write_to {
        let error = |message: String| Diagnostic::error(code::BAD_ARGUMENT, to.span, message);
        let (Some(source), target) = (names.tables.find(from), names.tables.find(to)) else {
            continue;
        };
        let fault = match target {
            None => error(format!("there is no stick table `{}`", to.value))
                .suggest(to, names.tables.all().map(|table| table.name())),
            Some(target) if Arc::ptr_eq(source, target) => {
                error(format!("`{from}` can't be written to itself"))
            }
            Some(target) if source.spec().key != target.spec().key => error(format!(
                "`{}` has keys of another type or length than `{from}`",
                to.value
            )),
            Some(_) if source.spec().peers.is_none() => {
                Diagnostic::notice(code::NO_EFFECT, to.span, "`write-to` has no effect")
                    .note("what peers send would be written, and the table is not shared with any")
            }
            Some(_) => continue,
        };
        diagnostics.push(fault);
    }
}

/// The table that a word names.
pub(crate) fn named(scope: &Scope<'_>, word: &Word) -> Parsed<Arc<Table>> {
    let name = word.text()?;
    let Some((proxies, tables)) = known(scope) else {
        return Ok(any());
    };
    if let Some(table) = tables.find(name) {
        return Ok(table.clone());
    }
    let is_proxy = [tidegate_sample::Side::Frontend, tidegate_sample::Side::Backend]
        .into_iter()
        .any(|side| proxies.names(side).contains(&name));
    let message = if is_proxy {
        format!("`{name}` has no `stick-table` line")
    } else {
        format!("there is no stick table `{name}`")
    };
    let names = tables.all().map(|table| table.name());
    Err(Box::new(
        Diagnostic::error(code::BAD_ARGUMENT, word.span(), message).suggest(name, names),
    ))
}

/// The table of the section itself.
pub(crate) fn own(scope: &Scope<'_>, after: Span) -> Parsed<Arc<Table>> {
    if scope.shared {
        let message = "the rules of a `defaults` section belong to no proxy that could have a stick table";
        return Err(Box::new(
            Diagnostic::error(code::MISSING_ARGUMENT, after.after(), message)
                .label("expected `table <table>` here"),
        ));
    }
    let here = known(scope).and_then(|(proxies, tables)| Some((proxies.current()?, tables)));
    let Some((current, tables)) = here else {
        return Ok(any());
    };
    tables.find(current).cloned().ok_or_else(|| {
        let message = format!("`{current}` has no stick table of its own");
        Box::new(
            Diagnostic::error(code::MISSING_ARGUMENT, after.after(), message)
                .label("expected `table <table>` here")
                .help("or add a `stick-table` line to the section"),
        )
    })
}

/// Checks that keys can be made of what an expression gives.
pub(crate) fn fits(key: &tidegate_sample::Expr, table: &Table, word: &Word) -> Parsed<()> {
    let wanted = table.spec().key;
    if tidegate_sample::castable(key.output(), wanted.sample()) {
        return Ok(());
    }
    let message = format!(
        "table `{}` has keys of type {}, and `{}` gives {}",
        table.name(),
        wanted.name(),
        key.text(),
        key.output()
    );
    Err(Box::new(Diagnostic::error(
        code::BAD_ARGUMENT,
        word.span(),
        message,
    )))
}

fn known<'s>(scope: &Scope<'s>) -> Option<(&'s dyn Proxies, &'s tidegate_sample::stick::Tables)> {
    let proxies = scope.proxies?;
    Some((proxies, proxies.tables()?))
}

/// Where no table is known, as in a `defaults` section, any will do: whoever uses the section is checked.
fn any() -> Arc<Table> {
    Arc::new(Table::new(TableSpec::new("", KeyType::Str { length: 1 }, 1)))
}

/// Reads `type <type> size <size>` and what may follow.
pub(crate) fn table(args: &mut Args<'_>, name: &str, diagnostics: &mut Diagnostics) -> Parsed<Declared> {
    let (mut key, mut size) = (None, None);
    let mut spec = TableSpec::new(name, KeyType::Integer, 0);
    let (mut write_to, mut peers) = (None, None);
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
            "peers",
        ]
        .map(|name| (name, name));
        match args.one_of("a parameter of a table", &names)? {
            "type" => key = Some(key_type(args)?),
            "size" => {
                let most = args.size()?;
                if most == 0 {
                    let message = "a table has room for one entry at least";
                    return Err(Box::new(Diagnostic::error(
                        code::BAD_NUMBER,
                        args.last(),
                        message,
                    )));
                }
                size = Some(usize::try_from(most).unwrap_or(usize::MAX));
            }
            "expire" => {
                let time = args.time(TimeUnit::Milliseconds)?.as_millis();
                // None is the time of what never ends.
                spec.expire_ms = u64::try_from(time).ok().filter(|time| *time > 0);
            }
            "nopurge" => spec.no_purge = true,
            "srvkey" => {
                let names = [("addr", ServerKey::Address), ("name", ServerKey::Name)];
                spec.server_key = args.one_of("`addr` or `name`", &names)?;
            }
            "brates-factor" => spec.bytes_factor = args.integer(1, 1024)?,
            "store" => store(args, &mut spec.columns, diagnostics)?,
            "write-to" => {
                let word = args.expect("the name of a table")?;
                check_table_name(word)?;
                spec.write_to = Some(word.text()?.to_owned());
                write_to = Some(Spanned::new(word.text()?.to_owned(), word.span()));
            }
            "peers" => {
                let section = args.spanned("the name of a `peers` section")?;
                spec.peers = Some(section.value.clone());
                peers = Some(section);
            }
            _ => spec.recv_only = true,
        }
    }
    spec.key = key.ok_or_else(|| args.missing("`type <type>`"))?;
    spec.size = size.ok_or_else(|| args.missing("`size <size>`"))?;
    Ok(Declared {
        spec,
        write_to,
        peers,
    })
}

fn key_type(args: &mut Args<'_>) -> Parsed<KeyType> {
    let types = [
        ("ip", KeyType::Ipv4),
        ("ipv4", KeyType::Ipv4),
        ("ipv6", KeyType::Ipv6),
        ("integer", KeyType::Integer),
        ("string", KeyType::Str { length: KEY_LENGTH }),
        ("binary", KeyType::Binary { length: KEY_LENGTH }),
    ];
    let mut kind = args.one_of("a type of key", &types)?;
    if let KeyType::Str { length } | KeyType::Binary { length } = &mut kind
        && args.take("len")
    {
        *length = args.integer(1, 0x7fff_ffff)?;
    }
    Ok(kind)
}

fn store(args: &mut Args<'_>, columns: &mut Vec<Column>, diagnostics: &mut Diagnostics) -> Parsed<()> {
    let word = args.expect("what is stored, such as `http_req_rate(10s)`")?;
    word.text()?;
    for part in parts(word) {
        let column = column(&part)?;
        if columns.iter().any(|known| known.kind == column.kind) {
            let message = format!("`{}` is stored already", column.kind.name());
            diagnostics.push(Diagnostic::warning(code::NO_EFFECT, part.span(), message));
            continue;
        }
        if let Some(other) = columns.iter().find(|known| excludes(known.kind, column.kind)) {
            let (this, other) = (column.kind.name(), other.kind.name());
            let message = format!("`{this}` and `{other}` can't be in one table");
            return Err(Box::new(
                Diagnostic::error(code::BAD_ARGUMENT, part.span(), message)
                    .help("the first elements of the array have the other names too"),
            ));
        }
        columns.push(column);
    }
    Ok(())
}

/// Whether one of two kinds is an array and the other a name for an element of it.
fn excludes(one: DataType, other: DataType) -> bool {
    let family = |kind: DataType| match kind {
        DataType::Gpt | DataType::Gpt0 => 1,
        DataType::Gpc | DataType::Gpc0 | DataType::Gpc1 => 2,
        DataType::GpcRate | DataType::Gpc0Rate | DataType::Gpc1Rate => 3,
        _ => 0,
    };
    family(one) != 0 && family(one) == family(other) && one.is_array() != other.is_array()
}

/// `<type>`, `<type>(<period>)`, `<type>(<number>)` or `<type>(<number>,<period>)`.
fn column(part: &Word) -> Parsed<Column> {
    let text = part.text()?;
    let end = text.find('(').unwrap_or(text.len());
    let known: Vec<(&'static str, DataType)> =
        DataType::ALL.iter().map(|kind| (kind.name(), *kind)).collect();
    let kind = pick(&part.part(0, end), "something that a table stores", &known)?;
    let mut column = Column::single(kind);
    let is_rate = kind.form() == Form::Rate;
    let wanted = usize::from(kind.is_array()) + usize::from(is_rate);
    let inner = text
        .get(end..)
        .and_then(|text| text.strip_prefix('(')?.strip_suffix(')'));
    let Some(inner) = inner else {
        if wanted == 0 && end == text.len() {
            return Ok(column);
        }
        return Err(missing_arguments(part, kind));
    };
    if wanted == 0 {
        let message = format!("`{}` takes no arguments", kind.name());
        let span = part.tail(end).span();
        return Err(Box::new(Diagnostic::error(code::EXTRA_ARGUMENT, span, message)));
    }
    let given: Vec<&str> = inner.split(',').collect();
    if given.len() != wanted || given.contains(&"") {
        return Err(missing_arguments(part, kind));
    }
    if let Some(first) = given.first().filter(|_| kind.is_array()) {
        let word = part.part(end + 1, end + 1 + first.len());
        let length = parse_integer(word.bytes(), 1, ARRAY_MAX.into());
        let length = length.map_err(|fault| wrong_number(&word, fault.message))?;
        column.length = u32::try_from(length).unwrap_or(ARRAY_MAX);
    }
    if let Some(last) = given.last().filter(|_| is_rate) {
        let start = text.len() - 1 - last.len();
        let word = part.part(start, start + last.len());
        let period = parse_time(word.bytes(), TimeUnit::Milliseconds);
        let period = period.map_err(|fault| wrong_number(&word, fault.message))?;
        column.period_ms = u32::try_from(period.as_millis()).unwrap_or(u32::MAX);
        if column.period_ms == 0 {
            return Err(wrong_number(
                &word,
                "the period of a rate is one millisecond at least",
            ));
        }
    }
    Ok(column)
}

fn wrong_number(word: &Word, message: impl Into<String>) -> Box<Diagnostic> {
    Box::new(Diagnostic::error(code::BAD_NUMBER, word.span(), message))
}

fn missing_arguments(part: &Word, kind: DataType) -> Box<Diagnostic> {
    let name = kind.name();
    let example = match (kind.is_array(), kind.form() == Form::Rate) {
        (true, true) => "(2,10s)",
        (true, false) => "(2)",
        _ => "(10s)",
    };
    let message = format!("`{name}` needs arguments in parentheses");
    Box::new(
        Diagnostic::error(code::MISSING_ARGUMENT, part.span().after(), message)
            .help(format!("such as `{name}{example}`")),
    )
}

/// The parts of a list whose commas aren't between parentheses.
fn parts(word: &Word) -> Vec<Word> {
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
fn check_table_name(word: &Word) -> Parsed<()> {
    match word.bytes().iter().position(|byte| *byte == b'/') {
        Some(at) => {
            check_name(&word.part(0, at))?;
            check_name(&word.tail(at + 1))
        }
        None => check_name(word),
    }
}
