//! The columns of `show stat`, in HAProxy's order, and the rows that they are of.

use std::time::Instant;

use tidegate_proxy::check::shared::{LastAnswer, LastCheck};
use tidegate_proxy::check::status::Status;
use tidegate_proxy::spec::{BackendSpec, FrontendSpec, ListenAddress, ServerAddress, ServerSpec};
use tidegate_proxy::{
    Admin, BackendDowns, BackendState, Count, FrontendState, Mode, Operational, Plane, ServerState, Stage,
    Totals,
};

use crate::runtime::typed::{Nature, Origin, Scope, Tags, Typed};

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Frontend = 0,
    Backend = 1,
    Server = 2,
    Listener = 3,
}

impl Kind {
    pub(crate) const ALL: [Kind; 4] = [Kind::Frontend, Kind::Backend, Kind::Server, Kind::Listener];

    pub(crate) fn letter(self) -> char {
        match self {
            Kind::Frontend => 'F',
            Kind::Backend => 'B',
            Kind::Server => 'S',
            Kind::Listener => 'L',
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Frontend => "Frontend",
            Kind::Backend => "Backend",
            Kind::Server => "Server",
            Kind::Listener => "Listener",
        }
    }
}

/// One row.
pub(crate) struct Object {
    pub(crate) kind: Kind,
    pub(crate) proxy_id: u32,
    pub(crate) server_id: u32,
    pub(crate) status: String,
    pub(crate) proxy: String,
    pub(crate) name: String,
    totals: Totals,
    http: bool,
    /// Most sessions at a time; none for no limit.
    limit: Option<u64>,
    /// Most sessions per second; 0 for no limit.
    rate_limit: Option<u32>,
    weight: Option<u32>,
    first_weight: Option<u32>,
    active: u32,
    backup: u32,
    since_change: Option<u64>,
    address: Option<String>,
    algorithm: Option<&'static str>,
    idle: Option<u32>,
    idle_limit: Option<u64>,
    /// Rise and fall, of a server that is checked.
    pace: Option<(u32, u32)>,
    last_check: Option<LastCheck>,
    /// Who waits now, and most that did at a time.
    queued: Option<(u32, Option<u32>)>,
    /// How often a backend had no server, and for how long.
    downs: Option<BackendDowns>,
    /// How often a server was chosen, and how many seconds ago the last time was.
    chosen: Option<u64>,
    last_chosen: Option<u32>,
    /// What is known of a server alone.
    server: Option<OfServer>,
    /// The cookie's name, or the server's value.
    cookie: Option<String>,
}

impl Object {
    /// How the last check ended, of a server that is checked and was.
    pub(crate) fn last_check(&self) -> Option<Status> {
        Some(self.last_check.as_ref()?.finding.status)
    }
}

/// What is known of a server alone.
struct OfServer {
    queue_limit: u32,
    tracked: Option<String>,
    downtime_s: Option<u64>,
    /// How far its checks are, as HAProxy counts.
    health: Option<u32>,
    analyses_failed: Option<u64>,
    /// A check is on its way.
    is_checking: bool,
    /// Its agent is being asked.
    is_asking: bool,
    has_agent: bool,
    /// Its agent says that it is down, or somebody said so in its place.
    is_agent_down: bool,
    downs: u64,
    /// How far its `slowstart` is, in percent, while it is on its way.
    throttle: Option<u32>,
    last_answer: Option<LastAnswer>,
}

/// One column.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) tags: Tags,
    pub(crate) doc: &'static str,
    /// The value; none where the row has none.
    pub(crate) value: fn(&Object) -> Option<Typed>,
}

/// What a row is about, by its place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Frontend(usize),
    /// The listener of this number, of a frontend that counts for each of its own.
    Listener(usize, u32),
    /// By the number that no other of its backend has or had.
    Server(usize, usize),
    Backend(usize),
}

/// The places of all rows: frontends, their listeners where these are to be seen, and backends behind their servers, in
/// the order of the configuration.
pub(crate) fn places(plane: &Plane) -> Vec<Place> {
    let mut places: Vec<(u32, Place)> = Vec::new();
    for (at, frontend) in plane.frontends().enumerate() {
        if frontend.disabled {
            continue;
        }
        places.push((frontend.id, Place::Frontend(at)));
        let listeners = frontend.listeners.iter().filter(|_| frontend.socket_stats);
        places.extend(listeners.map(|listener| (frontend.id, Place::Listener(at, listener.id))));
    }
    for (at, state) in plane.placed_backends().filter(|(_, state)| !state.is_disabled()) {
        let (backend, servers) = (state.spec(), state.servers());
        places.extend(
            servers
                .iter()
                .map(|server| Place::Server(at, server.number()))
                .chain([Place::Backend(at)])
                .map(|place| (backend.id, place)),
        );
    }
    // The two halves of a `listen` section have one number; a stable sort keeps its frontend first.
    places.sort_by_key(|(id, _)| *id);
    places.into_iter().map(|(_, place)| place).collect()
}

