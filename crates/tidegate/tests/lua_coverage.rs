//! Every entry of the Lua API that is said to be served is there when scripts run: on real objects, of its type.
//!
//! docs/COMPATIBILITY.md says so from the declarations that bind the functions ([`tidegate_lua_api::coverage`]).

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};

use support::Result;
use support::scripted;
use tidegate_lua_api::{Coverage, EntryKind, attributes, coverage};
use tidegate_sample::{convert, fetch};

const SITE: &str = "\
frontend front
    bind 127.0.0.1:8080
    filter lua.look
    http-request lua.look
    http-request use-service lua.look
mailers operators
    mailer first 127.0.0.1:25
backend back
    email-alert mailers operators
    email-alert from a@a.test
    email-alert to b@a.test
    stick-table type ip size 10
    server one 127.0.0.1:1 check inter 20 fall 1 rise 1
frontend streams
    mode tcp
    bind 127.0.0.1:8082
    tcp-request inspect-delay 5s
    tcp-request content use-service lua.look
";

/// What is looked at, and what of it.
const SCRIPT: &str = r#"
seen = {}

local function kind(object, name)
    local found, value = pcall(function() return object[name] end)
    if not found then return "an error: " .. tostring(value) end
    return math.type(value) == "integer" and "integer" or type(value)
end

-- An attribute may be there for some objects of a class only.
local function look(class, object)
    for _, name in ipairs(entries[class]) do
        local entry = class .. "." .. name
        if not seen[entry] or seen[entry] == "nil" then seen[entry] = kind(object, name) end
    end
end

Map.new("virt@map", Map._str)
core.register_init(function()
    look("core", core)
    look("act", act)
    look("CertCache", CertCache)
    look("Map", Map)
    look("Regex", Regex)
end)
core.register_action("look", { "http-req" }, function(txn)
    local backend = core.backends.back
    local _, regex = Regex.new("a", true)
    local objects = {
        TXN = txn, HTTP = txn.http, Channel = txn.req, Reply = txn:reply(), Fetches = txn.f, Converters = txn.c,
        Socket = core.tcp(), Concat = core.concat(), Queue = core.queue(), HTTPClient = core.httpclient(), Regex = regex,
        ProxyMailers = backend:get_mailers(), Proxy = backend, Server = backend.servers.one, StickTable = backend.stktable,
        Listener = core.frontends.front.listeners["sock-1"], EventSub = core.event_sub({ "SERVER" }, print),
        Map = Map.new("virt@map", Map._str), Patref = core.get_patref("virt@map"),
    }
    for class, object in pairs(objects) do look(class, object) end
    look("Fetches", txn.sf)
    look("Converters", txn.sc)
end)
local Look = { flags = filter.FLT_CFG_FL_HTX }
Look.__index = Look
function Look:new() return setmetatable({}, Look) end
function Look:http_headers(txn, msg)
    look("TXN", txn)
    look("HTTPMessage", msg)
    look("filter", filter)
end
core.register_filter("look", Look, function(flt) return flt end)
core.register_service("look", "http", function(applet)
    look("AppletHTTP", applet)
    applet:start_response()
end)
core.register_service("look", "tcp", function(applet) look("AppletTCP", applet) end)
core.event_sub({ "SERVER" }, function(event, data)
    look("ServerEvent", data)
    if data.state then
        look("ServerEventState", data.state)
        -- What an operator does is no check's doing.
        if data.state.check then look("ServerEventCheckRes", data.state.check) end
    end
    if data.admin then look("ServerEventAdmin", data.admin) end
    if data.check then look("ServerEventCheckRes", data.check) end
end)
core.register_cli({ "seen" }, "what was seen", function(applet)
    for entry, kind in pairs(seen) do applet:send(entry .. " " .. kind .. "\n") end
end)
"#;

/// Entries by their whole names, and what they are.
type Entries = BTreeMap<String, String>;

#[test]
fn every_entry_that_is_said_to_be_served_is_there() -> Result<()> {
    let wanted = wanted();
    let site = scripted::start("coverage", &script(&wanted), SITE)?;
    let answer = site.site.get("/")?;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let mut stream = site.site.connect(1)?;
    stream.write_all(b"hello\n")?;
    stream.read_to_end(&mut Vec::new())?;
    // The server's check fails by itself.
    site.ask("set server back/one state maint\n")?;
    site.until("seen\n", "ServerEventAdmin.new_admin table")?;
    site.until("seen\n", "ServerEventState.check table")?;
    site.until("seen\n", "ServerEvent.check table")?;
    let answer = site.ask("seen\n")?;
    let seen: Entries = answer
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(entry, kind)| (entry.to_owned(), kind.to_owned()))
        .collect();
    for (entry, kind) in &wanted {
        assert_eq!(seen.get(entry), Some(kind), "{entry}");
    }
    Ok(())
}

/// The script with the names that it is to look at.
fn script(wanted: &Entries) -> String {
    let mut classes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (class, name) in wanted.keys().filter_map(|entry| entry.split_once('.')) {
        classes.entry(class).or_default().push(name);
    }
    let classes: Vec<String> = classes
        .iter()
        .map(|(class, names)| format!("{class} = {{ \"{}\" }}", names.join("\", \"")))
        .collect();
    format!("entries = {{ {} }}\n{SCRIPT}", classes.join(", "))
}

/// Types of attributes; everything else is a table, as objects are.
const PLAIN: [&str; 3] = ["integer", "string", "boolean"];

/// What has to be there, and its type.
fn wanted() -> Entries {
    let mut wanted = Entries::new();
    let served = coverage()
        .into_iter()
        .filter(|entry| entry.coverage == Coverage::Served);
    for entry in served {
        let kind = match entry.kind {
            EntryKind::Class => continue,
            EntryKind::Function => "function",
            EntryKind::Attribute => {
                let mut all = attributes().iter();
                let declared = all.find(|known| known.class == entry.class && known.name == entry.name());
                let kind = declared.map(|declared| declared.kind);
                kind.filter(|kind| PLAIN.contains(kind)).unwrap_or("table")
            }
        };
        wanted.insert(format!("{}.{}", entry.class, entry.name()), kind.to_owned());
    }
    // Fetches and converters are methods of their own names, with `_` for what Lua's names can't have.
    let method = |name: &str| name.replace(['.', '-', '+'], "_");
    let fetches = fetch::all().map(|row| format!("Fetches.{}", method(row.name)));
    let converters = convert::all().map(|row| format!("Converters.{}", method(row.name)));
    wanted.extend(
        fetches
            .chain(converters)
            .map(|entry| (entry, "function".to_owned())),
    );
    wanted
}

/// Nothing goes missing unnoticed.
#[test]
fn nothing_is_missing() {
    let missing = coverage()
        .into_iter()
        .filter(|entry| entry.coverage == Coverage::Missing);
    let classes: BTreeSet<&str> = missing.map(|entry| entry.class).collect();
    assert!(classes.is_empty(), "{classes:?}");
}
