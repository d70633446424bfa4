//! Where the two programs differ, and why; and what cannot be compared.

use super::What;

/// Cases that differ for a reason.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Difference {
    pub(crate) what: What,
    /// The expressions as the cases write them; a star at the end stands for any rest.
    pub(crate) expressions: &'static [&'static str],
    /// The inputs' labels, with a star in the same way.
    pub(crate) inputs: &'static [&'static str],
    pub(crate) reason: &'static str,
}

impl Difference {
    /// The index of the first of its expressions that covers a case.
    pub(crate) fn covers(&self, what: What, expression: &str, input: &str) -> Option<usize> {
        let fitting = self
            .expressions
            .iter()
            .position(|pattern| fits(pattern, expression));
        let input = self.inputs.iter().any(|pattern| fits(pattern, input));
        fitting.filter(|_| self.what == what && input)
    }
}

fn fits(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => text.starts_with(start),
        None => text == pattern,
    }
}

const fn converters(
    expressions: &'static [&'static str],
    inputs: &'static [&'static str],
    reason: &'static str,
) -> Difference {
    Difference {
        what: What::Converter,
        expressions,
        inputs,
        reason,
    }
}

const fn fetches(
    expressions: &'static [&'static str],
    inputs: &'static [&'static str],
    reason: &'static str,
) -> Difference {
    Difference {
        what: What::Fetch,
        expressions,
        inputs,
        reason,
    }
}

const ALL: &[&str] = &["*"];

