//! The process itself: whose it is, what it sees, and how much it may have.

use std::path::PathBuf;

use super::GlobalCx;
use super::table::{Parse, TABLES};
use crate::diag::{Diagnostic, code};
use crate::model::{CloseSpread, DefaultPath, Families};
use crate::parse::args::{Args, Parsed, bad_argument};
use crate::parse::bind::{owner_name, owner_number, permissions};
use crate::parse::keyword::{Found, Keyword, Sections, look_up, no_effect, served};
use crate::source::{Span, Spanned};
use crate::units::TimeUnit;

const G: Sections = Sections::GLOBAL;

const PLACED: &str = "which processor runs a thread is the system's choice";

#[rustfmt::skip]
pub(super) const ROWS: &[Keyword<Parse>] = &[
    served("user", G, "<name>", "run as this user once everything is open", |cx, args| {
        cx.global.process.user = Some(owner_name(args, "a user")?);
        Ok(())
    }),
    served("uid", G, "<number>", "run as this user once everything is open", |cx, args| {
        cx.global.process.user = Some(owner_number(args)?);
        Ok(())
    }),
    served("group", G, "<name>", "run as this group once everything is open", |cx, args| {
        cx.global.process.group = Some(owner_name(args, "a group")?);
        Ok(())
    }),
    served("gid", G, "<number>", "run as this group once everything is open", |cx, args| {
        cx.global.process.group = Some(owner_number(args)?);
        Ok(())
    }),
    served("chroot", G, "<directory>", "confine the process to a directory once everything is open", |cx, args| {
        let path = args.spanned("a directory")?;
        cx.global.process.chroot = Some(Spanned::new(PathBuf::from(path.value), path.span));
        Ok(())
    }),
    served("ulimit-n", G, "<number>", "how many descriptors may be open", |cx, args| {
        let number = args.integer(16, 1 << 30)?;
        cx.global.process.descriptors = Some(Spanned::new(number, args.last()));
        Ok(())
    }),
    served("fd-hard-limit", G, "<number>", "most descriptors that `maxconn` may ask for", |cx, args| {
        cx.global.process.descriptors_max = Some(args.integer(16, 1 << 30)?);
        Ok(())
    }),
    served("strict-limits", G, "", "don't start if a limit can't be had", |cx, _| {
        cx.global.process.strict_limits = true;
        Ok(())
    }),
    served("close-spread-time", G, "{ <time> | infinite }", "over which time connections of HTTP end in a soft stop", |cx, args| {
        cx.global.process.close_spread = match args.take("infinite") {
            true => CloseSpread::Never,
            false => CloseSpread::Over(args.time(TimeUnit::Milliseconds)?),
        };
        Ok(())
    }),
    served("insecure-setuid-wanted", G, "", "programs that are started may become another user", |cx, _| {
        cx.global.process.keeps_setuid = true;
        Ok(())
    }),
    served("pp2-never-send-local", G, "", "checks tell servers of their own addresses (PROXY, not LOCAL)", |cx, _| {
        cx.global.process.pp2_never_local = true;
        Ok(())
    }),
    served("stats-file", G, "<path>", "begin with what an earlier process had counted", |cx, args| {
        cx.global.process.stats_file = Some(PathBuf::from(args.text("a file")?));
        Ok(())
    }),
    served("default-path", G, "{ current | config | parent | origin <path> }", "where relative paths begin", default_path),
    served("grace", G, "<time>", "how long a soft stop waits before it begins", |cx, args| {
        cx.global.process.grace = args.time(TimeUnit::Milliseconds)?;
        Ok(())
    }),
    served("unix-bind", G, "[prefix <prefix>] [mode <octal>] [user <name> | uid <number>] [group <name> | gid <number>]",
        "what Unix sockets of `bind` lines are without a word of their own", unix_bind),
    served("master-worker", G, "[no-exit-on-failure]", "a process that stays starts those that serve", |cx, args| {
        cx.global.process.master_stays = args.take("no-exit-on-failure");
        cx.global.process.master_worker = true;
        Ok(())
    }),
    served("mworker-max-reloads", G, "<number>", "how many reloads a process may live through that finishes its sessions", |cx, args| {
        cx.global.process.reloads_max = args.integer(0, 0x7fff_ffff)?;
        Ok(())
    }),
    served("no-memory-trimming", G, "", "give no memory back to the system, which takes milliseconds", |cx, _| {
        cx.global.process.trims_memory = false;
        Ok(())
    }),
    served("maxconnrate", G, "<number>", "most connections per second; 0 for no limit", |cx, args| {
        cx.global.process.paces.connections = args.integer(0, 0x7fff_ffff)?;
        Ok(())
    }),
    served("maxsessrate", G, "<number>", "most sessions per second; 0 for no limit", |cx, args| {
        cx.global.process.paces.sessions = args.integer(0, 0x7fff_ffff)?;
        Ok(())
    }),
    served("maxsslrate", G, "<number>", "most connections over TLS per second; 0 for no limit", |cx, args| {
        cx.global.process.paces.tls = args.integer(0, 0x7fff_ffff)?;
        Ok(())
    }),
    served("maxsslconn", G, "<number>", "most connections over TLS, of clients and servers together; 0 for no limit", |cx, args| {
        cx.global.process.tls_connections_max = Some(args.integer(0, 0x7fff_ffff)?).filter(|most| *most > 0);
        Ok(())
    }),
    served("nosplice", G, "", "copy all that is passed on, rather than let the system move it from socket to socket", |cx, _| {
        cx.global.process.splice.off = true;
        Ok(())
    }),
    served("maxpipes", G, "<number>", "most pipes by which the system moves bytes from socket to socket; what gets none is copied", |cx, args| {
        cx.global.process.splice.pipes_max = Some(args.integer(0, 0x7fff_ffff)?);
        Ok(())
    }),
    served("tune.pipesize", G, "<size>", "what such a pipe holds", |cx, args| {
        cx.global.process.splice.pipe_bytes = Some(super::size_of_buffer(args)?);
        Ok(())
    }),
    served("dns-accept-family", G, "{ ipv4 | ipv6 | auto }[,...]", "the families of addresses that name servers are asked for", |cx, args| {
        let word = args.expect("a family of addresses")?;
        let mut families = Families { v4: false, v6: false, v6_if_routed: false };
        for name in word.text()?.split(',') {
            match name {
                "ipv4" => families.v4 = true,
                "ipv6" => families.v6 = true,
                "auto" => (families.v4, families.v6_if_routed) = (true, true),
                _ => return bad_argument(word, format!("`{name}` is not `ipv4`, `ipv6` or `auto`")),
            }
        }
        cx.global.families = families;
        Ok(())
    }),
    served("thread-hard-limit", G, "<number>", "most worker threads", |cx, args| {
        cx.global.threads_max = Some(args.integer(1, 1024)?);
        threads_fit(cx, args.last());
        Ok(())
    }),
    served("harden.reject-privileged-ports.tcp", G, "{ on | off }", "serve nobody who comes from a port below 1024", |cx, args| {
        cx.global.reject_privileged_ports = args.on_off()?;
        Ok(())
    }),
    served("tune.rcvbuf.client", G, "<size>", "bytes from a client that the system holds; 0 lets it decide", |cx, args| {
        cx.global.tune.client_sockets.received = buffer(args)?;
        Ok(())
    }),
    served("tune.rcvbuf.server", G, "<size>", "bytes from a server that the system holds; 0 lets it decide", |cx, args| {
        cx.global.tune.server_sockets.received = buffer(args)?;
        Ok(())
    }),
    served("tune.rcvbuf.frontend", G, "<size>", "bytes that the system holds where datagrams come to; 0 lets it decide", |cx, args| {
        cx.global.tune.datagram_bytes = buffer(args)?;
        Ok(())
    }),
    served("tune.sndbuf.backend", G, "<size>", "bytes of log lines that the system holds for a socket of datagrams; 0 lets it decide", |cx, args| {
        cx.global.tune.log_buffer_bytes = buffer(args)?;
        Ok(())
    }),
    served("tune.sndbuf.client", G, "<size>", "bytes to a client that the system holds; 0 lets it decide", |cx, args| {
        cx.global.tune.client_sockets.sent = buffer(args)?;
        Ok(())
    }),
    served("tune.sndbuf.server", G, "<size>", "bytes to a server that the system holds; 0 lets it decide", |cx, args| {
        cx.global.tune.server_sockets.sent = buffer(args)?;
        Ok(())
    }),
    served("tune.notsent-lowat.client", G, "<size>", "of these, those that weren't sent yet; 0 for no limit", |cx, args| {
        cx.global.tune.client_sockets.unsent = buffer(args)?;
        Ok(())
    }),
    served("tune.notsent-lowat.server", G, "<size>", "of these, those that weren't sent yet; 0 for no limit", |cx, args| {
        cx.global.tune.server_sockets.unsent = buffer(args)?;
        Ok(())
    }),
    served("localpeer", G, "<name>", "the name of this process among its peers", local_peer),
    served("tune.peers.max-updates-at-once", G, "<number>", "changes that peers are told at once", |cx, args| {
        cx.global.tune.peer_updates_max = args.integer(1, 0x7fff_ffff)?;
        Ok(())
    }),
    served("no", G, "{ strict-limits | h2-workaround-bogus-websocket-clients }", "switch a setting off", no),
    no_effect("cpu-map", G, PLACED),
    no_effect("cpu-affinity", G, PLACED),
    no_effect("cpu-policy", G, PLACED),
    no_effect("cpu-set", G, PLACED),
    no_effect("numa-cpu-mapping", G, PLACED),
    no_effect("set-dumpable", G, "the system decides whether memory is kept after a crash"),
    no_effect("nogetaddrinfo", G, "names are always resolved by the system's own resolver"),
    no_effect("tune.renice.runtime", G, "the process keeps the priority that it was started with"),
    no_effect("tune.renice.startup", G, "the process keeps the priority that it was started with"),
    no_effect("tune.listener.default-shards", G, "each thread has its own listening socket"),
    no_effect("tune.listener.multi-queue", G, "each thread has its own listening socket"),
    no_effect("profiling.memory", G, "there is no such profile"),
    no_effect("profiling.tasks", G, "there is no such profile"),
    no_effect("tune.idletimer", G, "what was read is never held back to be sent in larger pieces"),
    no_effect("tune.pattern.cache-size", G, "patterns are looked up fast enough without a cache"),
    no_effect("tune.ring.queues", G, "a ring has one queue"),
    no_effect("tune.max-checks-per-thread", G, "checks are spread in time only"),
    no_effect("maxzlibmem", G, "memory is the allocator's"),
    no_effect("tune.buffers.limit", G, "memory is the allocator's"),
];

