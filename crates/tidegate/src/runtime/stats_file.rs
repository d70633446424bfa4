//! What was counted, as a file that another process begins with: `dump stats-file` and `stats-file`.
//!
//! A section has a title, `#fe` for frontends and listeners or `#be` for backends and servers, with the names of its columns,
//! which are those of `show stat`. What has a guid has a line with it. Whoever reads it takes what it knows and passes over
//! the rest.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use tidegate_proxy::spec::FrontendSpec;
use tidegate_proxy::{BackendState, Count, Plane, Preset, ServerState, Totals};

/// The column of all sessions.
const TOTAL: &str = "stot";

/// What of frontends and listeners is kept, beside how many sessions there were.
const IN_FRONT: &[(&str, Count)] = &[
    ("bin", Count::BytesIn),
    ("bout", Count::BytesOut),
    ("dreq", Count::DeniedRequests),
    ("dresp", Count::DeniedResponses),
    ("ereq", Count::RequestErrors),
    ("hrsp_1xx", Count::Informational),
    ("hrsp_2xx", Count::Successful),
    ("hrsp_3xx", Count::Redirecting),
    ("hrsp_4xx", Count::ClientError),
    ("hrsp_5xx", Count::ServerError),
    ("hrsp_other", Count::OtherStatus),
    ("req_tot", Count::Requests),
    ("comp_in", Count::CompressedIn),
    ("comp_out", Count::CompressedOut),
    ("comp_byp", Count::CompressionBypassed),
    ("comp_rsp", Count::CompressedResponses),
    ("intercepted", Count::Intercepted),
    ("dcon", Count::DeniedConnections),
    ("dses", Count::DeniedSessions),
    ("cache_lookups", Count::CacheLookups),
    ("cache_hits", Count::CacheHits),
    ("eint", Count::InternalErrors),
];

/// What of backends and servers is.
const BEHIND: &[(&str, Count)] = &[
    ("bin", Count::BytesIn),
    ("bout", Count::BytesOut),
    ("dreq", Count::DeniedRequests),
    ("dresp", Count::DeniedResponses),
    ("econ", Count::ConnectErrors),
    ("eresp", Count::ResponseErrors),
    ("wretr", Count::Retries),
    ("wredis", Count::Redispatches),
    ("hrsp_1xx", Count::Informational),
    ("hrsp_2xx", Count::Successful),
    ("hrsp_3xx", Count::Redirecting),
    ("hrsp_4xx", Count::ClientError),
    ("hrsp_5xx", Count::ServerError),
    ("hrsp_other", Count::OtherStatus),
    ("cli_abrt", Count::ClientAborts),
    ("srv_abrt", Count::ServerAborts),
    ("comp_in", Count::CompressedIn),
    ("comp_out", Count::CompressedOut),
    ("comp_byp", Count::CompressionBypassed),
    ("comp_rsp", Count::CompressedResponses),
    ("connect", Count::Connects),
    ("reuse", Count::Reuses),
    ("cache_lookups", Count::CacheLookups),
    ("cache_hits", Count::CacheHits),
    ("eint", Count::InternalErrors),
];

/// One side of proxies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Front,
    Behind,
}

impl Side {
    fn columns(self) -> &'static [(&'static str, Count)] {
        match self {
            Side::Front => IN_FRONT,
            Side::Behind => BEHIND,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Side::Front => "#fe",
            Side::Behind => "#be",
        }
    }
}

