//! Commands about frontends: whether they take connections, and how many.

use tidegate_config::model::AccessLevel::Admin;
use tidegate_proxy::FrontendState::{self, Open, Paused, Stopped};
use tidegate_proxy::{Plane, spec::FrontendSpec};

use crate::runtime::command::{Answer, Call, Command, Refusal, Severity, served};
use crate::runtime::find;

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    served("disable frontend", "<frontend>", Admin, "let a frontend take no connections: its ports are released", |call| set(call, Paused)),
    served("enable frontend", "<frontend>", Admin, "let a disabled frontend take connections again", |call| set(call, Open)),
    served("set maxconn frontend", "<frontend> <value>", Admin, "change how many connections a frontend may have", maxconn),
    served("set maxconn global", "<value>", Admin, "change how many client connections there may be; 0 for what it was at first", maxconn_global),
    served("set rate-limit connections global", "<value>", Admin, "change how many connections may come per second; 0 for no limit", |call| pace(call, 0)),
    served("set rate-limit http-compression global", "<kilobytes>", Admin, "change how much may be compressed per second; 0 for no limit", compression),
    served("set rate-limit sessions global", "<value>", Admin, "change how many sessions may begin per second; 0 for no limit", |call| pace(call, 1)),
    served("set rate-limit ssl-sessions global", "<value>", Admin, "change how many connections over TLS may come per second; 0 for no limit", |call| pace(call, 2)),
    served("shutdown frontend", "<frontend>", Admin, "close a frontend's sockets for good", |call| set(call, Stopped)),
];

fn set(call: &mut Call<'_>, state: FrontendState) -> Result<Answer, Refusal> {
    let plane = call.plane()?;
    let frontend = wanted(call, &plane)?;
    if plane.set_frontend_state(&frontend.name, state) == Some(true) {
        return Ok(Answer::Done);
    }
    let (severity, text) = match (plane.frontend_state(&frontend.name), state) {
        (Some(Stopped), Stopped) => (Severity::Error, "Frontend was already shut down."),
        (Some(Stopped), Paused) => (
            Severity::Error,
            "Frontend was previously shut down, cannot disable.",
        ),
        (Some(Stopped), Open) => (
            Severity::Error,
            "Frontend was previously shut down, cannot enable.",
        ),
        (_, Paused) => (Severity::Notice, "All sockets are already disabled."),
        _ => (Severity::Notice, "All sockets are already enabled."),
    };
    Err(Refusal(severity, text.into()))
}

fn maxconn(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let plane = call.plane()?;
    let frontend = wanted(call, &plane)?;
    let value = call
        .text(1)
        .ok_or_else(|| Refusal::error("Integer value expected."))?;
    match plane.set_frontend_connections_max(&frontend.name, number(&value)?) {
        true => Ok(Answer::Done),
        false => Err(Refusal::error("No such frontend.")),
    }
}

fn maxconn_global(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let value = call
        .text(0)
        .ok_or_else(|| Refusal::error("Expects an integer value."))?;
    let limit = Some(number(&value)?).filter(|limit| *limit > 0);
    match call.plane()?.set_connections_max(limit) {
        true => Ok(Answer::Done),
        false => Err(Refusal::error("Value out of range.")),
    }
}

fn pace(call: &mut Call<'_>, place: usize) -> Result<Answer, Refusal> {
    let value = call
        .text(0)
        .ok_or_else(|| Refusal::error("Expects an integer value."))?;
    let limit = u32::try_from(number(&value)?).unwrap_or(u32::MAX);
    call.plane()?.set_pace(place, limit);
    Ok(Answer::Done)
}

fn compression(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let value = call
        .text(0)
        .ok_or_else(|| Refusal::error("Expects an integer value."))?;
    let kilobytes = u32::try_from(number(&value)?).unwrap_or(u32::MAX);
    let plane = call.plane()?;
    plane
        .compression_limit()
        .set_bytes(kilobytes.saturating_mul(1024));
    Ok(Answer::Done)
}

/// A number of connections. (HAProxy takes what is none for 0.)
fn number(text: &str) -> Result<usize, Refusal> {
    text.parse()
        .map_err(|_| Refusal::error(format!("`{text}` is not a number of connections.")))
}

/// The frontend that the first argument calls.
fn wanted<'p>(call: &Call<'_>, plane: &'p Plane) -> Result<&'p FrontendSpec, Refusal> {
    let name = call
        .text(0)
        .ok_or_else(|| Refusal::error("A frontend name is expected."))?;
    find::frontend(plane, &name)
}
