//! Actions that settle how the rest of a session goes.

use super::actions::{ActionRow, Sets, row};
use super::{RuleCx, amount};
use crate::diag::{Diagnostic, code};
use crate::model::{Action, Amount, TimeoutName, Tuning};
use crate::parse::args::{Args, Parsed, bad_argument};
use crate::parse::keyword::Sections;
use crate::parse::sampled;

const REQUESTS: Sets = Sets::CONN.or(Sets::SESS).or(Sets::TREQ).or(Sets::HREQ);
const CONTENT: Sets = Sets::TREQ.or(Sets::HREQ);
const CLIENTS: Sets = REQUESTS.or(Sets::TRES).or(Sets::HRES);
const MARK: &str = "{ <mark> | <expr> }";
const TOS: &str = "{ <tos> | <expr> }";

/// The actions.
#[rustfmt::skip]
pub(super) const ROWS: &[ActionRow] = &[
    row("set-bandwidth-limit", Sets::TREQ.or(Sets::TRES).or(Sets::HREQ).or(Sets::HRES),
        "<name> [limit { <expr> | <size> }] [period { <expr> | <time> }]", "limit how fast the rest passes", bandwidth),
    row("set-src", REQUESTS, "<expr>", "set the client's address", |cx, args| {
        Ok(Action::Tune(Tuning::Source(expression(cx, args)?)))
    }),
    row("set-src-port", REQUESTS, "<expr>", "set the client's port", |cx, args| {
        Ok(Action::Tune(Tuning::SourcePort(sampled(cx, args)?)))
    }),
    row("set-dst", REQUESTS, "<expr>", "set the address that the client connected to", |cx, args| {
        Ok(Action::Tune(Tuning::Destination(expression(cx, args)?)))
    }),
    row("set-dst-port", REQUESTS, "<expr>", "set the port that the client connected to", |cx, args| {
        Ok(Action::Tune(Tuning::DestinationPort(sampled(cx, args)?)))
    }),
    row("set-fc-mark", CLIENTS, MARK, "mark the packets to the client", |cx, args| {
        Ok(Action::Tune(Tuning::ClientMark(mark(cx, args)?)))
    }),
    row("set-mark", CLIENTS, MARK, "the old name of `set-fc-mark`", |cx, args| {
        Ok(Action::Tune(Tuning::ClientMark(mark(cx, args)?)))
    }),
    row("set-fc-tos", CLIENTS, TOS, "set the type of service of packets to the client", |cx, args| {
        Ok(Action::Tune(Tuning::ClientTos(tos(cx, args)?)))
    }),
    row("set-tos", CLIENTS, TOS, "the old name of `set-fc-tos`", |cx, args| {
        Ok(Action::Tune(Tuning::ClientTos(tos(cx, args)?)))
    }),
    row("set-bc-mark", CONTENT, MARK, "mark the packets to the server", |cx, args| {
        Ok(Action::Tune(Tuning::ServerMark(mark(cx, args)?)))
    }),
    row("set-bc-tos", CONTENT, TOS, "set the type of service of packets to the server", |cx, args| {
        Ok(Action::Tune(Tuning::ServerTos(tos(cx, args)?)))
    }),
    row("set-priority-class", CONTENT, "<expr>", "set the class among queued requests", |cx, args| {
        Ok(Action::Tune(Tuning::PriorityClass(sampled(cx, args)?)))
    }),
    row("set-priority-offset", CONTENT, "<expr>", "set the place among queued requests", |cx, args| {
        Ok(Action::Tune(Tuning::PriorityOffset(sampled(cx, args)?)))
    }),
    row("set-retries", CONTENT, "{ <int> | <expr> }", "set how often to connect again", set_retries)
        .only_in(Sections::BACKENDS.without(Sections::DEFAULTS)),
    row("disable-l7-retry", Sets::HREQ, "", "send the request to no second server when it fails", |_, _| {
        Ok(Action::Tune(Tuning::NoRequestRetry))
    }),
    row("set-timeout", Sets::HREQ.or(Sets::HRES),
        "{ client | connect | queue | server | tarpit | tunnel } { <time> | <expr> }", "set a timeout", set_timeout),
];

