//! `cargo xtask bench`: Tidegate beside HAProxy, nginx and a floor, on the same work, by CPU time per request.
//!
//! Each server runs alone on one core and the load on another. The servers take turns, round after round, and are compared
//! within a round, so that a machine that is slower for a while is slower for all of them.

mod beside;
mod cases;
pub(crate) mod floor;
pub(crate) mod http2;
mod idle;
mod load;
pub(crate) mod origin;
mod report;
pub(crate) mod server;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use lexopt::ValueExt as _;

use crate::process::{Process, free_address, ticks_per_second};
use crate::{Result, cargo};
use cases::{BESIDE, CASES, Case, IDLES, Over, Way};
use report::{Measured, Turn};
use server::{Running, Server, Site};

const USAGE: &str = "\
cargo xtask bench [OPTION]… [CASE]…

  --seconds N       length of a server's turn (3)
  --rounds N        turns of each server in a case (5)
  --connections N   connections that the load keeps open (64)
  --tidegate PATH   the program to measure, instead of building it
  --servers A,B     only some of: tidegate, haproxy, nginx, floor
";

/// The core of the server measured, and that of the load and the origin.
const SERVER_CORE: usize = 0;
const LOAD_CORE: usize = 1;

/// How many connections the load keeps open, where nothing else is said.
const CONNECTIONS: u32 = 64;

/// How many connections a server takes, where a case doesn't say otherwise.
const CONNECTIONS_MAX: usize = 4096;

struct Options {
    seconds: u32,
    rounds: u32,
    connections: u32,
    tidegate: Option<PathBuf>,
    servers: Vec<Server>,
    cases: Vec<&'static Case>,
    /// Whether to measure others beside scripts that loop.
    beside: bool,
    /// The cases of what idle connections take.
    idle: Vec<&'static Case>,
    /// The command line, for the page.
    line: String,
}

