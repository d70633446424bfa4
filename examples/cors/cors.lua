-- Which sites' pages may use this API, and how.

local allowed = {
    ["https://shop.example.com"] = true,
    ["https://admin.example.com"] = true,
}
local methods = "GET, POST, DELETE"
local headers = "authorization, content-type"

-- A browser asks before it sends anything out of the ordinary. The application need not know.
core.register_action("preflight", { "http-req" }, function(txn)
    local origin = txn.sf:req_hdr("origin")
    local asks = txn.sf:req_hdr("access-control-request-method") ~= ""
    if not asks then
        return
    end
    local reply = txn:reply({ status = 204 })
    reply:add_header("vary", "origin")
    if allowed[origin] then
        reply:add_header("access-control-allow-origin", origin)
        reply:add_header("access-control-allow-methods", methods)
        reply:add_header("access-control-allow-headers", headers)
        reply:add_header("access-control-max-age", "600")
    end
    txn:done(reply)
end)

-- What the request's origin was is kept in a variable: the request is gone by now.
core.register_action("cors", { "http-res" }, function(txn)
    local origin = txn:get_var("txn.origin")
    -- Caches have to keep answers for different origins apart, those for none too.
    txn.http:res_add_header("vary", "origin")
    if origin and allowed[origin] then
        txn.http:res_set_header("access-control-allow-origin", origin)
    end
end)

core.register_init(function()
    print([[
the API listens on 127.0.0.1:8110. Try:

  curl -i -X OPTIONS -H 'origin: https://shop.example.com' -H 'access-control-request-method: DELETE' http://127.0.0.1:8110/
  curl -i -H 'origin: https://shop.example.com' http://127.0.0.1:8110/
  curl -i -H 'origin: https://elsewhere.example' http://127.0.0.1:8110/
  curl http://127.0.0.1:8110/
]])
end)
