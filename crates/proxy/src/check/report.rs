//! The lines that logs get about servers' health.

use std::fmt::Write;
use std::time::Duration;

use tidegate_sample::figures::Figures;

use super::health::{self, Change};
use super::run::Finding;
use super::status::Status;
use crate::log::{Level, Logger};
use crate::upstream::shared::BackendState;
use crate::upstream::state::Operational;

/// What a server has left beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Company {
    /// Servers that take clients.
    pub(super) active: usize,
    /// Backups that do.
    pub(super) backup: usize,
    /// Sessions of the server.
    pub(super) sessions: u64,
    /// Requests that waited, and went on.
    pub(super) requeued: u32,
    /// Requests that wait in the backend's queue.
    pub(super) queued: u64,
}

impl Company {
    /// That of a server in its backend.
    pub(crate) fn of(backend: &BackendState, figures: &dyn Figures, server: &str) -> Self {
        let (active, backup) = backend.usable();
        let of_server = figures.server(backend.name().as_bytes(), server.as_bytes());
        let (sessions, queued) = of_server.map_or((0, 0), |server| (server.connections, server.queued));
        Company {
            active,
            backup,
            sessions,
            requeued: 0,
            queued,
        }
    }

    /// The same with so many servers and backups that take clients, and so many who went on.
    pub(crate) fn among(self, (active, backup): (usize, usize), requeued: u32) -> Self {
        Company {
            active,
            backup,
            requeued,
            ..self
        }
    }

    /// The same once a server, or a backup, takes clients that didn't, or the other way round, and so many who waited went on.
    pub(super) fn with(mut self, is_backup: bool, (before, after): (bool, bool), requeued: u32) -> Self {
        self.requeued = requeued;
        let count = match is_backup {
            true => &mut self.backup,
            false => &mut self.active,
        };
        *count = (*count + usize::from(after)).saturating_sub(usize::from(before));
        self
    }

    /// Nobody takes clients.
    pub(crate) fn is_nobody(self) -> bool {
        self.active + self.backup == 0
    }

    /// Who is there after one went.
    pub(crate) fn left(self) -> String {
        let Company {
            active,
            backup,
            sessions,
            requeued,
            queued,
        } = self;
        let backups = self.only_backups();
        format!(
            "{active} active and {backup} backup servers left.{backups} {sessions} sessions active, {requeued} requeued, \
             {queued} remaining in queue."
        )
    }

    fn only_backups(self) -> &'static str {
        if self.active == 0 && self.backup > 0 {
            " Running on backup."
        } else {
            ""
        }
    }

    /// Who is there after one came.
    pub(crate) fn online(self) -> String {
        let Company {
            active,
            backup,
            requeued,
            queued,
            ..
        } = self;
        let backups = self.only_backups();
        format!(
            "{active} active and {backup} backup servers online.{backups} {requeued} sessions requeued, {queued} total in \
             queue."
        )
    }
}

/// A server as messages begin with it.
pub(crate) fn title(backend: &str, server: &str, backup: bool) -> String {
    let kind = if backup { "Backup Server" } else { "Server" };
    format!("{kind} {backend}/{server}")
}

/// Tells whoever listens.
pub(crate) fn tell(logger: &Logger, level: Level, message: &str) {
    if logger.is_silent() {
        // An operator without a log has a terminal.
        logger.notice(level, message);
    } else {
        logger.message(level, message);
    }
}

/// What a state is called when it has come.
pub(crate) fn change_of(state: Operational) -> Change {
    match state {
        Operational::Starting | Operational::Running => Change::Up,
        Operational::Stopped => Change::Down,
        Operational::Stopping => Change::Stopping,
    }
}

/// One check of a kind (`Health`, `Agent`), for `option log-health-checks`.
pub(super) fn check(
    kind: &str,
    title: &str,
    finding: &Finding,
    took: Duration,
    progress: (u32, u32),
    state: &str,
) -> String {
    let verb = match finding.status.result() {
        health::Result::Passed => "succeeded",
        health::Result::Conditional => "conditionally succeeded",
        health::Result::Failed => "failed",
    };
    let (at, of) = progress;
    // Within a sentence it begins with a small letter.
    let title = match title.strip_prefix("Backup Server ") {
        Some(name) => format!("backup server {name}"),
        None => format!("server {}", title.trim_start_matches("Server ")),
    };
    format!(
        "{kind} check for {title} {verb}, {}, status: {at}/{of} {state}.",
        because(finding, took)
    )
}

/// What became of a server. `why` is told unless the check was.
pub(super) fn change(
    title: &str,
    change: Change,
    why: Option<(&Finding, Duration)>,
    company: Company,
) -> String {
    let why = why.map(|(finding, took)| format!(", {}", because(finding, took)));
    changed(title, change, why.as_deref().unwrap_or_default(), company)
}

/// The same with what is behind it in words.
pub(crate) fn changed(title: &str, change: Change, why: &str, company: Company) -> String {
    let (state, company) = match change {
        Change::Up => ("UP", company.online()),
        Change::Down => ("DOWN", company.left()),
        Change::Stopping => ("stopping", company.online()),
    };
    format!("{title} is {state}{why}. {company}")
}

/// Nobody is left.
pub(crate) fn nobody(backend: &str) -> String {
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
    // Nothing was done for what the traffic showed.
    if finding.status != Status::Observed {
        let _ = write!(text, ", check duration: {}ms", took.as_millis());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_check_is_told_with_its_reason() {
        let well = Finding {
            code: Some(200),
            ..Finding::of(Status::L7Ok)
        };
        assert_eq!(
            check("Health", "Server b1/s2", &well, MS, (2, 2), "UP"),
            "Health check for server b1/s2 succeeded, reason: Layer7 check passed, code: 200, check duration: \
             1ms, status: 2/2 UP."
        );
        let refused = Finding {
            info: Some("Connection refused".to_owned()),
            ..Finding::of(Status::L4Connection)
        };
        assert_eq!(
            check("Agent", "Backup Server b1/s3", &refused, MS, (0, 2), "DOWN"),
            "Agent check for backup server b1/s3 failed, reason: Layer4 connection problem, info: \"Connection \
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
            change("Server b1/s3", Change::Down, None, company),
            "Server b1/s3 is DOWN. 1 active and 0 backup servers left. 3 sessions active, 0 requeued, 0 remaining in \
             queue."
        );
        assert_eq!(
            change(
                "Backup Server b1/s3",
                Change::Up,
                Some((&Finding::of(Status::L4Ok), MS)),
                company
            ),
            "Backup Server b1/s3 is UP, reason: Layer4 check passed, check duration: 1ms. 1 active and 0 backup servers \
             online. 0 sessions requeued, 0 total in queue."
        );
    }

    /// The words of haproxy 2.6.
    #[test]
    fn backups_that_are_alone_are_said_to_be() {
        let company = Company {
            backup: 1,
            ..Company::default()
        };
        assert_eq!(
            change("Backup Server b1/s2", Change::Up, None, company),
            "Backup Server b1/s2 is UP. 0 active and 1 backup servers online. Running on backup. 0 sessions requeued, 0 \
             total in queue."
        );
    }
}
