//! Names that HAProxy has and that are not supported yet: using one says so, instead of that it is unknown.

use crate::fetch::Unserved;

/// The converters that are not served, by the reason.
const CONVERTERS: &[(Unserved, &str)] = &[
    (
        Unserved::NotYet("there are no stick tables yet"),
        "in_table table_bytes_in_rate table_bytes_out_rate table_clr_gpc table_clr_gpc0 table_clr_gpc1 \
         table_conn_cnt table_conn_cur table_conn_rate table_expire table_glitch_cnt table_glitch_rate table_gpc \
         table_gpc0 table_gpc0_rate table_gpc1 table_gpc1_rate table_gpc_rate table_gpt table_gpt0 \
         table_http_err_cnt table_http_err_rate table_http_fail_cnt table_http_fail_rate table_http_req_cnt \
         table_http_req_rate table_idle table_inc_gpc table_inc_gpc0 table_inc_gpc1 table_kbytes_in \
         table_kbytes_out table_server_id table_sess_cnt table_sess_rate table_trackers",
    ),
    (
        Unserved::NotYet("there are no slots to capture into: `declare capture` is not served yet"),
        "capture-req capture-res",
    ),
    (
        Unserved::LeftOut(
            "the certificates that it takes are loaded by a `crt-store`, and no library in use decrypts with their private keys",
        ),
        "jwt_decrypt_cert",
    ),
    (
        Unserved::LeftOut(
            "the hash is documented nowhere but in HAProxy's source, which this project does not read",
        ),
        "wt6",
    ),
];

/// Log-format aliases.
const ALIASES: &str = "\
    OG sslc sslv";

/// All converters of HAProxy's that are not served, with the reason.
pub fn unserved() -> impl Iterator<Item = (&'static str, Unserved)> {
    CONVERTERS
        .iter()
        .flat_map(|(why, names)| names.split_ascii_whitespace().map(|name| (name, *why)))
}

/// Why the converter of this name is not served, if HAProxy has it.
pub(crate) fn converter_reason(name: &str) -> Option<Unserved> {
    unserved().find(|(known, _)| *known == name).map(|(_, why)| why)
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
            assert!(converter_reason(row.name).is_none(), "{}", row.name);
        }
        for alias in crate::logformat::aliases() {
            assert!(!is_alias(alias.name), "{}", alias.name);
        }
        assert!(converter_reason("table_gpc").is_some() && is_alias("sslv"));
        assert!(converter_reason("table").is_none());
    }
}
