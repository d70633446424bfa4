//! `acme`: certificates by ACME.

use super::forms::{line, listed, path, switch, text, time, word};
use super::{Header, Other, OtherCx};
use crate::parse::args::{Args, Parsed, bad_argument, pick};
use crate::parse::keyword::Status;

pub(super) const ACME: Other = Other {
    name: "acme",
    arguments: "<name>",
    doc: "certificates by ACME",
    status: Status::LeftOut(
        "certificates are not asked for over ACME: whoever does that puts them into the store by the runtime API",
    ),
    header: Header::Name,
    rows: &[
        line("account-key", "<file>", "the key of the account", path),
        line("acme-vars", "<text>", "what the DNS tool is told", word),
        line("bits", "<number>", "length of RSA keys", |_, args| {
            args.integer::<u64>(1, 65_536).map(|_| ())
        }),
        line("challenge", "<type>", "how domains are proven", |_, args| {
            let types = ["http-01", "dns-01", "dns-persist-01"].map(|name| (name, ()));
            args.one_of("a type of challenge", &types)
        }),
        line(
            "challenge-ready",
            "<condition>,...",
            "what a DNS challenge waits for",
            challenge_ready,
        ),
        line("contact", "<address>", "mail address of the account", word),
        line("curves", "<name>", "curve of ECDSA keys", word),
        line("directory", "<url>", "the authority", word),
        line("dns-delay", "<time>", "time between DNS questions", time),
        line("dns-timeout", "<time>", "patience with DNS", time),
        line("eab-key-id", "<file>", "number of the external account", path),
        line(
            "eab-mac-alg",
            "{ HS256 | HS384 | HS512 }",
            "algorithm of the external account",
            |_, args| {
                let names = ["HS256", "HS384", "HS512"].map(|name| (name, ()));
                args.one_of("an algorithm", &names)
            },
        ),
        line("eab-mac-key", "<file>", "key of the external account", path),
        line("keytype", "{ RSA | ECDSA }", "type of keys", |_, args| {
            args.one_of("a type of key", &[("RSA", ()), ("ECDSA", ())])
        }),
        line("map", "<map>", "where tokens are kept", word),
        line("profile", "<name>", "the authority's profile", word),
        line("provider-name", "<name>", "the DNS provider", word),
        line("reuse-key", "{ on | off }", "keep the key when renewing", switch),
    ],
    end,
};

fn challenge_ready(_: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let conditions = ["cli", "dns", "delay", "none"].map(|name| (name, ()));
    let parts = listed(text(args, "conditions such as `cli,dns`")?);
    for part in &parts {
        pick(part, "a condition of `challenge-ready`", &conditions)?;
    }
    match parts.iter().find(|part| part.is("none")) {
        Some(none) if parts.len() > 1 => bad_argument(none, "`none` can't be combined with other conditions"),
        _ => Ok(()),
    }
}

fn end(cx: &mut OtherCx<'_>) {
    cx.require("directory", "name the authority: `directory <url>`");
}
