//! The reference pages hold what the program's own tables say.
//!
//! Keywords, fetches, converters, ACL keywords and log aliases are rows of tables, each with its documentation. The pages
//! under docs/ are made of them; `cargo xtask docs` writes them anew, and these tests fail while they are not up to date.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use tidegate::reference::{CommandStatus, runtime_commands};
use tidegate_config::example::of_keyword;
use tidegate_config::{CODES, KeywordDoc, Sections, Status, keyword_docs};
use tidegate_lua_api::{Coverage, Entry, EntryKind, coverage};
use tidegate_sample::{acl_keywords, convert, example, fetch, logformat, manual, unserved_acl_keywords};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// Set by `cargo xtask docs`.
const WRITE: &str = "TIDEGATE_WRITE_DOCS";

/// In a page that people write too: what follows is generated.
const MARK: &str = "<!-- Below this line: from the program's tables, by `cargo xtask docs`. -->\n";

#[test]
fn the_configuration_page_is_up_to_date() -> Result<()> {
    hold("configuration.md", |_| Ok(configuration()?))
}

#[test]
fn the_compatibility_page_is_up_to_date() -> Result<()> {
    hold("COMPATIBILITY.md", |page| {
        let (written, _) = page
            .split_once(MARK)
            .ok_or("docs/COMPATIBILITY.md has lost its mark")?;
        Ok(format!("{written}{MARK}\n{}", unserved()?))
    })
}

#[test]
fn the_diagnostics_page_is_up_to_date() -> Result<()> {
    hold("diagnostics.md", |_| Ok(diagnostics()?))
}

#[test]
fn the_runtime_page_is_up_to_date() -> Result<()> {
    hold("runtime.md", |page| {
        let (written, _) = page.split_once(MARK).ok_or("docs/runtime.md has lost its mark")?;
        Ok(format!("{written}{MARK}{}", commands()?))
    })
}

#[test]
fn the_lua_reference_is_up_to_date() -> Result<()> {
    hold("lua-reference.md", |_| Ok(lua_reference()?))
}

/// The classes that scripts see.
fn lua_reference() -> Result<String, std::fmt::Error> {
    let mut page = String::from(
        "# Lua reference\n\nThe classes that scripts see, from the declarations that bind their functions (`cargo xtask docs` writes this \
         page).\nHAProxy's documentation of its Lua API tells each in full. `tidegate lua stubs DIR` writes the same for editors.\n\
         The methods of `Fetches` and `Converters` are the fetches and converters of [configuration.md](configuration.md), with `_` for `.`, `-` and `+`.\n",
    );
    let rows = tidegate_lua_api::reference();
    let attributes = tidegate_lua_api::attributes();
    let mut classes: Vec<&str> = rows.iter().map(|rows| rows.class).collect();
    classes.extend(attributes.iter().map(|attribute| attribute.class));
    classes.sort_unstable();
    classes.dedup();
    for class in classes {
        write!(page, "\n## {class}\n\n| entry | what it is |\n|---|---|\n")?;
        for attribute in attributes.iter().filter(|attribute| attribute.class == class) {
            writeln!(
                page,
                "| `{}`: {} | {} |",
                attribute.name,
                cell(attribute.kind),
                cell(attribute.doc)
            )?;
        }
        for row in rows
            .iter()
            .filter(|rows| rows.class == class)
            .flat_map(|rows| rows.rows)
        {
            writeln!(page, "| {} | {} |", code(row.signature), cell(row.doc))?;
        }
    }
    Ok(page)
}

/// The commands of the runtime API, and those of HAProxy's that are refused.
fn commands() -> Result<String, std::fmt::Error> {
    let mut page = String::from("\n## Commands\n\n| command | least level | what it does |\n|---|---|---|\n");
    let mut later = Vec::new();
    let mut left_out: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for command in runtime_commands() {
        let name = format!("`{}`", command.words);
        match command.status {
            CommandStatus::Served => writeln!(
                page,
                "| {} | {} | {} |",
                code(format!("{} {}", command.words, command.arguments).trim_end()),
                command.level.name(),
                cell(command.doc)
            )?,
            CommandStatus::NotYet => later.push(name),
            CommandStatus::LeftOut(reason) => left_out.entry(reason).or_default().push(name),
        }
    }
    write!(
        page,
        "\n## Refused\n\nThese are HAProxy's commands that a later version may serve: {}.\n\n\
         These are left out on purpose:\n\n| commands | why |\n|---|---|\n",
        later.join(", ")
    )?;
    for (reason, names) in left_out {
        writeln!(page, "| {} | {} |", names.join(", "), cell(reason))?;
    }
    Ok(page)
}

