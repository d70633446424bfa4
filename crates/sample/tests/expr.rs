//! Expressions: fetches of responses and payloads, mistakes, and suspension.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "it is a test"
)]

mod common;

use common::Fake;
use std::cell::Cell;
use std::future::Future;
use std::ops::ControlFlow;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use tidegate_sample::head::{AsName, Headers};
use tidegate_sample::{
    AclSet, Condition, Converter, Expr, ExternalId, ExternalRunner, Externals, LocalBoxFuture, LogFormat,
    NoSession, Place, Scope, Session, Value, Way,
};

fn eval(text: &str, fake: &Fake) -> Option<Value> {
    text.parse::<Expr>()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .eval(fake)
}

#[test]
fn fetches_of_the_response() {
    let fake = Fake::new().with_response();
    for (text, want) in [
        ("status", Some(Value::Int(404))),
        ("res.ver", Some(Value::str("1.1"))),
        ("capture.res.ver", Some(Value::str("HTTP/1.1"))),
        ("res.hdr(content-type)", Some(Value::str("text/plain"))),
        ("hdr(content-type)", Some(Value::str("text/plain"))),
        ("req.hdr(content-type)", None),
        ("res.cook(id)", Some(Value::str("5"))),
        ("scook_val(other)", Some(Value::Int(6))),
        ("res.cook(Path)", None),
        ("res.cook_cnt", Some(Value::Int(2))),
        ("res.cook_names", Some(Value::str("id,other"))),
        (
            "res.hdr_names",
            Some(Value::str("content-type,set-cookie,set-cookie")),
        ),
        ("res.hdr_cnt(set-cookie)", Some(Value::Int(2))),
        ("path", Some(Value::str("/Some/Path.html"))),
    ] {
        assert_eq!(eval(text, &fake), want, "{text}");
    }
}

#[test]
fn bytes_are_compared_beyond_a_zero() {
    let fake = Fake::new();
    fake.set("txn.bytes", Value::bin(&b"\0\0a"[..]));
    for (text, want) in [
        ("bin(000061),secure_memcmp(txn.bytes)", true),
        ("bin(000062),secure_memcmp(txn.bytes)", false),
        ("bin(0000),secure_memcmp(txn.bytes)", false),
        ("str(hello),secure_memcmp(txn.text)", true),
    ] {
        assert_eq!(eval(text, &fake), Some(Value::Bool(want)), "{text}");
    }
}

#[test]
fn fetches_of_payloads() {
    let fake = Fake::new();
    *fake.request_bytes.borrow_mut() = b"\x01\x00\x03abcdef".to_vec();
    for (text, want) in [
        ("req.len", Some(Value::Int(9))),
        ("req.payload(3,2)", Some(Value::bin("ab"))),
        ("req.payload(3,0)", Some(Value::bin("abcdef"))),
        ("req.payload(3,7)", None),
        ("req.payload(9,0)", Some(Value::bin(""))),
        ("req.payload(10,0)", None),
        ("req.payload_lv(1,2)", Some(Value::bin("abc"))),
        ("req.payload_lv(1,2,+1)", Some(Value::bin("bcd"))),
        ("req.payload_lv(1,2,4)", Some(Value::bin("bcd"))),
        ("req.payload_lv(1,2,-1)", Some(Value::bin("\x03ab"))),
        ("req.payload_lv(3,1)", None),
        ("payload(0,1)", Some(Value::bin("\x01"))),
        ("res.len", Some(Value::Int(0))),
        ("res.payload(0,0)", None),
    ] {
        assert_eq!(eval(text, &fake), want, "{text}");
    }
}

#[test]
fn dates_and_process() {
    let fake = Fake::new();
    for (text, want) in [
        ("date", Value::Int(1_700_000_000)),
        ("date(-10,ms)", Value::Int(1_699_999_990_253)),
        ("date(0,us)", Value::Int(1_700_000_000_253_000)),
        ("date_us", Value::Int(253_000)),
        ("accept_date", Value::Int(1_700_000_000)),
        ("request_date(ms)", Value::Int(1_700_000_000_253)),
        ("uptime", Value::Int(60)),
        ("pid", Value::Int(4242)),
        ("hostname", Value::str("host")),
        ("thread", Value::Int(0)),
        ("txn.sess_term_state", Value::str("----")),
    ] {
        assert_eq!(eval(text, &fake), Some(value(want)), "{text}");
    }
    for _ in 0..100 {
        assert!(matches!(eval("rand(3)", &fake), Some(Value::Int(0..3))));
    }
    assert_ne!(eval("uuid", &fake), eval("uuid", &fake));
}

