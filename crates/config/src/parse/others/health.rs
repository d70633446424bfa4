//! `healthcheck`: a health check that servers refer to by its name.

use super::forms::{call, line, word};
use super::{Header, Other, OtherCx};
use crate::parse::args::{Args, Parsed};
use crate::parse::keyword::Status;

pub(super) const HEALTHCHECK: Other = Other {
    name: "healthcheck",
    arguments: "<name>",
    doc: "a named health check",
    status: Status::NotYet,
    header: Header::Name,
    rows: &[
        line(
            "http-check",
            "<rule> [<arg>...]",
            "a step of an HTTP check",
            |_, args| {
                call(args, "a rule of `http-check`", &HTTP_RULES)?;
                args.take_rest();
                Ok(())
            },
        ),
        line(
            "tcp-check",
            "<rule> [<arg>...]",
            "a step of a TCP check",
            |_, args| {
                call(args, "a rule of `tcp-check`", &TCP_RULES)?;
                args.take_rest();
                Ok(())
            },
        ),
        line("type", "<type> [<arg>...]", "what is spoken", kind),
    ],
    end,
};

const HTTP_RULES: [&str; 9] = [
    "comment",
    "connect",
    "disable-on-404",
    "expect",
    "send",
    "send-state",
    "set-var",
    "set-var-fmt",
    "unset-var",
];

const TCP_RULES: [&str; 10] = [
    "comment",
    "connect",
    "expect",
    "send",
    "send-lf",
    "send-binary",
    "send-binary-lf",
    "set-var",
    "set-var-fmt",
    "unset-var",
];

const TYPES: [(&str, bool); 9] = [
    ("tcp-check", false),
    ("httpchk", true),
    ("ssl-hello-chk", false),
    ("smtpchk", true),
    ("pgsql-check", true),
    ("redis-check", false),
    ("mysql-check", true),
    ("ldap-check", false),
    ("spop-check", false),
];

fn kind(cx: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let takes_arguments = args.one_of("a type of health check", &TYPES)?;
    if takes_arguments && args.peek().is_some() {
        word(cx, args)?;
        args.take_rest();
    }
    Ok(())
}

fn end(cx: &mut OtherCx<'_>) {
    cx.require("type", "say what is spoken, such as `type httpchk`");
}
