//! The HTTP class: heads of messages, read and changed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use common::{eval, eval_on, http};
use tidegate_proxy::Txn;

/// A transaction with a response.
fn answered() -> std::rc::Rc<Txn> {
    let request = http::Request::get("/").body(()).unwrap();
    let response = http::Response::builder().header("server", "origin").body(());
    Txn::detached()
        .request(request)
        .response(response.unwrap())
        .build()
}

#[test]
fn headers_are_lists_from_zero_under_lower_case_names() {
    assert_eq!(
        eval(
            r#"
            local h = txn.http:req_get_headers()
            out(h["host"][0], h["x-two"][0], h["x-two"][1], h["x-two"][2], h["X-Two"])
            "#
        ),
        "example.org,a,b,nil,nil"
    );
}

#[test]
fn header_fields_are_added_set_and_removed() {
    let txn = http("/");
    assert_eq!(
        eval_on(
            &txn,
            r#"
            local http = txn.http
            out(http:req_add_header("X-Two", "c"))
            http:req_add_header("X-New", 5)
            http:req_set_header("Host", "other")
            http:req_del_header("absent")
            "#
        ),
        ""
    );
    let head = txn.request_head().unwrap();
    let values: Vec<_> = head
        .headers
        .get_all("x-two")
        .map(|v| v.to_str().unwrap())
        .collect();
    assert_eq!(values, ["a", "b", "c"]);
    assert_eq!(
        (
            head.headers.get("x-new").unwrap().as_bytes(),
            head.headers.get("host").unwrap().as_bytes()
        ),
        (&b"5"[..], &b"other"[..])
    );
    drop(head);
    eval_on(
        &txn,
        "txn.http:req_set_header('x-two', 'z') txn.http:req_del_header('X-NEW')",
    );
    let head = txn.request_head().unwrap();
    let values: Vec<_> = head
        .headers
        .get_all("x-two")
        .map(|v| v.to_str().unwrap())
        .collect();
    assert_eq!((values, head.headers.contains("x-new")), (vec!["z"], false));
}

#[test]
fn values_are_replaced_whole_or_part_by_part() {
    assert_eq!(
        eval(
            r#"
            local http = txn.http
            local function two() local h = http:req_get_headers()["x-two"] out(h[0], h[1]) end
            http:req_rep_header("x-two", "^(a)$", "<\\1>") two()
            http:req_set_header("x-two", "one, two,three")
            http:req_rep_value("x-two", "^t(.*)", "T\\1") two()
            http:req_rep_header("x-two", "T", "gone") two()
            try(http.req_rep_header, http, "x-two", "(", "x")
            "#
        )
        .split_once("|req_rep_header: invalid regex `(`")
        .unwrap()
        .0,
        "<a>,b|one, Two,Three,nil|gone,nil"
    );
}

#[test]
fn the_target_is_changed_by_parts() {
    let txn = http("/old?q=1");
    assert_eq!(
        eval_on(
            &txn,
            r#"
            local http = txn.http
            out(http:req_set_path("/new"), http:req_set_query("q=2"), http:req_set_method("POST"))
            "#
        ),
        "true,true,true"
    );
    let head = txn.request_head().unwrap();
    assert_eq!(
        (head.uri.to_string().as_str(), head.method.as_str()),
        ("/new?q=2", "POST")
    );
    drop(head);
    eval_on(&txn, "txn.http:req_set_uri('/whole?x')");
    assert_eq!(txn.request_head().unwrap().uri.to_string(), "/whole?x");
}

#[test]
fn nothing_can_be_injected_on_the_wire() {
    let txn = http("/");
    let problems = eval_on(
        &txn,
        r#"
        local http = txn.http
        for _, bad in ipairs { "a\r\nx: y", "a\nb", "a\rb", "a\0b" } do
            for _, name in ipairs { "req_add_header", "req_set_header" } do
                out(pcall(http[name], http, "x-a", bad), (pcall(http[name], http, bad, "x")))
            end
            for _, name in ipairs { "req_rep_header", "req_rep_value" } do
                http:req_set_header("x-r", "r")
                out((pcall(http[name], http, "x-r", "r", bad)))
            end
            for _, name in ipairs { "req_set_method", "req_set_path", "req_set_query", "req_set_uri" } do
                out((pcall(http[name], http, "/" .. bad)))
            end
        end
        "#,
    );
    assert!(problems.starts_with("false,"), "{problems}");
    assert!(!problems.contains("true"), "{problems}");
    let problems = eval_on(
        &answered(),
        r#"
        local http = txn.http
        for _, bad in ipairs { "a\r\nx: y", "a\nb", "a\rb", "a\0b" } do
            for _, name in ipairs { "res_add_header", "res_set_header" } do
                out(pcall(http[name], http, "x-a", bad), (pcall(http[name], http, bad, "x")))
            end
            out((pcall(http.res_set_status, http, 200, bad)))
        end
        "#,
    );
    assert!(problems.starts_with("false,"), "{problems}");
    assert!(!problems.contains("true"), "{problems}");
    let head = txn.request_head().unwrap();
    assert_eq!((head.uri.to_string().as_str(), head.headers.len()), ("/", 4));
}

#[test]
fn the_response_is_there_once_it_is() {
    assert_eq!(
        eval("try(txn.http.res_get_headers, txn.http) try(txn.http.res_set_status, txn.http, 200)"),
        "res_get_headers: there is no response yet|res_set_status: there is no response yet"
    );
    let txn = answered();
    assert_eq!(
        eval_on(
            &txn,
            r#"
            local http = txn.http
            out(http:res_get_headers()["server"][0], http:res_set_status(404, "Nowhere"))
            http:res_set_header("server", "me") http:res_add_header("x-a", "b") http:res_del_header("absent")
            for _, code in ipairs { 100, 101, 0, -5, 9999 } do try(http.res_set_status, http, code) end
            "#
        ),
        "origin|res_set_status: invalid status 100: 200 to 599 can be sent|\
         res_set_status: invalid status 101: 200 to 599 can be sent|\
         res_set_status: invalid status 0: 200 to 599 can be sent|\
         res_set_status: invalid status -5: 200 to 599 can be sent|\
         res_set_status: invalid status 9999: 200 to 599 can be sent"
    );
    let head = txn.response_head().unwrap();
    assert_eq!(
        (
            head.status.as_u16(),
            head.headers.get("server").unwrap().as_bytes()
        ),
        (404, &b"me"[..])
    );
    assert_eq!(head.headers.get("x-a").unwrap().as_bytes(), b"b");
}

#[test]
fn a_request_that_was_answered_can_be_read_and_not_changed() {
    let txn = answered();
    let said = eval_on(
        &txn,
        r#"
        local http = txn.http
        try(http.req_set_header, http, "x-a", "1")
        try(http.req_del_header, http, "host")
        try(http.req_set_path, http, "/new")
        out(type(http:req_get_headers()))
        "#,
    );
    let why = "there is no request that can be changed here";
    assert_eq!(
        said,
        format!("req_set_header: {why}|req_del_header: {why}|req_set_path: {why}|table")
    );
    assert_eq!(txn.request_head().unwrap().uri.to_string(), "/");
}
