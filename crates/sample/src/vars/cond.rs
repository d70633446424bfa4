//! The conditions of `set-var(name,cond...)`: what must be so for the variable to be set.

use super::{VarName, VarScope, set, value};
use crate::session::Session;
use crate::value::Value;

/// One condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VarCond {
    /// `ifexists`: the variable existed before. Those of the process always do, as in HAProxy.
    Exists,
    /// `ifnotexists`.
    NotExists,
    /// `ifempty`: the new value is an empty text; what is no text is never empty.
    Empty,
    /// `ifnotempty`.
    NotEmpty,
    /// `ifset`: the variable has a value.
    Set,
    /// `ifnotset`.
    NotSet,
    /// `ifgt`: the variable's value is greater than the new one. Holds unless both are integers.
    Greater,
    /// `iflt`: the variable's value is less than the new one. Holds unless both are integers.
    Less,
}

impl VarCond {
    /// All conditions by their names.
    pub const NAMES: [(&'static str, VarCond); 8] = [
        ("ifexists", VarCond::Exists),
        ("ifnotexists", VarCond::NotExists),
        ("ifempty", VarCond::Empty),
        ("ifnotempty", VarCond::NotEmpty),
        ("ifset", VarCond::Set),
        ("ifnotset", VarCond::NotSet),
        ("ifgt", VarCond::Greater),
        ("iflt", VarCond::Less),
    ];

    /// The condition of this name.
    #[must_use]
    pub fn named(name: &[u8]) -> Option<VarCond> {
        let mut known = VarCond::NAMES.into_iter();
        known
            .find(|(n, _)| n.as_bytes() == name)
            .map(|(_, condition)| condition)
    }

    /// Whether the variable `name` may become `new`.
    pub fn holds(self, session: &dyn Session, name: &VarName, new: &Value) -> bool {
        let known = || value(session, name);
        let exists = || name.scope() == VarScope::Proc || known().is_some();
        let is_empty = || match new {
            Value::Str(data) | Value::Bin(data) => data.is_empty(),
            _ => false,
        };
        let compared = || match (known(), new) {
            (Some(Value::Int(old)), Value::Int(new)) => Some(old.cmp(new)),
            _ => None,
        };
        match self {
            VarCond::Exists => exists(),
            VarCond::NotExists => !exists(),
            VarCond::Empty => is_empty(),
            VarCond::NotEmpty => !is_empty(),
            VarCond::Set => known().is_some(),
            VarCond::NotSet => known().is_none(),
            VarCond::Greater => compared().is_none_or(std::cmp::Ordering::is_gt),
            VarCond::Less => compared().is_none_or(std::cmp::Ordering::is_lt),
        }
    }
}

/// A variable that is set where conditions allow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The variable.
    pub name: VarName,
    /// All of these must hold.
    pub conditions: Box<[VarCond]>,
}

impl Assignment {
    /// Sets the variable if the conditions hold, and says whether it did.
    pub fn assign(&self, session: &dyn Session, value: Value) -> bool {
        let holds = |condition: &VarCond| condition.holds(session, &self.name, &value);
        self.conditions.iter().all(holds) && set(session, &self.name, value)
    }
}

impl From<VarName> for Assignment {
    /// Without conditions.
    fn from(name: VarName) -> Self {
        Assignment {
            name,
            conditions: Box::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vars::{ProcVars, VarStore};
    use std::any::Any;
    use std::cell::RefCell;

    #[derive(Default)]
    struct Fake {
        txn: RefCell<VarStore>,
        process: ProcVars,
    }

    impl Session for Fake {
        fn as_any(&self) -> &dyn Any {
            self
        }
        fn vars(&self, scope: VarScope) -> Option<&RefCell<VarStore>> {
            (scope == VarScope::Txn).then_some(&self.txn)
        }
        fn proc_vars(&self) -> Option<&ProcVars> {
            Some(&self.process)
        }
    }

    /// Which of the conditions let `new` in over `old`.
    fn holding(name: &str, old: Option<Value>, new: Value) -> Vec<&'static str> {
        let name = VarName::parse(name).unwrap();
        let holds = |condition: VarCond| {
            let fake = Fake::default();
            if let Some(old) = &old {
                set(&fake, &name, old.clone());
            }
            let assignment = Assignment {
                name: name.clone(),
                conditions: [condition].into(),
            };
            let assigned = assignment.assign(&fake, new.clone());
            assert_eq!(
                value(&fake, &name) == Some(new.clone()),
                assigned || old.as_ref() == Some(&new)
            );
            assigned
        };
        let holding = VarCond::NAMES
            .into_iter()
            .filter(|(_, condition)| holds(*condition));
        holding.map(|(name, _)| name).collect()
    }

    #[test]
    fn a_variable_is_set_where_its_condition_holds() {
        assert_eq!(
            holding("txn.a", None, Value::str("")),
            ["ifnotexists", "ifempty", "ifnotset", "ifgt", "iflt"]
        );
        assert_eq!(
            holding("txn.a", Some(Value::Int(5)), Value::Int(3)),
            ["ifexists", "ifnotempty", "ifset", "ifgt"]
        );
        assert_eq!(
            holding("txn.a", Some(Value::Int(2)), Value::Int(3)),
            ["ifexists", "ifnotempty", "ifset", "iflt"]
        );
        assert_eq!(
            holding("txn.a", Some(Value::str("x")), Value::Int(3)),
            ["ifexists", "ifnotempty", "ifset", "ifgt", "iflt"]
        );
        assert_eq!(
            holding("proc.a", None, Value::Int(0)),
            ["ifexists", "ifnotempty", "ifnotset", "ifgt", "iflt"]
        );
    }

    #[test]
    fn all_conditions_must_hold() {
        let fake = Fake::default();
        let name = VarName::parse("txn.a").unwrap();
        let assignment = Assignment {
            name: name.clone(),
            conditions: [VarCond::NotExists, VarCond::Empty].into(),
        };
        assert!(!assignment.assign(&fake, Value::str("x")));
        assert!(assignment.assign(&fake, Value::str("")));
        assert!(!assignment.assign(&fake, Value::str("")));
        assert!(Assignment::from(name).assign(&fake, Value::Int(1)));
    }
}
