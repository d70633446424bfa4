//! Loading: what files register, what is wrong with them, and how the kinds of states differ.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::time::Duration;

use common::{Site, directory_with, file, http, load, out, run, settings, spec};
use tidegate_lua_api::{LoadSpec, RuleSet, ScriptLimits, Scripts};
use tidegate_proxy::ext::ActionOutcome;
use tidegate_sample::{Externals, Value};

#[test]
fn what_was_registered_is_known_by_name() {
    let loaded = load(
        "core.register_action('a', { 'http-req', 'tcp-res' }, print, 2)
         core.register_service('s', 'http', print)
         core.register_service('t', 'tcp', print)
         core.register_fetches('f', print)
         core.register_converters('c', print)",
    )
    .unwrap();
    let declared = loaded.declared();
    let action = declared.action(RuleSet::TcpResponse, "a").unwrap();
    assert_eq!((action.nb_args, action.id), (2, 1));
    assert!(declared.action(RuleSet::TcpRequest, "a").is_none());
    assert_eq!(
        (declared.http_service("s"), declared.http_service("t")),
        (Some(0), None)
    );
    assert_eq!(declared.tcp_service("t"), Some(0));
    assert!(declared.fetch("lua.f").is_some() && declared.fetch("f").is_none());
    assert_eq!(declared.converter_names(), ["lua.c"]);
}

#[test]
fn every_fault_of_every_file_is_told() {
    let (settings, _) = settings();
    let specs = [
        LoadSpec {
            tag: 1,
            ..spec(file("x = = 1"), false)
        },
        LoadSpec {
            tag: 2,
            ..spec("/no/such/file.lua".into(), false)
        },
        LoadSpec {
            tag: 3,
            ..spec(file("local t\nt.x = 1"), false)
        },
        LoadSpec {
            tag: 4,
            ..spec(file("core.register_action('a', { 'http' }, print)"), true)
        },
        spec(file("fine = true"), false),
    ];
    let errors = Scripts::load(settings, &specs).unwrap_err();
    let tags: Vec<_> = errors.iter().map(|error| error.tag.unwrap()).collect();
    assert_eq!(tags, [1, 2, 3, 4]);
    assert!(
        errors[0]
            .message
            .contains("script.lua:1: unexpected symbol near '='"),
        "{}",
        errors[0]
    );
    assert!(
        errors[1].message.starts_with("cannot read `/no/such/file.lua`: "),
        "{}",
        errors[1]
    );
    assert!(
        errors[2]
            .message
            .contains("script.lua:2: attempt to index a nil value"),
        "{}",
        errors[2]
    );
    assert!(errors[2].detail.as_ref().unwrap().contains("script.lua:2"));
    assert!(
        errors[3].message.contains("unknown rule set `http`"),
        "{}",
        errors[3]
    );
}

#[test]
fn an_endless_loop_at_load_or_init_is_ended_with_its_place() {
    let (mut limited, _) = settings();
    limited.load_timeout = Some(Duration::from_millis(20));
    let errors = Scripts::load(limited.clone(), &[spec(file("\nwhile true do end"), false)]).unwrap_err();
    assert!(errors[0].message.contains("timeout"), "{}", errors[0]);
    assert!(
        errors[0].detail.as_ref().unwrap().contains("script.lua:2"),
        "{}",
        errors[0]
    );
    let script = file("core.register_init(function() while true do end end)");
    let errors = Scripts::load(limited, &[spec(script, false)])
        .unwrap()
        .run_init()
        .unwrap_err();
    assert!(errors[0].message.contains("timeout"), "{}", errors[0]);
}

#[test]
fn nothing_can_wait_while_loading() {
    let errors = load("core.msleep(1)").unwrap_err();
    assert!(errors[0].message.contains("yield not allowed"), "{}", errors[0]);
}

#[test]
fn ending_the_process_is_an_error_like_any_other() {
    let errors = load("os.exit(0)").unwrap_err();
    assert!(errors[0].message.contains("runtime error"), "{}", errors[0]);
}

#[test]
fn a_name_is_registered_once() {
    let twice = "core.register_fetches('f', print) core.register_fetches('f', print)";
    let errors = load(twice).unwrap_err();
    assert!(
        errors[0].message.contains("fetch `f` exists already"),
        "{}",
        errors[0]
    );
    let one = "core.register_fetches('f', print)";
    let both = [spec(file(one), false), spec(file(one), true)];
    let errors = Scripts::load(settings().0, &both).unwrap_err();
    assert!(
        errors[0]
            .message
            .contains("by lua-load and by lua-load-per-thread"),
        "{}",
        errors[0]
    );
}

#[test]
fn files_get_arguments_and_find_modules_beside_them() {
    let directory = directory_with(&[
        (
            "main.lua",
            "#!/usr/bin/lua\nlocal m = require('helper')\ncore.register_fetches('f', m.join(...))",
        ),
        (
            "helper.lua",
            "return { join = function(...) local t = { ... } return function() return table.concat(t, '+') end end }",
        ),
    ]);
    let (settings, _) = settings();
    let main = LoadSpec {
        args: vec!["one".into(), "two".into()],
        ..spec(directory.join("main.lua"), false)
    };
    let loaded = Scripts::load(settings, &[main]).unwrap();
    let worker = loaded.factory()(0).unwrap();
    let id = loaded.declared().fetch("lua.f").unwrap();
    let txn = http("/");
    let value = run(async { worker.external_runner().fetch(id, &*txn, &[]).await });
    assert_eq!(value, Some(Value::str("one+two")));
}

