//! Rules: `http-request`, `http-response`, `http-after-response`, `tcp-request`, `tcp-response`, `redirect`.

mod actions;
mod amount;
mod cache;
mod lists;
mod logs;
mod pending;
mod rewrite;
mod stick;
mod tune;
mod variable;

pub(super) use variable::{assignment, variable};

use std::rc::Rc;

use tidegate_sample::{Place, Scope};

use super::args::{Args, Parsed, list};
use super::errors::ErrorSets;
use super::keyword::{KeywordDoc, Sections, Status};
use super::order::Rank;
use super::proxy::ProxyCx;
use super::{http, sampled};
use crate::diag::{Diagnostic, Diagnostics, code};
use crate::model::{Action, ActionFailure, CaptureSettings, Condition, LuaCall, ProxyKind, Rule, RuleSet};
use crate::source::{Span, Spanned};
use crate::text::Word;
use crate::units::TimeUnit;

pub(crate) use actions::{ActionRow, Sets};

/// A set of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Set {
    TcpConnection,
    TcpSession,
    TcpContent,
    TcpResponse,
    HttpRequest,
    HttpResponse,
    HttpAfterResponse,
}

impl Set {
    /// All sets.
    pub(crate) const ALL: [Set; 7] = [
        Set::TcpConnection,
        Set::TcpSession,
        Set::TcpContent,
        Set::TcpResponse,
        Set::HttpRequest,
        Set::HttpResponse,
        Set::HttpAfterResponse,
    ];

    /// The words that rules of the set begin with.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Set::TcpConnection => "tcp-request connection",
            Set::TcpSession => "tcp-request session",
            Set::TcpContent => "tcp-request content",
            Set::TcpResponse => "tcp-response content",
            Set::HttpRequest => "http-request",
            Set::HttpResponse => "http-response",
            Set::HttpAfterResponse => "http-after-response",
        }
    }

    /// The sections that may have rules of the set.
    fn sections(self) -> Sections {
        match self {
            Set::TcpConnection | Set::TcpSession => Sections::FRONTENDS,
            Set::TcpResponse => Sections::BACKENDS,
            _ => Sections::PROXIES,
        }
    }

    /// Where the expressions of a rule are evaluated. What exists on the frontend's way also exists on the
    /// backend's, so a `listen` section counts as a backend.
    fn place(self, kind: ProxyKind) -> Place {
        let frontend = kind == ProxyKind::Frontend;
        match (self, frontend) {
            (Set::TcpConnection, _) => Place::FrontendTcpConnection,
            (Set::TcpSession, _) => Place::FrontendTcpSession,
            (Set::TcpContent, true) => Place::FrontendTcpContent,
            (Set::TcpContent, false) => Place::BackendTcpContent,
            (Set::TcpResponse, true) => Place::FrontendTcpResponse,
            (Set::TcpResponse, false) => Place::BackendTcpResponse,
            (Set::HttpRequest, true) => Place::FrontendHttpRequest,
            (Set::HttpRequest, false) => Place::BackendHttpRequest,
            (Set::HttpResponse | Set::HttpAfterResponse, true) => Place::FrontendHttpResponse,
            (Set::HttpResponse | Set::HttpAfterResponse, false) => Place::BackendHttpResponse,
        }
    }

    fn rank(self) -> Option<Rank> {
        match self {
            Set::TcpConnection => Some(Rank::TcpConnection),
            Set::TcpSession => Some(Rank::TcpSession),
            Set::TcpContent => Some(Rank::TcpContent),
            Set::HttpRequest => Some(Rank::HttpRequest),
            Set::TcpResponse | Set::HttpResponse | Set::HttpAfterResponse => None,
        }
    }

    fn rules(self, rules: &mut RuleSet) -> &mut Vec<Rule> {
        match self {
            Set::TcpConnection => &mut rules.tcp_request_connection,
            Set::TcpSession => &mut rules.tcp_request_session,
            Set::TcpContent => &mut rules.tcp_request_content,
            Set::TcpResponse => &mut rules.tcp_response_content,
            Set::HttpRequest => &mut rules.http_request,
            Set::HttpResponse => &mut rules.http_response,
            Set::HttpAfterResponse => &mut rules.http_after_response,
        }
    }
}

