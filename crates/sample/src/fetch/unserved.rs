//! Fetches that HAProxy has and that are not served: using one says so, instead of that it is unknown.

/// Why a fetch of HAProxy's is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unserved {
    /// What it needs is not there yet.
    NotYet(&'static str),
    /// It is left out on purpose.
    LeftOut(&'static str),
}

/// Fetches that a later version may serve, by what they wait for.
const NOT_YET: &[(&str, &str)] = &[
    (
        "TLS is not yet spoken on either side",
        "\
         ssl_bc ssl_bc_alg_keysize ssl_bc_alpn ssl_bc_cipher ssl_bc_client_early_traffic_secret \
         ssl_bc_client_handshake_traffic_secret ssl_bc_client_random ssl_bc_client_traffic_secret_0 \
         ssl_bc_curve ssl_bc_early_exporter_secret ssl_bc_exporter_secret ssl_bc_is_resumed \
         ssl_bc_protocol ssl_bc_server_handshake_traffic_secret ssl_bc_server_random \
         ssl_bc_server_traffic_secret_0 ssl_bc_session_id ssl_bc_sni ssl_bc_use_keysize ssl_c_ca_err \
         ssl_c_ca_err_depth ssl_c_chain_der ssl_c_der ssl_c_err ssl_c_i_dn ssl_c_key_alg ssl_c_notafter \
         ssl_c_notbefore ssl_c_policies ssl_c_r_dn ssl_c_s_dn ssl_c_san ssl_c_serial ssl_c_sha1 \
         ssl_c_sig_alg ssl_c_used ssl_c_verify ssl_c_version ssl_f_der ssl_f_i_dn ssl_f_key_alg \
         ssl_f_notafter ssl_f_notbefore ssl_f_s_dn ssl_f_serial ssl_f_sha1 ssl_f_sig_alg ssl_f_version \
         ssl_fc ssl_fc_alg_keysize ssl_fc_alpn ssl_fc_cipher ssl_fc_cipherlist_bin ssl_fc_cipherlist_hex \
         ssl_fc_cipherlist_str ssl_fc_cipherlist_xxh ssl_fc_client_early_traffic_secret \
         ssl_fc_client_handshake_traffic_secret ssl_fc_client_random ssl_fc_client_traffic_secret_0 \
         ssl_fc_crtname ssl_fc_curve ssl_fc_early_exporter_secret ssl_fc_early_rcvd ssl_fc_ecformats_bin \
         ssl_fc_eclist_bin ssl_fc_exporter_secret ssl_fc_extlist_bin ssl_fc_has_crt ssl_fc_has_early \
         ssl_fc_has_sni ssl_fc_is_resumed ssl_fc_protocol ssl_fc_protocol_hello_id \
         ssl_fc_server_handshake_traffic_secret ssl_fc_server_random ssl_fc_server_traffic_secret_0 \
         ssl_fc_session_id ssl_fc_sigalgs_bin ssl_fc_sni  \
         ssl_fc_supported_versions_bin ssl_fc_use_keysize ssl_s_chain_der ssl_s_der ssl_s_i_dn \
         ssl_s_key_alg ssl_s_notafter ssl_s_notbefore ssl_s_s_dn ssl_s_serial ssl_s_sha1 ssl_s_sig_alg \
         ssl_s_version",
    ),
    (
        "nothing is cached or compressed yet",
        "\
         res.cache_hit res.cache_name res.comp res.comp_algo",
    ),
    (
        "PROXY headers are not read yet",
        "\
         fc_pp_authority fc_pp_tlv fc_pp_unique_id",
    ),
    (
        "FastCGI is not spoken yet",
        "\
         fcgi.docroot fcgi.index",
    ),
    (
        "filters are not run yet",
        "\
         spoe.engine-id",
    ),
    (
        "packets that open a connection are not kept yet",
        "\
         fc_saved_syn",
    ),
    (
        "`capture` lines are not read yet",
        "capture.req.hdr capture.res.hdr",
    ),
];

/// Fetches that are left out, by the reason.
const LEFT_OUT: &[(&str, &str)] = &[
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
        "ALPN has taken the place of NPN",
        "\
         ssl_bc_npn ssl_fc_npn",
    ),
    (
        "an error of OpenSSL, which is not used",
        "\
         ssl_bc_err ssl_bc_err_str ssl_fc_err ssl_fc_err_str",
    ),
    (
        "the TLS library gives no master key and no unique id of a handshake",
        "\
         ssl_bc_session_key ssl_bc_unique_id ssl_fc_session_key ssl_fc_unique_id",
    ),
];

/// All fetches of HAProxy's that are not served, with the reason.
pub fn unserved() -> impl Iterator<Item = (&'static str, Unserved)> {
    let rows = |table: &'static [(&'static str, &'static str)], status: fn(&'static str) -> Unserved| {
        table.iter().flat_map(move |(reason, names)| {
            names
                .split_ascii_whitespace()
                .map(move |name| (name, status(reason)))
        })
    };
    rows(NOT_YET, Unserved::NotYet).chain(rows(LEFT_OUT, Unserved::LeftOut))
}

/// Why the fetch of this name is not served, if HAProxy has it.
pub(crate) fn reason(name: &str) -> Option<Unserved> {
    unserved().find(|(known, _)| *known == name).map(|(_, why)| why)
}
