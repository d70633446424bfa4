//! The Server class: what is known of a server, and what can be changed while it serves.

use std::sync::Arc;
use std::time::Instant;

use mlua::{Function, IntoLuaMulti, Lua, Result, Table};
use tidegate_exec::{Chars, Member, ObjectClass, Scalar, Standing, This, function};
use tidegate_proxy::spec::ServerAddress;
use tidegate_proxy::{AdminState, Operational, Plane};

use super::{Found, Of, PlaneClasses, ServerRef, found, plane_for};
use crate::arg::message;
use crate::env::Env;
use crate::row::{Row, methods, row};

/// Who changes servers, as messages tell it.
const BY: &str = "Lua script";

pub(super) const ROWS: &[Row] = &[
    row("get_name(sv)", "the name", |lua, name, env| {
        about(lua, name, env, |_, server| server.state.name().to_owned())
    }),
    row(
        "get_puid(sv)",
        "the number in its backend, as a text",
        |lua, name, env| about(lua, name, env, |_, server| server.state.id().to_string()),
    ),
    row(
        "get_rid(sv)",
        "the number of its revision: how often servers had been removed before others were added, until it was",
        |lua, name, env| about(lua, name, env, |_, server| server.state.revision()),
    ),
    row(
        "is_draining(sv)",
        "whether it takes no sessions but those that belong to it",
        |lua, name, env| about(lua, name, env, |_, server| server.state.admin().is_drain()),
    ),
    row(
        "is_backup(sv)",
        "whether it is used only when no other can be",
        |lua, name, env| about(lua, name, env, |_, server| server.state.is_backup()),
    ),
    row(
        "is_dynamic(sv)",
        "whether it was added while the process runs",
        |lua, name, env| about(lua, name, env, |_, server| server.state.is_dynamic()),
    ),
    row(
        "get_cur_sess(sv)",
        "sessions that it serves now",
        |lua, name, env| about(lua, name, env, |_, server| server.state.connections()),
    ),
    row(
        "get_pend_conn(sv)",
        "sessions that wait for it",
        |lua, name, env| about(lua, name, env, |_, server| server.state.queued()),
    ),
    row(
        "set_maxconn(sv, maxconn)",
        "sets how much it takes at a time; what is wrong, or nil",
        |lua, name, env| {
            let env = Arc::clone(env);
            function(lua, name, move |_, (this, limit): (This<ServerRef>, Chars)| {
                let plane = plane_for(&env, ServerRef::NAME)?;
                Ok(found(&plane, *this)?.state.change_maxconn(&message(&limit)).err())
            })
        },
    ),
    row(
        "get_maxconn(sv)",
        "how much it takes at a time; 0 for no limit",
        |lua, name, env| about(lua, name, env, |_, server| server.state.maxconn()),
    ),
    row(
        "set_weight(sv, weight)",
        "sets the weight: a number, or a percentage of the first one; what is wrong, or nil",
        |lua, name, env| {
            let env = Arc::clone(env);
            function(lua, name, move |_, (this, weight): (This<ServerRef>, Chars)| {
                let plane = plane_for(&env, ServerRef::NAME)?;
                let state = found(&plane, *this)?.state;
                Ok(state.change_weight(&message(&weight), Instant::now()).err())
            })
        },
    ),
    row("get_weight(sv)", "the weight that was set", |lua, name, env| {
        about(lua, name, env, |_, server| server.state.weight())
    }),
    row(
        "set_addr(sv, addr[, port])",
        "moves it to another address; what was changed, or what is wrong",
        |lua, name, env| {
            let env = Arc::clone(env);
            function(
                lua,
                name,
                move |_, (this, address, port): (This<ServerRef>, Chars, Option<Chars>)| {
                    let plane = plane_for(&env, ServerRef::NAME)?;
                    let state = found(&plane, *this)?.state;
                    let port = port.map(|port| message(&port));
                    let done = state.change_address(&message(&address), port.as_deref(), BY);
                    Ok(done.unwrap_or_else(|why| why))
                },
            )
        },
    ),
    row("get_addr(sv)", "the address with its port", |lua, name, env| {
        about(lua, name, env, |_, server| match server.state.address() {
            // As HAProxy writes them: without brackets.
            ServerAddress::Tcp(address) => format!("{}:{}", address.ip(), address.port()),
            ServerAddress::Unix(path) => path.display().to_string(),
            ServerAddress::Abstract(name) => format!("abns@{}", String::from_utf8_lossy(&name)),
        })
    }),
    row(
        "get_stats(sv)",
        "the figures of `show stat` by their names",
        |lua, name, env| {
            let env = Arc::clone(env);
            function(lua, name, move |lua, this: This<ServerRef>| {
                let plane = plane_for(&env, ServerRef::NAME)?;
                let backend = &found(&plane, *this)?.backend.name;
                env.settings
                    .world
                    .stats(lua, &plane, Of::Server(backend, this.server))
            })
        },
    ),
    row("get_proxy(sv)", "its Proxy", |lua, name, env| {
        let env = Arc::clone(env);
        function(lua, name, move |lua, this: This<ServerRef>| {
            found(&plane_for(&env, ServerRef::NAME)?, *this)?;
            let makers: Table = lua.named_registry_value(MAKERS)?;
            match env.settings.world.proxy_of(this.backend) {
                Some(proxy) => makers.raw_get::<Function>("proxy")?.call::<mlua::Value>(proxy),
                None => Ok(mlua::Value::Nil),
            }
        })
    }),
    row(
        "shut_sess(sv)",
        "ends all sessions that it serves",
        |lua, name, env| {
            about(lua, name, env, |plane, server| {
                plane.end_sessions_at(&server.backend.name, &server.state.name());
            })
        },
    ),
    row(
        "set_drain(sv)",
        "lets it take no sessions but those that belong to it",
        |lua, name, env| {
            about(lua, name, env, |_, server| {
                server.state.set_admin(AdminState::Drain, Instant::now());
            })
        },
    ),
    row("set_maint(sv)", "takes it out of service", |lua, name, env| {
        about(lua, name, env, |_, server| {
            server.state.set_admin(AdminState::Maint, Instant::now());
        })
    }),
    row("set_ready(sv)", "puts it into service", |lua, name, env| {
        about(lua, name, env, |_, server| {
            server.state.set_admin(AdminState::Ready, Instant::now());
        })
    }),
    row(
        "check_enable(sv)",
        "lets it be checked, if it has checks",
        |lua, name, env| {
            about(lua, name, env, |_, server| {
                if server.spec.check.is_some() {
                    server.state.checks().enable(true);
                }
            })
        },
    ),
    row("check_disable(sv)", "lets it not be checked", |lua, name, env| {
        about(lua, name, env, |_, server| {
            if server.spec.check.is_some() {
                server.state.checks().enable(false);
            }
        })
    }),
    row(
        "check_force_up(sv)",
        "takes it for up until checks say otherwise",
        |lua, name, env| about(lua, name, env, |_, server| health(server, Operational::Running)),
    ),
    row(
        "check_force_nolb(sv)",
        "takes it for one that stops softly until checks say otherwise",
        |lua, name, env| about(lua, name, env, |_, server| health(server, Operational::Stopping)),
    ),
    row(
        "check_force_down(sv)",
        "takes it for down until checks say otherwise",
        |lua, name, env| about(lua, name, env, |_, server| health(server, Operational::Stopped)),
    ),
    row(
        "agent_enable(sv)",
        "lets its agent be asked, if it has one",
        |lua, name, env| {
            about(lua, name, env, |_, server| {
                if server.spec.agent.is_some() {
                    server.state.checks().enable_agent(true);
                }
            })
        },
    ),
    row(
        "agent_disable(sv)",
        "lets its agent not be asked",
        |lua, name, env| {
            about(lua, name, env, |_, server| {
                if server.spec.agent.is_some() {
                    server.state.checks().enable_agent(false);
                }
            })
        },
    ),
    row(
        "agent_force_up(sv)",
        "takes it for up, if its agent is asked",
        |lua, name, env| about(lua, name, env, |_, server| agent(server, true)),
    ),
    row(
        "agent_force_down(sv)",
        "takes it for down, if its agent is asked",
        |lua, name, env| about(lua, name, env, |_, server| agent(server, false)),
    ),
    row(
        "event_sub(sv, event_types, func)",
        "calls `func(event, data, sub, when)` for each event of these types of this server, one after the other",
        |lua, name, env| {
            let env = Arc::clone(env);
            function(
                lua,
                name,
                move |lua, (this, types, function): (This<ServerRef>, Table, Function)| {
                    let of = {
                        let plane = plane_for(&env, ServerRef::NAME)?;
                        let server = found(&plane, *this)?;
                        (server.backend.id, server.state.number())
                    };
                    super::events::subscribe(lua, &env, &types, function, Some(of))
                },
            )
        },
    ),
    row(
        "tracking(sv)",
        "the Server whose state it follows, or nil",
        |lua, name, env| {
            let env = Arc::clone(env);
            function(lua, name, move |lua, this: This<ServerRef>| {
                let plane = plane_for(&env, ServerRef::NAME)?;
                match found(&plane, *this)?.spec.track {
                    Some((backend, server)) => made(lua, backend, server),
                    None => Ok(mlua::Value::Nil),
                }
            })
        },
    ),
    row(
        "get_trackers(sv)",
        "a list of the Servers that follow its state",
        |lua, name, env| {
            let env = Arc::clone(env);
            function(lua, name, move |lua, this: This<ServerRef>| {
                let plane = plane_for(&env, ServerRef::NAME)?;
                found(&plane, *this)?;
                let list = lua.create_table()?;
                for (backend, state) in plane.placed_backends() {
                    for server in state.servers().iter() {
                        if server.spec().track == Some((this.backend, this.server)) {
                            list.raw_push(made(lua, backend, server.number())?)?;
                        }
                    }
                }
                Ok(list)
            })
        },
    ),
];

