core.register_action("auth", {"http-req"}, function(txn)
    local x = 
end)
