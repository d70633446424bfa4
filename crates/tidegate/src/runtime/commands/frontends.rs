//! Commands about frontends: whether they take connections.

use tidegate_config::model::AccessLevel::Admin;
use tidegate_proxy::FrontendState::{self, Open, Paused, Stopped};

use crate::runtime::command::{Answer, Call, Command, Refusal, served};

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    served("disable frontend", "<frontend>", Admin, "let a frontend take no connections: its ports are released", |call| set(call, Paused)),
    served("enable frontend", "<frontend>", Admin, "let a disabled frontend take connections again", |call| set(call, Open)),
    served("shutdown frontend", "<frontend>", Admin, "close a frontend's sockets for good", |call| set(call, Stopped)),
];

fn set(call: &mut Call<'_>, state: FrontendState) -> Result<Answer, Refusal> {
    let name = call
        .text(0)
        .ok_or_else(|| Refusal::error("A frontend name is expected."))?;
    let plane = call.plane()?;
    let id = name.strip_prefix('#').and_then(|id| id.parse::<u32>().ok());
    let named = plane
        .frontends()
        .find(|frontend| frontend.name == name || Some(frontend.id) == id);
    let frontend = named.ok_or_else(|| Refusal::error("No such frontend."))?;
    if plane.set_frontend_state(&frontend.name, state) == Some(true) {
        return Ok(Answer::Done);
    }
    Err(Refusal::error(
        match (plane.frontend_state(&frontend.name), state) {
            (Some(Stopped), Stopped) => "Frontend was already shut down.",
            (Some(Stopped), Paused) => "Frontend was previously shut down, cannot disable.",
            (Some(Stopped), Open) => "Frontend was previously shut down, cannot enable.",
            (_, Paused) => "All sockets are already disabled.",
            _ => "All sockets are already enabled.",
        },
    ))
}
