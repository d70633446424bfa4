//! The first words of lines in `defaults`, `frontend`, `backend` and `listen` sections.

use std::rc::Rc;
use std::sync::Arc;

use super::{ProxyCx, balance, compression, filters, logs, options, persistence, stats, timeouts, upstream};
use crate::TimeUnit;
use crate::diag::{Diagnostic, code};
use crate::model::{BackendTarget, HttpReuse, Mode, Outgoing, RetryCount, SavedStates, Server, UseBackend};
use crate::parse::args::{Args, Parsed, fault, list};
use crate::parse::check_rules::Speaks;
use crate::parse::http::header_name;
use crate::parse::keyword::{Keyword, KeywordDoc, Sections, left_out, served, unsupported};
use crate::parse::order::Rank;
use crate::parse::server::{ServerSettings, guid};
use crate::parse::{bind, capture, certificates, errors, mails, rules, sampled, server, stick};
use crate::text::Word;
use tidegate_sample::{LogFormat, Place, Scope};

/// Takes the arguments of a keyword in.
pub(super) type Parse = fn(&mut ProxyCx<'_>, &mut Args<'_>) -> Parsed<()>;

/// All keywords.
pub(super) const TABLES: [&[Keyword<Parse>]; 1] = [ROWS];

/// The keywords for reference pages.
pub(super) fn rows() -> impl Iterator<Item = KeywordDoc> {
    ROWS.iter().map(|row| row.doc(""))
}

const ALL: Sections = Sections::PROXIES;
const F: Sections = Sections::FRONTENDS;
const B: Sections = Sections::BACKENDS;
const F_ONLY: Sections = F.without(Sections::DEFAULTS);
const B_ONLY: Sections = B.without(Sections::DEFAULTS);
const NO_DEFAULTS: Sections = ALL.without(Sections::DEFAULTS);

