//! The TLS that is spoken here: with the client, and with the server.

use super::places::{CLIENT, SERVER_SIDE, SESSION};
use super::{FetchRow, row};
use crate::arg::{Arg, ArgError, ArgKind, ArgSpec, at};
use crate::data::Data;
use crate::session::{Session, Way};
use crate::tls::{Hello, Tls};
use crate::value::{Type, Value};
use std::rc::Rc;

const NONE: ArgSpec = ArgSpec::NONE;
const FILTER: ArgSpec = ArgSpec::new(0, &[ArgKind::Int]);

/// A row about one side.
macro_rules! side {
    ($name:literal, $way:expr, $places:expr, $output:expr, $doc:literal, $ask:expr) => {
        row($name, NONE, $output, $places, $doc, |s, _| {
            let ask: fn(&Tls) -> Option<Value> = $ask;
            ask(&*s.tls($way)?)
        })
    };
}

/// The same row for both sides.
macro_rules! both {
    ($($front:literal $back:literal $output:expr, $doc:literal, $ask:expr;)*) => {
        &[$(
            side!($front, Way::Request, SESSION, $output, $doc, $ask),
            side!($back, Way::Response, SERVER_SIDE, $output, $doc, $ask),
        )*]
    };
}

/// What both sides are asked.
pub(super) const BOTH: &[FetchRow] = both! {
    "ssl_fc_protocol" "ssl_bc_protocol" Type::Str, "the version of TLS",
        |tls| Some(Value::str(tls.protocol)).filter(|_| !tls.protocol.is_empty());
    "ssl_fc_cipher" "ssl_bc_cipher" Type::Str, "the cipher, by OpenSSL's name",
        |tls| Some(Value::str(tls.cipher)).filter(|_| !tls.cipher.is_empty());
    "ssl_fc_alg_keysize" "ssl_bc_alg_keysize" Type::Int, "the bits that a key of the cipher may have", bits;
    "ssl_fc_use_keysize" "ssl_bc_use_keysize" Type::Int, "the bits that the cipher's key has", bits;
    "ssl_fc_curve" "ssl_bc_curve" Type::Str, "the curve that the key was agreed on with",
        |tls| tls.curve.map(Value::str);
    "ssl_fc_alpn" "ssl_bc_alpn" Type::Str, "the protocol that ALPN agreed on", |tls| text(tls.alpn.as_ref());
    "ssl_fc_sni" "ssl_bc_sni" Type::Str, "the name that the server was asked for", |tls| text(tls.sni.as_ref());
    "ssl_fc_session_id" "ssl_bc_session_id" Type::Bin, "the id of the session", |tls| bytes(&tls.session_id);
    "ssl_fc_client_random" "ssl_bc_client_random" Type::Bin, "the client's random bytes",
        |tls| bytes(&tls.client_random);
    "ssl_fc_server_random" "ssl_bc_server_random" Type::Bin, "the server's random bytes",
        |tls| bytes(&tls.server_random);
};

/// A secret of the connection, which either side's handshake may have.
macro_rules! secrets {
    ($($front:literal $back:literal $label:literal;)*) => {
        &[$(
            side!($front, Way::Request, SESSION, Type::Str, "a secret of the client's connection, if `tune.ssl.keylog` is set",
                |tls| secret(tls, $label)),
            side!($back, Way::Response, SESSION, Type::Str, "a secret of the server's connection, if `tune.ssl.keylog` is set",
                |tls| secret(tls, $label)),
        )*]
    };
}

