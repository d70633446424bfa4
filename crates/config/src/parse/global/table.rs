//! The keywords of the `global` section.

use std::path::PathBuf;

use super::{GlobalCx, pending};
use crate::model::{ExternalCheck, LogHost};
use crate::parse::args::{Args, Parsed};
use crate::parse::keyword::{Keyword, KeywordDoc, Sections, served};
use crate::units::TimeUnit;

/// Takes the arguments of a keyword in.
pub(super) type Parse = fn(&mut GlobalCx<'_>, &mut Args<'_>) -> Parsed<()>;

const G: Sections = Sections::GLOBAL;

/// All keywords of the section.
pub(super) const TABLES: [&[Keyword<Parse>]; 8] = [
    ROWS,
    super::process::ROWS,
    super::http::ROWS,
    super::http_client::ROWS,
    super::lua::ROWS,
    super::vars::ROWS,
    pending::ROWS,
    super::tls::ROWS,
];

/// The keywords for reference pages.
pub(crate) fn rows() -> impl Iterator<Item = KeywordDoc> {
    TABLES
        .iter()
        .flat_map(|table| table.iter())
        .map(|row| row.doc(""))
}

const ROWS: &[Keyword<Parse>] = &[
    served(
        "nbthread",
        G,
        "<number>",
        "number of worker threads",
        |cx, args| {
            cx.global.threads = Some(args.integer(1, 1024)?);
            super::process::threads_fit(cx, args.last());
            Ok(())
        },
    ),
    served(
        "maxconn",
        G,
        "<number>",
        "most connections of the whole process",
        |cx, args| {
            cx.global.connections_max = Some(args.integer(1, u64::from(u32::MAX))?);
            Ok(())
        },
    ),
    served(
        "log",
        G,
        "<target> [len <n>] [format <f>] [sample <s>] <facility> [<level> [<minlevel>]]",
        "add a target of log lines",
        super::log,
    ),
    served(
        "log-tag",
        G,
        "<string>",
        "the program's name in log lines",
        |cx, args| {
            cx.global.log_tag = Some(args.text("a tag")?.to_owned());
            Ok(())
        },
    ),
    served(
        "log-send-hostname",
        G,
        "[<name>]",
        "tell the host's name in log lines",
        |cx, args| {
            let name = args.next().map(|word| word.text()).transpose()?;
            cx.global.log_host = Some(name.map_or(LogHost::System, |name| LogHost::Name(name.to_owned())));
            Ok(())
        },
    ),
    served(
        "tune.http.cookielen",
        G,
        "<bytes>",
        "longest captured cookie",
        |cx, args| {
            cx.global.tune.cookie_bytes = args.integer(1, 65_535)?;
            Ok(())
        },
    ),
    served(
        "tune.http.logurilen",
        G,
        "<bytes>",
        "what log lines tell of a request's line",
        |cx, args| {
            cx.global.tune.log_uri_bytes = args.integer(1, 1 << 20)?;
            Ok(())
        },
    ),
    served("daemon", G, "", "go to the background", |cx, _| {
        cx.global.daemon = true;
        Ok(())
    }),
    served("quiet", G, "", "say nothing at start", |cx, _| {
        cx.global.quiet = true;
        Ok(())
    }),
    served(
        "zero-warning",
        G,
        "",
        "refuse to start when there is a warning",
        |cx, _| {
            cx.global.zero_warning = true;
            Ok(())
        },
    ),
    served(
        "pidfile",
        G,
        "<file>",
        "where the process number is written",
        |cx, args| {
            cx.global.pid_file = Some(PathBuf::from(args.text("a file")?));
            Ok(())
        },
    ),
    served(
        "hard-stop-after",
        G,
        "<time>",
        "longest time that a soft stop may take",
        super::hard_stop_after,
    ),
    served(
        "insecure-fork-wanted",
        G,
        "",
        "let scripts and health checks start programs",
        |cx, _| {
            cx.global.insecure_fork_wanted = true;
            Ok(())
        },
    ),
    served(
        "server-state-base",
        G,
        "<directory>",
        "where files with the state of servers are",
        |cx, args| {
            cx.global.saved_base = Some(PathBuf::from(args.text("a directory")?));
            Ok(())
        },
    ),
    served(
        "server-state-file",
        G,
        "<file>",
        "the state that servers had before a reload",
        |cx, args| {
            cx.global.saved_file = Some(PathBuf::from(args.text("a file")?));
            Ok(())
        },
    ),
    served(
        "external-check",
        G,
        "[preserve-env]",
        "let programs check servers",
        |cx, args| {
            let keeps = args.take("preserve-env");
            cx.global.external_check = Some(ExternalCheck { preserve_env: keeps });
            Ok(())
        },
    ),
    served(
        "spread-checks",
        G,
        "<percent>",
        "by how much the time between health checks varies at random",
        |cx, args| {
            cx.global.check_spread_percent = args.integer(0, 50)?;
            Ok(())
        },
    ),
    served(
        "max-spread-checks",
        G,
        "<time>",
        "over how much time the first health checks are spread",
        |cx, args| {
            cx.global.check_spread_max = Some(args.time(TimeUnit::Milliseconds)?);
            Ok(())
        },
    ),
    served("node", G, "<name>", "the name of this machine", |cx, args| {
        cx.global.node = Some(args.text("a name")?.to_owned());
        Ok(())
    }),
    served("description", G, "<text>", "words for people", |cx, args| {
        cx.global.description = Some(args.joined("a text")?);
        Ok(())
    }),
    served(
        "setenv",
        G,
        "<name> <value>",
        "give an environment variable a value",
        super::setenv,
    ),
    served(
        "presetenv",
        G,
        "<name> <value>",
        "the same unless it has one",
        super::presetenv,
    ),
    served(
        "unsetenv",
        G,
        "<name>...",
        "take environment variables away",
        super::unsetenv,
    ),
    served(
        "resetenv",
        G,
        "[<name>...]",
        "take all others away",
        super::resetenv,
    ),
    served(
        "set-var",
        G,
        "<var> <expr>",
        "set a variable of the process",
        super::set_var,
    ),
    served(
        "set-var-fmt",
        G,
        "<var> <fmt>",
        "set a variable of the process",
        super::set_var_fmt,
    ),
    served(
        "stats",
        G,
        "<setting> ...",
        "the sockets of the runtime API",
        super::stats::line,
    ),
    served(
        "tune.cli.max-payload-size",
        G,
        "<size>",
        "longest text that may follow a command of the runtime API",
        |cx, args| {
            cx.global.runtime.payload_bytes_max = args.size()?;
            Ok(())
        },
    ),
    served(
        "tune.bufsize",
        G,
        "<size>",
        "bytes of a buffer",
        super::buffer_bytes,
    ),
    served(
        "tune.bufsize.large",
        G,
        "<size>",
        "bytes of what `wait-for-body ... use-large-buffer` may hold",
        super::large_buffer_bytes,
    ),
    served(
        "tune.comp.maxlevel",
        G,
        "<number>",
        "how hard bodies are compressed, from 1 to 9",
        |cx, args| {
            cx.global.tune.compression_level = args.integer(1, 9)?;
            Ok(())
        },
    ),
    served(
        "tune.pool-low-fd-ratio",
        G,
        "<number>",
        "the part of the descriptors, in percent, above which no idle connections to servers are kept",
        |cx, args| {
            cx.global.tune.pool_low_percent = args.integer(1, 100)?;
            Ok(())
        },
    ),
    served(
        "tune.pool-high-fd-ratio",
        G,
        "<number>",
        "the part above which an idle one is closed for each that is opened",
        |cx, args| {
            cx.global.tune.pool_high_percent = args.integer(1, 100)?;
            Ok(())
        },
    ),
    served(
        "tune.stick-counters",
        G,
        "<number>",
        "how many entries of stick tables a session can track at a time",
        |cx, args| {
            cx.global.tune.stick_counters = args.integer(0, 100)?;
            Ok(())
        },
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_keyword_has_one_row() {
        let mut names: Vec<_> = rows().map(|row| row.name).collect();
        names.sort_unstable();
        for pair in names.windows(2) {
            assert_ne!(pair[0], pair[1]);
        }
    }
}
