//! Commands about sessions: which there are, and ending them.

use std::fmt::Write as _;

use tidegate_config::model::AccessLevel;
use tidegate_proxy::SessionView;

use crate::runtime::command::{Answer, Call, Command, Refusal, served};
use crate::runtime::find;

use AccessLevel::{Admin, Operator};

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    served("show sess", "[<id>]", Operator, "list the sessions, or show one", show),
    served("shutdown session", "<id>", Admin, "end a session at once", shutdown),
    served("shutdown sessions server", "<backend>/<server>", Admin, "end all sessions at a server at once", shutdown_at),
];

/// The number of a session, as it is listed: `0x1f`.
fn id(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

fn show(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let wanted = call.text(0);
    let only = wanted.as_deref().and_then(id);
    if let (Some(text), None) = (&wanted, only) {
        return Err(Refusal::error(format!(
            "`{text}` is no session: they are named as `show sess` lists them."
        )));
    }
    let control = call.about.control.clone();
    Ok(Answer::later(async move {
        let mut sessions = control.sessions().await;
        sessions.retain(|session| only.is_none_or(|id| session.id == id));
        sessions.sort_by_key(|session| session.id);
        if only.is_some() && sessions.is_empty() {
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
