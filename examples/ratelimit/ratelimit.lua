-- A few requests for each client and period. The counters are in a dictionary that all threads share.

local limit = 3
local period_s = 60

-- When it is full, those that were asked for longest ago make room: a flood of new clients can't take all memory.
local counters = core.shared("ratelimit", { size = 1 << 20 })

core.register_action("limit", { "http-req" }, function(txn)
    -- Who a client is: the key that it shows, else its address.
    local client = txn.sf:req_hdr("x-api-key")
    if client == "" then
        client = txn.sf:src()
    end
    -- One step, whatever other threads do. The first request of a period begins at 0 and says when it ends.
    local count = counters:incr(client, 1, 0, period_s * 1000)
    txn:set_var("txn.remaining", math.max(limit - count, 0))
    if count > limit then
        txn:done(txn:reply({
            status = 429,
            headers = { ["content-type"] = { "text/plain" }, ["retry-after"] = { tostring(period_s) } },
            body = "too many requests\n",
        }))
    end
end)

core.register_init(function()
    print([[
the API listens on 127.0.0.1:8105. Try:

  curl -i -H 'x-api-key: ada' http://127.0.0.1:8105/
  curl -H 'x-api-key: ada' http://127.0.0.1:8105/?2
  curl -i -H 'x-api-key: ada' http://127.0.0.1:8105/?3
  curl -i -H 'x-api-key: ada' http://127.0.0.1:8105/?4
  curl -H 'x-api-key: grace' http://127.0.0.1:8105/
]])
end)
