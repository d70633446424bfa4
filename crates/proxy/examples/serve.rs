//! The data plane alone, without any configuration language: `serve 127.0.0.1:8080` answers by itself,
//! `serve 127.0.0.1:8080 127.0.0.1:9000` passes requests on to a server.

use std::net::SocketAddr;
use std::sync::Arc;

use tidegate_proxy::Mode;
use tidegate_proxy::ext::NoExtensions;
use tidegate_proxy::spec::{
    BackendSpec, FrontendSpec, ListenerSpec, ProxySpec, ReplySpec, Rule, RuleAction, ServerSpec, Text,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut addresses = std::env::args().skip(1).map(|a| a.parse::<SocketAddr>());
    let listen = addresses.next().ok_or("usage: serve LISTEN [SERVER]")??;
    let mut frontend = FrontendSpec::new("web", Mode::Http);
    frontend
        .listeners
        .push(ListenerSpec::tcp(format!("bind {listen}"), listen));
    let mut spec = ProxySpec::default();
    match addresses.next() {
        Some(server) => {
            let mut backend = BackendSpec::new("app", Mode::Http);
            backend.servers.push(ServerSpec::tcp("s1", server?));
            frontend.default_backend = Some(0);
            spec.backends.push(backend);
        }
        None => {
            let reply =
                ReplySpec::status(http::StatusCode::OK).with_body("text/plain", Text::literal("hello\n"));
            frontend
                .http_request
                .push(Rule::new("http-request return", RuleAction::Return(reply)));
        }
    }
    spec.frontends.push(frontend);
    let running = tidegate_proxy::start(spec, Arc::new(|_| Ok(Box::new(NoExtensions))))?;
    for listen in running.addresses() {
        println!("{} listens on {}", listen.frontend, listen.address);
    }
    running.join();
    Ok(())
}
