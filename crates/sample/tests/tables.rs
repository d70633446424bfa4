//! The tables agree with the names, arguments, types and places that HAProxy has for them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "it is a test"
)]

use std::collections::HashMap;
use tidegate_sample::{Expr, Place, acl_keywords, convert, fetch};

/// Converters whose output has the input's type, for which HAProxy's list has `any`.
const SAME: &[&str] = &["set-var", "unset-var", "when"];

fn rows(text: &str) -> HashMap<&str, Vec<&str>> {
    text.lines()
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .map(|columns| (columns[0], columns))
        .collect()
}

#[test]
fn fetches() {
    let known = rows(include_str!("data/fetches.tsv"));
    let mut seen = Vec::new();
    for row in fetch::all() {
        let columns = known
            .get(row.name)
            .unwrap_or_else(|| panic!("HAProxy has no fetch {}", row.name));
        assert_eq!(row.args.signature(), columns[1], "arguments of {}", row.name);
        assert_eq!(row.output.name(), columns[2], "type of {}", row.name);
        let places: String = Place::ALL
            .into_iter()
            .map(|place| if row.places.contains(place) { 'Y' } else { '.' })
            .collect();
        assert_eq!(places, columns[3], "places of {}", row.name);
        assert!(!row.doc.is_empty());
        seen.push(row.name);
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(
        (seen.len(), fetch::all().count()),
        (known.len(), known.len()),
        "names twice or missing"
    );
}

#[test]
fn converters() {
    let known = rows(include_str!("data/converters.tsv"));
    let mut wrong = Vec::new();
    for row in convert::all() {
        let columns = known
            .get(row.name)
            .unwrap_or_else(|| panic!("HAProxy has no converter {}", row.name));
        let ours = [
            row.name,
            &row.args.signature(),
            row.output.name(),
            row.input.name(),
        ]
        .join(" ");
        let theirs = columns.join(" ");
        if ours != theirs && !SAME.contains(&row.name) {
            wrong.push(format!("{ours}, should be {theirs}"));
        }
        assert!(!row.doc.is_empty());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn converters_that_are_not_served_are_refused_by_name() {
    for name in rows(include_str!("data/converters.tsv")).into_keys() {
        if convert::find(name).is_none() {
            let error = format!("str(x),{name}").parse::<Expr>().unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("converter `{name}` is not supported")),
                "{error}"
            );
        }
    }
    let mut names: Vec<&str> = convert::all().map(|row| row.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "a name twice");
}

#[test]
fn acl_keywords_stand_for_known_fetches() {
    let known: HashMap<&str, (&str, &str)> = include_str!("data/acls.txt")
        .lines()
        .map(|line| {
            let (name, rest) = line.split_once(" = ").unwrap();
            let (fetch, method) = rest.split_once(" -m ").unwrap();
            (name, (fetch, method))
        })
        .collect();
    let ours: HashMap<String, (&str, &str)> = acl_keywords()
        .map(|(name, fetch, method)| (name, (fetch, method.name())))
        .collect();
    for (name, meaning) in &ours {
        assert_eq!(known.get(name.as_str()), Some(meaning), "{name}");
        assert!(
            fetch::find(meaning.0).is_some(),
            "{name} stands for {} which there is not",
            meaning.0
        );
    }
    assert_eq!(ours.len(), known.len());
}
