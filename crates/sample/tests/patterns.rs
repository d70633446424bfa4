//! Lists answer as a scan of their entries would, in every way to match them and whatever happened to them before.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "it is a test"
)]

use proptest::prelude::*;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use tidegate_sample::pattern::{List, ListKind, Target, View};
use tidegate_sample::{Files, Lists, MatchMethod, Place, Scope, Value};

struct Memory(HashMap<&'static str, String>);

impl Files for Memory {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let text = self.0.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(text.clone().into_bytes())
    }
}

/// A list as a list: every question is a scan.
#[derive(Clone, Default, Debug)]
struct Model(Vec<(String, String)>);

impl Model {
    fn answer(&self, method: MatchMethod, ignore_case: bool, value: &Value) -> Option<&str> {
        let fold = |text: &str| match ignore_case {
            true => text.to_ascii_lowercase(),
            false => text.to_string(),
        };
        let text = match value {
            Value::Str(text) => fold(std::str::from_utf8(text).unwrap()),
            _ => String::new(),
        };
        let first = |matches: &dyn Fn(&str) -> bool| {
            let found = self.0.iter().find(|(key, _)| matches(&fold(key)));
            found.map(|(_, value)| value.as_str())
        };
        match method {
            MatchMethod::Str => first(&|key| key == text),
            MatchMethod::Bin => first(&|key| hex(&text).eq_ignore_ascii_case(key)),
            MatchMethod::End => first(&|key| text.ends_with(key)),
            MatchMethod::Sub => first(&|key| text.contains(key)),
            MatchMethod::Dir => first(&|key| has_part(&text, key, "/?")),
            MatchMethod::Dom => first(&|key| has_part(&text, key, "/?.:")),
            MatchMethod::Reg => first(&|key| simple_regex(key, &text)),
            MatchMethod::Len => first(&|key| in_range(key, text.len() as i64)),
            MatchMethod::Int => {
                let Value::Int(int) = value else { panic!() };
                first(&|key| in_range(key, *int))
            }
            MatchMethod::Beg => {
                let keys = self.0.iter().filter(|(key, _)| text.starts_with(&fold(key)));
                let longest = keys.clone().map(|(key, _)| key.len()).max()?;
                let mut keys = keys.filter(|(key, _)| key.len() == longest);
                keys.next().map(|(_, value)| value.as_str())
            }
            MatchMethod::Ip => self.network(value),
            MatchMethod::Found | MatchMethod::Bool => None,
        }
    }

