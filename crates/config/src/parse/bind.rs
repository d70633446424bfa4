//! `bind` lines.

use super::address::bind_address;
use super::args::{Args, Parsed, bad_argument};
use super::keyword::{Found, Keyword, KeywordDoc, Sections, left_out, look_up, no_effect, not_yet, served};
use crate::diag::{Diagnostic, Diagnostics, code};
use crate::model::{AccessLevel, Bind, BindAddress, BindOptions, HttpProto, Owner, SeverityOutput};
use crate::source::Spanned;
use crate::text::Word;

type Parse = fn(&mut BindOptions, &mut Args<'_>) -> Parsed<()>;

const F: Sections = Sections::FRONTEND.or(Sections::LISTEN);

/// The parameters of `bind`.
#[rustfmt::skip]
const ROWS: &[Keyword<Parse>] = &[
    served("name", F, "<name>", "the listener's name", |bind, args| {
        bind.name = Some(args.text("a name")?.to_owned());
        Ok(())
    }),
    served("id", F, "<number>", "the listener's number", |bind, args| {
        bind.id = Some(args.integer(1, 0x7fff_ffff)?);
        Ok(())
    }),
    served("backlog", F, "<number>", "length of the queue of the system", |bind, args| {
        bind.backlog = Some(args.integer(0, 0x7fff_ffff)?);
        Ok(())
    }),
    served("maxconn", F, "<number>", "most connections of the listener", |bind, args| {
        bind.connections_max = Some(args.integer(0, 0x7fff_ffff)?);
        Ok(())
    }),
    served("v4v6", F, "", "an IPv6 address takes IPv4 too", |bind, _| {
        bind.v6_only = Some(false);
        Ok(())
    }),
    served("v6only", F, "", "an IPv6 address takes IPv6 only", |bind, _| {
        bind.v6_only = Some(true);
        Ok(())
    }),
    served("mode", F, "<octal>", "permissions of a Unix socket", |bind, args| {
        let word = args.expect("permissions such as `660`")?;
        match u32::from_str_radix(&word.lossy(), 8) {
            Ok(mode) if mode <= 0o7777 => bind.unix_mode = Some(mode),
            _ => return bad_argument(word, format!("`{}` is not an octal number of permissions", word.lossy())),
        }
        Ok(())
    }),
    served("user", F, "<name>", "owner of a Unix socket", |bind, args| {
        bind.unix_user = Some(owner_name(args, "a user")?);
        Ok(())
    }),
    served("uid", F, "<number>", "owner of a Unix socket", |bind, args| {
        bind.unix_user = Some(owner_number(args)?);
        Ok(())
    }),
    served("group", F, "<name>", "group of a Unix socket", |bind, args| {
        bind.unix_group = Some(owner_name(args, "a group")?);
        Ok(())
    }),
    served("gid", F, "<number>", "group of a Unix socket", |bind, args| {
        bind.unix_group = Some(owner_number(args)?);
        Ok(())
    }),
    served("level", F, "{ user | operator | admin }", "rights on a socket of the runtime API", |bind, args| {
        bind.level = args.one_of("a level", &AccessLevel::NAMES)?;
        Ok(())
    }),
    served("severity-output", F, "{ none | number | string }", "severity in messages of the runtime API", |bind, args| {
        bind.severity = args.one_of("a form of severities", &SeverityOutput::NAMES)?;
        Ok(())
    }),
    no_effect("expose-fd", F, "no other process asks for listening sockets yet"),
    served("proto", F, "{ h1 | h2 }", "what clients speak, whatever they seem to", |bind, args| {
        bind.proto = Some(http_proto(args)?);
        Ok(())
    }),
    not_yet("accept-netscaler-cip", F, "accept NetScaler's client address header"),
    not_yet("accept-proxy", F, "accept the PROXY protocol"),
    not_yet("cc", F, "algorithm of congestion control"),
    not_yet("defer-accept", F, "accept a connection when its first bytes came"),
    not_yet("guid-prefix", F, "the beginning of unique names"),
    not_yet("idle-ping", F, "ask idle HTTP/2 clients whether they live"),
    not_yet("interface", F, "listen on one interface only"),
    not_yet("label", F, "a label for counters"),
    not_yet("mss", F, "largest segment of TCP"),
    not_yet("namespace", F, "listen in a network namespace"),
    not_yet("nbconn", F, "connections of a reverse HTTP listener"),
    not_yet("tcp-md5sig", F, "sign segments of TCP"),
    not_yet("tcp-ss", F, "saved SYN of TCP"),
    not_yet("tcp-ut", F, "how long sent bytes may stay unacknowledged"),
    not_yet("tfo", F, "fast open of TCP"),
    not_yet("transparent", F, "listen on addresses of others"),
    not_yet("ssl", F, "TLS"),
    left_out("process", F, "there are threads and no processes; see `nbthread`"),
    no_effect("shards", F, "each thread has its own listening socket"),
    no_effect("nice", F, "sessions have no priorities"),
    no_effect("thread", F, "all threads listen"),
];

/// The name of a protocol.
pub(super) fn http_proto(args: &mut Args<'_>) -> Parsed<HttpProto> {
    args.one_of(
        "`h1` or `h2`",
        &[("h1", HttpProto::Http1), ("h2", HttpProto::Http2)],
    )
}

/// Parameters that stand behind `ssl`; named so that they are known as what they are.
const TLS: [&str; 41] = [
    "allow-0rtt",
    "alpn",
    "ca-file",
    "ca-ignore-err",
    "ca-sign-file",
    "ca-sign-pass",
    "ca-verify-file",
    "ciphers",
    "ciphersuites",
    "client-sigalgs",
    "crl-file",
    "crt",
    "crt-ignore-err",
    "crt-list",
    "curves",
    "default-crt",
    "ecdhe",
    "force-sslv3",
    "force-tlsv10",
    "force-tlsv11",
    "force-tlsv12",
    "force-tlsv13",
    "generate-certificates",
    "ktls",
    "no-alpn",
    "no-ca-names",
    "no-sslv3",
    "no-strict-sni",
    "no-tls-tickets",
    "no-tlsv10",
    "no-tlsv11",
    "no-tlsv12",
    "no-tlsv13",
    "npn",
    "prefer-client-ciphers",
    "sigalgs",
    "ssl-max-ver",
    "ssl-min-ver",
    "strict-sni",
    "tls-ticket-keys",
    "tls-tickets",
];

/// The keywords for reference pages.
pub(crate) fn rows() -> impl Iterator<Item = KeywordDoc> {
    ROWS.iter().map(|row| row.doc("bind"))
}

/// Reads a `bind` line: one [`Bind`] for each of its addresses.
pub(crate) fn bind(args: &mut Args<'_>, diagnostics: &mut Diagnostics) -> Parsed<Vec<Bind>> {
    let word = args.expect("an address such as `:80`")?;
    if let Some(next) = args.peek().filter(|_| word.bytes().ends_with(b",")) {
        let message = "an address is missing after the comma";
        return Err(Box::new(
            Diagnostic::error(code::BAD_ADDRESS, word.span().after(), message).help(format!(
                "write addresses without blanks between them: `{}{}`",
                word.lossy(),
                next.lossy()
            )),
        ));
    }
    let mut addresses = Vec::new();
    let mut start = 0;
    for part in word.text()?.split(',') {
        let part_word = word.part(start, start + part.len());
        start += part.len() + 1;
        if part.is_empty() {
            continue;
        }
        match bind_address(&part_word) {
            Ok(address) => addresses.push((address, part_word.span())),
            Err(diagnostic) => diagnostics.push(*diagnostic),
        }
    }
    if word.bytes().is_empty() {
        return bad_argument(word, "an address is empty");
    }
    let options = parameters(args, diagnostics);
    let binds = addresses.into_iter().map(|(address, span)| {
        let is_unix = matches!(address, BindAddress::Unix(_) | BindAddress::Abstract(_));
        let mut options = options.clone();
        if !is_unix {
            options.unix_mode = None;
            options.unix_user = None;
            options.unix_group = None;
        }
        Bind {
            address,
            span,
            options,
        }
    });
    Ok(binds.collect())
}

fn owner_name(args: &mut Args<'_>, what: &str) -> Parsed<Spanned<Owner>> {
    let name = args.spanned(what)?;
    Ok(Spanned::new(Owner::Name(name.value), name.span))
}

fn owner_number(args: &mut Args<'_>) -> Parsed<Spanned<Owner>> {
    let number = args.integer(0, u64::from(u32::MAX))?;
    Ok(Spanned::new(Owner::Id(number), args.last()))
}

/// Reads the parameters of a `bind` line. Every fault is reported.
pub(crate) fn parameters(args: &mut Args<'_>, diagnostics: &mut Diagnostics) -> BindOptions {
    let mut options = BindOptions::default();
    while let Some(word) = args.next() {
        if let Err(diagnostic) = parameter(&mut options, word, args, diagnostics) {
            diagnostics.push(*diagnostic);
            if !is_served(word) {
                // how many of the words that follow belong to it isn't known
                args.take_rest();
            }
        }
    }
    options
}

fn is_served(word: &Word) -> bool {
    ROWS.iter()
        .any(|row| word.is(row.name) && matches!(row.status, super::keyword::Status::Served(_)))
}

fn parameter(
    options: &mut BindOptions,
    word: &Word,
    args: &mut Args<'_>,
    diagnostics: &mut Diagnostics,
) -> Parsed<()> {
    if TLS.iter().any(|name| word.is(name)) {
        return Err(Box::new(super::keyword::unsupported(word, "bind ... ssl ")));
    }
    match look_up(&[ROWS], word, "bind ", "")? {
        Found::Served(_, parse) => parse(options, args),
        Found::Nothing(notice) => {
            // each of these has one argument
            args.next();
            diagnostics.push(*notice);
            Ok(())
        }
    }
}
