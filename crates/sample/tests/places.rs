//! A fetch is refused where its data cannot be, and the user is told where it can.
#![allow(clippy::unwrap_used, reason = "it is a test")]

mod common;

use std::collections::BTreeMap;
use tidegate_sample::{Expr, Place, Scope, fetch};

#[test]
fn each_fetch_is_checked_in_each_place() {
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    for line in include_str!("data/fetches.tsv").lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let [name, _, _, places] = columns.as_slice() else {
            unreachable!("{line}")
        };
        let Some(row) = fetch::find(name) else { continue };
        let expr = Expr::parse(&common::example(row), &Scope::anywhere()).unwrap();
        for (place, marked) in Place::ALL.into_iter().zip(places.chars()) {
            let checked = expr.check(place, true);
            assert_eq!(checked.is_ok(), marked == 'Y', "{name} in {place:?}");
            let Err(error) = checked else { continue };
            assert_eq!(
                error.message,
                format!("`{expr}` cannot be used in {}", place.name())
            );
            let help = error.help.unwrap();
            let before = said.insert((*places).to_owned(), help.clone());
            assert!(before.is_none_or(|before| before == help), "{name}");
        }
    }
    let said: String = said
        .iter()
        .map(|(places, help)| format!("{places}\t{help}\n"))
        .collect();
    assert_eq!(said, include_str!("data/places.golden"), "{said}");
}
