//! `log-forward` sections: where the log lines of others come in, and where they go.

use super::args::{Args, Parsed, bad_argument};
use super::bind::bind;
use super::keyword::{Keyword, Sections, served};
use super::log::{add_global, log_target};
use crate::diag::Diagnostics;
use crate::model::{Bind, BindAddress, ForwardHost, Global, LogForward};
use crate::source::Spanned;
use crate::units::TimeUnit;

/// What lines of the section act on.
pub(super) struct ForwardCx<'c> {
    pub(super) forward: LogForward,
    pub(super) global: &'c Global,
    /// What is found in the parameters of a line.
    pub(super) found: Diagnostics,
}

pub(super) type ForwardLine = fn(&mut ForwardCx<'_>, &mut Args<'_>) -> Parsed<()>;

const NONE: Sections = Sections::NONE;

#[rustfmt::skip]
pub(super) const FORWARD: &[Keyword<ForwardLine>] = &[
    served("backlog", NONE, "<number>", "length of the queue of the system", |cx, args| {
        cx.forward.backlog = Some(args.integer(0, 0x7fff_ffff)?);
        Ok(())
    }),
    served("bind", NONE, "<address> [<param>...]", "listen for streams of lines", |cx, args| {
        let binds = bind(args, &mut cx.found)?;
        cx.forward.streams.extend(binds);
        Ok(())
    }),
    served("dgram-bind", NONE, "<address> [<param>...]", "listen for datagrams", |cx, args| {
        let word = args.peek();
        let binds = bind(args, &mut cx.found)?;
        let is_ip = |bind: &Bind| matches!(bind.address, BindAddress::Tcp { .. } | BindAddress::Name { .. });
        if let (Some(word), false) = (word, binds.iter().all(is_ip)) {
            return bad_argument(word, "datagrams come to an IP address and a port");
        }
        cx.forward.datagrams.extend(binds);
        Ok(())
    }),
    served("log", NONE, "{ global | <target> [<param>...] <facility> [<level> [<minlevel>]] }", "where lines go",
        |cx, args| {
            if args.take("global") {
                add_global(&mut cx.forward.targets, &cx.global.logs);
                return Ok(());
            }
            cx.forward.targets.push(log_target(args)?);
            Ok(())
        }),
    served("maxconn", NONE, "<number>", "most streams at a time", |cx, args| {
        cx.forward.connections_max = args.integer(1, 0x7fff_ffff)?;
        Ok(())
    }),
    served("timeout", NONE, "client <time>", "how long a stream may be silent", |cx, args| {
        args.one_of("a timeout of `log-forward`", &[("client", ())])?;
        cx.forward.silence_max = Some(args.time(TimeUnit::Milliseconds)?);
        Ok(())
    }),
    served("option", NONE, "{ assume-rfc6587-ntf | dont-parse-log | host <way> }", "how lines are read, and whom they are said to be from",
        |cx, args| option(cx, args, true)),
    served("no", NONE, "option { assume-rfc6587-ntf | dont-parse-log }", "switch an option off", |cx, args| {
        args.one_of("`option`", &[("option", ())])?;
        option(cx, args, false)
    }),
];

fn option(cx: &mut ForwardCx<'_>, args: &mut Args<'_>, on: bool) -> Parsed<()> {
    #[derive(Clone, Copy)]
    enum Name {
        LinesOnly,
        Opaque,
        Host,
    }
    let names = [
        ("assume-rfc6587-ntf", Name::LinesOnly),
        ("dont-parse-log", Name::Opaque),
        ("host", Name::Host),
    ];
    let names = if on { &names[..] } else { &names[..2] };
    match args.one_of("an option of `log-forward`", names)? {
        Name::LinesOnly => cx.forward.lines_only = on,
        Name::Opaque => cx.forward.opaque = on,
        Name::Host => {
            let ways = [
                ("replace", ForwardHost::Replace),
                ("fill", ForwardHost::Fill),
                ("keep", ForwardHost::Keep),
                ("append", ForwardHost::Append),
            ];
            cx.forward.host = args.one_of("a way to treat host names", &ways)?;
        }
    }
    Ok(())
}

impl<'c> ForwardCx<'c> {
    /// A section without lines.
    pub(super) fn new(name: Spanned<String>, global: &'c Global) -> Self {
        let forward = LogForward {
            name,
            datagrams: Vec::new(),
            streams: Vec::new(),
            targets: Vec::new(),
            backlog: None,
            connections_max: 10,
            silence_max: None,
            lines_only: false,
            opaque: false,
            host: ForwardHost::Fill,
        };
        ForwardCx {
            forward,
            global,
            found: Diagnostics::default(),
        }
    }
}
