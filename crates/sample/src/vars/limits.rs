//! How much memory variables may take: `tune.vars.*`.
//!
//! A scope lies inside another: what a request's variables take counts for its transaction, its session and the process too.
//! Whoever sets no limit has no accounts, and pays nothing for them.

use super::VarScope;
use crate::value::Value;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The most bytes that the values of variables may take, in each scope with those that lie in it; `None` for no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VarLimits {
    /// All variables: `tune.vars.global-max-size`.
    pub global: Option<usize>,
    /// `tune.vars.proc-max-size`.
    pub proc: Option<usize>,
    /// `tune.vars.sess-max-size`.
    pub sess: Option<usize>,
    /// `tune.vars.txn-max-size`.
    pub txn: Option<usize>,
    /// `tune.vars.reqres-max-size`.
    pub reqres: Option<usize>,
}

impl VarLimits {
    fn of(&self, scope: VarScope) -> usize {
        let limit = match scope {
            VarScope::Proc => self.proc,
            VarScope::Sess | VarScope::Check => self.sess,
            VarScope::Txn => self.txn,
            VarScope::Req | VarScope::Res => self.reqres,
        };
        limit.unwrap_or(usize::MAX)
    }
}

/// What all variables of the process take.
#[derive(Debug)]
pub(super) struct Total {
    limits: VarLimits,
    used: AtomicUsize,
    max: usize,
}

impl Total {
    /// None where nothing is limited.
    pub(super) fn new(limits: VarLimits) -> Option<Arc<Total>> {
        let max = limits.of(VarScope::Proc).min(limits.global.unwrap_or(usize::MAX));
        (limits != VarLimits::default()).then(|| {
            Arc::new(Total {
                limits,
                used: AtomicUsize::new(0),
                max,
            })
        })
    }

    /// Takes bytes, if there are so many left.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let after = |used: usize| used.checked_add(bytes).filter(|used| *used <= self.max);
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, after)
            .is_ok()
    }

    pub(super) fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// What the variables of a scope take, with those that lie in it.
#[derive(Debug)]
pub(super) struct Account {
    used: Cell<usize>,
    max: usize,
    around: Around,
}

/// What a scope lies in.
#[derive(Debug)]
enum Around {
    Scope(Rc<Account>),
    Process(Arc<Total>),
}

impl Account {
    /// The account of a session.
    pub(super) fn of_session(total: &Arc<Total>) -> Rc<Account> {
        Rc::new(Account {
            used: Cell::new(0),
            max: total.limits.of(VarScope::Sess),
            around: Around::Process(Arc::clone(total)),
        })
    }

    /// The account of a scope that lies in this one.
    pub(super) fn inside(self: &Rc<Account>, scope: VarScope) -> Rc<Account> {
        Rc::new(Account {
            used: Cell::new(0),
            max: self.total().limits.of(scope),
            around: Around::Scope(Rc::clone(self)),
        })
    }

    /// Takes bytes here and in all that this lies in, or nothing at all.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let after = self.used.get().saturating_add(bytes);
        let fits = after <= self.max
            && match &self.around {
                Around::Scope(account) => account.take(bytes),
                Around::Process(total) => total.take(bytes),
            };
        if fits {
            self.used.set(after);
        }
        fits
    }

    pub(super) fn give_back(&self, bytes: usize) {
        self.used.set(self.used.get().saturating_sub(bytes));
        match &self.around {
            Around::Scope(account) => account.give_back(bytes),
            Around::Process(total) => total.give_back(bytes),
        }
    }

    fn total(&self) -> &Total {
        match &self.around {
            Around::Scope(account) => account.total(),
            Around::Process(total) => total,
        }
    }
}

/// The bytes that a value counts for: those of a text, or what an integer or address takes.
pub(super) fn bytes(value: &Value) -> usize {
    match value {
        Value::Str(text) | Value::Bin(text) => text.len(),
        Value::Ipv4(_) => 4,
        Value::Ipv6(_) => 16,
        _ => 8,
    }
}
