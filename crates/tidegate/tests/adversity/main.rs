//! Bad input and faults, at a running program: each gets a clear answer or a closed connection, and a line in the log that says why.
//! Meanwhile somebody who behaves is served, by the same thread, and memory is bounded.

#[path = "../support/mod.rs"]
mod support;

mod descriptors;
mod ends;
mod frames;
mod ground;
mod http2_clients;
mod http2_servers;
mod proxy_headers;
mod requests;
mod responses;
mod slow;
mod tls;
