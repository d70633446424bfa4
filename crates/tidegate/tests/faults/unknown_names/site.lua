core.register_action("auth", {"http-req"}, function(txn) end, 1)
core.register_service("hello", "http", function(applet) end)
core.register_fetches("user", function(txn) return "u" end)
