//! `log-forward` and `traces`: where the log lines of others and traces go.

use super::forms::{connections, line, listener, log, nothing_more, timeout, words};
use super::{Header, Other};
use crate::parse::args::{Args, Parsed};
use crate::parse::keyword::Status;

pub(super) const LOG_FORWARD: Other = Other {
    name: "log-forward",
    arguments: "<name>",
    doc: "a relay of log lines",
    status: Status::NotYet,
    header: Header::Name,
    rows: &[
        line(
            "backlog",
            "<number>",
            "length of the queue of the system",
            connections,
        ),
        line("bind", "<address> [<param>...]", "listen for streams", listener),
        line(
            "dgram-bind",
            "<address> [<param>...]",
            "listen for datagrams",
            listener,
        ),
        line(
            "log",
            "{ global | <target> [<param>...] <facility> [<level> [<minlevel>]] }",
            "where lines go",
            log,
        ),
        line("maxconn", "<number>", "most connections", connections),
        line("option", "<name>", "switch an option on", |_, args| option(args)),
        line("no", "option <name>", "switch an option off", |_, args| {
            args.one_of("`option`", &[("option", ())])?;
            option(args)
        }),
        line("timeout", "client <time>", "silence of a client", |_, args| {
            timeout(args, &[("client", ())])
        }),
    ],
    end: nothing_more,
};

fn option(args: &mut Args<'_>) -> Parsed<()> {
    let names = [
        ("assume-rfc6587-ntf", false),
        ("dont-parse-log", false),
        ("host", true),
    ];
    if args.one_of("an option of `log-forward`", &names)? {
        let ways = ["replace", "fill", "keep", "append"].map(|name| (name, ()));
        args.one_of("a way to treat host names", &ways)?;
    }
    Ok(())
}

pub(super) const TRACES: Other = Other {
    name: "traces",
    arguments: "",
    doc: "what is traced",
    status: Status::NotYet,
    header: Header::Nothing,
    rows: &[line("trace", "<source> [<arg>...]", "trace a part", words)],
    end: nothing_more,
};
