//! Asking an agent.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::agent::{self, Answer};
use super::run::{Line, Opener, Route};
use super::spec::AgentSpec;
use super::step::Connect;
use crate::timeouts::Timer;

/// The longest line that is read.
const LINE_BYTES_MAX: usize = 1024;

/// What the agent says; none if it can't be asked, which says nothing of the server.
pub(super) async fn ask(spec: &AgentSpec, opener: &dyn Opener, timer: &Timer) -> Option<Answer> {
    let limit: Duration = spec.timeout.unwrap_or(spec.inter);
    let asking = async {
        let connect = Connect::default();
        let route = Route {
            connect: &connect,
            port: Some(spec.port),
            http: false,
            host: None,
        };
        let Line::Bytes(mut wire) = opener.open(route).await.ok()?.line else {
            return None;
        };
        if !spec.send.is_empty() {
            wire.write_all(&spec.send).await.ok()?;
            wire.flush().await.ok()?;
        }
        let mut said = Vec::with_capacity(64);
        loop {
            if let Some(line) = agent::line(&said) {
                return agent::parse(line).ok();
            }
            let ended = said.len() >= LINE_BYTES_MAX || wire.read_buf(&mut said).await.ok()? == 0;
            if ended {
                // An agent that closes without the end of its line has said all the same.
                let line = agent::line(&said).unwrap_or(&said);
                return agent::parse(line).ok();
            }
        }
    };
    timer.limit(Some(limit), asking).await.ok().flatten()
}
