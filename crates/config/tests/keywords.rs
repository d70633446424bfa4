//! Each keyword has an example, which is read without a fault where the keyword may be; what is refused is refused by its name.

mod common;

use std::path::PathBuf;

use tidegate_config::example;
use tidegate_config::{
    Diagnostic, Draft, KeywordDoc, Loaded, MemoryFiles, Options, Severity, Status, Style, code, keyword_docs,
};

use common::AnyScript;

/// What examples refer to.
const AROUND: &str = "\
userlist staff
    group operators
    user alice insecure-password tide
http-errors pages
    errorfile 503 sorry.http
    errorfile 504 sorry.http
cache pages
    total-max-size 4
resolvers dns
    nameserver ns1 192.0.2.53:53
log-profile brief
    on any format %ci
healthcheck alive
    type httpchk GET /
defaults base
    mode http
    timeout client 5s
    timeout server 5s
    timeout connect 5s
backend clients
    stick-table type ip size 1k store http_req_rate(10s),bytes_out_rate(1s)
backend app
    cookie A insert
    option httpchk
    http-request set-var(txn.a) src,map_ip(hosts.map)
    http-request deny if { src -f seen.lst }
    server s1 192.0.2.1:80 check
";

const SLOW: &str = "filter bwlim-out slow default-limit 1m default-period 1s";

/// Lines that have to stand in the section of an example, by its keyword and what that follows.
const BESIDE: &[(&str, &str, &str)] = &[
    ("", "filter-sequence", "filter comp-res"),
    ("tcp-request content", "capture", "declare capture request len 10"),
    ("http-request", "capture", "declare capture request len 10"),
    ("", "http-check", "option httpchk"),
    ("", "tcp-check", "option tcp-check"),
    ("tcp-request content", "set-bandwidth-limit", SLOW),
    ("tcp-response content", "set-bandwidth-limit", SLOW),
    ("http-request", "set-bandwidth-limit", SLOW),
    ("http-response", "set-bandwidth-limit", SLOW),
    ("", "use-server", "server s1 192.0.2.1:80"),
    ("", "unique-id-header", "unique-id-format %ci"),
    ("server", "cookie", "cookie A insert"),
    ("http-response", "capture", "declare capture response len 10"),
    (
        "http-after-response",
        "capture",
        "declare capture response len 10",
    ),
    ("cache", "early-hints", "total-max-size 4"),
    ("cache", "max-age", "total-max-size 4"),
    ("cache", "max-object-size", "total-max-size 4"),
    ("cache", "max-secondary-entries", "total-max-size 4"),
    ("cache", "process-vary", "total-max-size 4"),
    ("healthcheck", "http-check", "type httpchk GET /"),
    ("healthcheck", "tcp-check", "type tcp-check"),
    (
        "resolvers",
        "accepted_payload_size",
        "nameserver ns1 192.0.2.53:53",
    ),
    ("resolvers", "hold", "nameserver ns1 192.0.2.53:53"),
    ("resolvers", "resolve_retries", "nameserver ns1 192.0.2.53:53"),
    ("resolvers", "timeout", "nameserver ns1 192.0.2.53:53"),
    ("userlist", "group", "user alice insecure-password tide"),
    ("userlist", "user", "group operators"),
];

#[test]
fn each_keyword_has_an_example_that_is_read_where_it_may_be() {
    let mut failed = Vec::new();
    for keyword in keyword_docs() {
        if keyword.status != Status::Served(()) {
            continue;
        }
        let Some(example) = example::of_keyword(&keyword) else {
            failed.push(format!(
                "`{} {}` has no example: give it a row in crates/config/src/example/",
                keyword.after, keyword.name
            ));
            continue;
        };
        let words = format!(" {} ", example.line.replace(['(', '%'], " "));
        let named =
            words.contains(&format!(" {} ", keyword.name)) || words.contains(&format!(" {}0 ", keyword.name));
        if !named {
            failed.push(format!("`{}` is not about `{}`", example.line, keyword.name));
        }
        for text in places(&keyword, &example.line) {
            let loaded = read(&text);
            let is_fault = |item: &Diagnostic| {
                // a line that does nothing where it stands shows nothing
                item.severity == Severity::Error
                    || [code::WRONG_SECTION, code::WRONG_MODE].contains(&item.code)
            };
            if loaded.diagnostics.iter().any(is_fault) {
                let report = loaded.diagnostics.render(&loaded.sources, Style::Plain);
                failed.push(format!("{} {}\n{report}", keyword.after, keyword.name));
            }
        }
    }
    assert!(failed.is_empty(), "{}: {}", failed.len(), failed.join("\n"));
}

