//! What a valid configuration becomes.

#![allow(clippy::panic, reason = "a helper that fails is a test that fails")]

use std::path::PathBuf;
use std::time::Duration;

use tidegate_config::model::{
    Action, ActionFailure, BackendTarget, Balance, BindAddress, ConnectionMode, HeaderMatch, HttpReuse,
    LogLevel, LogSink, LuaPathKind, LuaScope, LuaStderr, LuaStep, Mode, NameMatch, PortRange, Proxy,
    ProxyKind, RedirectKind, ReplyBody, ReplyContent, ServerAddress, ServerPort, TargetEdit, Tuning,
};
use tidegate_config::{Config, Draft, Environment, MemoryFiles, Options, Sources, Style};
use tidegate_sample::NoExternals;
use tidegate_sample::vars::VarCond;

fn load(text: &str) -> (Config, Sources) {
    let files = MemoryFiles::default()
        .with("t.cfg", text)
        .with("page.html", "<p>%[src]</p>");
    load_files(&["t.cfg"], &files)
}

fn load_files(paths: &[&str], files: &MemoryFiles) -> (Config, Sources) {
    let environment: Environment = [("PORT", "8080"), ("KEPT", "yes")].into_iter().collect();
    let options = Options {
        environment,
        ..Options::default()
    };
    let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
    let loaded = Draft::read(&paths, files, options).finish(&NoExternals, files);
    match loaded.config {
        Some(config) => (config, loaded.sources),
        None => panic!("{}", loaded.diagnostics.render(&loaded.sources, Style::Plain)),
    }
}

const DEFAULTS: &str = "\
defaults
    mode http
    timeout client 30s
    timeout server 40s
    timeout connect 5s
";

fn proxy(lines: &str) -> Proxy {
    let (mut config, _) = load(&format!("{DEFAULTS}listen p\n    bind :80\n{lines}"));
    config.proxies.remove(0)
}

