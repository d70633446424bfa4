//! Lists of fields, beside a plain list of pairs that does the same.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "it is a test")]

use std::cmp::Ordering;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use tidegate_sample::head::{AsName, Change, FieldName, FieldValue, Headers, names};

/// Names that are well known, names that are not, and names that look like others.
const NAMES: &[&str] = &[
    "Host",
    "host",
    "X-A",
    "x-a",
    "X-B",
    "CONNECTION",
    "x-ab",
    "Cookie",
    "hosts",
];

/// The same as a list of pairs does it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model(Vec<(String, String)>);

impl Model {
    fn of(headers: &Headers) -> Model {
        let pair = |(name, value): (FieldName<'_>, FieldValue<'_>)| {
            (name.as_str().to_owned(), value.to_str().unwrap().to_owned())
        };
        Model(headers.iter().map(pair).collect())
    }

    fn remove(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        self.0.len() != before
    }

    fn append(&mut self, name: &str, value: &str) {
        self.0.push((name.to_ascii_lowercase(), value.to_owned()));
    }

    fn values(&self, name: &str) -> Vec<&str> {
        let of_name = self
            .0
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name));
        of_name.map(|(_, value)| &**value).collect()
    }
}

#[derive(Clone, Debug)]
enum Edit {
    Append(&'static str, String),
    Insert(&'static str, String),
    Prepend(&'static str, String),
    Remove(&'static str),
    /// Values of this name that have this length are doubled, and longer ones go.
    Double(&'static str, usize),
    RetainShort(usize),
    Detach,
    Clear,
}

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(NAMES)
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[ -~]{0,12}", 1 => "[a-z]{60,700}"].prop_map(|text: String| text.trim().to_owned())
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => (name(), value()).prop_map(|(n, v)| Edit::Append(n, v)),
        4 => (name(), value()).prop_map(|(n, v)| Edit::Insert(n, v)),
        1 => (name(), value()).prop_map(|(n, v)| Edit::Prepend(n, v)),
        2 => name().prop_map(Edit::Remove),
        2 => (name(), 0_usize..4).prop_map(|(n, len)| Edit::Double(n, len)),
        1 => (3_usize..9).prop_map(Edit::RetainShort),
        1 => Just(Edit::Detach),
        1 => Just(Edit::Clear),
    ]
}

fn fields() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    prop::collection::vec((name(), value()), 0..8)
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A list as a codec makes it of what it received, and the model of it.
fn received(fields: &[(&'static str, String)]) -> (Headers, Model) {
    let head: String = fields.iter().map(|(n, v)| format!("{n}: {v}\r\n")).collect();
    let head = Bytes::from(head);
    let mut headers = Headers::within(head.clone(), fields.len());
    let mut model = Model::default();
    let mut at = 0;
    for (name, value) in fields {
        let value_at = at + name.len() + 2;
        headers.found(
            text(&head[at..at + name.len()]).as_name(),
            &head[value_at..value_at + value.len()],
        );
        at = value_at + value.len() + 2;
        model.append(name, value);
    }
    (headers, model)
}

fn apply(edit: &Edit, headers: &mut Headers, model: &mut Model) {
    let sent = |value: &str| HeaderValue::from_str(value).unwrap();
    match edit {
        Edit::Append(name, value) => {
            headers.append(*name, sent(value));
            model.append(name, value);
        }
        Edit::Insert(name, value) => {
            headers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), sent(value));
            model.remove(name);
            model.append(name, value);
        }
        Edit::Prepend(name, value) => {
            headers.prepend(*name, sent(value));
            model.0.insert(0, (name.to_ascii_lowercase(), value.clone()));
        }
        Edit::Remove(name) => assert_eq!(headers.remove(*name), model.remove(name)),
        Edit::Double(name, len) => {
            headers.change(*name, |value| match value.len().cmp(len) {
                Ordering::Less => Change::Keep,
                Ordering::Equal => Change::To(sent(&value.to_str().unwrap().repeat(2))),
                Ordering::Greater => Change::Remove,
            });
            let is_named = |other: &str| other.eq_ignore_ascii_case(name);
            model
                .0
                .retain(|(other, value)| !is_named(other) || value.len() <= *len);
            for (other, value) in &mut model.0 {
                if is_named(other) && value.len() == *len {
                    *value = value.repeat(2);
                }
            }
        }
        Edit::RetainShort(len) => {
            headers.retain(|name, value| name.as_str().len() <= *len && value.len() <= *len);
            model
                .0
                .retain(|(name, value)| name.len() <= *len && value.len() <= *len);
        }
        Edit::Detach => *headers = headers.detached(),
        Edit::Clear => {
            headers.clear();
            model.0.clear();
        }
    }
}

proptest! {
    #[test]
    fn a_list_is_what_a_list_of_pairs_is(fields in fields(), edits in prop::collection::vec(edit(), 0..40)) {
        let (mut headers, mut model) = received(&fields);
        let (before, model_before) = (headers.clone(), model.clone());
        for edit in &edits {
            apply(edit, &mut headers, &mut model);
            prop_assert_eq!(Model::of(&headers), model.clone());
        }
        prop_assert_eq!(headers.len(), model.0.len());
        prop_assert_eq!(headers.is_empty(), model.0.is_empty());
        prop_assert_eq!(headers.bytes(), model.0.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>());
        let mut distinct: Vec<_> = model.0.iter().map(|(name, _)| &**name).collect();
        distinct.sort_unstable();
        distinct.dedup();
        let mut found: Vec<_> = headers.distinct_names().map(|name| name.as_str()).collect();
        found.sort_unstable();
        prop_assert_eq!(found, distinct);
        for name in NAMES {
            let values = model.values(name);
            let found: Vec<_> = headers.get_all(*name).map(|v| v.to_str().unwrap()).collect();
            prop_assert_eq!(&found, &values);
            prop_assert_eq!(headers.get(*name).map(|v| v.to_str().unwrap()), values.first().copied());
            prop_assert_eq!(headers.contains(HeaderName::from_bytes(name.as_bytes()).unwrap()), !values.is_empty());
        }
        prop_assert_eq!(Model::of(&before), model_before, "a copy is on its own");
        prop_assert_eq!(&headers.detached(), &headers);
    }

    #[test]
    fn maps_of_http2_hold_the_same(fields in fields()) {
        let (headers, model) = received(&fields);
        let map = HeaderMap::from(&headers);
        prop_assert_eq!(map.len(), headers.len());
        let back = Headers::from(&map);
        for name in NAMES {
            let found: Vec<_> = back.get_all(*name).map(|v| v.to_str().unwrap()).collect();
            prop_assert_eq!(found, model.values(name));
        }
    }
}

#[test]
fn what_is_no_longer_used_is_cleared_away() {
    let mut headers = Headers::new();
    headers.append("x-kept", HeaderValue::from_static("kept"));
    let value = HeaderValue::from_str(&"x".repeat(1000)).unwrap();
    let grown = allocation_counter::measure(|| {
        for _ in 0..10_000 {
            headers.insert(names::COOKIE, &value);
        }
    });
    assert!(grown.bytes_max < 64 * 1024, "{grown:?}");
    assert_eq!(headers.get("x-kept").unwrap(), "kept");
    assert_eq!(headers.get(names::COOKIE).unwrap(), value);
}

#[test]
fn a_head_that_was_received_is_not_copied() {
    let head = Bytes::from_static(b"Host: h\r\nX-B: 2\r\nx-c: 3\r\n");
    let read = || {
        let mut headers = Headers::within(head.clone(), 3);
        assert!(headers.is_empty());
        headers.found(text(&head[..4]).as_name(), &head[6..7]);
        headers.found(text(&head[17..20]).as_name(), &head[22..23]);
        assert_eq!(headers.get(names::HOST).unwrap(), "h");
        assert_eq!(headers.get("x-c").unwrap(), "3");
    };
    // The list itself, which a thread keeps in a list of such.
    assert_eq!(allocation_counter::measure(read).count_total, 2);
    assert_eq!(
        allocation_counter::measure(read).count_total,
        0,
        "the list of the head before it"
    );
}

#[test]
fn what_is_not_of_the_head_is_copied() {
    let mut headers = Headers::within(Bytes::from_static(b"GET"), 2);
    headers.found("X-A".as_name(), b"1");
    assert_eq!(headers.get("x-a").unwrap(), "1");
}
