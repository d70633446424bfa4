//! `-dK`: what is registered, in HAProxy's own layout, so that a script can compare two programs.
//!
//! Only what is served, or accepted without effect, is listed; what is refused isn't. HAProxy lists the keywords that
//! are registered in tables there; here all are, so lines such as `mode` are in this list alone.

mod configuration;

use std::fmt::Write as _;

use tidegate_config::{KeywordDoc, closest, keyword_docs};
use tidegate_lua_api::{Declared, RuleSet};
use tidegate_sample::{Externals, Place, Type, acl_keywords, convert, fetch};

use crate::runtime::{self, Status};

/// A class of keywords.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Acl,
    Cfg,
    Cli,
    Cnv,
    Flt,
    Smp,
    Svc,
}

/// The classes in the order of `all`, with what `help` says and what stands above each list.
const CLASSES: [(Class, &str, &str, &str); 7] = [
    (Class::Acl, "acl", "ACL keywords", "ACL keywords"),
    (
        Class::Cfg,
        "cfg",
        "configuration keywords",
        "configuration keywords",
    ),
    (Class::Cli, "cli", "CLI keywords", "CLI keywords"),
    (
        Class::Cnv,
        "cnv",
        "sample converter keywords",
        "sample converter functions",
    ),
    (Class::Flt, "flt", "filter names", "filter names"),
    (
        Class::Smp,
        "smp",
        "sample fetch functions",
        "sample fetch functions",
    ),
    (Class::Svc, "svc", "service names", "service names"),
];

/// What `-dK` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// Which classes there are.
    Help,
    /// The keywords of these.
    Classes(Vec<Class>),
}

/// Reads what follows `-dK`.
///
/// # Errors
/// There is no such class.
pub(crate) fn request(text: &str) -> Result<Request, String> {
    let mut classes = Vec::new();
    for name in text.split(',').filter(|name| !name.is_empty()) {
        match CLASSES.iter().find(|(_, known, ..)| *known == name) {
            Some((class, ..)) => classes.push(*class),
            None if name == "all" => classes.extend(CLASSES.iter().map(|(class, ..)| *class)),
            None if matches!(name, "help" | "?") => return Ok(Request::Help),
            None => {
                let known = CLASSES.iter().map(|(_, name, ..)| *name).chain(["all", "help"]);
                let meant = closest(name, known).map(|name| format!("; did you mean `{name}`?"));
                return Err(format!(
                    "`-dK` has no class `{name}`{}",
                    meant.unwrap_or_else(|| "; `-dKhelp` lists them".into())
                ));
            }
        }
    }
    if classes.is_empty() {
        return Ok(Request::Help);
    }
    Ok(Request::Classes(classes))
}

/// The lists, with what scripts registered.
pub(crate) fn list(request: &Request, scripts: &Declared) -> String {
    let mut out = String::new();
    match request {
        Request::Help => {
            out.push_str("# List of supported keyword classes:\nall: list all keywords\n");
            for (_, name, what, _) in CLASSES {
                let _ = writeln!(out, "{name}: {what}");
            }
        }
        Request::Classes(classes) => {
            for class in classes {
                let title = CLASSES
                    .iter()
                    .find(|(known, ..)| known == class)
                    .map(|(.., title)| *title);
                let _ = writeln!(out, "# List of registered {}:", title.unwrap_or_default());
                let mut lines = lines(*class, scripts);
                match class {
                    Class::Cfg => {}
                    // a command's name has several words
                    Class::Cli => lines.sort(),
                    // HAProxy's lists are sorted by name, which is what follows the columns of a fetch
                    _ => lines.sort_by(|a, b| name(a).cmp(name(b))),
                }
                if *class == Class::Smp {
                    out.push_str(&columns());
                }
                for line in lines {
                    let _ = writeln!(out, "{line}");
                }
            }
        }
    }
    out
}

/// The name in a line: what is before its arguments, and behind the columns of a fetch.
fn name(line: &str) -> &str {
    let line = line
        .rsplit("] ")
        .next()
        .filter(|_| line.starts_with("[ "))
        .unwrap_or(line);
    line.split(['(', ':', ' ']).next().unwrap_or(line)
}