/// What of the key schedule a log may need, to decrypt a capture later.
pub(super) const SECRETS: &[FetchRow] = secrets! {
    "ssl_fc_client_early_traffic_secret" "ssl_bc_client_early_traffic_secret" "CLIENT_EARLY_TRAFFIC_SECRET";
    "ssl_fc_client_handshake_traffic_secret" "ssl_bc_client_handshake_traffic_secret" "CLIENT_HANDSHAKE_TRAFFIC_SECRET";
    "ssl_fc_server_handshake_traffic_secret" "ssl_bc_server_handshake_traffic_secret" "SERVER_HANDSHAKE_TRAFFIC_SECRET";
    "ssl_fc_client_traffic_secret_0" "ssl_bc_client_traffic_secret_0" "CLIENT_TRAFFIC_SECRET_0";
    "ssl_fc_server_traffic_secret_0" "ssl_bc_server_traffic_secret_0" "SERVER_TRAFFIC_SECRET_0";
    "ssl_fc_exporter_secret" "ssl_bc_exporter_secret" "EXPORTER_SECRET";
    "ssl_fc_early_exporter_secret" "ssl_bc_early_exporter_secret" "EARLY_EXPORTER_SECRET";
};

/// A row about the client's first message.
macro_rules! list {
    ($name:literal, $output:expr, $doc:literal, $ask:expr) => {
        row($name, FILTER, $output, SESSION, $doc, |s, args| {
            hello(s, args, $ask)
        })
    };
}

