local function answer(applet, text)
    applet:set_status(200)
    applet:add_header("content-type", "text/plain")
    applet:add_header("content-length", tostring(#text))
    applet:start_response()
    applet:send(text)
end

local function fib(n)
    if n < 2 then
        return n
    end
    return fib(n - 1) + fib(n - 2)
end

core.register_service("bench", "http", function(applet)
    answer(applet, "fib is " .. fib(20) .. "\n")
end)
