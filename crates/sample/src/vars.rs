//! Variables: names, and the stores of each scope.

mod cond;
mod limits;

pub use cond::{Assignment, VarCond};
pub use limits::VarLimits;

use crate::did_you_mean::did_you_mean;
use crate::error::ParseError;
use crate::session::Session;
use crate::value::Value;
use limits::{Account, Total, bytes};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::rc::Rc;
use std::sync::{Arc, OnceLock, RwLock};

/// How long a variable lives and who sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VarScope {
    /// The whole process, all threads.
    Proc,
    /// The client's connection.
    Sess,
    /// The transaction: one request with its response.
    Txn,
    /// The request's processing.
    Req,
    /// The response's processing.
    Res,
    /// One health check.
    Check,
}

impl VarScope {
    /// All scopes, in the manual's order.
    pub const ALL: [VarScope; 6] = [
        VarScope::Proc,
        VarScope::Sess,
        VarScope::Txn,
        VarScope::Req,
        VarScope::Res,
        VarScope::Check,
    ];

    /// The scope's name, as before the dot.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            VarScope::Proc => "proc",
            VarScope::Sess => "sess",
            VarScope::Txn => "txn",
            VarScope::Req => "req",
            VarScope::Res => "res",
            VarScope::Check => "check",
        }
    }
}

/// A variable's scope and name, checked and hashed once.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct VarName {
    scope: VarScope,
    hash: u64,
    name: Arc<str>,
}

impl VarName {
    /// Reads `scope.name`.
    ///
    /// # Errors
    /// The scope is missing or unknown, or the name is empty or has a character other than ASCII letters,
    /// digits, `.` and `_`.
    pub fn parse(text: &str) -> Result<VarName, ParseError> {
        let scopes = || VarScope::ALL.map(VarScope::name);
        let Some((scope, name)) = text.split_once('.') else {
            return Err(
                ParseError::new(0..text.len(), format!("variable `{text}` has no scope")).help(format!(
                    "write `SCOPE.NAME`, the scope one of {}",
                    scopes().join(", ")
                )),
            );
        };
        let Some(scope) = VarScope::ALL.into_iter().find(|known| known.name() == scope) else {
            return Err(
                ParseError::new(0..scope.len(), format!("unknown variable scope `{scope}`"))
                    .help(format!("the scopes are {}", scopes().join(", ")))
                    .suggest(did_you_mean(scope, scopes())),
            );
        };
        let start = text.len() - name.len();
        if name.is_empty() {
            return Err(ParseError::new(
                0..text.len(),
                format!("variable `{text}` has no name"),
            ));
        }
        if let Some((at, c)) = name
            .char_indices()
            .find(|(_, c)| !(c.is_ascii_alphanumeric() || *c == '.' || *c == '_'))
        {
            let span = start + at..start + at + c.len_utf8();
            return Err(
                ParseError::new(span, format!("character `{c}` in the name of variable `{text}`"))
                    .help("a name is made of letters, digits, `.` and `_`"),
            );
        }
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(name);
        Ok(VarName {
            scope,
            hash,
            name: name.into(),
        })
    }

    /// The scope.
    #[must_use]
    pub fn scope(&self) -> VarScope {
        self.scope
    }

    /// The name without its scope.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for VarName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.scope.name(), self.name)
    }
}

impl fmt::Debug for VarName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The variables of one session, transaction, request, response or check.
///
/// There are few of them, so a scan over their hashes beats a table. While there are none, and nothing limits them, they take no room.
#[derive(Debug, Default)]
pub struct VarStore(Option<Box<Held>>);

#[derive(Debug, Default)]
struct Held {
    entries: Vec<(u64, Arc<str>, Value)>,
    /// What they take, where that is limited.
    account: Option<Rc<Account>>,
}

impl VarStore {
    /// The variables of a session, within the limits of the process.
    #[must_use]
    pub fn of_session(process: &ProcVars) -> VarStore {
        VarStore::within(process.total.as_ref().map(Account::of_session))
    }

    /// The variables of a scope that lies in the one of these.
    #[must_use]
    pub fn inside(&self, scope: VarScope) -> VarStore {
        let account = self.0.as_ref().and_then(|held| held.account.as_ref());
        VarStore::within(account.map(|account| account.inside(scope)))
    }

    fn within(account: Option<Rc<Account>>) -> VarStore {
        VarStore(account.map(|account| {
            Box::new(Held {
                entries: Vec::new(),
                account: Some(account),
            })
        }))
    }

    fn entries(&self) -> &[(u64, Arc<str>, Value)] {
        self.0.as_ref().map_or(&[], |held| &held.entries)
    }

    /// The value of a variable.
    #[must_use]
    pub fn value(&self, name: &VarName) -> Option<&Value> {
        self.entries()
            .iter()
            .find(|(hash, known, _)| *hash == name.hash && *known == name.name)
            .map(|e| &e.2)
    }

