//! `server` and `default-server` lines.

use std::time::Duration;

use super::address::{check_address, family_said, server_address, socket_address};
use super::args::{Args, Parsed, bad_argument};
use super::keyword::{Found, Keyword, KeywordDoc, Sections, left_out, look_up, no_effect, served};
use super::naming;
use super::server_origins::{Above, Origins};
use super::{server_outgoing, tls};
use crate::diag::{Diagnostic, Diagnostics, code};
use crate::model::{
    HashKey, HttpProto, InitialState, Naming, Observe, OnError, Outgoing, Server, ServerAddress, ServerCheck,
    ServerEvents, ServerLines, WebSockets,
};
use crate::source::Spanned;
use crate::text::Word;
use crate::units::TimeUnit;

/// What parameters of `server` and `default-server` set.
#[derive(Debug, Clone)]
pub(crate) struct ServerSettings {
    id: Option<u32>,
    weight: u16,
    maxconn: u32,
    minconn: u32,
    maxqueue: u32,
    slowstart: Duration,
    track: Option<Spanned<(Option<String>, String)>>,
    guid: Option<String>,
    cookie: Option<String>,
    hash_key: HashKey,
    disabled: bool,
    backup: bool,
    stick: Option<bool>,
    idle_ping: Option<Duration>,
    idle_max: Option<u32>,
    idle_purge_delay: Duration,
    reuse_max: Option<u32>,
    strict_maxconn: bool,
    events: ServerEvents,
    check: ServerCheck,
    naming: Naming,
    proto: Option<HttpProto>,
    websockets: WebSockets,
    lines: ServerLines,
    shard: u32,
    pub(super) outgoing: Outgoing,
}

impl Default for ServerSettings {
    fn default() -> ServerSettings {
        ServerSettings {
            id: None,
            weight: 1,
            maxconn: 0,
            minconn: 0,
            maxqueue: 0,
            slowstart: Duration::ZERO,
            track: None,
            guid: None,
            cookie: None,
            hash_key: HashKey::Id,
            disabled: false,
            backup: false,
            stick: None,
            idle_ping: None,
            idle_max: None,
            idle_purge_delay: Duration::from_secs(5),
            reuse_max: None,
            strict_maxconn: false,
            events: ServerEvents::default(),
            check: ServerCheck::default(),
            naming: Naming::default(),
            proto: None,
            websockets: WebSockets::Auto,
            lines: ServerLines::default(),
            shard: 0,
            outgoing: Outgoing::default(),
        }
    }
}