#[rustfmt::skip]
const ROWS: &[Keyword<Parse>] = &[
    served("mode", ALL, "{ tcp | http | log }", "what is understood of what is passed on; `log` for backends that log lines go to",
        mode),
    served("bind", F_ONLY, "<address>[,...] [<param>...]", "listen", |cx, args| {
        let binds = bind::bind(args, cx.diagnostics)?;
        cx.proxy.binds.extend(binds);
        Ok(())
    }),
    served("server", B_ONLY, "<name> <address>[:<port>] [<param>...]", "add a server", server_line),
    served("server-template", B_ONLY, "<prefix> { <number> | <first>-<last> } <address>[:<port>] [<param>...]",
        "add several servers", |cx, args| {
            let (servers, settings) = server::template(args, (&cx.origins, cx.above), cx.diagnostics)?;
            servers.into_iter().try_for_each(|server| add_server(cx, server, settings.clone()))
        }),
    served("default-server", B, "[name <name>] [from <origin>] [<param>...]", "parameters of servers that follow: of all, or of those \
        that begin with the name", |cx, args| cx.origins.line(args, cx.above, cx.diagnostics)),
    served("balance", B, "<algorithm> [<argument>...]", "which server comes next", balance::balance),
    served("cookie", B, "<name> [rewrite | insert | prefix] [<option>...]", "tie clients to servers by a cookie",
        persistence::cookie),
    served("use-server", B_ONLY, "<server> { if | unless } <condition>", "choose a server", persistence::use_server),
    served("force-persist", B_ONLY, "{ if | unless } <condition>", "use a server by its cookie even when it is down",
        persistence::force),
    served("ignore-persist", B_ONLY, "{ if | unless } <condition>", "don't use a server by its cookie",
        persistence::ignore),
    served("hash-type", B, "{ map-based | consistent } [<function>] [avalanche]", "how hashes choose servers",
        balance::hash_type),
    served("hash-balance-factor", B, "<percent>", "how much of the average a server may serve",
        balance::hash_balance_factor),
    served("hash-preserve-affinity", B, "{ always | maxconn | maxqueue }", "when a hash's server is kept",
        balance::affinity),
    served("fullconn", B, "<number>", "the load at which servers reach their `maxconn`", |cx, args| {
        cx.proxy.fullconn = Some(args.integer(0, 0x7fff_ffff)?).filter(|load| *load > 0);
        Ok(())
    }),
    served("timeout", ALL, "<which> <time>", "a limit of time", timeouts::timeout),
    served("option", ALL, "<name> [<arg>...]", "switch an option on", |cx, args| options::option(cx, args, true)),
    served("no", ALL, "{ option <name> | log }", "switch an option off, or forget log targets", no),
    served("acl", ALL, "<name> <criterion> [<flags>] [<pattern>...]", "define or extend an ACL", |_, args| {
        // declared before all other lines of the section
        args.take_rest();
        Ok(())
    }),
    served("http-request", ALL, "<action> [<arg>...] [{ if | unless } <condition>]", "a rule on requests",
        |cx, args| rules::rule(cx, args, rules::Set::HttpRequest)),
    served("http-response", ALL, "<action> [<arg>...] [{ if | unless } <condition>]", "a rule on responses",
        |cx, args| rules::rule(cx, args, rules::Set::HttpResponse)),
    served("http-after-response", ALL, "<action> [<arg>...] [{ if | unless } <condition>]",
        "a rule on all responses, also those made here",
        |cx, args| rules::rule(cx, args, rules::Set::HttpAfterResponse)),
    served("tcp-request", ALL, "{ { connection | session | content } <action> [{ if | unless } <condition>] | inspect-delay <time> }",
        "a rule on connections and their bytes", rules::tcp_request),
    served("tcp-response", B, "{ content <action> [{ if | unless } <condition>] | inspect-delay <time> }", "a rule on the server's bytes",
        rules::tcp_response),
    served("redirect", NO_DEFAULTS, "{ location | prefix | scheme } <to> [<option>...] [{ if | unless } <condition>]",
        "answer with a redirection", rules::redirect),
    served("use_backend", F_ONLY, "<backend> [{ if | unless } <condition>]", "choose a backend", use_backend),
    served("default_backend", F, "<backend>", "the backend when no other is chosen", |cx, args| {
        let word = args.expect("the name of a backend")?;
        let id = cx.names.backend(word)?;
        cx.proxy.default_backend = Some(crate::Spanned::new(id, word.span()));
        let is_rule = args.peek().is_some_and(|word| word.is("if") || word.is("unless"));
        args.end().map_err(|diagnostic| {
            Box::new(match is_rule {
                true => diagnostic.help("a choice that depends on a condition is written `use_backend`"),
                false => *diagnostic,
            })
        })
    }),
    served("log", ALL, "{ global | <target> [len <n>] [format <f>] [sample <ranges>:<size>] [profile <name>] <facility> [<level> [<minlevel>]] }",
        "where log lines go", logs::log),
    served("log-format", F, "<format>", "what log lines hold", logs::log_format),
    served("log-tag", ALL, "<string>", "the program's name in log lines", |cx, args| {
        cx.proxy.log.tag = Some(args.text("a tag")?.to_owned());
        Ok(())
    }),
    served("http-check", B, "<rule> [<arg>...]", "a step of an HTTP health check",
        |cx, args| check_rule(cx, args, Speaks::Http)),
    served("tcp-check", B, "<rule> [<arg>...]", "a step of a TCP health check",
        |cx, args| check_rule(cx, args, Speaks::Tcp)),
    served("compression", ALL, "{ algo[-res] <algorithm>... | algo-req <algorithm> | type[-req | -res] <type>... | \
        direction { request | response | both } | minsize-req <size> | minsize-res <size> | offload }",
        "compress messages", compression::compression),
    served("filter", NO_DEFAULTS, "<name> [<arg>...]", "add a filter", filters::filter),
    served("errorfile", ALL, "<status> <file>", "a file in place of an error page", errors::errorfile),
    served("errorfiles", ALL, "<name> [<status>...]", "the pages of an `http-errors` section", errors::errorfiles),
    served("monitor-uri", F, "<uri>", "the URI that tells whether the proxy itself is well", |cx, args| {
        cx.proxy.monitor_uri = Some(args.text("a URI")?.to_owned());
        Ok(())
    }),
    served("monitor", F_ONLY, "fail { if | unless } <condition>", "when the monitor reports a failure", monitor),
    served("http-send-name-header", B, "<header>", "tell servers their names", send_name),
    served("errorloc", ALL, "<status> <url>", "a redirection in place of an error page", |cx, args| {
        errors::errorloc(cx, args, 302)
    }),
    served("errorloc302", ALL, "<status> <url>", "a redirection in place of an error page", |cx, args| {
        errors::errorloc(cx, args, 302)
    }),
    served("errorloc303", ALL, "<status> <url>", "a redirection in place of an error page, to be followed with GET",
        |cx, args| errors::errorloc(cx, args, 303)),
    served("http-error", ALL, "status <status> [content-type <type>] [{ default-errorfiles | errorfile <file> | string \
        <str> | lf-string <fmt> | file <file> | lf-file <file> }] [hdr <name> <fmt>]...",
        "a reply in place of an error page", errors::http_error),
    served("maxconn", F, "<number>", "most connections; 0 for the process's limit", |cx, args| {
        cx.proxy.connections_max = Some(args.integer(0, 0x7fff_ffff)?).filter(|most| *most > 0);
        Ok(())
    }),
    served("backlog", F, "<number>", "length of the queue of the system", |cx, args| {
        cx.proxy.backlog = Some(args.integer(0, 0x7fff_ffff)?);
        Ok(())
    }),
    served("retries", B, "<number>", "how often a connection to a server is tried again", |cx, args| {
        cx.proxy.retries = RetryCount(args.integer(0, 0x7fff_ffff)?);
        Ok(())
    }),
    served("http-reuse", B, "{ never | safe | aggressive | always }", "which requests take idle connections",
        |cx, args| {
            let names = [
                ("never", HttpReuse::Never),
                ("safe", HttpReuse::Safe),
                ("aggressive", HttpReuse::Aggressive),
                ("always", HttpReuse::Always),
            ];
            cx.proxy.http_reuse = args.one_of("a way to use connections again", &names)?;
            Ok(())
        }),
    served("stick-table", NO_DEFAULTS,
        "type <type> size <size> [expire <time>] [nopurge] [srvkey { addr | name }] [store <data>[,...]]... \
         [brates-factor <number>] [recv-only] [write-to <table>]", "a table of what clients did", |_, args| {
            // declared before all lines of all sections
            args.take_rest();
            Ok(())
        }),
    served("stick", B_ONLY, "{ on | match | store-request | store-response } <key> [table <table>] \
        [{ if | unless } <condition>]", "tie clients to servers by a table", stick::stick),
    served("description", NO_DEFAULTS, "<text>", "words for people", |cx, args| {
        cx.proxy.description = Some(args.joined("a text")?);
        Ok(())
    }),
    served("id", NO_DEFAULTS, "<number>", "the proxy's number", |cx, args| {
        cx.proxy.id = Some(args.integer(1, 0x7fff_ffff)?);
        Ok(())
    }),
    served("disabled", ALL, "", "neither listen nor be used", |cx, _| {
        cx.proxy.disabled = true;
        Ok(())
    }),
    served("enabled", ALL, "", "the opposite of `disabled`", |cx, _| {
        cx.proxy.disabled = false;
        Ok(())
    }),
    served("be-unpublished", B_ONLY, "", "no rule chooses the backend until it is published", |cx, _| {
        cx.proxy.unpublished = true;
        Ok(())
    }),
    served("capture", F_ONLY, "{ cookie | request header | response header } <name> len <length>",
        "keep a cookie or a header for the log", capture::capture),
    served("clitcpka-cnt", F, "<number>", "how many probes stay unanswered before a connection is given up", |cx, args| {
        cx.proxy.client_probes.count = Some(args.integer(1, 127)?);
        Ok(())
    }),
    served("clitcpka-idle", F, "<time>", "how long connections are idle before they are probed", |cx, args| {
        cx.proxy.client_probes.idle = Some(args.time(TimeUnit::Seconds)?);
        Ok(())
    }),
    served("clitcpka-intvl", F, "<time>", "how long after a probe the next one is sent", |cx, args| {
        cx.proxy.client_probes.interval = Some(args.time(TimeUnit::Seconds)?);
        Ok(())
    }),
    served("declare", F_ONLY, "capture { request | response } len <length>", "declare a slot to capture into",
        capture::declare),
    left_out("dispatch", B_ONLY, "HAProxy took it away too; use a `server` line"),
    served("dynamic-cookie-key", B, "<string>", "what `cookie ... dynamic` makes values of, beside addresses", |cx, args| {
        cx.proxy.upstream.cookie_key = Some(args.text("a key")?.to_owned());
        Ok(())
    }),
    served("email-alert", ALL, "{ mailers <section> | from <address> | to <address> | level <level> | myhostname <host> }",
        "what a script that sends mails about servers is told", mails::alert),
    served("error-log-format", F, "<format>", "what log lines of errors hold", logs::error_log_format),
    served("external-check", B, "{ command <command> | path <path> }", "the program that checks health, and its PATH",
        |cx, args| cx.checks.external(args)),
    served("filter-sequence", NO_DEFAULTS, "{ request | response } <name>[,...]", "the filters that messages meet, in this order",
        filters::sequence),
    served("force-be-switch", F_ONLY, "{ if | unless } <condition>", "choose backends also if they are not published", force_switch),
    served("guid", NO_DEFAULTS, "<string>", "a unique name, by which counters live on", |cx, args| {
        cx.proxy.guid = Some(guid(args)?);
        Ok(())
    }),
    served("load-server-state-from-file", B, "{ global | local | none }", "begin with the state that servers had before a reload",
        |cx, args| {
            let names = [("global", SavedStates::Global), ("local", SavedStates::Local), ("none", SavedStates::None)];
            cx.proxy.upstream.saved = args.one_of("where the state of servers comes from", &names)?;
            Ok(())
        }),
    served("log-format-sd", F, "<format>", "the structured data of log lines", logs::log_format_sd),
    served("log-steps", F, "{ all | <step>[,...] }", "when log lines are written", logs::log_steps),
    served("max-keep-alive-queue", B, "<number>", "how many may wait for a server that a session returns to; -1 for any \
        number", |cx, args| {
            let unlimited = args.take("-1");
            cx.proxy.upstream.keep_alive_queue_max =
                if unlimited { None } else { Some(args.integer(0, 0x7fff_ffff)?) };
            Ok(())
        }),
    served("max-session-srv-conns", F, "<number>", "server connections that a session keeps for itself", |cx, args| {
        cx.proxy.upstream.session_servers_max = Some(args.integer(0, 0x7fff_ffff)?);
        Ok(())
    }),
    served("persist", B, "rdp-cookie[(<name>)]", "use the server that a cookie of RDP names", upstream::persist),
    served("rate-limit", F, "sessions <rate>", "most sessions per second; 0 for no limit", |cx, args| {
        args.one_of("what is limited", &[("sessions", ())])?;
        cx.proxy.sessions_per_second = args.integer(0, 0x7fff_ffff)?;
        Ok(())
    }),
    served("retry-on", B, "{ none | <reason>... | <status>... }", "after which failures a request is tried again",
        upstream::retry_on),
    served("server-state-file-name", B_ONLY, "[use-backend-name | <file>]", "the file for `load-server-state-from-file local`",
        |cx, args| {
            let named = !args.take("use-backend-name") && args.peek().is_some();
            cx.proxy.upstream.saved_file = if named { Some(args.text("a file")?.to_owned()) } else { None };
            Ok(())
        }),
    served("source", B, "<addr>[:<port>] [usesrc { <addr>[:<port>] | client | clientip | hdr_ip(<hdr>[,<occ>]) }] \
        [interface <name>]", "where connections to servers come from", upstream::source),
    served("srvtcpka-cnt", B, "<number>", "how many probes stay unanswered before a connection is given up", |cx, args| {
        cx.proxy.server_probes.count = Some(args.integer(1, 127)?);
        Ok(())
    }),
    served("srvtcpka-idle", B, "<time>", "how long connections are idle before they are probed", |cx, args| {
        cx.proxy.server_probes.idle = Some(args.time(TimeUnit::Seconds)?);
        Ok(())
    }),
    served("srvtcpka-intvl", B, "<time>", "how long after a probe the next one is sent", |cx, args| {
        cx.proxy.server_probes.interval = Some(args.time(TimeUnit::Seconds)?);
        Ok(())
    }),
    served("stats", ALL, "<setting> [<argument>...]", "the page of statistics", stats::line),
    served("ssl-f-use", F_ONLY, "crt <cert> [<param>...]", "a certificate of all `bind` lines that speak TLS", |cx, args| {
        let line = certificates::line_of_frontend(args, cx.diagnostics)?;
        cx.proxy.certificates.push(line);
        Ok(())
    }),
    left_out("transparent", B, "HAProxy took it away too; give a `server` the address `*`"),
    served("unique-id-format", ALL, "<format>", "an identifier for each request", logs::unique_id_format),
    served("unique-id-header", F, "<name>", "the header that tells servers the identifier", |cx, args| {
        cx.proxy.unique_id_header = Some(header_name(args.expect("the name of a header")?)?);
        Ok(())
    }),
    left_out("use-fcgi-app", B_ONLY, "FastCGI is not spoken"),
    left_out("appsession", ALL, "HAProxy took it away too; use a `stick-table`, with `stick store-response` and `stick match`"),
    left_out("block", ALL, "HAProxy took it away too; use `http-request deny`"),
    left_out("bind-process", ALL, "there are threads and no processes"),
    left_out("clitimeout", ALL, "HAProxy took it away too; use `timeout client`"),
    left_out("contimeout", ALL, "HAProxy took it away too; use `timeout connect`"),
    left_out("srvtimeout", ALL, "HAProxy took it away too; use `timeout server`"),
    left_out("monitor-net", ALL, "HAProxy took it away too; use `http-request return status 200 if { src <network> }`"),
    left_out("redispatch", ALL, "HAProxy took it away too; use `option redispatch`"),
    left_out("reqadd", ALL, "HAProxy took it away too; use `http-request add-header`"),
    left_out("reqallow", ALL, "HAProxy took it away too; use `http-request allow`"),
    left_out("reqdel", ALL, "HAProxy took it away too; use `http-request del-header`"),
    left_out("reqdeny", ALL, "HAProxy took it away too; use `http-request deny`"),
    left_out("reqiallow", ALL, "HAProxy took it away too; use `http-request allow`"),
    left_out("reqidel", ALL, "HAProxy took it away too; use `http-request del-header`"),
    left_out("reqideny", ALL, "HAProxy took it away too; use `http-request deny`"),
    left_out("reqipass", ALL, "HAProxy took it away too; use `http-request allow`"),
    left_out("reqirep", ALL, "HAProxy took it away too; use `http-request replace-header`, `replace-path` or `replace-uri`"),
    left_out("reqitarpit", ALL, "HAProxy took it away too; use `http-request tarpit`"),
    left_out("reqpass", ALL, "HAProxy took it away too; use `http-request allow`"),
    left_out("reqrep", ALL, "HAProxy took it away too; use `http-request replace-header`, `replace-path` or `replace-uri`"),
    left_out("reqsetbe", ALL, "HAProxy took it away too; use `use_backend`"),
    left_out("reqisetbe", ALL, "HAProxy took it away too; use `use_backend`"),
    left_out("reqtarpit", ALL, "HAProxy took it away too; use `http-request tarpit`"),
    left_out("rspadd", ALL, "HAProxy took it away too; use `http-response add-header`"),
    left_out("rspdel", ALL, "HAProxy took it away too; use `http-response del-header`"),
    left_out("rspdeny", ALL, "HAProxy took it away too; use `http-response deny`"),
    left_out("rspidel", ALL, "HAProxy took it away too; use `http-response del-header`"),
    left_out("rspideny", ALL, "HAProxy took it away too; use `http-response deny`"),
    left_out("rspirep", ALL, "HAProxy took it away too; use `http-response replace-header`"),
    left_out("rsprep", ALL, "HAProxy took it away too; use `http-response replace-header`"),
];

