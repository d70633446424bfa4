//! The actions of rules.

use super::amount;
use super::variable::{assignment, resolution, variable};
use super::{RuleCx, Set, lua_name};
use crate::diag::{Diagnostic, code};
use crate::model::{Action, HeaderMatch, LogLevel, NameMatch, RedirectKind, RedirectRule};
use crate::parse::args::{Args, Parsed, bad_argument};
use crate::parse::bind::http_proto;
use crate::parse::http::{DefaultReply, header_name, redirect, reply};
use crate::parse::keyword::{KeywordDoc, Sections, Status};
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
    pub(super) const TCP: Sets = Sets(1 | 2 | 4 | 8);
    pub(super) const HEADERS: Sets = Sets(16 | 32 | 64);
    pub(super) const ALL: Sets = Sets(127);

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
    /// The sections in which its sets may have it, of those that may have the sets.
    sections: Sections,
    /// What follows it.
    pub(crate) arguments: &'static str,
    /// What it does, in a line.
    pub(crate) doc: &'static str,
    /// Whether it has an argument in parentheses.
    pub(crate) takes_inner: bool,
    /// What is done with it.
    pub(crate) status: Status<Parse>,
}

impl ActionRow {
    /// The row of an action that only some sections may have.
    pub(super) const fn only_in(mut self, sections: Sections) -> ActionRow {
        self.sections = sections;
        self
    }
}

/// A row of an action that is left for later.
pub(super) const fn pending(name: &'static str, sets: Sets) -> ActionRow {
    ActionRow {
        name,
        sets,
        sections: Sections::PROXIES,
        arguments: "",
        doc: "",
        takes_inner: false,
        status: Status::NotYet,
    }
}

/// A row of an action that is left out on purpose.
pub(super) const fn left_out(name: &'static str, sets: Sets, reason: &'static str) -> ActionRow {
    ActionRow {
        status: Status::LeftOut(reason),
        ..pending(name, sets)
    }
}

/// A row of an action that works.
pub(super) const fn row(
    name: &'static str,
    sets: Sets,
    arguments: &'static str,
    doc: &'static str,
    parse: Parse,
) -> ActionRow {
    ActionRow {
        name,
        sets,
        sections: Sections::PROXIES,
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
        sections: Sections::PROXIES,
        arguments,
        doc,
        takes_inner: true,
        status: Status::Served(parse),
    }
}

/// All actions.
pub(super) fn all() -> impl Iterator<Item = &'static ActionRow> {
    [
        ROWS,
        super::cache::ROWS,
        super::logs::ROWS,
        super::lists::ROWS,
        super::rewrite::ROWS,
        super::stick::ROWS,
        super::tune::ROWS,
        super::pending::ROWS,
    ]
    .into_iter()
    .flatten()
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
                sections: set.sections().and(row.sections),
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

const REPLY: &str = "[{ status | deny_status } <code>] [content-type <type>] [{ default-errorfiles | errorfile <file> | errorfiles <name> | \
                     string <str> | file <file> | lf-string <fmt> | lf-file <file> }] [hdr <name> <fmt>]...";

