-- Lets through whoever shows a token that we signed and that has not expired.

local secret = ...

local function refuse(txn, why)
    local reply = txn:reply({ status = 401, body = why .. "\n" })
    reply:add_header("content-type", "text/plain")
    reply:add_header("www-authenticate", 'Bearer error_description="' .. why .. '"')
    txn:done(reply)
end

core.register_action("token", { "http-req" }, function(txn)
    local token = txn.sf:req_hdr("authorization"):match("^[Bb]earer (%S+)$")
    if not token then
        refuse(txn, "no token")
    end
    -- We say which algorithm it has to be. A token that could choose would choose `none`.
    if txn.c:jwt_verify(token, "HS256", secret) ~= 1 then
        refuse(txn, "not signed by us")
    end
    local expires = tonumber(txn.sc:jwt_payload_query(token, "$.exp", "int"))
    if not expires or expires < core.now().sec then
        refuse(txn, "expired")
    end
    -- Set, not added: nobody names themselves.
    txn.http:req_set_header("x-user", txn.sc:jwt_payload_query(token, "$.sub"))
end)

core.register_init(function()
    print([[
the API listens on 127.0.0.1:8100. Try:

  curl -i http://127.0.0.1:8100/
  curl -H 'authorization: Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhZGEiLCJleHAiOjQxMDI0NDQ4MDB9.aCQ08VDINgJ3ilRK8n_H1LVrHT4hsbGrLOLjx932n2g' http://127.0.0.1:8100/
  curl -H 'authorization: Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhZGEiLCJleHAiOjEwMDAwMDAwMDB9.2VUrNcxA4L0Y-Tg4hyDVnw6OWo_yhxXJd8Gy3iCk2Nc' http://127.0.0.1:8100/
  curl -H 'authorization: Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhZGEiLCJleHAiOjQxMDI0NDQ4MDB9.LJWHW9j_cXGjMPN7m57CbACD6EDup1mZjDM1waI7OAY' http://127.0.0.1:8100/
]])
end)
