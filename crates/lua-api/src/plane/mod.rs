//! What scripts see of the data plane: proxies, servers, listeners and stick tables.
//!
//! Their objects stand for places in the configuration, which stay what they are while the process lives. Whatever is
//! asked of one is looked up then: nothing of a script keeps the data plane alive.

mod events;
mod listener;
mod names;
mod proxy;
mod server;
mod table;

pub(crate) use events::{CORE_ROWS as EVENT_ROWS, Filter as EventFilter, open as open_events};

use std::sync::{Arc, OnceLock};

use mlua::{Error, Lua, Result, Table};
use tidegate_exec::{NewObject, ObjectClass, Scalar, Standing, function};
use tidegate_proxy::spec::{BackendSpec, FrontendSpec};
use tidegate_proxy::{BackendState, Control, Plane, ServerState};

use crate::env::Env;
use crate::handle::stale;
use crate::row::{ClassRows, methods};

/// The proxies and servers that scripts see, once they are known.
#[derive(Clone, Default)]
pub struct World(Arc<OnceLock<Known>>);

struct Known {
    control: Control,
    figures: Arc<dyn Figures>,
    proxies: Vec<Place>,
}

/// A figure, as `get_stats` and `core.get_info` give it.
#[derive(Clone, Debug, PartialEq)]
pub enum Figure {
    /// A whole number.
    Int(i64),
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
}