type Parse = fn(&mut ServerSettings, &mut Args<'_>) -> Parsed<()>;

const B: Sections = Sections::BACKENDS;

/// The parameters of `server`.
#[rustfmt::skip]
const ROWS: &[Keyword<Parse>] = &[
    served("from", B, "{ none | be:[<backend>] | srv:[<backend>/]<server> }", "begin with these settings", |_, args| {
        Err(Box::new(
            Diagnostic::error(code::BAD_ARGUMENT, args.last(), "`from` comes before all other settings")
                .help("put it behind the address: `server <name> <address> from <origin> ...`"),
        ))
    }),
    served("id", B, "<number>", "the server's number", |server, args| {
        server.id = Some(args.integer(1, 0x7fff_ffff)?);
        Ok(())
    }),
    served("weight", B, "<number>", "the server's share of the load, 0 to 256", |server, args| {
        server.weight = args.integer(0, 256)?;
        Ok(())
    }),
    served("maxconn", B, "<number>", "most requests or streams at a time; 0 for no limit", |server, args| {
        server.maxconn = args.integer(0, 0x7fff_ffff)?;
        Ok(())
    }),
    served("minconn", B, "<number>", "what `maxconn` is without load", |server, args| {
        server.minconn = args.integer(0, 0x7fff_ffff)?;
        Ok(())
    }),
    served("maxqueue", B, "<number>", "most that wait for the server; 0 for no limit", |server, args| {
        server.maxqueue = args.integer(0, 0x7fff_ffff)?;
        Ok(())
    }),
    served("slowstart", B, "<time>", "time to grow to full weight and `maxconn`", |server, args| {
        server.slowstart = args.time(TimeUnit::Milliseconds)?;
        Ok(())
    }),
    served("track", B, "[<backend>/]<server>", "follow another server's state", |server, args| {
        let word = args.spanned("the name of a server")?;
        let named = match word.value.split_once('/') {
            Some((backend, server)) => (Some(backend.to_owned()), server.to_owned()),
            None => (None, word.value),
        };
        server.track = Some(Spanned::new(named, word.span));
        Ok(())
    }),
    served("cookie", B, "<value>", "the value of the cookie that clients of the server have", |server, args| {
        let word = args.expect("a value")?;
        let text = word.text()?;
        let allowed = |byte: u8| byte.is_ascii_graphic() && !b"\";,\\|~".contains(&byte);
        if text.is_empty() || !text.bytes().all(allowed) {
            return bad_argument(word, "the value of a cookie has no blanks and none of `\"`, `;`, `,`, `\\`, `|` and `~`");
        }
        server.cookie = Some(text.to_owned());
        Ok(())
    }),
    served("guid", B, "<string>", "a unique name", |server, args| {
        server.guid = Some(guid(args)?);
        Ok(())
    }),
    served("hash-key", B, "{ id | id32 | guid | addr | addr-port }", "what consistent hashing hashes", |server, args| {
        let names = [
            ("id", HashKey::Id),
            ("id32", HashKey::Id32),
            ("guid", HashKey::Guid),
            ("addr", HashKey::Addr),
            ("addr-port", HashKey::AddrPort),
        ];
        server.hash_key = args.one_of("what a server is hashed by", &names)?;
        Ok(())
    }),
    served("disabled", B, "", "start in maintenance", |server, _| {
        server.disabled = true;
        Ok(())
    }),
    served("enabled", B, "", "don't start in maintenance", |server, _| {
        server.disabled = false;
        Ok(())
    }),
    served("backup", B, "", "use only when no other server can be used", |server, _| {
        server.backup = true;
        Ok(())
    }),
    served("no-backup", B, "", "use like any other server", |server, _| {
        server.backup = false;
        Ok(())
    }),
    served("pool-max-conn", B, "<number>", "most idle connections that are kept; -1 for no limit", |server, args| {
        let unlimited = args.take("-1");
        server.idle_max = if unlimited { None } else { Some(args.integer(0, 0x7fff_ffff)?) };
        Ok(())
    }),
    served("pool-purge-delay", B, "<time>", "after each such time half of the idle connections that nobody needed are closed", |server, args| {
        server.idle_purge_delay = args.time(TimeUnit::Milliseconds)?;
        Ok(())
    }),
    served("stick", B, "", "kept in stick tables, also as a backup", |server, _| {
        server.stick = Some(true);
        Ok(())
    }),
    served("non-stick", B, "", "never kept in stick tables", |server, _| {
        server.stick = Some(false);
        Ok(())
    }),
    served("check", B, "", "check the server's health", |server, _| {
        server.check.enabled = true;
        Ok(())
    }),
    served("no-check", B, "", "don't check the server's health", |server, _| {
        server.check.enabled = false;
        Ok(())
    }),
    served("inter", B, "<time>", "time between checks", |server, args| {
        server.check.inter = interval(args)?;
        Ok(())
    }),
    served("fastinter", B, "<time>", "time between checks of a server that changes", |server, args| {
        server.check.fast_inter = Some(interval(args)?);
        Ok(())
    }),
    served("downinter", B, "<time>", "time between checks of a server that is down", |server, args| {
        server.check.down_inter = Some(interval(args)?);
        Ok(())
    }),
    served("rise", B, "<number>", "good checks in a row until a server is up", |server, args| {
        server.check.rise = args.integer(1, 0x7fff_ffff)?;
        Ok(())
    }),
    served("fall", B, "<number>", "bad checks in a row until a server is down", |server, args| {
        server.check.fall = args.integer(1, 0x7fff_ffff)?;
        Ok(())
    }),
    served("addr", B, "<address>[:<port>]", "address of health checks", |server, args| {
        let (ip, port) = check_address(args.expect("an address")?)?;
        server.check.address = Some(ip);
        server.check.address_port = port;
        Ok(())
    }),
    served("port", B, "<port>", "port of health checks", |server, args| {
        server.check.port = Some(args.integer(1, 65535)?);
        Ok(())
    }),
    served("check-ssl", B, "", "TLS in checks", |server, _| {
        server.check.tls = Some(true);
        Ok(())
    }),
    served("no-check-ssl", B, "", "no TLS in checks", |server, _| {
        server.check.tls = Some(false);
        Ok(())
    }),
    served("check-sni", B, "<name>", "the name that checks ask for in TLS", |server, args| {
        server.check.sni = Some(args.text("a name")?.to_owned());
        Ok(())
    }),
    served("check-sni-auto", B, "", "without `check-sni` that is the host that checks ask for, as without a word", |server, _| {
        server.check.sni_auto = true;
        Ok(())
    }),
    served("no-check-sni-auto", B, "", "without `check-sni` checks ask for no name in TLS", |server, _| {
        server.check.sni_auto = false;
        Ok(())
    }),
    served("check-alpn", B, "<protocols>", "protocols that checks offer, the preferred one first", |server, args| {
        server.check.alpn = Some(tls::protocols(args)?);
        Ok(())
    }),
    served("check-proto", B, "{ none | h1 | h2 }", "what checks speak, whatever TLS agrees on", |server, args| {
        let names = [("none", None), ("h1", Some(HttpProto::Http1)), ("h2", Some(HttpProto::Http2))];
        let span = args.peek().map_or_else(|| args.last(), Word::span);
        server.check.proto = Some(Spanned::new(args.one_of("`none`, `h1` or `h2`", &names)?, span));
        Ok(())
    }),
    served("check-via-socks4", B, "", "checks go by `socks4` too", |server, _| {
        server.check.via_socks = true;
        Ok(())
    }),
    served("check-reuse-pool", B, "", "checks of HTTP take idle connections, and leave theirs to others", |server, _| {
        server.check.reuse_pool = true;
        Ok(())
    }),
    served("no-check-reuse-pool", B, "", "checks have connections of their own", |server, _| {
        server.check.reuse_pool = false;
        Ok(())
    }),
    served("check-pool-conn-name", B, "<name>", "what idle connections for checks are kept apart by", |server, args| {
        server.check.pool_name = Some(args.text("a name")?.to_owned());
        Ok(())
    }),
    served("check-send-proxy", B, "", "PROXY protocol in checks", |server, _| {
        server.check.send_proxy = Some(true);
        Ok(())
    }),
    served("no-check-send-proxy", B, "", "no PROXY protocol in checks", |server, _| {
        server.check.send_proxy = Some(false);
        Ok(())
    }),
    served("init-state", B, "{ fully-up | up | down | fully-down | none }", "the state before the first check",
        |server, args| {
            let names = [
                ("fully-up", Some(InitialState::FullyUp)),
                ("up", Some(InitialState::Up)),
                ("down", Some(InitialState::Down)),
                ("fully-down", Some(InitialState::FullyDown)),
                ("none", None),
            ];
            server.check.initial = args.one_of("an initial state", &names)?;
            Ok(())
        }),
    served("observe", B, "{ layer4 | layer7 }", "judge the server by its traffic", |server, args| {
        let names = [("layer4", Observe::Layer4), ("layer7", Observe::Layer7)];
        server.check.observe = Some(args.one_of("what is observed", &names)?);
        Ok(())
    }),
    served("error-limit", B, "<number>", "errors in a row until `on-error` acts", |server, args| {
        server.check.errors_max = args.integer(1, 0x7fff_ffff)?;
        Ok(())
    }),
    served("on-error", B, "{ fastinter | fail-check | sudden-death | mark-down }", "what follows errors in traffic",
        |server, args| {
            let names = [
                ("fastinter", OnError::FastInter),
                ("fail-check", OnError::FailCheck),
                ("sudden-death", OnError::SuddenDeath),
                ("mark-down", OnError::MarkDown),
            ];
            server.check.on_error = args.one_of("what follows errors", &names)?;
            Ok(())
        }),
    served("agent-check", B, "", "ask an agent for the server's state", |server, _| {
        server.check.agent.enabled = true;
        Ok(())
    }),
    served("no-agent-check", B, "", "ask no agent", |server, _| {
        server.check.agent.enabled = false;
        Ok(())
    }),
    served("agent-addr", B, "<address>", "address of the agent", |server, args| {
        let word = args.expect("an address")?;
        let (ip, port) = check_address(word)?;
        if port.is_some() {
            return bad_argument(word, "the agent's port is what `agent-port` says");
        }
        server.check.agent.address = Some(ip);
        Ok(())
    }),
    served("agent-port", B, "<port>", "port of the agent", |server, args| {
        server.check.agent.port = Some(args.integer(1, 65535)?);
        Ok(())
    }),
    served("agent-inter", B, "<time>", "time between questions to the agent", |server, args| {
        server.check.agent.inter = interval(args)?;
        Ok(())
    }),
    served("agent-send", B, "<string>", "what the agent is sent", |server, args| {
        server.check.agent.send = Some(args.text("a text")?.to_owned());
        Ok(())
    }),
    served("healthcheck", B, "<name>", "what checks do: a section", |server, args| {
        server.check.section = Some(args.spanned("the name of a `healthcheck` section")?);
        Ok(())
    }),
    served("on-marked-down", B, "shutdown-sessions", "what follows when the server goes down", |server, args| {
        args.one_of("what follows", &[("shutdown-sessions", ())])?;
        server.events.ends_sessions = true;
        Ok(())
    }),
    served("on-marked-up", B, "shutdown-backup-sessions", "what follows when the server comes up", |server, args| {
        args.one_of("what follows", &[("shutdown-backup-sessions", ())])?;
        server.events.ends_backup_sessions = true;
        Ok(())
    }),
    served("proto", B, "{ h1 | h2 }", "what the server speaks, whatever TLS agrees on", |server, args| {
        server.proto = Some(super::bind::http_proto(args)?);
        Ok(())
    }),
    served("cc", B, "<algorithm>", "algorithm of congestion control, where the system lets it be chosen", |server, args| {
        server.outgoing.congestion = super::tls::word(args, "an algorithm")?.map(|word| word.value);
        Ok(())
    }),
    served("idle-ping", B, "<time>", "how often the server is asked on idle connections of HTTP/2 whether it is there", |server, args| {
        server.idle_ping = Some(args.time(TimeUnit::Milliseconds)?).filter(|time| !time.is_zero());
        Ok(())
    }),
    served("init-addr", B, "{ last | libc | none | <ip> },...", "how the address is found at start", |server, args| naming::initial(&mut server.naming, args)),
    served("log-bufsize", B, "<bytes>", "the size of the ring before a server of log lines", |server, args| {
        let word = args.peek();
        server.lines.buffer_bytes = Some(args.size()?).filter(|bytes| *bytes > 0);
        match (server.lines.buffer_bytes, word) {
            (None, Some(word)) => bad_argument(word, "a size of zero"),
            _ => Ok(()),
        }
    }),
    served("log-proto", B, "{ legacy | octet-count }", "how log lines are told apart on a stream", |server, args| {
        server.lines.octet_count = args.one_of("a framing of log lines", &[("legacy", false), ("octet-count", true)])?;
        Ok(())
    }),
    served("max-reuse", B, "<number>", "how often a connection is used again; -1 for no limit", |server, args| {
        let unlimited = args.take("-1");
        server.reuse_max = if unlimited { None } else { Some(args.integer(0, 0x7fff_ffff)?) };
        Ok(())
    }),
    served("pool-conn-name", B, "<expression>", "what idle connections are kept apart by", |server, args| {
        server.outgoing.pool_name_written = Some(args.expect("an expression")?.clone());
        Ok(())
    }),
    no_effect("pool-low-conn", B, "each thread keeps its own idle connections, and takes none of another's"),
    served("redir", B, "<prefix>", "send clients that GET to the server itself", |server, args| {
        let word = args.expect("what locations begin with")?;
        let text = word.text()?;
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return bad_argument(word, "a location has no blanks and no control characters");
        }
        server.events.redirect = Some(text.to_owned());
        Ok(())
    }),
    served("resolve-net", B, "<network>,...", "networks preferred in DNS answers", |server, args| naming::networks(&mut server.naming, args)),
    served("resolve-opts", B, "<option>,...", "options of DNS", |server, args| naming::options(&mut server.naming, args)),
    served("resolve-prefer", B, "{ ipv4 | ipv6 }", "family preferred in DNS answers", |server, args| naming::prefer(&mut server.naming, args)),
    served("resolvers", B, "<name>", "follow the name by these name servers", |server, args| naming::resolvers(&mut server.naming, args)),
    served("shard", B, "<number>", "in `peers` sections: the part of the keys that a peer hears of; 0 for all", |server, args| {
        server.shard = args.integer(0, 0x7fff_ffff)?;
        Ok(())
    }),
    served("socks4", B, "<address>:<port>", "connect by this proxy of SOCKS4", |server, args| {
        server.outgoing.socks = Some(socket_address(args.expect("an address with a port")?)?);
        Ok(())
    }),
    served("strict-maxconn", B, "", "never more connections than `maxconn`, idle ones counted", |server, _| {
        server.strict_maxconn = true;
        Ok(())
    }),
    left_out("tcp-md5sig", B, "the system's option takes unsafe code"),
    served("ws", B, "{ auto | h1 | h2 }", "what is spoken where a client asks for a WebSocket", |server, args| {
        let ways = [("auto", WebSockets::Auto), ("h1", WebSockets::Http1), ("h2", WebSockets::Http2)];
        server.websockets = args.one_of("what is spoken", &ways)?;
        Ok(())
    }),
];

