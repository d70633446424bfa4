//! Commands about servers: their state, weight, address and limits.

mod changes;

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use tidegate_config::model::AccessLevel;
use tidegate_proxy::check::health;
use tidegate_proxy::check::status::Status;
use tidegate_proxy::spec::{BackendSpec, ServerAddress, ServerSpec};
use tidegate_proxy::{AdminState, BackendState, Operational, Plane, ServerState};

use crate::runtime::command::{Answer, Call, Command, Refusal, Severity, served};
use crate::runtime::find;

use AccessLevel::{Admin, User};

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    served("show backend", "", User, "list the backends", backends),
    served("show servers state", "[<backend>]", User, "the state of servers", states),
    served("show servers conn", "[<backend>]", User, "the connections to servers, in use and idle", connections),
    served("get weight", "<backend>/<server>", User, "the weight of a server, now and at first", weight),
    served("set weight", "<backend>/<server> <weight>[%]", Admin, "set the weight of a server", |call| {
        let plane = call.plane()?;
        let server = server(&plane, call)?;
        set_weight(&server, call.text(1))
    }),
    served("set server", "<backend>/<server> {addr | agent | agent-addr | agent-port | agent-send | check-addr | check-port | fqdn | health | name | ssl | state | weight} ...", Admin, "change a server", set),
    served("set maxconn server", "<backend>/<server> <number>", Admin, "set how much a server takes at a time", maxconn),
    served("enable server", "<backend>/<server>", Admin, "put a server into service", |call| admin(call, AdminState::Ready)),
    served("enable health", "<backend>/<server>", Admin, "let a server be checked", |call| enable_health(call, true)),
    served("disable health", "<backend>/<server>", Admin, "let a server not be checked", |call| enable_health(call, false)),
    served("enable agent", "<backend>/<server>", Admin, "let a server's agent be asked", |call| enable_agent(call, true)),
    served("disable agent", "<backend>/<server>", Admin, "let a server's agent not be asked", |call| enable_agent(call, false)),
    served("disable server", "<backend>/<server>", Admin, "take a server out of service", |call| admin(call, AdminState::Maint)),
];

/// The server that the first argument names.
fn server(plane: &Plane, call: &Call<'_>) -> Result<Arc<ServerState>, Refusal> {
    find::server(plane, call.text(0)).map(|(_, server)| server)
}

fn backends(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let mut text = String::from("# name\n");
    for (backend, _) in call.plane()?.backends() {
        text.push_str(&backend.name);
        text.push('\n');
    }
    Ok(text.into())
}

/// The servers of all backends, or of the one that the first argument names.
fn each(
    call: &Call<'_>,
    mut show: impl FnMut(&Plane, &BackendSpec, &ServerSpec, &ServerState),
) -> Result<(), Refusal> {
    let plane = call.plane()?;
    let wanted = match call.text(0) {
        Some(name) => Some(find::backend(&plane, &name)?.id()),
        None => None,
    };
    for (backend, state) in plane.backends() {
        if wanted.is_none_or(|id| id == backend.id) {
            for server in state.servers().iter() {
                show(&plane, backend, &server.spec(), server);
            }
        }
    }
    Ok(())
}

fn states(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let mut text = String::from(
        "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight \
         srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state \
         bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr \
         srv_agent_addr srv_agent_port\n",
    );
    each(call, |_, backend, spec, server| {
        let (mut address, port) = place(&server.address());
        if server.admin().is_unresolved() && address == "0.0.0.0" {
            // It never had one.
            address = "-".to_owned();
        }
        let _ = writeln!(
            text,
            "{} {} {} {} {address} {} {} {} {} {} {} {} {} {} {port} - {} {} {} {} {}",
            backend.id,
            backend.name,
            server.id(),
            server.name(),
            // What is out of service is down.
            if server.admin().is_maint() {
                0
            } else {
                server.operational() as u8
            },
            admin_column(spec, server),
            server.weight(),
            server.initial_weight(),
            server.since_change(Instant::now()).as_secs(),
            check_columns(spec, server),
            u8::from(backend.has_own_id),
            u8::from(spec.has_own_id),
            spec.name_of_address
                .as_ref()
                .map(|name| name.name.as_str())
                .or(spec.host.as_deref())
                .unwrap_or("-"),
            match (&spec.tls, spec.refuses_tls) {
                (Some(_), _) => "1",
                (None, true) => "-1",
                (None, false) => "0",
            },
            spec.check.as_ref().and_then(|check| check.port).unwrap_or(0),
            or_dash(spec.check.as_ref().and_then(|check| check.address)),
            or_dash(spec.agent.as_ref().and_then(|agent| agent.address)),
            spec.agent.as_ref().map_or(0, |agent| agent.port),
        );
    })?;
    Ok(text.into())
}

