//! The program's own tables, for the pages that are made of them.

use tidegate_config::model::AccessLevel;

use crate::runtime::{Status, commands};

/// A command of the runtime API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandDoc {
    /// The words by which it is called.
    pub words: &'static str,
    /// What follows them, in the manual's notation.
    pub arguments: &'static str,
    /// What it does, in a line.
    pub doc: &'static str,
    /// The least level that may give it.
    pub level: AccessLevel,
    /// What is done with it.
    pub status: CommandStatus,
}

/// What is done with a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandStatus {
    /// It works.
    Served,
    /// It is HAProxy's, and refused until a later version.
    NotYet,
    /// It is HAProxy's, and left out for this reason.
    LeftOut(&'static str),
}

/// The commands of the runtime API, in the order of their words.
#[must_use]
pub fn runtime_commands() -> Vec<CommandDoc> {
    let docs = commands().map(|command| CommandDoc {
        words: command.words,
        arguments: command.arguments,
        doc: command.doc,
        level: command.level,
        status: match command.status {
            Status::Served(_) | Status::Experimental(_) => CommandStatus::Served,
            Status::NotYet => CommandStatus::NotYet,
            Status::LeftOut(reason) => CommandStatus::LeftOut(reason),
        },
    });
    let mut docs: Vec<CommandDoc> = docs.collect();
    docs.sort_by_key(|command| command.words);
    docs
}