fn default_path(cx: &mut GlobalCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let word = args.expect("`current`, `config`, `parent` or `origin`")?;
    let policy = match word.text()? {
        "current" => DefaultPath::Current,
        "config" => DefaultPath::Config,
        "parent" => DefaultPath::Parent,
        "origin" => DefaultPath::Origin(PathBuf::from(args.text("a directory")?)),
        other => {
            let message = format!("`{other}` is no place where relative paths could begin");
            let names = ["current", "config", "parent", "origin"];
            return Err(Box::new(
                Diagnostic::error(code::BAD_ARGUMENT, word.span(), message).suggest(other, names),
            ));
        }
    };
    cx.global.process.default_path = Some(Spanned::new(policy, word.span()));
    Ok(())
}

/// A size that the system's sockets take.
fn buffer(args: &mut Args<'_>) -> Parsed<Option<u32>> {
    let word = args.peek();
    let size = args.size()?;
    match (u32::try_from(size).ok().filter(|size| *size <= 0x7fff_ffff), word) {
        (None, Some(word)) => bad_argument(word, format!("`{}` is more than a socket holds", word.lossy())),
        (size, _) => Ok(size.filter(|size| *size > 0)),
    }
}

/// Tells who asks for more threads than there may be.
pub(super) fn threads_fit(cx: &mut GlobalCx<'_>, span: Span) {
    if let (Some(threads), Some(most)) = (cx.global.threads, cx.global.threads_max)
        && threads > most
    {
        let message = format!("`nbthread {threads}` is more than `thread-hard-limit {most}`, which wins");
        cx.diagnostics
            .push(Diagnostic::warning(code::BAD_ARGUMENT, span, message));
    }
}

