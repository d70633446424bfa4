-- Gives each visitor a variant, tells the application in a header and the visitor in a cookie.

local variants = { "a", "b" }
local known = { a = true, b = true }

core.register_action("variant", { "http-req" }, function(txn)
    local variant = txn.sf:req_cook("variant")
    if not known[variant] then
        variant = variants[math.random(#variants)]
        -- Only newcomers are given a cookie.
        txn:set_var("txn.new_variant", variant)
    end
    txn.http:req_set_header("x-variant", variant)
    -- The page under test has two files; all others are the same for everybody.
    if txn.sf:path() == "/pricing" then
        txn.http:req_set_path("/pricing-" .. variant)
    end
end)

core.register_action("remember", { "http-res" }, function(txn)
    local variant = txn:get_var("txn.new_variant")
    if variant then
        txn.http:res_add_header("set-cookie", "variant=" .. variant .. "; path=/; max-age=2592000")
    end
    -- What one visitor sees is not for others: shared caches have to know.
    txn.http:res_set_header("cache-control", "private")
end)

core.register_init(function()
    print([[
the site listens on 127.0.0.1:8120. Try:

  curl -H 'cookie: variant=b' http://127.0.0.1:8120/pricing
  curl -H 'cookie: variant=a' http://127.0.0.1:8120/pricing
  curl -H 'cookie: variant=a' http://127.0.0.1:8120/about
  curl -i -H 'cookie: variant=z' http://127.0.0.1:8120/about
]])
end)
