//! Proxies and servers by what commands call them: a name, or a number after `#`.

use std::sync::Arc;

use tidegate_proxy::{BackendState, Plane, ServerState};

use tidegate_proxy::spec::FrontendSpec;

use super::command::Refusal;

/// Whether `text` is the name, or the number after `#`.
fn is_called(text: &str, name: &str, id: u32) -> bool {
    text == name || text.strip_prefix('#').and_then(|number| number.parse().ok()) == Some(id)
}

/// The frontend of a name or number.
pub(super) fn frontend<'p>(plane: &'p Plane, text: &str) -> Result<&'p FrontendSpec, Refusal> {
    plane
        .frontends()
        .find(|frontend| is_called(text, &frontend.name, frontend.id))
        .ok_or_else(|| Refusal::error("No such frontend."))
}

/// The backend of a name or number.
pub(super) fn backend<'p>(plane: &'p Plane, text: &str) -> Result<&'p Arc<BackendState>, Refusal> {
    let mut backends = plane.backends().map(|(_, state)| state);
    let found = backends.find(|backend| is_called(text, backend.name(), backend.id()));
    // HAProxy takes a bare number, too, where only a backend can be meant.
    let by_number = || {
        let id: u32 = text.parse().ok()?;
        plane
            .backends()
            .map(|(_, state)| state)
            .find(|backend| backend.id() == id)
    };
    found
        .or_else(by_number)
        .ok_or_else(|| Refusal::error("No such backend."))
}

/// The backend and server that `<backend>/<server>` stands for.
pub(super) fn server(
    plane: &Plane,
    text: Option<String>,
) -> Result<(&Arc<BackendState>, Arc<ServerState>), Refusal> {
    let (of_backend, of_server) = pair(text)?;
    let backend = backend(plane, &of_backend)?;
    if backend.is_disabled() {
        return Err(Refusal::error("Proxy is disabled."));
    }
    let servers = backend.servers();
    let mut servers = servers.iter();
    match servers.find(|server| is_called(&of_server, &server.name(), server.id())) {
        Some(server) => Ok((backend, server.clone())),
        None => Err(Refusal::error("No such server.")),
    }
}

/// The two names of `<backend>/<server>`.
pub(super) fn pair(text: Option<String>) -> Result<(String, String), Refusal> {
    let text = text.unwrap_or_default();
    let (backend, server) = text
        .split_once('/')
        .ok_or_else(|| Refusal::error("Require 'backend/server'."))?;
    Ok((backend.to_owned(), server.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        assert!(is_called("app", "app", 3) && is_called("#3", "app", 3));
        assert!(!is_called("3", "app", 3) && !is_called("#4", "app", 3) && !is_called("#", "app", 0));
    }
}