fn local_peer(cx: &mut GlobalCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let keyword = args.last();
    let name = args.text("a name")?;
    let why = match (cx.local_name_is_given, cx.after_peers) {
        (true, _) => "the command line gives the name (`-L`)",
        (_, true) => "it stands behind a `peers` section",
        (false, false) => {
            cx.environment.set("HAPROXY_LOCALPEER", name);
            return Ok(());
        }
    };
    let message = "`localpeer` has no effect";
    cx.diagnostics
        .push(Diagnostic::warning(code::NO_EFFECT, keyword, message).note(why));
    Ok(())
}

fn unix_bind(cx: &mut GlobalCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    #[derive(Clone, Copy)]
    enum Part {
        Prefix,
        Mode,
        User,
        Uid,
        Group,
        Gid,
    }
    let parts = [
        ("prefix", Part::Prefix),
        ("mode", Part::Mode),
        ("user", Part::User),
        ("uid", Part::Uid),
        ("group", Part::Group),
        ("gid", Part::Gid),
    ];
    let unix = &mut cx.global.process.unix_bind;
    loop {
        match args.one_of("a setting of Unix sockets", &parts)? {
            Part::Prefix => unix.prefix = Some(args.text("what paths begin with")?.to_owned()),
            Part::Mode => unix.mode = Some(permissions(args)?),
            Part::User => unix.user = Some(owner_name(args, "a user")?),
            Part::Uid => unix.user = Some(owner_number(args)?),
            Part::Group => unix.group = Some(owner_name(args, "a group")?),
            Part::Gid => unix.group = Some(owner_number(args)?),
        }
        if args.peek().is_none() {
            return Ok(());
        }
    }
}

fn no(cx: &mut GlobalCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let word = args.expect("the setting to be switched off")?;
    if word.is("strict-limits") {
        cx.global.process.strict_limits = false;
        return Ok(());
    }
    if word.is("h2-workaround-bogus-websocket-clients") {
        cx.global.tune.h2.hides_websockets = false;
        return Ok(());
    }
    match look_up(&TABLES, word, "", "in section `global`")? {
        Found::Served(..) => {
            let message = format!("`{}` can't be switched off", word.lossy());
            Err(Box::new(Diagnostic::error(
                code::BAD_ARGUMENT,
                word.span(),
                message,
            )))
        }
        // What has no effect has none when it is off either.
        Found::Nothing(notice) => {
            cx.diagnostics.push(*notice);
            Ok(())
        }
    }
}