    /// Sets a variable and says whether there was room for it. If not, the variable is gone.
    pub fn set(&mut self, name: &VarName, value: Value) -> bool {
        let account = self.0.as_ref().and_then(|held| held.account.clone());
        if let Some(account) = account {
            self.unset(name);
            if !account.take(bytes(&value)) {
                return false;
            }
        }
        let entries = &mut self.0.get_or_insert_default().entries;
        let known = entries
            .iter_mut()
            .find(|(hash, known, _)| *hash == name.hash && *known == name.name);
        match known {
            Some(entry) => entry.2 = value,
            None => entries.push((name.hash, name.name.clone(), value)),
        }
        true
    }

    /// Removes a variable and says whether it was there.
    pub fn unset(&mut self, name: &VarName) -> bool {
        let Some(held) = &mut self.0 else { return false };
        let known = held
            .entries
            .iter()
            .position(|(hash, known, _)| *hash == name.hash && *known == name.name);
        let gone = known.map(|index| held.entries.swap_remove(index));
        if let (Some(account), Some((.., value))) = (&held.account, &gone) {
            account.give_back(bytes(value));
        }
        gone.is_some()
    }

    /// Forgets all variables, keeping the room for the next transaction's.
    pub fn clear(&mut self) {
        let Some(held) = &mut self.0 else { return };
        if held.entries.is_empty() {
            return;
        }
        if let Some(account) = &held.account {
            account.give_back(held.entries.iter().map(|(.., value)| bytes(value)).sum());
        }
        held.entries.clear();
    }

    /// All names and values, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.entries().iter().map(|(_, name, value)| (&**name, value))
    }
}

impl Drop for VarStore {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The variables of the process, shared by all threads.
///
/// Readers share locks that are split by the name's hash, so threads that read different variables do not
/// meet, and threads that read the same one only share the lock's counter.
#[derive(Debug, Default)]
pub struct ProcVars {
    shards: [RwLock<HashMap<Arc<str>, Value>>; 16],
    /// Those that exist whether or not they have a value.
    declared: OnceLock<HashSet<Arc<str>>>,
    /// What all variables of the process take, where that is limited.
    total: Option<Arc<Total>>,
}

impl ProcVars {
    /// No variables yet, and the limits of all scopes.
    #[must_use]
    pub fn with_limits(limits: VarLimits) -> ProcVars {
        ProcVars {
            shards: Default::default(),
            declared: OnceLock::new(),
            total: Total::new(limits),
        }
    }

    /// The value of a variable.
    #[must_use]
    pub fn value(&self, name: &VarName) -> Option<Value> {
        self.shard(name)?.read().ok()?.get(&name.name).cloned()
    }

    /// Lets variables exist that have no value yet. Only the first call counts.
    pub fn declare<'n>(&self, names: impl IntoIterator<Item = &'n VarName>) {
        let names = names.into_iter().map(|name| Arc::clone(&name.name));
        let _ = self.declared.set(names.collect());
    }

    /// Whether a variable exists: it was declared, or has a value.
    #[must_use]
    pub fn exists(&self, name: &VarName) -> bool {
        let declared = self
            .declared
            .get()
            .is_some_and(|names| names.contains(&name.name));
        declared || self.value(name).is_some()
    }

    /// Sets a variable and says whether there was room for it. If not, the variable is gone.
    pub fn set(&self, name: &VarName, value: Value) -> bool {
        let Some(mut shard) = self.shard(name).and_then(|shard| shard.write().ok()) else {
            return false;
        };
        if let Some(total) = &self.total {
            if let Some(value) = shard.remove(&name.name) {
                total.give_back(bytes(&value));
            }
            if !total.take(bytes(&value)) {
                return false;
            }
        }
        shard.insert(name.name.clone(), value);
        true
    }

    /// Removes a variable and says whether it was there.
    pub fn unset(&self, name: &VarName) -> bool {
        let shard = self.shard(name).and_then(|shard| shard.write().ok());
        let gone = shard.and_then(|mut shard| shard.remove(&name.name));
        if let (Some(total), Some(value)) = (&self.total, &gone) {
            total.give_back(bytes(value));
        }
        gone.is_some()
    }

    /// Shows all names and values, in no particular order.
    pub fn each(&self, visit: &mut dyn FnMut(&str, &Value)) {
        for shard in self.shards.iter().filter_map(|shard| shard.read().ok()) {
            shard.iter().for_each(|(name, value)| visit(name, value));
        }
    }

    fn shard(&self, name: &VarName) -> Option<&RwLock<HashMap<Arc<str>, Value>>> {
        self.shards.get((name.hash >> 60) as usize)
    }
}

/// The value of a variable as `session` sees it.
pub fn value(session: &dyn Session, name: &VarName) -> Option<Value> {
    match name.scope {
        VarScope::Proc => session.proc_vars()?.value(name),
        scope => session.vars(scope)?.borrow().value(name).cloned(),
    }
}