pub(crate) fn run(arguments: lexopt::Parser) -> Result<()> {
    let Some(options) = options(arguments)? else {
        print!("{USAGE}");
        println!("\ncases:");
        for case in CASES.iter().chain([&BESIDE]).chain(IDLES) {
            println!("  {:<15} {}", case.name, case.title);
        }
        return Ok(());
    };
    requirements(&options)?;
    let tidegate = match &options.tidegate {
        Some(path) => path.clone(),
        None if options.servers.contains(&Server::Tidegate) => cargo::program()?,
        None => PathBuf::new(),
    };
    let directory = std::env::temp_dir().join(format!("tidegate-bench-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let results = options
        .cases
        .iter()
        .map(|case| measure(&options, case, &tidegate, &directory))
        .collect::<Result<Vec<_>>>();
    let beside = options.beside.then(|| {
        let site = site(&BESIDE, &tidegate, &directory)?;
        Ok::<_, Box<dyn std::error::Error>>(beside::measure(&options, &site))
    });
    let idle = options
        .idle
        .iter()
        .map(|case| idle::measure(&options, site(case, &tidegate, &directory)?));
    let idle = idle.collect::<Result<Vec<_>>>();
    std::fs::remove_dir_all(&directory)?;
    let results = results?;
    println!("{}", heading(&options, &tidegate));
    if !results.is_empty() {
        println!("{}", report::tables(&results).trim_end());
        println!();
    }
    if let Some(beside) = beside.transpose()? {
        print!("{}", beside::table(&beside));
    }
    let idle = idle?;
    if !idle.is_empty() {
        println!("{}", idle::table(&idle).trim_end());
    }
    Ok(())
}

/// Serves each case for so many seconds by this program alone, and lets it end in order.
pub(crate) fn exercise(tidegate: &Path, directory: &Path, seconds: u32) -> Result<()> {
    installed(server::Server::Tidegate.missing(true))?;
    for case in CASES {
        let site = site(case, tidegate, directory)?;
        let _origin = origin(&site)?;
        let running = site.start(Server::Tidegate)?;
        let connections = CONNECTIONS.min(case.connections_max);
        let answered = load::requests(running.address, LOAD_CORE, connections, seconds, case.way)?;
        eprintln!("  {:<15} {answered} requests", case.name);
        running.process.end()?;
    }
    Ok(())
}

/// The options of a command line; none when help is asked for.
fn options(mut arguments: lexopt::Parser) -> Result<Option<Options>> {
    let mut options = Options {
        seconds: 3,
        rounds: 5,
        connections: CONNECTIONS,
        tidegate: None,
        servers: Server::ALL.to_vec(),
        cases: Vec::new(),
        beside: false,
        idle: Vec::new(),
        line: "cargo xtask bench".to_owned(),
    };
    while let Some(argument) = arguments.next()? {
        let word = match argument {
            lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => return Ok(None),
            lexopt::Arg::Long("seconds") => number(&mut arguments, &mut options.seconds, "--seconds")?,
            lexopt::Arg::Long("rounds") => number(&mut arguments, &mut options.rounds, "--rounds")?,
            lexopt::Arg::Long("connections") => {
                number(&mut arguments, &mut options.connections, "--connections")?
            }
            lexopt::Arg::Long("tidegate") => {
                options.tidegate = Some(arguments.value()?.into());
                continue;
            }
            lexopt::Arg::Long("servers") => {
                let list = arguments.value()?.string()?;
                options.servers = list.split(',').map(server).collect::<Result<_>>()?;
                format!("--servers {list}")
            }
            lexopt::Arg::Value(name) if name == BESIDE.name => {
                options.beside = true;
                BESIDE.name.to_owned()
            }
            lexopt::Arg::Value(name) if IDLES.iter().any(|case| name == case.name) => {
                options.idle.extend(IDLES.iter().filter(|case| name == case.name));
                name.string()?
            }
            lexopt::Arg::Value(name) => {
                let case = CASES.iter().find(|case| name == case.name);
                options
                    .cases
                    .push(case.ok_or_else(|| format!("no case `{}`", name.display()))?);
                name.string()?
            }
            other => return Err(other.unexpected().into()),
        };
        options.line = format!("{} {word}", options.line);
    }
    if options.cases.is_empty() && !options.beside && options.idle.is_empty() {
        options.cases = CASES.iter().collect();
        options.beside = true;
        options.idle = IDLES.iter().collect();
    }
    Ok(Some(options))
}

/// Reads a positive number, and returns the words that gave it.
fn number(arguments: &mut lexopt::Parser, into: &mut u32, name: &str) -> Result<String> {
    *into = arguments.value()?.parse()?;
    if *into == 0 {
        return Err(format!("{name} takes a positive number").into());
    }
    Ok(format!("{name} {into}"))
}

fn server(name: &str) -> Result<Server> {
    let found = Server::ALL.into_iter().find(|server| server.name() == name);
    found.ok_or_else(|| format!("no server `{name}`").into())
}

/// Says which packages are missing, if any.
fn requirements(options: &Options) -> Result<()> {
    let lua = options.cases.iter().any(|case| case.script.is_some());
    let servers = options.servers.iter();
    installed(servers.flat_map(|server| server.missing(lua)).collect())
}

/// Says which packages are missing, if any, beside those that are known to be.
fn installed(mut missing: Vec<&'static str>) -> Result<()> {
    if !server::runs("wrk") {
        missing.push("wrk");
    }
    if !server::runs("openssl") {
        missing.push("openssl");
    }
    if !server::runs("taskset") {
        missing.push("util-linux");
    }
    if !missing.is_empty() {
        let packages = missing.join(" ");
        return Err(
            format!("needs the Debian packages: {packages} (or leave a server out with --servers)").into(),
        );
    }
    if std::thread::available_parallelism()?.get() <= LOAD_CORE {
        return Err("needs two cores: one for the server, one for the load".into());
    }
    Ok(())
}

/// Runs all rounds of one case.
fn measure<'a>(options: &Options, case: &'a Case, tidegate: &Path, directory: &Path) -> Result<Measured<'a>> {
    eprintln!("{}:", case.title);
    let site = site(case, tidegate, directory)?;
    let mut result = Measured {
        case,
        turns: BTreeMap::new(),
        failures: Vec::new(),
    };
    let mut running = checked(&site, &options.servers, &mut result.failures)?;

    let _origin = self::origin(&site)?;
    let ticks = ticks_per_second()?;
    for round in 0..=options.rounds {
        let mut failed = Vec::new();
        for server in &running {
            // The first round only warms up.
            let seconds = if round == 0 { 1 } else { options.seconds };
            match turn(
                server,
                options.connections.min(case.connections_max),
                seconds,
                ticks,
                case.way,
            ) {
                Ok(turn) if round > 0 => {
                    eprintln!(
                        "  {:<9} {:>8.2} us, {:>6.2} of them the kernel's, {:>3.0} % of its core",
                        server.server.name(),
                        turn.cpu_us,
                        turn.kernel_us,
                        turn.busy * 100.0
                    );
                    result.turns.entry(server.server).or_default().push(turn);
                }
                Ok(_) => {}
                Err(error) => failed.push((server.server, format!("{error} {}", server.process.log()))),
            }
        }
        for (server, why) in failed {
            eprintln!("  {:<9} {why}", server.name());
            running.retain(|running| running.server != server);
            result.turns.remove(&server);
            result.failures.push((server, why));
        }
    }
    Ok(result)
}

/// What the servers of a case have in common.
fn site<'a>(case: &'a Case, tidegate: &'a Path, directory: &'a Path) -> Result<Site<'a>> {
    Ok(Site {
        case,
        origin: free_address()?,
        directory,
        tidegate,
        core: SERVER_CORE,
        connections: CONNECTIONS_MAX,
    })
}

/// Starts what a case's servers pass requests on to.
fn origin(site: &Site<'_>) -> Result<Process> {
    let log = site.directory.join(format!("{}-origin", site.case.name));
    let command = match site.case.way.body_bytes {
        Some(bytes) => server::origin(site.origin, bytes)?,
        None => server::floor(site.origin, None)?,
    };
    Process::start(&command, LOAD_CORE, &log, site.origin)
}

