//! Evaluation allocates nothing where nothing has to be made.
#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]

mod common;

use allocation_counter::measure;
use common::Fake;
use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use tidegate_sample::{AclSet, Condition, Expr, LogFormat, NoExternals, Place, Scope};

const LONG: &str = "/a/path/and/header/that/is/longer/than/anything/that/is/stored/inline?in=a&value=of-ours";

fn session() -> Fake {
    let mut fake = Fake::new();
    let request = http::Request::get(LONG)
        .header("Host", "www.example.com")
        .header("X-Long", LONG)
        .header("X-List", format!("one, {LONG} ,three"))
        .header("Cookie", format!("a=1; long={LONG}"))
        .body(())
        .unwrap();
    fake.request = Some(RefCell::new(request.into_parts().0.into()));
    fake
}

fn allocations(run: impl FnOnce()) -> u64 {
    measure(run).count_total
}

#[test]
fn expressions() {
    let fake = session();
    for text in [
        "src",
        "dst_port",
        "method",
        "path",
        "pathq",
        "url",
        "query",
        "urlp(value)",
        "hdr(host)",
        "hdr(host),lower",
        "hdr(host),field(2,.)",
        "hdr(host),word(-1,.),upper",
        "hdr(x-long)",
        "hdr(x-long),lower",
        "hdr(x-list,2)",
        "hdr(x-list,2),bytes(3)",
        "cook(long)",
        "var(txn.text)",
        "var(txn.five),add(1),mul(txn.five)",
        "src,ipmask(24)",
        "src,lower",
        "always_true,iif(a,b)",
        "path,length,odd",
        "hdr(host),crc32",
        "str(a),strcmp(txn.text)",
    ] {
        let expr: Expr = text.parse().unwrap();
        assert!(expr.eval(&fake).is_some(), "{text}");
        let count = allocations(|| {
            std::hint::black_box(expr.eval(&fake));
        });
        assert_eq!(count, 0, "{text}");
    }
    // The counter counts: this one has to make a new text.
    let expr: Expr = "path,upper".parse().unwrap();
    assert_ne!(allocations(|| drop(std::hint::black_box(expr.eval(&fake)))), 0);
}

#[test]
fn conditions() {
    let fake = session();
    for text in [
        "if { path_beg /b /a }",
        "if { path_end -i OURS } or { hdr(host) -i WWW.EXAMPLE.COM }",
        "if { hdr(x-list) three } METH_GET",
        "if { src 10.0.0.0/8 127.0.0.0/8 } !{ dst_port 80 443 }",
        "unless { var(txn.nope) -m found }",
    ] {
        let words: Vec<&str> = text.split(' ').collect();
        let condition = Condition::parse(
            &words,
            &AclSet::default(),
            &Scope::new(Place::FrontendHttpRequest),
        )
        .unwrap();
        assert!(condition.eval(&fake), "{text}");
        assert_eq!(allocations(|| assert!(condition.eval(&fake))), 0, "{text}");
    }
}

#[test]
fn log_formats_into_a_buffer_with_room() {
    let fake = session();
    let mut buffer = Vec::with_capacity(1024);
    for text in [
        "%ci:%cp %[path] %{+Q}[hdr(host),lower] %ST",
        "%[src]",
        "%HM %HU %b/%s",
    ] {
        let format: LogFormat = text.parse().unwrap();
        // The path was made from a text of its own, which allocates a counter when it is first shared.
        format.eval_into(&mut buffer, &fake);
        buffer.clear();
        assert_eq!(allocations(|| format.eval_into(&mut buffer, &fake)), 0, "{text}");
        assert!(!buffer.is_empty());
    }
}

#[test]
fn what_may_suspend_costs_nothing_where_nothing_does() {
    let fake = session();
    let expr: Expr = "hdr(host),lower".parse().unwrap();
    let count = allocations(|| {
        let future = pin!(expr.eval_async(&fake, &NoExternals));
        match future.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => drop(std::hint::black_box(value)),
            Poll::Pending => panic!("there is nothing to wait for"),
        }
    });
    assert_eq!(count, 0);
}
