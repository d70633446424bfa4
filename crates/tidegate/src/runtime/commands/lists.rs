//! Commands about maps and lists of patterns.

use std::sync::Arc;

use tidegate_config::model::AccessLevel;
use tidegate_sample::MatchMethod;
use tidegate_sample::pattern::{Found, List, ListKind, Listed, Target};

use crate::runtime::command::{Answer, Call, Command, Refusal, Severity, served};
use crate::runtime::line::Word;

use AccessLevel::{Admin, User};
use ListKind::{Map, Patterns};

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    served("show map", "[[@<ver>] <map>]", User, "list the maps, or the entries of one", |call| show(call, Map)),
    served("show acl", "[[@<ver>] <acl>]", User, "list the lists of patterns, or the patterns of one", |call| show(call, Patterns)),
    served("get map", "<map> <key>", User, "what a value finds in a map", |call| get(call, Map)),
    served("get acl", "<acl> <value>", User, "what a value matches in a list of patterns", |call| get(call, Patterns)),
    served("add map", "[@<ver>] <map> {<key> <value> | <payload>}", Admin, "add an entry to a map", |call| add(call, Map)),
    served("add acl", "[@<ver>] <acl> {<pattern> | <payload>}", Admin, "add a pattern to a list", |call| add(call, Patterns)),
    served("set map", "<map> {<key> | #<ref>} <value>", Admin, "give an entry of a map another value", set),
    served("del map", "<map> {<key> | #<ref>}", Admin, "take an entry out of a map", |call| delete(call, Map)),
    served("del acl", "<acl> {<pattern> | #<ref>}", Admin, "take a pattern out of a list", |call| delete(call, Patterns)),
    served("clear map", "[@<ver>] <map>", Admin, "take all entries out of a map", |call| clear(call, Map)),
    served("clear acl", "[@<ver>] <acl>", Admin, "take all patterns out of a list", |call| clear(call, Patterns)),
    served("prepare map", "<map>", Admin, "begin a version of a map that a commit puts in its place", |call| prepare(call, Map)),
    served("prepare acl", "<acl>", Admin, "begin a version of a list that a commit puts in its place", |call| prepare(call, Patterns)),
    served("commit map", "@<ver> <map>", Admin, "put a version of a map in its place", |call| commit(call, Map)),
    served("commit acl", "@<ver> <acl>", Admin, "put a version of a list in its place", |call| commit(call, Patterns)),
];

/// The version that is meant, where one is, the list, and the arguments that follow.
struct Named<'c> {
    version: Option<u32>,
    list: Arc<List>,
    rest: &'c [Word],
}

fn what(kind: ListKind) -> &'static str {
    match kind {
        Map => "map",
        Patterns => "ACL",
    }
}

fn named<'c>(call: &Call<'c>, kind: ListKind) -> Result<Named<'c>, Refusal> {
    let version = call.args.first().and_then(|arg| arg.strip_prefix(b"@"));
    let (version, rest) = match version {
        Some(digits) => {
            let number = std::str::from_utf8(digits)
                .ok()
                .and_then(|text| text.parse().ok());
            let number = number.ok_or_else(|| Refusal::error("Version number out of range."))?;
            (Some(number), call.args.get(1..).unwrap_or_default())
        }
        None => (None, call.args),
    };
    let Some((name, rest)) = rest.split_first() else {
        return Err(Refusal::error(format!("Missing {} identifier.", what(kind))));
    };
    let name = String::from_utf8_lossy(name);
    let lists = &call.about.facts.lists;
    let list = match name.strip_prefix('#') {
        Some(number) => number
            .parse()
            .ok()
            .and_then(|number: usize| lists.all().into_iter().nth(number)),
        None => lists.find(&name),
    };
    match list.filter(|list| list.kind() == kind) {
        Some(list) => Ok(Named { version, list, rest }),
        None => Err(Refusal::error(format!(
            "Unknown {} identifier. Please use #<id> or <file>.",
            what(kind)
        ))),
    }
}

