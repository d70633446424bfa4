//! `healthcheck`: a health check that servers refer to by its name.

use super::forms::line;
use super::{Header, Made, Other, OtherCx};
use crate::parse::args::{Args, Parsed};
use crate::parse::check_rules::{Kind, Speaks, http_option, option_request};
use crate::parse::keyword::{Status, unsupported};
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
            "{ tcp-check | httpchk [<method>] [<uri> [<version> [<host>]]] }",
            "what is spoken",
            kind,
        ),
    ],
    end,
};

#[derive(Clone, Copy)]
enum Type {
    Tcp,
    Http,
    Pending,
}

const TYPES: [(&str, Type); 9] = [
    ("tcp-check", Type::Tcp),
    ("httpchk", Type::Http),
    ("ssl-hello-chk", Type::Pending),
    ("smtpchk", Type::Pending),
    ("pgsql-check", Type::Pending),
    ("redis-check", Type::Pending),
    ("mysql-check", Type::Pending),
    ("ldap-check", Type::Pending),
    ("spop-check", Type::Pending),
];

fn rule(cx: &mut OtherCx<'_>, args: &mut Args<'_>, speaks: Speaks) -> Parsed<()> {
    let scope = cx.scope(Place::Check).without_waiting();
    cx.state.checks.rule(speaks, args, &scope)
}

fn kind(cx: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let word = args.peek();
    let kind = match args.one_of("a type of health check", &TYPES)? {
        Type::Tcp => Kind::Tcp,
        Type::Http => {
            let option = http_option(args)?;
            let scope = cx.scope(Place::Check).without_waiting();
            Kind::Http(Box::new(option_request(option, &scope)?))
        }
        Type::Pending => {
            args.take_rest();
            return match word {
                Some(word) => Err(Box::new(unsupported(word, "type "))),
                None => Ok(()),
            };
        }
    };
    cx.state.checks.kind = Some(kind);
    Ok(())
}

fn end(cx: &mut OtherCx<'_>) {
    cx.require("type", "say what is spoken, such as `type httpchk`");
    let checks = std::mem::take(&mut cx.state.checks);
    cx.state.made = Some(Made::Check(cx.state.name.clone(), checks.finish()));
}