fn mode(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let word = args.peek();
    if let Some(word) = word.filter(|word| ["haterm", "spop", "health"].iter().any(|mode| word.is(mode))) {
        return Err(Box::new(unsupported(word, "mode ")));
    }
    let modes = [("tcp", Mode::Tcp), ("http", Mode::Http), ("log", Mode::Log)];
    cx.proxy.mode = args.one_of("a mode", &modes)?;
    cx.mode_span = Some(args.last());
    Ok(())
}

fn server_line(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let (server, settings) = server::server(args, (&cx.origins, cx.above), cx.diagnostics)?;
    add_server(cx, server, settings)
}

/// Reads the line of a server that comes while the process runs.
pub(crate) fn dynamic_server(cx: &mut ProxyCx<'_>, name: &Word, args: &mut Args<'_>) -> Parsed<()> {
    let (server, settings) = server::dynamic(name, args, (&cx.origins, cx.above), cx.diagnostics)?;
    args.end()?;
    add_server(cx, server, settings)
}

fn add_server(cx: &mut ProxyCx<'_>, mut server: Server, settings: ServerSettings) -> Parsed<()> {
    outgoing(&cx.scope(Place::ServerConnect), &mut server.outgoing)?;
    if let Some(first) = cx
        .proxy
        .servers
        .iter()
        .find(|known| known.name.value == server.name.value)
    {
        let message = format!(
            "{} has two servers of the name `{}`",
            cx.described(),
            server.name.value
        );
        return Err(Box::new(
            Diagnostic::error(code::DUPLICATE_NAME, server.name.span, message)
                .related(first.name.span, "the first one"),
        ));
    }
    if let Some(first) = cx
        .proxy
        .servers
        .iter()
        .find(|known| known.id.is_some() && known.id == server.id)
    {
        let message = format!("{} has two servers with the same id", cx.described());
        return Err(Box::new(
            Diagnostic::error(code::DUPLICATE_NAME, server.name.span, message)
                .related(first.name.span, "the first one"),
        ));
    }
    cx.origins.servers.insert(server.name.value.clone(), settings);
    cx.proxy.servers.push(server);
    Ok(())
}

