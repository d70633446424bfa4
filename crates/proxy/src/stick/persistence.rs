//! `stick` lines: clients go on to the server that they had.

use std::rc::Rc;
use std::sync::Arc;

use tidegate_sample::stick::{EntryRef, Key, ServerKey, Stick, Table};
use tidegate_sample::{ExternalRunner, Way};

use super::rules::eval;
use crate::clock::Turn;
use crate::spec::ServerAddress;
use crate::txn::Txn;
use crate::upstream::Server;
use crate::worker::Backend;

/// Most keys that one request, or one response, is stored by.
const STORES_MAX: usize = 8;

/// What the lines of a backend say of a request.
#[derive(Default)]
pub(crate) struct Chosen {
    /// The server to go to, if it can be used.
    pub(crate) server: Option<Rc<Server>>,
    /// What is stored once it is known which server it is.
    stores: Vec<(Arc<Table>, Key)>,
}

/// The server that the tables say, and what is to be stored when there is a connection to one.
pub(crate) async fn preferred(backend: &Backend, txn: &Rc<Txn>, runner: &dyn ExternalRunner) -> Chosen {
    let mut chosen = Chosen::default();
    for stick in &backend.spec.stick {
        let stores = stick.stores == Some(Way::Request) && !chosen.has(&stick.table);
        let matches = stick.matches && chosen.server.is_none();
        if !(stores || matches) {
            continue;
        }
        let Some(key) = key(stick, txn, runner).await else {
            continue;
        };
        if matches {
            let now = Turn::ticks();
            let found = stick.table.look_up(&key, now, |entry| {
                let server = server_of(entry, &stick.table, backend)?;
                entry.touch(now);
                Some(server)
            });
            // One that takes no new clients keeps those that it has.
            chosen.server = found.flatten().filter(|server| server.state.is_up());
        }
        if stores {
            chosen.stores.push((stick.table.clone(), key));
        }
    }
    chosen
}

impl Chosen {
    fn has(&self, table: &Arc<Table>) -> bool {
        self.stores.len() == STORES_MAX || self.stores.iter().any(|(known, _)| Arc::ptr_eq(known, table))
    }

    /// Stores the server that serves.
    pub(crate) fn store(&self, server: &Server) {
        if !server.spec.sticks() {
            return;
        }
        for (table, key) in &self.stores {
            store(table, key, server);
        }
    }
}

/// Stores what the response says of the server that sent it.
pub(crate) async fn store_response(
    backend: &Backend,
    server: &Server,
    txn: &Rc<Txn>,
    runner: &dyn ExternalRunner,
) {
    let lines = backend
        .spec
        .stick
        .iter()
        .filter(|stick| stick.stores == Some(Way::Response));
    let mut chosen = Chosen::default();
    for stick in lines {
        if !chosen.has(&stick.table)
            && let Some(key) = key(stick, txn, runner).await
        {
            chosen.stores.push((stick.table.clone(), key));
        }
    }
    chosen.store(server);
}

async fn key(stick: &Stick, txn: &Rc<Txn>, runner: &dyn ExternalRunner) -> Option<Key> {
    if let Some(condition) = &stick.condition
        && !condition.eval_async(&**txn, runner).await
    {
        return None;
    }
    stick.table.spec().key.key(eval(txn, &stick.key, runner).await?)
}

fn store(table: &Table, key: &Key, server: &Server) {
    let id = server.named.id;
    // No room is as if it had not been asked for.
    let _ = match table.spec().server_key {
        ServerKey::Name => table.update(key, Turn::ticks(), |entry| {
            entry.set_server(id, &server.named.name)
        }),
        ServerKey::Address => {
            let address = address(&server.address());
            table.update(key, Turn::ticks(), |entry| {
                entry.set_server(id, address.as_bytes())
            })
        }
    };
}

/// The server of an entry: the one of its key, else the one of its number.
fn server_of(entry: EntryRef<'_>, table: &Table, backend: &Backend) -> Option<Rc<Server>> {
    let servers = backend.balancer.servers();
    let by_key = entry.server_key().and_then(|key| {
        let is_it = |server: &&Rc<Server>| match table.spec().server_key {
            ServerKey::Name => server.named.name == key,
            ServerKey::Address => address(&server.address()).as_bytes() == key.as_slice(),
        };
        servers.iter().find(is_it)
    });
    let by_number = || {
        let id = Some(entry.server_id()).filter(|id| *id > 0)?;
        servers.iter().find(|server| server.named.id == id)
    };
    by_key.or_else(by_number).cloned()
}

fn address(address: &ServerAddress) -> String {
    match address {
        ServerAddress::Tcp(address) => address.to_string(),
        ServerAddress::Unix(path) => path.display().to_string(),
        ServerAddress::Abstract(name) => format!("abns@{}", String::from_utf8_lossy(name)),
    }
}
