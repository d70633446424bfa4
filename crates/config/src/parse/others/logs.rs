//! `ring`, `log-forward`, `log-profile` and `traces`: where log lines and traces go.

use tidegate_sample::Place;

use super::forms::{connections, line, listener, log, nothing_more, path, server, text, timeout, words};
use super::{Header, Other, OtherCx};
use crate::model::LogFormatKind;
use crate::parse::args::{Args, Parsed};
use crate::parse::keyword::Status;
use crate::parse::sampled;
use crate::{Diagnostic, code};

pub(super) const RING: Other = Other {
    name: "ring",
    arguments: "<name>",
    doc: "a ring of log lines",
    status: Status::NotYet,
    header: Header::Name,
    rows: &[
        line("backing-file", "<file>", "keep the ring in a file", path),
        line("description", "<text>", "words for people", words),
        line("format", "<format>", "the form of lines", |_, args| {
            args.one_of("a log format", &LogFormatKind::NAMES).map(|_| ())
        }),
        line("maxlen", "<bytes>", "longest line", |_, args| size(args)),
        line(
            "server",
            "<name> <address>:<port> [<param>...]",
            "send lines there",
            server,
        ),
        line("size", "<size>", "the ring's size", |_, args| size(args)),
        line(
            "timeout",
            "{ connect | server } <time>",
            "patience with the server",
            |_, args| timeout(args, &[("connect", ()), ("server", ())]),
        ),
    ],
    end: nothing_more,
};

fn size(args: &mut Args<'_>) -> Parsed<()> {
    let place = args.peek();
    match (args.size()?, place) {
        (0, Some(word)) => Err(Box::new(Diagnostic::error(
            code::BAD_NUMBER,
            word.span(),
            "a size of zero",
        ))),
        _ => Ok(()),
    }
}

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

pub(super) const LOG_PROFILE: Other = Other {
    name: "log-profile",
    arguments: "<name>",
    doc: "formats of log lines by step",
    status: Status::NotYet,
    header: Header::Name,
    rows: &[
        line(
            "log-tag",
            "<string>",
            "the program's name in log lines",
            |_, args| text(args, "a tag").map(|_| ()),
        ),
        line(
            "on",
            "<step> [drop] [format <format>] [sd <format>]",
            "what is logged at a step",
            on,
        ),
    ],
    end: nothing_more,
};

fn on(cx: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    // rules that log on purpose (`do-log`) have steps of their own, each named as their set of rules
    let steps = [
        "accept",
        "request",
        "connect",
        "response",
        "close",
        "error",
        "any",
        "tcp-req-conn",
        "tcp-req-sess",
        "tcp-req-cont",
        "tcp-res-cont",
        "http-req",
        "http-res",
        "http-after-res",
        "quic-init",
    ];
    args.one_of("a step of logging", &steps.map(|step| (step, ())))?;
    let scope = cx.scope(Place::Log);
    while args.peek().is_some() {
        let names = [("drop", false), ("format", true), ("sd", true)];
        if args.one_of("a parameter of `on`", &names)? {
            sampled::log_format(args.expect("a log-format string")?, &scope)?;
        }
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
