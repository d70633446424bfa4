//! `stats`: the page of statistics.

use std::rc::Rc;

use tidegate_sample::Place;
use tidegate_sample::userlist::{Password, UserList};

use super::ProxyCx;
use super::table::Parse;
use crate::diag::{Diagnostic, code};
use crate::model::{Mode, ProxyKind, StatsAccess, StatsSettings, StatsVerdict};
use crate::parse::args::{Args, Parsed, bad_argument};
use crate::parse::keyword::{Found, Keyword, KeywordDoc, Sections, look_up, no_effect, served};
use crate::parse::{rules, sampled};
use crate::text::Word;
use crate::units::TimeUnit;

const ALL: Sections = Sections::PROXIES;
const NO_DEFAULTS: Sections = ALL.without(Sections::DEFAULTS);

/// What may follow `stats`.
#[rustfmt::skip]
const ROWS: &[Keyword<Parse>] = &[
    served("enable", ALL, "", "serve the page of statistics", |cx, args| {
        settings(cx, args);
        Ok(())
    }),
    served("uri", ALL, "<prefix>", "what the targets of requests for the page begin with", |cx, args| {
        let uri = args.text("the beginning of a request's target")?.to_owned();
        settings(cx, args).uri = uri;
        Ok(())
    }),
    served("realm", ALL, "<realm>", "what users are asked for a password for", |cx, args| {
        let realm = realm(args)?;
        settings(cx, args).realm = realm;
        let more = args.take_rest();
        if let (Some(first), Some(last)) = (more.first(), more.last()) {
            let message = "a realm is one word: what follows has no effect";
            cx.diagnostics.push(
                Diagnostic::warning(code::NO_EFFECT, first.span().to(last.span()), message)
                    .help("put quotes around all of it if it is meant"),
            );
        }
        Ok(())
    }),
    served("auth", ALL, "<user>:<password>", "let only this user and others like him see the page", auth),
    served("scope", ALL, "{ <name> | . }", "show this proxy and others like it alone", |cx, args| {
        let name = args.text("the name of a proxy, or `.`")?;
        let name = if name == "." { cx.proxy.name.value.clone() } else { name.to_owned() };
        settings(cx, args).scope.push(name);
        Ok(())
    }),
    served("refresh", ALL, "<delay>", "how often browsers ask for the page again", |cx, args| {
        let delay = args.time(TimeUnit::Seconds)?;
        settings(cx, args).refresh = Some(delay).filter(|delay| !delay.is_zero());
        Ok(())
    }),
    served("hide-version", ALL, "", "don't tell the program's version", |cx, args| {
        settings(cx, args).version = false;
        Ok(())
    }),
    served("show-version", ALL, "", "tell the program's version", |cx, args| {
        settings(cx, args).version = true;
        Ok(())
    }),
    served("show-desc", ALL, "[<text>]", "show a description, by default that of the `global` section", |cx, args| {
        let text = match args.peek() {
            Some(_) => Some(args.joined("a description")?),
            None => None,
        };
        settings(cx, args).description = Some(text);
        Ok(())
    }),
    served("show-node", ALL, "[<name>]", "show the machine's name", |cx, args| {
        let name = match args.peek() {
            Some(_) => Some(args.text("a name")?.to_owned()),
            None => None,
        };
        settings(cx, args).node = Some(name);
        Ok(())
    }),
    served("show-legends", ALL, "", "show addresses, numbers and modes", |cx, args| {
        settings(cx, args).legends = true;
        Ok(())
    }),
    no_effect("show-modules", ALL, "the page shows all figures that there are"),
    served("admin", NO_DEFAULTS, "{ if | unless } <condition>", "let servers be changed on the page", admin),
    served("http-request", NO_DEFAULTS, "{ allow | deny | auth [realm <realm>] } [{ if | unless } <condition>]",
        "who may see the page", access),
];

/// The keywords for reference pages.
pub(super) fn rows() -> impl Iterator<Item = KeywordDoc> {
    ROWS.iter().map(|row| row.doc("stats"))
}

