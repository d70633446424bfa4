//! `bind` lines.

use super::address::bind_address;
use super::args::{Args, Parsed, bad_argument};
use super::keyword::{Found, Keyword, KeywordDoc, Sections, left_out, look_up, no_effect, served};
use super::server::guid;
use super::tls;
use crate::diag::{Diagnostic, Diagnostics, code};
use crate::model::{
    AccessLevel, Bind, BindAddress, BindCertificate, BindOptions, BindTls, HttpProto, Owner, SeverityOutput,
    ThreadSet, TlsVersion,
};
use crate::source::Spanned;
use crate::text::Word;
use crate::units::TimeUnit;

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
        bind.unix_mode = Some(permissions(args)?);
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
    served("proto", F, "{ h1 | h2 | none }", "what clients speak, whatever they seem to; `none` for nothing but TCP", |bind, args| {
        bind.never_http = args.take("none");
        if !bind.never_http {
            bind.proto = Some(http_proto(args)?);
        }
        Ok(())
    }),
    served("accept-netscaler-cip", F, "<number>", "connections begin with a header of NetScaler's Client IP insertion, and that with this number", |bind, args| {
        bind.netscaler_magic = Some(args.integer(0, u64::from(u32::MAX))?);
        Ok(())
    }),
    served("accept-proxy", F, "", "connections begin with a PROXY header", |bind, _| {
        bind.accept_proxy = true;
        Ok(())
    }),
    served("cc", F, "<algorithm>", "algorithm of congestion control", |bind, args| {
        bind.congestion = tls::word(args, "an algorithm")?.map(|word| word.value);
        Ok(())
    }),
    no_effect("defer-accept", F, "a connection that says nothing costs a task and no thread; the system's option takes unsafe code"),
    served("guid-prefix", F, "<string>", "what the unique names of the line's sockets begin with", |bind, args| {
        bind.guid_prefix = Some(guid(args)?);
        Ok(())
    }),
    served("idle-ping", F, "<time>", "how often idle clients of HTTP/2 are asked whether they are there", |bind, args| {
        bind.idle_ping = Some(args.time(TimeUnit::Milliseconds)?).filter(|time| !time.is_zero());
        Ok(())
    }),
    served("interface", F, "<interface>", "listen on one interface only", |bind, args| {
        bind.interface = tls::word(args, "an interface")?.map(|word| word.value);
        Ok(())
    }),
    no_effect("label", F, "nothing puts sockets into groups"),
    served("mss", F, "<number>", "largest segment of TCP", |bind, args| {
        bind.mss = Some(args.integer(1, 65_535)?);
        Ok(())
    }),
    left_out("namespace", F, "entering a network namespace takes unsafe code"),
    left_out("nbconn", F, "listeners of reverse HTTP are not served"),
    left_out("tcp-md5sig", F, "the system's option takes unsafe code"),
    left_out("tcp-ss", F, "no library has a safe way to ask a socket for the packet that opened its connection"),
    served("tcp-ut", F, "<time>", "how long sent bytes may stay unacknowledged", |bind, args| {
        bind.user_timeout = Some(args.time(TimeUnit::Milliseconds)?);
        Ok(())
    }),
    no_effect("tfo", F, "connections are opened in full first; the system's option takes unsafe code"),
    served("transparent", F, "", "listen on addresses of others", |bind, _| {
        bind.transparent = true;
        Ok(())
    }),
    served("process", F, "{ all | odd | 1 }[/{ all | odd | even | <number>[-[<number>]] }]", "the threads that listen, of the one process that there is; the same as `thread`", |bind, args| {
        if let Some(threads) = process(args)? {
            bind.threads = Some(threads);
        }
        Ok(())
    }),
    no_effect("shards", F, "each thread has its own listening socket"),
    no_effect("nice", F, "sessions have no priorities"),
    served("thread", F, "[1/]{ all | odd | even | <number>[-[<number>]] },...", "the threads that listen", |bind, args| {
        bind.threads = Some(threads(args)?);
        Ok(())
    }),
];

/// Sets of threads. All threads are of one group.
fn threads(args: &mut Args<'_>) -> Parsed<Spanned<Vec<ThreadSet>>> {
    let word = args.expect("a set of threads such as `1-4`")?;
    let mut sets = Vec::new();
    for part in word.text()?.split(',') {
        let found = thread_set(part.strip_prefix("1/").unwrap_or(part));
        let Some(found) = found else {
            return Err(Box::new(
                Diagnostic::error(code::BAD_ARGUMENT, word.span(), format!("`{part}` is no set of threads"))
                    .help("write `all`, `odd`, `even`, a number or a range such as `1-4`; there is one group of threads, `1/`"),
            ));
        };
        sets.push(found);
    }
    Ok(Spanned::new(sets, word.span()))
}

