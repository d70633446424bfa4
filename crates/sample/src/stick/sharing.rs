//! What other instances are told of a table, and what is learned from them.
//!
//! A table that is shared notes the keys whose entries changed, each once until it was told. What is learned from others is
//! no change of its own: it is not noted.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::data::{Cell, Column, DataType, Form};
use super::entry::EntryRef;
use super::key::Key;
use super::table::Table;
use crate::data::Data;

/// One value as instances tell it each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// A number.
    Number(u64),
    /// How often something happened.
    Rate {
        /// How long ago the current period began, milliseconds.
        age_ms: u32,
        /// Events in it.
        current: u32,
        /// Events in the one before.
        past: u32,
    },
    /// The name or address of a server, if the entry has one.
    Server(Option<Data>),
}

type Waker = Box<dyn Fn() + Send + Sync>;

/// The keys whose entries changed and of which nobody was told yet.
pub(super) struct Changes {
    keys: Mutex<VecDeque<Key>>,
    /// Called when the first of them came.
    wake: Waker,
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Changes")
    }
}

impl Changes {
    pub(super) fn note(&self, key: Key) {
        let mut keys = self.lock();
        keys.push_back(key);
        let first = keys.len() == 1;
        drop(keys);
        if first {
            (self.wake)();
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Key>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// From now on changes are noted; `wake` is called when the first of some comes. Said twice, the first counts.
    pub fn share(&self, wake: impl Fn() + Send + Sync + 'static) {
        let _ = self.changes.set(Changes {
            keys: Mutex::default(),
            wake: Box::new(wake),
        });
    }

    /// From now on it is known among how many parts its keys are divided. Said twice, the first counts.
    pub fn divide(&self, parts: u32) {
        let _ = self.parts.set(parts);
    }

    /// The part that a key is in, from 1; 0 where keys are not divided.
    #[must_use]
    pub fn part(&self, key: &Key) -> u32 {
        match self.parts.get() {
            Some(parts) if *parts > 0 => key.part(*parts),
            _ => 0,
        }
    }

    /// Takes up to so many of the keys whose entries changed. Whatever changes from then on is noted anew.
    pub fn take_changed(&self, most: usize, now: u64) -> Vec<Key> {
        let Some(changes) = self.changes.get() else {
            return Vec::new();
        };
        let keys: Vec<Key> = {
            let mut keys = changes.lock();
            let count = keys.len().min(most);
            keys.drain(..count).collect()
        };
        for key in &keys {
            // Before its values are read, so that no later change is missed.
            self.look_up(key, now, |entry| entry.entry.noted.swap(false, Ordering::SeqCst));
        }
        keys
    }

    /// The columns whose values are told, in the order of their kinds.
    #[must_use]
    pub fn told_columns(&self) -> Vec<Column> {
        let kept = |kind: &DataType| match kind.form() {
            Form::ServerId | Form::ServerKey => self.keeps(*kind).then(|| Column::single(*kind)),
            _ => self.column(*kind),
        };
        DataType::ALL.iter().filter_map(kept).collect()
    }

    /// Takes in what was learned of a key, which has an entry from now on. `values` come with what they are of; what the table
    /// does not keep is passed over. `left_ms` is how long it would be kept where it comes from, if that was told; a table
    /// keeps none for longer than its own time. False if there is no room.
    pub fn learn(&self, key: &Key, values: &[(Cell, Told)], left_ms: Option<u32>, now: u64) -> bool {
        let spent = left_ms
            .zip(self.spec().expire_ms)
            .map_or(0, |(left, expire)| expire.saturating_sub(left.into()));
        let touched = now.saturating_sub(spent);
        let learned = self.find_or_insert(key, touched, |entry| {
            entry.touch(touched);
            let entry = EntryRef { table: self, entry };
            for (cell, value) in values {
                entry.learn(*cell, value, now);
            }
        });
        learned.is_some()
    }
}

impl EntryRef<'_> {
    /// The values of a column: as many as it has elements.
    #[must_use]
    pub fn tell(&self, column: Column, now: u64) -> Vec<Told> {
        let cell = |index| Cell {
            kind: column.kind,
            index,
        };
        (0..column.length)
            .map(|index| self.tell_one(cell(index), now))
            .collect()
    }

    fn tell_one(&self, cell: Cell, now: u64) -> Told {
        match cell.kind.form() {
            Form::ServerKey => Told::Server(self.server_key()),
            Form::Rate => {
                let place = self.table.layout().find(cell);
                let rate = place.and_then(|place| self.rate(place));
                let (age_ms, current, past) = rate.map_or((0, 0, 0), |rate| rate.told(now));
                Told::Rate {
                    age_ms,
                    current,
                    past,
                }
            }
            _ => Told::Number(self.get(cell, now).unwrap_or(0)),
        }
    }

    fn learn(&self, cell: Cell, value: &Told, now: u64) {
        let spec = self.table.spec();
        match value {
            // How many there are here is known here.
            Told::Number(_) if cell.kind == DataType::ConnCur && !spec.recv_only => {}
            Told::Number(id) if cell.kind.form() == Form::ServerId => {
                self.entry.set_server_id(u32::try_from(*id).unwrap_or(0));
            }
            Told::Number(number) => {
                if let Some(word) = self
                    .table
                    .layout()
                    .find(cell)
                    .and_then(|place| self.word(place.slot))
                {
                    word.store(*number, Ordering::Relaxed);
                }
            }
            Told::Rate {
                age_ms,
                current,
                past,
            } => {
                let place = self.table.layout().find(cell);
                if let Some(rate) = place.and_then(|place| self.rate(place)) {
                    rate.learn((*age_ms, *current, *past), now);
                }
            }
            Told::Server(key) => {
                let number = key.as_ref().map_or(0, |key| self.table.number_of_server(key));
                self.entry.set_server_key(number);
            }
        }
    }

    /// Whoever is to be told of changes is told of this one, which is made already: what is told is read after this.
    pub(super) fn note(&self) {
        if let Some(changes) = self.table.changes.get()
            && !self.entry.noted.swap(true, Ordering::SeqCst)
        {
            changes.note(self.key());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::KeyType;
    use super::super::table::TableSpec;
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    fn table(recv_only: bool) -> Arc<Table> {
        let mut spec = TableSpec::new("t", KeyType::Integer, 100);
        spec.recv_only = recv_only;
        spec.columns = vec![
            Column::single(DataType::Gpc0),
            Column::single(DataType::ConnCur),
            Column::rate(DataType::ConnRate, 1000),
            Column {
                kind: DataType::Gpt,
                length: 2,
                period_ms: 0,
            },
        ];
        let table = Arc::new(Table::new(spec));
        table.keep_servers();
        table
    }

    fn key(number: i64) -> Key {
        KeyType::Integer.key(crate::Value::Int(number)).unwrap()
    }

    #[test]
    fn what_is_learned_lives_as_long_as_where_it_comes_from() {
        let (expire, now) = (1000, 50_000);
        let mut spec = TableSpec::new("t", KeyType::Integer, 100);
        spec.expire_ms = Some(expire);
        let table = Table::new(spec);
        let left = |number| table.look_up(&key(number), now, |entry| entry.expires_ms(now));
        for (number, told, wanted) in [
            (1, None, Some(expire)),
            (2, Some(7), Some(7)),
            (3, Some(u32::MAX), Some(expire)),
            (4, Some(0), None),
        ] {
            assert!(table.learn(&key(number), &[], told, now));
            assert_eq!(left(number), wanted, "{told:?}");
        }
        // What was used here later stays for longer.
        assert!(table.learn(&key(1), &[], Some(7), now));
        assert_eq!(left(1), Some(expire));
    }

    #[test]
    fn each_change_is_noted_once_until_it_was_told() {
        let (table, woken) = (table(false), Arc::new(AtomicUsize::new(0)));
        let count = woken.clone();
        table.share(move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
        for number in [1, 2, 1] {
            table.update(&key(number), 5, |entry| entry.add(DataType::Gpc0, 1, 5));
        }
        assert_eq!(woken.load(Ordering::SeqCst), 1);
        assert_eq!(table.take_changed(1, 5), [key(1)]);
        assert_eq!(table.take_changed(9, 5), [key(2)]);
        let tracked = table.track(&key(1), 6).unwrap();
        assert_eq!(table.take_changed(9, 6), [key(1)]);
        tracked.entry().add(DataType::Gpc0, 1, 7);
        assert_eq!(table.take_changed(9, 7), [key(1)]);
        tracked.release(8);
        assert_eq!(table.take_changed(9, 8), [key(1)]);
        // What is learned is nobody's news.
        assert!(table.learn(&key(3), &[(DataType::Gpc0.into(), Told::Number(4))], None, 9));
        assert!(table.take_changed(9, 9).is_empty());
        assert_eq!(
            table.look_up(&key(3), 9, |entry| entry.get(DataType::Gpc0, 9)),
            Some(Some(4))
        );
    }

    #[test]
    fn a_change_is_made_when_it_is_noted() {
        let table = table(false);
        let told = Arc::new(std::sync::Mutex::new(Vec::new()));
        let (tells, at) = (told.clone(), Arc::downgrade(&table));
        // Somebody who is woken and reads at once.
        table.share(move || {
            let table = at.upgrade().unwrap();
            for key in table.take_changed(9, 5) {
                let value = table.look_up(&key, 5, |entry| entry.get(DataType::Gpc0, 5));
                tells.lock().unwrap().push(value.flatten());
            }
        });
        let tracked = table.track(&key(1), 5).unwrap();
        told.lock().unwrap().clear();
        tracked.entry().add(DataType::Gpc0, 3, 5);
        tracked.entry().replace(DataType::Gpc0, 8, 5);
        assert_eq!(*told.lock().unwrap(), [Some(3), Some(8)]);
    }

    #[test]
    fn keys_are_divided_among_parts() {
        let table = table(false);
        assert_eq!(table.part(&key(1)), 0);
        table.divide(3);
        let parts: std::collections::BTreeSet<u32> =
            (0..100).map(|number| table.part(&key(number))).collect();
        assert_eq!(parts.into_iter().collect::<Vec<_>>(), [1, 2, 3]);
        table.update(&key(7), 5, |entry| {
            let shard = format!(" shard={} ", table.part(&key(7)));
            assert!(entry.line(5).contains(&shard), "{}", entry.line(5));
        });
    }

    #[test]
    fn what_is_told_is_learned() {
        let (one, other, receiver) = (table(false), table(false), table(true));
        one.update(&key(7), 1500, |entry| {
            entry.add(DataType::Gpc0, 3, 1500);
            entry.replace(DataType::ConnCur, 2, 1500);
            entry.add(DataType::ConnRate, 5, 1500);
            entry.replace(
                Cell {
                    kind: DataType::Gpt,
                    index: 1,
                },
                9,
                1500,
            );
            entry.set_server(4, b"s4");
        });
        let told = |table: &Table, now| {
            table.look_up(&key(7), now, |entry| {
                let columns = table.told_columns();
                let cells = columns.iter().flat_map(|column| {
                    let values = entry.tell(*column, now).into_iter();
                    (0..).zip(values).map(|(index, value)| {
                        (
                            Cell {
                                kind: column.kind,
                                index,
                            },
                            value,
                        )
                    })
                });
                cells.collect::<Vec<_>>()
            })
        };
        let values = told(&one, 1700).unwrap();
        // Clocks differ.
        assert!(
            other.learn(&key(7), &values, None, 90_000) && receiver.learn(&key(7), &values, None, 90_000)
        );
        let shown = |table: &Table, kind: DataType| {
            table
                .look_up(&key(7), 90_100, |entry| entry.get(kind, 90_100))
                .flatten()
        };
        for (kind, value) in [
            (DataType::Gpc0, 3),
            (DataType::ConnRate, 5),
            (DataType::ServerId, 4),
        ] {
            assert_eq!(shown(&other, kind), Some(value), "{kind:?}");
        }
        assert_eq!(
            (
                shown(&other, DataType::ConnCur),
                shown(&receiver, DataType::ConnCur)
            ),
            (Some(0), Some(2))
        );
        let server = other.look_up(&key(7), 90_100, |entry| entry.server_key());
        assert_eq!(server.flatten().as_deref(), Some(&b"s4"[..]));
        // The period goes on where it was.
        let rate = other.look_up(&key(7), 90_850, |entry| {
            entry.tell(Column::rate(DataType::ConnRate, 1000), 90_850)
        });
        assert_eq!(
            rate,
            Some(vec![Told::Rate {
                age_ms: 1050,
                current: 5,
                past: 0
            }])
        );
    }
}