/// Where the functions are that make Servers and Proxies.
const MAKERS: &str = "tidegate.plane";

/// The class, whose objects have `name` and `puid` too.
pub(super) fn class(lua: &Lua, env: &Arc<Env>) -> Result<ObjectClass> {
    let env_of_members = Arc::clone(env);
    let make = function(
        lua,
        "__index",
        move |lua, (this, key): (This<ServerRef>, Scalar)| {
            let Scalar::Text(key) = &key else {
                return Ok(Member::None);
            };
            if !matches!(&**key, b"name" | b"puid") {
                return Ok(Member::None);
            }
            let text = || {
                let plane = plane_for(&env_of_members, ServerRef::NAME)?;
                let state = found(&plane, *this)?.state;
                Ok(match &**key {
                    b"name" => state.name().to_string(),
                    _ => state.id().to_string(),
                })
            };
            Ok(match text() {
                // It may get another name.
                Ok(text) => Member::Now(mlua::Value::String(lua.create_string(text)?)),
                Err(mlua::Error::RuntimeError(why)) => Member::Refused(why),
                Err(other) => return Err(other),
            })
        },
    )?;
    ObjectClass::new(lua, ServerRef::NAME, &methods(lua, env, ROWS)?, Some(make))
}

/// Lets servers make their proxies, and others of their own kind.
pub(super) fn give_proxies(lua: &Lua, _: &Arc<Env>, classes: &PlaneClasses) -> Result<()> {
    let makers = lua.create_table()?;
    let own = classes.clone();
    makers.raw_set(
        "proxy",
        function(lua, "proxy", move |_, proxy: usize| Ok(own.proxy(proxy)))?,
    )?;
    let own = classes.clone();
    let server = move |_: &Lua, (backend, server): (usize, usize)| Ok(own.server(backend, server));
    makers.raw_set("server", function(lua, "server", server)?)?;
    lua.set_named_registry_value(MAKERS, makers)
}

/// A Server.
fn made(lua: &Lua, backend: usize, server: usize) -> Result<mlua::Value> {
    let makers: Table = lua.named_registry_value(MAKERS)?;
    makers.raw_get::<Function>("server")?.call((backend, server))
}

fn health(server: &Found<'_>, health: Operational) {
    server
        .state
        .change_health(health, "changed from Lua script", Instant::now());
}

fn agent(server: &Found<'_>, up: bool) {
    if server.spec.agent.is_some() && server.state.checks().is_agent_enabled() {
        server
            .state
            .change_agent_health(up, "changed from Lua script", Instant::now());
    }
}

/// A method without arguments.
fn about<R>(lua: &Lua, name: &str, env: &Arc<Env>, f: fn(&Plane, &Found<'_>) -> R) -> Result<Function>
where
    R: IntoLuaMulti + 'static,
{
    let env = Arc::clone(env);
    function(lua, name, move |_, this: This<ServerRef>| {
        let plane = plane_for(&env, ServerRef::NAME)?;
        let server = found(&plane, *this)?;
        Ok(f(&plane, &server))
    })
}