fn admin_column(spec: &ServerSpec, server: &ServerState) -> u8 {
    /// The name was set by an operator.
    const NAMED: u8 = 0x40;
    server.admin().bits() | if spec.is_named_by_operator { NAMED } else { 0 }
}

fn or_dash(address: Option<IpAddr>) -> String {
    address.map_or_else(|| "-".to_owned(), |address| address.to_string())
}

fn connections(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let threads = call.plane()?.global().threads;
    let mut text = format!(
        "# bkname/svname bkid/svid addr port - purge_delay served used_cur used_max need_est idle_sess unsafe_nb safe_nb \
         idle_lim idle_cur idle_per_thr[{threads}]\n"
    );
    each(call, |plane, backend, spec, server| {
        let (address, port) = place(&server.address());
        let totals = plane.server_totals(server);
        let (used, most) = (totals.current, totals.current_max);
        let idle = plane.idle_connections(server);
        let limit = spec
            .pool_max
            .map_or(String::from("-1"), |limit| limit.to_string());
        let per_thread: Vec<String> = idle.iter().map(ToString::to_string).collect();
        let _ = writeln!(
            text,
            "{}/{} {}/{} {address} {port} - {} {used} {used} {most} {most} 0 0 {all} {limit} {all} {}",
            backend.name,
            server.name(),
            backend.id,
            server.id(),
            spec.pool_purge_delay.as_millis(),
            per_thread.join(" "),
            all = idle.iter().sum::<u32>(),
        );
    })?;
    Ok(text.into())
}

/// `srv_check_status` to `srv_agent_state`, with HAProxy's numbers.
fn check_columns(spec: &ServerSpec, server: &ServerState) -> String {
    const CONFIGURED: u8 = 2;
    const ENABLED: u8 = 4;
    const PAUSED: u8 = 8;
    const AGENT: u8 = 16;
    let paused = if server.admin().is_maint() { PAUSED } else { 0 };
    let enabled = |enabled| if enabled { ENABLED } else { 0 };
    let checks = server.checks();
    let agent = match spec.agent {
        Some(_) => AGENT | CONFIGURED | enabled(checks.is_agent_enabled()),
        None => 0,
    };
    let Some(check) = &spec.check else {
        let (health, state) = match (spec.disabled, server.admin().is_maint()) {
            // It began so, and that stays to be seen.
            (true, _) => (0, PAUSED),
            (false, true) => (0, 0),
            (false, false) => (unchecked(spec, server, spec.rise), 0),
        };
        return format!("1 0 {health} {state} {agent}");
    };
    let state = CONFIGURED | enabled(checks.is_enabled()) | paused;
    let Some(last) = checks.last() else {
        return format!("1 0 {} {state} {agent}", unchecked(spec, server, check.pace.rise));
    };
    let result = match last.finding.status.result() {
        health::Result::Failed => 2,
        health::Result::Passed => 3,
        health::Result::Conditional => 4,
    };
    let health = last.level(check.pace.rise);
    let number = number_of(last.finding.status);
    format!("{number} {result} {health} {state} {agent}")
}

/// How far the checks of a server are that were none yet: where they were before a reload.
fn unchecked(spec: &ServerSpec, server: &ServerState, rise: u32) -> u32 {
    match &spec.saved {
        Some(saved) => saved.health,
        None if server.is_dynamic() => 0,
        None => rise,
    }
}

/// HAProxy's number for how a check ended.
fn number_of(status: Status) -> u8 {
    match status {
        Status::Unknown => 0,
        Status::Initial => 1,
        Status::Observed => 4,
        Status::SocketError => 5,
        Status::L4Ok => 6,
        Status::L4Timeout => 7,
        Status::L4Connection => 8,
        Status::L6Ok => 9,
        Status::L6Timeout => 10,
        Status::L6Response => 11,
        Status::L7Timeout => 12,
        Status::L7Response => 13,
        Status::L7Ok => 15,
        Status::L7OkConditional => 16,
        Status::L7Status => 17,
        Status::ProcessError => 18,
        Status::ProcessTimeout => 19,
        Status::ProcessOk => 20,
    }
}

/// An address and a port as they are listed.
fn place(address: &ServerAddress) -> (String, u16) {
    match address {
        ServerAddress::Tcp(address) => (address.ip().to_string(), address.port()),
        ServerAddress::Unix(path) => (format!("unix@{}", path.display()), 0),
        ServerAddress::Abstract(name) => (format!("abns@{}", String::from_utf8_lossy(name)), 0),
    }
}

fn weight(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let server = server(&call.plane()?, call)?;
    Ok(format!("{} (initial {})", server.weight(), server.initial_weight()).into())
}

fn set_weight(server: &ServerState, text: Option<String>) -> Result<Answer, Refusal> {
    let set = server.change_weight(&text.unwrap_or_default(), Instant::now());
    set.map(|()| Answer::Done).map_err(Refusal::error)
}