/// Takes one line in.
pub(super) fn line(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let word = args.expect("`enable`, `uri` or another setting of the page of statistics")?;
    match look_up(&[ROWS], word, "stats ", "")? {
        Found::Served(row, parse) => {
            args.named(word);
            if !row.sections.has(cx.section) {
                let message = format!("`stats {}` can't be in a `defaults` section", row.name);
                return Err(Box::new(Diagnostic::error(
                    code::WRONG_SECTION,
                    word.span(),
                    message,
                )));
            }
            parse(cx, args)
        }
        Found::Nothing(notice) => {
            settings(cx, args);
            cx.diagnostics.push(*notice);
            Ok(())
        }
    }
}

/// Pages are for requests of HTTP.
pub(crate) fn settle(cx: &mut ProxyCx<'_>) {
    if cx.proxy.mode == Mode::Http {
        return;
    }
    if let Some(stats) = cx.proxy.stats.take().filter(|stats| !stats.inherited) {
        let message = format!("`stats` is ignored: {} is in TCP mode", cx.described());
        cx.diagnostics
            .push(Diagnostic::warning(code::WRONG_MODE, stats.span, message));
    }
}

/// The settings, which every line brings about.
fn settings<'c>(cx: &'c mut ProxyCx<'_>, args: &Args<'_>) -> &'c mut StatsSettings {
    let in_defaults = cx.in_defaults();
    let own = cx
        .proxy
        .stats
        .take()
        .filter(|stats| in_defaults || !stats.inherited);
    cx.proxy
        .stats
        .insert(own.unwrap_or_else(|| StatsSettings::new(args.last(), in_defaults)))
}

fn realm(args: &mut Args<'_>) -> Parsed<String> {
    let word = args.expect("a realm")?;
    let realm = word.text()?;
    if realm.chars().any(char::is_control) {
        return bad_argument(word, "a realm has no control characters");
    }
    Ok(realm.to_owned())
}

fn auth(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let word = args.expect("`<user>:<password>`")?;
    let Some(colon) = word
        .bytes()
        .iter()
        .position(|byte| *byte == b':')
        .filter(|at| *at > 0)
    else {
        return bad_argument(word, "a user is given as `<user>:<password>`");
    };
    let (user, password) = (word.part(0, colon), word.tail(colon + 1));
    let users = settings(cx, args)
        .users
        .get_or_insert_with(|| UserList::new("stats auth"));
    users.add(user.bytes(), Password::Plain(password.bytes().into()));
    Ok(())
}

fn place(kind: ProxyKind) -> Place {
    match kind {
        ProxyKind::Frontend => Place::FrontendHttpRequest,
        _ => Place::BackendHttpRequest,
    }
}

fn admin(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let starts = |word: &&Word| word.is("if") || word.is("unless");
    if args.peek().filter(starts).is_none() {
        return Err(args.missing("`if` or `unless` and a condition"));
    }
    let acls = Rc::clone(&cx.acls);
    let scope = cx.scope(place(cx.proxy.kind)).with_acls(&acls);
    let condition = sampled::condition(args.take_rest(), &acls, &scope, cx.diagnostics)?;
    settings(cx, args).admin.push(condition);
    Ok(())
}

fn access(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let span = args.last();
    let names = ["allow", "deny", "auth"].map(|name| (name, name));
    let verdict = match args.one_of("`allow`, `deny` or `auth`", &names)? {
        "allow" => StatsVerdict::Allow,
        "deny" => StatsVerdict::Deny,
        _ if args.take("realm") => StatsVerdict::Auth(Some(realm(args)?)),
        _ => StatsVerdict::Auth(None),
    };
    let acls = Rc::clone(&cx.acls);
    let scope = cx.scope(place(cx.proxy.kind)).with_acls(&acls);
    let condition = rules::condition(cx, args, &scope)?;
    settings(cx, args).access.push(StatsAccess {
        span,
        verdict,
        condition,
    });
    Ok(())
}