fn show(call: &mut Call<'_>, kind: ListKind) -> Result<Answer, Refusal> {
    if call.args.is_empty() {
        let mut text = String::from("# id (file) description\n");
        for (number, list) in call.about.facts.lists.all().iter().enumerate() {
            if list.kind() == kind {
                let (current, newest) = list.versions();
                text.push_str(&format!(
                    "{number} ({}) {}. curr_ver={current} next_ver={newest} entry_cnt={}\n",
                    list.name(),
                    origin(list),
                    list.entry_count()
                ));
            }
        }
        return Ok(text.into());
    }
    let Named { version, list, .. } = named(call, kind)?;
    let (current, _) = list.versions();
    Ok(match version.filter(|version| *version != current) {
        None => Answer::Parts(Box::new(list.walk().map(line))),
        Some(version) => {
            let prepared = list.prepared(version).unwrap_or_default();
            Answer::Parts(Box::new(prepared.into_iter().map(line)))
        }
    })
}

fn origin(list: &List) -> String {
    let kind = match list.kind() {
        Map => "map",
        Patterns => "patterns",
    };
    match list.name().starts_with("virt@") {
        true => format!("{kind} without a file"),
        false => format!("{kind} from a file"),
    }
}

fn line(entry: Listed) -> Vec<u8> {
    let mut line = format!("{:#x} ", entry.reference).into_bytes();
    line.extend_from_slice(&entry.key);
    if let Some(value) = &entry.value {
        line.push(b' ');
        line.extend_from_slice(value);
    }
    line
}

fn get(call: &mut Call<'_>, kind: ListKind) -> Result<Answer, Refusal> {
    let missing = || Refusal::error(format!("Missing {} identifier and/or key.", what(kind)));
    if call.args.len() < 2 {
        return Err(missing());
    }
    let Named { list, rest, .. } = named(call, kind)?;
    let key = rest.first().ok_or_else(missing)?;
    let found = list.look_up(key).into_iter().flat_map(|found| {
        let mut line = found_line(&found, kind);
        line.push(b'\n');
        line
    });
    Ok(Answer::Data(found.collect()))
}

fn found_line(found: &Found, kind: ListKind) -> Vec<u8> {
    let case = if found.ignore_case {
        "insensitive"
    } else {
        "sensitive"
    };
    let method = found.method.name();
    let index = match found.method {
        MatchMethod::Str | MatchMethod::Beg | MatchMethod::Ip => "tree",
        _ => "list",
    };
    let verb = match kind {
        Map => "found",
        Patterns => "match",
    };
    let Some(entry) = &found.entry else {
        return format!("type={method}, case={case}, {verb}=no").into_bytes();
    };
    let head = format!("type={method}, case={case}, {verb}=yes, idx={index}, ");
    match (&entry.value, kind) {
        (Some(value), Map) => [
            head.as_bytes(),
            b"key=\"",
            &entry.key,
            b"\", value=\"",
            value,
            b"\", type=\"str\"",
        ]
        .concat(),
        _ => [head.as_bytes(), b"pattern=\"", &entry.key, b"\""].concat(),
    }
}

