//! Commands about backends: whether rules may choose them, and what they may begin with.

use tidegate_config::model::AccessLevel::{Operator, User};

use crate::runtime::command::{Answer, Call, Command, Refusal, Severity, served};
use crate::runtime::find;

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    served("show defaults", "", User, "list the `defaults` sections that have names", defaults),
    served("publish backend", "<backend>", Operator, "let rules choose a backend", |call| publish(call, true)),
    served("unpublish backend", "<backend>", Operator, "let no rule choose a backend but with `force-be-switch`", |call| publish(call, false)),
];

fn publish(call: &mut Call<'_>, published: bool) -> Result<Answer, Refusal> {
    let plane = call.plane()?;
    let name = call
        .text(0)
        .ok_or_else(|| Refusal::error("A backend name is expected."))?;
    find::backend(&plane, &name)?.publish(published);
    let said = match published {
        true => "Backend published.",
        false => "Backend unpublished.",
    };
    Ok(Answer::Message(Severity::Info, said.into()))
}

fn defaults(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let names = call.about.facts.defaults.iter();
    Ok(names.map(|name| format!("{name}\n")).collect::<String>().into())
}