/// What one side alone is asked.
pub(super) const ROWS: &[FetchRow] = &[
    row(
        "ssl_fc",
        NONE,
        Type::Bool,
        SESSION,
        "whether the client speaks TLS with us",
        |s, _| Some(Value::Bool(s.tls(Way::Request).is_some())),
    ),
    row(
        "ssl_fc_is_resumed",
        NONE,
        Type::Bool,
        SESSION,
        "whether an earlier session of TLS goes on",
        |s, _| Some(Value::Bool(s.tls(Way::Request).is_some_and(|tls| tls.resumed))),
    ),
    row(
        "ssl_bc_is_resumed",
        NONE,
        Type::Bool,
        SERVER_SIDE,
        "whether an earlier session of TLS goes on",
        |s, _| Some(Value::Bool(s.tls(Way::Response).is_some_and(|tls| tls.resumed))),
    ),
    row(
        "ssl_bc",
        NONE,
        Type::Bool,
        SERVER_SIDE,
        "whether we speak TLS with the server",
        |s, _| Some(Value::Bool(s.tls(Way::Response).is_some())),
    ),
    row(
        "ssl_fc_err",
        NONE,
        Type::Int,
        SESSION,
        "0 once hands are shaken: a fault is told by `fc_err`, as it has no number of OpenSSL's",
        |s, _| s.tls(Way::Request).map(|_| Value::Int(0)),
    ),
    row(
        "ssl_bc_err",
        NONE,
        Type::Int,
        SERVER_SIDE,
        "0 once hands are shaken: a fault is told by `bc_err`, as it has no number of OpenSSL's",
        |s, _| s.tls(Way::Response).map(|_| Value::Int(0)),
    ),
    row(
        "ssl_fc_has_sni",
        NONE,
        Type::Bool,
        SESSION,
        "whether the client asked for a name",
        |s, _| Some(Value::Bool(s.tls(Way::Request)?.sni.is_some())),
    ),
    row(
        "ssl_fc_has_crt",
        NONE,
        Type::Bool,
        SESSION,
        "whether the client showed a certificate on this connection",
        |s, _| Some(Value::Bool(s.tls(Way::Request).is_some_and(|tls| tls.peer_shown))),
    ),
    row(
        "ssl_fc_has_early",
        NONE,
        Type::Bool,
        SESSION,
        "whether there are early data before the handshake's end: there never are",
        |s, _| s.tls(Way::Request).map(|_| Value::Bool(false)),
    ),
    row(
        "ssl_fc_early_rcvd",
        NONE,
        Type::Bool,
        SESSION,
        "whether there were early data: they are never taken",
        |s, _| s.tls(Way::Request).map(|_| Value::Bool(false)),
    ),
    row(
        "ssl_fc_crtname",
        NONE,
        Type::Str,
        SESSION,
        "what the configuration calls the certificate that the client was shown",
        |s, _| text(s.tls(Way::Request)?.own_name.as_ref()),
    ),
    row(
        "ssl_fc_protocol_hello_id",
        NONE,
        Type::Int,
        SESSION,
        "the version in the client's first message",
        |s, _| {
            let tls = s.tls(Way::Request)?;
            Some(Value::Int(tls.hello.as_ref()?.version.into()))
        },
    ),
    list!(
        "ssl_fc_cipherlist_bin",
        Type::Bin,
        "the ciphers that the client offers",
        |hello, filter| { Some(Value::bin(filter.pairs(&hello.ciphers))) }
    ),
    list!(
        "ssl_fc_cipherlist_hex",
        Type::Str,
        "the ciphers that the client offers, in hexadecimal",
        |hello, filter| { Some(Value::str(hex(&filter.pairs(&hello.ciphers)))) }
    ),
    list!(
        "ssl_fc_cipherlist_str",
        Type::Str,
        "the ciphers that the client offers, by name",
        |hello, filter| {
            let pairs = filter.pairs(&hello.ciphers);
            let names = pairs.chunks_exact(2).map(|pair| match pair {
                [high, low] => cipher(u16::from_be_bytes([*high, *low])),
                _ => String::new(),
            });
            Some(Value::str(names.collect::<Vec<_>>().join(",")))
        }
    ),
    row(
        "ssl_fc_cipherlist_xxh",
        NONE,
        Type::Int,
        SESSION,
        "a hash (xxh64) of the ciphers that the client offers",
        |s, args| {
            hello(s, args, |hello, _| {
                Some(Value::Int(xxhash_rust::xxh64::xxh64(&hello.ciphers, 0) as i64))
            })
        },
    ),
    list!(
        "ssl_fc_extlist_bin",
        Type::Bin,
        "the extensions that the client sent",
        |hello, filter| { Some(Value::bin(filter.pairs(&hello.extensions))) }
    ),
    list!(
        "ssl_fc_eclist_bin",
        Type::Bin,
        "the curves that the client offers",
        |hello, filter| { Some(Value::bin(filter.pairs(hello.groups.as_ref()?))) }
    ),
    row(
        "ssl_fc_ecformats_bin",
        NONE,
        Type::Bin,
        SESSION,
        "the forms of points that the client offers",
        |s, args| hello(s, args, |hello, _| Some(Value::Bin(hello.point_formats.clone()?))),
    ),
    list!(
        "ssl_fc_sigalgs_bin",
        Type::Bin,
        "the signature algorithms that the client offers",
        |hello, filter| { Some(Value::bin(filter.pairs(hello.signature_algorithms.as_ref()?),)) }
    ),
    list!(
        "ssl_fc_supported_versions_bin",
        Type::Bin,
        "the versions that the client offers",
        |hello, filter| { Some(Value::bin(filter.pairs(hello.versions.as_ref()?))) }
    ),
    row(
        "fc_pp_authority",
        NONE,
        Type::Str,
        CLIENT,
        "the name in the PROXY header",
        |s, _| s.proxy_tlv(2).map(Value::Str),
    ),
    row(
        "fc_pp_unique_id",
        NONE,
        Type::Str,
        CLIENT,
        "the unique id in the PROXY header",
        |s, _| s.proxy_tlv(5).map(Value::Str),
    ),
    row(
        "fc_pp_tlv",
        ArgSpec::new(1, &[ArgKind::Str]),
        Type::Str,
        SESSION,
        "what the PROXY header tells under a type, by number or name",
        |s, args| match at(args, 0) {
            Arg::Int(kind) => s.proxy_tlv(u8::try_from(*kind).ok()?).map(Value::Str),
            _ => None,
        },
    )
    .prepared(tlv_kind),
];

fn bits(tls: &Tls) -> Option<Value> {
    (tls.key_bits > 0).then(|| Value::Int(tls.key_bits.into()))
}

fn text(data: Option<&Data>) -> Option<Value> {
    data.cloned().map(Value::Str)
}

fn bytes(data: &Data) -> Option<Value> {
    (!data.is_empty()).then(|| Value::Bin(data.clone()))
}

