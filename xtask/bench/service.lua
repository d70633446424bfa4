local function answer(applet, text)
    applet:set_status(200)
    applet:add_header("content-type", "text/plain")
    applet:add_header("content-length", tostring(#text))
    applet:start_response()
    applet:send(text)
end

core.register_service("bench", "http", function(applet)
    answer(applet, "hello " .. applet.method .. " " .. applet.path .. "\n")
end)