/// Starts the servers, and keeps those that answer the case rightly.
fn checked(
    site: &Site<'_>,
    servers: &[Server],
    failures: &mut Vec<(Server, String)>,
) -> Result<Vec<Running>> {
    let _echo = load::Echo::start(site.origin)?;
    let mut running = Vec::new();
    for &server in servers {
        let is_of_case = match server {
            Server::Nginx => !site.case.way.without_nginx,
            Server::Floor => site.case.has_floor(),
            Server::Tidegate | Server::Haproxy => true,
        };
        if !is_of_case {
            continue;
        }
        let started = site.start(server).and_then(|started| {
            // The floor parses nothing, so its answer is no one's.
            // Over TLS and HTTP/2 it is the load that tells a wrong answer.
            if server != Server::Floor && site.case.way.over == Over::Http1 {
                load::check(started.address, site.case.answer)?;
            }
            Ok(started)
        });
        match started {
            Ok(started) => running.push(started),
            Err(error) => {
                eprintln!("  {:<9} {error}", server.name());
                failures.push((server, error.to_string()));
            }
        }
    }
    Ok(running)
}

fn turn(server: &Running, connections: u32, seconds: u32, ticks: f64, way: Way) -> Result<Turn> {
    let (cpu, start) = (server.process.cpu(ticks)?, Instant::now());
    let requests = load::requests(server.address, LOAD_CORE, connections, seconds, way)?;
    let (cpu, elapsed) = (server.process.cpu(ticks)? - cpu, start.elapsed().as_secs_f64());
    Ok(Turn {
        cpu_us: cpu.all() * 1e6 / requests as f64,
        kernel_us: cpu.kernel * 1e6 / requests as f64,
        busy: cpu.all() / elapsed,
    })
}

/// What a reader needs to judge the figures, or to repeat them.
fn heading(options: &Options, tidegate: &Path) -> String {
    let say = |program: &str, arguments: &[&str]| {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(crate::root())
            .output();
        output
            .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
            .unwrap_or_default()
    };
    let field = |file: &str, name: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let value = text
            .lines()
            .find(|line| line.starts_with(name))
            .and_then(|line| line.split_once(':'));
        value
            .map(|(_, value)| value.trim().to_owned())
            .unwrap_or_default()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory_kib: u64 = field("/proc/meminfo", "MemTotal")
        .trim_end_matches(" kB")
        .parse()
        .unwrap_or_default();
    let versions: Vec<String> = options
        .servers
        .iter()
        .filter_map(|server| server.version(tidegate))
        .collect();
    format!(
        "## Side by side, {date}\n\n\
         `{line}` at {commit}, {seconds} s a turn, {rounds} rounds, {connections} connections.\n\
         {cores} cores ({cpu}), {memory} GiB, Linux {kernel}.\n\
         {versions}.\n\
         Each server has one thread, alone on core {SERVER_CORE}; the load (wrk) and the origin are on core {LOAD_CORE}.\n",
        date = say("date", &["-u", "+%F"]),
        line = options.line,
        commit = say("git", &["rev-parse", "--short", "HEAD"]),
        seconds = options.seconds,
        rounds = options.rounds,
        connections = options.connections,
        cpu = field("/proc/cpuinfo", "model name"),
        memory = (memory_kib + 512 * 1024) / (1024 * 1024),
        kernel = say("uname", &["-r"]),
        versions = versions.join("; "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Option<Options>> {
        options(lexopt::Parser::from_args(words))
    }

    #[test]
    fn all_cases_and_servers_unless_told_otherwise() {
        let options = parse(&[]).unwrap().unwrap();
        assert_eq!(options.cases.len(), CASES.len());
        assert_eq!(options.servers, Server::ALL);
        assert!(options.beside && options.idle.len() == IDLES.len());
    }

    #[test]
    fn others_beside_loops_are_a_case_that_can_be_measured_alone() {
        let options = parse(&["beside"]).unwrap().unwrap();
        assert!(options.beside && options.cases.is_empty());
        let options = parse(&["pure"]).unwrap().unwrap();
        assert!(!options.beside && options.cases.len() == 1);
    }

    #[test]
    fn the_command_line_is_kept_without_paths() {
        let options = parse(&[
            "--seconds",
            "2",
            "--tidegate",
            "/x/y",
            "--servers",
            "haproxy,floor",
            "proxy",
        ])
        .unwrap()
        .unwrap();
        assert_eq!(
            options.line,
            "cargo xtask bench --seconds 2 --servers haproxy,floor proxy"
        );
        assert_eq!(options.servers, [Server::Haproxy, Server::Floor]);
        assert_eq!(options.cases.len(), 1);
        assert_eq!(options.tidegate, Some(PathBuf::from("/x/y")));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for words in [
            &["--seconds", "0"][..],
            &["--rounds", "x"],
            &["--servers", "apache"],
            &["nothing"],
            &["--fast"],
        ] {
            assert!(parse(words).is_err(), "{words:?}");
        }
        assert!(parse(&["--help"]).unwrap().is_none());
    }
}
