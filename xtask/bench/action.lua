core.register_action("bench", { "http-req" }, function(txn)
    local host = txn.sf:req_hdr("host")
    txn.http:req_set_header("x-mark", "<" .. host:match("^[^:]*") .. ">")
end)