/// The row of a place.
pub(crate) fn object(plane: &Plane, place: Place) -> Option<Object> {
    match place {
        Place::Frontend(at) => of_frontend(plane, plane.frontend_at(at)?),
        Place::Listener(at, id) => of_listener(plane, plane.frontend_at(at)?, id),
        Place::Server(at, server) => {
            let (backend, state) = plane.backend_at(at)?;
            Some(of_server(plane, backend, state.servers().numbered(server)?))
        }
        Place::Backend(at) => {
            let (backend, state) = plane.backend_at(at)?;
            of_backend(plane, backend, state)
        }
    }
}

/// All rows.
pub(crate) fn objects(plane: &Plane) -> Vec<Object> {
    let places = places(plane).into_iter();
    places.filter_map(|place| object(plane, place)).collect()
}

pub(crate) fn of_frontend(plane: &Plane, frontend: &FrontendSpec) -> Option<Object> {
    let limit = plane
        .frontend_connections_max(&frontend.name)
        .unwrap_or(plane.global().maxconn);
    Some(Object {
        kind: Kind::Frontend,
        proxy_id: frontend.id,
        server_id: 0,
        status: match plane.frontend_state(&frontend.name) {
            _ if plane.is_stopping() => "STOP",
            Some(FrontendState::Stopped) => "STOP",
            Some(FrontendState::Paused) => "PAUSED",
            _ => "OPEN",
        }
        .into(),
        proxy: frontend.name.clone(),
        name: "FRONTEND".into(),
        totals: plane.frontend_totals(&frontend.name)?,
        http: frontend.mode == Mode::Http,
        limit: Some(limit as u64),
        rate_limit: Some(frontend.sessions_per_second),
        weight: None,
        first_weight: None,
        active: 0,
        backup: 0,
        since_change: None,
        address: None,
        algorithm: None,
        idle: None,
        idle_limit: None,
        pace: None,
        last_check: None,
        queued: None,
        downs: None,
        chosen: None,
        last_chosen: None,
        server: None,
        cookie: None,
    })
}

/// A listener: as its frontend, with its own figures.
pub(crate) fn of_listener(plane: &Plane, frontend: &FrontendSpec, id: u32) -> Option<Object> {
    let listener = frontend.listeners.iter().find(|listener| listener.id == id)?;
    let name = match listener.name.is_empty() {
        true => format!("sock-{id}"),
        false => listener.name.clone(),
    };
    Some(Object {
        kind: Kind::Listener,
        server_id: id,
        name,
        totals: plane.listener_totals(&frontend.name, id)?,
        limit: Some(listener.maxconn.map_or(0, |limit| limit as u64)),
        rate_limit: None,
        address: Some(match &listener.address {
            ListenAddress::Tcp(address) => address.to_string(),
            _ => "unix".into(),
        }),
        ..of_frontend(plane, frontend)?
    })
}

