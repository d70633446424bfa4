//! The Proxy class: a frontend, a backend, or both.

use std::sync::Arc;

use mlua::{Function, Lua, Result, Table};
use tidegate_exec::{Member, ObjectClass, Scalar, This, function};
use tidegate_proxy::spec::MailSpec;
use tidegate_proxy::{FrontendState, Mode, Plane};

use super::{Of, Place, PlaneClasses, ProxyRef, Tag, backend, frontend, gone, plane_for, stands_for};
use crate::env::Env;
use crate::row::{Row, methods, row};

pub(super) const ROWS: &[Row] = &[
    row("get_name(px)", "the name", |lua, name, env| {
        about(lua, name, env, |_, place| place.name.clone())
    }),
    row("get_uuid(px)", "the number, as a text", |lua, name, env| {
        about(lua, name, env, |_, place| place.id.to_string())
    }),
    row(
        "get_cap(px)",
        "`frontend`, `backend`, or `proxy` for what is both",
        |lua, name, env| {
            about(lua, name, env, |_, place| match (place.frontend, place.backend) {
                (Some(_), Some(_)) => "proxy",
                (Some(_), None) => "frontend",
                _ => "backend",
            })
        },
    ),
    row(
        "get_mode(px)",
        "`http` or `tcp`; `syslog` for a backend of log lines",
        |lua, name, env| {
            about(lua, name, env, |plane, place| {
                let of_frontend = place.frontend.and_then(|at| frontend(plane, at)).map(|f| f.mode);
                let of_backend = place.backend.and_then(|at| backend(plane, at));
                if of_backend.as_ref().is_some_and(|(spec, _)| spec.lines.is_some()) {
                    return "syslog";
                }
                let of_backend = || of_backend.map(|(b, _)| b.mode);
                match of_frontend.or_else(of_backend) {
                    Some(Mode::Http) => "http",
                    Some(Mode::Tcp) => "tcp",
                    None => "unknown",
                }
            })
        },
    ),
    row(
        "get_srv_act(px)",
        "how many active servers balancing may use now",
        |lua, name, env| about(lua, name, env, |plane, place| usable(plane, place, false)),
    ),
    row(
        "get_srv_bck(px)",
        "how many backup servers balancing may use now",
        |lua, name, env| about(lua, name, env, |plane, place| usable(plane, place, true)),
    ),
    row(
        "get_stats(px)",
        "the figures of `show stat` by their names: the backend's of what is both",
        |lua, name, env| {
            let env = Arc::clone(env);
            function(lua, name, move |lua, this: This<ProxyRef>| {
                let (plane, place) = known(&env, this)?;
                let what = match place.backend {
                    Some(_) => Of::Backend(&place.name),
                    None => Of::Frontend(&place.name),
                };
                env.settings.world.stats(lua, &plane, what)
            })
        },
    ),
    row(
        "get_mailers(px)",
        "what the `email-alert` lines say, as a ProxyMailers; nil if no mails are wanted",
        |lua, name, env| {
            let env = Arc::clone(env);
            function(lua, name, move |lua, this: This<ProxyRef>| {
                let (plane, place) = known(&env, this)?;
                mails(&plane, place).map(|mails| mailers(lua, &mails)).transpose()
            })
        },
    ),
    row(
        "pause(px)",
        "lets the frontend take no connections: its ports are released until `resume`",
        |lua, name, env| set(lua, name, env, FrontendState::Paused),
    ),
    row("resume(px)", "ends what `pause` began", |lua, name, env| {
        set(lua, name, env, FrontendState::Open)
    }),
    row(
        "stop(px)",
        "closes the frontend's sockets for good; sessions that there are go on",
        |lua, name, env| set(lua, name, env, FrontendState::Stopped),
    ),
    row(
        "shut_bcksess(px)",
        "ends the sessions at the backup servers",
        |lua, name, env| {
            about(lua, name, env, |plane, place| {
                let Some((spec, state)) = place.backend.and_then(|at| backend(plane, at)) else {
                    return;
                };
                for server in state.servers().iter().filter(|server| server.is_backup()) {
                    plane.end_sessions_at(&spec.name, &server.name());
                }
            })
        },
    ),
];

