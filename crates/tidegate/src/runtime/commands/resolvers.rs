//! Commands about name servers.

use std::fmt::Write as _;

use tidegate_config::model::AccessLevel;
use tidegate_proxy::resolve::spec::Counted;

use crate::runtime::command::{Answer, Call, Command, Refusal, served};

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    served("show resolvers", "[<section>]", AccessLevel::User, "show what was asked of name servers, and what came of it", show),
];

/// The counters, by HAProxy's names and in its order. Others of its are of what doesn't happen here.
const COUNTERS: [(&str, Counted); 7] = [
    ("sent", Counted::Sent),
    ("snd_error", Counted::SendError),
    ("valid", Counted::Valid),
    ("nx", Counted::NoName),
    ("timeout", Counted::Timeout),
    ("refused", Counted::Refused),
    ("other", Counted::Other),
];

fn show(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let plane = call.plane()?;
    let wanted = call.text(0);
    let sections = plane.global().resolvers.iter();
    let mut sections = sections
        .filter(|section| wanted.as_ref().is_none_or(|wanted| *wanted == section.name))
        .peekable();
    if wanted.is_some() && sections.peek().is_none() {
        return Err(Refusal::error("Can't find that resolvers section"));
    }
    let mut text = String::new();
    for section in sections {
        let _ = writeln!(text, "Resolvers section {}", section.name);
        for server in &section.servers {
            let _ = writeln!(text, " nameserver {}:", server.name);
            for (name, what) in COUNTERS {
                let _ = writeln!(text, "  {:<12} {}", format!("{name}:"), server.counts.of(what));
            }
        }
    }
    Ok(text.into())
}
