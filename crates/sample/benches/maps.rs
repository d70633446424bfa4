//! What a map of a million addresses costs: to load, to keep, to look up in and to change.
//!
//! `cargo bench -p tidegate-sample` (`--bench maps -- networks` for some of them) measures and prints the table that docs/benchmarks.md keeps. A hash map of the standard
//! library, which knows whole addresses only, does the same in the same run.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "it is a bench"
)]

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;
use std::hint::black_box;
use std::io;
use std::net::Ipv4Addr;
use std::time::Instant;
use tidegate_sample::pattern::Target;
use tidegate_sample::{Converter, Files, Lists, NoSession, Place, Scope, Value};

const LOOKUPS: usize = 1_000_000;

fn main() {
    // `cargo test --benches` only wants to see that all of it runs.
    let entries = if std::env::args().any(|arg| arg == "--bench") {
        1_000_000
    } else {
        1_000
    };
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    println!("| a map of {entries} | loads in | takes | a hit | a miss | a change |");
    println!("|---|---|---|---|---|---|");
    let hosts: Vec<u32> = distinct(entries, &mut random, address);
    let text = lines(hosts.iter().map(|ip| Ipv4Addr::from(*ip).to_string()));
    baseline(&text, &hosts, &mut random);
    measure("addresses, `map_ip`", "map_ip(m)", &text, &mut random, |random| {
        Value::Ipv4(hosts[random.below(hosts.len())].into())
    });
    // As in a table of countries: networks of 8 to 24 bits, many in others, so that most addresses are in some.
    let nets: Vec<(u32, u32)> = distinct(entries, &mut random, |random| {
        let len = 24 - (random.next() % 100).checked_ilog2().unwrap_or(0);
        let len = if random.next() % 1000 == 0 {
            8 + random.next() as u32 % 10
        } else {
            len
        };
        (address(random) & (u32::MAX << (32 - len)), len)
    });
    let text = lines(
        nets.iter()
            .map(|(ip, len)| format!("{}/{len}", Ipv4Addr::from(*ip))),
    );
    measure("networks, `map_ip`", "map_ip(m)", &text, &mut random, |random| {
        let (ip, len) = nets[random.below(nets.len())];
        Value::Ipv4((ip | (random.next() as u32) & (u32::MAX >> len)).into())
    });
    let texts: Vec<u64> = distinct(entries, &mut random, Random::next);
    let text = lines(texts.iter().map(|n| format!("{n:x}.example.com")));
    measure("texts, `map`", "map(m)", &text, &mut random, |random| {
        Value::str(format!("{:x}.example.com", texts[random.below(texts.len())]))
    });
    measure("texts, `map_beg`", "map_beg(m)", &text, &mut random, |random| {
        Value::str(format!("{:x}.example.com/a", texts[random.below(texts.len())]))
    });
}

/// Whether a row is asked for: all are, unless the command line names some by a part of their names.
fn is_wanted(name: &str) -> bool {
    let mut parts = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .peekable();
    parts.peek().is_none() || parts.any(|part| name.contains(&part))
}

/// An address below 224.0.0.0.
fn address(random: &mut Random) -> u32 {
    random.below(0xE000_0000) as u32
}

/// One that is in no map: no address of the maps begins with 224 or more.
fn miss(random: &mut Random) -> Value {
    Value::Ipv4((random.next() as u32 | 0xE000_0000).into())
}

/// As many different ones as wanted, in no order.
fn distinct<T: Ord + Copy>(
    count: usize,
    random: &mut Random,
    mut make: impl FnMut(&mut Random) -> T,
) -> Vec<T> {
    let mut all = BTreeSet::new();
    let mut order = Vec::with_capacity(count);
    while order.len() < count {
        let one = make(random);
        if all.insert(one) {
            order.push(one);
        }
    }
    order
}

fn lines(keys: impl Iterator<Item = String>) -> String {
    let mut text = String::new();
    for (at, key) in keys.enumerate() {
        writeln!(text, "{key} backend-{}", at % 1000).unwrap();
    }
    text
}

