//! Fetches and converters that ask stick tables, on a session that makes them up.
#![allow(clippy::unwrap_used, reason = "it is a test")]

use std::any::Any;
use std::cell::{Cell, Ref, RefCell};
use std::net::SocketAddr;
use tidegate_sample::stick::{Column, Count, DataType, KeyType, TableSpec, Tables, Tracked};
use tidegate_sample::{Expr, Named, Proxies, Scope, Session, Side, Value};

struct Made {
    tables: Tables,
    counters: RefCell<Vec<(u32, Tracked)>>,
    now: Cell<u64>,
}

fn array(kind: DataType, length: u32, period_ms: u32) -> Column {
    Column {
        kind,
        length,
        period_ms,
    }
}

/// Every kind of data that can be kept beside the others.
fn columns(arrays: bool) -> Vec<Column> {
    let in_arrays = |kind: DataType| kind.name().starts_with("gpc") || kind.name().starts_with("gpt");
    let kinds = DataType::ALL
        .iter()
        .copied()
        .filter(|kind| in_arrays(*kind) != arrays || !in_arrays(*kind));
    let mut columns: Vec<Column> = kinds
        .filter(|kind| !kind.is_array())
        .map(|kind| match kind.name().ends_with("_rate") {
            true => Column::rate(kind, 10_000),
            false => Column::single(kind),
        })
        .collect();
    if arrays {
        columns.extend([
            array(DataType::Gpc, 3, 0),
            array(DataType::Gpt, 3, 0),
            array(DataType::GpcRate, 3, 10_000),
        ]);
    }
    columns
}

impl Made {
    /// Counter 0 tracks `a` in `texts`, counter 1 the client in `clients`; nothing else is tracked.
    fn new() -> Made {
        let mut tables = Tables::default();
        for (name, key, arrays) in [
            ("texts", KeyType::Str { length: 10 }, false),
            ("other", KeyType::Str { length: 10 }, false),
            ("clients", KeyType::Ipv4, false),
            ("arrays", KeyType::Ipv4, true),
        ] {
            let mut spec = TableSpec::new(name, key, 10);
            spec.expire_ms = Some(60_000);
            spec.columns = columns(arrays);
            tables.add(spec);
        }
        tables.add(TableSpec::new("f", KeyType::Ipv4, 10));
        let made = Made {
            tables,
            counters: RefCell::default(),
            now: Cell::new(1000),
        };
        made.track(0, "texts", Value::str("a"));
        made.track(1, "clients", Value::from(made.src().unwrap().ip()));
        made
    }

    fn track(&self, counter: u32, table: &str, key: Value) {
        let table = self.tables.find(table).unwrap();
        let tracked = table
            .track(&table.spec().key.key(key).unwrap(), self.now.get())
            .unwrap();
        self.counters.borrow_mut().push((counter, tracked));
    }

    fn count(&self, counter: u32, what: Count, amount: u64) {
        self.tracked(counter)
            .unwrap()
            .entry()
            .count(what, amount, self.now.get());
    }

    /// An expression as text; empty without a sample.
    fn says(&self, text: &str) -> String {
        let shown = |expr: Expr| match expr.eval(self) {
            Some(Value::Int(int)) => int.to_string(),
            Some(Value::Bool(bool)) => bool.to_string(),
            Some(Value::Str(text)) => String::from_utf8(text.to_vec()).unwrap(),
            Some(Value::Ipv4(ip)) => ip.to_string(),
            Some(other) => format!("{other:?}"),
            None => String::new(),
        };
        let known = shown(Expr::parse(text, &Scope::anywhere().with_proxies(self)).unwrap());
        if !text.contains("inc_") && !text.contains("clr_") && !text.contains("updt_") {
            let later = shown(Expr::parse(text, &Scope::anywhere()).unwrap());
            assert_eq!(known, later, "{text}: the table is found by its name too");
        }
        known
    }

    fn all(&self, cases: &[(&str, &str)]) {
        for (text, expected) in cases {
            assert_eq!(self.says(text), *expected, "{text}");
        }
    }
}