fn expression(cx: &RuleCx<'_>, args: &mut Args<'_>) -> Parsed<crate::model::Expr> {
    sampled::expression(args.expect("an expression")?, &cx.scope)
}

fn sampled(cx: &RuleCx<'_>, args: &mut Args<'_>) -> Parsed<Amount> {
    amount::expression(args, &cx.scope, "an expression")
}

fn mark(cx: &RuleCx<'_>, args: &mut Args<'_>) -> Parsed<Amount> {
    amount::integer(args, &cx.scope, u64::from(u32::MAX))
}

fn tos(cx: &RuleCx<'_>, args: &mut Args<'_>) -> Parsed<Amount> {
    amount::integer(args, &cx.scope, u64::from(u8::MAX))
}

fn set_retries(cx: &mut RuleCx<'_>, args: &mut Args<'_>) -> Parsed<Action> {
    if cx.in_defaults {
        let message = "`set-retries` can't be in a `defaults` section";
        return Err(Box::new(Diagnostic::error(
            code::WRONG_SECTION,
            args.last(),
            message,
        )));
    }
    has_servers(cx, args, "there is no connection to try again")?;
    Ok(Action::Tune(Tuning::Retries(amount::integer(
        args, &cx.scope, 100,
    )?)))
}

fn set_timeout(cx: &mut RuleCx<'_>, args: &mut Args<'_>) -> Parsed<Action> {
    let names = [
        ("client", TimeoutName::Client),
        ("connect", TimeoutName::Connect),
        ("queue", TimeoutName::Queue),
        ("server", TimeoutName::Server),
        ("tarpit", TimeoutName::Tarpit),
        ("tunnel", TimeoutName::Tunnel),
    ];
    let name = args.one_of("a timeout that a rule can set", &names)?;
    match name {
        TimeoutName::Tarpit => {}
        TimeoutName::Client if cx.kind.is_frontend() => {}
        TimeoutName::Client => return wrong_side(args, "a backend has no clients of its own"),
        _ => has_servers(cx, args, "a frontend has no servers")?,
    }
    let word = args.peek();
    let time = amount::time(args, &cx.scope)?;
    if let (Some(word), Amount::Fixed(0)) = (word, &time) {
        return bad_argument(word, "a timeout that a rule sets can't be zero");
    }
    Ok(Action::Tune(Tuning::Timeout(name, time)))
}

fn has_servers(cx: &RuleCx<'_>, args: &Args<'_>, why: &str) -> Parsed<()> {
    if cx.kind.is_backend() {
        return Ok(());
    }
    wrong_side(args, why).map(|_: Action| ())
}

fn wrong_side<T>(args: &Args<'_>, why: &str) -> Parsed<T> {
    let message = format!("`{}` has no effect here: {why}", args.name());
    Err(Box::new(Diagnostic::error(
        code::WRONG_SECTION,
        args.last(),
        message,
    )))
}

/// `set-bandwidth-limit <name> [limit ...] [period ...]`
fn bandwidth(cx: &mut RuleCx<'_>, args: &mut Args<'_>) -> Parsed<Action> {
    if cx.in_defaults {
        let message = "a `defaults` section has no filters that could be set";
        return Err(Box::new(Diagnostic::error(
            code::WRONG_SECTION,
            args.last(),
            message,
        )));
    }
    let filter = args.spanned("the name of a `bwlim-in` or `bwlim-out` filter")?;
    let (mut limit, mut period) = (None, None);
    loop {
        if args.take("limit") {
            limit = Some(amount::size(args, &cx.scope)?);
        } else if args.take("period") {
            period = Some(amount::time(args, &cx.scope)?);
        } else {
            return Ok(Action::LimitBandwidth {
                filter,
                limit,
                period,
            });
        }
    }
}
