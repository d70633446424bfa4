//! HTTP/2 (RFC 9113) as bytes that come and go, without I/O and without a runtime.
//!
//! [`hpack`] is how heads are written (RFC 7541).
#![forbid(unsafe_code)]

pub mod hpack;
