error("and this one fails too")
