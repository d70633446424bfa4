//! A session with everything in it, for tests.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a fake that cannot be made is a failed test"
)]

pub(crate) mod hello;

use std::any::Any;
use std::cell::{Cell, Ref, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};
use tidegate_sample::head::{request, response};
use tidegate_sample::vars::{ProcVars, VarScope, VarStore};
use tidegate_sample::{Data, DebugSink, Facts, Named, Process, Session, Way};

pub(crate) struct Fake {
    pub(crate) src: Option<SocketAddr>,
    pub(crate) dst: Option<SocketAddr>,
    pub(crate) request: Option<RefCell<request::Parts>>,
    pub(crate) response: Option<RefCell<response::Parts>>,
    pub(crate) request_bytes: RefCell<Vec<u8>>,
    pub(crate) response_bytes: RefCell<Vec<u8>>,
    pub(crate) way: Cell<Way>,
    pub(crate) may_change: Cell<bool>,
    pub(crate) vars: RefCell<VarStore>,
    pub(crate) proc_vars: ProcVars,
    pub(crate) facts: Facts,
    pub(crate) process: Process,
    pub(crate) now: SystemTime,
    pub(crate) stopping: Cell<bool>,
    pub(crate) debugged: RefCell<Vec<(DebugSink, String)>>,
    pub(crate) request_captures: RefCell<Vec<Option<Data>>>,
    pub(crate) response_captures: RefCell<Vec<Option<Data>>>,
    pub(crate) cookies: [Option<Data>; 2],
}

impl Fake {
    /// The session that the answers of `haproxy-2.6.tsv` were given for.
    pub(crate) fn new() -> Fake {
        let request = http::Request::builder()
            .method("POST")
            .uri("/Some/Path.html?x=1&y=two%20words&X=3&empty=")
            .header("Host", "Example.com:8080")
            .header("X-N", "1")
            .header("Accept", "a/b, c/d ,e/f;q=\"x,y\"")
            .header("X-Two", "one")
            .header("X-Two", "two, three")
            .header("Cookie", "foo=bar; sess=abc123;empty=")
            .header("X-Ip", "10.1.2.3, ::1")
            .header("X-Num", "12, 34abc")
            .header("X-Empty", "")
            .header("Content-Length", "7")
            .header("Cookie", "dup=1; dup=2")
            .header("Cookie", "dup=3; q=\"a b\"; sp = x y ; e2; nov=; c1=1,c2=2")
            .header("QQ", "\"a,b\", c\"d,e\"f , g\\\",h")
            .header("EM", "a,,b,")
            .body(())
            .unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_253);
        let fake = Fake {
            src: Some("127.0.0.1:50570".parse().unwrap()),
            dst: Some("127.0.0.1:18998".parse().unwrap()),
            request: Some(RefCell::new(request.into_parts().0.into())),
            response: None,
            request_bytes: RefCell::new(b"a=1&b=2".to_vec()),
            response_bytes: RefCell::default(),
            way: Cell::new(Way::Request),
            may_change: Cell::new(false),
            vars: RefCell::default(),
            proc_vars: ProcVars::default(),
            facts: Facts {
                accepted: Some(now),
                request_started: Some(now),
                handshake_ms: Some(0),
                idle_ms: Some(0),
                request_ms: Some(0),
                active_ms: Some(0),
                total_ms: Some(0),
                user_ms: Some(0),
                status: Some(200),
                process_connections: 1,
                frontend_connections: 1,
                first_request: true,
                ..Facts::default()
            },
            process: Process {
                hostname: "host".into(),
                node: "node".into(),
                pid: 4242,
                started: now - Duration::from_secs(60),
                threads: 2,
                environment: [("HX".to_string(), "envval".into())].into(),
            },
            now,
            stopping: Cell::new(false),
            debugged: RefCell::default(),
            request_captures: RefCell::default(),
            response_captures: RefCell::default(),
            cookies: [None, None],
        };
        fake.set("txn.five", 5_i64.into());
        fake.set("txn.text", tidegate_sample::Value::str("hello"));
        fake
    }

    pub(crate) fn with_response(mut self) -> Fake {
        let response = http::Response::builder()
            .status(404)
            .header("Content-Type", "text/plain")
            .header("Set-Cookie", "id=5; Path=/; HttpOnly")
            .header("Set-Cookie", "other=6")
            .body(())
            .unwrap();
        self.response = Some(RefCell::new(response.into_parts().0.into()));
        self.way.set(Way::Response);
        self
    }

    pub(crate) fn set(&self, name: &str, value: tidegate_sample::Value) {
        tidegate_sample::vars::set(self, &tidegate_sample::vars::VarName::parse(name).unwrap(), value);
    }
}

