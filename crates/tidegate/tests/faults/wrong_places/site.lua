core.register_action("late", {"http-res"}, function(txn) end)
core.register_converters("twice", function(text) return text .. text end)
