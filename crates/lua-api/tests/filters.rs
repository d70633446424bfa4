//! Filters of scripts, driven as a proxy drives them: what they make of data doesn't depend on how these come.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use common::{Site, http, out, run};
use proptest::prelude::*;
use tidegate_proxy::Txn;
use tidegate_proxy::ext::{Attached, DataFilter, Failure, Follows, Passage};
use tidegate_sample::Way;

const REDACT: &str = include_str!("../../../examples/redact/redact.lua");

/// The filter of a line, at work in a transaction.
async fn at_work(site: &Site, words: &[&str], txn: &Rc<Txn>) -> Result<Rc<dyn Attached>, Failure> {
    let words: Vec<String> = words.iter().map(ToString::to_string).collect();
    let filter = site.worker.filter(0, &Arc::from(words)).unwrap().unwrap();
    let attached = filter.attach(txn).unwrap().await?;
    Ok(attached.unwrap())
}

/// What the pieces become on their way through a filter. An empty one stands for a wait.
async fn passed(data: &mut dyn DataFilter, txn: &Rc<Txn>, pieces: &[&[u8]]) -> Result<Vec<u8>, Failure> {
    let mut input = VecDeque::new();
    let mut output = VecDeque::new();
    let mut pieces: VecDeque<&[u8]> = pieces.iter().copied().collect();
    poll_fn(|cx| {
        loop {
            let follows = match pieces.pop_front() {
                Some([]) => Follows::Later,
                Some(piece) => {
                    input.push_back(Bytes::copy_from_slice(piece));
                    Follows::More
                }
                None => Follows::Nothing,
            };
            let passage = Passage {
                input: &mut input,
                follows,
                output: &mut output,
            };
            match data.poll_data(cx, txn, passage) {
                Poll::Ready(Ok(())) if follows == Follows::Nothing => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(failure)) => return Poll::Ready(Err(failure)),
                Poll::Pending if follows == Follows::Nothing => return Poll::Pending,
                Poll::Pending => {}
            }
        }
    })
    .await?;
    Ok(output.into_iter().flatten().collect())
}

/// What the first registered filter makes of a request's body.
fn rewritten(site: &Site, words: &[&str], pieces: &[&[u8]]) -> Result<Vec<u8>, Failure> {
    run(async {
        let request = ::http::Request::post("/").header("content-type", "text/plain");
        let txn = Txn::detached().request(request.body(()).unwrap()).build();
        let filter = at_work(site, words, &txn).await?;
        filter.start_analyze(&txn, Way::Request).await?;
        let mut data = filter.http_headers(&txn, Way::Request, true).await?.unwrap();
        passed(&mut *data, &txn, pieces).await
    })
}

/// The same of a stream of TCP.
fn streamed(site: &Site, pieces: &[&[u8]]) -> Result<Vec<u8>, Failure> {
    run(async {
        let txn = Txn::detached().build();
        let filter = at_work(site, &[], &txn).await?;
        filter.start_analyze(&txn, Way::Request).await?;
        let mut data = filter.stream(Way::Request).unwrap();
        passed(&mut *data, &txn, pieces).await
    })
}

