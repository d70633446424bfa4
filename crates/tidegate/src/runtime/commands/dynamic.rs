//! Servers that come and go while the process runs, and waiting until they may.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_config::model::AccessLevel;
use tidegate_config::{Status, TimeUnit, keyword_docs, parse_time};
use tidegate_proxy::{BackendStays, Control, NotAdded, NotRemovable, Plane, ServerState};

use super::backends;
use crate::assemble::Workshop;
use crate::runtime::command::{Answer, Call, Command, Refusal, Severity, served};
use crate::runtime::find;

use AccessLevel::{Admin, User};

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    served("add server", "<backend>/<server> <address> [<param>...]", Admin, "create a server, which begins out of service", add),
    served("add server help", "", Admin, "the parameters that `add server` takes", help),
    served("del server", "<backend>/<server>", Admin, "delete a server that is out of service and unused", delete),
    served("show default-server", "[<backend>]", User, "the `default-server` lines that servers may begin with", default_servers),
    served("wait", "{ -h | <delay> } [be-removable <backend> | srv-removable <backend>/<server>]", User, "wait for a time, or for a condition", wait),
];

/// Parameters of servers that have no meaning once the process runs.
const NOT_DYNAMIC: [&str; 5] = [
    "init-addr",
    "resolve-net",
    "resolve-opts",
    "resolve-prefer",
    "resolvers",
];

pub(super) fn workshop<'c>(call: &Call<'c>) -> Result<&'c Workshop, Refusal> {
    let workshop = call.about.facts.workshop.as_ref();
    workshop.ok_or_else(|| Refusal::error("Nothing can be added to this process."))
}

fn add(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let (of_backend, name) = find::pair(call.text(0))?;
    if of_backend.is_empty() || name.is_empty() {
        return Err(Refusal::error("Require 'backend/server'."));
    }
    let plane = call.plane()?;
    let backend = find::backend(&plane, &of_backend)?;
    if backend.is_disabled() {
        return Err(Refusal::error("Proxy is disabled."));
    }
    if !backend.takes_servers() {
        let why = format!(
            "backend '{}' uses a non dynamic load balancing method.",
            backend.name()
        );
        return Err(Refusal::error(why));
    }
    if backend.server(&name).is_some() {
        return Err(not_added(NotAdded::SameName));
    }
    let words: Vec<Vec<u8>> = call.args.iter().skip(1).map(|word| word.to_vec()).collect();
    let made = workshop(call)?.server(backend.name(), &name, &words);
    let made = made.map_err(|why| Refusal::error(why.join("\n")))?;
    if let Some(guid) = made.spec.guid.as_deref() {
        is_unique(&plane, guid)?;
    }
    let mut spec = made.spec;
    let tracked = match &made.track {
        Some((of, server)) => {
            let of = of.as_deref().unwrap_or(backend.name());
            let (place, server) = trackable(&plane, of, server)?;
            spec.track = Some(place);
            Some(server)
        }
        None => None,
    };
    let added = plane.add_server(backend, spec, tracked.as_ref());
    added.map_err(not_added)?;
    Ok(Answer::Message(Severity::Info, "New server registered.".into()))
}

/// The server that another one may track, with its place.
fn trackable(
    plane: &Plane,
    of_backend: &str,
    name: &str,
) -> Result<((usize, usize), Arc<ServerState>), Refusal> {
    let title = format!("{of_backend}/{name}");
    let mut backends = plane.placed_backends();
    let found = backends.find(|(_, state)| state.name() == of_backend);
    let (at, backend) = found.ok_or_else(|| {
        Refusal::error(format!(
            "unable to find required proxy '{of_backend}' for tracking."
        ))
    })?;
    let server = backend
        .server(name)
        .ok_or_else(|| Refusal::error(format!("unable to find required server '{title}' for tracking.")))?;
    let spec = server.spec();
    let why = if server.is_dynamic() {
        "it is a dynamic server"
    } else if spec.check.is_none() && spec.agent.is_none() && spec.track.is_none() {
        "it does not have any check nor agent enabled"
    } else {
        return Ok(((at, server.number()), server));
    };
    Err(Refusal::error(format!(
        "unable to use {title} for tracking as {why}."
    )))
}

/// No other proxy or server has this guid.
pub(super) fn is_unique(plane: &Plane, guid: &str) -> Result<(), Refusal> {
    let frontends = plane.frontends().map(|frontend| (&frontend.name, &frontend.guid));
    let mut proxies = frontends.chain(
        plane
            .backends()
            .map(|(backend, _)| (&backend.name, &backend.guid)),
    );
    if let Some((name, _)) = proxies.find(|(_, known)| known.as_deref() == Some(guid)) {
        return Err(Refusal::error(format!("the guid `{guid}` is that of {name}.")));
    }
    for (_, backend) in plane.backends() {
        for server in backend.servers().iter() {
            if server.spec().guid.as_deref() == Some(guid) {
                let why = format!(
                    "the guid `{guid}` is that of {}/{}.",
                    backend.name(),
                    server.name()
                );
                return Err(Refusal::error(why));
            }
        }
    }
    Ok(())
}

