//! Every function of scripts that puts something into a message: what would split one is refused, and so is a status that no
//! response may have.
//!
//! What there is comes from the declarations that bind the functions: whatever is named like a setter has a case here, or a reason.

mod support;

use support::Result;
use support::runtime::Runtime;
use support::scripted;
use tidegate_lua_api::reference;

/// A function, where it is tried, and its calls: `o` is the object, `v` the text.
type Setter = (&'static str, &'static str, &'static [&'static str]);

const SETTERS: &[Setter] = &[
    (
        "HTTP.req_add_header",
        "request",
        &["o:req_add_header(v, 'x')", "o:req_add_header('x-a', v)"],
    ),
    (
        "HTTP.req_set_header",
        "request",
        &["o:req_set_header(v, 'x')", "o:req_set_header('x-a', v)"],
    ),
    (
        "HTTP.req_rep_header",
        "request",
        &["o:req_rep_header('x-old', '.*', v)"],
    ),
    (
        "HTTP.req_rep_value",
        "request",
        &["o:req_rep_value('x-old', '.*', v)"],
    ),
    ("HTTP.req_set_method", "request", &["o:req_set_method(v)"]),
    ("HTTP.req_set_path", "request", &["o:req_set_path('/' .. v)"]),
    ("HTTP.req_set_query", "request", &["o:req_set_query(v)"]),
    (
        "HTTP.req_set_uri",
        "request",
        &["o:req_set_uri('/' .. v)", "o:req_set_uri('http://h/' .. v)"],
    ),
    (
        "HTTP.res_add_header",
        "response",
        &["o:res_add_header(v, 'x')", "o:res_add_header('x-a', v)"],
    ),
    (
        "HTTP.res_set_header",
        "response",
        &["o:res_set_header(v, 'x')", "o:res_set_header('x-a', v)"],
    ),
    (
        "HTTP.res_rep_header",
        "response",
        &["o:res_rep_header('x-old', '.*', v)"],
    ),
    (
        "HTTP.res_rep_value",
        "response",
        &["o:res_rep_value('x-old', '.*', v)"],
    ),
    ("HTTP.res_set_status", "response", &["o:res_set_status(200, v)"]),
    (
        "HTTPMessage.add_header",
        "message",
        &["o:add_header(v, 'x')", "o:add_header('x-a', v)"],
    ),
    (
        "HTTPMessage.set_header",
        "message",
        &["o:set_header(v, 'x')", "o:set_header('x-a', v)"],
    ),
    (
        "HTTPMessage.rep_header",
        "message",
        &["o:rep_header('x-old', '.*', v)"],
    ),
    (
        "HTTPMessage.rep_value",
        "message",
        &["o:rep_value('x-old', '.*', v)"],
    ),
    ("HTTPMessage.set_method", "asked", &["o:set_method(v)"]),
    ("HTTPMessage.set_path", "asked", &["o:set_path('/' .. v)"]),
    ("HTTPMessage.set_query", "asked", &["o:set_query(v)"]),
    ("HTTPMessage.set_uri", "asked", &["o:set_uri('/' .. v)"]),
    ("HTTPMessage.set_status", "answered", &["o:set_status(200, v)"]),
    (
        "AppletHTTP.add_header",
        "service",
        &["o:add_header(v, 'x')", "o:add_header('x-a', v)"],
    ),
    ("AppletHTTP.set_status", "service", &["o:set_status(200, v)"]),
    (
        "Reply.add_header",
        "reply",
        &["o:add_header(v, 'x')", "o:add_header('x-a', v)"],
    ),
    ("Reply.set_status", "reply", &["o:set_status(200, v)"]),
    ("HTTPClient.get", "client", CLIENT),
    ("HTTPClient.head", "client", CLIENT),
    ("HTTPClient.put", "client", CLIENT),
    ("HTTPClient.post", "client", CLIENT),
    ("HTTPClient.delete", "client", CLIENT),
    ("HTTPClient.patch", "client", CLIENT),
    ("HTTPClient.options", "client", CLIENT),
    (
        "HTTPClient.request",
        "client",
        &[
            "o:request({ url = at, method = v })",
            "o:request({ url = at .. v, method = 'GET' })",
            "o:request({ url = at, method = 'GET', headers = { [v] = 'x' } })",
            "o:request({ url = at, method = 'GET', headers = { ['x-a'] = { v } } })",
        ],
    ),
];

