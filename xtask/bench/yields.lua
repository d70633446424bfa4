local function answer(applet, text)
    applet:set_status(200)
    applet:add_header("content-type", "text/plain")
    applet:add_header("content-length", tostring(#text))
    applet:start_response()
    applet:send(text)
end

core.register_service("bench", "http", function(applet)
    local count = 0
    for _ = 1, 10 do
        core.yield()
        count = count + 1
    end
    answer(applet, "yielded " .. count .. " times\n")
end)
