//! What `set server` changes beside a server's state: where it is checked, its agent, its names, its TLS.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tidegate_proxy::NotRenamed;
use tidegate_proxy::check::spec::{AgentSpec, CheckSpec};
use tidegate_proxy::resolve::spec::NameSpec;

use super::Subject;
use crate::runtime::command::{Answer, Call, Refusal, Severity};

/// `check-addr <ip> [port <port>]`
pub(super) fn check_address(of: &Subject<'_>, call: &Call<'_>) -> Result<Answer, Refusal> {
    let wanted = call.text(2);
    let wanted = wanted.ok_or_else(|| {
        Refusal::error("set server <b>/<s> check-addr requires an address and optionally a port.")
    })?;
    let (ip, port) = (address(&wanted)?, behind(call, 3)?);
    check(of, |check| {
        check.address = Some(ip);
        check.port = port.or(check.port);
    })
}

/// `check-port <port>`
pub(super) fn check_port(of: &Subject<'_>, call: &Call<'_>) -> Result<Answer, Refusal> {
    let wanted = call.text(2);
    let wanted = wanted.ok_or_else(|| Refusal::error("set server <b>/<s> check-port requires a port."))?;
    let port = port(&wanted)?;
    check(of, |check| check.port = Some(port))
}

/// `agent-addr <ip> [port <port>]`
pub(super) fn agent_address(of: &Subject<'_>, call: &Call<'_>) -> Result<Answer, Refusal> {
    let wanted = call.text(2);
    let wanted = wanted.ok_or_else(|| {
        Refusal::error("set server <b>/<s> agent-addr requires an address and optionally a port.")
    })?;
    let (ip, port) = (address(&wanted)?, behind(call, 3)?);
    change_agent(of, |agent| {
        agent.address = Some(ip);
        agent.port = port.unwrap_or(agent.port);
    })
}

/// `agent-port <port>`
pub(super) fn agent_port(of: &Subject<'_>, call: &Call<'_>) -> Result<Answer, Refusal> {
    let wanted = call.text(2);
    let wanted = wanted.ok_or_else(|| Refusal::error("set server <b>/<s> agent-port requires a port."))?;
    let port = port(&wanted)?;
    change_agent(of, |agent| agent.port = port)
}

/// `agent-send <text>`
pub(super) fn agent_send(of: &Subject<'_>, call: &Call<'_>) -> Result<Answer, Refusal> {
    let text = call.args.get(2).map(|word| word.to_vec());
    let text = text.ok_or_else(|| Refusal::error("set server <b>/<s> agent-send requires a string."))?;
    change_agent(of, |agent| agent.send = Bytes::from(text))
}

/// `agent { up | down }`
pub(super) fn agent(of: &Subject<'_>, call: &Call<'_>) -> Result<Answer, Refusal> {
    if of.server.spec().agent.is_none() || !of.server.checks().is_agent_enabled() {
        return Err(no_agent());
    }
    let up = match call.text(2).as_deref() {
        Some("up") => true,
        Some("down") => false,
        _ => {
            let why = "'set server <srv> agent' expects 'up' or 'down'.";
            return Err(Refusal::error(why));
        }
    };
    of.server
        .change_agent_health(up, "changed from CLI", Instant::now());
    Ok(Answer::Done)
}

/// `fqdn <name>`
pub(super) fn name_of_address(of: &Subject<'_>, call: &Call<'_>) -> Result<Answer, Refusal> {
    let wanted = call
        .text(2)
        .filter(|name| !name.is_empty())
        .ok_or_else(|| Refusal::error("set server <b>/<s> fqdn requires a FQDN."))?;
    let spec = of.server.spec();
    let naming = spec.naming.as_ref().ok_or_else(|| {
        Refusal::error("set server <b>/<s> fqdn failed because no resolution is configured.")
    })?;
    let title = format!("{}/{}", of.backend.name(), spec.name);
    let before = spec.name_of_address.as_ref().map(|name| name.name.as_str());
    let name = wanted.to_ascii_lowercase();
    if before == Some(&*name) {
        return Ok(message(format!("no need to change the FQDN of {title}")));
    }
    let said = format!(
        "{title} changed its FQDN from {} to {name} by 'stats socket command'",
        before.unwrap_or("(null)")
    );
    let followed = NameSpec {
        name,
        ..(**naming).clone()
    };
    of.plane.follow_name(of.backend, &of.server, followed);
    Ok(message(said))
}

