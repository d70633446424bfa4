//! The headers of sections, and the lines of those that are neither `global` nor proxies.

use super::Row;

#[rustfmt::skip]
pub(super) const HEADERS: &[Row] = &[
    ("backend", "backend app2", "each name once among backends"),
    ("cache", "cache small", "for `cache-use`, `cache-store` and `filter cache`"),
    ("crt-store", "crt-store web", "for `crt @<store>/<name>`; stands before what uses its certificates"),
    ("defaults", "defaults web", "for the proxies below that name it by `from`, or name none"),
    ("frontend", "frontend public from base", "each name once among frontends"),
    ("global", "global", "several are read as one"),
    ("healthcheck", "healthcheck deep", "for the `healthcheck` parameter of servers"),
    ("http-errors", "http-errors branded", "for `errorfiles`"),
    ("listen", "listen database", ""),
    ("log-forward", "log-forward relay", ""),
    ("log-profile", "log-profile terse", "for `profile` of `log` lines and of `do-log`"),
    ("mailers", "mailers operators", "for `email-alert mailers`; a script sends the mails"),
    ("peers", "peers cluster", "for `peers` of `stick-table` lines; names of its tables begin with its own"),
    ("resolvers", "resolvers internal", "for the `resolvers` parameter of servers and `do-resolve`"),
    ("ring", "ring kept", "for `ring@<name>` in `log` lines, and `show events` of the runtime API"),
    ("userlist", "userlist people", "for `http_auth(<name>)` and its kin"),
];

/// The lines of a section that is served.
pub(super) fn lines(section: &str) -> Option<&'static [Row]> {
    let of = [
        ("cache", CACHE),
        ("crt-store", CRT_STORE),
        ("mailers", MAILERS),
        ("peers", PEERS),
        ("ring", RING),
        ("log-forward", LOG_FORWARD),
        ("log-profile", LOG_PROFILE),
        ("userlist", USERLIST),
        ("resolvers", RESOLVERS),
        ("http-errors", HTTP_ERRORS),
        ("healthcheck", HEALTHCHECK),
    ];
    of.into_iter()
        .find(|(name, _)| *name == section)
        .map(|(_, rows)| rows)
}

#[rustfmt::skip]
const CACHE: &[Row] = &[
    ("early-hints", "early-hints on ratio 25", "`off` without the line; `ratio` in percent, 1 to 99, 25 without a word"),
    ("max-age", "max-age 240", "seconds; 60 without the line"),
    ("max-object-size", "max-object-size 10000", "bytes, half of the cache at most; a 256th of it without the line"),
    ("max-secondary-entries", "max-secondary-entries 5", "from 1 on; 10 without the line"),
    ("process-vary", "process-vary on", "`off` without the line: a response with `vary` is not kept"),
    ("total-max-size", "total-max-size 4", "megabytes, 1 to 4095"),
];

#[rustfmt::skip]
const CRT_STORE: &[Row] = &[
    ("crt-base", "crt-base /etc/ssl/certs", "stands before the `load` lines; that of `global` without the line"),
    ("key-base", "key-base /etc/ssl/keys", "stands before the `load` lines; that of `global` without the line"),
    ("load", "load crt site.crt key site.key alias site", "called `@<store>/<alias>`, or `@<store>/<file>`; in a store without a name `@/<alias>` or \
         the file"),
];

#[rustfmt::skip]
const LOG_FORWARD: &[Row] = &[
    ("backlog", "backlog 100", "1024 without the line"),
    ("bind", "bind 127.0.0.1:1514", "parameters as for `bind` of frontends"),
    ("dgram-bind", "dgram-bind 127.0.0.1:1514", "parameters as for `bind` of frontends; `interface` and `transparent` count"),
    ("log", "log 192.0.2.5:514 sample 1:2 local0", "as in `global`; without `format` lines keep their own"),
    ("maxconn", "maxconn 50", "10 without the line"),
    ("no", "no option dont-parse-log", ""),
    ("option", "option host append", "`<way>` is `replace`, `fill`, `keep` or `append`; `fill` without the line"),
    ("timeout", "timeout client 10s", "milliseconds without a unit; no limit without the line"),
];

