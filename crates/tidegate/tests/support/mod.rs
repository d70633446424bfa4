//! What tests of the running program share: starting it, speaking to it, and comparing what it says.

// Each test program takes from here what it needs.
#![allow(dead_code)]

pub(crate) mod curl;
pub(crate) mod frames;
pub(crate) mod name_server;
pub(crate) mod origin;
pub(crate) mod place;
pub(crate) mod program;
pub(crate) mod runtime;
pub(crate) mod scripted;
pub(crate) mod site;
pub(crate) mod syslog;
pub(crate) mod tls;
pub(crate) mod transcript;

/// A failure is a sentence that the test prints.
pub(crate) type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;