/// The type that a converter gives; HAProxy calls it any where it is that of what the converter takes.
fn output(output: Type) -> String {
    match output {
        Type::Same => Type::Any.to_string(),
        output => output.to_string(),
    }
}

/// What HAProxy has in brackets behind the name of a filter.
fn scope_of_filter(row: &KeywordDoc) -> String {
    match row.name {
        name if name.starts_with("comp") => "COMP".into(),
        name => name.to_uppercase(),
    }
}

fn lines(class: Class, scripts: &Declared) -> Vec<String> {
    match class {
        Class::Acl => acl_keywords()
            .map(|(name, fetch, method)| format!("{name} = {fetch} -m {}", method.name()))
            .collect(),
        Class::Cfg => configuration::lines(&actions(scripts)),
        Class::Cli => runtime::commands()
            .filter(|row| matches!(row.status, Status::Served(_) | Status::Experimental(_)))
            .map(|row| match row.status {
                Status::Experimental(_) => format!("{} [WORKER] [EXPERIM] ", row.words),
                _ => format!("{} [WORKER] ", row.words),
            })
            .collect(),
        Class::Flt => keyword_docs()
            .iter()
            .filter(|row| row.after == "filter" && row.status == tidegate_config::Status::Served(()))
            .map(|row| format!("{} [{}]", row.name, scope_of_filter(row)))
            .collect(),
        // the other way round than one would think: HAProxy writes what comes out first
        Class::Cnv => convert::all()
            .map(|row| {
                format!(
                    "{}{}: {} => {}",
                    row.name,
                    parentheses(&row.args.signature()),
                    output(row.output),
                    row.input
                )
            })
            .chain(
                scripts
                    .converter_names()
                    .into_iter()
                    .map(|name| format!("{name}({LUA_ARGUMENTS}): str => str")),
            )
            .collect(),
        Class::Smp => fetch::all()
            .map(|row| {
                let places: String = Place::ALL
                    .into_iter()
                    .map(|place| if row.places.contains(place) { "Y " } else { ". " })
                    .collect();
                format!(
                    "[ {places}] {}{}: {}",
                    row.name,
                    parentheses(&row.args.signature()),
                    row.output
                )
            })
            .chain(
                scripts
                    .fetch_names()
                    .into_iter()
                    .map(|name| format!("[ {LUA_PLACES}] {name}({LUA_ARGUMENTS}): str")),
            )
            .collect(),
        Class::Svc => {
            let services = scripts.http_services().iter().chain(scripts.tcp_services());
            services.map(|name| format!("lua.{name}")).collect()
        }
    }
}

/// What HAProxy says of every fetch and converter of a script's.
const LUA_ARGUMENTS: &str =
    "[string,string,string,string,string,string,string,string,string,string,string,string]";
const LUA_PLACES: &str = ". . Y Y Y Y Y Y Y Y Y Y Y Y Y Y Y Y Y Y . . ";

fn parentheses(signature: &str) -> String {
    if signature.is_empty() {
        String::new()
    } else {
        format!("({signature})")
    }
}

/// The actions of scripts, each as the rule that uses it.
fn actions(scripts: &Declared) -> Vec<(&'static str, String)> {
    let set = |rules| match rules {
        RuleSet::TcpRequest => "tcp-request content",
        RuleSet::TcpResponse => "tcp-response content",
        RuleSet::HttpRequest => "http-request",
        RuleSet::HttpResponse => "http-response",
        RuleSet::HttpAfterResponse => "http-after-response",
    };
    let actions = scripts.actions().iter();
    actions
        .map(|action| (set(action.rules), format!("lua.{}", action.name)))
        .collect()
}

