//! All classes, put together in a fresh state.

use std::sync::Arc;

use mlua::{Lua, Result};
use tidegate_exec::ObjectClass;

use crate::env::Env;
use crate::plane::{self, PlaneClasses};
use crate::row::{ClassRows, methods};
use crate::txn::TxnClasses;
use crate::{
    act, applet_http, applet_tcp, cert_cache, channel, concat, converters, core, event, fetches, filter,
    http, http_message, httpclient, map,
};
use crate::{patref, queue, regex, reply, shared, socket, standard, txn, unsupported};

/// The classes of the objects that the host makes for scripts.
pub(crate) struct Classes {
    pub(crate) txn: TxnClasses,
    pub(crate) applet_http: ObjectClass,
    pub(crate) applet_tcp: ObjectClass,
    pub(crate) plane: PlaneClasses,
    pub(crate) parts: Parts,
    pub(crate) filters: filter::Calls,
}

/// The classes of an object's sub-objects.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) fetches: ObjectClass,
    pub(crate) converters: ObjectClass,
    pub(crate) http: ObjectClass,
    pub(crate) channel: ObjectClass,
    pub(crate) message: ObjectClass,
}

impl Classes {
    /// Makes all classes and the global tables.
    pub(crate) fn install(lua: &Lua, env: &Arc<Env>) -> Result<Classes> {
        let channel = ObjectClass::new(lua, "Channel", &methods(lua, env, channel::ROWS)?, None)?;
        let parts = Parts {
            message: http_message::class(lua, env, &channel)?,
            channel,
            fetches: fetches::class(lua, env)?,
            converters: converters::class(lua, env)?,
            http: ObjectClass::new(lua, "HTTP", &methods(lua, env, http::ROWS)?, None)?,
        };
        core::install(lua, env, &parts)?;
        standard::adapt(lua, env)?;
        act::install(lua, env)?;
        event::install(lua, env)?;
        filter::install(lua, env)?;
        cert_cache::install(lua, env)?;
        map::install(lua, env)?;
        regex::install(lua, env)?;
        unsupported::install(lua)?;
        Ok(Classes {
            plane: PlaneClasses::new(lua, env)?,
            filters: filter::Calls::new(lua)?,
            txn: TxnClasses::new(lua, env, &parts)?,
            applet_http: applet_http::class(lua, env, &parts)?,
            applet_tcp: applet_tcp::class(lua, env, &parts)?,
            parts,
        })
    }
}

/// Something that an object has beside its functions.
pub struct Attribute {
    /// Its class.
    pub class: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The type of its value.
    pub kind: &'static str,
    /// What it is, in a line.
    pub doc: &'static str,
}

const fn attribute(
    class: &'static str,
    name: &'static str,
    kind: &'static str,
    doc: &'static str,
) -> Attribute {
    Attribute {
        class,
        name,
        kind,
        doc,
    }
}

/// What objects have beside their functions.
pub fn attributes() -> &'static [Attribute] {
    ATTRIBUTES
}

