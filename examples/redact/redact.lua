-- A filter that hides card numbers in bodies, however long those are and wherever they are cut into pieces.

local Redact = { id = "redact", flags = filter.FLT_CFG_FL_HTX }
Redact.__index = Redact

function Redact:new()
    return setmetatable({ shown = self.shown, hidden = 0, before = "" }, Redact)
end

-- Data pass the filter on the ways that the configuration names.
function Redact:start_analyze(txn, chn)
    local way = chn:is_resp() and "responses" or "requests"
    if self.shown[way] then filter.register_data_filter(self, chn) end
end

function Redact:http_headers(txn, msg)
    -- Of texts only; and the length of what comes out is not known before.
    local types = msg:get_headers()["content-type"]
    local is_text = types and (types[0]:find("^text/") or types[0]:find("json") or types[0]:find("form"))
    if is_text then
        msg:set_body_len("chunked")
    else
        filter.unregister_data_filter(self, msg.channel)
    end
end

-- Whether the digits are a card's: their check digit says so (Luhn).
local function is_card(digits)
    local sum, double = 0, false
    for at = #digits, 1, -1 do
        local digit = digits:byte(at) - 48
        if double then
            digit = digit * 2
            if digit > 9 then digit = digit - 9 end
        end
        sum, double = sum + digit, not double
    end
    return #digits >= 13 and #digits <= 19 and sum % 10 == 0
end

-- What may be a number of a card is no longer, with a blank or a dash between any two digits.
local NUMBER_MAX = 37

-- Hides the numbers in a piece of a text, and says how much of the piece that covers: a number at its end may go on.
function Redact:hide(piece, is_last)
    local text = self.before .. piece
    local start = #self.before + 1
    local out, from, at, stop = {}, start, start, #text + 1
    while true do
        local first = text:find("%d", at)
        if not first then break end
        local last = first
        repeat
            last = select(2, text:find("^%d+", last))
            local goes_on = text:find("^[ -]%d", last + 1)
            if goes_on then last = last + 2 end
        until not goes_on
        local is_open = not is_last and text:find("^[ -]?$", last + 1)
        local before = text:sub(math.max(1, first - 2), first - 1)
        local is_rest = before:find("%d[ -]?$")
        if is_open and not is_rest and last - first < NUMBER_MAX then
            stop = first
            break
        end
        local digits = text:sub(first, last):gsub("[ -]", "")
        if not is_open and not is_rest and is_card(digits) then
            self.hidden = self.hidden + 1
            out[#out + 1] = text:sub(from, first - 1) .. ("*"):rep(#digits - 4) .. digits:sub(-4)
            from = last + 1
        end
        at = last + 1
    end
    out[#out + 1] = text:sub(from, stop - 1)
    self.before = text:sub(math.max(1, stop - 2), stop - 1)
    return table.concat(out), stop - start
end

function Redact:http_payload(txn, msg)
    local text, length = self:hide(msg:body() or "", msg:eom())
    msg:set(text, 0, length)
    msg:forward(#text)
    return filter.WAIT
end

function Redact:http_end(txn, msg)
    if self.hidden > 0 then
        txn:Info(("%d card numbers hidden in a %s"):format(self.hidden, msg:is_resp() and "response" or "request"))
    end
    self.hidden, self.before = 0, ""
end

core.register_filter("redact", Redact, function(flt, args)
    flt.shown = {}
    for _, way in ipairs(args) do flt.shown[way] = true end
    return flt
end)

core.register_service("echo", "http", function(applet)
    local body = applet:receive()
    applet:set_status(200)
    applet:add_header("content-type", "text/plain")
    applet:add_header("content-length", tostring(#body))
    applet:start_response()
    applet:send(body)
end)

core.register_init(function()
    print([[
shop listens on 127.0.0.1:8098, with its orders at 127.0.0.1:8099. Try:

  curl http://127.0.0.1:8098/receipt
  curl -i http://127.0.0.1:8098/logo
  curl -d 'card=4111 1111 1111 1111&name=Ada' http://127.0.0.1:8098/order
  curl -d 'card=4111 1111 1111 1112&name=Ada' http://127.0.0.1:8098/order
]])
end)
