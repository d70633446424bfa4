//! The keywords of the configuration.

use tidegate_config::{KeywordDoc, Sections, Status, keyword_docs};

/// The sets of rules, in HAProxy's order.
const RULES: [&str; 7] = [
    "tcp-request connection",
    "tcp-request session",
    "tcp-request content",
    "tcp-response content",
    "http-request",
    "http-response",
    "http-after-response",
];

/// All lines, by section. `actions` are those of scripts, with their set of rules.
pub(super) fn lines(actions: &[(&'static str, String)]) -> Vec<String> {
    let rows: Vec<KeywordDoc> = keyword_docs()
        .into_iter()
        .filter(|row| matches!(row.status, Status::Served(()) | Status::NoEffect(_)))
        .collect();
    let group = |after: &str, wanted: &dyn Fn(&KeywordDoc) -> bool, line: &dyn Fn(&KeywordDoc) -> String| {
        let rows = rows.iter().filter(|row| row.after == after && wanted(row));
        sorted(rows.map(line).collect())
    };
    let any = |_: &KeywordDoc| true;
    let is_global = |row: &KeywordDoc| row.sections.has(Sections::GLOBAL);
    let plain = |row: &KeywordDoc| format!("\t{}", row.name);

    let mut out = vec![String::from("global")];
    out.extend(group("", &is_global, &plain));
    // HAProxy tells no kind of proxy from the others here
    out.push(String::from("listen"));
    out.extend(group("", &|row| !is_global(row), &plain));
    out.extend(group("bind", &any, &|row| {
        format!("\tbind <addr> {}{}", row.name, count(row))
    }));
    out.extend(group("server", &any, &|row| {
        format!("\tserver <name> <addr> {}{}", row.name, count(row))
    }));
    out.extend(group("option", &any, &|row| {
        format!("\toption {} [ {}]", row.name, sides(row))
    }));
    for set in RULES {
        let mut lines = group(set, &any, &|row| {
            // what follows the name directly is part of the word
            let star = if row.arguments.starts_with(&format!("{}(", row.name)) {
                "*"
            } else {
                ""
            };
            format!("\t{set} {}{star}", row.name)
        });
        let own = actions.iter().filter(|(known, _)| *known == set);
        lines.extend(own.map(|(_, name)| format!("\t{set} {name}")));
        out.extend(sorted(lines));
    }
    out
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines.dedup();
    lines
}

/// How many words must follow.
fn count(row: &KeywordDoc) -> String {
    if row.after == "bind" && matches!(row.status, Status::NoEffect(_)) {
        // each of these takes a word, which is dropped with it
        return String::from(" +1");
    }
    let count = row.arguments.split_whitespace().scan(0_i32, |depth, word| {
        // what is in brackets may be left out, what is in braces is one word of several
        let at = *depth;
        *depth += opened(word);
        Some(at == 0 && !word.starts_with('['))
    });
    match count.filter(|counts| *counts).count() {
        0 => String::new(),
        words => format!(" +{words}"),
    }
}

fn opened(word: &str) -> i32 {
    word.chars()
        .map(|c| match c {
            '[' | '{' => 1,
            ']' | '}' => -1,
            _ => 0,
        })
        .sum()
}

/// What of a proxy an option is about.
fn sides(row: &KeywordDoc) -> String {
    let mut text = String::new();
    if row.sections.has(Sections::FRONTEND) {
        text.push_str("FE ");
    }
    if row.sections.has(Sections::BACKEND) {
        text.push_str("BE ");
    }
    if row.name.starts_with("http") || OF_HTTP.contains(&row.name) {
        text.push_str("HTTP ");
    }
    text
}

/// Options that mean something in HTTP mode only, beside those whose names say so.
const OF_HTTP: [&str; 8] = [
    "accept-unsafe-violations-in-http-request",
    "accept-unsafe-violations-in-http-response",
    "checkcache",
    "disable-h2-upgrade",
    "forwardfor",
    "idle-close-on-response",
    "originalto",
    "prefer-last-server",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_and_keywords_have_the_layout_of_haproxy() {
        let lines = lines(&[("http-request", "lua.own".into())]);
        assert_eq!(lines[0], "global");
        let listen = lines.iter().position(|line| line == "listen").unwrap();
        let before = |line: &str| lines.iter().position(|known| known == line).map(|at| at < listen);
        assert_eq!(before("\tlua-load"), Some(true));
        assert_eq!(before("\tsetenv"), Some(true));
        assert_eq!(before("\ttimeout"), Some(false));
        assert_eq!(before("\tbind <addr> name +1"), Some(false));
        assert_eq!(before("\tbind <addr> v6only"), Some(false));
        assert_eq!(before("\tbind <addr> nice +1"), Some(false));
        assert_eq!(before("\tserver <name> <addr> weight +1"), Some(false));
        assert_eq!(before("\tserver <name> <addr> backup"), Some(false));
        assert_eq!(before("\toption dontlog-normal [ FE ]"), Some(false));
        assert_eq!(before("\toption http-buffer-request [ FE BE HTTP ]"), Some(false));
        assert_eq!(before("\thttp-request set-var*"), Some(false));
        assert_eq!(before("\thttp-request lua.own"), Some(false));
        assert_eq!(before("\tanonkey"), None, "what is refused isn't listed");
    }
}