pub(crate) const DIFFERENCES: &[Difference] = &[
    converters(
        &["map_end_int*", "map_end_ip*"],
        ALL,
        "HAProxy 2.6 takes a key that is anywhere in the text; as documented, it ends the text",
    ),
    converters(
        &["json_query('$.list')"],
        ALL,
        "HAProxy 2.6 gives no list; as documented since, it is given as text",
    ),
    fetches(
        &["cur_server_timeout"],
        ALL,
        "before there is a server HAProxy has none; here it is what a server will get",
    ),
    fetches(
        &["sc_bytes_*", "sc0_bytes_*", "sc1_bytes_*", "src_bytes_*"],
        ALL,
        BYTES,
    ),
    converters(
        &[
            "req.fhdr(x-key),table_bytes_*",
            "src,table_bytes_*",
            "src,table_kbytes_*",
        ],
        ALL,
        BYTES,
    ),
    converters(
        &[
            "req.fhdr(x-key),table_trackers*",
            "src,table_trackers*",
            "str(127.0.0.1),table_trackers*",
        ],
        ALL,
        "that version counts the look-up itself among those who track the entry",
    ),
    converters(
        &["word(*", "str(f1_f2_f3__f5),word(5,_)"],
        ALL,
        "HAProxy 2.6 gives an empty text for a word that isn't there; as documented since, there is none",
    ),
    converters(&["upper,"], ALL, "a comma with nothing after it is an error here"),
    converters(
        &["port_only*"],
        ALL,
        "HAProxy computes with characters that are no digits; what is no number is no port here",
    ),
    converters(
        &["utime*", "ltime*", "http_date*"],
        &["-*"],
        "HAProxy wraps times before 1970 to the far future; here they are what they are",
    ),
    converters(
        &["http_date(-60)", "http_date(-1,us)"],
        &["0", "1"],
        "HAProxy wraps times before 1970 to the far future; here they are what they are",
    ),
    converters(
        &["utime*", "ltime(*", "http_date*"],
        &[
            "2534023007*",
            "253402300800",
            "1700000000123*",
            "9223372036854775807",
        ],
        "dates end on 9999-12-30 here: there is no sample after it",
    ),
    converters(
        &[
            "http_date(0,ms)",
            "http_date(0,us)",
            "http_date(5000,ms)",
            "http_date(5000000,us)",
            "http_date(1,ms)",
            "http_date(-1,us)",
        ],
        ALL,
        "HAProxy 2.6 leaves out zeros at the start of a fraction of a second",
    ),
    converters(
        &["regsub($,x,g)"],
        ALL,
        "HAProxy replaces an empty match at the end twice",
    ),
    converters(
        &["add(-1)", "sub(1)", "sub(9223372036854775807)", "sub(txn.int)"],
        &["-*"],
        "HAProxy 2.6 answers the largest integer where a sum of negative numbers would fit",
    ),
    converters(
        &["ipmask(*"],
        &["010.1.2.3", "10.1.2.3/8", "10.1.2.3:80", "10.1.2.3x"],
        "a text is an address as a whole here, without zeros before its numbers",
    ),
    converters(&["b64dec*"], &["YQ==YQ=="], "padding ends the text here"),
    converters(
        &["ub64dec*"],
        ALL,
        "HAProxy 2.6 decodes padding to bytes; here it may be there and is dropped",
    ),
    converters(
        &["fix_is_valid*"],
        &["8=FIX.4.4\\x019=9\\x01*"],
        "an empty value is invalid, as the manual says",
    ),
    converters(
        &["fix_is_valid*"],
        &["8=FIX.4.4\\x019=129*"],
        "a message that is shorter than it says is not all there yet",
    ),
    converters(
        &["fix_is_valid*"],
        &["\\x01", "=\\x01"],
        "what can be no message, whatever follows, is invalid at once",
    ),
    converters(
        &["protobuf(0)"],
        ALL,
        "fields are numbered from 1, so 0 is an error here",
    ),
    converters(
        &["mqtt_is_valid"],
        &["\\x00"],
        "what can be no message, whatever follows, is invalid at once",
    ),
    fetches(
        &["http_auth_bearer(a)", "http_auth_bearer(none)"],
        ALL,
        "HAProxy 2.6 answers an empty text where the header is not there; here there is no sample",
    ),
    fetches(
        &["req.rdp_cookie_cnt*", "rdp_cookie_cnt"],
        ALL,
        "what is no RDP has no cookies, which is 0 here, and no sample in HAProxy",
    ),
    fetches(
        &["method", "meth(get)", "meth(PURGE)", "meth()"],
        &["a method*", "a plain request", "an old request"],
        "HAProxy loses a method that it has no name for when it is kept in a variable; here it stays, and is never empty",
    ),
    fetches(
        &[
            "path",
            "path,upper",
            "pathq",
            "url",
            "base",
            "baseq",
            "base32*",
            "url32*",
        ],
        &["an absolute URI without a path"],
        "a URI without a path has the path `/` (RFC 9110, 4.2.3)",
    ),
    fetches(
        &["capture.req.method", "capture.req.uri"],
        ALL,
        "HAProxy keeps them only where a log format asks for them; here they are always there",
    ),
    fetches(
        &["req.hdr_val(*", "hdr_val(n)", "req.cook_val*", "urlp_val*"],
        &[
            "addresses with ports",
            "bytes above*",
            "quotes*",
            "numbers",
            "odd cookies",
            "escapes*",
        ],
        "HAProxy computes with characters that are no digits as if they were, and overflows; here a number ends before them",
    ),
    fetches(
        &["req.hdr_names()"],
        ALL,
        "an empty delimiter is as none here, and NUL in HAProxy",
    ),
    fetches(
        &["urlp(a,??)"],
        ALL,
        "a delimiter of two characters is an error here",
    ),
    fetches(
        &[
            "urlp(A,,i)",
            "req.body_param(a,i)",
            "req.body_param(A,i)",
            "query(with_qm)",
        ],
        ALL,
        "newer than the reference version",
    ),
    fetches(&["rand(-1)"], ALL, "a limit below 0 is an error here"),
    fetches(
        &["bool(true),add(1)"],
        ALL,
        "HAProxy 2.6 loses the constant on its way to an integer",
    ),
    fetches(
        &["res.cook(b)"],
        &["odd cookies"],
        "a cookie may be empty, wherever it stands",
    ),
    fetches(
        &["res.cook_cnt"],
        ALL,
        "HAProxy counts the attributes of cookies, too",
    ),
    fetches(
        &["res.cook_val(m)"],
        ALL,
        "a Set-Cookie header holds one cookie (RFC 6265)",
    ),
    fetches(
        &["req.ver"],
        ALL,
        "it may be used where responses are seen too, as in later versions",
    ),
    fetches(
        &["req.proto_http"],
        &[
            "200",
            "404*",
            "a status*",
            "HTTP/1.0",
            "cookies*",
            "odd*",
            "addresses",
            "304",
        ],
        "it is known where responses are seen, too",
    ),
    fetches(
        &["req.proto_http"],
        &[
            "text",
            "one byte",
            "lengths",
            "a length*",
            "NUL*",
            "a request",
            "an RDP*",
            "RDP*",
            "distcc",
        ],
        "on a TCP frontend nothing is read as HTTP yet",
    ),
    fetches(
        &["req.hdr_ip(b)"],
        &["addresses in headers"],
        "HAProxy 2.6 takes no IPv6 address in brackets; they belong to the form of RFC 7239, which is documented",
    ),
    fetches(
        &["req.payload_lv(0,2,2)"],
        ALL,
        "HAProxy 2.6 halves an offset without a sign; here it counts from the start, as documented",
    ),
    fetches(
        &["req.payload_lv(0,9)"],
        ALL,
        "a length of more than 8 bytes is an error here",
    ),
];