const CLIENT: &[&str] = &[
    "METHOD({ url = at .. v })",
    "METHOD({ url = at, headers = { [v] = 'x' } })",
    "METHOD({ url = at, headers = { ['x-a'] = v } })",
    "METHOD({ url = at, headers = { ['x-a'] = { v } } })",
];

/// What a reply may be made of. Whichever is taken is answered with.
const REPLIES: &[&str] = &[
    "o:done(o:reply({ reason = v }))",
    "o:done(o:reply({ headers = { ['x-a'] = { v } } }))",
    "o:done(o:reply({ headers = { [v] = { 'x' } } }))",
    "local r = o:reply() r.reason = v o:done(r)",
    "local r = o:reply() r.headers['x-a'] = { [0] = v } o:done(r)",
    "local r = o:reply() r.headers[v] = { [0] = 'x' } o:done(r)",
];

/// Functions that set a status, with the calls: `n` is the status.
const STATUSES: &[Setter] = &[
    (
        "HTTP.res_set_status",
        "response",
        &["o:res_set_status(n)", "o:res_set_status(n, 'x')"],
    ),
    (
        "HTTPMessage.set_status",
        "answered",
        &["o:set_status(n)", "o:set_status(n, 'x')"],
    ),
    (
        "AppletHTTP.set_status",
        "service",
        &["o:set_status(n)", "o:set_status(n, 'x')"],
    ),
    (
        "Reply.set_status",
        "reply",
        &["o:set_status(n)", "o:set_status(n, 'x')"],
    ),
];

const REPLIES_OF_STATUS: &[&str] = &[
    "o:done(o:reply({ status = n }))",
    "local r = o:reply() r.status = n o:done(r)",
];

/// What is named like a setter and puts nothing into a head.
const OTHERS: &[(&str, &str)] = &[
    ("TXN.set_var", "a variable holds any bytes"),
    ("AppletHTTP.set_var", "likewise"),
    ("AppletTCP.set_var", "likewise"),
    ("TXN.set_priv", "it stays with the script"),
    ("AppletHTTP.set_priv", "likewise"),
    ("AppletTCP.set_priv", "likewise"),
    ("TXN.set_loglevel", "a number"),
    ("TXN.set_fc_tos", "a number"),
    ("TXN.set_fc_mark", "a number"),
    ("TXN.set_tos", "a number"),
    ("TXN.set_mark", "a number"),
    ("TXN.set_priority_class", "a number"),
    ("TXN.set_priority_offset", "a number"),
    ("Reply.set_body", "a body holds any bytes"),
    ("Channel.set", "a stream holds any bytes"),
    ("HTTPMessage.set", "a body holds any bytes"),
    ("HTTPMessage.set_body_len", "a number, or `chunked`"),
    ("HTTPMessage.set_eom", "no text"),
    ("Concat.add", "it stays with the script"),
    ("Shared.set", "it stays with scripts"),
    ("Shared.add", "likewise"),
    ("Patref.add", "patterns hold any bytes"),
    ("Patref.add_bulk", "likewise"),
    ("Patref.set", "likewise"),
    ("core.set_map", "likewise"),
    ("core.add_acl", "likewise"),
    ("core.set_nice", "a number"),
    ("CertCache.set", "certificates are read as such"),
    ("Server.set_maxconn", "a number"),
    ("Server.set_weight", "it is read as a number"),
    ("Server.set_addr", "it is read as an address"),
    ("Server.set_drain", "no text"),
    ("Server.set_maint", "no text"),
    ("Server.set_ready", "no text"),
    ("Socket.settimeout", "a number"),
    ("Socket.setoption", "it does nothing"),
    ("Socket.setkeepalive", "numbers"),
];

