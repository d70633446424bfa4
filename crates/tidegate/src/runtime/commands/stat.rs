//! `show stat`: proxies and servers in figures, and how they are forgotten.

pub(crate) mod fields;
mod name_servers;

use tidegate_config::model::AccessLevel;
use tidegate_proxy::Plane;

use crate::runtime::command::{Answer, Call, Command, Refusal, Severity, served};
use crate::runtime::find;
use crate::runtime::stats_file;
use crate::runtime::typed::json_text;
use fields::{FIELDS, Kind, Object, objects};

use AccessLevel::{Admin, Operator, User};

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    served("show stat", "[domain {proxy|resolvers}] [{<iid>|<proxy>} <type> <sid>] [typed|json] [desc] [up|no-maint]", User, "proxies and servers, or name servers, in figures", show),
    served("dump stats-file", "", Operator, "what was counted, as a file that another process may begin with (`stats-file`)", |call| {
        Ok(stats_file::dump(&call.plane()?).into())
    }),
    served("clear counters", "", Operator, "forget the highest figures", |call| {
        call.plane()?.clear_counters(false);
        Ok(Answer::Done)
    }),
    served("clear counters all", "", Admin, "forget everything that was counted", |call| {
        call.plane()?.clear_counters(true);
        Ok(Answer::Done)
    }),
    served("clear counters server", "<backend>/<server> [force]", Admin, "forget everything that was counted of a server", clear_server),
];

fn clear_server(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let plane = call.plane()?;
    let (_, server) = find::server(&plane, call.text(0))?;
    plane.clear_server_counters(&server);
    Ok(Answer::Message(Severity::Info, "Server counters cleared.".into()))
}

/// What changes how figures are shown.
const OPTIONS: [&str; 5] = ["typed", "json", "desc", "up", "no-maint"];

impl Call<'_> {
    /// Of what figures are wanted, if that is said.
    fn domain(&self) -> Option<String> {
        let said = self.text(0).filter(|word| word == "domain");
        said.map(|_| self.text(1).unwrap_or_default())
    }
}

/// What of all there is shall be shown.
struct Wanted {
    proxy: Option<u32>,
    kinds: u64,
    server: Option<u32>,
    up: bool,
    no_maint: bool,
}

impl Wanted {
    fn of(call: &Call<'_>, plane: &Plane) -> Result<Wanted, Refusal> {
        let mut wanted = Wanted {
            proxy: None,
            kinds: u64::MAX,
            server: None,
            up: call.has("up"),
            no_maint: call.has("no-maint"),
        };
        let args = if call.domain().is_some() { 2 } else { 0 };
        let words = (call.text(args), call.text(args + 1), call.text(args + 2));
        let (Some(proxy), Some(kinds), Some(server)) = words else {
            return Ok(wanted);
        };
        if OPTIONS.contains(&proxy.as_str()) {
            return Ok(wanted);
        }
        let number = |text: &str| text.parse::<i64>();
        let (Ok(kinds), Ok(server)) = (number(&kinds), number(&server)) else {
            number_of(plane, &proxy)?;
            return Err(Refusal::error(format!(
                "`{kinds} {server}` is not a type and a number: -1 is any."
            )));
        };
        wanted.kinds = kinds as u64;
        wanted.server = u32::try_from(server).ok();
        wanted.proxy = match number(&proxy) {
            Ok(number) => u32::try_from(number).ok(),
            Err(_) => Some(number_of(plane, &proxy)?),
        };
        Ok(wanted)
    }

    fn takes(&self, object: &Object) -> bool {
        let of_server = self
            .server
            .is_none_or(|id| object.kind != Kind::Server || object.server_id == id);
        let is_down = |status: &str| status.starts_with("DOWN") || status.starts_with("MAINT");
        self.proxy.is_none_or(|id| object.proxy_id == id)
            && self.kinds & (1 << object.kind as u64) != 0
            && of_server
            && !(self.up && is_down(&object.status))
            && !(self.no_maint && object.status.starts_with("MAINT"))
    }
}