/// A text that is cut at these places.
fn cut<'t>(text: &'t [u8], places: &[prop::sample::Index]) -> Vec<&'t [u8]> {
    let mut places: Vec<usize> = places.iter().map(|place| place.index(text.len() + 1)).collect();
    places.extend([0, text.len()]);
    places.sort_unstable();
    // Two of the same make an empty piece: a wait.
    places.windows(2).map(|ends| &text[ends[0]..ends[1]]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_cutting_of_the_input_gives_the_same_output(
        words in prop::collection::vec("[a-z ]{0,3}|[0-9]{1,9}[ -]?|4111[ -]?1111[ -]?1111[ -]?1111[ -]?|[ -]", 0..40),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let text = words.concat().into_bytes();
        let site = Site::new(REDACT);
        let whole = rewritten(&site, &["requests"], &[&text]).unwrap();
        let pieces = rewritten(&site, &["requests"], &cut(&text, &places)).unwrap();
        prop_assert_eq!(String::from_utf8(whole), String::from_utf8(pieces));
    }

    #[test]
    fn a_stream_that_is_doubled_in_the_middle_of_waits_is_doubled_whole(
        text in prop::collection::vec(any::<u8>(), 0..3000),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let site = Site::new(r#"
            local F = {}
            F.__index = F
            function F:new() return setmetatable({}, F) end
            function F:start_analyze(txn, chn) filter.register_data_filter(self, chn) end
            -- Byte for byte, some of them right away and the rest after a wait.
            function F:tcp_payload(txn, chn)
                local data = chn:data()
                if not data then return end
                local part = data:sub(1, 7)
                chn:remove(0, #part)
                chn:send((part:gsub(".", "%0%0")))
                core.yield()
                if chn:input() > 0 then return filter.WAIT end
            end
            core.register_filter("twice", F, function(flt) return flt end)
        "#);
        let doubled: Vec<u8> = text.iter().flat_map(|byte| [*byte, *byte]).collect();
        prop_assert_eq!(streamed(&site, &cut(&text, &places)).unwrap(), doubled);
    }
}

#[test]
fn numbers_of_cards_are_hidden_and_no_others() {
    let site = Site::new(REDACT);
    for (text, wanted) in [
        ("4111111111111111", "************1111"),
        ("a 4111-1111 1111-1111, b", "a ************1111, b"),
        ("4111111111111112", "4111111111111112"),
        ("11 4111111111111111", "11 4111111111111111"),
        (
            "4111111111111111  4111111111111111",
            "************1111  ************1111",
        ),
        ("0", "0"),
        ("", ""),
    ] {
        let whole = rewritten(&site, &["requests"], &[text.as_bytes()]).unwrap();
        assert_eq!(String::from_utf8(whole).unwrap(), wanted);
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        let whole = rewritten(&site, &["requests"], &bytes).unwrap();
        assert_eq!(String::from_utf8(whole).unwrap(), wanted, "byte by byte");
    }
}

/// A filter whose payload callback runs the lines.
fn filter(lines: &str) -> Site {
    Site::new(&format!(
        r#"
        kept = nil
        local F = {{ flags = filter.FLT_CFG_FL_HTX }}
        F.__index = F
        local parts = {{}}
        local function out(...)
            local all = table.pack(...)
            for i = 1, all.n do all[i] = tostring(all[i]) end
            parts[#parts + 1] = table.concat(all, ",")
        end
        local function try(f, ...)
            local ok, problem = pcall(f, ...)
            out(ok and "no error" or (tostring(problem):gsub("^[^ ]*script.lua:%d+: ", "")))
        end
        function F:new() return setmetatable({{}}, F) end
        function F:start_analyze(txn, chn) filter.register_data_filter(self, chn) end
        function F:http_payload(txn, msg)
            do {lines} end
            txn:set_var("txn.out", table.concat(parts, "|"))
        end
        core.register_filter("test", F, function(flt) return flt end)
        core.register_action("look", {{ "http-req" }}, function(txn)
            parts = {{}}
            for _, use in ipairs({{
                function() return kept:body() end, function() return kept:add_header("a", "b") end,
                function() return kept.channel:input() end, function() return kept:get_stline() end,
                function() return kept:eom() end, function() return filter.wake_time(1) end,
                function() return filter.register_data_filter(txn.req) end,
            }}) do try(use) end
            txn:set_var("txn.out", table.concat(parts, "|"))
        end)
        "#
    ))
}

fn told(lines: &str, body: &[u8]) -> (String, String) {
    let site = filter(lines);
    run(async {
        let txn = http("/path?query");
        let filter = at_work(&site, &[], &txn).await.unwrap();
        filter.start_analyze(&txn, Way::Request).await.unwrap();
        let mut data = filter
            .http_headers(&txn, Way::Request, true)
            .await
            .unwrap()
            .unwrap();
        let passed = passed(&mut *data, &txn, &[body]).await.unwrap();
        (out(&txn), String::from_utf8(passed).unwrap())
    })
}

#[test]
fn the_body_is_looked_at_and_changed_by_offsets_from_either_end() {
    let lines = r#"
        if not msg:eom() then return filter.WAIT end
        out(msg:input(), msg:output(), msg:is_full(), msg:may_recv(), msg:is_resp(), msg:eom())
        out(msg:body(), msg:body(2), msg:body(-3), msg:body(-3, 2), msg:body(2, -1), msg:body(-100), msg:body(0, 100))
        try(msg.body, msg, 11)
        out(msg:insert("X", 2), msg:insert("Y", -1), msg:append("!"), msg:prepend("?"), msg:body())
        out(msg:remove(0, 1), msg:remove(-1), msg:body())
        try(msg.remove, msg, 0, 100)
        try(msg.set, msg, "x", 0, 100)
        out(msg:set("ab", 0, 1), msg:body())
        out(msg:append(("x"):rep(1000000)), msg:set(("x"):rep(1000000)), msg:append(""))
        out(msg:send("first "), msg:forward(3), msg:input())
    "#;
    let (told, passed) = told(lines, b"0123456789");
    assert_eq!(
        told,
        "10,0,false,false,false,true|0123456789,23456789,789,78,23456789,0123456789,0123456789|\
         offset out of range.|1,1,1,1,?01X2345678Y9!|1,1,01X2345678Y9|length out of range.|length out of range.|\
         2,ab1X2345678Y9|-1,-1,0|6,3,10"
    );
    assert_eq!(passed, "first ab1X2345678Y9");
}

#[test]
fn what_a_script_keeps_of_a_message_is_of_no_use_elsewhere() {
    let site = filter("kept = msg");
    run(async {
        let txn = http("/");
        let filter = at_work(&site, &[], &txn).await.unwrap();
        filter.start_analyze(&txn, Way::Request).await.unwrap();
        let mut data = filter
            .http_headers(&txn, Way::Request, true)
            .await
            .unwrap()
            .unwrap();
        passed(&mut *data, &txn, &[b"x"]).await.unwrap();
        let message = "HTTPMessage object is no longer usable";
        // In an action of the same transaction, and of another one.
        for (txn, channel) in [
            (txn, "no error"),
            (http("/"), "Channel object is no longer usable"),
        ] {
            site.act("look", &txn).await;
            assert_eq!(
                out(&txn),
                format!(
                    "{message}|{message}|{channel}|{message}|{message}|wake_time: no filter runs here|\
                     register_data_filter: no filter runs here"
                )
            );
        }
    });
}

#[test]
fn the_head_is_gone_when_the_body_passes() {
    let (told, _) = told(
        r#"
        try(msg.set_header, msg, "a", "b") try(msg.set_path, msg, "/x") try(msg.set_body_len, msg, 3)
        out(msg:set_body_len(3), msg:get_stline().uri, msg:get_headers()["host"][0])
        try(msg.set_status, msg, 200) try(txn.http_res.set_method, txn.http_res, "GET")
        try(txn.http_res.get_headers, txn.http_res)
        "#,
        b"",
    );
    let gone = "the head of the message has gone on already";
    assert_eq!(
        told,
        format!(
            "set_header: {gone}|set_path: {gone}|no error|false,/path?query,example.org|set_status: {gone}|\
             set_method: a response has no target|get_headers: there is no response yet"
        )
    );
}

#[test]
fn waiting_for_nothing_is_an_error_that_says_so() {
    let failure = |lines: &str, body: &[u8]| {
        let site = filter(lines);
        rewritten(&site, &[], &[body, b"more"]).unwrap_err().message
    };
    let at_end = failure("return filter.WAIT", b"x");
    assert!(
        at_end.contains("'test'") && at_end.contains("where nothing more comes"),
        "{at_end}"
    );
    let full = failure("return filter.WAIT", &[b'x'; 40_000]);
    assert!(full.contains("tune.bufsize"), "{full}");
    let held = failure("msg:unset_eom()", b"x");
    assert!(held.contains("where nothing more comes"), "{held}");
    let error = failure("return filter.ERROR", b"x");
    assert_eq!(error, "Lua filter 'test': http_payload gave filter.ERROR");
}

#[test]
fn it_is_called_again_when_its_time_has_come() {
    let (told, passed) = told(
        r#"
        self.calls = (self.calls or 0) + 1
        out(msg:eom(), msg:body())
        if self.calls < 3 then
            filter.wake_time(1)
            return filter.WAIT
        end
        msg:set("done")
        "#,
        b"abc",
    );
    assert!(told.ends_with("true,abc"), "{told}");
    assert_eq!((told.matches("abc").count(), passed.as_str()), (3, "done"));
}

#[test]
fn a_message_may_be_ended_early_or_held_open() {
    let site = filter("msg:set('only this') msg:set_eom() out(msg:eom(), msg:may_recv())");
    assert_eq!(
        rewritten(&site, &[], &[b"one", b"two", b"", b"three"]).unwrap(),
        b"only this"
    );
    let (told, passed) = told(
        r#"
        if not self.held then
            self.held = true
            msg:unset_eom()
            filter.wake_time(1)
            out(msg:eom())
        elseif msg:input() == 0 then
            msg:append(" and more")
            msg:set_eom()
            out(msg:eom())
        end
        "#,
        b"this",
    );
    assert_eq!((told.as_str(), passed.as_str()), ("false|true", "this and more"));
}
