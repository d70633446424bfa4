//! What each call of the API costs, and each callback, beside a call of the host that does nothing.
//!
//! `cargo bench -p tidegate-lua-api` measures and prints the tables that docs/benchmarks.md keeps. The rows are those of the
//! declarations that bind the functions; what there is no call for here is named below the table.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "it is a bench"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::{Duration, Instant};

use common::{Site, run};
use tidegate_lua_api::reference;
use tidegate_proxy::Txn;
use tidegate_proxy::ext::ActionOutcome;
use tidegate_sample::Value;

/// How often an action makes its call.
const TIMES: u32 = 100;

/// The call that does nothing: what any call of the host takes.
const EMPTY: (&str, &str) = ("core", "use_native_mailers_config");

/// A call of each function that neither waits nor needs a peer: its class, its name, and an example.
const CALLS: &[(&str, &str, &str)] = &[
    (
        "core",
        "use_native_mailers_config",
        "core.use_native_mailers_config()",
    ),
    ("core", "log", "core.log(core.info, 'text')"),
    ("core", "Debug", "core.Debug('text')"),
    ("core", "Info", "core.Info('text')"),
    ("core", "Warning", "core.Warning('text')"),
    ("core", "Alert", "core.Alert('text')"),
    ("core", "now", "core.now()"),
    ("core", "http_date", "core.http_date(1764374400)"),
    (
        "core",
        "imf_date",
        "core.imf_date('Sun, 30 Nov 2025 10:00:00 GMT')",
    ),
    (
        "core",
        "rfc850_date",
        "core.rfc850_date('Sunday, 30-Nov-25 10:00:00 GMT')",
    ),
    (
        "core",
        "asctime_date",
        "core.asctime_date('Sun Nov 30 10:00:00 2025')",
    ),
    ("core", "parse_addr", "core.parse_addr('192.0.2.1:80')"),
    ("core", "match_addr", "core.match_addr(network, address)"),
    ("core", "tokenize", "core.tokenize('a,b,c', ',')"),
    ("core", "get_info", "core.get_info()"),
    ("core", "get_var", "core.get_var('proc.a')"),
    ("core", "concat", "core.concat()"),
    ("core", "queue", "core.queue()"),
    ("TXN", "log", "txn:log(core.info, 'text')"),
    ("TXN", "deflog", "txn:deflog('text')"),
    ("TXN", "Debug", "txn:Debug('text')"),
    ("TXN", "Info", "txn:Info('text')"),
    ("TXN", "Warning", "txn:Warning('text')"),
    ("TXN", "Alert", "txn:Alert('text')"),
    ("TXN", "get_priv", "txn:get_priv()"),
    ("TXN", "set_priv", "txn:set_priv('text')"),
    ("TXN", "set_var", "txn:set_var('txn.a', 'text')"),
    ("TXN", "unset_var", "txn:unset_var('txn.none')"),
    ("TXN", "get_var", "txn:get_var('txn.here')"),
    ("TXN", "reply", "txn:reply()"),
    ("TXN", "set_loglevel", "txn:set_loglevel(core.info)"),
    ("TXN", "set_fc_tos", "txn:set_fc_tos(8)"),
    ("TXN", "set_fc_mark", "txn:set_fc_mark(7)"),
    ("TXN", "set_tos", "txn:set_tos(8)"),
    ("TXN", "set_mark", "txn:set_mark(7)"),
    ("TXN", "set_priority_class", "txn:set_priority_class(5)"),
    ("TXN", "set_priority_offset", "txn:set_priority_offset(5)"),
    ("Reply", "set_status", "reply:set_status(404)"),
    ("Reply", "del_header", "reply:del_header('x-none')"),
    ("Reply", "set_body", "reply:set_body('text')"),
    ("HTTP", "req_get_headers", "txn.http:req_get_headers()"),
    ("HTTP", "req_del_header", "txn.http:req_del_header('x-none')"),
    (
        "HTTP",
        "req_set_header",
        "txn.http:req_set_header('x-own', 'text')",
    ),
    (
        "HTTP",
        "req_rep_header",
        "txn.http:req_rep_header('x-two', 'a(.*)', 'a\\\\1')",
    ),
    (
        "HTTP",
        "req_rep_value",
        "txn.http:req_rep_value('x-two', 'a(.*)', 'a\\\\1')",
    ),
    ("HTTP", "req_set_method", "txn.http:req_set_method('GET')"),
    ("HTTP", "req_set_path", "txn.http:req_set_path('/other')"),
    ("HTTP", "req_set_query", "txn.http:req_set_query('a=b')"),
    ("HTTP", "req_set_uri", "txn.http:req_set_uri('/other?a=b')"),
    ("Concat", "add", "concat:add('text')"),
    ("Concat", "dump", "text:dump()"),
    ("Queue", "push", "queue:push('text')"),
    ("Queue", "pop", "queue:pop()"),
    ("Queue", "size", "queue:size()"),
    ("Regex", "new", "Regex.new('^/(.*)$', true)"),
    ("Regex", "exec", "regex:exec('/path')"),
    ("Regex", "match", "regex:match('/path')"),
    ("Shared", "get", "shared:get('here')"),
    ("Shared", "set", "shared:set('a', 'text')"),
    ("Shared", "incr", "shared:incr('count', 1, 0)"),
    ("Shared", "delete", "shared:delete('none')"),
    ("Shared", "info", "shared:info()"),
];

