//! The actions of rules.

use super::variable::{assignment, variable};
use super::{RuleCx, Set, lua_name};
use crate::diag::{Diagnostic, code};
use crate::model::{Action, HeaderMatch, LogLevel};
use crate::parse::args::{Args, Parsed, bad_argument};
use crate::parse::http::{header_name, redirect, reply};
use crate::parse::keyword::{KeywordDoc, Sections, Status, unsupported};
use crate::parse::{log, sampled};
use crate::text::Word;
use crate::units::TimeUnit;
use tidegate_sample::Regex;

/// Sets of rules that an action may be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sets(u8);

impl Sets {
    pub(super) const CONN: Sets = Sets(1);
    pub(super) const SESS: Sets = Sets(2);
    pub(super) const TREQ: Sets = Sets(4);
    pub(super) const TRES: Sets = Sets(8);
    pub(super) const HREQ: Sets = Sets(16);
    pub(super) const HRES: Sets = Sets(32);
    pub(super) const HAFTER: Sets = Sets(64);
    const TCP: Sets = Sets(1 | 2 | 4 | 8);
    const HEADERS: Sets = Sets(16 | 32 | 64);
    const ALL: Sets = Sets(127);

    pub(super) const fn or(self, other: Sets) -> Sets {
        Sets(self.0 | other.0)
    }

    pub(super) const fn has(self, other: Sets) -> bool {
        self.0 & other.0 == other.0
    }

    /// The one set.
    pub(super) const fn of(set: Set) -> Sets {
        match set {
            Set::TcpConnection => Sets::CONN,
            Set::TcpSession => Sets::SESS,
            Set::TcpContent => Sets::TREQ,
            Set::TcpResponse => Sets::TRES,
            Set::HttpRequest => Sets::HREQ,
            Set::HttpResponse => Sets::HRES,
            Set::HttpAfterResponse => Sets::HAFTER,
        }
    }
}

pub(super) type Parse = fn(&mut RuleCx<'_>, &mut Args<'_>) -> Parsed<Action>;

/// One action.
#[derive(Debug)]
pub(crate) struct ActionRow {
    /// The word, without parentheses.
    pub(crate) name: &'static str,
    /// Where it may be used.
    pub(crate) sets: Sets,
    /// What follows it.
    pub(crate) arguments: &'static str,
    /// What it does, in a line.
    pub(crate) doc: &'static str,
    /// Whether it has an argument in parentheses.
    pub(crate) takes_inner: bool,
    /// What is done with it.
    pub(crate) status: Status<Parse>,
}

/// A row of an action that is left for later.
pub(super) const fn pending(name: &'static str, sets: Sets) -> ActionRow {
    ActionRow {
        name,
        sets,
        arguments: "",
        doc: "",
        takes_inner: false,
        status: Status::NotYet,
    }
}

const fn row(
    name: &'static str,
    sets: Sets,
    arguments: &'static str,
    doc: &'static str,
    parse: Parse,
) -> ActionRow {
    ActionRow {
        name,
        sets,
        arguments,
        doc,
        takes_inner: false,
        status: Status::Served(parse),
    }
}

/// A row of an action that has an argument in parentheses.
pub(super) const fn inner(
    name: &'static str,
    sets: Sets,
    arguments: &'static str,
    doc: &'static str,
    parse: Parse,
) -> ActionRow {
    ActionRow {
        name,
        sets,
        arguments,
        doc,
        takes_inner: true,
        status: Status::Served(parse),
    }
}

/// All actions.
pub(super) fn all() -> impl Iterator<Item = &'static ActionRow> {
    ROWS.iter().chain(super::lists::ROWS).chain(super::pending::ROWS)
}

/// The actions for reference pages, once for each set of rules.
pub(super) fn rows() -> impl Iterator<Item = KeywordDoc> {
    all().flat_map(|row| {
        Set::ALL
            .into_iter()
            .filter(|set| row.sets.has(Sets::of(*set)))
            .map(|set| KeywordDoc {
                after: set.name(),
                name: row.name,
                sections: Sections::PROXIES,
                arguments: row.arguments,
                doc: row.doc,
                status: match row.status {
                    Status::Served(_) => Status::Served(()),
                    Status::NotYet => Status::NotYet,
                    Status::LeftOut(reason) => Status::LeftOut(reason),
                    Status::NoEffect(reason) => Status::NoEffect(reason),
                },
            })
    })
}

