//! `option` lines, and `no option`.

use super::{FormatSource, ProxyCx, forwarded};
use crate::model::{ConnectionMode, ForwardFor, HeaderNames};
use crate::parse::address::network;
use crate::parse::args::{Args, Parsed, bad_argument};
use crate::parse::check_rules::scripts::{self, SPOE};
use crate::parse::check_rules::{Kind, http_option, option_request};
use crate::parse::keyword::{Found, Keyword, KeywordDoc, Sections, left_out, look_up, no_effect, served};
use tidegate_sample::Place;

/// Takes the arguments of an option in; the flag is false after `no`.
type Parse = fn(&mut ProxyCx<'_>, &mut Args<'_>, bool) -> Parsed<()>;

const F: Sections = Sections::FRONTENDS;
const B: Sections = Sections::BACKENDS;
const ALL: Sections = Sections::PROXIES;

/// The words after `option`.
#[rustfmt::skip]
const ROWS: &[Keyword<Parse>] = &[
    served("httplog", F, "[clf]", "log HTTP requests", |cx, args, on| {
        let word = args.last();
        let clf = args.take("clf");
        let format = if clf { FormatSource::Clf(word) } else { FormatSource::Http(word) };
        cx.log_format = on.then_some(format);
        Ok(())
    }),
    served("tcplog", F, "[clf]", "log TCP sessions", |cx, args, on| {
        let word = args.last();
        let clf = args.take("clf");
        let format = if clf { FormatSource::TcpClf(word) } else { FormatSource::Tcp(word) };
        cx.log_format = on.then_some(format);
        Ok(())
    }),
    served("httpslog", F, "", "log HTTPS requests", |cx, args, on| {
        cx.log_format = on.then_some(FormatSource::Https(args.last()));
        Ok(())
    }),
    served("logasap", F, "", "log before the data", |cx, _, on| {
        cx.proxy.log.as_soon_as_possible = on;
        Ok(())
    }),
    served("dontlognull", F, "", "don't log connections without a byte", |cx, _, on| {
        cx.proxy.log.skip_empty = on;
        Ok(())
    }),
    served("dontlog-normal", F, "", "don't log sessions without an error", |cx, _, on| {
        cx.proxy.log.skip_normal = on;
        Ok(())
    }),
    served("log-separate-errors", F, "", "log errors at level `err`", |cx, _, on| {
        cx.proxy.log.separate_errors = on;
        Ok(())
    }),
    served("http-buffer-request", ALL, "", "rules see requests with their bodies", |cx, _, on| {
        cx.proxy.buffer_request = on;
        Ok(())
    }),
    served("http-keep-alive", ALL, "", "keep the connections of both sides", |cx, _, on| {
        connection_mode(cx, ConnectionMode::KeepAlive, on)
    }),
    served("http-server-close", ALL, "", "keep the client's connection only", |cx, _, on| {
        connection_mode(cx, ConnectionMode::ServerClose, on)
    }),
    served("httpclose", ALL, "", "close both connections after each response", |cx, _, on| {
        connection_mode(cx, ConnectionMode::Close, on)
    }),
    served("forwardfor", ALL, "[except <network>] [header <name>] [if-none]", "tell servers the client's address",
        |cx, args, on| {
            cx.proxy.forward_for = if on { Some(forward_for(args, "X-Forwarded-For", true)?) } else { None };
            Ok(())
        }),
    served("originalto", ALL, "[except <network>] [header <name>]", "tell servers the original destination",
        |cx, args, on| {
            cx.proxy.original_to = if on { Some(forward_for(args, "X-Original-To", false)?) } else { None };
            Ok(())
        }),
    served("forwarded", B, "[proto] [host | host-expr <expr>] [by | by-expr <expr>] [by_port | by_port-expr <expr>] \
        [for | for-expr <expr>] [for_port | for_port-expr <expr>]", "tell servers of the client by RFC 7239",
        forwarded::forwarded),
    served("http-restrict-req-hdr-names", ALL, "{ preserve | delete | reject }",
        "what becomes of headers whose names hold more than letters, digits and hyphens", |cx, args, on| {
            let names = [
                ("preserve", HeaderNames::Preserve),
                ("delete", HeaderNames::Delete),
                ("reject", HeaderNames::Reject),
            ];
            cx.proxy.header_names = if on {
                args.one_of("what is done with unusual names", &names)?
            } else {
                HeaderNames::Preserve
            };
            Ok(())
        }),
    served("redispatch", B, "[<interval>]", "use another server when one can't be reached", |cx, args, on| {
        cx.proxy.redispatch = match args.peek() {
            _ if !on => 0,
            Some(_) => interval(args)?,
            None => -1,
        };
        Ok(())
    }),
    served("tcpka", ALL, "", "let the system probe idle connections on both sides", |cx, _, on| {
        cx.proxy.client_probes.on = on;
        cx.proxy.server_probes.on = on;
        Ok(())
    }),
    served("clitcpka", F, "", "let the system probe idle connections of clients", |cx, _, on| {
        cx.proxy.client_probes.on = on;
        Ok(())
    }),
    served("srvtcpka", B, "", "let the system probe idle connections to servers", |cx, _, on| {
        cx.proxy.server_probes.on = on;
        Ok(())
    }),
    no_effect("contstats", F, "bytes are always counted as they pass"),
    served("persist", B, "", "use a server by its cookie even when it is down", |cx, _, on| {
        cx.proxy.persistence.persist = on;
        Ok(())
    }),
    served("allbackups", B, "", "use all backup servers at once", |cx, _, on| {
        cx.proxy.all_backups = on;
        Ok(())
    }),
    served("httpchk", B, "[<method>] [<uri> [<version> [<host>]]]", "check health by HTTP", |cx, args, on| {
        let option = http_option(args)?;
        let scope = cx.scope(Place::Check).without_session();
        let request = option_request(option, &scope)?;
        match on {
            true => cx.checks.begin_http(Box::new(request)),
            false => cx.checks.kind = None,
        }
        Ok(())
    }),
    served("tcp-check", B, "", "check health by `tcp-check` rules", |cx, _, on| {
        cx.checks.kind = on.then_some(Kind::Tcp);
        Ok(())
    }),
    served("ssl-hello-chk", B, "", "check health by a greeting of TLS", |cx, args, on| follow(cx, args, on, |_| Ok(scripts::tls_hello()))),
    served("log-health-checks", B, "", "log changes of health", |cx, _, on| {
        cx.proxy.log_health_checks = on;
        Ok(())
    }),
    served("abortonclose", ALL, "", "give up what a client waits for that has ended its side; so in HTTP without a word",
        |cx, _, on| {
            cx.proxy.closing.abort = Some(on);
            Ok(())
        }),
    served("accept-invalid-http-request", F, "", "read requests that break the rules; an old name", |cx, _, on| {
        cx.proxy.http.lenient_requests = on;
        Ok(())
    }),
    served("accept-invalid-http-response", B, "", "read responses that break the rules; an old name", |cx, _, on| {
        cx.proxy.http.lenient_responses = on;
        Ok(())
    }),
    served("accept-unsafe-violations-in-http-request", F, "", "read requests that break the rules", |cx, _, on| {
        cx.proxy.http.lenient_requests = on;
        Ok(())
    }),
    served("accept-unsafe-violations-in-http-response", B, "", "read responses that break the rules", |cx, _, on| {
        cx.proxy.http.lenient_responses = on;
        Ok(())
    }),
    served("checkcache", B, "", "refuse responses that set cookies and may be kept by caches", |cx, _, on| {
        cx.proxy.http.check_cache = on;
        Ok(())
    }),
    served("disable-h2-upgrade", F, "", "don't take HTTP/2 where a client begins it unasked", |cx, _, on| {
        cx.proxy.http.disable_h2_upgrade = on;
        Ok(())
    }),
    served("external-check", B, "", "check health by a program", |cx, args, on| {
        cx.checks.kind = on.then_some(Kind::External(args.last()));
        Ok(())
    }),
    served("h1-case-adjust-bogus-client", F, "", "write header names as `h1-case-adjust` says", |cx, _, on| {
        cx.proxy.http.adjust_for_clients = on;
        Ok(())
    }),
    served("h1-case-adjust-bogus-server", B, "", "write header names as `h1-case-adjust` says", |cx, _, on| {
        cx.proxy.http.adjust_for_servers = on;
        Ok(())
    }),
    served("http-drop-request-trailers", B, "", "keep trailers of requests from servers", |cx, _, on| {
        cx.proxy.http.drop_request_trailers = on;
        Ok(())
    }),
    served("http-drop-response-trailers", F, "", "keep trailers of responses from clients", |cx, _, on| {
        cx.proxy.http.drop_response_trailers = on;
        Ok(())
    }),
    served("http-ignore-probes", F, "", "don't answer or log connections on which nothing comes", |cx, _, on| {
        cx.proxy.http.ignore_probes = on;
        Ok(())
    }),
    no_effect("http-no-delay", ALL, "nothing that was read is held back"),
    served("http-pretend-keepalive", B, "", "don't tell servers that their connections end", |cx, _, on| {
        cx.proxy.http.pretend_keepalive = on;
        Ok(())
    }),
    no_effect("http-use-proxy-header", F, "`Connection` says all, as in HAProxy 2.6, which answers the same with this option and without"),
    left_out("http-tunnel", ALL, "HAProxy took it away too"),
    served("idle-close-on-response", F, "", "in a soft stop, end idle connections with their next response", |cx, _, on| {
        cx.proxy.http.idle_close_on_response = on;
        Ok(())
    }),
    served("independent-streams", ALL, "", "a side that says nothing is silent, whatever it is told", |cx, _, on| {
        cx.proxy.independent_streams = on;
        Ok(())
    }),
    served("ldap-check", B, "", "check health by LDAP", |cx, args, on| follow(cx, args, on, |_| Ok(scripts::ldap()))),
    served("mysql-check", B, "[user <username> [{ post-41 | pre-41 | post-80 }]]", "check health by MySQL",
        |cx, args, on| follow(cx, args, on, scripts::mysql)),
    served("nolinger", ALL, "", "reset connections in place of closing them", |cx, _, on| {
        cx.proxy.closing.no_linger = on;
        Ok(())
    }),
    served("pgsql-check", B, "user <username>", "check health by PostgreSQL",
        |cx, args, on| follow(cx, args, on, scripts::postgresql)),
    served("prefer-last-server", B, "", "requests of a session go where the last one went", |cx, _, on| {
        cx.proxy.upstream.prefer_last_server = on;
        Ok(())
    }),
    served("redis-check", B, "", "check health by Redis", |cx, args, on| follow(cx, args, on, |_| Ok(scripts::redis()))),
    served("smtpchk", B, "[{ HELO | EHLO } <domain>]", "check health by SMTP", |cx, args, on| follow(cx, args, on, scripts::smtp)),
    served("socket-stats", F, "", "count for each listener too", |cx, _, on| {
        cx.proxy.socket_stats = on;
        Ok(())
    }),
    left_out("spop-check", B, SPOE),
    left_out("transparent", B, "HAProxy took it away too; give a `server` the address `*`"),
    no_effect("splice-auto", ALL, "what is long passes within the system wherever it can, without being asked; `nosplice` forbids it"),
    no_effect("splice-request", ALL, "what is long passes within the system wherever it can, without being asked; `nosplice` forbids it"),
    no_effect("splice-response", ALL, "what is long passes within the system wherever it can, without being asked; `nosplice` forbids it"),
    no_effect("tcp-smart-accept", F, "the system decides when acknowledgements are sent"),
    no_effect("tcp-smart-connect", B, "the system decides when acknowledgements are sent"),
    left_out("http-use-htx", ALL, "HAProxy has only one representation of HTTP left too"),
    left_out("forceclose", ALL, "HAProxy took it away too; see `option httpclose`"),
];

