//! Which connections to servers a session's requests use again, and which server they return to.

use std::rc::Rc;

use http::StatusCode;
use tidegate_sample::head::names::{PROXY_AUTHENTICATE, WWW_AUTHENTICATE};
use tidegate_sample::head::response;

use super::http::{HttpSession, LastServer};
use super::stream::HttpStream;
use crate::spec::{Balance, HttpReuse};
use crate::txn::{Hurry, Txn};
use crate::upstream::Server;
use crate::upstream::link::Link;
use crate::upstream::manner::Manner;
use crate::upstream::pool::Claim;
use crate::worker::Backend;

/// Where a connection goes once its response was received.
pub(crate) enum Keep {
    /// It is closed.
    Nowhere,
    /// Other requests may have it.
    Pool,
    /// It is this session's alone.
    Session(Rc<HttpSession>),
}

impl Keep {
    /// Puts it there.
    pub(crate) fn put(self, server: &Rc<Server>, conn: Link) {
        match self {
            Keep::Nowhere => drop(conn),
            Keep::Pool => server.pool.put(conn),
            Keep::Session(session) => {
                session
                    .own
                    .put(server, conn, session.frontend.spec.session_servers_max);
            }
        }
    }
}

impl HttpStream {
    /// A connection that this request may use again.
    pub(super) fn idle_connection(&self, backend: &Backend, server: &Rc<Server>, txn: &Txn) -> Option<Link> {
        let manner = txn.hurried(Hurry::Connection, || Manner::of(server, txn));
        let own = self.session.own.take(server, manner.as_deref());
        own.or_else(|| {
            server.idle_connection(&Claim {
                reuse: backend.spec.reuse,
                manner: manner.as_deref(),
                session: self.session.number(),
                is_first: txn.facts.borrow().first_request,
            })
        })
    }

    /// A new connection is about to be made. If there are too many already, one that is idle goes for it.
    pub(super) fn make_room(&self, backend: &Backend) {
        if backend.descriptors.are_short() {
            let servers = backend.balancer.servers();
            let _ = servers.iter().any(|server| server.pool.drop_one());
        }
    }

    /// Lets others have streams of a connection of HTTP/2 that is new, if they may.
    pub(super) fn share(&self, backend: &Backend, server: &Rc<Server>, link: &Link) {
        if backend.spec.reuse == HttpReuse::Never {
            link.made().life.make_private();
        }
        if self.closes_server(backend) {
            return;
        }
        if let Link::Http2(stream) = link {
            match link.made().life.is_private() {
                true => self.session.own.share(server, stream.connection()),
                false => server.pool.share(stream.connection()),
            }
        }
    }

    /// Takes in what a response says of its connection and of the server for the requests that follow.
    pub(super) fn learn(&self, backend: &Backend, server: &Rc<Server>, head: &response::Parts, link: &Link) {
        let challenged = matches!(
            head.status,
            StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED
        );
        if challenged && binds_connection(head) {
            self.bind_connection(backend, server, link);
        }
        if challenged || backend.spec.prefer_last_server {
            self.session.last.set(Some(LastServer {
                server: server.clone(),
                challenged,
            }));
        } else {
            self.session.last.take();
        }
    }

    /// The server takes whatever comes over the connection for the same user's.
    fn bind_connection(&self, backend: &Backend, server: &Rc<Server>, link: &Link) {
        let life = &link.made().life;
        if life.is_private() {
            return;
        }
        match link {
            Link::Http1(_) => life.make_private(),
            // Where others share it they do so already.
            Link::Http2(stream) if backend.spec.reuse == HttpReuse::Safe => {
                life.make_private();
                self.session.own.share(server, stream.connection());
            }
            Link::Http2(_) => {}
        }
    }

    /// The server of the session's last request, if this one is to go there too: it was challenged, or the backend prefers
    /// it so.
    pub(super) fn last_server(&self, backend: &Backend) -> Option<Rc<Server>> {
        let last = self.session.last.take()?;
        let found = self.goes_on_with(backend, &last);
        self.session.last.set(Some(last));
        found
    }

    fn goes_on_with(&self, backend: &Backend, last: &LastServer) -> Option<Rc<Server>> {
        let LastServer { server, challenged } = last;
        let servers = backend.balancer.servers();
        let ours = servers.at(server.place)?;
        let decides_otherwise = matches!(backend.spec.balance, Balance::Hash(_) | Balance::StaticRr);
        let wanted = *challenged || backend.spec.prefer_last_server;
        if !wanted || decides_otherwise || !Rc::ptr_eq(ours, server) || !server.state.is_usable() {
            return None;
        }
        if server.pool.is_empty() && !self.session.own.leads_to(server) {
            return None;
        }
        let too_long = backend.spec.keep_alive_queue_max.is_some_and(|most| {
            !backend.balancer.shared().has_room(&server.state) && server.state.queued() >= most
        });
        (*challenged || !too_long).then(|| server.clone())
    }

    /// Where a connection of this transaction goes when its response was received.
    pub(super) fn keep(&self, backend: &Backend, link: &Link) -> Keep {
        if self.closes_server(backend) {
            Keep::Nowhere
        } else if link.made().life.is_private() {
            Keep::Session(self.session.clone())
        } else {
            Keep::Pool
        }
    }
}

/// Whether a challenge is one of those that are answered for a whole connection.
fn binds_connection(head: &response::Parts) -> bool {
    let schemes = match head.status {
        StatusCode::UNAUTHORIZED => WWW_AUTHENTICATE,
        _ => PROXY_AUTHENTICATE,
    };
    head.headers.get_all(schemes).any(|value| {
        let value = value.as_bytes();
        let begins = |scheme: &[u8]| {
            value
                .get(..scheme.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        };
        begins(b"NTLM") || begins(b"Nego")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_challenges_are_for_the_connection() {
        let head = |status: u16, name: &str, value: &str| {
            let response = http::Response::builder().status(status).header(name, value);
            response.body(()).unwrap().into_parts().0.into()
        };
        assert!(binds_connection(&head(401, "www-authenticate", "NTLM")));
        assert!(binds_connection(&head(401, "www-authenticate", "negotiate")));
        assert!(binds_connection(&head(
            407,
            "proxy-authenticate",
            "Negotiate abc"
        )));
        assert!(!binds_connection(&head(401, "www-authenticate", "Basic realm=x")));
        assert!(!binds_connection(&head(401, "proxy-authenticate", "NTLM")));
    }
}
