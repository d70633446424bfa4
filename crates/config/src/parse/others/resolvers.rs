//! `resolvers`: name servers.

use std::time::Duration;

use super::forms::{line, text};
use super::{Header, Made, Other, OtherCx};
use crate::model::{NameServer, Resolvers};
use crate::parse::address::name_server;
use crate::parse::args::{Args, Parsed};
use crate::parse::keyword::{Status, unsupported};
use crate::units::TimeUnit;

pub(super) const RESOLVERS: Other = Other {
    name: "resolvers",
    arguments: "<name>",
    doc: "name servers",
    status: Status::Served(()),
    header: Header::Name,
    rows: &[
        line(
            "accepted_payload_size",
            "<bytes>",
            "longest answer",
            |cx, args| {
                cx.state.resolvers.answer_bytes_max = args.integer(512, 65_535)?;
                Ok(())
            },
        ),
        line(
            "hold",
            "{ nx | refused | timeout | other | valid | obsolete } <time>",
            "how long the last good answer outweighs a bad one",
            hold,
        ),
        line(
            "nameserver",
            "<name> <address>[:<port>]",
            "add a name server",
            nameserver,
        ),
        line(
            "parse-resolv-conf",
            "",
            "add the name servers of the system",
            |cx, _| {
                cx.state.resolvers.system_after = Some(cx.state.resolvers.servers.len());
                Ok(())
            },
        ),
        line(
            "resolve_retries",
            "<number>",
            "questions until giving up",
            |cx, args| {
                cx.state.resolvers.retries = args.integer(1, 0x7fff_ffff)?;
                Ok(())
            },
        ),
        line(
            "timeout",
            "{ resolve | retry } <time>",
            "time between resolutions, and for an answer",
            timeout,
        ),
    ],
    end,
};

type Field = fn(&mut Resolvers) -> &mut Duration;

fn hold(cx: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let fields: [(&str, Field); 6] = [
        ("nx", |section| &mut section.hold_nx),
        ("refused", |section| &mut section.hold_refused),
        ("timeout", |section| &mut section.hold_timeout),
        ("other", |section| &mut section.hold_other),
        ("valid", |section| &mut section.hold_valid),
        ("obsolete", |section| &mut section.hold_obsolete),
    ];
    let field = args.one_of("a status of a name server's answer", &fields)?;
    *field(&mut cx.state.resolvers) = args.time(TimeUnit::Milliseconds)?;
    Ok(())
}

fn timeout(cx: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let fields: [(&str, Field); 2] = [
        ("resolve", |section| &mut section.every),
        ("retry", |section| &mut section.patience),
    ];
    let word = args.peek();
    let field = args.one_of("a timeout of this section", &fields)?;
    if let Some(word) = word {
        args.named(word);
    }
    *field(&mut cx.state.resolvers) = args.time(TimeUnit::Milliseconds)?;
    Ok(())
}

fn nameserver(cx: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let name = text(args, "a name")?;
    let word = args.expect("an address such as `192.0.2.1:53`")?;
    let (address, tcp) = name_server(word)?;
    let own = name.text()?.to_owned();
    cx.declare("name server", name)?;
    if let Some(word) = args.peek() {
        args.take_rest();
        return Err(Box::new(unsupported(word, "nameserver ")));
    }
    cx.state.resolvers.servers.push(NameServer {
        name: own,
        address,
        tcp,
    });
    Ok(())
}

fn end(cx: &mut OtherCx<'_>) {
    let section = std::mem::take(&mut cx.state.resolvers);
    if section.servers.is_empty() && section.system_after.is_none() {
        let known = ["nameserver", "parse-resolv-conf"];
        if !known.iter().any(|line| cx.state.said.contains(line)) {
            cx.require(
                "nameserver",
                "add a name server, or `parse-resolv-conf` for those of the system",
            );
        }
    }
    cx.state.made = Some(Made::Resolvers(cx.state.name.clone(), section));
}