impl Fake {
    fn slots(&self, way: Way) -> &RefCell<Vec<Option<Data>>> {
        match way {
            Way::Request => &self.request_captures,
            Way::Response => &self.response_captures,
        }
    }
}

impl Session for Fake {
    fn captures(&self, way: Way) -> Option<Ref<'_, [Option<Data>]>> {
        Some(Ref::map(self.slots(way).borrow(), Vec::as_slice))
    }

    fn capture(&self, way: Way, slot: usize, text: &[u8]) {
        if let Some(slot) = self.slots(way).borrow_mut().get_mut(slot) {
            *slot = Some(Data::copy(text));
        }
    }

    fn captured_cookie(&self, way: Way) -> Option<Data> {
        self.cookies[way as usize].clone()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
    fn src(&self) -> Option<SocketAddr> {
        self.src
    }
    fn dst(&self) -> Option<SocketAddr> {
        self.dst
    }
    fn is_local(&self, address: IpAddr) -> Option<bool> {
        Some(address.is_loopback())
    }
    fn request(&self) -> Option<Ref<'_, request::Parts>> {
        self.request.as_ref().map(RefCell::borrow)
    }
    fn response(&self) -> Option<Ref<'_, response::Parts>> {
        self.response.as_ref().map(RefCell::borrow)
    }
    fn buffered(&self, way: Way) -> Option<Ref<'_, [u8]>> {
        let bytes = match way {
            Way::Request => &self.request_bytes,
            Way::Response => &self.response_bytes,
        };
        Some(Ref::map(bytes.borrow(), Vec::as_slice))
    }
    fn way(&self) -> Way {
        self.way.get()
    }
    fn may_change(&self) -> bool {
        self.may_change.get()
    }
    fn frontend(&self) -> Option<Named> {
        Some(Named {
            name: "f".into(),
            id: 1,
        })
    }
    fn listener(&self) -> Option<Named> {
        Some(Named {
            name: "".into(),
            id: 1,
        })
    }
    fn facts(&self) -> Facts {
        self.facts.clone()
    }
    fn process(&self) -> Option<&Process> {
        Some(&self.process)
    }
    fn vars(&self, scope: VarScope) -> Option<&RefCell<VarStore>> {
        (scope != VarScope::Check).then_some(&self.vars)
    }
    fn proc_vars(&self) -> Option<&ProcVars> {
        Some(&self.proc_vars)
    }
    fn stopping(&self) -> bool {
        self.stopping.get()
    }
    fn debug(&self, to: DebugSink, line: &str) {
        self.debugged.borrow_mut().push((to, line.to_string()));
    }
    fn now(&self) -> SystemTime {
        self.now
    }
}

/// A fetch with arguments of the kinds that it needs.
pub(crate) fn example(row: &tidegate_sample::fetch::FetchRow) -> String {
    use tidegate_sample::arg::ArgKind;
    let text = |kind: &ArgKind| match (kind, row.name) {
        (ArgKind::Str, "bin") => "00",
        (ArgKind::Str, "bool") => "1",
        (ArgKind::Str, "var") => "txn.a",
        (ArgKind::Str, "acl") => "TRUE",
        (ArgKind::Str, "fc_pp_tlv") => "AUTHORITY",
        (ArgKind::Str, _) => "NAME",
        (ArgKind::Server, _) => "b/s",
        (ArgKind::Ipv4, _) => "127.0.0.1",
        (ArgKind::Ipv6, _) => "::1",
        _ => "1",
    };
    let kinds = row.args.kinds.get(..row.args.required).unwrap_or_default();
    let args: Vec<&str> = kinds.iter().map(text).collect();
    if args.is_empty() {
        row.name.to_owned()
    } else {
        format!("{}({})", row.name, args.join(","))
    }
}
