//! Addresses and ports of the two ends of the client's connection.

use super::{FetchRow, row};
use crate::arg::ArgSpec;
use crate::scope::Places;
use crate::value::{Type, Value};
use std::net::IpAddr;

const CLIENT: Places = Places::columns(b"YYYYYYYYYYYYYYYYYYYY..");

pub(super) const ROWS: &[FetchRow] = &[
    row(
        "src",
        ArgSpec::NONE,
        Type::Addr,
        CLIENT,
        "the client's address",
        |s, _| Some(unmapped(s.src()?.ip())),
    ),
    row(
        "src_port",
        ArgSpec::NONE,
        Type::Int,
        CLIENT,
        "the client's port",
        |s, _| Some(Value::Int(s.src()?.port().into())),
    ),
];

/// An address as a sample; one that is IPv4 inside IPv6 is IPv4.
fn unmapped(address: IpAddr) -> Value {
    Value::from(address.to_canonical())
}
