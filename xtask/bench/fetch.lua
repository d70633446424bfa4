core.register_fetches("caller", function(txn)
    return txn.sf:req_hdr("host"):match("^[^:]*")
end)

core.register_converters("wrap", function(text)
    return "<" .. text .. ">"
end)
