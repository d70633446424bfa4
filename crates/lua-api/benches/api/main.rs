//! What each call of the API costs, and each callback, beside a call of the host that does nothing.
//!
//! `cargo bench -p tidegate-lua-api` measures and prints the tables that docs/benchmarks.md keeps. The rows are those of the
//! declarations that bind the functions: one that is neither in the table of calls nor among those that can't be measured fails
//! the bench, and `cargo test --benches` with it.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "it is a bench"
)]

mod calls;
#[path = "../../tests/common/mod.rs"]
mod common;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::{Site, directory_with, plane, run};
use tidegate_lua_api::reference;
use tidegate_proxy::ext::{ActionOutcome, Follows, Passage};
use tidegate_proxy::{HttpApplet, TcpApplet, Txn};
use tidegate_sample::{Value, Way};

use calls::{CALLS, Place, SAMPLES, UNMEASURED};

/// How often a function makes its call.
const TIMES: u32 = 100;

/// None of them waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// The call that does nothing: what any call of the host takes.
const EMPTY: (&str, &str) = ("core", "use_native_mailers_config");

/// What is measured: where, and the call.
type Measured = (Place, &'static str);

fn main() {
    // `cargo test --benches` only wants to see that all of it runs.
    let rounds = if std::env::args().any(|arg| arg == "--bench") {
        300
    } else {
        1
    };
    every_function_is_listed();
    let plane = plane();
    let site = Site::on(&script(), &plane);
    let (ns, failed) = run(measure(&site, rounds));
    assert!(failed.is_empty(), "calls that fail:\n{}", failed.join("\n"));
    let of = |(class, name): (&str, &str)| {
        let found = CALLS.iter().find(|call| (call.1, call.2) == (class, name));
        found.map(|(place, _, _, call)| (*place, *call))
    };
    let empty = ns[&of(EMPTY).unwrap()];
    println!("An empty call of the host takes {empty:.0} ns.\n");
    println!("| function | call | ns | / empty |\n|---|---|---|---|");
    for rows in reference() {
        for row in rows.rows {
            if let Some(measured) = of((rows.class, row.name())) {
                let what = format!("{}: `{}`", rows.class, row.signature);
                line(&what, measured.1, ns[&measured], empty);
            }
        }
    }
    for call in SAMPLES {
        line("a sample", call, ns[&(Place::Request, *call)], empty);
    }
    println!("\nNot measured:\n\n| functions | why |\n|---|---|");
    let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (class, name, why) in UNMEASURED {
        reasons.entry(why).or_default().push(format!("`{class}.{name}`"));
    }
    for (why, functions) in reasons {
        println!("| {} | {why} |", functions.join(", "));
    }
    println!();
    run(callbacks(&site, rounds, empty));
}

fn line(what: &str, call: &str, ns: f64, empty: f64) {
    println!("| {what} | `{call}` | {ns:.0} | {:.1} |", ns / empty);
}

/// Each function is in one of the two tables, and the tables have nothing else.
fn every_function_is_listed() {
    let measured = CALLS.iter().map(|(_, class, name, _)| (*class, *name));
    let listed: BTreeSet<_> = measured
        .chain(UNMEASURED.iter().map(|(class, name, _)| (*class, *name)))
        .collect();
    let there: BTreeSet<_> = reference()
        .iter()
        .flat_map(|rows| rows.rows.iter().map(|row| (rows.class, row.name())))
        .collect();
    let missing: Vec<_> = there.difference(&listed).collect();
    assert!(missing.is_empty(), "in no table: {missing:?}");
    let gone: Vec<_> = listed.difference(&there).collect();
    assert!(gone.is_empty(), "no functions: {gone:?}");
}

/// The calls of a place, the first of which is none.
fn calls(place: Place) -> Vec<&'static str> {
    let samples = SAMPLES.iter().copied().filter(|_| place == Place::Request);
    let here = CALLS.iter().filter(|call| call.0 == place);
    [""].into_iter()
        .chain(here.map(|(_, _, _, call)| *call))
        .chain(samples)
        .collect()
}

/// A function for each call in its place, and callbacks that do nothing.
fn script() -> String {
    let files = directory_with(&[("m.map", "a 1\nb 2\n"), ("other.map", "a 1\n")]);
    let file = |name: &str| files.join(name).display().to_string();
    let mut script = format!(
        "map_name = '{}'
         map = Map.new(map_name, Map._str)
         local other_map = Map.new('{}', Map._str)
         ref, other = core.get_patref(map_name), core.get_patref('{1}')
         _, regex = Regex.new('^/(.*)$', true)
         shared = core.shared('bench', {{ size = 1048576 }})
         network, address = core.parse_addr('192.0.2.0/24'), core.parse_addr('192.0.2.1')
         core.register_init(function()
             back, front = core.backends.back, core.frontends.front
             one, stick, listener = back.servers.one, back.stktable, front.listeners['sock-1']
         end)
         core.register_action('nothing', {{ 'http-req' }}, function(txn) end)
         core.register_fetches('nothing', function(txn) end)
         core.register_converters('nothing', function(text) return text end)
         heads, bodies = {{}}, {{}}
         local F = {{}}
         F.__index = F
         function F:new() return setmetatable({{ args = self.args }}, F) end
         function F:start_analyze(txn, chn) filter.register_data_filter(self, chn) end
         function F:http_headers(txn, msg) local f = heads[self.args[1]] if f then f(self, txn, msg) end end
         function F:http_payload(txn, msg) local f = bodies[self.args[1]] if f then f(self, txn, msg) end end
         core.register_filter('bench', F, function(flt, args) flt.args = args return flt end)\n",
        file("m.map"),
        file("other.map"),
    );
    for place in Place::ALL {
        for (number, call) in calls(place).into_iter().enumerate() {
            let times = format!("for _ = 1, {TIMES} do {call} end");
            let _ = match place {
                Place::Request => writeln!(
                    script,
                    "core.register_action('Request{number}', {{ 'http-req' }}, function(txn)
                         local concat, text, queue, reply = core.concat(), core.concat(), core.queue(), txn:reply()
                         local socket = core.tcp()
                         text:add('text')
                         shared:set('here', 'text')
                         txn:set_var('txn.here', 'text')
                         {times}
                     end)"
                ),
                Place::Stream | Place::Response => writeln!(
                    script,
                    "core.register_action('{place:?}{number}', {{ 'http-req' }}, function(txn) {times} end)"
                ),
                Place::Service => writeln!(
                    script,
                    "core.register_service('Service{number}', 'http', function(applet)
                         {times} applet:start_response()
                     end)"
                ),
                Place::Answer => writeln!(
                    script,
                    "core.register_service('Answer{number}', 'http', function(applet)
                         applet:start_response() {times}
                     end)"
                ),
                Place::Talk => writeln!(
                    script,
                    "core.register_service('Talk{number}', 'tcp', function(applet) {times} end)"
                ),
                Place::Head | Place::ResponseHead => writeln!(script, "heads['{place:?}{number}'] = function(flt, txn, msg) {times} end"),
                Place::Body => writeln!(script, "bodies['{place:?}{number}'] = function(flt, txn, msg) {times} end"),
            };
        }
    }
    script
}

