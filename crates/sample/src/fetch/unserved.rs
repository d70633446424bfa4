//! Fetches that HAProxy has and that are left out on purpose: using one says so, instead of that it is unknown.

/// Fetches that are left out, by the reason.
const UNSERVED: &[(&str, &str)] = &[
    (
        "a measure of HAProxy's own scheduler",
        "\
         cpu_calls cpu_ns_avg cpu_ns_tot cpu_usage_grp cpu_usage_proc cpu_usage_thr lat_ns_avg lat_ns_tot",
    ),
    (
        "a view of how HAProxy holds a message",
        "\
         internal.htx.data internal.htx.free internal.htx.free_data internal.htx.has_eom \
         internal.htx.nbblks internal.htx.size internal.htx.used internal.htx_blk.data \
         internal.htx_blk.hdrname internal.htx_blk.hdrval internal.htx_blk.size \
         internal.htx_blk.start_line internal.htx_blk.type internal.strm.is_htx",
    ),
    (
        "internal states of HAProxy, in no documented form",
        "\
         bs.debug_str fs.debug_str term_events",
    ),
    (
        "FastCGI is not spoken",
        "\
         fcgi.docroot fcgi.index",
    ),
    (
        "agents of the SPOE are not asked",
        "\
         spoe.engine-id",
    ),
    (
        "no library has a safe way to ask a socket for the packet that opened its connection, and there is no `tcp-ss` without",
        "\
         fc_saved_syn",
    ),
    (
        "ALPN has taken the place of NPN",
        "\
         ssl_bc_npn ssl_fc_npn",
    ),
    (
        "an error of OpenSSL, which is not used",
        "\
         ssl_bc_err_str ssl_fc_err_str",
    ),
    (
        "the TLS library gives no master key and no unique id of a handshake",
        "\
         ssl_bc_session_key ssl_bc_unique_id ssl_fc_session_key ssl_fc_unique_id",
    ),
];

/// All fetches of HAProxy's that are not served, with the reason.
pub fn unserved() -> impl Iterator<Item = (&'static str, &'static str)> {
    UNSERVED
        .iter()
        .flat_map(|(reason, names)| names.split_ascii_whitespace().map(move |name| (name, *reason)))
}

/// Why the fetch of this name is not served, if HAProxy has it.
pub(crate) fn reason(name: &str) -> Option<&'static str> {
    unserved().find(|(known, _)| *known == name).map(|(_, why)| why)
}
