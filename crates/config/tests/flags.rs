//! The `-cc` flag, and what tables tell.

use tidegate_config::{Environment, Facts, Status, Style, evaluate_flag, keyword_docs};

fn facts(environment: &Environment) -> Facts<'_> {
    Facts {
        environment,
        version: "3.2.0",
        features: &[],
        diagnostic: false,
    }
}

#[test]
fn the_flag_takes_quotes_and_variables() {
    let environment: Environment = [("HOME", "/root")].into_iter().collect();
    let value = |text: &str| evaluate_flag(text, &facts(&environment)).map_err(|_| ());
    assert_eq!(value(r#"streq("$HOME",/root)"#), Ok(true));
    assert_eq!(
        value("streq($HOME,/root)"),
        Ok(false),
        "outside of quotes a dollar sign is plain"
    );
    assert_eq!(value("version_atleast(2.4) && !defined(NOPE)"), Ok(true));
    assert_eq!(value(""), Ok(false));
    assert_eq!(value("nonsense"), Err(()));
    assert_eq!(value("\"open"), Err(()));
}

#[test]
fn a_fault_of_the_flag_is_underlined() {
    let environment = Environment::new();
    let (diagnostics, sources) = evaluate_flag("1 && \"defned(X)\"", &facts(&environment)).unwrap_err();
    let expected = "\
error[TG0020]: unknown predicate `defned`
 --> -cc:1:7
  |
1 | 1 && \"defned(X)\"
  |       ^^^^^^
  |
  = help: did you mean `defined`?\n\n";
    assert_eq!(diagnostics.render(&sources, Style::Plain), expected);
}

#[test]
fn served_keywords_are_documented_and_no_keyword_has_two_rows() {
    let mut seen = std::collections::BTreeSet::new();
    for row in keyword_docs() {
        if row.status == Status::Served(()) {
            assert!(!row.doc.is_empty(), "{} {}", row.after, row.name);
        }
        assert!(
            seen.insert((row.after, row.name, row.sections.names())),
            "{} {}",
            row.after,
            row.name
        );
    }
    assert!(seen.len() > 500, "the tables are there: {}", seen.len());
}
