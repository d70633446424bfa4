//! The lines that logs get about servers' health.

use std::fmt::Write;
use std::time::Duration;

use super::health::{self, Change};
use super::run::Finding;

/// What a server has left beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Company {
    /// Servers that take clients.
    pub(super) active: usize,
    /// Backups that do.
    pub(super) backup: usize,
    /// Sessions of the server.
    pub(super) sessions: u64,
    /// Requests that wait in the backend's queue.
    pub(super) queued: u64,
}

/// One check, for `option log-health-checks`.
pub(super) fn check(
    server: &str,
    finding: &Finding,
    took: Duration,
    progress: (u32, u32),
    up: bool,
) -> String {
    let verb = match finding.status.result() {
        health::Result::Passed => "succeeded",
        health::Result::Conditional => "conditionally succeeded",
        health::Result::Failed => "failed",
    };
    let (at, of) = progress;
    let state = if up { "UP" } else { "DOWN" };
    format!(
        "Health check for server {server} {verb}, {}, status: {at}/{of} {state}.",
        because(finding, took)
    )
}

/// What became of a server. `why` is told unless the check was.
pub(super) fn change(
    server: &str,
    change: Change,
    why: Option<(&Finding, Duration)>,
    company: Company,
) -> String {
    let mut line = format!("Server {server} is ");
    line.push_str(match change {
        Change::Up => "UP",
        Change::Down => "DOWN",
        Change::Stopping => "stopping",
    });
    if let Some((finding, took)) = why {
        line.push_str(", ");
        line.push_str(&because(finding, took));
    }
    let Company {
        active,
        backup,
        sessions,
        queued,
    } = company;
    // What goes to a string arrives.
    let _ = match change {
        Change::Down => write!(
            line,
            ". {active} active and {backup} backup servers left. {sessions} sessions active, 0 requeued, \
             {queued} remaining in queue."
        ),
        Change::Up | Change::Stopping => write!(
            line,
            ". {active} active and {backup} backup servers online. 0 sessions requeued, {queued} total in queue."
        ),
    };
    line
}

/// Nobody is left.
pub(super) fn nobody(backend: &str) -> String {
    format!("backend {backend} has no server available!")
}

fn because(finding: &Finding, took: Duration) -> String {
    let mut text = format!("reason: {}", finding.status.description());
    if let Some(code) = finding.code {
        let _ = write!(text, ", code: {code}");
    }
    if let Some(info) = &finding.info {
        let _ = write!(text, ", info: \"{info}\"");
    }
    let _ = write!(text, ", check duration: {}ms", took.as_millis());
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::status::Status;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_check_is_told_with_its_reason() {
        let well = Finding {
            code: Some(200),
            ..Finding::of(Status::L7Ok)
        };
        assert_eq!(
            check("b1/s2", &well, MS, (2, 2), true),
            "Health check for server b1/s2 succeeded, reason: Layer7 check passed, code: 200, check duration: \
             1ms, status: 2/2 UP."
        );
        let refused = Finding {
            info: Some("Connection refused".to_owned()),
            ..Finding::of(Status::L4Connection)
        };
        assert_eq!(
            check("b1/s3", &refused, MS, (0, 2), false),
            "Health check for server b1/s3 failed, reason: Layer4 connection problem, info: \"Connection \
             refused\", check duration: 1ms, status: 0/2 DOWN."
        );
    }

    #[test]
    fn a_change_tells_who_is_left() {
        let company = Company {
            active: 1,
            sessions: 3,
            ..Company::default()
        };
        assert_eq!(
            change("b1/s3", Change::Down, None, company),
            "Server b1/s3 is DOWN. 1 active and 0 backup servers left. 3 sessions active, 0 requeued, 0 remaining in \
             queue."
        );
        assert_eq!(
            change(
                "b1/s3",
                Change::Up,
                Some((&Finding::of(Status::L4Ok), MS)),
                company
            ),
            "Server b1/s3 is UP, reason: Layer4 check passed, check duration: 1ms. 1 active and 0 backup servers \
             online. 0 sessions requeued, 0 total in queue."
        );
    }
}