fn monitor(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    if !args.take("fail") {
        return Err(args.missing("`fail`"));
    }
    let acls = Rc::clone(&cx.acls);
    let scope = cx.scope(Place::FrontendHttpRequest).with_acls(&acls);
    match rules::condition(cx, args, &scope)? {
        Some(condition) => cx.proxy.monitor_fail.push(condition),
        None => return Err(args.missing("`if` or `unless`")),
    }
    Ok(())
}

fn send_name(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    const FORBIDDEN: [&str; 4] = ["connection", "content-length", "host", "transfer-encoding"];
    let word = args.expect("the name of a header")?;
    let name = crate::parse::http::header_name(word)?;
    if FORBIDDEN
        .iter()
        .any(|forbidden| name.eq_ignore_ascii_case(forbidden))
    {
        let message = format!("`{name}` is not the proxy's to set");
        return fault(code::BAD_NAME, word, message);
    }
    cx.proxy.send_name = Some(name);
    Ok(())
}

fn no(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let word = args.expect("`option` or `log`")?;
    args.named(word);
    if word.is("option") {
        return options::option(cx, args, false);
    }
    if word.is("log") {
        cx.proxy.log.targets.clear();
        return Ok(());
    }
    let known = ["option", "log"];
    fault(
        code::BAD_ARGUMENT,
        word,
        format!("`no` can't be put before `{}`", word.lossy()),
    )
    .map_err(|diagnostic: Box<Diagnostic>| {
        Box::new(diagnostic.help(format!("it can be put before {}", list(&known))))
    })
}

