//! `peers`: other instances to share tables with.

use tidegate_sample::{Place, Scope};

use super::forms::{line, text};
use super::{Header, Made, Other, OtherCx};
use crate::diag::{Diagnostic, Diagnostics, code};
use crate::model::{Bind, LogTarget, Peer, Peers};
use crate::parse::address::endpoint;
use crate::parse::args::{Args, Parsed};
use crate::parse::bind;
use crate::parse::keyword::Status;
use crate::parse::log::log_target;
use crate::parse::server;
use crate::parse::server_origins::{Above, Origins};
use crate::parse::stick;
use crate::source::Spanned;
use crate::text::Word;

/// What the lines told so far.
#[derive(Debug, Default)]
pub(super) struct Told {
    peers: Vec<Peer>,
    binds: Vec<Bind>,
    /// The parameters of `default-bind`.
    bind_words: Vec<Word>,
    servers: Origins,
    disabled: bool,
    logs: Vec<LogTarget>,
    logs_global: bool,
    shards: u32,
    tables: Vec<Spanned<tidegate_sample::stick::TableSpec>>,
}

pub(super) const PEERS: Other = Other {
    name: "peers",
    arguments: "<name>",
    doc: "other instances to share tables with",
    status: Status::Served(()),
    header: Header::Name,
    rows: &[
        line(
            "bind",
            "<address> [<param>...]",
            "where this peer listens",
            |cx, args| {
                let binds = listening(args.take_rest(), &cx.state.peers.bind_words, cx.diagnostics)?;
                cx.state.peers.binds.extend(binds);
                Ok(())
            },
        ),
        line(
            "default-bind",
            "<param>...",
            "parameters of `bind` lines",
            |cx, args| {
                let words = args.rest().to_vec();
                bind::parameters(args, cx.diagnostics);
                cx.state.peers.bind_words = words;
                Ok(())
            },
        ),
        line(
            "default-server",
            "<param>...",
            "parameters of peers that follow",
            |cx, args| {
                server::only_plain(args.rest(), "a peer's", &["shard"], cx.diagnostics);
                let servers = &mut cx.state.peers.servers;
                servers.line(args, &Above::default(), cx.diagnostics)
            },
        ),
        line("disabled", "", "share nothing", |cx, _| {
            cx.state.peers.disabled = true;
            Ok(())
        }),
        line("enabled", "", "the opposite of `disabled`", |cx, _| {
            cx.state.peers.disabled = false;
            Ok(())
        }),
        line(
            "log",
            "{ global | <target> [<param>...] <facility> [<level> [<minlevel>]] }",
            "where log lines go",
            |cx, args| {
                if args.take("global") {
                    cx.state.peers.logs_global = true;
                    return Ok(());
                }
                cx.state.peers.logs.push(log_target(args)?);
                Ok(())
            },
        ),
        line(
            "peer",
            "<name> <address>:<port> [<param>...]",
            "add a peer",
            |cx, args| peer(cx, args, true),
        ),
        line(
            "server",
            "<name> [<address>:<port>] [<param>...]",
            "add a peer",
            |cx, args| peer(cx, args, false),
        ),
        line(
            "shards",
            "<number>",
            "among how many peers the keys of tables are divided",
            |cx, args| {
                cx.state.peers.shards = args.integer(0, 0x7fff_ffff)?;
                Ok(())
            },
        ),
        line(
            "table",
            "<name> type <type> size <size> [<param>...]",
            "add a table",
            table,
        ),
    ],
    end: |cx| {
        let told = std::mem::take(&mut cx.state.peers);
        let Some(keyword) = cx.state.keyword else { return };
        cx.state.made = Some(Made::Peers(Peers {
            name: Spanned::new(cx.state.name.clone(), keyword),
            peers: told.peers,
            binds: told.binds,
            disabled: told.disabled,
            logs: told.logs,
            logs_global: told.logs_global,
            shards: told.shards,
            tables: told.tables,
        }));
    },
};

/// Reads `<address> [<param>...]`, with the parameters of `default-bind` before its own.
fn listening(words: &[Word], defaults: &[Word], diagnostics: &mut Diagnostics) -> Parsed<Vec<Bind>> {
    let Some((address, own)) = words.split_first() else {
        let mut args = Args::of_statement_behind("bind", words);
        return bind::bind(&mut args, diagnostics);
    };
    let all: Vec<Word> = std::iter::once(address)
        .chain(defaults)
        .chain(own)
        .cloned()
        .collect();
    let mut args = Args::of_statement_behind("bind", &all);
    bind::bind(&mut args, diagnostics)
}

fn table(cx: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let word = text(args, "a name")?;
    cx.declare("table", word)?;
    let name = format!("{}/{}", cx.state.name, word.text()?);
    let declared = stick::table(args, &name, cx.diagnostics)?;
    if let Some(section) = declared.peers {
        let message = "a table of a `peers` section is shared with the peers of that section";
        return Err(Box::new(Diagnostic::error(
            code::BAD_ARGUMENT,
            section.span,
            message,
        )));
    }
    let mut spec = declared.spec;
    spec.peers = Some(cx.state.name.clone());
    cx.state.peers.tables.push(Spanned::new(spec, word.span()));
    Ok(())
}

/// The address of the local peer may be on a `bind` line.
fn peer(cx: &mut OtherCx<'_>, args: &mut Args<'_>, needs_address: bool) -> Parsed<()> {
    let Some(name) = args.peek() else {
        return Err(args.missing("a name"));
    };
    cx.declare("peer", name)?;
    let words = args.rest();
    let address = words.get(1);
    if let Some(address) = address {
        endpoint(address, true)?;
    }
    let nowhere;
    let mut line = Args::of_statement_behind(args.name(), words);
    if address.is_none() && !needs_address {
        // Any address stands for the one that it has not.
        nowhere = [name.clone(), Word::unwritten(b"0.0.0.0:1", name.span())];
        line = Args::of_statement_behind(args.name(), &nowhere);
    }
    let bind = address.and_then(|address| {
        // Most peers are elsewhere: that nobody could listen there is no fault.
        let mut ignored = Diagnostics::default();
        let bind = listening(
            std::slice::from_ref(address),
            &cx.state.peers.bind_words,
            &mut ignored,
        );
        bind.ok()?.into_iter().next()
    });
    let mut server = server::plain(
        &mut line,
        &cx.state.peers.servers,
        "a peer's",
        &["shard"],
        cx.diagnostics,
    )?;
    args.take_rest();
    let scope = Scope::new(Place::ServerConnect)
        .with_files(cx.files)
        .without_session();
    crate::parse::proxy::outgoing(&scope, &mut server.outgoing)?;
    cx.state.peers.peers.push(Peer {
        has_address: address.is_some(),
        bind,
        shard: server.shard,
        server,
    });
    Ok(())
}
