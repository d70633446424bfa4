//! The page as people see it. It needs no script, and is as readable on a small screen.

use std::fmt::Write as _;
use std::time::Duration;

use tidegate_proxy::Plane;

use super::Settings;
use super::change::ACTIONS;
use super::query::{Form, Query};
use crate::runtime::stat::fields::{FIELDS, Field, Kind, Object};

const STYLE: &str = include_str!("style.css");

/// How a figure is written.
#[derive(Clone, Copy)]
enum Shape {
    Plain,
    Bytes,
    Seconds,
}

/// The columns: what they are called, the figures' names, and how those are written.
const COLUMNS: &[(&str, &str, Shape)] = &[
    ("Check", "check_status", Shape::Plain),
    ("Weight", "weight", Shape::Plain),
    ("Active", "act", Shape::Plain),
    ("Backup", "bck", Shape::Plain),
    ("Since", "lastchg", Shape::Seconds),
    ("Queue", "qcur", Shape::Plain),
    ("Sessions", "scur", Shape::Plain),
    ("Most", "smax", Shape::Plain),
    ("Limit", "slim", Shape::Plain),
    ("In all", "stot", Shape::Plain),
    ("Per second", "rate", Shape::Plain),
    ("Requests", "req_tot", Shape::Plain),
    ("In", "bin", Shape::Bytes),
    ("Out", "bout", Shape::Bytes),
    ("1xx", "hrsp_1xx", Shape::Plain),
    ("2xx", "hrsp_2xx", Shape::Plain),
    ("3xx", "hrsp_3xx", Shape::Plain),
    ("4xx", "hrsp_4xx", Shape::Plain),
    ("5xx", "hrsp_5xx", Shape::Plain),
    ("Denied", "dreq", Shape::Plain),
    ("Bad requests", "ereq", Shape::Plain),
    ("No connection", "econ", Shape::Plain),
    ("Bad responses", "eresp", Shape::Plain),
    ("Retries", "wretr", Shape::Plain),
    ("Moved on", "wredis", Shape::Plain),
    ("Failed checks", "chkfail", Shape::Plain),
    ("Times down", "chkdown", Shape::Plain),
];

/// The page while it is written.
pub(super) struct Html<'p> {
    settings: &'p Settings,
    query: &'p Query,
    admin: bool,
    columns: Vec<(&'static str, &'static Field, Shape)>,
    /// The proxy whose rows are being written, and whether they stand in a form.
    open: Option<(String, bool)>,
}

impl<'p> Html<'p> {
    pub(super) fn new(settings: &'p Settings, query: &'p Query, admin: bool) -> Self {
        let columns = COLUMNS.iter().filter_map(|(label, name, shape)| {
            let field = FIELDS.iter().find(|field| field.name == *name)?;
            Some((*label, field, *shape))
        });
        Html {
            settings,
            query,
            admin,
            columns: columns.collect(),
            open: None,
        }
    }

    /// What stands before the rows.
    pub(super) fn begin(&self, plane: &Plane, up: Duration, text: &mut String) {
        let settings = self.settings;
        text.push_str(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>Statistics",
        );
        if let Some(node) = &settings.node {
            text.push_str(" of ");
            escape(node, text);
        }
        let _ = write!(
            text,
            "</title>\n<style>{STYLE}</style></head>\n<body><header><h1>Tidegate"
        );
        if let Some(version) = settings.version {
            text.push(' ');
            escape(version, text);
        }
        if let Some(node) = &settings.node {
            text.push_str(" on ");
            escape(node, text);
        }
        text.push_str("</h1>\n");
        if let Some(description) = &settings.description {
            text.push_str("<p>");
            escape(description, text);
            text.push_str("</p>\n");
        }
        let _ = write!(
            text,
            "<p>Process {}, {} threads, up for {}; {} of {} connections, {} in all{}.</p>\n<nav>",
            std::process::id(),
            plane.global().threads,
            duration(up.as_secs()),
            plane.connections(),
            plane.global().maxconn,
            plane.connections_total(),
            if plane.is_stopping() {
                "; it is stopping"
            } else {
                ""
            },
        );
        self.links(text);
        text.push_str("</nav></header>\n");
        if let Some(outcome) = self.query.outcome {
            let _ = writeln!(text, "<p class=\"told\" role=\"status\">{}</p>", outcome.words());
        }
        text.push_str("<main>\n");
    }

