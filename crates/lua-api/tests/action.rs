//! Actions and what they do with a transaction.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::time::Duration;

use common::{Site, eval, failure, http, out, run};
use tidegate_proxy::Txn;
use tidegate_proxy::ext::ActionOutcome;

const HEAD: &str = "core.register_action('a', { 'http-req' }, function(txn, ...)";

fn outcome(body: &str) -> ActionOutcome {
    let site = Site::new(&format!("{HEAD} {body} end)"));
    run(site.act("a", &http("/")))
}

#[test]
fn the_result_is_a_code_or_go_on() {
    assert_eq!(outcome(""), ActionOutcome::Continue);
    assert_eq!(outcome("return 'text'"), ActionOutcome::Continue);
    assert_eq!(outcome("return act.STOP"), ActionOutcome::Stop);
    assert_eq!(outcome("return act.ERROR"), ActionOutcome::Error);
    assert_eq!(outcome("return act.DONE"), ActionOutcome::Stop);
    assert_eq!(outcome("return act.DENY"), ActionOutcome::Deny);
    assert_eq!(outcome("return act.ABORT"), ActionOutcome::Abort);
    assert_eq!(outcome("return act.INVALID"), ActionOutcome::Invalid);
    // Whatever makes a number of it: a refusal that isn't understood would let the request pass.
    for denied in ["10 / 2", "'5'", "act.DENY + 0.0"] {
        assert_eq!(
            outcome(&format!("return {denied}")),
            ActionOutcome::Deny,
            "{denied}"
        );
    }
    for other in ["5.5", "'deny'", "'five'", "true", "{}", "1e300"] {
        assert_eq!(
            outcome(&format!("return {other}")),
            ActionOutcome::Continue,
            "{other}"
        );
    }
    assert_eq!(outcome("core.msleep(1) return act.DENY"), ActionOutcome::Deny);
}

#[test]
fn arguments_are_the_words_of_the_rule() {
    let site = Site::new(&format!(
        "{HEAD} txn:set_var('txn.out', table.concat({{...}}, '+')) end, 2)"
    ));
    let txn = http("/");
    run(site.act_with("a", &txn, &["one", "two words"]));
    assert_eq!(out(&txn), "one+two words");
}

#[test]
fn a_failure_names_function_state_kind_and_place_and_has_a_traceback() {
    let failure = failure("local x = nil; x.y = 1");
    let message = &failure.message;
    assert!(
        message.starts_with("Lua function 'eval': [state-id 0] runtime error: "),
        "{message}"
    );
    assert!(
        message.contains("script.lua:16: attempt to index a nil value (local 'x')"),
        "{message}"
    );
    assert!(!message.contains('\n'));
    assert!(failure.detail.unwrap().contains("script.lua:16"));
}

#[test]
fn an_endless_loop_ends_and_the_next_run_works() {
    let site = Site::with(
        &format!("{HEAD} if txn:get_var('txn.go') then return act.STOP end while true do end end)"),
        false,
        |settings| settings.session_timeout = Some(std::time::Duration::from_millis(20)),
    );
    let txn = http("/");
    let ActionOutcome::Failed(failure) = run(site.act("a", &txn)) else {
        panic!("no failure");
    };
    assert!(failure.message.contains("execution timeout"), "{failure}");
    let name = tidegate_sample::vars::VarName::parse("txn.go").unwrap();
    txn.set_var(&name, true.into());
    assert_eq!(run(site.act("a", &txn)), ActionOutcome::Stop);
}

#[test]
fn done_ends_the_action_at_once_with_its_reply() {
    let site = Site::new(&format!(
        "{HEAD}
            local closed <close> = setmetatable({{}}, {{ __close = function() txn:set_var('txn.out', 'closed') end }})
            local reply = txn:reply {{ status = 400, headers = {{ ['x-a'] = {{ '1', '2' }} }}, body = 'sorry' }}
            reply:add_header('X-B', '3')
            reply:set_status(401, 'Nope')
            pcall(function() txn:done(reply) end)
            error('not reached')
        end)"
    ));
    let txn = http("/");
    assert_eq!(run(site.act("a", &txn)), ActionOutcome::Done);
    let reply = txn.take_reply().unwrap();
    assert_eq!(
        (reply.status.as_u16(), reply.reason.as_deref()),
        (401, Some(&b"Nope"[..]))
    );
    assert_eq!(reply.headers.get_all("x-a").count(), 2);
    assert_eq!(
        (reply.headers.get("x-b").unwrap().as_bytes(), &reply.body[..]),
        (&b"3"[..], &b"sorry"[..])
    );
    assert_eq!(out(&txn), "closed");
}

