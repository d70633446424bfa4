//! Certificates: the client's, the server's, and our own.

use super::places::SESSION;
use super::{FetchRow, row};
use crate::arg::{Arg, ArgError, ArgKind, ArgSpec, at};
use crate::data::Data;
use crate::session::{Session, Way};
use crate::value::{Type, Value};
use crate::x509::{Certificate, DistinguishedName, Occurrence};
use sha1::{Digest, Sha1};

const NONE: ArgSpec = ArgSpec::NONE;
const NAME: ArgSpec = ArgSpec::new(0, &[ArgKind::Str, ArgKind::Int, ArgKind::Str]);

/// The rows about one certificate, by what its names begin with.
macro_rules! certificate {
    ($find:ident: $($name:literal $args:expr, $output:expr, $doc:literal, $ask:expr;)*) => {
        [$(row($name, $args, $output, SESSION, $doc, |s, args| {
            let ask: fn(&Certificate, &[Arg]) -> Option<Value> = $ask;
            ask(&Certificate::parse(&$find(s)?)?, args)
        })),*]
    };
}

pub(super) const CLIENT: &[FetchRow] = &certificate! { client:
    "ssl_c_key_alg" NONE, Type::Str, "what the key of the client's certificate is for", |c, _| Some(Value::str(c.key_algorithm()));
    "ssl_c_sig_alg" NONE, Type::Str, "what the client's certificate is signed with", |c, _| Some(Value::str(c.signature_algorithm()));
    "ssl_c_notafter" NONE, Type::Str, "when the client's certificate ends, as YYMMDDhhmmssZ", |c, _| c.not_after_text().map(Value::str);
    "ssl_c_notbefore" NONE, Type::Str, "when the client's certificate begins", |c, _| c.not_before_text().map(Value::str);
    "ssl_c_serial" NONE, Type::Bin, "the serial number of the client's certificate", |c, _| Some(Value::bin(c.serial()));
    "ssl_c_version" NONE, Type::Int, "the version of the client's certificate", |c, _| Some(Value::Int(c.version()));
    "ssl_c_san" NONE, Type::Str, "the alternative names in the client's certificate", |c, _| {
        let names = c.alternative_names();
        (!names.is_empty()).then(|| Value::str(names.join(", ")))
    };
    "ssl_c_policies" ArgSpec::new(0, &[ArgKind::Str]), Type::Str, "the policies of the client's certificate, or one of them if it is there", |c, args| {
        let policies = c.policies();
        match at(args, 0) {
            Arg::Str(wanted) => policies.into_iter().find(|policy| policy.as_bytes() == wanted.as_slice()).map(Value::str),
            _ => (!policies.is_empty()).then(|| Value::str(policies.join(","))),
        }
    };
};

pub(super) const OWN: &[FetchRow] = &certificate! { own:
    "ssl_f_key_alg" NONE, Type::Str, "what the key of our certificate is for", |c, _| Some(Value::str(c.key_algorithm()));
    "ssl_f_sig_alg" NONE, Type::Str, "what our certificate is signed with", |c, _| Some(Value::str(c.signature_algorithm()));
    "ssl_f_notafter" NONE, Type::Str, "when our certificate ends, as YYMMDDhhmmssZ", |c, _| c.not_after_text().map(Value::str);
    "ssl_f_notbefore" NONE, Type::Str, "when our certificate begins", |c, _| c.not_before_text().map(Value::str);
    "ssl_f_serial" NONE, Type::Bin, "the serial number of our certificate", |c, _| Some(Value::bin(c.serial()));
    "ssl_f_version" NONE, Type::Int, "the version of our certificate", |c, _| Some(Value::Int(c.version()));
};