fn value(value: Value) -> Value {
    value
}

#[test]
fn newer_converters() {
    let fake = Fake::new();
    for (text, want) in [
        ("str(abcdefgh),bytes(txn.five,2)", Some(Value::bin("fg"))),
        ("str(abcdefgh),bytes(txn.nope)", None),
        ("str(a=1&b=2&ab=3),param(b)", Some(Value::str("2"))),
        ("str(a=1;b;c=3),param(b,;)", Some(Value::str(""))),
        ("str(a=1),param(b)", None),
        ("str(abc),reverse", Some(Value::str("cba"))),
        (
            "str(www.example.com),reverse_dom",
            Some(Value::str("com.example.www")),
        ),
        ("bin(0102030405),le2dec(:,2)", Some(Value::str("513:1027:5"))),
        ("bin(0102030405),le2dec(:,2,1)", Some(Value::str("513:1027"))),
        ("bin(05),base2", Some(Value::str("00000101"))),
        ("bin(61ff01),has_ctl", Some(Value::Bool(true))),
        ("str(abc),has_ctl", Some(Value::Bool(false))),
        ("bin(09),has_ctl", Some(Value::Bool(false))),
        ("bin(7f),has_ctl", Some(Value::Bool(true))),
        ("bin(09),has_ctl(any)", Some(Value::Bool(true))),
        ("bin(090b),has_ctl(http)", Some(Value::Bool(false))),
        ("bin(0d),has_ctl(http)", Some(Value::Bool(true))),
        ("bin(7f),has_ctl(0x100002401)", Some(Value::Bool(true))),
        ("bin(0a),has_ctl(512)", Some(Value::Bool(false))),
        ("bin(20208a),has_ctl(any)", Some(Value::Bool(false))),
        (
            "int(1690192382196),ms_utime(%S.%3N,1000)",
            Some(Value::str("03.196")),
        ),
        (
            "int(1690192382196234),us_utime(%6N,-234)",
            Some(Value::str("196000")),
        ),
        ("str(a=1;b=2),param(b,0x3B)", Some(Value::str("2"))),
        ("str(example.com.),reverse_dom", Some(Value::str("com.example"))),
        ("str(a..b),reverse_dom", None),
        ("int(1700000000123),ms_utime(%S.%3N)", Some(Value::str("20.123"))),
        (
            "int(1700000000123456),us_utime(%s)",
            Some(Value::str("1700000000")),
        ),
        ("str(x),set-var(txn.five,ifnotexists),strcmp(txn.five)", None),
        (
            "str(x),set-var(txn.new,ifnotexists),strcmp(txn.new)",
            Some(Value::Int(0)),
        ),
        ("str(x),set-var(proc.p),strcmp(proc.p)", Some(Value::Int(0))),
        ("str(x),unset-var(proc.p),strcmp(proc.p)", None),
        ("uuid(7),length", Some(Value::Int(36))),
        ("urlp(X,,i)", Some(Value::str("1"))),
        ("query(with_qm),bytes(0,2)", Some(Value::bin("?x"))),
    ] {
        assert_eq!(eval(text, &fake), want, "{text}");
    }
}

