//! Every entry of the API that HAProxy documents for the classes that are served is there on real objects: a function
//! that can be called, an attribute of its type, or an error that says what is not supported yet.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use common::{Site, out, plane, run};
use tidegate_proxy::{HttpApplet, TcpApplet, Txn};
use tidegate_sample::vars::VarName;
use tidegate_sample::{Value, convert, fetch};

const ENTRIES: &str = include_str!("data/entries.tsv");

/// The script tells what each of the names is in the object.
const SCRIPT: &str = r#"
    local function refuses(problem)
        return tostring(problem):find("is not supported yet", 1, true) ~= nil
    end
    local function kind(object, name)
        local ok, value = pcall(function() return object[name] end)
        if not ok then return refuses(value) and "refused" or "broken" end
        if math.type(value) == "integer" then return "integer" end
        if type(value) == "table" then
            local ok, problem = pcall(function() return value.something end)
            return not ok and refuses(problem) and "refused" or "table"
        end
        -- What ends a run is not called here, as there would be nobody left to tell.
        if type(value) == "function" and name ~= "done" then
            -- No function takes an empty table for its first argument and does any harm with it.
            local ok, problem = pcall(value, {})
            return not ok and refuses(problem) and "refused" or "function"
        end
        return type(value)
    end
    local function tell(holder, objects)
        local told = {}
        for class, object in pairs(objects) do
            for name in holder:get_var("txn." .. class):gmatch("[^,]+") do
                told[#told + 1] = class .. "." .. name .. "=" .. kind(object, name)
            end
        end
        holder:set_var("txn.out", table.concat(told, " "))
    end
    Map.new("virt@map", Map._str)
    core.register_action("tell", { "http-req" }, function(txn)
        tell(txn, {
            core = core, act = act, TXN = txn, HTTP = txn.http, Channel = txn.req, Reply = txn:reply(),
            Socket = core.tcp(), Concat = core.concat(), Queue = core.queue(), Regex = select(2, Regex.new("a", true)),
            Proxy = core.backends.back, Server = core.backends.back.servers.one,
            Listener = core.frontends.front.listeners["sock-1"], StickTable = core.backends.back.stktable,
            HTTPClient = core.httpclient(), EventSub = core.event_sub({ "SERVER" }, print), Map = Map.new("virt@map", Map._str),
            Patref = core.get_patref("virt@map"),
            f = txn.f, sf = txn.sf, c = txn.c, sc = txn.sc,
        })
    end)
    core.register_service("tell", "http", function(applet) tell(applet, { AppletHTTP = applet }) end)
    core.register_service("tell", "tcp", function(applet) tell(applet, { AppletTCP = applet }) end)
"#;

/// The names to look at, by class, and what they are to be.
type Wanted = BTreeMap<String, BTreeMap<String, String>>;

fn documented() -> Wanted {
    let mut wanted = Wanted::new();
    for line in ENTRIES.lines().filter(|line| !line.starts_with('#')) {
        let (entry, what) = line.split_once('\t').unwrap();
        let (class, name) = entry.split_once('.').unwrap();
        let class = if class == "Map" && (name == "new" || name.starts_with('_')) {
            "MapClass"
        } else if class == "Regex" && name == "new" {
            "RegexClass"
        } else {
            class
        };
        wanted
            .entry(class.to_owned())
            .or_default()
            .insert(name.to_owned(), what.to_owned());
    }
    wanted
}

/// Fetches and converters are methods of their own names, with `_` for what Lua's names can't have.
fn samples(wanted: &mut Wanted) {
    let methods = |names: Vec<&str>| -> BTreeMap<String, String> {
        let method = |name: &&str| (name.replace(['.', '-', '+'], "_"), "function".to_owned());
        names.iter().map(method).collect()
    };
    for class in ["f", "sf"] {
        wanted.insert(
            class.to_owned(),
            methods(fetch::all().map(|row| row.name).collect()),
        );
    }
    for class in ["c", "sc"] {
        wanted.insert(
            class.to_owned(),
            methods(convert::all().map(|row| row.name).collect()),
        );
    }
}

/// What the script told of the classes.
fn told(txn: &Rc<Txn>, wanted: &Wanted, look: impl FnOnce()) -> Wanted {
    for (class, names) in wanted {
        let names: Vec<&str> = names.keys().map(String::as_str).collect();
        let name = VarName::parse(&format!("txn.{class}")).unwrap();
        assert!(txn.set_var(&name, Value::str(names.join(","))));
    }
    look();
    let mut told = Wanted::new();
    for entry in out(txn).split(' ') {
        let (name, what) = entry.split_once('=').unwrap();
        let (class, name) = name.split_once('.').unwrap();
        told.entry(class.to_owned())
            .or_default()
            .insert(name.to_owned(), what.to_owned());
    }
    told
}

fn assert_same(seen: &Wanted, wanted: &Wanted) {
    for (class, names) in wanted {
        for (name, what) in names {
            let here = seen.get(class).and_then(|names| names.get(name));
            assert_eq!(here, Some(what), "{class}.{name}");
        }
    }
    assert_eq!(seen, wanted);
}

fn request() -> Rc<Txn> {
    let request = http::Request::get("/path?query").header("host", "example.org");
    Txn::detached().request(request.body(()).unwrap()).build()
}

/// The wanted entries of these classes only.
fn only(wanted: &Wanted, classes: &[&str]) -> Wanted {
    let mut wanted = wanted.clone();
    wanted.retain(|class, _| classes.contains(&class.as_str()));
    assert_eq!(wanted.len(), classes.len());
    wanted
}

#[test]
fn every_documented_entry_is_there() {
    let plane = plane();
    let site = Site::on(SCRIPT, &plane);
    let mut wanted = documented();
    samples(&mut wanted);
    let constructor = wanted.remove("RegexClass").unwrap();
    assert_eq!(constructor["new"], "function");
    // It has its attributes, as the tests of maps show.
    assert_eq!(wanted.remove("MapClass").unwrap().len(), 10);
    let declared = site.loaded.declared();

    let classes = [
        "core",
        "act",
        "TXN",
        "HTTP",
        "Channel",
        "Reply",
        "Socket",
        "Concat",
        "Queue",
        "Regex",
        "Proxy",
        "Server",
        "Listener",
        "StickTable",
        "EventSub",
        "Map",
        "Patref",
        "HTTPClient",
        "f",
        "sf",
        "c",
        "sc",
    ];
    let (txn, of_actions) = (request(), only(&wanted, &classes));
    let seen = told(&txn, &of_actions, || {
        run(async {
            site.act("tell", &txn).await;
        });
    });
    assert_same(&seen, &of_actions);

    let (txn, of_service) = (request(), only(&wanted, &["AppletHTTP"]));
    let service = site
        .worker
        .http_service(declared.http_service("tell").unwrap())
        .unwrap();
    let applet = HttpApplet::detached(txn.clone(), [Bytes::new()]);
    let seen = told(&txn, &of_service, || {
        run(async { service.serve(applet).await }).unwrap()
    });
    assert_same(&seen, &of_service);

    let (txn, of_service) = (Txn::detached().input("x").build(), only(&wanted, &["AppletTCP"]));
    let service = site
        .worker
        .tcp_service(declared.tcp_service("tell").unwrap())
        .unwrap();
    let applet = TcpApplet::new(txn.clone());
    let seen = told(&txn, &of_service, || {
        run(async { service.serve(applet).await }).unwrap()
    });
    assert_same(&seen, &of_service);

    assert_eq!(wanted.len(), classes.len() + 2, "no class was left out");
}

#[test]
fn the_classes_that_sessions_work_with_refuse_nothing() {
    let refused: Vec<String> = documented()
        .into_iter()
        .filter(|(class, _)| class != "core")
        .flat_map(|(class, names)| {
            let refused = names.into_iter().filter(|(_, what)| what == "refused");
            refused
                .map(move |(name, _)| format!("{class}.{name}"))
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(refused, Vec::<String>::new());
}
