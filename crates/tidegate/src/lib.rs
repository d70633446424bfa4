//! Tidegate: a Lua-first load balancer that runs HAProxy's configuration and scripts.
//!
//! The program is [`main`]. Whoever writes pages about it finds its tables in [`reference`](mod@reference).

mod assemble;
mod certificates;
mod cli;
mod daemon;
mod explain;
mod fmt;
mod keywords;
mod load;
mod master;
mod memory;
mod pid_file;
mod privileges;
mod program;
pub mod reference;
mod report;
mod runtime;
mod signals;
mod statistics;
mod stubs;
mod system;
mod tokens;

use std::process::ExitCode;

/// The whole program, from its command line to its exit status.
#[must_use]
pub fn main() -> ExitCode {
    program::run(std::env::args_os().skip(1)).into()
}
