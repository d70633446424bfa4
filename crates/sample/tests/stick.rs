//! Tables against a plain model of one, and under many threads.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "it is a test")]

use proptest::prelude::*;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use tidegate_sample::Value;
use tidegate_sample::stick::{Column, Count, DataType, Key, KeyType, Removal, Table, TableSpec, Tracked};

fn key(number: u32) -> Key {
    KeyType::Integer.key(Value::Int(number.into())).unwrap()
}

fn table(size: usize, change: impl FnOnce(&mut TableSpec)) -> Arc<Table> {
    let mut spec = TableSpec::new("t", KeyType::Integer, size);
    spec.columns = vec![
        Column::single(DataType::Gpc0),
        Column::single(DataType::ConnCur),
        Column::single(DataType::ConnCnt),
    ];
    change(&mut spec);
    Arc::new(Table::new(spec))
}

fn keys(table: &Table, now: u64) -> Vec<String> {
    let mut keys = Vec::new();
    table.each(now, &mut |entry| {
        keys.push(entry.key().to_string());
        ControlFlow::Continue(())
    });
    keys
}

#[test]
fn entries_end_when_nothing_has_touched_them_for_long_enough() {
    let table = table(10, |spec| spec.expire_ms = Some(100));
    table.update(&key(1), 0, |_| ()).unwrap();
    table.update(&key(2), 50, |_| ()).unwrap();
    assert_eq!(
        table.look_up(&key(1), 60, |entry| (entry.idle_ms(60), entry.expires_ms(60))),
        Some((60, 40))
    );
    assert!(table.look_up(&key(1), 99, |_| ()).is_some());
    assert!(
        table.look_up(&key(1), 100, |_| ()).is_none(),
        "a look does not put the end off"
    );
    assert_eq!(table.used(100), 1);
    assert_eq!(
        table.update(&key(1), 100, |entry| entry.add(DataType::Gpc0, 1, 100)),
        Some(Some(1))
    );
    table.update(&key(2), 140, |_| ()).unwrap();
    assert_eq!((table.used(200), keys(&table, 200)), (1, vec!["2".to_string()]));
    assert_eq!(table.used(240), 0);
}

#[test]
fn what_is_tracked_stays_and_ends_later() {
    let table = table(2, |spec| spec.expire_ms = Some(100));
    let tracked = table.track(&key(1), 0).unwrap();
    let again = table.track(&key(1), 0).unwrap();
    assert_eq!(tracked.entry().trackers(), 2);
    assert_eq!(tracked.entry().get(DataType::ConnCur, 0), Some(2));
    assert_eq!(
        (table.used(1000), table.remove(&key(1), 1000)),
        (1, Removal::InUse)
    );
    assert!(table.look_up(&key(1), 1000, |_| ()).is_some());
    again.release(1000);
    tracked.entry().count(Count::Connection, 1, 1000);
    tracked.release(1050);
    let seen = table.look_up(&key(1), 1149, |e| {
        [e.get(DataType::ConnCur, 0), e.get(DataType::ConnCnt, 0)]
    });
    assert_eq!(seen, Some([Some(0), Some(1)]));
    assert_eq!(table.used(1150), 0);
}

#[test]
fn the_oldest_make_room_unless_they_are_tracked() {
    let table = table(3, |_| {});
    let tracked = table.track(&key(1), 0).unwrap();
    table.update(&key(2), 1, |_| ()).unwrap();
    table.update(&key(3), 2, |_| ()).unwrap();
    table.update(&key(2), 3, |_| ()).unwrap();
    table.update(&key(4), 4, |_| ()).unwrap();
    assert_eq!(keys(&table, 5), ["1", "2", "4"]);
    let more = [table.track(&key(2), 6).unwrap(), table.track(&key(4), 6).unwrap()];
    assert!(table.track(&key(5), 7).is_none(), "all are tracked");
    drop((tracked, more));
    assert!(table.track(&key(5), 8).is_some());
    assert_eq!(table.used(8), 3);
}

