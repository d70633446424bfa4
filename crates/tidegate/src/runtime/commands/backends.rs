//! Commands about backends: those that come and go while the process runs, whether rules may choose them, and what they may begin
//! with.

use tidegate_config::model::AccessLevel::{Admin, Operator, User};
use tidegate_config::model::Mode;
use tidegate_proxy::spec::DynamicCookies;
use tidegate_proxy::{BackendStays, NoBackend, Plane};

use super::dynamic::{is_unique, workshop};
use crate::runtime::command::{Answer, Call, Command, Refusal, Severity, served};
use crate::runtime::find;

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    served("add backend", "<name> from <defaults> [mode { tcp | http }] [guid <guid>]", Admin,
        "create a backend, which no rule chooses until it is published", add),
    served("del backend", "<backend>", Admin, "delete a backend that is not published and has neither servers nor streams", delete),
    served("disable dynamic-cookie backend", "<backend>", Admin, "make no cookies of servers' addresses any more", |call| dynamic_cookies(call, |cookies| cookies.enabled = false)),
    served("enable dynamic-cookie backend", "<backend>", Admin, "make cookies of servers' addresses and the key", |call| dynamic_cookies(call, |cookies| cookies.enabled = true)),
    served("set dynamic-cookie-key backend", "<backend> <value>", Admin, "change the key that cookies are made of, which ends what clients have", dynamic_cookie_key),
    served("show defaults", "", User, "list the `defaults` sections that have names", defaults),
    served("publish backend", "<backend>", Operator, "let rules choose a backend", |call| publish(call, true)),
    served("unpublish backend", "<backend>", Operator, "let no rule choose a backend but with `force-be-switch`", |call| publish(call, false)),
];

/// What follows `add backend`.
#[derive(Default)]
struct Wanted {
    name: String,
    from: String,
    mode: Option<Mode>,
    guid: Option<String>,
}

impl Wanted {
    fn of(call: &Call<'_>) -> Result<Wanted, Refusal> {
        let word = |at: usize| call.text(at).unwrap_or_default();
        let mut wanted = Wanted {
            name: word(0),
            ..Wanted::default()
        };
        if wanted.name.is_empty() || word(1) != "from" || word(2).is_empty() {
            return Err(Refusal::error(
                "Expects <name> from <defproxy> [mode <mode>] [guid <guid>].",
            ));
        }
        wanted.from = word(2);
        for at in (3..call.args.len()).step_by(2) {
            let value = word(at + 1);
            match (word(at).as_str(), value.as_str()) {
                ("mode", "tcp") => wanted.mode = Some(Mode::Tcp),
                ("mode", "http") => wanted.mode = Some(Mode::Http),
                ("mode", other) => {
                    return Err(Refusal::error(format!(
                        "Mode '{other}' isn't one of tcp and http."
                    )));
                }
                ("guid", guid) if !guid.is_empty() => wanted.guid = Some(guid.to_owned()),
                (other, _) => {
                    return Err(Refusal::error(format!("Unexpected parameter '{other}'.")));
                }
            }
        }
        Ok(wanted)
    }
}

fn add(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let wanted = Wanted::of(call)?;
    let plane = call.plane()?;
    let mut names = plane.backends().map(|(backend, _)| &backend.name);
    if names.any(|name| *name == wanted.name) {
        return Err(not_added(NoBackend::SameName));
    }
    if let Some(guid) = &wanted.guid {
        is_unique(&plane, guid)?;
    }
    let made = workshop(call)?.backend(&wanted.name, (&wanted.from, wanted.mode));
    let mut spec = made.map_err(|why| Refusal::error(why.join("\n")))?;
    spec.id = free_id(&plane);
    spec.guid = wanted.guid;
    let control = call.about.control.clone();
    Ok(Answer::later(async move {
        control.add_backend(spec).await.map_err(not_added)?;
        Ok(Answer::Message(Severity::Info, "New backend registered.".into()))
    }))
}

fn dynamic_cookies(call: &Call<'_>, change: impl FnOnce(&mut DynamicCookies)) -> Result<Answer, Refusal> {
    let name = call.text(0).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Refusal::error("A backend name is expected."))?;
    let plane = call.plane()?;
    find::backend(&plane, &name)?.change_dynamic_cookies(change);
    Ok(Answer::Done)
}

fn dynamic_cookie_key(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let key = call.text(1).filter(|key| !key.is_empty());
    if call.text(0).is_some() && key.is_none() {
        return Err(Refusal::error("String value expected."));
    }
    dynamic_cookies(call, |cookies| cookies.key = key.map(Into::into))
}

/// The lowest number that no proxy has. (1 is that of the runtime API.)
fn free_id(plane: &Plane) -> u32 {
    let taken = |id: &u32| {
        plane.frontends().any(|frontend| frontend.id == *id)
            || plane.backends().any(|(backend, _)| backend.id == *id)
    };
    (2..).find(|id| !taken(id)).unwrap_or(u32::MAX)
}

fn not_added(why: NoBackend) -> Refusal {
    match why {
        NoBackend::SameName => Refusal::error("Already exists a proxy with the same name."),
        NoBackend::NotReady(why) => Refusal::error(why),
    }
}

fn delete(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let plane = call.plane()?;
    let name = call.text(0).unwrap_or_default();
    let backend = find::backend(&plane, &name)?.clone();
    backend.may_go().map_err(stays)?;
    let control = call.about.control.clone();
    Ok(Answer::later(async move {
        control.remove_backend(&backend).await.map_err(stays)?;
        Ok(Answer::Message(Severity::Info, "Backend deleted.".into()))
    }))
}

/// Why a backend stays.
pub(super) fn stays(why: BackendStays) -> Refusal {
    Refusal::error(match why {
        BackendStays::Listen => "Cannot delete a listen section.",
        BackendStays::Referenced => {
            "This proxy cannot be removed at runtime due to other configuration elements pointing to it."
        }
        BackendStays::Fixed => {
            "A backend that declares a stick table or takes log lines cannot be removed at runtime."
        }
        BackendStays::Published => "Backend must be unpublished prior to its deletion.",
        BackendStays::HasServers => "Only a backend without server can be deleted.",
        BackendStays::InUse => "Backend still has attached streams on it.",
    })
}

fn publish(call: &mut Call<'_>, published: bool) -> Result<Answer, Refusal> {
    let plane = call.plane()?;
    let name = call
        .text(0)
        .ok_or_else(|| Refusal::error("A backend name is expected."))?;
    let backend = find::backend(&plane, &name)?;
    if backend.is_disabled() {
        return Err(Refusal::error("No effect on a disabled backend."));
    }
    backend.publish(published);
    let said = match published {
        true => "Backend published.",
        false => "Backend unpublished.",
    };
    Ok(Answer::Message(Severity::Info, said.into()))
}

fn defaults(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let names = call.about.facts.defaults.iter();
    Ok(names.map(|name| format!("{name}\n")).collect::<String>().into())
}