/// Compares a page with what it should be, or writes it.
fn hold(name: &str, make: impl Fn(&str) -> Result<String>) -> Result<()> {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(name);
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    let wanted = make(&page)?;
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(path, wanted)?;
    } else {
        let line = page.lines().zip(wanted.lines()).position(|(old, new)| old != new);
        assert!(
            page == wanted,
            "docs/{name} is out of date, at line {line:?}: run `cargo xtask docs`"
        );
    }
    Ok(())
}

fn configuration() -> Result<String, std::fmt::Error> {
    let mut page = String::from(
        "# Configuration\n\n\
         What this version serves of HAProxy's configuration language, from the program's own tables (`cargo xtask docs` writes this \
         page).\nHAProxy's manual tells each in full; what it has and this page has not is in [COMPATIBILITY.md](COMPATIBILITY.md).\n\n\
         Each example stands as it is in a section that the last column names; in `defaults`, parameters of servers follow `default-server`.\nA time without a unit is in milliseconds, and may have one of \
         `us`, `ms`, `s`, `m`, `h` and `d`;\na size without one is in bytes, and may have one of `k`, `m` and `g`. A value that is out of its range or of \
         another form is an error (`TG0107`, `TG0108`,\n`TG0109`), and so is a word that is missing (`TG0105`) or too much (`TG0106`): \
         [diagnostics.md](diagnostics.md) has all codes, and `tidegate explain CODE` tells of each.\n\n",
    );
    let groups = keywords(|status| status == Status::Served(()));
    let titles: Vec<String> = groups.keys().map(|after| heading(after)).collect();
    let rest = ["Fetches", "Converters", "ACL keywords", "Aliases of log-format"].map(String::from);
    let links = titles
        .iter()
        .chain(&rest)
        .map(|title| format!("[{title}](#{})", anchor(title)));
    writeln!(page, "{}", links.collect::<Vec<_>>().join(" · "))?;
    for (after, rows) in groups {
        write!(
            page,
            "\n## {}\n\nManual: section {}.\n\n| keyword | arguments | what it does | values | example | in |\n|---|---|---|---|---|---|\n",
            heading(after),
            section(after)
        )?;
        for row in rows {
            let (arguments, sections) = (code(row.arguments), sections(&row));
            let shown = of_keyword(&row);
            writeln!(
                page,
                "| `{}` | {arguments} | {} | {} | {} | {sections} |",
                row.name,
                cell(row.doc),
                shown.as_ref().map(|shown| cell(shown.note)).unwrap_or_default(),
                shown.as_ref().map(|shown| code(&shown.line)).unwrap_or_default()
            )?;
        }
    }

    page.push_str(
        "\n## Fetches\n\nThe last column is the section of HAProxy's manual. A time is in milliseconds where nothing else is said, a size in \
         bytes.\nAn argument of the wrong kind is an error when the configuration is read; a fetch without data gives no sample.\n\n\
         | fetch | arguments | gives | what it gives | example | manual |\n|---|---|---|---|---|---|\n",
    );
    for row in fetch::all() {
        let arguments = code(&row.args.signature());
        writeln!(
            page,
            "| `{}` | {arguments} | {} | {} | {} | {} |",
            row.name,
            row.output,
            cell(row.doc),
            code(&example::of_fetch(row)),
            manual::of_fetch(row.name)
        )?;
    }

    write!(
        page,
        "\n## Converters\n\nManual: section {}. What can't be cast to what a converter takes ends the expression without a sample.\n\n\
         | converter | arguments | takes | gives | what it does | example | gives there |\n|---|---|---|---|---|---|---|\n",
        manual::CONVERTERS
    )?;
    for row in convert::all() {
        let shown = example::of_converter(row);
        let arguments = code(&row.args.signature());
        writeln!(
            page,
            "| `{}` | {arguments} | {} | {} | {} | {} | {} |",
            row.name,
            row.input,
            row.output,
            cell(row.doc),
            code(&shown.expression),
            shown.gives.map(code).unwrap_or_default()
        )?;
    }

    write!(
        page,
        "\n## ACL keywords\n\nManual: section {}. Each stands for a fetch with a match method; any other fetch may be used too, as in\n\
         `acl api path_beg /api/` or `http-request deny if {{ src -f blocked.lst }}`.\n\n",
        manual::ACLS
    )?;
    let names: Vec<String> = acl_keywords().map(|(name, _, _)| format!("`{name}`")).collect();
    writeln!(page, "{}", names.join(", "))?;

    write!(
        page,
        "\n## Aliases of log-format\n\nManual: section {}. An example is `log-format \"%ci:%cp %ft %b/%s %ST %{{+Q}}r\"`.\n",
        manual::LOG_FORMAT
    )?;
    page.push_str("\n| alias | what it gives | needs HTTP |\n|---|---|---|\n");
    for alias in logformat::aliases() {
        writeln!(
            page,
            "| `%{}` | {} | {} |",
            alias.name,
            cell(alias.doc),
            if alias.http { "yes" } else { "" }
        )?;
    }
    Ok(page)
}