fn measure(
    name: &str,
    converter: &str,
    text: &str,
    random: &mut Random,
    mut probe: impl FnMut(&mut Random) -> Value,
) {
    if !is_wanted(name) {
        return;
    }
    let (function, _) = converter.split_once('(').unwrap();
    let files = OneFile(RefCell::new(Some(text.as_bytes().to_vec())));
    let lists = Lists::default();
    let scope = Scope::new(Place::FrontendHttpRequest)
        .with_files(&files)
        .with_lists(&lists);
    let mut made = None;
    let mut seconds = 0.0;
    // The file's text was there before, and is part of what the map takes.
    let memory = allocation_counter::measure(|| {
        let start = Instant::now();
        made = Some(Converter::new(function, &[Value::str("m")], &scope).unwrap());
        seconds = start.elapsed().as_secs_f64();
    });
    let converter = made.unwrap();
    let bytes = memory.bytes_current.unsigned_abs() as usize + text.len();
    let hits: Vec<Value> = (0..LOOKUPS).map(|_| probe(random)).collect();
    let hit = per_lookup(&hits, |value| converter.apply(&NoSession, value).is_some());
    let misses: Vec<Value> = (0..LOOKUPS).map(|_| miss(random)).collect();
    let miss = per_lookup(&misses, |value| converter.apply(&NoSession, value).is_none());
    let list = lists.find("m").unwrap();
    let key = text.split(' ').next().unwrap().as_bytes();
    // The first one makes the index by keys.
    list.set(Target::Key(key), b"changed").unwrap();
    let start = Instant::now();
    for _ in 0..500 {
        list.remove(Target::Key(key));
        list.add(key, Some(b"changed")).unwrap();
    }
    let change = start.elapsed().as_secs_f64() / 1000.0 * 1e6;
    println!(
        "| {name} | {seconds:.2} s | {:.1} MiB | {hit} | {miss} | {change:.0} µs |",
        bytes as f64 / 1_048_576.0
    );
}

fn baseline(text: &str, hosts: &[u32], random: &mut Random) {
    if !is_wanted("addresses, `HashMap<Ipv4Addr, String>`") {
        return;
    }
    let mut map = HashMap::new();
    let mut seconds = 0.0;
    let memory = allocation_counter::measure(|| {
        let start = Instant::now();
        for line in text.lines() {
            let (key, value) = line.split_once(' ').unwrap();
            map.insert(key.parse::<Ipv4Addr>().unwrap(), value.to_string());
        }
        seconds = start.elapsed().as_secs_f64();
    });
    let hits: Vec<Value> = (0..LOOKUPS)
        .map(|_| Value::Ipv4(hosts[random.below(hosts.len())].into()))
        .collect();
    // What is found is copied into a value, as a converter has to.
    let look_up = |value: Value| match value {
        Value::Ipv4(ip) => map.get(&ip).map(|text| Value::str(text.as_str())),
        _ => None,
    };
    let hit = per_lookup(&hits, |value| look_up(value).is_some());
    let misses: Vec<Value> = (0..LOOKUPS).map(|_| miss(random)).collect();
    let miss = per_lookup(&misses, |value| look_up(value).is_none());
    println!(
        "| addresses, `HashMap<Ipv4Addr, String>` | {seconds:.2} s | {:.1} MiB | {hit} | {miss} | |",
        memory.bytes_current as f64 / 1_048_576.0
    );
}

/// Nanoseconds for one of the look-ups, in the best and in the median of short rounds, each with values of its own: what
/// else the machine does shows in the second. `right` says whether the answer is as expected.
fn per_lookup(values: &[Value], right: impl Fn(Value) -> bool) -> String {
    let mut rounds: Vec<f64> = values
        .chunks(2_000)
        .map(|values| {
            let mut count = 0_usize;
            let start = Instant::now();
            for value in values {
                count += usize::from(right(black_box(value.clone())));
            }
            let nanos = start.elapsed().as_secs_f64() * 1e9 / values.len() as f64;
            assert!(count * 10 >= values.len() * 9, "{count} of {}", values.len());
            nanos
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    format!("{:.0} ns ({:.0})", rounds[0], rounds[rounds.len() / 2])
}

struct OneFile(RefCell<Option<Vec<u8>>>);

impl Files for OneFile {
    fn read(&self, _path: &str) -> io::Result<Vec<u8>> {
        self.0.take().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// Numbers without order, the same in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}