/// What the arguments of an action are read with.
pub(crate) struct RuleCx<'r> {
    pub(crate) set: Set,
    /// The name of the proxy.
    pub(crate) proxy: &'r str,
    /// What the rules are for.
    pub(crate) kind: ProxyKind,
    pub(crate) in_defaults: bool,
    /// The `http-errors` sections.
    pub(crate) http_errors: &'r ErrorSets,
    pub(crate) scope: Scope<'r>,
    /// The word that names the action.
    pub(crate) name: &'r Word,
    /// How many stick counters there are.
    pub(crate) stick_counters: u32,
    /// What is between the parentheses of `set-var(...)`.
    pub(crate) inner: Option<Word>,
    /// What is allowed and hardly meant.
    pub(crate) warnings: &'r mut Diagnostics,
    /// The slots that a frontend captures into.
    pub(crate) captures: Option<&'r mut CaptureSettings>,
}

/// The actions for reference pages.
pub(crate) fn rows() -> impl Iterator<Item = KeywordDoc> {
    actions::rows()
}

/// `tcp-request`: which set, or the delay.
pub(crate) fn tcp_request(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    #[derive(Clone, Copy)]
    enum Kind {
        Rule(Set),
        Delay,
    }
    let kinds = [
        ("connection", Kind::Rule(Set::TcpConnection)),
        ("session", Kind::Rule(Set::TcpSession)),
        ("content", Kind::Rule(Set::TcpContent)),
        ("inspect-delay", Kind::Delay),
    ];
    let word = args.peek();
    let kind = args.one_of("a kind of rule of `tcp-request`", &kinds)?;
    if let Some(word) = word {
        args.named(word);
        let only_frontends = matches!(kind, Kind::Rule(Set::TcpConnection | Set::TcpSession));
        if only_frontends && !super::proxy::applies(cx, Sections::FRONTENDS, word, args.name(), true)? {
            args.take_rest();
            return Ok(());
        }
    }
    match kind {
        Kind::Rule(set) => rule(cx, args, set),
        Kind::Delay => {
            cx.proxy.rules.tcp_request_inspect_delay = Some(args.time(TimeUnit::Milliseconds)?);
            Ok(())
        }
    }
}

/// `tcp-response`: a rule, or the delay.
pub(crate) fn tcp_response(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let word = args.peek();
    let is_rule = args.one_of(
        "a kind of rule of `tcp-response`",
        &[("content", true), ("inspect-delay", false)],
    )?;
    if let Some(word) = word {
        args.named(word);
    }
    if is_rule {
        return rule(cx, args, Set::TcpResponse);
    }
    cx.proxy.rules.tcp_response_inspect_delay = Some(args.time(TimeUnit::Milliseconds)?);
    Ok(())
}

/// A `redirect` line: an `http-request` rule that is evaluated after the others.
pub(crate) fn redirect(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let span = args.last();
    cx.order.note(Rank::Redirect, span, cx.diagnostics);
    let set = Set::HttpRequest;
    let acls = Rc::clone(&cx.acls);
    let scope = cx.scope(set.place(cx.proxy.kind)).with_acls(&acls);
    let action = http::redirect(args, &scope).map(Action::Redirect);
    let condition = condition(cx, args, &scope)?;
    let rule = Rule {
        action: action?,
        span,
        condition,
    };
    cx.proxy.rules.redirects.push(rule);
    Ok(())
}