/// The keywords for reference pages.
pub(crate) fn rows() -> impl Iterator<Item = KeywordDoc> {
    ROWS.iter()
        .chain(server_outgoing::ROWS)
        .map(|row| row.doc("server"))
}

/// Reads a `server` line.
pub(crate) fn server(
    args: &mut Args<'_>,
    origins: (&Origins, &Above),
    diagnostics: &mut Diagnostics,
) -> Parsed<(Server, ServerSettings)> {
    let name_word = args.expect("a name")?;
    check_name(name_word)?;
    let name = crate::Spanned::new(name_word.text()?.to_owned(), name_word.span());
    let (own, above) = origins;
    named(name, name_word, args, (own, above, &own.unnamed), diagnostics)
}

/// Reads the `server` line of a section that is no proxy: of the parameters it has those of connections, and some `more`.
pub(crate) fn plain(
    args: &mut Args<'_>,
    origins: &Origins,
    whose: &str,
    more: &[&str],
    diagnostics: &mut Diagnostics,
) -> Parsed<Server> {
    only_plain(args.rest().get(2..).unwrap_or_default(), whose, more, diagnostics);
    let (server, _) = server(args, (origins, &Above::default()), diagnostics)?;
    if server.datagrams {
        let message = format!("{whose} servers are sent streams");
        return Err(Box::new(
            Diagnostic::error(code::BAD_ADDRESS, server.address_span, message)
                .help("a server in a backend of `mode log` may be sent datagrams"),
        ));
    }
    Ok(server)
}

