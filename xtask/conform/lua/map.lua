-- Map, Patref, Regex and what `core` does to lists.

for _, name in ipairs({ "_int", "_ip", "_str", "_beg", "_sub", "_dir", "_dom", "_end", "_reg" }) do
    case("Map." .. name, "load", function(say) say(type(attribute(Map, name))) end)
end
local lists = site.lists
local maps = {}
for _, method in ipairs({ "int", "ip", "str", "beg", "sub", "dir", "dom", "end", "reg" }) do
    maps[method] = Map.new(lists .. "/" .. method .. ".map", Map["_" .. method])
end
local other = Map.new(lists .. "/other.map", Map._str)
case("Map.new", "load", function(say)
    say(maps.str)
    say(fails(Map.new, lists .. "/none.map", Map._str), fails(Map.new))
end)
local asked = {
    int = { "5", "15", "99" }, ip = { "10.1.2.3", "::1", "192.168.0.1", "text" }, str = { "exact", "exactly", "" }, beg = { "begins here", "it begins" },
    sub = { "a part of it", "no" }, dir = { "/a/dir/b", "/a/dirty/b" }, dom = { "www.example.com", "example.org" }, ["end"] = { "at the tail", "tail end" },
    reg = { "v12", "v" },
}
for _, name in ipairs({ "lookup", "slookup" }) do
    case("Map." .. name, "request", function(say)
        for _, method in ipairs({ "int", "ip", "str", "beg", "sub", "dir", "dom", "end", "reg" }) do
            for _, key in ipairs(asked[method]) do say(method, key, maps[method][name](maps[method], key)) end
        end
        say(fails(maps.str[name], maps.str), fails(maps.str[name], maps.str, nil), fails(maps.str[name], maps.str, {}))
    end)
end
case("core.set_map", "request", function(say)
    say(core.set_map(lists .. "/other.map", "new", "value")) say(other:lookup("new"))
    core.set_map(lists .. "/other.map", "new", "changed") say(other:lookup("new"))
    say(fails(core.set_map, lists .. "/none.map", "a", "b"))
end)
case("core.del_map", "request", function(say)
    core.set_map(lists .. "/other.map", "gone", "value")
    say(core.del_map(lists .. "/other.map", "gone")) say(other:lookup("gone"))
    say(core.del_map(lists .. "/other.map", "never"))
    say(fails(core.del_map, lists .. "/none.map", "a"))
end)
case("core.add_acl", "request", function(say, txn)
    say(core.add_acl(lists .. "/words.acl", "added"), fails(core.add_acl, lists .. "/none.acl", "a"))
end)
case("core.del_acl", "request", function(say, txn)
    say(core.del_acl(lists .. "/words.acl", "known"), core.del_acl(lists .. "/words.acl", "never"))
    say(fails(core.del_acl, lists .. "/none.acl", "a"))
end)

case("core.get_patref", "request", function(say)
    say(core.get_patref(lists .. "/str.map") ~= nil, core.get_patref(lists .. "/words.acl") ~= nil)
    say(raises(core.get_patref, lists .. "/none.map") ~= "no error")
end, "true true\ntrue")
local function ref() return core.get_patref(lists .. "/ref.map") end
local refmap = Map.new(lists .. "/ref.map", Map._str)
case("Patref.get_name", "request", function(say) say(ref():get_name() == lists .. "/ref.map") end, "true")
case("Patref.is_map", "request", function(say) say(ref():is_map(), core.get_patref(lists .. "/words.acl"):is_map()) end, "true false")
case("Patref.add", "request", function(say) say(ref():add("added", "value")) say(refmap:lookup("added")) end, "true\n'value'")
case("Patref.set", "request", function(say)
    ref():add("added", "value")
    say(ref():set("added", "changed")) say(refmap:lookup("added"))
    say((ref():set("never", "x"))) say(refmap:lookup("never"))
    say(ref():set("forced", "x", true)) say(refmap:lookup("forced"))
end, "true\n'changed'\nnil\nnil\ntrue\n'x'")
case("Patref.del", "request", function(say) ref():add("short", "life") say(ref():del("short")) say(refmap:lookup("short")) end, "true\nnil")
case("Patref.add_bulk", "request", function(say) say(ref():add_bulk({ one = "1", two = "2" })) say(refmap:lookup("one"), refmap:lookup("two")) end, "true\n'1' '2'")
case("Patref.prepare", "request", function(say)
    local ref = ref()
    ref:prepare()
    ref:add("prepared", "yes")
    say(refmap:lookup("prepared"))
    ref:giveup()
    say(refmap:lookup("prepared"))
end, "nil\nnil")
case("Patref.commit", "request", function(say)
    local ref = ref()
    ref:prepare()
    ref:add("all", "that is left")
    say(ref:commit())
    say(refmap:lookup("all"), refmap:lookup("one"))
end, "true\n'that is left' nil")
case("Patref.giveup", "request", function(say) local ref = ref() ref:prepare() ref:giveup() say("given up") end, "'given up'")
case("Patref.purge", "request", function(say) say(ref():purge()) say(refmap:lookup("all")) end, "true\nnil")
case("Patref.event_sub", "request", function(say)
    local ref = ref()
    ref:event_sub({ "PAT_REF_ADD" }, function(event, data, sub) say(event) sub:unsub() end)
    ref:add("heard", "of")
    core.msleep(50)
end, "'PAT_REF_ADD'")

case("Regex.new", "load", function(say)
    local ok, regex = Regex.new("a(b)c", true)
    say(ok, regex)
    local ok, why = Regex.new("a(", true)
    say(ok, type(why))
    say(fails(Regex.new))
end)
case("Regex.exec", "load", function(say)
    local _, regex = Regex.new("a(b+)c", true)
    local _, any = Regex.new("a(b+)c", false)
    say(regex:exec("xxabbcxx"), regex:exec("ABC"), any:exec("ABC"), regex:exec(""))
    say(fails(regex.exec, regex))
end)
case("Regex.match", "load", function(say)
    local _, regex = Regex.new("a(b+)(c)?", true)
    say(regex:match("xxabbcxx")) say(regex:match("ab")) say(regex:match("none"))
end)
