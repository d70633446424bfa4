//! Integers that rules take: written in the configuration, or computed for each use.

use crate::cast::cast;
use crate::expr::Expr;
use crate::scope::ExternalRunner;
use crate::session::Session;
use crate::value::{Type, Value};

/// An integer that is known, or an expression that gives one.
#[derive(Debug)]
pub enum Amount {
    /// This one.
    Fixed(i64),
    /// What this gives; nothing, if that is no integer.
    Sampled(Expr),
}

impl Amount {
    /// The integer for a session.
    pub async fn eval(&self, session: &dyn Session, runner: &dyn ExternalRunner) -> Option<i64> {
        match self {
            Amount::Fixed(number) => Some(*number),
            Amount::Sampled(expr) => {
                let value = if expr.suspends() {
                    expr.eval_async(session, runner).await
                } else {
                    expr.eval(session)
                };
                match cast(value?, Type::Int)? {
                    Value::Int(number) => Some(number),
                    _ => None,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::NoExternals;
    use crate::session::NoSession;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    #[test]
    fn what_is_no_integer_gives_none() {
        let number = |amount: Amount| {
            let mut number = pin!(amount.eval(&NoSession, &NoExternals));
            match number.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(number) => number,
                Poll::Pending => panic!("nothing waits"),
            }
        };
        assert_eq!(number(Amount::Fixed(7)), Some(7));
        assert_eq!(
            number(Amount::Sampled("str(12),add(1)".parse().unwrap())),
            Some(13)
        );
        assert_eq!(number(Amount::Sampled("var(txn.x)".parse().unwrap())), None);
    }
}