/// What `cargo xtask conform samples` found, as haproxy 2.6 answers it.
#[test]
fn edges_of_converters_are_those_of_haproxy() {
    let fake = Fake::new();
    for (text, want) in [
        ("str(_a_),word(1,_,-1)", Some(Value::str("a_"))),
        ("str(_a_b_c_),word(2,_,0)", Some(Value::str("b_c_"))),
        ("str(_a_b_c_),word(2,_,2)", Some(Value::str("b_c"))),
        ("str(_a_b_c_),word(2,_,3)", Some(Value::str("b_c_"))),
        ("str(_a_b_c_),word(-2,_,0)", Some(Value::str("_a_b"))),
        ("str(_a_b_c_),word(-2,_,3)", Some(Value::str("_a_b"))),
        ("str(_a_b_c_),word(-2,_,2)", Some(Value::str("a_b"))),
        ("bin(00),set-var(txn.five,ifempty)", None),
        ("str([a]:[b]),host_only", Some(Value::str("[a]:[b]"))),
        ("str(Example.COM:8080),host_only", Some(Value::str("example.com"))),
        ("str(AB:),host_only", Some(Value::str("ab"))),
        ("str([::1]:x),host_only", Some(Value::str("[::1]"))),
        ("str([::1]:x),port_only", Some(Value::Int(0))),
        ("str(5abc),strcmp(txn.five)", Some(Value::Int(1))),
        ("str(),strcmp(txn.five)", Some(Value::Int(-1))),
        ("str(a),set-var(txn.five,ifnotempty)", Some(Value::str("a"))),
        ("str(a),set-var(txn.five,ifempty)", None),
        ("int(4),set-var(txn.five,ifgt)", Some(Value::Int(4))),
        ("int(4),set-var(txn.five,ifgt)", None),
        ("int(4),set-var(txn.five,iflt)", None),
        ("int(5),set-var(txn.five,iflt)", Some(Value::Int(5))),
        ("ipv6(::ffff:10.1.2.3),ipmask(8,128)", Some(ip("10.0.0.0"))),
        ("ipv6(::ffff:10.1.2.3),ipmask(8)", Some(ip("10.0.0.0"))),
        ("ipv6(::10.1.2.3),ipmask(8)", None),
        ("int(1),add(9223372036854775808)", Some(Value::Int(i64::MAX))),
        (
            "int(0),http_date(1500,ms)",
            Some(Value::str("Thu, 01 Jan 1970 00:00:01.500 GMT")),
        ),
    ] {
        assert_eq!(eval(text, &fake), want, "{text}");
    }
    for text in [
        "str(a),bytes",
        "bin(00),be2dec(:)",
        "bin(00),be2hex(:)",
        "bin()",
        "str(a),has_ctl(x)",
        "str(a),param(b,0x3)",
    ] {
        assert!(
            Expr::parse(text, &Scope::new(Place::FrontendHttpRequest)).is_err(),
            "{text}"
        );
    }
}

/// A fake whose request has this target and these headers.
fn requesting(uri: &str, headers: &[(&'static str, &'static str)]) -> Fake {
    let fake = Fake::new();
    let mut request = http::Request::builder().uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    *fake.request.as_ref().unwrap().borrow_mut() = request.body(()).unwrap().into_parts().0.into();
    fake
}

/// What `cargo xtask conform samples` found, as haproxy 2.6 answers it.
#[test]
fn edges_of_fetches_are_those_of_haproxy() {
    let cookies: &[(&str, &str)] = &[
        ("cookie", "a; b=; =v; $c=1; d=2"),
        ("x-n", ""),
        ("x-ip", "10.1.2.3:80"),
    ];
    for (uri, headers, text, want) in [
        ("/p", cookies, "query", None),
        ("/p?", cookies, "query", Some(Value::str(""))),
        ("/p?a=1?b=2", cookies, "urlp(a)", Some(Value::str("1"))),
        ("/p?a=1?b=2", cookies, "urlp(b)", Some(Value::str("2"))),
        ("*", cookies, "path", None),
        ("*", &[("host", "h")], "base", Some(Value::str("h"))),
        (
            "http://other:81/abs?x=1",
            &[("host", "other:81")],
            "url32",
            Some(Value::Int(2_831_682_529)),
        ),
        ("http://other:81/abs?x=1", cookies, "url_port", None),
        ("http://10.1.2.3:81/", cookies, "url_port", Some(Value::Int(81))),
        ("/path?q=1", &[], "base32", Some(Value::Int(2_881_926_549))),
        ("/", cookies, "req.cook(a)", None),
        ("/", cookies, "req.cook(b)", Some(Value::str(""))),
        ("/", cookies, "req.cook_val(b)", Some(Value::Int(0))),
        ("/", cookies, "req.cook($c)", None),
        ("/", cookies, "req.cook_cnt", Some(Value::Int(3))),
        ("/", cookies, "req.cook_names(-+)", Some(Value::str("b--d"))),
        (
            "/",
            cookies,
            "req.hdr_names(:-)",
            Some(Value::str("cookie:x-n:x-ip")),
        ),
        ("/", cookies, "req.hdr_val(x-n)", Some(Value::Int(0))),
        ("/", cookies, "req.hdr_ip(x-ip)", Some(ip("10.1.2.3"))),
        ("/", cookies, "bool(TRUE)", Some(Value::Bool(true))),
    ] {
        assert_eq!(eval(text, &requesting(uri, headers)), want, "{text} of {uri}");
    }
}

