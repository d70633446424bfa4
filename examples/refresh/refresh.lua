-- Keeps a map as a server has it: each line of the list is a host and its backend.

local source = "http://127.0.0.1:8131/hosts"
local period_s = 30

local known = false

local function refresh()
    local answer = core.httpclient():get({ url = source, timeout = 5000 })
    if answer.status ~= 200 then
        core.Warning("the list of hosts: " .. (answer.error or answer.status))
        return
    end
    local map = core.get_patref("virt@hosts")
    -- The new list takes the place of the old one in one step: no request sees half of it.
    map:prepare()
    for host, backend in answer.body:gmatch("(%S+) +(%S+)\n") do
        map:add(host, backend)
    end
    map:commit()
    known = true
end

-- A task lives as long as the process. While it waits it costs nothing.
core.register_task(function()
    while true do
        -- A list that can't be had is no reason to stop: the last one stays.
        local ok, problem = pcall(refresh)
        if not ok then
            core.Warning("the list of hosts: " .. tostring(problem))
        end
        core.sleep(known and period_s or 1)
    end
end)

core.register_action("known", { "http-req" }, function()
    while not known do
        core.msleep(10)
    end
end)

core.register_init(function()
    print([[
the site listens on 127.0.0.1:8130. Try:

  curl -H 'host: shop.example.com' http://127.0.0.1:8130/
  curl -H 'host: Blog.example.com' http://127.0.0.1:8130/
  curl -i -H 'host: other.example.com' http://127.0.0.1:8130/
]])
end)
