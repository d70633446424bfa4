//! Lines on how requests and streams get to servers.

use super::ProxyCx;
use crate::diag::{Diagnostic, code};
use crate::model::RetryOn;
use crate::parse::args::{Args, Parsed, bad_argument};

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
