//! Examples of fetches and converters, for the reference pages. Tests hold each to what it says.
//!
//! A fetch is shown on a line of a configuration where its data can exist. A converter is shown behind a constant where that says
//! what it does, with what it gives; those whose families share one form share their example too.

mod converters;

use crate::arg::{ArgKind, ArgSpec};
use crate::convert::ConverterRow;
use crate::fetch::FetchRow;
use crate::place::Place;
use crate::value::Type;

/// An example of a converter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConverterExample {
    /// An expression.
    pub expression: String,
    /// What it gives, as text, where that depends on nothing else.
    pub gives: Option<&'static str>,
}

/// Arguments of fetches whose arguments are texts.
const ARGUMENTS: &[(&str, &str)] = &[
    ("query", "with_qm"),
    ("url_param", "id"),
    ("urlp", "id"),
    ("urlp_val", "page"),
    ("req.body_param", "name"),
    ("hdr", "host"),
    ("req.hdr", "x-forwarded-for,-1"),
    ("res.hdr", "server"),
    ("shdr", "server"),
    ("req.fhdr", "user-agent"),
    ("res.fhdr", "date"),
    ("hdr_val", "content-length"),
    ("req.hdr_val", "content-length"),
    ("res.hdr_val", "content-length"),
    ("shdr_val", "content-length"),
    ("hdr_ip", "x-forwarded-for,-1"),
    ("req.hdr_ip", "x-forwarded-for,-1"),
    ("res.hdr_ip", "x-server-address"),
    ("shdr_ip", "x-server-address"),
    ("hdr_cnt", "host"),
    ("req.hdr_cnt", "host"),
    ("res.hdr_cnt", "set-cookie"),
    ("shdr_cnt", "set-cookie"),
    ("cookie", "SESSION"),
    ("cook", "SESSION"),
    ("req.cook", "SESSION"),
    ("res.cook", "SESSION"),
    ("scook", "SESSION"),
    ("cook_val", "VISITS"),
    ("req.cook_val", "VISITS"),
    ("res.cook_val", "VISITS"),
    ("scook_val", "VISITS"),
    ("cook_cnt", "SESSION"),
    ("req.cook_cnt", "SESSION"),
    ("res.cook_cnt", "SESSION"),
    ("scook_cnt", "SESSION"),
    ("http_auth_bearer", "x-token"),
    ("payload", "0,4"),
    ("req.payload", "0,4"),
    ("res.payload", "0,4"),
    ("payload_lv", "43,1"),
    ("req.payload_lv", "43,1"),
    ("res.payload_lv", "43,1"),
    ("req.rdp_cookie", "mstshash"),
    ("rdp_cookie", "mstshash"),
    ("distcc_param", "DIST"),
    ("distcc_body", "ARGV"),
    ("var", "txn.tenant,none"),
    ("date", "-3600,s"),
    ("rand", "100"),
    ("uuid", "4"),
    ("env", "HOME"),
    ("acl", "local,!robot"),
    ("dump_all_vars", "txn"),
    ("bool", "true"),
    ("int", "42"),
    ("str", "hello"),
    ("bin", "0d0a"),
    ("meth", "GET"),
    ("ipv4", "192.0.2.1"),
    ("ipv6", "2001:db8::1"),
    ("fc_pp_tlv", "AUTHORITY"),
    ("fc_rtt", "ms"),
    ("fc_rttvar", "ms"),
    ("bc_rtt", "ms"),
    ("bc_rttvar", "ms"),
];

/// A line of a configuration with the fetch.
#[must_use]
pub fn of_fetch(row: &FetchRow) -> String {
    let known = ARGUMENTS.iter().find(|(name, _)| *name == row.name);
    let arguments = match known {
        Some((_, arguments)) => format!("({arguments})"),
        None => required(row.args),
    };
    let sample = format!("{}{arguments}", row.name);
    let rules = [
        (
            Place::FrontendHttpRequest,
            "http-request deny",
            "http-request set-header x-sample",
        ),
        (
            Place::BackendHttpRequest,
            "http-request deny",
            "http-request set-header x-sample",
        ),
        (
            Place::FrontendHttpResponse,
            "http-response deny",
            "http-response set-header x-sample",
        ),
        (
            Place::BackendHttpResponse,
            "http-response deny",
            "http-response set-header x-sample",
        ),
    ];
    let rule = rules.iter().find(|(place, ..)| row.places.contains(*place));
    let condition = match row.output {
        Type::Bool => Some(sample.clone()),
        Type::Int => Some(format!("{sample} gt 10")),
        Type::Addr | Type::Ipv4 | Type::Ipv6 => Some(format!("{sample} 192.0.2.0/24 2001:db8::/32")),
        Type::Bin => Some(format!("{sample} -m found")),
        _ => None,
    };
    match (rule, condition) {
        (Some((_, refuse, _)), Some(condition)) => format!("{refuse} if {{ {condition} }}"),
        (Some((.., set)), None) => format!("{set} %[{sample}]"),
        (None, _) if row.places.contains(Place::Log) => format!("log-format \"%ci %[{sample}]\""),
        (None, Some(condition)) => format!("tcp-request content accept if {{ {condition} }}"),
        (None, None) => format!("tcp-request content accept if {{ {sample} -m found }}"),
    }
}

/// An expression with the converter.
#[must_use]
pub fn of_converter(row: &ConverterRow) -> ConverterExample {
    if let Some((_, expression, gives)) = converters::KNOWN.iter().find(|(name, ..)| *name == row.name) {
        return ConverterExample {
            expression: (*expression).to_owned(),
            gives: *gives,
        };
    }
    let source = match row.input {
        Type::Addr => "src",
        Type::Int => "dst_port",
        Type::Bin => "req.payload(0,0)",
        Type::Any => "src",
        _ => "path",
    };
    let arguments = match row.is_map() {
        true => "(virt@example)".to_owned(),
        false => required(row.args),
    };
    ConverterExample {
        expression: format!("{source},{}{arguments}", row.name),
        gives: None,
    }
}

/// The arguments that must be given, where their kinds say enough.
fn required(spec: ArgSpec) -> String {
    let kinds = spec.kinds.get(..spec.required).unwrap_or_default();
    if kinds.is_empty() {
        return String::new();
    }
    let arguments: Vec<&str> = kinds.iter().map(|kind| argument(*kind)).collect();
    format!("({})", arguments.join(","))
}

fn argument(kind: ArgKind) -> &'static str {
    match kind {
        ArgKind::Int => "0",
        ArgKind::Ipv4 => "192.0.2.1",
        ArgKind::Ipv6 => "2001:db8::1",
        ArgKind::Mask4 => "24",
        ArgKind::Mask6 => "64",
        ArgKind::Frontend => "web",
        ArgKind::Backend => "app",
        ArgKind::Server => "app/s1",
        ArgKind::UserList => "people",
        ArgKind::Table => "clients",
        ArgKind::Regex => "[0-9]+",
        ArgKind::ProtobufField => "1",
        ArgKind::Str => "text",
    }
}
