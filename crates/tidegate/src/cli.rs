//! The command line: HAProxy's flags, where they mean something here.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::keywords;

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// `-v`, `-vv`: the version, and how it was built.
    Version {
        /// `-vv`.
        long: bool,
    },
    /// `-h`: how to use it.
    Help,
    /// `-cc`: evaluate a condition.
    Condition(String),
    /// `fmt`: print a configuration in its usual layout.
    Format(FormatFlags),
    /// `explain`: tell about a diagnostic's code, or list all.
    Explain(Option<String>),
    /// `lua stubs`: write what editors need to know of scripts' classes into a directory.
    LuaStubs(PathBuf),
    /// Read the configuration; run it unless `-c` is given.
    Run(Box<Flags>),
}

/// What `fmt` does.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct FormatFlags {
    /// The files; `-` is standard input.
    pub(crate) files: Vec<PathBuf>,
    /// `--check`: only tell which would change.
    pub(crate) check: bool,
    /// `--write`: change the files.
    pub(crate) write: bool,
}

/// How to run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    /// `-f`, and everything after `--`.
    pub(crate) files: Vec<PathBuf>,
    /// `-c`.
    pub(crate) check: bool,
    /// `-D`.
    pub(crate) daemon: bool,
    /// `-db`.
    pub(crate) foreground: bool,
    /// `-d`.
    pub(crate) debug: bool,
    /// `-q`.
    pub(crate) quiet: bool,
    /// `-V`.
    pub(crate) verbose: bool,
    /// `-dW`.
    pub(crate) no_warnings: bool,
    /// `-dD`.
    pub(crate) diagnostic: bool,
    /// `-dr`: a server whose name has no address begins without one.
    pub(crate) forgives_names: bool,
    /// `-dL`.
    pub(crate) lists_libraries: bool,
    /// What other flags stand for, as lines of a `global` section.
    pub(crate) lines: Vec<&'static str>,
    /// `-dK`.
    pub(crate) keywords: Option<keywords::Request>,
    /// `-C`.
    pub(crate) directory: Option<PathBuf>,
    /// `-L`.
    pub(crate) local_name: Option<String>,
    /// `-m`, in MiB.
    pub(crate) memory_mib_max: Option<u64>,
    /// `-n`.
    pub(crate) connections_max: Option<u32>,
    /// `-N`: of each proxy that doesn't say.
    pub(crate) proxy_connections_max: Option<u32>,
    /// `-x`: a socket of the process before this one.
    pub(crate) old_socket: Option<PathBuf>,
    /// `-p`.
    pub(crate) pid_file: Option<PathBuf>,
    /// `-W` or `-Ws`.
    pub(crate) master: bool,
    /// `-Ws`: systemd is told how things go.
    pub(crate) notifies: bool,
    /// `-S`: the master's socket, with options between commas.
    pub(crate) master_socket: Option<String>,
    /// `-sf`: processes that leave once this one serves.
    pub(crate) finish: Vec<i32>,
    /// `-st`: processes that end once this one serves.
    pub(crate) terminate: Vec<i32>,
}

/// The flags, for `-h`.
pub(crate) const USAGE: &str = "\
usage: tidegate -f FILE|DIR [-f ...] [flags] [-- FILE ...]
       tidegate fmt [--check | --write] FILE...
       tidegate explain [CODE]
       tidegate lua stubs DIR

  -f FILE|DIR  read this configuration; a directory stands for its *.cfg files. May be given several times
  -c           only check the configuration; status 0 if it is valid
  -cc COND     evaluate a condition as in `.if`; status 0 if it is true, 1 if not, 2 if it is no condition
  -D           run in the background
  -db          stay in the foreground, whatever the configuration says
  -d           stay in the foreground and show each start-up step
  -W           stay as a master process that starts the one that serves, and another one on SIGUSR2
  -Ws          the same, and tell systemd how things go
  -S BIND[,OPTION...]
               with -W: a socket of the master, over which it and the processes that serve take commands; options as of `bind`
  -sf PID...   let these processes finish once this one serves; needs no other flag behind it
  -st PID...   end these processes once this one serves
  -x SOCKET    has no effect: a new process opens sockets of its own beside those of the old one
  -p FILE      write the process number to this file
  -C DIR       change to this directory first
  -L NAME      the name of this machine (default: its host name)
  -n N         at most N connections, in place of the configuration's `maxconn`
  -N N         at most N connections of each frontend that has no `maxconn`
  -m MIB       at most this much memory
  -q           say nothing but errors
  -V           say more
  -dW          treat warnings as errors
  -dD          show the messages of `.diag` too
  -dr          let servers whose name has no address begin without one, as `init-addr` with `none` at its end does
  -dL          list the program and the libraries that are loaded, a path a line
  -4, -dI, -dS, -dV
               as `dns-accept-family ipv4`, `insecure-fork-wanted`, `nosplice` and `ssl-server-verify none` in `global`
  -dF, -dG, -dT, -dZ, -de, -dk, -dp, -dv
               as the lines of `global` that they are short for, none of which has an effect here
  -dK[CLASS[,CLASS...]]
               list the keywords of these classes as HAProxy does: acl cfg cli cnv flt smp svc, or all; `-dKhelp` tells what
               they are
  -v, -vv      show the version, and how it was built
  -h           show this help

  fmt FILE     print a configuration in its usual layout; `-` reads standard input. With `--check` it prints nothing, and the
               status is 1 if the file would change; with `--write` the file is changed
  explain CODE tell what a diagnostic's code means, with an example; without a code it lists all