#[rustfmt::skip]
const ATTRIBUTES: &[Attribute] = &[
    attribute("core", "silent", "integer", "for `TXN:set_loglevel`: no log line"),
    attribute("core", "emerg", "integer", "a level of messages"),
    attribute("core", "alert", "integer", "a level of messages"),
    attribute("core", "crit", "integer", "a level of messages"),
    attribute("core", "err", "integer", "a level of messages"),
    attribute("core", "warning", "integer", "a level of messages"),
    attribute("core", "notice", "integer", "a level of messages"),
    attribute("core", "info", "integer", "a level of messages"),
    attribute("core", "debug", "integer", "a level of messages"),
    attribute("core", "thread", "integer", "0 in the state of all threads, else the thread's number from 1"),
    attribute("core", "proxies", "table<string, Proxy>", "all proxies, from init functions on"),
    attribute("core", "frontends", "table<string, Proxy>", "those that listen"),
    attribute("core", "backends", "table<string, Proxy>", "those that have servers"),
    attribute("core", "f", "Fetches", "fetches of no session"),
    attribute("core", "sf", "Fetches", "the same, as texts"),
    attribute("core", "c", "Converters", "converters of no session"),
    attribute("core", "sc", "Converters", "the same, as texts"),
    attribute("act", "CONTINUE", "integer", "go on with the next rule"),
    attribute("act", "STOP", "integer", "no further rule of this set"),
    attribute("act", "YIELD", "integer", "run the function again later"),
    attribute("act", "ERROR", "integer", "an internal error: 500, for a response too"),
    attribute("act", "DONE", "integer", "no further rule of this set; `TXN:done` ends the transaction"),
    attribute("act", "DENY", "integer", "refuse: 403, or 502 for a response"),
    attribute("act", "ABORT", "integer", "end the transaction without a reply"),
    attribute("act", "INVALID", "integer", "the message is invalid: 400, or 502 for a response"),
    attribute("TXN", "f", "Fetches", "the transaction's fetches"),
    attribute("TXN", "sf", "Fetches", "the same, as texts"),
    attribute("TXN", "c", "Converters", "the transaction's converters"),
    attribute("TXN", "sc", "Converters", "the same, as texts"),
    attribute("TXN", "req", "Channel", "what the client sends"),
    attribute("TXN", "res", "Channel", "what the server sends"),
    attribute("TXN", "http", "HTTP?", "the heads of request and response; nil for a stream"),
    attribute("TXN", "http_req", "HTTPMessage?", "the request, for filters; nil for others and for a stream"),
    attribute("TXN", "http_res", "HTTPMessage?", "the response, for filters; nil for others and for a stream"),
    attribute("HTTPMessage", "channel", "Channel", "the channel of the message's way"),
    attribute("filter", "CONTINUE", "integer", "done with what is here: it goes on"),
    attribute("filter", "WAIT", "integer", "what isn't forwarded stays until more has come, or the time to wake has"),
    attribute("filter", "ERROR", "integer", "the transaction can't go on"),
    attribute("filter", "FLT_CFG_FL_HTX", "integer", "for the field `flags` of a class: it is for HTTP too"),
    attribute("Reply", "status", "integer", "the status"),
    attribute("Reply", "reason", "string", "the reason phrase"),
    attribute("Reply", "headers", "table", "the headers: lists of values by their names"),
    attribute("Reply", "body", "string", "the body"),
    attribute("AppletHTTP", "f", "Fetches", "the request's fetches"),
    attribute("AppletHTTP", "sf", "Fetches", "the same, as texts"),
    attribute("AppletHTTP", "c", "Converters", "the request's converters"),
    attribute("AppletHTTP", "sc", "Converters", "the same, as texts"),
    attribute("AppletHTTP", "method", "string", "the method"),
    attribute("AppletHTTP", "version", "string", "`HTTP/1.1`"),
    attribute("AppletHTTP", "path", "string", "the path"),
    attribute("AppletHTTP", "qs", "string", "the query"),
    attribute("AppletHTTP", "length", "integer", "the body's length, 0 if it is not known"),
    attribute("AppletHTTP", "headers", "table", "the headers: values from 0 up by their names"),
    attribute("AppletTCP", "f", "Fetches", "the stream's fetches"),
    attribute("AppletTCP", "sf", "Fetches", "the same, as texts"),
    attribute("AppletTCP", "c", "Converters", "the stream's converters"),
    attribute("AppletTCP", "sc", "Converters", "the same, as texts"),
    attribute("Proxy", "name", "string", "the name"),
    attribute("Proxy", "uuid", "string", "the number"),
    attribute("Proxy", "servers", "table<string, Server>", "its servers by their names"),
    attribute("Proxy", "listeners", "table<string, Listener>", "its listeners by their names"),
    attribute("Proxy", "stktable", "StickTable?", "its stick table"),
    attribute("ProxyMailers", "track_server_health", "boolean", "every health check is news: `option log-health-checks`"),
    attribute("ProxyMailers", "log_level", "integer", "what is less grave is not mailed, 0 to 7: `email-alert level`"),
    attribute("ProxyMailers", "mailservers", "table<string, string>", "the addresses of mail servers by their names"),
    attribute("ProxyMailers", "mailservers_timeout", "integer", "milliseconds for a mail: `timeout mail`"),
    attribute("ProxyMailers", "smtp_hostname", "string", "this machine's name for mail servers: `email-alert myhostname`"),
    attribute("ProxyMailers", "smtp_from", "string", "whom mails are from: `email-alert from`"),
    attribute("ProxyMailers", "smtp_to", "string", "whom mails go to: `email-alert to`"),
    attribute("Server", "name", "string", "the name"),
    attribute("Server", "puid", "string", "the number in its backend"),
    attribute("Map", "_int", "integer", "match method: integers"),
    attribute("Map", "_ip", "integer", "match method: addresses and networks"),
    attribute("Map", "_str", "integer", "match method: the whole text"),
    attribute("Map", "_beg", "integer", "match method: its beginning"),
    attribute("Map", "_sub", "integer", "match method: a part of it"),
    attribute("Map", "_dir", "integer", "match method: a part of a path"),
    attribute("Map", "_dom", "integer", "match method: a part of a domain"),
    attribute("Map", "_end", "integer", "match method: its end"),
    attribute("Map", "_reg", "integer", "match method: regular expressions"),
    attribute("ServerEvent", "name", "string", "the server's name"),
    attribute("ServerEvent", "puid", "integer", "its number in its backend"),
    attribute("ServerEvent", "rid", "integer", "the number of its revision, as `Server:get_rid` has it"),
    attribute("ServerEvent", "proxy_name", "string", "its backend's name"),
    attribute("ServerEvent", "proxy_uuid", "integer", "its backend's number"),
    attribute("ServerEvent", "reference", "Server?", "the server"),
    attribute("ServerEvent", "state", "ServerEventState?", "for SERVER_STATE"),
    attribute("ServerEvent", "admin", "ServerEventAdmin?", "for SERVER_ADMIN"),
    attribute("ServerEvent", "check", "ServerEventCheckRes?", "for SERVER_CHECK"),
    attribute("ServerEventCheckRes", "result", "string", "`FAILED`, `PASSED` or `CONDPASS`"),
    attribute("ServerEventCheckRes", "agent", "boolean", "an agent's answer"),
    attribute("ServerEventCheckRes", "duration", "integer", "milliseconds"),
    attribute("ServerEventCheckRes", "reason", "table", "short, desc and code"),
    attribute("ServerEventCheckRes", "health", "table", "cur, rise and fall"),
    attribute("ServerEventState", "admin", "boolean", "an operator did it"),
    attribute("ServerEventState", "check", "ServerEventCheckRes?", "the check that showed it"),
    attribute("ServerEventState", "cause", "string", "why, in words"),
    attribute("ServerEventState", "new_state", "string", "`STOPPED`, `STOPPING`, `STARTING` or `RUNNING`"),
    attribute("ServerEventState", "old_state", "string", "the one before"),
    attribute("ServerEventState", "requeued", "integer", "how many wait that may go elsewhere"),
    attribute("ServerEventAdmin", "cause", "string", "empty"),
    attribute("ServerEventAdmin", "new_admin", "string[]", "the reasons why it is out of service or runs dry"),
    attribute("ServerEventAdmin", "old_admin", "string[]", "those before"),
    attribute("ServerEventAdmin", "requeued", "integer", "how many wait that may go elsewhere"),
];

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
        class("filter", filter::ROWS),
        class("HTTPMessage", http_message::ROWS),
        class("CertCache", cert_cache::ROWS),
        class("AppletHTTP", applet_http::ROWS),
        class("AppletTCP", applet_tcp::ROWS),
        class("Socket", socket::ROWS),
        class("Concat", concat::ROWS),
        class("Queue", queue::ROWS),
        class("Regex", regex::ROWS),
        class("EventSub", event::ROWS),
        class("Map", map::ROWS),
        class("HTTPClient", httpclient::ROWS),
        class("Shared", shared::ROWS),
        class("Patref", patref::ROWS),
    ]);
    classes.extend(plane::reference());
    classes
}