#[rustfmt::skip]
const ROWS: &[ActionRow] = &[
    row("allow", Sets::HEADERS, "", "stop evaluating rules of this set", |_, _| Ok(Action::Accept)),
    row("accept", Sets::TCP, "", "stop evaluating rules of this set", |_, _| Ok(Action::Accept)),
    row("reject", Sets::TCP.or(Sets::HREQ), "", "close the connection without an answer", |_, _| Ok(Action::Reject)),
    row("close", Sets::TRES, "", "end the connection with the server, and pass on what came of it",
        |_, _| Ok(Action::Close)),
    row("expect-proxy", Sets::CONN, "layer4", "the connection begins with a PROXY header", |_, args| {
        args.one_of("`layer4`", &[("layer4", ())])?;
        Ok(Action::ExpectProxy)
    }),
    row("expect-netscaler-cip", Sets::CONN, "layer4", "the connection begins with a header of NetScaler's Client IP insertion", |_, args| {
        args.one_of("`layer4`", &[("layer4", ())])?;
        Ok(Action::ExpectNetscaler)
    }),
    row("switch-mode", Sets::TREQ, "http [proto { h1 | h2 }]", "read what follows as HTTP", |_, args| {
        args.one_of("`http`", &[("http", ())])?;
        let proto = if args.take("proto") { Some(http_proto(args)?) } else { None };
        Ok(Action::SwitchMode(proto))
    }).only_in(Sections::FRONTENDS),
    row("deny", Sets::HREQ.or(Sets::HRES), REPLY, "refuse the request or response", |cx, args| {
        let status = if cx.set == Set::HttpRequest { 403 } else { 502 };
        Ok(Action::Deny(reply(args, &cx.scope, DefaultReply::Page(status), cx.http_errors, cx.warnings)?))
    }),
    row("tarpit", Sets::HREQ, REPLY, "refuse the request after `timeout tarpit`", |cx, args| {
        Ok(Action::Tarpit(reply(args, &cx.scope, DefaultReply::Page(500), cx.http_errors, cx.warnings)?))
    }),
    row("return", Sets::HREQ.or(Sets::HRES), REPLY, "answer the request", |cx, args| {
        Ok(Action::Return(reply(args, &cx.scope, DefaultReply::Nothing(200), cx.http_errors, cx.warnings)?))
    }),
    row("redirect", Sets::HREQ.or(Sets::HRES), "{ location | prefix | scheme } <fmt> [<option>...]",
        "answer with a redirection", |cx, args| Ok(Action::Redirect(redirect_rule(cx, args)?))),
    row("auth", Sets::HREQ, "[realm <realm>]", "ask for the name and password of a user", auth),
    row("use-service", Sets::TREQ.or(Sets::HREQ), "lua.<name> | prometheus-exporter", "let a script answer, or the figures of the process", use_service),
    row("early-hint", Sets::HREQ, "<name> <fmt>", "add a header to a response 103 that comes before any other", |cx, args| {
        let (name, value) = named_format(cx, args)?;
        Ok(Action::EarlyHint { name, value })
    }),
    row("add-header", Sets::HEADERS, "<name> <fmt>", "add a header", |cx, args| {
        let (name, value) = named_format(cx, args)?;
        Ok(Action::AddHeader { name, value })
    }),
    row("set-header", Sets::HEADERS, "<name> <fmt>", "set a header in place of all of the name", |cx, args| {
        let (name, value) = named_format(cx, args)?;
        Ok(Action::SetHeader { name, value })
    }),
    row("del-header", Sets::HEADERS, "<name> [-m { str | beg | end | sub | reg }]", "take headers away", del_header),
    row("set-method", Sets::HREQ, "<fmt>", "set the method", |cx, args| Ok(Action::SetMethod(some_format(cx, args)?))),
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
    inner("do-resolve", Sets::TREQ.or(Sets::HREQ), "do-resolve(<name>,<resolvers>[,{ ipv4 | ipv6 }]) <expr>",
        "set a variable to the address of a host", |cx, args| {
            let resolution = resolution(cx.inner.as_ref(), cx.scope.files)?;
            let host = sampled::expression(args.expect("an expression such as `hdr(host),host_only`")?, &cx.scope)?;
            let (to, resolvers, prefer_v4) = resolution;
            Ok(Action::Resolve { to, resolvers, prefer_v4, host })
        }),
    inner("set-var", Sets::ALL, "set-var(<name>[,<cond>...]) <expr>", "set a variable", |cx, args| {
        let to = assignment(cx.inner.as_ref(), cx.scope.files)?;
        let value = sampled::expression(args.expect("an expression such as `path`")?, &cx.scope)?;
        Ok(Action::SetVar { to, value })
    }),
    inner("set-var-fmt", Sets::ALL, "set-var-fmt(<name>[,<cond>...]) <fmt>", "set a variable", |cx, args| {
        let to = assignment(cx.inner.as_ref(), cx.scope.files)?;
        Ok(Action::SetVarFormat { to, value: format(cx, args)? })
    }),
    inner("unset-var", Sets::ALL, "unset-var(<name>)", "take a variable away", |cx, _| {
        Ok(Action::UnsetVar(variable(cx.inner.as_ref(), cx.scope.files)?))
    }),
    row("wait-for-body", Sets::HREQ.or(Sets::HRES), "time <time> [at-least <bytes>] [use-large-buffer]", "wait until the body is there",
        wait_for_body),
    row("strict-mode", Sets::HEADERS, "{ on | off }", "whether rewrites of the rules that follow have to succeed",
        |_, args| Ok(Action::StrictMode(args.on_off()?))),
    row("pause", Sets::HREQ.or(Sets::HRES), "{ <time> | <expr> }", "wait", |cx, args| {
        Ok(Action::Pause(amount::time(args, &cx.scope)?))
    }),
    row("silent-drop", Sets::TCP.or(Sets::HREQ).or(Sets::HRES), "[rst-ttl <ttl>]",
        "end the connection without telling the client", |_, args| {
            let rst_ttl = if args.take("rst-ttl") { Some(args.integer(1, 255)?) } else { None };
            Ok(Action::SilentDrop { rst_ttl })
        }),
    row("set-nice", Sets::TREQ.or(Sets::TRES).or(Sets::HREQ).or(Sets::HRES), "<nice>", "set the session's priority",
        |cx, args| {
            amount::nice(args)?;
            nothing_to_do(cx, args, "sessions share their thread evenly")
        }),
    row("wait-for-handshake", Sets::HREQ, "", "wait for the TLS handshake", |cx, args| {
        nothing_to_do(cx, args, "no request is taken before its handshake is over")
    }),
];

