//! Converters that look at the session.
#![allow(clippy::unwrap_used, clippy::panic, reason = "it is a test")]

mod common;

use common::Fake;
use tidegate_sample::{AclSet, DebugSink, Expr, Place, Scope, Value};

fn eval(text: &str, fake: &Fake) -> Option<Value> {
    let expr = text.parse::<Expr>();
    expr.unwrap_or_else(|error| panic!("{text}: {error}")).eval(fake)
}

#[test]
fn debug_writes_what_haproxy_writes_and_changes_nothing() {
    for (text, line) in [
        ("str(x),debug(a b,stderr)", "[debug] a b: type=str <x>"),
        ("str(x),debug(,stderr)", "[debug] : type=str <x>"),
        ("int(5),debug(p,stderr)", "[debug] p: type=sint <5>"),
        ("bin(0a41),debug(p,stderr)", "[debug] p: type=bin <.A>"),
        ("bin(00ff41),debug(p,stderr)", "[debug] p: type=bin <>"),
        ("src,debug(p,stderr)", "[debug] p: type=ipv4 <127.0.0.1>"),
        ("method,debug(p,stderr)", "[debug] p: type=meth <POST>"),
        ("bool(true),debug(p,stderr)", "[debug] p: type=bool <1>"),
    ] {
        let fake = Fake::new();
        let (plain, _) = text.rsplit_once(",debug(").unwrap();
        assert_eq!(eval(text, &fake), eval(plain, &fake), "{text}");
        assert_eq!(
            *fake.debugged.borrow(),
            [(DebugSink::Stderr, line.to_string())],
            "{text}"
        );
    }
    let fake = Fake::new();
    eval("req.hdr(nope),debug(p,stderr)", &fake);
    assert!(fake.debugged.borrow().is_empty(), "there was no value");
    eval("str(x),debug(p,stdout)", &fake);
    assert_eq!(fake.debugged.borrow()[0].0, DebugSink::Stdout);
    for (text, part) in [
        ("str(x),debug", "name `stdout` or `stderr`"),
        ("str(x),debug(p)", "name `stdout` or `stderr`"),
        ("str(x),debug(p,)", "name `stdout` or `stderr`"),
        ("str(x),debug(p,nope)", "the destinations are"),
    ] {
        let error = text.parse::<Expr>().unwrap_err().message;
        assert!(error.contains(part), "{text}: {error}");
    }
}

/// Which of the conditions hold.
fn holding(fake: &Fake) -> Vec<&'static str> {
    let all = [
        "error",
        "forwarded",
        "normal",
        "processed",
        "stopping",
        "toapplet",
    ];
    let holds = |name: &&str| {
        let plain = eval(&format!("int(5),when({name})"), fake);
        let negated = eval(&format!("int(5),when(!{name})"), fake);
        assert_ne!(plain, negated, "{name}");
        assert_eq!(plain.clone().or(negated), Some(Value::Int(5)), "{name}");
        plain.is_some()
    };
    all.into_iter().filter(holds).collect()
}

#[test]
fn when_lets_through_by_the_session() {
    let mut fake = Fake::new();
    assert_eq!(holding(&fake), ["normal"]);
    fake.facts.connect_ms = Some(0);
    assert_eq!(holding(&fake), ["forwarded", "normal", "processed"]);
    fake.facts.connect_ms = None;
    fake.facts.service = Some("lua.s".into());
    assert_eq!(holding(&fake), ["normal", "processed", "toapplet"]);
    fake.facts.service = None;
    fake.stopping.set(true);
    assert_eq!(holding(&fake), ["normal", "stopping"]);
    fake.stopping.set(false);

    let good = fake.facts.clone();
    fake.facts.termination = Some(*b"LR");
    assert_eq!(holding(&fake), ["normal"]);
    fake.facts.termination = Some(*b"sH");
    assert_eq!(holding(&fake), ["error"]);
    fake.facts = good.clone();
    fake.facts.status = Some(500);
    assert_eq!(holding(&fake), ["error"]);
    fake.facts = good.clone();
    fake.facts.retries = 1;
    assert_eq!(holding(&fake), ["error"]);
    fake.facts = good;
    fake.facts.redispatched = true;
    assert_eq!(holding(&fake), ["error"]);
}

#[test]
fn conditions_that_there_are_not() {
    for (text, part) in [
        ("when()", "`` is not one of acl, error, forwarded,"),
        ("when(forward)", "did you mean `forwarded`?"),
        ("when(!!error)", "`!error` is not one of"),
        ("when(error,x)", "takes no argument"),
        ("when(acl,x)", "there is no ACL `x` here"),
        ("when(acl)", "there is no ACL `` here"),
        ("when(acl,a,b)", "takes one name"),
    ] {
        let error = format!("str(x),{text}").parse::<Expr>().unwrap_err().message;
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn when_asks_acls() {
    let scope = Scope::anywhere();
    let mut acls = AclSet::default();
    acls.declare(&["posted", "method", "POST"], &scope).unwrap();
    acls.declare(&["answered", "status", "404"], &scope).unwrap();
    let scope = scope.with_acls(&acls);
    let fake = Fake::new();
    for (text, holds) in [
        ("int(5),when(acl,posted)", true),
        ("int(5),when(!acl,posted)", false),
        ("int(5),when(acl,!posted)", false),
        ("int(5),when(acl,answered)", false),
    ] {
        let expr = Expr::parse(text, &scope).unwrap();
        assert_eq!(expr.eval(&fake).is_some(), holds, "{text}");
    }
    let expr = Expr::parse("int(5),when(acl,answered)", &scope).unwrap();
    assert_eq!(expr.eval(&Fake::new().with_response()), Some(Value::Int(5)));
    let request = Scope::new(Place::FrontendHttpRequest).with_acls(&acls);
    let error = Expr::parse("int(5),when(acl,answered)", &request).unwrap_err();
    assert!(
        error.message.contains("the ACL `answered` cannot be used in"),
        "{error}"
    );
    let error = Expr::parse("int(5),when(acl,postd)", &request).unwrap_err();
    assert!(error.message.contains("did you mean `posted`?"), "{error}");
}
