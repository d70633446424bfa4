local function answer(applet, text)
    applet:set_status(200)
    applet:add_header("content-type", "text/plain")
    applet:add_header("content-length", tostring(#text))
    applet:start_response()
    applet:send(text)
end

core.register_service("bench", "http", function(applet)
    local socket = core.tcp()
    socket:settimeout(5)
    socket:connect("127.0.0.1", @ORIGIN@)
    socket:send("GET /part HTTP/1.1\r\nhost: origin\r\n\r\n")
    local length = 0
    local line = socket:receive("*l")
    while line and line ~= "" and line ~= "\r" do
        length = tonumber(line:match("^content%-length: (%d+)")) or length
        line = socket:receive("*l")
    end
    local body = socket:receive(length)
    socket:close()
    answer(applet, "origin says " .. body)
end)
