//! The text forms of tables and entries, as the runtime API shows, sets and clears them.

use std::fmt::Write;
use std::ops::ControlFlow;

use super::data::{Cell, DataType, Form};
use super::entry::EntryRef;
use super::key::Key;
use super::table::{Removal, Table};

/// Most filters at once.
const FILTERS_MAX: usize = 4;

/// Which entries of a table are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All.
    All,
    /// Those whose data are all like this.
    Filtered(Vec<Filter>),
    /// The one of this key.
    Key(Key),
    /// The one with this address, as it was shown.
    Address(usize),
}

/// How a value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter {
    cell: Cell,
    operator: Operator,
    value: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Eq,
    Ne,
    Le,
    Ge,
    Lt,
    Gt,
}

const OPERATORS: [(&str, Operator); 6] = [
    ("eq", Operator::Eq),
    ("ne", Operator::Ne),
    ("le", Operator::Le),
    ("ge", Operator::Ge),
    ("lt", Operator::Lt),
    ("gt", Operator::Gt),
];

impl Selection {
    /// Reads the words after the table's name: none, `data.<type> <operator> <value>` up to four times, `key <key>` or
    /// `ptr <address>`.
    ///
    /// # Errors
    /// A sentence for the user of the runtime API.
    pub fn parse(table: &Table, words: &[&str]) -> Result<Selection, String> {
        match words {
            [] => Ok(Selection::All),
            ["key" | "ptr", ..] => match target(table, words)? {
                (selection, []) => Ok(selection),
                (_, [extra, ..]) => Err(format!("Unexpected argument `{extra}`")),
            },
            [first, ..] if first.starts_with("data.") => {
                let filters = words.chunks(3).enumerate().map(|(at, words)| {
                    filter(table, words).map_err(|why| format!("Filter entry #{}: {why}", at + 1))
                });
                let filters = filters.collect::<Result<Vec<_>, _>>()?;
                if filters.len() > FILTERS_MAX {
                    return Err(format!("There may be {FILTERS_MAX} filters at most"));
                }
                Ok(Selection::Filtered(filters))
            }
            [other, ..] => Err(format!(
                "`{other}` is not `data.<type> <operator> <value>`, `key <key>` or `ptr <address>`"
            )),
        }
    }

    fn has(&self, entry: EntryRef<'_>, now: u64) -> bool {
        match self {
            Selection::All => true,
            Selection::Filtered(filters) => filters.iter().all(|filter| filter.has(entry, now)),
            Selection::Key(key) => entry.key() == *key,
            Selection::Address(address) => entry.address() == *address,
        }
    }
}

impl Filter {
    fn has(&self, entry: EntryRef<'_>, now: u64) -> bool {
        let Some(value) = entry.get(self.cell, now) else {
            return false;
        };
        let order = i64::try_from(value).unwrap_or(i64::MAX).cmp(&self.value);
        match self.operator {
            Operator::Eq => order.is_eq(),
            Operator::Ne => order.is_ne(),
            Operator::Le => order.is_le(),
            Operator::Ge => order.is_ge(),
            Operator::Lt => order.is_lt(),
            Operator::Gt => order.is_gt(),
        }
    }
}

impl Table {
    /// The line about the table itself: `# table: NAME, type: ip, size:1024, used:3`.
    #[must_use]
    pub fn headline(&self, now: u64) -> String {
        let spec = self.spec();
        let (name, kind, size) = (&spec.name, spec.key.name(), spec.size);
        format!(
            "# table: {name}, type: {kind}, size:{size}, used:{}",
            self.used(now)
        )
    }

    /// `show table`: hands out the line of each entry that is meant, until `visit` breaks.
    pub fn show(&self, selection: &Selection, now: u64, visit: &mut dyn FnMut(String) -> ControlFlow<()>) {
        if let Selection::Key(key) = selection {
            if let Some(line) = self.look_up(key, now, |entry| entry.line(now)) {
                let _ = visit(line);
            }
            return;
        }
        self.each(now, &mut |entry| {
            if selection.has(entry, now) {
                return visit(entry.line(now));
            }
            ControlFlow::Continue(())
        });
    }

