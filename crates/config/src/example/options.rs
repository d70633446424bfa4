//! What follows `option`, `timeout` and `stats`.

use super::Row;

#[rustfmt::skip]
pub(super) const OPTIONS: &[Row] = &[
    ("abortonclose", "abortonclose", "on for HTTP, off for TCP without a word"),
    ("accept-invalid-http-request", "accept-invalid-http-request", ""),
    ("accept-invalid-http-response", "accept-invalid-http-response", ""),
    ("accept-unsafe-violations-in-http-request", "accept-unsafe-violations-in-http-request", ""),
    ("accept-unsafe-violations-in-http-response", "accept-unsafe-violations-in-http-response", ""),
    ("allbackups", "allbackups", "the first backup server alone without it"),
    ("disable-h2-upgrade", "disable-h2-upgrade", ""),
    ("dontlog-normal", "dontlog-normal", ""),
    ("dontlognull", "dontlognull", ""),
    ("forwarded", "forwarded proto host for", "`proto for` without a word"),
    ("forwardfor", "forwardfor except 127.0.0.0/8 header X-Client-IP if-none", "`X-Forwarded-For` without `header`"),
    ("h1-case-adjust-bogus-client", "h1-case-adjust-bogus-client", ""),
    ("h1-case-adjust-bogus-server", "h1-case-adjust-bogus-server", ""),
    ("http-buffer-request", "http-buffer-request", "as much as `tune.bufsize` holds"),
    ("http-drop-request-trailers", "http-drop-request-trailers", ""),
    ("http-drop-response-trailers", "http-drop-response-trailers", ""),
    ("http-ignore-probes", "http-ignore-probes", ""),
    ("http-keep-alive", "http-keep-alive", "as without a word of the three"),
    ("http-pretend-keepalive", "http-pretend-keepalive", ""),
    ("http-restrict-req-hdr-names", "http-restrict-req-hdr-names delete", "`preserve` without the line"),
    ("http-server-close", "http-server-close", ""),
    ("httpchk", "httpchk GET /health", "`OPTIONS /` without a word"),
    ("httpclose", "httpclose", ""),
    ("httplog", "httplog clf", "`clf` for the common log format"),
    ("httpslog", "httpslog", ""),
    ("log-health-checks", "log-health-checks", ""),
    ("log-separate-errors", "log-separate-errors", ""),
    ("logasap", "logasap", ""),
    ("nolinger", "nolinger", "what is not sent yet is lost"),
    ("originalto", "originalto header X-Destination", "`X-Original-To` without `header`"),
    ("persist", "persist", ""),
    ("socket-stats", "socket-stats", ""),
    ("ldap-check", "ldap-check", ""),
    ("mysql-check", "mysql-check user haproxy", "without a user nothing is sent, which servers may count as an error"),
    ("pgsql-check", "pgsql-check user haproxy", ""),
    ("redis-check", "redis-check", ""),
    ("smtpchk", "smtpchk EHLO example.com", "`HELO localhost` without a word"),
    ("prefer-last-server", "prefer-last-server", ""),
    ("clitcpka", "clitcpka", "see `clitcpka-idle` and its kin"),
    ("srvtcpka", "srvtcpka", "see `srvtcpka-idle` and its kin"),
    ("tcpka", "tcpka", "`clitcpka` and `srvtcpka` in one"),
    ("redispatch", "redispatch 1", "every how many retries; negative counts from the last; -1 without a number"),
    ("tcp-check", "tcp-check", ""),
    ("tcplog", "tcplog", "`clf` for the common log format"),
];

const T: &str = "milliseconds without a unit, 2147483647 at most";

#[rustfmt::skip]
pub(super) const TIMEOUTS: &[Row] = &[
    ("check", "check 5s", T),
    ("client", "client 30s", T),
    ("client-fin", "client-fin 5s", "milliseconds without a unit; that of `client` without the line"),
    ("client-hs", "client-hs 10s", "milliseconds without a unit; that of `client` without the line"),
    ("connect", "connect 4s", T),
    ("http-keep-alive", "http-keep-alive 15s", "milliseconds without a unit; that of `http-request`, else `client`, without the line"),
    ("http-request", "http-request 10s", "milliseconds without a unit; that of `client` without the line"),
    ("queue", "queue 20s", "milliseconds without a unit; that of `connect` without the line"),
    ("server", "server 30s", T),
    ("server-fin", "server-fin 5s", "milliseconds without a unit; that of `server` without the line"),
    ("tarpit", "tarpit 10s", "milliseconds without a unit; that of `connect` without the line"),
    ("tunnel", "tunnel 1h", "milliseconds without a unit; those of `client` and `server` without the line"),
];

#[rustfmt::skip]
pub(super) const STATS: &[Row] = &[
    ("admin", "admin if { src 192.0.2.0/24 }", "the page only shows without the line"),
    ("auth", "auth operator:tide", "everybody may see the page without the line, unless `stats http-request` says otherwise"),
    ("enable", "enable", "any other line does, too"),
    ("hide-version", "hide-version", "as without the line"),
    ("http-request", "http-request auth realm operators unless { http_auth(staff) }", "the first that applies counts"),
    ("realm", "realm operators", "`HAProxy Statistics` without the line"),
    ("refresh", "refresh 10s", "seconds without a unit; browsers ask once without the line"),
    ("scope", "scope app", "`.` is the section itself; all proxies without the line"),
    ("show-desc", "show-desc entrance of the shop", "that of the `global` section without a text"),
    ("show-legends", "show-legends", ""),
    ("show-node", "show-node europe-1", "that of the `global` section without a name"),
    ("show-version", "show-version", ""),
    ("uri", "uri /entrance?stats", "`/haproxy?stats` without the line"),
    ("maxconn", "maxconn 20", "1 to 4294967295; 10 without the line"),
    ("socket", "socket /run/tidegate.sock mode 600 level admin", "several lines open several; `level operator` without a word"),
    ("timeout", "timeout 1m", "milliseconds without a unit; 10s without the line"),
];
