-- Which version a visitor gets: the same at every visit, with nothing to remember it by.

-- How many visitors of a hundred get the new version.
local share = 20

-- A number from 0 to 99 that depends on the name alone.
local function bucket(name)
    local sum = 0
    for i = 1, #name do
        sum = (sum * 31 + name:byte(i)) % 65521
    end
    return sum % 100
end

core.register_fetches("version", function(txn)
    -- Whoever asks for a version gets it.
    local wish = txn.f:req_hdr("x-version")
    if wish == "new" or wish == "old" then
        return wish
    end
    local user = txn.f:req_hdr("x-user")
    if user and bucket(user) < share then
        return "new"
    end
    return "old"
end)

core.register_init(function()
    print([[
www listens on 127.0.0.1:8090. Try:

  curl -i -H 'x-user: ada' http://127.0.0.1:8090/
  curl -i -H 'x-user: grace' http://127.0.0.1:8090/
  curl -H 'x-user: ada' -H 'x-version: new' http://127.0.0.1:8090/
  curl http://127.0.0.1:8090/
]])
end)
