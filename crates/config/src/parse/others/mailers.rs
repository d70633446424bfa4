//! `mailers` and `http-errors`: what proxies refer to for alerts and error pages.

use super::forms::{line, nothing_more, text, timeout};
use super::{Header, Other, OtherCx};
use crate::parse::address::endpoint;
use crate::parse::args::{Args, Parsed};
use crate::parse::errors;
use crate::parse::keyword::Status;

pub(super) const MAILERS: Other = Other {
    name: "mailers",
    arguments: "<name>",
    doc: "mail servers for alerts",
    status: Status::NotYet,
    header: Header::Name,
    rows: &[
        line("mailer", "<name> <address>:<port>", "add a mail server", mailer),
        line(
            "timeout",
            "mail <time>",
            "time for a mail to be sent",
            |_, args| timeout(args, &[("mail", ())]),
        ),
    ],
    end: nothing_more,
};

pub(super) const HTTP_ERRORS: Other = Other {
    name: "http-errors",
    arguments: "<name>",
    doc: "a set of error pages",
    status: Status::NotYet,
    header: Header::Name,
    rows: &[line(
        "errorfile",
        "<status> <file>",
        "a file in place of an error page",
        errorfile,
    )],
    end: nothing_more,
};

fn mailer(cx: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let name = text(args, "a name")?;
    endpoint(args.expect("an address such as `192.0.2.1:25`")?, true)?;
    cx.declare("mailer", name)
}

fn errorfile(cx: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    errors::status(args)?;
    errors::file_page(text(args, "a file")?, cx.files).map(|_| ())
}
