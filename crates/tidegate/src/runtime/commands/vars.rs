//! Commands about the variables of the process.

use tidegate_config::model::AccessLevel;
use tidegate_sample::vars::{VarName, VarScope};
use tidegate_sample::{Expr, LogFormat, ParseError, Place, Scope, Type, Value, cast};

use crate::assemble::OfProcess;
use crate::runtime::command::{Answer, Call, Command, Refusal, Severity, Status, served};

use AccessLevel::Operator;

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    served("get var", "<name>", Operator, "show a variable of the process", get),
    Command {
        words: "set var",
        arguments: "<name> {[expr] <expression> | fmt <format>}",
        doc: "set a variable of the process; needs `experimental-mode on`",
        level: Operator,
        status: Status::Experimental(set),
    },
];

fn get(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let text = call
        .text(0)
        .ok_or_else(|| Refusal::error("`get var` needs the name of a variable."))?;
    let missing = || Refusal::error("Variable not found.");
    let name = VarName::parse(&text).map_err(|_| missing())?;
    let value = Some(&name).filter(|name| name.scope() == VarScope::Proc);
    let value = value
        .and_then(|name| call.about.facts.proc_vars.value(name))
        .ok_or_else(missing)?;
    let kind = value.kind();
    let shown = match cast(value, Type::Str) {
        Some(Value::Str(text)) => text.as_slice().to_vec(),
        _ => Vec::new(),
    };
    let head = format!("{name}: type={kind} value=<");
    Ok(Answer::Data([head.as_bytes(), &shown, b">"].concat()))
}

fn set(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let usage = || Refusal::error("`set var` needs the name of a variable and an expression.");
    let (name, first) = (call.text(0).ok_or_else(usage)?, call.text(1).ok_or_else(usage)?);
    let name = VarName::parse(&name).map_err(fault)?;
    if name.scope() != VarScope::Proc {
        return Err(Refusal::error(format!(
            "`{name}` is not a variable of the process: its name would begin with `proc.`"
        )));
    }
    let (is_format, text) = match (first.as_str(), call.text(2)) {
        ("expr", Some(text)) => (false, text),
        ("fmt", Some(text)) => (true, text),
        (_, None) => (false, first),
        (other, Some(_)) => {
            return Err(Refusal::error(format!(
                "`{other}` is neither `expr` nor `fmt`; blanks in an expression need a `\\` before them."
            )));
        }
    };
    let scope = Scope::new(Place::Cli).without_session();
    let plane = call.plane()?;
    let session = OfProcess {
        process: plane.global().process.as_deref(),
        vars: &call.about.facts.proc_vars,
    };
    let value = if is_format {
        Some(LogFormat::parse(&text, &scope).map_err(fault)?.eval(&session))
    } else {
        Expr::parse(&text, &scope).map_err(fault)?.eval(&session)
    };
    let value = value.ok_or_else(|| Refusal(Severity::Error, "The expression has no value here.".into()))?;
    call.about.facts.proc_vars.set(&name, value.detached());
    Ok(Answer::Done)
}

fn fault(error: ParseError) -> Refusal {
    let help = error.help.map(|help| format!("\n{help}")).unwrap_or_default();
    Refusal::error(format!("{}{help}", error.message))
}