fn is_setter(class: &str, name: &str) -> bool {
    let parts = ["set", "add", "rep"];
    class == "HTTPClient" || name.split('_').any(|word| parts.contains(&word)) || name.starts_with("set")
}

#[test]
fn whatever_is_named_like_a_setter_has_a_case_or_a_reason() {
    for class in reference() {
        for row in class.rows.iter().filter(|row| is_setter(class.class, row.name())) {
            let entry = format!("{}.{}", class.class, row.name());
            let tried = SETTERS.iter().any(|(known, ..)| *known == entry);
            let other = OTHERS.iter().any(|(known, _)| *known == entry);
            assert!(tried != other, "{entry}");
            let of_status = STATUSES.iter().any(|(known, ..)| *known == entry);
            assert_eq!(of_status, tried && entry.ends_with("set_status"), "{entry}");
        }
    }
}

const SCRIPT: &str = r#"
at = "http://127.0.0.1:1/"
local BAD = { cr = "a\rb", lf = "a\nb", nul = "a\0b", crlf = "a\r\nx-planted: 1", ["end"] = "ab\r", start = "\nab" }
local STATUSES = { 100, 101, 199, 0, -5, 600, 9999, 2^53, 200.5 }

-- The head as everybody sees it: what was refused leaves no trace.
local function head(txn)
    local whole = {}
    for _, part in ipairs({ "method", "url", "req_hdrs", "status", "res_hdrs" }) do
        local good, value = pcall(function() return txn.sf[part](txn.sf) end)
        whole[#whole + 1] = good and value or "-"
    end
    return table.concat(whole, "|")
end

-- What passes of what shouldn't, at a place.
function try(place, object, txn)
    local passed = {}
    local function note(call, what) passed[#passed + 1] = call .. " " .. what end
    for _, case in ipairs(setters) do
        if case.place == place then
            for name, bad in pairs(BAD) do
                local before = txn and head(txn)
                if pcall(case.call, object, bad) then note(case.text, "takes " .. name) end
                if txn and head(txn) ~= before then note(case.text, "leaves traces of " .. name) end
            end
            -- What is harmless has to pass, or the refusals prove nothing.
            local good, why = pcall(case.call, object, "harmless")
            if not good then note(case.text, "refuses all: " .. tostring(why)) end
        end
    end
    for _, case in ipairs(statuses) do
        if case.place == place then
            for _, status in ipairs(STATUSES) do
                if pcall(case.call, object, status) then note(case.text, "takes " .. status) end
            end
            local good, why = pcall(case.call, object, 200)
            if not good then note(case.text, "refuses all: " .. tostring(why)) end
        end
    end
    tried[place] = #passed == 0 and "all refused" or table.concat(passed, "; ")
end

tried = {}
local F = { flags = filter.FLT_CFG_FL_HTX }
F.__index = F
function F:new() return setmetatable({}, F) end
function F:http_headers(txn, msg)
    if txn.sf:url_param("skip") == "1" then return end
    if msg:is_resp() then
        try("answered", msg, txn)
        local of_request = tried.message
        try("message", msg, txn)
        tried["message of a request"] = of_request
    else
        try("message", msg, txn)
        try("asked", msg, txn)
    end
end
core.register_filter("setters", F, function(flt) return flt end)
core.register_action("request", { "http-req" }, function(txn)
    try("request", txn.http, txn)
    try("reply", txn:reply(), txn)
    try("client", core.httpclient())
end)
core.register_action("response", { "http-res" }, function(txn) try("response", txn.http, txn) end)
core.register_service("origin", "http", function(applet)
    try("service", applet)
    applet:set_status(200)
    applet:add_header("x-old", "old")
    applet:add_header("content-length", 0)
    applet:start_response()
end)
core.register_action("replies", { "http-req" }, function(txn)
    local number, bad = tonumber(txn.f:url_param("reply")), BAD[txn.f:url_param("bad")]
    pcall(replies[number], txn, bad or tonumber(txn.f:url_param("bad")))
end)
core.register_cli({ "tried" }, "what passed", function(applet)
    for place, told in pairs(tried) do applet:send(place .. ": " .. told .. "\n") end
end)
"#;

const SITE: &str = "\
listen www
    bind 127.0.0.1:8080
    filter lua.setters
    http-request lua.request if { path /try }
    http-request use-service lua.origin if { path /service }
    http-response lua.response
    server one 127.0.0.1:8081
frontend origin
    bind 127.0.0.1:8081
    http-request use-service lua.origin
frontend replies
    bind 127.0.0.1:8082
    http-request lua.replies
    http-request return status 418
";

fn lua(name: &str, argument: &str, all: &[Setter]) -> String {
    let mut text = format!("{name} = {{\n");
    for (entry, place, calls) in all {
        let method = entry.split_once('.').map_or("", |(_, method)| method);
        for call in *calls {
            let call = call.replace("METHOD", &format!("o:{method}"));
            text.push_str(&format!(
                "{{ place = \"{place}\", text = [[{call}]], call = function(o, {argument}) {call} end }},\n"
            ));
        }
    }
    text + "}\n"
}

fn site(name: &str) -> Result<Runtime> {
    let replies = REPLIES
        .iter()
        .map(|call| format!("function(o, v) {call} end,\n"))
        .chain(
            REPLIES_OF_STATUS
                .iter()
                .map(|call| format!("function(o, n) {call} end,\n")),
        );
    let script = format!(
        "{}{}replies = {{ {} }}\n{SCRIPT}",
        lua("setters", "v", SETTERS),
        lua("statuses", "n", STATUSES),
        replies.collect::<String>()
    );
    scripted::start_with(
        name,
        &script,
        "    tune.lua.session-timeout 20s\n    httpclient.retries 0\n",
        SITE,
        &[],
    )
}

#[test]
fn what_would_split_a_message_and_statuses_that_are_none_are_refused_by_all() -> Result<()> {
    let site = site("setters")?;
    // What is harmless changes the request, so its way ends where that leads.
    for path in ["/try", "/service"] {
        let ask = format!("GET {path} HTTP/1.1\r\nhost: x\r\nx-old: old\r\nconnection: close\r\n\r\n");
        site.site.ask(&ask)?;
    }
    let answer = site.ask("tried\n")?;
    for place in [
        "message",
        "message of a request",
        "asked",
        "answered",
        "request",
        "response",
        "service",
        "reply",
        "client",
    ] {
        let line = answer
            .lines()
            .find(|line| line.starts_with(&format!("{place}: ")));
        assert_eq!(line, Some(&*format!("{place}: all refused")), "{place}: {answer}");
    }
    Ok(())
}

#[test]
fn a_reply_that_would_split_is_not_sent() -> Result<()> {
    let site = site("setters-replies")?;
    let ask = |number: usize, bad: &str| -> Result<String> {
        let mut stream = site.site.connect(2)?;
        let request =
            format!("GET /?reply={number}&bad={bad} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        std::io::Write::write_all(&mut stream, request.as_bytes())?;
        support::site::rest(stream)
    };
    for number in 1..=REPLIES.len() {
        for bad in ["cr", "lf", "nul", "crlf", "end", "start"] {
            let answer = ask(number, bad)?;
            assert!(answer.starts_with("HTTP/1.1 418 "), "{number} {bad}: {answer}");
        }
    }
    for number in REPLIES.len() + 1..=REPLIES.len() + REPLIES_OF_STATUS.len() {
        for status in ["100", "101", "199", "0", "-5", "600", "9999"] {
            let answer = ask(number, status)?;
            assert!(answer.starts_with("HTTP/1.1 418 "), "{number} {status}: {answer}");
        }
        assert!(ask(number, "201")?.starts_with("HTTP/1.1 201 "));
    }
    Ok(())
}