const REPLY: &str = "[{ status | deny_status } <code>] [content-type <type>] [{ string | file | lf-string | lf-file } \
                     <arg>] [hdr <name> <fmt>]...";

#[rustfmt::skip]
const ROWS: &[ActionRow] = &[
    row("allow", Sets::HEADERS, "", "stop evaluating rules of this set", |_, _| Ok(Action::Accept)),
    row("accept", Sets::TCP, "", "stop evaluating rules of this set", |_, _| Ok(Action::Accept)),
    row("reject", Sets::TCP.or(Sets::HREQ), "", "close the connection without an answer", |_, _| Ok(Action::Reject)),
    row("deny", Sets::HREQ.or(Sets::HRES), REPLY, "refuse the request or response", |cx, args| {
        let status = if cx.set == Set::HttpRequest { 403 } else { 502 };
        Ok(Action::Deny(reply(args, &cx.scope, status, cx.warnings)?))
    }),
    row("tarpit", Sets::HREQ, REPLY, "refuse the request after `timeout tarpit`", |cx, args| {
        Ok(Action::Tarpit(reply(args, &cx.scope, 500, cx.warnings)?))
    }),
    row("return", Sets::HREQ.or(Sets::HRES), REPLY, "answer the request", |cx, args| {
        Ok(Action::Return(reply(args, &cx.scope, 200, cx.warnings)?))
    }),
    row("redirect", Sets::HREQ.or(Sets::HRES), "{ location | prefix | scheme } <fmt> [<option>...]",
        "answer with a redirection", |cx, args| Ok(Action::Redirect(redirect(args, &cx.scope)?))),
    row("auth", Sets::HREQ, "[realm <realm>]", "ask for the name and password of a user", auth),
    row("use-service", Sets::TREQ.or(Sets::HREQ), "lua.<name>", "let a script answer", use_service),
    row("add-header", Sets::HEADERS, "<name> <fmt>", "add a header", |cx, args| {
        let (name, value) = named_format(cx, args)?;
        Ok(Action::AddHeader { name, value })
    }),
    row("set-header", Sets::HEADERS, "<name> <fmt>", "set a header in place of all of the name", |cx, args| {
        let (name, value) = named_format(cx, args)?;
        Ok(Action::SetHeader { name, value })
    }),
    row("del-header", Sets::HEADERS, "<name> [-m { str | beg | end | sub | reg }]", "take headers away", del_header),
    row("set-method", Sets::HREQ, "<fmt>", "set the method", |cx, args| Ok(Action::SetMethod(format(cx, args)?))),
    row("set-path", Sets::HREQ, "<fmt>", "set the path", |cx, args| Ok(Action::SetPath(format(cx, args)?))),
    row("set-pathq", Sets::HREQ, "<fmt>", "set path and query string", |cx, args| {
        Ok(Action::SetPathQuery(format(cx, args)?))
    }),
    row("set-query", Sets::HREQ, "<fmt>", "set the query string", |cx, args| {
        Ok(Action::SetQuery(format(cx, args)?))
    }),
    row("set-uri", Sets::HREQ, "<fmt>", "set the whole URI", |cx, args| Ok(Action::SetUri(format(cx, args)?))),
    row("set-status", Sets::HRES.or(Sets::HAFTER), "<status> [reason <text>]", "set the status", |_, args| {
        let status = args.integer(100, 999)?;
        let reason = if args.take("reason") { Some(args.text("a reason")?.to_owned()) } else { None };
        Ok(Action::SetStatus { status, reason })
    }),
    row("set-log-level", Sets::HEADERS.or(Sets::TREQ).or(Sets::TRES), "{ <level> | silent }",
        "set the level of the log line", |_, args| {
            let word = args.expect("a syslog level or `silent`")?;
            let level: Option<LogLevel> = if word.is("silent") { None } else { Some(log::level(word)?) };
            Ok(Action::SetLogLevel(level))
        }),
    row("set-src", Sets::CONN.or(Sets::SESS).or(Sets::TREQ).or(Sets::HREQ), "<expr>", "set the client's address",
        |cx, args| Ok(Action::SetSource(sampled::expression(args.expect("an expression")?, &cx.scope)?))),
    inner("set-var", Sets::ALL, "set-var(<name>[,<cond>...]) <expr>", "set a variable", |cx, args| {
        let to = assignment(cx.inner.as_ref())?;
        let value = sampled::expression(args.expect("an expression such as `path`")?, &cx.scope)?;
        Ok(Action::SetVar { to, value })
    }),
    inner("set-var-fmt", Sets::ALL, "set-var-fmt(<name>[,<cond>...]) <fmt>", "set a variable", |cx, args| {
        let to = assignment(cx.inner.as_ref())?;
        Ok(Action::SetVarFormat { to, value: format(cx, args)? })
    }),
    inner("unset-var", Sets::ALL, "unset-var(<name>)", "take a variable away", |cx, _| {
        Ok(Action::UnsetVar(variable(cx.inner.as_ref())?))
    }),
    row("wait-for-body", Sets::HREQ, "time <time>", "wait until the body is there", |_, args| {
        if !args.take("time") {
            return Err(args.missing("`time <time>`"));
        }
        let time = args.time(TimeUnit::Milliseconds)?;
        if let Some(word) = args.peek().filter(|word| word.is("at-least")) {
            return Err(Box::new(unsupported(word, "wait-for-body ")));
        }
        Ok(Action::WaitForBody(time))
    }),
];