/// Warns of parameters among some words that are neither those of connections nor some `more`.
pub(crate) fn only_plain(words: &[Word], whose: &str, more: &[&str], diagnostics: &mut Diagnostics) {
    let is_known = |word: &&Word| ROWS.iter().any(|row| word.is(row.name));
    let is_more = |word: &Word| more.iter().any(|name| word.is(name));
    for word in words.iter().filter(is_known).filter(|word| !is_more(word)) {
        let of: Vec<String> = more.iter().map(|name| format!("`{name}`")).collect();
        let message = format!("`{}` has no effect on {whose} servers", word.lossy());
        diagnostics.push(
            Diagnostic::warning(code::NO_EFFECT, word.span(), message).note(format!(
                "they have {} and what is said of connections, as `ssl`",
                of.join(", ")
            )),
        );
    }
}

/// An address, and whether it is one of datagrams.
fn datagrams(word: &Word) -> (Parsed<ServerAddress>, bool) {
    let word = word.as_address();
    let prefixes = [("udp@", ""), ("udp4@", "ipv4@"), ("udp6@", "ipv6@")];
    let text = word.text().unwrap_or_default();
    match prefixes.iter().find(|(prefix, _)| text.starts_with(prefix)) {
        Some((prefix, _)) => (server_address(&word.tail(prefix.len())), true),
        None => (server_address(word), false),
    }
}

