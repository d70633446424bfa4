//! `program`: a program that HAProxy's master process ran, before 3.3.

use super::forms::{line, text, words};
use super::{Header, Other, OtherCx};
use crate::parse::args::{Args, Parsed};
use crate::parse::keyword::Status;

pub(super) const PROGRAM: Other = Other {
    name: "program",
    arguments: "<name>",
    doc: "a program to run",
    status: Status::LeftOut("HAProxy took it away too; let the system's service manager run programs"),
    header: Header::Name,
    rows: &[
        line("command", "<command> [<arg>...]", "the program", words),
        line("group", "<name>", "the group that it runs as", |_, args| {
            text(args, "the name of a group").map(|_| ())
        }),
        line("no", "option <name>", "switch an option off", |_, args| {
            args.one_of("`option`", &[("option", ())])?;
            option(args)
        }),
        line("option", "<name>", "switch an option on", |_, args| option(args)),
        line("user", "<name>", "the user that it runs as", |_, args| {
            text(args, "the name of a user").map(|_| ())
        }),
    ],
    end,
};

fn option(args: &mut Args<'_>) -> Parsed<()> {
    args.one_of("an option of `program`", &[("start-on-reload", ())])
}

fn end(cx: &mut OtherCx<'_>) {
    cx.require("command", "say what to run: `command <program> [<arg>...]`");
}
