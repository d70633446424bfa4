//! Why tests fail or are skipped that aren't to pass: what they want is left out here, different on purpose, or no program could pass
//! them with this `varnishtest`. The page gives these reasons in place of what the tests say.

/// The tests by folder and name; `*` for all others of a folder.
const REASONS: &[(&str, &str)] = &[
    (
        "sample_fetches/hashes",
        "converter `wt6` is left out: nothing but HAProxy's source says what it computes",
    ),
    (
        "http-rules/restrict_req_hdr_names",
        "section `fcgi-app` is left out: FastCGI is not spoken",
    ),
    (
        "http-errorfiles/http-error",
        "wants the length of HAProxy's own page; the built-in pages have texts of our own",
    ),
    (
        "connection/http_reuse_always",
        "wants a connection that another thread made; each thread keeps its own idle connections, and takes none of another's",
    ),
    (
        "connection/http_reuse_aggressive",
        "wants a connection that another thread made, as the test before; it passes with `nbthread 1`",
    ),
    (
        "connection/http_reuse_safe",
        "wants a connection that another thread made, as the test before; it passes with `nbthread 1`",
    ),
    (
        "http-messaging/protocol_upgrade",
        "wants a stream to be reset on which nothing was asked, for a switch of protocols that the server takes none of; the client gets its 502",
    ),
    (
        "http-messaging/http_bodyless_response",
        "wants a connection to be used again whose server sent a body to what had been a HEAD; it is closed",
    ),
    (
        "http-rules/strict_rw_mode",
        "wants a rewrite to fail where the body in HAProxy's buffer leaves no room for it; bodies take no room from heads here",
    ),
    (
        "http-messaging/http_transfer_encoding",
        "wants the chunks of a server of HTTP/1.0 to be passed on as such; they are taken apart, and the body ends with its connection",
    ),
    (
        "compression/basic",
        "wants a body that is coded as `identity` to lose its length; one that isn't changed keeps it here",
    ),
    (
        "filters/random-forwarding",
        "filter `trace` is left out: it is an example of HAProxy's interface for filters in C",
    ),
    (
        "checks/mysql-check",
        "wants a check to log in before the server has greeted; here it waits for the greeting, as clients do",
    ),
    (
        "checks/spop-check",
        "`option spop-check` is left out: SPOE is not spoken",
    ),
    (
        "checks/healthcheck-section",
        "`type spop-check` is left out: SPOE is not spoken; the other types are served",
    ),
    (
        "server/cli_add_track_server",
        "this `varnishtest` leaves `${s1_port}` as it is, which is no port",
    ),
    (
        "ssl/show_ssl_ocspresponse",
        "wants a response to be taken that says that the certificate is revoked; the manual asks for a good one",
    ),
    (
        "ssl/dynamic_server_ssl",
        "wants a certificate to be unused as soon as its server is deleted; threads keep a server until they look at its backend again",
    ),
    (
        "ssl/ssl_generate_certificate",
        "`bind generate-certificates` is left out: certificates come from files only",
    ),
    (
        "seamless-reload/abns_socket",
        "wants two processes to listen on one abstract name; listening sockets are not handed over",
    ),
    (
        "connection/reverse_connect_full",
        "connections that servers open (`attach-srv`, `rhttp@`) are not served yet",
    ),
    (
        "connection/reverse_server",
        "connections that servers open (`rhttp@`) are not served yet",
    ),
    (
        "connection/reverse_server_name",
        "connections that servers open (`rhttp@`) are not served yet",
    ),
    (
        "connection/tcp_to_http_upgrade",
        "fetch `internal.strm.is_htx` is left out: it asks for an inner form of HAProxy's; without that line it is served",
    ),
    (
        "connection/http_reuse_conn_hash",
        "has two clients behind PROXY headers meet at connections of the same thread, as the tests of `http-reuse`; it passes with `nbthread 1`",
    ),
    (
        "mailers/healthcheckmail",
        "its script `mailers.lua` is one of HAProxy's examples, which this checkout lacks; mails are sent without a script",
    ),
    (
        "connection/http_reuse_be_transparent",
        "wants an idle connection to be closed as one too many, by HAProxy's estimate of the need; here it is kept and used again",
    ),
    (
        "checks/tcp-check-client-hello",
        "asks for OpenSSL; writes a blank behind a comma within an expression, which ends that here",
    ),
    ("connection/tcp_md5_signature", "`tcp-md5sig` is left out"),
    (
        "contrib/prometheus",
        "wants figures of name servers (`haproxy_resolver_…`) where no `resolvers` section is; the rest is told",
    ),
    (
        "http-messaging/http_bodyless_spliced_response",
        "wants a connection to be used again whose server sent a body to what had been a HEAD; it is closed",
    ),
    (
        "http-messaging/http_splicing",
        "wants spliced bytes to be counted for each proxy (`h1_spliced_bytes_in`), and those of a body without a length; `show info` counts those of the process",
    ),
    (
        "http-messaging/http_splicing_chunk",
        "wants chunks to be spliced; they are copied",
    ),
    ("quic/*", "QUIC is not spoken"),
    ("qmux/*", "QUIC is not spoken"),
    (
        "ssl/issuers_chain_path",
        "asks for OpenSSL; `show ssl cert` doesn't name the file that completed a chain",
    ),
    (
        "ssl/ocsp_auto_update",
        "asks for OpenSSL; wants responses to be asked for of each file of several that a name stands for",
    ),
    (
        "ssl/ocsp_compat_check",
        "asks for OpenSSL, and runs its command to look into responses",
    ),
    (
        "ssl/set_ssl_cert_bundle",
        "asks for OpenSSL; regardless of that it passes",
    ),
    ("ssl/ssl_alpn", "asks for OpenSSL; regardless of that it passes"),
    (
        "ssl/ssl_ciphersuites",
        "asks for OpenSSL; has defaults of TLS in several `global` sections, each for the lines behind it: here the last stand for all",
    ),
    (
        "ssl/ssl_curves_selection",
        "asks for OpenSSL; has defaults of TLS in several `global` sections, each for the lines behind it: here the last stand for all",
    ),
    (
        "ssl/ssl_curves",
        "asks for OpenSSL, and for its words for errors (`ssl_fc_err_str`)",
    ),
    (
        "ssl/ssl_errors",
        "asks for OpenSSL, and for its words for errors (`ssl_fc_err_str`, `ssl_bc_err_str`)",
    ),
    (
        "ssl/ssl_curve_name",
        "asks for OpenSSL; regardless of that it passes",
    ),
    (
        "ssl/tls12_ssl_crt-list_filters",
        "asks for OpenSSL, and for ciphers without forward secrecy (`kRSA`), which rustls doesn't have",
    ),
    (
        "ssl/tls13_ssl_crt-list_filters",
        "asks for OpenSSL; regardless of that it passes",
    ),
    (
        "ssl/tls12_0rtt_stateful",
        "asks for OpenSSL; regardless of that it passes",
    ),
    (
        "ssl/tls12_0rtt_stateless",
        "asks for OpenSSL; regardless of that it passes",
    ),
    (
        "ssl/tls12_resume_stateful",
        "asks for OpenSSL; regardless of that it passes",
    ),
    (
        "ssl/tls12_resume_stateless",
        "asks for OpenSSL; regardless of that it passes",
    ),
    (
        "ssl/tls13_0rtt_stateful",
        "asks for OpenSSL; early data are not taken from clients",
    ),
    (
        "ssl/tls13_0rtt_stateless",
        "asks for OpenSSL; early data are not taken from clients",
    ),
    (
        "ssl/tls13_resume_stateful",
        "asks for OpenSSL; regardless of that it passes",
    ),
    (
        "ssl/tls13_resume_stateless",
        "asks for OpenSSL; regardless of that it passes",
    ),
    (
        "jwt/jwt_decrypt",
        "asks for OpenSSL; regardless of that it passes",
    ),
    (
        "mcli/mcli_debug_dev",
        "wants `debug dev log`, one of HAProxy's commands for its own developers",
    ),
];

/// The reason for a test, if it isn't to pass.
pub(super) fn of(folder: &str, name: &str) -> Option<&'static str> {
    let of_it = |wanted: &str| {
        REASONS
            .iter()
            .find(|(test, _)| test.split_once('/') == Some((folder, wanted)))
    };
    let row = of_it(name).or_else(|| of_it("*"));
    row.map(|(_, why)| *why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_found_by_the_folder_and_the_name() {
        assert!(of("sample_fetches", "hashes").unwrap().contains("wt6"));
        assert_eq!(of("converter", "hashes"), None);
        // That of a folder is that of all its tests.
        assert!(of("quic", "retry").unwrap().contains("QUIC"));
    }
}