Without a flag that says otherwise, it runs until it is told to stop: SIGTERM and SIGINT end it at once,
SIGUSR1 lets what is running come to its end.
";

/// Flags that stand for a line of the `global` section.
const LINES: [(&str, &str); 12] = [
    ("-4", "dns-accept-family ipv4"),
    ("-dF", "tune.disable-fast-forward"),
    ("-dG", "nogetaddrinfo"),
    ("-dI", "insecure-fork-wanted"),
    ("-dS", "nosplice"),
    ("-dT", "noktls"),
    ("-dV", "ssl-server-verify none"),
    ("-dZ", "tune.disable-zero-copy-forwarding"),
    ("-de", "noepoll"),
    ("-dk", "nokqueue"),
    ("-dp", "nopoll"),
    ("-dv", "noevports"),
];

/// Flags of HAProxy that are not served, and why. More may stand behind the letters of some.
const REFUSED: [(&str, &str); 6] = [
    ("-dA", "`-dL` lists what an archive would hold"),
    ("-dC", "`tidegate fmt` prints configurations"),
    ("-dM", "there are no pools whose memory could be poisoned"),
    ("-dR", "SO_REUSEPORT is needed for several threads"),
    ("-dc", "threads are not bound to processors"),
    ("-dt", "there are no traces; `-d` and `-V` show more of a start"),
];

/// Reads the arguments, the program's own name left out.
///
/// # Errors
/// What is wrong, as one line.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut args = args.into_iter().peekable();
    if args.next_if(|arg| arg == "fmt").is_some() {
        return format(args);
    }
    if args.next_if(|arg| arg == "explain").is_some() {
        return explain(args);
    }
    if args.next_if(|arg| arg == "lua").is_some() {
        return match (args.next(), args.next(), args.next()) {
            (Some(what), Some(directory), None) if what == "stubs" => Ok(Command::LuaStubs(directory.into())),
            _ => Err("`lua` is followed by `stubs` and a directory".into()),
        };
    }
    let mut flags = Flags::default();
    while let Some(arg) = args.next() {
        let Some(text) = arg.to_str() else {
            return Err(format!(
                "`{}` is no flag; configurations are named by `-f`",
                arg.display()
            ));
        };
        match text {
            "-v" => return Ok(Command::Version { long: false }),
            "-vv" => return Ok(Command::Version { long: true }),
            "-h" | "--help" => return Ok(Command::Help),
            "--version" => return Ok(Command::Version { long: false }),
            "-cc" => return Ok(Command::Condition(string(&mut args, text)?)),
            "-f" => flags.files.push(value(&mut args, text)?.into()),
            "-c" => flags.check = true,
            "-D" => flags.daemon = true,
            "-db" => flags.foreground = true,
            "-d" => flags.debug = true,
            "-q" => flags.quiet = true,
            "-V" => flags.verbose = true,
            "-dD" => flags.diagnostic = true,
            "-dW" => flags.no_warnings = true,
            "-dL" => flags.lists_libraries = true,
            "-dr" => flags.forgives_names = true,
            _ if text.starts_with("-dK") => {
                flags.keywords = Some(keywords::request(text.get(3..).unwrap_or_default())?);
            }
            "-C" => flags.directory = Some(value(&mut args, text)?.into()),
            "-W" => flags.master = true,
            "-Ws" => (flags.master, flags.notifies) = (true, true),
            "-S" => flags.master_socket = Some(string(&mut args, text)?),
            "-sf" => flags.finish.extend(numbers(&mut args)),
            "-st" => flags.terminate.extend(numbers(&mut args)),
            "-L" => flags.local_name = Some(string(&mut args, text)?),
            "-p" => flags.pid_file = Some(value(&mut args, text)?.into()),
            "-m" => flags.memory_mib_max = Some(number(&mut args, text)?),
            "-n" => flags.connections_max = Some(number(&mut args, text)?),
            "-N" => flags.proxy_connections_max = Some(number(&mut args, text)?),
            "-x" => flags.old_socket = Some(value(&mut args, text)?.into()),
            "--" => flags.files.extend(args.by_ref().map(PathBuf::from)),
            _ => match LINES.iter().find(|(name, _)| *name == text) {
                Some((_, line)) => flags.lines.push(line),
                None => return Err(refused(text)),
            },
        }
    }
    if flags.files.is_empty() {
        return Err("no configuration: name one with `-f FILE`; `-h` shows all flags".into());
    }
    Ok(Command::Run(Box::new(flags)))
}

