//! `show stat domain resolvers`: name servers in figures.

use tidegate_proxy::Plane;
use tidegate_proxy::resolve::spec::{Counted, NameServer};

use super::quoted;
use crate::runtime::command::Call;
use crate::runtime::typed::{Nature, Origin, Scope, Tags, Typed, json_text};

/// One column: its name, what is counted for it (nothing where that doesn't happen here), and what it is.
type Column = (&'static str, Option<Counted>, &'static str);

/// The columns behind the first two, by HAProxy's names and in its order.
const COLUMNS: [Column; 15] = [
    ("sent", Some(Counted::Sent), "questions"),
    (
        "send_error",
        Some(Counted::SendError),
        "questions that could not be sent",
    ),
    ("valid", Some(Counted::Valid), "good answers"),
    ("update", None, "answers that change an address"),
    ("cname", None, "answers that tell another name alone"),
    ("cname_error", None, "answers whose names lead nowhere"),
    ("any_err", None, "answers without any record"),
    ("nx", Some(Counted::NoName), "answers that there is no such name"),
    (
        "timeout",
        Some(Counted::Timeout),
        "questions that were not answered in time",
    ),
    ("refused", Some(Counted::Refused), "answers that refuse to answer"),
    ("other", Some(Counted::Other), "any other answers"),
    ("invalid", None, "answers that can't be read"),
    ("too_big", None, "answers that are too long"),
    ("truncated", None, "answers that were cut short"),
    ("outdated", None, "answers that came too late"),
];

const COUNTS: Tags = Tags(Origin::Metric, Nature::Gauge, Scope::Process);
const NAMES: Tags = Tags(Origin::Config, Nature::Gauge, Scope::Process);

/// A value of a name server, with its column's place.
struct Figure {
    position: usize,
    name: &'static str,
    doc: &'static str,
    tags: Tags,
    /// None where it isn't counted here.
    value: Option<Typed>,
}

pub(super) fn show(call: &Call<'_>, plane: &Plane) -> String {
    let sections = plane.global().resolvers.iter();
    let servers =
        sections.flat_map(|section| { section.servers.iter() }.map(|server| figures(&section.name, server)));
    if call.has("json") {
        let servers: Vec<String> = servers.map(json).collect();
        return format!("[{}]", servers.join(","));
    }
    if call.has("typed") {
        return servers.map(|figures| typed(figures, call.has("desc"))).collect();
    }
    let mut out = String::from("# id,pid,");
    COLUMNS.iter().for_each(|(name, ..)| out.extend([name, ","]));
    out.push('\n');
    for server in servers {
        for figure in server {
            out.push_str(
                &figure
                    .value
                    .map_or_else(String::new, |value| quoted(&value.to_string())),
            );
            out.push(',');
        }
        out.push('\n');
    }
    out
}

fn figures(section: &str, server: &NameServer) -> Vec<Figure> {
    let named = |position, name, doc, text: &str| Figure {
        position,
        name,
        doc,
        tags: NAMES,
        value: Some(Typed::text(text)),
    };
    let mut figures = vec![
        named(0, "id", "the name server's name", &server.name),
        named(1, "pid", "the section's name", section),
    ];
    for (at, (name, counted, doc)) in COLUMNS.iter().enumerate() {
        figures.push(Figure {
            position: at + 2,
            name,
            doc,
            tags: COUNTS,
            value: counted.map(|what| Typed::U64(server.counts.of(what))),
        });
    }
    figures
}

fn typed(figures: Vec<Figure>, desc: bool) -> String {
    let mut out = String::new();
    for figure in figures {
        let Some(value) = figure.value else { continue };
        let Figure {
            position, name, tags, ..
        } = figure;
        out.push_str(&format!("N.{position}.{name}:{tags}:{}:{value}", value.kind()));
        if desc {
            out.push_str(&format!(":\"{}\"", figure.doc));
        }
        out.push('\n');
    }
    out
}

fn json(figures: Vec<Figure>) -> String {
    let figures = figures.into_iter().filter_map(|figure| {
        let value = figure.value?;
        Some(format!(
            "{{\"field\":{{\"pos\":{},\"name\":{}}},{},\"value\":{}}}",
            figure.position,
            json_text(figure.name),
            figure.tags.json(),
            value.json()
        ))
    });
    format!("[{}]", figures.collect::<Vec<_>>().join(","))
}
