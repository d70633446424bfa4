//! Commands about the connection itself: its prompt, its level, its timeout.

use std::time::Duration;

use tidegate_config::model::{AccessLevel, SeverityOutput};

use crate::runtime::command::{Answer, Call, Command, Mode, Refusal, Severity, served};
use crate::runtime::commands;
use crate::runtime::dispatch::{list, script_level};

use AccessLevel::{Admin, Operator, User};

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    served("help", "[<command>]", User, "list the commands, or those of which this is a part", help),
    served("prompt", "[help | n | i | p | timed]*", User, "switch between one line, many lines, and a prompt", prompt),
    served("quit", "", User, "end the connection", |_| Ok(Answer::Quit)),
    served("echo", "<text>", User, "write the text", |call| {
        Ok(Answer::Data(call.args.join(&b' ')))
    }),
    served("user", "", User, "lower the connection's level to `user`", |call| lower(call, User)),
    served("operator", "", User, "lower the connection's level to `operator`", |call| lower(call, Operator)),
    served("show cli level", "", User, "show the connection's level", |call| {
        Ok(call.session.level.name().to_owned().into())
    }),
    served("show cli sockets", "", Operator, "list the sockets of the runtime API", sockets),
    served("expert-mode", "[on|off]", Admin, "show or set whether dangerous commands may be given", |call| {
        switch("expert-mode", call.text(0), &mut call.session.expert)
    }),
    served("experimental-mode", "[on|off]", Admin, "show or set whether commands that may change may be given", |call| {
        switch("experimental-mode", call.text(0), &mut call.session.experimental)
    }),
    served("set timeout", "cli <delay>", User, "how long the connection may be silent", timeout),
    served("set severity-output", "[none|number|string]", User, "how messages tell their severity", severity),
];

fn help(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let part = String::from_utf8_lossy(&call.args.join(&b' ')).into_owned();
    let level = call.session.level;
    let open = commands::all().filter(|command| command.is_open_to(level));
    let found: Vec<&Command> = open.filter(|command| command.words.contains(&part)).collect();
    let scripts = call.about.scripts.commands.iter();
    let scripts: Vec<_> = scripts
        .filter(|command| level >= script_level(command) && command.words.contains(&part))
        .collect();
    if found.is_empty() && scripts.is_empty() {
        return Err(Refusal(Severity::Info, format!("No command has `{part}` in it.")));
    }
    Ok(format!("The following commands may be given:\n{}", list(found, &scripts)).into())
}

fn prompt(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let session = &mut *call.session;
    if call.args.is_empty() {
        session.mode = match session.mode {
            Mode::OneLine | Mode::Interactive => Mode::Prompt,
            Mode::Prompt => Mode::OneLine,
        };
    }
    for arg in call.args {
        match arg.as_slice() {
            b"n" => session.mode = Mode::OneLine,
            b"i" => session.mode = Mode::Interactive,
            b"p" => session.mode = Mode::Prompt,
            b"timed" => {
                session.timed = !session.timed;
                session.mode = Mode::Prompt;
            }
            _ => {
                let text = "prompt [help | n | i | p | timed]*\n\
                            n: the connection ends after a line\ni: it takes line after line\n\
                            p: the same, and `> ` asks for each\ntimed: the prompt tells for how long the program has run";
                return Err(Refusal(Severity::Info, text.into()));
            }
        }
    }
    Ok(Answer::Done)
}

fn lower(call: &mut Call<'_>, level: AccessLevel) -> Result<Answer, Refusal> {
    let session = &mut *call.session;
    if session.level < level {
        return Err(Refusal::error("Permission denied"));
    }
    session.level = level;
    session.expert = false;
    session.experimental = false;
    Ok(Answer::Done)
}

fn sockets(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let mut text = String::from("# socket lvl processes\n");
    for (shown, level) in call.about.sockets() {
        text.push_str(&format!("{shown} {} all\n", level.name()));
    }
    Ok(text.into())
}

fn switch(name: &str, wanted: Option<String>, on: &mut bool) -> Result<Answer, Refusal> {
    match wanted.as_deref() {
        None => {
            let state = if *on { "ON" } else { "OFF" };
            return Ok(Answer::Message(Severity::Info, format!("{name} is {state}")));
        }
        Some("on") => *on = true,
        Some("off") => *on = false,
        Some(other) => {
            return Err(Refusal::error(format!(
                "`{name}` is `on` or `off`, not `{other}`."
            )));
        }
    }
    Ok(Answer::Done)
}

fn timeout(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    if call.text(0).as_deref() != Some("cli") {
        return Err(Refusal::error("The timeout that can be set is that of `cli`."));
    }
    let delay = call.args.get(1).map(Vec::as_slice).unwrap_or_default();
    let limit = tidegate_config::parse_time(delay, tidegate_config::TimeUnit::Seconds);
    match limit {
        Ok(limit) if limit >= Duration::from_millis(1) => {
            call.session.timeout = limit;
            Ok(Answer::Done)
        }
        _ => Err(Refusal::error("`set timeout cli` needs a time in seconds.")),
    }
}

fn severity(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let wanted = call.text(0).unwrap_or_default();
    let known = SeverityOutput::NAMES.iter().find(|(name, _)| *name == wanted);
    match known {
        Some((_, output)) => {
            call.session.severity = *output;
            Ok(Answer::Done)
        }
        None => Err(Refusal::error(
            "`set severity-output` needs `none`, `number` or `string`.",
        )),
    }
}
