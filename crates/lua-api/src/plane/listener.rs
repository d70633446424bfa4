//! The Listener class.

use std::sync::Arc;

use tidegate_exec::{Standing, This, function};

use super::{ListenerRef, Of, frontend, gone, plane_for};
use crate::row::{Row, row};

pub(super) const ROWS: &[Row] = &[row(
    "get_stats(ls)",
    "the figures of the listener by their names",
    |lua, name, env| {
        let env = Arc::clone(env);
        function(lua, name, move |lua, this: This<ListenerRef>| {
            let plane = plane_for(&env, ListenerRef::NAME)?;
            let find = || {
                let frontend = frontend(&plane, this.frontend)?;
                Some((&frontend.name, frontend.listeners.get(this.listener)?.id))
            };
            let (frontend, id) = find().ok_or_else(|| gone(ListenerRef::NAME))?;
            env.settings.world.stats(lua, &plane, Of::Listener(frontend, id))
        })
    },
)];