/// An action that fails lets the request go on, so what HAProxy takes from a script has to be taken here.
#[test]
fn a_reply_takes_numbers_and_tables_as_scripts_come_by_them() {
    for (made, status, header, body) in [
        (
            "{ status = 403.0, headers = { ['retry-after'] = 30 } }",
            403,
            "30",
            "",
        ),
        (
            "{ status = '429', headers = { ['retry-after'] = { 1.5 } }, body = 12 }",
            429,
            "1.5",
            "12",
        ),
        (
            "setmetatable({}, { __index = { status = 503, headers = { ['retry-after'] = '9' }, body = 'later' } })",
            503,
            "9",
            "later",
        ),
    ] {
        let site = Site::new(&format!("{HEAD} txn:done({made}) end)"));
        let txn = http("/");
        assert_eq!(run(site.act("a", &txn)), ActionOutcome::Done, "{made}");
        let reply = txn.take_reply().unwrap();
        assert_eq!(
            (
                reply.status.as_u16(),
                reply.headers.get("retry-after").unwrap().as_bytes(),
                &reply.body[..]
            ),
            (status, header.as_bytes(), body.as_bytes()),
            "{made}"
        );
    }
    assert_eq!(
        eval(
            "for _, made in ipairs { { status = 403.5 }, { status = 'x' }, { headers = 'x' }, { body = true }, { headers = { a = {} }, \
                body = {} }, { headers = { a = { true } } } } do try(txn.done, txn, made) end
             out(txn:reply { status = 299 }.reason, txn:reply { status = '404' }.reason)"
        ),
        "reply: invalid status 403.5: 200 to 599 can be sent|reply: invalid status x: 200 to 599 can be sent|\
         reply: `headers` is a table, not a string|reply: `body` is a string, not a boolean|reply: `body` is a string, not a table|\
         reply: header `a` is a boolean|Unknown,Not Found"
    );
}

#[test]
fn a_reply_that_can_not_be_sent_is_refused() {
    assert_eq!(
        eval(
            r#"
            for _, code in ipairs { 100, 101, 0, -5, 9999 } do try(txn.done, txn, { status = code }) end
            try(txn.done, txn, { headers = { ["a b"] = { "x" } } })
            try(txn.done, txn, { headers = { a = { "x\r\ny: z" } } })
            try(txn.done, txn, { reason = "a\nb" })
            "#
        ),
        "reply: invalid status 100: 200 to 599 can be sent|reply: invalid status 101: 200 to 599 can be sent|\
         reply: invalid status 0: 200 to 599 can be sent|reply: invalid status -5: 200 to 599 can be sent|\
         reply: invalid status 9999: 200 to 599 can be sent|reply: invalid header name `a b`|\
         reply: the value of `a` has characters that can't be sent|reply: the reason has characters that can't be sent"
    );
}

#[test]
fn yield_runs_the_function_again_after_its_wake_time() {
    let site = Site::new(&format!(
        "local n = 0 {HEAD}
            n = n + 1
            if n < 3 then act:wake_time(1) return act.YIELD end
            txn:set_var('txn.out', 'runs: ' .. n)
            return act.STOP
        end)"
    ));
    let txn = http("/");
    assert_eq!(run(site.act("a", &txn)), ActionOutcome::Stop);
    assert_eq!(out(&txn), "runs: 3");
}

#[test]
fn yield_of_a_tcp_action_waits_for_more_data() {
    let site = Site::new(
        "core.register_action('a', { 'tcp-req' }, function(txn)
            if txn.req:input() < 3 then return act.YIELD end
            txn:set_var('txn.out', txn.req:dup())
        end)",
    );
    let id = site
        .loaded
        .declared()
        .action(tidegate_lua_api::RuleSet::TcpRequest, "a")
        .unwrap()
        .id;
    let txn = Txn::detached()
        .input("a")
        .inspect_delay(Duration::from_secs(30))
        .build();
    let action = site.worker.action(id).unwrap();
    run(async {
        let mut running = action.run(&txn, &[]);
        tokio::select! {
            biased;
            _ = &mut running => panic!("did not wait"),
            () = tokio::task::yield_now() => {}
        }
        txn.request_channel().append(b"bc").unwrap();
        assert_eq!(running.await, ActionOutcome::Continue);
    });
    assert_eq!(out(&txn), "abc");
}

