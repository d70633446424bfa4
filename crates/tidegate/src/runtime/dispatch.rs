//! From words to the command that they call.

use std::fmt::Write as _;
use std::sync::Arc;

use tidegate_config::closest;
use tidegate_config::model::AccessLevel;
use tidegate_lua_api::{CommandDecl, CommandLevel};

use super::about::About;
use super::command::{Answer, Call, Command, Refusal, SessionState, Severity, Status};
use super::commands;
use super::line::Word;

/// Carries out one command.
///
/// # Errors
/// Why it was not carried out.
pub(super) fn dispatch(
    words: &[Word],
    payload: Option<&[u8]>,
    about: &Arc<About>,
    session: &mut SessionState,
) -> Result<Answer, Refusal> {
    let own = find(words);
    if let Some((id, script)) = find_script(words, about, own.map_or(0, |(command, _)| command.words.len())) {
        if session.level < script_level(script) {
            return Err(Refusal::error("Permission denied"));
        }
        let conversation = about.scripts.desk.command(id, words.to_vec());
        let conversation = conversation.ok_or_else(|| Refusal::error("The program is ending."))?;
        return Ok(Answer::Script(conversation));
    }
    let Some((command, args)) = own else {
        return Err(unknown(words, session.level, &about.scripts.commands));
    };
    let handler = match command.status {
        Status::Served(handler) => handler,
        Status::Experimental(handler) if session.experimental => handler,
        Status::Experimental(_) => {
            return Err(Refusal::error(format!(
                "`{}` may change: it needs `experimental-mode on` first.",
                command.words
            )));
        }
        Status::NotYet => {
            return Err(Refusal::error(format!(
                "`{}` is not supported yet.",
                command.words
            )));
        }
        Status::LeftOut(reason) => {
            return Err(Refusal::error(format!(
                "`{}` is not supported: {reason}.",
                command.words
            )));
        }
    };
    if session.level < command.level {
        return Err(Refusal::error("Permission denied"));
    }
    handler(&mut Call {
        args,
        payload,
        about,
        session,
    })
}

/// The command that words begin with, the longest if several would do, and the words behind it.
fn find(words: &[Word]) -> Option<(&'static Command, &[Word])> {
    let called = commands::all().filter_map(|command| {
        let own = command.words.split(' ');
        let count = own.clone().count();
        let same = own.zip(words).filter(|(own, word)| own.as_bytes() == *word);
        (same.count() == count).then_some((command, count))
    });
    let (command, count) = called.max_by_key(|(_, count)| *count)?;
    Some((command, words.get(count..).unwrap_or_default()))
}

/// The script's command that words begin with, if it has more of them than `own` bytes of words.
fn find_script<'a>(words: &[Word], about: &'a About, own: usize) -> Option<(usize, &'a CommandDecl)> {
    let called = about.scripts.commands.iter().enumerate().filter(|(_, command)| {
        let wanted = command.words.split(' ');
        let count = wanted.clone().count();
        wanted
            .zip(words)
            .filter(|(own, word)| own.as_bytes() == *word)
            .count()
            == count
    });
    let longest = called.max_by_key(|(_, command)| command.words.len());
    longest.filter(|(_, command)| command.words.len() > own)
}

/// Who may give a script's command.
pub(super) fn script_level(command: &CommandDecl) -> AccessLevel {
    match command.level {
        CommandLevel::User => AccessLevel::User,
        CommandLevel::Operator => AccessLevel::Operator,
        CommandLevel::Admin => AccessLevel::Admin,
    }
}

/// What an unknown command gets: those that it may have meant, or all.
fn unknown(words: &[Word], level: AccessLevel, scripts: &[CommandDecl]) -> Refusal {
    let text = String::from_utf8_lossy(&words.join(&b' ')).into_owned();
    let first = text.split(' ').next().unwrap_or_default();
    let open = || commands::all().filter(|command| command.is_open_to(level));
    let begins = |start: &str| {
        let rows = open().filter(|row| !start.is_empty() && row.words.starts_with(start));
        rows.collect::<Vec<_>>()
    };
    // `show inof`: what else can be shown. `shwo info`: the nearest word in its place.
    let mut near = begins(&format!("{first} "));
    if near.is_empty() {
        let verbs = open().filter_map(|row| row.words.split(' ').next());
        near = closest(first, verbs).map(begins).unwrap_or_default();
    }
    let mut message = format!("Unknown command: `{text}`");
    if text.is_empty() {
        message = String::from("Unknown command: there is none");
    }
    if near.is_empty() {
        message.push_str(". These may be given:\n");
        near = open().collect();
    } else {
        message.push_str(". Perhaps one of these was meant:\n");
    }
    let begins = |command: &&CommandDecl| {
        let verb = command.words.split(' ').next();
        level >= script_level(command) && near.iter().any(|row| row.words.split(' ').next() == verb)
            || verb == Some(first)
    };
    let scripts: Vec<&CommandDecl> = scripts.iter().filter(begins).collect();
    message.push_str(&list(near, &scripts));
    Refusal(Severity::Info, message)
}

/// Commands with what they do, one a line.
pub(super) fn list<'c>(rows: impl IntoIterator<Item = &'c Command>, scripts: &[&CommandDecl]) -> String {
    const USAGE_WIDTH: usize = 39;
    let rows = rows.into_iter().map(|row| (row.words, row.usage(), row.doc));
    let scripts = scripts
        .iter()
        .map(|row| (row.words.as_str(), row.words.clone(), row.usage.as_str()));
    let mut rows: Vec<_> = rows.chain(scripts).collect();
    rows.sort_unstable();
    let mut out = String::new();
    for (words, usage, doc) in rows {
        // A script's usage may tell the words as well.
        let _ = match doc.starts_with(words) {
            true => writeln!(out, "  {doc}"),
            false => writeln!(out, "  {usage:USAGE_WIDTH$} : {doc}"),
        };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(line: &str) -> Option<(&'static str, usize)> {
        let words: Vec<Word> = line.split_whitespace().map(|word| word.into()).collect();
        find(&words).map(|(command, args)| (command.words, args.len()))
    }

    #[test]
    fn the_longest_command_is_called() {
        assert_eq!(called("show map"), Some(("show map", 0)));
        assert_eq!(called("show map @1 #0"), Some(("show map", 2)));
        assert_eq!(called("show cli level"), Some(("show cli level", 0)));
        assert_eq!(called("show cli"), None);
        assert_eq!(called("quit now"), Some(("quit", 1)));
        assert_eq!(called("show"), None);
        assert_eq!(called(""), None);
    }

    #[test]
    fn an_unknown_command_is_told_what_it_may_have_meant() {
        let said = |line: &str| {
            let words: Vec<Word> = line.split_whitespace().map(|word| word.into()).collect();
            unknown(&words, AccessLevel::Admin, &[]).1
        };
        assert!(said("show inof").contains("Perhaps one of these was meant:\n"));
        assert!(said("show inof").contains("  show info "));
        assert!(said("shwo info").contains("  show info "));
        let nothing = said("");
        assert!(nothing.starts_with("Unknown command: there is none. These may be given:\n"));
        assert!(nothing.contains("  quit "));
    }

    #[test]
    fn every_command_has_one_row() {
        let mut words: Vec<_> = commands::all().map(|command| command.words).collect();
        words.sort_unstable();
        for pair in words.windows(2) {
            assert_ne!(pair[0], pair[1]);
        }
    }
}
