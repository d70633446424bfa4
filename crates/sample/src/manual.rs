//! Which section of HAProxy's manual (configuration.txt) a fetch follows, for the reference pages.

/// The section of converters.
pub const CONVERTERS: &str = "7.3.1";
/// The section of aliases of log-format.
pub const LOG_FORMAT: &str = "8.2.6";
/// The section of ACLs, their flags and match methods.
pub const ACLS: &str = "7.1";

/// The section of most fetches: layer 4.
const LAYER_4: &str = "7.3.3";

/// The sections of the others. A star stands for any rest.
const FETCHES: &[(&str, &str)] = &[
    (
        "7.3.2",
        "acl act_conn always_false always_true avg_queue be_conn be_conn_free be_sess_rate bin bool connslots \
         cpu_calls cpu_ns_avg cpu_ns_tot cpu_usage_grp cpu_usage_proc cpu_usage_thr date date_us \
         dump_all_vars env fe_conn fe_req_rate fe_sess_rate hostname int ipv4 ipv6 last_entity last_rule_file \
         last_rule_line lat_ns_avg lat_ns_tot meth nbproc nbsrv pid prio_class prio_offset proc queue \
         quic_enabled rand srv_conn srv_conn_free srv_is_up srv_iweight srv_queue srv_sess_rate srv_uweight \
         srv_weight stopping str table_avl table_cnt term_events tgroup thread txn.id32 txn.sess_term_state \
         uptime uuid var wait_end waiting_entity",
    ),
    (
        "7.3.4",
        "ssl_* bs.aborted bs.debug_str bs.id bs.rst_code fs.aborted fs.debug_str fs.id fs.rst_code \
         spoe.engine-id txn.timer.user",
    ),
    (
        "7.3.5",
        "req.ssl_* distcc_body distcc_param payload payload_lv rdp_cookie rdp_cookie_cnt rep_ssl_hello_type \
         req.len req.payload req.payload_lv req.proto_http req.rdp_cookie req.rdp_cookie_cnt req_len \
         req_proto_http req_ssl_hello_type req_ssl_sni req_ssl_ver res.len res.payload res.payload_lv \
         res.ssl_hello_type",
    ),
    (
        "7.3.6",
        "base base32 base32+src baseq capture.req.hdr capture.req.method capture.req.uri capture.req.ver \
         capture.res.hdr capture.res.ver cook cook_cnt cook_val cookie fcgi.docroot fcgi.index hdr hdr_cnt \
         hdr_ip hdr_val http_auth http_auth_bearer http_auth_group http_auth_pass http_auth_type \
         http_auth_user http_first_req method path pathq query req.body req.body_len req.body_param \
         req.body_size req.cook req.cook_cnt req.cook_names req.cook_val req.fhdr req.fhdr_cnt req.hdr \
         req.hdr_cnt req.hdr_ip req.hdr_names req.hdr_val req.hdrs req.hdrs_bin req.timer.hdr req.timer.idle \
         req.timer.queue req.timer.tq req.ver req_ver request_date res.body res.body_len res.body_size \
         res.cache_hit res.cache_name res.comp res.comp_algo res.cook res.cook_cnt res.cook_names \
         res.cook_val res.fhdr res.fhdr_cnt res.hdr res.hdr_cnt res.hdr_ip res.hdr_names res.hdr_val res.hdrs \
         res.hdrs_bin res.timer.hdr res.ver resp_ver scook scook_cnt scook_val server_status shdr shdr_cnt \
         shdr_ip shdr_val status txn.status txn.timer.total unique-id url url32 url32+src url_ip url_param \
         url_port urlp urlp_val",
    ),
    ("7.3.7", "internal.*"),
];

/// The section of a fetch.
#[must_use]
pub fn of_fetch(name: &str) -> &'static str {
    let is = |known: &str| match known.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => known == name,
    };
    FETCHES
        .iter()
        .find(|(_, names)| names.split_ascii_whitespace().any(is))
        .map_or(LAYER_4, |(section, _)| section)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fetches_are_in_their_sections() {
        for (name, section) in [
            ("src", "7.3.3"),
            ("ssl_fc_sni", "7.3.4"),
            ("req.ssl_sni", "7.3.5"),
            ("path", "7.3.6"),
            ("date", "7.3.2"),
            ("internal.strm.is_htx", "7.3.7"),
            ("sc_conn_rate", "7.3.3"),
        ] {
            assert_eq!(of_fetch(name), section, "{name}");
        }
        // What is listed is a fetch.
        for (_, names) in FETCHES {
            for name in names.split_ascii_whitespace().filter(|name| !name.ends_with('*')) {
                let known = crate::fetch::find(name).is_some()
                    || crate::fetch::unserved().any(|(other, _)| other == name);
                assert!(known, "{name}");
            }
        }
    }
}