#[test]
fn global_settings_are_kept() {
    let (config, _) = load(
        "global
    nbthread 4
    maxconn 1000
    log 192.0.2.1 len 2048 format rfc5424 local3 notice err
    log stdout format raw daemon
    log-tag tide
    hard-stop-after 10s
    insecure-fork-wanted
    pidfile /run/tide.pid
    daemon
    quiet
    zero-warning
    node n1
    description two words
    tune.bufsize 32k
    set-var proc.a int(3)
    set-var-fmt proc.b x%%
",
    );
    let global = config.global;
    assert_eq!((global.threads, global.connections_max), (Some(4), Some(1000)));
    let log = &global.logs[0];
    assert_eq!(log.sink, LogSink::Udp("192.0.2.1:514".parse().unwrap()));
    assert_eq!((log.line_bytes_max, log.facility.0), (2048, 19));
    assert_eq!((log.level, log.level_min), (LogLevel::Notice, LogLevel::Err));
    assert_eq!(
        (&global.logs[1].sink, global.logs[1].facility.0),
        (&LogSink::Stdout, 3)
    );
    assert_eq!(global.log_tag.as_deref(), Some("tide"));
    assert_eq!(global.hard_stop_after, Some(Duration::from_secs(10)));
    assert!(global.insecure_fork_wanted && global.daemon && global.quiet && global.zero_warning);
    assert_eq!(global.pid_file, Some(PathBuf::from("/run/tide.pid")));
    assert_eq!(global.description.as_deref(), Some("two words"));
    assert_eq!(global.tune.buffer_bytes, 32 * 1024);
    let names: Vec<String> = global
        .variables
        .iter()
        .map(|variable| variable.name.name().to_owned())
        .collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn lua_settings_have_the_documented_defaults() {
    let (config, _) = load("global\n");
    let lua = config.global.lua;
    assert_eq!(lua.burst_timeout, Duration::from_secs(1));
    assert_eq!(lua.session_timeout, Duration::from_secs(4));
    assert_eq!(lua.service_timeout, Duration::from_secs(4));
    assert_eq!(lua.load_timeout, Duration::from_secs(30));
    assert_eq!(
        (lua.task_timeout, lua.wait_timeout, lua.slice, lua.forced_yield),
        (None, None, None, None)
    );
    assert_eq!(
        (lua.memory_bytes_max, lua.action_failure),
        (None, ActionFailure::Continue)
    );
    assert_eq!((lua.log_to_loggers, lua.log_to_stderr), (true, LuaStderr::Auto));
    assert!(lua.libraries.has("io") && lua.libraries.has("debug"));
}

#[test]
fn lua_settings_are_kept_and_scripts_stay_in_order() {
    let (config, sources) = load(
        "global
    tune.lua.openlibs string,math
    tune.lua.maxmem 64
    tune.lua.forced-yield 1000
    tune.lua.burst-timeout 0
    tune.lua.session-timeout 2s
    tune.lua.service-timeout 3s
    tune.lua.task-timeout 1m
    tune.lua.wait-timeout 5s
    tune.lua.load-timeout 6s
    tune.lua.slice 300us
    tune.lua.action-failure deny
    tune.lua.log.loggers off
    tune.lua.log.stderr on
    tune.lua.bool-sample-conversion normal
    lua-prepend-path /a/?.lua
    lua-load one.lua x \"y z\"
    lua-prepend-path /a/?.so cpath
    lua-load-per-thread two.lua
",
    );
    let lua = config.global.lua;
    assert_eq!(lua.libraries.iter().collect::<Vec<_>>(), ["string", "math"]);
    assert_eq!(lua.memory_bytes_max, Some(64 << 20));
    assert_eq!(
        (lua.forced_yield, lua.burst_timeout),
        (Some(1000), Duration::ZERO)
    );
    assert_eq!(
        (lua.session_timeout, lua.service_timeout),
        (Duration::from_secs(2), Duration::from_secs(3))
    );
    assert_eq!(
        (lua.task_timeout, lua.wait_timeout),
        (Some(Duration::from_secs(60)), Some(Duration::from_secs(5)))
    );
    assert_eq!(lua.load_timeout, Duration::from_secs(6));
    assert_eq!(
        (lua.slice, lua.action_failure),
        (Some(Duration::from_micros(300)), ActionFailure::Deny)
    );
    assert_eq!((lua.log_to_loggers, lua.log_to_stderr), (false, LuaStderr::On));
    assert_eq!(lua.bool_samples_as_booleans, Some(true));
    let [
        LuaStep::PrependPath(path),
        LuaStep::Load(one),
        LuaStep::PrependPath(cpath),
        LuaStep::Load(two),
    ] = &lua.steps[..]
    else {
        panic!("{:?}", lua.steps)
    };
    assert_eq!((path.kind, cpath.kind), (LuaPathKind::Path, LuaPathKind::Cpath));
    assert_eq!((one.scope, two.scope), (LuaScope::Shared, LuaScope::PerThread));
    assert_eq!(one.arguments, ["x", "y z"]);
    assert_eq!(sources.text(two.path.span), b"two.lua");
}

#[test]
fn the_conversion_of_booleans_is_decided_before_the_first_script() {
    let decided = |lines: &str| {
        load(&format!("global\n{lines}"))
            .0
            .global
            .lua
            .bool_samples_as_booleans
    };
    let (set, load) = (
        "    tune.lua.bool-sample-conversion normal\n",
        "    lua-load one.lua\n",
    );
    assert_eq!(decided(&format!("{set}{load}")), Some(true));
    assert_eq!(decided(&format!("{load}{set}")), None);
}

#[test]
fn binds_have_one_entry_for_each_address() {
    let (config, _) = load(
        "frontend f
    timeout client 5s
    bind :80,*:81,[::1]:82,::1:83,ipv4@192.0.2.1:84,ipv6@:85,:90-92 name n maxconn 5 backlog 6 v6only
    bind /run/a.sock,stream+unix@/run/b.sock,abns@c,stream+fd@7 mode 660
    bind :\"${PORT}\" id 9
",
    );
    let binds = &config.proxies[0].binds;
    let tcp = |ip: &str, first, last| BindAddress::Tcp {
        ip: ip.parse().unwrap(),
        ports: PortRange { first, last },
    };
    let addresses: Vec<&BindAddress> = binds.iter().map(|bind| &bind.address).collect();
    assert_eq!(
        addresses,
        [
            &tcp("0.0.0.0", 80, 80),
            &tcp("0.0.0.0", 81, 81),
            &tcp("::1", 82, 82),
            &tcp("::1", 83, 83),
            &tcp("192.0.2.1", 84, 84),
            &tcp("::", 85, 85),
            &tcp("0.0.0.0", 90, 92),
            &BindAddress::Unix(PathBuf::from("/run/a.sock")),
            &BindAddress::Unix(PathBuf::from("/run/b.sock")),
            &BindAddress::Abstract(b"c".to_vec()),
            &BindAddress::Fd(7),
            &tcp("0.0.0.0", 8080, 8080),
        ]
    );
    let first = &binds[0].options;
    assert_eq!(
        (first.name.as_deref(), first.connections_max, first.backlog),
        (Some("n"), Some(5), Some(6))
    );
    assert_eq!((first.v6_only, first.unix_mode), (Some(true), None));
    assert_eq!(binds[7].options.unix_mode, Some(0o660));
    assert_eq!(binds[11].options.id, Some(9));
}

#[test]
fn servers_take_defaults_from_the_lines_above_them() {
    let proxy = proxy(
        "    server a 192.0.2.1:80
    default-server weight 7 pool-max-conn 4
    server b [2001:db8::1]:81 weight 9 disabled
    server c app.internal:82 backup enabled
    server d /run/d.sock pool-max-conn -1 pool-purge-delay 1s id 5
",
    );
    let [a, b, c, d] = &proxy.servers[..] else {
        panic!("{:?}", proxy.servers)
    };
    assert_eq!(
        (a.weight, a.idle_max, a.disabled, a.backup),
        (1, None, false, false)
    );
    assert_eq!(
        a.address,
        ServerAddress::Tcp {
            ip: "192.0.2.1".parse().unwrap(),
            port: ServerPort::Fixed(80)
        }
    );
    assert_eq!((b.weight, b.idle_max, b.disabled), (9, Some(4), true));
    assert_eq!(
        b.address,
        ServerAddress::Tcp {
            ip: "2001:db8::1".parse().unwrap(),
            port: ServerPort::Fixed(81)
        }
    );
    assert_eq!((c.weight, c.backup), (7, true));
    assert_eq!(
        c.address,
        ServerAddress::Name {
            host: String::from("app.internal"),
            port: ServerPort::Fixed(82)
        }
    );
    assert_eq!(
        (d.idle_max, d.idle_purge_delay, d.id),
        (None, Duration::from_secs(1), Some(5))
    );
    assert_eq!(d.address, ServerAddress::Unix(PathBuf::from("/run/d.sock")));
}

#[test]
fn parameters_of_servers_take_what_follows_them() {
    let proxy = proxy(
        "    server a 192.0.2.1:80 pool-low-conn 2 send-proxy-v2 set-proxy-v2-tlv-fmt(0xE1) %[src] set-proxy-v2-tlv-fmt(2)
    server b 192.0.2.1:81 ktls off weight 9
",
    );
    let sent = proxy.servers[0].outgoing.proxy.as_ref().unwrap();
    let tlvs: Vec<_> = sent
        .tlvs
        .iter()
        .map(|(kind, format)| (*kind, format.text()))
        .collect();
    assert_eq!(tlvs, [(0xe1, "%[src]"), (2, "")]);
    assert_eq!(proxy.servers[1].weight, 9);
}

#[test]
fn proxy_settings_are_kept() {
    let proxy = proxy(
        "    description two words
    id 12
    maxconn 100
    backlog 200
    balance first
    retries 5
    http-reuse always
    option http-server-close
    option forwardfor except 10.0.0.0/8 header X-Client if-none
    option redispatch
    option http-buffer-request
    option dontlognull
    option dontlog-normal
    option log-separate-errors
    log-tag tag
    log stderr local0
    log-format \"%ci\"
    timeout http-request 1s
    timeout http-keep-alive 2s
    timeout queue 3s
    timeout tarpit 4s
    timeout tunnel 1h
    timeout client-fin 6
    timeout server-fin 7s
    timeout check 8s
    server a 192.0.2.1:80
",
    );
    assert_eq!((proxy.kind, proxy.mode), (ProxyKind::Listen, Mode::Http));
    assert_eq!(
        (proxy.description.as_deref(), proxy.id),
        (Some("two words"), Some(12))
    );
    assert_eq!((proxy.connections_max, proxy.backlog), (Some(100), Some(200)));
    assert_eq!((proxy.retries.0, proxy.http_reuse), (5, HttpReuse::Always));
    assert_eq!(proxy.connection_mode, ConnectionMode::ServerClose);
    let forward_for = proxy.forward_for.unwrap();
    assert_eq!(
        (forward_for.header.as_str(), forward_for.if_none),
        ("X-Client", true)
    );
    assert_eq!(forward_for.except, Some(("10.0.0.0".parse().unwrap(), 8)));
    assert!(matches!(proxy.balance, Some(Balance::First)));
    assert!(proxy.redispatch == -1 && proxy.buffer_request);
    assert!(proxy.log.skip_empty && proxy.log.skip_normal && proxy.log.separate_errors);
    assert_eq!(
        (proxy.log.tag.as_deref(), proxy.log.targets.len()),
        (Some("tag"), 1)
    );
    assert_eq!(proxy.log.format.unwrap().text(), "%ci");
    let timeouts = proxy.timeouts;
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(
        (timeouts.client, timeouts.server, timeouts.connect),
        (seconds(30), seconds(40), seconds(5))
    );
    assert_eq!(
        (timeouts.http_request, timeouts.http_keep_alive),
        (seconds(1), seconds(2))
    );
    assert_eq!(
        (timeouts.queue, timeouts.tarpit, timeouts.tunnel),
        (seconds(3), seconds(4), seconds(3600))
    );
    assert_eq!(timeouts.client_fin, Some(Duration::from_millis(6)));
    assert_eq!((timeouts.server_fin, timeouts.check), (seconds(7), seconds(8)));
}

#[test]
fn http_rules_keep_their_order_and_arguments() {
    let proxy = proxy(
        "    http-request add-header a b
    http-request set-header a %[src] if { path /x }
    http-request del-header a
    http-request del-header a -m beg
    http-request set-method GET
    http-request set-path /a
    http-request set-pathq /a?b
    http-request set-query a=b
    http-request set-uri /u
    http-request set-var(txn.a) path,lower
    http-request set-var-fmt(req.b) x
    http-request set-var(txn.a,ifset,ifgt) int(1)
    http-request set-var-fmt(txn.a,ifnotexists) x
    http-request del-header ^x-.*$ -m reg
    http-request unset-var(sess.c)
    http-request set-src hdr_ip(x)
    http-request set-log-level silent
    http-request set-log-level err
    http-request wait-for-body time 2s
    http-request deny deny_status 429 unless { method GET }
    http-request tarpit if { path /t }
    http-request return status 201 content-type text/html lf-file page.html hdr a b if { path /r }
    http-request redirect prefix https://x code 301 drop-query append-slash ignore-empty set-cookie A=b if { path /p }
    http-request reject if { path /j }
    http-request use-service lua.svc if { path /s }
    http-request allow
    http-response set-status 503 reason \"Go away\"
    http-response deny
    http-after-response set-header x y
    redirect scheme https if { path /q }
",
    );
    let rules = &proxy.rules;
    let mut request = rules.http_request.iter();
    let mut next = || &request.next().unwrap().action;
    assert!(matches!(next(), Action::AddHeader { name, value } if name == "a" && value.text() == "b"));
    assert!(matches!(next(), Action::SetHeader { name, value } if name == "a" && value.text() == "%[src]"));
    assert!(matches!(next(), Action::DelHeader(HeaderMatch::Exact(name)) if name == "a"));
    assert!(matches!(next(), Action::DelHeader(HeaderMatch::By(NameMatch::Prefix, name)) if name == "a"));
    assert!(matches!(next(), Action::SetMethod(value) if value.text() == "GET"));
    assert!(matches!(next(), Action::EditTarget(TargetEdit::Path(value)) if value.text() == "/a"));
    assert!(matches!(next(), Action::EditTarget(TargetEdit::PathQuery(value)) if value.text() == "/a?b"));
    assert!(matches!(next(), Action::EditTarget(TargetEdit::Query(value)) if value.text() == "a=b"));
    assert!(matches!(next(), Action::EditTarget(TargetEdit::Uri(value)) if value.text() == "/u"));
    assert!(
        matches!(next(), Action::SetVar { to, value } if to.name.name() == "a" && value.text() == "path,lower")
    );
    assert!(
        matches!(next(), Action::SetVarFormat { to, value } if to.name.name() == "b" && value.text() == "x")
    );
    let conditions = [VarCond::Set, VarCond::Greater];
    assert!(
        matches!(next(), Action::SetVar { to, .. } if to.name.name() == "a" && *to.conditions == conditions)
    );
    assert!(matches!(next(), Action::SetVarFormat { to, .. } if *to.conditions == [VarCond::NotExists]));
    assert!(matches!(next(), Action::DelHeader(HeaderMatch::Regex(regex)) if regex.is_match(b"x-a")));
    assert!(matches!(next(), Action::UnsetVar(name) if name.name() == "c"));
    assert!(matches!(next(), Action::Tune(Tuning::Source(value)) if value.text() == "hdr_ip(x)"));
    assert!(matches!(next(), Action::SetLogLevel(None)));
    assert!(matches!(next(), Action::SetLogLevel(Some(LogLevel::Err))));
    assert!(matches!(next(), Action::WaitForBody { time, .. } if *time == Duration::from_secs(2)));
    assert!(matches!(next(), Action::Deny(reply) if reply.status == 429));
    assert!(matches!(next(), Action::Tarpit(reply) if reply.status == 500));
    let Action::Return(reply) = next() else { panic!() };
    assert_eq!((reply.status, reply.headers[0].name.as_str()), (201, "a"));
    let ReplyContent::Body {
        content_type,
        body: ReplyBody::Format(body),
    } = &reply.content
    else {
        panic!()
    };
    assert_eq!(
        (content_type.as_deref(), body.text()),
        (Some("text/html"), "<p>%[src]</p>")
    );
    let Action::Redirect(redirect) = next() else {
        panic!()
    };
    assert!(matches!(&redirect.kind, RedirectKind::Prefix(to) if to.text() == "https://x"));
    assert_eq!(redirect.status, 301);
    assert!(
        redirect.drop_query
            && redirect.append_slash
            && redirect.ignore_empty
            && redirect.set_cookie.is_some()
    );
    assert!(matches!(next(), Action::Reject));
    assert!(matches!(next(), Action::UseLuaService(name) if name.value == "svc"));
    assert!(matches!(next(), Action::Accept));
    assert!(rules.http_request[0].condition.is_none() && rules.http_request[1].condition.is_some());
    assert!(
        matches!(&rules.http_response[0].action, Action::SetStatus { status: 503, reason: Some(reason) } if reason == "Go away")
    );
    assert!(matches!(&rules.http_response[1].action, Action::Deny(reply) if reply.status == 502));
    assert_eq!((rules.http_after_response.len(), rules.redirects.len()), (1, 1));
}

#[test]
fn lua_rules_keep_names_arguments_and_places() {
    let (config, sources) = load(&format!(
        "{DEFAULTS}frontend f\n    bind :80\n    http-request lua.auth one \"two three\" on-error deny if TRUE\n    \
         http-response lua.out\n"
    ));
    let rules = &config.proxies[0].rules;
    let Action::Lua(call) = &rules.http_request[0].action else {
        panic!()
    };
    assert_eq!(
        (call.name.value.as_str(), sources.text(call.name.span)),
        ("auth", &b"auth"[..])
    );
    assert_eq!(call.arguments, ["one", "two three"]);
    assert_eq!(sources.text(call.arguments_span), b"one \"two three\"");
    assert_eq!(call.on_error, Some(ActionFailure::Deny));
    assert!(rules.http_request[0].condition.is_some());
    let Action::Lua(call) = &rules.http_response[0].action else {
        panic!()
    };
    assert_eq!((call.arguments.len(), call.on_error), (0, None));
}

#[test]
fn tcp_rules_are_kept() {
    let proxy = proxy(
        "    mode tcp
    tcp-request inspect-delay 2s
    tcp-request connection reject if { src 192.0.2.0/24 }
    tcp-request session set-var(sess.a) src
    tcp-request content lua.peek 5 if { req.len gt 0 }
    tcp-request content use-service lua.echo if FALSE
    tcp-request content accept
    tcp-response inspect-delay 3s
    tcp-response content reject if FALSE
    server a 192.0.2.1:80
",
    );
    let rules = &proxy.rules;
    assert_eq!(rules.tcp_request_inspect_delay, Some(Duration::from_secs(2)));
    assert_eq!(rules.tcp_response_inspect_delay, Some(Duration::from_secs(3)));
    assert!(matches!(rules.tcp_request_connection[0].action, Action::Reject));
    assert!(matches!(
        rules.tcp_request_session[0].action,
        Action::SetVar { .. }
    ));
    assert!(matches!(rules.tcp_request_content[0].action, Action::Lua(_)));
    assert!(matches!(
        rules.tcp_request_content[1].action,
        Action::UseLuaService(_)
    ));
    assert!(matches!(rules.tcp_request_content[2].action, Action::Accept));
    assert!(matches!(rules.tcp_response_content[0].action, Action::Reject));
}

#[test]
fn backends_are_resolved_by_name() {
    let (config, _) = load(&format!(
        "{DEFAULTS}frontend f
    bind :80
    use_backend %[req.hdr(x)] if {{ path /x }}
    use_backend two unless {{ path /y }}
    default_backend one
backend one
    server a 192.0.2.1:80
backend two
    server a 192.0.2.1:80
listen f2
    bind :81
"
    ));
    let frontend = &config.proxies[0];
    let name = |id| config.proxy(id).unwrap().name.value.as_str();
    assert_eq!(
        frontend.default_backend.as_ref().map(|id| name(id.value)),
        Some("one")
    );
    assert!(
        matches!(&frontend.use_backends[0].target, BackendTarget::Format(text) if text.text() == "%[req.hdr(x)]")
    );
    assert!(matches!(frontend.use_backends[1].target, BackendTarget::Proxy(id) if name(id) == "two"));
    assert!(config.proxies[3].default_backend.is_none());
}

#[test]
fn defaults_are_inherited_in_their_order() {
    let (config, _) = load(
        "defaults base
    mode http
    timeout client 1s
    timeout server 1s
    timeout connect 1s
    http-request set-header a base
defaults more from base
    timeout client 2s
    http-request set-header a more
frontend one
    bind :80
    http-request set-header a one
    timeout client 3s
frontend two from base
    bind :81
defaults
    timeout client 9s
frontend three
    bind :82
",
    );
    let headers = |proxy: &Proxy| -> Vec<String> {
        proxy
            .rules
            .http_request
            .iter()
            .filter_map(|rule| match &rule.action {
                Action::SetHeader { value, .. } => Some(value.text().to_owned()),
                _ => None,
            })
            .collect()
    };
    let [one, two, three] = &config.proxies[..] else {
        panic!()
    };
    assert_eq!(
        headers(one),
        ["base", "more", "one"],
        "the last `defaults` section counts without a `from`"
    );
    assert_eq!(one.timeouts.client, Some(Duration::from_secs(3)));
    assert_eq!(headers(two), ["base"]);
    assert_eq!(two.timeouts.client, Some(Duration::from_secs(1)));
    assert_eq!(
        (three.mode, three.timeouts.client),
        (Mode::Tcp, Some(Duration::from_secs(9)))
    );
}

#[test]
fn logs_of_global_are_put_in_place() {
    let (config, _) = load(
        "defaults
    log global
    option httplog
    mode http
    timeout client 5s
frontend one
    bind :80
    log stderr local1
frontend two
    bind :81
    no log
    log stdout local2
frontend three
    bind :82
    mode tcp
frontend four
    bind :83
    mode tcp
    option tcplog clf
global
    log 192.0.2.1 local0
",
    );
    let targets = |at: usize| {
        config.proxies[at]
            .log
            .targets
            .iter()
            .map(|target| target.facility.0 - 16)
            .collect::<Vec<_>>()
    };
    assert_eq!((targets(0), targets(1)), (vec![0, 1], vec![2]));
    let format = |at: usize| config.proxies[at].log.format.as_ref().unwrap().text().to_owned();
    assert_eq!(format(0), tidegate_sample::logformat::HTTP_FORMAT);
    assert_eq!(
        format(2),
        tidegate_sample::logformat::TCP_FORMAT,
        "in TCP mode `httplog` is `tcplog`"
    );
    assert_eq!(format(3), tidegate_sample::logformat::TCP_CLF_FORMAT);
}

#[test]
fn the_environment_follows_the_lines() {
    let (config, _) = load(
        "global
    setenv A one
    presetenv A two
    presetenv B \"$A\"
    unsetenv PORT
    resetenv KEPT A
",
    );
    let variables: Vec<(&[u8], &[u8])> = config.environment.iter().collect();
    assert_eq!(variables, [(&b"A"[..], &b"one"[..]), (b"KEPT", b"yes")]);
}

#[test]
fn files_and_directories_add_up() {
    let files = MemoryFiles::default()
        .with("a.cfg", "global\n    nbthread 2\n    setenv WHERE 9090\n")
        .with(
            "conf.d/20-site.cfg",
            "frontend f\n    bind :\"$WHERE\"\n    timeout client 5s\n",
        )
        .with("conf.d/10-tune.cfg", "global\n    maxconn 7\n")
        .with("conf.d/readme", "this is no configuration\n");
    let (config, sources) = load_files(&["a.cfg", "conf.d"], &files);
    assert_eq!(
        (config.global.threads, config.global.connections_max),
        (Some(2), Some(7))
    );
    assert_eq!(
        config.proxies[0].binds[0].address,
        BindAddress::Tcp {
            ip: "0.0.0.0".parse().unwrap(),
            ports: PortRange {
                first: 9090,
                last: 9090
            }
        }
    );
    assert_eq!(sources.place(config.proxies[0].name.span), "conf.d/20-site.cfg:1");
}

#[test]
fn addresses_may_refer_to_variables_without_quotes() {
    let proxy = proxy(
        "    bind 127.0.0.1:${PORT},127.0.0.2:$PORT\n    server a 127.0.0.1:$PORT\n    server b ${NOPE}:${NOPE}\n    log 127.0.0.1:${PORT} local0\n",
    );
    let addresses: Vec<_> = proxy
        .binds
        .iter()
        .map(|bind| format!("{:?}", bind.address))
        .collect();
    assert_eq!(addresses.len(), 3);
    assert!(
        addresses[1..].iter().all(|address| address.contains("8080")),
        "{addresses:?}"
    );
    let servers: Vec<_> = proxy
        .servers
        .iter()
        .map(|server| format!("{:?}", server.address))
        .collect();
    assert!(
        servers[0].contains("Fixed(8080)") && servers[1].contains("Mapped(0)"),
        "{servers:?}"
    );
}
