//! Tasks, waiting, and queues between runs.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use common::{Site, eval, http, run};
use tidegate_sample::Value;

/// Runs the tasks until the fetch `result` gives something else than nothing.
fn result(script: &str) -> Value {
    let site = Site::new(&format!(
        "{script} core.register_fetches('result', function() if result then return result end end)"
    ));
    run(async {
        site.start();
        for _ in 0..1000 {
            if let Some(value) = site.fetch("result", &*http("/"), &[]).await {
                return value;
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        panic!("no result; logged: {:?}", site.logged());
    })
}

#[test]
fn a_task_gets_its_arguments_and_may_start_others() {
    let script = "core.register_task(function(a, b)
            core.register_task(function(c) core.msleep(1) result = c end, a .. b)
        end, 'x', 'y')";
    assert_eq!(result(script), Value::str("xy"));
}

#[test]
fn a_task_that_fails_is_logged_and_the_others_go_on() {
    let site = Site::new(
        "core.register_task(function() error('broken') end)
         core.register_task(function() core.msleep(1) core.Info('alive') end)",
    );
    run(async {
        site.start();
        for _ in 0..1000 {
            if site.logged().len() == 2 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    });
    let logged = site.logged();
    assert!(
        logged[0].starts_with("Lua task: [state-id 0] runtime error: "),
        "{logged:?}"
    );
    assert_eq!(logged[1], "alive");
}

#[test]
fn tasks_without_end_meet_a_limit() {
    let why = refusal_at_the_limit("core.register_task, function() core.sleep(3600) end");
    assert!(why.ends_with("10 tasks are running, which is the limit"), "{why}");
}

#[test]
fn subscriptions_without_end_meet_the_same_limit() {
    let why = refusal_at_the_limit("core.event_sub, { 'SERVER' }, function() end");
    assert!(
        why.ends_with("event_sub: 10 tasks are running, which is the limit"),
        "{why}"
    );
}

/// What a call is told once it was made until it failed, where there may be ten tasks.
fn refusal_at_the_limit(call: &str) -> String {
    let script = format!(
        "core.register_task(function()
            local problem
            repeat local ok, why = pcall({call}) problem = why until not ok
            core.Info(problem)
        end)"
    );
    let site = Site::with(&script, false, |settings| settings.tasks_max = 10);
    run(async {
        site.start();
        while site.logged().is_empty() {
            tokio::task::yield_now().await;
        }
    });
    site.logged().swap_remove(0)
}

#[test]
fn a_queue_wakes_who_waits_for_it() {
    let script = "local queue = core.queue()
        core.register_task(function()
            local got = {}
            for i = 1, 3 do got[i] = queue:pop_wait() end
            result = table.concat(got, ',')
        end)
        core.register_task(function() queue:push('a') core.msleep(1) queue:push('b') queue:push('c') end)";
    assert_eq!(result(script), Value::str("a,b,c"));
}

#[test]
fn an_alarm_wakes_from_a_wait() {
    let script = "local queue = core.queue()
        core.register_task(function()
            queue:alarm()
            core.wait()
            core.wait(1)
            result = queue:size() .. queue:pop()
        end)
        core.register_task(function() queue:push('x') end)";
    assert_eq!(result(script), Value::str("1x"));
}

#[test]
fn a_queue_is_first_in_first_out() {
    assert_eq!(
        eval(
            "local q = core.queue()
             out(q:size(), q:pop(), q:push(1), q:push('b'), q:size(), q:pop(), q:pop(), q:pop(), q:size())
             try(q.push, q, nil) try(q.pop, {})"
        ),
        "0,nil,true,true,2,1,b,nil,0|push: nil can't be in a queue|bad argument #1 to 'pop' (Queue expected, got table)"
    );
}

#[test]
fn a_queue_is_one_for_all_threads() {
    let loaded = common::load(
        "local queue = core.queue()
         core.register_fetches('take', function() return queue:pop_wait() end)
         core.register_fetches('give', function(txn, what) queue:push(what) return true end)",
    )
    .unwrap();
    let fetch = |name: &'static str, args: Vec<Value>| {
        let (factory, id) = (
            loaded.factory(),
            tidegate_sample::Externals::fetch(loaded.declared(), name).unwrap(),
        );
        std::thread::spawn(move || {
            let worker = factory(0).unwrap();
            let txn = http("/");
            run(async { worker.external_runner().fetch(id, &*txn, &args).await })
        })
    };
    let takers: Vec<_> = (0..3).map(|_| fetch("lua.take", vec![])).collect();
    for what in ["a", "b", "c"] {
        fetch("lua.give", vec![Value::str(what)]).join().unwrap();
    }
    let mut taken: Vec<_> = takers
        .into_iter()
        .map(|t| format!("{:?}", t.join().unwrap()))
        .collect();
    taken.sort();
    assert_eq!(
        taken,
        ["Some(Str(\"a\"))", "Some(Str(\"b\"))", "Some(Str(\"c\"))"]
    );
}