fn add(call: &mut Call<'_>, kind: ListKind) -> Result<Answer, Refusal> {
    let Named { version, list, rest } = named(call, kind)?;
    let version = version.filter(|version| *version != list.versions().0);
    let put = |key: &[u8], value: Option<&[u8]>| {
        let put = match version {
            Some(version) => list.add_to(version, key, value),
            None => list.add(key, value),
        };
        put.map_err(|error| Refusal::error(error.to_string()))
    };
    match (call.payload, rest, kind) {
        (None, [key, value, ..], Map) => put(key, Some(value))?,
        (None, [key, ..], Patterns) => put(key, None)?,
        (Some(payload), [], _) => {
            for line in payload.split(|byte| *byte == b'\n') {
                let line = line.trim_ascii();
                if line.is_empty() {
                    continue;
                }
                match kind {
                    Patterns => put(line, None)?,
                    Map => {
                        let end = line.iter().position(u8::is_ascii_whitespace);
                        let (key, value) = line.split_at(end.unwrap_or(line.len()));
                        if value.is_empty() {
                            let key = String::from_utf8_lossy(key);
                            return Err(Refusal::error(format!(
                                "The key `{key}` of the payload has no value."
                            )));
                        }
                        put(key, Some(value.trim_ascii_start()))?;
                    }
                }
            }
        }
        (_, _, Map) => {
            return Err(Refusal::error(
                "`add map` needs a map, a key and a value, or a map and a payload.",
            ));
        }
        (_, _, Patterns) => {
            return Err(Refusal::error(
                "`add acl` needs an ACL and a pattern, or an ACL and a payload.",
            ));
        }
    }
    Ok(Answer::Done)
}

/// The entry that is meant: by its reference, as `show` gives it, or by its key.
fn target(word: &[u8]) -> Result<Target<'_>, Refusal> {
    let Some(reference) = word.strip_prefix(b"#") else {
        return Ok(Target::Key(word));
    };
    let digits = reference.strip_prefix(b"0x").unwrap_or(reference);
    let number = std::str::from_utf8(digits)
        .ok()
        .and_then(|text| u64::from_str_radix(text, 16).ok());
    let malformed = || Refusal::error("Malformed identifier. Please use #<id> or <key>.");
    number.map(Target::Reference).ok_or_else(malformed)
}

fn set(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let Named { list, rest, .. } = named(call, Map)?;
    let [key, value, ..] = rest else {
        return Err(Refusal::error("`set map` needs a map, a key and a value."));
    };
    let changed = list.set(target(key)?, value);
    match changed.map_err(|error| Refusal::error(error.to_string()))? {
        0 => Err(Refusal::error("entry not found.")),
        _ => Ok(Answer::Done),
    }
}

fn delete(call: &mut Call<'_>, kind: ListKind) -> Result<Answer, Refusal> {
    let Named { list, rest, .. } = named(call, kind)?;
    let Some(key) = rest.first() else {
        return Err(Refusal::error(format!(
            "The key is missing: {} and key are needed.",
            what(kind)
        )));
    };
    match list.remove(target(key)?) {
        0 => Err(Refusal::error("Key not found.")),
        _ => Ok(Answer::Done),
    }
}

fn clear(call: &mut Call<'_>, kind: ListKind) -> Result<Answer, Refusal> {
    let Named { version, list, .. } = named(call, kind)?;
    match version.filter(|version| *version != list.versions().0) {
        None => list.clear(),
        // There is nothing to clear in a version that there isn't.
        Some(version) => drop(list.clear_version(version)),
    }
    Ok(Answer::Done)
}

fn prepare(call: &mut Call<'_>, kind: ListKind) -> Result<Answer, Refusal> {
    let Named { list, .. } = named(call, kind)?;
    let version = list
        .prepare()
        .map_err(|error| Refusal::error(error.to_string()))?;
    Ok(Answer::Message(
        Severity::Info,
        format!("New version created: {version}"),
    ))
}

fn commit(call: &mut Call<'_>, kind: ListKind) -> Result<Answer, Refusal> {
    if !call.args.first().is_some_and(|arg| arg.starts_with(b"@")) {
        return Err(Refusal::error("Missing version number."));
    }
    let Named { version, list, .. } = named(call, kind)?;
    let (current, newest) = list.versions();
    let Some(version) =
        version.filter(|version| version.wrapping_sub(current) <= newest.wrapping_sub(current))
    else {
        return Err(Refusal::error("Version number out of range."));
    };
    list.commit(version)
        .map_err(|error| Refusal::error(error.to_string()))?;
    Ok(Answer::Done)
}
