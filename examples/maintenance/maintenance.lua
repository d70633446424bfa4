-- When the door is closed: in the periods of a schedule, and while somebody has closed it.

local closed = false
-- Periods from when to when, in seconds since 1970.
local schedule = {}

-- What visitors are told who come when nobody knows how long it takes.
local usual_s = 60

-- How long the door stays closed; nil when it is open.
local function closed_for(now)
    for _, period in ipairs(schedule) do
        if period.from <= now and now < period.to then
            return period.to - now
        end
    end
    return closed and usual_s or nil
end

core.register_fetches("closed_for", function(txn)
    return closed_for(core.now().sec) or 0
end)

-- What operators may ask for. Each says what is wrong, or nothing.
local orders = {
    ["GET /"] = function() end,
    ["POST /close"] = function() closed = true end,
    ["POST /open"] = function() closed = false end,
    ["DELETE /schedule"] = function() schedule = {} end,
    ["POST /schedule"] = function(applet)
        local from, to = applet:receive():match("^(%d+) (%d+)$")
        if not from then
            return "two times in seconds since 1970: FROM TO\n"
        end
        schedule[#schedule + 1] = { from = tonumber(from), to = tonumber(to) }
    end,
}

core.register_service("door", "http", function(applet)
    local order = orders[applet.method .. " " .. applet.path]
    local status, text = 404, "POST /close, /open or /schedule\n"
    if order then
        local wrong = order(applet)
        local seconds = closed_for(core.now().sec)
        status = wrong and 400 or 200
        text = wrong or seconds and ("the door is closed for %d s\n"):format(seconds) or "the door is open\n"
    end
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
  curl -X POST http://127.0.0.1:8096/open
  curl http://127.0.0.1:8095/
  curl -d '1700000000 1700003600' http://127.0.0.1:8096/schedule
  curl -d '1700000000 4102444800' http://127.0.0.1:8096/schedule
  curl -i http://127.0.0.1:8095/
  curl -X DELETE http://127.0.0.1:8096/schedule
  curl -i http://127.0.0.1:8096/lock
]])
end)
