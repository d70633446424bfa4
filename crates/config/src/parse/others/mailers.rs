//! `mailers`: what proxies refer to for alerts.

use super::forms::{line, nothing_more, text, timeout};
use super::{Header, Other, OtherCx};
use crate::parse::address::endpoint;
use crate::parse::args::{Args, Parsed};
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

fn mailer(cx: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let name = text(args, "a name")?;
    endpoint(args.expect("an address such as `192.0.2.1:25`")?, true)?;
    cx.declare("mailer", name)
}