/// `name <name>`
pub(super) fn name(of: &Subject<'_>, call: &Call<'_>) -> Result<Answer, Refusal> {
    let wanted = call
        .text(2)
        .filter(|name| !name.is_empty())
        .ok_or_else(|| Refusal::error("set server <b>/<s> name requires a new name."))?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    if of.server.admin().is_maint() && !wanted.bytes().all(allowed) {
        return Err(Refusal::error("Server name contains invalid characters."));
    }
    of.backend.rename_server(&of.server, &wanted).map_err(|why| {
        Refusal::error(match why {
            NotRenamed::InService => "Server must be in maintenance mode to be renamed.",
            NotRenamed::Referenced => "Server is statically referenced by name in the configuration.",
            NotRenamed::SameName => "A server with the same name already exists in the backend.",
        })
    })?;
    Ok(message("Server name updated.".to_owned()))
}

/// `ssl { on | off }`
pub(super) fn tls(of: &Subject<'_>, call: &Call<'_>) -> Result<Answer, Refusal> {
    let Some(spare) = of.server.spec().spare_tls.clone() else {
        let why = "'set server <srv> ssl' cannot be set.  default-server should define ssl settings";
        return Err(Refusal::error(why));
    };
    let on = match call.text(2).as_deref() {
        Some("on") => true,
        Some("off") => false,
        _ => return Err(Refusal::error("'set server <srv> ssl' expects 'on' or 'off'.")),
    };
    of.backend.change_server(&of.server, |spec| {
        spec.tls = Some(spare).filter(|_| on);
        spec.refuses_tls = false;
    });
    Ok(message("server ssl setting updated.".to_owned()))
}

fn check(of: &Subject<'_>, change: impl FnOnce(&mut CheckSpec)) -> Result<Answer, Refusal> {
    let Some(check) = of.server.spec().check.clone() else {
        return Err(Refusal::error("health checks are not enabled on this server"));
    };
    let mut check = (*check).clone();
    change(&mut check);
    of.backend
        .change_server(&of.server, |spec| spec.check = Some(Arc::new(check)));
    Ok(Answer::Done)
}

fn change_agent(of: &Subject<'_>, change: impl FnOnce(&mut AgentSpec)) -> Result<Answer, Refusal> {
    let agent = of.server.spec().agent.clone();
    let agent = agent.filter(|_| of.server.checks().is_agent_enabled());
    let mut agent = (*agent.ok_or_else(no_agent)?).clone();
    change(&mut agent);
    of.backend
        .change_server(&of.server, |spec| spec.agent = Some(Arc::new(agent)));
    Ok(Answer::Done)
}

fn no_agent() -> Refusal {
    Refusal::error("agent checks are not enabled on this server")
}

/// What came of a change of the address, which HAProxy tells of as gravely.
fn message(text: String) -> Answer {
    Answer::Message(Severity::Warning, text)
}

fn address(text: &str) -> Result<IpAddr, Refusal> {
    text.parse()
        .map_err(|_| Refusal::error(format!("invalid addr '{text}'")))
}

/// `port <port>`, if it is there.
fn behind(call: &Call<'_>, at: usize) -> Result<Option<u16>, Refusal> {
    match (call.text(at).as_deref(), call.text(at + 1)) {
        (None, _) => Ok(None),
        (Some("port"), Some(text)) => port(&text).map(Some),
        (Some("port"), None) => Err(Refusal::error("The port is missing.")),
        (Some(other), _) => Err(Refusal::error(format!("`{other}` is not `port`."))),
    }
}

fn port(text: &str) -> Result<u16, Refusal> {
    let number: i64 = text
        .parse()
        .map_err(|_| Refusal::error("provided port is not an integer"))?;
    u16::try_from(number)
        .ok()
        .filter(|port| *port > 0)
        .ok_or_else(|| Refusal::error("provided port is invalid"))
}