/// Reads a `server-template` line: servers that differ in the numbers at the ends of their names.
pub(crate) fn template(
    args: &mut Args<'_>,
    origins: (&Origins, &Above),
    diagnostics: &mut Diagnostics,
) -> Parsed<(Vec<Server>, ServerSettings)> {
    let prefix = args.expect("what the names begin with")?;
    check_name(prefix)?;
    let count = args.expect("how many servers, such as `3` or `1-3`")?;
    let numbers = numbers(count)?;
    let name = crate::Spanned::new(prefix.text()?.to_owned(), prefix.span());
    let (own, above) = origins;
    let (server, settings) = named(name, prefix, args, (own, above, &own.unnamed), diagnostics)?;
    let numbered = numbers.map(|number| Server {
        name: crate::Spanned::new(format!("{}{number}", server.name.value), server.name.span),
        ..server.clone()
    });
    Ok((numbered.collect(), settings))
}

/// `3` or `1-3`
fn numbers(word: &Word) -> Parsed<std::ops::RangeInclusive<u32>> {
    const MOST: u32 = 10_000;
    let text = word.text()?;
    let (first, last) = text.split_once('-').unwrap_or(("1", text));
    match (first.parse::<u32>(), last.parse::<u32>()) {
        (Ok(first), Ok(last)) if first <= last && last - first < MOST && last > 0 => Ok(first..=last),
        _ => bad_argument(
            word,
            format!("`{text}` is no number of servers, nor a range of numbers"),
        ),
    }
}

