-- TXN and Reply.

for _, name in ipairs({ "c", "sc", "f", "sf", "req", "res", "http" }) do
    case("TXN." .. name, "request", function(say, txn) say(attribute(txn, name)) end)
    case("TXN." .. name, "stream", function(say, txn) say(txn[name] ~= nil) end)
end
case("TXN.c", "request", function(say, txn) say(txn.c:lower("ABC"), txn.c:base64("abc"), txn.c:add("1", "2"), txn.c:bool(4)) end)
case("TXN.sc", "request", function(say, txn) say(txn.sc:lower("ABC"), txn.sc:add("1", "2"), txn.sc:bool(4)) end)
case("TXN.f", "request", function(say, txn)
    say(txn.f:path(), txn.f:method(), txn.f:url_param("a"), txn.f:url_param("none"), txn.f:hdr("x-two"), txn.f:hdr("x-two", 1))
    say(math.type(txn.f:src_port()), txn.f:src(), txn.f:req_hdr_cnt("x-two"), txn.f:always_true())
end)
case("TXN.sf", "request", function(say, txn)
    say(txn.sf:path(), txn.sf:url_param("none"), txn.sf:req_hdr_cnt("x-two"), type(txn.sf:src_port()), txn.sf:always_true())
end)
case("TXN.log", "request", function(say, txn) say(txn:log(core.info, "a message")) say(fails(txn.log, txn, core.info)) end)
case("TXN.deflog", "request", function(say, txn) say(txn:deflog("a message")) end)
for _, name in ipairs({ "Debug", "Info", "Warning", "Alert" }) do
    case("TXN." .. name, "request", function(say, txn) say(txn[name](txn, "a message")) say(fails(txn[name], txn)) end)
end
case("TXN.get_priv", "request", function(say, txn) say(txn:get_priv()) txn:set_priv({ a = 1 }) say(txn:get_priv()) end)
case("TXN.get_priv", "response", function(say, txn) say(txn:get_priv()) end)
case("TXN.set_priv", "request", function(say, txn) say(txn:set_priv("one")) txn:set_priv(2) say(txn:get_priv()) txn:set_priv(nil) say(txn:get_priv()) end)
case("TXN.set_var", "request", function(say, txn)
    for _, value in ipairs({ "text", 12, 1.5, true, "" }) do say(txn:set_var("txn.v", value)) say(txn:get_var("txn.v")) end
    say(txn:set_var("txn.v", nil)) say(txn:get_var("txn.v"))
    say(txn:set_var("proc.made.here", "x", true)) say(txn:get_var("proc.made.here"))
    say(fails(txn.set_var, txn, "nothing", "x"), fails(txn.set_var, txn))
end)
case("TXN.set_var", "stream", function(say, txn) txn:set_var("sess.v", "text") say(txn:get_var("sess.v")) end)
case("TXN.unset_var", "request", function(say, txn)
    txn:set_var("req.v", "text")
    say(txn:unset_var("req.v"))
    say(txn:get_var("req.v"))
    say(txn:unset_var("req.never"))
end)
case("TXN.get_var", "request", function(say, txn) say(txn:get_var("txn.case"), txn:get_var("txn.none"), txn:get_var("proc.known")) end)
case("TXN.done", "request", function(say, txn) txn:done() end)
case("TXN.done", "request", function(say, txn)
    txn:done(txn:reply({ status = 418, reason = "Teapot", headers = { ["x-a"] = { "1", "2" }, ["content-type"] = { "text/plain" } }, body = "short" }))
end)
case("TXN.done", "request", function(say, txn) txn:done({ status = 404, body = "a table" }) end)
case("TXN.done", "response", function(say, txn) txn:done(txn:reply({ status = 503, body = "instead" })) end)
case("TXN.done", "stream", function(say, txn) txn.res:send("an answer\n") txn:done() end)
case("TXN.reply", "request", function(say, txn)
    local reply = txn:reply()
    say(reply.status, reply.reason, reply.headers, reply.body)
    local reply = txn:reply({ status = 404, reason = "Nope", headers = { a = { "b" } }, body = "text" })
    say(reply.status, reply.reason, reply.headers, reply.body)
    say(fails(txn.reply, txn, "text"))
end)
for _, name in ipairs({ "set_tos", "set_mark", "set_fc_tos", "set_fc_mark" }) do
    case("TXN." .. name, "request", function(say, txn) say(txn[name](txn, 1)) say(fails(txn[name], txn)) end, "\ntrue")
end
for _, name in ipairs({ "set_priority_class", "set_priority_offset" }) do
    case("TXN." .. name, "request", function(say, txn) say(txn[name](txn, 10)) say(fails(txn[name], txn)) end)
end
case("TXN.set_loglevel", "request", function(say, txn) txn:set_loglevel(attribute(core, "silent")) say("set") end, "'set'")
case("TXN.set_loglevel", "request", function(say, txn) say(txn:set_loglevel(core.info)) say(fails(txn.set_loglevel, txn)) end)

for _, name in ipairs({ "status", "reason", "headers", "body" }) do
    case("Reply." .. name, "request", function(say, txn)
        local reply = txn:reply({ status = 299, reason = "R", headers = { x = { "y" } }, body = "b" })
        say(reply[name])
    end)
end
case("Reply.status", "request", function(say, txn)
    local reply = txn:reply()
    reply.status = 202
    txn:done(reply)
end, "", true)
case("Reply.set_status", "request", function(say, txn)
    local reply = txn:reply()
    say(reply:set_status(201)) say(reply.status, reply.reason)
    say(reply:set_status(299, "Ours")) say(reply.status, reply.reason)
    say(fails(reply.set_status, reply))
end)
case("Reply.add_header", "request", function(say, txn)
    local reply = txn:reply()
    say(reply:add_header("x-a", "1"), reply:add_header("x-a", "2"), reply:add_header("X-B", 3))
    say(reply.headers)
    say(fails(reply.add_header, reply, "x"))
end)
case("Reply.del_header", "request", function(say, txn)
    local reply = txn:reply({ headers = { ["x-a"] = { "1" }, ["x-b"] = { "2" } } })
    say(reply:del_header("x-a"), reply:del_header("x-none"))
    say(reply.headers)
end)
case("Reply.set_body", "request", function(say, txn)
    local reply = txn:reply()
    say(reply:set_body("text"))
    say(reply.body, fails(reply.set_body, reply))
end)

for _, name in ipairs({ "CONTINUE", "STOP", "YIELD", "ERROR", "DONE", "DENY", "ABORT", "INVALID" }) do
    case("act." .. name, "load", function(say) say(attribute(act, name)) end)
    if name ~= "YIELD" then
        case("act." .. name, "request", function() return act[name] end)
        case("act." .. name, "response", function() return act[name] end)
        case("act." .. name, "stream", function() return act[name] end)
    end
end
case("act.YIELD", "request", function(say, txn)
    if txn:get_priv() then say("again") return act.CONTINUE end
    txn:set_priv(true)
    say("first")
    local _ = pcall(act.wake_time, 10)
    return act.YIELD
end)
case("act.wake_time", "request", function(say, txn)
    say(act.wake_time(10))
    say(fails(act.wake_time, act))
end)
case("act.wake_time", "request", function(say, txn) say(act:wake_time(10)) end)