/// The class, whose objects have `name`, `uuid`, `servers`, `listeners` and `stktable` too.
pub(super) fn class(lua: &Lua, env: &Arc<Env>, classes: &PlaneClasses) -> Result<ObjectClass> {
    let (env_of_members, classes) = (Arc::clone(env), classes.clone());
    let make = function(
        lua,
        "__index",
        move |lua, (this, key): (This<ProxyRef>, Scalar)| {
            let Scalar::Text(key) = &key else {
                return Ok(Member::None);
            };
            if !matches!(
                &**key,
                b"name" | b"uuid" | b"servers" | b"listeners" | b"stktable"
            ) {
                return Ok(Member::None);
            }
            let (plane, place) = match known(&env_of_members, this) {
                Ok(known) => known,
                Err(why) => return Ok(Member::Refused(why.to_string())),
            };
            let text = |text: &str| Member::Scalar(Scalar::Text(text.as_bytes().into()));
            Ok(match &**key {
                b"name" => text(&place.name),
                b"uuid" => text(&place.id.to_string()),
                b"servers" => Member::Now(mlua::Value::Table(servers(lua, &classes, &plane, place)?)),
                b"listeners" => Member::Table(listeners(lua, &classes, &plane, place)?),
                _ => match plane.global().tables.find(&place.name) {
                    Some(_) => Member::Object(classes.table.object(stands_for(Tag::Table, 0, this.0.0))),
                    None => Member::None,
                },
            })
        },
    )?;
    ObjectClass::new(lua, "Proxy", &methods(lua, env, ROWS)?, Some(make))
}

fn servers(lua: &Lua, classes: &PlaneClasses, plane: &Plane, place: &Place) -> Result<Table> {
    let table = lua.create_table()?;
    if let Some((at, (_, state))) = place.backend.and_then(|at| Some((at, backend(plane, at)?))) {
        for server in state.servers().iter() {
            table.raw_set(&*server.name(), classes.server(at, server.number()))?;
        }
    }
    Ok(table)
}

/// The listeners by their names; those without one are called by their numbers, as HAProxy does it.
fn listeners(lua: &Lua, classes: &PlaneClasses, plane: &Plane, place: &Place) -> Result<Table> {
    let table = lua.create_table()?;
    if let Some((at, spec)) = place.frontend.and_then(|at| Some((at, frontend(plane, at)?))) {
        for (number, listener) in spec.listeners.iter().enumerate() {
            let object = classes.listener.object(stands_for(Tag::Listener, at, number));
            match listener.name.is_empty() {
                true => table.raw_set(format!("sock-{}", listener.id), object)?,
                false => table.raw_set(listener.name.as_str(), object)?,
            }
        }
    }
    Ok(table)
}

fn mails(plane: &Plane, place: &Place) -> Option<Arc<MailSpec>> {
    let of_backend = place.backend.and_then(|at| backend(plane, at));
    match of_backend {
        Some((spec, _)) => spec.mails.clone(),
        None => frontend(plane, place.frontend?)?.mails.clone(),
    }
}

/// A ProxyMailers.
fn mailers(lua: &Lua, mails: &MailSpec) -> Result<Table> {
    let servers = lua.create_table()?;
    for (name, address) in &mails.servers {
        servers.raw_set(name.as_str(), address.as_str())?;
    }
    let table = lua.create_table()?;
    table.raw_set("track_server_health", mails.tracks_checks)?;
    table.raw_set("log_level", mails.max_level as u8)?;
    table.raw_set("mailservers", servers)?;
    let ms = i64::try_from(mails.timeout.as_millis()).unwrap_or(i64::MAX);
    table.raw_set("mailservers_timeout", ms)?;
    table.raw_set("smtp_hostname", mails.host.as_str())?;
    table.raw_set("smtp_from", mails.from.as_str())?;
    table.raw_set("smtp_to", mails.to.as_str())?;
    Ok(table)
}

fn usable(plane: &Plane, place: &Place, backup: bool) -> usize {
    let state = place.backend.and_then(|at| backend(plane, at));
    state.map_or(0, |(_, state)| {
        let servers = state.servers();
        servers
            .iter()
            .filter(|server| server.is_backup() == backup && server.is_usable())
            .count()
    })
}

/// The data plane, and where the proxy is in it.
fn known(env: &Env, this: This<ProxyRef>) -> Result<(Plane, &Place)> {
    let plane = plane_for(env, "Proxy")?;
    let place = env.settings.world.place(this.0.0);
    Ok((plane, place.ok_or_else(|| gone("Proxy"))?))
}

/// A method without arguments.
fn about<R>(lua: &Lua, name: &str, env: &Arc<Env>, f: fn(&Plane, &Place) -> R) -> Result<Function>
where
    R: mlua::IntoLuaMulti + 'static,
{
    let env = Arc::clone(env);
    function(lua, name, move |_, this: This<ProxyRef>| {
        let (plane, place) = known(&env, this)?;
        Ok(f(&plane, place))
    })
}

fn set(lua: &Lua, name: &str, env: &Arc<Env>, state: FrontendState) -> Result<Function> {
    let env = Arc::clone(env);
    function(lua, name, move |_, this: This<ProxyRef>| {
        let (plane, place) = known(&env, this)?;
        if place.frontend.is_some() {
            // Nothing changes where it is so already.
            let _ = plane.set_frontend_state(&place.name, state);
        }
        Ok(())
    })
}
