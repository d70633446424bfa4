//! What TXN does besides reading and changing messages.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use common::{Site, eval, eval_on, http, out, run};
use tidegate_lua_api::RuleSet;
use tidegate_proxy::Txn;
use tidegate_proxy::ext::ActionOutcome;
use tidegate_sample::{Session, Value};

#[test]
fn the_clients_packets_are_marked() {
    let txn = http("/");
    assert_eq!((txn.client_tos(), txn.client_mark()), (None, None));
    eval_on(&txn, "out(txn:set_fc_tos(0x20), txn:set_fc_mark(0xffffffff))");
    assert_eq!(
        (txn.client_tos(), txn.client_mark()),
        (Some(0x20), Some(0xffff_ffff))
    );
    eval_on(&txn, "out(txn:set_tos(8), txn:set_mark(7))");
    assert_eq!((txn.client_tos(), txn.client_mark()), (Some(8), Some(7)));
}

#[test]
fn the_priority_in_a_queue_is_cut_to_what_there_is() {
    let txn = http("/");
    let set = |class: i64, offset: i64| {
        let lines = format!(
            "txn:set_priority_class({class}) txn:set_priority_offset({offset})
             out(txn.f:prio_class(), txn.f:prio_offset())"
        );
        let seen = eval_on(&txn, &lines);
        let priority = txn.priority();
        assert_eq!(seen, format!("{},{}", priority.class, priority.offset));
        seen
    };
    assert_eq!(
        eval_on(&txn, "out(txn.f:prio_class(), txn.f:prio_offset())"),
        "0,0"
    );
    assert_eq!(set(5, -6), "5,-6");
    assert_eq!(set(99_999, 999_999), "2047,524287");
    assert_eq!(set(-99_999, -999_999), "-2047,-524287");
}

#[test]
fn done_in_a_fetch_ends_the_fetch_alone() {
    let site = Site::new(
        "core.register_fetches('f', function(txn) txn:done() return 'after' end)
         core.register_fetches('g', function(txn) core.done('early') return 'after' end)",
    );
    let txn = http("/");
    run(async {
        assert_eq!(site.fetch("f", &*txn, &[]).await, None);
        assert_eq!(site.fetch("g", &*txn, &[]).await, Some(Value::str("early")));
    });
    assert!(!txn.has_reply() && site.logged().is_empty());
}

#[test]
fn a_tcp_stream_that_is_done_has_what_was_sent_to_it_and_no_reply() {
    let txn = Txn::detached().input("x").build();
    let site = Site::new(
        "core.register_action('d', { 'tcp-req' }, function(txn)
            txn.res:send('bye') txn:done { status = 400 } txn.res:send('not here')
        end)",
    );
    let declared = site.loaded.declared();
    let id = declared.action(RuleSet::TcpRequest, "d").unwrap().id;
    let outcome = run(async { site.worker.action(id).unwrap().run(&txn, &[]).await });
    assert_eq!(outcome, ActionOutcome::Done);
    assert_eq!((txn.response_channel().output_len(), txn.has_reply()), (3, false));
}

#[test]
fn a_reply_begins_with_what_it_would_send() {
    assert_eq!(
        eval(
            r#"
            local r = txn:reply()
            out(r.status, r.reason, type(r.headers), next(r.headers), r.body)
            r = txn:reply { status = 404 }
            out(r.status, r.reason)
            out(r:set_status(503), r.status, r.reason, r:set_status(503, "Closed"), r.reason)
            out(r:set_body("sorry"), r.body)
            "#
        ),
        "200,OK,table,nil,|404,Not Found|true,503,Service Unavailable,true,Closed|true,sorry"
    );
}

#[test]
fn a_stream_has_no_replies() {
    let txn = Txn::detached().input("abc").build();
    assert_eq!(
        eval_on(&txn, "try(txn.reply, txn)"),
        "reply: only a transaction of HTTP has replies"
    );
}

#[test]
fn a_replys_headers_are_found_by_the_names_that_were_given() {
    assert_eq!(
        eval(
            r#"
            local r = txn:reply { headers = { ["X-A"] = { "0" }, one = "1" } }
            out(r:add_header("X-A", "1"), r:add_header("x-a", "2"), r:add_header("one", "2"))
            out(table.concat(r.headers["X-A"], "+"), r.headers["x-a"][1], table.concat(r.headers.one, "+"))
            out(r:del_header("x-A"), r.headers["X-A"], r.headers["x-a"], r.headers.one[1])
            "#
        ),
        "true,true,true|0+1,2,1+2|true,nil,nil,1"
    );
}

#[test]
fn both_channels_are_there_in_either_mode() {
    let lines =
        "out(txn.req:is_resp(), txn.res:is_resp(), txn.req:input(), txn.req:output(), txn.req:is_full(),
        txn.req:may_recv())";
    assert_eq!(eval(lines), "false,true,0,0,false,true");
    let txn = Txn::detached().input("abc").build();
    assert_eq!(eval_on(&txn, lines), "false,true,3,0,false,true");
    assert_eq!(
        eval("try(txn.req.append, txn.req, 'x')"),
        "Cannot manipulate HAProxy channels in HTTP mode."
    );
    drop(out(&txn));
}
