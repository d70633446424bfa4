//! The figures of the runtime API, as scripts get them.

use std::sync::Arc;

use tidegate_lua_api::{Figure, Figures, Of};
use tidegate_proxy::Plane;

use super::about::About;
use super::commands::info;
use super::commands::stat::fields::{FIELDS, Object, of_backend, of_frontend, of_listener, of_server};
use super::typed::Typed;

/// Gives scripts the figures that `show info` and `show stat` show.
pub(crate) struct ScriptFigures(pub(crate) Arc<About>);

impl Figures for ScriptFigures {
    fn of_process(&self, plane: &Plane) -> Vec<(&'static str, Figure)> {
        let figures = info::figures(&self.0, plane);
        figures
            .into_iter()
            .map(|told| (told.name, figure(told.value)))
            .collect()
    }

    fn of(&self, plane: &Plane, what: Of<'_>) -> Vec<(&'static str, Figure)> {
        let Some(object) = object(plane, what) else {
            return Vec::new();
        };
        let values = FIELDS
            .iter()
            .filter_map(|field| Some((field.name, (field.value)(&object)?)));
        values.map(|(name, value)| (name, figure(value))).collect()
    }
}

fn object(plane: &Plane, what: Of<'_>) -> Option<Object> {
    let frontend = |name: &str| plane.frontends().find(|frontend| frontend.name == name);
    let backend = |name: &str| plane.backends().find(|(backend, _)| backend.name == name);
    match what {
        Of::Frontend(name) => of_frontend(plane, frontend(name)?),
        Of::Listener(name, id) => of_listener(plane, frontend(name)?, id),
        Of::Backend(name) => {
            let (backend, state) = backend(name)?;
            of_backend(plane, backend, state)
        }
        Of::Server(name, at) => {
            let (backend, state) = backend(name)?;
            Some(of_server(plane, backend, state.servers().numbered(at)?))
        }
    }
}

fn figure(value: Typed) -> Figure {
    match value {
        Typed::U32(value) => Figure::Int(value.into()),
        Typed::U64(value) => Figure::Int(i64::try_from(value).unwrap_or(i64::MAX)),
        Typed::S32(value) => Figure::Int(value.into()),
        Typed::Float(value) => Figure::Number(value),
        Typed::Text(text) => Figure::Text(text),
    }
}
