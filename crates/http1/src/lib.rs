//! HTTP/1 (RFC 9112) as bytes that come and go, without I/O and without a runtime.
//!
//! [`request`] and [`response`] read heads, straight into those that rules and scripts see ([`tidegate_sample::head`]), and are
//! strict about where messages end: what two readers could take for two different ends is refused. [`Incoming`] is the body that
//! comes after a head. What is written is written by small functions into bytes of the caller's ([`request_line`], [`fields`],
//! [`chunk_size`]).

mod authority;
mod case;
mod chunks;
mod framing;
mod head;
mod incoming;
mod mended;
mod write;

pub use case::HeaderCase;
pub use framing::Framing;
pub use head::{HeadLimits, Peeked, Reading, RequestHead, ResponseHead, peek, request, response};
pub use incoming::{Incoming, Step};
pub use write::{LAST_CHUNK, Leaving, chunk_size, field, fields, number, request_line, status_line};