/// A set of threads.
fn thread_set(set: &str) -> Option<ThreadSet> {
    let number = |text: &str| text.parse::<u16>().ok().filter(|number| *number > 0);
    match set {
        "all" => return Some(ThreadSet::All),
        "odd" => return Some(ThreadSet::Odd),
        "even" => return Some(ThreadSet::Even),
        _ => {}
    }
    let Some((first, last)) = set.split_once('-') else {
        return number(set).map(|only| ThreadSet::Range(only, Some(only)));
    };
    let first = if first.is_empty() { Some(1) } else { number(first) };
    let last = if last.is_empty() {
        Some(None)
    } else {
        number(last).map(Some)
    };
    Some(ThreadSet::Range(first?, last?))
}

/// A set of processes, which has to have the one that there is, and the threads of it, if any are named.
fn process(args: &mut Args<'_>) -> Parsed<Option<Spanned<Vec<ThreadSet>>>> {
    let word = args.expect("a set of processes such as `1`, or of their threads such as `1/1-4`")?;
    let text = word.text()?;
    let (processes, threads) = match text.split_once('/') {
        Some((processes, threads)) => (processes, Some(threads)),
        None => (text, None),
    };
    // Process 1 is an odd one.
    if !matches!(processes, "all" | "odd" | "1" | "1-1" | "1-") {
        let message = format!("`{processes}` is not the one process that there is");
        return Err(Box::new(
            Diagnostic::error(code::BAD_ARGUMENT, word.span(), message)
                .help("write `1`, `all` or `odd`, and behind a `/` the threads that listen"),
        ));
    }
    let Some(threads) = threads else {
        return Ok(None);
    };
    let Some(set) = thread_set(threads) else {
        return Err(Box::new(
            Diagnostic::error(
                code::BAD_ARGUMENT,
                word.span(),
                format!("`{threads}` is no set of threads"),
            )
            .help("write `all`, `odd`, `even`, a number or a range such as `1-4`"),
        ));
    };
    Ok(Some(Spanned::new(vec![set], word.span())))
}

/// The name of a protocol.
pub(crate) fn http_proto(args: &mut Args<'_>) -> Parsed<HttpProto> {
    args.one_of(
        "`h1` or `h2`",
        &[("h1", HttpProto::Http1), ("h2", HttpProto::Http2)],
    )
}

/// Why OCSP is not asked.
pub(crate) const OCSP_UPDATE: &str = "responses of OCSP come from files and over the runtime API only";