pub(super) const SERVER: &[FetchRow] = &certificate! { server:
    "ssl_s_key_alg" NONE, Type::Str, "what the key of the server's certificate is for", |c, _| Some(Value::str(c.key_algorithm()));
    "ssl_s_sig_alg" NONE, Type::Str, "what the server's certificate is signed with", |c, _| Some(Value::str(c.signature_algorithm()));
    "ssl_s_notafter" NONE, Type::Str, "when the server's certificate ends, as YYMMDDhhmmssZ", |c, _| c.not_after_text().map(Value::str);
    "ssl_s_notbefore" NONE, Type::Str, "when the server's certificate begins", |c, _| c.not_before_text().map(Value::str);
    "ssl_s_serial" NONE, Type::Bin, "the serial number of the server's certificate", |c, _| Some(Value::bin(c.serial()));
    "ssl_s_version" NONE, Type::Int, "the version of the server's certificate", |c, _| Some(Value::Int(c.version()));
};

/// A row about a distinguished name.
macro_rules! name {
    ($name:literal, $find:ident, $of:ident, $doc:literal) => {
        row($name, NAME, Type::Str, SESSION, $doc, |s, args| {
            written(&Certificate::parse(&$find(s)?)?.$of(), args)
        })
        .prepared(name_format)
    };
}

pub(super) const NAMES: &[FetchRow] = &[
    name!(
        "ssl_c_s_dn",
        client,
        subject,
        "whom the client's certificate is for, or one entry of that"
    ),
    name!(
        "ssl_c_i_dn",
        client,
        issuer,
        "who vouches for the client's certificate, or one entry of that"
    ),
    name!(
        "ssl_c_r_dn",
        client_top,
        issuer,
        "the root that vouches for the client's certificate, or one entry of that"
    ),
    name!(
        "ssl_f_s_dn",
        own,
        subject,
        "whom our certificate is for, or one entry of that"
    ),
    name!(
        "ssl_f_i_dn",
        own,
        issuer,
        "who vouches for our certificate, or one entry of that"
    ),
    name!(
        "ssl_s_s_dn",
        server,
        subject,
        "whom the server's certificate is for, or one entry of that"
    ),
    name!(
        "ssl_s_i_dn",
        server,
        issuer,
        "who vouches for the server's certificate, or one entry of that"
    ),
];

pub(super) const WHOLE: &[FetchRow] = &[
    row(
        "ssl_c_der",
        NONE,
        Type::Bin,
        SESSION,
        "the client's certificate",
        |s, _| client(s).map(Value::Bin),
    ),
    row(
        "ssl_f_der",
        NONE,
        Type::Bin,
        SESSION,
        "our certificate",
        |s, _| own(s).map(Value::Bin),
    ),
    row(
        "ssl_s_der",
        NONE,
        Type::Bin,
        SESSION,
        "the server's certificate",
        |s, _| server(s).map(Value::Bin),
    ),
    row(
        "ssl_c_chain_der",
        NONE,
        Type::Bin,
        SESSION,
        "all certificates that the client showed",
        |s, _| chain(s, Way::Request),
    ),
    row(
        "ssl_s_chain_der",
        NONE,
        Type::Bin,
        SESSION,
        "all certificates that the server showed",
        |s, _| chain(s, Way::Response),
    ),
    row(
        "ssl_c_sha1",
        NONE,
        Type::Bin,
        SESSION,
        "the SHA-1 fingerprint of the client's certificate",
        |s, _| client(s).map(fingerprint),
    ),
    row(
        "ssl_f_sha1",
        NONE,
        Type::Bin,
        SESSION,
        "the SHA-1 fingerprint of our certificate",
        |s, _| own(s).map(fingerprint),
    ),
    row(
        "ssl_s_sha1",
        NONE,
        Type::Bin,
        SESSION,
        "the SHA-1 fingerprint of the server's certificate",
        |s, _| server(s).map(fingerprint),
    ),
    row(
        "ssl_c_used",
        NONE,
        Type::Bool,
        SESSION,
        "whether the client has shown a certificate in this session",
        |s, _| Some(Value::Bool(client(s).is_some())),
    ),
    row(
        "ssl_c_verify",
        NONE,
        Type::Int,
        SESSION,
        "the number of what was wrong with the client's certificates, 0 for nothing",
        |s, _| {
            Some(Value::Int(
                s.tls(Way::Request)?
                    .verify_error
                    .map_or(0, |(error, _)| error.into()),
            ))
        },
    ),
    row(
        "ssl_c_err",
        NONE,
        Type::Int,
        SESSION,
        "the number of what was wrong with the client's own certificate, 0 for nothing",
        |s, _| {
            let wrong = s.tls(Way::Request)?.verify_error.filter(|(_, depth)| *depth == 0);
            Some(Value::Int(wrong.map_or(0, |(error, _)| error.into())))
        },
    ),
    row(
        "ssl_c_ca_err",
        NONE,
        Type::Int,
        SESSION,
        "the number of what was wrong with those that vouch for the client, 0 for nothing",
        |s, _| {
            let wrong = s.tls(Way::Request)?.verify_error.filter(|(_, depth)| *depth > 0);
            Some(Value::Int(wrong.map_or(0, |(error, _)| error.into())))
        },
    ),
    row(
        "ssl_c_ca_err_depth",
        NONE,
        Type::Int,
        SESSION,
        "how far from the client's own certificate that was",
        |s, _| {
            Some(Value::Int(
                s.tls(Way::Request)?
                    .verify_error
                    .map_or(0, |(_, depth)| depth.into()),
            ))
        },
    ),
];