#[test]
fn configured_search_paths_come_before_the_directory() {
    let (mut settings, _) = settings();
    let first = directory_with(&[("m.lua", "return 'configured'")]);
    settings.prepend_path = vec!["/nowhere/?.lua".into(), format!("{}/?.lua", first.display())];
    let directory = directory_with(&[
        (
            "main.lua",
            "assert(require('m') == 'configured') assert(package.path:find('/usr/share/lua/5.4', 1, true))",
        ),
        ("m.lua", "return 'beside'"),
    ]);
    Scripts::load(settings, &[spec(directory.join("main.lua"), false)]).unwrap();
}

#[test]
fn init_functions_run_in_order_before_serving() {
    let site = Site::new(
        "local order = 'loaded'
         core.register_init(function() order = order .. ',first' end)
         core.register_init(function() order = order .. ',second' end)
         core.register_fetches('order', function() return order end)",
    );
    let order = run(site.fetch("order", &*http("/"), &[]));
    assert_eq!(order, Some(Value::str("loaded,first,second")));
}

#[test]
fn a_state_per_thread_is_loaded_by_each_and_knows_its_number() {
    let script = "local count = 0
        core.register_init(function() count = 100 end)
        core.register_action('a', { 'http-req' }, function(txn)
            count = count + 1
            txn:set_var('txn.out', core.thread .. ':' .. count)
        end)";
    let (settings, _) = settings();
    let loaded = Scripts::load(settings, &[spec(file(script), true)]).unwrap();
    let id = loaded.declared().action(RuleSet::HttpRequest, "a").unwrap().id;
    let threads: Vec<_> = (0..2)
        .map(|worker| {
            let factory = loaded.factory();
            std::thread::spawn(move || {
                let worker = factory(worker).unwrap();
                let txn = http("/");
                run(worker.action(id).unwrap().run(&txn, &[]));
                out(&txn)
            })
        })
        .collect();
    let outs: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(outs, ["1:101", "2:101"]);
}

#[test]
fn a_shared_state_is_one_for_all_threads() {
    let script = "local count = 0
        core.register_action('a', { 'http-req' }, function(txn)
            for _ = 1, 100 do count = count + 1 core.yield() end
            txn:set_var('txn.out', core.thread .. ':' .. count)
        end)";
    let loaded = load(script).unwrap();
    let id = loaded.declared().action(RuleSet::HttpRequest, "a").unwrap().id;
    std::thread::scope(|scope| {
        for worker in 0..3 {
            let factory = loaded.factory();
            scope.spawn(move || {
                let worker = factory(worker).unwrap();
                run(worker.action(id).unwrap().run(&http("/"), &[]));
            });
        }
    });
    let worker = loaded.factory()(0).unwrap();
    let txn = http("/");
    run(worker.action(id).unwrap().run(&txn, &[]));
    assert_eq!(out(&txn), "0:400");
}

#[test]
fn a_per_thread_script_that_fails_on_a_worker_keeps_it_from_starting() {
    let script = "if core.thread == 2 then error('not here') end";
    let loaded = Scripts::load(settings().0, &[spec(file(script), true)]).unwrap();
    assert!(loaded.factory()(0).is_ok());
    let problem = loaded.factory()(1).err().unwrap();
    assert!(
        problem.contains("[state-id 2] runtime error") && problem.contains("not here"),
        "{problem}"
    );
}

#[test]
fn a_script_has_limits_of_its_own() {
    let action = |name: &str, body: &str| {
        file(&format!(
            "core.register_action('{name}', {{ 'http-req' }}, function() {body} end)"
        ))
    };
    let (mut settings, _) = settings();
    let minute = Some(Duration::from_secs(60));
    (settings.burst_timeout, settings.session_timeout) = (minute, minute);
    let short = Some(Duration::from_millis(20));
    let own = |burst, total| ScriptLimits {
        burst,
        total,
        ..ScriptLimits::default()
    };
    let specs = [
        LoadSpec {
            limits: own(None, short),
            ..spec(action("total", "while true do end"), false)
        },
        LoadSpec {
            limits: own(short, None),
            ..spec(
                action("burst", "table.sort({ 1, 2 }, function() while true do end end)"),
                false,
            )
        },
        LoadSpec {
            memory_bytes_max: Some(8 << 20),
            ..spec(action("memory", "return string.rep('x', 9 << 20)"), true)
        },
        spec(action("usual", "return string.rep('x', 9 << 20)"), false),
    ];
    let loaded = Scripts::load(settings, &specs).unwrap();
    let worker = loaded.factory()(0).unwrap();
    let failure = |name: &str| {
        let id = loaded.declared().action(RuleSet::HttpRequest, name).unwrap().id;
        match run(async { worker.action(id).unwrap().run(&http("/"), &[]).await }) {
            ActionOutcome::Failed(failure) => failure.message,
            other => format!("{other:?}"),
        }
    };
    for (name, wanted) in [
        ("total", "execution timeout"),
        ("burst", "burst timeout"),
        ("memory", "out of memory"),
        ("usual", "Continue"),
    ] {
        let said = failure(name);
        assert!(said.contains(wanted), "{name}: {said}");
    }
}
