-- The state of the door: one variable that a service writes and a fetch reads.

local closed = false

core.register_fetches("closed", function(txn)
    return closed
end)

core.register_service("door", "http", function(applet)
    local status, text = 200, nil
    if applet.method == "POST" and applet.path == "/close" then
        closed = true
    elseif applet.method == "POST" and applet.path == "/open" then
        closed = false
    elseif applet.path ~= "/" then
        status, text = 404, "POST /close or /open\n"
    end
    text = text or (closed and "the door is closed\n" or "the door is open\n")
    applet:set_status(status)
    applet:add_header("content-type", "text/plain")
    applet:add_header("content-length", tostring(#text))
    applet:start_response()
    applet:send(text)
end)

core.register_init(function()
    print([[
www listens on 127.0.0.1:8095, the door on 127.0.0.1:8096. Try:

  curl http://127.0.0.1:8095/
  curl -X POST http://127.0.0.1:8096/close
  curl -i http://127.0.0.1:8095/
  curl http://127.0.0.1:8096/
  curl -X POST http://127.0.0.1:8096/open
  curl http://127.0.0.1:8095/
  curl -i http://127.0.0.1:8096/lock
]])
end)
