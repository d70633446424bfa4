//! The events of servers.

use std::sync::Arc;

use mlua::{Function, Lua, Result, Table, Value};
use tidegate_exec::function;
use tidegate_proxy::check::health;
use tidegate_proxy::{Admin, CheckNews, Operational, ServerChange, ServerNews};

use super::World;
use crate::arg::error;
use crate::env::Env;
use crate::event::{self, Data, Event, Subscription};
use crate::row::{Row, row};
use crate::state::State;

/// The types of events, by the documentation's names.
const TYPES: [&str; 7] = [
    "SERVER_ADD",
    "SERVER_DEL",
    "SERVER_DOWN",
    "SERVER_UP",
    "SERVER_STATE",
    "SERVER_ADMIN",
    "SERVER_CHECK",
];

pub(crate) const CORE_ROWS: &[Row] = &[row(
    "event_sub(event_types, func)",
    "calls `func(event, data, sub, when)` for each event of these types of any server, one after the other",
    |lua, name, env| {
        let env = Arc::clone(env);
        function(lua, name, move |lua, (types, function): (Table, Function)| {
            subscribe(lua, &env, &types, function, None)
        })
    },
)];

/// Subscribes to the events of all servers, or of the one of a backend's and its own number.
pub(super) fn subscribe(
    lua: &Lua,
    env: &Arc<Env>,
    types: &Table,
    function: Function,
    of: Option<(u32, usize)>,
) -> Result<Value> {
    let wanted = event::wanted("event_sub", types, "SERVER", &TYPES)?;
    let world = env.settings.world.clone();
    let Some(listeners) = world.plane().map(|plane| plane.server_news()) else {
        return match of {
            // The configuration is not complete: what is asked for is done once it is.
            None => {
                let filter = Filter { wanted, of };
                event::subscribe(lua, env, function, |subscription| {
                    env.registry()
                        .server_events
                        .push((Arc::clone(subscription), filter));
                })
            }
            Some(_) => Err(error("event_sub", "the servers are not known yet")),
        };
    };
    let filter = Filter { wanted, of };
    event::subscribe(lua, env, function, |subscription| {
        if let Some(listeners) = listeners {
            listen(&listeners, subscription, filter);
        }
    })
}

/// Which events a subscription is for.
pub(crate) struct Filter {
    wanted: Vec<&'static str>,
    of: Option<(u32, usize)>,
}

/// Lets the subscriptions hear that were made before servers were known.
pub(crate) fn open(env: &Env) {
    let pending = std::mem::take(&mut env.registry().server_events);
    let listeners = env.settings.world.plane().and_then(|plane| plane.server_news());
    if let Some(listeners) = listeners {
        for (subscription, filter) in pending {
            listen(&listeners, &subscription, filter);
        }
    }
}

fn listen(
    listeners: &tidegate_sample::Listeners<ServerNews>,
    subscription: &Arc<Subscription>,
    filter: Filter,
) {
    let subscription = Arc::downgrade(subscription);
    listeners.add(move |news| {
        let Some(subscription) = subscription.upgrade() else {
            return false;
        };
        if filter.of.is_some_and(|of| of != (news.backend_id, news.number)) {
            return true;
        }
        let mut goes_on = true;
        for name in names(&news.what).into_iter().flatten() {
            if filter.wanted.contains(&name) {
                goes_on = subscription.hear(Event {
                    name,
                    at: news.at,
                    data: Some(Arc::new(ServerData {
                        name,
                        news: news.clone(),
                    })),
                });
            }
        }
        goes_on
    });
}

/// The events that a change of a server is.
fn names(change: &ServerChange) -> [Option<&'static str>; 2] {
    let down = |state: &Operational| *state == Operational::Stopped;
    match change {
        ServerChange::Added => [Some("SERVER_ADD"), None],
        ServerChange::Removed => [Some("SERVER_DEL"), None],
        ServerChange::Admin { .. } => [Some("SERVER_ADMIN"), None],
        ServerChange::Check(_) => [Some("SERVER_CHECK"), None],
        ServerChange::State { new, .. } if down(new) => [Some("SERVER_STATE"), Some("SERVER_DOWN")],
        ServerChange::State { old, .. } if down(old) => [Some("SERVER_STATE"), Some("SERVER_UP")],
        ServerChange::State { .. } => [Some("SERVER_STATE"), None],
    }
}

/// What functions are told of an event of a server.
struct ServerData {
    name: &'static str,
    news: ServerNews,
}

