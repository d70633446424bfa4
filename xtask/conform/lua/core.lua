-- The `core` table.

case("core.silent", "load", function(say) say(math.type(attribute(core, "silent"))) end, "'integer'")
for _, name in ipairs({ "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug", "thread" }) do
    case("core." .. name, "load", function(say) say(attribute(core, name)) end)
end
for _, name in ipairs({ "proxies", "frontends", "backends" }) do
    case("core." .. name, "load", function(say) say(core[name]) end)
    case("core." .. name, "init", function(say)
        local names = {}
        for key, proxy in pairs(core[name]) do names[#names + 1] = key end
        table.sort(names)
        say(names)
    end)
end

for _, name in ipairs({ "Debug", "Info", "Warning", "Alert" }) do
    case("core." .. name, "load", function(say) say(core[name]("a message")) say(fails(core[name])) end)
end
case("core.log", "load", function(say)
    say(core.log(core.debug, "a message"))
    say(fails(core.log, core.debug))
    say(fails(core.log, 9, "a message"), fails(core.log, "a level", "a message"))
end)

case("core.now", "load", function(say)
    local now = core.now()
    say(math.type(now.sec), math.type(now.usec), math.abs(now.sec - os.time()) < 3, now.usec < 1000000)
end)
for name, dates in pairs({
    http_date = { "Tue, 15 Nov 1994 08:12:31 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994", "yesterday", "" },
    imf_date = { "Tue, 15 Nov 1994 08:12:31 GMT", "Thu, 29 Feb 2024 00:00:00 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Tue, 15 Nov" },
    rfc850_date = { "Sunday, 06-Nov-94 08:49:37 GMT", "Tuesday, 15-Nov-11 08:12:31 GMT", "Tue, 15 Nov 1994 08:12:31 GMT", "Sunday" },
    asctime_date = { "Sun Nov  6 08:49:37 1994", "Tue Nov 15 08:12:31 2011", "Tue, 15 Nov 1994 08:12:31 GMT", "Sun Nov" },
}) do
    case("core." .. name, "load", function(say)
        for _, date in ipairs(dates) do say(core[name](date)) end
        say(fails(core[name]))
    end)
end

case("core.tokenize", "load", function(say)
    say(core.tokenize("a,b;c", ",;"))
    say(core.tokenize(",a,,b,", ","))
    say(core.tokenize(",a,,b,", ",", true))
    say(core.tokenize("", ","), core.tokenize("", ",", true))
    say(core.tokenize("no separator", ","))
    say(fails(core.tokenize, "a"))
end)
case("core.parse_addr", "load", function(say)
    for _, text in ipairs({ "127.0.0.1", "10.0.0.0/8", "::1", "fe80::/10", "no address", "10.0.0.0/33", "" }) do
        say(text, type(core.parse_addr(text)))
    end
end)
case("core.match_addr", "load", function(say)
    local function match(a, b) return core.match_addr(core.parse_addr(a), core.parse_addr(b)) end
    say(match("10.1.2.3", "10.0.0.0/8"), match("10.0.0.0/8", "10.1.2.3"), match("11.1.2.3", "10.0.0.0/8"))
    say(match("::1", "::1"), match("::1", "::2"), match("fe80::1", "fe80::/10"), match("127.0.0.1", "::1"))
    say(match("::ffff:10.0.0.1", "10.0.0.0/8"), match("10.0.0.0/8", "10.0.0.0/16"))
    say(fails(core.match_addr, "a", "b"))
end)

case("core.get_info", "request", function(say)
    local info = core.get_info()
    say(type(info.Name), type(info.Version), math.type(info.Pid), math.type(info.Uptime_sec), math.type(info.Nbthread))
    say(math.type(info.CurrConns), math.type(info.Maxconn), math.type(info.Tasks), info.Nbthread)
end)
case("core.get_var", "request", function(say)
    say(core.get_var("proc.known"), core.get_var("proc.unknown"), core.get_var("txn.case"))
end, "'value' nil nil")

case("core.msleep", "task", function(say) say(core.msleep(5)) say(fails(core.msleep)) end)
case("core.msleep", "request", function(say) say(core.msleep(5)) end)
case("core.msleep", "service", function(say, applet) say(core.msleep(5)) applet:start_response() end)
case("core.sleep", "task", function(say) say(core.sleep(1)) end)
case("core.yield", "task", function(say) say(core.yield()) end)
case("core.yield", "request", function(say) say(core.yield()) end)
case("core.set_nice", "task", function(say) say(core.set_nice(10)) say(fails(core.set_nice), fails(core.set_nice, "a")) end)
case("core.wait", "task", function(say)
    local queue = core.queue()
    core.register_task(function() core.msleep(20) queue:push("an item") end)
    queue:alarm()
    say(core.wait())
    say(queue:pop())
    say(core.wait(5))
end, "\n'an item'\n")
case("core.done", "fetch", function(say) core.done("over") end)
case("core.done", "converter", function(say, input) core.done(input .. " over") end)

case("core.concat", "load", function(say) say(type(core.concat()), getmetatable(core.concat()) ~= nil) end)
case("core.tcp", "task", function(say) say(core.tcp() ~= nil) end)
case("core.httpclient", "task", function(say) say(core.httpclient() ~= nil) end)
case("core.queue", "load", function(say) say(core.queue()) say(core.queue():size()) end, "object\n0")

case("core.register_action", "load", function(say)
    say(core.register_action("one", { "http-req", "tcp-req", "http-res", "tcp-res" }, print))
    say(core.register_action("two", { "http-req" }, print, 2))
    say(fails(core.register_action, "three", "http-req", print), fails(core.register_action, "four", { "nothing" }, print))
    say(fails(core.register_action, "five", { "http-req" }), fails(core.register_action, "six", { "http-req" }, "text"))
end)
case("core.register_action", "request", function(say)
    say(fails(core.register_action, "late", { "http-req" }, print))
end)
case("core.register_fetches", "load", function(say)
    say(core.register_fetches("one", print), fails(core.register_fetches, "two"), fails(core.register_fetches, "three", "text"))
end)
case("core.register_fetches", "fetch", function(say, txn, ...) say(...) return "a text" end)
case("core.register_fetches", "fetch", function() return 12 end)
case("core.register_fetches", "fetch", function() return true end)
case("core.register_fetches", "fetch", function() return nil end)
case("core.register_fetches", "fetch", function() return "two", "results" end)
case("core.register_fetches", "fetch", function() error("on purpose") end)
case("core.register_converters", "load", function(say)
    say(core.register_converters("one", print), fails(core.register_converters, "two"))
end)
case("core.register_converters", "converter", function(say, ...) say(...) return "a text" end)
case("core.register_converters", "converter", function() return 1.5 end)
case("core.register_converters", "converter", function() return false end)
case("core.register_converters", "converter", function() end)
case("core.register_service", "load", function(say)
    say(core.register_service("one", "http", print), core.register_service("two", "tcp", print))
    say(fails(core.register_service, "three", "udp", print), fails(core.register_service, "four", "http"))
end)
case("core.register_init", "load", function(say) say(core.register_init(function() end)) say(fails(core.register_init)) end)
case("core.register_task", "load", function(say)
    say(type(core.register_task(function() end)), fails(core.register_task), fails(core.register_task, "text"))
end)
case("core.register_task", "request", function(say)
    local got = {}
    core.register_task(function(...) got = { ... } end, 1, "two", nil, { 4 })
    core.msleep(50)
    say(got[1], got[2], got[3], type(got[4]))
end)
case("core.register_cli", "load", function(say)
    say(core.register_cli({ "conform", "one" }, "usage", print))
    say(fails(core.register_cli, "text", "usage", print), fails(core.register_cli, {}, "usage"))
end)
case("core.register_cli", "command", function(say, applet)
    say(type(applet))
    applet:send("an answer\n")
end)
case("core.event_sub", "load", function(say)
    say(fails(core.event_sub, { "NO_EVENT" }, print), fails(core.event_sub, { "SERVER_DOWN" }))
    say(core.event_sub({ "SERVER_DOWN" }, print) ~= nil)
end, "true true\ntrue")
case("core.use_native_mailers_config", "load", function(say) core.use_native_mailers_config() say("allowed") end, "'allowed'")