impl Session for Made {
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn src(&self) -> Option<SocketAddr> {
        Some("192.0.2.1:1234".parse().unwrap())
    }
    fn frontend(&self) -> Option<Named> {
        Some(Named {
            name: "f".into(),
            id: 1,
        })
    }
    fn tables(&self) -> Option<&Tables> {
        Some(&self.tables)
    }
    fn tracked(&self, counter: u32) -> Option<Ref<'_, Tracked>> {
        Ref::filter_map(self.counters.borrow(), |all| {
            all.iter()
                .find(|(number, _)| *number == counter)
                .map(|(_, tracked)| tracked)
        })
        .ok()
    }
    fn ticks(&self) -> u64 {
        self.now.get()
    }
}

impl Proxies for Made {
    fn current(&self) -> Option<&str> {
        Some("f")
    }
    fn names(&self, _side: Side) -> Vec<&str> {
        vec!["f", "bare"]
    }
    fn servers(&self, _backend: &str) -> Vec<String> {
        Vec::new()
    }
    fn tables(&self) -> Option<&Tables> {
        Some(&self.tables)
    }
}

#[test]
fn what_is_counted_is_told_of_counters_clients_and_keys() {
    let made = Made::new();
    let counts = [
        (Count::Connection, "conn", "cnt"),
        (Count::Session, "sess", "cnt"),
        (Count::Request, "http_req", "cnt"),
        (Count::Error, "http_err", "cnt"),
        (Count::Failure, "http_fail", "cnt"),
        (Count::Glitch, "glitch", "cnt"),
        (Count::BytesIn, "kbytes_in", ""),
        (Count::BytesOut, "kbytes_out", ""),
    ];
    for (amount, (what, stem, suffix)) in (5u64..).zip(counts) {
        let factor = if suffix.is_empty() { 1024 } else { 1 };
        made.count(0, what, amount * factor);
        made.count(1, what, 2 * amount * factor);
        let name = format!("{stem}_{suffix}");
        let name = name.trim_end_matches('_');
        let (one, two) = (amount.to_string(), (2 * amount).to_string());
        made.all(&[
            (&format!("sc_{name}(0)"), &one),
            (&format!("sc0_{name}"), &one),
            (&format!("sc1_{name}"), &two),
            (&format!("src_{name}(clients)"), &two),
            (&format!("src,table_{name}(clients)"), &two),
            (&format!("str(a),table_{name}(texts)"), &one),
            (&format!("str(b),table_{name}(texts)"), "0"),
            (&format!("sc2_{name}"), ""),
            (&format!("sc0_{name}(other)"), "0"),
            (&format!("sc1_{name}(other)"), "0"),
            (&format!("src,table_{name}(f)"), "0"),
        ]);
        let rate = match suffix {
            "" => name.replace("kbytes", "bytes") + "_rate",
            _ => format!("{stem}_rate"),
        };
        made.all(&[
            (&format!("sc0_{rate}"), &(amount * factor).to_string()),
            (
                &format!("src_{rate}(clients)"),
                &(2 * amount * factor).to_string(),
            ),
            (
                &format!("str(a),table_{rate}(texts)"),
                &(amount * factor).to_string(),
            ),
        ]);
    }
    made.all(&[
        ("sc0_conn_cur", "1"),
        ("sc0_trackers", "1"),
        ("src,table_trackers(clients)", "1"),
    ]);
    made.now.set(1000 + 15_000);
    made.all(&[
        ("sc0_conn_rate", "2"),
        ("sc1_conn_rate", "5"),
        ("sc1_conn_cnt", "10"),
    ]);
}

#[test]
fn counters_are_incremented_and_cleared() {
    let made = Made::new();
    made.all(&[
        ("sc0_inc_gpc0", "1"),
        ("sc0_inc_gpc0", "2"),
        ("sc0_gpc0_rate", "2"),
        ("sc_inc_gpc1(0)", "1"),
        ("sc0_clr_gpc0", "2"),
        ("sc0_get_gpc0", "0"),
        ("sc0_get_gpc1", "1"),
        ("sc0_inc_gpc0(other)", "0"),
        ("table_cnt(other)", "0"),
        ("src_inc_gpc0(clients)", "1"),
        ("src_updt_conn_cnt(clients)", "1"),
        ("sc1_get_gpc0", "1"),
        ("str(new),table_inc_gpc1(texts)", "1"),
        ("str(new2),table_clr_gpc1(texts)", "0"),
        ("table_cnt(texts)", "3"),
        ("table_avl(texts)", "7"),
        ("sc0_get_gpt0", "0"),
    ]);
}

