//! Whatever is read: nothing panics, and trees lose nothing.

use std::path::PathBuf;

use proptest::prelude::*;
use tidegate_config::{
    Draft, Environment, Facts, MemoryFiles, Options, Sources, Style, Tree, evaluate, keyword_docs,
};
use tidegate_sample::NoExternals;

fn read(text: Vec<u8>) {
    let files = MemoryFiles::default().with("t.cfg", text);
    let environment: Environment = [("A", "one two"), ("B", "")].into_iter().collect();
    let options = Options {
        environment,
        ..Options::default()
    };
    let loaded = Draft::read(&[PathBuf::from("t.cfg")], &files, options).finish(&NoExternals, &files);
    assert_eq!(loaded.config.is_none(), loaded.diagnostics.has_errors());
    let report = loaded.diagnostics.render(&loaded.sources, Style::Plain);
    assert_eq!(report.is_empty(), loaded.diagnostics.is_empty());
}

/// Pieces of which configurations are made, and what spoils them.
fn token() -> impl Strategy<Value = String> {
    let fixed = [
        "\n",
        "\n",
        "\n  ",
        " ",
        "\\",
        "\"",
        "'",
        "#",
        "${A[*]}",
        "\"${A-x}\"",
        "\"$",
        "{",
        "}",
        "if",
        "unless",
        "or",
        "!",
        "lua.x",
        "on-error",
        "deny",
        "%[src]",
        "%[",
        "path,lower",
        "path(",
        "txn.a",
        "set-var(txn.a)",
        "(",
        ")",
        ":80",
        "192.0.2.1:80",
        "[::1]:",
        "10s",
        "99999999999999999999",
        "-1",
        "é",
        "\u{0}",
        "from",
        "no",
        "default",
        ".if",
        ".elif",
        ".else",
        ".endif",
        ".notice",
        "defined(A)",
        "&&",
        "stdout",
        "local0",
        "roundrobin",
    ];
    let names: Vec<String> = keyword_docs()
        .into_iter()
        .map(|row| row.name.to_owned())
        .chain(fixed.map(String::from))
        .collect();
    prop_oneof![
        2 => prop::sample::select(names),
        1 => prop::sample::select(fixed.map(String::from).to_vec()),
        1 => "[a-z0-9_.:/-]{1,6}",
    ]
}

/// Beginnings of lines in the sections that are refused.
const REFUSED_LINES: [&str; 24] = [
    "user a",
    "group a users",
    "nameserver a",
    "hold nx",
    "timeout retry",
    "total-max-size",
    "max-object-size",
    "mailer a",
    "errorfile 503",
    "peer a",
    "server a",
    "default-bind",
    "table t type ip size 1k store",
    "table t",
    "load crt",
    "challenge-ready",
    "acl a",
    "set-param a",
    "pass-header a",
    "on error format",
    "log",
    "size",
    "type httpchk",
    "http-check",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn trees_print_the_bytes_they_were_made_from(text in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut sources = Sources::default();
        let file = sources.add("t", text.clone());
        prop_assert_eq!(Tree::parse(file, &text).print(&text), text);
    }

    #[test]
    fn trees_of_token_soup_print_it_again(tokens in prop::collection::vec(token(), 0..60)) {
        let text = tokens.join(" ").into_bytes();
        let mut sources = Sources::default();
        let file = sources.add("t", text.clone());
        let tree = Tree::parse(file, &text);
        prop_assert_eq!(tree.print(&text), text);
        let mut end = 0;
        for token in tree.lines.iter().flat_map(|line| &line.tokens) {
            prop_assert_eq!(token.span.start, end);
            prop_assert!(token.span.end > token.span.start);
            end = token.span.end;
        }
    }

    #[test]
    fn random_bytes_are_read_without_panic(text in prop::collection::vec(any::<u8>(), 0..300)) {
        read(text);
    }

    #[test]
    fn token_soup_is_read_without_panic(
        section in prop::sample::select(vec!["global", "defaults", "frontend f", "backend b", "listen l"]),
        tokens in prop::collection::vec(token(), 0..60),
    ) {
        read(format!("{section}\n{}\n", tokens.join(" ")).into_bytes());
    }

    #[test]
    fn sections_that_are_refused_are_read_without_panic(
        section in prop::sample::select(keyword_docs().into_iter().filter(|row| row.after == "section").collect::<Vec<_>>()),
        lines in prop::collection::vec((prop::sample::select(REFUSED_LINES.to_vec()), prop::collection::vec(token(), 0..6)), 0..12),
    ) {
        let mut text = format!("{} x\n", section.name);
        for (keyword, tokens) in lines {
            text.push_str(&format!("    {keyword} {}\n", tokens.join(" ").replace('\n', " ")));
        }
        read(text.into_bytes());
    }

    #[test]
    fn lines_of_known_keywords_are_read_without_panic(
        lines in prop::collection::vec(
            (prop::sample::select(keyword_docs()), prop::collection::vec(token(), 0..6)), 0..12),
    ) {
        let mut text = String::from("listen l\n");
        for (row, tokens) in lines {
            text.push_str(&format!("    {} {} {}\n", row.after, row.name, tokens.join(" ").replace('\n', " ")));
        }
        read(text.into_bytes());
    }

    #[test]
    fn conditions_are_evaluated_without_panic(text in "[a-z()!&|, \"'\\\\0-9._-]{0,40}") {
        let environment = Environment::new();
        let facts = Facts { environment: &environment, version: "3.2.0", features: &[], diagnostic: true };
        if let Err(fault) = evaluate(text.as_bytes(), &facts) {
            prop_assert!(fault.at.start <= fault.at.end);
        }
    }
}
