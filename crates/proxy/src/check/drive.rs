//! The tasks that check servers, each from its worker's start to its end.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use tidegate_sample::Named;
use tidegate_sample::figures::Figures;

use super::agent::{self, Answer};
use super::ask::{Asked, ask};
use super::external::{self, Told};
use super::health::{self, Change, Health};
use super::opener::ToServer;
use super::report::{self, Company};
use super::run::{Finding, Limits, Line, run};
use super::session::CheckSession;
use super::shared::{LastAnswer, LastCheck, Wanted};
use super::spec::{CheckSpec, OnErrors};
use super::status::Status;
use crate::log::{Level, Logger};
use crate::timeouts::Timer;
use crate::upstream::admin::AdminState;
use crate::upstream::news::{CheckNews, Reason, ServerChange};
use crate::upstream::shared::BackendState;
use crate::upstream::state::{Operational, ServerState};
use crate::worker::Worker;

/// Starts the checks that are this worker's: those of all servers are dealt out to the workers in turn.
pub(crate) fn start(worker: &Rc<Worker>) {
    let shared = &worker.shared;
    let backends = shared.backends.now();
    let checked = || backends.iter().filter(|state| !state.is_disabled());
    let servers = || {
        let of = |state: &Arc<BackendState>| {
            let servers = state.servers();
            servers.iter().map(|server| server.spec()).collect::<Vec<_>>()
        };
        checked().flat_map(of)
    };
    let inters = servers().filter_map(|server| Some(server.check.as_ref()?.pace.inter));
    let (count, shortest) = inters.fold((0u32, None), |(count, least), inter| {
        (
            count + 1,
            Some(least.map_or(inter, |least: Duration| least.min(inter))),
        )
    });
    let shortest = shortest.unwrap_or_default();
    let shortest = shared
        .global
        .check_spread_max
        .map_or(shortest, |most| shortest.min(most));
    let mut number = 0;
    for backend in checked() {
        for server in backend.servers().iter() {
            let spec = server.spec();
            if spec.check.is_none() && spec.agent.is_none() {
                continue;
            }
            let at = number;
            number += 1;
            if at as usize % shared.global.threads.max(1) == worker.index {
                attend(worker, backend, server, shortest * at / count.max(1));
            }
        }
    }
}

/// Checks a server and asks its agent, until it is gone.
pub(crate) fn attend(
    worker: &Rc<Worker>,
    backend: &Arc<BackendState>,
    server: &Arc<ServerState>,
    offset: Duration,
) {
    let spec = server.spec();
    let own = worker.backend_of(backend);
    let named = |name: &str, id| {
        Rc::new(Named {
            name: name.into(),
            id,
        })
    };
    let subject = Rc::new(Subject {
        worker: worker.clone(),
        logger: own.map_or_else(|| Rc::new(Logger::discard()), |own| own.logger.clone()),
        title: report::title(backend.name(), &spec.name, spec.backup),
        backend: named(backend.name(), backend.id()),
        server: named(&spec.name, spec.id),
        company: backend.clone(),
        state: server.clone(),
        check_down: Cell::new(false),
        stopping: Cell::new(false),
    });
    if let Some(check) = &spec.check {
        let checking = Checking::new(subject.clone(), check.clone(), worker.wheel.timer());
        tokio::task::spawn_local(until_gone(server.clone(), checking.run(offset)));
    }
    if spec.agent.is_some() {
        let opener = ToServer {
            worker: worker.clone(),
            backend: backend.clone(),
            state: server.clone(),
            check: None,
        };
        let asking = ask_on(subject, opener, worker.wheel.timer());
        tokio::task::spawn_local(until_gone(server.clone(), asking));
    }
}

async fn until_gone(server: Arc<ServerState>, task: impl Future<Output = ()>) {
    tokio::select! {
        () = task => {}
        () = server.checks().are_over() => {}
    }
}

/// A server, and what is known of it from both its checks and its agent.
struct Subject {
    worker: Rc<Worker>,
    logger: Rc<Logger>,
    /// As messages begin with it.
    title: String,
    backend: Rc<Named>,
    server: Rc<Named>,
    company: Arc<BackendState>,
    state: Arc<ServerState>,
    check_down: Cell<bool>,
    stopping: Cell<bool>,
}