fn format(cx: &RuleCx<'_>, args: &mut Args<'_>) -> Parsed<crate::model::LogFormat> {
    sampled::log_format(args.expect("a log-format string")?, &cx.scope)
}

fn named_format(cx: &RuleCx<'_>, args: &mut Args<'_>) -> Parsed<(String, crate::model::LogFormat)> {
    let name = header_name(args.expect("the name of a header")?)?;
    Ok((name, format(cx, args)?))
}

fn auth(cx: &mut RuleCx<'_>, args: &mut Args<'_>) -> Parsed<Action> {
    if !args.take("realm") {
        return Ok(Action::Auth {
            realm: cx.proxy.to_owned(),
        });
    }
    let word = args.expect("a realm")?;
    let realm = word.text()?;
    if realm.chars().any(char::is_control) {
        return bad_argument(word, "a realm has no control characters");
    }
    Ok(Action::Auth {
        realm: realm.to_owned(),
    })
}

fn use_service(_: &mut RuleCx<'_>, args: &mut Args<'_>) -> Parsed<Action> {
    let word = args.expect("a service such as `lua.name`")?;
    if word.lossy().starts_with("lua.") {
        return Ok(Action::UseLuaService(lua_name(word)?));
    }
    if word.is("prometheus-exporter") {
        return Err(Box::new(unsupported(word, "use-service ")));
    }
    let message = format!("unknown service `{}`", word.lossy());
    Err(Box::new(
        Diagnostic::error(code::UNKNOWN_KEYWORD, word.span(), message)
            .help("the service of a script is named `lua.<name>`"),
    ))
}

fn del_header(_: &mut RuleCx<'_>, args: &mut Args<'_>) -> Parsed<Action> {
    let word = args.expect("the name of a header")?;
    if !args.take("-m") {
        return Ok(Action::DelHeader(HeaderMatch::Exact(header_name(word)?)));
    }
    type Make = fn(&Word) -> Parsed<HeaderMatch>;
    let make: Make = args.one_of(
        "a method to match names",
        &[
            (
                "str",
                (|word| Ok(HeaderMatch::Exact(part_of_name(word)?))) as Make,
            ),
            ("beg", |word| Ok(HeaderMatch::Prefix(part_of_name(word)?))),
            ("end", |word| Ok(HeaderMatch::Suffix(part_of_name(word)?))),
            ("sub", |word| Ok(HeaderMatch::Contains(part_of_name(word)?))),
            ("reg", |word| Ok(HeaderMatch::Regex(regex(word)?))),
        ],
    )?;
    Ok(Action::DelHeader(make(word)?))
}

fn part_of_name(word: &Word) -> Parsed<String> {
    if word.bytes().is_empty() {
        return bad_argument(word, "the name of a header is empty");
    }
    header_name(word)
}

fn regex(word: &Word) -> Parsed<Regex> {
    Regex::parse(word.text()?).or_else(|why| bad_argument(word, format!("not a regular expression: {why}")))
}
