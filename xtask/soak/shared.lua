-- Scripts of one state: they wait, fail, loop and take memory at random, and talk to the steady server.
local address = "@STEADY@"
local host, port = address:match("^(.*):(%d+)$")
local seen = core.shared("seen")

local faults = {
    function() error("at random") end,
    function() error({}) end,
    function() while true do end end,
    function() local text = "x" while true do text = text .. text end end,
    function() while true do core.yield() end end,
    function() string.rep("a", 40):find(("a*"):rep(40) .. "b") end,
    function() coroutine.wrap(function() while true do end end)() end,
    function() core.msleep(20000) end,
}

core.register_action("falter", { "http-req" }, function(txn)
    seen:incr(txn.f:path(), 1, 0, 1000)
    if math.random(10) == 1 then
        faults[math.random(#faults)]()
    end
    core.msleep(math.random(20))
end)

core.register_fetches("slow", function(txn)
    core.msleep(math.random(20))
    if math.random(20) == 1 then
        error("a fetch fails")
    end
    return "fetched"
end)

core.register_service("stream", "http", function(applet)
    applet:set_status(200)
    applet:start_response()
    for _ = 1, 20 do
        applet:send(("s"):rep(1000))
        core.msleep(1)
    end
end)

core.register_service("relay", "http", function(applet)
    local socket = core.tcp()
    socket:settimeout(1)
    local answer = "nothing"
    if socket:connect(host, tonumber(port)) then
        socket:send("GET /relayed HTTP/1.1\r\nhost: steady\r\n\r\n")
        answer = socket:receive("*l") or "nothing"
        if math.random(2) == 1 then
            socket:setkeepalive(1000, 8)
        end
    end
    applet:set_status(200)
    applet:add_header("content-length", tostring(#answer))
    applet:start_response()
    applet:send(answer)
end)

core.register_service("client", "http", function(applet)
    local response = core.httpclient():get({ url = "http://" .. address .. "/asked", timeout = 1000 })
    local answer = tostring(response.status)
    applet:set_status(200)
    applet:add_header("content-length", tostring(#answer))
    applet:start_response()
    applet:send(answer)
end)

core.register_task(function()
    while true do
        seen:set("tick", core.now().sec, 5)
        core.register_task(function() core.msleep(50) end)
        core.msleep(1000)
        -- So that what is counted at the end is what something still holds. In a task of its own: behind a script that took much, on a
        -- busy machine, it may take more than a burst, which would be the end of this one.
        core.register_task(function() collectgarbage() end)
    end
end)