impl Subject {
    /// Makes the server what checks and agent say together, and tells of a change.
    fn settle(&self, why: Option<(&Finding, Duration)>, check: Option<CheckNews>) {
        let state = match (
            self.check_down.get() || self.state.checks().is_agent_down(),
            self.stopping.get(),
        ) {
            (true, _) => Operational::Stopped,
            (false, true) => Operational::Stopping,
            (false, false) => Operational::Running,
        };
        let is = report::change_of;
        if is(self.state.operational()) == is(state) {
            return;
        }
        let (others, usable) = (self.company(), self.state.is_usable());
        let reason = Reason {
            check,
            ..Reason::default()
        };
        self.state.set_operational_because(state, Instant::now(), reason);
        if self.state.admin().is_maint() {
            // It has gone already; what it is by now is told when it comes back.
            return;
        }
        let level = if is(state) == Change::Down {
            Level::Alert
        } else {
            Level::Notice
        };
        // Those that track it are told of one after the other, each with who is left then.
        let taken = (usable, self.state.is_usable());
        let company = others.with(self.state.is_backup(), taken, self.state.requeued());
        self.tell(level, &report::change(&self.title, is(state), why, company));
        if usable && company.is_nobody() {
            self.tell(
                Level::Emergency,
                &report::nobody(&String::from_utf8_lossy(&self.backend.name)),
            );
        }
    }

    fn tell(&self, level: Level, message: &str) {
        report::tell(&self.logger, level, message);
    }

    /// Waits for the lines about what an operator or the agent did with the server: they come before what checks find then.
    async fn attended(&self, timer: &Timer) {
        let _ = timer.limit(Some(ATTENDED), self.state.attended()).await;
    }

    /// How a line about a check ends, of one that found the server well or not.
    fn health_word(&self, up: bool) -> &'static str {
        match up {
            true if self.state.weight() == 0 => "DRAIN",
            true => "UP",
            false => "DOWN",
        }
    }

    fn company(&self) -> Company {
        let board = &*self.worker.shared.board;
        Company::of(&self.company, board, &String::from_utf8_lossy(&self.server.name))
    }

    /// What a program that checks is told of the server.
    fn told(&self) -> Told<'_> {
        let board = &*self.worker.shared.board;
        let own = board.server(&self.backend.name, &self.server.name);
        Told {
            state: &self.state,
            connections: own.unwrap_or_default().connections,
        }
    }

    /// `http-check send-state`: how the server is seen.
    fn seen_as(&self, health: &Health) -> Bytes {
        let board = &*self.worker.shared.board;
        let own = board
            .server(&self.backend.name, &self.server.name)
            .unwrap_or_default();
        let all = board.backend(&self.backend.name).unwrap_or_default();
        let (address, port) = match self.state.address() {
            crate::spec::ServerAddress::Tcp(address) => {
                (address.ip().to_string(), address.port().to_string())
            }
            _ => ("unix".to_owned(), "unix".to_owned()),
        };
        let servers = self.company.servers();
        let total: u32 = servers
            .iter()
            .filter(|server| server.is_usable())
            .map(|server| server.effective_weight())
            .sum();
        let (at, of) = health.progress();
        let state = match (health.is_up(), self.stopping.get()) {
            (true, true) => "NOLB".to_owned(),
            (true, false) if at == of => "UP".to_owned(),
            (true, false) => format!("UP {at}/{of}"),
            (false, _) if at == 0 => "DOWN".to_owned(),
            (false, _) => format!("DOWN {at}/{of}"),
        };
        let node = self
            .worker
            .shared
            .global
            .process
            .as_ref()
            .map(|process| process.node.clone());
        let text = format!(
            "{state}; address={address}; port={port}; name={}/{}; node={}; weight={}/{total}; scur={}/{}; qcur={}",
            self.company.name(),
            self.state.name(),
            String::from_utf8_lossy(&node.unwrap_or_default()),
            self.state.effective_weight(),
            own.connections,
            all.connections,
            own.queued,
        );
        text.into()
    }
}

