//! What a command is: one row of a table, with its words, its documentation, who may give it, and what it does.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tidegate_config::model::{AccessLevel, SeverityOutput};
use tidegate_lua_api::Conversation;
use tidegate_proxy::Plane;
use tidegate_proxy::log::Ring;

use super::about::About;
use super::entrance::Entrance;
use super::line::Word;

/// One command.
pub(crate) struct Command {
    /// The words by which it is called.
    pub(crate) words: &'static str,
    /// What follows them, in the manual's notation.
    pub(crate) arguments: &'static str,
    /// What it does, in a line.
    pub(crate) doc: &'static str,
    /// The least level that may give it.
    pub(crate) level: AccessLevel,
    /// What is done with it.
    pub(crate) status: Status,
}

/// What is done with a command.
#[derive(Clone, Copy)]
pub(crate) enum Status {
    /// It works.
    Served(Handler),
    /// It works where `experimental-mode` is on.
    Experimental(Handler),
    /// It is HAProxy's, and will work in a later version. Until then it is refused.
    NotYet,
    /// It is HAProxy's, and is left out on purpose, for this reason. It is refused.
    LeftOut(&'static str),
}

/// Does what a command says.
pub(crate) type Handler = fn(&mut Call<'_>) -> Result<Answer, Refusal>;

/// One call of a command.
pub(crate) struct Call<'c> {
    /// The words behind the command's own.
    pub(crate) args: &'c [Word],
    /// The text that followed the line.
    pub(crate) payload: Option<&'c [u8]>,
    /// What there is to ask.
    pub(crate) about: &'c Arc<About>,
    /// The connection that it came on.
    pub(crate) session: &'c mut SessionState,
}

impl Call<'_> {
    /// The argument at a place, as text.
    pub(crate) fn text(&self, at: usize) -> Option<String> {
        let word = self.args.get(at)?;
        Some(String::from_utf8_lossy(word).into_owned())
    }

    /// Whether an argument is this word.
    pub(crate) fn has(&self, word: &str) -> bool {
        self.args.iter().any(|arg| arg == word.as_bytes())
    }

    /// The data plane.
    pub(crate) fn plane(&self) -> Result<Plane, Refusal> {
        let plane = self.about.control.plane();
        plane.ok_or_else(|| Refusal::error("The program is ending."))
    }
}

/// What a connection has set for itself.
pub(crate) struct SessionState {
    /// What may be done.
    pub(crate) level: AccessLevel,
    /// How messages tell their severity.
    pub(crate) severity: SeverityOutput,
    /// What follows a line.
    pub(crate) mode: Mode,
    /// Whether the prompt tells for how long the program has run.
    pub(crate) timed: bool,
    /// How long the connection may be silent; zero for no limit.
    pub(crate) timeout: Duration,
    /// Whether dangerous commands may be given.
    pub(crate) expert: bool,
    /// Whether commands may be given that could change.
    pub(crate) experimental: bool,
}

impl SessionState {
    /// That of a connection which nothing is known of but this.
    pub(crate) fn new(entrance: Entrance, severity: SeverityOutput, timeout: Duration) -> SessionState {
        SessionState {
            level: entrance.level,
            severity,
            mode: entrance.mode,
            timed: entrance.timed,
            timeout,
            expert: entrance.expert,
            experimental: entrance.experimental,
        }
    }
}

/// What follows a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The connection's end.
    OneLine,
    /// Another line.
    Interactive,
    /// Another line, for which a prompt asks.
    Prompt,
}

/// What is written for a command.
pub(crate) enum Answer {
    /// Nothing: it is done.
    Done,
    /// Data that were asked for.
    Data(Vec<u8>),
    /// Data of any length, part by part.
    Parts(Box<dyn Iterator<Item = Vec<u8>>>),
    /// What comes once others have been asked.
    Later(Pin<Box<dyn Future<Output = Result<Answer, Refusal>>>>),
    /// A script's function has the connection until it ends.
    Script(Conversation),
    /// The lines of a ring, and perhaps those that come, until the client says anything.
    Follow(Following),
    /// Something for a person to read.
    Message(Severity, String),
    /// The connection's end.
    Quit,
}

impl Answer {
    /// An answer that others have to be asked for.
    pub(crate) fn later(answer: impl Future<Output = Result<Answer, Refusal>> + 'static) -> Answer {
        Answer::Later(Box::pin(answer))
    }
}

impl From<String> for Answer {
    fn from(text: String) -> Answer {
        Answer::Data(text.into_bytes())
    }
}

/// The lines of a ring that are to be shown.
pub(crate) struct Following {
    pub(crate) ring: Arc<Ring>,
    /// The number of the first that is to be shown next.
    pub(crate) next: u64,
    /// Whether those are waited for that are still to come.
    pub(crate) waits: bool,
    /// What ends each.
    pub(crate) separator: u8,
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) Severity, pub(crate) String);

impl Refusal {
    /// The command, or the state that things are in, is at fault.
    pub(crate) fn error(text: impl Into<String>) -> Refusal {
        Refusal(Severity::Error, text.into())
    }
}

/// How grave a message is. The numbers and names are syslog's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    Error,
    Warning,
    Notice,
    Info,
}

impl Severity {
    /// What precedes a message.
    pub(crate) fn prefix(self, output: SeverityOutput) -> String {
        let (number, name) = match self {
            Severity::Error => (3, "err"),
            Severity::Warning => (4, "warning"),
            Severity::Notice => (5, "notice"),
            Severity::Info => (6, "info"),
        };
        match output {
            SeverityOutput::None => String::new(),
            SeverityOutput::Number => format!("[{number}]: "),
            SeverityOutput::Name => format!("[{name}]: "),
        }
    }
}

impl Command {
    /// The command and what may follow it.
    pub(crate) fn usage(&self) -> String {
        match self.arguments {
            "" => self.words.to_owned(),
            arguments => format!("{} {arguments}", self.words),
        }
    }

    /// Whether a level may give it, and it does something.
    pub(crate) fn is_open_to(&self, level: AccessLevel) -> bool {
        level >= self.level && matches!(self.status, Status::Served(_) | Status::Experimental(_))
    }
}

/// A row of a command that works.
pub(crate) const fn served(
    words: &'static str,
    arguments: &'static str,
    level: AccessLevel,
    doc: &'static str,
    handler: Handler,
) -> Command {
    Command {
        words,
        arguments,
        doc,
        level,
        status: Status::Served(handler),
    }
}

/// A row of a command that is left for later.
pub(crate) const fn not_yet(words: &'static str) -> Command {
    Command {
        words,
        arguments: "",
        doc: "",
        level: AccessLevel::User,
        status: Status::NotYet,
    }
}

/// A row of a command that is left out on purpose.
pub(crate) const fn left_out(words: &'static str, reason: &'static str) -> Command {
    Command {
        words,
        arguments: "",
        doc: "",
        level: AccessLevel::User,
        status: Status::LeftOut(reason),
    }
}
