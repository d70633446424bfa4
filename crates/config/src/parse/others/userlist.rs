//! `userlist`: users, their passwords and groups.

use tidegate_sample::UserList;
use tidegate_sample::userlist::{Hash, Password};

use super::forms::{line, listed, text};
use super::{Header, Made, Other, OtherCx};
use crate::diag::{Diagnostic, code};
use crate::parse::args::{Args, Parsed};
use crate::parse::keyword::Status;
use crate::text::Word;

pub(super) const USERLIST: Other = Other {
    name: "userlist",
    arguments: "<name>",
    doc: "users and their passwords",
    status: Status::Served(()),
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
    end,
};

/// The users so far, and who is in which group.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    users: Vec<(Word, Password)>,
    members: Vec<(Word, Word)>,
}

fn group(cx: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let group = text(args, "the name of a group")?;
    cx.declare("group", group)?;
    if args.take("users") {
        for user in listed(text(args, "names of users")?) {
            cx.state.wanted.push(("user", user.clone()));
            cx.state.accounts.members.push((user, group.clone()));
        }
    }
    args.end()
}

fn user(cx: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    #[derive(Clone, Copy)]
    enum Parameter {
        Hash,
        Plain,
        Groups,
    }
    let parameters = [
        ("password", Parameter::Hash),
        ("insecure-password", Parameter::Plain),
        ("groups", Parameter::Groups),
    ];
    let user = text(args, "the name of a user")?;
    cx.declare("user", user)?;
    let mut password = Password::None;
    while let Some(word) = args.peek() {
        let parameter = args.one_of("a parameter of `user`", &parameters)?;
        args.named(word);
        match parameter {
            Parameter::Hash => password = Password::Hash(hash(args.expect("a hash of a password")?)?),
            Parameter::Plain => password = Password::Plain(args.expect("a password")?.bytes().into()),
            Parameter::Groups => {
                for group in listed(text(args, "names of groups")?) {
                    cx.state.wanted.push(("group", group.clone()));
                    cx.state.accounts.members.push((user.clone(), group));
                }
            }
        }
    }
    cx.state.accounts.users.push((user.clone(), password));
    Ok(())
}

fn hash(word: &Word) -> Parsed<Hash> {
    const HELP: &str =
        "`mkpasswd -m sha-512` and `openssl passwd -6` make one; a password itself is an `insecure-password`";
    Hash::parse(word.text()?)
        .map_err(|why| Box::new(Diagnostic::error(code::BAD_ARGUMENT, word.span(), why).help(HELP)))
}

fn end(cx: &mut OtherCx<'_>) {
    let accounts = std::mem::take(&mut cx.state.accounts);
    let mut list = UserList::new(&cx.state.name);
    for (user, password) in accounts.users {
        list.add(user.bytes(), password);
    }
    for (user, group) in accounts.members {
        list.join(user.bytes(), group.bytes());
    }
    cx.state.made = Some(Made::UserList(list));
}