#[test]
fn private_data_and_own_fields_stay_with_the_transaction() {
    let site = Site::new(&format!(
        "{HEAD}
            txn:set_var('txn.out', tostring(txn:get_priv()) .. ',' .. tostring(txn.mine))
            txn:set_priv('private')
            txn.mine = 'own'
        end)"
    ));
    let (first, second) = (http("/"), http("/"));
    run(site.act("a", &first));
    assert_eq!(out(&first), "nil,nil");
    run(site.act("a", &first));
    assert_eq!(out(&first), "private,own");
    run(site.act("a", &second));
    assert_eq!(out(&second), "nil,nil");
}

#[test]
fn a_transaction_outlives_a_state_and_meets_the_next_one() {
    let txn = http("/");
    for _ in 0..10 {
        // Each state is gone before the next is made, perhaps in the same place.
        let site = Site::new(&format!(
            "{HEAD} txn:set_var('txn.out', tostring(txn.mine)) txn.mine = 'own' end)"
        ));
        assert_eq!(run(site.act("a", &txn)), ActionOutcome::Continue);
        assert_eq!(out(&txn), "nil");
    }
}

#[test]
fn variables_are_set_read_and_removed() {
    assert_eq!(
        eval(
            r#"
            out(txn:set_var("txn.a", "x"), txn:get_var("txn.a"), txn:unset_var("txn.a"), txn:get_var("txn.a"))
            out(txn:set_var("no_scope", 1), txn:get_var("no_scope"))
            txn:set_var("txn.n", 42) out(math.type(txn:get_var("txn.n")))
            txn:set_var("txn.b", true) out(txn:get_var("txn.b"))
            out(txn:set_var("proc.new", 1, true), txn:set_var("proc.new", 1), txn:set_var("proc.new", 2, true))
            "#
        ),
        "true,x,true,nil|false,nil|integer|1|false,true,true"
    );
}

#[test]
fn errors_are_in_the_style_of_lua() {
    assert_eq!(
        eval(
            r#"
            try(core.msleep, "x")
            try(core.msleep, 0/0)
            try(txn.set_var, 1, 2, 3)
            try(txn.set_var, {}, "a", 3)
            try(txn.set_var, txn.http, "a", 3)
            try(txn.get_var, txn, {})
            try(txn.set_loglevel, txn, 99)
            try(core.log, 99, "x")
            try(core.set_nice, 1.5)
            try(core.register_service, "late", "http", print)
            try(core.register_filter)
            try(txn.set_mark, txn, -1)
            try(txn.set_fc_tos, txn, 256)
            "#
        ),
        "bad argument #1 to 'msleep' (number expected, got string)|\
         bad argument #1 to 'msleep' (not a duration)|\
         bad argument #1 to 'set_var' (TXN expected, got number)|\
         bad argument #1 to 'set_var' (TXN expected, got table)|\
         bad argument #1 to 'set_var' (TXN expected, got table)|\
         bad argument #2 to 'get_var' (string expected, got table)|\
         bad argument #2 to 'set_loglevel' (invalid log level)|\
         bad argument #1 to 'log' (invalid log level)|\
         bad argument #1 to 'set_nice' (number has no integer representation)|\
         register_service: only possible while the scripts are loaded|\
         bad argument #1 to 'register_filter' (string expected, got nil)|\
         bad argument #2 to 'set_mark' (0 to 4294967295 expected)|\
         bad argument #2 to 'set_fc_tos' (0 to 255 expected)"
    );
}

#[test]
fn a_tcp_stream_has_no_http_message() {
    let txn = Txn::detached().input("x").build();
    let site = Site::new(&common::script(
        "out(txn.http, txn.req:is_resp(), txn.res:is_resp())",
    ));
    assert_eq!(run(site.act("eval", &txn)), ActionOutcome::Continue);
    assert_eq!(out(&txn), "nil,false,true");
}