#[test]
fn a_tracked_entry_is_not_in_the_way_of_others_of_the_same_time() {
    for (held, free) in [(1, 2), (2, 1)] {
        let table = table(2, |_| {});
        let tracked = table.track(&key(held), 5).unwrap();
        table.update(&key(free), 5, |_| ()).unwrap();
        assert!(table.update(&key(3), 5, |_| ()).is_some());
        assert_eq!(keys(&table, 5), [held.to_string(), "3".to_string()]);
        drop(tracked);
    }
}

#[test]
fn nopurge_refuses_new_keys_while_none_is_out_of_date() {
    let table = table(2, |spec| (spec.no_purge, spec.expire_ms) = (true, Some(100)));
    assert!(table.update(&key(1), 0, |_| ()).is_some());
    assert!(table.update(&key(2), 50, |_| ()).is_some());
    assert!(table.update(&key(3), 60, |_| ()).is_none());
    assert!(table.update(&key(1), 60, |_| ()).is_some(), "it is known");
    assert!(table.update(&key(3), 150, |_| ()).is_some());
    assert_eq!(keys(&table, 150), ["1", "3"]);
}

#[test]
fn servers_are_kept_by_number_and_by_name() {
    let table = table(10, |_| {});
    assert!(!table.keeps(DataType::ServerId));
    table.keep_servers();
    table
        .update(&key(1), 0, |entry| entry.set_server(7, b"one"))
        .unwrap();
    table
        .update(&key(2), 0, |entry| entry.set_server(8, b"two"))
        .unwrap();
    table
        .update(&key(3), 0, |entry| entry.set_server(9, b"one"))
        .unwrap();
    let seen = |number| {
        let server = |entry: tidegate_sample::stick::EntryRef<'_>| (entry.server_id(), entry.server_key());
        let (id, name) = table.look_up(&key(number), 0, server).unwrap();
        (id, name.unwrap().to_vec())
    };
    assert_eq!(seen(1), (7, b"one".to_vec()));
    assert_eq!(seen(2), (8, b"two".to_vec()));
    assert_eq!(seen(3), (9, b"one".to_vec()));
}

#[test]
fn bytes_of_rates_are_counted_in_blocks() {
    let table = table(10, |spec| {
        spec.bytes_factor = 1000;
        spec.columns = vec![
            Column::rate(DataType::BytesInRate, 1000),
            Column::single(DataType::BytesInCnt),
        ];
    });
    let entry = table.track(&key(1), 0).unwrap();
    entry.entry().count(Count::BytesIn, 5_000_000_000, 0);
    entry.entry().count(Count::BytesIn, 1, 0);
    assert_eq!(entry.entry().get(DataType::BytesInRate, 0), Some(5_000_001_000));
    assert_eq!(entry.entry().get(DataType::BytesInCnt, 0), Some(5_000_000_001));
}

#[test]
fn threads_never_make_it_larger_and_lose_no_count() {
    let table = table(4096, |_| {});
    let hot = table.track(&key(0), 0).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let table = &table;
            scope.spawn(move || {
                for turn in 0..5_000u32 {
                    let now = u64::from(turn);
                    let tracked = table.track(&key(0), now).unwrap();
                    tracked.entry().add(DataType::Gpc0, 1, now);
                    tracked.release(now);
                    table.update(&key(1 + turn * 4 + thread), now, |_| ()).unwrap();
                    if turn % 64 == 0 {
                        assert!(table.used(now) <= 4096);
                    }
                }
            });
        }
    });
    assert_eq!(hot.entry().get(DataType::Gpc0, 0), Some(20_000));
    assert_eq!(
        (hot.entry().trackers(), hot.entry().get(DataType::ConnCur, 0)),
        (1, Some(1))
    );
    assert_eq!(keys(&table, 6000).len(), table.used(6000));
}