#[rustfmt::skip]
const RING: &[Row] = &[
    ("description", "description \"lines of the last minutes\"", ""),
    ("format", "format rfc5424", "`raw` without the line"),
    ("maxlen", "maxlen 2048", "bytes without a unit; the ring's size without the line"),
    ("server", "server collector 192.0.2.5:514 log-proto octet-count", "parameters of `server` that are about connections, as `ssl`; `log-proto` is `legacy`, a line feed after each line, without a word"),
    ("size", "size 1m", "bytes without a unit; 16384 without the line"),
    ("timeout", "timeout server 10s", "milliseconds without a unit"),
];

#[rustfmt::skip]
const PEERS: &[Row] = &[
    ("bind", "bind 192.0.2.1:1024", "parameters as for `bind` of frontends; where `peer` lines have no address for this process"),
    ("default-bind", "default-bind ssl crt peers.pem", "for the `bind` lines below, and for the address of this process on a `peer` line"),
    ("default-server", "default-server ssl verify none", "for the `peer` and `server` lines below; parameters that are about connections"),
    ("disabled", "disabled", ""),
    ("enabled", "enabled", ""),
    ("log", "log stdout format raw local0", "as in `global`: which peers came and went"),
    ("peer", "peer second 192.0.2.2:1024", "the one that is called as this process (`-L`, `localpeer`, else the machine's name) is where it listens"),
    ("server", "server first", "as `peer`; without an address, this process listens on the `bind` lines"),
    ("shards", "shards 2", "for `shard` of peers; 0 without the line"),
    ("table", "table visits type ip size 1m expire 10m store gpc0", "as `stick-table` lines; called `<section>/<name>` elsewhere"),
];

#[rustfmt::skip]
const MAILERS: &[Row] = &[
    ("mailer", "mailer first 192.0.2.25:587", "scripts see it as `mailservers` of `ProxyMailers`"),
    ("timeout", "timeout mail 20s", "milliseconds without a unit; 10s without the line"),
];

#[rustfmt::skip]
const LOG_PROFILE: &[Row] = &[
    ("log-tag", "log-tag brief", "that of the `log` line's proxy without the line"),
    ("on", "on error format \"%ci %fc_err\"", "`any` for all steps that have no line of their own"),
];

#[rustfmt::skip]
const USERLIST: &[Row] = &[
    ("group", "group operators users alice", ""),
    ("user", "user alice insecure-password tide groups operators", "`password` takes a hash: `$1$`, `$2a$`, `$2b$`, `$2y$`, `$5$` or `$6$`"),
];

#[rustfmt::skip]
const RESOLVERS: &[Row] = &[
    ("accepted_payload_size", "accepted_payload_size 4096", "bytes, 512 to 65535; 512 without the line"),
    ("hold", "hold valid 30s", "milliseconds without a unit; 10s for `valid`, 0 for `obsolete` and 30s for the others without the line"),
    ("nameserver", "nameserver ns1 192.0.2.53:53", "port 53 without one; all are asked at the same time"),
    ("parse-resolv-conf", "parse-resolv-conf", "those of /etc/resolv.conf"),
    ("resolve_retries", "resolve_retries 2", "3 without the line"),
    ("timeout", "timeout retry 2s", "milliseconds without a unit; 1s each without the line"),
];

#[rustfmt::skip]
const HTTP_ERRORS: &[Row] = &[
    ("errorfile", "errorfile 503 sorry.http", "the file is a whole response, its head included"),
];

#[rustfmt::skip]
const HEALTHCHECK: &[Row] = &[
    ("http-check", "http-check expect status 200", "as in a backend"),
    ("tcp-check", "tcp-check connect", "as in a backend; needs `type tcp-check`"),
    ("type", "type httpchk GET /health", "stands before the steps"),
];