/// The keywords for reference pages.
pub(super) fn rows() -> impl Iterator<Item = KeywordDoc> {
    ROWS.iter().map(|row| row.doc("option"))
}

/// Reads an `option` line.
pub(super) fn option(cx: &mut ProxyCx<'_>, args: &mut Args<'_>, on: bool) -> Parsed<()> {
    let word = args.expect("the name of an option")?;
    args.named(word);
    match look_up(&[ROWS], word, "option ", "")? {
        Found::Served(row, parse) => {
            if !super::applies(cx, row.sections, word, args.name(), false)? {
                args.take_rest();
                return Ok(());
            }
            parse(cx, args, on)
        }
        Found::Nothing(notice) => {
            cx.diagnostics.push(*notice);
            Ok(())
        }
    }
}

/// Lets checks do what a script says.
fn follow(
    cx: &mut ProxyCx<'_>,
    args: &mut Args<'_>,
    on: bool,
    script: fn(&mut Args<'_>) -> Parsed<Vec<Vec<String>>>,
) -> Parsed<()> {
    let span = args.last();
    if !on {
        cx.checks.kind = None;
        return Ok(());
    }
    let lines = script(args)?;
    let scope = cx.scope(Place::Check).without_session();
    cx.checks.follow(lines, span, &scope)
}

/// Taking away the mode that is set leaves the one that there is without a word.
fn connection_mode(cx: &mut ProxyCx<'_>, mode: ConnectionMode, on: bool) -> Parsed<()> {
    if on {
        cx.proxy.connection_mode = mode;
    } else if cx.proxy.connection_mode == mode {
        cx.proxy.connection_mode = ConnectionMode::default();
    }
    Ok(())
}

/// Which retries go to another server.
fn interval(args: &mut Args<'_>) -> Parsed<i32> {
    let word = args.expect("an integer")?;
    match word.text()?.parse::<i32>() {
        Ok(interval) => Ok(interval),
        Err(_) => bad_argument(
            word,
            format!("`{}` is not an integer such as `1` or `-1`", word.lossy()),
        ),
    }
}

/// The arguments of `forwardfor` and `originalto`.
fn forward_for(args: &mut Args<'_>, header: &str, may_be_there: bool) -> Parsed<ForwardFor> {
    let mut rule = ForwardFor {
        header: header.to_owned(),
        except: None,
        if_none: false,
    };
    loop {
        if args.take("except") {
            rule.except = Some(network(args.expect("a network such as `192.0.2.0/24`")?)?);
        } else if args.take("header") {
            rule.header = crate::parse::http::header_name(args.expect("the name of a header")?)?;
        } else if may_be_there && args.take("if-none") {
            rule.if_none = true;
        } else {
            break;
        }
    }
    Ok(rule)
}