/// Something that counts.
enum Object<'p> {
    Frontend(&'p FrontendSpec),
    Listener(&'p FrontendSpec, u32),
    Backend(&'p Arc<BackendState>),
    Server(Arc<ServerState>),
}

impl Object<'_> {
    fn side(&self) -> Side {
        match self {
            Object::Frontend(_) | Object::Listener(..) => Side::Front,
            Object::Backend(_) | Object::Server(_) => Side::Behind,
        }
    }

    fn totals(&self, plane: &Plane) -> Option<Totals> {
        match self {
            Object::Frontend(frontend) => plane.frontend_totals(&frontend.name),
            Object::Listener(frontend, id) => plane.listener_totals(&frontend.name, *id),
            Object::Backend(backend) => plane.backend_totals(backend.name()),
            Object::Server(server) => Some(plane.server_totals(server)),
        }
    }

    fn preset(&self, plane: &Plane, preset: &Preset) {
        match self {
            Object::Frontend(frontend) => plane.preset_frontend(&frontend.name, preset),
            Object::Listener(frontend, id) => plane.preset_listener(&frontend.name, *id, preset),
            Object::Backend(backend) => plane.preset_backend(backend, preset),
            Object::Server(server) => plane.preset_server(server, preset),
        }
    }
}

/// All that has a guid.
fn objects(plane: &Plane) -> Vec<(String, Object<'_>)> {
    let mut objects = Vec::new();
    for frontend in plane.frontends() {
        objects.extend(
            frontend
                .guid
                .clone()
                .map(|guid| (guid, Object::Frontend(frontend))),
        );
        // Without a word what listeners do is not counted for each.
        for listener in frontend.listeners.iter().filter(|_| frontend.socket_stats) {
            let object = |guid| (guid, Object::Listener(frontend, listener.id));
            objects.extend(listener.guid.clone().map(object));
        }
    }
    for (spec, backend) in plane.backends() {
        objects.extend(spec.guid.clone().map(|guid| (guid, Object::Backend(backend))));
        for server in backend.servers().iter() {
            let guid = server.spec().guid.clone();
            objects.extend(guid.map(|guid| (guid, Object::Server(server.clone()))));
        }
    }
    objects
}

/// The file of what has been counted until now.
pub(crate) fn dump(plane: &Plane) -> String {
    let objects = objects(plane);
    let mut text = String::new();
    for side in [Side::Front, Side::Behind] {
        let _ = write!(text, "{} guid,{TOTAL},", side.title());
        for (name, _) in side.columns() {
            let _ = write!(text, "{name},");
        }
        text.push('\n');
        for (guid, object) in objects.iter().filter(|(_, object)| object.side() == side) {
            let Some(totals) = object.totals(plane) else {
                continue;
            };
            let _ = write!(text, "{guid},{},", totals.total);
            for (_, count) in side.columns() {
                let _ = write!(text, "{},", totals.of(*count));
            }
            text.push('\n');
        }
        text.push('\n');
    }
    text
}

/// Adds what a file says to what is counted, before anything is.
pub(crate) fn load(plane: &Plane, text: &str) {
    let objects: HashMap<String, Object<'_>> = objects(plane).into_iter().collect();
    for (side, guid, preset) in lines(text) {
        if let Some(object) = objects.get(guid).filter(|object| object.side() == side) {
            object.preset(plane, &preset);
        }
    }
}

/// The lines of the sections that are known.
fn lines(text: &str) -> Vec<(Side, &str, Preset)> {
    let mut found = Vec::new();
    let mut section: Option<(Side, Vec<&str>)> = None;
    for line in text.lines().map(str::trim) {
        if let Some(title) = line.strip_prefix('#') {
            section = title.split_once(' ').and_then(|(name, columns)| {
                let sides = [Side::Front, Side::Behind];
                let side = sides
                    .into_iter()
                    .find(|side| side.title().strip_prefix('#') == Some(name))?;
                let mut columns = columns.split(',');
                (columns.next() == Some("guid")).then(|| (side, columns.collect()))
            });
            continue;
        }
        let Some((side, columns)) = &section else {
            continue;
        };
        let mut values = line.split(',');
        let Some(guid) = values.next().filter(|guid| !guid.is_empty()) else {
            continue;
        };
        found.push((*side, guid, preset(*side, columns, values)));
    }
    found
}

/// What a line says. A value that is no number says nothing.
fn preset<'t>(side: Side, columns: &[&str], values: impl Iterator<Item = &'t str>) -> Preset {
    let mut preset = Preset::default();
    for (name, value) in columns.iter().zip(values) {
        let Ok(value) = value.parse::<u64>() else {
            continue;
        };
        let known = side.columns().iter().find(|(known, _)| known == name);
        match known {
            _ if *name == TOTAL => preset.total = value,
            Some((_, count)) if value > 0 => preset.counts.push((*count, value)),
            _ => {}
        }
    }
    preset
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_taken_and_the_rest_passed_over() {
        let text = "before,1\n#fe guid,stot,other,bin,\na,5,9,7,\nb,x,9,0,\n// no line\n\n#stick guid,stot\nc,1\n\
                    #be guid,bout,stot\nd,3,4\n,1,1\n";
        let of = |total, counts: &[(Count, u64)]| Preset {
            total,
            counts: counts.to_vec(),
        };
        let found = lines(text);
        let names: Vec<&str> = found.iter().map(|(_, guid, _)| *guid).collect();
        assert_eq!(names, ["a", "b", "// no line", "d"]);
        assert!(found[0].2 == of(5, &[(Count::BytesIn, 7)]) && found[1].2 == of(0, &[]));
        assert!(found[3].0 == Side::Behind && found[3].2 == of(4, &[(Count::BytesOut, 3)]));
    }

    #[test]
    fn a_column_is_named_once() {
        for side in [Side::Front, Side::Behind] {
            let mut names: Vec<&str> = side.columns().iter().map(|(name, _)| *name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), side.columns().len());
        }
    }
}