fn not_added(why: NotAdded) -> Refusal {
    Refusal::error(match why {
        NotAdded::SameName => "Already exists a server with the same name in backend.",
        NotAdded::SameId => "Already exists a server with the same id in backend.",
        NotAdded::NothingToTrack => "The server that it is to track is gone.",
    })
}

fn help(_: &mut Call<'_>) -> Result<Answer, Refusal> {
    let mut names: Vec<&str> = keyword_docs()
        .into_iter()
        .filter(|row| row.after == "server" && matches!(row.status, Status::Served(())))
        .map(|row| row.name)
        .filter(|name| !NOT_DYNAMIC.contains(name))
        .collect();
    names.sort_unstable();
    let mut text = String::from("List of keywords supported for dynamic servers:\n");
    for name in names {
        let _ = writeln!(text, "{name}");
    }
    Ok(text.into())
}

fn delete(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let plane = call.plane()?;
    let (backend, server) = find::server(&plane, call.text(0))?;
    backend.remove_server(&server).map_err(not_removable)?;
    Ok(Answer::Message(Severity::Info, "Server deleted.".into()))
}

fn not_removable(why: NotRemovable) -> Refusal {
    Refusal::error(match why {
        NotRemovable::Gone => "No such server.",
        NotRemovable::Referenced => {
            "This server cannot be removed at runtime due to other configuration elements pointing to it."
        }
        NotRemovable::InService => "Only servers in maintenance mode can be deleted.",
        NotRemovable::InUse => "Server still has connections attached to it, cannot remove it.",
    })
}

fn default_servers(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let wanted = call.text(0);
    let mut text = String::new();
    for (backend, is_set, named) in workshop(call)?.later().default_servers() {
        if wanted.as_deref().is_some_and(|wanted| wanted != backend) {
            continue;
        }
        if is_set {
            let _ = writeln!(text, "* {backend}");
        }
        for name in named {
            let _ = writeln!(text, "  {backend}/{name}");
        }
    }
    Ok(text.into())
}

/// How often a condition is looked at: nothing tells of a connection's end.
const LOOK_EVERY: Duration = Duration::from_millis(20);

const USAGE: &str = "Usage: wait {-h|<duration>} [condition [args...]]\n\
    Waits for the given duration, or until the condition holds. Conditions:\n  \
    be-removable <proxy> : the backend can be removed by `del backend`\n  \
    srv-removable <proxy>/<server> : the server can be removed by `del server`\n";

fn wait(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    if call.args.iter().take(2).any(|word| &**word == b"-h") {
        return Ok(String::from(USAGE).into());
    }
    let text = call.text(0).ok_or_else(|| Refusal::error(USAGE))?;
    let delay = parse_time(text.as_bytes(), TimeUnit::Milliseconds)
        .map_err(|_| Refusal::error(format!("Invalid duration '{text}'.\n{USAGE}")))?;
    match call.text(1).as_deref() {
        None => Ok(Answer::later(async move {
            tokio::time::sleep(delay).await;
            Ok(Answer::Done)
        })),
        Some("srv-removable") => {
            let named = call.text(2);
            find::pair(named.clone())?;
            let control = call.about.control.clone();
            let look = move |plane: &Plane| {
                let (backend, server) = find::server(plane, named.clone())?;
                match backend.is_removable(&server) {
                    Ok(()) => Ok(true),
                    Err(NotRemovable::InUse) => Ok(false),
                    Err(never) => Err(not_removable(never)),
                }
            };
            Ok(Answer::later(until(control, delay, look)))
        }
        Some("be-removable") => {
            let named = call.text(2).unwrap_or_default();
            let control = call.about.control.clone();
            let look = move |plane: &Plane| match find::backend(plane, &named)?.may_go() {
                Ok(()) => Ok(true),
                Err(BackendStays::InUse) => Ok(false),
                Err(never) => Err(backends::stays(never)),
            };
            Ok(Answer::later(until(control, delay, look)))
        }
        Some(other) => Err(Refusal::error(format!("Unknown condition '{other}'.\n{USAGE}"))),
    }
}

/// Waits until a condition holds, unless that never comes.
async fn until(
    control: Control,
    delay: Duration,
    holds: impl Fn(&Plane) -> Result<bool, Refusal>,
) -> Result<Answer, Refusal> {
    let end = Instant::now() + delay;
    loop {
        let plane = control.plane();
        let plane = plane.ok_or_else(|| Refusal::error("The program is ending."))?;
        if holds(&plane)? {
            return Ok(Answer::Message(Severity::Info, "Done.".into()));
        }
        drop(plane);
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Refusal::error("Wait delay expired."));
        }
        tokio::time::sleep(left.min(LOOK_EVERY)).await;
    }
}