/// The checks of one server.
struct Checking {
    subject: Rc<Subject>,
    spec: Arc<CheckSpec>,
    opener: ToServer,
    timer: Timer,
    health: RefCell<Health>,
    last: Cell<Status>,
    failures: Cell<u64>,
}

impl Checking {
    fn new(subject: Rc<Subject>, spec: Arc<CheckSpec>, timer: Timer) -> Checking {
        let health = match subject.state.spec().saved {
            Some(saved) => {
                let is_up = saved.operational != Operational::Stopped;
                let stopping = saved.operational == Operational::Stopping;
                Health::restored(&spec.pace, is_up, stopping, saved.health)
            }
            None => Health::new(&spec.pace, spec.initial),
        };
        subject.check_down.set(!health.is_up());
        subject.stopping.set(health.is_stopping());
        if !health.is_up() {
            // It was told so, not found out: nobody needs to hear of it.
            subject.state.begin_stopped(Instant::now());
        }
        Checking {
            opener: ToServer {
                worker: subject.worker.clone(),
                backend: subject.company.clone(),
                state: subject.state.clone(),
                check: Some(spec.clone()),
            },
            health: RefCell::new(health),
            last: Cell::default(),
            failures: Cell::default(),
            subject,
            spec,
            timer,
        }
    }

    async fn run(self, offset: Duration) {
        self.rest(offset).await;
        loop {
            let began = Instant::now();
            let checks = self.subject.state.checks();
            if checks.is_enabled() && !self.subject.state.admin().is_maint() {
                let under_way = checks.begin(false);
                // What a check needs is there while it runs: most of the time tasks rest, and there may be thousands.
                let (finding, line) = Box::pin(self.check()).await;
                drop(under_way);
                let took = began.elapsed();
                // What was said meanwhile was said before this was found.
                if let Some(wanted) = checks.said() {
                    self.obey(wanted);
                }
                if self.spec.log_all {
                    self.subject.attended(&self.timer).await;
                }
                if finding.status == Status::Unknown {
                    self.omitted(&finding);
                } else {
                    self.note(&finding, took);
                }
                // Whoever sees the connection's end may rely on what was found.
                drop(line);
            }
            let pause = self.health.borrow().pause(&self.spec.pace);
            let pause = spread(pause, self.subject.worker.shared.global.check_spread_percent);
            self.rest(pause.saturating_sub(began.elapsed())).await;
        }
    }

    /// A check could not be made, which says nothing of the server.
    fn omitted(&self, finding: &Finding) {
        if self.last.replace(Status::Unknown) == Status::Unknown {
            return;
        }
        let why = finding.info.as_deref().unwrap_or_default();
        let title = &self.subject.title;
        self.subject
            .tell(Level::Error, &format!("{title} can't be checked: {why}"));
    }

    /// Checks the server once; the connection is for whoever wants it to last until the finding is noted.
    async fn check(&self) -> (Finding, Option<Line>) {
        let global = &self.subject.worker.shared.global;
        if let Some(external) = &self.spec.external {
            let limit = self.spec.timeout.unwrap_or(self.spec.pace.inter);
            let finding = external::run(external, &self.subject.told(), &self.timer, limit).await;
            return (finding, None);
        }
        let mut session = CheckSession::new(
            self.subject.backend.clone(),
            self.subject.server.clone(),
            global.process.clone(),
            global.proc_vars.clone(),
        );
        session.board = Some(self.subject.worker.shared.board.clone());
        session.id_format.clone_from(&self.spec.unique_id);
        let program = &self.spec.program;
        let state = program
            .send_state
            .then(|| self.subject.seen_as(&self.health.borrow()));
        let limits = Limits::new(self.spec.pace.inter, self.spec.connect_timeout, self.spec.timeout);
        run(
            program,
            &session,
            &self.opener,
            &self.timer,
            limits,
            global.buffer_bytes,
            state,
        )
        .await
    }