    /// The longest mask of the address' own kind, else of the other one.
    fn network(&self, value: &Value) -> Option<&str> {
        let (own, other) = match value {
            Value::Ipv4(ip) => (IpAddr::V4(*ip), Some(IpAddr::V6(ip.to_ipv6_mapped()))),
            Value::Ipv6(ip) => (IpAddr::V6(*ip), ip.to_ipv4().map(IpAddr::V4)),
            _ => panic!(),
        };
        let best = |ip: IpAddr| {
            let mut best: Option<(u32, &str)> = None;
            for (key, value) in &self.0 {
                let (net, len) = key.split_once('/').unwrap();
                let (net, len): (IpAddr, u32) = (net.parse().unwrap(), len.parse().unwrap());
                let within = match (net, ip) {
                    (IpAddr::V4(net), IpAddr::V4(ip)) => {
                        let bits = u32::from(net) ^ u32::from(ip);
                        len == 0 || bits >> (32 - len) == 0
                    }
                    (IpAddr::V6(net), IpAddr::V6(ip)) => {
                        let bits = u128::from(net) ^ u128::from(ip);
                        len == 0 || bits >> (128 - len) == 0
                    }
                    _ => false,
                };
                if within && best.is_none_or(|(longest, _)| len > longest) {
                    best = Some((len, value));
                }
            }
            best.map(|(_, value)| value)
        };
        best(own).or_else(|| best(other?))
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn has_part(text: &str, key: &str, delimiters: &str) -> bool {
    let is_delimiter = |c: char| delimiters.contains(c);
    let key = key.trim_matches(is_delimiter);
    !key.is_empty()
        && text
            .match_indices(is_delimiter)
            .map(|(at, _)| at + 1)
            .chain([0])
            .any(|start| {
                let rest = &text[start..];
                rest.starts_with(key) && rest[key.len()..].chars().next().is_none_or(is_delimiter)
            })
}

/// The few expressions that the tests make: letters and dots, perhaps after `^` and before `$`.
fn simple_regex(pattern: &str, text: &str) -> bool {
    let (begins, body) = match pattern.strip_prefix('^') {
        Some(body) => (true, body),
        None => (false, pattern),
    };
    let (ends, body) = match body.strip_suffix('$') {
        Some(body) => (true, body),
        None => (false, body),
    };
    (0..=text.len()).any(|start| {
        let Some(part) = text.get(start..start + body.len()) else {
            return false;
        };
        let same = body.chars().zip(part.chars()).all(|(b, p)| b == '.' || b == p);
        same && (!begins || start == 0) && (!ends || start + body.len() == text.len())
    })
}

fn in_range(key: &str, int: i64) -> bool {
    match key.split_once(':') {
        None => key.parse() == Ok(int),
        Some((low, high)) => {
            (low.is_empty() || low.parse::<i64>().unwrap() <= int)
                && (high.is_empty() || int <= high.parse::<i64>().unwrap())
        }
    }
}

fn key_of(method: MatchMethod) -> BoxedStrategy<String> {
    match method {
        MatchMethod::Int | MatchMethod::Len => prop_oneof![
            (-3..12_i64).prop_map(|int| int.to_string()),
            (0..8_i64, 0..4_i64).prop_map(|(low, more)| format!("{low}:{}", low + more)),
            (0..8_i64).prop_map(|low| format!("{low}:")),
        ]
        .boxed(),
        MatchMethod::Ip => prop_oneof![
            (address4(), 0..=32_u8).prop_map(|(ip, len)| format!("{ip}/{len}")),
            (address6(), prop_oneof![0..=128_u8, 90..=128_u8]).prop_map(|(ip, len)| format!("{ip}/{len}")),
        ]
        .boxed(),
        MatchMethod::Bin => "([aA]1|b2|6[1-3]){1,3}".boxed(),
        MatchMethod::Reg => "\\^?[ab.]{1,3}\\$?".boxed(),
        _ => "[abA./:]{1,5}".boxed(),
    }
}

fn address4() -> impl Strategy<Value = Ipv4Addr> {
    prop_oneof![any::<u32>(), (0..2048_u32).prop_map(|low| 0x0a00_0000 + low)].prop_map(Ipv4Addr::from)
}

fn address6() -> impl Strategy<Value = Ipv6Addr> {
    prop_oneof![
        address4().prop_map(|ip| ip.to_ipv6_mapped()),
        address4().prop_map(|ip| Ipv6Addr::from(u128::from(u32::from(ip)))),
        (0..2048_u128).prop_map(|low| Ipv6Addr::from((0x2001_0db8 << 96) + low)),
    ]
}

fn value_of(method: MatchMethod) -> BoxedStrategy<Value> {
    match method {
        MatchMethod::Int => (-5..15_i64).prop_map(Value::Int).boxed(),
        MatchMethod::Ip => prop_oneof![
            address4().prop_map(Value::Ipv4),
            // An address of 6to4 is also looked up as the one that it holds: the model does not know of that.
            address6().prop_map(Value::Ipv6)
        ]
        .boxed(),
        _ => "[abA./:?]{0,9}".prop_map(Value::str).boxed(),
    }
}

#[derive(Clone, Debug)]
enum Step {
    Add(String),
    Remove(usize),
    Set(usize),
    Replace(Vec<String>),
    GiveUp(String),
}

fn step(method: MatchMethod) -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => key_of(method).prop_map(Step::Add),
        4 => any::<usize>().prop_map(Step::Remove),
        2 => any::<usize>().prop_map(Step::Set),
        1 => prop::collection::vec(key_of(method), 0..50).prop_map(Step::Replace),
        1 => key_of(method).prop_map(Step::GiveUp),
    ]
}

/// Does the same to the list and to the model.
fn take(step: Step, number: usize, list: &List, model: &mut Model) {
    let value = format!("step {number}");
    let nth = |at: usize| {
        let len = model.0.len().max(1);
        model.0.get(at % len).map(|(key, _)| key.clone())
    };
    match step {
        Step::Add(key) => {
            list.add(key.as_bytes(), Some(value.as_bytes())).unwrap();
            model.0.push((key, value));
        }
        Step::Remove(at) => {
            let Some(key) = nth(at) else { return };
            let before = model.0.len();
            model.0.retain(|(other, _)| *other != key);
            assert_eq!(list.remove(Target::Key(key.as_bytes())), before - model.0.len());
        }
        Step::Set(at) => {
            let Some(key) = nth(at) else { return };
            list.set_or_add(key.as_bytes(), value.as_bytes()).unwrap();
            let alike = model.0.iter_mut().filter(|(other, _)| *other == key);
            alike.for_each(|(_, old)| old.clone_from(&value));
        }
        Step::Replace(keys) => {
            let version = list.prepare().unwrap();
            model.0.clear();
            for key in keys {
                list.add_to(version, key.as_bytes(), Some(value.as_bytes()))
                    .unwrap();
                model.0.push((key, value.clone()));
            }
            list.commit(version).unwrap();
        }
        Step::GiveUp(key) => {
            let version = list.prepare().unwrap();
            list.add_to(version, key.as_bytes(), Some(b"never")).unwrap();
            list.give_up(version).unwrap();
        }
    }
}

