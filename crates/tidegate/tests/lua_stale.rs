//! Every object of every class that stands for something that ends, kept and used too late, by every function it has.
//!
//! What there is comes from the declarations that bind the functions: a class that is new has to say here what its objects stand for.

mod support;

use std::collections::BTreeMap;

use support::Result;
use support::runtime::Runtime;
use support::scripted;
use tidegate_lua_api::{attributes, reference};

/// What the objects of a class stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// A session, or a run: they end with it.
    Session,
    /// A server that can be removed while the program runs.
    Server,
    /// What there is as long as the program runs; tests of the library keep them beyond that.
    Process,
    /// Nothing but what a script put into them.
    Script,
    /// There are no objects of it.
    Functions,
}

use Standing::{Functions, Process, Script, Server, Session};

const CLASSES: &[(&str, Standing)] = &[
    ("core", Functions),
    ("act", Functions),
    ("filter", Functions),
    ("CertCache", Functions),
    ("TXN", Session),
    ("HTTP", Session),
    ("HTTPMessage", Session),
    ("Channel", Session),
    ("Fetches", Session),
    ("Converters", Session),
    ("AppletHTTP", Session),
    ("AppletTCP", Session),
    ("Socket", Session),
    // A client has nothing; its responses are streams of the run that asked.
    ("HTTPClient", Script),
    ("Reply", Script),
    ("Concat", Script),
    ("Queue", Script),
    ("Regex", Script),
    ("EventSub", Script),
    ("Server", Server),
    ("Proxy", Process),
    ("ProxyMailers", Script),
    ("Listener", Process),
    ("StickTable", Process),
    ("Map", Process),
    ("Patref", Process),
    ("Shared", Process),
    // Tables of what was true when something happened; their servers are objects of the class Server.
    ("ServerEvent", Script),
    ("ServerEventState", Script),
    ("ServerEventAdmin", Script),
    ("ServerEventCheckRes", Script),
];

/// Some of the fetches and converters: all go the same way to their session.
const SAMPLES: &[(&str, &[&str])] = &[
    (
        "Fetches",
        &["src", "path", "method", "req_body", "unique_id", "rand"],
    ),
    ("Converters", &["lower", "base64", "sha1"]),
];

/// Arguments in Lua, where texts won't do.
const ARGUMENTS: &[(&str, &str)] = &[
    ("TXN.log", "core.info, 'x'"),
    ("TXN.reply", "{ status = 200 }"),
    ("TXN.done", ""),
    ("TXN.set_loglevel", "1"),
    ("TXN.set_fc_tos", "1"),
    ("TXN.set_fc_mark", "1"),
    ("TXN.set_tos", "1"),
    ("TXN.set_mark", "1"),
    ("TXN.set_priority_class", "1"),
    ("TXN.set_priority_offset", "1"),
    ("TXN.set_var", "'txn.a', 'x'"),
    ("TXN.unset_var", "'txn.a'"),
    ("TXN.get_var", "'txn.a'"),
    ("AppletHTTP.set_var", "'txn.a', 'x'"),
    ("AppletHTTP.unset_var", "'txn.a'"),
    ("AppletHTTP.get_var", "'txn.a'"),
    ("AppletTCP.set_var", "'txn.a', 'x'"),
    ("AppletTCP.unset_var", "'txn.a'"),
    ("AppletTCP.get_var", "'txn.a'"),
    ("AppletHTTP.set_status", "200"),
    ("AppletHTTP.receive", "1"),
    ("AppletTCP.receive", "1"),
    ("HTTP.res_set_status", "200"),
    ("HTTPMessage.set_status", "200"),
    ("HTTPMessage.set_body_len", "1"),
    ("HTTPMessage.body", "0, 1"),
    ("HTTPMessage.insert", "'x', 0"),
    ("HTTPMessage.set", "'x', 0, 1"),
    ("HTTPMessage.remove", "0, 1"),
    ("HTTPMessage.forward", "1"),
    ("Channel.data", "0, 1"),
    ("Channel.line", "0, 1"),
    ("Channel.insert", "'x', 0"),
    ("Channel.set", "'x', 0, 1"),
    ("Channel.remove", "0, 1"),
    ("Channel.forward", "1"),
    ("Socket.connect", "'127.0.0.1', 1"),
    ("Socket.connect_ssl", "'127.0.0.1', 1"),
    ("Socket.send", "'x'"),
    ("Socket.receive", "1"),
    ("Socket.settimeout", "1"),
    ("Socket.setkeepalive", "1"),
    ("Server.set_maxconn", "1"),
    ("Server.set_addr", "'127.0.0.1', 1"),
    ("Server.event_sub", "{ 'SERVER' }, print"),
];

