-- A script with a state for each thread.
local count = 0

core.register_action("own_falter", { "http-req" }, function(txn)
    count = count + 1
    if count % 10 == 0 then
        error("each tenth")
    end
    txn:set_var("txn.count", count)
    core.msleep(math.random(10))
end)