/// Reads the line of a server that comes while the process runs: it begins with what `from` names, or with nothing.
pub(crate) fn dynamic(
    name_word: &Word,
    args: &mut Args<'_>,
    (own, above): (&Origins, &Above),
    diagnostics: &mut Diagnostics,
) -> Parsed<(Server, ServerSettings)> {
    check_name(name_word)?;
    let name = crate::Spanned::new(name_word.text()?.to_owned(), name_word.span());
    let nothing = ServerSettings::default();
    named(name, name_word, args, (own, above, &nothing), diagnostics)
}

fn named(
    name: crate::Spanned<String>,
    name_word: &Word,
    args: &mut Args<'_>,
    (own, above, defaults): (&Origins, &Above, &ServerSettings),
    diagnostics: &mut Diagnostics,
) -> Parsed<(Server, ServerSettings)> {
    let address_word = args
        .expect("an address such as `192.0.2.1:80`")
        .map_err(|diagnostic| {
            Box::new(match server_address(name_word) {
                Ok(ServerAddress::Name { .. }) | Err(_) => *diagnostic,
                Ok(_) => diagnostic.help(format!("a name comes first: `<name> {}`", name_word.lossy())),
            })
        })?;
    let (address, datagrams) = datagrams(address_word);
    let mut settings = ServerSettings {
        id: None,
        guid: None,
        ..own.from(args, above)?.unwrap_or_else(|| defaults.clone())
    };
    parameters(&mut settings, args, diagnostics);
    let reused = settings.clone();
    let server = Server {
        name,
        address: address?,
        address_span: address_word.span(),
        datagrams,
        lines: settings.lines,
        shard: settings.shard,
        id: settings.id,
        weight: settings.weight,
        maxconn: settings.maxconn.max(settings.minconn),
        minconn: settings.minconn,
        maxqueue: settings.maxqueue,
        slowstart: settings.slowstart,
        track: settings.track,
        guid: settings.guid,
        cookie: settings.cookie,
        hash_key: settings.hash_key,
        disabled: settings.disabled,
        backup: settings.backup,
        stick: settings.stick,
        idle_ping: settings.idle_ping,
        idle_max: settings.idle_max,
        idle_purge_delay: settings.idle_purge_delay,
        reuse_max: settings.reuse_max,
        strict_maxconn: settings.strict_maxconn,
        events: settings.events,
        check: settings.check,
        naming: Naming {
            v6: family_said(address_word),
            ..settings.naming
        },
        proto: settings.proto,
        websockets: settings.websockets,
        outgoing: settings.outgoing,
        is_referenced: false,
    };
    Ok((server, reused))
}