    /// Waits for the next check; does meanwhile what it is asked for.
    async fn rest(&self, pause: Duration) {
        let mut until = Instant::now() + pause;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let checks = self.subject.state.checks();
            let Ok(wanted) = self.timer.limit(Some(left), checks.asked()).await else {
                return;
            };
            if wanted == Wanted::Anew {
                *self.health.borrow_mut() = Health::new(&self.spec.pace, self.spec.initial);
                self.subject.check_down.set(!self.health.borrow().is_up());
                self.subject.stopping.set(false);
                return;
            }
            if self.obey(wanted) {
                // More may be asked for before that check.
                let soon = self.spec.pace.fast_inter.unwrap_or(self.spec.pace.inter);
                until = until.min(Instant::now() + soon);
            }
        }
    }

    /// True if the next check is to come sooner.
    fn obey(&self, wanted: Wanted) -> bool {
        match wanted {
            Wanted::Errors(OnErrors::FastInter) => return true,
            Wanted::Errors(then) => {
                match then {
                    OnErrors::MarkDown => self.health.borrow_mut().weaken(),
                    OnErrors::SuddenDeath => self.health.borrow_mut().shake(),
                    OnErrors::FastInter | OnErrors::FailCheck => {}
                }
                let most = self.spec.observe.map_or(0, |observing| observing.errors_max);
                let last = self.subject.state.checks().last_error();
                let finding = Finding {
                    info: Some(format!(
                        "Detected {most} consecutive errors, last one was: {last}"
                    )),
                    ..Finding::of(Status::Observed)
                };
                self.note(&finding, Duration::ZERO);
                return true;
            }
            Wanted::Down => {
                self.health.borrow_mut().fail_at_once();
            }
            Wanted::Up => {
                self.health.borrow_mut().pass_at_once();
                self.subject.stopping.set(false);
            }
            // Seen to where it is waited for.
            Wanted::Anew => return true,
            Wanted::Stopping => {
                self.health.borrow_mut().pass_at_once();
                self.subject.stopping.set(true);
            }
        }
        // The server is so already, and by now may be something else: more may have been said of it.
        self.subject.check_down.set(!self.health.borrow().is_up());
        false
    }

    fn note(&self, finding: &Finding, took: Duration) {
        let result = finding.status.result();
        let mut health = self.health.borrow_mut();
        let (before, was_up) = (health.progress(), health.is_up());
        health.note(result);
        let (progress, up) = (health.progress(), health.is_up());
        self.subject.stopping.set(health.is_stopping());
        drop(health);
        if result == health::Result::Failed && was_up {
            self.failures.set(self.failures.get() + 1);
        }
        self.subject.state.checks().note(LastCheck {
            finding: finding.clone(),
            at: SystemTime::now(),
            took,
            progress,
            up,
            failures: self.failures.get(),
        });
        let news = self.last.replace(finding.status) != finding.status || before != progress || was_up != up;
        if self.spec.log_all && news {
            let line = report::check(
                "Health",
                &self.subject.title,
                finding,
                took,
                progress,
                self.subject.health_word(up),
            );
            self.subject.tell(Level::Notice, &line);
        }
        let shown = self
            .subject
            .state
            .listeners()
            .any()
            .then(|| self.shown(finding, took, progress));
        if let Some(check) = shown.clone().filter(|_| news) {
            self.subject.state.publish(ServerChange::Check(check));
        }
        self.subject.check_down.set(!up);
        self.subject
            .settle((!self.spec.log_all).then_some((finding, took)), shown);
    }
}

impl Checking {
    /// A check, for whoever wants to hear of it.
    fn shown(&self, finding: &Finding, took: Duration, (done, _): (u32, u32)) -> CheckNews {
        let (rise, fall) = (self.spec.pace.rise, self.spec.pace.fall);
        CheckNews {
            agent: false,
            finding: finding.clone(),
            took,
            // HAProxy counts up to `rise` where a server comes up, and on to `rise + fall - 1` while it stays.
            health: match self.health.borrow().is_up() {
                false => done,
                true => rise + done.saturating_sub(1),
            },
            rise,
            fall,
        }
    }
}

/// How long a line about a check waits for those about what an operator or the agent did before.
const ATTENDED: Duration = Duration::from_secs(1);

