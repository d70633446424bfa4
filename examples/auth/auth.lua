-- Asks a service about each request, with its cookies and what it is for. Only this request waits for the answer.

core.register_action("ask", { "http-req" }, function(txn, url)
    local answer = core.httpclient():get({
        url = url,
        headers = {
            cookie = { txn.sf:req_hdr("cookie") },
            ["x-original-method"] = { txn.sf:method() },
            ["x-original-uri"] = { txn.sf:pathq() },
        },
        timeout = 2000,
    })
    if answer.status == 200 then
        -- What the visitor said of itself is not kept.
        txn.http:req_set_header("x-user", answer.headers["x-user"][0])
        return
    end
    -- A service that doesn't answer (its status is 0 then) is our fault, not the visitor's.
    local status = answer.status == 401 and 401 or 503
    txn:done(txn:reply({ status = status, headers = { ["content-type"] = { "text/plain" } }, body = answer.body }))
end, 1)

core.register_init(function()
    print([[
the site listens on 127.0.0.1:8115. Try:

  curl -i http://127.0.0.1:8115/
  curl -H 'cookie: session=5e55' http://127.0.0.1:8115/
  curl -H 'cookie: session=5e55' -H 'x-user: root' http://127.0.0.1:8115/
  curl -H 'cookie: session=none' -H 'x-user: root' http://127.0.0.1:8115/
]])
end)
