//! `userlist`: users, their passwords and groups.

use super::forms::{line, listed, nothing_more, text};
use super::{Header, Other, OtherCx};
use crate::parse::args::{Args, Parsed};

pub(super) const USERLIST: Other = Other {
    name: "userlist",
    arguments: "<name>",
    doc: "users and their passwords",
    left_out: None,
    header: Header::Name,
    rows: &[
        line("group", "<name> [users <user>,...]", "add a group", group),
        line(
            "user",
            "<name> [{ password | insecure-password } <password>] [groups <group>,...]",
            "add a user",
            user,
        ),
    ],
    end: nothing_more,
};

fn group(cx: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    cx.declare("group", text(args, "the name of a group")?)?;
    if args.take("users") {
        let names = listed(text(args, "names of users")?);
        cx.state
            .wanted
            .extend(names.into_iter().map(|name| ("user", name)));
    }
    args.end()
}

fn user(cx: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    cx.declare("user", text(args, "the name of a user")?)?;
    while let Some(word) = args.peek() {
        let names = [
            ("password", false),
            ("insecure-password", false),
            ("groups", true),
        ];
        let is_groups = args.one_of("a parameter of `user`", &names)?;
        args.named(word);
        if is_groups {
            let names = listed(text(args, "names of groups")?);
            cx.state
                .wanted
                .extend(names.into_iter().map(|name| ("group", name)));
        } else {
            args.expect("a password")?.text()?;
        }
    }
    Ok(())
}
