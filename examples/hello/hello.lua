-- The application behind examples/hello/tidegate.cfg: one of everything a script can be.

-- What a task tells the services: scripts loaded with lua-load share their variables.
local beats = 0

-- Sends one text as the whole answer.
local function answer(applet, status, text)
    applet:set_status(status)
    applet:add_header("content-type", "text/plain")
    applet:add_header("content-length", tostring(#text))
    applet:start_response()
    applet:send(text)
end

-- A service: it makes the answer itself.
core.register_service("hello", "http", function(applet)
    local name = applet.qs:match("name=([%w]+)") or "world"
    answer(applet, 200, "hello, " .. name .. "\n")
end)

-- A service that reads what the task below keeps writing.
core.register_service("tide", "http", function(applet)
    answer(applet, 200, string.format("the tide task has run %d times\n", beats))
end)

-- An action: it runs on the way of a request and may wait there.
core.register_action("nap", { "http-req" }, function(txn)
    core.msleep(100)
    txn:set_var("txn.nap", "100ms")
end)

-- A fetch: a value taken from the request, for any place where the configuration takes one.
core.register_fetches("visitor", function(txn)
    return txn.f:req_hdr("x-name") or "someone"
end)

-- A converter: a value made from another one.
core.register_converters("shout", function(text)
    return text:upper() .. "!"
end)

-- The application that the proxy forwards to. It runs in the same program, but is reached through a connection.
core.register_service("app", "http", function(applet)
    local visitor = applet.headers["x-visitor"][0]
    local body = applet:receive()
    local text = applet.method .. " " .. applet.path .. " for " .. visitor .. "\n"
    if #body > 0 then
        text = text .. "with " .. #body .. " bytes: " .. body .. "\n"
    end
    answer(applet, 200, text)
end)

-- A TCP service: it reads and writes as it likes.
core.register_service("chat", "tcp", function(applet)
    local line = applet:getline()
    while line ~= nil and line ~= "" do
        applet:send("you said: " .. line)
        line = applet:getline()
    end
end)

-- A task: it belongs to no request and runs as long as the program does.
core.register_task(function()
    while true do
        beats = beats + 1
        core.sleep(1)
    end
end)

-- Runs once, before the first connection is taken.
core.register_init(function()
    print([[
www listens on 127.0.0.1:8080, the application on 127.0.0.1:8081, chat on 127.0.0.1:8082. Try:

  curl http://127.0.0.1:8080/hello
  curl 'http://127.0.0.1:8080/hello?name=Ada'
  curl http://127.0.0.1:8080/tide
  curl http://127.0.0.1:8080/
  curl -H 'x-name: Ada' http://127.0.0.1:8080/orders/7
  curl -d 'two apples' http://127.0.0.1:8080/orders
  curl -i http://127.0.0.1:8080/slow
  echo ahoy | curl telnet://127.0.0.1:8082
]])
end)