/// Sets a variable and says whether it did: its scope exists there, and has room for it.
pub fn set(session: &dyn Session, name: &VarName, value: Value) -> bool {
    // What outlives the request must not keep the request's buffer.
    match name.scope {
        VarScope::Proc => session
            .proc_vars()
            .is_some_and(|vars| vars.set(name, value.detached())),
        VarScope::Sess => session
            .vars(name.scope)
            .is_some_and(|vars| vars.borrow_mut().set(name, value.detached())),
        scope => session
            .vars(scope)
            .is_some_and(|vars| vars.borrow_mut().set(name, value)),
    }
}

/// Removes a variable and says whether it was there.
pub fn unset(session: &dyn Session, name: &VarName) -> bool {
    match name.scope {
        VarScope::Proc => session.proc_vars().is_some_and(|vars| vars.unset(name)),
        scope => session
            .vars(scope)
            .is_some_and(|vars| vars.borrow_mut().unset(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert_eq!(
            VarName::parse("txn.my_var.x").unwrap().to_string(),
            "txn.my_var.x"
        );
        let error = VarName::parse("tnx.a").unwrap_err();
        assert_eq!((error.span, error.suggestion.as_deref()), (0..3, Some("txn")));
        assert_eq!(VarName::parse("noscope").unwrap_err().span, 0..7);
        assert_eq!(VarName::parse("req.").unwrap_err().span, 0..4);
        assert_eq!(VarName::parse("req.a-b").unwrap_err().span, 5..6);
    }

    #[test]
    fn a_store_sets_replaces_and_removes() {
        let (a, b) = (VarName::parse("txn.a").unwrap(), VarName::parse("txn.b").unwrap());
        let mut store = VarStore::default();
        store.set(&a, Value::Int(1));
        store.set(&b, Value::Int(2));
        store.set(&a, Value::Int(3));
        assert_eq!(store.value(&a), Some(&Value::Int(3)));
        assert!(store.unset(&a) && !store.unset(&a));
        assert_eq!(store.value(&a), None);
        assert_eq!(store.iter().collect::<Vec<_>>(), [("b", &Value::Int(2))]);
    }

    #[test]
    fn a_scope_counts_for_those_that_it_lies_in() {
        let name = |text| VarName::parse(text).unwrap();
        let text = |len: usize| Value::str("x".repeat(len).as_str());
        let limits = VarLimits {
            proc: Some(200),
            sess: Some(100),
            reqres: Some(60),
            ..VarLimits::default()
        };
        let process = ProcVars::with_limits(limits);
        let mut session = VarStore::of_session(&process);
        let mut txn = session.inside(VarScope::Txn);
        let mut req = txn.inside(VarScope::Req);
        assert!(req.set(&name("req.a"), text(60)));
        assert!(!req.set(&name("req.b"), text(1)), "the request is full");
        assert!(txn.set(&name("txn.a"), text(40)));
        assert!(!txn.set(&name("txn.b"), text(1)) && !session.set(&name("sess.a"), Value::Int(1)));
        assert!(txn.set(&name("txn.a"), text(10)), "what it took before is free");
        assert!(session.set(&name("sess.a"), Value::Ipv6(std::net::Ipv6Addr::LOCALHOST)));
        assert!(!txn.set(&name("txn.a"), text(25)) && txn.value(&name("txn.a")).is_none());
        assert!(process.set(&name("proc.a"), text(124)));
        assert!(
            !process.set(&name("proc.b"), text(1)),
            "76 of 200 are the session's"
        );
        drop(req);
        assert!(process.set(&name("proc.b"), text(60)));
        assert!(!txn.set(&name("txn.a"), text(1)), "the process is full");
        assert!(process.unset(&name("proc.a")));
        txn.set(&name("txn.a"), text(84));
        txn.clear();
        drop((txn, session));
        assert!(process.set(&name("proc.a"), text(140)) && !process.set(&name("proc.c"), text(1)));
    }

    #[test]
    fn process_variables_are_seen_by_every_thread() {
        let vars = ProcVars::default();
        let names: Vec<_> = (0..100)
            .map(|i| VarName::parse(&format!("proc.v{i}")).unwrap())
            .collect();
        std::thread::scope(|scope| {
            for name in &names {
                scope.spawn(|| vars.set(name, Value::Bool(true)));
            }
        });
        assert!(
            names
                .iter()
                .all(|name| vars.value(name) == Some(Value::Bool(true)))
        );
        assert!(vars.unset(&names[7]));
        assert_eq!(vars.value(&names[7]), None);
    }

    #[test]
    fn process_variables_exist_by_their_declaration_or_value() {
        let [named, set, neither] =
            ["proc.named", "proc.set", "proc.neither"].map(|name| VarName::parse(name).unwrap());
        let vars = ProcVars::default();
        vars.declare([&named]);
        vars.set(&set, Value::Int(1));
        assert_eq!(
            [&named, &set, &neither].map(|name| vars.exists(name)),
            [true, true, false]
        );
        vars.unset(&set);
        assert!(!vars.exists(&set) && vars.value(&named).is_none());
    }
}
