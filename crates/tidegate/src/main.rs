//! Tidegate: a Lua-first load balancer that runs HAProxy's configuration and scripts.

mod assemble;
mod cli;
mod daemon;
mod explain;
mod fmt;
mod keywords;
mod load;
mod program;
mod report;
mod signals;
mod system;

use std::process::ExitCode;

fn main() -> ExitCode {
    program::run(std::env::args_os().skip(1)).into()
}
