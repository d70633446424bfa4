//! Dictionaries that all threads and both load modes share.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use common::{Site, eval, http, out, run, script, settings};
use tidegate_lua_api::Settings;

#[test]
fn values_are_kept_by_value() {
    assert_eq!(
        eval(
            "local d = core.shared('d')
             out(d:get('a'), d:set('a', 1), d:get('a') == 1, d:set('s', 'x\\0y'), #d:get('s'), d:set('f', 1.5), d:get('f') == 1.5, d:set('b', false))
             out((d:get('b')), math.type((d:get('a'))), d:set('a', nil), (d:get('a')))
             local t = { 1, 2, { x = 'y', [true] = 2.5 } }
             d:set('t', t) t[3].x = 'changed'
             local back = d:get('t') out(#back, back[3].x, back[3][true]) back[1] = 9 out((d:get('t'))[1])
             out(core.shared('d'):get('f') == 1.5, (core.shared('other'):get('f')))
             try(d.set, d, 'k', print) local deep = {} deep.deep = deep try(d.set, d, 'k', deep) try(d.set, d) try(d.get, {}, 'a')"
        ),
        "nil,true,true,true,3,true,true,true|false,integer,true,nil|3,y,2.5|1|true,nil|set: a function can't be kept|\
         set: tables are nested more than 32 deep|bad argument #2 to 'set' (string expected, got nil)|\
         bad argument #1 to 'get' (Shared expected, got table)"
    );
}

#[test]
fn writes_that_ask_first_are_one_step() {
    assert_eq!(
        eval(
            "local d = core.shared('d')
             out(d:add('a', 1)) out(d:add('a', 2)) out((d:get('a')))
             out(d:replace('a', 3)) out(d:replace('b', 3)) out((d:get('a')), (d:get('b')))
             out(d:cas('a', 3, 4)) out(d:cas('a', 3, 5)) out(d:cas('c', nil, 'new')) out(d:cas('c', nil, 'x'))
             d:set('t', { 1, { a = 2 } }) out(d:cas('t', { 1, { a = 2 } }, 'same'), (d:get('t')))
             out(d:incr('n', 1)) out(d:incr('n', 1, 10)) out(d:incr('n', -3), d:incr('n', 0.5), math.type(d:incr('n', 1)))
             out(d:incr('c', 1)) try(d.incr, d, 'n', 'x')
             out(d:delete('a'), d:delete('a'), (d:get('a')))
             local keys = d:keys() table.sort(keys) out(table.concat(keys, ' '), #d:keys(1))
             d:clear() out(#d:keys())"
        ),
        "true|false,exists|1|true|false,not found|3,nil|true|false,4|true|false,new|true,same|nil,not found|11|8,8.5,float|\
         nil,not a number|bad argument #3 to 'incr' (number expected)|true,false,nil|c n t,1|0"
    );
}

#[test]
fn what_has_an_end_is_forgotten() {
    assert_eq!(
        eval(
            "local d = core.shared('d')
             d:set('a', 1, 20) d:set('b', 1, 60000) d:incr('n', 1, 0, 20) d:incr('n', 1, 0, 60000)
             out((d:get('a')), (d:get('b')), (d:get('n')))
             core.msleep(40) out((d:get('a')), (d:get('b')), (d:get('n')), d:add('a', 2), d:delete('n'))"
        ),
        "1,1,2|nil,1,nil,true,false"
    );
}

#[test]
fn a_size_is_kept_to_and_what_is_read_stays() {
    assert_eq!(
        eval(
            "local d = core.shared('small', { size = 4096 })
             d:set('read', 'x')
             for i = 1, 200 do d:set('k' .. i, ('y'):rep(50)) d:get('read') end
             local i = d:info()
             out((d:get('read')), (d:get('k1')), i.entries < 30, i.bytes <= 4096, i.size, i.evicted > 150, i.name)
             out(d:set('big', ('z'):rep(5000)))
             try(core.shared, 'tiny', { size = 1 })"
        ),
        "x,nil,true,true,4096,true,small|false,too large|\
         bad argument #2 to 'shared' (a size of 4096 bytes or more expected)"
    );
}

#[test]
fn who_waits_hears_of_a_change() {
    let site = Site::new(&format!(
        "core.register_task(function() local d = core.shared('d') core.msleep(5) d:set('k', 'first')
             while (d:get('go')) == nil do core.msleep(1) end d:delete('k') end)\n{}",
        script(
            "local d = core.shared('d')
             local value, version = d:wait('k') out(value, version == select(2, d:get('k')))
             out(d:wait('k', 5)) out((d:wait('k', 5000, 0)))
             d:set('go', 1) out(d:wait('k', 5000))
             out(d:wait('nothing', 1))"
        )
    ));
    let txn = http("/");
    run(async {
        site.start();
        site.act("eval", &txn).await;
    });
    assert_eq!(out(&txn), "first,true|nil,timeout|first|nil,0|nil,timeout");
}

#[test]
fn both_load_modes_and_all_threads_share_one() {
    let (shared, _) = settings();
    let share = |settings: &mut Settings| settings.shared = shared.shared.clone();
    let writer = Site::with(
        &script("core.shared('d'):set('k', { 'from', core.thread })"),
        false,
        share,
    );
    let txn = http("/");
    run(writer.act("eval", &txn));
    let elsewhere = std::thread::spawn({
        let dicts = shared.shared.clone();
        move || {
            let lines = "local t = core.shared('d'):get('k') out(t[1], t[2], core.thread) core.shared('d'):incr('n', 5, 0)";
            let reader = Site::with(&script(lines), true, |settings| settings.shared = dicts);
            let txn = http("/");
            run(reader.act("eval", &txn));
            out(&txn)
        }
    });
    assert_eq!(elsewhere.join().unwrap(), "from,0,1");
    let report = shared.shared.report();
    assert_eq!(report.len(), 1);
    assert!(report.iter().all(|dict| dict.name == "d" && dict.entries == 2));
}
