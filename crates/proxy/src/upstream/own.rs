//! Connections to servers that one session keeps for itself: where others may not use them (`http-reuse never`), or where
//! the server takes all that comes over one for the same user's.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use super::Server;
use super::link::Link;
use super::manner::Manner;
use crate::http1;
use crate::http2;

/// Those of one session. While there has been none, nothing is allocated.
#[derive(Default)]
pub(crate) struct OwnConnections {
    held: OnceCell<Box<All>>,
}

type All = RefCell<Vec<(Rc<Server>, Held)>>;

enum Held {
    Http1(Box<http1::ClientConn>),
    Http2(Rc<http2::ClientConn>),
}

impl OwnConnections {
    /// A link to this server, of this manner, that can take a request.
    pub(crate) fn take(&self, server: &Rc<Server>, manner: Option<&Manner>) -> Option<Link> {
        let mut held = self.held.get()?.borrow_mut();
        let mut at = 0;
        while let Some((to, conn)) = held.get_mut(at) {
            let made = match conn {
                Held::Http1(conn) => &conn.made,
                Held::Http2(conn) => &conn.made,
            };
            if !Rc::ptr_eq(to, server) || !made.is_of(manner) {
                at += 1;
                continue;
            }
            if let Held::Http2(conn) = conn {
                if let Some(stream) = http2::ClientConn::reserve(conn) {
                    return Some(Link::Http2(Box::new(stream)));
                }
                match conn.is_open() {
                    true => at += 1,
                    false => drop(held.remove(at)),
                }
                continue;
            }
            if let (_, Held::Http1(mut conn)) = held.remove(at)
                && conn.is_usable()
            {
                return Some(Link::Http1(conn));
            }
        }
        None
    }

    /// Keeps a connection for later, unless there are that many.
    pub(crate) fn put(&self, server: &Rc<Server>, link: Link, most: usize) {
        if let Link::Http1(mut conn) = link
            && self.count() < most
            && server.pool.lets_go_on(&conn.made)
            && conn.is_usable()
        {
            self.hold(server, Held::Http1(conn));
        }
    }

    /// Lets the session's other requests have streams of a connection.
    pub(crate) fn share(&self, server: &Rc<Server>, conn: &Rc<http2::ClientConn>) {
        self.hold(server, Held::Http2(conn.clone()));
    }

    /// Whether there is one to this server.
    pub(crate) fn leads_to(&self, server: &Rc<Server>) -> bool {
        let held = self.held.get().map(|held| held.borrow());
        held.is_some_and(|held| held.iter().any(|(to, _)| Rc::ptr_eq(to, server)))
    }

    fn count(&self) -> usize {
        self.held.get().map_or(0, |held| held.borrow().len())
    }

    fn hold(&self, server: &Rc<Server>, held: Held) {
        let all = self.held.get_or_init(Box::default);
        all.borrow_mut().push((server.clone(), held));
    }
}
