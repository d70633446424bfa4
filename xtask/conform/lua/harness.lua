-- What cases are made with. A case says what it sees; whoever runs it reads that from a file, line by line.
-- `site` tells where things are: `out`, that file; `origin`, the port of a server that answers with what it was asked; `echo`, that of one
-- that sends lines back, and `socket`, a Unix socket that does the same; `lists`, the directory of the lists.
local cases, counts = {}, {}

local function write(...)
    local file = assert(io.open(site.out, "a"))
    file:write(table.concat({ ... }, "\t"), "\n")
    file:close()
end

local ESCAPES = { ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ["\0"] = "\\0" }

local function escaped(text) return (text:gsub("[\\\n\r\t%z]", ESCAPES)) end

-- A value in a form that doesn't depend on the order of tables, or on addresses.
function show(value)
    local kind = type(value)
    if kind == "string" then return "'" .. escaped(value) .. "'" end
    if kind == "table" then
        if getmetatable(value) ~= nil then return "object" end
        local parts = {}
        for key, item in pairs(value) do
            parts[#parts + 1] = (type(key) == "string" and key or "[" .. show(key) .. "]") .. "=" .. show(item)
        end
        table.sort(parts)
        return "{" .. table.concat(parts, ", ") .. "}"
    end
    if kind == "userdata" and getmetatable(value) ~= nil then return "object" end
    if kind == "function" or kind == "userdata" or kind == "thread" then return kind end
    return tostring(value)
end

local function shown(...)
    local all = table.pack(...)
    for i = 1, all.n do all[i] = show(all[i]) end
    return table.concat(all, " ")
end

local function plain(problem)
    local text = tostring(problem)
    repeat
        local count
        text, count = text:gsub("^[^%s:]+:%d+: ", "")
    until count == 0
    return text:gsub("\n.*", "")
end

-- How a call fails, in words without a place.
function raises(f, ...)
    if f == nil then error("absent", 0) end
    local ok, problem = pcall(f, ...)
    return ok and "no error" or plain(problem)
end

-- Only whether a call fails, where the words are nobody's to rely on.
function fails(f, ...)
    if f == nil then error("absent", 0) end
    return not pcall(f, ...)
end

-- An attribute that has to be there.
function attribute(object, name)
    local value = object[name]
    if value == nil then error("absent", 0) end
    return value
end

local function run(id, ...)
    local case = cases[id]
    if not case then return end
    local say = function(...) write("say", id, shown(...)) end
    -- What ends a run is an error in HAProxy, and must not be caught.
    if case.ends then return case.run(say, ...) end
    local result = table.pack(pcall(case.run, say, ...))
    if not result[1] then
        local problem = plain(result[2])
        local absent = problem == "absent" or problem:match("^attempt to call a nil value")
        write("say", id, absent and "absent" or "raises " .. escaped(problem))
    end
    write("end", id)
    return table.unpack(result, 2, result.n)
end

-- A case for an entry of the API. `place` is where it runs; `expected` is what the documentation lets it say, line by line;
-- `ends` tells that it ends its run.
function case(entry, place, f, expected, ends)
    counts[entry] = (counts[entry] or 0) + 1
    local id = entry .. "-" .. counts[entry]
    cases[id] = { entry = entry, place = place, run = f, ends = ends or entry:match("%.done$") }
    write("plan", id, entry, place, escaped(expected or ""))
    if place == "load" then
        run(id)
    elseif place == "init" then
        core.register_init(function() run(id) end)
    elseif place == "task" then
        core.register_task(function() run(id) end)
    elseif place == "event" then
        -- It says something when something happens.
        core.register_init(function() run(id) end)
    end
end

-- The case that a request is for.
local function wanted(txn) return txn.sf:path():match("[^/]+$") end

core.register_action("request", { "http-req" }, function(txn) return run(wanted(txn), txn) end)
core.register_action("response", { "http-res" }, function(txn) return run(txn:get_var("txn.case"), txn) end)
core.register_action("stream", { "tcp-req" }, function(txn)
    -- The first line names the case; those of the other direction run when the answer comes.
    local id = txn.req:line(0, -1):gsub("%s+$", "")
    txn:set_var("txn.case", id)
    if cases[id].place == "stream" then return run(id, txn) end
end)
core.register_action("answer", { "tcp-res" }, function(txn)
    local id = txn:get_var("txn.case")
    if cases[id].place == "answer" then return run(id, txn) end
end)
core.register_service("service", "http", function(applet)
    run(applet.path:match("[^/]+$"), applet)
end)
core.register_service("tcp-service", "tcp", function(applet)
    run((applet:getline() or ""):gsub("%s+$", ""), applet)
end)
-- Runs cases in its callbacks: each once, though it may be called as often as it asks for.
local Cases = { flags = filter.FLT_CFG_FL_HTX }
Cases.__index = Cases
function Cases:new() return setmetatable({ args = self.args, ran = {} }, Cases) end
function Cases:start_analyze(txn, chn) filter.register_data_filter(self, chn) end
function Cases:of(place, txn, subject)
    local case = cases[self.id]
    if not case or case.place ~= place then return end
    return run(self.id, txn, subject, self)
end
function Cases:http_headers(txn, msg)
    if not msg:is_resp() then
        self.id = wanted(txn)
        if cases[self.id] and cases[self.id].place == "longer" then
            msg:del_header("content-length")
            msg:set_header("transfer-encoding", "chunked")
        end
    end
    return self:of(msg:is_resp() and "answer-head" or "head", txn, msg)
end
function Cases:http_payload(txn, msg)
    if not msg:eom() or self.ran[msg:is_resp()] then return end
    self.ran[msg:is_resp()] = true
    if msg:is_resp() then return end
    local said = self:of("longer", txn, msg)
    return said or self:of("body", txn, msg)
end
function Cases:tcp_payload(txn, chn)
    if chn:is_resp() or self.id or chn:input() == 0 then return end
    self.id = chn:line():gsub("%s+$", "")
    return self:of("passing", txn, chn)
end
core.register_filter("cases", Cases, function(flt, args) flt.args = args return flt end)
core.register_fetches("fetch", function(txn, ...) return run(wanted(txn), txn, ...) end)
core.register_converters("converter", function(id, ...) return run(id, ...) end)
core.register_cli({ "case" }, "case ID: runs a case", function(applet, _, id) run(id, applet) end)
