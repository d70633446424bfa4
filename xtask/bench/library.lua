local function answer(applet, text)
    applet:set_status(200)
    applet:add_header("content-type", "text/plain")
    applet:add_header("content-length", tostring(#text))
    applet:start_response()
    applet:send(text)
end

local function work()
    local parts = {}
    for i = 1, 100 do
        parts[i] = string.format("%d:%s", i, "item")
    end
    local letters = 0
    for word in table.concat(parts, ","):gmatch("%a+") do
        letters = letters + #word
    end
    return letters
end

core.register_service("bench", "http", function(applet)
    answer(applet, work() .. " letters\n")
end)