pub(crate) fn of_server(plane: &Plane, backend: &BackendSpec, server: &ServerState) -> Object {
    let spec = server.spec();
    let checks = server.checks();
    let last = checks
        .last()
        .filter(|_| spec.check.is_some() && checks.is_enabled());
    let tracked = spec.track.and_then(|(backend, place)| {
        let (backend, state) = plane.backend_at(backend)?;
        Some(format!("{}/{}", backend.name, state.servers().at(place)?.name()))
    });
    let totals = plane.server_totals(server);
    let (chosen, last_chosen) = (totals.total, totals.seconds_since_last);
    let (active, backup) = if server.is_backup() { (0, 1) } else { (1, 0) };
    Object {
        kind: Kind::Server,
        proxy_id: backend.id,
        server_id: server.id(),
        status: status(server, is_checked(plane, &spec, server), tracked.as_deref()),
        proxy: backend.name.clone(),
        name: spec.name.clone(),
        totals,
        http: backend.mode == Mode::Http,
        limit: Some(u64::from(server.maxconn())).filter(|limit| *limit > 0),
        rate_limit: None,
        weight: Some(server.effective_weight()),
        first_weight: Some(server.weight()),
        active,
        backup,
        since_change: Some(server.since_change(Instant::now()).as_secs()),
        address: Some(match server.address() {
            ServerAddress::Tcp(address) => address.to_string(),
            ServerAddress::Unix(_) | ServerAddress::Abstract(_) => "unix".into(),
        }),
        algorithm: None,
        idle: Some(plane.idle_connections(server).iter().sum()),
        idle_limit: spec.pool_max.map(|limit| limit as u64),
        pace: spec
            .check
            .as_ref()
            .filter(|_| checks.is_enabled() && !server.admin().is_maint())
            .map(|check| (check.pace.rise, check.pace.fall)),
        last_check: last.clone(),
        queued: Some((server.queued(), Some(server.queued_max()))),
        downs: None,
        chosen: Some(chosen),
        last_chosen,
        server: Some(OfServer {
            queue_limit: spec.maxqueue,
            tracked,
            downtime_s: spec
                .check
                .as_ref()
                .map(|_| server.downtime(Instant::now()).as_secs()),
            health: spec
                .check
                .as_ref()
                .zip(last)
                .filter(|_| !server.admin().is_maint())
                .map(|(check, last)| last.level(check.pace.rise)),
            analyses_failed: spec
                .check
                .as_ref()
                .and_then(|check| check.observe.as_ref())
                .map(|_| server.checks().analyses_failed()),
            downs: server.downs(),
            is_checking: checks.is_under_way(),
            is_asking: checks.is_agent_asked(),
            has_agent: spec.agent.is_some() && server.checks().is_agent_enabled(),
            is_agent_down: checks.is_agent_down(),
            throttle: server.throttle(),
            last_answer: server.checks().last_answer().filter(|_| spec.agent.is_some()),
        }),
        cookie: spec.cookie.clone(),
    }
}

/// Whether somebody checks a server, or the one that it follows in the end.
fn is_checked(plane: &Plane, spec: &ServerSpec, server: &ServerState) -> bool {
    let is_enabled =
        |spec: &ServerSpec, server: &ServerState| spec.check.is_some() && server.checks().is_enabled();
    let followed = |(backend, place): (usize, usize)| {
        let (_, state) = plane.backend_at(backend)?;
        state.servers().at(place).cloned()
    };
    let Some(mut next) = spec.track.and_then(followed) else {
        return is_enabled(spec, server);
    };
    // Nobody follows itself: such a configuration is refused.
    while let Some(further) = next.spec().track.and_then(followed) {
        next = further;
    }
    is_enabled(&next.spec(), &next)
}

fn status(server: &ServerState, checked: bool, tracked: Option<&str>) -> String {
    let admin = server.admin();
    if admin.is_maint() {
        return match (
            admin.has(Admin::FORCED_MAINT),
            admin.has(Admin::RESOLUTION_MAINT),
            admin.has(Admin::INHERITED_MAINT),
        ) {
            (false, true, _) => "MAINT (resolution)",
            (false, false, true) => return format!("MAINT (via {})", tracked.unwrap_or_default()),
            _ => "MAINT",
        }
        .into();
    }
    // On its way to the other state, it tells how far it is.
    let progress = server
        .checks()
        .last()
        .filter(|_| checked)
        .map(|last| last.progress);
    let progress = match progress {
        Some((done, needed)) if done > 0 && done < needed => format!(" {done}/{needed}"),
        _ => String::new(),
    };
    let has_agent = server.spec().agent.is_some();
    let by_agent = has_agent && server.checks().is_agent_down();
    let state = match server.operational() {
        Operational::Stopped if by_agent => return "DOWN (agent)".into(),
        Operational::Stopped => "DOWN",
        // Whoever said so: it is the agent who may end it.
        _ if admin.is_drain() && has_agent && server.checks().is_agent_enabled() => {
            return "DRAIN (agent)".into();
        }
        _ if admin.is_drain() => "DRAIN",
        Operational::Stopping => "NOLB",
        Operational::Starting | Operational::Running if checked => "UP",
        Operational::Starting | Operational::Running => return "no check".into(),
    };
    format!("{state}{progress}")
}