fn number_of(plane: &Plane, name: &str) -> Result<u32, Refusal> {
    let frontends = plane.frontends().map(|frontend| (&frontend.name, frontend.id));
    let mut proxies = frontends.chain(plane.backends().map(|(backend, _)| (&backend.name, backend.id)));
    let found = proxies.find(|(known, _)| *known == name);
    found
        .map(|(_, id)| id)
        .ok_or_else(|| Refusal::error("No such proxy."))
}

fn show(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let plane = call.plane()?;
    match call.domain().as_deref() {
        None | Some("proxy") => {}
        Some("resolvers") => return Ok(name_servers::show(call, &plane).into()),
        Some(_) => {
            return Err(Refusal::error(
                "Invalid statistics domain: it is `proxy` or `resolvers`.",
            ));
        }
    }
    let wanted = Wanted::of(call, &plane)?;
    let objects: Vec<Object> = objects(&plane)
        .into_iter()
        .filter(|object| wanted.takes(object))
        .collect();
    if call.has("json") {
        return Ok(json(&objects).into());
    }
    if call.has("typed") {
        return Ok(typed(&objects, call.has("desc")).into());
    }
    let mut out = header();
    for object in &objects {
        out.push('\n');
        row(object, &mut out);
    }
    Ok(out.into())
}

/// The names of the columns, between commas.
pub(crate) fn header() -> String {
    let names = FIELDS.iter().map(|field| field.name);
    names.fold(String::from("# "), |line, name| line + name + ",")
}

/// A row, between commas.
pub(crate) fn row(object: &Object, out: &mut String) {
    for field in FIELDS {
        if let Some(value) = (field.value)(object) {
            out.push_str(&quoted(&value.to_string()));
        }
        out.push(',');
    }
}

/// A value that may stand between commas.
fn quoted(value: &str) -> String {
    match value.contains([',', '"']) {
        true => format!("\"{}\"", value.replace('"', "\"\"")),
        false => value.to_owned(),
    }
}

fn typed(objects: &[Object], desc: bool) -> String {
    let mut out = String::new();
    objects
        .iter()
        .for_each(|object| typed_rows(object, desc, &mut out));
    out
}

/// A row in the typed format: a line for each figure.
pub(crate) fn typed_rows(object: &Object, desc: bool, out: &mut String) {
    for (position, field) in FIELDS.iter().enumerate() {
        let Some(value) = (field.value)(object) else {
            continue;
        };
        out.push_str(&format!(
            "{}.{}.{}.{position}.{}.1:{}:{}:{value}",
            object.kind.letter(),
            object.proxy_id,
            object.server_id,
            field.name,
            field.tags,
            value.kind()
        ));
        if desc {
            out.push_str(&format!(":\"{}\"", field.doc));
        }
        out.push('\n');
    }
}

fn json(objects: &[Object]) -> String {
    let objects = objects.iter().map(json_row);
    format!("[{}]", objects.collect::<Vec<_>>().join(","))
}

/// A row in JSON.
pub(crate) fn json_row(object: &Object) -> String {
    let fields = FIELDS.iter().enumerate().filter_map(|(position, field)| {
        let value = (field.value)(object)?;
        Some(format!(
            "{{\"objType\":\"{}\",\"proxyId\":{},\"id\":{},\"field\":{{\"pos\":{position},\"name\":{}}},\
             \"processNum\":1,{},\"value\":{}}}",
            object.kind.name(),
            object.proxy_id,
            object.server_id,
            json_text(field.name),
            field.tags.json(),
            value.json()
        ))
    });
    format!("[{}]", fields.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_with_commas_are_quoted() {
        assert_eq!(quoted("a"), "a");
        assert_eq!(quoted("a,b \"c\""), "\"a,b \"\"c\"\"\"");
    }
}
