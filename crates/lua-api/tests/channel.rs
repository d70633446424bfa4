//! The Channel class: the bytes of a stream, looked at and changed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::rc::Rc;

use common::{eval, eval_on, out, run};
use tidegate_lua_api::RuleSet;
use tidegate_proxy::Txn;
use tidegate_proxy::ext::ActionOutcome;

fn stream(input: &'static str) -> Rc<Txn> {
    Txn::detached().input(input).build()
}

#[test]
fn input_is_looked_at_without_taking_it() {
    let txn = stream("one\ntwo");
    assert_eq!(
        eval_on(
            &txn,
            r#"
            local req = txn.req
            out(req:input(), req:get_in_len(), req:output(), req:get_out_len(), req:is_full(), req:may_recv())
            out(req:dup(), req:data(4), req:data(-3, 2), req:line())
            out(txn.res:is_resp(), req:is_resp())
            "#
        ),
        "7,7,0,0,false,true|one\ntwo,two,tw,one\n|true,false"
    );
    assert_eq!(txn.request_channel().input_len(), 7);
}

/// Nobody receives it while the rule runs: a script that waited for it would wait for ever.
#[test]
fn a_rule_reads_what_comes_its_own_way() {
    let txn = stream("hello");
    let lines =
        "for _, name in ipairs { 'data', 'line', 'dup', 'get', 'getline' } do try(txn.res[name], txn.res) end
        try(txn.res.forward, txn.res, 1) out(txn.res:input(), txn.res:append('there'), txn.req:get())";
    let said = ["a rule for requests can't read the response"; 6].join("|");
    assert_eq!(eval_on(&txn, lines), format!("{said}|0,5,hello"));
}

#[test]
fn input_is_changed_in_place() {
    let txn = stream("hello");
    assert_eq!(
        eval_on(
            &txn,
            r#"
            local req = txn.req
            out(req:append(" world"), req:prepend(">"), req:insert("!", -5), req:dup())
            out(req:set("HELLO", 1, 5), req:remove(0, 1), req:dup())
            out(req:set("all"), req:dup(), req:remove())
            "#
        ),
        "6,1,1,>hello !world|5,1,HELLO !world|3,all,3"
    );
}

#[test]
fn bytes_are_sent_and_let_go() {
    let txn = stream("abcdef");
    assert_eq!(
        eval_on(
            &txn,
            "out(txn.req:forward(2), txn.req:send('XY'), txn.req:output(), txn.req:dup())"
        ),
        "2,2,4,cdef"
    );
    txn.response_channel().shut();
    assert_eq!(eval_on(&txn, "out(txn.res:send('late'))"), "-1");
}

#[test]
fn what_does_not_fit_is_refused_whole() {
    let txn = stream("");
    let result = eval_on(&txn, "out(txn.req:append(('x'):rep(100000)), txn.req:input())");
    assert_eq!(result, "-1,0");
}

#[test]
fn taking_waits_for_input_and_ends_with_nil() {
    let txn = stream("");
    let site = common::Site::new(&common::script(
        "out(txn.req:getline()) out(txn.req:get()) out(txn.req:getline()) out(txn.req:dup())",
    ));
    let id = site
        .loaded
        .declared()
        .action(RuleSet::TcpRequest, "eval")
        .unwrap()
        .id;
    let action = site.worker.action(id).unwrap();
    run(async {
        let mut running = action.run(&txn, &[]);
        for (text, is_last) in [("li", false), ("ne\nrest", true)] {
            tokio::select! {
                biased;
                _ = &mut running => panic!("did not wait"),
                () = tokio::task::yield_now() => {}
            }
            txn.request_channel().append(text.as_bytes()).unwrap();
            if is_last {
                txn.request_channel().end();
            }
        }
        assert_eq!(running.await, ActionOutcome::Continue);
    });
    assert_eq!(out(&txn), "line\n|rest|nil|nil");
}

#[test]
fn who_asks_for_more_gets_what_came_until_the_inspection_is_over() {
    let delay = std::time::Duration::from_millis(20);
    let input = |input: &'static str| Txn::detached().input(input).inspect_delay(delay).build();
    for lines in [
        "txn.req:data(0, 9)",
        "txn.req:data(0, -1)",
        "txn.req:line()",
        "txn.req:line(0, -1)",
        "txn.req:getline()",
    ] {
        assert_eq!(eval_on(&input("abc"), &format!("out({lines})")), "abc", "{lines}");
        assert_eq!(eval_on(&input(""), &format!("out({lines})")), "nil", "{lines}");
    }
    assert_eq!(
        eval_on(&input("abc"), "out(txn.req:forward(9), txn.req:get())"),
        "3,nil"
    );
    // Without an inspection, all that there can be is what is there.
    assert_eq!(eval_on(&stream("abc"), "out(txn.req:data(0, -1))"), "abc");
}

#[test]
fn a_channel_of_an_http_message_is_left_alone() {
    assert_eq!(
        eval("try(txn.req.set, txn.req, 'x') try(txn.req.data, txn.req)"),
        "Cannot manipulate HAProxy channels in HTTP mode.|Cannot manipulate HAProxy channels in HTTP mode."
    );
}

#[test]
fn offsets_and_lengths_have_to_be_inside() {
    let txn = stream("abc");
    assert_eq!(
        eval_on(
            &txn,
            "try(txn.req.insert, txn.req, 'x', 9) try(txn.req.remove, txn.req, 1, 3) try(txn.req.data, txn.req, 9) out(txn.req:data(-9))"
        ),
        "offset out of range.|length out of range.|offset out of range.|abc"
    );
}