fn use_backend(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let keyword = args.last();
    cx.order.note(Rank::UseBackend, keyword, cx.diagnostics);
    let word = args.expect("the name of a backend")?;
    let acls = Rc::clone(&cx.acls);
    let scope = cx.scope(Place::UseBackend).with_acls(&acls);
    let target = if word.bytes().contains(&b'%') {
        sampled::log_format(word, &scope).map(BackendTarget::Format)
    } else {
        cx.names.backend(word).map(BackendTarget::Proxy)
    };
    let condition = rules::condition(cx, args, &scope)?;
    cx.proxy.use_backends.push(UseBackend {
        target: target?,
        span: word.span(),
        condition,
    });
    Ok(())
}

/// `force-be-switch`
fn force_switch(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    if args.peek().is_none() {
        return Err(args.missing("`if` or `unless`, and a condition"));
    }
    let acls = Rc::clone(&cx.acls);
    let scope = cx.scope(Place::UseBackend).with_acls(&acls);
    let condition = rules::condition(cx, args, &scope)?;
    cx.proxy.force_switch.extend(condition);
    Ok(())
}

fn check_rule(cx: &mut ProxyCx<'_>, args: &mut Args<'_>, speaks: Speaks) -> Parsed<()> {
    let scope = cx.scope(Place::Check).without_session();
    cx.checks.rule(speaks, args, &scope)
}