/// What has figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of<'a> {
    /// A frontend, by its name.
    Frontend(&'a str),
    /// A listener of a frontend, by its number.
    Listener(&'a str, u32),
    /// A backend, by its name.
    Backend(&'a str),
    /// A server, by its backend's name and its place there.
    Server(&'a str, usize),
}

/// Where figures come from: whoever shows them on the runtime API too.
pub trait Figures: Send + Sync {
    /// Those of the process.
    fn of_process(&self, plane: &Plane) -> Vec<(&'static str, Figure)>;
    /// Those of something in it; none if there is no such thing.
    fn of(&self, plane: &Plane, what: Of<'_>) -> Vec<(&'static str, Figure)>;
}

/// Where a proxy is among frontends and backends.
#[derive(Clone, Debug)]
struct Place {
    name: String,
    id: u32,
    frontend: Option<usize>,
    backend: Option<usize>,
}

impl World {
    /// The data plane is known from here on. Said twice, the first counts.
    pub fn open(&self, control: Control, figures: Arc<dyn Figures>) {
        let Some(plane) = control.plane() else { return };
        let mut proxies: Vec<Place> = Vec::new();
        for (at, frontend) in plane.frontends().enumerate() {
            proxies.push(Place {
                name: frontend.name.clone(),
                id: frontend.id,
                frontend: Some(at),
                backend: None,
            });
        }
        for (at, backend) in plane.placed_backends() {
            let backend = backend.spec();
            // The halves of a `listen` section have one number.
            match proxies.iter_mut().find(|place| place.id == backend.id) {
                Some(place) => place.backend = Some(at),
                None => proxies.push(Place {
                    name: backend.name.clone(),
                    id: backend.id,
                    frontend: None,
                    backend: Some(at),
                }),
            }
        }
        drop(plane);
        let known = Known {
            control,
            figures,
            proxies,
        };
        // Nobody says it twice.
        let _ = self.0.set(known);
    }

    /// The data plane, if it is known and has not ended.
    pub(crate) fn plane(&self) -> Option<Plane> {
        self.0.get()?.control.plane()
    }

    /// The names that the data plane has now, if it is known and has not ended.
    pub(crate) fn names(&self) -> Option<names::Names> {
        self.plane().map(names::Names)
    }

    /// The figures of the process.
    pub(crate) fn info(&self) -> Option<Vec<(&'static str, Figure)>> {
        let known = self.0.get()?;
        Some(known.figures.of_process(&known.control.plane()?))
    }

    fn place(&self, proxy: usize) -> Option<&Place> {
        self.0.get()?.proxies.get(proxy)
    }

    /// The proxy that a backend is of.
    fn proxy_of(&self, backend: usize) -> Option<usize> {
        let places = &self.0.get()?.proxies;
        places.iter().position(|place| place.backend == Some(backend))
    }

    fn stats(&self, lua: &Lua, plane: &Plane, what: Of<'_>) -> Result<Table> {
        let figures = self.0.get().map(|known| known.figures.of(plane, what));
        figure_table(lua, figures.unwrap_or_default())
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

/// Figures by their names.
pub(crate) fn figure_table(lua: &Lua, figures: Vec<(&'static str, Figure)>) -> Result<Table> {
    let table = lua.create_table_with_capacity(0, figures.len())?;
    for (name, figure) in figures {
        table.raw_set(
            name,
            match figure {
                Figure::Int(value) => Scalar::Int(value),
                Figure::Number(value) => Scalar::Number(value),
                Figure::Text(text) => Scalar::Text(text.as_bytes().into()),
            },
        )?;
    }
    Ok(table)
}

/// What objects stand for: a tag behind those of sessions' objects, and two places.
const TAG_BITS: u32 = 4;
const PLACE_BITS: u32 = 30;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Tag {
    Proxy = 11,
    Server,
    Listener,
    Table,
}

fn stands_for(tag: Tag, first: usize, second: usize) -> u64 {
    ((first as u64) << PLACE_BITS | second as u64) << TAG_BITS | tag as u64
}

fn places(tag: Tag, bits: u64) -> Option<(usize, usize)> {
    let of_tag = bits & ((1 << TAG_BITS) - 1) == tag as u64;
    let places = bits >> TAG_BITS;
    of_tag.then_some((
        (places >> PLACE_BITS) as usize,
        (places & ((1 << PLACE_BITS) - 1)) as usize,
    ))
}

/// A proxy: its place among all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProxyRef(usize);

/// A server: the places of its backend and in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerRef {
    backend: usize,
    server: usize,
}

/// A listener: the places of its frontend and in it.
#[derive(Clone, Copy, Debug)]
struct ListenerRef {
    frontend: usize,
    listener: usize,
}

/// The stick table of a proxy.
#[derive(Clone, Copy, Debug)]
struct TableRef(usize);

impl Standing for ProxyRef {
    const NAME: &'static str = "Proxy";
    fn of(bits: u64) -> Option<Self> {
        places(Tag::Proxy, bits).map(|(_, proxy)| ProxyRef(proxy))
    }
}

impl Standing for ServerRef {
    const NAME: &'static str = "Server";
    fn of(bits: u64) -> Option<Self> {
        places(Tag::Server, bits).map(|(backend, server)| ServerRef { backend, server })
    }
}

impl Standing for ListenerRef {
    const NAME: &'static str = "Listener";
    fn of(bits: u64) -> Option<Self> {
        places(Tag::Listener, bits).map(|(frontend, listener)| ListenerRef { frontend, listener })
    }
}

impl Standing for TableRef {
    const NAME: &'static str = "StickTable";
    fn of(bits: u64) -> Option<Self> {
        places(Tag::Table, bits).map(|(_, proxy)| TableRef(proxy))
    }
}

/// The classes of the data plane's objects.
#[derive(Clone)]
pub(crate) struct PlaneClasses {
    proxy: ObjectClass,
    server: ObjectClass,
    listener: ObjectClass,
    table: ObjectClass,
}

impl PlaneClasses {
    /// Makes the classes.
    pub(crate) fn new(lua: &Lua, env: &Arc<Env>) -> Result<PlaneClasses> {
        let table = ObjectClass::new(lua, TableRef::NAME, &methods(lua, env, table::ROWS)?, None)?;
        let listener = ObjectClass::new(lua, ListenerRef::NAME, &methods(lua, env, listener::ROWS)?, None)?;
        let server = server::class(lua, env)?;
        let mut classes = PlaneClasses {
            // There is no proxy without the others.
            proxy: server.clone(),
            server,
            listener,
            table,
        };
        classes.proxy = proxy::class(lua, env, &classes)?;
        server::give_proxies(lua, env, &classes)?;
        for class in [&classes.proxy, &classes.server, &classes.listener, &classes.table] {
            same_when_they_stand_for_the_same(lua, class)?;
        }
        Ok(classes)
    }

    pub(crate) fn server(&self, backend: usize, server: usize) -> NewObject {
        self.server.object(stands_for(Tag::Server, backend, server))
    }

    fn proxy(&self, proxy: usize) -> NewObject {
        self.proxy.object(stands_for(Tag::Proxy, 0, proxy))
    }

    /// Puts the proxies into `core`, once they are known.
    pub(crate) fn fill(&self, lua: &Lua, env: &Env) -> Result<()> {
        let Some(known) = env.settings.world.0.get() else {
            return Ok(());
        };
        let (all, frontends, backends) = (lua.create_table()?, lua.create_table()?, lua.create_table()?);
        for (at, place) in known.proxies.iter().enumerate() {
            let object = mlua::IntoLua::into_lua(self.proxy(at), lua)?;
            if place.frontend.is_some() {
                frontends.raw_set(place.name.as_str(), &object)?;
            }
            if place.backend.is_some() {
                backends.raw_set(place.name.as_str(), &object)?;
            }
            all.raw_set(place.name.as_str(), object)?;
        }
        let core: Table = lua.globals().raw_get("core")?;
        core.raw_set("proxies", all)?;
        core.raw_set("frontends", frontends)?;
        core.raw_set("backends", backends)
    }
}

/// Two objects of the same thing are equal.
fn same_when_they_stand_for_the_same(lua: &Lua, class: &ObjectClass) -> Result<()> {
    let same = function(lua, "__eq", |_, (a, b): (Table, Table)| {
        Ok(a.raw_get::<mlua::Value>(1)? == b.raw_get::<mlua::Value>(1)?)
    })?;
    class.metatable().raw_set("__eq", same)
}

/// The classes for reference pages.
pub(crate) fn reference() -> Vec<ClassRows> {
    let class = |class, rows| ClassRows { class, rows };
    vec![
        class(ProxyRef::NAME, proxy::ROWS),
        class(ServerRef::NAME, server::ROWS),
        class(ListenerRef::NAME, listener::ROWS),
        class(TableRef::NAME, table::ROWS),
    ]
}

/// The data plane, for an object of a class.
///
/// # Errors
/// It has ended.
fn plane_for(env: &Env, class: &str) -> Result<Plane> {
    env.settings.world.plane().ok_or_else(|| stale(class))
}

fn frontend(plane: &Plane, at: usize) -> Option<&FrontendSpec> {
    plane.frontends().nth(at)
}

fn backend(plane: &Plane, at: usize) -> Option<(&BackendSpec, &Arc<BackendState>)> {
    plane.backend_at(at)
}

/// A server with all that is known of it.
struct Found<'p> {
    backend: &'p BackendSpec,
    spec: Arc<tidegate_proxy::spec::ServerSpec>,
    state: Arc<ServerState>,
}

fn found(plane: &Plane, at: ServerRef) -> Result<Found<'_>> {
    let find = || {
        let (backend, state) = backend(plane, at.backend)?;
        let servers = state.servers();
        let state = servers.numbered(at.server)?.clone();
        Some(Found {
            backend,
            spec: state.spec(),
            state,
        })
    };
    find().ok_or_else(|| stale(ServerRef::NAME))
}

/// An error of something that isn't there.
fn gone(class: &str) -> Error {
    stale(class)
}