/// Some of the methods of fetches and converters, which come of the sample tables.
const SAMPLES: &[&str] = &[
    "txn.f:src()",
    "txn.f:path()",
    "txn.sf:req_hdr('host')",
    "txn.f:var('txn.here')",
    "txn.c:lower('TEXT')",
    "txn.c:field('a,b,c', 2, ',')",
    "txn.sc:sha1('text')",
];

fn main() {
    // `cargo test --benches` only wants to see that all of it runs.
    let rounds = if std::env::args().any(|arg| arg == "--bench") {
        300
    } else {
        1
    };
    let site = Site::new(&script());
    let ns = run(measure(&site, rounds));
    let empty = ns[&example(EMPTY).unwrap()];
    println!("An empty call of the host takes {empty:.0} ns.\n");
    println!("| function | call | ns | / empty |\n|---|---|---|---|");
    let mut others = Vec::new();
    for rows in reference() {
        for row in rows.rows {
            match example((rows.class, row.name())) {
                Some(call) => line(
                    &format!("{}: `{}`", rows.class, row.signature),
                    call,
                    ns[call],
                    empty,
                ),
                None => others.push(format!("{}.{}", rows.class, row.name())),
            }
        }
    }
    SAMPLES
        .iter()
        .for_each(|call| line("a sample", call, ns[call], empty));
    println!("\nWithout a call here: {}.\n", others.join(", "));
    run(callbacks(&site, rounds, empty));
}

fn line(what: &str, call: &str, ns: f64, empty: f64) {
    println!("| {what} | `{call}` | {ns:.0} | {:.1} |", ns / empty);
}

fn example((class, name): (&str, &str)) -> Option<&'static str> {
    let found = CALLS.iter().find(|call| (call.0, call.1) == (class, name));
    found.map(|(_, _, call)| *call)
}

fn calls() -> impl Iterator<Item = &'static str> {
    CALLS
        .iter()
        .map(|(_, _, call)| *call)
        .chain(SAMPLES.iter().copied())
}

/// An action for each call, one that makes none, and callbacks that do nothing.
fn script() -> String {
    let mut script = String::from(
        "local _, regex = Regex.new('^/(.*)$', true)
         local shared = core.shared('bench', { size = 1048576 })
         local network, address = core.parse_addr('192.0.2.0/24'), core.parse_addr('192.0.2.1')
         core.register_action('nothing', { 'http-req' }, function(txn) end)
         core.register_fetches('nothing', function(txn) end)
         core.register_converters('nothing', function(text) return text end)\n",
    );
    for (number, call) in [""].into_iter().chain(calls()).enumerate() {
        let call = if call.is_empty() {
            String::new()
        } else {
            format!("local _ = {call}")
        };
        let _ = writeln!(
            script,
            "core.register_action('a{number}', {{ 'http-req' }}, function(txn)
                 local concat, text, queue, reply = core.concat(), core.concat(), core.queue(), txn:reply()
                 text:add('text')
                 shared:set('here', 'text')
                 txn:set_var('txn.here', 'text')
                 for _ = 1, {TIMES} do {call} end
             end)"
        );
    }
    script
}

fn transaction() -> Rc<Txn> {
    common::http("/path?query=1")
}

/// The nanoseconds of each call, by the best of the rounds, in which they take turns.
async fn measure(site: &Site, rounds: u32) -> BTreeMap<&'static str, f64> {
    let names: Vec<String> = (0..=calls().count()).map(|number| format!("a{number}")).collect();
    let mut best = vec![Duration::MAX; names.len()];
    for _ in 0..rounds {
        for (name, best) in names.iter().zip(&mut best) {
            let txn = transaction();
            let start = Instant::now();
            let outcome = site.act(name, &txn).await;
            *best = start.elapsed().min(*best);
            let place = names.iter().position(|other| other == name).unwrap();
            let call = calls().nth(place.wrapping_sub(1));
            assert!(
                matches!(outcome, ActionOutcome::Continue),
                "{call:?}: {outcome:?}"
            );
        }
    }
    let without = best[0];
    let each = best.iter().skip(1).map(|best| best.saturating_sub(without));
    calls()
        .zip(each.map(|time| time.as_nanos() as f64 / f64::from(TIMES)))
        .collect()
}

/// What it takes to run a callback that does nothing.
async fn callbacks(site: &Site, rounds: u32, empty: f64) {
    let txn = transaction();
    let mut best = [Duration::MAX; 3];
    for _ in 0..rounds {
        let start = Instant::now();
        for _ in 0..TIMES {
            assert!(matches!(site.act("nothing", &txn).await, ActionOutcome::Continue));
        }
        best[0] = start.elapsed().min(best[0]);
        let start = Instant::now();
        for _ in 0..TIMES {
            assert!(site.fetch("nothing", &*txn, &[]).await.is_none());
        }
        best[1] = start.elapsed().min(best[1]);
        let start = Instant::now();
        for _ in 0..TIMES {
            let text = Value::Str(b"text"[..].into());
            assert!(site.convert("nothing", &*txn, text, &[]).await.is_some());
        }
        best[2] = start.elapsed().min(best[2]);
    }
    println!("| callback that does nothing | ns | / empty |\n|---|---|---|");
    for (what, best) in ["action", "fetch", "converter"].iter().zip(best) {
        let ns = best.as_nanos() as f64 / f64::from(TIMES);
        println!("| {what} | {ns:.0} | {:.1} |", ns / empty);
    }
}