/// As many process numbers as follow; there may be none, as in `-sf $(cat pid)` at the first start.
fn numbers(args: &mut std::iter::Peekable<impl Iterator<Item = OsString>>) -> Vec<i32> {
    let number = |arg: &OsString| arg.to_str().and_then(|text| text.parse::<i32>().ok());
    let mut found = Vec::new();
    while let Some(pid) = args.peek().and_then(number).filter(|pid| *pid > 0) {
        found.push(pid);
        args.next();
    }
    found
}

fn format(args: impl Iterator<Item = OsString>) -> Result<Command, String> {
    let mut flags = FormatFlags::default();
    let mut flags_end = false;
    for arg in args {
        match arg.to_str() {
            Some("--check") if !flags_end => flags.check = true,
            Some("--write") if !flags_end => flags.write = true,
            Some("-h" | "--help") if !flags_end => return Ok(Command::Help),
            Some("--") if !flags_end => flags_end = true,
            Some(text) if !flags_end && text.starts_with('-') && text != "-" => {
                return Err(format!(
                    "unknown flag `{text}`; `fmt` takes `--check` and `--write`"
                ));
            }
            _ => flags.files.push(arg.into()),
        }
    }
    if flags.check && flags.write {
        return Err("`--check` and `--write` exclude each other".into());
    }
    match flags.files.as_slice() {
        [] => Err("`fmt` needs a file; `-` is standard input".into()),
        [_, _, ..] if !flags.check && !flags.write => {
            Err("`fmt` prints one file; `--check` and `--write` take several".into())
        }
        _ => Ok(Command::Format(flags)),
    }
}

fn explain(mut args: impl Iterator<Item = OsString>) -> Result<Command, String> {
    let code = args.next().map(|code| code.to_string_lossy().into_owned());
    match args.next() {
        Some(extra) => Err(format!(
            "`explain` takes one code; unexpected `{}`",
            extra.display()
        )),
        None if matches!(code.as_deref(), Some("-h" | "--help")) => Ok(Command::Help),
        None => Ok(Command::Explain(code)),
    }
}

fn refused(flag: &str) -> String {
    match REFUSED.iter().find(|(name, _)| flag.starts_with(name)) {
        Some((_, why)) => format!("`{flag}` is not supported: {why}"),
        None if flag.starts_with('-') => format!("unknown flag `{flag}`; `-h` shows all flags"),
        None => format!("unexpected `{flag}`; configurations are named by `-f`"),
    }
}

fn value(args: &mut impl Iterator<Item = OsString>, flag: &str) -> Result<OsString, String> {
    args.next().ok_or_else(|| format!("`{flag}` needs a value"))
}

fn string(args: &mut impl Iterator<Item = OsString>, flag: &str) -> Result<String, String> {
    value(args, flag)?
        .into_string()
        .map_err(|text| format!("`{flag}`: `{}` is no UTF-8", text.display()))
}