#[test]
fn each_keyword_that_is_refused_is_refused_by_its_name() {
    let mut failed = Vec::new();
    let mut count = 0;
    for keyword in keyword_docs() {
        let wanted = match keyword.status {
            Status::Served(()) => continue,
            Status::NotYet => code::NOT_YET,
            Status::LeftOut(_) => code::LEFT_OUT,
            Status::NoEffect(_) => code::NO_EFFECT,
        };
        let line = match keyword.after {
            "" | "ring" | "log-profile" => keyword.name.to_owned(),
            "section" => format!("{} x", keyword.name),
            "bind" => format!("bind :8443 {} 1", keyword.name),
            "server" => format!("server s1 192.0.2.10:8080 {} 1", keyword.name),
            after => format!("{after} {}", keyword.name),
        };
        for text in places(&keyword, &line) {
            count += 1;
            let loaded = read(&text);
            let told = loaded
                .diagnostics
                .iter()
                .any(|item| item.code == wanted && item.message.contains(keyword.name));
            if !told {
                let report = loaded.diagnostics.render(&loaded.sources, Style::Plain);
                failed.push(format!("{} {}\n{report}", keyword.after, keyword.name));
            }
        }
    }
    assert!(count > 100, "the tables are there");
    assert!(failed.is_empty(), "{}: {}", failed.len(), failed.join("\n"));
}

/// Configurations that have a line in each of the sections where it may be.
fn places(keyword: &KeywordDoc, line: &str) -> Vec<String> {
    let beside = BESIDE
        .iter()
        .find(|(after, name, _)| *after == keyword.after && *name == keyword.name)
        .map_or(String::new(), |(_, _, beside)| format!("    {beside}\n"));
    if keyword.after == "section" {
        let needed = match keyword.name {
            "healthcheck" => "    type httpchk GET /\n",
            "resolvers" => "    nameserver ns1 192.0.2.53:53\n",
            "listen" | "frontend" => "    bind :8080\n",
            "cache" => "    total-max-size 4\n",
            _ => "",
        };
        return vec![format!("{AROUND}{line}\n{needed}")];
    }
    let mut own = keyword.sections.names();
    // filters are those of proxies
    own.retain(|section| !(keyword.name == "set-bandwidth-limit" && *section == "defaults"));
    if own.is_empty() {
        return vec![format!("{AROUND}{} own\n{beside}    {line}\n", keyword.after)];
    }
    let in_section = |section: &str| {
        let header = match section {
            "global" => String::from("global"),
            "defaults" => String::from("defaults own from base"),
            section => format!("{section} own from base"),
        };
        let table = match section {
            // the table that `stick` and rules use
            "listen" | "backend" | "frontend" if keyword.name != "stick-table" => {
                "    stick-table type ip size 1k store gpc(2),gpt(2)\n"
            }
            _ => "",
        };
        let bind = match section {
            "frontend" | "listen" => "    bind :8080\n",
            _ => "",
        };
        // parameters of servers are those of all servers there
        let line = match section {
            "defaults" => line.replace("server s1 192.0.2.10:8080", "default-server"),
            _ => line.to_owned(),
        };
        // slots are those of frontends
        let beside = match section {
            "defaults" | "backend" if beside.contains("declare") => "",
            _ => &beside,
        };
        match section {
            // it has to stand before all that looks at it
            "global" => format!("global\n    {line}\n{AROUND}"),
            _ => format!("{AROUND}{header}\n{bind}{table}{beside}    {line}\n"),
        }
    };
    own.into_iter().map(in_section).collect()
}

fn read(text: &str) -> Loaded {
    let files = MemoryFiles::default()
        .with("x.cfg", text)
        .with("hosts.map", "192.0.2.1 app\n")
        .with("seen.lst", "192.0.2.1\n")
        .with("site.list", "site.pem [alpn h2] example.com\n")
        .with(
            "sorry.http",
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
        )
        .with("names.txt", "x-a X-A\n")
        .with("auth.lua", "");
    Draft::read(&[PathBuf::from("x.cfg")], &files, Options::default()).finish(&AnyScript, &files)
}
