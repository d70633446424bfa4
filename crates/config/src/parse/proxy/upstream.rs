//! Lines on how requests and streams get to servers.

use std::sync::Arc;

use tidegate_sample::{Place, Scope};

use super::ProxyCx;
use crate::diag::{Diagnostic, code};
use crate::model::{PresentedAs, RetryOn, SourceAddress};
use crate::parse::args::{Args, Parsed, bad_argument};
use crate::parse::{sampled, server_outgoing};

/// The statuses after which a request may be tried again.
const STATUSES: [u16; 12] = [401, 403, 404, 408, 421, 425, 429, 500, 501, 502, 503, 504];

/// `retry-on`. The line takes the place of those before it.
pub(super) fn retry_on(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    const WORDS: [&str; 7] = [
        "none",
        "conn-failure",
        "empty-response",
        "junk-response",
        "response-timeout",
        "0rtt-rejected",
        "all-retryable-errors",
    ];
    let mut on = RetryOn::NONE;
    let mut word = args.expect("a reason such as `conn-failure`, or a status")?;
    loop {
        match word.text()? {
            "none" => {
                if !args.rest().is_empty() || on != RetryOn::NONE {
                    return bad_argument(word, "`none` stands alone");
                }
            }
            "conn-failure" => on.connection = true,
            "empty-response" => on.empty = true,
            "junk-response" => on.junk = true,
            "response-timeout" => on.timeout = true,
            // Nothing is ever sent as early data, so none is rejected.
            "0rtt-rejected" => {}
            "all-retryable-errors" => {
                (on.connection, on.empty, on.junk, on.timeout) = (true, true, true, true);
                on.statuses.extend([500, 502, 503, 504]);
            }
            other => match other.parse::<u16>() {
                Ok(status) if STATUSES.contains(&status) => on.statuses.push(status),
                Ok(status) => {
                    let all: Vec<String> = STATUSES.iter().map(u16::to_string).collect();
                    let message = format!("a request is not tried again after status {status}");
                    return Err(Box::new(
                        Diagnostic::error(code::BAD_ARGUMENT, word.span(), message)
                            .help(format!("it can be one of {}", all.join(", "))),
                    ));
                }
                Err(_) => {
                    let message = format!("`{other}` is no reason to try again");
                    return Err(Box::new(
                        Diagnostic::error(code::BAD_ARGUMENT, word.span(), message).suggest(other, WORDS),
                    ));
                }
            },
        }
        match args.next() {
            Some(next) => word = next,
            None => break,
        }
    }
    on.statuses.sort_unstable();
    on.statuses.dedup();
    cx.proxy.upstream.retry_on = on;
    Ok(())
}

/// `source`, for all servers that have none of their own.
pub(super) fn source(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let mut source = server_outgoing::source(args)?;
    presented(&mut source, &cx.scope(Place::ServerConnect))?;
    cx.proxy.upstream.source = Some(source);
    Ok(())
}

/// Reads the expression of a `usesrc`, if there is one.
pub(super) fn presented(source: &mut SourceAddress, scope: &Scope<'_>) -> Parsed<()> {
    if let Some(word) = source.presented_written.take() {
        let expr = sampled::expression(&word, scope)?;
        source.presented_as = Some(PresentedAs::Sampled(Arc::new(expr)));
    }
    Ok(())
}

/// `persist rdp-cookie`.
pub(super) fn persist(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let word = args.expect("`rdp-cookie`")?;
    let text = word.text()?;
    let name = match text.strip_prefix("rdp-cookie") {
        Some("") => "msts",
        Some(rest) => match rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
            Some(name) if !name.is_empty() => name,
            _ => {
                return bad_argument(
                    word,
                    format!("`{text}` is not `rdp-cookie` or `rdp-cookie(<name>)`"),
                );
            }
        },
        None => {
            return bad_argument(
                word,
                format!("`{text}` is not `rdp-cookie` or `rdp-cookie(<name>)`"),
            );
        }
    };
    let written = format!("req.rdp_cookie({name})");
    let expr = tidegate_sample::Expr::parse(&written, &cx.scope(Place::ServerChoice));
    match expr {
        Ok(expr) => cx.proxy.persistence.rdp_cookie = Some(expr),
        Err(_) => return bad_argument(word, format!("`{name}` is no name of a cookie")),
    }
    Ok(())
}