pub(crate) fn of_backend(plane: &Plane, backend: &BackendSpec, state: &BackendState) -> Option<Object> {
    let now = Instant::now();
    let servers = state.servers();
    let downs = state.downs(now);
    let totals = || servers.iter().map(|server| plane.server_totals(server));
    let usable = |backup: bool| {
        servers
            .iter()
            .filter(move |server| server.is_backup() == backup && server.is_usable())
    };
    let (active, reserve) = (usable(false).count(), usable(true).count());
    // Backups serve only where no other does.
    let weight = usable(active == 0).map(|server| server.effective_weight()).sum();
    let status = if active + reserve > 0 || servers.is_empty() {
        "UP"
    } else {
        "DOWN"
    };
    Some(Object {
        kind: Kind::Backend,
        proxy_id: backend.id,
        server_id: 0,
        status: status.into(),
        proxy: backend.name.clone(),
        name: "BACKEND".into(),
        totals: plane.backend_totals(&backend.name)?,
        http: backend.mode == Mode::Http,
        limit: Some(backend.fullconn.into()),
        rate_limit: None,
        weight: Some(weight),
        first_weight: Some(usable(active == 0).map(|server| server.weight()).sum()),
        active: u32::try_from(active).unwrap_or(u32::MAX),
        backup: u32::try_from(reserve).unwrap_or(u32::MAX),
        since_change: Some(downs.since_change.as_secs()),
        address: None,
        algorithm: Some(backend.balance.name()),
        idle: None,
        idle_limit: None,
        pace: None,
        last_check: None,
        queued: Some((state.queued(), Some(state.queued_max()))),
        downs: Some(downs),
        chosen: Some(totals().map(|totals| totals.total).sum()),
        last_chosen: totals().filter_map(|totals| totals.seconds_since_last).min(),
        server: None,
        cookie: backend
            .persistence
            .cookie
            .as_ref()
            .map(|cookie| cookie.name.clone()),
    })
}

const GAUGE: Tags = Tags(Origin::Metric, Nature::Gauge, Scope::Process);
const MAX: Tags = Tags(Origin::Metric, Nature::Max, Scope::Process);
const COUNT: Tags = Tags(Origin::Metric, Nature::Counter, Scope::Process);
const RATE: Tags = Tags(Origin::Metric, Nature::Rate, Scope::Process);
const AVERAGE: Tags = Tags(Origin::Metric, Nature::Average, Scope::Process);
const AGE: Tags = Tags(Origin::Metric, Nature::Age, Scope::Process);
const DURATION: Tags = Tags(Origin::Metric, Nature::Duration, Scope::Process);
const OUTPUT: Tags = Tags(Origin::Metric, Nature::Output, Scope::Process);
const LIMIT: Tags = Tags(Origin::Config, Nature::Limit, Scope::Process);
const CONFIG: Tags = Tags(Origin::Config, Nature::Gauge, Scope::Service);

fn front(object: &Object) -> bool {
    object.kind == Kind::Frontend
}

fn back(object: &Object) -> bool {
    matches!(object.kind, Kind::Backend | Kind::Server)
}

fn zero_of_backend(object: &Object) -> Option<Typed> {
    (object.kind == Kind::Backend).then_some(Typed::U32(0))
}

fn only_server(object: &Object) -> bool {
    object.kind == Kind::Server
}

fn count(object: &Object, count: Count) -> Option<Typed> {
    Some(Typed::U64(object.totals.of(count)))
}

fn only(object: &Object, kind: Kind, count: Count) -> Option<Typed> {
    (object.kind == kind).then(|| Typed::U64(object.totals.of(count)))
}

fn behind(object: &Object, count: Count) -> Option<Typed> {
    back(object).then(|| Typed::U64(object.totals.of(count)))
}

fn response(object: &Object, count: Count) -> Option<Typed> {
    let has_responses = object.http && object.kind != Kind::Listener;
    has_responses.then(|| Typed::U64(object.totals.of(count)))
}

fn of_caches(object: &Object, count: Count) -> Option<Typed> {
    response(object, count).filter(|_| !only_server(object))
}

fn of_compression(object: &Object, count: Count) -> Option<Typed> {
    let is_proxy = matches!(object.kind, Kind::Frontend | Kind::Backend);
    is_proxy.then(|| Typed::U64(object.totals.of(count)))
}

/// How long a stage took on average and at most.
fn took(object: &Object, stage: Stage) -> Option<(u64, u32)> {
    back(object).then(|| object.totals.took(stage))
}

/// Of all of a frontend in HTTP mode, those that were not by HTTP/2.
fn of_http1(object: &Object, all: u64, by_http2: Count) -> u64 {
    match object.http {
        true => all.saturating_sub(object.totals.of(by_http2)),
        false => 0,
    }
}

fn check(object: &Object, value: impl Fn(&LastCheck) -> Typed) -> Option<Typed> {
    object.last_check.as_ref().map(value)
}

/// The last check of a server that is in service: of the others nothing is checked.
fn current(object: &Object) -> Option<&LastCheck> {
    let last = object.last_check.as_ref();
    last.filter(|_| !object.status.starts_with("MAINT"))
}

