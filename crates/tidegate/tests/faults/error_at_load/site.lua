local function helper(config)
    return config.missing.field
end
helper({})