/// Asks an agent again and again.
async fn ask_on(subject: Rc<Subject>, opener: ToServer, timer: Timer) {
    // How it ended the last time; an answer that says nothing of the health has no status.
    let mut last = None;
    // Looked up each time: operators may change it.
    while let Some(spec) = subject.state.spec().agent.clone() {
        if subject.state.checks().is_agent_enabled() {
            let began = Instant::now();
            let Asked {
                answer,
                finding,
                wire,
            } = {
                let _under_way = subject.state.checks().begin(true);
                Box::pin(ask(&spec, &opener, &timer)).await
            };
            let took = began.elapsed();
            subject.state.checks().note_answer(LastAnswer {
                finding: finding.clone(),
                took,
            });
            let finding = match &answer {
                Some(answer) => found(answer),
                None => Some(finding),
            };
            if let Some(answer) = &answer {
                heed(&subject, answer);
            }
            if spec.log_all {
                subject.attended(&timer).await;
            }
            let up = !subject.state.checks().is_agent_down();
            let status = finding.as_ref().map(|finding| finding.status);
            let news = last.replace((status, up)) != Some((status, up));
            if let Some(finding) = finding.as_ref().filter(|_| spec.log_all && news) {
                let state = subject.health_word(up);
                let line = report::check("Agent", &subject.title, finding, took, (u32::from(up), 1), state);
                subject.tell(Level::Notice, &line);
            }
            if answer.is_some() {
                let why = finding.as_ref().map(|finding| (finding, took));
                let check = finding.as_ref().map(|finding| news_of_agent(finding, took, up));
                subject.settle(why.filter(|_| !spec.log_all), check);
            }
            drop(wire);
        }
        timer
            .sleep(spread(
                spec.inter,
                subject.worker.shared.global.check_spread_percent,
            ))
            .await;
    }
}

/// What an answer says of the server's health; `None` if nothing.
fn found(answer: &Answer) -> Option<Finding> {
    let (status, said) = match answer.operational.as_ref()? {
        agent::Operational::Up => (Status::L7Ok, "up".to_owned()),
        agent::Operational::Down { word, why: None } => (Status::L7Status, (*word).to_owned()),
        agent::Operational::Down { word, why: Some(why) } => (Status::L7Status, format!("{word} ({why})")),
    };
    Some(Finding {
        code: Some(0),
        info: Some(format!("via agent : {said}")),
        ..Finding::of(status)
    })
}

/// An agent's word on its server, for whoever wants to hear of it.
fn news_of_agent(finding: &Finding, took: Duration, up: bool) -> CheckNews {
    CheckNews {
        agent: true,
        finding: finding.clone(),
        took,
        health: u32::from(up),
        rise: 1,
        fall: 1,
    }
}

/// Does what an agent says, but for what is told of the server's health.
fn heed(subject: &Subject, answer: &Answer) {
    let now = Instant::now();
    let state = &subject.state;
    if let Some(weight) = &answer.weight {
        let weight = weight.of(state.initial_weight());
        if state.set_weight(weight, now).is_err() {
            let message = format!(
                "{}: the agent asks for a weight that a static algorithm can't give",
                subject.title
            );
            subject.logger.message(Level::Warning, &message);
        }
    }
    if let Some(most) = answer.maxconn.filter(|most| *most != state.maxconn()) {
        state.set_maxconn(most);
    }
    match answer.admin {
        Some(agent::Admin::Ready) if state.admin().is_forced() => state.set_admin(AdminState::Ready, now),
        Some(agent::Admin::Drain) => state.set_admin(AdminState::Drain, now),
        Some(agent::Admin::Maint) => state.set_admin(AdminState::Maint, now),
        Some(agent::Admin::Ready) | None => {}
    }
    if let Some(operational) = &answer.operational {
        let down = *operational != agent::Operational::Up;
        subject.state.checks().agent_says(down);
    }
}

/// A time that is up to `percent` shorter or longer, so that checks of many servers don't fall together.
fn spread(time: Duration, percent: u32) -> Duration {
    if percent == 0 {
        return time;
    }
    let most = time * percent / 100;
    let random = RandomState::new().build_hasher().finish() % 1001;
    let spread = most * 2 * u32::try_from(random).unwrap_or(0) / 1000;
    time.saturating_sub(most) + spread
}
