//! Checks by programs.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::task::spawn_blocking;

use super::run::Finding;
use super::spec::ExternalSpec;
use super::status::Status;
use crate::spec::ServerAddress;
use crate::timeouts::Timer;
use crate::upstream::state::ServerState;

/// What stands for an address or a port that there isn't.
const NOT_USED: &str = "NOT_USED";

/// The code of a program that couldn't be started, as shells have it.
const NOT_STARTED: i64 = 255;

/// What a program is told of its server as it is now.
pub(super) struct Told<'a> {
    pub(super) state: &'a ServerState,
    /// Requests or streams at the server.
    pub(super) connections: u64,
}

/// Runs the program, which has as long as `limit`: then it is killed. Its exit status is what it found.
pub(super) async fn run(spec: &ExternalSpec, told: &Told<'_>, timer: &Timer, limit: Duration) -> Finding {
    let mut command = command(spec, told);
    // Starting a program takes the system a while, which is not this worker's.
    let started = spawn_blocking(move || command.spawn()).await;
    let mut child = match started {
        Ok(Ok(child)) => child,
        Ok(Err(why)) => {
            return Finding {
                status: Status::ProcessError,
                code: Some(NOT_STARTED),
                info: Some(format!("cannot start `{}`: {why}", spec.command)),
            };
        }
        Err(_) => return Finding::of(Status::SocketError),
    };
    match timer.limit(Some(limit), child.wait()).await {
        Ok(Ok(status)) => finding(status),
        Ok(Err(_)) => Finding::of(Status::SocketError),
        Err(_) => {
            end(child).await;
            Finding::of(Status::ProcessTimeout)
        }
    }
}

fn finding(status: ExitStatus) -> Finding {
    Finding {
        status: match status.success() {
            true => Status::ProcessOk,
            false => Status::ProcessError,
        },
        // One that was ended by a signal has none.
        code: Some(status.code().map_or(-1, i64::from)),
        info: None,
    }
}

/// Kills a program that takes too long.
async fn end(mut child: Child) {
    // It may have ended meanwhile, which is as good.
    let _ = child.kill().await;
}

fn command(spec: &ExternalSpec, told: &Told<'_>) -> Command {
    let (address, port) = match told.state.address() {
        ServerAddress::Tcp(address) => (address.ip().to_string(), Some(address.port().to_string())),
        ServerAddress::Unix(path) => (path.to_string_lossy().into_owned(), None),
        ServerAddress::Abstract(name) => (format!("abns@{}", String::from_utf8_lossy(&name)), None),
    };
    let server = told.state.spec();
    let used = |text: &Option<String>| text.clone().unwrap_or_else(|| NOT_USED.to_owned());
    let known = |text: Option<String>| text.unwrap_or_default();
    let mut command = Command::new(&spec.command);
    if !spec.preserve_env {
        command.env_clear();
    }
    let variables = [
        ("PATH", spec.path.clone()),
        ("HAPROXY_PROXY_ADDR", known(spec.proxy_address.clone())),
        ("HAPROXY_PROXY_PORT", known(spec.proxy_port.clone())),
        ("HAPROXY_PROXY_ID", spec.proxy_id.to_string()),
        ("HAPROXY_PROXY_NAME", spec.proxy_name.clone()),
        ("HAPROXY_SERVER_ADDR", address.clone()),
        ("HAPROXY_SERVER_PORT", known(port.clone())),
        ("HAPROXY_SERVER_ID", server.id.to_string()),
        ("HAPROXY_SERVER_NAME", server.name.clone()),
        ("HAPROXY_SERVER_CURCONN", told.connections.to_string()),
        ("HAPROXY_SERVER_MAXCONN", told.state.maxconn().to_string()),
        ("HAPROXY_SERVER_SSL", u8::from(server.tls.is_some()).to_string()),
        ("HAPROXY_SERVER_PROTO", spec.protocol.to_owned()),
    ];
    command
        .args([
            used(&spec.proxy_address),
            used(&spec.proxy_port),
            address,
            used(&port),
        ])
        .envs(variables)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // The check may be dropped with its worker.
        .kill_on_drop(true);
    command
}
