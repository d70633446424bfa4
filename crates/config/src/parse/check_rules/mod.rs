//! `http-check` and `tcp-check` rules, and the options that choose between them.

mod connect;
mod expect;
mod request;
pub(crate) mod scripts;
mod variables;

use tidegate_sample::Scope;

use super::args::{Args, Parsed, bad_argument, fault, pick};
use super::sampled;
use crate::diag::{Diagnostic, code};
use crate::model::{
    CheckAction, CheckCommand, CheckExpect, CheckKind, CheckPattern, CheckProgram, CheckRequest, CheckStep,
};
use crate::source::Span;
use crate::text::Word;

pub(crate) use request::{http_option, option_request};

/// What checks are made of, as lines come.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    /// The option that was given last.
    pub(crate) kind: Option<Kind>,
    /// The rules of `http-check`.
    http: Rules,
    /// The rules of `tcp-check`.
    tcp: Rules,
    /// The option comes from a `defaults` section.
    kind_is_inherited: bool,
    /// `external-check command`
    command: Option<String>,
    /// `external-check path`
    path: Option<String>,
    /// Where the section's own `external-check` line is.
    external: Option<Span>,
}

/// What an option made of checks.
#[derive(Debug)]
pub(crate) enum Kind {
    /// `option tcp-check`
    Tcp,
    /// `option httpchk`, with the request of its line.
    Http(Box<CheckRequest>),
    /// An option that has a script.
    Script(Vec<CheckStep>),
    /// `option external-check`
    External(Span),
}

#[derive(Debug, Default)]
struct Rules {
    steps: Vec<CheckStep>,
    comment: Option<String>,
    disable_on_404: bool,
    send_state: bool,
    /// The rules come from a `defaults` section: the first of the proxy's own takes their place.
    inherited: bool,
    /// How many lines there are.
    lines: usize,
    /// Where the first rule is.
    first: Option<Span>,
}

/// Which of the two a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// `http-check`
    Http,
    /// `tcp-check`
    Tcp,
}

type Parse = fn(&mut RuleArgs<'_, '_, '_>) -> Parsed<CheckAction>;

/// The rules that both have, and those of one.
const BOTH: [(&str, Parse); 2] = [
    ("connect", |rule| {
        connect::connect(rule).map(|connect| CheckAction::Connect(Box::new(connect)))
    }),
    ("expect", |rule| {
        expect::expect(rule).map(|expect| CheckAction::Expect(Box::new(expect)))
    }),
];
const OF_HTTP: [(&str, Parse); 1] = [("send", |rule| {
    request::send(rule).map(|request| CheckAction::Request(Box::new(request)))
})];
const OF_TCP: [(&str, Parse); 4] = [
    ("send", |rule| {
        Ok(CheckAction::Send(
            rule.args.expect("what to send")?.bytes().to_vec(),
        ))
    }),
    ("send-lf", |rule| rule.format().map(CheckAction::SendFormat)),
    ("send-binary", |rule| {
        hexadecimal(rule.args.expect("hexadecimal digits")?).map(CheckAction::Send)
    }),
    ("send-binary-lf", |rule| {
        rule.format().map(CheckAction::SendHexFormat)
    }),
];

/// A rule's words.
pub(super) struct RuleArgs<'r, 'a, 's> {
    pub(super) args: &'r mut Args<'a>,
    pub(super) scope: &'r Scope<'s>,
    pub(super) speaks: Speaks,
    pub(super) comment: Option<String>,
}

impl RuleArgs<'_, '_, '_> {
    pub(super) fn format(&mut self) -> Parsed<crate::model::LogFormat> {
        sampled::log_format(self.args.expect("a log-format string")?, self.scope)
    }

    /// `comment MSG`, which may stand anywhere among the arguments.
    pub(super) fn comment(&mut self) -> Parsed<bool> {
        let found = self.args.take("comment");
        if found {
            self.comment = Some(self.args.text("a comment")?.to_owned());
        }
        Ok(found)
    }
}

impl Checks {
    /// Whether there are no rules of a kind that isn't used.
    pub(crate) fn unused(&self) -> Option<(Span, &'static str)> {
        let of = |rules: &Rules, help| rules.first.filter(|_| !rules.inherited).map(|span| (span, help));
        match &self.kind {
            Some(Kind::Http(_)) => of(&self.tcp, "`option tcp-check` makes checks use `tcp-check` rules"),
            Some(Kind::Tcp) => of(&self.http, "`option httpchk` makes checks use `http-check` rules"),
            Some(Kind::Script(_) | Kind::External(_)) | None => {
                of(&self.http, "`option httpchk` makes checks use `http-check` rules")
                    .or_else(|| of(&self.tcp, "`option tcp-check` makes checks use `tcp-check` rules"))
            }
        }
        .or_else(|| match self.kind {
            Some(Kind::External(_)) => None,
            _ => self
                .external
                .map(|span| (span, "`option external-check` makes checks start a program")),
        })
    }

