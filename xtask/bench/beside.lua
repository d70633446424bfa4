core.register_action("loop", { "http-req" }, function(txn)
    while true do end
end)