/// The places of the columns, as HAProxy draws them.
fn columns() -> String {
    const PLACES: [&str; 22] = [
        "frontend tcp-request connection rule",
        "frontend tcp-request session rule",
        "frontend tcp-request content rule",
        "frontend http-request header rule",
        "frontend http-request body rule",
        "frontend use-backend rule",
        "backend tcp-request content rule",
        "backend http-request header rule",
        "backend http-request body rule",
        "backend use-server, balance or stick-match rule",
        "server source selection",
        "backend tcp-response content rule",
        "backend http-response header rule",
        "backend http-response body rule",
        "backend stick-store rule",
        "frontend tcp-response content rule",
        "frontend http-response header rule",
        "frontend http-response body rule",
        "logs",
        "backend tcp-check rule",
        "configuration parser",
        "CLI parser",
    ];
    let count = PLACES.len();
    let mut out = String::new();
    for (at, place) in PLACES.iter().enumerate() {
        let _ = writeln!(
            out,
            "#{}{}_.{} {place}",
            " ".repeat(count + 1 - at),
            "/ ".repeat(at),
            "-".repeat(count - at)
        );
    }
    let _ = writeln!(out, "# {} ", "/ ".repeat(count));
    let _ = writeln!(out, "# {}", "| ".repeat(count));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_have_commas_between_them() {
        assert_eq!(
            request("cfg,smp"),
            Ok(Request::Classes(vec![Class::Cfg, Class::Smp]))
        );
        assert_eq!(
            request("all").map(|request| match request {
                Request::Classes(classes) => classes.len(),
                Request::Help => 0,
            }),
            Ok(7)
        );
        for help in ["", "help", "?", "cfg,help"] {
            assert_eq!(request(help), Ok(Request::Help), "{help:?}");
        }
        assert_eq!(
            request("cfgs"),
            Err("`-dK` has no class `cfgs`; did you mean `cfg`?".into())
        );
        assert_eq!(
            request("zebra"),
            Err("`-dK` has no class `zebra`; `-dKhelp` lists them".into())
        );
    }

    #[test]
    fn lists_have_the_layout_of_haproxy() {
        let of = |class| list(&Request::Classes(vec![class]), &Declared::default());
        let fetches = of(Class::Smp);
        let lines: Vec<&str> = fetches.lines().collect();
        assert_eq!(lines[0], "# List of registered sample fetch functions:");
        assert_eq!(
            lines[1],
            "#                       _.---------------------- frontend tcp-request connection rule"
        );
        assert_eq!(
            lines[22],
            "#  / / / / / / / / / / / / / / / / / / / / / _.- CLI parser"
        );
        assert_eq!(lines[23], "# / / / / / / / / / / / / / / / / / / / / / /  ");
        assert_eq!(lines[24], "# | | | | | | | | | | | | | | | | | | | | | | ");
        assert!(lines.contains(&"[ . . Y Y Y Y Y Y Y Y Y . . . . . . . . . . . ] base: str"));
        assert!(of(Class::Cnv).contains("\nb64dec: bin => str\n"));
        assert!(of(Class::Cnv).contains("\nunset-var(string): any => any\n"));
        assert!(of(Class::Acl).contains("\nhdr_beg = req.hdr -m beg\n"));
        assert!(of(Class::Cli).contains("\nshow cli level [WORKER] \n"));
        assert!(of(Class::Cli).contains("\nset var [WORKER] [EXPERIM] \n"));
        assert!(
            !of(Class::Cli).contains("debug dev"),
            "what is refused isn't listed"
        );
        assert_eq!(
            of(Class::Flt),
            "# List of registered filter names:\nbwlim-in [BWLIM-IN]\nbwlim-out [BWLIM-OUT]\ncache [CACHE]\ncomp-req [COMP]\ncomp-res [COMP]\ncompression [COMP]\n"
        );
    }

    #[test]
    fn lists_are_sorted_by_name() {
        for class in [Class::Acl, Class::Cnv, Class::Smp] {
            let text = list(&Request::Classes(vec![class]), &Declared::default());
            let names: Vec<&str> = text
                .lines()
                .filter(|line| !line.starts_with('#'))
                .map(name)
                .collect();
            assert!(names.len() > 20 && names.is_sorted(), "{names:?}");
        }
    }
}
