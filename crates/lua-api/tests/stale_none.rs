//! Objects that stand for nothing of a session: a script may keep them, and what goes through them is refused all the same where
//! it belongs to a transaction that is over.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use common::{Site, directory_with, http, out, run, script};
use tidegate_proxy::ext::ActionOutcome;

/// What an action keeps of its transaction, and a use of each.
fn site() -> Site {
    let directory = directory_with(&[("words.map", "one 1\n"), ("words.list", "one\n")]);
    let files = directory.display();
    let keep = format!(
        r#"
        kept = {{}}
        Map.new("{files}/words.map", Map._str)
        core.register_action("keep", {{ "http-req" }}, function(txn)
            local _, regex = Regex.new("^a(b)", true)
            kept = {{
                queue = core.queue(), concat = core.concat(), regex = regex, client = core.httpclient(),
                map = Map.new("{files}/words.map", Map._str), patref = core.get_patref("{files}/words.map"),
                reply = txn:reply({{ status = 403, body = "kept" }}), of_txn = txn, of_fetches = txn.sf,
            }}
            kept.queue:push(txn)
            kept.queue:push(txn.http)
            kept.concat:add("first")
        end)
        core.register_action("reply", {{ "http-req" }}, function(txn) txn:done(kept.reply) end)
        "#
    );
    Site::new(&format!("{keep}\n{}", script(USES)))
}

const USES: &str = r#"
    kept.concat:add(" second")
    out(kept.concat:dump())
    out(kept.regex:exec("abc"), kept.map:lookup("one"), kept.patref.one)
    out(pcall(kept.client.get, kept.client, { url = "http://127.0.0.1:1/", timeout = 100 }))
    -- What was put into it belongs to the transaction that put it there.
    local of_txn, of_http = kept.queue:pop(), kept.queue:pop()
    try(of_txn.get_var, of_txn, "txn.secret")
    try(of_http.req_get_headers, of_http)
    out(kept.queue:size())
    -- And methods of one class take no object of another.
    try(kept.queue.size, kept.regex)
    try(kept.regex.exec, kept.map, "x")
    try(kept.map.lookup, kept.queue, "x")
    try(kept.client.get, kept.queue, {})
"#;

#[test]
fn they_may_be_kept_and_give_nothing_of_a_transaction_away() {
    let site = site();
    let first = http("/first");
    run(site.act("keep", &first));
    drop(first);
    let second = http("/second");
    run(site.act("eval", &second));
    let told = out(&second);
    let parts: Vec<&str> = told.split('|').collect();
    let [
        concat,
        found,
        asked,
        of_txn,
        of_http,
        size,
        queue,
        regex,
        map,
        client,
    ] = parts[..]
    else {
        panic!("{told}");
    };
    assert_eq!((concat, found, size), ("first second", "true,1,1", "0"));
    assert!(asked.starts_with("true,table"), "{asked}");
    assert_eq!(of_txn, "TXN object is no longer usable");
    assert_eq!(of_http, "HTTP object is no longer usable");
    for (told, wanted) in [
        (queue, "Queue"),
        (regex, "Regex"),
        (map, "Map"),
        (client, "HTTPClient"),
    ] {
        assert!(told.contains(&format!("{wanted} expected")), "{told}");
    }
}

#[test]
fn a_reply_is_sent_by_whoever_gives_it() {
    let site = site();
    let first = http("/first");
    run(site.act("keep", &first));
    drop(first);
    let second = http("/second");
    assert_eq!(run(site.act("reply", &second)), ActionOutcome::Done);
    let reply = second.take_reply().unwrap();
    assert_eq!((reply.status.as_u16(), &reply.body[..]), (403, &b"kept"[..]));
}