    fn links(&self, text: &mut String) {
        let plain = Query {
            outcome: None,
            ..self.query.clone()
        };
        let mut link = |query: Query, label: &str| {
            text.push_str("<a href=\"");
            escape(&query.target(&self.settings.prefix), text);
            let _ = write!(text, "\">{label}</a>");
        };
        link(plain.clone(), "Look again");
        if let Some(delay) = self.settings.refresh {
            let refreshes = !plain.refreshes;
            let label = match refreshes {
                true => format!("Look again every {}", duration(delay.as_secs())),
                false => String::from("Stop looking again"),
            };
            link(
                Query {
                    refreshes,
                    ..plain.clone()
                },
                &label,
            );
        }
        let label = if plain.up {
            "Show all servers"
        } else {
            "Hide servers that are down"
        };
        link(
            Query {
                up: !plain.up,
                ..plain.clone()
            },
            label,
        );
        link(
            Query {
                form: Form::Csv,
                ..plain.clone()
            },
            "CSV",
        );
        link(
            Query {
                form: Form::Json,
                ..plain
            },
            "JSON",
        );
    }

    /// One row, and what stands around the rows of its proxy.
    pub(super) fn row(&mut self, plane: &Plane, object: &Object, text: &mut String) {
        let is_open = matches!(&self.open, Some((proxy, _)) if *proxy == object.proxy);
        if !is_open {
            self.close(text);
            self.open(plane, object, text);
        }
        let state = state(&object.status);
        let whole = if matches!(object.kind, Kind::Server | Kind::Listener) {
            ""
        } else {
            " whole"
        };
        let _ = write!(text, "<tr class=\"{state}{whole}\"><td>");
        match object.kind {
            Kind::Server => self.server(object, text),
            Kind::Listener => escape(&object.name, text),
            Kind::Frontend => text.push_str("Clients"),
            Kind::Backend => text.push_str("Servers"),
        }
        if self.settings.legends {
            self.legend(object, text);
        }
        text.push_str("</td><td class=\"state\" data-label=\"State\">");
        escape(&object.status, text);
        text.push_str("</td>");
        for (label, field, shape) in &self.columns {
            let value = (field.value)(object).map(|value| value.to_string());
            let _ = write!(text, "<td data-label=\"{label}\"");
            if let Some(value) = value {
                match shape {
                    Shape::Plain => {
                        text.push('>');
                        escape(&value, text);
                    }
                    Shape::Bytes => {
                        let _ = write!(
                            text,
                            " title=\"{value} bytes\">{}",
                            bytes(value.parse().unwrap_or(0))
                        );
                    }
                    Shape::Seconds => {
                        let _ = write!(text, ">{}", duration(value.parse().unwrap_or(0)));
                    }
                }
            } else {
                text.push('>');
            }
            text.push_str("</td>");
        }
        text.push_str("</tr>\n");
    }

    /// What stands behind the rows.
    pub(super) fn end(&mut self, text: &mut String) {
        self.close(text);
        text.push_str("</main></body></html>\n");
    }

    fn server(&self, object: &Object, text: &mut String) {
        if self.admin {
            text.push_str("<label><input type=\"checkbox\" name=\"s\" value=\"");
            escape(&object.name, text);
            text.push_str("\"> ");
        }
        escape(&object.name, text);
        if self.admin {
            text.push_str("</label>");
        }
    }

    /// `stats show-legends`.
    fn legend(&self, object: &Object, text: &mut String) {
        let id = if matches!(object.kind, Kind::Server | Kind::Listener) {
            object.server_id
        } else {
            object.proxy_id
        };
        let _ = write!(text, " <small>number {id}");
        let wanted: &[&str] = match object.kind {
            Kind::Server | Kind::Listener => &["addr", "cookie"],
            Kind::Frontend => &["mode"],
            Kind::Backend => &["mode", "algo", "cookie"],
        };
        for name in wanted {
            let field = FIELDS.iter().find(|field| field.name == *name);
            if let Some(value) = field.and_then(|field| (field.value)(object)) {
                let label = match *name {
                    "addr" => "",
                    "algo" => "balance ",
                    "cookie" => "cookie ",
                    _ => "mode ",
                };
                let _ = write!(text, ", {label}");
                escape(&value.to_string(), text);
            }
        }
        text.push_str("</small>");
    }