/// A rule, from its action on.
pub(crate) fn rule(cx: &mut ProxyCx<'_>, args: &mut Args<'_>, set: Set) -> Parsed<()> {
    if cx.in_defaults() && !cx.named_defaults {
        let place = args.last();
        let message = format!(
            "`{}` rules can't be in a `defaults` section without a name",
            set.name()
        );
        return Err(Box::new(
            Diagnostic::error(code::WRONG_SECTION, place, message)
                .help("give the section a name: `defaults <name>`"),
        ));
    }
    let keyword = args.last();
    let word = args.expect("an action")?;
    if let Some(rank) = set.rank().filter(|_| !cx.in_defaults()) {
        cx.order.note(rank, keyword, cx.diagnostics);
    }
    args.named(word);
    let acls = Rc::clone(&cx.acls);
    let mut scope = cx
        .scope(set.place(cx.proxy.kind))
        .with_acls(&acls)
        .shared(cx.in_defaults());
    if set == Set::TcpConnection {
        // There is no session yet that a script could belong to.
        scope = scope.without_session();
    }
    let in_defaults = cx.in_defaults();
    let captures = cx.proxy.kind.is_frontend().then_some(&mut cx.proxy.captures);
    let of = Standing {
        kind: cx.proxy.kind,
        proxy: &cx.proxy.name.value,
        in_defaults,
        http_errors: cx.http_errors,
        stick_counters: cx.global.tune.stick_counters,
    };
    let action = action(cx.diagnostics, captures, set, of, scope, word, args);
    // the condition has faults of its own, which are worth telling beside those of the action
    let condition = match &action {
        Ok(_) => condition(cx, args, &scope)?,
        Err(_) => {
            let from = args.rest().iter().position(is_condition);
            if let Some(from) = from {
                let words = args.take_rest().get(from..).unwrap_or_default();
                if let Err(diagnostic) = sampled::condition(words, &cx.acls, &scope, cx.diagnostics) {
                    cx.diagnostics.push(*diagnostic);
                }
            }
            None
        }
    };
    let rule = Rule {
        action: action?,
        span: word.span(),
        condition,
    };
    let rules = set.rules(&mut cx.proxy.rules);
    if let Some(last) = rules
        .last()
        .filter(|last| last.condition.is_none() && is_final(&last.action))
    {
        let message = format!("this `{}` rule is never evaluated", set.name());
        cx.diagnostics.push(
            Diagnostic::warning(code::NO_EFFECT, word.span(), message)
                .related(last.span, "this rule is final and has no condition"),
        );
    }
    rules.push(rule);
    Ok(())
}

/// The condition at the end of a line, if there is one.
pub(crate) fn condition(
    cx: &mut ProxyCx<'_>,
    args: &mut Args<'_>,
    scope: &Scope<'_>,
) -> Parsed<Option<Condition>> {
    let Some(word) = args.peek() else { return Ok(None) };
    if !is_condition(word) {
        let message = format!("`{}` doesn't take this argument: `{}`", args.name(), word.lossy());
        return Err(Box::new(
            Diagnostic::error(code::EXTRA_ARGUMENT, word.span(), message)
                .label("expected `if`, `unless` or the end of the line")
                .suggest(&word.lossy(), ["if", "unless"]),
        ));
    }
    let words = args.take_rest();
    sampled::condition(words, &cx.acls, scope, cx.diagnostics).map(Some)
}

fn is_condition(word: &Word) -> bool {
    word.is("if") || word.is("unless")
}

fn is_final(action: &Action) -> bool {
    matches!(
        action,
        Action::Accept
            | Action::Reject
            | Action::Close
            | Action::Deny(_)
            | Action::Auth { .. }
            | Action::Tarpit(_)
            | Action::Return(_)
            | Action::Redirect(_)
            | Action::UseLuaService(_)
            | Action::UsePrometheusExporter
            | Action::SilentDrop { .. }
    )
}

const LUA_PREFIX: &str = "lua.";

/// Where a rule stands.
struct Standing<'r> {
    kind: ProxyKind,
    proxy: &'r str,
    in_defaults: bool,
    http_errors: &'r ErrorSets,
    stick_counters: u32,
}

fn action(
    warnings: &mut Diagnostics,
    captures: Option<&mut CaptureSettings>,
    set: Set,
    of: Standing<'_>,
    scope: Scope<'_>,
    word: &Word,
    args: &mut Args<'_>,
) -> Parsed<Action> {
    let written = word.text()?;
    if written.starts_with(LUA_PREFIX) {
        return lua_action(set, word, args);
    }
    let (name, inner) = match written.split_once('(') {
        Some((name, rest)) if rest.ends_with(')') => (
            name,
            Some(word.part(name.len() + 1, written.len().saturating_sub(1))),
        ),
        Some((name, _)) => {
            let message = format!("the parenthesis after `{name}` is never closed");
            let span = word.span_of(name.len(), name.len() + 1);
            return Err(Box::new(Diagnostic::error(code::BAD_ARGUMENT, span, message)));
        }
        None => (written, None),
    };
    let name_word = word.part(0, name.len());
    let row = find(set, &name_word)?;
    match row.status {
        Status::Served(parse) => {
            if row.takes_inner != inner.is_some() {
                return Err(wrong_parentheses(row, word));
            }
            parse(
                &mut RuleCx {
                    set,
                    proxy: of.proxy,
                    kind: of.kind,
                    in_defaults: of.in_defaults,
                    http_errors: of.http_errors,
                    scope,
                    name: &name_word,
                    stick_counters: of.stick_counters,
                    inner,
                    warnings,
                    captures,
                },
                args,
            )
        }
        Status::NotYet => Err(Box::new(super::keyword::unsupported(
            &name_word,
            &format!("{} ", set.name()),
        ))),
        Status::LeftOut(reason) | Status::NoEffect(reason) => {
            let message = format!("`{} {name}` is not supported", set.name());
            Err(Box::new(
                Diagnostic::error(code::LEFT_OUT, name_word.span(), message).note(reason),
            ))
        }
    }
}