fn admin(call: &mut Call<'_>, state: AdminState) -> Result<Answer, Refusal> {
    server(&call.plane()?, call)?.set_admin(state, Instant::now());
    Ok(Answer::Done)
}

fn maxconn(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let server = server(&call.plane()?, call)?;
    let limit = call.text(1).unwrap_or_default();
    server.change_maxconn(&limit).map_err(Refusal::error)?;
    Ok(Answer::Done)
}

/// Changes a server. The backend is the server's own.
pub(super) type Change = fn(&Subject<'_>, &Call<'_>) -> Result<Answer, Refusal>;

/// A server that is to be changed.
pub(super) struct Subject<'p> {
    pub(super) plane: &'p Plane,
    pub(super) backend: &'p Arc<BackendState>,
    pub(super) server: Arc<ServerState>,
}

/// What `set server` can change, by HAProxy's words.
const CHANGES: &[(&str, Change)] = &[
    ("addr", |of, call| set_address(&of.server, call)),
    ("agent", changes::agent),
    ("agent-addr", changes::agent_address),
    ("agent-port", changes::agent_port),
    ("agent-send", changes::agent_send),
    ("check-addr", changes::check_address),
    ("check-port", changes::check_port),
    ("fqdn", changes::name_of_address),
    ("health", |of, call| set_health(&of.server, call)),
    ("name", changes::name),
    ("ssl", changes::tls),
    ("state", |of, call| set_state(&of.server, call)),
    ("weight", |of, call| set_weight(&of.server, call.text(2))),
];

fn set(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let plane = call.plane()?;
    let (backend, server) = find::server(&plane, call.text(0))?;
    let of = Subject {
        plane: &plane,
        backend,
        server,
    };
    let what = call.text(1).unwrap_or_default();
    match CHANGES.iter().find(|(name, _)| *name == what) {
        Some((_, change)) => change(&of, call),
        None => {
            let served: Vec<&str> = CHANGES.iter().map(|(name, _)| *name).collect();
            Err(Refusal::error(format!(
                "usage: set server <backend>/<server> {}",
                served.join(" | ")
            )))
        }
    }
}

fn set_state(server: &ServerState, call: &Call<'_>) -> Result<Answer, Refusal> {
    let state = match call.text(2).as_deref() {
        Some("ready") => AdminState::Ready,
        Some("drain") => AdminState::Drain,
        Some("maint") => AdminState::Maint,
        _ => {
            return Err(Refusal::error(
                "'set server <srv> state' expects 'ready', 'drain' and 'maint'.",
            ));
        }
    };
    server.set_admin(state, Instant::now());
    Ok(Answer::Done)
}

fn set_health(server: &ServerState, call: &Call<'_>) -> Result<Answer, Refusal> {
    if server.spec().track.is_some() {
        return Err(Refusal::error("cannot change health on a tracking server."));
    }
    let health = match call.text(2).as_deref() {
        Some("up") => Operational::Running,
        Some("stopping") => Operational::Stopping,
        Some("down") => Operational::Stopped,
        _ => {
            return Err(Refusal::error(
                "'set server <srv> health' expects 'up', 'stopping', or 'down'.",
            ));
        }
    };
    server.change_health(health, "changed from CLI", Instant::now());
    Ok(Answer::Done)
}

fn enable_health(call: &mut Call<'_>, enabled: bool) -> Result<Answer, Refusal> {
    let server = server(&call.plane()?, call)?;
    if server.spec().check.is_none() && enabled {
        let why = "Health check was not configured on this server, cannot enable.";
        return Err(Refusal::error(why));
    }
    server.checks().enable(enabled);
    Ok(Answer::Done)
}

fn enable_agent(call: &mut Call<'_>, enabled: bool) -> Result<Answer, Refusal> {
    let server = server(&call.plane()?, call)?;
    if server.spec().agent.is_none() && enabled {
        let why = "Agent was not configured on this server, cannot enable.";
        return Err(Refusal::error(why));
    }
    server.checks().enable_agent(enabled);
    Ok(Answer::Done)
}

/// `addr <ip> [port <port>]`
fn set_address(server: &ServerState, call: &Call<'_>) -> Result<Answer, Refusal> {
    let wanted = call
        .text(2)
        .ok_or_else(|| Refusal::error("`set server ... addr` needs an address, and may have a port."))?;
    let port = match (call.text(3).as_deref(), call.text(4)) {
        (None, _) => None,
        (Some("port"), Some(port)) => Some(port),
        (Some("port"), None) => return Err(Refusal::error("The port is missing.")),
        (Some(other), _) => return Err(Refusal::error(format!("`{other}` is not `port`."))),
    };
    let done = server.change_address(&wanted, port.as_deref(), "stats socket command");
    let text = done.map_err(Refusal::error)?;
    Ok(Answer::Message(Severity::Info, text))
}
