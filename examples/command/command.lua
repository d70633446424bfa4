-- Counts requests by path, and answers to operators about it.

local pages_max = 1000
local counts, pages = {}, 0

core.register_action("count", { "http-req" }, function(txn)
    local path = txn.sf:path()
    if not counts[path] then
        -- Whoever asks for a million paths fills no memory.
        if pages == pages_max then
            return
        end
        counts[path], pages = 0, pages + 1
    end
    counts[path] = counts[path] + 1
end)

core.register_cli({ "show", "pages" }, "show pages [N]: the N pages that were asked for most", function(applet, _, _, most)
    local paths = {}
    for path in pairs(counts) do
        paths[#paths + 1] = path
    end
    table.sort(paths, function(a, b)
        if counts[a] ~= counts[b] then
            return counts[a] > counts[b]
        end
        return a < b
    end)
    for i = 1, math.min(#paths, tonumber(most) or 10) do
        applet:send(("%6d %s\n"):format(counts[paths[i]], paths[i]))
    end
end)

core.register_cli({ "clear", "pages" }, "clear pages: begins to count anew", function(applet)
    counts, pages = {}, 0
    applet:send("done\n")
end, "admin")

core.register_init(function()
    print([[
the site listens on 127.0.0.1:8125, the runtime API on 127.0.0.1:8126. Try:

  curl http://127.0.0.1:8125/
  curl http://127.0.0.1:8125/orders
  curl http://127.0.0.1:8125/orders?id=7
  echo show pages | curl telnet://127.0.0.1:8126
  echo show pages 1 | curl telnet://127.0.0.1:8126
  echo clear pages | curl telnet://127.0.0.1:8126
  echo show pages | curl telnet://127.0.0.1:8126
]])
end)