fn compare(method: MatchMethod, ignore_case: bool) {
    let strategy = (
        prop::collection::vec(key_of(method), 0..150),
        prop::collection::vec(step(method), 0..60),
        prop::collection::vec(value_of(method), 1..40),
    );
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(60)
    };
    proptest!(config, |((keys, steps, values) in strategy)| {
        let mut model = Model((0..).zip(keys).map(|(at, key)| (key, format!("line {at}"))).collect());
        let lines = model.0.iter().map(|(key, value)| format!("{key} {value}\n"));
        let files = Memory(HashMap::from([("m", lines.collect())]));
        let lists = Lists::default();
        let scope = Scope::new(Place::FrontendHttpRequest).with_files(&files).with_lists(&lists);
        let view = View::open("m", ListKind::Map, method, ignore_case, &scope).unwrap();
        let list = lists.find("m").unwrap();
        for (number, step) in steps.into_iter().enumerate() {
            take(step, number, &list, &mut model);
            let value = &values[number % values.len()];
            let got = view.look_up(value.clone()).and_then(|entry| entry.value);
            let want = model.answer(method, ignore_case, value).map(|text| text.as_bytes().into());
            prop_assert_eq!(got, want, "{:?} in {:?}", value, model);
        }
        for value in &values {
            let got = view.look_up(value.clone()).and_then(|entry| entry.value);
            let want = model.answer(method, ignore_case, value).map(|text| text.as_bytes().into());
            prop_assert_eq!(got, want, "{:?} in {:?}", value, model);
        }
        let entries = list.entries();
        prop_assert_eq!(entries.len(), model.0.len());
        prop_assert_eq!(list.len(), model.0.len());
        for (entry, (key, value)) in entries.iter().zip(&model.0) {
            prop_assert_eq!((&*entry.key, entry.value.as_deref()), (key.as_bytes(), Some(value.as_bytes())));
        }
    });
}

macro_rules! methods {
    ($($name:ident: $method:ident,)*) => {
        $(
            #[test]
            fn $name() {
                compare(MatchMethod::$method, false);
                if !matches!(MatchMethod::$method, MatchMethod::Int | MatchMethod::Len | MatchMethod::Ip) {
                    compare(MatchMethod::$method, true);
                }
            }
        )*
    };
}

methods! {
    texts: Str,
    bytes: Bin,
    beginnings: Beg,
    ends: End,
    substrings: Sub,
    parts_of_paths: Dir,
    parts_of_domains: Dom,
    regular_expressions: Reg,
    integers: Int,
    lengths: Len,
    networks: Ip,
}

fn list(text: &str) -> (Lists, View) {
    let files = Memory(HashMap::from([("m", text.to_string())]));
    let lists = Lists::default();
    let scope = Scope::new(Place::FrontendHttpRequest)
        .with_files(&files)
        .with_lists(&lists);
    let view = View::open("m", ListKind::Map, MatchMethod::Str, false, &scope).unwrap();
    (lists, view)
}

fn value(view: &View, key: &str) -> Option<String> {
    let entry = view.look_up(Value::str(key))?;
    Some(String::from_utf8(entry.value?.into()).unwrap())
}