fn number<N: std::str::FromStr>(args: &mut impl Iterator<Item = OsString>, flag: &str) -> Result<N, String> {
    let text = string(args, flag)?;
    text.parse()
        .map_err(|_| format!("`{flag}` needs a number, not `{text}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Command, String> {
        parse(text.split_whitespace().map(OsString::from))
    }

    #[test]
    fn files_come_from_f_and_from_behind_the_dashes() {
        let Ok(Command::Run(flags)) = of("-f a.cfg -c -f conf.d -- b.cfg -x.cfg") else {
            panic!()
        };
        assert_eq!(
            flags.files,
            ["a.cfg", "conf.d", "b.cfg", "-x.cfg"].map(PathBuf::from)
        );
        assert!(flags.check);
    }

    #[test]
    fn a_flag_takes_its_value() {
        let Ok(Command::Run(flags)) = of("-f a -n 100 -m 64 -L me -C /tmp -p pid") else {
            panic!()
        };
        assert_eq!(
            (flags.connections_max, flags.memory_mib_max),
            (Some(100), Some(64))
        );
        assert_eq!(
            (flags.local_name.as_deref(), flags.pid_file),
            (Some("me"), Some("pid".into()))
        );
    }

    #[test]
    fn some_flags_stand_for_lines() {
        let Ok(Command::Run(flags)) = of("-dV -f a -de -N 7 -x /run/old.sock") else {
            panic!()
        };
        assert_eq!(flags.lines, ["ssl-server-verify none", "noepoll"]);
        assert_eq!(flags.proxy_connections_max, Some(7));
        assert_eq!(flags.old_socket, Some("/run/old.sock".into()));
    }

    #[test]
    fn numbers_of_processes_end_where_something_else_begins() {
        let Ok(Command::Run(flags)) = of("-sf 12 345 -f a -st -W") else {
            panic!()
        };
        assert_eq!(
            (flags.finish.as_slice(), flags.terminate.len()),
            (&[12, 345][..], 0)
        );
        assert!(flags.master && !flags.notifies);
    }

    #[test]
    fn mistakes_are_told() {
        for (text, wanted) in [
            ("", "no configuration"),
            ("-f", "`-f` needs a value"),
            ("-f a -n many", "`-n` needs a number, not `many`"),
            ("-f a -S", "`-S` needs a value"),
            ("-f a -x", "`-x` needs a value"),
            ("-f a -dR", "`-dR` is not supported: SO_REUSEPORT is needed"),
            (
                "-f a -dMno-merge",
                "`-dMno-merge` is not supported: there are no pools",
            ),
            ("-f a -zz", "unknown flag `-zz`"),
            ("a.cfg", "unexpected `a.cfg`; configurations are named by `-f`"),
        ] {
            let error = of(text).unwrap_err();
            assert!(error.starts_with(wanted), "{text:?}: {error}");
        }
    }

    #[test]
    fn fmt_takes_files_and_one_of_two_flags() {
        let Ok(Command::Format(flags)) = of("fmt --check a.cfg - -- --write") else {
            panic!()
        };
        assert!(flags.check && !flags.write);
        assert_eq!(flags.files, ["a.cfg", "-", "--write"].map(PathBuf::from));
        for (text, wanted) in [
            ("fmt", "`fmt` needs a file"),
            ("fmt a b", "`fmt` prints one file"),
            (
                "fmt --check --write a",
                "`--check` and `--write` exclude each other",
            ),
            ("fmt -c a", "unknown flag `-c`"),
        ] {
            let error = of(text).unwrap_err();
            assert!(error.starts_with(wanted), "{text:?}: {error}");
        }
    }

    #[test]
    fn help_can_be_asked_of_each_command() {
        for text in [
            "-h",
            "--help",
            "fmt -h",
            "fmt --help",
            "explain -h",
            "explain --help",
        ] {
            assert_eq!(of(text), Ok(Command::Help), "{text}");
        }
        let Ok(Command::Format(flags)) = of("fmt -- -h") else {
            panic!()
        };
        assert_eq!(flags.files, [PathBuf::from("-h")]);
    }

    #[test]
    fn version_and_condition_need_no_file() {
        assert_eq!(of("-vv"), Ok(Command::Version { long: true }));
        assert_eq!(
            of("-cc feature(LUA)"),
            Ok(Command::Condition("feature(LUA)".into()))
        );
    }
}