/// Functions that do no harm whatever their object stood for, and why.
const HARMLESS: &[(&str, &str)] = &[
    ("Socket.close", "what is over is closed"),
    ("Socket.setoption", "it does nothing"),
];

const SCRIPT: &str = r#"
kept, told, may_go = {}, nil, false

-- What is of use though it shouldn't be, of all objects that are kept.
local function walk(names)
    local wrong, count = {}, 0
    local function try(what, f, ...)
        count = count + 1
        local result = table.pack(pcall(f, ...))
        if result[1] then
            wrong[#wrong + 1] = what .. " is of use"
        elseif not tostring(result[2]):find(what:match("^%a+") .. " object is no longer usable", 1, true) then
            wrong[#wrong + 1] = what .. ": " .. tostring(result[2])
        end
    end
    for _, name in ipairs(names) do
        local object = kept[name]
        local class = name:match("^%a+")
        if not object then
            wrong[#wrong + 1] = name .. " wasn't kept"
        else
            local methods = bound[name]
            for method, arguments in pairs(functions[class]) do
                try(class .. "." .. method .. " (" .. name .. ")", methods[method], object, table.unpack(arguments))
            end
            for _, attribute in ipairs(attributes[class] or {}) do
                local found, value = pcall(function() return object[attribute] end)
                -- An object of the session may be had: each is kept and tried itself.
                if found and type(value) ~= "table" and type(value) ~= "userdata" and value ~= nil then
                    wrong[#wrong + 1] = class .. "." .. attribute .. " (" .. name .. ") is " .. tostring(value)
                end
                if found and type(value) == "table" and getmetatable(value) == nil then
                    wrong[#wrong + 1] = class .. "." .. attribute .. " (" .. name .. ") has something"
                end
            end
        end
    end
    table.sort(wrong)
    return #wrong == 0 and count .. " refused" or table.concat(wrong, "\n")
end

-- Functions are taken from the object while it is good: no looking up stands in their way later.
bound = {}
local function keep(name, object)
    local class, methods = name:match("^%a+"), {}
    for method in pairs(functions[class]) do methods[method] = object[method] end
    kept[name], bound[name] = object, methods
end

SESSIONS = { "TXN", "TXN 2", "HTTP", "Channel 1", "Channel 2", "Fetches 1", "Fetches 2", "Converters 1", "Converters 2", "HTTPMessage 1",
    "HTTPMessage 2", "AppletHTTP", "AppletTCP 1", "AppletTCP 2", "Socket 1", "Socket 2", "Fetches 3", "Converters 3" }

local function stay() while not may_go do core.msleep(2) end end

core.register_action("keep", { "http-req" }, function(txn)
    keep("TXN", txn)
    keep("HTTP", txn.http)
    keep("Channel 1", txn.req)
    keep("Channel 2", txn.res)
    keep("Fetches 1", txn.f)
    keep("Fetches 2", txn.sf)
    keep("Converters 1", txn.c)
    keep("Converters 2", txn.sc)
    local socket = core.tcp()
    assert(socket:connect("127.0.0.1", BACK))
    keep("Socket 1", socket)
    keep("Socket 2", core.tcp())
end)
core.register_fetches("keep", function(txn) keep("TXN 2", txn) return "kept" end)
local Keep = { flags = filter.FLT_CFG_FL_HTX }
Keep.__index = Keep
function Keep:new() return setmetatable({}, Keep) end
function Keep:http_headers(txn, msg)
    if txn.sf:path() == "/keep" then keep(msg:is_resp() and "HTTPMessage 2" or "HTTPMessage 1", msg) end
end
core.register_filter("keep", Keep, function(flt) return flt end)
core.register_service("keep", "http", function(applet)
    keep("AppletHTTP", applet)
    keep("Fetches 3", applet.f)
    keep("Converters 3", applet.c)
    applet:set_status(200)
    applet:add_header("content-length", 4)
    applet:start_response()
    applet:send("ke")
    stay()
    applet:send("pt")
end)
core.register_service("keep", "tcp", function(applet) keep("AppletTCP 1", applet) applet:send("kept") stay() end)
core.register_cli({ "keep" }, "keeps its applet", function(applet) keep("AppletTCP 2", applet) applet:send("kept\n") stay() end)

core.register_action("walk", { "http-req" }, function(txn) txn:set_var("txn.told", walk(SESSIONS)) end)
core.register_action("task", { "http-req" }, function(txn)
    told = nil
    core.register_task(function() told = walk(SESSIONS) end)
    while not told do core.msleep(1) end
    txn:set_var("txn.told", told)
end)
core.register_cli({ "walk" }, "tries all objects", function(applet) applet:send(walk(SESSIONS) .. "\n") end)
core.register_cli({ "kept" }, "how many are kept", function(applet)
    local missing = {}
    for _, name in ipairs(SESSIONS) do if not kept[name] then missing[#missing + 1] = name end end
    applet:send(#missing == 0 and "all\n" or "missing: " .. table.concat(missing, ", ") .. "\n")
end)
core.register_cli({ "release" }, "lets the sessions end", function(applet) may_go = true end)

core.register_cli({ "hold" }, "keeps a server", function(applet) keep("Server", core.backends.back.servers.new) end)
core.register_cli({ "held" }, "tries the server", function(applet) applet:send(walk({ "Server" }) .. "\n") end)
"#;

const SITE: &str = "\
frontend www
    bind 127.0.0.1:8080
    filter lua.keep
    http-request lua.keep if { path /keep }
    http-request set-var(txn.x) lua.keep if { path /keep }
    http-request use-service lua.keep if { path /keep }
    http-request lua.walk if { path /walk }
    http-request lua.task if { path /task }
    http-request return status 200 content-type text/plain lf-string %[var(txn.told)]
frontend streams
    mode tcp
    bind 127.0.0.1:8081
    tcp-request content use-service lua.keep
backend back
    balance roundrobin
    server one 127.0.0.1:1
";

/// The functions of each class with their arguments, and its attributes, as Lua. And how many functions there are.
fn tables() -> (String, BTreeMap<String, usize>) {
    let (mut text, mut counts) = (String::new(), BTreeMap::new());
    let mut functions: BTreeMap<&str, Vec<&str>> = SAMPLES
        .iter()
        .map(|(class, all)| (*class, all.to_vec()))
        .collect();
    for class in reference() {
        let names = class.rows.iter().map(|row| row.name());
        functions.insert(class.class, names.collect());
    }
    text.push_str("functions, attributes = {}, {}\n");
    for (class, names) in functions {
        let mut count = 0;
        text.push_str(&format!("functions.{class} = {{\n"));
        for name in names {
            let entry = format!("{class}.{name}");
            if HARMLESS.iter().any(|(harmless, _)| *harmless == entry) {
                continue;
            }
            count += 1;
            let arguments = ARGUMENTS.iter().find(|(known, _)| *known == entry);
            let arguments = arguments.map_or("'x', 'x', 'x'", |(_, arguments)| arguments);
            text.push_str(&format!("[\"{name}\"] = {{ {arguments} }},\n"));
        }
        text.push_str("}\n");
        counts.insert(class.to_owned(), count);
    }
    let mut all: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for attribute in attributes() {
        all.entry(attribute.class).or_default().push(attribute.name);
    }
    for (class, names) in all {
        text.push_str(&format!(
            "attributes.{class} = {{ \"{}\" }}\n",
            names.join("\", \"")
        ));
    }
    (text, counts)
}

/// What is answered if everything is refused that the objects of these classes have, so often.
fn refused(counts: &BTreeMap<String, usize>, classes: &[(&str, usize)]) -> String {
    let each = classes
        .iter()
        .map(|(class, times)| counts.get(*class).copied().unwrap_or(0) * times);
    format!("{} refused", each.sum::<usize>())
}

fn site(name: &str) -> Result<(Runtime, BTreeMap<String, usize>)> {
    let (tables, counts) = tables();
    let back = support::origin::named("back")?;
    let script = format!("BACK = {}\n{tables}{SCRIPT}", back.port());
    Ok((scripted::start(name, &script, SITE)?, counts))
}

/// The classes of objects of sessions, each with how many of it the script keeps.
const KEPT: &[(&str, usize)] = &[
    ("TXN", 2),
    ("HTTP", 1),
    ("Channel", 2),
    ("Fetches", 3),
    ("Converters", 3),
    ("HTTPMessage", 2),
    ("AppletHTTP", 1),
    ("AppletTCP", 2),
    ("Socket", 2),
];

#[test]
fn every_class_says_what_its_objects_stand_for() {
    let said = |class: &str| CLASSES.iter().any(|(known, _)| *known == class);
    for class in reference() {
        assert!(said(class.class), "{}", class.class);
    }
    for attribute in attributes() {
        assert!(said(attribute.class), "{}", attribute.class);
    }
    for (class, standing) in CLASSES {
        let kept = KEPT.iter().any(|(known, _)| known == class);
        assert_eq!(kept, *standing == Session, "{class}");
    }
    for (entry, _) in ARGUMENTS.iter().chain(HARMLESS) {
        let (class, name) = entry.split_once('.').unwrap_or_default();
        let known = reference()
            .into_iter()
            .any(|rows| rows.class == class && rows.rows.iter().any(|row| row.name() == name));
        assert!(known, "{entry}");
    }
}

#[test]
fn objects_of_a_session_are_of_no_use_elsewhere_while_it_goes_on_and_afterwards() -> Result<()> {
    let (site, counts) = site("stale-session")?;
    let wanted = refused(&counts, KEPT);
    let (mut stays, mut streams) = (site.site.begin("/keep")?, site.site.connect(1)?);
    let mut command = site.connect()?;
    std::io::Write::write_all(&mut command, b"keep\n")?;
    std::io::Write::write_all(&mut streams, b"x")?;
    site.until("kept\n", "all")?;
    let told = |site: &Runtime| -> Result<Vec<String>> {
        let body = |path| -> Result<String> {
            let answer = site.site.get(path)?;
            Ok(answer.split_once("\r\n\r\n").ok_or("no body")?.1.to_owned())
        };
        Ok(vec![
            body("/walk")?,
            body("/task")?,
            site.ask("walk\n")?.trim().to_owned(),
        ])
    };
    for told in told(&site)? {
        assert_eq!(told, wanted, "while they go on");
    }
    site.ask("release\n")?;
    for stream in [&mut stays, &mut streams] {
        std::io::Read::read_to_end(stream, &mut Vec::new())?;
    }
    std::io::Read::read_to_end(&mut command, &mut Vec::new())?;
    for told in told(&site)? {
        assert_eq!(told, wanted, "afterwards");
    }
    Ok(())
}

#[test]
fn a_server_that_was_removed_is_of_no_use() -> Result<()> {
    let (site, counts) = site("stale-server")?;
    site.ask("add server back/new 127.0.0.1:4\n")?;
    site.ask("hold\n")?;
    assert!(site.ask("held\n")?.contains("Server.get_name (Server) is of use"));
    site.ask("set server back/new state maint;del server back/new\n")?;
    let wanted = refused(&counts, &[("Server", 1)]);
    site.until("held\n", &wanted)?;
    Ok(())
}
