//! The developer's commands: `cargo xtask` lists them.

use std::error::Error;
use std::process::ExitCode;

mod arrows;
mod bench;
mod cargo;
mod certificate;
mod conform;
mod docs;
mod fuzz;
mod pgo;
mod process;
mod sanitize;
mod soak;

/// What every command returns: a failure is a sentence for the person who ran it.
type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// A command: its name, what it does in one line, and the function that runs it on the arguments left.
struct Command {
    name: &'static str,
    about: &'static str,
    run: fn(lexopt::Parser) -> Result<()>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "arrows",
        about: "check that crates depend on one another as ARCHITECTURE.md says, and that only exec may hold `unsafe`",
        run: arrows::run,
    },
    Command {
        name: "bench",
        about: "measure tidegate beside haproxy, nginx and a floor, by CPU time per request",
        run: bench::run,
    },
    Command {
        name: "conform",
        about: "compare with HAProxy: the same samples through both, or HAProxy's reg-tests on tidegate",
        run: conform::run,
    },
    Command {
        name: "docs",
        about: "write the reference pages under docs/ from the program's tables",
        run: docs::run,
    },
    Command {
        name: "floor",
        about: "the floor of the bench alone: answer, or relay, and parse nothing",
        run: bench::floor::run,
    },
    Command {
        name: "fuzz",
        about: "run every fuzz target for a while, or one of them",
        run: fuzz::run,
    },
    Command {
        name: "http2",
        about: "the bench's load of HTTP/2 alone",
        run: bench::http2::run,
    },
    Command {
        name: "origin",
        about: "the bench's origin of long answers alone",
        run: bench::origin::run,
    },
    Command {
        name: "pgo",
        about: "build the program by what a run of it has shown, which takes two release builds",
        run: pgo::run,
    },
    Command {
        name: "sanitize",
        about: "run the tests of the crate that holds `unsafe` under AddressSanitizer, or valgrind",
        run: sanitize::run,
    },
    Command {
        name: "soak",
        about: "run the program for long among all that goes wrong, and see that nothing of it is left",
        run: soak::run,
    },
];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut arguments = lexopt::Parser::from_env();
    let name = match arguments.next()? {
        None | Some(lexopt::Arg::Short('h') | lexopt::Arg::Long("help")) => {
            list();
            return Ok(());
        }
        Some(lexopt::Arg::Value(name)) => name,
        Some(other) => return Err(other.unexpected().into()),
    };
    match COMMANDS.iter().find(|command| name == command.name) {
        Some(command) => (command.run)(arguments),
        None => {
            list();
            Err(format!("no command `{}`", name.display()).into())
        }
    }
}

fn list() {
    println!("cargo xtask COMMAND\n");
    for command in COMMANDS {
        println!("  {:<10} {}", command.name, command.about);
    }
}

/// The workspace's root, wherever the command was started from.
fn root() -> std::path::PathBuf {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}