    fn open(&mut self, plane: &Plane, object: &Object, text: &mut String) {
        let has_servers = plane
            .backends()
            .any(|(spec, state)| spec.name == object.proxy && !state.servers().is_empty());
        let form = self.admin && has_servers;
        text.push_str("<section><h2>");
        escape(&object.proxy, text);
        text.push_str("</h2>\n");
        if form {
            let target = Query {
                outcome: None,
                ..self.query.clone()
            };
            text.push_str("<form method=\"post\" action=\"");
            escape(&target.target(&self.settings.prefix), text);
            let _ = writeln!(
                text,
                "\"><input type=\"hidden\" name=\"b\" value=\"#{}\">",
                object.proxy_id
            );
        }
        text.push_str("<div class=\"wide\"><table><thead><tr><th scope=\"col\">Name</th><th scope=\"col\" class=\"state\">State</th>");
        for (label, ..) in &self.columns {
            let _ = write!(text, "<th scope=\"col\">{label}</th>");
        }
        text.push_str("</tr></thead><tbody>\n");
        self.open = Some((object.proxy.clone(), form));
    }

    fn close(&mut self, text: &mut String) {
        let Some((_, form)) = self.open.take() else { return };
        text.push_str("</tbody></table></div>\n");
        if form {
            text.push_str(
                "<div class=\"do\"><select name=\"action\" aria-label=\"What to do with the chosen servers\">\
                 <option value=\"\">The chosen servers …</option>",
            );
            for (name, label, _) in ACTIONS {
                let _ = write!(text, "<option value=\"{name}\">{label}</option>");
            }
            text.push_str("</select><button>Do it</button></div></form>\n");
        }
        text.push_str("</section>\n");
    }
}

/// How a state looks.
fn state(status: &str) -> &'static str {
    let is = |state: &str| status.starts_with(state);
    if is("UP") || is("OPEN") {
        "good"
    } else if is("DOWN") || is("STOP") {
        "bad"
    } else if is("MAINT") || is("DRAIN") || is("NOLB") {
        "pause"
    } else {
        "none"
    }
}

/// Adds what may stand anywhere in the page, attributes included.
fn escape(value: &str, text: &mut String) {
    for c in value.chars() {
        match c {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            '\'' => text.push_str("&#39;"),
            c => text.push(c),
        }
    }
}

/// `2d 3h`: the two largest units.
fn duration(seconds: u64) -> String {
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let first = parts.iter().position(|(count, _)| *count > 0).unwrap_or(3);
    let shown = parts
        .iter()
        .skip(first)
        .take(2)
        .filter(|(count, _)| *count > 0 || seconds == 0);
    shown
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// `1.5 MB`.
fn bytes(count: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let (mut scaled, mut unit) = (count as f64, 0);
    while scaled >= 1000.0 && unit + 1 < units.len() {
        scaled /= 1000.0;
        unit += 1;
    }
    let name = units.get(unit).unwrap_or(&"B");
    match unit {
        0 => format!("{count} B"),
        _ => format!("{scaled:.1} {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_name_is_markup() {
        let mut text = String::new();
        escape("<a href=\"x\">'&", &mut text);
        assert_eq!(text, "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
    }

    #[test]
    fn amounts_are_written_for_people() {
        let durations = [0, 59, 60, 3_700, 90_000, 86_400].map(duration);
        assert_eq!(durations, ["0s", "59s", "1m", "1h 1m", "1d 1h", "1d"]);
        let amounts = [0, 999, 1_000, 1_540_000].map(bytes);
        assert_eq!(amounts, ["0 B", "999 B", "1.0 kB", "1.5 MB"]);
    }

    #[test]
    fn each_column_has_its_figure() {
        for (_, name, _) in COLUMNS {
            assert!(FIELDS.iter().any(|field| field.name == *name), "{name}");
        }
    }
}
