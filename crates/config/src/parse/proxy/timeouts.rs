//! `timeout` lines.

use std::time::Duration;

use super::ProxyCx;
use crate::diag::{Diagnostic, code};
use crate::model::Timeouts;
use crate::parse::args::{Args, Parsed};
use crate::parse::keyword::{Found, Keyword, KeywordDoc, Sections, look_up, served};
use crate::text::Word;
use crate::units::TimeUnit;

type Field = fn(&mut Timeouts) -> &mut Option<Duration>;

const F: Sections = Sections::FRONTENDS;
const B: Sections = Sections::BACKENDS;
const ALL: Sections = Sections::PROXIES;
const T: &str = "<time>";

/// The words after `timeout`.
#[rustfmt::skip]
const ROWS: &[Keyword<Field>] = &[
    served("client", F, T, "silence of the client", |timeouts| &mut timeouts.client),
    served("server", B, T, "silence of the server", |timeouts| &mut timeouts.server),
    served("connect", B, T, "time to connect to a server", |timeouts| &mut timeouts.connect),
    served("http-request", ALL, T, "time for a whole header section", |timeouts| &mut timeouts.http_request),
    served("http-keep-alive", ALL, T, "time to the next request", |timeouts| &mut timeouts.http_keep_alive),
    served("queue", B, T, "time in the queue for a server", |timeouts| &mut timeouts.queue),
    served("tarpit", ALL, T, "time that a tarpitted request is held", |timeouts| &mut timeouts.tarpit),
    served("tunnel", B, T, "silence of either side of a tunnel", |timeouts| &mut timeouts.tunnel),
    served("client-fin", F, T, "silence of a client that closed its side", |timeouts| &mut timeouts.client_fin),
    served("server-fin", B, T, "silence of a server that closed its side", |timeouts| &mut timeouts.server_fin),
    served("check", B, T, "extra time for a check's answer", |timeouts| &mut timeouts.check),
    served("client-hs", F, T, "time for a client's TLS handshake", |timeouts| &mut timeouts.client_hs),
];

/// The keywords for reference pages.
pub(super) fn rows() -> impl Iterator<Item = KeywordDoc> {
    ROWS.iter().map(|row| row.doc("timeout"))
}

/// Reads a `timeout` line.
pub(super) fn timeout(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let word = args.expect("the name of a timeout")?;
    args.named(word);
    let Found::Served(row, field) = look_up(&[ROWS], word, "timeout ", "")? else {
        return Ok(());
    };
    let time = args.time(TimeUnit::Milliseconds)?;
    args.end()?;
    if super::applies(cx, row.sections, word, args.name(), false)? {
        if !cx.in_defaults() {
            once(cx, row.name, word);
        }
        *field(&mut cx.proxy.timeouts) = Some(time);
    }
    Ok(())
}

/// The second line of a section about the same time makes the first one pointless.
fn once(cx: &mut ProxyCx<'_>, name: &'static str, word: &Word) {
    if let Some((_, first)) = cx.timeouts.iter().find(|(known, _)| *known == name) {
        let message = format!("{} has two lines of `timeout {name}`", cx.described());
        cx.diagnostics.push(
            Diagnostic::warning(code::NO_EFFECT, word.span(), message)
                .related(*first, "the first one has no effect"),
        );
    }
    cx.timeouts.retain(|(known, _)| *known != name);
    cx.timeouts.push((name, word.span()));
}