/// Reads what of a server's parameters has to be parsed for this very place.
pub(crate) fn outgoing(scope: &Scope<'_>, outgoing: &mut Outgoing) -> Parsed<()> {
    if let Some(word) = outgoing.sni_written.take() {
        outgoing.sni = Some(Arc::new(sampled::expression(&word, scope)?));
    }
    if let Some(word) = outgoing.pool_name_written.take() {
        outgoing.pool_name = Some(Arc::new(sampled::expression(&word, scope)?));
    }
    if let Some(source) = &mut outgoing.source {
        upstream::presented(source, scope)?;
    }
    let mut tlvs = Vec::new();
    for (kind, word) in std::mem::take(&mut outgoing.tlvs_written) {
        let format = match word {
            Some(word) => Some(sampled::log_format(&word, scope)?),
            None => LogFormat::parse("", scope).ok(),
        };
        tlvs.extend(format.map(|format| (kind, Arc::new(format))));
    }
    if let Some(proxy) = &mut outgoing.proxy {
        proxy.tlvs = tlvs;
        let asked = outgoing.proxy_options;
        let own = &mut proxy.options;
        own.ssl |= asked.ssl;
        own.common_name |= asked.common_name;
        own.cipher |= asked.cipher;
        own.signature |= asked.signature;
        own.key |= asked.key;
        own.authority |= asked.authority;
        own.checksum |= asked.checksum;
        own.unique_id |= asked.unique_id;
    }
    Ok(())
}
