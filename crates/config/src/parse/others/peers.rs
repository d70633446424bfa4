//! `peers`: other instances to share tables with.

use super::forms::{connections, line, listener, log, nothing, nothing_more, server_parameters, text};
use super::{Header, Other, OtherCx};
use crate::parse::address::endpoint;
use crate::parse::args::{Args, Parsed};
use crate::parse::bind;
use crate::parse::keyword::Status;
use crate::parse::stick;

pub(super) const PEERS: Other = Other {
    name: "peers",
    arguments: "<name>",
    doc: "other instances to share tables with",
    status: Status::NotYet,
    header: Header::Name,
    rows: &[
        line(
            "bind",
            "<address> [<param>...]",
            "where this peer listens",
            listener,
        ),
        line(
            "default-bind",
            "<param>...",
            "parameters of `bind` lines",
            |cx, args| {
                bind::parameters(args, cx.diagnostics);
                Ok(())
            },
        ),
        line(
            "default-server",
            "<param>...",
            "parameters of peers that follow",
            server_parameters,
        ),
        line("disabled", "", "share nothing", nothing),
        line("enabled", "", "the opposite of `disabled`", nothing),
        line(
            "log",
            "{ global | <target> [<param>...] <facility> [<level> [<minlevel>]] }",
            "where log lines go",
            log,
        ),
        line(
            "peer",
            "<name> <address>:<port> [<param>...]",
            "add a peer",
            |cx, args| peer(cx, args, true),
        ),
        line(
            "server",
            "<name> [<address>:<port>] [<param>...]",
            "add a peer",
            |cx, args| peer(cx, args, false),
        ),
        line(
            "shards",
            "<number>",
            "peers that share a table's content",
            connections,
        ),
        line(
            "table",
            "<name> type <type> size <size> [<param>...]",
            "add a table",
            |cx, args| {
                cx.declare("table", text(args, "a name")?)?;
                stick::table(args, "", cx.diagnostics).map(drop)
            },
        ),
    ],
    end: nothing_more,
};

/// The address of the local peer may be on a `bind` line.
fn peer(cx: &mut OtherCx<'_>, args: &mut Args<'_>, needs_address: bool) -> Parsed<()> {
    let name = text(args, "a name")?;
    cx.declare("peer", name)?;
    if needs_address || args.peek().is_some() {
        endpoint(args.expect("an address such as `192.0.2.1:1024`")?, true)?;
    }
    server_parameters(cx, args)
}