fn ip(text: &str) -> Value {
    Value::from(text.parse::<std::net::IpAddr>().unwrap())
}

#[test]
fn without_a_session_there_are_only_constants() {
    for text in [
        "src",
        "path",
        "hdr(host)",
        "req.len",
        "var(txn.a)",
        "status",
        "fe_name",
        "hostname",
    ] {
        assert_eq!(text.parse::<Expr>().unwrap().eval(&NoSession), None, "{text}");
    }
    assert_eq!(
        "str(a),upper".parse::<Expr>().unwrap().eval(&NoSession),
        Some(Value::str("A"))
    );
}

#[test]
fn each_occurrence_is_visited() {
    let expr: Expr = "hdr(accept),upper".parse().unwrap();
    let mut seen = Vec::new();
    let flow = expr.eval_each(&Fake::new(), &mut |value| {
        seen.push(value);
        if seen.len() == 2 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert!(flow.is_break());
    assert_eq!(seen, [Value::str("A/B"), Value::str("C/D")]);
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (text, span, message) in [
        ("", 0..0, "missing the name of a fetch"),
        (
            "hdr(host",
            3..8,
            "missing closing parenthesis after the arguments",
        ),
        ("str('a)", 4..7, "unterminated quote `'` in the arguments"),
        ("hsr(host)", 0..3, "unknown fetch `hsr`; did you mean `hdr`?"),
        (
            "fcgi.docroot,lower",
            0..12,
            "fetch `fcgi.docroot` is not supported; FastCGI is not spoken",
        ),
        (
            "str(x),wt6",
            7..10,
            "converter `wt6` is not supported; the hash is documented nowhere but in HAProxy's source, which this \
             project does not read",
        ),
        ("hdr(host,x)", 9..10, "`x` is not a valid integer for `hdr`"),
        ("hdr(a b)", 4..7, "`hdr`: this cannot be a header's name"),
        (
            "hdr(a,-11)",
            6..9,
            "`hdr`: an occurrence from the end is -10 or more",
        ),
        (
            "path(a)",
            5..6,
            "`path` takes no argument; its arguments are `path()`",
        ),
        (
            "path,field(1)",
            10..13,
            "`field` misses argument 2; its arguments are `field(integer,string[,integer])`",
        ),
        (
            "path,field",
            5..10,
            "`field` misses argument 1; its arguments are `field(integer,string[,integer])`",
        ),
        (
            "path,",
            4..5,
            "missing the name of a converter after the comma; an expression is one word: write no blanks in it",
        ),
        (
            "path,lower)",
            10..11,
            "unexpected `)` after the expression; a converter follows after a comma",
        ),
        (
            "bin(61),add(1)",
            8..11,
            "converter `add` takes sint, and what comes before it gives bin",
        ),
        (
            "path,add(x)",
            9..10,
            "`add`: `x` is neither an integer nor a variable",
        ),
        (
            "var(tnx.a)",
            4..9,
            "`var`: unknown variable scope `tnx`; the scopes are proc, sess, txn, req, res, check; did you mean `txn`?",
        ),
        (
            "path,regsub(a(,b)",
            12..14,
            "`regsub`: PCRE2: error compiling pattern at offset 2: missing closing parenthesis",
        ),
    ] {
        let error = text.parse::<Expr>().map(|_| ()).expect_err(text);
        assert_eq!(
            (error.span.clone(), error.to_string()),
            (span, message.to_string()),
            "{text}"
        );
    }
}

#[test]
fn a_place_refuses_what_it_cannot_have() {
    let error = Expr::parse("res.hdr(a),lower", &Scope::new(Place::UseBackend)).unwrap_err();
    assert_eq!(error.span, 0..16);
    assert_eq!(
        error.to_string(),
        "`res.hdr(a),lower` cannot be used in a `use_backend` rule; it can be used in `tcp-response content`, \
         `http-response`, `stick store-response`, `tcp-check` and `http-check`"
    );
    assert!(Expr::parse("hdr(a)", &Scope::new(Place::BackendHttpResponse)).is_ok());
    assert!(Expr::parse("src", &Scope::new(Place::Configuration)).is_err());
}

/// Two functions of a script, each of which waits once.
struct Script {
    waits: Cell<u32>,
}

impl Externals for Script {
    fn fetch(&self, name: &str) -> Option<ExternalId> {
        (name == "lua.greet").then_some(ExternalId(1))
    }
    fn converter(&self, name: &str) -> Option<ExternalId> {
        (name == "lua.wrap").then_some(ExternalId(2))
    }
    fn fetch_names(&self) -> Vec<String> {
        vec!["lua.greet".to_string()]
    }
    fn converter_names(&self) -> Vec<String> {
        vec!["lua.wrap".to_string()]
    }
}

impl Script {
    async fn wait(&self) {
        let mut waited = false;
        std::future::poll_fn(|_| match std::mem::replace(&mut waited, true) {
            true => Poll::Ready(()),
            false => {
                self.waits.set(self.waits.get() + 1);
                Poll::Pending
            }
        })
        .await;
    }
}

impl ExternalRunner for Script {
    fn fetch<'a>(
        &'a self,
        id: ExternalId,
        session: &'a dyn Session,
        args: &'a [Value],
    ) -> LocalBoxFuture<'a, Option<Value>> {
        Box::pin(async move {
            self.wait().await;
            let fake = session.as_any().downcast_ref::<Fake>()?;
            assert_eq!((id, fake.way.get()), (ExternalId(1), Way::Request));
            match args {
                [Value::Str(name)] => Some(Value::str(["hello ".as_bytes(), name].concat())),
                _ => None,
            }
        })
    }
    fn convert<'a>(
        &'a self,
        id: ExternalId,
        _session: &'a dyn Session,
        input: Value,
        args: &'a [Value],
    ) -> LocalBoxFuture<'a, Option<Value>> {
        Box::pin(async move {
            self.wait().await;
            assert_eq!(id, ExternalId(2));
            let (Value::Str(input), [Value::Str(around)]) = (input, args) else {
                return None;
            };
            Some(Value::str([around, &input[..], around].concat()))
        })
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..100 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
    panic!("it never ends");
}

