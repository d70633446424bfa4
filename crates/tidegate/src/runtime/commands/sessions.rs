//! Commands about sessions: which there are, and ending them.

use std::fmt::Write as _;
use std::time::Duration;

use tidegate_config::model::AccessLevel;
use tidegate_config::{TimeUnit, parse_time};
use tidegate_proxy::{Plane, SessionView};

use crate::runtime::command::{Answer, Call, Command, Refusal, served};
use crate::runtime::find;

use AccessLevel::{Admin, Operator};

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    served("show sess", "[<id> | all | help] [backend <backend> | frontend <frontend> | older <age> | server <backend>/<server>]*", Operator, "list the sessions, or some of them", show),
    served("shutdown session", "<id>", Admin, "end a session at once", shutdown),
    served("shutdown sessions server", "<backend>/<server>", Admin, "end all sessions at a server at once", shutdown_at),
];

/// The number of a session, as it is listed: `0x1f`.
fn id(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// Which sessions are wanted.
#[derive(Default)]
struct Wanted {
    id: Option<u64>,
    backend: Option<String>,
    frontend: Option<String>,
    server: Option<String>,
    older: Duration,
}

/// What `show sess help` says.
const HELP: &str = "\
usage: show sess [<id> | all | help] [<option>...]
  backend <backend>         : those whose request is in it
  frontend <frontend>       : those that came in by it
  older <age>               : those that have been there for longer, in seconds if there is no unit
  server <backend>/<server> : those whose request is at it";

impl Wanted {
    fn of(call: &Call<'_>, plane: &Plane) -> Result<Wanted, Refusal> {
        let mut wanted = Wanted::default();
        let mut at = 0;
        while let Some(word) = call.text(at) {
            let value = call.text(at + 1);
            at += 2;
            match word.as_str() {
                "all" if at == 2 => at = 1,
                "backend" => {
                    wanted.backend = Some(find::backend(plane, &named(&word, value)?)?.name().to_owned())
                }
                "frontend" => {
                    wanted.frontend = Some(find::frontend(plane, &named(&word, value)?)?.name.clone())
                }
                "older" => wanted.older = age(&named(&word, value)?)?,
                "server" => {
                    let (backend, server) = find::server(plane, value)?;
                    wanted.backend = Some(backend.name().to_owned());
                    wanted.server = Some(server.name().to_string());
                }
                "show-uri" | "susp" => return Err(Refusal::error(format!("`{word}` is not supported."))),
                word => match id(word).filter(|_| at == 2) {
                    Some(id) => {
                        wanted.id = Some(id);
                        at = 1;
                    }
                    None => {
                        return Err(Refusal::error(format!(
                            "`{word}` is neither a session, as `show sess` lists them, nor what `show sess help` tells of."
                        )));
                    }
                },
            }
        }
        Ok(wanted)
    }

    fn takes(&self, session: &SessionView) -> bool {
        let is = |wanted: &Option<String>, name: Option<&str>| wanted.is_none() || wanted.as_deref() == name;
        self.id.is_none_or(|id| session.id == id)
            && is(&self.backend, session.backend.as_deref())
            && is(&self.frontend, Some(&session.frontend))
            && is(&self.server, session.server.as_deref())
            && session.age >= self.older
    }
}

fn named(option: &str, value: Option<String>) -> Result<String, Refusal> {
    value.ok_or_else(|| Refusal::error(format!("`{option}` needs a value: see `show sess help`.")))
}

fn age(text: &str) -> Result<Duration, Refusal> {
    parse_time(text.as_bytes(), TimeUnit::Seconds)
        .map_err(|_| Refusal::error(format!("`{text}` is no time.")))
}

fn show(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    if call.text(0).as_deref() == Some("help") {
        return Ok(Answer::Data(HELP.into()));
    }
    let wanted = Wanted::of(call, &call.plane()?)?;
    let control = call.about.control.clone();
    Ok(Answer::later(async move {
        let mut sessions = control.sessions().await;
        sessions.retain(|session| wanted.takes(session));
        sessions.sort_by_key(|session| session.id);
        if wanted.id.is_some() && sessions.is_empty() {
            return Err(Refusal::error("No such session (use 'show sess')."));
        }
        Ok(Answer::Parts(Box::new(sessions.into_iter().map(line))))
    }))
}

fn line(session: SessionView) -> Vec<u8> {
    let mut line = format!("{:#x}: ", session.id);
    let _ = match session.source {
        Some(source) => {
            let version = if source.is_ipv4() { 4 } else { 6 };
            write!(line, "proto=tcpv{version} src={source}")
        }
        None => write!(line, "proto=unix_stream src=unix"),
    };
    let _ = write!(
        line,
        " fe={} be={} srv={} age={}s",
        session.frontend,
        session.backend.as_deref().unwrap_or("<NONE>"),
        session.server.as_deref().unwrap_or("<none>"),
        session.age.as_secs()
    );
    line.into_bytes()
}

fn shutdown(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let missing = || Refusal::error("Session pointer expected (use 'show sess').");
    let id = call.text(0).as_deref().and_then(id).ok_or_else(missing)?;
    let control = call.about.control.clone();
    Ok(Answer::later(async move {
        match control.end_session(id).await {
            true => Ok(Answer::Done),
            false => Err(Refusal::error("No such session (use 'show sess').")),
        }
    }))
}

fn shutdown_at(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let plane = call.plane()?;
    let (backend, server) = find::server(&plane, call.text(0))?;
    let backend = backend.name().to_owned();
    let control = call.about.control.clone();
    Ok(Answer::later(async move {
        control.end_sessions_at(&backend, &server.name()).await;
        Ok(Answer::Done)
    }))
}
