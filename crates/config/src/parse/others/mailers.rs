//! `mailers` and `http-errors`: what proxies refer to for alerts and error pages.

use super::forms::{line, nothing_more, text, timeout};
use super::{Header, Other, OtherCx};
use crate::parse::address::endpoint;
use crate::parse::args::{Args, Parsed, bad_argument, fault};
use crate::parse::keyword::Status;
use crate::{Diagnostic, code};

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

/// The statuses for which HAProxy makes replies itself.
const STATUSES: [u16; 17] = [
    200, 400, 401, 403, 404, 405, 407, 408, 410, 413, 425, 429, 500, 501, 502, 503, 504,
];

fn errorfile(cx: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let word = args.expect("a status such as `503`")?;
    if !STATUSES.iter().any(|status| word.is(&status.to_string())) {
        let known = STATUSES.map(|status| status.to_string()).join(", ");
        return bad_argument(
            word,
            format!("`{}` is not a status that has an error page", word.lossy()),
        )
        .map_err(|diagnostic: Box<Diagnostic>| Box::new(diagnostic.help(format!("one of {known}"))));
    }
    let file = text(args, "a file")?;
    match cx.files.read(&file.lossy()) {
        Ok(_) => Ok(()),
        Err(error) => fault(
            code::FILE_UNREADABLE,
            file,
            format!("can't read `{}`: {error}", file.lossy()),
        ),
    }
}
