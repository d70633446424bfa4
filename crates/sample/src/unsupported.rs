//! Names that HAProxy has and that are not supported yet: using one says so, instead of that it is unknown.

/// Converters.
const CONVERTERS: &str = "\
    capture-req capture-res debug fe_exists in_table jwt_decrypt_cert nbsrv srv_is_up srv_queue \
    table_bytes_in_rate table_bytes_out_rate table_clr_gpc table_clr_gpc0 table_clr_gpc1 table_conn_cnt \
    table_conn_cur table_conn_rate table_expire table_glitch_cnt table_glitch_rate table_gpc table_gpc0 \
    table_gpc0_rate table_gpc1 table_gpc1_rate table_gpc_rate table_gpt table_gpt0 table_http_err_cnt \
    table_http_err_rate table_http_fail_cnt table_http_fail_rate table_http_req_cnt table_http_req_rate \
    table_idle table_inc_gpc table_inc_gpc0 table_inc_gpc1 table_kbytes_in table_kbytes_out \
    table_server_id table_sess_cnt table_sess_rate table_trackers when wt6";

/// Log-format aliases.
const ALIASES: &str = "\
    OG sslc sslv";

/// The converters of HAProxy's that are not served yet.
pub fn unserved_converters() -> impl Iterator<Item = &'static str> {
    CONVERTERS.split_ascii_whitespace()
}

/// Whether HAProxy has a converter of this name.
pub(crate) fn is_converter(name: &str) -> bool {
    has(CONVERTERS, name)
}

/// Whether HAProxy has a log-format alias of this name.
pub(crate) fn is_alias(name: &str) -> bool {
    has(ALIASES, name)
}

fn has(names: &str, name: &str) -> bool {
    names.split_ascii_whitespace().any(|known| known == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_supported_is_not_listed() {
        for row in crate::convert::all() {
            assert!(!is_converter(row.name), "{}", row.name);
        }
        for alias in crate::logformat::aliases() {
            assert!(!is_alias(alias.name), "{}", alias.name);
        }
        assert!(is_converter("nbsrv") && is_alias("sslv"));
        assert!(!is_converter("ma"));
    }
}