#[test]
fn external_fetches_and_converters_are_waited_for() {
    let script = Script { waits: Cell::new(0) };
    let scope = Scope::new(Place::FrontendHttpRequest).with_externals(&script);
    let fake = Fake::new();

    let expr = Expr::parse("lua.greet(you),upper,lua.wrap('|'),bytes(1)", &scope).unwrap();
    assert!(expr.suspends());
    assert_eq!(expr.eval(&fake), None);
    assert_eq!(
        block_on(expr.eval_async(&fake, &script)),
        Some(Value::bin("HELLO YOU|"))
    );
    assert_eq!(script.waits.get(), 2);

    let pure = Expr::parse("path,lower", &scope).unwrap();
    assert!(!pure.suspends());
    assert_eq!(block_on(pure.eval_async(&fake, &script)), pure.eval(&fake));

    let int = Expr::parse("int(5),lua.wrap(-)", &scope).unwrap();
    assert_eq!(block_on(int.eval_async(&fake, &script)), Some(Value::str("-5-")));
    assert_eq!(
        block_on(
            Expr::parse("lua.greet", &scope)
                .unwrap()
                .eval_async(&fake, &script)
        ),
        None
    );

    let format = LogFormat::parse("<%[lua.greet(a)] %ci %[path]>", &scope).unwrap();
    assert!(format.suspends());
    let mut text = Vec::new();
    block_on(format.eval_into_async(&mut text, &fake, &script));
    assert_eq!(text, b"<hello a 127.0.0.1 /Some/Path.html>");

    for (text, want) in [
        (
            "if { lua.greet(a) -m str 'hello a' } || { lua.greet(b) -m beg hell }",
            true,
        ),
        ("if FALSE { lua.greet(a) -m found }", false),
        ("if TRUE !{ lua.greet -m found }", true),
        ("unless { lua.greet(a) -m found }", false),
    ] {
        let words: Vec<&str> = text.split(' ').collect();
        let condition = Condition::parse(&words, &AclSet::default(), &scope).unwrap();
        assert!(condition.suspends());
        assert_eq!(block_on(condition.eval_async(&fake, &script)), want, "{text}");
    }
    // What a script gives is matched as text unless said otherwise.
    let words = ["if", "{", "lua.greet(a)", "hello a", "}"];
    let condition = Condition::parse(&words, &AclSet::default(), &scope).unwrap();
    assert!(block_on(condition.eval_async(&fake, &script)));

    let before = script.waits.get();
    let words = ["if", "FALSE", "{", "lua.greet(a)", "-m", "found", "}"];
    let condition = Condition::parse(&words, &AclSet::default(), &scope).unwrap();
    block_on(condition.eval_async(&fake, &script));
    assert_eq!(
        script.waits.get(),
        before,
        "what is decided without it is not called"
    );
}