impl Data for ServerData {
    fn to_lua(&self, lua: &Lua, state: &State) -> Result<Value> {
        let news = &self.news;
        let data = lua.create_table()?;
        data.raw_set("name", news.server.as_str())?;
        data.raw_set("puid", news.server_id)?;
        data.raw_set("rid", news.revision)?;
        data.raw_set("proxy_name", news.backend.as_str())?;
        data.raw_set("proxy_uuid", news.backend_id)?;
        if let Some((backend, server)) = place(&state.env.settings.world, news) {
            data.raw_set("reference", state.classes.plane.server(backend, server))?;
        }
        match (&news.what, self.name) {
            (
                ServerChange::State {
                    old,
                    new,
                    admin,
                    check,
                    cause,
                    requeued,
                },
                "SERVER_STATE",
            ) => {
                let table = lua.create_table()?;
                table.raw_set("admin", *admin)?;
                if let Some(check) = check.as_ref().filter(|_| !*admin) {
                    table.raw_set("check", check_table(lua, check)?)?;
                }
                table.raw_set("cause", cause.as_str())?;
                table.raw_set("new_state", state_name(*new))?;
                table.raw_set("old_state", state_name(*old))?;
                table.raw_set("requeued", *requeued)?;
                data.raw_set("state", table)?;
            }
            (ServerChange::Admin { old, new, requeued }, _) => {
                let table = lua.create_table()?;
                table.raw_set("cause", "")?;
                table.raw_set("new_admin", lua.create_sequence_from(admin_names(*new))?)?;
                table.raw_set("old_admin", lua.create_sequence_from(admin_names(*old))?)?;
                table.raw_set("requeued", *requeued)?;
                data.raw_set("admin", table)?;
            }
            (ServerChange::Check(check), _) => data.raw_set("check", check_table(lua, check)?)?,
            (ServerChange::State { .. } | ServerChange::Added | ServerChange::Removed, _) => {}
        }
        Ok(Value::Table(data))
    }
}

fn place(world: &World, news: &ServerNews) -> Option<(usize, usize)> {
    let plane = world.plane()?;
    let mut backends = plane.placed_backends();
    let (backend, state) = backends.find(|(_, state)| state.id() == news.backend_id)?;
    let server = state.servers().numbered(news.number)?.number();
    Some((backend, server))
}

fn state_name(state: Operational) -> &'static str {
    match state {
        Operational::Stopped => "STOPPED",
        Operational::Starting => "STARTING",
        Operational::Running => "RUNNING",
        Operational::Stopping => "STOPPING",
    }
}

fn admin_names(admin: Admin) -> Vec<&'static str> {
    let reasons = [
        (Admin::FORCED_MAINT, "FMAINT"),
        (Admin::INHERITED_MAINT, "IMAINT"),
        (Admin::RESOLUTION_MAINT, "RMAINT"),
        (Admin::CONFIG_MAINT, "CMAINT"),
        (Admin::FORCED_DRAIN, "FDRAIN"),
        (Admin::INHERITED_DRAIN, "IDRAIN"),
    ];
    let mut names = Vec::new();
    if admin.is_maint() {
        names.push("MAINT");
    }
    if admin.has(Admin::FORCED_DRAIN) || admin.has(Admin::INHERITED_DRAIN) {
        names.push("DRAIN");
    }
    names.extend(
        reasons
            .into_iter()
            .filter(|(reason, _)| admin.has(*reason))
            .map(|(_, name)| name),
    );
    names
}

fn check_table(lua: &Lua, check: &CheckNews) -> Result<Table> {
    let table = lua.create_table()?;
    let status = check.finding.status;
    table.raw_set(
        "result",
        match status.result() {
            health::Result::Failed => "FAILED",
            health::Result::Passed => "PASSED",
            health::Result::Conditional => "CONDPASS",
        },
    )?;
    table.raw_set("agent", check.agent)?;
    table.raw_set(
        "duration",
        u64::try_from(check.took.as_millis()).unwrap_or(u64::MAX),
    )?;
    let reason = lua.create_table()?;
    reason.raw_set("short", status.code())?;
    reason.raw_set("desc", status.description())?;
    if let Some(code) = check.finding.code {
        reason.raw_set("code", code)?;
    }
    table.raw_set("reason", reason)?;
    let health = lua.create_table()?;
    health.raw_set("cur", check.health)?;
    health.raw_set("rise", check.rise)?;
    health.raw_set("fall", check.fall)?;
    table.raw_set("health", health)?;
    Ok(table)
}
