//! Commands about the process: its version, its environment.

use tidegate_config::Options;
use tidegate_config::model::AccessLevel;

use crate::report;
use crate::runtime::command::{Answer, Call, Command, Refusal, served};

use AccessLevel::{Operator, User};

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    served("show version", "", User, "show the version: that of HAProxy's language, then the program's own", |_| {
        Ok(version().into())
    }),
    served("show startup-logs", "", User, "show what was said on the way to serving", |_| Ok(report::said_at_start().into())),
    served("show env", "[<name>]", Operator, "show the environment after the configuration changed it", environment),
];

/// The version of the language that is spoken, with the program's own behind it.
pub(crate) fn version() -> String {
    format!(
        "{}-tidegate-{}",
        Options::default().version,
        env!("CARGO_PKG_VERSION")
    )
}

fn environment(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let wanted = call.args.first();
    let variables = call.about.facts.environment.iter();
    let lines: Vec<u8> = variables
        .filter(|(name, _)| wanted.is_none_or(|wanted| wanted == name))
        .flat_map(|(name, value)| [name, b"=".as_slice(), value, b"\n"].concat())
        .collect();
    if lines.is_empty() && wanted.is_some() {
        return Err(Refusal::error("Variable not found"));
    }
    Ok(Answer::Data(lines))
}