fn wrong_parentheses(row: &ActionRow, word: &Word) -> Box<Diagnostic> {
    if row.takes_inner {
        let what = if row.arguments.contains("(<file>)") {
            "the name of a file"
        } else if row.arguments.contains("<sc-id>") {
            "the number of a stick counter"
        } else {
            "the name of a variable"
        };
        let message = format!("`{}` takes {what} in parentheses", row.name);
        return Box::new(
            Diagnostic::error(code::MISSING_ARGUMENT, word.span().after(), message).label(format!(
                "expected `{}`",
                row.arguments.split(' ').next().unwrap_or_default()
            )),
        );
    }
    let message = format!("`{}` takes nothing in parentheses", row.name);
    Box::new(Diagnostic::error(code::EXTRA_ARGUMENT, word.span(), message))
}

fn find(set: Set, name: &Word) -> Parsed<&'static ActionRow> {
    let wanted = Sets::of(set);
    let is_named = |row: &&ActionRow| {
        let written = name.lossy();
        name.is(row.name) || row.name == stick::TRACK && is_numbered(&written, stick::TRACK)
    };
    if let Some(row) = actions::all().find(|row| row.sets.has(wanted) && is_named(row)) {
        return Ok(row);
    }
    let written = name.lossy();
    let elsewhere: Vec<&str> = Set::ALL
        .into_iter()
        .filter(|other| actions::all().any(|row| row.sets.has(Sets::of(*other)) && is_named(&row)))
        .map(Set::name)
        .collect();
    if !elsewhere.is_empty() {
        let message = format!("`{written}` can't be an action of `{}`", set.name());
        return Err(Box::new(
            Diagnostic::error(code::WRONG_SECTION, name.span(), message)
                .help(format!("it is one of {}", list(&elsewhere))),
        ));
    }
    let message = format!("unknown action `{written}` of `{}`", set.name());
    let known = actions::all()
        .filter(|row| row.sets.has(wanted))
        .map(|row| row.name);
    Err(Box::new(
        Diagnostic::error(code::UNKNOWN_KEYWORD, name.span(), message).suggest(&written, known),
    ))
}

/// A name with a number right behind it.
fn is_numbered(written: &str, name: &str) -> bool {
    let number = written.strip_prefix(name);
    number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `lua.NAME [<arg>...] [on-error { continue | deny }]`
fn lua_action(set: Set, word: &Word, args: &mut Args<'_>) -> Parsed<Action> {
    if matches!(set, Set::TcpConnection | Set::TcpSession) {
        let message = format!("an action of a script can't be one of `{}`", set.name());
        return Err(Box::new(
            Diagnostic::error(code::WRONG_SECTION, word.span(), message).help("use `tcp-request content`"),
        ));
    }
    let name = lua_name(word)?;
    let mut arguments = Vec::new();
    let mut arguments_span: Option<Span> = None;
    let mut on_error = None;
    while let Some(next) = args.peek().filter(|next| !is_condition(next)) {
        args.next();
        if next.is("on-error") {
            on_error = Some(args.one_of("`continue` or `deny`", &ActionFailure::NAMES)?);
            break;
        }
        arguments.push(next.text()?.to_owned());
        arguments_span = Some(arguments_span.map_or(next.span(), |span| span.to(next.span())));
    }
    let arguments_span = arguments_span.unwrap_or(word.span().after());
    Ok(Action::Lua(LuaCall {
        name,
        arguments,
        arguments_span,
        on_error,
    }))
}

/// The name after `lua.`, underlined without that.
pub(crate) fn lua_name(word: &Word) -> Parsed<Spanned<String>> {
    let part = word.tail(LUA_PREFIX.len());
    let name = part.text()?;
    if name.is_empty() {
        let message = "the name of a script's function is missing after `lua.`";
        return Err(Box::new(Diagnostic::error(
            code::MISSING_ARGUMENT,
            word.span(),
            message,
        )));
    }
    Ok(Spanned::new(name.to_owned(), part.span()))
}