#[test]
fn a_version_appears_whole_and_older_ones_are_given_up() {
    let (lists, view) = list("a old\n");
    let list = lists.find("file@m").unwrap();
    let (first, second, third) = (
        list.prepare().unwrap(),
        list.prepare().unwrap(),
        list.prepare().unwrap(),
    );
    assert_eq!((first, second, third, list.versions()), (1, 2, 3, (0, 3)));
    list.add_to(second, b"a", Some(b"new")).unwrap();
    list.add_to(second, b"b", Some(b"more")).unwrap();
    list.add_to(third, b"a", Some(b"newer")).unwrap();
    assert_eq!(value(&view, "a").as_deref(), Some("old"));
    assert_eq!(list.prepared(second).unwrap().len(), 2);
    list.commit(second).unwrap();
    assert_eq!(
        (value(&view, "a").as_deref(), value(&view, "b").as_deref()),
        (Some("new"), Some("more"))
    );
    assert_eq!(list.versions(), (2, 3));
    assert!(list.commit(first).is_err() && list.add_to(first, b"x", Some(b"y")).is_err());
    list.commit(third).unwrap();
    assert_eq!(
        (value(&view, "a").as_deref(), value(&view, "b")),
        (Some("newer"), None)
    );
    let version = list.prepare().unwrap();
    list.add_to(version, b"z", Some(b"z")).unwrap();
    list.clear_version(version).unwrap();
    list.commit(version).unwrap();
    assert!(list.is_empty() && value(&view, "a").is_none());
}

#[test]
fn one_of_many_entries_of_a_key_is_named_by_its_reference() {
    let (lists, view) = list("a one\na two\nb three\n");
    let list = lists.find("m").unwrap();
    let references: Vec<u64> = list.entries().iter().map(|entry| entry.reference).collect();
    assert_eq!(list.set(Target::Reference(references[1]), b"second"), Ok(1));
    assert_eq!(value(&view, "a").as_deref(), Some("one"));
    assert_eq!(list.remove(Target::Reference(references[0])), 1);
    assert_eq!(value(&view, "a").as_deref(), Some("second"));
    assert_eq!(list.remove(Target::Reference(references[0])), 0);
    // A slot that is used again is no place before the others.
    list.add(b"a", Some(b"last")).unwrap();
    assert_eq!(value(&view, "a").as_deref(), Some("second"));
    assert_eq!(list.set(Target::Key(b"a"), b"both"), Ok(2));
    assert_eq!(list.add_missing(b"a", Some(b"no")), Ok(false));
    assert_eq!(list.add_missing(b"c", Some(b"yes")), Ok(true));
    assert_eq!(value(&view, "c").as_deref(), Some("yes"));
    list.clear();
    assert_eq!((list.len(), value(&view, "c")), (0, None));
    list.add(b"c", Some(b"again")).unwrap();
    assert_eq!(value(&view, "c").as_deref(), Some("again"));
}

#[test]
fn an_update_that_some_user_cannot_take_changes_nothing() {
    let files = Memory(HashMap::from([("m", "10.0.0.0/8 5\n".to_string())]));
    let lists = Lists::default();
    let scope = Scope::new(Place::FrontendHttpRequest)
        .with_files(&files)
        .with_lists(&lists);
    for expr in ["src,map_ip_int(m)", "src,map_str(m)", "src,map_ip_int(m,7)"] {
        tidegate_sample::Expr::parse(expr, &scope).unwrap();
    }
    let list = lists.find("m").unwrap();
    let error = list.add(b"nowhere", Some(b"5")).unwrap_err().to_string();
    assert_eq!(error, "`nowhere` is not a valid IPv4 or IPv6 address or network");
    let error = list
        .set(Target::Key(b"10.0.0.0/8"), b"five")
        .unwrap_err()
        .to_string();
    assert_eq!(error, "`five` is not a number");
    assert!(list.add(b"11.0.0.0/8", None).is_err());
    assert_eq!(list.entries().len(), 1);
    assert_eq!(list.look_up(b"10.1.1.1").len(), 2, "one for each way to match");
    assert_eq!(lists.all().len(), 1);
}

#[test]
fn threads_match_while_another_updates() {
    let (lists, view) = list("a 0\nb 0\n");
    let list = lists.find("m").unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            for round in 1..=300 {
                let version = list.prepare().unwrap();
                for key in ["a", "b"] {
                    list.add_to(version, key.as_bytes(), Some(round.to_string().as_bytes()))
                        .unwrap();
                }
                list.commit(version).unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        for _ in 0..2 {
            threads.spawn(|| {
                let mut last = 0;
                while !done.load(Ordering::Relaxed) {
                    // Each look-up sees a whole version, and none sees one that is older than the last seen.
                    for key in ["a", "b"] {
                        let now: u32 = value(&view, key).unwrap().parse().unwrap();
                        assert!(now >= last, "{now} after {last}");
                        last = now;
                    }
                }
            });
        }
    });
    assert_eq!(value(&view, "b").as_deref(), Some("300"));
}