const BODY_TIMING: &str = "what is there of a response's body is a matter of time, and no case waits for it";
const RESPONSE_CONTENT: &str = "no case has rules of `tcp-response content`";

const CRASHES: &str = "that version of HAProxy crashes on it";

const TLS: &str = "the hellos of TLS are not among the cases";

const NO_TLS: &str = "connections of the cases speak no TLS";

const SLOTS: &str = "no case has captures: their slots are those of a frontend's other lines";

const BYTES: &str =
    "bytes are counted as they are on the wire; HAProxy counts those of its own form of a message";

const SECRETS: &str = "it needs keys and tokens, which the tests of the converters have";

/// Whether it is said why no case is about a name.
pub(crate) fn is_not_compared(what: What, name: &str) -> bool {
    NOT_COMPARED
        .iter()
        .any(|(kind, pattern, _)| *kind == what && fits(pattern, name))
}

/// Names that no case is about, and why. A star stands for any rest, of which some may be compared.
pub(crate) const NOT_COMPARED: &[(What, &str, &str)] = &[
    (What::Converter, "aes_gcm_dec", SECRETS),
    (What::Converter, "jwt_*", SECRETS),
    (What::Converter, "debug", "it writes a line and changes nothing"),
    (
        What::Fetch,
        "last_rule_*",
        "the place of a rule differs where one of the programs refuses lines before it",
    ),
    (What::Converter, "capture-re*", SLOTS),
    (What::Fetch, "capture.req.hdr", SLOTS),
    (What::Fetch, "capture.res.hdr", SLOTS),
    (What::Fetch, "fc_pp_*", "no case begins with a PROXY header"),
    (What::Fetch, "res.comp*", "no case has a compressed response"),
    (What::Fetch, "res.cache_*", "no case has a response of a cache"),
    (What::Fetch, "ssl_bc*", NO_TLS),
    (What::Fetch, "ssl_c_*", NO_TLS),
    (What::Fetch, "ssl_f_*", NO_TLS),
    (What::Fetch, "ssl_fc*", NO_TLS),
    (What::Fetch, "ssl_s_*", NO_TLS),
    (What::Fetch, "res.body", BODY_TIMING),
    (What::Fetch, "res.body_len", BODY_TIMING),
    (What::Fetch, "res.body_size", BODY_TIMING),
    (What::Fetch, "res.len", RESPONSE_CONTENT),
    (What::Fetch, "res.payload", RESPONSE_CONTENT),
    (What::Fetch, "res.payload_lv", RESPONSE_CONTENT),
    (What::Fetch, "src_clr_gpc", CRASHES),
    (What::Fetch, "src_inc_gpc", CRASHES),
    (What::Fetch, "rep_ssl_hello_type", TLS),
    (What::Fetch, "req.ssl_alpn", TLS),
    (What::Fetch, "req.ssl_ec_ext", TLS),
    (What::Fetch, "req.ssl_hello_type", TLS),
    (What::Fetch, "req.ssl_sni", TLS),
    (What::Fetch, "req.ssl_st_ext", TLS),
    (What::Fetch, "req.ssl_ver", TLS),
    (What::Fetch, "req_ssl_hello_type", TLS),
    (What::Fetch, "req_ssl_sni", TLS),
    (What::Fetch, "req_ssl_ver", TLS),
    (What::Fetch, "res.ssl_hello_type", TLS),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_rest() {
        let difference = fetches(&["url", "path*"], &["GET*", "none"], "");
        assert_eq!(difference.covers(What::Fetch, "pathq", "GET /"), Some(1));
        assert_eq!(difference.covers(What::Fetch, "url", "none"), Some(0));
        assert_eq!(difference.covers(What::Fetch, "urlp", "none"), None);
        assert_eq!(difference.covers(What::Converter, "path", "none"), None);
        assert_eq!(difference.covers(What::Fetch, "path", "PUT /"), None);
    }
}