/// The nanoseconds of each call, by the best of the rounds, in which they take turns; and what failed.
async fn measure(site: &Site, rounds: u32) -> (BTreeMap<Measured, f64>, Vec<String>) {
    let mut ns = BTreeMap::new();
    let mut failed = Vec::new();
    for place in Place::ALL {
        let calls = calls(place);
        let mut best = vec![Duration::MAX; calls.len()];
        for _ in 0..rounds {
            for (number, best) in best.iter_mut().enumerate() {
                let ended = tokio::time::timeout(PATIENCE, once(site, place, number)).await;
                match ended.unwrap_or_else(|_| Err("it waits".to_owned())) {
                    Ok(time) => *best = time.min(*best),
                    Err(why) => failed.push(format!("{place:?} `{}`: {why}", calls[number])),
                }
            }
        }
        let without = best[0];
        for (call, best) in calls.into_iter().zip(best).skip(1) {
            let time = best.saturating_sub(without).as_nanos() as f64;
            ns.insert((place, call), time / f64::from(TIMES));
        }
    }
    (ns, failed)
}

/// Runs a function in its place, and says how long that took.
async fn once(site: &Site, place: Place, number: usize) -> Result<Duration, String> {
    let name = format!("{place:?}{number}");
    let declared = site.loaded.declared();
    let start = Instant::now();
    match place {
        Place::Request | Place::Response | Place::Stream => {
            let txn = match place {
                Place::Request => transaction(),
                Place::Response => answered(),
                _ => Txn::detached().input("one\ntwo three four five").build(),
            };
            let start = Instant::now();
            match site.act(&name, &txn).await {
                ActionOutcome::Continue => Ok(start.elapsed()),
                outcome => Err(format!("{outcome:?}")),
            }
        }
        Place::Service | Place::Answer => {
            let id = declared.http_service(&name).unwrap();
            let applet = HttpApplet::detached(transaction(), [Bytes::from_static(b"one\ntwo\n")]);
            let service = site.worker.http_service(id).unwrap();
            let start = Instant::now();
            let served = service.serve(applet).await;
            served
                .map(|()| start.elapsed())
                .map_err(|failure| failure.to_string())
        }
        Place::Talk => {
            let id = declared.tcp_service(&name).unwrap();
            let txn = Txn::detached().input("one\ntwo\n").build();
            txn.request_channel().end();
            let service = site.worker.tcp_service(id).unwrap();
            let start = Instant::now();
            let served = service.serve(TcpApplet::new(txn)).await;
            served
                .map(|()| start.elapsed())
                .map_err(|failure| failure.to_string())
        }
        Place::Head | Place::Body | Place::ResponseHead => {
            let words: Arc<[String]> = [name].into();
            let way = match place {
                Place::ResponseHead => Way::Response,
                _ => Way::Request,
            };
            let filter = site.worker.filter(0, &words).unwrap().unwrap();
            let txn = match place {
                Place::ResponseHead => answered(),
                _ => transaction(),
            };
            let filtered = async {
                let attached = filter.attach(&txn).unwrap().await?.unwrap();
                attached.start_analyze(&txn, way).await?;
                let data = attached.http_headers(&txn, way, true).await?;
                if let Some(mut data) = data.filter(|_| place == Place::Body) {
                    let (mut input, mut output) = (VecDeque::new(), VecDeque::new());
                    input.push_back(Bytes::from_static(b"one two three four"));
                    poll_fn(|cx| {
                        let passage = Passage {
                            input: &mut input,
                            follows: Follows::Nothing,
                            output: &mut output,
                        };
                        data.poll_data(cx, &txn, passage)
                    })
                    .await?;
                }
                Ok(start.elapsed())
            };
            filtered
                .await
                .map_err(|failure: tidegate_proxy::ext::Failure| failure.to_string())
        }
    }
}

fn transaction() -> Rc<Txn> {
    common::http("/path?query=1")
}

/// A request with a response.
fn answered() -> Rc<Txn> {
    let request = http::Request::get("/path?query=1");
    let response = http::Response::builder()
        .header("x-two", "a")
        .header("x-two", "b");
    Txn::detached()
        .request(request.body(()).unwrap())
        .response(response.body(()).unwrap())
        .build()
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