/// What `tidegate explain` tells of each code.
fn diagnostics() -> Result<String, std::fmt::Error> {
    let mut page = String::from(
        "# Diagnostics\n\n\
         Each fault in a configuration has a code, which never changes its meaning. `tidegate explain CODE` shows what this page has\n\
         of it (`cargo xtask docs` writes the page). The sections are those of HAProxy's manual.\n",
    );
    for code in CODES {
        let about = code.page();
        write!(
            page,
            "\n## {code}: {}\n\n{}\n\nWrong:\n\n```\n{}```\n\nRight:\n\n```\n{}```\n\nManual: section {}\n",
            code.meaning(),
            about.about,
            about.wrong,
            about.right,
            about.manual
        )?;
    }
    Ok(page)
}

/// Names that are left out, by the reason.
fn left_out(
    page: &mut String,
    what: &str,
    names: impl Iterator<Item = (&'static str, &'static str)>,
) -> std::fmt::Result {
    let mut by_reason: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, why) in names {
        by_reason.entry(why).or_default().push(format!("`{name}`"));
    }
    write!(page, "\n| {what} | left out, because |\n|---|---|\n")?;
    for (reason, names) in by_reason {
        writeln!(page, "| {} | {} |", names.join(", "), cell(reason))?;
    }
    Ok(())
}

/// How much of what expressions are made of is served, and what is not.
fn samples() -> Result<String, std::fmt::Error> {
    let rows = [
        ("fetches", fetch::all().count(), fetch::unserved().count()),
        ("converters", convert::all().count(), convert::unserved().count()),
        (
            "ACL keywords",
            acl_keywords().count(),
            unserved_acl_keywords().count(),
        ),
    ];
    let mut page = String::from(
        "## Expressions, in numbers\n\nOf what HAProxy 3.5 has:\n\n| | all | served | left out |\n|---|---|---|---|\n",
    );
    for (what, served, left_out) in rows {
        let all = served + left_out;
        writeln!(page, "| {what} | {all} | {served} | {left_out} |")?;
    }
    left_out(&mut page, "fetches", fetch::unserved())?;
    left_out(&mut page, "converters", convert::unserved())?;
    let keywords: Vec<String> = unserved_acl_keywords()
        .map(|(name, ..)| format!("`{name}`"))
        .collect();
    if !keywords.is_empty() {
        writeln!(
            page,
            "\n**ACL keywords** that are left out: {}",
            keywords.join(", ")
        )?;
    }
    Ok(page)
}

/// How much of HAProxy's Lua API is served, entry by entry.
fn lua_coverage() -> Result<String, std::fmt::Error> {
    let entries = coverage();
    let count = |wanted: fn(&Entry) -> bool| entries.iter().filter(|entry| wanted(entry)).count();
    let mut page = format!(
        "\n## The Lua API, in numbers\n\nOf the entries that HAProxy 3.5 documents (classes, functions, attributes):\n\n\
         | all | served | not yet | left out |\n|---|---|---|---|\n| {} | {} | {} | {} |\n\n\
         A test looks at each that is served on real objects while the program runs. What was added is in \
         [lua-reference.md](lua-reference.md).\n\n\
         | class | served | not yet | left out, because |\n|---|---|---|---|\n",
        entries.len(),
        count(|entry| entry.coverage == Coverage::Served),
        count(|entry| entry.coverage == Coverage::Missing),
        count(|entry| matches!(entry.coverage, Coverage::LeftOut(_))),
    );
    for class in entries.iter().filter(|entry| entry.kind == EntryKind::Class) {
        let mut of_class: Vec<&Entry> = entries
            .iter()
            .filter(|entry| entry.class == class.class)
            .collect();
        let all = of_class.len();
        let mut names = |wanted: fn(Coverage) -> bool| {
            let taken = of_class.extract_if(.., |entry| wanted(entry.coverage));
            let names: Vec<String> = taken
                .filter(|entry| entry.kind != EntryKind::Class)
                .map(|entry| format!("`{}`", entry.signature))
                .collect();
            names.join(", ")
        };
        let served = names(|coverage| coverage == Coverage::Served);
        let missing = names(|coverage| coverage == Coverage::Missing);
        let left_out = match class.coverage {
            Coverage::LeftOut(reason) => format!("all {all}: {reason}"),
            _ => String::new(),
        };
        writeln!(page, "| `{}` | {served} | {missing} | {left_out} |", class.class)?;
    }
    Ok(page)
}

