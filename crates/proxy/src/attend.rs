//! Attends to what becomes of servers, on the first worker: messages about what operators do, and sessions that end because
//! their server went down, or a better one came up.

use std::rc::Rc;

use tokio::sync::oneshot;

use crate::check::report::{self, Company};
use crate::log::{Level, Logger};
use crate::roster::{KilledBy, Meant, Order};
use crate::spec::{BackendSpec, ServerSpec};
use crate::upstream::admin::Admin;
use crate::upstream::shared::BackendState;
use crate::upstream::standing::{Cause, Listener, News, Tidings};
use crate::upstream::state::Operational;
use crate::worker::{Shared, Worker};

/// Attends until nobody has anything to tell.
pub(crate) async fn attend(worker: Rc<Worker>, mut news: Listener) {
    while let Some(tidings) = news.recv().await {
        let news = match tidings {
            Tidings::News(news) => news,
            Tidings::Mark(mark) => {
                let _ = mark.send(());
                continue;
            }
        };
        let Some(state) = news.backend.upgrade() else {
            continue;
        };
        if let Some(backend) = worker.backend_of(&state) {
            let about = About {
                shared: &worker.shared,
                backend: &backend.spec,
                server: &news.server,
                state: &state,
                logger: &backend.logger,
            };
            about.tell(&news);
            about.act(&news);
        }
    }
}

/// A server of which there are news.
struct About<'a> {
    shared: &'a Shared,
    backend: &'a BackendSpec,
    server: &'a ServerSpec,
    state: &'a BackendState,
    logger: &'a Logger,
}

impl About<'_> {
    /// Logs what nobody else does.
    fn tell(&self, news: &News) {
        let company =
            Company::of(self.state, &*self.shared.board, &self.server.name).among(news.usable, news.requeued);
        let title = report::title(&self.backend.name, &self.server.name, self.server.backup);
        if let Some((level, line)) = line(news, &title, self.tracked().as_deref(), company) {
            report::tell(self.logger, level, &line);
        }
        let is_lost = news.before.usable && !news.after.usable;
        if news.cause != Cause::Checks && is_lost && company.is_nobody() {
            report::tell(self.logger, Level::Emergency, &report::nobody(&self.backend.name));
        }
    }

    /// The server that it tracks.
    fn tracked(&self) -> Option<String> {
        let (backend, server) = self.server.track?;
        let backends = self.shared.backends.now();
        let backend = backends.at(backend)?;
        let servers = backend.servers();
        Some(format!("{}/{}", backend.name(), servers.at(server)?.name()))
    }

    /// `on-marked-down`, `on-marked-up`.
    fn act(&self, news: &News) {
        let (before, after) = (news.before.is_up(), news.after.is_up());
        if before && !after && self.server.ends_sessions_when_down {
            self.end(&self.server.name, KilledBy::Down);
        }
        if !before && after && self.server.ends_backups_when_up && !self.server.backup && news.after.usable {
            for backup in self.state.servers().iter().filter(|server| server.is_backup()) {
                self.end(&backup.name(), KilledBy::Up);
            }
        }
    }

    fn end(&self, server: &str, by: KilledBy) {
        for worker in &self.shared.orders {
            let (answer, _) = oneshot::channel();
            let meant = Meant::AtServer(self.backend.name.clone(), server.to_owned());
            // One that is gone has no sessions.
            let _ = worker.send(Order::End(meant, by, answer));
        }
    }
}

/// What the log gets to read, if it isn't told by the checks.
fn line(news: &News, title: &str, tracked: Option<&str>, company: Company) -> Option<(Level, String)> {
    let (before, after) = (news.before, news.after);
    let inherited = Admin::INHERITED_MAINT;
    let via = |inherits: bool| match tracked {
        Some(tracked) if inherits => format!(" via {tracked}"),
        _ => String::new(),
    };
    if before.admin == after.admin {
        let change = report::change_of(after.operational);
        let is_same = change == report::change_of(before.operational);
        // What is out of service is down, whatever else it is.
        if news.cause == Cause::Checks || is_same || after.admin.is_maint() {
            return None;
        }
        let why = match news.cause {
            Cause::Tracked => via(true),
            _ => format!(", {}", news.why),
        };
        let down = after.operational == Operational::Stopped;
        let level = if down { Level::Alert } else { Level::Notice };
        return Some((level, report::changed(title, change, &why, company)));
    }
    let forgotten = Admin::RESOLUTION_MAINT;
    if before.admin.without(forgotten) == after.admin.without(forgotten) {
        // Whoever resolves names tells of that.
        return None;
    }
    let up = if after.operational == Operational::Stopped {
        "DOWN"
    } else {
        "UP"
    };
    Some(match (before.admin.is_maint(), after.admin.is_maint()) {
        (false, true) if before.operational == Operational::Stopped => {
            let via = via(after.admin.has(inherited));
            (
                Level::Notice,
                format!("{title} was DOWN and now enters maintenance{via}."),
            )
        }
        (false, true) => {
            let via = via(after.admin.has(inherited));
            let left = company.left();
            // What took nobody new is not missed.
            let stopping = before.admin.is_drain() || before.operational == Operational::Stopping;
            (
                if stopping { Level::Notice } else { Level::Alert },
                format!("{title} is going DOWN for maintenance{via}. {left}"),
            )
        }
        (true, true) => return None,
        (true, false) => {
            let ready = if after.admin.is_drain() { "DRAIN" } else { "READY" };
            let forced = if before.admin.is_forced() { "forced " } else { "" };
            (
                Level::Notice,
                format!("{title} is {up}/{ready} (leaving {forced}maintenance)."),
            )
        }
        (false, false) if after.admin.is_drain() && !before.admin.is_drain() => {
            let via = via(after.admin.has(Admin::INHERITED_DRAIN));
            let others = match after.operational {
                Operational::Stopped => company.left(),
                _ => company.online(),
            };
            (
                Level::Notice,
                format!("{title} enters drain state{via}. {others}"),
            )
        }
        (false, false) if !after.admin.is_drain() => {
            (Level::Notice, format!("{title} is {up} (leaving forced drain)."))
        }
        (false, false) => return None,
    })
}