    /// What follows is the section's own: its rules take the place of inherited ones.
    pub(crate) fn inherit(&mut self) {
        self.http.inherited = true;
        self.tcp.inherited = true;
        self.kind_is_inherited = true;
        self.external = None;
    }

    /// The section has an `option httpchk` of its own: its checks begin anew.
    pub(crate) fn begin_http(&mut self, request: Box<CheckRequest>) {
        if self.http.inherited {
            let Rules {
                disable_on_404,
                send_state,
                ..
            } = self.http;
            self.http = Rules {
                disable_on_404,
                send_state,
                ..Rules::default()
            };
        }
        self.kind = Some(Kind::Http(request));
        self.kind_is_inherited = false;
    }

    /// Reads an `http-check` or `tcp-check` line, from its second word on.
    pub(crate) fn rule(&mut self, speaks: Speaks, args: &mut Args<'_>, scope: &Scope<'_>) -> Parsed<()> {
        let keyword = args.last();
        let word = args.expect("a rule such as `expect`")?;
        args.named(word);
        let rules = match speaks {
            Speaks::Http => &mut self.http,
            Speaks::Tcp => &mut self.tcp,
        };
        if speaks == Speaks::Http && (word.is("disable-on-404") || word.is("send-state")) {
            if word.is("send-state") {
                rules.send_state = true;
            } else {
                rules.disable_on_404 = true;
            }
            return args.end();
        }
        if rules.inherited {
            let Rules {
                disable_on_404,
                send_state,
                ..
            } = *rules;
            *rules = Rules {
                disable_on_404,
                send_state,
                ..Rules::default()
            };
        }
        rules.first.get_or_insert(keyword);
        rules.lines += 1;
        if speaks == Speaks::Http
            && word.is("send")
            && std::mem::take(&mut self.kind_is_inherited)
            && let Some(Kind::Http(request)) = &mut self.kind
        {
            // Who writes requests doesn't begin with one that others wrote.
            **request = CheckRequest::default();
        }
        if word.is("comment") {
            rules.comment = Some(args.text("a comment")?.to_owned());
            return args.end();
        }
        let mut rule = RuleArgs {
            args,
            scope,
            speaks,
            comment: None,
        };
        let action = match variables::rule(&mut rule, word)? {
            Some(action) => action,
            None => {
                let own: &[(&'static str, Parse)] = match speaks {
                    Speaks::Http => &OF_HTTP,
                    Speaks::Tcp => &OF_TCP,
                };
                let names: Vec<(&'static str, Parse)> = BOTH.iter().chain(own).copied().collect();
                let parse = pick(word, speaks.what(), &names)
                    .map_err(|diagnostic| with_others(diagnostic, speaks))?;
                parse(&mut rule)?
            }
        };
        if speaks == Speaks::Tcp
            && matches!(
                action,
                CheckAction::Send(_) | CheckAction::SendFormat(_) | CheckAction::SendHexFormat(_)
            )
        {
            rule.comment()?;
        }
        let comment = rule.comment.take();
        args.end()?;
        // A line of its own is about the very next one.
        let line_before = rules.comment.take();
        let starts = matches!(action, CheckAction::Connect(_));
        let has_other = rules.steps.iter().any(|step| !step.computes());
        let begins = rules
            .steps
            .iter()
            .any(|step| matches!(step.action, CheckAction::Connect(_)));
        if starts && has_other && !begins {
            let message = "the first step of a check that connects is its `connect`";
            return Err(Box::new(
                Diagnostic::error(code::BAD_ARGUMENT, word.span(), message)
                    .help("put a `connect` before the steps that send and expect"),
            ));
        }
        rules.steps.push(CheckStep {
            action,
            comment: comment.or(line_before),
            number: rules.lines,
        });
        Ok(())
    }

    /// What checks do, with all that is implicit written out.
    pub(crate) fn finish(self) -> CheckProgram {
        match self.kind {
            Some(Kind::Http(request)) => http_program(*request, self.http),
            Some(Kind::Tcp) => CheckProgram {
                kind: CheckKind::Tcp,
                steps: self.tcp.steps,
                tcp_check: true,
                ..CheckProgram::default()
            },
            Some(Kind::Script(steps)) => CheckProgram {
                kind: CheckKind::Tcp,
                steps,
                ..CheckProgram::default()
            },
            Some(Kind::External(span)) => CheckProgram {
                kind: CheckKind::External,
                command: self.command.map(|command| CheckCommand {
                    command,
                    path: self.path.unwrap_or_default(),
                    span,
                }),
                ..CheckProgram::default()
            },
            None => CheckProgram::default(),
        }
    }

    /// Where `option external-check` is, if a program checks.
    pub(crate) fn external_span(&self) -> Option<Span> {
        match self.kind {
            Some(Kind::External(span)) => Some(span),
            _ => None,
        }
    }

    /// Whether it is known which one.
    pub(crate) fn has_command(&self) -> bool {
        self.command.is_some()
    }

    /// Reads an `external-check` line.
    pub(crate) fn external(&mut self, args: &mut Args<'_>) -> Parsed<()> {
        let span = args.last();
        let is_path = args.one_of("`command` or `path`", &[("command", false), ("path", true)])?;
        match is_path {
            true => self.path = Some(args.text("directories, such as `/usr/bin:/bin`")?.to_owned()),
            false => {
                let word = args.expect("a program")?;
                let command = word.text()?;
                if command.is_empty() {
                    return bad_argument(word, "the name of the program is empty");
                }
                self.command = Some(command.to_owned());
            }
        }
        self.external = Some(span);
        Ok(())
    }
}

impl Speaks {
    fn what(self) -> &'static str {
        match self {
            Speaks::Http => "a rule of `http-check`",
            Speaks::Tcp => "a rule of `tcp-check`",
        }
    }
}

impl CheckStep {
    /// Whether it only computes something.
    fn computes(&self) -> bool {
        matches!(
            self.action,
            CheckAction::SetVar { .. } | CheckAction::SetVarFormat { .. } | CheckAction::UnsetVar(_)
        )
    }
}

/// Those that aren't picked by name.
fn with_others(mut diagnostic: Box<Diagnostic>, speaks: Speaks) -> Box<Diagnostic> {
    if let Some(help) = diagnostic.help.iter_mut().find(|help| help.starts_with("one of")) {
        let more = match speaks {
            Speaks::Http => ", `comment`, `set-var(...)`, `unset-var(...)`, `disable-on-404`, `send-state`",
            Speaks::Tcp => ", `comment`, `set-var(...)`, `unset-var(...)`",
        };
        help.push_str(more);
    }
    diagnostic
}

/// The request of `option httpchk` is sent where no rule sends one, and 2xx and 3xx are expected where no rule says
/// what is.
fn http_program(request: CheckRequest, rules: Rules) -> CheckProgram {
    let step = |action| CheckStep {
        action,
        comment: None,
        number: 0,
    };
    let mut steps = rules.steps;
    let sends = |steps: &[CheckStep]| {
        steps
            .iter()
            .any(|step| matches!(step.action, CheckAction::Request(_)))
    };
    if sends(&steps) {
        let first = steps.iter_mut().find_map(|step| match &mut step.action {
            CheckAction::Request(first) => Some(first),
            _ => None,
        });
        if let Some(first) = first {
            request::fill(first, request);
        }
    } else {
        let at = steps
            .iter()
            .position(|step| matches!(step.action, CheckAction::Connect(_)))
            .map_or_else(
                || steps.iter().take_while(|step| step.computes()).count(),
                |at| at + 1,
            );
        steps.insert(at, step(CheckAction::Request(Box::new(request))));
    }
    let last = steps.iter().rev().find(|step| !step.computes());
    if !last.is_some_and(|step| matches!(step.action, CheckAction::Expect(_))) {
        steps.push(step(CheckAction::Expect(Box::new(CheckExpect::new(
            CheckPattern::Status(vec![(200, 399)]),
        )))));
    }
    CheckProgram {
        kind: CheckKind::Http,
        steps,
        tcp_check: false,
        disable_on_404: rules.disable_on_404,
        send_state: rules.send_state,
        command: None,
    }
}

/// Bytes in hexadecimal.
fn hexadecimal(word: &Word) -> Parsed<Vec<u8>> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut bytes = Vec::with_capacity(word.bytes().len() / 2);
    for (at, pair) in word.bytes().chunks(2).enumerate() {
        let Some((high, low)) = pair
            .first()
            .copied()
            .and_then(digit)
            .zip(pair.get(1).copied().and_then(digit))
        else {
            let part = word.part(at * 2, at * 2 + pair.len());
            return fault(
                code::BAD_ARGUMENT,
                &part,
                format!("`{}` are no two hexadecimal digits", part.lossy()),
            );
        };
        bytes.push(high << 4 | low);
    }
    if bytes.is_empty() {
        return bad_argument(word, "hexadecimal digits are missing");
    }
    Ok(bytes)
}
