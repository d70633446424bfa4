//! Connections to servers that one session keeps for itself: where others may not use them (`http-reuse never`), or where
//! the server takes all that comes over one for the same user's.

use std::cell::RefCell;
use std::rc::Rc;

use super::Server;
use super::link::Link;
use super::manner::Manner;
use crate::http1;
use crate::http2;

/// Those of one session.
#[derive(Default)]
pub(crate) struct OwnConnections {
    held: RefCell<Vec<(Rc<Server>, Held)>>,
}

enum Held {
    Http1(Box<http1::ClientConn>),
    Http2(Rc<http2::ClientConn>),
}

impl OwnConnections {
    /// A link to this server, of this manner, that can take a request.
    pub(crate) fn take(&self, server: &Rc<Server>, manner: Option<&Manner>) -> Option<Link> {
        let mut held = self.held.borrow_mut();
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
            && self.held.borrow().len() < most
            && server.pool.lets_go_on(&conn.made)
            && conn.is_usable()
        {
            self.held.borrow_mut().push((server.clone(), Held::Http1(conn)));
        }
    }

    /// Lets the session's other requests have streams of a connection.
    pub(crate) fn share(&self, server: &Rc<Server>, conn: &Rc<http2::ClientConn>) {
        self.held
            .borrow_mut()
            .push((server.clone(), Held::Http2(conn.clone())));
    }

    /// Whether there is one to this server.
    pub(crate) fn leads_to(&self, server: &Rc<Server>) -> bool {
        self.held.borrow().iter().any(|(to, _)| Rc::ptr_eq(to, server))
    }
}