fn checked(object: &Object, value: impl Fn(&LastCheck) -> Typed) -> Option<Typed> {
    current(object).map(value)
}

/// What is known of an agent; nothing of one that was never asked but that it is there.
fn agent(object: &Object, value: impl Fn(&OfServer, Option<&LastAnswer>) -> Option<Typed>) -> Option<Typed> {
    let server = object.server.as_ref().filter(|server| server.has_agent)?;
    value(server, server.last_answer.as_ref())
}

/// How the last check ended, with a mark where the next one is on its way.
fn ended(status: Status, is_next_under_way: bool) -> Typed {
    let mark = if is_next_under_way { "* " } else { "" };
    Typed::Text(format!("{mark}{}", status.code()))
}

fn answered(last: Option<&LastAnswer>) -> Status {
    last.map_or(Status::Initial, |last| last.finding.status)
}

const fn field(
    name: &'static str,
    tags: Tags,
    doc: &'static str,
    value: fn(&Object) -> Option<Typed>,
) -> Field {
    Field {
        name,
        tags,
        doc,
        value,
    }
}

/// A column of HAProxy's for which there is no figure here. It is there all the same: columns are known by their place.
const fn empty(name: &'static str, tags: Tags) -> Field {
    field(name, tags, "no figure", |_| None)
}

