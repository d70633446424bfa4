//! The settings of HTTP, of its second version above all.

use std::ops::RangeInclusive;

use tidegate_sample::Files;
use tidegate_sample::stick::{STATUSES, StatusSet};

use super::GlobalCx;
use super::table::Parse;
use crate::diag::{Diagnostic, code};
use crate::parse::args::{Args, Parsed, bad_argument};
use crate::parse::keyword::{Keyword, Sections, no_effect, served};
use crate::text::Word;

const G: Sections = Sections::GLOBAL;

/// The largest window that the protocol knows.
const WINDOW_MAX: u64 = (1 << 31) - 1;

/// At least a stream for each connection, or no limit.
fn elasticity(cx: &mut GlobalCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    cx.global.tune.h2.elasticity_percent = match args.take("0") {
        true => 0,
        false => args.integer(100, u64::from(u32::MAX))?,
    };
    Ok(())
}

const NO_ROUNDS: &str =
    "frames are taken in turn with everything else, and floods of them are bounded by a budget";

/// The words of `h1-case-adjust`: a name in lower case, and the same in another writing.
fn case_adjusted(args: &mut Args<'_>, known: &[String]) -> Parsed<String> {
    let from = args.expect("a header's name in lower case")?;
    let to = args.expect("the same name as it is to be written")?;
    let (name, written) = (from.text()?, to.text()?);
    match case_fault(name, written, known) {
        None => Ok(written.to_owned()),
        Some((Fault::Name, why)) => bad_argument(from, why),
        Some((Fault::Written, why)) => bad_argument(to, why),
    }
}

/// Which of two names is at fault.
#[derive(Clone, Copy)]
enum Fault {
    Name,
    Written,
}

/// What is wrong with a name and the way in which it is to be written.
fn case_fault(name: &str, written: &str, known: &[String]) -> Option<(Fault, String)> {
    if name.chars().any(|c| c.is_ascii_uppercase()) {
        return Some((Fault::Name, format!("`{name}` is not in lower case")));
    }
    if !name.eq_ignore_ascii_case(written) {
        return Some((
            Fault::Written,
            format!("`{written}` is another name than `{name}`"),
        ));
    }
    let is_known = known.iter().any(|known| known.eq_ignore_ascii_case(name));
    is_known.then(|| (Fault::Name, format!("`{name}` is adjusted already")))
}

/// The lines of an `h1-case-adjust-file`.
fn case_file(path: &Word, files: &dyn Files, known: &[String]) -> Parsed<Vec<String>> {
    let name = path.text()?;
    let text = files.read(name).map_err(|why| {
        let message = format!("can't read `{name}`: {why}");
        Box::new(Diagnostic::error(code::FILE_UNREADABLE, path.span(), message))
    })?;
    let mut names = known.to_vec();
    for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_matches([' ', '\t', '\r']);
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut words = line.split_ascii_whitespace();
        let fault = match (words.next(), words.next(), words.next()) {
            (Some(from), Some(to), None) => match case_fault(from, to, &names) {
                None => {
                    names.push(to.to_owned());
                    continue;
                }
                Some((_, why)) => why,
            },
            _ => "not two names".to_owned(),
        };
        return bad_argument(path, format!("line {} of `{name}`: {fault}", at + 1));
    }
    Ok(names.split_off(known.len()))
}

/// The keywords.
#[rustfmt::skip]
pub(super) const ROWS: &[Keyword<Parse>] = &[
    served("tune.http.maxhdr", G, "<number>", "most lines of a head of HTTP/1, the first one with its fields", |cx, args| {
        args.integer(1, 32_767).map(|n| cx.global.tune.lines_max = Some(n))
    }),
    served("h1-accept-payload-with-any-method", G, "", "GET, HEAD and DELETE of HTTP/1.0 may have a body", |cx, _| {
        cx.global.tune.accept_any_payload = true;
        Ok(())
    }),
    served("h1-case-adjust", G, "<from> <to>", "how the name of a header is written for those who care", |cx, args| {
        let name = case_adjusted(args, &cx.global.tune.header_case)?;
        cx.global.tune.header_case.push(name);
        Ok(())
    }),
    served("h1-case-adjust-file", G, "<file>", "the same for all names that a file lists, two a line", |cx, args| {
        let path = args.expect("a file of names")?;
        cx.global.tune.header_case_file = case_file(path, cx.files, &cx.global.tune.header_case)?;
        Ok(())
    }),
    served("h1-do-not-close-on-insecure-transfer-encoding", G, "", "connections go on after a length beside chunks", |cx, _| {
        cx.global.tune.keep_insecure = true;
        Ok(())
    }),
    served("h2-workaround-bogus-websocket-clients", G, "", "don't tell clients that WebSockets go over HTTP/2", |cx, _| {
        cx.global.tune.h2.hides_websockets = true;
        Ok(())
    }),
    served("tune.glitches.kill.cpu-usage", G, "<percent>", "end connections for oddities only on threads that are as busy", |cx, args| {
        cx.global.tune.h2.glitches_busy_min = args.integer(0, 100)?;
        Ok(())
    }),
    served("tune.streams-elasticity", G, "<percent>", "streams of all clients' connections, against `maxconn`; 0 for no limit",
        elasticity),
    served("maxcomprate", G, "<number>", "kilobytes a second that may be compressed; 0 for no limit", |cx, args| {
        cx.global.tune.compression_rate = args.integer(0, u64::from(u32::MAX) / 1024)?;
        Ok(())
    }),
    served("maxcompcpuusage", G, "<percent>", "threads that are busier compress nothing; 100 for no limit", |cx, args| {
        let percent: u32 = args.integer(1, 100)?;
        cx.global.tune.compression_busy_max = Some(percent).filter(|percent| *percent < 100);
        Ok(())
    }),
    served("http-err-codes", G, "[+-]<range>[,...] [...]", "which statuses count as errors of clients", |cx, args| {
        statuses(args, &mut cx.global.verdicts.errors)
    }),
    served("http-fail-codes", G, "[+-]<range>[,...] [...]", "which statuses count as failures of servers", |cx, args| {
        statuses(args, &mut cx.global.verdicts.failures)
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

/// `[+-]<range>[,<range>...]...`: words without a sign say what there is, those with one change that.
fn statuses(args: &mut Args<'_>, set: &mut StatusSet) -> Parsed<()> {
    if args.peek().is_none() {
        return Err(args.missing("a status, or a range of them such as `400-499`"));
    }
    while let Some(word) = args.next() {
        let (held, from) = match word.bytes().first() {
            Some(b'+') => (true, 1),
            Some(b'-') => (false, 1),
            _ => {
                *set = StatusSet::of(&[]);
                (true, 0)
            }
        };
        let mut at = from;
        for part in word
            .bytes()
            .get(from..)
            .unwrap_or_default()
            .split(|byte| *byte == b',')
        {
            let range = range(&word.part(at, at + part.len()))?;
            set.change(range, held);
            at += part.len() + 1;
        }
    }
    Ok(())
}

/// `<status>[-<status>]`
fn range(word: &Word) -> Parsed<RangeInclusive<u16>> {
    let text = word.lossy();
    let (low, high) = text.split_once('-').unwrap_or((&text, &text));
    let status = |text: &str| text.parse().ok().filter(|status| STATUSES.contains(status));
    match (status(low), status(high)) {
        (Some(low), Some(high)) if low <= high => Ok(low..=high),
        _ => {
            let message = format!("`{text}` is neither a status from 100 to 599 nor a range of them");
            Err(Box::new(Diagnostic::error(
                code::BAD_NUMBER,
                word.span(),
                message,
            )))
        }
    }
}

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