#[test]
fn arrays_have_elements() {
    let made = Made::new();
    made.track(2, "arrays", Value::from(made.src().unwrap().ip()));
    made.all(&[
        ("sc_inc_gpc(1,2)", "1"),
        ("sc_inc_gpc(1,2)", "2"),
        ("sc_get_gpc(1,2)", "2"),
        ("sc_get_gpc(0,2)", "0"),
        ("sc_gpc_rate(1,2)", "2"),
        ("sc2_get_gpc1", "2"),
        ("sc2_gpc1_rate", "2"),
        ("sc_get_gpc(3,2)", ""),
        ("sc_clr_gpc(1,2)", "2"),
        ("src_inc_gpc(2,arrays)", "1"),
        ("src,table_inc_gpc(2,arrays)", "2"),
        ("src_get_gpc(2,arrays)", "2"),
        ("src,table_gpc(2,arrays)", "2"),
        ("src,table_gpc_rate(2,arrays)", "2"),
        ("src_gpc_rate(2,arrays)", "2"),
        ("src,table_gpt(2,arrays)", "0"),
        ("sc_get_gpt(2,2)", "0"),
        ("src_get_gpt(0,arrays)", "0"),
        ("src_clr_gpc(2,arrays)", "2"),
        ("sc2_clr_gpc0", "0"),
        // The array stands for the first two of the names without one, and not the other way round.
        ("sc_get_gpc(0,0)", ""),
        ("src,table_gpc0(arrays)", "0"),
    ]);
}

#[test]
fn what_is_not_kept_or_not_tracked_gives_no_sample() {
    let made = Made::new();
    made.track(3, "f", Value::from(made.src().unwrap().ip()));
    made.all(&[
        ("sc_get_gpc0(3)", ""),
        ("src_get_gpc0(f)", ""),
        ("src_conn_cnt", ""),
        ("sc_trackers(3)", "1"),
        ("sc_tracked(3)", "true"),
        ("sc2_tracked", "false"),
        ("sc_tracked(7)", "false"),
        ("sc2_trackers", ""),
        ("sc_get_gpc0(-1)", ""),
        ("sc0_key", "a"),
        ("sc1_key", "192.0.2.1"),
        ("sc_key(3)", "192.0.2.1"),
        ("sc2_key", ""),
        ("src,in_table", "true"),
        ("str(a),in_table(texts)", "true"),
        ("str(b),in_table(texts)", "false"),
        ("str(nothing),in_table(clients)", ""),
        ("str(a),table_server_id(texts)", "0"),
    ]);
}

#[test]
fn entries_tell_their_time() {
    let made = Made::new();
    made.now.set(6000);
    made.all(&[
        ("str(a),table_expire(texts)", "55000"),
        ("str(a),table_idle(texts)", "5000"),
        ("str(b),table_expire(texts)", ""),
        ("str(b),table_expire(texts,-1)", "-1"),
        ("str(b),table_idle(texts,7)", "7"),
        ("str(a),table_inc_gpc0(texts)", "1"),
        ("str(a),table_idle(texts)", "0"),
        ("src,table_idle(clients)", "5000"),
        ("src_get_gpc0(clients)", "0"),
        ("src,table_idle(clients)", "5000"),
    ]);
}

#[test]
fn tables_are_known_by_name() {
    let made = Made::new();
    let fails = |text: &str| {
        let error = Expr::parse(text, &Scope::anywhere().with_proxies(&made)).unwrap_err();
        (error.span.clone(), error.to_string())
    };
    let (span, message) = fails("src_conn_cnt(client)");
    assert_eq!(
        (span, message.contains("no stick table `client`")),
        (13..19, true)
    );
    assert!(message.contains("did you mean `clients`?"), "{message}");
    assert!(
        fails("src_get_gpc(1,bare)")
            .1
            .contains("`bare` has no `stick-table` line")
    );
    let elsewhere = Elsewhere(&made);
    let error = Expr::parse("table_cnt", &Scope::anywhere().with_proxies(&elsewhere)).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`table_cnt` takes a table, and `bare` has none"),
        "{error}"
    );
}

/// The same from a section without a table.
struct Elsewhere<'m>(&'m Made);

impl Proxies for Elsewhere<'_> {
    fn current(&self) -> Option<&str> {
        Some("bare")
    }
    fn names(&self, side: Side) -> Vec<&str> {
        self.0.names(side)
    }
    fn servers(&self, _backend: &str) -> Vec<String> {
        Vec::new()
    }
    fn tables(&self) -> Option<&Tables> {
        Some(&self.0.tables)
    }
}
