//! `fcgi-app`: a FastCGI application.

use tidegate_sample::Place;

use super::forms::{condition, line, log, path, text};
use super::{Header, Other, OtherCx};
use crate::parse::args::{Args, Parsed};
use crate::parse::http::header_name;
use crate::parse::keyword::Status;
use crate::parse::sampled;

pub(super) const FCGI_APP: Other = Other {
    name: "fcgi-app",
    arguments: "<name>",
    doc: "a FastCGI application",
    status: Status::LeftOut("FastCGI is not spoken"),
    header: Header::Name,
    rows: &[
        line(
            "acl",
            "<name> <criterion> [<flags>] [<pattern>...]",
            "define or extend an ACL",
            acl,
        ),
        line("docroot", "<directory>", "where scripts are", path),
        line("index", "<script>", "the script of a directory", path),
        line(
            "log-stderr",
            "{ global | <target> [<param>...] <facility> [<level> [<minlevel>]] }",
            "where the application's messages go",
            log,
        ),
        line("no", "option <name>", "switch an option off", |_, args| {
            args.one_of("`option`", &[("option", ())])?;
            option(args, false)
        }),
        line("option", "<name> [<arg>]", "switch an option on", |_, args| {
            option(args, true)
        }),
        line(
            "pass-header",
            "<name> [{ if | unless } <condition>]",
            "pass a header on",
            |cx, args| {
                header_name(args.expect("the name of a header")?)?;
                condition(cx, args)
            },
        ),
        line("path-info", "<regex>", "cuts the path", |_, args| {
            text(args, "a regular expression").map(|_| ())
        }),
        line(
            "set-param",
            "<name> <format> [{ if | unless } <condition>]",
            "set a parameter",
            |cx, args| {
                text(args, "the name of a parameter")?;
                let scope = cx.scope(Place::BackendHttpRequest);
                sampled::log_format(args.expect("a log-format string")?, &scope)?;
                condition(cx, args)
            },
        ),
    ],
    end,
};

fn acl(cx: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let words = args.rest();
    args.expect("a name")?;
    if args.peek().is_none() {
        return Err(args.missing("a fetch such as `path`"));
    }
    args.take_rest();
    let scope = cx.scope(Place::BackendHttpRequest);
    sampled::declare_acl(words, &mut cx.state.acls, &scope, cx.diagnostics)
}

fn option(args: &mut Args<'_>, is_on: bool) -> Parsed<()> {
    let names = [
        ("get-values", false),
        ("keep-conn", false),
        ("max-reqs", true),
        ("mpxs-conns", false),
    ];
    // a number can't be switched off
    let known: Vec<_> = names
        .iter()
        .copied()
        .filter(|(_, number)| is_on || !number)
        .collect();
    if args.one_of("an option of `fcgi-app`", &known)? {
        args.integer::<u64>(1, 0x7fff_ffff)?;
    }
    Ok(())
}

fn end(cx: &mut OtherCx<'_>) {
    cx.require("docroot", "say where scripts are: `docroot <directory>`");
}