/// The parameters of TLS.
#[rustfmt::skip]
const TLS: &[Keyword<Parse>] = &[
    served("ssl", F, "", "clients speak TLS", |bind, _| {
        bind.ssl = true;
        Ok(())
    }),
    served("crt", F, "<cert>", "a file or directory of certificates with their keys", |bind, args| {
        certificate(bind, args, BindCertificate::Plain)
    }),
    served("default-crt", F, "<cert>", "a certificate for clients that ask for no other", |bind, args| {
        certificate(bind, args, BindCertificate::Default)
    }),
    served("strict-sni", F, "", "refuse clients that ask for no certificate that there is", |bind, _| {
        bind.tls.strict_sni = Some(true);
        Ok(())
    }),
    served("no-strict-sni", F, "", "give such clients the default certificate", |bind, _| {
        bind.tls.strict_sni = Some(false);
        Ok(())
    }),
    served("alpn", F, "<protocols>", "protocols to agree on with clients, the preferred one first", |bind, args| {
        tls::alpn(&mut bind.tls.settings, args)
    }),
    served("no-alpn", F, "", "no protocols to agree on", |bind, _| {
        bind.tls.settings.alpn = Some(Vec::new());
        Ok(())
    }),
    served("ciphers", F, "<ciphers>", "ciphers of TLS 1.2, as OpenSSL writes them", |bind, args| {
        bind.tls.settings.ciphers = tls::word(args, "a list of ciphers")?;
        Ok(())
    }),
    served("ciphersuites", F, "<suites>", "cipher suites of TLS 1.3", |bind, args| {
        bind.tls.settings.ciphersuites = tls::word(args, "a list of cipher suites")?;
        Ok(())
    }),
    served("curves", F, "<curves>", "curves for the exchange of keys", |bind, args| {
        bind.tls.settings.curves = tls::word(args, "a list of curves")?;
        Ok(())
    }),
    served("ecdhe", F, "<curve>", "a curve for the exchange of keys, where `curves` names none", |bind, args| {
        let curve = tls::word(args, "the name of a curve")?;
        if bind.tls.settings.curves.is_none() {
            bind.tls.settings.curves = curve;
        }
        Ok(())
    }),
    served("ssl-min-ver", F, "<version>", "the oldest version of TLS", |bind, args| {
        tls::version_min(&mut bind.tls.settings, args)
    }),
    served("ssl-max-ver", F, "<version>", "the newest version of TLS", |bind, args| {
        tls::version_max(&mut bind.tls.settings, args)
    }),
    served("force-tlsv12", F, "", "TLS 1.2 only", |bind, args| {
        tls::only(&mut bind.tls.settings, args, TlsVersion::Tls12);
        Ok(())
    }),
    served("force-tlsv13", F, "", "TLS 1.3 only", |bind, args| {
        tls::only(&mut bind.tls.settings, args, TlsVersion::Tls13);
        Ok(())
    }),
    served("no-sslv3", F, "", "no SSL 3.0, as without a word", |_, _| Ok(())),
    served("no-tlsv10", F, "", "no TLS 1.0, as without a word", |_, _| Ok(())),
    served("no-tlsv11", F, "", "no TLS 1.1, as without a word", |_, _| Ok(())),
    served("no-tlsv12", F, "", "no TLS 1.2", |bind, _| {
        bind.tls.settings.versions_without.push(TlsVersion::Tls12);
        Ok(())
    }),
    served("no-tlsv13", F, "", "no TLS 1.3", |bind, _| {
        bind.tls.settings.versions_without.push(TlsVersion::Tls13);
        Ok(())
    }),
    served("verify", F, "none|optional|required", "whether clients are asked for a certificate", |bind, args| {
        tls::verify_client(&mut bind.tls.settings, args)
    }),
    served("ca-file", F, "<file>", "authorities that vouch for clients", |bind, args| {
        bind.tls.settings.ca_file = tls::word(args, "a file")?;
        Ok(())
    }),
    served("ca-verify-file", F, "<file>", "such authorities that clients aren't told of", |bind, args| {
        bind.tls.settings.ca_verify_file = tls::word(args, "a file")?;
        Ok(())
    }),
    served("crl-file", F, "<file>", "certificates of clients that were revoked", |bind, args| {
        bind.tls.settings.crl_file = tls::word(args, "a file")?;
        Ok(())
    }),
    served("ca-ignore-err", F, "<errors>", "what may be wrong with those that vouch for a client", |bind, args| {
        bind.tls.settings.ca_ignored = tls::word(args, "errors")?;
        Ok(())
    }),
    served("crt-ignore-err", F, "<errors>", "what may be wrong with a client's certificate", |bind, args| {
        bind.tls.settings.crt_ignored = tls::word(args, "errors")?;
        Ok(())
    }),
    served("no-ca-names", F, "", "tell clients of no authorities", |bind, _| {
        bind.tls.settings.no_ca_names = true;
        Ok(())
    }),
    served("tls-tickets", F, "", "sessions go on by tickets, as without a word", |bind, _| {
        bind.tls.settings.tickets = Some(true);
        Ok(())
    }),
    served("no-tls-tickets", F, "", "sessions don't go on by tickets", |bind, _| {
        bind.tls.settings.tickets = Some(false);
        Ok(())
    }),
    served("crt-list", F, "<file>", "a list of certificates with settings and names of their own", |bind, args| {
        certificate(bind, args, BindCertificate::List)
    }),
    served("tls-ticket-keys", F, "<file>", "keys of tickets, which several processes share", |bind, args| {
        bind.tls.ticket_keys = tls::word(args, "a file")?;
        Ok(())
    }),
    no_effect("allow-0rtt", F, "early data are never taken: clients send what they hold again after the handshake"),
    no_effect("prefer-client-ciphers", F, "the cipher that comes first here is taken; all there are are strong"),
    no_effect("ktls", F, "encryption is not left to the kernel"),
    left_out("force-sslv3", F, tls::TOO_OLD),
    left_out("force-tlsv10", F, tls::TOO_OLD),
    left_out("force-tlsv11", F, tls::TOO_OLD),
    left_out("generate-certificates", F, "certificates come from files only"),
    left_out("ca-sign-file", F, "certificates come from files only"),
    left_out("ca-sign-pass", F, "certificates come from files only"),
    left_out("npn", F, "ALPN has taken the place of NPN"),
    served("sigalgs", F, "<algorithms>", "what is signed with here", |bind, args| {
        bind.tls.settings.signatures = tls::word(args, "a list of signature algorithms")?;
        Ok(())
    }),
    served("client-sigalgs", F, "<algorithms>", "what clients sign with", |bind, args| {
        bind.tls.settings.client_signatures = tls::word(args, "a list of signature algorithms")?;
        Ok(())
    }),
    left_out("ech", F, "the TLS library does not take encrypted first messages"),
    left_out("ocsp-update", F, OCSP_UPDATE),
];

