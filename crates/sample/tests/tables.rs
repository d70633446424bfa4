//! The tables agree with the names, arguments, types and places that HAProxy has for them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "it is a test"
)]

use std::collections::HashMap;
use tidegate_sample::{Acl, Expr, Place, Scope, acl_keywords, convert, fetch, unserved_acl_keywords};

/// Fetches for whose output the manual has another type than HAProxy's own list: what they give is as the manual says.
const BY_THE_MANUAL: &[(&str, &str)] = &[
    ("ssl_fc_cipherlist_bin", "bin"),
    ("ssl_fc_cipherlist_hex", "str"),
    ("ssl_fc_eclist_bin", "bin"),
    ("ssl_fc_ecformats_bin", "bin"),
    ("ssl_fc_extlist_bin", "bin"),
];

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
    let mut wrong = Vec::new();
    for row in fetch::all() {
        let columns = known
            .get(row.name)
            .unwrap_or_else(|| panic!("HAProxy has no fetch {}", row.name));
        let places: String = Place::ALL
            .into_iter()
            .map(|place| if row.places.contains(place) { 'Y' } else { '.' })
            .collect();
        let mut columns = columns.clone();
        if let Some((_, output)) = BY_THE_MANUAL.iter().find(|(name, _)| *name == row.name) {
            columns[2] = output;
        }
        let ours = [row.name, &row.args.signature(), row.output.name(), &places].join("\t");
        let theirs = columns.join("\t");
        if ours != theirs {
            wrong.push(format!("{ours}, should be {theirs}"));
        }
        assert!(!row.doc.is_empty());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// No name is unknown, none is there twice, and none is refused that is served.
#[test]
fn each_fetch_is_served_or_refused_by_name() {
    let known = rows(include_str!("data/fetches.tsv"));
    let mut names: Vec<&str> = fetch::all()
        .map(|row| row.name)
        .chain(fetch::unserved().map(|(name, _)| name))
        .collect();
    names.sort_unstable();
    let mut wanted: Vec<&str> = known.keys().copied().collect();
    wanted.sort_unstable();
    assert_eq!(names, wanted);
    for (name, reason) in fetch::unserved() {
        let error = name.parse::<Expr>().unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("fetch `{name}` is not supported")),
            "{error}"
        );
        assert!(!reason.is_empty() && error.ends_with(reason), "{error}");
    }
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
    let served: HashMap<String, (&str, &str)> = acl_keywords()
        .map(|(name, fetch, method)| (name, (fetch, method.name())))
        .collect();
    let refused =
        unserved_acl_keywords().map(|(name, fetch, method)| (name.to_string(), (fetch, method.name())));
    let mut all = served.clone();
    all.extend(refused);
    for (name, meaning) in &all {
        assert_eq!(known.get(name.as_str()), Some(meaning), "{name}");
    }
    assert_eq!(all.len(), known.len());
    let scope = Scope::anywhere();
    for (name, (fetch, method)) in &all {
        let args = match *fetch {
            "req.payload" | "req.payload_lv" => "(0,1)",
            "http_auth_group" => "(list)",
            _ => "",
        };
        let pattern = if matches!(*method, "int" | "len") {
            "3"
        } else {
            "ff"
        };
        let (keyword, spelt_out) = (format!("{name}{args}"), format!("{fetch}{args}"));
        let short = Acl::parse(&[&keyword, pattern], &scope);
        if served.contains_key(name) {
            let long = Acl::parse(&[&spelt_out, "-m", method, pattern], &scope).unwrap();
            assert_eq!(short.unwrap().0.expr().text(), long.0.expr().text(), "{name}");
        } else {
            let error = short.unwrap_err().to_string();
            assert!(error.contains("is not supported yet"), "{name}: {error}");
        }
    }
}
