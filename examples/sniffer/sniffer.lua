-- A filter that looks at the first bytes of a stream to see what is spoken, and lets in only what the line names.

local Sniffer = { id = "sniffer" }
Sniffer.__index = Sniffer

local counts = {}

function Sniffer:new()
    return setmetatable({ allowed = self.allowed }, Sniffer)
end

function Sniffer:start_analyze(txn, chn)
    if not chn:is_resp() then filter.register_data_filter(self, chn) end
end

-- What the bytes begin, or nil as long as that isn't clear.
local function protocol(data)
    local first = data:byte(1)
    if first == 0x16 then
        return #data >= 3 and (data:byte(2) == 3 and "tls" or "unknown") or nil
    end
    for beginning, name in pairs({ ["SSH-"] = "ssh", ["EHLO "] = "smtp", ["HELO "] = "smtp", ["PRI * HTTP/2"] = "http" }) do
        local part = math.min(#data, #beginning)
        if data:sub(1, part) == beginning:sub(1, part) then
            return part == #beginning and name or nil
        end
    end
    local line = data:match("^[^\n]*\n")
    if line then
        return line:find("^%u+ %S+ HTTP/1%.[01]\r?\n") and "http" or "unknown"
    end
    return #data > 1000 and "unknown" or nil
end

function Sniffer:tcp_payload(txn, chn)
    local data = chn:data()
    local spoken = data and protocol(data)
    if not spoken then
        -- Everything waits until it is known; who ends before is let go.
        return chn:may_recv() and filter.WAIT or filter.CONTINUE
    end
    counts[spoken] = (counts[spoken] or 0) + 1
    txn:set_var("txn.protocol", spoken)
    txn:Info(("a client speaks %s"):format(spoken))
    if not self.allowed[spoken] then return filter.ERROR end
    -- All else passes without a look.
    filter.unregister_data_filter(self, chn)
end

core.register_filter("sniffer", Sniffer, function(flt, args)
    flt.allowed = {}
    for _, name in ipairs(args) do flt.allowed[name] = true end
    return flt
end)

core.register_service("greet", "tcp", function(applet)
    applet:send("hello, " .. applet:getline())
end)

core.register_service("counts", "http", function(applet)
    local lines = {}
    for name, count in pairs(counts) do lines[#lines + 1] = ("%s %d\n"):format(name, count) end
    table.sort(lines)
    local text = table.concat(lines)
    applet:set_status(200)
    applet:add_header("content-length", tostring(#text))
    applet:start_response()
    applet:send(text)
end)

core.register_init(function()
    print([[
the door listens on 127.0.0.1:8101 for ssh and smtp, and 127.0.0.1:8103 says who came. Try:

  echo SSH-2.0-client | curl telnet://127.0.0.1:8101
  echo EHLO tide | curl telnet://127.0.0.1:8101
  curl http://127.0.0.1:8103/
]])
end)
