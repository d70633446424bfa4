//! The settings of HTTP, of its second version above all.

use super::table::Parse;
use crate::diag::{Diagnostic, code};
use crate::parse::args::{Args, Parsed};
use crate::parse::keyword::{Keyword, Sections, no_effect, served};
use crate::text::Word;

const G: Sections = Sections::GLOBAL;

/// The largest window that the protocol knows.
const WINDOW_MAX: u64 = (1 << 31) - 1;

const NO_ROUNDS: &str =
    "frames are taken in turn with everything else, and floods of them are bounded by a budget";

/// The keywords.
#[rustfmt::skip]
pub(super) const ROWS: &[Keyword<Parse>] = &[
    served("tune.http.maxhdr", G, "<number>", "most fields in a head of HTTP/1", |cx, args| {
        args.integer(1, 32_767).map(|n| cx.global.tune.fields_max = Some(n))
    }),
    served("h1-accept-payload-with-any-method", G, "", "GET, HEAD and DELETE of HTTP/1.0 may have a body", |cx, _| {
        cx.global.tune.accept_any_payload = true;
        Ok(())
    }),
    served("tune.h2.initial-window-size", G, "<number>", "bytes of a message's body that may come unasked", |cx, args| {
        window(args).map(|n| cx.global.tune.h2.both.window = Some(n))
    }),
    served("tune.h2.fe.initial-window-size", G, "<number>", "the same for requests", |cx, args| {
        window(args).map(|n| cx.global.tune.h2.clients.window = Some(n))
    }),
    served("tune.h2.be.initial-window-size", G, "<number>", "the same for responses", |cx, args| {
        window(args).map(|n| cx.global.tune.h2.servers.window = Some(n))
    }),
    served("tune.h2.max-concurrent-streams", G, "<number>", "requests at once on a connection; 0 for no limit", |cx, args| {
        streams(args).map(|n| cx.global.tune.h2.both.streams = Some(n))
    }),
    served("tune.h2.fe.max-concurrent-streams", G, "<number>", "the same for connections of clients", |cx, args| {
        let n = streams(args)?;
        cx.global.tune.h2.clients.streams = Some(n);
        match args.peek() {
            Some(word) if matches!(word.bytes(), b"rq-load" | b"min") => {
                Err(Box::new(crate::parse::keyword::unsupported(word, "tune.h2.fe.max-concurrent-streams ")))
            }
            _ => Ok(()),
        }
    }),
    served("tune.h2.be.max-concurrent-streams", G, "<number>", "the same for connections to servers", |cx, args| {
        streams(args).map(|n| cx.global.tune.h2.servers.streams = Some(n))
    }),
    served("tune.h2.fe.glitches-threshold", G, "<number>", "oddities of a client that end its connection", |cx, args| {
        args.integer(0, u64::from(u32::MAX)).map(|n| cx.global.tune.h2.clients.glitches = Some(n))
    }),
    served("tune.h2.be.glitches-threshold", G, "<number>", "oddities of a server that end its connection", |cx, args| {
        args.integer(0, u64::from(u32::MAX)).map(|n| cx.global.tune.h2.servers.glitches = Some(n))
    }),
    served("tune.h2.fe.rxbuf", G, "<size>", "bytes of all requests of a connection that may wait", |cx, args| {
        buffer(args).map(|n| cx.global.tune.h2.clients.buffer = Some(n))
    }),
    served("tune.h2.be.rxbuf", G, "<size>", "bytes of all responses of a connection that may wait", |cx, args| {
        buffer(args).map(|n| cx.global.tune.h2.servers.buffer = Some(n))
    }),
    served("tune.h2.fe.max-total-streams", G, "<number>", "requests that a client's connection serves", |cx, args| {
        args.integer(0, u64::from(u32::MAX)).map(|n| cx.global.tune.h2.total_streams = Some(n))
    }),
    served("tune.h2.header-table-size", G, "<number>", "bytes of headers that are remembered for later ones", |cx, args| {
        args.integer(0, 65_536).map(|n| cx.global.tune.h2.header_table = Some(n))
    }),
    served("tune.h2.max-frame-size", G, "<number>", "longest frame that is taken", |cx, args| {
        args.integer(16_384, (1 << 24) - 1).map(|n| cx.global.tune.h2.frame_max = Some(n))
    }),
    served("tune.h2.log-errors", G, "{ none | connection | stream }", "which errors leave a log line", |cx, args| {
        let names = [("none", false), ("connection", true), ("stream", true)];
        args.one_of("`none`, `connection` or `stream`", &names).map(|on| cx.global.tune.h2.log_errors = Some(on))
    }),
    no_effect("tune.h2.fe.max-frames-at-once", G, NO_ROUNDS),
    no_effect("tune.h2.be.max-frames-at-once", G, NO_ROUNDS),
    no_effect("tune.h2.fe.max-rst-at-once", G, NO_ROUNDS),
];

fn window(args: &mut Args<'_>) -> Parsed<u32> {
    args.integer(0, WINDOW_MAX)
}

/// Zero is no limit.
fn streams(args: &mut Args<'_>) -> Parsed<u32> {
    let streams = args.integer(0, u64::from(u32::MAX))?;
    Ok(if streams == 0 { u32::MAX } else { streams })
}

fn buffer(args: &mut Args<'_>) -> Parsed<u32> {
    let word = args.peek();
    let size = args.size()?;
    match u32::try_from(size) {
        Ok(bytes) if size <= WINDOW_MAX => Ok(bytes),
        _ => {
            let span = word.map_or(args.last(), Word::span);
            let message = "a buffer of HTTP/2 has less than 2 GiB";
            Err(Box::new(Diagnostic::error(code::BAD_NUMBER, span, message)))
        }
    }
}