/// What may happen to a table.
#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Look(u32),
    Update(u32),
    Track(u32),
    Release(usize),
    Remove(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1u64..60).prop_map(Step::Wait),
        (0u32..12).prop_map(Step::Look),
        (0u32..12).prop_map(Step::Update),
        (0u32..12).prop_map(Step::Track),
        (0usize..4).prop_map(Step::Release),
        (0u32..12).prop_map(Step::Remove),
    ]
}

/// A table as one would write it without threads: a map, searched from one end to the other.
#[derive(Default)]
struct Model {
    entries: HashMap<u32, Plain>,
}

#[derive(Default)]
struct Plain {
    touched: u64,
    trackers: u32,
    count: u64,
}

impl Model {
    fn expire(&mut self, now: u64, expire: Option<u64>) {
        self.entries.retain(|_, entry| {
            entry.trackers > 0 || expire.is_none_or(|expire| entry.touched + expire > now)
        });
    }

    fn entry(&mut self, key: u32, now: u64, size: usize, purge: bool) -> Option<&mut Plain> {
        if !self.entries.contains_key(&key) && self.entries.len() >= size {
            let free = self
                .entries
                .iter()
                .filter(|(_, entry)| purge && entry.trackers == 0);
            let oldest = *free.min_by_key(|(_, entry)| entry.touched)?.0;
            self.entries.remove(&oldest);
        }
        let entry = self.entries.entry(key).or_default();
        entry.touched = now;
        Some(entry)
    }
}

proptest! {
    #[test]
    fn a_table_does_as_a_plain_map_does(
        steps in prop::collection::vec(step(), 1..120),
        expire in prop::option::of(1u64..200),
        purge: bool,
        size in 1usize..10,
    ) {
        let table = table(size, |spec| (spec.expire_ms, spec.no_purge) = (expire, !purge));
        let mut model = Model::default();
        let mut tracked: Vec<(u32, Tracked)> = Vec::new();
        let mut now = 1;
        for step in steps {
            // No two entries are touched at the same time, so that it is clear which is the older one.
            now += 1;
            model.expire(now, expire);
            match step {
                Step::Wait(time) => now += time,
                Step::Look(number) => {
                    let seen = table.look_up(&key(number), now, |entry| entry.get(DataType::Gpc0, now).unwrap());
                    prop_assert_eq!(seen, model.entries.get(&number).map(|entry| entry.count));
                }
                Step::Update(number) => {
                    let seen = table.update(&key(number), now, |entry| entry.add(DataType::Gpc0, 1, now).unwrap());
                    let expected = model.entry(number, now, size, purge).map(|entry| {
                        entry.count += 1;
                        entry.count
                    });
                    prop_assert_eq!(seen, expected);
                }
                Step::Track(number) => {
                    let entry = table.track(&key(number), now);
                    let expected = model.entry(number, now, size, purge);
                    prop_assert_eq!(entry.is_some(), expected.is_some());
                    if let (Some(entry), Some(expected)) = (entry, expected) {
                        expected.trackers += 1;
                        prop_assert_eq!(entry.entry().trackers(), expected.trackers);
                        tracked.push((number, entry));
                    }
                }
                Step::Release(at) if at < tracked.len() => {
                    let (number, entry) = tracked.swap_remove(at);
                    entry.release(now);
                    let expected = model.entries.get_mut(&number).unwrap();
                    (expected.trackers, expected.touched) = (expected.trackers - 1, now);
                }
                Step::Release(_) => {}
                Step::Remove(number) => {
                    let expected = match model.entries.get(&number) {
                        None => Removal::Missing,
                        Some(entry) if entry.trackers > 0 => Removal::InUse,
                        Some(_) => Removal::Done,
                    };
                    prop_assert_eq!(table.remove(&key(number), now), expected);
                    if expected == Removal::Done {
                        model.entries.remove(&number);
                    }
                }
            }
            model.expire(now, expire);
            prop_assert_eq!(table.used(now), model.entries.len());
        }
    }
}