fn secret(tls: &Tls, label: &str) -> Option<Value> {
    let found = tls.secrets.iter().find(|(known, _)| known == label);
    found.map(|(_, secret)| Value::str(hex(secret)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Which values of a list are given.
#[derive(Clone, Copy)]
struct Filter {
    without_grease: bool,
}

impl Filter {
    /// Those of two bytes each.
    fn pairs(self, list: &[u8]) -> Vec<u8> {
        let greasy = |pair: &&[u8]| matches!(pair, [a, b] if a == b && a & 0x0f == 0x0a);
        let pairs = list
            .chunks_exact(2)
            .filter(|pair| !self.without_grease || !greasy(pair));
        pairs.flatten().copied().collect()
    }
}

type Ask = fn(&Hello, Filter) -> Option<Value>;

/// The numeric argument of a list: 0 for all of it, 1 without what only tests that nobody minds it.
fn filter(args: &[Arg]) -> Filter {
    Filter {
        without_grease: matches!(at(args, 0), Arg::Int(1)),
    }
}

/// What is asked of the client's first message, if that is kept.
fn hello(session: &dyn Session, args: &[Arg], ask: Ask) -> Option<Value> {
    let tls: Rc<Tls> = session.tls(Way::Request)?;
    ask(tls.hello.as_ref()?, filter(args))
}

/// Names of the types of what a PROXY header tells.
const TLVS: [(&str, i64); 12] = [
    ("ALPN", 1),
    ("AUTHORITY", 2),
    ("CRC32", 3),
    ("NOOP", 4),
    ("UNIQUE_ID", 5),
    ("SSL", 0x20),
    ("SSL_VERSION", 0x21),
    ("SSL_CN", 0x22),
    ("SSL_CIPHER", 0x23),
    ("SSL_SIG_ALG", 0x24),
    ("SSL_KEY_ALG", 0x25),
    ("NETNS", 0x30),
];

fn tlv_kind(args: &mut Vec<Arg>) -> Result<(), ArgError> {
    let Arg::Str(text) = at(args, 0) else {
        return Ok(());
    };
    let text = String::from_utf8_lossy(text).into_owned();
    let named = TLVS.iter().find(|(name, _)| *name == text).map(|(_, kind)| *kind);
    let number = || match text.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    };
    match named.or_else(number).filter(|kind| (0..=255).contains(kind)) {
        Some(kind) => {
            *args = vec![Arg::Int(kind)];
            Ok(())
        }
        None => Err(ArgError::new(
            0,
            "the type is a number from 0 to 255, or a name such as `AUTHORITY`",
        )),
    }
}

/// OpenSSL's names of ciphers that clients offer.
const CIPHERS: [(u16, &str); 20] = [
    (0x000a, "DES-CBC3-SHA"),
    (0x002f, "AES128-SHA"),
    (0x0033, "DHE-RSA-AES128-SHA"),
    (0x0035, "AES256-SHA"),
    (0x0039, "DHE-RSA-AES256-SHA"),
    (0x009c, "AES128-GCM-SHA256"),
    (0x009d, "AES256-GCM-SHA384"),
    (0x009e, "DHE-RSA-AES128-GCM-SHA256"),
    (0x009f, "DHE-RSA-AES256-GCM-SHA384"),
    (0x00ff, "TLS_EMPTY_RENEGOTIATION_INFO_SCSV"),
    (0x1301, "TLS_AES_128_GCM_SHA256"),
    (0x1302, "TLS_AES_256_GCM_SHA384"),
    (0x1303, "TLS_CHACHA20_POLY1305_SHA256"),
    (0xc013, "ECDHE-RSA-AES128-SHA"),
    (0xc02b, "ECDHE-ECDSA-AES128-GCM-SHA256"),
    (0xc02c, "ECDHE-ECDSA-AES256-GCM-SHA384"),
    (0xc02f, "ECDHE-RSA-AES128-GCM-SHA256"),
    (0xc030, "ECDHE-RSA-AES256-GCM-SHA384"),
    (0xcca8, "ECDHE-RSA-CHACHA20-POLY1305"),
    (0xcca9, "ECDHE-ECDSA-CHACHA20-POLY1305"),
];

fn cipher(number: u16) -> String {
    match CIPHERS.iter().find(|(known, _)| *known == number) {
        Some((_, name)) => (*name).to_owned(),
        None => format!("UNKNOWN({number:04x})"),
    }
}