fn certificate(bind: &mut BindOptions, args: &mut Args<'_>, of: fn(String) -> BindCertificate) -> Parsed<()> {
    if let Some(path) = tls::word(args, "a file")? {
        bind.tls
            .certificates
            .push(Spanned::new(of(path.value), path.span));
    }
    Ok(())
}

/// Parameters without effect that have no argument.
const ALONE: [&str; 5] = [
    "allow-0rtt",
    "defer-accept",
    "ktls",
    "prefer-client-ciphers",
    "tfo",
];

/// The keywords for reference pages.
pub(crate) fn rows() -> impl Iterator<Item = KeywordDoc> {
    ROWS.iter().chain(TLS).map(|row| row.doc("bind"))
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
    let word = word.as_address();
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
    if !options.ssl && options.tls != BindTls::default() {
        let (message, span) = match options.tls.certificates.first() {
            Some(certificate) => ("certificates have no effect without `ssl`", certificate.span),
            None => ("what is said of TLS has no effect without `ssl`", word.span()),
        };
        diagnostics.push(Diagnostic::warning(code::NO_EFFECT, span, message));
    }
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

/// The permissions of a Unix socket.
pub(crate) fn permissions(args: &mut Args<'_>) -> Parsed<u32> {
    let word = args.expect("permissions such as `660`")?;
    match u32::from_str_radix(&word.lossy(), 8) {
        Ok(mode) if mode <= 0o7777 => Ok(mode),
        _ => bad_argument(
            word,
            format!("`{}` is not an octal number of permissions", word.lossy()),
        ),
    }
}

/// A user or group by its name.
pub(crate) fn owner_name(args: &mut Args<'_>, what: &str) -> Parsed<Spanned<Owner>> {
    let name = args.spanned(what)?;
    Ok(Spanned::new(Owner::Name(name.value), name.span))
}

/// A user or group by its number.
pub(crate) fn owner_number(args: &mut Args<'_>) -> Parsed<Spanned<Owner>> {
    let number = args.integer(0, u64::from(u32::MAX))?;
    Ok(Spanned::new(Owner::Id(number), args.last()))
}

/// Reads the parameters of a `bind` line. Every fault is reported.
pub(crate) fn parameters(args: &mut Args<'_>, diagnostics: &mut Diagnostics) -> BindOptions {
    let mut options = BindOptions::default();
    parameters_into(&mut options, args, diagnostics);
    options
}

/// Reads more parameters. Every fault is reported.
pub(crate) fn parameters_into(options: &mut BindOptions, args: &mut Args<'_>, diagnostics: &mut Diagnostics) {
    while let Some(word) = args.next() {
        if let Err(diagnostic) = parameter(options, word, args, diagnostics) {
            diagnostics.push(*diagnostic);
            if !is_served(word) {
                // how many of the words that follow belong to it isn't known
                args.take_rest();
            }
        }
    }
}

fn is_served(word: &Word) -> bool {
    ROWS.iter()
        .chain(TLS)
        .any(|row| word.is(row.name) && matches!(row.status, super::keyword::Status::Served(_)))
}

/// Takes one parameter in.
pub(crate) fn parameter(
    options: &mut BindOptions,
    word: &Word,
    args: &mut Args<'_>,
    diagnostics: &mut Diagnostics,
) -> Parsed<()> {
    match look_up(&[ROWS, TLS], word, "bind ", "")? {
        Found::Served(_, parse) => parse(options, args),
        Found::Nothing(notice) => {
            if !ALONE.iter().any(|name| word.is(name)) {
                args.next();
            }
            diagnostics.push(*notice);
            Ok(())
        }
    }
}
