//! Commands about the lines that rings keep.

use std::fmt::Write as _;

use tidegate_config::model::AccessLevel::Operator;

use crate::runtime::command::{Answer, Call, Command, Following, Refusal, served};

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    served("show events", "[<ring>] [-w] [-n] [-0]", Operator, "list the rings, or show one's lines; -w waits for more, -n shows new ones alone, -0 ends each with NUL", events),
];

fn events(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let plane = call.plane()?;
    let Some(name) = call.text(0) else {
        let mut list =
            String::from("Supported events sinks are listed below. Add -w(wait), -n(new). Any key to stop\n");
        for ring in plane.rings() {
            let spec = ring.spec();
            let about = spec.description.as_ref().unwrap_or(&spec.name);
            // Writing to a text can't fail.
            let _ = writeln!(list, "    {:<10} : type=buffer, {about}", spec.name);
        }
        return Ok(list.into());
    };
    let ring = plane.rings().iter().find(|ring| ring.spec().name == name);
    let ring = ring.ok_or_else(|| Refusal::error("No such event sink"))?;
    let (mut waits, mut new, mut separator) = (false, false, b'\n');
    for option in call.args.iter().skip(1) {
        let letters = option.strip_prefix(b"-").filter(|letters| !letters.is_empty());
        let unknown = || Refusal::error(format!("unknown option `{}`", String::from_utf8_lossy(option)));
        for letter in letters.ok_or_else(unknown)? {
            match letter {
                b'w' => waits = true,
                b'n' => new = true,
                b'0' => separator = 0,
                _ => return Err(unknown()),
            }
        }
    }
    Ok(Answer::Follow(Following {
        next: if new { ring.end() } else { 0 },
        ring: ring.clone(),
        waits,
        separator,
    }))
}