fn client(session: &dyn Session) -> Option<Data> {
    session.tls(Way::Request)?.peer.first().cloned()
}

fn own(session: &dyn Session) -> Option<Data> {
    session.tls(Way::Request)?.own.clone()
}

fn server(session: &dyn Session) -> Option<Data> {
    session.tls(Way::Response)?.peer.first().cloned()
}

/// The last of the certificates that lead from the client's own to a root that is trusted: the root is its issuer.
fn client_top(session: &dyn Session) -> Option<Data> {
    let tls = session.tls(Way::Request)?;
    if tls.verify_error.is_some() {
        return None;
    }
    let parsed: Vec<Certificate> = tls
        .peer
        .iter()
        .filter_map(|der| Certificate::parse(der))
        .collect();
    let mut top = 0;
    for _ in 0..parsed.len() {
        let current = parsed.get(top)?;
        match parsed
            .iter()
            .position(|other| !current.is_self_issued() && other.issued(current))
        {
            Some(next) if next != top => top = next,
            _ => break,
        }
    }
    tls.peer.get(top).cloned()
}

fn chain(session: &dyn Session, way: Way) -> Option<Value> {
    let tls = session.tls(way)?;
    let all: Vec<u8> = tls.peer.iter().flat_map(|der| der.iter().copied()).collect();
    (!all.is_empty()).then(|| Value::bin(all))
}

fn fingerprint(der: Data) -> Value {
    Value::bin(Sha1::digest(&*der).as_slice())
}

/// The only format of names but OpenSSL's own.
const RFC2253: &[u8] = b"rfc2253";

fn name_format(args: &mut Vec<Arg>) -> Result<(), ArgError> {
    match at(args, 2) {
        Arg::Str(format) if !format.is_empty() && format.as_slice() != RFC2253 => {
            Err(ArgError::new(2, "the only format is `rfc2253`"))
        }
        _ => Ok(()),
    }
}

fn written(name: &DistinguishedName<'_>, args: &[Arg]) -> Option<Value> {
    let occurrence = match at(args, 1) {
        Arg::Int(number) => Occurrence::new(*number),
        _ => Occurrence::first(),
    };
    let text = match (at(args, 0), at(args, 2)) {
        (Arg::Str(entry), _) if !entry.is_empty() => {
            name.entry(&String::from_utf8_lossy(entry), occurrence)?
        }
        (_, Arg::Str(format)) if format.as_slice() == RFC2253 => name.rfc2253()?,
        _ => name.oneline()?,
    };
    Some(Value::str(text))
}
