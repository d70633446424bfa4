//! Filters of extensions, on real connections.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "it is a test")]

mod common;

use http::HeaderValue;
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use common::*;
use tidegate_proxy::ext::{
    Action, DataFilter, Extensions, Failure, Filter, Follows, HttpService, Passage, Run, TcpService,
};
use tidegate_proxy::spec::*;
use tidegate_proxy::{Mode, Txn};
use tidegate_sample::Way;

/// Says every byte twice, waits before each piece, and cuts a message off that says so.
struct Twice;

struct Doubling {
    wait: RefCell<Option<Pin<Box<tokio::time::Sleep>>>>,
}

impl Filter for Twice {
    fn message<'a>(
        &'a self,
        txn: &'a Rc<Txn>,
        way: Way,
        has_body: bool,
    ) -> Run<'a, Option<Box<dyn DataFilter>>> {
        Run::suspended(async move {
            tokio::time::sleep(Duration::from_millis(2)).await;
            let value = HeaderValue::from_static(if has_body { "body" } else { "none" });
            match way {
                Way::Request => txn.request_head_mut().unwrap().headers.insert("x-seen", value),
                Way::Response => txn.response_head_mut().unwrap().headers.insert("x-seen", value),
            };
            let wait = RefCell::new(None);
            Some(Box::new(Doubling { wait }) as Box<dyn DataFilter>)
        })
    }
}

impl DataFilter for Doubling {
    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
        _: &Rc<Txn>,
        passage: Passage<'_>,
    ) -> Poll<Result<(), Failure>> {
        while let Some(piece) = passage.input.front() {
            let mut wait = self.wait.borrow_mut();
            let sleep = || Box::pin(tokio::time::sleep(Duration::from_millis(1)));
            if wait.get_or_insert_with(sleep).as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            *wait = None;
            if piece.starts_with(b"cut") {
                return Poll::Ready(Err(Failure::new("told to cut")));
            }
            let twice = piece.iter().flat_map(|byte| [*byte, *byte]).collect::<Vec<u8>>();
            passage.output.push_back(twice.into());
            passage.input.pop_front();
        }
        if passage.follows == Follows::Nothing {
            passage.output.push_back("!".into());
        }
        Poll::Ready(Ok(()))
    }
}

struct Filters;

impl Extensions for Filters {
    fn action(&self, _: usize) -> Option<Rc<dyn Action>> {
        None
    }
    fn http_service(&self, _: usize) -> Option<Rc<dyn HttpService>> {
        None
    }
    fn tcp_service(&self, _: usize) -> Option<Rc<dyn TcpService>> {
        None
    }
    fn filter(&self, id: usize, _: &Arc<[String]>) -> Result<Option<Rc<dyn Filter>>, String> {
        match id {
            0 => Ok(Some(Rc::new(Twice))),
            other => Err(format!("there is no filter number {other}")),
        }
    }
}

fn twice() -> FilterSpec {
    FilterSpec::Extension(0, Arc::default())
}

fn filtered(of_frontend: usize, of_backend: usize) -> Proxy {
    let addr = server(|_, mut client| {
        while let Some(request) = client.request() {
            let body = request.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            let head = request.to_ascii_lowercase();
            let length = match head.contains("x-seen: body") {
                true => "Content-Length: 6\r\n\r\nanswer".to_owned(),
                false => format!(
                    "X-Request: {}\r\nContent-Length: 3\r\n\r\nget",
                    head.contains("x-seen: none")
                ),
            };
            let cut = if request.contains("/cut") {
                "Content-Length: 8\r\n\r\ncut here".to_owned()
            } else {
                length
            };
            client.send(format!("HTTP/1.1 200 OK\r\nX-Body: {body}\r\n{cut}"));
        }
    });
    let mut spec = proxied(Mode::Http, &[addr]);
    spec.frontends[0].filters = (0..of_frontend).map(|_| twice()).collect();
    spec.backends[0].filters = (0..of_backend).map(|_| twice()).collect();
    Proxy::with(spec, Arc::new(|_| Ok(Box::new(Filters))))
}

#[test]
fn bodies_are_rewritten_on_both_ways() {
    for (of_frontend, of_backend, wanted) in [(1, 0, "ggeett!"), (0, 1, "ggeett!"), (1, 1, "ggggeeeetttt!!!")]
    {
        let proxy = filtered(of_frontend, of_backend);
        let mut client = proxy.client();
        for _ in 0..2 {
            let answer = client.get("/");
            assert_eq!(answer.text(), wanted);
            assert_eq!(answer.header("x-seen"), Some("body"));
            assert_eq!(
                answer.header("x-request"),
                Some("true"),
                "a request without a body"
            );
            assert_eq!(answer.header("content-length"), None);
        }
    }
}

#[test]
fn a_failure_cuts_the_message_off() {
    let proxy = filtered(1, 0);
    let mut client = proxy.client();
    client.send("GET /cut HTTP/1.1\r\nHost: h\r\n\r\n");
    let answer = client.rest();
    assert!(find(&answer, b"200 OK").is_some() && find(&answer, b"cut").is_none());
    assert!(find(&answer, b"0\r\n\r\n").is_none(), "it isn't whole");
    assert_eq!(proxy.client().get("/").text(), "ggeett!");
}

#[test]
fn a_filter_that_is_not_there_keeps_the_proxy_from_starting() {
    let mut spec = only(frontend(Mode::Http));
    spec.frontends[0].filters = vec![FilterSpec::Extension(7, Arc::default())];
    match tidegate_proxy::start(spec, Arc::new(|_| Ok(Box::new(Filters)))) {
        Err(tidegate_proxy::StartError::Workers(errors)) => assert!(errors[0].contains("filter number 7")),
        other => panic!("{:?}", other.map(drop)),
    }
}
