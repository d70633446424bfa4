//! `mailers`: what `email-alert` lines of proxies refer to.

use super::forms::{line, text};
use super::{Header, Made, Other, OtherCx};
use crate::parse::address::endpoint;
use crate::parse::args::{Args, Parsed};
use crate::parse::keyword::Status;
use crate::units::TimeUnit;

pub(super) const MAILERS: Other = Other {
    name: "mailers",
    arguments: "<name>",
    doc: "mail servers for alerts",
    status: Status::Served(()),
    header: Header::Name,
    rows: &[
        line("mailer", "<name> <address>:<port>", "add a mail server", mailer),
        line(
            "timeout",
            "mail <time>",
            "time for a mail to be sent",
            |cx, args| {
                args.one_of("a timeout of this section", &[("mail", ())])?;
                cx.state.mailers.timeout = args.time(TimeUnit::Milliseconds)?;
                Ok(())
            },
        ),
    ],
    end: |cx| {
        let mailers = std::mem::take(&mut cx.state.mailers);
        cx.state.made = Some(Made::Mailers(cx.state.name.clone(), mailers));
    },
};

fn mailer(cx: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let name = text(args, "a name")?;
    let address = args.expect("an address such as `192.0.2.1:25`")?;
    endpoint(address, true)?;
    cx.declare("mailer", name)?;
    // Scripts hand it to `Socket:connect` as it is written.
    let written = address.as_address().text()?.to_owned();
    cx.state.mailers.servers.push((name.text()?.to_owned(), written));
    Ok(())
}
