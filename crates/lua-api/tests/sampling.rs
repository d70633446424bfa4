//! Fetches and converters, both ways: scripts' own in expressions, the built-in ones in scripts.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use common::{Site, eval, http, run};
use tidegate_lua_api::BoolSamples;
use tidegate_sample::{NoSession, Value};

fn fetched(body: &str) -> Option<Value> {
    let site = Site::new(&format!(
        "core.register_fetches('f', function(txn, ...) {body} end)"
    ));
    run(site.fetch("f", &*http("/x"), &[Value::str("a"), Value::Int(2)]))
}

#[test]
fn a_fetch_gives_a_sample_of_its_value() {
    assert_eq!(fetched("return 'text'"), Some(Value::str("text")));
    assert_eq!(fetched("return 42"), Some(Value::Int(42)));
    assert_eq!(fetched("return true"), Some(Value::Bool(true)));
    assert_eq!(fetched("return nil"), Some(Value::Bool(false)));
    assert_eq!(
        fetched("return select('#', ...) .. ...").unwrap(),
        Value::str("2a")
    );
    assert_eq!(fetched("return txn.f:src() or 'none'"), Some(Value::str("none")));
}

#[test]
fn a_fetch_that_returns_nothing_or_fails_gives_no_sample() {
    assert_eq!(fetched(""), None);
    assert_eq!(fetched("error('x')"), None);
    assert_eq!(fetched("txn:done()"), None);
}

#[test]
fn a_fetch_may_wait_and_end_itself() {
    assert_eq!(
        fetched("core.msleep(1) return 'rested'"),
        Some(Value::str("rested"))
    );
    assert_eq!(
        fetched("pcall(function() core.done('early') end) return 'late'"),
        Some(Value::str("early"))
    );
}

#[test]
fn a_converter_changes_a_value() {
    let site = Site::new(
        "core.register_converters('c', function(value, a, b)
            return math.type(value) == 'integer' and value * 2 or value .. (a or '') .. (b or '')
        end)
        core.register_converters('slow', function(value) core.msleep(1) return value:upper() end)
        core.register_converters('bad', function(value) return value.x.y end)",
    );
    let convert =
        |name: &'static str, input, args: Vec<Value>| run(site.convert(name, &NoSession, input, &args));
    assert_eq!(convert("c", Value::Int(21), vec![]), Some(Value::Int(42)));
    let args = vec![Value::str("b"), Value::Int(3)];
    assert_eq!(convert("c", Value::str("a"), args), Some(Value::str("ab3")));
    assert_eq!(
        convert("slow", Value::str("abc"), vec![]),
        Some(Value::str("ABC"))
    );
    assert_eq!(convert("bad", Value::str("abc"), vec![]), None);
    let logged = site.logged();
    assert!(
        logged[0].starts_with("Lua converter 'bad': [state-id 0] runtime error: "),
        "{logged:?}"
    );
}

#[test]
fn the_built_in_ones_are_methods() {
    assert_eq!(
        eval(
            r#"
            out(txn.f:src(), txn.sf:src(), txn.c:lower("ABC"), txn.sc:upper("abc"))
            out(core.c:upper("x"), core.f:src(), txn.f.no_such, txn.c.no_such)
            try(function() txn.c:lower("a", 1) end)
            try(function() txn.f.src(txn.c) end)
            try(function() txn.f:url_param({}) end)
            try(function() txn.sc:field("a,b", 1, print) end)
            "#
        )
        .replace("  ", " "),
        "nil,,abc,ABC|X,nil,nil,nil|lower: `lower` takes no argument; its arguments are `lower()`|\
         bad argument #1 to 'src' (Fetches expected, got table)|\
         bad argument #1 to 'url_param' (string expected, got table)|\
         bad argument #2 to 'field' (string expected, got function)"
    );
}

#[test]
fn boolean_samples_follow_the_setting() {
    let script =
        "core.register_converters('type', function(value) return type(value) .. tostring(value) end)";
    let value = |bools| {
        let site = Site::with(script, false, |settings| settings.bool_samples = bools);
        run(site.convert("type", &NoSession, Value::Bool(true), &[])).unwrap()
    };
    assert_eq!(value(BoolSamples::Pre31Bug), Value::str("number1"));
    assert_eq!(value(BoolSamples::Normal), Value::str("booleantrue"));
}

#[test]
fn what_converters_make_of_long_texts_has_an_end() {
    for (call, result) in [
        // Gigabytes, if all of it was made.
        ("txn.c:be2hex(('ab'):rep(1 << 20), (','):rep(1 << 16), 2)", "nil"),
        ("txn.c:be2dec(('ab'):rep(1 << 20), (','):rep(1 << 16), 2)", "nil"),
        (
            r"txn.c:regsub(('a'):rep(1 << 20), 'a+', ('\\0'):rep(1 << 12), 'g')",
            "nil",
        ),
        ("#txn.c:hex(('a'):rep(1 << 20))", "2097152"),
        // Each byte of the text was compared with each of the others, which took minutes.
        ("#txn.c:rtrim(('a'):rep(1 << 20), ('b'):rep(1 << 20))", "1048576"),
        ("#txn.c:ltrim(('a'):rep(1 << 20), ('b'):rep(1 << 20) .. 'a')", "0"),
        ("txn.c:field(('a'):rep(1 << 20), 2, ('b'):rep(1 << 20))", "nil"),
        ("#core.tokenize(('a'):rep(1 << 20), ('b'):rep(1 << 20))", "1"),
    ] {
        assert_eq!(eval(&format!("out(tostring({call}))")), result, "{call}");
    }
    let error = "bad argument #1 to 'hex' (16777217 bytes are too much for a converter: 16777216 at most)";
    let said = eval("out(select(2, pcall(function() return txn.c:hex(('a'):rep((1 << 24) + 1)) end)))");
    assert!(said.ends_with(error), "{said}");
}
