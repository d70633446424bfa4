//! `set-var`, `set-var-fmt` and `unset-var`.

use tidegate_sample::vars::VarScope;

use super::RuleArgs;
use crate::diag::{Diagnostic, code};
use crate::model::CheckAction;
use crate::parse::args::Parsed;
use crate::parse::rules::{assignment, variable};
use crate::parse::sampled;
use crate::text::Word;

/// The rule, if the word is one of these.
pub(super) fn rule(rule: &mut RuleArgs<'_, '_, '_>, word: &Word) -> Parsed<Option<CheckAction>> {
    let text = word.text()?;
    let Some((name, rest)) = text.split_once('(') else {
        return Ok(None);
    };
    if !matches!(name, "set-var" | "set-var-fmt" | "unset-var") {
        return Ok(None);
    }
    if !rest.ends_with(')') {
        let message = format!("the parenthesis after `{name}` is never closed");
        let span = word.span_of(name.len(), name.len() + 1);
        return Err(Box::new(Diagnostic::error(code::BAD_ARGUMENT, span, message)));
    }
    let inner = word.part(name.len() + 1, text.len().saturating_sub(1));
    let action = match name {
        "set-var" => {
            let to = assignment(Some(&inner), rule.scope.files)?;
            let value =
                sampled::expression(rule.args.expect("an expression such as `int(80)`")?, rule.scope)?;
            CheckAction::SetVar { to, value }
        }
        "set-var-fmt" => CheckAction::SetVarFormat {
            to: assignment(Some(&inner), rule.scope.files)?,
            value: rule.format()?,
        },
        _ => CheckAction::UnsetVar(variable(Some(&inner), rule.scope.files)?),
    };
    let scope = match &action {
        CheckAction::SetVar { to, .. } | CheckAction::SetVarFormat { to, .. } => to.name.scope(),
        CheckAction::UnsetVar(name) => name.scope(),
        _ => VarScope::Check,
    };
    if !matches!(scope, VarScope::Proc | VarScope::Sess | VarScope::Check) {
        let message = format!(
            "there are no variables of the scope `{}` in a check",
            scope.name()
        );
        return Err(Box::new(
            Diagnostic::error(code::BAD_VARIABLE_NAME, inner.span(), message)
                .help("the scopes are `proc`, `sess` and `check`"),
        ));
    }
    Ok(Some(action))
}