/// Parameters without an effect here that a value follows.
const WITH_VALUE: [&str; 2] = ["pool-low-conn", "ktls"];

/// Reads the parameters of a `server` or `default-server` line. Every fault is reported.
pub(crate) fn parameters(settings: &mut ServerSettings, args: &mut Args<'_>, diagnostics: &mut Diagnostics) {
    loop {
        if let Some(result) = settings.outgoing.tlv(args) {
            if let Err(diagnostic) = result {
                diagnostics.push(*diagnostic);
            }
            continue;
        }
        let Some(word) = args.next() else { return };
        let result =
            look_up(&[ROWS, server_outgoing::ROWS], word, "server ", "").and_then(|found| match found {
                Found::Served(_, parse) => parse(settings, args),
                Found::Nothing(notice) => {
                    if WITH_VALUE.iter().any(|name| word.is(name)) {
                        args.next();
                    }
                    diagnostics.push(*notice);
                    Ok(())
                }
            });
        if let Err(diagnostic) = result {
            let known = matches!(
                diagnostic.code,
                code::NOT_YET | code::LEFT_OUT | code::UNKNOWN_KEYWORD
            );
            diagnostics.push(*diagnostic);
            if known {
                // how many of the words that follow belong to it isn't known
                args.take_rest();
            }
        }
    }
}

/// A time between checks, which is never none.
fn interval(args: &mut Args<'_>) -> Parsed<Duration> {
    let word = args.peek();
    let time = args.time(TimeUnit::Milliseconds)?;
    match word {
        Some(word) if time < Duration::from_millis(1) => {
            bad_argument(word, "checks need some time between them: at least `1ms`")
        }
        _ => Ok(time),
    }
}

/// A name that is unique among all objects.
pub(crate) fn guid(args: &mut Args<'_>) -> Parsed<String> {
    let word = args.expect("a unique name")?;
    check_name(word)?;
    let text = word.text()?;
    if text.len() > GUID_BYTES_MAX {
        return bad_argument(
            word,
            format!("a `guid` has no more than {GUID_BYTES_MAX} characters"),
        );
    }
    Ok(text.to_owned())
}

/// The longest `guid`.
const GUID_BYTES_MAX: usize = 127;

/// Names of servers and proxies have letters, digits, `-`, `_`, `.` and `:`.
pub(crate) fn check_name(word: &Word) -> Parsed<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    let wrong = word.bytes().iter().position(|byte| !allowed(*byte));
    if let Some(at) = wrong {
        let part = word.part(at, at + 1);
        let message = format!("`{}` is not permitted in a name", part.lossy());
        return Err(Box::new(
            Diagnostic::error(code::BAD_NAME, part.span(), message)
                .help("a name has letters, digits, `-`, `_`, `.` and `:`"),
        ));
    }
    if word.bytes().is_empty() {
        bad_argument(word, "a name is empty")
    } else {
        Ok(())
    }
}