/// The columns. Each has the place that it has in HAProxy.
#[rustfmt::skip]
pub(crate) const FIELDS: &[Field] = &[
    field("pxname", Tags(Origin::Key, Nature::Name, Scope::Service), "the proxy's name", |o| Some(Typed::text(&o.proxy))),
    field("svname", Tags(Origin::Key, Nature::Name, Scope::Service), "the server's name, FRONTEND or BACKEND", |o| Some(Typed::text(&o.name))),
    field("qcur", GAUGE, "who waits now", |o| o.queued.map(|(now, _)| Typed::U32(now))),
    field("qmax", MAX, "most that waited at a time, for a server", |o| o.queued?.1.map(Typed::U32)),
    field("scur", GAUGE, "sessions now", |o| Some(Typed::u32(o.totals.current))),
    field("smax", MAX, "most sessions at a time; the workers' own maxima added up", |o| Some(Typed::u32(o.totals.current_max))),
    field("slim", LIMIT, "limit of sessions", |o| o.limit.map(Typed::u32)),
    field("stot", COUNT, "sessions so far", |o| Some(Typed::U64(o.totals.total))),
    field("bin", COUNT, "bytes in", |o| count(o, Count::BytesIn)),
    field("bout", COUNT, "bytes out", |o| count(o, Count::BytesOut)),
    field("dreq", COUNT, "requests that rules refused", |o| count(o, Count::DeniedRequests).filter(|_| !only_server(o))),
    field("dresp", COUNT, "responses that rules refused", |o| count(o, Count::DeniedResponses)),
    field("ereq", COUNT, "requests that could not be read or never came whole", |o| count(o, Count::RequestErrors).filter(|_| !back(o))),
    field("econ", COUNT, "connections to servers that failed", |o| behind(o, Count::ConnectErrors)),
    field("eresp", COUNT, "responses that never came whole", |o| behind(o, Count::ResponseErrors)),
    field("wretr", COUNT, "further attempts to connect", |o| behind(o, Count::Retries)),
    field("wredis", COUNT, "requests that went to another server", |o| behind(o, Count::Redispatches)),
    field("status", Tags(Origin::Status, Nature::Gauge, Scope::Process), "the state", |o| Some(Typed::text(&o.status))),
    field("weight", AVERAGE, "the weight as it counts", |o| o.weight.map(Typed::U32)),
    field("act", Tags(Origin::Status, Nature::Gauge, Scope::Process), "active servers", |o| back(o).then_some(Typed::U32(o.active))),
    field("bck", Tags(Origin::Status, Nature::Gauge, Scope::Process), "backup servers", |o| back(o).then_some(Typed::U32(o.backup))),
    field("chkfail", COUNT, "failed checks while it was up", |o| check(o, |last| Typed::U64(last.failures))),
    field("chkdown", COUNT, "times that it went down", |o| match o.downs {
        Some(downs) => Some(Typed::U64(downs.downs)),
        None => check(o, |_| o.server.as_ref().map_or(Typed::U64(0), |server| Typed::U64(server.downs))),
    }),
    field("lastchg", AGE, "seconds since it last went up or down", |o| o.since_change.map(Typed::u32)),
    field("downtime", COUNT, "seconds that it was down or out of service", |o| match o.downs {
        Some(downs) => Some(Typed::U64(downs.downtime.as_secs())),
        None => o.server.as_ref()?.downtime_s.map(Typed::U64),
    }),
    field("qlimit", CONFIG, "limit of who may wait", |o| o.server.as_ref().map(|server| server.queue_limit).filter(|limit| *limit > 0).map(Typed::U32)),
    field("pid", Tags(Origin::Key, Nature::Gauge, Scope::Process), "the process's number, which is always 1", |_| Some(Typed::U32(1))),
    field("iid", Tags(Origin::Key, Nature::Gauge, Scope::Service), "the proxy's number", |o| Some(Typed::U32(o.proxy_id))),
    field("sid", Tags(Origin::Key, Nature::Gauge, Scope::Service), "the server's number", |o| Some(Typed::U32(o.server_id))),
    field("throttle", AVERAGE, "how far its slowstart is, in percent", |o| o.server.as_ref()?.throttle.map(Typed::U32)),
    field("lbtot", COUNT, "times that a server was chosen", |o| o.chosen.map(Typed::U64)),
    field("tracked", CONFIG, "the server that it tracks", |o| o.server.as_ref()?.tracked.as_deref().map(Typed::text)),
    field("type", CONFIG, "0 for a frontend, 1 for a backend, 2 for a server, 3 for a listener", |o| Some(Typed::U32(o.kind as u32))),
    field("rate", RATE, "sessions in the last second", |o| (o.kind != Kind::Listener).then(|| Typed::u32(o.totals.per_second))),
    field("rate_lim", LIMIT, "limit of sessions per second; 0 for none", |o| o.rate_limit.map(Typed::U32)),
    field("rate_max", MAX, "most sessions of a second; the workers' own maxima added up", |o| (o.kind != Kind::Listener).then(|| Typed::u32(o.totals.per_second_max))),
    field("check_status", OUTPUT, "how the last check ended", |o| {
        o.pace?;
        let last = current(o).map_or(Status::Initial, |last| last.finding.status);
        Some(ended(last, o.server.as_ref().is_some_and(|server| server.is_checking)))
    }),
    field("check_code", OUTPUT, "the code of the last check", |o| current(o)?.finding.code.map(|code| Typed::Text(code.to_string()))),
    field("check_duration", DURATION, "how long the last check took, in ms", |o| checked(o, |last| Typed::U64(u64::try_from(last.took.as_millis()).unwrap_or(u64::MAX)))),
    field("hrsp_1xx", COUNT, "responses with a status of 1xx", |o| response(o, Count::Informational)),
    field("hrsp_2xx", COUNT, "responses with a status of 2xx", |o| response(o, Count::Successful)),
    field("hrsp_3xx", COUNT, "responses with a status of 3xx", |o| response(o, Count::Redirecting)),
    field("hrsp_4xx", COUNT, "responses with a status of 4xx", |o| response(o, Count::ClientError)),
    field("hrsp_5xx", COUNT, "responses with a status of 5xx", |o| response(o, Count::ServerError)),
    field("hrsp_other", COUNT, "responses with another status", |o| response(o, Count::OtherStatus)),
    field("hanafail", OUTPUT, "errors that `observe` saw", |o| o.server.as_ref()?.analyses_failed.map(Typed::U64)),
    field("req_rate", RATE, "requests in the last second", |o| front(o).then(|| Typed::u32(o.totals.requests_per_second))),
    field("req_rate_max", MAX, "most requests of a second; the workers' own maxima added up", |o| front(o).then(|| Typed::u32(o.totals.requests_per_second_max))),
    field("req_tot", COUNT, "requests so far", |o| match o.kind {
        Kind::Frontend => Some(Typed::U64(o.totals.of(Count::Requests))),
        Kind::Listener => None,
        Kind::Backend | Kind::Server => o.http.then_some(Typed::U64(o.totals.total)),
    }),
    field("cli_abrt", COUNT, "transfers that the client broke off", |o| behind(o, Count::ClientAborts)),
    field("srv_abrt", COUNT, "transfers that the server broke off", |o| behind(o, Count::ServerAborts)),
    field("comp_in", COUNT, "bytes of responses before they were compressed", |o| of_compression(o, Count::CompressedIn)),
    field("comp_out", COUNT, "the same afterwards", |o| of_compression(o, Count::CompressedOut)),
    field("comp_byp", COUNT, "bytes that were not compressed for want of room", |o| of_compression(o, Count::CompressionBypassed)),
    field("comp_rsp", COUNT, "responses that were compressed", |o| of_compression(o, Count::CompressedResponses)),
    field("lastsess", AGE, "seconds since the last session", |o| back(o).then(|| o.last_chosen.map_or(Typed::S32(-1), |s| Typed::S32(i32::try_from(s).unwrap_or(i32::MAX))))),
    field("last_chk", OUTPUT, "what the last check got", |o| current(o)?.finding.info.as_deref().map(Typed::text)),
    field("last_agt", OUTPUT, "what the agent said last", |o| agent(o, |_, last| last?.finding.info.as_deref().map(Typed::text))),
    field("qtime", AVERAGE, "milliseconds in the queue, on average of the last 1024 of each worker", |o| took(o, Stage::Queue).map(|(average, _)| Typed::u32(average))),
    field("ctime", AVERAGE, "milliseconds until the server's connection was there, on average of the last 1024 of each worker", |o| took(o, Stage::Connect).map(|(average, _)| Typed::u32(average))),
    field("rtime", AVERAGE, "milliseconds until the server's response began, on average of the last 1024 of each worker", |o| took(o, Stage::Response).map(|(average, _)| Typed::u32(average))),
    field("ttime", AVERAGE, "milliseconds in all, on average of the last 1024 of each worker", |o| took(o, Stage::Total).map(|(average, _)| Typed::u32(average))),
    field("agent_status", OUTPUT, "how asking the agent ended", |o| agent(o, |server, last| Some(ended(answered(last), server.is_asking)))),
    empty("agent_code", OUTPUT),
    field("agent_duration", DURATION, "how long that took, in ms", |o| agent(o, |_, last| Some(Typed::U64(last.map_or(0, |last| u64::try_from(last.took.as_millis()).unwrap_or(u64::MAX)))))),
    field("check_desc", OUTPUT, "how the last check ended, in words", |o| checked(o, |last| Typed::text(last.finding.status.description()))),
    field("agent_desc", OUTPUT, "how asking the agent ended, in words", |o| agent(o, |_, last| Some(Typed::text(answered(last).description())))),
    field("check_rise", CONFIG, "checks that bring it up", |o| o.pace.map(|(rise, _)| Typed::U32(rise))),
    field("check_fall", CONFIG, "checks that bring it down", |o| o.pace.map(|(_, fall)| Typed::U32(fall))),
    field("check_health", CONFIG, "how far its checks are: up to `check_rise` it is down", |o| o.server.as_ref()?.health.map(Typed::U32)),
    field("agent_rise", CONFIG, "answers that bring it up, which is always 1", |o| agent(o, |_, _| Some(Typed::U32(1)))),
    field("agent_fall", CONFIG, "answers that bring it down, which is always 1", |o| agent(o, |_, _| Some(Typed::U32(1)))),
    field("agent_health", CONFIG, "0 where it says that the server is down, else 1", |o| agent(o, |server, _| Some(Typed::U32((!server.is_agent_down).into())))),
    field("addr", CONFIG, "the address", |o| o.address.as_deref().map(Typed::text)),
    field("cookie", CONFIG, "the cookie's name, or the server's value of it", |o| o.cookie.as_deref().map(Typed::text)),
    field("mode", CONFIG, "`http` or `tcp`", |o| Some(Typed::text(if o.http { "http" } else { "tcp" }))),
    field("algo", CONFIG, "how servers are chosen", |o| o.algorithm.map(Typed::text)),
    field("conn_rate", RATE, "connections in the last second", |o| front(o).then(|| Typed::u32(o.totals.per_second))),
    field("conn_rate_max", MAX, "most connections of a second; the workers' own maxima added up", |o| front(o).then(|| Typed::u32(o.totals.per_second_max))),
    field("conn_tot", COUNT, "connections so far", |o| front(o).then_some(Typed::U64(o.totals.total))),
    field("intercepted", COUNT, "requests that it answered by itself", |o| only(o, Kind::Frontend, Count::Intercepted)),
    field("dcon", COUNT, "connections that `tcp-request connection` refused", |o| (!back(o)).then(|| Typed::U64(o.totals.of(Count::DeniedConnections)))),
    field("dses", COUNT, "connections that `tcp-request session` refused", |o| (!back(o)).then(|| Typed::U64(o.totals.of(Count::DeniedSessions)))),
    field("wrew", COUNT, "rewrites of heads that failed", |o| count(o, Count::FailedRewrites)),
    field("connect", COUNT, "how often a connection was sought", |o| behind(o, Count::Connects)),
    field("reuse", COUNT, "requests that went over a connection that was there", |o| behind(o, Count::Reuses)),
    field("cache_lookups", COUNT, "requests that a cache was asked for", |o| of_caches(o, Count::CacheLookups)),
    field("cache_hits", COUNT, "requests that a cache answered", |o| of_caches(o, Count::CacheHits)),
    field("srv_icur", GAUGE, "idle connections", |o| o.idle.map(Typed::U32)),
    field("src_ilim", LIMIT, "limit of idle connections", |o| o.idle_limit.map(Typed::u32)),
    field("qtime_max", MAX, "most milliseconds in the queue", |o| took(o, Stage::Queue).map(|(_, longest)| Typed::U32(longest))),
    field("ctime_max", MAX, "most milliseconds until the server's connection was there", |o| took(o, Stage::Connect).map(|(_, longest)| Typed::U32(longest))),
    field("rtime_max", MAX, "most milliseconds until the server's response began", |o| took(o, Stage::Response).map(|(_, longest)| Typed::U32(longest))),
    field("ttime_max", MAX, "most milliseconds in all", |o| took(o, Stage::Total).map(|(_, longest)| Typed::U32(longest))),
    field("eint", COUNT, "requests and streams that broke off for a reason of our own", |o| count(o, Count::InternalErrors)),
    field("idle_conn_cur", GAUGE, "idle connections that only a later request of a session may use, of which there are none", |o| o.idle.map(|_| Typed::U32(0))),
    field("safe_conn_cur", GAUGE, "idle connections", |o| o.idle.map(Typed::U32)),
    field("used_conn_cur", GAUGE, "connections in use", |o| only_server(o).then_some(Typed::u32(o.totals.current))),
    field("need_conn_est", GAUGE, "connections that are needed", |o| only_server(o).then_some(Typed::u32(o.totals.current_max))),
    field("uweight", AVERAGE, "the weight that was set", |o| o.first_weight.map(Typed::U32)),
    field("agg_server_status", GAUGE, "HAProxy has a figure here for its exporter alone; 0", zero_of_backend),
    field("agg_server_check_status", GAUGE, "HAProxy has a figure here for its exporter alone; 0", zero_of_backend),
    field("agg_check_status", GAUGE, "HAProxy has a figure here for its exporter alone; 0", zero_of_backend),
    empty("srid", CONFIG),
    field("sess_other", COUNT, "sessions that are not HTTP", |o| front(o).then_some(Typed::U64(if o.http { 0 } else { o.totals.total }))),
    field("h1_sess", COUNT, "sessions of HTTP/1", |o| front(o).then(|| Typed::U64(of_http1(o, o.totals.total, Count::Http2Sessions)))),
    field("h2_sess", COUNT, "sessions of HTTP/2", |o| only(o, Kind::Frontend, Count::Http2Sessions)),
    field("h3_sess", COUNT, "sessions of HTTP/3, of which there are none", |o| front(o).then_some(Typed::U64(0))),
    field("req_other", COUNT, "streams that are not HTTP", |o| front(o).then_some(Typed::U64(if o.http { 0 } else { o.totals.total }))),
    field("h1req", COUNT, "requests by HTTP/1", |o| front(o).then(|| Typed::U64(of_http1(o, o.totals.of(Count::Requests), Count::Http2Requests)))),
    field("h2req", COUNT, "requests by HTTP/2", |o| only(o, Kind::Frontend, Count::Http2Requests)),
    field("h3req", COUNT, "requests by HTTP/3, of which there are none", |o| front(o).then_some(Typed::U64(0))),
    empty("proto", CONFIG),
    empty("priv_idle_cur", GAUGE),
    field("reqbin", COUNT, "bytes of requests received", |o| (!back(o)).then(|| Typed::U64(o.totals.of(Count::BytesIn)))),
    field("reqbout", COUNT, "bytes of requests sent", |o| behind(o, Count::BytesIn)),
    field("resbin", COUNT, "bytes of responses received", |o| behind(o, Count::BytesOut)),
    field("resbout", COUNT, "bytes of responses sent", |o| (!back(o)).then(|| Typed::U64(o.totals.of(Count::BytesOut)))),
    field("cache_hint_hits", COUNT, "requests whose early hints a cache had", |o| of_caches(o, Count::CacheHintHits)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_where_the_manual_has_them() {
        for (position, name) in [
            (0, "pxname"),
            (17, "status"),
            (32, "type"),
            (55, "lastsess"),
            (73, "addr"),
            (88, "srv_icur"),
            (99, "uweight"),
            (112, "proto"),
            (118, "cache_hint_hits"),
        ] {
            assert_eq!(FIELDS[position].name, name);
        }
        assert_eq!(FIELDS.len(), 119);
    }
}
