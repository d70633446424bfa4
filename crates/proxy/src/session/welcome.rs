//! What comes before a session: the handshakes below it.

use std::rc::Rc;
use std::sync::Arc;

use tidegate_tls::Acceptor;

use super::logline;
use crate::client::Client;
use crate::proxy_protocol::{self, Fault, Form};
use crate::spec::ListenerSpec;
use crate::stream::Stream;
use crate::timeouts::Elapsed;
use crate::tls::{self, Kept, Refused};
use crate::worker::{Frontend, Worker};

/// How a listener's clients are received.
pub(crate) struct Welcome {
    /// Clients begin with a PROXY header.
    proxy: bool,
    /// Clients begin with a header of NetScaler.
    netscaler: bool,
    tls: Option<Arc<Acceptor>>,
}

impl Welcome {
    pub(crate) fn of(listener: &ListenerSpec) -> Welcome {
        Welcome {
            proxy: listener.accept_proxy,
            netscaler: listener.netscaler_magic.is_some(),
            tls: listener.tls.clone(),
        }
    }

    /// The headers that a client begins with.
    fn headers(&self, client: &Client) -> impl Iterator<Item = Form> {
        let proxy = self.proxy || client.expects_proxy.get();
        let netscaler = self.netscaler || client.expects_netscaler.get();
        let magic = client.entrance.netscaler_magic;
        let both = [
            proxy.then_some(Form::Proxy),
            netscaler.then_some(Form::Netscaler { magic }),
        ];
        both.into_iter().flatten()
    }

    /// Whether a client's session begins at once.
    pub(crate) fn is_plain(&self, client: &Client) -> bool {
        self.tls.is_none() && self.headers(client).next().is_none()
    }

    /// Shakes hands. `None` where that failed; it has been logged.
    pub(crate) async fn shake_hands(
        &self,
        worker: &Worker,
        frontend: &Frontend,
        client: &Rc<Client>,
        mut stream: Stream,
    ) -> Option<Stream> {
        for form in self.headers(client) {
            let timer = worker.wheel.timer();
            let limit = frontend.spec.timeouts.client;
            let receiving = proxy_protocol::receive(&stream, form, worker.shared.global.buffer_bytes);
            let fault = match timer.limit(limit, receiving).await {
                Ok(Ok(header)) => {
                    if let Some((source, destination)) = header.addresses {
                        client.tell(|told| {
                            (told.source, told.destination) = (Some(source), Some(destination));
                        });
                    }
                    if form == Form::Proxy {
                        client.begins_with(header);
                    }
                    client.is_ready();
                    None
                }
                Ok(Err(fault)) => Some(fault),
                Err(Elapsed) => Some(Fault::Timeout),
            };
            if let Some(fault) = fault {
                client.error.set(fault.number(form));
                logline::refused(frontend, client);
                return None;
            }
        }
        if let Some(acceptor) = &self.tls {
            let kept = Kept {
                hello_bytes: worker.shared.global.tls_capture_bytes,
            };
            let timeouts = &frontend.spec.timeouts;
            let timer = worker.wheel.timer();
            let limit = timeouts.client_hs.or(timeouts.client);
            let shaken = timer.limit(limit, tls::accept(stream, acceptor, kept)).await;
            let refused = match shaken {
                Ok(Ok((secure, known))) => {
                    *client.tls.borrow_mut() = Some(known);
                    stream = secure;
                    client.is_ready();
                    return Some(stream);
                }
                Ok(Err(refused)) => refused,
                Err(Elapsed) => Refused::too_late(),
            };
            client.error.set(refused.error);
            *client.tls.borrow_mut() = Some(refused.tls);
            logline::refused(frontend, client);
            return None;
        }
        Some(stream)
    }
}
