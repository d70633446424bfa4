//! `resolvers`: name servers.

use super::forms::{line, nothing, nothing_more, text, timeout};
use super::{Header, Other, OtherCx};
use crate::parse::address::endpoint;
use crate::parse::args::{Args, Parsed};
use crate::parse::keyword::Status;
use crate::parse::server::{self, ServerSettings};
use crate::units::TimeUnit;

pub(super) const RESOLVERS: Other = Other {
    name: "resolvers",
    arguments: "<name>",
    doc: "name servers",
    status: Status::NotYet,
    header: Header::Name,
    rows: &[
        line("accepted_payload_size", "<bytes>", "longest answer", |_, args| {
            args.integer::<u64>(512, 65_535).map(|_| ())
        }),
        line("hold", "<status> <time>", "how long a status counts", hold),
        line(
            "nameserver",
            "<name> <address>[:<port>] [<param>...]",
            "add a name server",
            nameserver,
        ),
        line(
            "parse-resolv-conf",
            "",
            "add the name servers of the system",
            nothing,
        ),
        line(
            "resolve_retries",
            "<number>",
            "questions until giving up",
            |_, args| args.integer::<u64>(1, 0x7fff_ffff).map(|_| ()),
        ),
        line(
            "timeout",
            "{ resolve | retry } <time>",
            "time between questions",
            |_, args| timeout(args, &[("resolve", ()), ("retry", ())]),
        ),
    ],
    end: nothing_more,
};

fn hold(_: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let names = ["nx", "refused", "timeout", "other", "valid", "obsolete"].map(|name| (name, ()));
    args.one_of("a status of a name server's answer", &names)?;
    args.time(TimeUnit::Milliseconds).map(|_| ())
}

fn nameserver(cx: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let name = text(args, "a name")?;
    endpoint(args.expect("an address such as `192.0.2.1:53`")?, false)?;
    cx.declare("name server", name)?;
    server::parameters(&mut ServerSettings::default(), args, cx.diagnostics);
    Ok(())
}
