//! Helpers of `core`, and the classes that need no session.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use common::{Site, eval, http, run};
use tidegate_proxy::log::Level;

#[test]
fn texts_are_split_at_any_separator() {
    assert_eq!(
        eval(
            r#"
            out(table.concat(core.tokenize("a,b,,c", ","), "+"))
            out(table.concat(core.tokenize("a,b,,c", ",", true), "+"))
            out(table.concat(core.tokenize("a,b;c", ",;"), "+"))
            "#
        ),
        "a+b++c|a+b+c|a+b+c"
    );
}

#[test]
fn dates_and_addresses_are_read() {
    assert_eq!(
        eval(
            r#"
            out(core.http_date("Thu, 01 Jan 1970 00:00:01 GMT"), core.http_date("zz"), core.now().sec > 1000000000)
            out(core.match_addr(core.parse_addr("127.0.0.0/8"), core.parse_addr("127.1.1.1")), core.parse_addr("zz"))
            out(core.match_addr(core.parse_addr("127.0.0.1"), nil), core.match_addr("127.0.0.1", 1))
            "#
        ),
        "1,nil,true|true,nil|false,false"
    );
}

#[test]
fn messages_have_levels() {
    let site = Site::new(
        "core.register_fetches('f', function()
            core.log(core.crit, 'a') core.Debug('b') core.Info('c') core.Warning('d') core.Alert('e')
        end)",
    );
    run(site.fetch("f", &*http("/"), &[]));
    let logged = site.messages.lock().unwrap().clone();
    let wanted = [
        (Level::Critical, "a"),
        (Level::Debug, "b"),
        (Level::Info, "c"),
        (Level::Warning, "d"),
        (Level::Alert, "e"),
    ];
    assert_eq!(logged, wanted.map(|(level, text)| (level, text.to_owned())));
}

#[test]
fn a_concat_is_all_its_pieces() {
    assert_eq!(
        eval("local c = core.concat() c:add('a') c:add(5) c:add('\\0b') out(#c:dump()) try(c.add, c, {})"),
        "4|bad argument #2 to 'add' (string expected, got table)"
    );
}

#[test]
fn a_regex_tells_what_matched() {
    assert_eq!(
        eval(
            r#"
            local ok, re = Regex.new("a(b+)(c)?", true)
            out(ok, re:exec("xabb"), re:exec("xABB"), (re:match("none")), #select(2, re:match("none")))
            local found, groups = re:match("xabbz")
            out(found, groups[1], groups[2], groups[3])
            out(select(2, Regex.new("A", false)):exec("xa"))
            out((Regex.new("(", true)))
            "#
        ),
        "true,true,false,false,0|true,abb,bb,nil|true|false"
    );
}

#[test]
fn variables_of_the_process_are_read_without_a_session() {
    assert_eq!(
        eval("txn:set_var('proc.x', 'y') out(core.get_var('proc.x'), core.get_var('txn.x'), core.get_var('bad'))")
            .as_str(),
        "nil,nil,nil"
    );
    let name = tidegate_sample::vars::VarName::parse("proc.x").unwrap();
    let site = Site::with(
        "core.register_fetches('f', function() return core.get_var('proc.x') end)",
        false,
        |settings| assert!(settings.proc_vars.set(&name, tidegate_sample::Value::Int(3))),
    );
    let value = run(site.fetch("f", &*http("/"), &[]));
    assert_eq!(value, Some(tidegate_sample::Value::Int(3)));
}

#[test]
fn the_reference_names_every_function_that_scripts_find() {
    let mut names = Vec::new();
    for class in tidegate_lua_api::reference() {
        for row in class.rows {
            assert!(
                row.signature.ends_with(')') && !row.doc.is_empty(),
                "{}",
                row.signature
            );
            names.push(format!("{}.{}", class.class, row.name()));
        }
    }
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "a name is there twice");
    for wanted in [
        "core.register_action",
        "core.tcp",
        "TXN.done",
        "AppletHTTP.send",
        "Socket.receive",
        "Queue.pop_wait",
    ] {
        assert!(names.iter().any(|name| name == wanted), "{wanted}");
    }
}

#[test]
fn a_script_may_give_an_object_fields_of_its_own() {
    let of_each = "
        local function check(name, object, other, method)
            object.mark = name object[1] = false
            local before = object[method]
            object.before, object[method] = before, function(self, ...) return self, self.mark, ... end
            local self, mark, argument = object[method](object, 'a')
            out(self == object, mark, argument, object[1], object.nothing, other.mark, other[method] == before)
            object[method] = nil
            out(object[method] == before)
        end
        check('socket', core.tcp(), core.tcp(), 'receive')
        check('client', core.httpclient(), core.httpclient(), 'get')
        check('queue', core.queue(), core.queue(), 'push')
        check('regex', select(2, Regex.new('a', true)), select(2, Regex.new('b', true)), 'match')";
    let each = |name: &str| format!("true,{name},a,false,nil,nil,true|true");
    let all = ["socket", "client", "queue", "regex"].map(each);
    assert_eq!(eval(of_each), all.join("|"));
}
