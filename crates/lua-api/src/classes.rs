//! All classes, put together in a fresh state.

use std::sync::Arc;

use mlua::{Lua, Result};
use tidegate_exec::ObjectClass;

use crate::env::Env;
use crate::plane::{self, PlaneClasses};
use crate::row::{ClassRows, methods};
use crate::{act, applet_http, applet_tcp, channel, concat, converters, core, event, fetches, http, map};
use crate::{patref, queue, regex, reply, socket, txn, unsupported};

/// The classes of the objects that the host makes for scripts.
pub(crate) struct Classes {
    pub(crate) txn: ObjectClass,
    pub(crate) applet_http: ObjectClass,
    pub(crate) applet_tcp: ObjectClass,
    pub(crate) plane: PlaneClasses,
}

/// The classes of an object's sub-objects.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) fetches: ObjectClass,
    pub(crate) converters: ObjectClass,
    pub(crate) http: ObjectClass,
    pub(crate) channel: ObjectClass,
}

impl Classes {
    /// Makes all classes and the global tables.
    pub(crate) fn install(lua: &Lua, env: &Arc<Env>) -> Result<Classes> {
        let parts = Parts {
            fetches: fetches::class(lua, env)?,
            converters: converters::class(lua, env)?,
            http: ObjectClass::new(lua, "HTTP", &methods(lua, env, http::ROWS)?, None)?,
            channel: ObjectClass::new(lua, "Channel", &methods(lua, env, channel::ROWS)?, None)?,
        };
        core::install(lua, env, &parts)?;
        act::install(lua, env)?;
        event::install(lua, env)?;
        map::install(lua, env)?;
        regex::install(lua, env)?;
        unsupported::install(lua)?;
        Ok(Classes {
            plane: PlaneClasses::new(lua, env)?,
            txn: txn::class(lua, env, &parts)?,
            applet_http: applet_http::class(lua, env, &parts)?,
            applet_tcp: applet_tcp::class(lua, env, &parts)?,
        })
    }
}

/// Every function that scripts see, class by class: what reference pages and editor stubs are made from. The
/// methods of `Fetches` and `Converters` are those of the sample tables.
pub fn reference() -> Vec<ClassRows> {
    let class = |class, rows| ClassRows { class, rows };
    let mut classes = core::reference();
    classes.extend([
        class("act", act::ROWS),
        class("TXN", txn::ROWS),
        class("Reply", reply::ROWS),
        class("HTTP", http::ROWS),
        class("Channel", channel::ROWS),
        class("AppletHTTP", applet_http::ROWS),
        class("AppletTCP", applet_tcp::ROWS),
        class("Socket", socket::ROWS),
        class("Concat", concat::ROWS),
        class("Queue", queue::ROWS),
        class("Regex", regex::ROWS),
        class("EventSub", event::ROWS),
        class("Map", map::ROWS),
        class("Patref", patref::ROWS),
    ]);
    classes.extend(plane::reference());
    classes
}
