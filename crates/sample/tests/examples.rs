//! Each fetch and each converter has an example, which says what is so.
#![allow(clippy::unwrap_used, reason = "it is a test")]

use tidegate_sample::{Expr, NoSession, Scope, Type, Value, cast, convert, example, fetch};

#[test]
fn converters_give_what_their_examples_say() {
    let mut wrong = Vec::new();
    for row in convert::all() {
        let shown = example::of_converter(row);
        assert!(
            shown.expression.contains(&format!(",{}", row.name)),
            "{}",
            shown.expression
        );
        let got = match Expr::parse(&shown.expression, &Scope::anywhere()) {
            Ok(expr) => match expr.eval(&NoSession).and_then(|value| cast(value, Type::Str)) {
                Some(Value::Str(text)) => Some(String::from_utf8_lossy(&text).into_owned()),
                _ => None,
            },
            Err(error) => {
                wrong.push(format!("{}: {error}", shown.expression));
                continue;
            }
        };
        if shown.gives.is_some() && got.as_deref() != shown.gives {
            wrong.push(format!("{}\t{}\t{got:?}", row.name, shown.expression));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_fetches_need_is_in_their_examples() {
    for row in fetch::all() {
        let line = example::of_fetch(row);
        assert!(line.contains(row.name) && !line.contains("(text"), "{line}");
    }
}
