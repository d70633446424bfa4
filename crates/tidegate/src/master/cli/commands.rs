//! The commands that the master carries out itself.

use std::fmt::Write as _;

use tidegate_config::closest;
use tidegate_config::model::AccessLevel;

use AccessLevel::{Admin, Operator, User};

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Help,
    Prompt,
    Quit,
    Lower(AccessLevel),
    Expert,
    Experimental,
    Echo,
    ShowEnvironment,
    ShowLevel,
    ShowSockets,
    ShowProcesses,
    ShowStartupLogs,
    ShowVersion,
    Reload {
        hard: bool,
    },
    /// It is HAProxy's, and is left out for this reason.
    LeftOut(&'static str),
}

impl Action {
    /// It concerns the connection, whichever process was chosen.
    pub(super) fn is_of_connection(self) -> bool {
        matches!(
            self,
            Action::Prompt
                | Action::Quit
                | Action::Lower(_)
                | Action::Expert
                | Action::Experimental
                | Action::LeftOut(_)
        )
    }
}

/// One command.
pub(super) struct Row {
    pub(super) words: &'static str,
    arguments: &'static str,
    /// The least level that may give it.
    pub(super) level: AccessLevel,
    doc: &'static str,
    pub(super) action: Action,
}

const fn row(
    words: &'static str,
    arguments: &'static str,
    level: AccessLevel,
    doc: &'static str,
    action: Action,
) -> Row {
    Row {
        words,
        arguments,
        level,
        doc,
        action,
    }
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    row("_loadstatus", "", Admin, "", Action::LeftOut(OF_ITS_OWN)),
    row("_send_status", "", Admin, "", Action::LeftOut(OF_ITS_OWN)),
    row("echo", "<text>", User, "write the text", Action::Echo),
    row("expert-mode", "[on|off]", Admin, "show or set whether dangerous commands may be given", Action::Expert),
    row("experimental-mode", "[on|off]", Admin, "show or set whether commands that may change may be given", Action::Experimental),
    row("hard-reload", "", Operator, "load the configuration anew; the process that serves ends at once", Action::Reload { hard: true }),
    row("help", "[<command>]", User, "list the commands, or those of which this is a part", Action::Help),
    row("mcli-debug-mode", "", Admin, "", Action::LeftOut("the master has nothing of its own that commands could look into")),
    row("operator", "", User, "lower the connection's level to `operator`", Action::Lower(Operator)),
    row("prompt", "[help | i | p | timed]*", User, "switch between many lines and a prompt", Action::Prompt),
    row("quit", "", User, "end the connection", Action::Quit),
    row("reload", "", Operator, "load the configuration anew", Action::Reload { hard: false }),
    row("show cli level", "", User, "show the connection's level", Action::ShowLevel),
    row("show cli sockets", "", Operator, "list the sockets of the runtime API", Action::ShowSockets),
    row("show env", "[<name>]", Operator, "show the environment that the master was started with", Action::ShowEnvironment),
    row("show proc", "", User, "list the processes", Action::ShowProcesses),
    row("show startup-logs", "", User, "what was said when a configuration was loaded last", Action::ShowStartupLogs),
    row("show version", "", User, "show the version: that of HAProxy's language, then the program's own", Action::ShowVersion),
    row("user", "", User, "lower the connection's level to `user`", Action::Lower(User)),
];

const OF_ITS_OWN: &str = "the master and the other processes have a language of their own";

/// The prefixes, for lists.
const PREFIXES: [(&str, &str); 2] = [
    (
        "@[!]<pid> [<command>]",
        "give one command to a process, or all that follow; `@` alone is the master",
    ),
    (
        "@@[!]<pid> [<command>...]",
        "give the rest of the line to a process, with what follows",
    ),
];

/// The command that words begin with, and how many words it has.
pub(super) fn find(words: &[Vec<u8>]) -> Option<(&'static Row, usize)> {
    let called = ROWS.iter().filter_map(|row| {
        let own = row.words.split(' ');
        let count = own.clone().count();
        let same = own.zip(words).filter(|(own, word)| own.as_bytes() == *word);
        (same.count() == count).then_some((row, count))
    });
    called.max_by_key(|(_, count)| *count)
}

/// A list of the commands that a level may give and that have this in their words.
pub(super) fn list(part: &str, level: AccessLevel) -> String {
    let open = |row: &&Row| level >= row.level && !matches!(row.action, Action::LeftOut(_));
    let rows = ROWS.iter().filter(open).filter(|row| row.words.contains(part));
    let rows = rows.map(|row| match row.arguments {
        "" => (row.words.to_owned(), row.doc),
        arguments => (format!("{} {arguments}", row.words), row.doc),
    });
    let prefixes = PREFIXES
        .iter()
        .filter(|_| part.is_empty())
        .map(|(usage, doc)| ((*usage).to_owned(), *doc));
    let mut out = String::new();
    for (usage, doc) in prefixes.chain(rows) {
        let _ = writeln!(out, "  {usage:39} : {doc}");
    }
    out
}

/// What an unknown command gets: those that it may have meant, or all.
pub(super) fn unknown(words: &[Vec<u8>], level: AccessLevel) -> String {
    let text = String::from_utf8_lossy(&words.join(&b' ')).into_owned();
    let first = text.split(' ').next().unwrap_or_default();
    let verbs = ROWS.iter().filter_map(|row| row.words.split(' ').next());
    let near = closest(first, verbs).filter(|_| !first.is_empty());
    let listed = near.map(|near| list(near, level)).filter(|list| !list.is_empty());
    match listed {
        Some(listed) => format!("Unknown command: `{text}`. Perhaps one of these was meant:\n{listed}"),
        None => format!(
            "Unknown command: `{text}`. These may be given (another process is chosen by `@`):\n{}",
            list("", level)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Vec<u8>> {
        text.split(' ').map(|word| word.as_bytes().to_vec()).collect()
    }

    #[test]
    fn the_longest_command_is_called() {
        let action = |text| find(&words(text)).map(|(row, count)| (row.action, count));
        assert_eq!(action("show proc debug"), Some((Action::ShowProcesses, 2)));
        assert_eq!(action("reload"), Some((Action::Reload { hard: false }, 1)));
        assert_eq!(action("show"), None);
    }

    #[test]
    fn lists_have_what_may_be_given() {
        assert!(list("", User).contains("  @@[!]<pid>") && list("", User).contains("  show proc "));
        assert!(!list("", User).contains("reload") && list("", Operator).contains("  hard-reload "));
        assert!(!list("", Admin).contains("mcli-debug-mode"));
        assert!(
            unknown(&words("shwo proc"), User).contains("Perhaps one of these was meant:\n  show cli level")
        );
        assert!(unknown(&words("x"), User).contains("  prompt "));
    }
}
