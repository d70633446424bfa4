//! `healthcheck`: a health check that servers refer to by its name.

use super::forms::line;
use super::{Header, Made, Other, OtherCx};
use crate::diag::{Diagnostic, code};
use crate::parse::args::{Args, Parsed};
use crate::parse::check_rules::scripts::{self, SPOE};
use crate::parse::check_rules::{Kind, Speaks, http_option, option_request};
use crate::parse::keyword::Status;
use tidegate_sample::Place;

pub(super) const HEALTHCHECK: Other = Other {
    name: "healthcheck",
    arguments: "<name>",
    doc: "a named health check",
    status: Status::Served(()),
    header: Header::Name,
    rows: &[
        line(
            "http-check",
            "<rule> [<arg>...]",
            "a step of an HTTP check",
            |cx, args| rule(cx, args, Speaks::Http),
        ),
        line(
            "tcp-check",
            "<rule> [<arg>...]",
            "a step of a TCP check",
            |cx, args| rule(cx, args, Speaks::Tcp),
        ),
        line(
            "type",
            "{ tcp-check | httpchk [<method>] [<uri> [<version> [<host>]]] | ldap-check | mysql-check [user <username> \
            [{ post-41 | pre-41 | post-80 }]] | pgsql-check user <username> | redis-check | smtpchk [{ HELO | EHLO } <domain>] \
            | ssl-hello-chk }",
            "what is spoken",
            kind,
        ),
    ],
    end,
};

type Parse = fn(&mut OtherCx<'_>, &mut Args<'_>) -> Parsed<Kind>;

const TYPES: [(&str, Parse); 8] = [
    ("tcp-check", |_, _| Ok(Kind::Tcp)),
    ("httpchk", |cx, args| {
        let option = http_option(args)?;
        let scope = cx.scope(Place::Check).without_session();
        Ok(Kind::Http(Box::new(option_request(option, &scope)?)))
    }),
    ("ssl-hello-chk", |cx, args| {
        script(cx, args, |_| Ok(scripts::tls_hello()))
    }),
    ("smtpchk", |cx, args| script(cx, args, scripts::smtp)),
    ("pgsql-check", |cx, args| script(cx, args, scripts::postgresql)),
    ("redis-check", |cx, args| {
        script(cx, args, |_| Ok(scripts::redis()))
    }),
    ("mysql-check", |cx, args| script(cx, args, scripts::mysql)),
    ("ldap-check", |cx, args| script(cx, args, |_| Ok(scripts::ldap()))),
];

fn rule(cx: &mut OtherCx<'_>, args: &mut Args<'_>, speaks: Speaks) -> Parsed<()> {
    let scope = cx.scope(Place::Check).without_session();
    cx.state.checks.rule(speaks, args, &scope)
}

fn kind(cx: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    if let Some(word) = args.peek().filter(|word| word.is("spop-check")) {
        args.take_rest();
        let message = "`type spop-check` is not supported";
        return Err(Box::new(
            Diagnostic::error(code::LEFT_OUT, word.span(), message).note(SPOE),
        ));
    }
    let parse = args.one_of("a type of health check", &TYPES)?;
    cx.state.checks.kind = Some(parse(cx, args)?);
    Ok(())
}

fn script(
    cx: &mut OtherCx<'_>,
    args: &mut Args<'_>,
    lines: fn(&mut Args<'_>) -> Parsed<Vec<Vec<String>>>,
) -> Parsed<Kind> {
    let span = args.last();
    let lines = lines(args)?;
    let scope = cx.scope(Place::Check).without_session();
    Ok(Kind::Script(scripts::steps(lines, span, &scope)?))
}

fn end(cx: &mut OtherCx<'_>) {
    cx.require("type", "say what is spoken, such as `type httpchk`");
    let checks = std::mem::take(&mut cx.state.checks);
    cx.state.made = Some(Made::Check(cx.state.name.clone(), checks.finish()));
}
