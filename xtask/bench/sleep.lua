local function answer(applet, text)
    applet:set_status(200)
    applet:add_header("content-type", "text/plain")
    applet:add_header("content-length", tostring(#text))
    applet:start_response()
    applet:send(text)
end

core.register_service("bench", "http", function(applet)
    core.msleep(1)
    answer(applet, "slept\n")
end)
