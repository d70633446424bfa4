//! What `core.register_cli` takes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use common::load;
use tidegate_lua_api::CommandLevel;

fn refused(call: &str) -> String {
    let errors = load(call).err().unwrap();
    errors.iter().map(|error| error.message.clone()).collect()
}

#[test]
fn commands_are_declared_with_words_usage_and_level() {
    let loaded = load(
        "core.register_cli({ 'a', 'b' }, 'a b does it', print)
         core.register_cli({ 'c' }, 'c too', print, 'operator')",
    );
    let loaded = loaded.unwrap();
    let [ab, c] = loaded.declared().commands() else {
        panic!("{:?}", loaded.declared().commands());
    };
    assert_eq!(
        (ab.words.as_str(), ab.usage.as_str(), ab.level),
        ("a b", "a b does it", CommandLevel::User)
    );
    assert_eq!((c.words.as_str(), c.level), ("c", CommandLevel::Operator));
}

#[test]
fn what_can_not_be_called_is_refused() {
    for (call, wanted) in [
        (
            "core.register_cli({}, 'x', print)",
            "bad argument #1 to 'register_cli' (1st argument must be a table with a word",
        ),
        (
            "core.register_cli({ 'a', 'b', 'c', 'd', 'e', 'f' }, 'x', print)",
            "1st argument must be a table with a maximum of 5 entries",
        ),
        (
            "core.register_cli({ 'a b' }, 'x', print)",
            "words without blanks expected",
        ),
        (
            "core.register_cli({ 'a;' }, 'x', print)",
            "words without blanks expected",
        ),
        (
            "core.register_cli({ 'a' }, 'x', print, 'root')",
            "`user`, `operator` or `admin` expected",
        ),
        ("core.register_cli({ 'a' }, 'x', 1)", "bad argument #3"),
        (
            "core.register_cli({ 'a' }, 'x', print) core.register_cli({ 'a' }, 'x', print)",
            "register_cli: command `a` exists already",
        ),
        (
            "core.register_init(function() core.register_cli({ 'a' }, 'x', print) end)",
            "",
        ),
    ] {
        if wanted.is_empty() {
            let init = load(call).unwrap().run_init().err().unwrap();
            assert!(
                init.iter()
                    .any(|e| e.message.contains("only possible while the scripts are loaded"))
            );
            continue;
        }
        let said = refused(call);
        assert!(said.contains(wanted), "{call}: {said}");
    }
}