/// An action that is accepted and has no effect; the rest of the line says when.
fn nothing_to_do(cx: &mut RuleCx<'_>, args: &Args<'_>, why: &'static str) -> Parsed<Action> {
    let message = format!("`{}` has no effect", args.name());
    let notice = Diagnostic::notice(code::NO_EFFECT, args.last(), message).note(why);
    cx.warnings.push(notice);
    Ok(Action::Nothing)
}

fn wait_for_body(_: &mut RuleCx<'_>, args: &mut Args<'_>) -> Parsed<Action> {
    if !args.take("time") {
        return Err(args.missing("`time <time>`"));
    }
    let time = args.time(TimeUnit::Milliseconds)?;
    let at_least = if args.take("at-least") {
        Some(args.size()?).filter(|bytes| *bytes > 0)
    } else {
        None
    };
    let large = args.take("use-large-buffer");
    Ok(Action::WaitForBody {
        time,
        at_least,
        large,
    })
}

pub(super) fn format(cx: &RuleCx<'_>, args: &mut Args<'_>) -> Parsed<crate::model::LogFormat> {
    sampled::log_format(args.expect("a log-format string")?, &cx.scope)
}

/// The same where nothing at all would make no request.
pub(super) fn some_format(cx: &RuleCx<'_>, args: &mut Args<'_>) -> Parsed<crate::model::LogFormat> {
    match args.peek().filter(|word| word.bytes().is_empty()) {
        Some(word) => bad_argument(word, "a request can't do without this: it is empty"),
        None => format(cx, args),
    }
}

fn redirect_rule(cx: &RuleCx<'_>, args: &mut Args<'_>) -> Parsed<RedirectRule> {
    let start = args.last();
    let rule = redirect(args, &cx.scope)?;
    if cx.set != Set::HttpRequest && !matches!(rule.kind, RedirectKind::Location(_)) {
        let message = "a response is redirected to a `location` only";
        return Err(Box::new(Diagnostic::error(code::BAD_ARGUMENT, start, message)));
    }
    Ok(rule)
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

fn use_service(cx: &mut RuleCx<'_>, args: &mut Args<'_>) -> Parsed<Action> {
    let word = args.expect("a service such as `lua.name`")?;
    if word.lossy().starts_with("lua.") {
        return Ok(Action::UseLuaService(lua_name(word)?));
    }
    if word.is("prometheus-exporter") {
        return match cx.set {
            Set::HttpRequest => Ok(Action::UsePrometheusExporter),
            _ => bad_argument(
                word,
                "`prometheus-exporter` answers requests: it needs `http-request use-service`",
            ),
        };
    }
    let message = format!("unknown service `{}`", word.lossy());
    Err(Box::new(
        Diagnostic::error(code::UNKNOWN_KEYWORD, word.span(), message)
            .help("a script's service is named `lua.<name>`, and there is `prometheus-exporter`"),
    ))
}

fn del_header(_: &mut RuleCx<'_>, args: &mut Args<'_>) -> Parsed<Action> {
    let word = args.expect("the name of a header")?;
    if !args.take("-m") {
        return Ok(Action::DelHeader(HeaderMatch::Exact(header_name(word)?)));
    }
    let names = NameMatch::NAMES.map(|(name, by)| (name, Some(by)));
    let names = [&names[..], &[("reg", None)]].concat();
    Ok(Action::DelHeader(
        match args.one_of("a method to match names", &names)? {
            Some(NameMatch::Exact) => HeaderMatch::Exact(part_of_name(word)?),
            Some(by) => HeaderMatch::By(by, part_of_name(word)?),
            None => HeaderMatch::Regex(regex(word)?),
        },
    ))
}

fn part_of_name(word: &Word) -> Parsed<String> {
    if word.bytes().is_empty() {
        return bad_argument(word, "the name of a header is empty");
    }
    header_name(word)
}

/// A regular expression that tells upper from lower case.
pub(super) fn regex(word: &Word) -> Parsed<Regex> {
    Regex::parse(word.text()?).or_else(|why| bad_argument(word, format!("not a regular expression: {why}")))
}
