//! `set-var` and `set-var-fmt` of the `global` section, and what an expression sees where there is no session.

use std::any::Any;

use tidegate_config::model::{ProcVar, ProcVarValue};
use tidegate_sample::vars::ProcVars;
use tidegate_sample::{NoSession, Process, Session};

/// The process alone.
pub(crate) struct OfProcess<'p> {
    /// What is known of it.
    pub(crate) process: Option<&'p Process>,
    /// Its variables.
    pub(crate) vars: &'p ProcVars,
}

impl Session for OfProcess<'_> {
    fn as_any(&self) -> &dyn Any {
        &NoSession
    }

    fn process(&self) -> Option<&Process> {
        self.process
    }

    fn proc_vars(&self) -> Option<&ProcVars> {
        Some(self.vars)
    }
}

/// Sets the variables in their order, so that each may use those before it. An expression without a value sets none.
pub(super) fn set(variables: &[ProcVar], process: &Process, vars: &ProcVars) {
    let session = OfProcess {
        process: Some(process),
        vars,
    };
    for variable in variables {
        let value = match &variable.value {
            ProcVarValue::Expr(expression) => expression.eval(&session),
            ProcVarValue::Format(format) => Some(format.eval(&session)),
        };
        if let Some(value) = value {
            vars.set(&variable.name, value.detached());
        }
    }
}