    /// Hands out each entry that is meant, until `visit` breaks.
    pub fn each_of(
        &self,
        selection: &Selection,
        now: u64,
        visit: &mut dyn FnMut(EntryRef<'_>) -> ControlFlow<()>,
    ) {
        self.each(now, &mut |entry| match selection.has(entry, now) {
            true => visit(entry),
            false => ControlFlow::Continue(()),
        });
    }

    /// `clear table`: forgets the entries that are meant.
    ///
    /// # Errors
    /// The one that was named is tracked, and stays. (Of several, those that are tracked stay without a word.)
    pub fn clear(&self, selection: &Selection, now: u64) -> Result<(), String> {
        let in_use = || Err("Entry currently in use, cannot remove".to_string());
        match selection {
            Selection::Key(key) => match self.remove(key, now) {
                Removal::Done | Removal::Missing => Ok(()),
                Removal::InUse => in_use(),
            },
            Selection::Address(_) => match self.key_of(selection, now) {
                Some(key) if self.remove(&key, now) == Removal::InUse => in_use(),
                _ => Ok(()),
            },
            _ => {
                self.remove_all(now, &mut |entry| selection.has(entry, now));
                Ok(())
            }
        }
    }

    /// `set table`: reads `key <key>` or `ptr <address>` and then `data.<type> <value>` any number of times, and sets it.
    /// The entry of a key is added if there is none.
    ///
    /// # Errors
    /// A sentence for the user of the runtime API; nothing was set then.
    pub fn set(&self, words: &[&str], now: u64) -> Result<(), String> {
        let (selection, data) = target(self, words)?;
        let mut values = Vec::new();
        for pair in data.chunks(2) {
            let [name, value @ ..] = pair else { continue };
            let name = name
                .strip_prefix("data.")
                .ok_or_else(|| format!("`data.<type>` and a value are expected instead of `{name}`"))?;
            let cell = cell(self, name)?;
            if cell.kind.form() == Form::ServerKey {
                return Err("This data type can't be set".to_string());
            }
            let value = value.first().and_then(|value| value.parse().ok());
            let value: u64 = value.ok_or("Require a valid integer value to store")?;
            values.push((cell, value));
        }
        let key = self.key_of(&selection, now).ok_or("No such entry")?;
        let set = self.update(&key, now, |entry| {
            for (cell, value) in &values {
                entry.replace(*cell, *value, now);
            }
        });
        set.ok_or_else(|| "Unable to allocate a new entry".to_string())
    }

    fn key_of(&self, selection: &Selection, now: u64) -> Option<Key> {
        if let Selection::Key(key) = selection {
            return Some(key.clone());
        }
        let mut found = None;
        self.each(now, &mut |entry| {
            if selection.has(entry, now) {
                found = Some(entry.key());
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        found
    }
}

impl EntryRef<'_> {
    /// The entry as `show table` has it: `0x…: key=… use=… exp=… shard=…` and all data.
    #[must_use]
    pub fn line(&self, now: u64) -> String {
        let key = self.key();
        let mut line = format!(
            "{:#x}: key={key} use={} exp={} shard={}",
            self.address(),
            self.trackers(),
            self.expires_ms(now),
            self.table.part(&key)
        );
        for kind in DataType::ALL
            .iter()
            .copied()
            .filter(|kind| self.table.keeps(*kind))
        {
            // Writing to a string never fails.
            let _ = self.datum(kind, now, &mut line);
        }
        line
    }

    fn datum(&self, kind: DataType, now: u64, line: &mut String) -> std::fmt::Result {
        if kind.form() == Form::ServerKey {
            return match self.server_key() {
                Some(key) => write!(line, " {}={}", kind.name(), String::from_utf8_lossy(&key)),
                None => write!(line, " {}=-", kind.name()),
            };
        }
        let column = self.table.column(kind);
        for index in 0..column.map_or(1, |column| column.length) {
            let value = self.get(Cell { kind, index }, now).unwrap_or(0);
            line.push(' ');
            match (kind.is_array(), kind.name().strip_suffix("_rate")) {
                (true, Some(stem)) => write!(line, "{stem}{index}_rate")?,
                (true, None) => write!(line, "{}{index}", kind.name())?,
                (false, _) => line.push_str(kind.name()),
            }
            match column.filter(|_| kind.form() == Form::Rate) {
                Some(column) => write!(line, "({})={value}", column.period_ms)?,
                None => write!(line, "={value}")?,
            }
        }
        Ok(())
    }
}

/// `key <key>` or `ptr <address>` at the beginning of words, and the words after.
fn target<'w>(table: &Table, words: &'w [&'w str]) -> Result<(Selection, &'w [&'w str]), String> {
    match words {
        ["key", key, rest @ ..] => {
            if let super::KeyType::Binary { .. } = table.spec().key {
                let message = "Keys of tables of type binary can't be written; use `ptr <address>`";
                return Err(message.to_string());
            }
            let key = table.spec().key.parse(key).ok_or("Invalid key")?;
            Ok((Selection::Key(key), rest))
        }
        ["ptr", address, rest @ ..] => {
            let digits = address.strip_prefix("0x").ok_or("Invalid ptr")?;
            let address = usize::from_str_radix(digits, 16).map_err(|_| "Invalid ptr")?;
            Ok((Selection::Address(address), rest))
        }
        ["key"] => Err("Key value expected".to_string()),
        ["ptr"] => Err("Ptr value expected".to_string()),
        _ => Err("`key <key>` or `ptr <address>` is expected".to_string()),
    }
}

/// `data.<type>`, an operator and a value.
fn filter(table: &Table, words: &[&str]) -> Result<Filter, String> {
    let name = words.first().and_then(|word| word.strip_prefix("data."));
    let cell = cell(table, name.ok_or("`data.<type>` is expected")?)?;
    let operator = words
        .get(1)
        .and_then(|word| OPERATORS.iter().find(|(name, _)| name == word));
    let (_, operator) = operator.ok_or("Require an operator among `eq`, `ne`, `le`, `ge`, `lt`, `gt`")?;
    let value = words.get(2).and_then(|word| word.parse().ok());
    Ok(Filter {
        cell,
        operator: *operator,
        value: value.ok_or("Require a valid integer value to compare against")?,
    })
}

/// `<type>`, or `<type>[<index>]` of an array.
fn cell(table: &Table, text: &str) -> Result<Cell, String> {
    let (name, index) = match text.strip_suffix(']').and_then(|text| text.split_once('[')) {
        Some((name, index)) => (name, Some(index)),
        None => (text, None),
    };
    let kind = DataType::find(name).ok_or("Unknown data type")?;
    let index = match index {
        Some(index) if kind.is_array() => index.parse().map_err(|_| "Invalid array index")?,
        Some(_) => return Err("Data type is not an array".to_string()),
        None => 0,
    };
    if !table.keeps(kind) {
        return Err("Data type not stored in this table".to_string());
    }
    if index >= table.column(kind).map_or(1, |column| column.length) {
        return Err("Array index out of range".to_string());
    }
    Ok(Cell { kind, index })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stick::{Column, KeyType, TableSpec};
    use std::sync::Arc;

    fn table(key: KeyType) -> Arc<Table> {
        let array = |kind, length, period_ms| Column {
            kind,
            length,
            period_ms,
        };
        let mut spec = TableSpec::new("t", key, 1024);
        spec.expire_ms = Some(60_000);
        spec.columns = vec![
            array(DataType::Gpc, 2, 0),
            array(DataType::GpcRate, 2, 10_000),
            Column::single(DataType::Gpt0),
            Column::rate(DataType::ConnRate, 30_000),
            Column::single(DataType::BytesInCnt),
        ];
        Arc::new(Table::new(spec))
    }

    /// The lines, without the addresses, which differ from run to run.
    fn shown(table: &Table, words: &[&str], now: u64) -> Vec<String> {
        let selection = Selection::parse(table, words).unwrap();
        let mut lines = Vec::new();
        table.show(&selection, now, &mut |line| {
            let (address, rest) = line.split_once(": ").unwrap();
            assert!(address.starts_with("0x"), "{line}");
            lines.push(rest.to_string());
            ControlFlow::Continue(())
        });
        lines
    }

    #[test]
    fn entries_are_set_shown_and_cleared() {
        let table = table(KeyType::Ipv4);
        assert_eq!(table.headline(0), "# table: t, type: ip, size:1024, used:0");
        table
            .set(
                &["key", "192.0.2.1", "data.gpc[1]", "7", "data.conn_rate", "9"],
                10,
            )
            .unwrap();
        table.set(&["key", "192.0.2.2", "data.gpt0", "3"], 20).unwrap();
        assert_eq!(
            shown(&table, &[], 40),
            [
                "key=192.0.2.1 use=0 exp=59970 shard=0 gpt0=0 conn_rate(30000)=9 bytes_in_cnt=0 gpc0=0 gpc1=7 \
                 gpc0_rate(10000)=0 gpc1_rate(10000)=0",
                "key=192.0.2.2 use=0 exp=59980 shard=0 gpt0=3 conn_rate(30000)=0 bytes_in_cnt=0 gpc0=0 gpc1=0 \
                 gpc0_rate(10000)=0 gpc1_rate(10000)=0",
            ]
        );
        let count = |words: &[&str]| shown(&table, words, 40).len();
        assert_eq!(count(&["data.gpc[1]", "eq", "7"]), 1);
        assert_eq!(count(&["data.gpc[1]", "ne", "8", "data.gpt0", "lt", "3"]), 1);
        assert_eq!(
            (count(&["data.gpt0", "ge", "0"]), count(&["data.gpt0", "gt", "3"])),
            (2, 0)
        );
        assert_eq!(
            (
                count(&["data.gpt0", "le", "0"]),
                count(&["data.gpt0", "le", "-1"])
            ),
            (1, 0)
        );
        assert_eq!(
            (count(&["key", "192.0.2.2"]), count(&["key", "192.0.2.3"])),
            (1, 0)
        );
        let clear = |words: &[&str]| table.clear(&Selection::parse(&table, words).unwrap(), 40);
        clear(&["data.gpt0", "eq", "3"]).unwrap();
        assert_eq!(table.used(40), 1);
        let tracked = table
            .track(&KeyType::Ipv4.parse("192.0.2.1").unwrap(), 40)
            .unwrap();
        assert!(clear(&["key", "192.0.2.1"]).is_err() && clear(&[]).is_ok());
        assert_eq!(table.used(40), 1);
        tracked.release(50);
        clear(&[]).unwrap();
        assert_eq!(table.used(50), 0);
    }

    #[test]
    fn an_entry_is_meant_by_its_address_too() {
        let table = table(KeyType::Binary { length: 2 });
        let key = KeyType::Binary { length: 2 }
            .key(crate::Value::bin("\x01\u{7f}"))
            .unwrap();
        let address = table
            .update(&key, 0, |entry| format!("{:#x}", entry.address()))
            .unwrap();
        table.set(&["ptr", &address, "data.gpt0", "5"], 0).unwrap();
        let lines = shown(&table, &["ptr", &address], 0);
        assert!(
            lines[0].starts_with("key=017F use=0 ") && lines[0].contains(" gpt0=5 "),
            "{lines:?}"
        );
        assert_eq!(
            table.set(&["ptr", "0x1", "data.gpt0", "5"], 0).unwrap_err(),
            "No such entry"
        );
        table
            .clear(&Selection::parse(&table, &["ptr", &address]).unwrap(), 0)
            .unwrap();
        assert_eq!(table.used(0), 0);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let table = table(KeyType::Integer);
        let select = |words: &[&str]| Selection::parse(&table, words).unwrap_err();
        assert_eq!(select(&["key", "x"]), "Invalid key");
        assert_eq!(select(&["key"]), "Key value expected");
        assert_eq!(select(&["ptr", "12"]), "Invalid ptr");
        assert_eq!(
            select(&["data.zzz", "eq", "1"]),
            "Filter entry #1: Unknown data type"
        );
        let second = ["data.gpt0", "eq", "1", "data.gpc1", "eq", "1"];
        assert_eq!(
            select(&second),
            "Filter entry #2: Data type not stored in this table"
        );
        assert!(select(&["data.gpt0", "xx", "1"]).contains("`gt`"));
        assert!(select(&["data.gpt0", "eq"]).contains("valid integer"));
        assert!(select(&["data.gpc[2]", "eq", "1"]).contains("out of range"));
        assert!(select(&["data.gpt0[0]", "eq", "1"]).contains("not an array"));
        assert!(select(&["what"]).contains("`what`"));
        assert!(select(&["data.gpt0", "eq", "1"].repeat(5)).contains("4 filters"));
        let set = |words: &[&str]| table.set(words, 0).unwrap_err();
        assert!(set(&[]).contains("expected"));
        assert!(set(&["key", "1", "gpt0", "1"]).contains("`gpt0`"));
        assert!(set(&["key", "1", "data.gpt0"]).contains("valid integer"));
        assert!(set(&["key", "1", "data.gpt0", "-1"]).contains("valid integer"));
        assert_eq!(table.used(0), 0);
    }
}