/// The keywords that are HAProxy's and do nothing, or are refused.
fn unserved() -> Result<String, std::fmt::Error> {
    let mut page = samples()?;
    page.push_str(&lua_coverage()?);
    let pending = keywords(|status| status == Status::NotYet);
    if !pending.is_empty() {
        page.push_str(
            "\n## Refused, for now\n\nThese are HAProxy's keywords that a later version may serve.\n",
        );
    }
    for (after, rows) in pending {
        let names: Vec<String> = rows.iter().map(|row| format!("`{}`", row.name)).collect();
        write!(page, "\n**{}**: {}\n", heading(after), names.join(", "))?;
    }
    page.push_str("\n## Left out on purpose\n\nThese are refused, for the reason beside them.\n");
    reasons(&mut page, |status| match status {
        Status::LeftOut(reason) => Some(reason),
        _ => None,
    })?;
    page.push_str(
        "\n## Without effect\n\nThese are accepted with a notice: there is nothing for them to do here.\n",
    );
    reasons(&mut page, |status| match status {
        Status::NoEffect(reason) => Some(reason),
        _ => None,
    })?;
    Ok(page)
}

/// A table of keywords that share a place and a reason.
fn reasons(page: &mut String, reason: impl Fn(Status<()>) -> Option<&'static str>) -> std::fmt::Result {
    page.push_str("\n| where | keywords | why |\n|---|---|---|\n");
    for (after, rows) in keywords(|status| reason(status).is_some()) {
        let mut by_reason: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for row in rows {
            by_reason
                .entry(reason(row.status).unwrap_or_default())
                .or_default()
                .push(format!("`{}`", row.name));
        }
        for (why, names) in by_reason {
            writeln!(
                page,
                "| {} | {} | {} |",
                heading(after),
                names.join(", "),
                cell(why)
            )?;
        }
    }
    Ok(())
}

/// The keywords of some status by what they follow, each group in alphabetical order.
fn keywords(wanted: impl Fn(Status<()>) -> bool) -> BTreeMap<&'static str, Vec<KeywordDoc>> {
    let mut groups: BTreeMap<&str, Vec<KeywordDoc>> = BTreeMap::new();
    for row in keyword_docs().into_iter().filter(|row| wanted(row.status)) {
        groups.entry(row.after).or_default().push(row);
    }
    for rows in groups.values_mut() {
        rows.sort_by_key(|row| row.name);
        rows.dedup();
    }
    groups
}

fn heading(after: &str) -> String {
    match after {
        "" => "Lines".to_owned(),
        "section" => "Sections".to_owned(),
        section if is_section(section) => format!("In `{section}`"),
        word => format!("After `{word}`"),
    }
}

/// Where a keyword may be.
fn sections(row: &KeywordDoc) -> String {
    match row.after {
        "section" => "anywhere".to_owned(),
        section if row.sections == Sections::NONE => section.to_owned(),
        _ => row.sections.names().join(", "),
    }
}

/// What a heading is linked by.
fn anchor(title: &str) -> String {
    let kept = title
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// Where HAProxy's manual has what may follow a word.
fn section(after: &str) -> &'static str {
    match after {
        "" => "3 for `global`, 4.2 for proxies",
        "section" => "3 for `global`, 4 for proxies, 12 for the others",
        "bind" => "5.1",
        "server" => "5.2",
        "healthcheck" => "12.9",
        "http-errors" => "12.4",
        "log-profile" => "8.3.5",
        "resolvers" => "5.3.2",
        "ring" => "12.5",
        "userlist" => "12.2",
        "cache" => "6.2.1",
        "filter" => "9",
        rules if rules.starts_with("http-") || rules.starts_with("tcp-") => {
            "4.3 for what actions do, 4.4 for each"
        }
        _ => "4.2",
    }
}

/// Whether rows that follow a word are lines of a section of its name.
fn is_section(after: &str) -> bool {
    let of = |row: &KeywordDoc| row.after == "section" && row.name == after;
    keyword_docs().iter().any(of)
}

fn code(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("`{}`", cell(text))
    }
}

/// A text that may stand in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