#[test]
fn a_place_without_a_session_refuses_scripts() {
    let script = Script { waits: Cell::new(0) };
    let scope = Scope::new(Place::Check).with_externals(&script).without_session();
    let want = "`lua.greet(a)` is a script's, which needs a session, and a health check has none";
    assert_eq!(Expr::parse("lua.greet(a)", &scope).unwrap_err().to_string(), want);
    let error = LogFormat::parse_log("x %[lua.greet(a)]", &scope).unwrap_err();
    assert_eq!((error.span.clone(), error.to_string()), (4..16, want.to_string()));
    let words = ["if", "TRUE", "{", "lua.greet(a)", "-m", "found", "}"];
    let error = Condition::parse(&words, &AclSet::default(), &scope).unwrap_err();
    assert_eq!((error.word, error.to_string()), (2, want.to_string()));
    assert_eq!(
        Expr::parse("lua.gret", &scope).unwrap_err().suggestion.as_deref(),
        Some("lua.greet")
    );
}

#[test]
fn scripts_call_fetches_and_converters_with_values() {
    let script = Script { waits: Cell::new(0) };
    let scope = Scope::anywhere().with_externals(&script);
    let fake = Fake::new();
    let fetch = |name: &str, args: &[Value]| Expr::of_fetch(name, args, &scope).map(|expr| expr.eval(&fake));
    assert_eq!(
        fetch("req.hdr", &[Value::str("accept"), Value::Int(1)]),
        Ok(Some(Value::str("a/b")))
    );
    assert_eq!(
        fetch("str", &[Value::str("a,b)'\"")]),
        Ok(Some(Value::str("a,b)'\"")))
    );
    assert_eq!(fetch("path", &[]), Ok(Some(Value::str("/Some/Path.html"))));
    assert!(fetch("req.hdr", &[Value::str("a"), Value::str("x")]).is_err());
    assert!(fetch("nope", &[]).is_err());

    let convert = |name: &str, args: &[Value], input: Value| {
        Converter::new(name, args, &scope).map(|converter| converter.apply(&fake, input))
    };
    assert_eq!(
        convert("add", &[Value::Int(3)], Value::str("4")),
        Ok(Some(Value::Int(7)))
    );
    assert_eq!(convert("add", &[Value::Int(3)], Value::bin("4")), Ok(None));
    assert!(convert("add", &[Value::str("x")], Value::Int(1)).is_err());
    let wrap = Converter::new("lua.wrap", &[Value::str("*")], &scope).unwrap();
    assert!(wrap.suspends());
    assert_eq!(wrap.apply(&fake, Value::str("x")), None);
    assert_eq!(
        block_on(wrap.apply_async(&fake, &script, Value::str("x"))),
        Some(Value::str("*x*"))
    );
}

#[test]
fn variables_that_outlive_a_request_do_not_keep_its_buffer() {
    let fake = Fake::new();
    let head = bytes::Bytes::from("x".repeat(200));
    let mut headers = Headers::within(head.clone(), 1);
    headers.found("x-long".as_name(), &head);
    fake.request.as_ref().unwrap().borrow_mut().headers = headers;
    let keeps = |scope: &str| {
        eval(&format!("hdr(x-long),set-var({scope}.v)"), &fake).unwrap();
        let Some(Value::Str(data)) = eval(&format!("var({scope}.v)"), &fake) else {
            panic!("{scope}")
        };
        assert_eq!(&data[..], &head[..]);
        std::ptr::eq(data.as_ptr(), head.as_ptr())
    };
    assert!(keeps("txn"));
    assert!(!keeps("sess"));
    assert!(!keeps("proc"));
}

#[test]
fn parsed_forms_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Expr>();
    shared::<Converter>();
    shared::<Condition>();
    shared::<LogFormat>();
    shared::<AclSet>();
}
